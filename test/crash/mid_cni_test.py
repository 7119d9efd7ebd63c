"""kill -9 of the server while CNI plugins put a pod on the network or take it
off: the same as mid_call_test, with pods that have addresses and host ports.

GANTRY_TEST_MOMENTS, GANTRY_TEST_SEED: see mid_call_test.
"""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_cni
import gantry_host as host
import gantry_traffic
import mid_call_test
from gantry_cni import GATEWAY4, GATEWAY6


@unittest.skipUnless(os.path.exists(gantry_cni.DEBIAN_PLUGINS + "/bridge"),
                     "no containernetworking-plugins")
class MidCni(mid_call_test.MidCall):
    NETWORK = "cni"
    # What has nothing to do with the network.
    test_run_pod_sandbox_with_a_shared_pid_namespace = None
    test_create_container = None
    test_start_container = None
    test_stop_container = None
    test_remove_container = None

    @classmethod
    def new_server(cls):
        server = super().new_server()
        cls.cni = gantry_cni.Cni(server)
        cls.cni.write("10-podnet.conflist", cls.cni.bridge_list())
        host.ip_command(server.netns, "link", "add", "lan0", "type", "bridge")
        host.ip_command(server.netns, "link", "set", "lan0", "up")
        host.ip_command(server.netns, "addr", "add", "192.0.2.1/24", "dev",
                        "lan0")
        return server

    def pod_config(self, *args, **more):
        # One port for all: each pod must have given it up for the next.
        more.setdefault("port_mappings", [self.api.PortMapping(
            host_port=12000, container_port=80)])
        return super().pod_config(*args, **more)

    def assert_nothing_left(self):
        super().assert_nothing_left()
        gantry_case.wait_until(
            lambda: not self.cni.left(),
            f"nothing of CNI is left: {self.cni.left()[:20]}", 10)

    def check_container_works(self, container):
        super().check_container_works(container)
        # An address of each family, and no other pod's.
        self.assertEqual(len(self.cni.leases()), 2)
        self.assertEqual(len(self.cni.results()), 1)
        self.inside(container, f"ping -c 1 -W 2 {GATEWAY4}")
        self.inside(container, f"ping -6 -c 1 -W 2 {GATEWAY6}")
        gantry_traffic.check_host_port(self, container, "192.0.2.1", 12000)


if __name__ == "__main__":
    gantry_case.main()
