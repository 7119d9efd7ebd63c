"""ExecSync: output, codes, timeouts. For many: exec_soak_test.py."""

import os
import sys
import time

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import DEADLINE, say, wait_until

LIMIT = 16 << 20


class Exec(gantry_case.GantryCase):

    def setUp(self):
        super().setUp()
        self.container = self.make_container(self.make_pod())

    def family(self):
        """Commands of the container's processes."""
        cgroup = self.info(self.container)["cgroup_path"]
        return [host.read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()
                for pid in host.cgroup_processes(cgroup)]

    def test_output_and_exit_code(self):
        answer = self.exec_sync(self.container,
                                "echo out; echo err >&2; exit 3")
        self.assertEqual((answer.stdout, answer.stderr, answer.exit_code),
                         (b"out\n", b"err\n", 3))
        answer = self.exec_sync(self.container, "kill -9 $$")
        self.assertEqual(answer.exit_code, 137)
        # Bytes are bytes.
        answer = self.exec_sync(self.container, r"printf '\000\377\n'")
        self.assertEqual(answer.stdout, b"\0\xff\n")
        # No shell reads the arguments.
        answer = self.exec_sync(self.container, ["echo", "$HOME", "a b"])
        self.assertEqual(answer.stdout, b"$HOME a b\n")
        # Its input is at its end.
        self.assertEqual(self.inside(self.container, "cat; echo done"),
                         "done")

    def test_mistakes(self):
        say(self.assert_code("NOT_FOUND", "ExecSync", "no-such-program",
                             container_id=self.container,
                             cmd=["no-such-program"]))
        self.inside(self.container, "echo x > /plain")
        say(self.assert_code("PERMISSION_DENIED", "ExecSync", "/plain",
                             container_id=self.container, cmd=["/plain"]))
        self.assert_code("INVALID_ARGUMENT", "ExecSync", "cmd",
                         container_id=self.container, cmd=[])
        self.assert_code("INVALID_ARGUMENT", "ExecSync", "timeout",
                         container_id=self.container, cmd=["true"],
                         timeout=-1)
        self.stop(self.container)
        self.assert_code("FAILED_PRECONDITION", "ExecSync",
                         container_id=self.container, cmd=["true"])

    def test_sixteen_mebibytes_are_kept_of_each_stream(self):
        answer = self.exec_sync(
            self.container, f"head -c {LIMIT + 100000} /dev/zero; "
            f"head -c {LIMIT + 5} /dev/zero >&2; exit 2")
        self.assertEqual((len(answer.stdout), len(answer.stderr),
                          answer.exit_code), (LIMIT, LIMIT, 2))
        # What came after was dropped, not left to wait: it ended by itself.

    def test_a_timeout_kills_the_whole_tree(self):
        begin = time.monotonic()
        self.assert_code(
            "DEADLINE_EXCEEDED", "ExecSync", container_id=self.container,
            cmd=["sh", "-c", "sleep 777 & (sleep 778 & sleep 779)"], timeout=1)
        taken = time.monotonic() - begin
        say(f"timeout of 1 s answered after {taken:.2f} s")
        self.assertGreaterEqual(taken, 1)
        wait_until(lambda: not [c for c in self.family() if "sleep 77" in c],
                   "the tree is dead", 5)
        self.assertEqual(self.state(self.container), "RUNNING")

    # Seen to fail with a shim that waits for as long as the exec's process takes
    # to get into its cgroup.
    def test_a_frozen_container_holds_its_exec_and_not_its_shim(self):
        path = self.info(self.container)["cgroup_path"]
        freezer = host.controller("freezer")
        file, frozen, thawed = (
            (f"{freezer}/{path}/freezer.state", "FROZEN", "THAWED") if freezer
            else (f"{host.hierarchies()['cgroup']}/{path}/cgroup.freeze",
                  "1", "0"))
        host.write(file, frozen)
        self.addCleanup(host.write, file, thawed)
        pending = self.server.runtime.ExecSync.future(
            self.api.ExecSyncRequest(container_id=self.container,
                                     cmd=["true"], timeout=1), timeout=DEADLINE)
        begin = time.monotonic()
        time.sleep(0.3)  # for the shim to have begun with it
        self.call("ReopenContainerLog", container_id=self.container)
        taken = time.monotonic() - begin
        say(f"the shim answered after {taken:.2f} s")
        self.assertLess(taken, host.patience(3))
        self.assertEqual(pending.code(),
                         grpc.StatusCode.DEADLINE_EXCEEDED)
        host.write(file, thawed)
        self.assertEqual(self.exec_sync(self.container, "true").exit_code, 0)

    def test_a_child_that_keeps_the_pipe_does_not_hold_the_answer(self):
        begin = time.monotonic()
        answer = self.exec_sync(self.container, "echo first; sleep 555 &")
        taken = time.monotonic() - begin
        self.assertEqual(answer.stdout, b"first\n")
        say(f"answered in {taken:.3f} s while the child sleeps")
        self.assertLess(taken, 30)
        # It is the container's now, and ends with it.
        wait_until(lambda: "sleep 555" in self.family(), "the child runs")

    def test_a_container_that_ends_ends_its_execs(self):
        pending = self.server.runtime.ExecSync.future(
            self.api.ExecSyncRequest(container_id=self.container,
                                     cmd=["sleep", "666"]), timeout=DEADLINE)
        wait_until(lambda: "sleep 666" in self.family(), "it runs")
        self.stop(self.container)
        try:
            self.assertEqual(pending.result().exit_code, 137)
        except grpc.RpcError as error:
            self.assertNotEqual(error.code(),
                                grpc.StatusCode.DEADLINE_EXCEEDED)
            say("answered by", error.code(), error.details())


if __name__ == "__main__":
    gantry_case.main()
