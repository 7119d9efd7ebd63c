"""kill -9 of the server while a pod is put on the network or taken off it:
the same as mid_call_test, with pods that have addresses and host ports."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_traffic
import mid_call_test


class MidNetwork(mid_call_test.MidCall):
    NETWORK = "bridge"
    # What has nothing to do with the network.
    test_run_pod_sandbox_with_a_shared_pid_namespace = None
    test_create_container = None
    test_start_container = None
    test_stop_container = None
    test_remove_container = None

    def pod_config(self, *args, **more):
        # One port for all: each pod must have given it up for the next.
        more.setdefault("port_mappings", [self.api.PortMapping(
            host_port=12000, container_port=80)])
        return super().pod_config(*args, **more)

    def check_container_works(self, container):
        super().check_container_works(container)
        self.inside(container, "ping -c 1 -W 2 10.92.0.1")
        self.inside(container, "ping -6 -c 1 -W 2 fd92:67a1:5c3e::1")
        gantry_traffic.check_host_port(self, container, "127.0.0.1", 12000)


if __name__ == "__main__":
    gantry_case.main()
