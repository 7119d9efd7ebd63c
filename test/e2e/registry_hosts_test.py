"""Pulls from the hosts that stand for a registry: mirrors, TLS, proxies.

The bounds of time here are those of a second's patience (`registry` in the
configuration of RegistryCase), with room for a busy machine.
"""

import json
import os
import shutil
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
import gantry_hostile as hostile
from gantry_case import say
from gantry_registry import Registry
from gantry_registry_case import NAME, RegistryCase
from gantry_server import image_file
from gantry_tls import Authority


class Mirrors(RegistryCase):

    def test_mirrors_are_tried_in_order_before_the_registry(self):
        first, second, registry = (self.registry() for _ in range(3))
        # Read anew with each pull: no restart.
        self.settings(registry.host, f'[host."{first.url}"]\n'
                      f'[host."{second.url}"]\n')
        name = f"{registry.host}/{NAME}"
        image = self.pull(name)
        self.assertEqual(registry.requests + second.requests, [])
        self.assertTrue(all(path.endswith("?ns=" + registry.host)
                            for path in first.requests), first.requests)
        self.assertEqual(list(self.call("ImageStatus", image=self.spec(name))
                              .image.repo_tags), [name])
        for way in (hostile.status(404), hostile.status(500),
                    hostile.status(429), hostile.status(403),
                    hostile.status(401), hostile.status(206)):
            self.call("RemoveImage", image=self.spec(image))
            for each in (first, second, registry):
                del each.requests[:]
            first.always = second.always = way
            self.pull(name)
            self.assertTrue(first.requests and second.requests)
            self.assertEqual(len(registry.requests), 6)

    def test_a_mirror_that_is_gone_is_asked_once(self):
        gone, registry = Registry(), self.registry()
        gone.close()
        self.settings(registry.host, f'[host."{gone.url}"]\n'
                      'dial_timeout = "500ms"\n')
        self.pull(f"{registry.host}/{NAME}")
        registry.always = hostile.status(404)
        self.call("RemoveImage", image=self.spec(f"{registry.host}/{NAME}"))
        said = self.refused(f"{registry.host}/{NAME}", "NOT_FOUND", "HTTP 404")
        # Why the mirror did not help is told as well.
        self.assertIn(gone.host, said)

    def test_blobs_that_a_mirror_lacks_come_from_the_registry(self):
        mirror, registry = self.registry(), self.registry()
        self.settings(registry.host, f'[host."{mirror.url}"]\n')
        del mirror.blobs[mirror.layers(NAME)[1]]
        mirror.ways[mirror.layers(NAME)[2]] = [hostile.drops] * 100
        self.pull(f"{registry.host}/{NAME}")
        self.assertEqual(len(registry.requests), 2, registry.requests)

    def test_a_mirror_of_content_is_not_asked_what_a_tag_means(self):
        mirror, registry = self.registry(), self.registry()
        self.settings(registry.host, f'[host."{mirror.url}"]\n'
                      'capabilities = ["pull"]\n')
        # It would say something else.
        mirror.tags[NAME] = "sha256:" + "0" * 64
        self.pull(f"{registry.host}/{NAME}")
        self.assertEqual([(verb, path) for verb, path, _ in registry.seen],
                         [("HEAD", "/v2/test/four/manifests/x")])

    # Seen to fail with is_named left out of RegistryAuthorizer.
    def test_mirrors_get_none_of_the_registrys_credentials(self):
        mirror, registry = self.registry(), self.registry()
        registry.basic = "me:s3cret"
        self.settings(registry.host, f'[host."{mirror.url}"]\n'
                      f'[host."{mirror.url}".header]\nx-mirror = "key"\n')
        # Whatever way it asks in.
        for basic, token in (("me:s3cret", None), (None, "t0ken")):
            mirror.basic, mirror.token = basic, token
            image = self.pull(f"{registry.host}/{NAME}", username="me",
                              password="s3cret")
            self.call("RemoveImage", image=self.spec(image))
        self.assertTrue(mirror.requests)
        self.assertEqual([secret for secret in mirror.secrets
                          if secret not in ("", "Bearer t0ken")], [])
        # What is meant for the mirror stays there in turn.
        self.assertTrue(all(headers["x-mirror"] == "key" for _, path, headers
                            in mirror.seen if "/v2/" in path))
        self.assertFalse([headers for _, _, headers in registry.seen
                          if headers["x-mirror"]])

    def test_default_folder_and_another_server(self):
        registry = self.registry()
        self.settings("_default", f'server = "{registry.url}"\n')
        image = self.pull("r.example/" + NAME)
        self.assertTrue(registry.requests)
        self.assertEqual(list(self.call(
            "ImageStatus", image=self.spec(image)).image.repo_tags),
            ["r.example/" + NAME])

    def test_a_path_of_the_users_own(self):
        registry = self.registry(name="api/test/four:x")
        self.settings("r.example", f'server = "{registry.url}/v2/api"\n'
                      'override_path = true\n')
        self.pull("r.example/" + NAME)

    def test_mistakes_name_file_and_key(self):
        for text, words in (("server = [", "hosts.toml:1: "),
                            ("\nserver = 1", "hosts.toml:2: server: "),
                            ('[host."https://x"]\ncapabilites = ["pull"]',
                             "hosts.toml:2: host.https://x.capabilites: "),
                            ('ca = "none.pem"', "none.pem")):
            folder = self.settings("r.example", text)
            said = self.refused("r.example/" + NAME, "FAILED_PRECONDITION",
                                words)
            self.assertIn(folder, said)

    # As a mirror out of order would, or one that was broken into.
    def test_wrong_blobs_of_a_mirror_come_from_the_registry(self):
        mirror, registry = self.registry(), self.registry()
        self.settings(registry.host, f'[host."{mirror.url}"]\n')
        name = f"{registry.host}/{NAME}"
        config = json.loads(mirror.blobs[mirror.tags[NAME]])["config"]["digest"]

        def flip(body):
            return body[:-9] + bytes([body[-9] ^ 1]) + body[-8:]
        wrong = [config] + mirror.layers(NAME)
        for digest in wrong:
            mirror.spoil[digest] = flip
        image = self.pull(name)
        self.assertEqual(
            sorted(path.split("/")[-1] for path in registry.requests),
            sorted(wrong))
        self.call("RemoveImage", image=self.spec(image))
        registry.spoil = mirror.spoil
        with self.assertRaises(gantry_case.grpc.RpcError) as caught:
            self.pull(name)
        say(caught.exception.code().name, caught.exception.details())
        self.assertIn("before it: ", caught.exception.details())
        left = [name for kind in ("layers", "blobs/sha256", "ingest", "partial")
                for name in os.listdir(f"{self.server.root}/images/{kind}")]
        self.assertEqual(left, [])


