# Sourced by what compares gantryd with other runtimes: Debian's containerd with
# runc or crun, each with a root and a socket of its own, and a CNI configuration
# and images that all share. Needs test/clients/server.sh, and WORK: a directory
# that the script removes. Peers run as their makers ship them, but for what this
# machine forces (said at each).

PAUSE=localhost/pause:latest
PEER_CONTAINERD=$GANTRY_CACHE/containerd/usr/bin/containerd
PEER_RUNC=$GANTRY_CACHE/runc/usr/sbin/runc
PEER_CRUN=$GANTRY_CACHE/crun/usr/bin/crun
CONTAINERD_PIDS=()

# The plugins' and containerd's fixed paths hold things of this run alone.
hide_fixed_paths() {
  ip link set lo up
  mount -t tmpfs tmpfs /run
  mkdir -p /var/lib/cni
  mount -t tmpfs tmpfs /var/lib/cni
}

# Debian's plugins, as a node has them.
write_peer_network() {
  [ -x /usr/lib/cni/bridge ] ||
    fail "no CNI plugins: tools/setup test installs Debian's"
  mkdir "$WORK/net.d"
  cat >"$WORK/net.d/10-compare.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "compare", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
   "ipam": {"type": "host-local", "dataDir": "$WORK/leases",
            "ranges": [[{"subnet": "10.88.0.0/16"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
}

make_peer_images() {
  test/fixtures/make_images "$WORK" busybox
  PYTHONPATH=test/lib /usr/bin/python3 -B -c '
import sys, gantry_images
name, pause, busybox = sys.argv[1:]
gantry_images.make(pause, name, config={"Cmd": ["sleep", "1000000"]},
                   base=busybox)' "$PAUSE" "$WORK/pause.tar" "$WORK/busybox.tar"
}

# peer COMMAND...: replaces the (sub)shell by it, in a mount namespace of its own
# without a cgroup2 mount beside those of cgroup v1 that holds controllers: crun
# refuses that.
peer() {
  exec unshare --mount -- sh -c '
    if grep -q " - cgroup " /proc/self/mountinfo; then
      awk "/ - cgroup2 / {print \$5}" /proc/self/mountinfo | xargs -r umount -l
    fi
    exec "$@"' peer "$@"
}

# start_containerd NAME RUNTIME: RUNTIME is a program, runc or one that is called
# like it. PEER_SOCKET is its. Its state is in memory, as on a node, and goes with
# the /run of hide_fixed_paths.
start_containerd() {
  local runtime=$2 dir=$WORK/$1 i
  [ -x "$PEER_CONTAINERD" ] && [ -x "$runtime" ] ||
    fail "no containerd or ${runtime##*/}: tools/setup test unpacks Debian's"
  [ ${#CONTAINERD_PIDS[@]} -gt 0 ] || [ -d /sys/fs/cgroup/memory/k8s.io ] ||
    [ -d /sys/fs/cgroup/k8s.io ] || CLEANUPS+=(remove_k8s_cgroups)
  mkdir "$dir"
  # Where root lacks CAP_SYS_RESOURCE it may not be spared by the OOM killer.
  cat >"$dir/config.toml" <<TOML
version = 2
root = "$dir/root"
state = "/run/$1"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
address = "$dir/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "$PAUSE"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$WORK/net.d"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "$runtime"
TOML
  PATH=$(dirname "$PEER_CONTAINERD"):$PATH \
    peer "$PEER_CONTAINERD" --config "$dir/config.toml" >"$dir/log" 2>&1 &
  CONTAINERD_PIDS+=($!)
  [ ${#CONTAINERD_PIDS[@]} -gt 1 ] || CLEANUPS+=(stop_containerds)
  for ((i = 0; i < 100; i++)); do
    grep -qs "containerd successfully booted" "$dir/log" && break
    kill -0 "${CONTAINERD_PIDS[-1]}" 2>/dev/null || break
    sleep 0.1
  done
  PEER_SOCKET=$dir/containerd.sock
  for i in busybox pause; do
    "$(dirname "$PEER_CONTAINERD")/ctr" --address "$PEER_SOCKET" \
      --namespace k8s.io images import "$WORK/$i.tar" >/dev/null || {
      cat "$dir/log" >&2
      fail "containerd ($1) did not get ready"
    }
  done
}

stop_containerds() {
  local pid status=0
  for pid in "${CONTAINERD_PIDS[@]}"; do
    end_process "$pid" || status=1
  done
  return "$status"
}

# What containerd puts its pods below, and leaves.
remove_k8s_cgroups() {
  local cgroup
  for cgroup in /sys/fs/cgroup/k8s.io /sys/fs/cgroup/*/k8s.io; do
    [ ! -d "$cgroup" ] || rmdir "$cgroup"
  done
}

# start_provider GANTRYD GANTRYCTL PROVIDER: a gantryd more, whose pods are on
# that network; SOCKET is its.
GANTRYDS=()
start_provider() {
  [ ${#GANTRYDS[@]} -gt 0 ] || CLEANUPS+=(stop_providers)
  # Run directories are there as on a node: in memory.
  RUN_PARENT=/run
  GANTRYD_SETTINGS="[network]
provider = \"$3\"
[network.cni]
config_dir = \"$WORK/net.d\""
  start_gantryd "$1"
  GANTRYDS+=("$SERVER_PID $STATE $RUN")
  "$2" --endpoint "unix://$SOCKET" load "$WORK/busybox.tar" >/dev/null
}

# start_gantryd's own clean-up knows the last one only.
stop_providers() {
  local server status=0
  for server in "${GANTRYDS[@]}"; do
    read -r SERVER_PID STATE RUN <<<"$server"
    [ -d "$STATE" ] || continue # the last one, that is ended
    SERVER_LOG=$STATE/gantryd.log
    stop_gantryd || status=1
  done
  return "$status"
}
