"""Limits of writable layers: project quotas of a file system of the test's own,
and a clear refusal where there are none.

Where this kernel cannot mount one with quotas (ext4 needs CONFIG_QFMT_V2, xfs
CONFIG_XFS_QUOTA) those tests are skipped; tools/vm-test quota has such a kernel.
"""

import ctypes
import errno
import fcntl
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
import gantry_images
from gantry_case import say
from gantry_server import Programs, image_file, wait_until

ANNOTATION = "gantry.writable-layer-size"
MIB = 1 << 20
FIRST_PROJECT = 0x47610000  # runtime/rootfs/layer_limits.h

# linux/fs.h: struct fsxattr is xflags, extsize, nextents, projid, cowextsize.
FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR = 0x801c581f, 0x401c5820
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602
FS_PROJINHERIT_FL = 0x20000000
FSXATTR = "=5I8x"
# quotactl_fd(2), linux/quota.h: struct if_dqblk is eight numbers and a mask.
QUOTACTL_FD, Q_GETQUOTA, PRJQUOTA = 443, 0x800007, 2

# Run inside: moves a file to another project, and has a directory no longer hand
# its project down; prints the errno of each.
ESCAPE = f"""
import fcntl, os, struct
def attempt(fd, command, data):
    try:
        fcntl.ioctl(fd, command, data)
        return "done"
    except OSError as error:
        return str(error.errno)
open("/mine", "w").close()
fd = os.open("/mine", os.O_RDONLY)
old = list(struct.unpack("{FSXATTR}", fcntl.ioctl(
    fd, {FS_IOC_FSGETXATTR}, bytes(28))))
assert old[3] >= {FIRST_PROJECT}, old
old[3] = 0
moved = attempt(fd, {FS_IOC_FSSETXATTR}, struct.pack("{FSXATTR}", *old))
os.mkdir("/folder")
fd = os.open("/folder", os.O_RDONLY)
flags = struct.unpack("l", fcntl.ioctl(fd, {FS_IOC_GETFLAGS}, bytes(8)))[0]
assert flags & {FS_PROJINHERIT_FL}, hex(flags)
print(moved, attempt(fd, {FS_IOC_SETFLAGS}, struct.pack(
    "l", flags & ~{FS_PROJINHERIT_FL})))
"""


