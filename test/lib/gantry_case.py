"""The base of the tests that drive a gantryd of their own.

A class has one server (cls.server) with the images it names in IMAGES loaded.
Pods that a test makes are removed when it ends, and after that nothing may be
left: no directory, mount, cgroup, process. A test file ends with
`gantry_case.main()`.
"""

import argparse
import json
import os
import sys
import unittest

import grpc

import gantry_fields
import gantry_host as host
import gantry_results
import gantry_systemd
from gantry_server import CGROUP_DRIVER, DEADLINE, Programs, Server
from gantry_server import image_file, stubs
from gantry_server import wait_until

BUSYBOX = "localhost/busybox:latest"
LAYERS4 = "localhost/layers4:latest"
STRESS = "localhost/stress:latest"
_FILES = {BUSYBOX: "busybox", LAYERS4: "layers4", STRESS: "stress"}
FOREVER = "trap 'exit 0' TERM; while :; do sleep 0.2; done"


def say(*words):
    """What the test saw, for the reader of its log."""
    print("   ", *words, flush=True)


class LogLine:
    """One line of a CRI log: "TIME STREAM TAG TEXT"."""

    def __init__(self, line):
        self.time, self.stream, self.tag, self.text = line.split(" ", 3)


def read_log(path):
    """The whole lines of a CRI log."""
    return [LogLine(line) for line in host.read(path).split("\n")[:-1]]


def log_texts(path, stream="stdout"):
    """The lines that the program wrote, pieces joined."""
    texts, piece = [], ""
    for line in read_log(path):
        if line.stream == stream:
            piece += line.text
            if line.tag == "F":
                texts.append(piece)
                piece = ""
    return texts + ([piece] if piece else [])


