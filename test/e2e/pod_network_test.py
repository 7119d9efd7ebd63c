"""The built-in bridge: addresses, routes, masquerade and host ports, in network
namespaces of the test's own.

GANTRY_TEST_PODS: how many pods come and go in the last test (50).
"""

import concurrent.futures
import json
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
import gantry_traffic
from gantry_case import say, wait_until
from gantry_fields import covers
from gantry_traffic import KINDS, listen, send

PODS = int(os.environ.get("GANTRY_TEST_PODS", "50"))


class PodNetwork(gantry_traffic.ReachTests, gantry_traffic.TrafficCase):
    NETWORK = "bridge"
    GATEWAYS = ("10.92.0.1", "fd92:67a1:5c3e::1")

    @covers("PodSandboxStatus.network", "PodSandboxNetworkStatus.*", "PodIP.*")
    def test_a_pod_has_addresses_routes_and_a_name(self):
        pod = self.make_pod(hostname="web")
        four, six = self.addresses(pod)
        self.assertTrue(four.startswith("10.92."), four)
        self.assertTrue(six.startswith("fd92:67a1:5c3e::"), six)
        container = self.make_container(pod)
        shown = self.inside(container, "ip addr show eth0")
        say(four, six)
        self.assertIn(f"inet {four}/16 brd 10.92.255.255", shown)
        self.assertIn(f"inet6 {six}/64", shown)
        self.assertNotIn("tentative", [
            word for line in shown.split("\n") if six in line
            for word in line.split()])
        self.assertIn("default via 10.92.0.1 dev eth0",
                      self.inside(container, "ip route"))
        self.assertIn("default via fd92:67a1:5c3e::1 dev eth0",
                      self.inside(container, "ip -6 route"))
        self.assertIn(f"{four}\tweb",
                      self.inside(container, "cat /etc/hosts").split("\n"))
        self.assertEqual(self.inside(
            container, "cat /proc/sys/net/ipv6/conf/eth0/accept_ra"), "0")
        self.assertEqual(host.in_network(
            self.server.netns, host.read,
            "/proc/sys/net/ipv6/conf/gantry0/accept_ra").strip(), "0")
        self.inside(container, "ping -c 1 -W 2 10.92.0.1")
        self.inside(container, "ping -6 -c 1 -W 2 fd92:67a1:5c3e::1")
        # The name is the pod's first address.
        self.inside(container, "ping -c 1 -W 2 web")

    def test_the_clients_sysctls_win(self):
        config = self.pod_config()
        config.linux.sysctls["net.ipv6.conf.default.accept_ra"] = "2"
        container = self.make_container(self.run_pod(config))
        self.assertEqual(self.inside(
            container, "cat /proc/sys/net/ipv6/conf/eth0/accept_ra"), "2")

    @covers("PodSandboxConfig.port_mappings", "PortMapping.*", "Protocol.TCP",
            "Protocol.UDP")
    def test_host_ports_lead_to_the_pod(self):
        other = self.make_pod()
        pod = self.make_pod(port_mappings=[
            self.port(12000, 80), self.port(12000, 80, "UDP"),
            self.port(12001, 81, host_ip="127.0.0.1"),
            self.port(12002, 82, host_ip="192.0.2.1")])
        inside = self.pod_netns(pod)
        for kind in KINDS:
            with listen(inside, "0.0.0.0", 80, KINDS[kind]) as listener:
                # From outside the sender stays who it is.
                self.assertEqual(self.exchange(
                    listener, kind, self.outside, "192.0.2.1", 12000),
                    "192.0.2.2")
                for netns in (self.server.netns, inside,
                              self.pod_netns(other)):
                    self.assertEqual(self.exchange(
                        listener, kind, netns, "192.0.2.1", 12000),
                        "10.92.0.1" if netns != self.server.netns
                        else "192.0.2.1")
                self.assertEqual(self.exchange(
                    listener, kind, self.server.netns, "127.0.0.1", 12000),
                    "10.92.0.1")
            with listen(inside, "::", 80, KINDS[kind]) as listener:
                self.assertEqual(self.exchange(
                    listener, kind, self.outside, "2001:db8::1", 12000),
                    "2001:db8::2")
        with listen(inside, "0.0.0.0", 81) as listener:
            self.assertEqual(self.exchange(
                listener, "TCP", self.server.netns, "127.0.0.1", 12001),
                "10.92.0.1")
            with self.assertRaises(OSError):
                send(self.outside, "192.0.2.1", 12001)
            # Not even by who claims that loopback is there.
            host.ip_command(self.outside, "addr", "del", "127.0.0.1/8", "dev",
                            "lo")
            host.ip_command(self.outside, "route", "add", "127.0.0.1/32",
                            "via", "192.0.2.1")
            host.in_network(self.outside, host.write,
                            "/proc/sys/net/ipv4/conf/wan0/route_localnet", "1")
            with self.assertRaises(OSError):
                send(self.outside, "127.0.0.1", 12001)
        with listen(inside, "0.0.0.0", 82) as listener:
            self.assertEqual(self.exchange(
                listener, "TCP", self.outside, "192.0.2.1", 12002),
                "192.0.2.2")
            with self.assertRaises(OSError):
                send(self.server.netns, "127.0.0.1", 12002)

    @covers("Protocol.SCTP")
    def test_a_port_can_be_one_of_each_protocol(self):
        self.make_pod(port_mappings=[self.port(12004, 84, protocol)
                                     for protocol in ("TCP", "UDP", "SCTP")])

    def test_sctp_ports_lead_to_the_pod(self):
        try:
            socket.socket(socket.AF_INET, socket.SOCK_STREAM,
                          socket.IPPROTO_SCTP).close()
        except OSError as error:
            self.skipTest(f"no SCTP sockets in this kernel: {error}")
        pod = self.make_pod(port_mappings=[self.port(12003, 83, "SCTP")])

        def make():
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM,
                                 socket.IPPROTO_SCTP)
            made.bind(("0.0.0.0", 83))
            made.listen(1)
            return made

        def call():
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM,
                               socket.IPPROTO_SCTP) as out:
                out.settimeout(3)
                out.connect(("192.0.2.1", 12003))
        with host.in_network(self.pod_netns(pod), make):
            host.in_network(self.outside, call)

    def test_a_port_that_is_taken_is_refused(self):
        mappings = [self.port(12010, 80)]
        first = self.make_pod(port_mappings=mappings)
        told = self.assert_code(
            "FAILED_PRECONDITION", "RunPodSandbox", first,
            config=self.pod_config(port_mappings=mappings))
        say(told)
        self.call("StopPodSandbox", pod_sandbox_id=first)
        # Given up with the network: a stopped pod holds no port.
        second = self.make_pod(port_mappings=mappings)
        self.remove_pod(second)
        with listen(self.server.netns, "192.0.2.1", 12010):
            self.assert_code(
                "FAILED_PRECONDITION", "RunPodSandbox",
                "tcp port 12010 is taken by a program of the host",
                config=self.pod_config(port_mappings=mappings))
        self.assert_code(
            "INVALID_ARGUMENT", "RunPodSandbox",
            "config.port_mappings[1].host_port", config=self.pod_config(
                port_mappings=mappings + [self.port(12010, 81)]))

    def test_a_stopped_pod_has_no_address(self):
        pod = self.make_pod(port_mappings=[self.port(12020, 80)])
        four = self.addresses(pod)[0]
        netns = self.pod_netns(pod)
        self.call("StopPodSandbox", pod_sandbox_id=pod)
        self.assertEqual(self.addresses(pod), [""])
        # Cut off, although somebody holds the namespace.
        with listen(netns, "0.0.0.0", 80):
            for address in (four, "127.0.0.1"):
                with self.assertRaises(OSError):
                    send(self.server.netns, address,
                         80 if address == four else 12020)
        self.call("StopPodSandbox", pod_sandbox_id=pod)

    def test_the_network_goes_on_without_the_server_and_after_it(self):
        pod = self.make_pod(port_mappings=[self.port(12030, 80)])
        inside = self.pod_netns(pod)
        before = self.addresses(pod)
        gone = self.make_pod(port_mappings=[self.port(12031, 80)])
        self.remove_pod(gone)

        def works():
            with listen(inside, "0.0.0.0", 80) as listener:
                self.assertEqual(self.exchange(
                    listener, "TCP", self.outside, "192.0.2.1", 12030),
                    "192.0.2.2")
        self.server.kill()
        works()
        self.server.start()
        works()
        self.assertEqual(self.addresses(pod), before)
        self.assert_code("FAILED_PRECONDITION", "RunPodSandbox", pod,
                         config=self.pod_config(
                             port_mappings=[self.port(12030, 81)]))
        late = self.make_pod(port_mappings=[self.port(12031, 80)])
        self.assertNotIn(self.addresses(late)[0], before)
        self.remove_pod(pod)
        self.make_pod(port_mappings=[self.port(12030, 80)])

    def facts(self):
        return json.loads(self.call("Status", verbose=True).info["network"])

    def test_many_pods_leave_nothing(self):
        before = host.links(self.server.netns)
        self.assertEqual(self.facts()["pods"], "0")
        ports = iter(range(20000, 20000 + PODS))
        configs = [self.pod_config(port_mappings=[self.port(next(ports), 80)])
                   for _ in range(PODS)]
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            pods = list(pool.map(self.run_pod, configs))
            addresses = [address for pod in pods
                         for address in self.addresses(pod)]
            self.assertEqual(len(set(addresses)), 2 * PODS)
            self.assertEqual(len(host.links(self.server.netns)),
                             len(before) + PODS)
            list(pool.map(self.remove_pod, pods))
        self.pods.clear()
        self.assertEqual(self.facts()["pods"], "0")
        wait_until(lambda: host.links(self.server.netns) == before,
                   "no interface is left", 30)
        # None of their ports is mapped any more: nobody hears, at once.
        for port in (20000, 20000 + PODS - 1):
            with self.assertRaises(ConnectionRefusedError):
                send(self.server.netns, "127.0.0.1", port)


