"""Repositories made of an upstream release, fetched as fetch.sh describes."""

def _source_package_impl(ctx):
    fetch = ctx.execute(
        [
            "bash",
            ctx.path(ctx.attr._fetch),
            ctx.attr.package,
            ctx.attr.suite,
            ctx.attr.version,
            ctx.attr.archive,
            ctx.attr.sha256,
            "yes" if ctx.attr.accept_newer else "no",
            ctx.attr.url,
            ctx.attr.tree_sha256,
        ],
        timeout = 900,
    )
    if fetch.return_code != 0:
        fail("\n" + fetch.stderr)
    if fetch.stderr:
        print(fetch.stderr.strip())  # buildifier: disable=print
    if ctx.attr.prepare:
        prepare = ctx.execute(
            ["bash", ctx.path(ctx.attr.prepare)] +
            [ctx.path(data) for data in ctx.attr.prepare_data],
            timeout = 900,
        )
        if prepare.return_code != 0:
            fail("%s failed:\n%s%s" % (ctx.attr.prepare, prepare.stdout, prepare.stderr))
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    ctx.symlink(ctx.attr.build_file, "BUILD")

source_package = repository_rule(
    implementation = _source_package_impl,
    attrs = {
        "accept_newer": attr.bool(
            doc = "Whether a later release will do, with a notice.",
        ),
        "archive": attr.string(mandatory = True),
        "build_file": attr.label(mandatory = True, allow_single_file = True),
        "package": attr.string(
            doc = "The Debian source package.",
            mandatory = True,
        ),
        "prepare": attr.label(
            allow_single_file = True,
            doc = "A script to run in the unpacked tree.",
        ),
        "prepare_data": attr.label_list(
            allow_files = True,
            doc = "Arguments of that script.",
        ),
        "sha256": attr.string(mandatory = True),
        "suite": attr.string(mandatory = True),
        "tree_sha256": attr.string(),
        "url": attr.string(mandatory = True),
        "version": attr.string(mandatory = True),
        "_fetch": attr.label(default = "//third_party/fetch:fetch.sh"),
    },
)
