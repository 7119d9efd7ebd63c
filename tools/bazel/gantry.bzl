"""The C++ rules of this workspace: one set of warnings, one kind of test."""

GANTRY_COPTS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-sign-compare",
    "-Wno-missing-field-initializers",
    # RETURN_IF_ERROR moves what some callers would return moved anyway.
    "-Wno-redundant-move",
    # GCC 12 sees these in its own std::string (its bugs 105329 and 105651).
    "-Wno-array-bounds",
    "-Wno-restrict",
]

# Packages that speak CRI in most of their sources.
_RPC = ["server", "server/cri", "server/metrics", "tools/ctl"]

# For a source in whose std::string GCC 12 sees a read beyond its end, which there
# is not.
NO_OVERREAD = ["-Wno-stringop-overread"]

def _below(package, room):
    return package == room or package.startswith(room + "/")

def _lite(package):
    """Whether it uses the lite protobuf runtime only: all below the server."""
    return _below(package, "runtime") or _below(package, "shim")

def _precompiled(header):
    """What to add to copts and deps to have a precompiled header.

    Args:
      header: a target of //tools/bazel/precompiled, none by default.
    """
    if not header:
        return struct(copts = [], deps = [])
    room = "tools/bazel/precompiled"
    off = "//%s:off" % room
    return struct(
        copts = select({
            off: [],
            "//conditions:default": ["-include%s/%s.h" % (room, header)],
        }),
        deps = select({
            off: [],
            "//conditions:default": ["//%s:%s" % (room, header)],
        }),
    )

def _library_header(package):
    if _lite(package):
        return "foreign"
    return "rpc" if package in _RPC else "daemon"

def gantry_cc_library(
        name,
        copts = [],
        deps = [],
        precompiled = True,
        **kwargs):
    """A cc_library with the house's warnings.

    Args:
      name: of the library.
      copts: beyond the house's.
      deps: as cc_library's.
      precompiled: whether its sources are compiled with the precompiled header
        of their room. False for copts that GCC wants to be the header's too.
      **kwargs: as cc_library's.
    """
    header = _library_header(native.package_name())
    ahead = _precompiled(header if precompiled and "srcs" in kwargs else None)
    native.cc_library(
        name = name,
        copts = GANTRY_COPTS + copts + ahead.copts,
        deps = deps + ahead.deps,
        **kwargs
    )

def gantry_cc_binary(name, copts = [], deps = [], **kwargs):
    """A cc_binary with the house's warnings."""
    ahead = _precompiled(_library_header(native.package_name()))
    native.cc_binary(
        name = name,
        copts = GANTRY_COPTS + copts + ahead.copts,
        deps = deps + ahead.deps,
        **kwargs
    )

def gantry_cc_test(name, copts = [], deps = [], tags = [], **kwargs):
    """A GoogleTest.

    Hermetic unless tagged: "root" needs a real kernel and root, "e2e" drives a
    server over its socket. Tagged tests run outside the sandbox and alone, for
    they share the kernel's tables (mounts, cgroups) that they check for leaks.
    """
    runtime = []
    package = native.package_name()
    if _lite(package):
        runtime = ["//tools/external:protobuf_lite"]
    kernel = "root" in tags or "e2e" in tags
    ahead = _precompiled("rpc_test" if package in _RPC else "test")
    native.cc_test(
        name = name,
        copts = GANTRY_COPTS + copts + ahead.copts,
        deps = deps + ahead.deps + runtime + [
            "//runtime/base:tsan_mutex",
            "//tools/external:gtest_main",
        ],
        tags = tags + (["exclusive", "local"] if kernel else []),
        size = kwargs.pop("size", "small"),
        **kwargs
    )
