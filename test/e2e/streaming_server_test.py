"""The server that streams come to: its URLs, what is no request of a stream, its end,
and TLS."""

import os
import subprocess
import sys
import time

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
from gantry_case import say, wait_until
from gantry_stream_case import StreamCase
from gantry_streams import ChannelClient, Refused, Wire


class Http(StreamCase):

    def setUp(self):
        super().setUp()
        self.container = self.make_container(self.make_pod())

    def refused(self, url, headers=None, **more):
        wire = Wire(url)
        with self.assertRaises(Refused) as caught:
            wire.upgrade(headers if headers is not None else [
                ("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1"),
                ("X-Stream-Protocol-Version", "v4.channel.k8s.io")], **more)
        wire.close()
        return caught.exception.status

    def test_a_token_is_good_once_and_for_its_kind(self):
        url = self.exec_url(self.container, "true")
        self.assertEqual(ChannelClient(url).finish().exit_code, 0)
        self.assertEqual(self.refused(url), 404)
        url = self.exec_url(self.container, "true")
        self.assertEqual(self.refused(url.replace("/exec/", "/attach/")), 404)
        base = url.rsplit("/", 1)[0]
        for path in ("/", "/x", "", "/" + "0" * 32, "/../../etc/passwd"):
            self.assertEqual(self.refused(base + path), 404, path)

    def test_requests_that_are_no_upgrade(self):
        def url():
            return self.exec_url(self.container, "true")
        self.assertEqual(self.refused(url(), []), 400)
        self.assertEqual(self.refused(url(), [
            ("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1")]), 400)
        self.assertEqual(self.refused(url(), [
            ("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1"),
            ("X-Stream-Protocol-Version", "v99")]), 403)
        self.assertEqual(self.refused(url(), method="DELETE"), 405)
        self.assertEqual(self.refused(url(), [("X", "y" * 40000)]), 400)

    def test_what_is_no_http_is_dropped(self):
        url = self.exec_url(self.container, "true")
        wire = Wire(url)
        wire.send(b"\x16\x03\x01 this is no http\r\n\r\n")
        while wire.more():
            pass
        wire.close()
        self.assertEqual(ChannelClient(url).finish().exit_code, 0)

    def test_a_thousand_urls_that_nobody_fetches_are_the_limit(self):
        urls = []
        with self.assertRaises(grpc.RpcError) as caught:
            for _ in range(1001):
                urls.append(self.exec_url(self.container, "true"))
        self.assertEqual(caught.exception.code(),
                         grpc.StatusCode.RESOURCE_EXHAUSTED)
        say(f"{len(urls)} urls, then: {caught.exception.details()}")
        # Those that were handed out are good, and make room.
        self.assertEqual(ChannelClient(urls[-1]).finish().exit_code, 0)
        self.exec_url(self.container, "true")
        self.replace_server()
        self.pods.clear()

    def test_sigterm_ends_sessions_in_time(self):
        clients = [self.channels(self.container, "echo here; sleep 549"),
                   self.spdy(self.container, "echo here; sleep 549")]
        for client in clients:
            client.wait_stdout(b"here")
        idle = Wire(self.exec_url(self.container, "true"))
        begin = time.monotonic()
        self.assertEqual(self.server.stop(), 0)
        say(f"ended after {time.monotonic() - begin:.2f} s")
        idle.close()
        for client in clients:
            client.close()
        self.server.start()
        self.assertEqual(self.state(self.container), "RUNNING")
        wait_until(lambda: "sleep 549" not in self.family(self.container),
                   "the sessions' programs ended", 10)


class Tls(StreamCase):

    @classmethod
    def new_server(cls):
        server = super().new_server()
        pem = server.top + "/tls.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
             "/CN=localhost", "-keyout", pem, "-out", server.top + "/c.pem"],
            check=True, capture_output=True)
        server.more_config = (f'[streaming]\ncertificate = "{server.top}/c.pem"'
                              f'\nkey = "{pem}"\naddress = "::1"\n')
        return server

    def test_both_protocols_over_tls_and_ipv6(self):
        container = self.make_container(self.make_pod())
        for name, client in self.both(container, "cat; exit 3", stdin=True):
            with self.subTest(protocol=name):
                client.write(b"x" * 300000)
                client.end_stdin()
                outcome = client.finish()
                self.assertEqual(len(outcome.stdout), 300000)
                self.assertEqual(outcome.exit_code, 3)
        url = self.exec_url(container, "true")
        self.assertTrue(url.startswith("https://[::1]:"), url)



if __name__ == "__main__":
    gantry_case.main()
