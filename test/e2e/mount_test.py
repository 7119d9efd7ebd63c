"""Mount: what is mounted inside stays inside, and binds do what they say."""

import os
import shutil
import subprocess
import sys

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import say
from gantry_fields import covers

# net, ipc, uts and shm.
MOUNTS_PER_POD = 4
# Containers whose mount target is swapped meanwhile.
RACES = 25


class Mount(gantry_case.GantryCase):

    def setUp(self):
        super().setUp()
        # A file system of the test's own, shared with the mounts made from it.
        self.volume = self.server.top + "/volume"
        os.mkdir(self.volume)
        self.mount("-t", "tmpfs", "volume", self.volume)
        self.mount("--make-rshared", self.volume)
        self.addCleanup(self.remove_volume)
        # Cleanups run backwards: the pods first, then the volume.
        self.addCleanup(self.remove_pods)

    def mount(self, *arguments):
        subprocess.run(["mount", *arguments], check=True)

    def remove_volume(self):
        subprocess.run(["umount", "-R", self.volume], check=True)
        os.rmdir(self.volume)

    def bind(self, at="/volume", source=None, **more):
        return self.api.Mount(host_path=source or self.volume,
                              container_path=at, **more)

    def privileged_container(self, **config):
        pod = self.make_pod(privileged=True)
        return self.make_container(pod, security={"privileged": True},
                                   **config)

    def test_pins_do_not_propagate_where_the_host_shares_its_mounts(self):
        # The run directory on a shared mount, as it is where systemd runs, and
        # a second member of the mount's peer group.
        peer = self.server.top + "/peer"
        os.mkdir(peer)
        self.addCleanup(os.rmdir, peer)
        self.mount("--bind", self.volume, peer)
        self.addCleanup(subprocess.run, ["umount", peer], check=True)
        server = self.new_server()
        server.run = self.volume + "/run"
        server.start()
        self.load_images(server)
        try:
            config = self.pod_config(cgroup_parent=server.cgroup_parent)
            pod = server.call("RunPodSandbox", self.api.RunPodSandboxRequest(
                config=config)).pod_sandbox_id
            self.assertGreater(len(host.mounts_below(server.run)), 0)
            # The run directory itself is seen, as an empty place.
            self.assertEqual(host.mounts_below(peer + "/run"), [])
            server.restart()
            self.assertEqual(len(host.mounts()[server.run]), 1)
            for verb in ("StopPodSandbox", "RemovePodSandbox"):
                server.call(verb, getattr(self.api, verb + "Request")(
                    pod_sandbox_id=pod))
            self.assertEqual(host.mounts_below(server.run), [])
        finally:
            self.assertEqual(server.stop(), 0)
        self.assertNotIn(server.run, host.mounts())

    def test_a_mount_made_inside_is_unseen_outside(self):
        container = self.privileged_container(mounts=[self.bind()])
        before = host.mounts()
        self.inside(container, "mkdir /volume/sub && "
                    "mount -t tmpfs inside /volume/sub && touch /volume/sub/x")
        self.inside(container, "mount -t tmpfs inside /mnt 2>/dev/null ||"
                    " { mkdir /mnt && mount -t tmpfs inside /mnt; }")
        self.assertIn("inside /mnt", self.inside(container,
                                                 "cat /proc/mounts"))
        self.assertEqual(host.new_mounts(before, self.server.top), [])
        self.assertEqual(os.listdir(self.volume + "/sub"), [])
        self.assertNotEqual(host.namespaces(self.pid(container))["mnt"],
                            host.namespaces("self")["mnt"])

    def test_without_privilege_nothing_can_be_mounted(self):
        container = self.make_container(self.make_pod())
        self.assertNotEqual(self.exec_sync(
            container, "mount -t tmpfs inside /tmp").exit_code, 0)

    def test_the_hosts_table_gains_nothing_per_container(self):
        before = host.mounts()
        own = lambda: set(host.mounts_below(self.server.top)) - set(before)
        pod = self.make_pod()
        per_pod = own()
        say("mounts of a pod:", sorted(
            path[len(self.server.run):] for path in per_pod))
        self.assertLessEqual(len(host.mounts_below(self.server.run)),
                             MOUNTS_PER_POD)
        for _ in range(5):
            self.make_container(pod, mounts=[self.bind()])
        self.assertEqual(own(), per_pod)
        self.assertEqual(host.new_mounts(before, self.server.top),
                         [f"{path} {host.mounts()[path]}"
                          for path in host.mounts() if path in per_pod])
        self.remove_pod(pod)
        self.assertEqual(host.new_mounts(before, self.server.top), [])
        self.assertEqual(own(), set())

    def test_binds_are_writable_or_not(self):
        host.write(self.volume + "/from_host", "host\n")
        host.write(self.server.top + "/single", "single\n")
        container = self.make_container(self.make_pod(), mounts=[
            self.bind("/rw"), self.bind("/ro", readonly=True),
            self.bind("/etc/single", self.server.top + "/single",
                      readonly=True)])
        self.assertEqual(self.inside(container, "cat /ro/from_host"), "host")
        self.inside(container, "echo inside > /rw/from_inside")
        self.assertEqual(host.read(self.volume + "/from_inside"), "inside\n")
        refused = self.exec_sync(container, "echo x > /ro/y")
        self.assertIn(b"Read-only file system", refused.stderr)
        self.assertEqual(self.inside(container, "cat /etc/single"), "single")
        self.assertIn(b"Read-only file system", self.exec_sync(
            container, "echo x > /etc/single").stderr)

    @covers("Mount.recursive_read_only")
    def test_recursive_read_only_reaches_mounts_below(self):
        below = self.volume + "/below"
        os.mkdir(below)
        self.mount("-t", "tmpfs", "below", below)
        container = self.make_container(self.make_pod(), mounts=[
            self.bind("/flat", readonly=True),
            self.bind("/deep", readonly=True, recursive_read_only=True)])
        self.inside(container, "echo x > /flat/below/x")
        self.assertIn(b"Read-only file system", self.exec_sync(
            container, "echo x > /deep/below/y").stderr)

    @covers("MountPropagation.PROPAGATION_HOST_TO_CONTAINER")
    def test_host_to_container_propagation(self):
        below = self.volume + "/below"
        os.mkdir(below)
        container = self.privileged_container(mounts=[
            self.bind("/slave", propagation="PROPAGATION_HOST_TO_CONTAINER"),
            self.bind("/private")])
        self.mount("-t", "tmpfs", "late", below)
        host.write(below + "/late", "late\n")
        self.assertEqual(self.inside(container, "cat /slave/below/late"),
                         "late")
        self.assertEqual(self.inside(container, "ls /private/below"), "")
        # And not the other way round.
        self.inside(container, "mkdir /slave/up && "
                    "mount -t tmpfs up /slave/up && touch /slave/up/x")
        self.assertEqual(os.listdir(self.volume + "/up"), [])

    @covers("Mount.propagation", "MountPropagation.PROPAGATION_BIDIRECTIONAL")
    def test_bidirectional_propagation(self):
        container = self.privileged_container(mounts=[
            self.bind("/both", propagation="PROPAGATION_BIDIRECTIONAL")])
        self.inside(container, "mkdir /both/up && "
                    "mount -t tmpfs up /both/up && echo up > /both/up/x")
        self.assertEqual(host.read(self.volume + "/up/x"), "up\n")
        subprocess.run(["umount", self.volume + "/up"], check=True)
        self.assertEqual(self.inside(container, "ls /both/up"), "")

    def test_sensitive_paths_are_masked_or_read_only(self):
        container = self.make_container(self.make_pod())
        masked = [path for path in (
            "/proc/kcore", "/proc/keys", "/proc/timer_list",
            "/proc/interrupts", "/sys/firmware") if os.path.exists(path)]
        say("masked:", " ".join(masked))
        self.assertTrue(masked)
        for path in masked:
            look = "ls -A" if os.path.isdir(path) else "head -c 1"
            # AppArmor's default profile refuses some of them on top.
            seen = self.exec_sync(container, f"{look} {path}")
            self.assertEqual(seen.stdout, b"", path)
            if seen.exit_code != 0:
                self.assertIn(b"Permission denied", seen.stderr)
        for path in ("/proc/sys/kernel/hostname", "/proc/sysrq-trigger",
                     "/sys/kernel/mm/ksm/run"):
            refused = self.exec_sync(container, f"echo b > {path}")
            self.assertNotEqual(refused.exit_code, 0, path)
        open_one = self.privileged_container()
        self.assertNotEqual(self.inside(open_one, "ls /sys"), "")
        self.inside(open_one, "test -w /proc/sys/kernel/hostname")

    @covers("LinuxContainerSecurityContext.readonly_rootfs")
    def test_a_read_only_root_takes_no_writes_but_mounts_do(self):
        container = self.make_container(
            self.make_pod(), security={"readonly_rootfs": True},
            mounts=[self.bind("/volume")])
        self.assertIn(b"Read-only file system", self.exec_sync(
            container, "echo x > /file").stderr)
        self.inside(container, "echo x > /volume/file; echo x > /dev/shm/y")

    def test_devices_and_file_systems_are_those_of_a_container(self):
        container = self.make_container(self.make_pod())
        seen = self.inside(container, "ls /dev").split()
        for name in ("null", "zero", "full", "random", "urandom", "tty",
                     "ptmx", "pts", "shm", "mqueue", "fd", "stdin", "stdout",
                     "stderr"):
            self.assertIn(name, seen)
        self.assertNotIn("kmsg", seen)
        self.assertNotIn("vda", seen)
        kinds = {}
        for line in self.inside(container, "cat /proc/mounts").split("\n"):
            _, point, kind, options = line.split()[:4]
            kinds[point] = (kind, options.split(","))
        self.assertEqual(kinds["/"][0], "overlay")
        self.assertEqual(kinds["/proc"][0], "proc")
        self.assertIn("ro", kinds["/sys"][1])
        for point in ("/proc", "/sys", "/dev/shm", "/dev/mqueue"):
            self.assertIn("nosuid", kinds[point][1], point)
        # Of the host's directories only names of what is bound can be seen.
        self.assertNotIn(self.server.root + "/containers",
                         self.inside(container, "cut -d' ' -f2 /proc/mounts"))

    def test_a_missing_host_path_is_made_a_directory(self):
        path = self.server.top + "/made/for/me"
        container = self.make_container(self.make_pod(), mounts=[
            self.bind("/new", path)])
        self.inside(container, "touch /new/file")
        self.assertEqual(os.listdir(path), ["file"])

    def test_propagation_is_refused_where_it_cannot_be(self):
        private = self.server.top + "/private"
        os.mkdir(private)
        self.mount("-t", "tmpfs", "private", private)
        self.mount("--make-private", private)
        self.addCleanup(os.rmdir, private)
        self.addCleanup(subprocess.run, ["umount", private], check=True)
        pod = self.make_pod(privileged=True)
        for propagation in ("BIDIRECTIONAL", "HOST_TO_CONTAINER"):
            config = self.container_config(
                security={"privileged": True}, mounts=[self.bind(
                    source=private,
                    propagation="PROPAGATION_" + propagation)])
            self.assert_code("FAILED_PRECONDITION", "CreateContainer",
                             private + " is not", pod_sandbox_id=pod,
                             config=config)
        self.assert_code(
            "INVALID_ARGUMENT", "CreateContainer",
            "config.mounts[0].propagation", pod_sandbox_id=pod,
            config=self.container_config(mounts=[self.bind(
                propagation="PROPAGATION_BIDIRECTIONAL")]))

    def test_host_paths_may_be_symbolic_links(self):
        host.write(self.volume + "/file", "seen\n")
        os.symlink(self.volume, self.server.top + "/link")
        os.symlink("link/file", self.server.top + "/file_link")
        container = self.make_container(self.make_pod(), mounts=[
            self.bind("/dir", self.server.top + "/link"),
            self.bind("/file", self.server.top + "/file_link")])
        self.assertEqual(self.inside(container, "cat /dir/file /file"),
                         "seen\nseen")
        os.symlink("nowhere", self.server.top + "/dangling")
        self.assert_code(
            "FAILED_PRECONDITION", "CreateContainer", "/dangling",
            pod_sandbox_id=self.pods[0], config=self.container_config(
                mounts=[self.bind(source=self.server.top + "/dangling")]))

    def test_a_target_that_is_swapped_for_a_link_leads_nowhere(self):
        # CVE-2021-30465: one container swaps what another's mount goes to.
        outside = self.server.top + "/outside"
        os.mkdir(outside)
        self.addCleanup(os.rmdir, outside)
        link = "../" * 12 + outside[1:]
        pod = self.make_pod()
        self.make_container(
            pod, "while :; do mkdir /volume/x; rm -r /volume/x; "
            f"ln -s {link} /volume/x; rm /volume/x; done",
            mounts=[self.bind()])
        before = host.mounts()
        started = 0
        for _ in range(RACES):
            container = self.create(pod, self.container_config(mounts=[
                self.bind(), self.bind("/volume/x/y", self.volume)]))
            try:
                self.call("StartContainer", container_id=container)
                started += 1
            except grpc.RpcError:
                pass  # the target was gone in between
            self.assertEqual(host.new_mounts(before, self.server.top), [])
            self.assertEqual(os.listdir(outside), [])
            self.remove(container)
        say("started", started, "of", RACES)

    @covers("Mount.mount_options")
    def test_mount_options_bite(self):
        host.write(self.volume + "/program", "#!/bin/sh\necho ran\n")
        os.chmod(self.volume + "/program", 0o755)
        container = self.make_container(self.make_pod(), mounts=[
            self.bind("/plain"),
            self.bind("/bound", mount_options=["noexec", "nosuid", "nodev"])])
        self.assertEqual(self.inside(container, "/plain/program"), "ran")
        self.assertEqual(
            self.exec_sync(container, "/bound/program").exit_code, 126)
        options = self.inside(
            container, "grep ' /bound ' /proc/mounts").split()[3].split(",")
        for option in ("noexec", "nosuid", "nodev"):
            self.assertIn(option, options)

    def test_id_mapped_mounts_shift_owners(self):
        source = self.volume
        if not host.maps_ids_of_mounts():
            # A directory on the disk then: tmpfs learned it last.
            source = self.server.top + "/on-disk"
            os.mkdir(source)
            self.addCleanup(shutil.rmtree, source)
            self.addCleanup(self.remove_pods)
        host.write(source + "/file", "x")
        os.chown(source + "/file", 3, 4)
        ids = lambda first: [self.api.IDMapping(
            host_id=first, container_id=0, length=1000)]
        container = self.make_container(
            self.make_pod(), mounts=[
                self.bind("/plain", source),
                self.bind("/mapped", source, uidMappings=ids(5000),
                          gidMappings=ids(6000))])
        self.assertEqual(self.inside(
            container, "stat -c '%u %g' /plain/file /mapped/file"),
            "3 4\n5003 6004")


if __name__ == "__main__":
    gantry_case.main()
