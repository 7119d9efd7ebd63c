"""Containers that do not want to end: Stop ends them within their grace and a
bounded time, and meanwhile another pod's life goes on as ever.

GANTRY_TEST_CHILDREN sets how many children one container has (1000; the long
form is 10000).
"""

import concurrent.futures
import os
import signal
import sys
import time

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import say, wait_until
from gantry_stuck import StuckFileSystem

CHILDREN = int(os.environ.get("GANTRY_TEST_CHILDREN", "1000"))
# As .bazelrc has it for --config=asan.
SANITIZED = "ASAN_OPTIONS" in os.environ
# What a Stop may take beyond its grace: processes that SIGKILL ends, and those
# that nothing ends.
KILLED = host.patience(20 if SANITIZED else 8)
UNKILLABLE = host.patience(40)
# One life of another pod: namespaces, cgroup, a container to its end. The
# kernel itself is busy while it buries ten thousand processes.
ONE_LIFE = host.patience(20 if SANITIZED or CHILDREN > 1000 else 5)
DEAF = "trap '' TERM; echo ready; while :; do sleep 1000; done"
# As many processes as may be, each of which makes more.
BOMB = ("trap '' TERM; bomb() { while :; do (bomb) & done; }; echo ready; "
        "(bomb) 2>/dev/null & while :; do sleep 1000; done")
BOMB_LIMIT = 400


