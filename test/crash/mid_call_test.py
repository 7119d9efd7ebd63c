"""kill -9 of the server in the middle of a call: after the restart the same
request succeeds, and in the end nothing is left over.

Each call is cut short at moments spread over its own measured duration.
GANTRY_TEST_SEED repeats a run's moments; GANTRY_TEST_MOMENTS sets how many.
"""

import os
import random
import sys
import time

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import DEADLINE, say

MOMENTS = int(os.environ.get("GANTRY_TEST_MOMENTS", "12"))
SEED = int(os.environ.get("GANTRY_TEST_SEED", str(time.time_ns() & 0xffffff)))


class MidCall(gantry_case.GantryCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.random = random.Random(SEED)
        say(f"GANTRY_TEST_SEED={SEED} GANTRY_TEST_MOMENTS={MOMENTS}")

    def begin(self, verb, request):
        return getattr(self.server.runtime, verb).future(
            request, timeout=DEADLINE)

    def request(self, verb, **fields):
        return getattr(self.api, verb + "Request")(**fields)

    def cut_short(self, verb, prepare, check, once=False):
        """prepare() makes what the call needs and returns the request;
        check(request, response) looks at what the repeated call has done.
        once: a call that was answered is not to be repeated."""
        durations = []
        for _ in range(3):
            request = prepare()
            begin = time.monotonic()
            response = self.server.call(verb, request)
            durations.append(time.monotonic() - begin)
            check(request, response)
            self.clear()
        finished, problems = 0, []
        for moment in range(MOMENTS):
            request = prepare()
            # Some are a little late: then the answer is what gets lost.
            duration = min(durations)
            delay = duration * 1.1 * (moment + self.random.random()) / MOMENTS
            begin = time.monotonic()
            call = self.begin(verb, request)
            while time.monotonic() < begin + delay and not call.done():
                time.sleep(0.0005)
            if call.done():
                finished += 1
                durations.append(time.monotonic() - begin)
            self.server.restart()
            call.cancel()
            answered = (call.done() and not call.cancelled() and
                        call.code() == grpc.StatusCode.OK)
            try:
                check(request, call.result() if once and answered
                      else self.server.call(verb, request))
            except (AssertionError, grpc.RpcError) as error:
                told = (f"{error.code()}: {error.details()}" if isinstance(
                    error, grpc.RpcError) else str(error))
                problems.append(f"{verb} cut after {delay * 1000:.1f} ms of "
                                f"{duration * 1000:.1f}: {told}")
            self.clear()
        say(f"{verb}: {duration * 1000:.1f} ms, cut short {MOMENTS} times, "
            f"{finished} of them after the answer")
        self.assertEqual(problems, [])

    def clear(self):
        """Removes the pods; after each single cut nothing may be left."""
        for pod in self.list_pods():
            self.remove_pod(pod.id)
        self.pods.clear()
        self.assert_nothing_left()

    def container(self, start=True):
        pod = self.make_pod(pid="CONTAINER")
        if start:
            return self.make_container(pod)
        return self.create(pod, self.container_config())

    def check_container_works(self, container):
        self.assertEqual(self.state(container), "RUNNING")
        self.assertEqual(self.inside(container, "echo works"), "works")
        shims = [pid for pid in host.processes_using(
                     f"{self.server.run}/containers/{container}")]
        self.assertIn(self.info(container)["shim_pid"], shims)
        # Only one shim and one program, whatever was tried.
        cgroup = self.info(container)["cgroup_path"]
        self.assertIn(self.pid(container), host.cgroup_processes(cgroup))
        self.assertEqual(len([pid for pid in host.cgroup_processes(cgroup)
                              if host.status(pid).get("NSpid", "0").split()
                              [-1] == "1"]), 1)

    def test_run_pod_sandbox(self):
        def check(request, response):
            self.assertEqual([pod.id for pod in self.list_pods()],
                             [response.pod_sandbox_id])
            self.check_container_works(
                self.make_container(response.pod_sandbox_id))
        self.cut_short("RunPodSandbox", lambda: self.request(
            "RunPodSandbox", config=self.pod_config()), check)

    def test_run_pod_sandbox_with_a_shared_pid_namespace(self):
        def check(request, response):
            container = self.make_container(response.pod_sandbox_id)
            self.assertEqual(self.state(container), "RUNNING")
            self.assertNotEqual(self.inside(container, "cat /proc/1/comm"),
                                "sh")
        self.cut_short("RunPodSandbox", lambda: self.request(
            "RunPodSandbox", config=self.pod_config(pid="POD")), check)

    def test_create_container(self):
        def prepare():
            return self.request("CreateContainer",
                                pod_sandbox_id=self.make_pod(),
                                config=self.container_config())

        def check(request, response):
            container = response.container_id
            self.assertEqual([c.id for c in self.list_containers()],
                             [container])
            self.call("StartContainer", container_id=container)
            self.check_container_works(container)
        self.cut_short("CreateContainer", prepare, check)

    def test_start_container(self):
        self.cut_short(
            "StartContainer", lambda: self.request(
                "StartContainer", container_id=self.container(start=False)),
            lambda request, _: self.check_container_works(
                request.container_id), once=True)

    def test_stop_container(self):
        def check(request, _):
            self.assertEqual(self.state(request.container_id), "EXITED")
            status = self.status(request.container_id)
            # By its own end or by force, but told.
            self.assertIn((status.exit_code, status.reason),
                          ((0, "Completed"), (137, "Error")))
            self.assertEqual(host.cgroup_processes(
                self.server.cgroup_parent), set())
        for timeout in (0, 5):
            with self.subTest(timeout=timeout):
                self.cut_short("StopContainer", lambda: self.request(
                    "StopContainer", container_id=self.container(),
                    timeout=timeout), check)

    def test_remove_container(self):
        def check(request, _):
            self.assertEqual(list(self.list_containers()), [])
            self.assertEqual(os.listdir(self.server.run + "/containers"), [])
        self.cut_short("RemoveContainer", lambda: self.request(
            "RemoveContainer", container_id=self.container()), check)

    def test_stop_pod_sandbox(self):
        def prepare():
            container = self.container()
            return self.request(
                "StopPodSandbox",
                pod_sandbox_id=self.pod_of(container))

        def check(request, _):
            self.assertEqual(
                self.pod_status(request.pod_sandbox_id).state,
                self.api.SANDBOX_NOTREADY)
            self.assertEqual(host.mounts_below(self.server.run), [])
            self.assertEqual([self.state(c.id)
                              for c in self.list_containers()], ["EXITED"])
        self.cut_short("StopPodSandbox", prepare, check)

    def test_remove_pod_sandbox(self):
        def prepare():
            container = self.container()
            return self.request(
                "RemovePodSandbox",
                pod_sandbox_id=self.pod_of(container))

        def check(request, _):
            self.assertEqual(list(self.list_pods()), [])
            self.assertEqual(list(self.list_containers()), [])
        self.cut_short("RemovePodSandbox", prepare, check)

    def pod_of(self, container):
        return self.list_containers(id=container)[0].pod_sandbox_id


if __name__ == "__main__":
    gantry_case.main()
