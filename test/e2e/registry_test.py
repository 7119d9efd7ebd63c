"""Pulls from registries that fail, lie, or lead astray.

The bounds of time here are those of a second's patience (`registry` in the
configuration below), with room for a busy machine.
"""

import json
import os
import random
import shutil
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
import gantry_hostile as hostile
import gantry_images
from gantry_case import say, wait_until
from gantry_registry import Registry, digest_of
from gantry_server import image_file
from gantry_tls import Authority

grpc = gantry_case.grpc
NAME = "test/four:x"


class RegistryCase(gantry_case.GantryCase):
    IMAGES = ()
    MORE = ""

    @classmethod
    def new_server(cls):
        server = super().new_server()
        cls.folder = server.top + "/certs.d"
        os.makedirs(cls.folder)
        server.more_config = (
            f'\n[registry]\nconfig_path = "{cls.folder}"\n'
            'connect_timeout_seconds = 1\nstall_timeout_seconds = 1\n'
            'attempts = 4\n' + cls.MORE)
        return server

    def remove_pods(self):
        super().remove_pods()
        for name in os.listdir(self.folder):
            shutil.rmtree(os.path.join(self.folder, name))
        # What a pull has fetched that may succeed later is kept; it goes with
        # an image that goes.
        self.pull(f"{self.registry().host}/{NAME}")
        for image in self.call("ListImages").images:
            self.call("RemoveImage", image=self.spec(image.id))
        images = self.server.root + "/images"
        left = [name for kind in ("layers", "blobs/sha256", "ingest", "images")
                for name in os.listdir(f"{images}/{kind}")]
        self.assertEqual(left, [])

    def registry(self, *arguments, name=NAME):
        """One that serves four layers as NAME."""
        made = Registry(*arguments)
        self.addCleanup(made.close)
        made.add(image_file("layers4"), name)
        return made

    def spec(self, name):
        return self.api.ImageSpec(image=name)

    def pull(self, name, timeout=gantry_case.DEADLINE, **auth):
        request = self.api.PullImageRequest(
            image=self.spec(name),
            auth=self.api.AuthConfig(**auth) if auth else None)
        return self.server.call("PullImage", request, timeout).image_ref

    def refused(self, name, code, containing="", within=30, **auth):
        """The pull fails so within so many seconds, and nothing is left of it;
        returns what was said."""
        begin = time.monotonic()
        with self.assertRaises(grpc.RpcError) as caught:
            self.pull(name, **auth)
        took = time.monotonic() - begin
        said = caught.exception.details()
        say(f"{took:.1f} s {caught.exception.code().name}: {said}")
        self.assertEqual(caught.exception.code().name, code, said)
        self.assertIn(containing, said)
        self.assertLess(took, within, said)
        self.assertEqual(len(self.call("ListImages").images), 0)
        return said

    def settings(self, domain, text):
        """hosts.toml for a registry."""
        folder = os.path.join(self.folder, domain.replace(":", "_") + (
            "_" if ":" in domain else ""))
        os.makedirs(folder, exist_ok=True)
        host.write(folder + "/hosts.toml", text)
        return folder

    def blob_requests(self, registry, digest):
        return [(path, headers.get("Range"))
                for _, path, headers in registry.seen if digest in path]


