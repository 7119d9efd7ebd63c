"""The machine itself: what the suites rest on is there."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_host as host
import gantry_results

MACHINE = os.environ["GANTRY_VM_MACHINE"]
CGROUP = "/sys/fs/cgroup"


class Boot(unittest.TestCase):

    def test_cgroup2_alone_is_mounted(self):
        kinds = [stack[-1][0] for point, stack in host.mounts().items()
                 if stack[-1][0].startswith("cgroup")]
        self.assertEqual(kinds, ["cgroup2"])

    def test_every_controller_is_there(self):
        self.assertLessEqual(
            {"cpu", "cpuset", "hugetlb", "io", "memory", "pids"},
            set(host.read(CGROUP + "/cgroup.controllers").split()))

    def test_the_kernel_can_kill_a_cgroup(self):
        os.mkdir(CGROUP + "/boot-test")
        self.addCleanup(os.rmdir, CGROUP + "/boot-test")
        self.assertTrue(os.path.exists(CGROUP + "/boot-test/cgroup.kill"))

    def test_init_is_what_the_machine_says(self):
        self.assertEqual(host.read("/proc/1/comm").strip() == "systemd",
                         MACHINE != "v2-bare")

    def test_the_security_module_is_on(self):
        modules = host.read("/sys/kernel/security/lsm").split(",")
        if MACHINE.startswith("v2-selinux"):
            self.assertIn("selinux", modules)
            self.assertEqual(host.read("/sys/fs/selinux/enforce"),
                             str(int(MACHINE.endswith("enforcing"))))
            # The policy is loaded, and the tests may do as they like.
            self.assertIn(":unconfined_t:", host.read("/proc/self/attr/current"))
            return
        self.assertIn("apparmor", modules)
        self.assertEqual(host.read(
            "/sys/module/apparmor/parameters/enabled").strip(), "Y")

    def test_the_network_is_loopback_alone(self):
        self.assertEqual(os.listdir("/sys/class/net"), ["lo"])

    def test_there_is_swap(self):
        self.assertEqual(len(host.read("/proc/swaps").splitlines()), 2)


if __name__ == "__main__":
    unittest.main(verbosity=2, testRunner=gantry_results.Runner)
