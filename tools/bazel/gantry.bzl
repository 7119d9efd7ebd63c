"""The C++ rules of this workspace: one set of warnings, one kind of test."""

GANTRY_COPTS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-sign-compare",
    "-Wno-missing-field-initializers",
    # RETURN_IF_ERROR moves what some callers would return moved anyway.
    "-Wno-redundant-move",
]

def gantry_cc_library(name, copts = [], **kwargs):
    """A cc_library with the house's warnings."""
    native.cc_library(
        name = name,
        copts = GANTRY_COPTS + copts,
        **kwargs
    )

def gantry_cc_binary(name, copts = [], **kwargs):
    """A cc_binary with the house's warnings."""
    native.cc_binary(
        name = name,
        copts = GANTRY_COPTS + copts,
        **kwargs
    )

def _below(package, room):
    return package == room or package.startswith(room + "/")

def gantry_cc_test(name, copts = [], deps = [], tags = [], **kwargs):
    """A GoogleTest.

    Hermetic unless tagged: "root" needs a real kernel and root, "e2e" drives a
    server over its socket. Tagged tests run outside the sandbox and alone, for
    they share the kernel's tables (mounts, cgroups) that they check for leaks.
    """
    runtime = []
    package = native.package_name()
    if _below(package, "runtime") or _below(package, "shim"):
        # The rooms below the server use the lite protobuf runtime only.
        runtime = ["//tools/external:protobuf_lite"]
    kernel = "root" in tags or "e2e" in tags
    native.cc_test(
        name = name,
        copts = GANTRY_COPTS + copts,
        deps = deps + runtime + [
            "//runtime/base:tsan_mutex",
            "//tools/external:gtest_main",
        ],
        tags = tags + (["exclusive", "local"] if kernel else []),
        size = kwargs.pop("size", "small"),
        **kwargs
    )
