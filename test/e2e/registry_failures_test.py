"""Pulls from registries that fail: transfers that break off, ranges.

The bounds of time here are those of a second's patience (`registry` in the
configuration of RegistryCase), with room for a busy machine.
"""

import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_hostile as hostile
import gantry_images
from gantry_case import say, wait_until
from gantry_registry import Registry
from gantry_registry_case import NAME, RegistryCase


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
        # One connection alone takes four seconds.
        self.assertLess(took, 4)
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
        with self.assertRaises(gantry_case.grpc.RpcError):
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


if __name__ == "__main__":
    gantry_case.main()
