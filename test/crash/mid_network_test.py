"""kill -9 of the server while a pod is put on the network or taken off it:
the same as mid_call_test, with pods that have addresses and host ports."""

import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
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
        server = self.make_container(
            self.pod_of(container), "echo here | nc -l -p 80")
        gantry_case.wait_until(
            lambda: ":0050" in self.inside(server, "cat /proc/net/tcp*"),
            "it listens")
        self.assertEqual(host.in_network(
            self.server.netns, self.read_all, 12000), "here\n")

    def read_all(self, port):
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            return connection.makefile().read()


if __name__ == "__main__":
    gantry_case.main()
