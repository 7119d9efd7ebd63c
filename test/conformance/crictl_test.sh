#!/usr/bin/env bash
# The commands a node's operator types, by crictl against a gantryd of our own.
# crictl_test.sh GANTRYD BUSYBOX_TAR
set -euo pipefail
gantryd=$1 image_tar=$2
. test/clients/server.sh

crictl_program=$GANTRY_CACHE/bin/crictl
[ -x "$crictl_program" ] ||
  skip "no crictl in the cache: tools/setup builds it where Go is new enough"
start_gantryd "$gantryd"
start_registry

# A configuration of our own: the machine's must not take part.
: >"$STATE/crictl.yaml"
crictl() {
  timeout 60 "$crictl_program" --config "$STATE/crictl.yaml" \
    --runtime-endpoint "unix://$SOCKET" --image-endpoint "unix://$SOCKET" "$@"
}

# Of a test that failed half way.
remove_pods() { crictl rmp -fa >/dev/null; }
CLEANUPS+=(remove_pods)

# Not "| grep -q": it ends at the first match, and crictl by SIGPIPE then.
grep -q 'RuntimeName: *gantry' <<<"$(crictl version)" || fail "crictl version"
image=$REGISTRY/gantry/busybox:1
skopeo --tmpdir "$STATE" copy --quiet --dest-tls-verify=false \
  "oci-archive:$image_tar" "docker://$image"
crictl pull "$image"
expect "images" "$REGISTRY/gantry/busybox" \
  "$(crictl images -o json | jq -r '.images[0].repoTags[0]' |
    sed 's/:1$//')"

jq -n --arg logs "$LOGS" '{
  metadata: {name: "crictl", uid: "u1", namespace: "test", attempt: 1},
  hostname: "from-crictl", log_directory: $logs, linux: {}}' \
  >"$STATE/pod.json"
jq -n --arg image "$image" '{
  metadata: {name: "main"}, image: {image: $image},
  command: ["sh", "-c",
            "echo hello from $(hostname); httpd -p 8080 -h /etc; sleep 300"],
  log_path: "main.log",
  linux: {resources: {memory_limit_in_bytes: 67108864}}}' \
  >"$STATE/container.json"

jq '.metadata.name = "echo" | .log_path = "echo.log" | .stdin = true |
  .stdin_once = true |
  .command = ["sh", "-c", "while read line; do echo \"got $line\"; done"]' \
  "$STATE/container.json" >"$STATE/echo.json"

# in_background FILE ARGUMENT...: crictl whose output goes to FILE until the end
# of the test.
in_background() {
  local file=$1
  shift
  timeout 120 "$crictl_program" --config "$STATE/crictl.yaml" \
    --runtime-endpoint "unix://$SOCKET" "$@" >"$file" 2>&1 &
  BACKGROUND+=($!)
}
BACKGROUND=()
end_background() {
  local pid
  for pid in "${BACKGROUND[@]}"; do end_process "$pid"; done
}
CLEANUPS+=(end_background)

# wait_for PATTERN FILE
wait_for() {
  local i
  for ((i = 0; i < 200; i++)); do
    ! grep -q "$1" "$2" || return 0
    sleep 0.1
  done
  cat "$2" >&2
  fail "no '$1' in $2"
}

in_background "$STATE/events" events
pod=$(crictl runp "$STATE/pod.json")
expect "pods" "$pod" "$(crictl pods -q --no-trunc --state ready)"
container=$(crictl create "$pod" "$STATE/container.json" "$STATE/pod.json")
expect "create" CONTAINER_CREATED \
  "$(crictl inspect "$container" | jq -r .status.state)"
crictl start "$container" >/dev/null
expect "ps" "$container" "$(crictl ps -q --no-trunc)"
expect "exec -s" from-crictl "$(crictl exec -s "$container" hostname)"
if crictl exec -s "$container" sh -c 'exit 3' 2>"$STATE/exec"; then
  fail "exec -s of a failing program succeeded"
fi
grep -q 3 "$STATE/exec" || fail "exec -s does not tell the exit code"
expect "logs" "hello from from-crictl" "$(crictl logs "$container")"
in_background "$STATE/followed" logs -f "$container"
wait_for "hello from from-crictl" "$STATE/followed"
crictl exec -s "$container" sh -c 'echo followed >/proc/1/fd/1'
wait_for "^followed" "$STATE/followed"
say "ok: logs -f"
usage=$(crictl stats -o json "$container" |
  jq -r '.stats[0].memory.workingSetBytes.value')
