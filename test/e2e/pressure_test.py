"""A server whose descriptors, processes or memory run out: what needs one is
refused with a word that says so, what is there lives on, nothing that happens
meanwhile is lost, and when there are some again all goes on by itself."""

import concurrent.futures
import contextlib
import os
import resource
import signal
import socket
import sys
import time
import unittest

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import say, stubs, wait_until

DESCRIPTORS = 160
ENDS = ("trap 'exit 7' TERM; trap 'exit 3' USR1; echo ready; "
        "while :; do sleep 0.1; done")


class PressureCase(gantry_case.GantryCase):

    def setUp(self):
        super().setUp()
        self.pid_before = self.server.process.pid
        self.addCleanup(self.check_it_never_ended)

    def check_it_never_ended(self):
        self.assertTrue(self.server.is_running())
        self.assertEqual(self.server.process.pid, self.pid_before)

    def ready_container(self, pod):
        container = self.make_container(pod, ENDS)
        self.wait_text(container, "ready")
        return container

    def one_life(self):
        pod = self.call("RunPodSandbox", config=self.pod_config()
                        ).pod_sandbox_id
        try:
            self.assertEqual(self.run_to_end(pod, "exit 3").exit_code, 3)
        finally:
            self.remove_pod(pod)

    def comes_back(self):
        """Until another pod can live."""
        def lives():
            try:
                self.one_life()
                return True
            except grpc.RpcError as error:
                say("not yet:", error.details())
                return False
        wait_until(lives, "pods can be made again", 20, pause=0.2)

    def assert_refused(self, what, containing, *arguments):
        with self.assertRaises(grpc.RpcError) as caught:
            what(*arguments)
        error = caught.exception
        say(f"refused: {error.code().name}: {error.details()}")
        self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertIn(containing, error.details())


