"""Fetched libraries are compiled one way, whatever is being built.

They always get their own optimisation flags and never a sanitizer's, so the
default, optimised and sanitized builds share the objects, and a sanitizer
watches our code at full speed.
"""

def _plain_transition_impl(_settings, _attr):
    return {
        "//command_line_option:compilation_mode": "fastbuild",
        "//command_line_option:conlyopt": [],
        "//command_line_option:copt": [],
        "//command_line_option:cxxopt": ["-std=c++20"],
        "//command_line_option:linkopt": [],
        "//command_line_option:per_file_copt": [],
    }

_plain_transition = transition(
    implementation = _plain_transition_impl,
    inputs = [],
    outputs = [
        "//command_line_option:compilation_mode",
        "//command_line_option:conlyopt",
        "//command_line_option:copt",
        "//command_line_option:cxxopt",
        "//command_line_option:linkopt",
        "//command_line_option:per_file_copt",
    ],
)

def _plain_cc_library_impl(ctx):
    actual = ctx.attr.actual[0]
    return [actual[CcInfo], actual[DefaultInfo]]

plain_cc_library = rule(
    implementation = _plain_cc_library_impl,
    attrs = {
        "actual": attr.label(
            cfg = _plain_transition,
            doc = "The cc_library to compile plainly.",
            mandatory = True,
            providers = [CcInfo],
        ),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
    doc = "A facade on a fetched library, compiled without the flags of this build.",
)