class Hostile(RegistryCase):

    def test_every_layer_dropped_half_way_three_times(self):
        for way in (hostile.drops, hostile.drops_without_ranges,
                    hostile.resets):
            with self.subTest(way.__name__):
                registry = self.registry()
                registry.ranges = way is not hostile.drops_without_ranges
                layers = registry.layers(NAME)
                for layer in layers:
                    registry.ways[layer] = [way] * 3
                begin = time.monotonic()
                image = self.pull(f"{registry.host}/{NAME}")
                say(f"{way.__name__}: {time.monotonic() - begin:.1f} s, "
                    f"{len(registry.seen)} requests")
                for layer in layers:
                    asked = self.blob_requests(registry, layer)
                    self.assertEqual(len(asked), 4, asked)
                    # The client asks for what it lacks, whatever it gets.
                    # (After a reset it may have got nothing.)
                    if way is not hostile.resets:
                        self.assertTrue(all(wanted for _, wanted in asked[1:]),
                                        asked)
                self.call("RemoveImage", image=self.spec(image))

    def test_what_passes_is_waited_for(self):
        stall, silence = hostile.Stall(), hostile.Silence()
        self.addCleanup(stall.released.set)
        self.addCleanup(silence.released.set)
        for name, way in (
                ("stall", stall), ("silence", silence),
                ("short", hostile.is_short),
                ("promises", hostile.promises_more),
                ("429", hostile.status(429, Retry_After="2")),
                ("429 with a date", hostile.wait_until_then(3)),
                ("503", hostile.status(503)), ("500", hostile.status(500))):
            with self.subTest(name):
                registry = self.registry()
                layer = registry.layers(NAME)[1]
                registry.ways[layer] = [way]
                begin = time.monotonic()
                image = self.pull(f"{registry.host}/{NAME}")
                took = time.monotonic() - begin
                say(f"{name}: {took:.1f} s")
                self.assertEqual(registry.ways[layer], [])
                if name in ("stall", "silence", "429", "429 with a date"):
                    self.assertGreater(took, 1)
                self.call("RemoveImage", image=self.spec(image))

    def test_wrong_ranges_are_not_believed(self):
        registry = self.registry()
        layer = registry.layers(NAME)[0]
        registry.ways[layer] = [hostile.drops, hostile.wrong_range]
        self.pull(f"{registry.host}/{NAME}")
        asked = self.blob_requests(registry, layer)
        self.assertEqual(len(asked), 3)
        # The second time from the beginning.
        self.assertIsNone(asked[2][1])

    # Seen to fail without the bounds of BlobSource: of attempts, of size.
    def test_what_does_not_pass_ends_soon_and_says_why(self):
        stall, silence = hostile.Stall(0), hostile.Silence()
        self.addCleanup(stall.released.set)
        self.addCleanup(silence.released.set)
        for way, code, words in (
                (stall, "DEADLINE_EXCEEDED", "no byte for 1s"),
                (silence, "DEADLINE_EXCEEDED", "no byte for"),
                (hostile.crumbs, "UNAVAILABLE", "after 4 failures"),
                (hostile.is_long, "DATA_LOSS", "more than its"),
                (hostile.status(401), "PERMISSION_DENIED", "authentication"),
                (hostile.status(403), "PERMISSION_DENIED", "HTTP 403"),
                (hostile.status(404), "NOT_FOUND", "HTTP 404"),
                (hostile.status(416), "FAILED_PRECONDITION", "HTTP 416"),
                (hostile.status(429), "RESOURCE_EXHAUSTED", "HTTP 429"),
                (hostile.status(503), "UNAVAILABLE", "HTTP 503")):
            with self.subTest(words):
                registry = self.registry()
                registry.ways[registry.layers(NAME)[2]] = [way] * 100
                self.refused(f"{registry.host}/{NAME}", code, words)

    def test_a_registry_that_fails_from_the_beginning(self):
        silence = hostile.Silence()
        self.addCleanup(silence.released.set)
        for way, code in ((silence, "DEADLINE_EXCEEDED"),
                          (hostile.status(429, Retry_After="1"),
                           "RESOURCE_EXHAUSTED"),
                          (hostile.status(503), "UNAVAILABLE"),
                          (hostile.status(404), "NOT_FOUND"),
                          (hostile.status(403), "PERMISSION_DENIED")):
            with self.subTest(code):
                registry = self.registry()
                registry.always = way
                self.refused(f"{registry.host}/{NAME}", code)
        gone = Registry()
        gone.close()
        self.refused(f"{gone.host}/{NAME}", "UNAVAILABLE", gone.host)

    def test_a_token_that_ends_in_the_middle_of_a_blob(self):
        registry = self.registry()
        registry.token, registry.basic = "first", "me:secret"
        layer = registry.layers(NAME)[1]

        def end_token(request, body):
            registry.token = "second"
            hostile.drops(request, body)
        registry.ways[layer] = [end_token]
        self.pull(f"{registry.host}/{NAME}", username="me", password="secret")
        self.assertIn("Bearer second", registry.secrets)
        # Once more than the first time, by each layer that was under way.
        asked = registry.requests.count(
            "/token?service=test&scope=repository%3Atest%2Ffour%3Apull")
        self.assertGreaterEqual(asked, 2)
        self.assertLessEqual(asked, 1 + len(registry.layers(NAME)))


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
        with self.assertRaises(grpc.RpcError) as caught:
            self.pull(name)
        say(caught.exception.code().name, caught.exception.details())
        self.assertIn("before it: ", caught.exception.details())
        left = [name for kind in ("layers", "blobs/sha256", "ingest", "partial")
                for name in os.listdir(f"{self.server.root}/images/{kind}")]
        self.assertEqual(left, [])


