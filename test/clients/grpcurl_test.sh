#!/usr/bin/env bash
# A pod's whole life through grpcurl: no proto file, all by reflection, JSON.
# grpcurl_test.sh GANTRYD BUSYBOX_TAR GANTRYCTL
set -euo pipefail
gantryd=$1 image_tar=$2 gantryctl=$3
. test/clients/server.sh

grpcurl=$GANTRY_CACHE/bin/grpcurl
[ -x "$grpcurl" ] || fail "no grpcurl: run tools/setup test"
start_gantryd "$gantryd"

list() { "$grpcurl" -plaintext -unix "$SOCKET" list "$@"; }
describe() { "$grpcurl" -plaintext -unix "$SOCKET" describe "$1"; }
# runtime METHOD JSON, image METHOD JSON
runtime() {
  "$grpcurl" -plaintext -unix -max-time 60 -d "$2" "$SOCKET" \
    "runtime.v1.RuntimeService/$1"
}
image() {
  "$grpcurl" -plaintext -unix -max-time 60 -d "$2" "$SOCKET" \
    "runtime.v1.ImageService/$1"
}

services=$(list)
for service in runtime.v1.RuntimeService runtime.v1.ImageService \
  grpc.health.v1.Health; do
  grep -qx "$service" <<<"$services" || fail "list lacks $service"
done
expect "all 43 RPCs are listed" 43 \
  "$( (list runtime.v1.RuntimeService; list runtime.v1.ImageService) | wc -l)"
"$grpcurl" -plaintext -unix "$SOCKET" describe runtime.v1.RuntimeService |
  grep -q 'rpc RunPodSandbox' || fail "describe of the service"
describe runtime.v1.PodSandboxConfig | grep -q 'PodSandboxMetadata metadata' ||
  fail "describe of a message"
expect "health" SERVING "$("$grpcurl" -plaintext -unix "$SOCKET" \
  grpc.health.v1.Health/Check | jq -r .status)"
expect "Version" gantry "$(runtime Version '{}' | jq -r .runtimeName)"
expect "Status: the runtime is ready" true "$(runtime Status '{}' |
  jq '.status.conditions[] | select(.type == "RuntimeReady") | .status')"

"$gantryctl" --endpoint "unix://$SOCKET" load "$image_tar"
expect "ListImages" localhost/busybox:latest \
  "$(image ListImages '{}' | jq -r '.images[].repoTags[]')"

pod_config=$(jq -n --arg logs "$LOGS" '{
  metadata: {name: "grpcurl", uid: "u1", namespace: "test"},
  hostname: "from-grpcurl", logDirectory: $logs, labels: {by: "grpcurl"},
  linux: {securityContext: {namespaceOptions: {network: "POD"}}}}')
pod=$(runtime RunPodSandbox "{\"config\": $pod_config}" |
  jq -r .podSandboxId)
[ -n "$pod" ] || fail "RunPodSandbox gave no id"
expect "PodSandboxStatus" SANDBOX_READY "$(runtime PodSandboxStatus \
  "{\"podSandboxId\": \"$pod\"}" | jq -r '.status.state // "SANDBOX_READY"')"

container=$(runtime CreateContainer "{
  \"podSandboxId\": \"$pod\", \"sandboxConfig\": $pod_config,
  \"config\": {\"metadata\": {\"name\": \"main\"},
    \"image\": {\"image\": \"localhost/busybox:latest\"},
    \"command\": [\"sh\", \"-c\", \"echo started; sleep 300\"],
    \"envs\": [{\"key\": \"COLOUR\", \"value\": \"$(printf green | base64)\"}],
    \"logPath\": \"main.log\",
    \"linux\": {\"resources\": {\"memoryLimitInBytes\": 67108864}}}}" |
  jq -r .containerId)
state() {
  runtime ContainerStatus "{\"containerId\": \"$container\"}" |
    jq -r '.status.state // "CONTAINER_CREATED"'
}
expect "created" CONTAINER_CREATED "$(state)"
runtime StartContainer "{\"containerId\": \"$container\"}" >/dev/null
expect "started" CONTAINER_RUNNING "$(state)"

run_inside() {
  runtime ExecSync "{\"containerId\": \"$container\", \"timeout\": 10,
    \"cmd\": [\"sh\", \"-c\", \"$1\"]}"
}
expect "exec sees the hostname" from-grpcurl \
  "$(run_inside hostname | jq -r .stdout | base64 -d)"
expect "exec sees the environment" green \
  "$(run_inside 'echo $COLOUR' | jq -r .stdout | base64 -d)"
expect "exec reports the exit code" 7 "$(run_inside 'exit 7' | jq .exitCode)"
expect "the log is in CRI form" "stdout F started" \
  "$(cut -d' ' -f2- "$LOGS/main.log")"

runtime StopContainer "{\"containerId\": \"$container\", \"timeout\": 1}" \
  >/dev/null
expect "stopped" CONTAINER_EXITED "$(state)"
runtime RemoveContainer "{\"containerId\": \"$container\"}" >/dev/null
runtime RemoveContainer "{\"containerId\": \"$container\"}" >/dev/null
say "ok: a second RemoveContainer is OK"
runtime StopPodSandbox "{\"podSandboxId\": \"$pod\"}" >/dev/null
expect "PodSandboxStatus after Stop" SANDBOX_NOTREADY \
  "$(runtime PodSandboxStatus "{\"podSandboxId\": \"$pod\"}" |
    jq -r .status.state)"
runtime RemovePodSandbox "{\"podSandboxId\": \"$pod\"}" >/dev/null
expect "no pod is left" 0 \
  "$(runtime ListPodSandbox '{}' | jq '.items // [] | length')"
image RemoveImage '{"image": {"image": "localhost/busybox:latest"}}' >/dev/null
expect "no image is left" 0 \
  "$(image ListImages '{}' | jq '.images // [] | length')"
# An RPC of a later issue says so by name.
if out=$(runtime CheckpointPod '{}' 2>&1); then
  fail "CheckpointPod answered OK"
fi
grep -q Unimplemented <<<"$out" || fail "CheckpointPod: $out"
say "ok: CheckpointPod is UNIMPLEMENTED"
