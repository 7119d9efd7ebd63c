"""Fields of images: who they are, who may have them, what they take."""

import base64
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_images
from gantry_case import BUSYBOX
from gantry_fields import covers
from gantry_registry import Registry
from gantry_server import image_file

PINNED = "localhost/fields:pinned"


class Images(gantry_case.GantryCase):

    @classmethod
    def new_server(cls):
        server = super().new_server()
        server.more_config = (f'[images]\npinned = ["{PINNED}"]\n'
                              "[runtime_handlers.fast]\n")
        return server

    def setUp(self):
        super().setUp()
        # Removing an image by one of its names removes it.
        self.load_images(self.server)

    def spec(self, name, **more):
        return self.api.ImageSpec(image=name, **more)

    def derived(self, name, **config):
        path = f"{self.server.top}/derived.tar"
        gantry_images.make(path, name, config=config,
                           base=image_file("busybox"))
        self.server.load(path)
        os.unlink(path)
        image = self.call("ImageStatus", image=self.spec(name)).image
        self.addCleanup(lambda: self.call("RemoveImage",
                                          image=self.spec(image.id)))
        return image

    def registry(self, name):
        """A registry that has busybox by this name, and its whole name."""
        registry = Registry()
        self.addCleanup(registry.close)
        registry.add(image_file("busybox"), name)
        return registry, f"{registry.host}/{name}"

    # -- who an image is

    @covers("Image.id", "Image.repo_tags", "Image.repo_digests", "Image.size",
            "Image.spec", "RuntimeService.Version",
            "ImageService.ListImages", "ListImagesRequest.filter",
            "ImageFilter.image", "ListImagesResponse.images",
            "ImageService.ImageStatus", "ImageStatusRequest.*",
            "ImageStatusResponse.*", "ImageService.PullImage",
            "PullImageRequest.image", "PullImageResponse.image_ref",
            "ImageService.RemoveImage", "RemoveImageRequest.image",
            "ImageSpec.image")
    def test_who_an_image_is(self):
        self.call("Version")
        registry, name = self.registry("test/box:one")
        digest = registry.tags["test/box:one"]
        reference = self.call("PullImage", image=self.spec(name)).image_ref
        answer = self.call("ImageStatus", image=self.spec(name), verbose=True)
        image = answer.image
        self.assertIn(name, image.repo_tags)
        self.assertIn(f"{registry.host}/test/box@{digest}", image.repo_digests)
        self.assertRegex(image.id, "^sha256:[0-9a-f]{64}$")
        self.assertGreater(image.size, 100000)
        self.assertEqual(image.spec.image, image.id)
        self.assertIn(image.id, answer.info["info"])
        for known in (reference, image.id, image.repo_digests[0], name):
            self.assertEqual(self.call("ImageStatus", image=self.spec(
                known)).image, image)
            self.assertEqual(list(self.call(
                "ListImages", filter=self.api.ImageFilter(
                    image=self.spec(known))).images), [image])
        everything = self.call("ListImages").images
        self.assertIn(image, everything)
        # The same image by two names is one.
        self.assertEqual(len(everything), 1)
        self.assertIn(BUSYBOX, image.repo_tags)
        self.call("RemoveImage", image=self.spec(name))
        gone = self.call("ImageStatus", image=self.spec(name))
        self.assertFalse(gone.HasField("image"))

    @covers("Image.uid", "Image.username", "Int64Value.value")
    def test_the_user_is_a_number_or_a_name(self):
        for user, uid, name in (("1000:50", 1000, ""), ("mail:mail", None,
                                                        "mail"),
                                ("", None, "")):
            image = self.derived("localhost/fields:user", User=user)
            self.assertEqual(image.username, name)
            self.assertEqual(image.HasField("uid"), uid is not None)
            if uid is not None:
                self.assertEqual(image.uid.value, uid)

    @covers("Image.pinned")
    def test_an_image_is_pinned_by_the_configuration(self):
        self.assertTrue(self.derived(PINNED, User="1").pinned)
        self.assertFalse(self.derived("localhost/fields:loose",
                                      User="2").pinned)
        pinned = [image.pinned for image in self.call("ListImages").images]
        self.assertEqual(pinned.count(True), 1)

    @covers("ImageSpec.annotations", "ImageSpec.user_specified_image",
            "ImageSpec.runtime_handler", "PullImageRequest.sandbox_config")
    def test_what_is_said_about_a_name_is_kept(self):
        _, name = self.registry("test/box:said")
        self.call("PullImage", image=self.spec(name, annotations={"a": "b"},
                                               runtime_handler="fast"),
                  sandbox_config=self.pod_config())
        self.addCleanup(lambda: self.call("RemoveImage",
                                          image=self.spec(name)))
        config = self.container_config()
        config.image.CopyFrom(self.spec(
            name, annotations={"a": "b"}, runtime_handler="fast",
            user_specified_image="box:said"))
        container = self.create(self.make_pod(), config)
        self.assertEqual(self.status(container).image, config.image)
        other = self.spec(name, runtime_handler="kata")
        for verb in ("PullImage", "ImageStatus", "RemoveImage"):
            self.assert_code("INVALID_ARGUMENT", verb,
                             "image.runtime_handler", image=other)
        self.assert_code("INVALID_ARGUMENT", "ListImages",
                         "filter.image.runtime_handler",
                         filter=self.api.ImageFilter(image=other))

    # -- who may have it

    def pull(self, name, **auth):
        return self.call("PullImage", image=self.spec(name),
                         auth=self.api.AuthConfig(**auth))

    def refused(self, name, **auth):
        return self.assert_code("PERMISSION_DENIED", "PullImage",
                                image=self.spec(name),
                                auth=self.api.AuthConfig(**auth))

    @covers("PullImageRequest.auth", "AuthConfig.username",
            "AuthConfig.password", "AuthConfig.auth",
            "AuthConfig.server_address")
    def test_a_password_goes_to_its_registry_alone(self):
        registry, name = self.registry("test/box:basic")
        registry.basic = "me:pa:ss"
        self.refused(name)
        told = self.refused(name, username="me", password="hunter2")
        self.assertNotIn("hunter2", told)
        self.pull(name, username="me", password="pa:ss")
        packed = base64.b64encode(b"me:pa:ss").decode()
        self.pull(name, auth=packed)
        self.pull(name, auth=packed, server_address=f"http://{registry.host}/")
        del registry.secrets[:]
        self.refused(name, auth=packed, server_address="other.example")
        self.assertEqual(registry.secrets, [])
        self.assert_code("INVALID_ARGUMENT", "PullImage", "auth.auth",
                         image=self.spec(name),
                         auth=self.api.AuthConfig(auth="bm9jb2xvbg=="))
        self.assertNotIn("pa:ss", self.server.log())
        self.assertNotIn("hunter2", self.server.log())

    @covers("AuthConfig.registry_token")
    def test_a_registrys_token_is_sent_as_it_is(self):
        registry, name = self.registry("test/box:bearer")
        registry.token = "t0ken-of-mine"
        self.pull(name, registry_token="t0ken-of-mine")
        self.assertEqual(set(registry.secrets), {"Bearer t0ken-of-mine"})
        self.refused(name, registry_token="t0ken-of-yours")
        self.assertNotIn("t0ken-of", self.server.log())

    @covers("AuthConfig.identity_token")
    def test_an_identity_token_is_exchanged_for_one(self):
        registry, name = self.registry("test/box:identity")
        registry.token, registry.refresh = "short-lived", "re/fresh+me"
        self.pull(name, identity_token="re/fresh+me")
        posted = [body for body in registry.secrets if "grant_type" in body]
        self.assertEqual(len(posted), 1)
        self.assertIn("Bearer short-lived", registry.secrets)
        self.assertFalse([path for path in registry.requests
                          if "fresh" in path])
        told = self.refused(name, identity_token="stale")
        self.assertNotIn("stale", told)
        self.assertNotIn("fresh+me", self.server.log())

    # -- what they take

    @covers("ImageService.ImageFsInfo", "ImageFsInfoResponse.*",
            "FilesystemUsage.*", "FilesystemIdentifier.mountpoint",
            "UInt64Value.value")
    def test_what_images_and_containers_take(self):
        container = self.make_container(
            self.make_pod(), "head -c 3000000 /dev/zero > /big; echo go; "
            "while :; do sleep 1; done")
        self.wait_text(container, "go")

        def usage(kind):
            answer = self.call("ImageFsInfo")
            self.assertEqual(len(getattr(answer, kind)), 1)
            return getattr(answer, kind)[0]
        for kind, least in (("image_filesystems", 100000),
                            ("container_filesystems", 3000000)):
            # A value that is kept for some seconds comes in the end.
            found = gantry_case.wait_until(
                lambda: (lambda seen: seen if seen.used_bytes.value >= least
                         else None)(usage(kind)), f"{kind} are measured")
            self.assertTrue(os.path.isdir(found.fs_id.mountpoint))
            self.assertTrue(found.fs_id.mountpoint.startswith(
                self.server.root))
            self.assertGreater(found.inodes_used.value, 0)
            self.assertLess(abs(time.time_ns() - found.timestamp), 60e9)


if __name__ == "__main__":
    gantry_case.main()
