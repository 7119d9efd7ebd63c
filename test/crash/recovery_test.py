"""What a server tells and does while it finds its containers again."""

import os
import signal
import sys
import time
import unittest

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import DEADLINE, say, wait_until
from gantry_client import Client

# recovery.cc: so long all pods wait for a shim that does not answer.
START_PATIENCE = 5


class Recovery(gantry_case.GantryCase):

    def setUp(self):
        super().setUp()
        self.client = Client(self.server.socket)
        self.addCleanup(self.client.close)

    def freeze(self, containers):
        """Their shims stand still; returns what lets them go on."""
        shims = [self.info(container)["shim_pid"] for container in containers]

        def thaw():
            for shim in filter(host.exists, shims):
                os.kill(shim, signal.SIGCONT)
        self.addCleanup(thaw)
        for shim in shims:
            os.kill(shim, signal.SIGSTOP)
        return thaw

    def conditions(self):
        status = self.client.until_answered("Status").status
        return {condition.type: condition for condition in status.conditions}

    def test_version_and_status_are_served_meanwhile(self):
        pod = self.make_pod()
        containers = [self.make_container(pod) for _ in range(3)]
        thaw = self.freeze(containers[1:])
        self.server.kill()
        begin = time.monotonic()
        self.server.launch()
        version = self.client.until_answered("Version")
        self.assertEqual(version.runtime_name, "gantry")
        say(f"Version after {time.monotonic() - begin:.3f} s")

        wait_until(lambda: "recovering containers: 1 of 3" in
                   self.conditions()["RuntimeReady"].message,
                   "the shim that runs is found")
        for name in ("RuntimeReady", "NetworkReady"):
            self.assertFalse(self.conditions()[name].status)
        self.assertFalse(self.client.serves())
        listed = self.client.runtime.ListContainers.future(
            self.api.ListContainersRequest(), timeout=DEADLINE)
        with self.assertRaises(grpc.RpcError) as caught:
            self.client.runtime.ListPodSandbox(
                self.api.ListPodSandboxRequest(), timeout=0.5)
        self.assertEqual(caught.exception.code(),
                         grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertFalse(listed.done())
        self.assertIn("recovering 3 containers of 1 pods",
                      self.server.log_since_launch())
        self.assertNotIn("gantryd ready", self.server.log_since_launch())

        thaw()
        self.assertEqual({c.id: c.state for c in listed.result().containers},
                         {c: self.api.CONTAINER_RUNNING for c in containers})
        self.server.wait_ready()
        self.assertTrue(self.conditions()["RuntimeReady"].status)
        self.assertTrue(self.client.serves())
        for container in containers:
            self.assertEqual(self.inside(container, "echo works"), "works")

    def test_a_shim_that_hangs_holds_up_its_own_pod_alone(self):
        pods = [self.make_pod(), self.make_pod()]
        hung, other = [self.make_container(pod) for pod in pods]
        pid = self.pid(hung)
        thaw = self.freeze([hung])
        seconds = self.server.restart()
        say(f"served without it after {seconds:.2f} s")
        self.assertGreater(seconds, START_PATIENCE)
        self.assertIn(f"pod {pods[0]}: a shim or a network plugin does not "
                      "answer",
                      self.server.log_since_launch())
        self.assertTrue(self.conditions()["RuntimeReady"].status)

        self.assertEqual(self.inside(other, "echo works"), "works")
        self.stop(self.make_container(pods[1]))
        self.assertEqual(self.state(hung), "RUNNING")
        self.assert_code("UNAVAILABLE", "ExecSync",
                         "its shim has not answered", container_id=hung,
                         cmd=["true"])
        stop = self.client.runtime.StopContainer.future(
            self.api.StopContainerRequest(container_id=hung, timeout=10),
            timeout=DEADLINE)
        with self.assertRaises(grpc.FutureTimeoutError):
            stop.result(timeout=0.5)
        self.assertEqual(self.pid(hung), pid)
        thaw()
        stop.result()
        # By its own end: the grace period begins once the shim is there.
        self.assertEqual((self.state(hung), self.status(hung).exit_code),
                         ("EXITED", 0))
        self.remove(hung)

    @unittest.skipUnless("GANTRY_TEST_PATIENCE" in os.environ,
                         "takes 70 s: GANTRY_TEST_PATIENCE is not set")
    def test_a_shim_that_hangs_for_good_is_given_up(self):
        pod = self.make_pod()
        hung = self.make_container(pod)
        pid, shim = self.pid(hung), self.info(hung)["shim_pid"]
        self.freeze([hung])
        self.server.restart()
        self.client.runtime.StopContainer(
            self.api.StopContainerRequest(container_id=hung), timeout=120)
        status = self.status(hung)
        self.assertEqual((self.state(hung), status.reason, status.exit_code),
                         ("EXITED", "ShimLost", 137))
        self.assertFalse(host.exists(pid))
        wait_until(lambda: not host.exists(shim), "its shim is killed")


if __name__ == "__main__":
    gantry_case.main()
