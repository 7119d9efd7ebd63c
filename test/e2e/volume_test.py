"""Volumes that images name: directories of the container's own."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
import gantry_images
from gantry_images import directory, file, hard_link, symlink
from gantry_server import image_file


class Volume(gantry_case.GantryCase):

    def make_image(self, volumes, *layers):
        """A busybox with these volumes and files; its name."""
        name = f"localhost/{self.unique('image')}:1"
        path = self.server.top + "/image.tar"
        self.server.load(gantry_images.make(
            path, name, layers, {"Volumes": {v: {} for v in volumes}},
            base=image_file("busybox")))
        os.unlink(path)
        self.addCleanup(self.call, "RemoveImage",
                        image=self.api.ImageSpec(image=name))
        return name

    def volumes(self, container):
        return f"{self.server.root}/containers/{container}/volumes"

    def test_content_is_copied_with_owners_modes_and_links(self):
        image = self.make_image(["/data", "/new/deep"], [
            directory("data", 0o2750, 5, 6),
            file("data/a", "text\n", 0o4711, 7, 8),
            hard_link("data/b", "data/a"), symlink("data/c", "a"),
            directory("data/sub", 0o700, 9, 9), file("data/sub/x", "x\n")])
        pod = self.make_pod()
        container = self.make_container(pod, image=image)
        self.assertEqual(self.inside(
            container, "stat -c '%n %a %u %g' /data /data/a /data/sub; "
            "cat /data/b /data/c /data/sub/x; stat -c %h /data/a; "
            "readlink /data/c; ls -A /new/deep"),
            "/data 2750 5 6\n/data/a 4711 7 8\n/data/sub 700 9 9\n"
            "text\ntext\nx\n2\na")
        self.inside(container, "echo new > /data/a; rm /data/b; "
                    "touch /new/deep/made")
        self.assertEqual(
            host.read(self.volumes(container) + "/0/a"), "new\n")
        # Of this container alone, and gone with it.
        other = self.make_container(pod, image=image)
        self.assertEqual(self.inside(other, "cat /data/b"), "text")
        self.remove(container)
        self.assertFalse(os.path.exists(os.path.dirname(
            self.volumes(container))))
        self.assertEqual(self.inside(other, "cat /data/b"), "text")

    def test_a_volume_is_writable_in_a_read_only_root(self):
        image = self.make_image(["/data"])
        container = self.make_container(
            self.make_pod(), image=image, security={"readonly_rootfs": True})
        self.inside(container, "touch /data/file")
        self.assertNotEqual(
            self.exec_sync(container, "touch /file").exit_code, 0)

    def test_a_clients_mount_takes_the_place(self):
        image = self.make_image(["/data"], [directory("data"),
                                            file("data/image", "x")])
        mine = self.server.top + "/mine"
        os.mkdir(mine)
        self.addCleanup(os.rmdir, mine)
        container = self.make_container(
            self.make_pod(), image=image, mounts=[
                self.api.Mount(host_path=mine, container_path="/data/")])
        self.assertEqual(self.inside(container, "ls -A /data"), "")
        self.assertFalse(os.path.exists(self.volumes(container)))

    # CVE-2022-23648. Guards: CleanAbsolutePath in AddImageVolumes (and the
    # planner behind it), OpenInRoot in FillVolume, MkdirAllInRoot in Bind. Seen
    # to fail without the latter two.
    def test_paths_that_lead_out_stay_inside(self):
        secret = self.server.top + "/secret"
        host.write(secret, "host\n")
        self.addCleanup(os.unlink, secret)
        up = "../" * 12
        image = self.make_image(
            [f"/{up}{self.server.top}", "/link", "/a/link"], [
                symlink("link", up + self.server.top[1:]),
                directory("a"), symlink("a/link", "/etc")])
        container = self.make_container(self.make_pod(), image=image)
        seen = self.inside(
            container, f"ls -A /link {self.server.top}; cat /a/link/passwd")
        self.assertNotIn("secret", seen)
        self.assertIn("root:x:0:0", seen)
        for folder, _, names in os.walk(self.volumes(container)):
            self.assertNotIn("secret", names, folder)
        self.assertEqual(host.read(secret), "host\n")

    # CVE-2019-16884. Seen to fail without CheckProc of shim/init/mounts.cc.
    def test_a_volume_over_proc_is_refused(self):
        pod = self.make_pod()
        for path in ("/proc", "/proc/self", "/x/../proc"):
            image = self.make_image([path])
            self.assert_code(
                "INVALID_ARGUMENT", "CreateContainer",
                "nothing but procfs", pod_sandbox_id=pod,
                config=self.container_config(image=image))
        # A link to it is found out when the path is resolved.
        image = self.make_image(["/p"], [symlink("p", "/proc")])
        container = self.create(pod, self.container_config(image=image))
        self.assert_code("FAILED_PRECONDITION", "StartContainer",
                         "nothing but procfs", container_id=container)

    def test_the_containers_file_systems_win(self):
        image = self.make_image(["/sys/fs/cgroup", "/dev", "/sys"])
        container = self.make_container(self.make_pod(), image=image)
        self.assertNotEqual(self.inside(container, "ls /sys/fs/cgroup"), "")
        self.assertIn("null", self.inside(container, "ls /dev"))
        self.assertIn("kernel", self.inside(container, "ls /sys"))

    # CVE-2019-19921. Seen to fail without RefuseSymlink.
    def test_images_whose_proc_sys_or_dev_are_links_are_refused(self):
        pod = self.make_pod()
        for name in ("proc", "sys", "dev"):
            image = self.make_image([], [
                file(".wh." + name), symlink(name + "_", "x")], [
                symlink(name, "/tmp")])
            container = self.create(pod, self.container_config(image=image))
            before = host.mounts()
            self.assert_code("FAILED_PRECONDITION", "StartContainer",
                             "symbolic link", container_id=container)
            self.assertEqual(host.new_mounts(before, self.server.top), [])


if __name__ == "__main__":
    gantry_case.main()
