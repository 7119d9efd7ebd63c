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
  command: ["sh", "-c", "echo hello from $(hostname); sleep 300"],
  log_path: "main.log",
  linux: {resources: {memory_limit_in_bytes: 67108864}}}' \
  >"$STATE/container.json"

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
usage=$(crictl stats -o json "$container" |
  jq -r '.stats[0].memory.workingSetBytes.value')
[ "${usage:-0}" -gt 0 ] || fail "stats: working set '$usage'"
say "ok: stats ($usage bytes)"
crictl stop -t 1 "$container" >/dev/null
expect "stop" CONTAINER_EXITED \
  "$(crictl inspect "$container" | jq -r .status.state)"
crictl rm "$container" >/dev/null
crictl stopp "$pod" >/dev/null
expect "stopp" SANDBOX_NOTREADY \
  "$(crictl inspectp "$pod" | jq -r .status.state)"
crictl rmp "$pod" >/dev/null
expect "no pod is left" "" "$(crictl pods -q)"
crictl rmi "$image" >/dev/null
expect "no image is left" "" "$(crictl images -q)"
