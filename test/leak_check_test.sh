#!/usr/bin/env bash
# What a test leaves is named; what it took away again is not.
set -euo pipefail
program=$PWD/test/leak_check
cd "$(mktemp -d "$TEST_TMPDIR/leak.XXXXXX")"
made=$(mktemp -d /tmp/gantry-test.XXXXXX)
sleeper=
clean() {
  umount "$made" 2>/dev/null || true
  [ -z "$sleeper" ] || kill "$sleeper" 2>/dev/null || true
  rm -rf "$made"
}
trap clean EXIT
rmdir "$made"

export LEAK_CHECK_SECONDS=1
"$program" snapshot before.json
mkdir "$made"
mount -t tmpfs gantry-test "$made"
sleep 300 &
sleeper=$!
if "$program" compare before.json >out; then
  echo "leftovers were not found"
  exit 1
fi
cat out
grep -q "^left over: $made\$" out
grep -q "^left over: mount $made (tmpfs" out
grep -q "^left over: process $sleeper .*sleep 300" out

# In an own view of what is there now, nothing of ours is a difference.
umount "$made"
kill "$sleeper"
wait "$sleeper" 2>/dev/null || true
sleeper=
rmdir "$made"
"$program" compare before.json >out || true
cat out
if grep -E "$made|sleep 300" out; then
  echo "what is gone was reported"
  exit 1
fi

# Forwarding that was switched, and an interface, in a network of our own.
unshare --net bash -c '
  "$0" snapshot network.json
  switch=/proc/sys/net/ipv4/ip_forward
  echo $((1 - $(cat $switch))) >$switch
  ip link add gantry-test type veth peer name gantry-peer
  "$0" compare network.json' "$program" >out && exit 1
cat out
grep -q "^left over: setting net/ipv4/ip_forward = [01]\$" out
grep -q "^left over: network interface gantry-test\$" out