class NotReady(gantry_case.GantryCase):
    NETWORK = "bridge"

    @classmethod
    def new_server(cls):
        server = super().new_server()
        host.ip_command(server.netns, "link", "add", "lan0", "type", "bridge")
        host.ip_command(server.netns, "link", "set", "lan0", "up")
        host.ip_command(server.netns, "addr", "add", "10.92.3.4/24", "dev",
                        "lan0")
        return server

    def network_condition(self):
        return next(c for c in self.call("Status").status.conditions
                    if c.type == "NetworkReady")

    @covers("RuntimeCondition.reason", "RuntimeCondition.message")
    def test_a_route_in_the_way_is_told_until_it_is_gone(self):
        condition = self.network_condition()
        self.assertFalse(condition.status)
        self.assertEqual(condition.reason, "NetworkReadyFailed")
        say(condition.message)
        self.assertIn("10.92.3.0/24 by lan0", condition.message)
        self.assert_code("FAILED_PRECONDITION", "RunPodSandbox",
                         "10.92.3.0/24", config=self.pod_config())
        self.make_container(self.make_pod(network="NODE"))
        self.assertEqual(host.links(self.server.netns), ["lan0", "lo"])
        host.ip_command(self.server.netns, "link", "del", "lan0")
        wait_until(lambda: self.network_condition().status, "it is ready", 5)
        self.make_pod()


if __name__ == "__main__":
    gantry_case.main()
