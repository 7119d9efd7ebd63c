"""Network: loopback alone, or the host's."""

import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import say


def names(text):
    return sorted(line.split(":")[0].strip()
                  for line in text.splitlines()[2:])


class Network(gantry_case.GantryCase):

    def test_a_pod_has_loopback_alone_and_it_is_up(self):
        pod = self.make_pod()
        container = self.make_container(pod)
        self.assertEqual(names(self.inside(container, "cat /proc/net/dev")),
                         ["lo"])
        shown = self.inside(container, "ip addr show lo")
        say(shown.split("\n")[0])
        self.assertIn("UP", shown.split(">")[0])
        self.assertIn("127.0.0.1/8", shown)
        self.assertNotEqual(host.namespaces(self.pid(container))["net"],
                            host.namespaces("self")["net"])
        self.assertEqual(self.pod_status(pod).network.ip, "")

    def test_containers_of_a_pod_share_loopback_and_others_do_not(self):
        pod = self.make_pod()
        server = self.make_container(
            pod, "echo hello from the pod | nc -l -p 8080")
        client, stranger = (self.make_container(pod),
                            self.make_container(self.make_pod()))
        gantry_case.wait_until(
            lambda: ":1F90" in self.inside(client, "cat /proc/net/tcp*"),
            "it listens")
        self.assertNotEqual(self.exec_sync(
            stranger, "nc -w 1 127.0.0.1 8080 </dev/null").exit_code, 0)
        self.assertEqual(
            self.inside(client, "nc -w 5 127.0.0.1 8080 </dev/null"),
            "hello from the pod")
        self.assertEqual(self.wait_exited(server).exit_code, 0)

    def test_a_pod_on_the_hosts_network_sees_its_interfaces(self):
        container = self.make_container(self.make_pod(network="NODE"))
        seen = names(self.inside(container, "cat /proc/net/dev"))
        self.assertEqual(seen, names(host.read("/proc/net/dev")))
        say("host network:", seen)
        self.assertEqual(host.namespaces(self.pid(container))["net"],
                         host.namespaces("self")["net"])
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def answer():
            connection, _ = listener.accept()
            connection.sendall(b"from the host\n")
            connection.close()
        thread = threading.Thread(target=answer)
        thread.start()
        self.addCleanup(thread.join)
        self.assertEqual(self.inside(
            container,
            f"nc -w 5 127.0.0.1 {listener.getsockname()[1]} </dev/null"),
            "from the host")

    def test_resolv_conf_is_what_the_client_says(self):
        dns = self.api.DNSConfig(servers=["10.1.2.3"], searches=["a.test"],
                                 options=["ndots:5"])
        container = self.make_container(self.make_pod(dns_config=dns))
        self.assertEqual(self.inside(container, "cat /etc/resolv.conf"),
                         "search a.test\nnameserver 10.1.2.3\noptions ndots:5")


if __name__ == "__main__":
    gantry_case.main()
