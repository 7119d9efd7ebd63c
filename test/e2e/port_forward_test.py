"""PortForward: into a pod's network namespace and the host's, over SPDY, SPDY in
WebSocket messages, and WebSocket channels."""

import ctypes
import os
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
from gantry_case import say, wait_until
from gantry_fields import covers
from gantry_streams import Spdy, WebSocket

VERSION = "portforward.k8s.io"
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def listen(address, netns=None):
    """A listening socket, in the network namespace that the file names."""
    made = []

    def make():
        if netns is not None:
            with open(netns, "rb") as file:
                if _libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                    made.append(OSError(ctypes.get_errno(), "setns"))
                    return
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made.append(socket.create_server((address, 0), family=family,
                                         backlog=64))
    # A thread of its own, for it does not come back.
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], Exception):
        raise made[0]
    return made[0]


class EchoServer:
    """Sends a line to each connection, then what it gets until its end."""

    def __init__(self, address="127.0.0.1", netns=None):
        self.listener = listen(address, netns)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.echo, args=(connection,),
                             daemon=True).start()

    @staticmethod
    def echo(connection):
        with connection:
            try:
                connection.sendall(b"hello\n")
                while piece := connection.recv(65536):
                    connection.sendall(piece)
            except OSError:
                pass  # the client went first

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Forwarder:
    """Pairs of streams over one connection."""

    def __init__(self, url, tunnel=False):
        self.spdy = Spdy(url, [VERSION], tunnel=tunnel)
        self.requests = 0

    def open(self, port):
        """(data, error)"""
        fields = {"port": str(port), "requestID": str(self.requests)}
        self.requests += 1
        error = self.spdy.open(streamType="error", **fields)
        error.end()
        return self.spdy.open(streamType="data", **fields), error

    def close(self):
        self.spdy.close()


class PortForward(gantry_case.GantryCase):

    def url(self, pod, *ports):
        return self.call("PortForward", pod_sandbox_id=pod, port=ports).url

    def serve(self, address="127.0.0.1", network="POD"):
        """A pod and an echo server in its network."""
        pod = self.make_pod(network=network)
        server = EchoServer(address, f"{self.server.run}/pods/{pod}/net"
                            if network == "POD" else None)
        self.addCleanup(server.close)
        return pod, server.port

    def talk(self, forwarder, port):
        data, error = forwarder.open(port)
        data.wait_data(b"hello\n")
        data.write(b"ping")
        data.wait_data(b"ping")
        # The server answers what came before the end, after the end.
        data.write(b" last", end=True)
        self.assertEqual(data.wait_end(), b"hello\nping last")
        self.assertEqual(error.wait_end(), b"")

    def test_into_a_pods_network(self):
        pod, port = self.serve()
        for tunnel in (False, True):
            with self.subTest(tunnel=tunnel):
                forwarder = Forwarder(self.url(pod), tunnel)
                for _ in range(3):
                    self.talk(forwarder, port)
                forwarder.close()
        # The host has no such port.
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)

    def test_ipv6_where_ipv4_is_refused(self):
        pod, port = self.serve("::1")
        forwarder = Forwarder(self.url(pod))
        self.talk(forwarder, port)
        forwarder.close()

    def test_into_the_hosts_network(self):
        pod, port = self.serve(network="NODE")
        forwarder = Forwarder(self.url(pod))
        self.talk(forwarder, port)
        self.talk(forwarder, port)
        forwarder.close()

    @covers("RuntimeService.PortForward", "PortForwardRequest.*",
            "PortForwardResponse.*")
    def test_websocket_channels(self):
        pod, port = self.serve()
        client = WebSocket(self.url(pod, port), ["v4.channel.k8s.io"])
        # Data and error channel begin with the port.
        self.assertEqual(client.receive(), b"\0" + struct.pack("<H", port))
        self.assertEqual(client.receive(), b"\1" + struct.pack("<H", port))
        self.assertEqual(client.receive(), b"\0hello\n")
        client.send(b"\0ping")
        self.assertEqual(client.receive(), b"\0ping")
        client.close()

    def test_a_port_that_nobody_serves_is_told(self):
        forwarder = Forwarder(self.url(self.make_pod()))
        data, error = forwarder.open(81)
        text = error.wait_end().decode()
        say(text)
        self.assertIn("port 81", text)
        self.assertIn("ECONNREFUSED", text)
        data.wait_end()
        # The connection serves others still.
        data, error = forwarder.open(82)
        self.assertIn(b"port 82", error.wait_end())
        forwarder.close()

    def test_streams_that_mean_nothing_are_refused(self):
        forwarder = Forwarder(self.url(self.make_pod()))
        for fields in ({"streamType": "data", "port": "0"},
                       {"streamType": "data", "port": "65536"},
                       {"streamType": "data", "port": "x"},
                       {"streamType": "data"},
                       {"streamType": "other", "port": "80"}):
            stream = forwarder.spdy.open(requestID="r", **fields)
            stream.wait_end()
            self.assertTrue(stream.was_reset, fields)
        forwarder.close()

    def test_megabytes_and_many_at_once(self):
        with listen("127.0.0.1") as listener:
            port = listener.getsockname()[1]
            payload = os.urandom(3 << 20)

            def answer(connection):
                with connection:
                    while connection.recv(65536):
                        pass
                    connection.sendall(payload)

            def serve():
                for _ in range(20):
                    connection, _ = listener.accept()
                    threading.Thread(target=answer,
                                     args=(connection,)).start()
            server = threading.Thread(target=serve)
            server.start()
            forwarder = Forwarder(self.url(self.make_pod(network="NODE")))
            pairs = [forwarder.open(port) for _ in range(20)]
            for data, _ in pairs:
                data.write(b"go", end=True)
            for data, error in pairs:
                self.assertTrue(data.wait_end() == payload)
                self.assertEqual(error.wait_end(), b"")
            forwarder.close()
            server.join()

    def test_what_is_forwarded_ends_with_its_client(self):
        pod, port = self.serve()
        before = self.server.descriptors()
        for _ in range(10):
            forwarder = Forwarder(self.url(pod))
            data, _ = forwarder.open(port)
            data.wait_data(b"hello\n")
            forwarder.close()
        wait_until(lambda: self.server.descriptors() <= before + 1,
                   f"{before} descriptors again", 10)

    def test_mistakes(self):
        pod = self.make_pod()
        self.assert_code("NOT_FOUND", "PortForward", pod_sandbox_id="none")
        for port in (-1, 0, 65536):
            self.assert_code("INVALID_ARGUMENT", "PortForward", "port[0]",
                             pod_sandbox_id=pod, port=[port])
        self.call("StopPodSandbox", pod_sandbox_id=pod)
        self.assert_code("FAILED_PRECONDITION", "PortForward", "not READY",
                         pod_sandbox_id=pod)


if __name__ == "__main__":
    gantry_case.main()
