"""A pod's whole life by a Python client whose stubs are made from proto/.

python_client_test.py PROTO GANTRYD IMAGE_TAR: the stubs come from Debian's
protoc and grpc_python_plugin at test time, so that what is tested is what any
user of the proto file gets. Run by python_client_test.sh.
"""

import importlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import grpc

IMAGE = "localhost/busybox:latest"
TIMEOUT = 60


def make_stubs(proto, out):
    """Generates and imports the modules of the CRI proto and of admin.proto."""
    for source in (proto, "proto/admin.proto"):
        subprocess.run(
            ["protoc", "-I.", f"--python_out={out}", f"--grpc_out={out}",
             "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin", source],
            check=True)
    sys.path.insert(0, out)
    return [importlib.import_module(name)
            for name in ("proto.cri.v1.api_pb2", "proto.cri.v1.api_pb2_grpc",
                         "proto.admin_pb2", "proto.admin_pb2_grpc")]


class Server:
    """A gantryd of the test's own, with its directories."""

    def __init__(self, program, state):
        self.program, self.state = program, state
        self.socket = os.path.join(state, "gantry.sock")
        self.log_path = os.path.join(state, "gantryd.log")
        self.process = None

    def start(self):
        config = os.path.join(self.state, "gantry.toml")
        with open(config, "w", encoding="utf-8") as out:
            # The machine's own network is not a test's to change.
            out.write(f'shim_path = "{os.getcwd()}/shim/gantry-shim"\n'
                      '[network]\nprovider = "none"\n')
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "--root", self.state + "/root",
                 "--run", self.state + "/run", "--socket", self.socket,
                 "--config", config],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.process.poll() is None:
            if f"gantryd ready on unix://{self.socket}" in self.log():
                return
            time.sleep(0.05)
        raise AssertionError("gantryd did not get ready:\n" + self.log())

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def stop(self):
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("gantryd did not end:\n" + self.log())


