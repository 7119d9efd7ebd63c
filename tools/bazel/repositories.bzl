"""The external repositories of the build: all on this machine, none fetched.

Debian's packages provide the rules and the C++ libraries; what Debian's Bazel
asks for by name but nothing here needs is a stub below third_party/.
"""

_RULES = "/usr/share/bazel/rules"
_TOOLS = "/usr/share/bazel/tools"
_STUBS = "tools/bazel/third_party"

def gantry_repositories():
    """Declares every repository that the WORKSPACE refers to."""
    native.local_repository(name = "platforms", path = _TOOLS + "/platforms")
    native.local_repository(name = "bazel_skylib", path = _TOOLS + "/skylib")
    native.local_repository(name = "rules_java", path = _RULES + "/java")
    native.local_repository(name = "rules_proto", path = _RULES + "/proto")
    native.local_repository(name = "rules_cc", path = _STUBS + "/rules_cc")
    native.local_repository(
        name = "remote_coverage_tools",
        path = _STUBS + "/remote_coverage_tools",
    )
    native.new_local_repository(
        name = "system",
        path = "/usr",
        build_file = "//tools/bazel:system.BUILD",
    )