def project_of(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        return struct.unpack(FSXATTR, fcntl.ioctl(fd, FS_IOC_FSGETXATTR,
                                                  bytes(28)))[3]
    finally:
        os.close(fd)


def limit_of(path, project):
    """Bytes that the project may take on the file system of `path`; 0: any."""
    libc = ctypes.CDLL(None, use_errno=True)
    quota = (ctypes.c_uint64 * 9)()
    fd = os.open(path, os.O_RDONLY)
    try:
        result = libc.syscall(QUOTACTL_FD, fd, Q_GETQUOTA << 8 | PRJQUOTA,
                              project, quota)
    finally:
        os.close(fd)
    if result != 0:
        code = ctypes.get_errno()
        assert code in (errno.ENOENT, errno.ESRCH), errno.errorcode[code]
        return 0
    return quota[0] * 1024


class QuotaCase(gantry_case.GantryCase):
    """A server whose root directory is on a file system with project quotas."""
    MAKE = ()
    OPTIONS = "loop,prjquota"
    MORE = ""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="gantry-test.", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, folder)
        if shutil.which(cls.MAKE[0]) is None:
            raise unittest.SkipTest(f"there is no {cls.MAKE[0]}")
        with open(folder + "/disk", "wb") as disk:
            disk.truncate(512 * MIB)
        subprocess.run([*cls.MAKE, folder + "/disk"], check=True,
                       stdout=subprocess.DEVNULL)
        cls.mounted = folder + "/mounted"
        os.mkdir(cls.mounted)
        done = subprocess.run(
            ["mount", "-o", cls.OPTIONS, folder + "/disk", cls.mounted],
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise unittest.SkipTest(
                f"this kernel does not mount {cls.MAKE[0]} with "
                f"{cls.OPTIONS}: {done.stderr.strip()}")
        cls.addClassCleanup(subprocess.run, ["umount", cls.mounted], check=True)
        super().setUpClass()

    @classmethod
    def new_server(cls):
        server = super().new_server()
        server.root = tempfile.mkdtemp(dir=cls.mounted) + "/root"
        server.more_config = cls.MORE
        return server

    def limited(self, pod, size, **config):
        return self.make_container(pod, annotations={ANNOTATION: size},
                                   **config)

    def upper(self, container):
        return f"{self.server.root}/containers/{container}/upper"

    def write(self, container, path, mebibytes):
        """Bytes that there was room for."""
        self.exec_sync(container, f"dd if=/dev/zero of={path} bs=64k count="
                       f"{mebibytes * 16} 2>/dev/null")
        return int(self.inside(container, f"stat -c %s {path}"))


class Limits:

    def test_writes_beyond_the_limit_fail_and_nothing_else_does(self):
        pod = self.make_pod()
        container, free = self.limited(pod, "20Mi"), self.make_container(pod)
        refused = self.exec_sync(
            container, "dd if=/dev/zero of=/big bs=1M count=60")
        self.assertNotEqual(refused.exit_code, 0)
        say(refused.stderr.decode().strip().split("\n")[0])
        self.assertRegex(refused.stderr.decode(),
                         "uota exceeded|No space left")
        size = int(self.inside(container, "stat -c %s /big"))
        self.assertGreater(size, 18 * MIB)
        self.assertLessEqual(size, 20 * MIB)
        # What lies below counts once it is changed.
        self.assertNotEqual(self.exec_sync(
            container, "chmod 700 /bin/busybox").exit_code, 0)
        # Nobody else is held up, nor is the container ended.
        self.assertEqual(self.write(free, "/big", 40), 40 * MIB)
        self.assertEqual(self.state(container), "RUNNING")
        self.assertEqual(self.inside(container, "rm /big; echo x >/small; "
                                     "cat /small"), "x")
        # A program sees how much there is.
        total = int(self.inside(container, "df -P -k / | tail -n 1 | "
                                "awk '{print $2}'"))
        self.assertEqual(total, 20 * 1024)

    def test_the_stats_are_what_counts_for_the_limit(self):
        container = self.limited(self.make_pod(), "30Mi")
        self.write(container, "/file", 10)

        def used():
            stats = self.call("ContainerStats", container_id=container).stats
            layer = stats.writable_layer
            # Delayed allocation counts from the first byte on.
            return layer.used_bytes.value if (
                layer.used_bytes.value >= 10 * MIB) else None
        self.assertLess(wait_until(used, "10 MiB are counted"), 11 * MIB)

    def test_files_without_content_are_limited_as_well(self):
        container = self.limited(self.make_pod(), "1Mi")
        made = self.inside(
            container, "i=0; while [ $i -lt 3000 ] && true >/f$i; do "
            "i=$((i+1)); done 2>/dev/null; echo $i")
        say(f"{made} files")
        self.assertGreater(int(made), 900)
        self.assertLess(int(made), 1024)

    def test_an_images_volumes_count_too(self):
        name, path = "localhost/volume:1", self.server.top + "/image.tar"
        self.server.load(gantry_images.make(
            path, name, [], {"Volumes": {"/data": {}}},
            base=image_file("busybox")))
        os.unlink(path)
        self.addCleanup(self.call, "RemoveImage",
                        image=self.api.ImageSpec(image=name))
        container = self.limited(self.make_pod(), "8Mi", image=name)
        first = self.write(container, "/data/a", 5)
        self.assertEqual(first, 5 * MIB)
        self.assertLess(self.write(container, "/b", 5), 4 * MIB)

    def test_limits_outlive_the_server_and_go_with_the_container(self):
        pod = self.make_pod()
        first = self.limited(pod, "8Mi")
        self.write(first, "/a", 4)
        project = project_of(self.upper(first))
        self.assertEqual(limit_of(self.mounted, project), 8 * MIB)
        self.server.restart()
        self.assertLess(self.write(first, "/b", 8), 5 * MIB)
        second = self.limited(pod, "8Mi")
        other = project_of(self.upper(second))
        self.assertNotEqual(project, other)
        self.assertEqual(self.write(second, "/a", 6), 6 * MIB)
        for container in (first, second):
            self.stop(container)
            self.remove(container)
        for gone in (project, other):
            self.assertEqual(limit_of(self.mounted, gone), 0)

    # Seen to fail without the filter (ForbidProjectChanges in the planner).
    def test_a_container_cannot_move_its_files_out_of_the_limit(self):
        tree = [self.api.Mount(container_path=path, host_path=path,
                               readonly=True)
                for path in ("/usr", "/lib", "/lib64")]
        for seccomp in ("Unconfined", "RuntimeDefault"):
            container = self.limited(
                self.make_pod(), "20Mi", mounts=tree, security={
                    "seccomp": self.api.SecurityProfile(
                        profile_type=seccomp)})
            self.assertEqual(self.inside(
                container, ["/usr/bin/python3", "-I", "-c", ESCAPE]),
                f"{errno.EPERM} {errno.EPERM}", seccomp)
        # Who has a user namespace is refused it by the kernel.
        if not host.maps_ids_of_mounts():
            return
        config = self.pod_config()
        ids = [self.api.IDMapping(host_id=65536, length=65536)]
        config.linux.security_context.namespace_options.userns_options.CopyFrom(
            self.api.UserNamespace(mode="POD", uids=ids, gids=ids))
        container = self.limited(self.run_pod(config), "20Mi", mounts=tree)
        self.assertRegex(self.inside(
            container, ["/usr/bin/python3", "-I", "-c", ESCAPE]),
            f"^({errno.EINVAL}|{errno.EPERM}) ({errno.EINVAL}|{errno.EPERM})$")
        self.assertLess(self.write(container, "/big", 30), 20 * MIB)

    def test_a_size_that_is_none_is_refused(self):
        pod = self.make_pod()
        for size in ("", "much", "-1", "10G", "4096"):
            self.assert_code(
                "INVALID_ARGUMENT", "CreateContainer", ANNOTATION,
                pod_sandbox_id=pod, config=self.container_config(
                    annotations={ANNOTATION: size}))


class Ext4(Limits, QuotaCase):
    MAKE = ("mke2fs", "-q", "-t", "ext4", "-O", "quota,project", "-E",
            "quotatype=prjquota")


class Xfs(Limits, QuotaCase):
    MAKE = ("mkfs.xfs", "-q")


class Default(QuotaCase):
    """The node's owner says a size for all."""
    MAKE = Ext4.MAKE
    MORE = '[containers]\nwritable_layer_size = "12Mi"\n'

    def test_all_have_it_but_who_asks_for_less(self):
        pod = self.make_pod()
        usual, less = self.make_container(pod), self.limited(pod, "4Mi")
        for container, most in ((usual, 12), (less, 4)):
            size = self.write(container, "/big", 20)
            self.assertGreater(size, (most - 2) * MIB)
            self.assertLessEqual(size, most * MIB)
        # Of the pod, whose annotations are all that Kubernetes' users write.
        pod = self.make_pod(annotations={ANNOTATION: "4Mi"})
        self.assertLessEqual(
            self.write(self.make_container(pod), "/big", 20), 4 * MIB)

    def test_nobody_gets_more(self):
        pod = self.make_pod()
        for size in ("13Mi", "0"):
            self.assert_code(
                "INVALID_ARGUMENT", "CreateContainer", "at most the 12Mi",
                pod_sandbox_id=pod, config=self.container_config(
                    annotations={ANNOTATION: size}))


class NotInForce(QuotaCase):
    """Counted, but not enforced: that is no limit."""
    MAKE = Ext4.MAKE
    OPTIONS = "loop"

    def test_it_is_refused(self):
        self.assert_code(
            "FAILED_PRECONDITION", "CreateContainer",
            "does not enforce project quotas",
            pod_sandbox_id=self.make_pod(), config=self.container_config(
                annotations={ANNOTATION: "4Mi"}))


class Without(gantry_case.GantryCase):
    """No quotas at all: a tmpfs, which never has those of projects."""

    @classmethod
    def new_server(cls):
        folder = tempfile.mkdtemp(prefix="gantry-test.", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, folder)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
        cls.addClassCleanup(subprocess.run, ["umount", folder], check=True)
        server = super().new_server()
        server.root = folder + "/root"
        return server

    def test_a_limit_that_cannot_be_had_is_refused(self):
        pod = self.make_pod()
        told = self.assert_code(
            "FAILED_PRECONDITION", "CreateContainer", "prjquota",
            pod_sandbox_id=pod, config=self.container_config(
                annotations={ANNOTATION: "4Mi"}))
        say(told)
        self.assertIn(self.server.root, told)
        self.assertEqual(os.listdir(self.server.root + "/containers"), [])
        # None was asked for: none is missed.
        self.make_container(pod, annotations={ANNOTATION: "0"})

    def test_the_server_does_not_start_with_such_a_default(self):
        folder = tempfile.mkdtemp(dir=os.path.dirname(self.server.root))
        self.addCleanup(shutil.rmtree, folder)
        host.write(folder + "/gantryd.toml",
                   f'shim_path = "{Programs.shim}"\n'
                   '[containers]\nwritable_layer_size = "10Gi"\n'
                   '[network]\nprovider = "none"\n')
        ended = subprocess.run(
            [Programs.gantryd, "--root", folder + "/root", "--run",
             self.server.top + "/other-run", "--config",
             folder + "/gantryd.toml"], capture_output=True, text=True,
            timeout=60, check=False)
        self.addCleanup(shutil.rmtree, self.server.top + "/other-run",
                        ignore_errors=True)
        said = (ended.stdout + ended.stderr).strip()
        say(said)
        self.assertEqual(ended.returncode, 1, said)
        self.assertEqual(len(said.split("\n")), 1, said)
        self.assertIn("containers.writable_layer_size: the file system of "
                      f"{folder}/root has no project quotas", said)


if __name__ == "__main__":
    gantry_case.main()