class Ranges(RegistryCase):
    """Large layers in parallel ranges."""
    MORE = "\n[images]\nparallel_ranges = 4\nrange_mib = 1\n"
    MIB = 1 << 20
    LARGE = "test/large:x"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        noise = random.Random(4).randbytes(4 * cls.MIB).hex()
        cls.image = gantry_images.make(
            cls.server.top + "/large.tar", "large:x",
            [[gantry_images.file("noise", noise)]])

    def registry(self, *arguments, name=NAME):
        made = super().registry(*arguments, name=name)
        made.add(self.image, self.LARGE)
        return made

    def asked(self, registry):
        """First and last byte of each request for the layer."""
        layer, = registry.layers(self.LARGE)
        return [tuple(int(byte or -1) for byte in wanted[6:].split("-"))
                if wanted else None
                for _, wanted in self.blob_requests(registry, layer)]

    def pull_large(self, registry, **more):
        """Pulls it, and removes it."""
        begin = time.monotonic()
        image = self.pull(f"{registry.host}/{self.LARGE}", **more)
        took = time.monotonic() - begin
        self.call("RemoveImage", image=self.spec(image))
        return took

    def test_a_slow_registry_is_asked_for_ranges_at_once(self):
        registry = self.registry()
        registry.rate = 2 * self.MIB
        took = self.pull_large(registry)
        say(f"8 MiB at 2 MiB/s for each connection: {took:.1f} s")
        self.assertGreaterEqual(registry.most_at_once, 4)
        self.assertLess(took, 3)
        asked = sorted(self.asked(registry))
        self.assertEqual([first for first, _ in asked],
                         [i * self.MIB for i in range(9)])
        self.assertEqual([last for _, last in asked[:-1]],
                         [i * self.MIB - 1 for i in range(1, 9)])

    def test_ranges_that_go_wrong(self):
        stall = hostile.Stall()
        self.addCleanup(stall.released.set)
        for way in (hostile.drops, hostile.resets, hostile.is_short,
                    hostile.is_long, hostile.promises_more, stall,
                    hostile.crumbs, hostile.wrong_range, hostile.sends_all,
                    hostile.drops_without_ranges, hostile.status(503),
                    hostile.status(429, Retry_After="1"), hostile.status(500)):
            for right_before in (0, 1, 4):
                with self.subTest(way=way, right_before=right_before):
                    registry = self.registry()
                    layer, = registry.layers(self.LARGE)
                    registry.ways[layer] = ([hostile.sends] * right_before +
                                            [way] * 2)
                    took = self.pull_large(registry)
                    say(f"{getattr(way, '__name__', way)} after "
                        f"{right_before}: {took:.1f} s, "
                        f"{len(self.asked(registry))} requests")

    def test_a_registry_without_ranges_is_asked_once(self):
        registry = self.registry()
        registry.ranges = False
        self.pull_large(registry)
        self.assertEqual(len(self.asked(registry)), 1)

    def test_wrong_bytes_in_a_range_are_noticed(self):
        registry = self.registry()
        layer, = registry.layers(self.LARGE)
        registry.spoil[layer] = lambda body: (
            body[:5 * self.MIB] + b"\0" + body[5 * self.MIB + 1:])
        self.refused(f"{registry.host}/{self.LARGE}", "DATA_LOSS", layer)
        self.assertEqual(os.listdir(self.server.root + "/images/partial"), [])

    def test_a_pull_that_broke_off_goes_on_in_ranges(self):
        registry = self.registry()
        layer, = registry.layers(self.LARGE)
        registry.ways[layer] = [hostile.sends] * 5 + [hostile.status(503)] * 50
        self.refused(f"{registry.host}/{self.LARGE}", "UNAVAILABLE", "HTTP 503")
        before = len(self.asked(registry))
        registry.ways[layer] = []
        self.pull_large(registry)
        asked = sorted(self.asked(registry)[before:])
        say(f"going on: {asked}")
        self.assertGreaterEqual(asked[0][0], self.MIB)
        self.assertGreater(len(asked), 2)

    def test_a_pull_that_is_cancelled_leaves_no_connection(self):
        registry = self.registry()
        registry.rate = self.MIB // 8
        with self.assertRaises(grpc.RpcError):
            self.pull(f"{registry.host}/{self.LARGE}", timeout=1)
        self.assertEqual(registry.most_at_once, 4)
        wait_until(lambda: registry.at_once == 0, "no connection is left", 5)

    # CVE-2020-15157, of the redirects of ranges.
    def test_redirected_ranges_take_no_credentials_along(self):
        registry, store = self.registry(), self.registry()
        registry.token, registry.basic = "t0ken", "me:s3cret"
        layer, = registry.layers(self.LARGE)

        def lead(request, body):
            if registry.admits(request):
                hostile.redirect(store.url + "{path}")(request, body)
        registry.ways[layer] = [lead] * 50
        self.pull_large(registry, username="me", password="s3cret")
        self.assertEqual(store.secrets, [])
        self.assertEqual(len(store.seen), 9)
        for _, _, headers in store.seen:
            self.assertIsNone(headers["Authorization"])
        # The registry itself is asked, as who it knows, each time.
        self.assertEqual(len(self.asked(registry)), 9)


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
        self.refused("r.example/" + NAME, "UNAVAILABLE", username="me",
                     password="s3cret")
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


