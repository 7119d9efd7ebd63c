# Sourced by tests that drive a gantryd of their own over its socket.
# start_gantryd sets SOCKET, ROOT, RUN and LOGS; what it starts is ended, and
# what it made is removed, when the script exits.

say() { printf '%s\n' "$*"; }
fail() {
  say "FAILED: $*" >&2
  exit 1
}
# expect WHAT WANTED GOT
expect() {
  [ "$2" = "$3" ] || fail "$1: wanted '$2', got '$3'"
  say "ok: $1"
}

# Leaves a test with a reason that its result file carries.
skip() {
  say "SKIPPED: $*"
  if [ -n "${XML_OUTPUT_FILE-}" ]; then
    cat >"$XML_OUTPUT_FILE" <<XML
<?xml version="1.0" encoding="UTF-8"?>
<testsuites><testsuite name="$0" tests="1" failures="0" skipped="1">
<testcase name="${0##*/}" status="run" result="skipped">
<skipped message="$*"/></testcase></testsuite></testsuites>
XML
  fi
  exit 0
}

GANTRY_CACHE="${XDG_CACHE_HOME:-/var/cache}/gantry"
SERVER_PID=
CLEANUPS=()

at_exit() {
  local status=$? i
  for ((i = ${#CLEANUPS[@]} - 1; i >= 0; i--)); do
    "${CLEANUPS[i]}" || status=1
  done
  exit "$status"
}
trap at_exit EXIT

# ends PID: SIGTERM, and SIGKILL after ten seconds.
end_process() {
  local pid=$1 i
  kill -TERM "$pid" 2>/dev/null || return 0
  for ((i = 0; i < 100; i++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  if kill -KILL "$pid" 2>/dev/null; then
    say "process $pid did not end on SIGTERM" >&2
    wait "$pid" 2>/dev/null
    return 1
  fi
  wait "$pid" 2>/dev/null
  return 0
}

stop_gantryd() {
  local status=0
  if [ -n "$SERVER_PID" ]; then
    end_process "$SERVER_PID" || status=1
    SERVER_PID=
  fi
  if [ -n "${SERVER_LOG-}" ] && [ "$status" != 0 ]; then
    tail -n 40 "$SERVER_LOG" >&2
  fi
  # A mount that is still there must be seen, not deleted through.
  if grep -q -e " $STATE/" -e " $RUN[/ ]" /proc/self/mountinfo; then
    say "left mounted:" >&2
    grep -e " $STATE/" -e " $RUN[/ ]" /proc/self/mountinfo >&2
    return 1
  fi
  rm -rf --one-file-system "$STATE" "$RUN"
  return "$status"
}

# start_gantryd PROGRAM [ARGUMENT...]. GANTRYD_SETTINGS, if set, are further
# lines of its configuration.
start_gantryd() {
  local program=$1
  shift
  [ -x "$program" ] || fail "no gantryd at $program"
  # Short: a socket's path has 107 bytes. STATE_PARENT may be a file system of
  # the script's own, and RUN_PARENT, if set, another one for the run directory.
  STATE=$(mktemp -d "${STATE_PARENT:-/tmp}/gantry-test.XXXXXX")
  ROOT=$STATE/root RUN=$STATE/run LOGS=$STATE/logs SOCKET=$STATE/gantry.sock
  if [ -n "${RUN_PARENT-}" ]; then
    RUN=$(mktemp -d "$RUN_PARENT/gantry-test.XXXXXX")
  fi
  SERVER_LOG=$STATE/gantryd.log
  mkdir "$LOGS"
  CLEANUPS+=(stop_gantryd)
  printf 'shim_path = "%s"\n%s\n' "${GANTRY_SHIM:-$PWD/shim/gantry-shim}" \
    "${GANTRYD_SETTINGS-}" >"$STATE/gantry.toml"
  # Without a network for pods: the machine's own is not a test's to change.
  grep -q '^\[network\]' "$STATE/gantry.toml" ||
    printf '[network]\nprovider = "none"\n' >>"$STATE/gantry.toml"
  launch_gantryd "$program" "$@"
}

# launch_gantryd PROGRAM [ARGUMENT...]: on the directories that start_gantryd
# made; it may have run on them before.
launch_gantryd() {
  local program=$1 i
  shift
  : >"$SERVER_LOG"
  "$program" --root "$ROOT" --run "$RUN" --socket "$SOCKET" \
    --config "$STATE/gantry.toml" "$@" \
    >"$SERVER_LOG" 2>&1 &
  SERVER_PID=$!
  for ((i = 0; i < 100; i++)); do
    grep -qs "gantryd ready on unix://$SOCKET" "$SERVER_LOG" && return
    kill -0 "$SERVER_PID" 2>/dev/null || break
    sleep 0.1
  done
  cat "$SERVER_LOG" >&2
  fail "gantryd did not get ready"
}

# start_registry [ADDRESS:PORT]: a registry on a loopback port of its own, or
# where it is told: REGISTRY=host:port.
start_registry() {
  local program=$GANTRY_CACHE/docker-registry/usr/bin/docker-registry
  [ -x "$program" ] || fail "no docker-registry: run tools/setup test"
  REGISTRY_DIR=$(mktemp -d /tmp/gantry-test.XXXXXX)
  CLEANUPS+=(stop_registry)
  local address try i
  for ((try = 0; try < 10; try++)); do
    address=${1:-127.0.0.1:$((20000 + RANDOM % 12000))}
    cat >"$REGISTRY_DIR/config.yml" <<YAML
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $REGISTRY_DIR/data}}
http: {addr: "$address"}
YAML
    OTEL_TRACES_EXPORTER=none "$program" serve "$REGISTRY_DIR/config.yml" \
      >"$REGISTRY_DIR/log" 2>&1 &
    REGISTRY_PID=$!
    for ((i = 0; i < 50; i++)); do
      kill -0 "$REGISTRY_PID" 2>/dev/null || continue 2
      if (: <"/dev/tcp/${address/://}") 2>/dev/null; then
        REGISTRY=$address
        return
      fi
      sleep 0.1
    done
    end_process "$REGISTRY_PID"
  done
  cat "$REGISTRY_DIR/log" >&2
  fail "docker-registry did not start"
}

stop_registry() {
  local status=0
  [ -z "${REGISTRY_PID-}" ] || end_process "$REGISTRY_PID" || status=1
  rm -rf "$REGISTRY_DIR"
  return "$status"
}
