"""Packets between pods, their host and a machine outside of it, all of them
network namespaces of the test's own."""

import os
import socket
import threading

import gantry_case
import gantry_host as host

KINDS = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listen(netns, address, port, kind=socket.SOCK_STREAM):
    """A socket in that namespace."""
    def make():
        made = socket.socket(family_of(address), kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        if kind == socket.SOCK_STREAM:
            made.listen(8)
        made.settimeout(5)
        return made
    return host.in_network(netns, make)


def send(netns, address, port, kind=socket.SOCK_STREAM, text=b"hello\n"):
    """Sends from that namespace; what is answered within a moment."""
    def do():
        with socket.socket(family_of(address), kind) as out:
            out.settimeout(3)
            out.connect((address, port))
            out.sendall(text)
            return out.recv(100)
    return host.in_network(netns, do)


def ask_sender(listener, kind):
    """Who sent something to the listener; answers with that address."""
    if kind == socket.SOCK_STREAM:
        connection, sender = listener.accept()
        connection.recv(100)
        connection.sendall(sender[0].encode())
        connection.close()
    else:
        _, sender = listener.recvfrom(100)
        listener.sendto(sender[0].encode(), sender)
    return sender[0]


class TrafficCase(gantry_case.GantryCase):
    """A server on a host with the addresses 192.0.2.1 and 2001:db8::1, and
    cls.outside, a machine beside it with 192.0.2.2 and 2001:db8::2."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.outside = host.new_network()
        cls.addClassCleanup(os.close, cls.outside)
        host.ip_command(cls.server.netns, "link", "add", "lan0", "type",
                        "veth", "peer", "name", "wan0", "netns",
                        f"/proc/{os.getpid()}/fd/{cls.outside}")
        for netns, link, number in ((cls.server.netns, "lan0", 1),
                                    (cls.outside, "wan0", 2)):
            host.ip_command(netns, "link", "set", link, "up")
            host.ip_command(netns, "addr", "add", f"192.0.2.{number}/24",
                            "dev", link)
            host.ip_command(netns, "addr", "add", f"2001:db8::{number}/64",
                            "dev", link, "nodad")

    def addresses(self, pod):
        network = self.pod_status(pod).network
        return [network.ip] + [ip.ip for ip in network.additional_ips]

    def pod_netns(self, pod):
        fd = os.open(f"{self.server.run}/pods/{pod}/net", os.O_RDONLY)
        self.addCleanup(os.close, fd)
        return fd

    def port(self, host_port, container_port, protocol="TCP", host_ip=""):
        return self.api.PortMapping(
            protocol=protocol, host_port=host_port,
            container_port=container_port, host_ip=host_ip)

    def exchange(self, listener, kind, netns, address, port):
        """Sends to `address` from netns; the sender as the listener sees it,
        which the sender was told in turn."""
        answers = []
        thread = threading.Thread(target=lambda: answers.append(
            ask_sender(listener, KINDS[kind])))
        thread.start()
        try:
            told = send(netns, address, port, KINDS[kind]).decode()
        finally:
            thread.join()
        self.assertEqual([told], answers)
        return told


class ReachTests:
    """Of every network: who reaches whom, and as whom. Beside a TrafficCase;
    GATEWAYS are the host's addresses on it, IPv4 and IPv6."""

    def test_pods_and_the_host_reach_each_other(self):
        one, two = self.make_pod(), self.make_pod()
        for kind in KINDS:
            for index, gateway in enumerate(self.GATEWAYS):
                address = self.addresses(one)[index]
                with listen(self.pod_netns(one), address, 7000,
                            KINDS[kind]) as listener:
                    self.assertEqual(self.exchange(
                        listener, kind, self.pod_netns(two), address, 7000),
                        self.addresses(two)[index])
                    self.assertEqual(self.exchange(
                        listener, kind, self.server.netns, address, 7000),
                        gateway)
                with listen(self.server.netns, gateway, 7001,
                            KINDS[kind]) as listener:
                    self.assertEqual(self.exchange(
                        listener, kind, self.pod_netns(one), gateway, 7001),
                        address)

    def test_what_leaves_the_node_has_the_nodes_address(self):
        pod = self.make_pod()
        for kind in KINDS:
            for far, near in (("192.0.2.2", "192.0.2.1"),
                              ("2001:db8::2", "2001:db8::1")):
                with listen(self.outside, far, 7100, KINDS[kind]) as listener:
                    self.assertEqual(self.exchange(
                        listener, kind, self.pod_netns(pod), far, 7100), near)


def check_host_port(case, container, address, port):
    """Whether `port` of the host leads to port 80 of the container's pod."""
    server = case.make_container(case.pod_of(container),
                                 "echo here | nc -l -p 80")
    gantry_case.wait_until(
        lambda: ":0050" in case.inside(server, "cat /proc/net/tcp*"),
        "it listens")

    def read_all():
        with socket.create_connection((address, port), 5) as connection:
            return connection.makefile().read()
    case.assertEqual(host.in_network(case.server.netns, read_all), "here\n")
