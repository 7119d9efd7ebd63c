# Shared by the scripts in tools/ and test/: sourced, never run.

say() { printf '%s\n' "$*"; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Where built tools and unpacked packages are kept, outside the work tree.
GANTRY_CACHE="${XDG_CACHE_HOME:-/var/cache}/gantry"

# Debian's Bazel with a bounded heap: 2 jobs, so that compilers and the server
# together stay below 4 GiB. Startup options must be the same everywhere, or
# each script would restart the Bazel server of the one before.
BAZEL_STARTUP=(--host_jvm_args=-Xmx1200m)
# Two builds of one work tree at the same time need an output base each.
if [ -n "${GANTRY_OUTPUT_BASE-}" ]; then
  BAZEL_STARTUP+=("--output_base=$GANTRY_OUTPUT_BASE")
fi
gantry_bazel() {
  local verb=$1
  shift
  bazel "${BAZEL_STARTUP[@]}" "$verb" --jobs="${GANTRY_JOBS:-2}" "$@"
}
