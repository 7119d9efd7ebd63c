"""C++ code from .proto files, by Debian's protoc."""

load("//tools/bazel:gantry.bzl", "GANTRY_COPTS")

def gantry_proto_library(name, src, deps = [], grpc = False, visibility = None):
    """Generates and compiles the C++ code of one .proto file.

    The library links no protobuf runtime itself: a program takes either the
    lite one (the shim) or the full one (with gRPC), never both in one process.

    Args:
      name: the cc_library made; the descriptor set is NAME.pb (full imports).
      src: the .proto file, named from the workspace root when imported.
      deps: gantry_proto_library targets of the files that src imports.
      grpc: whether src has services; then the library depends on gRPC.
      visibility: of the library and the descriptor set.
    """
    stem = src[:-len(".proto")]
    out = [stem + ".pb.h", stem + ".pb.cc"]
    tools = ["//tools/external:protoc"]
    flags = "--cpp_out=$(GENDIR)"
    if grpc:
        out += [stem + ".grpc.pb.h", stem + ".grpc.pb.cc"]
        tools.append("//tools/external:grpc_cpp_plugin")
        flags += (" --grpc_out=$(GENDIR) --plugin=protoc-gen-grpc=" +
                  "$(location //tools/external:grpc_cpp_plugin)")
    native.filegroup(
        name = name + "_src",
        srcs = [src] + [d + "_src" for d in deps],
        visibility = visibility,
    )
    protoc = "$(location //tools/external:protoc)"
    path = native.package_name() + "/" + src
    cmd = "%s -I. %s %s" % (protoc, flags, path)
    if grpc:
        # By way of a descriptor set, which names fields for JSON as well: what
        # the server's reflection tells clients is what is compiled in here.
        cmd = ("set=$$(mktemp) && %s -I. --include_imports " % protoc +
               "--descriptor_set_out=$$set %s && " % path +
               "%s --descriptor_set_in=$$set %s %s && " % (protoc, flags, path) +
               "rm $$set")
    native.genrule(
        name = name + "_gen",
        srcs = [name + "_src"],
        outs = out,
        cmd = cmd,
        tools = tools,
    )
    native.genrule(
        name = name + "_descriptor",
        srcs = [name + "_src"],
        outs = [stem + ".descriptor.pb"],
        cmd = "$(location //tools/external:protoc) -I. --include_imports " +
              "--descriptor_set_out=$@ " + native.package_name() + "/" + src,
        tools = ["//tools/external:protoc"],
        visibility = visibility,
    )
    native.cc_library(
        name = name,
        srcs = [f for f in out if f.endswith(".cc")],
        hdrs = [f for f in out if f.endswith(".h")],
        # Generated code is not ours to warn about.
        copts = GANTRY_COPTS + ["-w"],
        deps = deps + (["//tools/external:grpc"] if grpc else []),
        visibility = visibility,
    )
