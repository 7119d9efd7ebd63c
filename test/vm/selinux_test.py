"""SELinux labels of containers and of their files. Only in a machine whose
kernel has it: v2-selinux, v2-selinux-enforcing."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host

ATTRIBUTE = "security.selinux"


def policy_contexts():
    """process, file and ro_file of the policy's lxc_contexts, without the
    level."""
    kind = re.search(r"^SELINUXTYPE=(\S+)", host.read("/etc/selinux/config"),
                     re.MULTILINE).group(1)
    text = host.read(f"/etc/selinux/{kind}/contexts/lxc_contexts")
    return [re.search(rf'^{name} = "([^:]*:[^:]*:[^:"]*)', text,
                      re.MULTILINE).group(1) for name in ("process", "file", "ro_file")]


def setUpModule():
    """Debian's policy names labels for containers in lxc_contexts, but has no
    module with their types: bring a small one."""
    subprocess.run(["semodule", "-i", os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "guest/container.cil")],
        check=True)


def label_of(path):
    return os.getxattr(path, ATTRIBUTE, follow_symlinks=False).decode(
        ).rstrip("\0")


class Selinux(gantry_case.GantryCase):

    def setUp(self):
        super().setUp()
        self.process, self.file, self.layer = policy_contexts()

    def label(self, container):
        return host.read(f"/proc/{self.pid(container)}/attr/current").rstrip(
            "\0\n")

    def rootfs_label(self, container, path):
        return label_of(f"/proc/{self.pid(container)}/root{path}")

    def level(self, container):
        return self.label(container).split(":", 3)[3]

    def test_a_container_and_its_files_have_the_policys_labels(self):
        container = self.make_container(self.make_pod())
        level = self.level(container)
        self.assertRegex(level, r"^s0:c\d+,c\d+$")
        self.assertEqual(self.label(container), f"{self.process}:{level}")
        self.inside(container, "echo x >/tmp/x; echo x >/dev/shm/x")
        for path in ("/", "/bin/busybox", "/tmp/x", "/dev", "/dev/shm",
                     "/dev/shm/x", "/dev/pts", "/dev/mqueue", "/etc/hosts",
                     "/etc/resolv.conf"):
            self.assertEqual(self.rootfs_label(container, path),
                             f"{self.file}:{level}", path)
        self.assertEqual(
            self.inside(container, "cat /proc/self/attr/current").rstrip("\0"),
            f"{self.process}:{level}", "an exec's")

    def layer_types(self):
        """What is made later has the server's user and role."""
        layers = f"{self.server.root}/images/layers"
        return {label_of(os.path.join(folder, name)).split(":")[2]
                for folder, folders, files in os.walk(layers)
                for name in folders + files}

    def test_layers_have_the_label_that_containers_may_read(self):
        self.assertEqual(self.layer_types(), {self.layer.split(":")[2]})

    def test_layers_of_before_get_it_when_the_server_starts(self):
        self.server.stop()
        layers = f"{self.server.root}/images/layers"
        subprocess.run(["chcon", "-R", "-t", "var_lib_t", layers], check=True)
        self.assertEqual(self.layer_types(), {"var_lib_t"})
        self.server.start()
        self.assertEqual(self.layer_types(), {self.layer.split(":")[2]})
        container = self.make_container(self.make_pod())
        self.inside(container, "/bin/busybox true")

    def test_what_a_container_writes_can_be_run(self):
        container = self.make_container(self.make_pod())
        self.inside(container, "cp /bin/busybox /tmp/busybox && /tmp/busybox true")

    def test_pods_have_levels_of_their_own_and_containers_share_it(self):
        first, second = self.make_pod(), self.make_pod()
        levels = [self.level(self.make_container(pod))
                  for pod in (first, first, second)]
        self.assertEqual(levels[0], levels[1])
        self.assertNotEqual(levels[0], levels[2])

    def test_what_is_asked_for_is_used(self):
        config = self.pod_config()
        config.linux.security_context.selinux_options.level = "s0:c5,c6"
        pod = self.run_pod(config)
        container = self.make_container(pod)
        self.assertEqual(self.label(container), f"{self.process}:s0:c5,c6")
        own = self.make_container(pod, security={
            "selinux_options": self.api.SELinuxOption(level="s0:c7,c8")})
        self.assertEqual(self.label(own), f"{self.process}:s0:c7,c8")
        self.assertEqual(self.rootfs_label(own, "/"), f"{self.file}:s0:c7,c8")

    def test_a_type_that_the_policy_has_not_fails_the_start(self):
        container = self.create(self.make_pod(), self.container_config(
            security={"selinux_options": self.api.SELinuxOption(
                type="no_such_type_t")}))
        self.assert_code("INVALID_ARGUMENT", "StartContainer",
                         "set SELinux label", container_id=container)

    def test_a_privileged_process_has_the_servers_label(self):
        pod = self.make_pod(privileged=True)
        container = self.make_container(pod, security={"privileged": True})
        self.assertEqual(
            self.label(container),
            host.read(f"/proc/{self.server.process.pid}/attr/current").rstrip(
                "\0\n"))

    def volume(self, name):
        folder = f"{self.server.top}/{name}"
        os.mkdir(folder)
        self.addCleanup(os.rmdir, folder)
        path = f"{folder}/file"
        host.write(path, "x")
        self.addCleanup(os.unlink, path)
        return folder

    def test_only_what_is_asked_for_is_relabelled(self):
        kept, changed = self.volume("kept"), self.volume("changed")
        before = label_of(kept)
        container = self.make_container(self.make_pod(), mounts=[
            self.api.Mount(container_path="/kept", host_path=kept),
            self.api.Mount(container_path="/changed", host_path=changed,
                           selinux_relabel=True)])
        label = f"{self.file}:{self.level(container)}"
        self.assertEqual(label_of(kept), before)
        for path in (changed, changed + "/file"):
            self.assertEqual(label_of(path), label, path)
        self.inside(container, "echo y >/changed/file")
        if host.read("/sys/fs/selinux/enforce") == "1":
            refused = self.exec_sync(container, "echo y >/kept/file")
            self.assertIn(b"ermission denied", refused.stderr)

    # CVE-2021-43816.
    def test_what_is_the_hosts_is_not_relabelled(self):
        before = label_of("/etc/passwd")
        for path in ("/etc/passwd", "/etc", "/usr"):
            container = self.create(self.make_pod(), self.container_config(
                mounts=[self.api.Mount(container_path="/x", host_path=path,
                                       selinux_relabel=True)]))
            self.assert_code("PERMISSION_DENIED", "StartContainer",
                             f"{path} of the host", container_id=container)
        self.assertEqual(label_of("/etc/passwd"), before)


if __name__ == "__main__":
    gantry_case.main()
