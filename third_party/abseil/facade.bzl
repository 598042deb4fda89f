"""Facades over Debian's Abseil."""

def abseil(name, **kwargs):
    """One public Abseil target, under the name Abseil itself gives it.

    The headers are in the system's include path, so a facade adds only the
    libraries to link; which of them a binary uses is left to the linker.
    """
    native.cc_library(
        name = name,
        visibility = ["//visibility:public"],
        deps = [":libraries"],
        **kwargs
    )
