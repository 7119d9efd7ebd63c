"""Many ExecSyncs: nothing grows and nothing stays.

GANTRY_TEST_EXECS sets how many (300; the long form is 10000).
"""

import os
import sys
import threading
import time

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import say, wait_until

EXECS = int(os.environ.get("GANTRY_TEST_EXECS", "300"))
CLIENTS = 4
# Of gantryd's threads. All but one of each end after ten seconds without work.
POOLS = ("core", "blocking", "network")
# As .bazelrc has it for --config=asan.
SANITIZED = "ASAN_OPTIONS" in os.environ
# Leaves the session and its parents behind, as a daemon does.
DAEMON = "(setsid sh -c 'sleep {0} & exit' &)"
# What a heap may hold more after thousands of calls, in KiB.
SERVER_GROWTH = 8192
SHIM_GROWTH = 256


def memory(pid):
    """KiB that the process has for itself: proportional set size."""
    for line in host.read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


class ExecSoak(gantry_case.GantryCase):

    def setUp(self):
        super().setUp()
        self.container = self.make_container(self.make_pod())
        info = self.info(self.container)
        self.shim, self.cgroup = info["shim_pid"], info["cgroup_path"]

    def count(self):
        server = self.server.process.pid
        return {"server fds": self.server.descriptors(),
                "server threads": len(os.listdir(f"/proc/{server}/task")),
                "shim fds": len(os.listdir(f"/proc/{self.shim}/fd")),
                "shim children": len(host.children(self.shim)),
                "processes": len(self.steady_processes()),
                "cgroups": len(host.cgroup_dirs(self.cgroup))}

    def steady_processes(self):
        """Without the naps of the container's own loop."""
        return [pid for pid in host.cgroup_processes(self.cgroup)
                if "sleep\x000.2" not in host.read(f"/proc/{pid}/cmdline")]

    def one(self, number):
        """One exec of several kinds, its answer checked."""
        kind = number % 100
        if kind == 1:
            answer = self.exec_sync(self.container, "head -c 100000 /dev/zero")
            self.assertEqual(len(answer.stdout), 100000)
        elif kind == 2:
            self.assertEqual(
                self.exec_sync(self.container, "exit 7").exit_code, 7)
        elif kind == 3:
            with self.assertRaises(grpc.RpcError) as caught:
                self.exec_sync(self.container, ["no-such-program"])
            self.assertEqual(caught.exception.code(),
                             grpc.StatusCode.NOT_FOUND)
        elif kind == 4:
            # A child that has the pipe open does not hold the answer.
            answer = self.exec_sync(self.container, "echo first; sleep 0.5 &")
            self.assertEqual(answer.stdout, b"first\n")
        elif kind == 5:
            self.inside(self.container, DAEMON.format(0.5))
        elif kind == 6:
            with self.assertRaises(grpc.RpcError) as caught:
                self.exec_sync(self.container,
                               f"{DAEMON.format(9876)}; sleep 9875 & wait",
                               timeout=1)
            self.assertEqual(caught.exception.code(),
                             grpc.StatusCode.DEADLINE_EXCEEDED)
        else:
            self.assertEqual(self.inside(self.container, ["echo", "x"]), "x")

    def run_many(self, numbers):
        errors = []

        def some(first):
            try:
                for number in range(first, numbers, CLIENTS):
                    self.one(number)
            except Exception as error:  # told by the test's own thread
                errors.append(error)
        threads = [threading.Thread(target=some, args=(first,))
                   for first in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])

    def sizes(self):
        return memory(self.server.process.pid), memory(self.shim)

    def test_nothing_grows_and_nothing_stays(self):
        # Once everything there is: heaps, threads, and connections.
        self.run_many(100)
        before = self.settled()
        server, shim = self.sizes()
        begin = time.monotonic()
        self.run_many(EXECS)
        taken = time.monotonic() - begin
        after = self.settled()
        for name, most in before.items():
            self.assertLessEqual(after[name], most, name)
        server_after, shim_after = self.sizes()
        say(f"{EXECS} execs by {CLIENTS} clients in {taken:.1f} s")
        say(f"before {before}, {server} KiB and {shim} KiB")
        say(f"after  {after}, {server_after} KiB and {shim_after} KiB")
        if SANITIZED:
            return  # what is freed stays in AddressSanitizer's quarantine
        self.assertLess(server_after - server, SERVER_GROWTH)
        self.assertLess(shim_after - shim, SHIM_GROWTH)

    def pools_rest(self):
        task = f"/proc/{self.server.process.pid}/task"
        names = [host.read(f"{task}/{thread}/comm").strip()
                 for thread in os.listdir(task)]
        return all(names.count(pool) <= 1 for pool in POOLS)

    def settled(self):
        """The counts once daemons, dead processes and idle threads are gone."""
        def no_daemons():
            # A cgroup that was busy goes with the next exec.
            self.inside(self.container, ["true"])
            now = self.count()
            return now["processes"] == 1 and now["cgroups"] == 0
        wait_until(no_daemons, "the container has its own process only", 20)
        # Not asked meanwhile: each call would give another thread its turn.
        wait_until(self.pools_rest, "gantryd's pools are idle", 30)
        return self.count()

    def test_a_timeout_reaches_a_daemon(self):
        with self.assertRaises(grpc.RpcError):
            self.exec_sync(self.container,
                           f"{DAEMON.format(9877)}; sleep 9878", timeout=1)
        wait_until(lambda: not [
            pid for pid in host.cgroup_processes(self.cgroup)
            if "987" in host.read(f"/proc/{pid}/cmdline")],
            "all that the exec started is dead", 5)
        self.assertEqual(self.state(self.container), "RUNNING")

    def test_a_daemon_of_an_exec_that_ended_lives_on(self):
        self.inside(self.container, DAEMON.format(9879))
        time.sleep(0.2)
        self.inside(self.container, ["true"])
        self.assertTrue([pid for pid in host.cgroup_processes(self.cgroup)
                         if "9879" in host.read(f"/proc/{pid}/cmdline")])


if __name__ == "__main__":
    gantry_case.main()