class Astray(RegistryCase):
    """Where registries must not lead."""

    # CVE-2020-15157, of redirects. Seen to fail with Authorization kept in
    # CurlClient::Redirect (and headers in RegistryClient::RequestTo).
    def test_redirects_take_no_credentials_along(self):
        registry, store = self.registry(), self.registry()
        registry.token, registry.basic = "t0ken", "me:s3cret"
        self.settings(registry.host, f'server = "{registry.url}"\n'
                      '[header]\nx-key = "k3y"\n')
        layers = registry.layers(NAME)
        for layer in layers:
            registry.ways[layer] = [hostile.redirect(store.url + "{path}")] * 9
            # Taken up again at the registry, and led there again.
            store.ways[layer] = [hostile.drops]
        self.pull(f"{registry.host}/{NAME}", username="me", password="s3cret")
        self.assertEqual(store.secrets, [])
        self.assertEqual(len(store.seen), 2 * len(layers))
        for _, _, headers in store.seen:
            self.assertIsNone(headers["Authorization"])
            self.assertIsNone(headers["x-key"])

    # The same of who asks for credentials there. Seen to fail without the
    # origin's check in RegistryAuthorizer::Answer.
    def test_another_host_asks_for_credentials_in_vain(self):
        registry, store = self.registry(), self.registry()
        registry.basic = "me:s3cret"
        store.basic = "me:s3cret"
        registry.ways[registry.layers(NAME)[0]] = [
            hostile.redirect(store.url + "{path}")]
        self.refused(f"{registry.host}/{NAME}", "PERMISSION_DENIED",
                     "another host", username="me", password="s3cret")
        self.assertEqual(store.secrets, [])

    # CVE-2020-15157, of foreign layers: the registry is asked, and nobody else,
    # for what it lacks as well. Nothing reads `urls`: seen to fail with a client
    # that goes there for a blob that no host has.
    def test_urls_of_layers_are_not_gone_to(self):
        registry, foreign = self.registry(), self.registry()
        registry.token = "t0ken"
        manifest = json.loads(registry.blobs[registry.tags[NAME]])
        for layer in manifest["layers"]:
            layer["urls"] = [f"{foreign.url}/v2/test/four/blobs/"
                             f"{layer['digest']}"]
        registry.add_manifest(NAME, json.dumps(manifest).encode())
        name = f"{registry.host}/{NAME}"
        image = self.pull(name, username="me", password="s3cret")
        self.assertEqual(foreign.requests, [])
        self.call("RemoveImage", image=self.spec(image))
        del registry.blobs[registry.layers(NAME)[0]]
        self.refused(name, "NOT_FOUND", "HTTP 404", username="me",
                     password="s3cret")
        self.assertEqual(foreign.requests, [])

    # Server-side request forgery. Seen to fail with CheckZone() and
    # CheckRegistryAddress() returning OK.
    def test_link_local_addresses_and_other_schemes_are_refused(self):
        for target in ("http://169.254.169.254/latest/meta-data",
                       "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/",
                       "http://100.100.100.200/", "http://2852039166/",
                       "http://[fd00:ec2::254]/", "http+unix://%2Frun%2Fx/",
                       "unix:///run/x", "file:///etc/passwd",
                       "gopher://127.0.0.1/", "ftp://127.0.0.1/"):
            with self.subTest(target):
                registry = self.registry()
                registry.always = hostile.redirect(target)
                with self.assertRaises(grpc.RpcError) as caught:
                    self.pull(f"{registry.host}/{NAME}")
                say(caught.exception.code().name, caught.exception.details())
                self.assertIn(caught.exception.code().name,
                              ("PERMISSION_DENIED", "INVALID_ARGUMENT"))
                registry.always = None
                registry.token, registry.basic = "t", "me:s3cret"
                registry.realm = target
                with self.assertRaises(grpc.RpcError) as caught:
                    self.pull(f"{registry.host}/{NAME}", username="me",
                              password="s3cret")
                say(caught.exception.code().name, caught.exception.details())
                self.assertNotIn("s3cret", caught.exception.details())
                self.assertIn(caught.exception.code().name,
                              ("PERMISSION_DENIED", "INVALID_ARGUMENT"))
        self.refused("169.254.169.254/" + NAME, "PERMISSION_DENIED",
                     "link-local", within=5)

    # CVE-2024-3727. Seen to fail with Digest::Parse taking any hex.
    def test_digests_are_read_strictly(self):
        registry = self.registry()
        good = registry.blobs[registry.tags[NAME]].decode()
        layer = registry.layers(NAME)[0]
        for digest in ("sha256:../../../../../etc/passwd", "sha256:" + "0" * 63,
                       "sha256:" + "A" * 64, "sha256:" + "0" * 65, "sha256:",
                       "sha1:" + "0" * 40, "../" + layer[3:], layer + "/.."):
            with self.subTest(digest):
                registry.add_manifest(NAME, good.replace(layer,
                                                         digest).encode())
                del registry.requests[:]
                self.refused(f"{registry.host}/{NAME}", "INVALID_ARGUMENT",
                             "digest")
                self.assertEqual(len(registry.requests), 1)

    # CVE-2021-41190. The guards are the three checks in TypeOf() of
    # runtime/image/manifest.cc.
    def test_a_document_is_one_thing(self):
        registry = self.registry()
        good = json.loads(registry.blobs[registry.tags[NAME]])
        index = "application/vnd.oci.image.index.v1+json"
        for change, media_type in (
                ({"manifests": []}, good["mediaType"]),
                ({"mediaType": index}, good["mediaType"]),
                ({}, index)):
            registry.add_manifest(NAME, json.dumps({**good, **change}).encode(),
                                  media_type)
            self.refused(f"{registry.host}/{NAME}", "INVALID_ARGUMENT")

    def test_a_digest_that_is_not_the_contents(self):
        registry = self.registry()
        digest = registry.tags[NAME]
        registry.spoil[digest] = lambda body: body + b" "
        said = self.refused(f"{registry.host}/{NAME}", "DATA_LOSS", digest)
        self.assertIn(digest_of(registry.blobs[digest] + b" "), said)

    def test_secrets_are_in_no_log(self):
        registry = self.registry()
        registry.basic = "me:s3cret-of-mine"
        self.pull(f"{registry.host}/{NAME}", username="me",
                  password="s3cret-of-mine")
        registry.basic = "me:other"
        said = self.refused_again(registry)
        self.assertNotIn("s3cret-of-mine", said + self.server.log())

    def refused_again(self, registry):
        with self.assertRaises(grpc.RpcError) as caught:
            self.pull(f"{registry.host}/{NAME}", username="me",
                      password="s3cret-of-mine")
        return caught.exception.details()


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


