"""A CNI plugin that gives each pod a lease, a file of its own, as an address range
on disk does: what a pod got before a power cut must be taken back after it.
"""

import json
import os
import time

import gantry_cni
import gantry_host as host

_PLUGIN = """#!/bin/sh
cat >/dev/null
note() { echo "$CNI_COMMAND $CNI_CONTAINERID $(date +%s.%N)" >>DIR/notes; }
case $CNI_COMMAND in
ADD) note && : >"DIR/held/$CNI_CONTAINERID"
  echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.77.0.2/16"}]}' ;;
DEL) rm -f "DIR/held/$CNI_CONTAINERID" && note ;;
VERSION) echo '{"cniVersion": "1.0.0", "supportedVersions": ["1.0.0"]}' ;;
esac
"""


class Leases:
    """Of a server that was made with network "cni" and is not started yet."""

    def __init__(self, server):
        self.folder = server.top + "/leases"
        os.makedirs(self.folder + "/held")
        cni = gantry_cni.Cni(server)
        path = cni.plugin_dir + "/lease"
        host.write(path, _PLUGIN.replace("DIR", self.folder))
        os.chmod(path, 0o755)
        cni.write("10-lease.conflist", json.dumps({
            "cniVersion": "1.0.0", "name": "lease",
            "plugins": [{"type": "lease"}]}))
        self.ready = {}  # pod -> when RunPodSandbox had answered
        self.notes = []

    def note_ready(self, pod):
        self.ready[pod] = time.time()

    def end_recording(self):
        for line in host.read(self.folder + "/notes").splitlines():
            command, pod, when = line.split()
            self.notes.append((command, pod, float(when)))

    def lay(self, moment):
        """Those that are held after a cut at the moment. One of a pod that is
        not ready is another's to find (docs/adr/0011)."""
        held = set()
        for command, pod, when in self.notes:
            if when < moment:
                (held.add if command == "ADD" else held.discard)(pod)
        for pod in os.listdir(self.folder + "/held"):
            os.unlink(f"{self.folder}/held/{pod}")
        for pod in held:
            if self.ready.get(pod, float("inf")) < moment:
                host.write(f"{self.folder}/held/{pod}", "")

    def held(self):
        return os.listdir(self.folder + "/held")
