"""Fuzz targets that are unit tests as well."""

def fuzz_target(name, corpus, deps = []):
    """A libFuzzer target beside the parser it attacks.

    `name` is the source file without `.cc`; it defines `LLVMFuzzerTestOneInput`.
    Makes two targets:
      name          the fuzzer; build it with `--config=fuzz` and run it with the
                    corpus folder as argument. Manual: it needs clang.
      name_test     runs the same code over the corpus and over edits of it, in
                    every configuration.

    Args:
      name: the target's name, ending in `_fuzz`.
      corpus: the files to start from; what a fuzzer found is added there.
      deps: what the source file depends on.
    """
    native.cc_library(
        name = name + "_input",
        testonly = True,
        srcs = [name + ".cc"],
        deps = deps,
        alwayslink = True,
    )
    native.cc_binary(
        name = name,
        testonly = True,
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = [":" + name + "_input"],
    )
    native.cc_test(
        name = name + "_test",
        size = "small",
        args = ["$(rootpath %s)" % file for file in corpus],
        data = corpus,
        deps = [
            ":" + name + "_input",
            "//crypto/base/testing:fuzz_replay_main",
        ],
    )
