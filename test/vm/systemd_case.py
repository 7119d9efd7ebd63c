"""The base of tests with the cgroup driver "systemd"."""

import json
import os
import sys

os.environ["GANTRY_TEST_CGROUP_DRIVER"] = "systemd"
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case

CGROUP = "/sys/fs/cgroup"


class SystemdCase(gantry_case.GantryCase):

    def pod_info(self, pod):
        answer = self.call("PodSandboxStatus", pod_sandbox_id=pod, verbose=True)
        return json.loads(answer.info["info"])

    def path(self, container):
        return self.info(container)["cgroup_path"]

    def slice_of(self, pod):
        return os.path.basename(self.pod_info(pod)["cgroup_path"])

    def scope_of(self, container):
        return f"gantry-{container}.scope"

    def exec_works(self, container):
        self.assertEqual(self.inside(container, "echo works"), "works")
