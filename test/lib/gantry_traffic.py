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