class GantryCase(unittest.TestCase):
    IMAGES = (BUSYBOX,)
    # Of pods: "none" (loopback only), "bridge" or "cni" (see Server).
    NETWORK = "none"

    @classmethod
    def setUpClass(cls):
        cls.api = stubs().api
        cls.server = cls.new_server()
        cls.numbers = iter(range(1, 1 << 30))
        cls.server.start()
        cls.load_images(cls.server)

    @classmethod
    def new_server(cls):
        """A server that is ended, and must have left nothing, with the
        class."""
        server = Server(cls.NETWORK)
        mounts = host.mounts()

        def end():
            if not os.path.exists(server.top):
                return  # replaced
            status = server.stop() if server.is_running() else 0
            server.take_disks()
            new = host.new_mounts(mounts, server.top)
            tail = server.log_tail()
            left = server.destroy()
            if status != 0 or left or new:
                raise AssertionError(
                    f"exit status {status}, left over ({len(left + new)}): "
                    f"{(left + new)[:10]}\n{tail}")
        cls.addClassCleanup(end)
        return server

    @classmethod
    def replace_server(cls):
        """So that what one test left is not held against the next."""
        cls.server.destroy()
        cls.server = cls.new_server()
        cls.server.start()
        cls.load_images(cls.server)

    @classmethod
    def load_images(cls, server):
        for image in cls.IMAGES:
            loaded = server.load(image_file(_FILES[image]))
            assert image in loaded[0].names, loaded

    def setUp(self):
        gantry_fields.NOTES.clear()
        self.pods = []
        if not self.server.is_running():
            self.server.start()
        self.addCleanup(self.check_end)
        self.addCleanup(self.remove_pods)
        self.addCleanup(self.show_log_of_failure)
        self.addCleanup(self.check_claims)

    def stands_among(self, *kinds):
        """Whether the result has this test among its "failures", "errors" or
        "skipped" already; a subtest stands for its test. (The outcome's word is
        no good here: it is that of the cleanup under way.)"""
        result = getattr(getattr(self, "_outcome", None), "result", None)
        return any(getattr(test, "test_case", test) is self
                   for kind in kinds for test, _ in getattr(result, kind, []))

    def show_log_of_failure(self):
        if self.stands_among("failures", "errors"):
            say(f"-- gantryd's log at the end of {self.id()}:\n" +
                self.server.log_tail(25))

    def check_claims(self):
        """What the test says it covers, it met (gantry_fields)."""
        gantry_fields.note_end(self.id())
        if not self.stands_among("failures", "errors", "skipped"):
            wrong = gantry_fields.NOTES.check(
                getattr(self, self._testMethodName))
            self.assertEqual(wrong, [])

    def remove_pods(self):
        if not self.server.is_running():
            self.server.start()
        for pod in self.pods:
            self.remove_pod(pod)

    def check_end(self):
        try:
            self.assert_nothing_left()
        except Exception:
            self.replace_server()
            raise

    def assert_nothing_left(self):
        """Nothing of any pod is left, inside the server or outside of it."""
        server = self.server
        self.assertEqual([pod.id for pod in self.list_pods()], [])
        self.assertEqual([c.id for c in self.list_containers()], [])

        def leftovers():
            # A server that runs has its run directory mounted, no more.
            left = [point for point in host.mounts_below(server.top)
                    if point not in (server.run, *server.disks)]
            left += host.cgroup_dirs(server.cgroup_parent)
            if CGROUP_DRIVER != "cgroupfs":
                left += gantry_systemd.units_in(
                    os.path.basename(server.cgroup_parent))
            left += [host.describe(pid)
                     for pid in host.processes_using(server.top)
                     if pid != server.process.pid]
            for folder in (server.run + "/pods", server.run + "/containers",
                           server.root + "/pods", server.root + "/containers",
                           server.root + "/damaged"):
                if os.path.isdir(folder):
                    left += [folder + "/" + name
                             for name in os.listdir(folder)]
            if server.netns is not None:
                left += ["link " + name for name in host.links(server.netns)
                         if name.startswith("gan") and name != "gantry0"]
            return left
        # The shims themselves end a moment after their last word.
        try:
            wait_until(lambda: not leftovers(), "nothing is left", 10)
        except AssertionError:
            raise AssertionError(
                "left over: " + "\n".join(leftovers()) + "\n" +
                server.log_tail(25)) from None

    # -- calls

    def call(self, verb, **fields):
        """Calls VERB with a VERBRequest of these fields."""
        request = getattr(self.api, verb + "Request")(**fields)
        return self.server.call(verb, request)

    def assert_code(self, code, verb, containing="", **fields):
        """The call fails with this code; returns its message."""
        with self.assertRaises(grpc.RpcError, msg=verb) as caught:
            self.call(verb, **fields)
        error = caught.exception
        self.assertEqual(error.code(), getattr(grpc.StatusCode, code),
                         f"{verb}: {error.details()}")
        self.assertIn(containing, error.details())
        return error.details()

    def unique(self, name):
        return f"{name}-{next(self.numbers)}"

    def pod_config(self, name=None, network="POD", pid="CONTAINER", ipc="POD",
                   privileged=False, **more):
        api = self.api
        linux = api.LinuxPodSandboxConfig(
            cgroup_parent=more.pop("cgroup_parent",
                                   self.server.cgroup_parent),
            security_context=api.LinuxSandboxSecurityContext(
                privileged=privileged,
                namespace_options=api.NamespaceOption(
                    network=network, pid=pid, ipc=ipc)))
        return api.PodSandboxConfig(
            metadata=api.PodSandboxMetadata(
                name=name or self.unique("pod"), uid="uid", namespace="test"),
            log_directory=self.server.logs, linux=linux, **more)

    def run_pod(self, config):
        pod = self.call("RunPodSandbox", config=config).pod_sandbox_id
        self.pods.append(pod)
        return pod

    def make_pod(self, **config):
        return self.run_pod(self.pod_config(**config))

    def container_config(self, script=None, name=None, image=BUSYBOX,
                         command=None, resources=None, security=None, env=None,
                         **more):
        api = self.api
        name = name or self.unique("container")
        linux = None
        if resources or security:
            linux = api.LinuxContainerConfig(
                resources=api.LinuxContainerResources(**(resources or {})),
                security_context=api.LinuxContainerSecurityContext(
                    **(security or {})))
        return api.ContainerConfig(
            metadata=api.ContainerMetadata(name=name),
            image=api.ImageSpec(image=image),
            command=command or ["sh", "-c", script or FOREVER],
            log_path=more.pop("log_path", name + ".log"),
            envs=[api.KeyValue(key=key, value=value.encode())
                  for key, value in (env or {}).items()],
            linux=linux, **more)

    def create(self, pod, config):
        return self.call("CreateContainer", pod_sandbox_id=pod,
                         config=config).container_id

    def make_container(self, pod, script=None, **config):
        """Creates and starts one."""
        container = self.create(pod, self.container_config(script, **config))
        self.call("StartContainer", container_id=container)
        return container

    def run_to_end(self, pod, script=None, **config):
        """Runs a container to its end; returns its status."""
        return self.wait_exited(self.make_container(pod, script, **config))

    def status(self, container):
        return self.call("ContainerStatus", container_id=container).status

    def pod_status(self, pod):
        return self.call("PodSandboxStatus", pod_sandbox_id=pod).status

    def info(self, container):
        """The verbose part of ContainerStatus."""
        answer = self.call("ContainerStatus", container_id=container,
                           verbose=True)
        return json.loads(answer.info["info"])

    def pid(self, container):
        pid = self.info(container)["pid"]
        self.assertGreater(pid, 0)
        return pid

    def state(self, container):
        return self.api.ContainerState.Name(
            self.status(container).state)[len("CONTAINER_"):]

    def wait_exited(self, container, deadline=60):
        def exited():
            status = self.status(container)
            return status if (
                status.state == self.api.CONTAINER_EXITED) else None
        return wait_until(exited, f"{container} exits", deadline)

    def list_pods(self, **condition):
        return self.call("ListPodSandbox", filter=self.api.PodSandboxFilter(
            **condition)).items

    def list_containers(self, **condition):
        return self.call("ListContainers", filter=self.api.ContainerFilter(
            **condition)).containers

    def stop(self, container, timeout=0):
        self.call("StopContainer", container_id=container, timeout=timeout)

    def remove(self, container):
        self.call("RemoveContainer", container_id=container)

    def remove_pod(self, pod):
        self.call("StopPodSandbox", pod_sandbox_id=pod)
        self.call("RemovePodSandbox", pod_sandbox_id=pod)

    def exec_sync(self, container, command, timeout=0):
        """command: a list, or a shell's script. Returns the response."""
        if isinstance(command, str):
            command = ["sh", "-c", command]
        return self.server.call("ExecSync", self.api.ExecSyncRequest(
            container_id=container, cmd=command, timeout=timeout))

    def inside(self, container, command):
        """What a command that must succeed prints, without the last newline."""
        answer = self.exec_sync(container, command)
        self.assertEqual(answer.exit_code, 0,
                         f"{command}: {answer.stderr.decode()}")
        return answer.stdout.decode().rstrip("\n")

    # -- logs

    def log_path(self, container):
        return self.status(container).log_path

    def texts(self, container, stream="stdout"):
        return log_texts(self.log_path(container), stream)

    def wait_text(self, container, text):
        """Until the program has written a line that contains `text`."""
        path = self.log_path(container)
        return wait_until(
            lambda: next((line for line in log_texts(path) if text in line),
                         None), f"'{text}' in the log of {container}")


def main():
    parser = argparse.ArgumentParser(
        description="Needs root. Words that are left choose tests.")
    parser.add_argument("--gantryd", default=Programs.gantryd)
    parser.add_argument("--shim", default=Programs.shim)
    parser.add_argument("--images", default=Programs.images)
    options, rest = parser.parse_known_args()
    for name, path in vars(options).items():
        path = os.path.abspath(path)
        if not os.path.exists(path):
            sys.exit(f"--{name}: there is no {path}")
        setattr(Programs, name, path)
    if os.geteuid() != 0:
        sys.exit("these tests need root")
    unittest.main(argv=sys.argv[:1] + rest, verbosity=2,
                  testRunner=gantry_results.Runner)
