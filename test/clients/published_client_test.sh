#!/usr/bin/env bash
# A pod's life through a client of another language, the image pulled from a
# registry on loopback: published_client_test.sh node|java GANTRYD BUSYBOX_TAR
set -euo pipefail
client=$1 gantryd=$2 image_tar=$3
. test/clients/server.sh

home=$GANTRY_CACHE/${client}_client
[ -f "$home/.key" ] ||
  skip "no $client client in the cache: tools/setup makes it where $client is"
start_gantryd "$gantryd"
start_registry
image=$REGISTRY/gantry/busybox:1
skopeo --tmpdir "$STATE" copy --quiet --dest-tls-verify=false \
  "oci-archive:$image_tar" "docker://$image"
case $client in
  node)
    # Modules are looked for beside the program.
    cp test/clients/node/client.js "$STATE/client.js"
    ln -s "$home/node_modules" "$STATE/node_modules"
    timeout 150 node "$STATE/client.js" "$PWD" "$SOCKET" "$image" "$LOGS"
    ;;
  java)
    timeout 150 java -Xmx256m -Djava.io.tmpdir="$STATE" \
      -cp "$home/classes:$home/jars/*" PodLife "$SOCKET" "$image" "$LOGS"
    ;;
esac