class Stubborn(gantry_case.GantryCase):

    def one_life(self):
        """Of another pod; returns the seconds it took."""
        begin = time.monotonic()
        pod = self.call("RunPodSandbox", config=self.pod_config()
                        ).pod_sandbox_id
        try:
            self.assertEqual(self.run_to_end(pod, "exit 3").exit_code, 3)
        finally:
            self.remove_pod(pod)
        return time.monotonic() - begin

    def beside(self, what, *arguments):
        """Runs what(*arguments) and, for as long as that takes, lives of
        another pod; returns the seconds of `what` and what it raised."""
        slowest = 0
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            def timed():
                try:
                    what(*arguments)
                    return time.monotonic() - begin, None
                except grpc.RpcError as error:
                    return time.monotonic() - begin, error
            running = pool.submit(timed)
            lives = 0
            while not running.done():
                slowest = max(slowest, self.one_life())
                lives += 1
            took, error = running.result()
        say(f"{took:.2f} s; meanwhile {lives} lives of another pod, the "
            f"slowest {slowest:.2f} s" + (f"; {error.details()}" if error
                                          else ""))
        self.assertLess(slowest, ONE_LIFE)
        return took, error

    def assert_stops(self, container, grace=1, bound=KILLED):
        """Within grace and bound; returns the status."""
        took, error = self.beside(self.stop, container, grace)
        self.assertIsNone(error)
        self.assertLess(took, grace + bound)
        status = self.status(container)
        self.assertEqual(status.state, self.api.CONTAINER_EXITED)
        return status

    def deaf_container(self, script=DEAF, **config):
        container = self.make_container(self.make_pod(), script, **config)
        self.wait_text(container, "ready")
        return container

    # -- signals

    def test_one_that_ignores_its_stop_signal(self):
        container = self.deaf_container()
        begin = time.monotonic()
        status = self.assert_stops(container)
        self.assertGreaterEqual(time.monotonic() - begin, 1)
        self.assertEqual((status.exit_code, status.reason), (137, "Error"))

    def test_one_that_is_stopped(self):
        # SIGSTOP: it is asked, and never hears of it.
        container = self.make_container(self.make_pod(), "sleep 1000")
        os.kill(self.pid(container), signal.SIGSTOP)
        wait_until(lambda: host.state(self.pid(container)) == "T", "it stops")
        self.assertEqual(self.assert_stops(container).exit_code, 137)

    def test_many_that_ignore_it_stop_all_at_once(self):
        pod = self.make_pod()
        containers = [self.make_container(pod, DEAF) for _ in range(20)]
        for container in containers:
            self.wait_text(container, "ready")

        def stop_all():
            stopping = [self.server.runtime.StopContainer.future(
                self.api.StopContainerRequest(container_id=container,
                                              timeout=2), timeout=60)
                        for container in containers]
            for future in stopping:
                future.result()
        took, error = self.beside(stop_all)
        self.assertIsNone(error)
        self.assertLess(took, 2 + KILLED)
        self.assertEqual({self.status(c).exit_code for c in containers}, {137})

    # -- processes

    def bomb(self):
        pod = self.make_pod()
        # Not the machine's processes: the pod's.
        point = host.controller("pids")
        path = self.server.pod_cgroup(pod)
        host.write(f"{point}{path}/pids.max" if point else
                   f"{host.hierarchies()['unified']}{path}/pids.max",
                   str(BOMB_LIMIT))
        container = self.make_container(pod, BOMB)
        cgroup = self.info(container)["cgroup_path"]
        wait_until(lambda: len(host.cgroup_processes(cgroup)) >
                   BOMB_LIMIT // 2, "the bomb goes off")
        return pod, container

    def test_a_fork_bomb(self):
        _, container = self.bomb()
        self.assertEqual(self.assert_stops(container).exit_code, 137)

    def test_the_pod_of_a_fork_bomb(self):
        pod, container = self.bomb()
        took, error = self.beside(self.remove_pod, pod)
        self.assertIsNone(error)
        self.assertLess(took, KILLED)
        self.assert_code("NOT_FOUND", "ContainerStatus",
                         container_id=container)
        self.pods.remove(pod)

    def children(self, child):
        container = self.make_container(
            self.make_pod(), f"trap '' TERM; i=0; while [ $i -lt {CHILDREN} ];"
            f" do {child} & i=$((i + 1)); done; echo ready; sleep 1000")
        wait_until(lambda: "ready" in self.texts(container),
                   f"{CHILDREN} children", 300)
        cgroup = self.info(container)["cgroup_path"]
        say(len(host.cgroup_processes(cgroup)), "processes")
        return container

    def test_many_children(self):
        container = self.children("sleep 1000")
        self.assertEqual(self.assert_stops(container).exit_code, 137)

    def test_many_dead_children_that_nobody_waits_for(self):
        container = self.children("true")
        self.assertEqual(self.assert_stops(container).exit_code, 137)

    # -- uninterruptible sleep

    def stuck_container(self, script):
        stuck = StuckFileSystem()
        self.addCleanup(stuck.release)
        container = self.make_container(
            self.make_pod(), script, mounts=[self.api.Mount(
                container_path="/volume", host_path=stuck.path)])
        self.assertTrue(stuck.asked.wait(30))
        return stuck, container

    def check_stuck(self, stuck, container):
        cgroup = self.info(container)["cgroup_path"]
        took, error = self.beside(self.stop, container, 1)
        self.assertLess(took, 1 + UNKILLABLE)
        # Nothing is said to have ended that has not.
        left = [host.describe(pid) for pid in host.cgroup_processes(cgroup)
                if host.exists(pid)]
        self.assertTrue(left)
        say("left:", left)
        self.assertIsNotNone(error, "stopped, with processes left")
        self.assertEqual(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertIn("uninterruptible sleep", error.details())
        self.assertEqual(self.state(container), "RUNNING")
        # It ends as soon as it can, and is known to have.
        stuck.release()
        self.assertEqual(self.wait_exited(container).exit_code, 137)
        self.stop(container)
        self.remove(container)

    def test_a_program_in_uninterruptible_sleep(self):
        self.check_stuck(*self.stuck_container("exec cat /volume/stuck"))

    def test_a_child_in_uninterruptible_sleep(self):
        stuck, container = self.stuck_container(
            "cat /volume/stuck & while :; do sleep 1000; done")
        # Removing it is no way round.
        took, error = self.beside(self.remove, container)
        self.assertLess(took, UNKILLABLE)
        self.assertEqual(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        self.check_stuck(stuck, container)

    def test_a_server_that_comes_back_knows_what_is_in_such_sleep(self):
        stuck, container = self.stuck_container("exec cat /volume/stuck")
        self.server.restart()
        self.assertEqual(self.state(container), "RUNNING")
        self.one_life()
        stuck.release()
        self.assertEqual(self.wait_exited(container).exit_code, 1)

    # -- frozen cgroups

    def freeze(self, path):
        point = host.controller("freezer")
        if point:
            host.write(f"{point}{path}/freezer.state", "FROZEN")
            wait_until(lambda: "FROZEN\n" == host.read(
                f"{point}{path}/freezer.state"), "it freezes")
        else:
            point = host.hierarchies()["unified"]
            host.write(f"{point}{path}/cgroup.freeze", "1")
            wait_until(lambda: "frozen 1" in host.read(
                f"{point}{path}/cgroup.events"), "it freezes")

    def test_a_frozen_container(self):
        container = self.deaf_container()
        self.freeze(self.info(container)["cgroup_path"])
        self.assertEqual(self.assert_stops(container).exit_code, 137)

    def test_a_container_of_a_frozen_pod(self):
        container = self.deaf_container()
        self.freeze(self.server.pod_cgroup(self.pods[0]))
        self.assertEqual(self.assert_stops(container).exit_code, 137)

    def test_a_frozen_pod(self):
        container = self.deaf_container()
        pod = self.pods[0]
        self.freeze(self.server.pod_cgroup(pod))
        took, error = self.beside(
            lambda: self.call("StopPodSandbox", pod_sandbox_id=pod))
        self.assertIsNone(error)
        self.assertLess(took, KILLED)
        self.assertEqual(self.state(container), "EXITED")

    # -- streams

    def test_one_without_streams(self):
        container = self.deaf_container(
            "trap '' TERM; echo ready; exec <&- >&- 2>&-; "
            "while :; do sleep 1000; done")
        pid = self.pid(container)
        wait_until(lambda: not {"0", "1", "2"} & set(
            os.listdir(f"/proc/{pid}/fd")),
                   "it has closed its streams")
        self.assertEqual(self.state(container), "RUNNING")
        self.assertEqual(self.assert_stops(container).exit_code, 137)

    def test_one_that_writes_as_fast_as_it_can(self):
        container = self.make_container(
            self.make_pod(), "trap '' TERM; yes 'a line of the log'")
        path = self.log_path(container)
        self.addCleanup(lambda: os.path.exists(path) and os.truncate(path, 0))
        wait_until(lambda: os.path.getsize(path) > 1 << 20, "it writes")
        self.assertEqual(self.assert_stops(container).exit_code, 137)
        # What was written are lines, but for the one it was killed in.
        size = os.path.getsize(path)
        say(f"{size >> 20} MiB of log")
        with open(path, "rb") as log:
            log.seek(max(size - 1000, 0))
            lines = log.read().decode().split("\n")[1:-2]
        self.assertTrue(lines)
        for line in lines:
            self.assertTrue(line.endswith(" stdout F a line of the log"), line)

    def end_elsewhere(self, child, cgroup):
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: not host.remove_cgroup(cgroup), "it is gone", 10)

    def test_a_grandchild_elsewhere_keeps_its_pipe(self):
        # Where no PID namespace ends it, and out of the container's cgroup.
        pod = self.make_pod(pid="NODE")
        container = self.make_container(
            pod, "sleep 1000 & echo $! ready; wait",
            security={"namespace_options": self.api.NamespaceOption(
                pid="NODE")})
        child = int(self.wait_text(container, "ready").split()[0])
        elsewhere = self.server.cgroup_parent + "/elsewhere"
        host.make_cgroup(elsewhere)
        self.addCleanup(self.end_elsewhere, child, elsewhere)
        for point in host.hierarchies().values():
            host.write(f"{point}{elsewhere}/cgroup.procs", str(child))
        status = self.assert_stops(container)
        self.assertEqual(status.exit_code, 143)
        self.assertTrue(host.exists(child))
        self.remove(container)


if __name__ == "__main__":
    gantry_case.main()
