"""User namespaces: root inside is an ordinary user of the node."""

import os
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
import gantry_images
from gantry_case import say
from gantry_images import directory, file
from gantry_server import image_file

FIRST, LENGTH = 65536, 65536
MOUNTS_PER_POD = 5  # net, ipc, uts, user and shm


class MappedCase(gantry_case.GantryCase):

    @classmethod
    def setUpClass(cls):
        if not host.maps_ids_of_mounts():
            raise unittest.SkipTest(
                "this kernel does not map the ids of tmpfs")
        super().setUpClass()

    def options(self, first=FIRST, length=LENGTH):
        ids = [self.api.IDMapping(host_id=first, length=length)]
        return self.api.UserNamespace(mode="POD", uids=ids, gids=ids)

    def mapped_config(self, first=FIRST, **config):
        config = self.pod_config(**config)
        config.linux.security_context.namespace_options.userns_options.CopyFrom(
            self.options(first))
        return config

    def mapped_pod(self, first=FIRST, **config):
        return self.run_pod(self.mapped_config(first, **config))


class OnTheBridge(MappedCase):
    NETWORK = "bridge"

    def test_the_pods_network_is_roots_inside(self):
        pod = self.mapped_pod()
        address = self.pod_status(pod).network.ip
        self.assertTrue(address)
        container = self.make_container(pod, security={
            "capabilities": self.api.Capability(
                add_capabilities=["NET_ADMIN"])})
        self.assertIn(address, self.inside(container, "ip address show eth0"))
        # The interface is the pod's, and what its root may do to it.
        self.inside(container, "ip link set eth0 down")


