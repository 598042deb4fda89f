"""C++ code of a .proto file, messages and gRPC stubs."""

def _sibling(label, suffix):
    """The label of the target named like `label` with `suffix` added."""
    if ":" in label:
        return label + suffix
    return label + ":" + label.split("/")[-1] + suffix

def cc_proto(name, src, deps = [], grpc = False, visibility = None, testonly = False):
    """A library with `package/x.pb.h`, made by protoc from `src` (x.proto).

    Imports are written from the root of this tree (`import "a/b.proto";`), or
    `google/protobuf/...` for the well-known types.

    Args:
      name: the cc_library.
      src: one .proto file of this package.
      deps: `cc_proto` targets of the files that `src` imports.
      grpc: also generate `package/x.grpc.pb.h`, the service's stubs.
      visibility: of the library.
      testonly: as everywhere.
    """
    if not src.endswith(".proto"):
        fail("cc_proto src must be a .proto file, is: " + src)
    stem = src[:-len(".proto")]
    hdrs = [stem + ".pb.h"]
    srcs = [stem + ".pb.cc"]
    if grpc:
        hdrs.append(stem + ".grpc.pb.h")
        srcs.append(stem + ".grpc.pb.cc")

    # The file and all it imports, as protoc must see them.
    native.filegroup(
        name = name + "__protos",
        srcs = [src] + [_sibling(dep, "__protos") for dep in deps],
        testonly = testonly,
        visibility = ["//visibility:public"],
    )
    native.genrule(
        name = name + "__generate",
        srcs = [src, ":" + name + "__protos"],
        outs = hdrs + srcs,
        cmd = "$(location //third_party/protobuf:generate.sh) %s $(location %s) $(GENDIR) $(OUTS)" %
              ("grpc" if grpc else "messages", src),
        message = "Generating C++ from",
        tags = ["no-lint"],
        testonly = testonly,
        tools = ["//third_party/protobuf:generate.sh"],
        visibility = ["//visibility:private"],
    )
    native.cc_library(
        name = name,
        srcs = srcs,
        hdrs = hdrs,
        copts = ["-w"],
        linkstatic = True,
        testonly = testonly,
        visibility = visibility,
        deps = deps + ["//third_party/protobuf:protobuf"] +
               (["//third_party/grpc:grpc++"] if grpc else []),
    )