class Tls(RegistryCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority = Authority(cls.server.top + "/ca")

    def test_an_authority_of_the_registrys_own(self):
        registry = self.registry(self.authority.server())
        name = f"{registry.host}/{NAME}"
        server = f'server = "{registry.url}"\n'
        self.settings(registry.host, server)
        self.refused(name, "PERMISSION_DENIED", "certificate")
        # Relative to the folder, and as a list.
        shutil.copy(self.authority.ca, self.settings(
            registry.host, server + 'ca = ["ca.pem"]\n'))
        image = self.pull(name)
        self.call("RemoveImage", image=self.spec(image))
        self.settings(registry.host, server + "skip_verify = true\n")
        self.pull(name)

    def test_a_certificate_of_ours(self):
        registry = self.registry(self.authority.server(wants_client=True))
        name = f"{registry.host}/{NAME}"
        certificate, key = self.authority.issue("us")
        known = (f'server = "{registry.url}"\nca = "{self.authority.ca}"\n')
        self.settings(registry.host, known)
        self.refused(name, "UNAVAILABLE")
        both = self.authority.path("both.pem")
        host.write(both, host.read(certificate) + host.read(key))
        for client in (f'[["{certificate}", "{key}"]]', f'"{both}"'):
            self.settings(registry.host, known + f"client = {client}\n")
            image = self.pull(name)
            self.call("RemoveImage", image=self.spec(image))

    # CVE-2019-10214. Seen to fail with insecure_skip_verify kept for another
    # host in RegistryAuthorizer::TokenRequest.
    def test_a_token_server_is_verified_whatever_the_registry_is(self):
        tokens = self.registry(self.authority.server())
        registry = self.registry(self.authority.server())
        registry.token, registry.basic = "t0ken", "me:s3cret"
        # Another name of the same machine, for which nothing was said.
        registry.realm = f"https://127.0.0.1:{tokens.port}/token"
        self.settings(registry.host, f'server = "{registry.url}"\n'
                      "skip_verify = true\n")
        self.refused(f"{registry.host}/{NAME}", "PERMISSION_DENIED",
                     "certificate", username="me", password="s3cret")
        self.assertEqual(tokens.requests + tokens.secrets, [])
        # Nor does it get a password in plain text.
        registry.realm = f"http://127.0.0.1:{registry.port}/token"
        self.refused(f"{registry.host}/{NAME}", "PERMISSION_DENIED",
                     "less secure", username="me", password="s3cret")
        self.assertEqual(registry.secrets, [])

    # CVE-2014-5277. There is no fallback to take out.
    def test_https_never_becomes_http(self):
        plain = self.registry()
        self.settings("r.example", f'server = "https://{plain.host}"\n')
        with self.assertRaises(gantry_case.grpc.RpcError) as caught:
            self.pull("r.example/" + NAME, username="me", password="s3cret")
        # What is no TLS, or on a slow machine no TLS within the second.
        self.assertIn(caught.exception.code().name,
                      ("UNAVAILABLE", "DEADLINE_EXCEEDED"))
        self.assertEqual(plain.requests + plain.secrets, [])
        # Nor by a redirect. Seen to fail without the check in Redirect().
        registry = self.registry(self.authority.server())
        registry.always = hostile.redirect(plain.url + "{path}")
        self.settings("r.example", f'server = "{registry.url}"\n'
                      f'ca = "{self.authority.ca}"\n')
        self.refused("r.example/" + NAME, "PERMISSION_DENIED", "leaves https")
        self.assertEqual(plain.requests, [])

    def test_http_2_is_spoken_where_it_is_offered(self):
        """A server of a few frames: it says 404 to the first request."""
        context = self.authority.server(alpn=("h2",))
        registry = self.registry(context)
        self.settings("r.example", f'server = "{registry.url}"\n'
                      f'ca = "{self.authority.ca}"\n')
        seen = []

        def serve_h2(connection):
            connection.do_handshake()
            seen.append(connection.selected_alpn_protocol())
            preface = b""
            while len(preface) < 24:
                preface += connection.recv(24 - len(preface))
            seen.append(preface)
            # SETTINGS; then HEADERS of stream 1: ":status: 404", the 13th of
            # the static table (RFC 7541), with END_HEADERS and END_STREAM.
            connection.sendall(b"\0\0\0\4\0\0\0\0\0")
            connection.sendall(b"\0\0\1\1\5\0\0\0\1\x8d")
            connection.recv(65536)
            threading.Event().wait(0.2)
            connection.close()
        registry.server.finish_request = (
            lambda connection, address: serve_h2(connection))
        self.refused("r.example/" + NAME, "NOT_FOUND", "HTTP 404")
        self.assertEqual(seen[:2], ["h2",
                                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])


class Proxied(RegistryCase):
    PROXY = ('insecure_hosts = ["r.example"]\nno_proxy = ["direct.example"]\n'
            'proxy = "http://127.0.0.1:PORT"\n')

    @classmethod
    def new_server(cls):
        # It answers for whatever host it is asked about.
        cls.proxy = Registry()
        cls.addClassCleanup(cls.proxy.close)
        cls.proxy.add(image_file("layers4"), NAME)
        cls.MORE = cls.PROXY.replace("PORT", str(cls.proxy.port))
        return super().new_server()

    def test_the_proxy_is_asked_but_for_who_is_named(self):
        self.pull("r.example/" + NAME)
        self.assertTrue(all(path.startswith("http://r.example/v2/")
                            for path in self.proxy.requests))
        del self.proxy.requests[:]
        self.call("RemoveImage", image=self.spec("r.example/" + NAME))
        registry = self.registry()
        self.pull(f"{registry.host}/{NAME}")
        self.settings("direct.example", 'server = "http://direct.example"')
        self.call("RemoveImage", image=self.spec(f"{registry.host}/{NAME}"))
        self.refused("direct.example/" + NAME, "UNAVAILABLE")
        self.assertEqual(self.proxy.requests, [])


if __name__ == "__main__":
    gantry_case.main()
