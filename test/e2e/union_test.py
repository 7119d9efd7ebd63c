"""Union: layers show as one, and writes go to a layer of the container's."""

import json
import os
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
import gantry_images
from gantry_case import BUSYBOX, LAYERS4, say
from gantry_images import directory, file
from gantry_server import image_file


def snapshot(directory):
    """Every file below the directory with what could change of it."""
    found = {}
    for folder, names, files in os.walk(directory):
        for name in names + files:
            path = os.path.join(folder, name)
            entry = os.lstat(path)
            found[path] = (entry.st_mode, entry.st_size, entry.st_mtime_ns,
                           entry.st_ctime_ns, entry.st_ino)
    return found


class Union(gantry_case.GantryCase):
    IMAGES = (BUSYBOX, LAYERS4)

    def rootfs(self, container):
        return self.info(container)["rootfs"]

    def layers(self):
        """The layer directories, topmost first."""
        answer = self.call("ImageStatus", verbose=True,
                           image=self.api.ImageSpec(image=LAYERS4))
        return json.loads(answer.info["info"])["lower"]

    def test_four_layers_show_as_one(self):
        container = self.make_container(self.make_pod(), image=LAYERS4)
        rootfs = self.rootfs(container)
        # The image's own, and on top the directories that an upper layer
        # implies, as the layers below have them.
        self.assertEqual(len(rootfs["lower"]), 5)
        say("lower:", " ".join(rootfs["lower"]))
        self.assertEqual(self.inside(container, "ls /data").split(),
                         ["four", "one", "shared", "three", "two"])
        self.assertEqual(self.inside(container, "cat /data/shared"), "layer 4")
        self.assertEqual(
            self.inside(container,
                        "cat /data/one /data/two /data/three /data/four"),
            "one\ntwo\nthree\nfour")
        # Deleted, hidden, and turned into another kind by upper layers.
        self.assertEqual(self.inside(container, "ls -A /opaque"), "new")
        self.inside(container, "test -f /turns/into_file && "
                    "test -f /turns/into_dir/x")
        self.inside(container, "test ! -e /data/gone && "
                    "test ! -e /data/gone_dir")

    def test_a_write_goes_to_the_upper_layer_alone(self):
        layers = self.layers()
        before = [snapshot(layer) for layer in layers]
        container = self.make_container(self.make_pod(), image=LAYERS4)
        upper = self.rootfs(container)["upper"]
        self.inside(container, "echo mine >> /data/one; echo new > /fresh; "
                    "chmod 600 /data/two; mv /data/three /data/moved; "
                    "mkdir -p /made/dir")
        self.assertEqual(self.inside(container, "cat /data/one"), "one\nmine")
        self.assertEqual(host.read(upper + "/data/one"), "one\nmine\n")
        self.assertEqual(host.read(upper + "/fresh"), "new\n")
        self.assertEqual(
            stat.S_IMODE(os.lstat(upper + "/data/two").st_mode), 0o600)
        self.assertEqual(host.read(upper + "/data/moved"), "three\n")
        self.assertTrue(os.path.isdir(upper + "/made/dir"))
        self.assertEqual([snapshot(layer) for layer in layers], before)
        say("in the upper layer:", " ".join(sorted(
            path[len(upper):] for path in snapshot(upper))))

    # Fails with 0755 and root for every upper directory.
    def test_the_top_directory_is_the_images(self):
        """Also below a layer that does not speak of it."""
        path = self.server.top + "/image.tar"
        for number, above in enumerate(([], [[file("f", "x")]])):
            name = f"localhost/{self.unique('top')}:{number}"
            self.server.load(gantry_images.make(
                path, name, [[directory("./", 0o1751, 7, 8)]] + above,
                base=image_file("busybox")))
            os.unlink(path)
            self.addCleanup(self.call, "RemoveImage",
                            image=self.api.ImageSpec(image=name))
            pod = self.make_pod()
            container = self.make_container(pod, image=name)
            self.assertEqual(self.inside(container, "stat -c '%a %u %g' /"),
                             "1751 7 8")
            # A mount of the image shows the same.
            other = self.make_container(pod, mounts=[self.api.Mount(
                image=self.api.ImageSpec(image=name), container_path="/it",
                readonly=True)])
            self.assertEqual(self.inside(other, "stat -c '%a %u %g' /it"),
                             "1751 7 8")

    def test_a_deletion_is_a_whiteout(self):
        container = self.make_container(self.make_pod(), image=LAYERS4)
        self.inside(container, "rm /data/two; rm -r /opaque")
        upper = self.rootfs(container)["upper"]
        for name in ("/data/two", "/opaque"):
            entry = os.lstat(upper + name)
            self.assertTrue(stat.S_ISCHR(entry.st_mode), name)
            self.assertEqual(entry.st_rdev, os.makedev(0, 0))
        self.assertEqual(self.exec_sync(container,
                                        "cat /data/two").exit_code, 1)
        self.assertNotIn("two", self.inside(container, "ls /data").split())
        # Made again, nothing of the old directory shines through.
        self.inside(container, "mkdir /opaque")
        self.assertEqual(self.inside(container, "ls -A /opaque"), "")
        self.assertTrue(any(os.path.exists(layer + "/data/two")
                            for layer in self.rootfs(container)["lower"]))

    def test_two_containers_do_not_see_each_others_writes(self):
        pod = self.make_pod()
        one = self.make_container(pod, image=LAYERS4)
        two = self.make_container(pod, image=LAYERS4)
        self.assertEqual(self.rootfs(one)["lower"], self.rootfs(two)["lower"])
        self.inside(one, "echo one > /data/shared; rm /data/four; > /only_one")
        self.assertEqual(self.inside(two, "cat /data/shared /data/four"),
                         "layer 4\nfour")
        self.inside(two, "test ! -e /only_one")
        self.assertEqual(self.inside(one, "cat /data/shared"), "one")

    def test_a_stopped_container_keeps_its_layer_until_it_is_removed(self):
        container = self.make_container(self.make_pod(), image=LAYERS4)
        self.inside(container, "echo kept > /kept")
        rootfs = self.rootfs(container)
        self.stop(container)
        self.assertEqual(host.read(rootfs["upper"] + "/kept"), "kept\n")
        self.server.restart()
        self.assertEqual(self.rootfs(container)["upper"], rootfs["upper"])
        self.assertEqual(host.read(rootfs["upper"] + "/kept"), "kept\n")
        self.remove(container)
        self.assertFalse(os.path.exists(rootfs["upper"]))
        self.assertFalse(os.path.exists(rootfs["work"]))

    def test_verbose_status_names_the_directories(self):
        container = self.make_container(self.make_pod(), image=LAYERS4)
        rootfs = self.rootfs(container)
        for name in rootfs["lower"] + [rootfs["upper"], rootfs["work"],
                                       rootfs["merged"]]:
            self.assertTrue(os.path.isdir(name), name)
        # Mounted in the container's namespace only; seen through /proc.
        self.assertEqual(os.listdir(rootfs["merged"]), [])
        self.inside(container, "echo x > /seen")
        self.assertEqual(
            host.read(rootfs["merged_seen_from_host"] + "/seen"), "x\n")

    def test_verbose_image_status_tells_layers_history_and_config(self):
        answer = self.call("ImageStatus", verbose=True,
                           image=self.api.ImageSpec(image=LAYERS4))
        info = json.loads(answer.info["info"])
        self.assertEqual(len(info["layers"]), 4)
        for layer in info["layers"]:
            self.assertTrue(layer["diff_id"].startswith("sha256:"))
            self.assertTrue(layer["digest"].startswith("sha256:"))
        self.assertEqual([step["created_by"] for step in info["history"]],
                         [f"make_images layer {n}" for n in (1, 2, 3, 4)])
        self.assertEqual(info["config"]["cmd"], ["/bin/sh"])
        self.assertEqual(info["config"]["labels"],
                         {"test.gantry.fixture": "true"})
        self.assertEqual([os.path.isdir(d) for d in info["lower"]], [True] * 5)
        self.assertEqual(self.call(
            "ImageStatus", image=self.api.ImageSpec(image=LAYERS4)).info, {})


if __name__ == "__main__":
    gantry_case.main()
