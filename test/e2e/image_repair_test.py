"""Images whose layers or blobs are damaged, lost, or collected while they are used:
found, and mended with no more than is needed."""

import os
import random
import shutil
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
from gantry_case import say
from gantry_image_case import ImageCase
from gantry_server import image_file


class ImageRepair(ImageCase):

    def layer_file(self, name):
        """The path of a file of some layer that has it."""
        for layer in self.layers():
            path = f"{self.store}/layers/{layer}/fs/{name}"
            if os.path.exists(path):
                return path
        raise AssertionError(f"no layer has {name}")

    def test_a_damaged_layer_is_found_and_mended_under_its_container(self):
        registry = self.registry()
        registry.add(image_file("layers4"), "test/four:x")
        name = f"{registry.host}/test/four:x"
        self.pull(name)
        container = self.make_container(self.make_pod(), image=name)
        self.assertEqual(self.findings(), [])
        path = self.layer_file("data/two")
        with open(path, "a", encoding="utf-8") as out:
            out.write("more")
        done = self.ctl("fsck", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/data/two: size", done.stdout)
        del registry.requests[:]
        done = self.ctl("fsck", "--repair")
        self.assertIn("mended", done.stdout)
        self.assertEqual(self.findings(), [])
        self.assertEqual(registry.requests, [])
        # The container goes on, and a new one has the right file.
        self.assertEqual(self.inside(container, "cat /data/four"), "four")
        fresh = self.make_container(self.make_pod(), image=name)
        self.assertEqual(self.inside(fresh, "cat /data/two"), "two")
        self.server.restart()
        self.assertEqual(self.inside(container, "cat /data/one"), "one")
        self.assertTrue(os.path.exists(path))
        # It goes with the container that had it.
        self.stop(container)
        self.remove(container)
        self.assertFalse(os.path.exists(path))
        self.assertEqual(self.inside(fresh, "cat /data/two"), "two")

    def test_a_lost_layer_costs_a_pull_of_that_layer_alone(self):
        registry = self.registry()
        registry.add(image_file("layers4"), "test/four:x")
        name = f"{registry.host}/test/four:x"
        image_id = self.pull(name)
        lost = self.layer_file("data/two").split("/fs/")[0]
        digests = registry.layers("test/four:x")
        self.server.kill()
        shutil.rmtree(lost)
        # Its blob as well, or the layer would be unpacked from that.
        blob = f"{self.store}/blobs/sha256/{digests[1][len('sha256:'):]}"
        os.unlink(blob)
        self.server.start()
        # A client that looks for the image pulls it; one that cleans up sees
        # it.
        self.assertIsNone(self.image_of(name))
        listed = self.call("ListImages").images
        self.assertEqual([image.id for image in listed], [image_id])
        self.assertIn("is missing", self.ctl("du").stdout)
        message = self.assert_code(
            "NOT_FOUND", "CreateContainer", "incomplete",
            pod_sandbox_id=self.make_pod(),
            config=self.container_config(image=name))
        say(message)
        del registry.requests[:]
        self.assertEqual(self.pull(name), image_id)
        self.assertEqual([path.split("/")[-1] for path in registry.requests
                          if "/blobs/" in path], [digests[1]])
        self.assertEqual(self.findings(), [])

    def test_a_damaged_blob_is_brought_back_by_a_pull(self):
        registry = self.registry()
        registry.add(image_file("layers4"), "test/four:x")
        name = f"{registry.host}/test/four:x"
        self.pull(name)
        digests = registry.layers("test/four:x")
        blob = f"{self.store}/blobs/sha256/{digests[2][len('sha256:'):]}"
        with open(blob, "r+b") as out:
            out.write(b"spoiled")
        found = self.findings(repair=True)
        self.assertEqual([f.object for f in found], [digests[2]])
        self.assertFalse(os.path.exists(blob))
        del registry.requests[:]
        self.pull(name)
        self.assertEqual([path.split("/")[-1] for path in registry.requests
                          if "/blobs/" in path], [digests[2]])
        self.assertEqual(self.findings(), [])

    def test_collection_and_use_at_the_same_time(self):
        """Pulls, containers, prunes and removals of the same layers."""
        registry = self.registry()
        registry.add(image_file("layers4"), "test/four:x")
        registry.add(image_file("busybox"), "test/box:x")
        names = [f"{registry.host}/test/{n}:x" for n in ("four", "box")]
        end = time.monotonic() + 4
        problems, counts = [], [0, 0, 0]

        def puller(name):
            while time.monotonic() < end:
                try:
                    self.pull(name)
                    counts[0] += 1
                except gantry_case.grpc.RpcError as error:
                    problems.append(f"pull: {error.details()}")

        def remover():
            pick = random.Random(1)
            while time.monotonic() < end:
                try:
                    if pick.random() < 0.5:
                        self.admin("Prune")
                    else:
                        self.call("RemoveImage",
                                  image=self.spec(pick.choice(names)))
                    counts[1] += 1
                except gantry_case.grpc.RpcError as error:
                    problems.append(f"remove: {error.details()}")

        def runner():
            pod = self.make_pod()
            while time.monotonic() < end:
                try:
                    self.pull(names[0])
                    container = self.make_container(pod, image=names[0])
                    if self.inside(container, "cat /data/one") != "one":
                        problems.append("a container lacks a layer")
                    self.stop(container)
                    self.remove(container)
                    counts[2] += 1
                except gantry_case.grpc.RpcError as error:
                    # Removed between the pull and the create.
                    if error.code() != gantry_case.grpc.StatusCode.NOT_FOUND:
                        problems.append(f"run: {error.details()}")
        threads = [threading.Thread(target=target, args=words)
                   for target, words in ((puller, (names[0],)),
                                         (puller, (names[1],)),
                                         (remover, ()), (remover, ()),
                                         (runner, ()))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        say("{} pulls, {} removals, {} containers".format(*counts))
        self.assertEqual(problems, [])
        self.assertTrue(all(counts))
        self.assertEqual(self.findings(), [])


if __name__ == "__main__":
    gantry_case.main()
