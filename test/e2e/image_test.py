"""Images: loaded and pulled, verified, listed, removed."""

import os
import shutil
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
from gantry_case import BUSYBOX, say
from gantry_registry import Registry
from gantry_server import image_file


class Image(gantry_case.GantryCase):
    IMAGES = ()

    def remove_pods(self):
        super().remove_pods()
        self.remove_images()

    def remove_images(self):
        for image in self.images():
            self.call("RemoveImage", image=self.spec(image.id))
        self.assertEqual(list(self.images()), [])
        store = self.server.root + "/images"
        left = [os.path.join(folder, name)
                for kind in ("images", "blobs/sha256", "layers", "ingest")
                for folder, _, names in os.walk(f"{store}/{kind}")
                for name in names]
        left += [f"{store}/layers/{name}"
                 for name in os.listdir(store + "/layers")
                 if os.path.isdir(f"{store}/layers/{name}")]
        self.assertEqual(len(left), 0, "left of images that were removed: " +
                         " ".join(left[:10]))

    def layers(self):
        """The directories of unpacked layers."""
        return sorted(os.listdir(self.server.root + "/images/layers"))

    def blobs(self):
        return sorted(os.listdir(self.server.root + "/images/blobs/sha256"))

    def spec(self, name):
        return self.api.ImageSpec(image=name)

    def images(self, name=None):
        image_filter = self.api.ImageFilter(
            image=self.spec(name)) if name else None
        return self.call("ListImages", filter=image_filter).images

    def image_of(self, name):
        """The image, or nothing."""
        answer = self.call("ImageStatus", image=self.spec(name))
        return answer.image if answer.HasField("image") else None

    def check_runs(self, name):
        ended = self.run_to_end(self.make_pod(), "echo runs", image=name)
        self.assertEqual(gantry_case.log_texts(ended.log_path), ["runs"])
        return ended

    def registry(self):
        registry = Registry()
        self.addCleanup(registry.close)
        return registry

    def pull(self, name):
        return self.call("PullImage", image=self.spec(name)).image_ref

    def test_every_kind_of_archive_can_be_loaded_and_run(self):
        for file, name in (("busybox", BUSYBOX),
                           ("busybox-zstd", "localhost/busybox:zstd"),
                           ("busybox-plain", "localhost/busybox:plain"),
                           ("busybox-docker", "localhost/busybox:docker"),
                           ("busybox-multi", "localhost/busybox:multi")):
            with self.subTest(file):
                loaded = self.server.load(image_file(file))
                self.assertEqual([list(i.names) for i in loaded], [[name]])
                image = self.image_of(name)
                self.assertEqual(image.id, loaded[0].id)
                self.assertIn(name, image.repo_tags)
                self.assertGreater(image.size, 100000)
                self.check_runs(name)
        # The same image came in four ways; it is one, with four names.
        self.assertEqual(sorted(len(image.repo_tags)
                                for image in self.images()), [1, 4])

    def test_of_an_index_the_image_of_this_platform_is_taken(self):
        self.server.load(image_file("busybox-multi"))
        pod = self.make_pod()
        container = self.make_container(
            pod, image="localhost/busybox:multi")
        self.assertEqual(self.inside(container, "cat /etc/arch"), "amd64")

    def test_a_directory_and_a_path_can_be_loaded(self):
        folder = tempfile.mkdtemp(dir=self.server.top)
        self.addCleanup(shutil.rmtree, folder)
        with tarfile.open(image_file("busybox")) as tar:
            tar.extractall(folder)
        loaded = self.server.load_path(folder)
        again = self.server.load_path(os.path.realpath(image_file("busybox")))
        self.assertEqual(loaded, again)
        self.assertEqual(len(self.images()), 1)
        self.check_runs(loaded[0].id)

    def test_pull_by_tag_and_by_digest(self):
        registry = self.registry()
        digest = registry.add(image_file("busybox"), "test/box:one")
        by_tag = f"{registry.host}/test/box:one"
        reference = self.pull(by_tag)
        say("pulled", reference)
        image = self.image_of(by_tag)
        self.assertEqual(list(image.repo_tags), [by_tag])
        self.assertEqual(list(image.repo_digests),
                         [f"{registry.host}/test/box@{digest}"])
        self.assertEqual(reference, image.id)
        ended = self.check_runs(by_tag)
        self.assertEqual(ended.image_id, image.id)
        # A second pull asks for no layer.
        del registry.requests[:]
        self.assertEqual(self.pull(by_tag), reference)
        self.assertFalse([path for path in registry.requests
                          if "/blobs/" in path], registry.requests)
        by_digest = f"{registry.host}/test/box@{digest}"
        self.assertEqual(self.pull(by_digest), reference)
        self.assertEqual(len(self.images()), 1)

    def test_pull_by_digest_alone(self):
        registry = self.registry()
        digest = registry.add(image_file("busybox-multi"), "test/multi:x")
        name = f"{registry.host}/test/multi@{digest}"
        self.pull(name)
        image = self.image_of(name)
        self.assertEqual(list(image.repo_tags), [])
        self.check_runs(name)

    def test_pull_of_what_is_not_there(self):
        registry = self.registry()
        told = self.assert_code("NOT_FOUND", "PullImage", "test/none:x",
                                image=self.spec(
                                    f"{registry.host}/test/none:x"))
        say(told)
        self.assertEqual(list(self.images()), [])

    def test_a_corrupted_blob_is_refused_and_nothing_is_left(self):
        registry = self.registry()
        registry.add(image_file("busybox"), "test/box:bad")
        name = f"{registry.host}/test/box:bad"
        layer = registry.layers("test/box:bad")[0]
        for spoil in (lambda body: body[:1000] + bytes([body[1000] ^ 1]) +
                      body[1001:],
                      lambda body: body[:-10],
                      lambda body: body + b"more"):
            registry.spoil[layer] = spoil
            with self.assertRaises(gantry_case.grpc.RpcError) as caught:
                self.call("PullImage", image=self.spec(name))
            say(caught.exception.code(), caught.exception.details())
            self.assertNotEqual(caught.exception.code(),
                                gantry_case.grpc.StatusCode.DEADLINE_EXCEEDED)
            self.assertEqual(list(self.images()), [])
            self.assertIsNone(self.image_of(name))
        registry.spoil.clear()
        self.pull(name)
        self.check_runs(name)

    def test_a_corrupted_archive_is_refused_and_nothing_is_left(self):
        with open(image_file("busybox-plain"), "rb") as source:
            good = source.read()
        bad = self.server.top + "/bad.tar"
        self.addCleanup(os.unlink, bad)
        middle = len(good) // 2
        for content in (good[:middle] + bytes([good[middle] ^ 1]) +
                        good[middle + 1:], good[:middle], b"no tar" * 100):
            with open(bad, "wb") as out:
                out.write(content)
            with self.assertRaises(gantry_case.grpc.RpcError) as caught:
                self.server.load(bad)
            say(caught.exception.code(), caught.exception.details())
            self.assertEqual(list(self.images()), [])
            self.assertEqual(self.blobs() + self.layers(), [])

    def test_list_status_and_remove(self):
        self.server.load(image_file("busybox"))
        self.server.load(image_file("layers4"))
        self.assertEqual(len(self.images()), 2)
        self.assertEqual([list(image.repo_tags)
                          for image in self.images(BUSYBOX)], [[BUSYBOX]])
        self.assertEqual(list(self.images("no/such:image")), [])
        self.assertIsNone(self.image_of("no/such:image"))
        image = self.image_of(BUSYBOX)
        self.assertEqual(self.image_of(image.id), image)
        self.assertEqual(self.image_of(image.id[len("sha256:"):]), image)
        for _ in range(2):
            self.call("RemoveImage", image=self.spec(BUSYBOX))
        self.assertIsNone(self.image_of(BUSYBOX))
        self.assertEqual(len(self.images()), 1)
        self.assert_code("INVALID_ARGUMENT", "ImageStatus", "image",
                         image=self.spec(""))
        self.assert_code("INVALID_ARGUMENT", "PullImage",
                         image=self.spec("UPPER CASE"))

    def test_a_container_outlives_its_image(self):
        self.server.load(image_file("layers4"))
        pod = self.make_pod()
        container = self.make_container(pod, image=gantry_case.LAYERS4)
        self.call("RemoveImage", image=self.spec(gantry_case.LAYERS4))
        self.assertIsNone(self.image_of(gantry_case.LAYERS4))
        self.assertEqual(self.inside(container, "cat /data/four"), "four")
        self.server.restart()
        self.assertEqual(self.inside(container, "cat /data/one"), "one")
        # Gone with the container, not with the next start: remove_images().
        self.remove_pod(pod)
        self.assertEqual(self.layers(), [])

    def test_images_outlive_the_server(self):
        self.server.load(image_file("busybox"))
        before = self.image_of(BUSYBOX)
        self.server.restart()
        self.assertEqual(self.image_of(BUSYBOX), before)
        self.check_runs(BUSYBOX)

    def test_file_system_info(self):
        def used():
            info = self.call("ImageFsInfo")
            self.assertEqual(len(info.image_filesystems), 1)
            usage = info.image_filesystems[0]
            self.assertTrue(os.path.isdir(usage.fs_id.mountpoint))
            self.assertGreater(usage.timestamp, 0)
            self.assertEqual(len(info.container_filesystems), 1)
            return usage.used_bytes.value
        before = used()
        self.server.load(image_file("busybox"))
        after = gantry_case.wait_until(
            lambda: (lambda value: value if value > before + 500000 else 0)(
                used()), "the image is seen in the usage")
        say(f"{before} bytes before, {after} after")


if __name__ == "__main__":
    gantry_case.main()
