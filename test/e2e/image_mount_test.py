"""Image mounts: an image's content as a read-only volume, held while it is
mounted."""

import os
import sys

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
import gantry_images
from gantry_fields import covers
from gantry_images import directory, file, symlink

ONE = "localhost/one:1"
TWO = "localhost/two:1"


class ImageMount(gantry_case.GantryCase):

    @classmethod
    def load_images(cls, server):
        super().load_images(server)
        path = server.top + "/image.tar"
        bottom = [directory("data"), file("data/a", "bottom\n"),
                  file("data/gone", "x"), directory("etc"),
                  file("etc/passwd", "of the image\n"),
                  symlink("abs", "/data"), symlink("out", "../../../../etc"),
                  symlink("dangling", "/nowhere"),
                  symlink("up", "..")]
        server.load(gantry_images.make(path, ONE, [bottom]))
        server.load(gantry_images.make(path, TWO, [
            bottom, [directory("data"), file("data/a", "top\n"),
                     file("data/.wh.gone")]]))
        os.unlink(path)

    def image(self, name, at="/image", **more):
        return self.api.Mount(image=self.api.ImageSpec(image=name),
                              container_path=at, readonly=True, **more)

    def test_one_layer_and_several_are_the_images_content(self):
        before = host.mounts()
        container = self.make_container(self.make_pod(), mounts=[
            self.image(ONE, "/one"), self.image(TWO, "/deep/two")])
        self.assertEqual(self.inside(
            container, "cat /one/data/a /deep/two/data/a; ls /one/data "
            "/deep/two/data"), "bottom\ntop\n/deep/two/data:\na\n\n"
            "/one/data:\na\ngone")
        for path in ("/one/new", "/deep/two/data/a"):
            self.assertIn(b"Read-only file system", self.exec_sync(
                container, f"echo x > {path}").stderr)
        # In the container's own mount namespace, and nowhere else.
        self.assertEqual(
            [m for m in host.new_mounts(before, self.server.top)
             if "/containers/" in m], [])

    def test_nothing_makes_an_image_writable(self):
        pod = self.make_pod(privileged=True)
        container = self.make_container(
            pod, security={"privileged": True}, mounts=[
                self.api.Mount(image=self.api.ImageSpec(image=name),
                               container_path=at, readonly=True)
                for name, at in ((ONE, "/one"), (TWO, "/two"))])
        for at in ("/one", "/two"):
            self.exec_sync(container, f"mount -o remount,rw,bind {at};"
                           f"mount -o remount,rw {at}")
            self.assertIn(b"Read-only file system", self.exec_sync(
                container, f"echo x > {at}/data/a").stderr)

    def test_a_sub_path_stays_in_the_image(self):
        container = self.make_container(self.make_pod(), mounts=[
            self.image(TWO, "/dir", image_sub_path="data"),
            self.image(TWO, "/file", image_sub_path="data/a"),
            self.image(ONE, "/abs", image_sub_path="abs"),
            self.image(ONE, "/out", image_sub_path="out"),
            self.image(TWO, "/up", image_sub_path="up/data")])
        self.assertEqual(self.inside(
            container, "cat /dir/a /file /abs/a /out/passwd /up/a"),
            "top\ntop\nbottom\nof the image\ntop")
        self.assertEqual(self.inside(container, "ls /dir"), "a")

    @covers("Mount.image", "Mount.image_sub_path")
    def test_what_is_not_in_the_image_fails_and_says_so(self):
        pod = self.make_pod()
        for path in ("none", "data/a/b", "data/gone"):
            self.assert_code(
                "FAILED_PRECONDITION", "CreateContainer",
                f"has no path {path}", pod_sandbox_id=pod,
                config=self.container_config(
                    mounts=[self.image(TWO, image_sub_path=path)]))
        # Only the mounted tree can tell where a link leads.
        container = self.create(pod, self.container_config(
            mounts=[self.image(TWO, image_sub_path="dangling")]))
        with self.assertRaises(grpc.RpcError) as caught:
            self.call("StartContainer", container_id=container)
        self.assertIn('"dangling" of ', caught.exception.details())
        self.assert_code(
            "INVALID_ARGUMENT", "CreateContainer",
            "config.mounts[0].image_sub_path", pod_sandbox_id=pod,
            config=self.container_config(
                mounts=[self.image(TWO, image_sub_path="../x")]))
        self.assert_code(
            "NOT_FOUND", "CreateContainer", "/image", pod_sandbox_id=pod,
            config=self.container_config(
                mounts=[self.image("localhost/none:1")]))

    @covers("ImageSpec.image_ref")
    def test_options_and_status(self):
        container = self.make_container(self.make_pod(), mounts=[
            self.image(TWO, mount_options=["noexec"])])
        mount = self.status(container).mounts[0]
        image = self.call("ImageStatus",
                          image=self.api.ImageSpec(image=TWO)).image
        self.assertEqual(mount.image.image, TWO)
        self.assertEqual(mount.image.image_ref, image.id)
        self.assertTrue(mount.readonly)
        options = self.inside(
            container, "grep ' /image ' /proc/mounts").split()[3].split(",")
        for option in ("ro", "noexec"):
            self.assertIn(option, options)

    def test_an_image_in_use_stays_until_its_last_container_is_gone(self):
        path = self.server.top + "/held.tar"
        name = "localhost/held:1"
        self.server.load(gantry_images.make(
            path, name, [[file("held", "held\n")]]))
        os.unlink(path)
        pod = self.make_pod()
        config = self.container_config(mounts=[self.image(name)])
        container = self.create(pod, config)
        layers = lambda: sorted(
            entry for entry in os.listdir(self.server.root + "/images/layers")
            if entry.isalnum())
        before = layers()
        self.call("RemoveImage", image=self.api.ImageSpec(image=name))
        self.assertEqual(layers(), before)
        # Also a start of the server, which collects garbage, leaves it.
        self.server.restart()
        self.assertEqual(layers(), before)
        self.call("StartContainer", container_id=container)
        self.assertEqual(self.inside(container, "cat /image/held"), "held")
        self.stop(container)
        self.remove(container)
        self.server.restart()
        self.assertEqual(len(layers()), len(before) - 1)

    @covers("Mount.uidMappings", "Mount.gidMappings", "IDMapping.host_id",
            "IDMapping.length")
    def test_an_id_mapped_image_shows_shifted_owners(self):
        ids = [self.api.IDMapping(host_id=7000, container_id=0, length=100)]
        container = self.make_container(self.make_pod(), mounts=[
            self.image(name, at, uidMappings=ids, gidMappings=ids)
            for name, at in ((ONE, "/one"), (TWO, "/two"))])
        self.assertEqual(self.inside(
            container, "stat -c '%u %g' /one/data/a /two/data/a"),
            "7000 7000\n7000 7000")
        # The root file system, of the same store, is not touched.
        self.assertEqual(self.inside(container, "stat -c %u /bin/sh"), "0")


if __name__ == "__main__":
    gantry_case.main()
