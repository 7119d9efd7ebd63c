#!/usr/bin/env bash
# A pod's life through the Go stubs that Kubernetes publishes, the image pulled
# from a registry on loopback. go_client_test.sh GANTRYD BUSYBOX_TAR
set -euo pipefail
gantryd=$1 image_tar=$2
. test/clients/server.sh

criclient=$GANTRY_CACHE/bin/criclient
[ -x "$criclient" ] || fail "no criclient in the cache: run tools/setup test"
start_gantryd "$gantryd"
start_registry
image=$REGISTRY/gantry/busybox:1
skopeo --tmpdir "$STATE" copy --quiet --dest-tls-verify=false \
  "oci-archive:$image_tar" "docker://$image"
timeout 150 "$criclient" "$SOCKET" "$image" "$LOGS"