class Descriptors(PressureCase):

    @classmethod
    def new_server(cls):
        server = super().new_server()
        server.limits = {resource.RLIMIT_NOFILE: DESCRIPTORS}
        return server

    def open_descriptors(self):
        return len(os.listdir(f"/proc/{self.server.process.pid}/fd"))

    @contextlib.contextmanager
    def none_left(self):
        """Clients that say nothing hold all there are."""
        clients = []

        def connect():
            client = socket.socket(socket.AF_UNIX)
            clients.append(client)
            client.connect(self.server.socket)
            client.setblocking(False)

        def is_turned_away(client):
            with contextlib.suppress(BlockingIOError):
                # gRPC says something first to those whom it takes.
                return client.recv(1) == b""
            return False
        try:
            while not any(map(is_turned_away, clients)):
                connect()
                self.assertLess(len(clients), 2 * DESCRIPTORS)
                time.sleep(0.002)
            say(f"{len(clients)} clients, {self.open_descriptors()} of "
                f"{DESCRIPTORS} descriptors")
            yield
        finally:
            for client in clients:
                client.close()

    def new_client(self):
        """What a client that comes now is told of the version."""
        with grpc.insecure_channel(
                "unix:" + self.server.socket,
                options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = stubs().api_grpc.RuntimeServiceStub(channel)
            return stub.Version(self.api.VersionRequest(), timeout=10)

    def test_new_clients_are_turned_away_and_served_again(self):
        for _ in range(2):
            with self.none_left():
                # Those that are there are served.
                self.assertTrue(self.call("Version").runtime_name)
                with self.assertRaises(grpc.RpcError) as caught:
                    self.new_client()
                say("a new client:", caught.exception.details())
                self.assertEqual(caught.exception.code(),
                                 grpc.StatusCode.UNAVAILABLE)

            def is_served():
                try:
                    return self.new_client()
                except grpc.RpcError:
                    return None
            wait_until(is_served, "a new client is served", 10)
        self.comes_back()

    def test_what_happens_meanwhile_is_known(self):
        pod = self.make_pod()
        stopped, ended, killed = [self.ready_container(pod) for _ in range(3)]
        pids = {c: self.pid(c) for c in (stopped, ended, killed)}
        shim = self.info(killed)["shim_pid"]
        with self.none_left():
            self.stop(stopped, 30)
            os.kill(pids[ended], signal.SIGUSR1)
            self.assertEqual(self.wait_exited(ended).exit_code, 3)
            self.assertEqual(self.status(stopped).exit_code, 7)
            os.kill(shim, signal.SIGKILL)
            wait_until(lambda: not host.exists(pids[killed]), "it ends")
            self.assertEqual(len(self.list_containers()), 3)
        lost = self.wait_exited(killed)
        self.assertEqual((lost.exit_code, lost.reason), (137, "ShimLost"))
        self.comes_back()
        # Also by the next server: it is on disk.
        self.server.restart()
        self.pid_before = self.server.process.pid
        self.assertEqual([self.status(c).exit_code
                          for c in (stopped, ended, killed)], [7, 3, 137])

    def test_what_needs_descriptors_is_refused_and_leaves_nothing(self):
        pod = self.make_pod()
        container = self.ready_container(pod)
        created = self.create(pod, self.container_config("exit 3"))
        config = self.container_config("exit 4")
        with self.none_left():
            for what in (
                    lambda: self.call("RunPodSandbox",
                                      config=self.pod_config()),
                    lambda: self.call("CreateContainer", pod_sandbox_id=pod,
                                      config=config),
                    lambda: self.call("StartContainer", container_id=created),
                    lambda: self.exec_sync(container, "true")):
                self.assert_refused(what, "EMFILE")
            self.assertEqual(self.state(container), "RUNNING")
        self.comes_back()
        # What could not even be undone is, now.
        wait_until(lambda: [p.id for p in self.list_pods()] == [pod],
                   "no half-made pod is left", 20)
        self.assertEqual({c.id for c in self.list_containers()},
                         {container, created})
        self.assertEqual(self.inside(container, "echo works"), "works")
        if self.state(created) == "CREATED":
            self.call("StartContainer", container_id=created)
            self.assertEqual(self.wait_exited(created).exit_code, 3)
        made = self.create(pod, config)
        self.call("StartContainer", container_id=made)
        self.assertEqual(self.wait_exited(made).exit_code, 4)


class LimitedCase(PressureCase):
    """The server can be put into a cgroup of its own."""
    CONTROLLER = ""
    LIMITS = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        point = host.controller(cls.CONTROLLER)
        cls.cgroup = (point or host.hierarchies()["unified"]) + \
            cls.server.cgroup_parent + ".server"
        os.mkdir(cls.cgroup)
        cls.addClassCleanup(cls.remove_cgroup)
        cls.limit = next((cls.cgroup + "/" + name for name in cls.LIMITS
                          if os.path.exists(cls.cgroup + "/" + name)), None)
        if cls.limit is None:
            raise unittest.SkipTest(f"no {cls.CONTROLLER} controller here")

    @classmethod
    def remove_cgroup(cls):
        if cls.server.is_running():
            cls.server.stop()
        wait_until(lambda: not host.read(cls.cgroup + "/cgroup.procs"),
                   "the server's cgroup is empty")
        os.rmdir(cls.cgroup)

    def enter_cgroup(self, limit):
        host.write(self.cgroup + "/cgroup.procs",
                   str(self.server.process.pid))
        host.write(self.limit, limit)


class Processes(LimitedCase):
    """The server's cgroup may have no more of them."""
    CONTROLLER = "pids"
    LIMITS = ("pids.max",)

    @contextlib.contextmanager
    def none_left(self):
        self.enter_cgroup("1")
        try:
            yield
        finally:
            host.write(self.limit, "max")

    def refused_pod(self):
        """What is said of the first pod that is refused: for one the process
        is there that was made ahead (ADR 13)."""
        for _ in range(3):
            try:
                self.remove_pod(self.call(
                    "RunPodSandbox", config=self.pod_config()).pod_sandbox_id)
            except grpc.RpcError as error:
                say(error.code().name, error.details())
                return error.details()
        self.fail("pods are made without processes")

    def test_it_lives_on_with_the_threads_it_has(self):
        pod = self.make_pod()
        stopped, ended = [self.ready_container(pod) for _ in range(2)]
        pid = self.pid(ended)
        # Its pools are at their smallest when the limit comes.
        wait_until(lambda: sum(
            host.read(f"/proc/{self.server.process.pid}/task/{task}/comm") in
            ("core\n", "blocking\n", "network\n")
            for task in os.listdir(f"/proc/{self.server.process.pid}/task"))
            <= 3, "idle threads end", 30, pause=0.5)
        with self.none_left():
            with concurrent.futures.ThreadPoolExecutor(16) as clients:
                answers = [clients.submit(self.status, stopped)
                           for _ in range(200)]
                answers += [clients.submit(
                    self.call, "ListContainerStats") for _ in range(50)]
                for answer in answers:
                    answer.result()
            self.assertIn("EAGAIN", self.refused_pod())
            # Those who live are cloned by their shims, which are elsewhere.
            self.assertEqual(self.inside(stopped, "echo works"), "works")
            self.stop(stopped, 30)
            os.kill(pid, signal.SIGUSR1)
            self.assertEqual(self.wait_exited(ended).exit_code, 3)
            self.assertEqual(self.status(stopped).exit_code, 7)
            self.remove(stopped)
            self.assertEqual([p.id for p in self.list_pods()], [pod])
        self.comes_back()

    def test_it_ends_in_good_order(self):
        pod = self.make_pod()
        container = self.ready_container(pod)
        with self.none_left():
            self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.pid_before = self.server.process.pid
        self.assertEqual(self.state(container), "RUNNING")


class Memory(LimitedCase):
    """The server's cgroup has so little that the kernel kills it."""
    CONTROLLER = "memory"
    LIMITS = ("memory.limit_in_bytes", "memory.max")

    def check_it_never_ended(self):
        """It does here."""

    def test_one_that_is_killed_for_memory_loses_nothing(self):
        pod = self.make_pod()
        container, ended = [self.ready_container(pod) for _ in range(2)]
        pids = self.pid(container), self.pid(ended)
        self.enter_cgroup(str(24 << 20))
        much = self.api.ExecSyncRequest(
            container_id=container,
            cmd=["head", "-c", str(16 << 20), "/dev/zero"])
        calls = [self.server.runtime.ExecSync.future(much, timeout=60)
                 for _ in range(8)]
        wait_until(lambda: self.server.process.poll() is not None,
                   "the server is killed")
        self.assertEqual(self.server.process.returncode, -signal.SIGKILL)
        for call in calls:
            with contextlib.suppress(grpc.RpcError):
                call.result()
        os.kill(pids[1], signal.SIGUSR1)
        self.server.start()
        self.assertEqual(self.pid(container), pids[0])
        self.assertEqual(self.inside(container, "echo works"), "works")
        self.assertEqual(self.wait_exited(ended).exit_code, 3)
        self.one_life()


if __name__ == "__main__":
    gantry_case.main()