class UserNamespace(MappedCase):
    IMAGES = (gantry_case.BUSYBOX, gantry_case.LAYERS4)

    def setUp(self):
        super().setUp()
        features = self.call("Status").runtime_handlers[0].features
        self.assertTrue(features.user_namespaces)

    def volume(self):
        path = self.server.top + "/volume"
        os.mkdir(path)

        def remove():
            for name in os.listdir(path):
                os.unlink(path + "/" + name)
            os.rmdir(path)
        self.addCleanup(remove)
        # Cleanups run backwards: the pods first.
        self.addCleanup(self.remove_pods)
        return path

    def owner(self, path):
        info = os.lstat(path)
        return info.st_uid, info.st_gid

    def test_root_inside_is_an_ordinary_user_outside(self):
        container = self.make_container(self.mapped_pod())
        seen = host.status(self.pid(container))
        self.assertEqual(seen["Uid"].split(), [str(FIRST)] * 4)
        self.assertEqual(seen["Gid"].split(), [str(FIRST)] * 4)
        self.assertEqual(seen["Groups"].split(), [str(FIRST)])
        self.assertEqual(int(seen["CapInh"], 16), 0)
        for file in ("uid_map", "gid_map"):
            self.assertEqual(
                host.read(f"/proc/{self.pid(container)}/{file}").split(),
                ["0", str(FIRST), str(LENGTH)])
        self.assertEqual(self.inside(container, "id -u; id -G"), "0\n0")
        self.assertEqual(self.status(container).user.linux.uid, 0)
        self.assertEqual(
            self.pod_status(self.pods[-1]).linux.namespaces.options
            .userns_options, self.options())

    def test_execs_are_in_it(self):
        container = self.make_container(self.mapped_pod())
        text = self.inside(container, "cat /proc/self/status")
        seen = dict(line.split(":\t", 1) for line in text.split("\n")
                    if ":\t" in line)
        self.assertEqual(int(seen["CapInh"], 16), 0)
        outside = host.status(self.pid(container))
        for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(seen[name], outside[name], name)
        self.assertEqual(
            self.inside(container, "cat /proc/self/uid_map").split(),
            ["0", str(FIRST), str(LENGTH)])

    def test_two_pods_do_not_meet(self):
        first = self.make_container(self.mapped_pod())
        second = self.make_container(self.mapped_pod(FIRST + LENGTH))
        spaces = [host.namespaces(self.pid(c)) for c in (first, second)]
        own = host.namespaces("self")
        for name in ("user", "mnt", "net", "ipc", "uts", "pid"):
            self.assertEqual(
                len({spaces[0][name], spaces[1][name], own[name]}), 3, name)
        users = [host.status(self.pid(c))["Uid"].split()[0]
                 for c in (first, second)]
        self.assertEqual(users, [str(FIRST), str(FIRST + LENGTH)])

    def test_containers_of_a_pod_share_it(self):
        pod = self.mapped_pod(pid="POD")
        first, second = (self.make_container(pod, security={
            "namespace_options": self.api.NamespaceOption(
                pid="POD", userns_options=self.options())})
            for _ in range(2))
        spaces = [host.namespaces(self.pid(c)) for c in (first, second)]
        for name in ("user", "pid", "net", "ipc", "uts"):
            self.assertEqual(spaces[0][name], spaces[1][name], name)
        self.inside(first, "echo shared > /dev/shm/x")
        self.assertEqual(self.inside(second, "cat /dev/shm/x; stat -c %u:%g "
                                     "/dev/shm /dev/shm/x"),
                         "shared\n0:0\n0:0")

    def test_the_rootfs_is_roots(self):
        pod = self.mapped_pod()
        for image in self.IMAGES:
            container = self.make_container(pod, image=image)
            self.assertEqual(self.inside(
                container, "stat -c %u:%g / /bin /bin/busybox /etc/hosts "
                "/etc/hostname /etc/resolv.conf").split(), ["0:0"] * 6)
            self.inside(container, "echo x > /new && chown 1000:1000 /new && "
                        "echo >> /etc/passwd && mkdir -p /a/b && rm -r /a")
            upper = f"{self.server.root}/containers/{container}/upper"
            self.assertEqual(self.owner(upper + "/new"), (1000, 1000))
            self.assertEqual(self.owner(upper + "/etc/passwd"), (0, 0))

    def test_volumes_belong_to_who_they_say(self):
        volume = self.volume()
        host.write(volume + "/root", "r")
        host.write(volume + "/app", "a")
        os.chown(volume + "/app", 1000, 1000)
        mount = self.api.Mount(host_path=volume, container_path="/volume")
        container = self.make_container(self.mapped_pod(), mounts=[mount])
        self.assertEqual(self.inside(
            container, "stat -c %u:%g /volume /volume/root /volume/app"),
            "0:0\n0:0\n1000:1000")
        self.inside(container, "echo x > /volume/made; "
                    "echo x > /volume/given; chown 7:8 /volume/given")
        self.assertEqual(self.owner(volume + "/made"), (0, 0))
        self.assertEqual(self.owner(volume + "/given"), (7, 8))

    def load_image(self, volumes, *layers):
        name = f"localhost/{self.unique('image')}:1"
        path = self.server.top + "/image.tar"
        self.server.load(gantry_images.make(
            path, name, layers, {"Volumes": {v: {} for v in volumes}},
            base=image_file("busybox")))
        os.unlink(path)
        self.addCleanup(self.call, "RemoveImage",
                        image=self.api.ImageSpec(image=name))
        self.addCleanup(self.remove_pods)
        return name

    def test_an_images_volume_is_filled_with_the_ids_inside(self):
        image = self.load_image(["/data"], [
            directory("data", 0o2750, 5, 6), file("data/a", "text\n", 0o640,
                                                  1000, 1001)])
        container = self.make_container(self.mapped_pod(), image=image)
        self.assertEqual(self.inside(
            container, "stat -c '%a %u %g' /data /data/a; cat /data/a; "
            "touch /data/made"), "2750 5 6\n640 1000 1001\ntext")
        volume = f"{self.server.root}/containers/{container}/volumes/0"
        self.assertEqual(self.owner(volume), (5, 6))
        self.assertEqual(self.owner(volume + "/a"), (1000, 1001))
        self.assertEqual(self.owner(volume + "/made"), (0, 6))

    def test_images_may_be_mounted(self):
        one = self.load_image([], [directory("data"),
                                   file("data/a", "one\n", 0o644, 7, 8)])
        container = self.make_container(self.mapped_pod(), mounts=[
            self.api.Mount(image=self.api.ImageSpec(image=name),
                           container_path=at, readonly=True)
            for name, at in ((one, "/one"),
                             (gantry_case.LAYERS4, "/layers4"))])
        self.assertEqual(self.inside(
            container, "cat /one/data/a; stat -c '%u %g' /one/data/a /one/bin "
            "/layers4/bin /bin"), "one\n7 8\n0 0\n0 0\n0 0")
        self.assertIn(b"Read-only file system", self.exec_sync(
            container, "echo x > /one/data/a").stderr)

    def test_mounts_cannot_be_undone_inside(self):
        container = self.make_container(
            self.mapped_pod(privileged=True), security={"privileged": True},
            mounts=[self.api.Mount(host_path=self.volume(), readonly=True,
                                   container_path="/ro")])
        self.inside(container, "mkdir /t && mount -t tmpfs own /t")
        for command in ("mount -o remount,bind,rw /ro", "echo x > /ro/x",
                        "umount /ro", "echo 1 > /proc/sys/vm/swappiness",
                        "mknod /dev/sda b 8 0",
                        "mkdir /sys/fs/cgroup/memory/x || "
                        "mkdir /sys/fs/cgroup/x"):
            self.assertNotEqual(
                self.exec_sync(container, command).exit_code, 0, command)

    def test_the_hosts_network_may_come_along(self):
        container = self.make_container(self.mapped_pod(network="NODE"))
        spaces = host.namespaces(self.pid(container))
        own = host.namespaces("self")
        self.assertEqual(spaces["net"], own["net"])
        self.assertNotEqual(spaces["user"], own["user"])
        names = self.inside(container, "ls /sys/class/net").split()
        self.assertEqual(sorted(names), sorted(
            name for _, name in socket.if_nameindex()))
        self.assertNotEqual(self.exec_sync(
            container, "ip link set lo down").exit_code, 0)

    def test_limits_of_the_pod_hold(self):
        # CVE-2025-47291.
        pod = self.mapped_pod()
        container = self.make_container(pod, resources={
            "memory_limit_in_bytes": 64 << 20})
        paths = {line.split(":", 2)[2] for line in host.read(
            f"/proc/{self.pid(container)}/cgroup").splitlines()}
        self.assertTrue(all(path.endswith(f"/{pod}/{container}")
                            for path in paths if pod in path))
        self.assertTrue(any(pod in path for path in paths), paths)
        say("cgroups", sorted(paths))

    def test_the_program_runs_as_any_mapped_user(self):
        pod = self.mapped_pod()
        status = self.run_to_end(
            pod, "id -u; id -G; test -w . && echo writable",
            working_dir="/made",
            security={"run_as_user": self.api.Int64Value(value=1000),
                      "supplemental_groups": [4000]})
        lines = gantry_case.log_texts(status.log_path)
        self.assertEqual(lines[0], "1000")
        self.assertIn("4000", lines[1].split())
        self.assertEqual(lines[2], "writable")
        self.assertEqual(status.user.linux.uid, 1000)
        container = self.create(pod, self.container_config(security={
            "run_as_user": self.api.Int64Value(value=LENGTH)}))
        self.assert_code("INVALID_ARGUMENT", "StartContainer", "not mapped",
                         container_id=container)

    def test_a_terminal_works(self):
        status = self.run_to_end(
            self.mapped_pod(), "tty; echo x > /dev/tty; stat -c %u $(tty)",
            tty=True)
        self.assertEqual(
            [line.rstrip("\r")
             for line in gantry_case.log_texts(status.log_path)],
            ["/dev/pts/0", "x", "0"])

    def test_the_pods_parameters_are_set(self):
        config = self.mapped_config()
        sysctls = {"net.ipv4.ip_unprivileged_port_start": "0",
                   "kernel.msgmax": "12345"}
        config.linux.sysctls.update(sysctls)
        container = self.make_container(self.run_pod(config))
        for key, value in sysctls.items():
            self.assertEqual(self.inside(
                container, "cat /proc/sys/" + key.replace(".", "/")), value)

    def test_the_hosts_table_gains_nothing_per_container(self):
        before = host.mounts()
        pod = self.mapped_pod()
        self.assertLessEqual(len(host.mounts_below(self.server.run)),
                             MOUNTS_PER_POD)
        with_pod = host.mounts()
        for image in self.IMAGES * 2:
            self.make_container(pod, image=image)
        self.assertEqual(host.mounts(), with_pod)
        self.remove_pod(pod)
        self.assertEqual(host.mounts(), before)

    def test_bad_mappings_are_refused(self):
        def assert_refused(containing, **user):
            config = self.pod_config()
            config.linux.security_context.namespace_options.userns_options \
                .CopyFrom(self.api.UserNamespace(**user))
            self.assert_code("INVALID_ARGUMENT", "RunPodSandbox", containing,
                             config=config)
        mapping = self.api.IDMapping
        good = [mapping(host_id=FIRST, length=LENGTH)]
        assert_refused("uids", mode="POD")
        assert_refused("uids", mode="POD", uids=good * 2, gids=good)
        assert_refused("gids", mode="POD", uids=good,
                       gids=[mapping(host_id=FIRST, length=1)])
        assert_refused("container_id", mode="POD", gids=good, uids=[
            mapping(container_id=1, host_id=FIRST, length=LENGTH)])
        assert_refused("host_id", mode="POD", uids=good,
                       gids=[mapping(host_id=0, length=LENGTH)])
        assert_refused("mode", mode="CONTAINER")
        assert_refused("mode", mode="TARGET")
        pod = self.mapped_pod()
        self.assert_code(
            "INVALID_ARGUMENT", "CreateContainer", "userns_options",
            pod_sandbox_id=pod, config=self.container_config(security={
                "namespace_options": self.api.NamespaceOption(
                    pid="CONTAINER", userns_options=self.options(1 << 20))}))
        self.assert_code(
            "INVALID_ARGUMENT", "CreateContainer", "propagation",
            pod_sandbox_id=pod, config=self.container_config(mounts=[
                self.api.Mount(host_path=self.server.top,
                               container_path="/x",
                               propagation="PROPAGATION_BIDIRECTIONAL")]))


if __name__ == "__main__":
    gantry_case.main()