class Outside(RegistryCase):
    """A registry with a public address, in a network of the test's own."""
    NETWORK = "bridge"
    MORE = 'insecure_hosts = ["203.0.113.5"]\ninternal_hosts = ["10.7.0.1"]\n'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for address in ("203.0.113.5", "203.0.113.6", "10.7.0.1", "10.7.0.2"):
            host.ip_command(cls.server.netns, "address", "add",
                            address + "/32", "dev", "lo")

    def registry(self, *arguments, name=NAME):
        return self.registry_at("127.0.0.1")

    def registry_at(self, address, tls=None):
        made = host.in_network(self.server.netns, Registry, tls, address)
        self.addCleanup(made.close)
        made.add(image_file("layers4"), NAME)
        return made

    # Server-side request forgery. Seen to fail with CheckZone() returning OK.
    def test_nothing_leads_further_in(self):
        public, private, internal, loopback = (
            self.registry_at(address) for address in
            ("203.0.113.5", "10.7.0.2", "10.7.0.1", "127.0.0.1"))
        self.settings(private.host, f'server = "{private.url}"\n')
        layer = public.layers(NAME)[0]

        def lead(start, target):
            start.ways[layer] = [hostile.redirect(target.url + "{path}")]
        for start, target in ((public, private), (public, loopback),
                              (private, loopback)):
            lead(start, target)
            self.refused(f"{start.host}/{NAME}", "PERMISSION_DENIED",
                         "may not lead there")
            self.assertEqual(target.requests, [])
            # A token server is no different.
            start.token, start.basic = "t0ken", "me:s3cret"
            start.realm = target.url + "/token"
            self.refused(f"{start.host}/{NAME}", "PERMISSION_DENIED",
                         username="me", password="s3cret")
            self.assertEqual(target.requests + target.secrets, [])
            start.token = start.basic = None
        for start, target in ((public, internal), (private, public),
                              (loopback, private)):
            lead(start, target)
            del target.requests[:]
            image = self.pull(f"{start.host}/{NAME}")
            self.assertEqual(len(target.requests), 1)
            self.call("RemoveImage", image=self.spec(image))

    def test_certificates_in_dockers_form(self):
        """No hosts.toml, but *.crt, *.cert and *.key."""
        authority = Authority(self.server.top + "/ca")
        registry = self.registry_at("203.0.113.6", authority.server(
            wants_client=True, names="IP:203.0.113.6"))
        name = f"203.0.113.6:{registry.port}/{NAME}"
        self.refused(name, "PERMISSION_DENIED", "certificate")
        folder = f"{self.folder}/203.0.113.6:{registry.port}"
        os.mkdir(folder)
        shutil.copy(authority.ca, folder + "/ca.crt")
        self.refused(name, "UNAVAILABLE")
        certificate, key = authority.issue("client")
        shutil.copy(certificate, folder + "/client.cert")
        shutil.copy(key, folder + "/client.key")
        self.pull(name)


if __name__ == "__main__":
    gantry_case.main()