class WholeLife(unittest.TestCase):
    """Steps in the order of their names' numbers share one server."""

    @classmethod
    def setUpClass(cls):
        cls.temp = tempfile.TemporaryDirectory(prefix="gantry-test.",
                                               dir="/tmp")
        cls.addClassCleanup(cls.temp.cleanup)
        stubs = os.path.join(cls.temp.name, "stubs")
        os.mkdir(stubs)
        cls.api, api_grpc, cls.admin, admin_grpc = make_stubs(PROTO, stubs)
        cls.server = Server(GANTRYD, cls.temp.name)
        cls.server.start()
        cls.addClassCleanup(cls.end_server)
        cls.channel = grpc.insecure_channel("unix:" + cls.server.socket)
        cls.addClassCleanup(cls.channel.close)
        cls.runtime = api_grpc.RuntimeServiceStub(cls.channel)
        cls.image = api_grpc.ImageServiceStub(cls.channel)
        cls.admin_stub = admin_grpc.AdminStub(cls.channel)
        cls.logs = os.path.join(cls.temp.name, "logs")
        os.mkdir(cls.logs)

    @classmethod
    def end_server(cls):
        if cls.server.process.poll() is None:
            cls.server.stop()

    def call(self, verb, request):
        service = self.image if "Image" in verb else self.runtime
        return getattr(service, verb)(request, timeout=TIMEOUT)

    def load(self):
        def chunks():
            with open(IMAGE_TAR, "rb") as tar:
                while data := tar.read(1 << 20):
                    yield self.admin.LoadRequest(chunk=data)
        return self.admin_stub.Load(chunks(), timeout=TIMEOUT)

    def pod_config(self):
        return self.api.PodSandboxConfig(
            metadata=self.api.PodSandboxMetadata(
                name="python", uid="u1", namespace="test"),
            hostname="from-python", log_directory=self.logs,
            labels={"by": "python"}, annotations={"note": "first"},
            linux=self.api.LinuxPodSandboxConfig())

    def container_config(self, name, script):
        return self.api.ContainerConfig(
            metadata=self.api.ContainerMetadata(name=name),
            image=self.api.ImageSpec(image=IMAGE),
            command=["sh", "-c", script], log_path=name + ".log",
            labels={"kind": "test"},
            envs=[self.api.KeyValue(key="COLOUR", value=b"green")],
            linux=self.api.LinuxContainerConfig(
                resources=self.api.LinuxContainerResources(
                    memory_limit_in_bytes=64 << 20, cpu_period=100000,
                    cpu_quota=50000)))

    def status(self, container):
        return self.call("ContainerStatus", self.api.ContainerStatusRequest(
            container_id=container)).status

    def inside(self, container, script):
        return self.call("ExecSync", self.api.ExecSyncRequest(
            container_id=container, cmd=["sh", "-c", script], timeout=10))

    def wait_for(self, container, state):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            status = self.status(container)
            if status.state == state:
                return status
            time.sleep(0.02)
        self.fail(f"{container} did not reach {state}: {status}")

    def start(self, pod, name, script):
        container = self.call("CreateContainer", self.api.CreateContainerRequest(
            pod_sandbox_id=pod, config=self.container_config(name, script),
            sandbox_config=self.pod_config())).container_id
        self.assertEqual(self.status(container).state,
                         self.api.CONTAINER_CREATED)
        self.call("StartContainer", self.api.StartContainerRequest(
            container_id=container))
        return container

    def check_running(self, pod, container):
        status = self.status(container)
        self.assertEqual(status.state, self.api.CONTAINER_RUNNING)
        self.assertGreaterEqual(status.started_at, status.created_at)
        self.assertEqual(status.labels["kind"], "test")
        listed = self.call("ListContainers", self.api.ListContainersRequest(
            filter=self.api.ContainerFilter(
                pod_sandbox_id=pod, label_selector={"kind": "test"})))
        self.assertEqual([c.id for c in listed.containers], [container])

    def check_exec(self, container):
        answer = self.inside(
            container, "hostname; echo $COLOUR; echo $$; echo oops >&2; exit 7")
        lines = answer.stdout.decode().split("\n")
        self.assertEqual(lines[:2], ["from-python", "green"])
        self.assertEqual(answer.stderr, b"oops\n")
        self.assertEqual(answer.exit_code, 7)
        # Its first process is number 1, and it sees no process of the host.
        ours = self.inside(container, "cat /proc/1/comm; ls -d /proc/[0-9]*")
        seen = ours.stdout.decode().split()
        self.assertIn(seen[0], ("sh", "sleep"))
        self.assertLess(len(seen), 8)
        with self.assertRaises(grpc.RpcError) as late:
            self.call("ExecSync", self.api.ExecSyncRequest(
                container_id=container, cmd=["sleep", "60"], timeout=1))
        self.assertEqual(late.exception.code(),
                         grpc.StatusCode.DEADLINE_EXCEEDED)

    def check_stats(self, container):
        stats = self.call("ContainerStats", self.api.ContainerStatsRequest(
            container_id=container)).stats
        self.assertEqual(stats.attributes.id, container)
        self.assertGreater(stats.memory.working_set_bytes.value, 0)
        self.assertGreater(stats.cpu.usage_core_nano_seconds.value, 0)

    def test_1_version_and_status(self):
        version = self.call("Version", self.api.VersionRequest())
        self.assertEqual(version.runtime_name, "gantry")
        self.assertEqual(version.runtime_api_version, "v1")
        status = self.call("Status", self.api.StatusRequest()).status
        ready = {c.type: c.status for c in status.conditions}
        self.assertTrue(ready["RuntimeReady"], ready)

    def test_2_whole_life(self):
        loaded = self.load()
        self.assertEqual(list(loaded.images[0].names), [IMAGE])
        image = self.call("ImageStatus", self.api.ImageStatusRequest(
            image=self.api.ImageSpec(image=IMAGE))).image
        self.assertEqual(image.id, loaded.images[0].id)
        pod = self.call("RunPodSandbox", self.api.RunPodSandboxRequest(
            config=self.pod_config())).pod_sandbox_id
        pod_status = self.call("PodSandboxStatus",
                               self.api.PodSandboxStatusRequest(
                                   pod_sandbox_id=pod)).status
        self.assertEqual(pod_status.state, self.api.SANDBOX_READY)
        self.assertEqual(pod_status.annotations["note"], "first")

        container = self.start(pod, "main", "echo started; sleep 300")
        self.check_running(pod, container)
        self.check_exec(container)
        self.check_stats(container)
        with open(self.logs + "/main.log", encoding="utf-8") as log:
            self.assertEqual(log.read().split(" ", 1)[1], "stdout F started\n")

        short = self.start(pod, "short", "exit 5")
        ended = self.wait_for(short, self.api.CONTAINER_EXITED)
        self.assertEqual((ended.exit_code, ended.reason), (5, "Error"))

        self.call("StopContainer", self.api.StopContainerRequest(
            container_id=container, timeout=1))
        stopped = self.status(container)
        self.assertEqual(stopped.state, self.api.CONTAINER_EXITED)
        self.assertIn(stopped.exit_code, (137, 143))
        self.remove_all(pod, container)

    def remove_all(self, pod, container):
        for _ in range(2):  # what is gone already is no error
            self.call("RemoveContainer", self.api.RemoveContainerRequest(
                container_id=container))
            self.call("StopPodSandbox", self.api.StopPodSandboxRequest(
                pod_sandbox_id=pod))
        for _ in range(2):
            self.call("RemovePodSandbox", self.api.RemovePodSandboxRequest(
                pod_sandbox_id=pod))
            self.call("RemoveImage", self.api.RemoveImageRequest(
                image=self.api.ImageSpec(image=IMAGE)))
        self.assertFalse(self.call(
            "ListContainers", self.api.ListContainersRequest()).containers)
        self.assertFalse(self.call(
            "ListPodSandbox", self.api.ListPodSandboxRequest()).items)
        self.assertFalse(self.call(
            "ListImages", self.api.ListImagesRequest()).images)

    def test_3_what_is_unknown_has_the_right_code(self):
        with self.assertRaises(grpc.RpcError) as unknown:
            self.status("no-such-container")
        self.assertEqual(unknown.exception.code(), grpc.StatusCode.NOT_FOUND)
        with self.assertRaises(grpc.RpcError) as later:
            self.call("CheckpointPod", self.api.CheckpointPodRequest())
        self.assertEqual(later.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.assertIn("CheckpointPod", later.exception.details())

    def test_4_sigterm_ends_the_server_cleanly(self):
        self.assertEqual(self.server.stop(), 0, self.server.log())
        with open("/proc/self/mountinfo", encoding="utf-8") as table:
            left = [line for line in table if f" {self.temp.name}/" in line]
        self.assertEqual(left, [])


if __name__ == "__main__":
    PROTO, GANTRYD, IMAGE_TAR = sys.argv[1:4]
    unittest.main(argv=sys.argv[:1], verbosity=2)
