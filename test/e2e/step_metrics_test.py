"""Where the time of a start goes: in the log, and as Prometheus is told."""

import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import DEADLINE, say
from gantry_server import Programs, wait_until

# Of the server, of the shim and of init, in the order of a start.
STEPS = ("wait for the pod's turn", "write the record STARTING",
         "make the plan", "make and open what the shim gets",
         "execute the shim", "wait for the start", "shim: read the plan",
         "shim: make the cgroup", "shim: clone init", "init: set up namespaces",
         "init: set up rootfs", "init: set up mounts", "init: enter the rootfs",
         "init: set up identity",
         "init: run the program", "shim: tell the server",
         "write the record RUNNING")


def free_port():
    """One that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(pid):
    """The TCP addresses a process listens on: (hexadecimal address, port)."""
    inodes = {inode for target in host.open_files(pid)
              for inode in re.findall(r"^socket:\[(\d+)\]$", target)}
    found = []
    for table in ("tcp", "tcp6"):
        for line in host.read(f"/proc/{pid}/net/{table}").split("\n")[1:]:
            fields = line.split()
            if fields and fields[3] == "0A" and fields[9] in inodes:
                address, port = fields[1].split(":")
                found.append((address, int(port, 16)))
    return found


class Step:
    """One line of a tree."""

    def __init__(self, match):
        self.offset, self.time = int(match[1]), int(match[2])
        self.depth, self.name = len(match[3]) // 2, match[4]


class Tree:
    """What the log says of one call."""

    def __init__(self, code, total, lines):
        self.code, self.total = code, int(total)
        self.steps = [Step(match) for match in re.finditer(
            r"^ *(\d+) +(\d+)  ( *)(\S.*)$", lines, re.MULTILINE)]
        self.names = [step.name for step in self.steps]
        self.top = [step for step in self.steps if step.depth == 0]

    def named(self, name):
        return next(step for step in self.steps if step.name == name)


class Watched(gantry_case.GantryCase):

    @classmethod
    def new_server(cls):
        cls.port = free_port()
        server = super().new_server()
        server.more_config = ("trace_steps = true\n[metrics]\n"
                              f'address = "127.0.0.1:{cls.port}"\n')
        return server

    def text(self, path="/metrics", **more):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", **more)
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return answer.read().decode()

    def value(self, name, **labels):
        """A number; 0 if there is no such series."""
        for line in self.text().split("\n"):
            match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if match and match[1] == name and labels == dict(
                    re.findall(r'(\w+)="([^"]*)"', match[2] or "")):
                return float(match[3])
        return 0

    def tree(self, verb, thing):
        """It is logged when the client has its answer already."""
        def find():
            return re.search(
                rf" {verb} {re.escape(thing)}: (\w+) after (\d+) us\n"
                r"((?: +\d+ +\d+  .*\n)+)", self.server.log())
        match = wait_until(find, f"the tree of {verb} {thing}", 10)
        say(match[0].rstrip())
        return Tree(*match.groups())

    def check_sums(self, tree):
        """What is done one after the other: nothing twice, little left out."""
        spent = sum(step.time for step in tree.top)
        self.assertLessEqual(spent, tree.total)
        self.assertGreater(spent, tree.total / 2)
        for before, after in zip(tree.top, tree.top[1:]):
            # Each number is cut to whole microseconds.
            self.assertLessEqual(before.offset + before.time,
                                 after.offset + 1, after.name)

    def test_a_start_is_told_from_the_call_to_the_program(self):
        pod = self.make_pod()
        container = self.make_container(pod)
        tree = self.tree("StartContainer", container)
        self.assertEqual(tree.code, "OK")
        order = [tree.names.index(name) for name in STEPS]
        self.assertEqual(order, sorted(order))
        self.check_sums(tree)
        # The shim's are within the time that the server waits for it; the
        # server has been told to wait when the shim may have begun.
        wait = tree.named("wait for the start")
        inner = [step for step in tree.steps if step.depth == 1]
        self.assertGreater(len(inner), 10)
        self.assertLessEqual(inner[-1].offset + inner[-1].time,
                             wait.offset + wait.time + 1)
        self.assertGreaterEqual(
            inner[0].offset, tree.named("execute the shim").offset)
        for step in (STEPS[2], "shim: make the cgroup", "init: set up mounts"):
            self.assertGreaterEqual(
                self.value("gantry_step_seconds_count", step=step,
                           call="StartContainer"), 1, step)

    def test_a_pod_and_an_exec_are_told_too(self):
        pod = self.make_pod(name="told", pid="POD")
        tree = self.tree("RunPodSandbox", "test/told")
        for name in ("make the run directory", "make namespaces",
                     "write the record CREATING", "make the cgroup",
                     "write files", "run the pause", "init: set up rootfs",
                     "write the record READY"):
            self.assertIn(name, tree.names)
        self.assertLessEqual(max(step.offset + step.time
                                 for step in tree.steps), tree.total + 1)
        container = self.make_container(pod)
        self.inside(container, "sleep 0.2")
        tree = self.tree("ExecSync", container)
        self.assertEqual(tree.names, ["make pipes", "start the program",
                                      "run the program", "collect its output"])
        self.assertGreater(tree.named("run the program").time, 190_000)
        self.check_sums(tree)

    def test_failed_starts_are_counted_and_told(self):
        pod = self.make_pod()
        labels = {"method": "StartContainer", "code": "NOT_FOUND"}
        before = self.value("gantry_calls_total", **labels)
        container = self.create(pod, self.container_config(
            command=["/no/such/program"]))
        self.assert_code("NOT_FOUND", "StartContainer",
                         container_id=container)
        tree = self.tree("StartContainer", container)
        self.assertEqual(tree.code, "NOT_FOUND")
        self.assertIn("undo the start", tree.names)
        self.assertEqual(self.value("gantry_calls_total", **labels),
                         before + 1)

    def test_states_are_as_they_are_when_somebody_asks(self):
        running = {"state": "running"}
        self.assertEqual(self.value("gantry_containers", **running), 0)
        pod = self.make_pod(pid="POD")
        container = self.make_container(pod)
        self.assertEqual(self.value("gantry_pods", state="ready"), 1)
        # Not its pause.
        self.assertEqual(self.value("gantry_containers", **running), 1)
        self.stop(container)
        self.assertEqual(self.value("gantry_containers", state="exited"), 1)
        self.assertEqual(self.value(
            "gantry_build_info", version=self.call("Version").runtime_version),
            1)

    def test_a_client_makes_no_time_series(self):
        with self.assertRaises(gantry_case.grpc.RpcError):
            self.server.channel.unary_unary("/runtime.v1.RuntimeService/None")(
                b"", timeout=DEADLINE)
        self.call("Version")
        self.assertGreater(self.value("gantry_calls_total", method="Version",
                                      code="OK"), 0)
        self.assertGreater(self.value("gantry_call_seconds_count",
                                      method="Version"), 0)
        self.assertNotIn('"None"', self.text())

    def test_it_serves_one_path_on_the_address_alone(self):
        self.assertIn(("0100007F", self.port),
                      listening(self.server.process.pid))
        for path in ("/", "/metrics/x", "/etc/passwd"):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                self.text(path)
            self.assertEqual(caught.exception.code, 404)
            caught.exception.close()
        self.assertIn(f'"address":"127.0.0.1:{self.port}"',
                      self.call("Status", verbose=True).info["config"])

    def test_an_address_that_is_taken_ends_the_start(self):
        other = self.server.top + "/other"
        os.mkdir(other)
        self.addCleanup(shutil.rmtree, other)
        # The same configuration.
        ended = subprocess.run(
            [Programs.gantryd, "--root", other + "/root", "--run",
             other + "/run", "--config", self.server.config],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=DEADLINE, check=False)
        said = ended.stdout.decode()
        self.assertEqual(ended.returncode, 1, said)
        self.assertIn(f"serve metrics on 127.0.0.1:{self.port}: "
                      "Address already in use", said)


class Unwatched(gantry_case.GantryCase):

    def test_nothing_listens_and_nothing_is_logged(self):
        pod = self.make_pod()
        container = self.make_container(pod)
        self.inside(container, "true")
        # The streaming server's, and no other.
        self.assertEqual(len(listening(self.server.process.pid)), 1)
        threads = f"/proc/{self.server.process.pid}/task"
        names = {host.read(f"{threads}/{thread}/comm").strip()
                 for thread in os.listdir(threads)}
        self.assertNotIn("metrics", names)
        self.assertNotIn("make the plan", self.server.log())


if __name__ == "__main__":
    gantry_case.main()