[ "${usage:-0}" -gt 0 ] || fail "stats: working set '$usage'"
say "ok: stats ($usage bytes)"
crictl update --memory 33554432 "$container" >/dev/null
expect "update" 33554432 "$(crictl inspect "$container" |
  jq -r .status.resources.linux.memoryLimitInBytes)"
usage=$(crictl statsp -o json |
  jq -r '.stats[0].linux.memory.workingSetBytes.value')
[ "${usage:-0}" -gt 0 ] || fail "statsp: working set '$usage'"
say "ok: statsp ($usage bytes)"
crictl metricsp -o json | jq -e --arg pod "$pod" \
  '.podMetrics[] | select(.podSandboxId == $pod) | .containerMetrics | length == 1' \
  >/dev/null || fail "metricsp does not have the pod and its container"
say "ok: metricsp"

for transport in spdy websocket; do
  expect "exec over $transport" "in by $transport" \
    "$(crictl exec -r "$transport" -i "$container" cat <<<"in by $transport")"
  if crictl exec -r "$transport" "$container" sh -c 'exit 3' \
    2>"$STATE/exec"; then
    fail "exec over $transport of a failing program succeeded"
  fi
  grep -q 'exit code 3' "$STATE/exec" ||
    fail "exec over $transport does not tell the exit code"
  # Not script(1): it types an end of file, which crictl may read as a zero.
  expect "exec -t over $transport" /dev/pts/0 "$(timeout 60 /usr/bin/python3 \
    -c 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]))' \
    "$crictl_program" --config "$STATE/crictl.yaml" --runtime-endpoint \
    "unix://$SOCKET" exec -r "$transport" -it "$container" tty </dev/null |
    tr -d '\r')"

  # The client sends the size its terminal has in a message of its own, which
  # may come after the program began: the trap is for the one that comes later.
  # (The kernel sends the signal before the terminal has its size: pty_resize.)
  expect "exec -it over $transport sees its terminal grow" \
    "30 100,ready,41 132" "$(/usr/bin/python3 \
      test/conformance/resize_terminal.py "$crictl_program" --config \
      "$STATE/crictl.yaml" --runtime-endpoint "unix://$SOCKET" \
      exec -r "$transport" -it "$container" sh -c \
      'until [ "$(stty size 2>&1)" = "30 100" ]; do sleep 0.05; done
       trap "stty size; exit 0" WINCH; stty size; echo ready; sleep 20 & wait' |
      tr -d '\r' | paste -sd,)"

  echo=$(crictl create "$pod" "$STATE/echo.json" "$STATE/pod.json")
  crictl start "$echo" >/dev/null
  expect "attach over $transport" "got $transport" \
    "$(crictl attach -r "$transport" -i "$echo" <<<"$transport")"
  crictl rm -f "$echo" >/dev/null

  in_background "$STATE/forward.$transport" port-forward -r "$transport" \
    "$pod" :8080
  wait_for 'Forwarding from 127' "$STATE/forward.$transport"
  port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' \
    "$STATE/forward.$transport")
  grep -q '^root:' <<<"$(/usr/bin/python3 -c "import urllib.request as r
print(r.urlopen('http://127.0.0.1:$port/passwd', timeout=20).read().decode())")" ||
    fail "port-forward over $transport"
  say "ok: port-forward over $transport"
done

crictl stop -t 1 "$container" >/dev/null
expect "stop" CONTAINER_EXITED \
  "$(crictl inspect "$container" | jq -r .status.state)"
crictl rm "$container" >/dev/null
crictl stopp "$pod" >/dev/null
expect "stopp" SANDBOX_NOTREADY \
  "$(crictl inspectp "$pod" | jq -r .status.state)"
crictl rmp "$pod" >/dev/null
expect "no pod is left" "" "$(crictl pods -q)"
wait_for CONTAINER_DELETED_EVENT "$STATE/events"
for event in CREATED STARTED STOPPED DELETED; do
  expect "event $event" "CONTAINER_${event}_EVENT" "$(jq -r --arg id \
    "$container" --arg event "CONTAINER_${event}_EVENT" 'select(
    .containerId == $id and .containerEventType == $event) |
    .containerEventType' "$STATE/events")"
done
crictl rmi "$image" >/dev/null
expect "no image is left" "" "$(crictl images -q)"
