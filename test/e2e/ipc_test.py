"""IPC: queues and shared memory of one side are unseen on the other."""

import ctypes
import ctypes.util
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import say

IPC_CREAT = 0o1000


def keys(text):
    """Of a /proc/sysvipc/msg."""
    return {int(line.split()[0]) for line in text.splitlines()[1:]}


def host_keys():
    return keys(host.read("/proc/sysvipc/msg"))


class Ipc(gantry_case.GantryCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)
        cls.librt = ctypes.CDLL("librt.so.1", use_errno=True)

    def in_namespace_of(self, container, action):
        """Runs action() in a child that has joined the IPC namespace: busybox
        cannot make queues."""
        pid = self.pid(container)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                fd = os.open(f"/proc/{pid}/ns/ipc", os.O_RDONLY)
                if self.libc.setns(fd, 0) == 0 and action() >= 0:
                    status = 0
            finally:
                os._exit(status)
        self.assertEqual(os.waitpid(child, 0)[1], 0)

    def keys_inside(self, container):
        return keys(self.inside(container, "cat /proc/sysvipc/msg"))

    def test_system_v_queues_are_unseen_either_way(self):
        container = self.make_container(self.make_pod())
        theirs, ours = 0x6a000000 | os.getpid(), 0x6b000000 | os.getpid()
        queue = self.libc.msgget(ours, IPC_CREAT | 0o600)
        self.assertGreaterEqual(queue, 0)
        self.addCleanup(self.libc.msgctl, queue, 0, None)
        self.in_namespace_of(
            container, lambda: self.libc.msgget(theirs, IPC_CREAT | 0o600))

        self.assertEqual(self.keys_inside(container), {theirs})
        self.assertIn(ours, host_keys())
        self.assertNotIn(theirs, host_keys())
        say(f"host has 0x{ours:08x}, container 0x{theirs:08x}, neither both")

    def test_posix_queues_are_unseen_either_way(self):
        container = self.make_container(self.make_pod())
        name = f"/gantry-test-{os.getpid()}".encode()
        queue = self.librt.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, None)
        self.assertGreaterEqual(queue, 0, os.strerror(ctypes.get_errno()))
        self.addCleanup(self.librt.mq_unlink, name)
        self.addCleanup(os.close, queue)
        self.assertEqual(self.inside(container, "ls /dev/mqueue"), "")
        # A file made in the mqueue file system is a queue.
        self.inside(container, "touch /dev/mqueue/theirs")
        self.assertEqual(self.inside(container, "ls /dev/mqueue"), "theirs")
        self.assertIn("QSIZE:0", self.inside(container,
                                             "cat /dev/mqueue/theirs"))
        found = self.librt.mq_open(b"/theirs", os.O_RDWR)
        self.assertEqual(found, -1)
        say("a queue made inside is none outside, and the other way round")

    def test_containers_of_a_pod_share_what_others_do_not_see(self):
        pod = self.make_pod()
        one, two = self.make_container(pod), self.make_container(pod)
        stranger = self.make_container(self.make_pod())
        key = 0x6c000000 | os.getpid()
        self.in_namespace_of(
            one, lambda: self.libc.msgget(key, IPC_CREAT | 0o600))
        self.inside(one, "echo shared > /dev/shm/file")
        self.assertEqual(self.keys_inside(two), {key})
        self.assertEqual(self.inside(two, "cat /dev/shm/file"), "shared")
        self.assertEqual(self.keys_inside(stranger), set())
        self.assertEqual(self.inside(stranger, "ls /dev/shm"), "")
        self.assertFalse(os.path.exists("/dev/shm/file"))

    def test_a_pod_in_the_hosts_ipc_sees_the_hosts_queues(self):
        key = 0x6d000000 | os.getpid()
        queue = self.libc.msgget(key, IPC_CREAT | 0o600)
        self.addCleanup(self.libc.msgctl, queue, 0, None)
        container = self.make_container(self.make_pod(ipc="NODE"))
        self.assertIn(key, self.keys_inside(container))


if __name__ == "__main__":
    gantry_case.main()
