"""The cgroup driver "systemd", and gantryd as a service. Only in the machine
v2, whose init systemd is."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time

os.environ["GANTRY_TEST_CGROUP_DRIVER"] = "systemd"
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_cgroup as cgroup
import gantry_host as host
import gantry_server
import gantry_systemd as systemd
from gantry_case import DEADLINE, say, wait_until

CGROUP = "/sys/fs/cgroup"
MIB = 1 << 20
# What a scope has above its container's limits, for the shim.
SHIM_MEMORY = 16 * MIB
SHIM_TASKS = 16


def file_of(path, name):
    return host.read(f"{CGROUP}{path}/{name}").strip()


class SystemdCase(gantry_case.GantryCase):

    def pod_info(self, pod):
        answer = self.call("PodSandboxStatus", pod_sandbox_id=pod, verbose=True)
        return json.loads(answer.info["info"])

    def path(self, container):
        return self.info(container)["cgroup_path"]

    def slice_of(self, pod):
        return os.path.basename(self.pod_info(pod)["cgroup_path"])

    def scope_of(self, container):
        return f"gantry-{container}.scope"

    def exec_works(self, container):
        self.assertEqual(self.inside(container, "echo works"), "works")


class Units(SystemdCase):

    def test_the_driver_is_told(self):
        self.assertEqual(self.call("RuntimeConfig").linux.cgroup_driver,
                         self.api.SYSTEMD)
        facts = json.loads(self.call("Status", verbose=True).info["host"])
        say(facts["cgroup_driver"], "-", facts["cgroup_driver_reason"])
        self.assertEqual(facts["cgroup_driver"], "systemd")
        self.assertIn(facts["cgroup_driver_reason"], self.server.log())
        told = json.loads(subprocess.run(
            ["tools/ctl/gantryctl", "--endpoint",
             "unix://" + self.server.socket, "--output", "json", "info"],
            check=True, capture_output=True, text=True).stdout)
        self.assertEqual(told["host"]["cgroup_driver"], "systemd")

    def test_auto_is_systemd_here(self):
        self.server.stop()
        self.server.more_config = 'cgroup_driver = "auto"\n'
        self.addCleanup(setattr, self.server, "more_config", "")
        self.addCleanup(self.server.stop)
        self.server.start()
        self.assertEqual(self.call("RuntimeConfig").linux.cgroup_driver,
                         self.api.SYSTEMD)
        facts = json.loads(self.call("Status", verbose=True).info["host"])
        self.assertIn("is init", facts["cgroup_driver_reason"])

    def test_a_pod_is_a_slice_and_a_container_a_scope_in_it(self):
        pod = self.make_pod()
        container = self.make_container(pod)
        pod_slice, scope = self.slice_of(pod), self.scope_of(container)
        parent = os.path.basename(self.server.cgroup_parent)
        self.assertEqual(pod_slice, f"{parent[:-6]}-{pod}.slice")
        seen = systemd.show(pod_slice, "ActiveState", "Slice", "ControlGroup",
                            "Description")
        self.assertEqual(seen["ActiveState"], "active")
        self.assertEqual(seen["Slice"], parent)
        self.assertEqual(seen["ControlGroup"], self.server.pod_cgroup(pod))
        self.assertEqual(seen["Description"],
                         f"Gantry pod {pod} of {self.server.root}")
        seen = systemd.show(scope, "ActiveState", "Slice", "ControlGroup",
                            "Delegate", "Transient")
        self.assertEqual(seen, {
            "ActiveState": "active", "Slice": pod_slice, "Delegate": "yes",
            "ControlGroup": f"{self.server.pod_cgroup(pod)}/{scope}",
            "Transient": "yes"})
        path, info = self.path(container), self.info(container)
        self.assertEqual(path, f"{seen['ControlGroup']}/container")
        self.assertIn(info["pid"], host.cgroup_processes(path))
        # The shim is in the scope, and not the container's burden.
        self.assertEqual(
            host.cgroup_processes(seen["ControlGroup"] + "/shim"),
            {info["shim_pid"]})
        self.exec_works(container)

    def test_a_pods_pause_is_in_a_scope_as_well(self):
        pod = self.make_pod(pid="POD")
        pause = self.pod_info(pod)["pause_id"]
        self.assertTrue(systemd.is_active(self.scope_of(pause)))
        self.exec_works(self.make_container(pod))

    def test_limits_are_properties_and_in_the_files(self):
        pod = self.make_pod()
        container = self.make_container(pod, resources={
            "memory_limit_in_bytes": 64 * MIB, "cpu_shares": 512,
            "memory_swap_limit_in_bytes": 64 * MIB,
            "cpu_quota": 50000, "cpu_period": 100000, "cpuset_cpus": "0",
            "unified": {"pids.max": "100", "memory.high": str(48 * MIB)}})
        path, scope = self.path(container), self.scope_of(container)
        names = ("MemoryMax", "MemoryHigh", "CPUWeight", "CPUQuotaPerSecUSec",
                 "AllowedCPUs", "TasksMax")
        self.assertEqual(systemd.show(scope, *names), {
            "MemoryMax": str(64 * MIB + SHIM_MEMORY),
            "MemoryHigh": str(48 * MIB + SHIM_MEMORY), "CPUWeight": "59",
            "CPUQuotaPerSecUSec": "600ms", "AllowedCPUs": "0",
            "TasksMax": str(100 + SHIM_TASKS)})
        outer = os.path.dirname(path)
        for name, own, around in (
                ("memory.max", 64 * MIB, 64 * MIB + SHIM_MEMORY),
                ("memory.high", 48 * MIB, 48 * MIB + SHIM_MEMORY),
                ("memory.swap.max", 0, SHIM_MEMORY),
                ("pids.max", 100, 100 + SHIM_TASKS),
                ("cpu.weight", 59, 59), ("cpu.max", "50000 100000",
                                         "60000 100000"),
                ("cpuset.cpus", "0", "0")):
            self.assertEqual(file_of(path, name), str(own), name)
            self.assertEqual(file_of(outer, name), str(around), name)
        self.call("UpdateContainerResources", container_id=container,
                  linux=self.api.LinuxContainerResources(
                      memory_limit_in_bytes=96 * MIB, cpu_quota=20000,
                      cpu_shares=1024))
        seen = systemd.show(scope, *names)
        self.assertEqual(seen["MemoryMax"], str(96 * MIB + SHIM_MEMORY))
        self.assertEqual(seen["CPUQuotaPerSecUSec"], "300ms")
        self.assertEqual(seen["CPUWeight"], "100")
        self.assertEqual(seen["TasksMax"], str(100 + SHIM_TASKS))
        self.assertEqual(file_of(path, "memory.max"), str(96 * MIB))
        self.assertEqual(file_of(outer, "memory.max"),
                         str(96 * MIB + SHIM_MEMORY))
        self.assertEqual(file_of(path, "cpu.max"), "20000 100000")
        self.assertEqual(file_of(outer, "cpu.weight"), "100")

    def test_a_pods_limits_are_its_slices(self):
        pod = self.make_pod()
        container = self.make_container(pod)
        self.call("UpdatePodSandboxResources", pod_sandbox_id=pod,
                  resources=self.api.LinuxContainerResources(
                      memory_limit_in_bytes=128 * MIB, cpu_shares=2048,
                      cpu_quota=150000, cpu_period=100000))
        seen = systemd.show(self.slice_of(pod), "MemoryMax", "CPUWeight",
                            "CPUQuotaPerSecUSec")
        path = self.pod_info(pod)["cgroup_path"]
        self.assertEqual(seen["MemoryMax"], str(128 * MIB))
        self.assertIn(seen["CPUQuotaPerSecUSec"], ("1.5s", "1.500000s"))
        for _ in range(2):
            self.assertEqual(file_of(path, "memory.max"), str(128 * MIB))
            self.assertEqual(file_of(path, "cpu.max"), "150000 100000")
            self.assertEqual(file_of(path, "cpu.weight"), seen["CPUWeight"])
            systemd.systemctl("daemon-reload")
        self.exec_works(container)

    def test_an_update_that_cannot_be_changes_neither(self):
        container = self.make_container(self.make_pod(), resources={
            "memory_limit_in_bytes": 64 * MIB, "cpu_shares": 512})
        scope, path = self.scope_of(container), self.path(container)
        before = systemd.show(scope, "MemoryMax", "CPUWeight")
        for impossible in ({"cpu_shares": 256, "memory_limit_in_bytes": 4096},
                           {"cpu_shares": 256, "cpuset_cpus": "4000"}):
            with self.assertRaises(gantry_case.grpc.RpcError):
                self.call("UpdateContainerResources", container_id=container,
                          linux=self.api.LinuxContainerResources(**impossible))
            self.assertEqual(systemd.show(scope, "MemoryMax", "CPUWeight"),
                             before)
            self.assertEqual(file_of(path, "cpu.weight"), "59")

    def test_too_much_memory_is_an_oom_kill_that_is_told(self):
        pod = self.make_pod()
        container = self.make_container(
            pod, "exec tail -c 300m /dev/zero",
            resources={"memory_limit_in_bytes": 50 * MIB,
                       "memory_swap_limit_in_bytes": 50 * MIB})
        shim = self.info(container)["shim_pid"]
        status = self.wait_exited(container)
        self.assertEqual((status.exit_code, status.reason),
                         (137, "OOMKilled"))
        self.assertEqual(self.info(container)["oom_kills"], 1)
        wait_until(lambda: not host.exists(shim), "the shim has ended")
        wait_until(lambda: not systemd.is_active(self.scope_of(container)),
                   "its scope has ended")

    def test_a_fork_bomb_stops_at_the_limit(self):
        container = self.make_container(
            self.make_pod(),
            "f() { (f) & (f) & sleep 1000; }; (f) & exec sleep 1000",
            resources={"unified": {"pids.max": "40"}})
        path = self.path(container)

        def refusals(at):
            return int(file_of(at, "pids.events").split()[1])
        wait_until(lambda: refusals(path) > 0, "forks are refused")
        most = max(int(file_of(path, "pids.current")) for _ in range(50))
        say(f"at most {most} processes of 40")
        self.assertLessEqual(most, 40)
        self.stop(container)
        self.assertEqual(self.status(container).exit_code, 137)

    # CVE-2024-3154.
    def test_annotations_never_become_properties(self):
        hostile = {
            "org.systemd.property.MemoryMax": "uint64 1048576",
            "org.systemd.property.TasksMax": "uint64 1",
            "org.systemd.property.CollectMode": "'inactive'",
            "org.systemd.property.ExecStartPre":
                "[('/bin/touch', ['/bin/touch', '/run/hostile'], false)]",
            "org.systemd.property.Description": "'hostile'"}
        pod = self.run_pod(self.pod_config(annotations=hostile))
        container = self.make_container(pod, annotations=hostile)
        for unit in (self.slice_of(pod), self.scope_of(container)):
            seen = systemd.show(unit, "MemoryMax", "TasksMax", "CollectMode",
                                "Description")
            self.assertEqual(seen["MemoryMax"], "infinity")
            self.assertNotEqual(seen["TasksMax"], "1")
            self.assertEqual(seen["CollectMode"], "inactive-or-failed")
            self.assertTrue(seen["Description"].startswith("Gantry "))
            self.assertNotIn("hostile", systemd.systemctl("cat", unit))
        self.assertFalse(os.path.exists("/run/hostile"))
        self.exec_works(container)

    def test_a_parent_is_a_slice_by_name_or_path(self):
        parent = os.path.basename(self.server.cgroup_parent)
        nested = f"{parent[:-6]}-burstable-pod12_34.slice"
        systemd.systemctl("start", nested)
        self.addCleanup(systemd.systemctl, "stop",
                        f"{parent[:-6]}-burstable.slice")
        self.addCleanup(systemd.systemctl, "stop", nested)
        root = systemd.show(nested, "ControlGroup")["ControlGroup"]
        self.assertEqual(root.count("/"), 3)
        for named in (nested, root):
            pod = self.run_pod(self.pod_config(cgroup_parent=named))
            container = self.make_container(pod)
            path = self.path(container)
            self.assertTrue(path.startswith(f"{root}/{nested[:-6]}-{pod}"),
                            path)
            self.assertIn(self.pid(container), host.cgroup_processes(path))
            self.remove_pod(pod)
            self.pods.remove(pod)
        self.assertEqual(host.cgroup_dirs(root), [])
        for wrong in ("/kubepods/pod1", "kubepods", f"/{nested}", "a--b.slice",
                      "/system.slice/x.slice", "x.scope", "/"):
            self.assert_code("INVALID_ARGUMENT", "RunPodSandbox",
                             "config.linux.cgroup_parent",
                             config=self.pod_config(cgroup_parent=wrong))

    def test_the_default_parent_is_gantrys_slice(self):
        pod = self.make_pod(cgroup_parent="")
        container = self.make_container(pod)
        self.assertEqual(
            self.path(container), f"/gantry.slice/gantry-{pod}.slice/"
            f"gantry-{container}.scope/container")
        self.remove_pod(pod)
        self.pods.remove(pod)
        self.assertEqual(self.server.stop(), 0)
        self.assertFalse(os.path.exists(f"{CGROUP}/gantry.slice"))
        self.assertFalse(systemd.is_active("gantry.slice"))

    def test_what_is_stopped_and_removed_leaves_no_unit(self):
        pod = self.make_pod()
        pod_slice = self.slice_of(pod)
        containers = [self.make_container(pod) for _ in range(3)]
        failed = self.create(pod, self.container_config(
            command=["/no/such/program"]))
        self.assert_code("NOT_FOUND", "StartContainer", container_id=failed)
        self.assertEqual(len(systemd.units("gantry-*.scope")), 3)
        self.stop(containers[0])
        wait_until(lambda: len(systemd.units("gantry-*.scope")) == 2,
                   "the scope went with its container")
        self.remove(containers[0])
        self.remove(containers[1])
        self.assertEqual(systemd.units("gantry-*.scope"),
                         [self.scope_of(containers[2])])
        self.remove_pod(pod)
        self.pods.remove(pod)
        self.assertEqual(systemd.units(pod_slice, "gantry-*.scope"), [])
        self.assertEqual(host.cgroup_dirs(self.server.cgroup_parent), [])
        self.assertEqual(systemd.files_of(f"*{pod}*"), [])
        self.assertEqual(systemd.files_of("gantry-*.scope*"), [])

    def test_a_unit_that_others_stop_is_an_end(self):
        pod = self.make_pod()
        container, other = self.make_container(pod), self.make_container(pod)
        systemd.systemctl("stop", self.scope_of(container))
        self.assertEqual(self.wait_exited(container).exit_code, 0)
        self.exec_works(other)
        systemd.systemctl("kill", "--signal=KILL", self.scope_of(other))
        status = self.wait_exited(other)
        self.assertEqual((status.exit_code, status.reason), (137, "ShimLost"))
        self.exec_works(self.make_container(pod))


class Reload(SystemdCase):
    """systemd reads all anew, or executes itself anew, while containers run."""

    def setUp(self):
        super().setUp()
        self.pod = self.make_pod()
        self.container = self.make_container(
            self.pod, resources={"memory_limit_in_bytes": 64 * MIB,
                                 "cpu_quota": 50000, "cpu_period": 100000,
                                 "cpu_shares": 512,
                                 "unified": {"pids.max": "100"}},
            devices=[self.api.Device(host_path="/dev/loop-control",
                                     permissions="r",
                                     container_path="/dev/given")])
        self.call("UpdatePodSandboxResources", pod_sandbox_id=self.pod,
                  resources=self.api.LinuxContainerResources(
                      memory_limit_in_bytes=256 * MIB))

    def check_devices(self):
        self.inside(self.container, ": < /dev/given")
        refused = self.exec_sync(self.container, "echo x > /dev/given")
        self.assertIn(b"Operation not permitted", refused.stderr)
        disk = os.stat("/").st_dev
        refused = self.exec_sync(
            self.container, "rm -f /disk; mknod /disk b "
            f"{os.major(disk)} {os.minor(disk)} && head -c 1 /disk")
        self.assertNotEqual(refused.exit_code, 0)
        self.assertIn(b"Operation not permitted", refused.stderr)

    def files(self):
        path = self.path(self.container)
        pod = self.pod_info(self.pod)["cgroup_path"]
        return {f"{at}/{name}": file_of(at, name)
                for at in (path, os.path.dirname(path), pod)
                for name in ("memory.max", "memory.swap.max", "cpu.max",
                             "cpu.weight", "pids.max", "cpuset.cpus")}

    def check_through(self, *how):
        before = self.files()
        self.check_devices()
        pid = self.pid(self.container)
        for _ in range(3):
            systemd.systemctl(*how)
            self.assertEqual(self.files(), before)
            self.check_devices()
        self.assertEqual(self.pid(self.container), pid)
        self.assertTrue(host.exists(pid))
        # New ones, updates and ends go on.
        other = self.make_container(self.pod)
        self.call("UpdateContainerResources", container_id=self.container,
                  linux=self.api.LinuxContainerResources(
                      memory_limit_in_bytes=80 * MIB))
        systemd.systemctl(*how)
        self.assertEqual(file_of(self.path(self.container), "memory.max"),
                         str(80 * MIB))
        self.check_devices()
        self.exec_works(other)
        # And the limit is the kernel's.
        refused = self.exec_sync(self.container, "tail -c 300m /dev/zero")
        self.assertEqual(refused.exit_code, 137)

    def test_daemon_reload_keeps_devices_and_limits(self):
        self.check_through("daemon-reload")

    def test_daemon_reexec_keeps_devices_and_limits(self):
        self.check_through("daemon-reexec")

    def test_containers_start_while_systemd_is_away(self):
        stop = threading.Event()

        def disturb():
            while not stop.wait(2):
                systemd.systemctl("daemon-reexec", check=False)
        disturber = threading.Thread(target=disturb)
        disturber.start()
        try:
            begin = time.monotonic()
            for _ in range(5):
                pod = self.make_pod()
                container = self.make_container(pod)
                self.exec_works(container)
                self.remove_pod(pod)
                self.pods.remove(pod)
            say(f"5 pods in {time.monotonic() - begin:.1f} s")
        finally:
            stop.set()
            disturber.join()

    def test_containers_start_without_the_message_bus(self):
        systemd.systemctl("stop", "dbus.socket", "dbus.service")
        self.addCleanup(systemd.systemctl, "start", "dbus.socket")
        container = self.make_container(self.pod)
        self.exec_works(container)
        self.remove(container)
        systemd.systemctl("start", "dbus.socket")
        self.exec_works(self.make_container(self.pod))


class Crash(SystemdCase):
    """The server is killed at some moment of a call; the next one mends it."""

    def cut(self, after, verb, **request):
        """Kills the server `after` seconds into the call; the next one runs."""
        message = getattr(self.api, verb + "Request")(**request)
        call = getattr(self.server.runtime, verb).future(
            message, timeout=DEADLINE)
        time.sleep(after)
        self.server.kill()
        try:
            call.result()
        except gantry_case.grpc.RpcError:
            pass
        self.server.start()

    def check_units(self):
        """As many as there are pods and containers that run."""
        parent = os.path.basename(self.server.cgroup_parent)
        running = [c.id for c in self.list_containers()
                   if c.state == self.api.CONTAINER_RUNNING]
        pods = [pod.id for pod in self.list_pods()]
        wanted = {self.slice_of(pod) for pod in pods} | {
            self.scope_of(container) for container in running}
        # A pod that is about to be stopped may have it or not.
        pauses = {self.scope_of(self.pod_info(pod)["pause_id"])
                  for pod in pods}

        def seen():
            return set(systemd.units_in(parent)) - pauses
        wait_until(lambda: seen() == wanted or say(seen() ^ wanted),
                   "only units of what is there", 10, 0.5)

    def test_starts(self):
        pod = self.make_pod()
        states = []
        for after in (0, 0.02, 0.05, 0.08, 0.12, 0.16, 0.2, 0.3, 0.5):
            container = self.create(pod, self.container_config())
            self.cut(after, "StartContainer", container_id=container)
            states.append(self.state(container))
            self.assertIn(states[-1], ("CREATED", "RUNNING"))
            self.check_units()
            self.call("StartContainer", container_id=container)
            self.assertEqual(self.state(container), "RUNNING")
            self.exec_works(container)
            self.check_units()
            self.remove(container)
            self.check_units()
        say("after the kill:", *states)

    def test_pods(self):
        found = []
        for after in (0.02, 0.06, 0.12, 0.2, 0.3, 0.5, 0.8, 1.2):
            config = self.pod_config(pid="POD")
            self.cut(after, "RunPodSandbox", config=config)
            found.append(len(self.list_pods()))
            self.check_units()
            pod = self.run_pod(config)
            self.exec_works(self.make_container(pod))
            self.cut(after, "StopPodSandbox", pod_sandbox_id=pod)
            self.check_units()
            self.cut(after, "RemovePodSandbox", pod_sandbox_id=pod)
            self.check_units()
            if self.list_pods():
                self.remove_pod(pod)
            self.pods.remove(pod)
            self.check_units()
        say("pods after the kill:", *found)

    def test_the_shim_and_the_server_killed(self):
        pod = self.make_pod()
        container = self.make_container(pod, "sleep 1000 & sleep 1000 & wait")
        path = self.path(container)
        wait_until(lambda: len(host.cgroup_processes(path)) == 3, "children")
        shim = self.info(container)["shim_pid"]
        self.server.kill()
        os.kill(shim, 9)
        self.server.start()
        status = self.wait_exited(container)
        self.assertEqual(status.reason, "ShimLost")
        wait_until(lambda: not os.path.exists(
            CGROUP + os.path.dirname(path)), "its cgroup is gone", 10)
        self.check_units()

    def test_units_without_a_record_are_ended(self):
        pod = self.make_pod()
        self.make_container(pod)
        self.server.kill()
        scopes = {}
        for name, owner in (("a" * 64, self.server.root),
                            ("b" * 64, "/var/lib/elsewhere")):
            scopes[name] = subprocess.Popen(
                ["systemd-run", "--quiet", "--scope",
                 f"--unit=gantry-{name}.scope",
                 f"--description=Gantry container {name} of {owner}",
                 "sh", "-c", "trap '' TERM; sleep 1000"])
            wait_until(lambda: systemd.is_active(f"gantry-{name}.scope"),
                       "the scope is there")
        stray = self.server.pod_cgroup("c" * 64)
        systemd.systemctl("start", os.path.basename(stray))
        systemd.systemctl("set-property", "--runtime", os.path.basename(stray),
                          "TasksMax=7")
        try:
            self.server.start()
            self.assertFalse(systemd.is_active(f"gantry-{'a' * 64}.scope"))
            self.assertTrue(systemd.is_active(f"gantry-{'b' * 64}.scope"),
                            "another's is not ours to end")
            self.assertIn("has no record", self.server.log())
        finally:
            systemd.systemctl("stop", os.path.basename(stray))
            systemd.systemctl("kill", "--signal=KILL",
                              f"gantry-{'b' * 64}.scope")
            for process in scopes.values():
                process.kill()
                process.wait()


class ServiceServer(gantry_server.Server):
    """The same, run by tools/systemd/gantryd.service."""
    UNIT = "gantryd.service"
    FILES = "/run/systemd/system"

    class Process:
        def __init__(self, pid):
            self.pid = pid

        def poll(self):
            return None if systemd.is_active(ServiceServer.UNIT) else 1

    def start(self):
        os.makedirs(f"{self.FILES}/{self.UNIT}.d", exist_ok=True)
        shutil.copy(f"{gantry_server.TOP}/tools/systemd/{self.UNIT}",
                    f"{self.FILES}/{self.UNIT}")
        host.write(f"{self.FILES}/{self.UNIT}.d/test.conf",
                   f"[Service]\nExecStart=\nExecStart={' '.join(self.command())}"
                   f"\nStandardError=append:{self.log_path}\n")
        systemd.systemctl("daemon-reload")
        systemd.systemctl("start", self.UNIT)
        self.look()
        return self

    def look(self):
        """Who runs now, and a connection to it."""
        self.process = self.Process(
            int(systemd.show(self.UNIT, "MainPID")["MainPID"]))
        self.connect()

    def stop(self):
        systemd.systemctl("stop", self.UNIT)
        return int(systemd.show(self.UNIT, "ExecMainStatus")["ExecMainStatus"])

    def kill(self):
        self.stop()

    def destroy(self):
        left = super().destroy()
        shutil.rmtree(f"{self.FILES}/{self.UNIT}.d", ignore_errors=True)
        if os.path.exists(f"{self.FILES}/{self.UNIT}"):
            os.unlink(f"{self.FILES}/{self.UNIT}")
        systemd.systemctl("reset-failed", self.UNIT, check=False)
        systemd.systemctl("daemon-reload")
        return left


class Service(SystemdCase):

    @classmethod
    def new_server(cls):
        server = ServiceServer(cls.NETWORK)

        def end():
            status = server.stop() if server.is_running() else 0
            left = server.destroy()
            if status != 0 or left:
                raise AssertionError(f"status {status}, left over: {left}")
        cls.addClassCleanup(end)
        return server

    def check_survives(self, act):
        pods = [self.make_pod(), self.make_pod(pid="POD")]
        containers = [self.make_container(pod) for pod in pods for _ in "12"]
        seen = {c: (self.pid(c), self.info(c)["shim_pid"]) for c in containers}
        for _ in range(3):
            before = self.server.process.pid
            act()
            self.server.look()
            self.assertNotEqual(self.server.process.pid, before)
            for container, pids in seen.items():
                self.assertEqual(self.state(container), "RUNNING")
                self.assertEqual((self.pid(container),
                                  self.info(container)["shim_pid"]), pids)
                self.exec_works(container)
        self.exec_works(self.make_container(pods[0]))

    def restart(self):
        # It comes back only when all calls are served: Type=notify.
        systemd.systemctl("restart", self.server.UNIT)

    def crash(self):
        pid = self.server.process.pid
        systemd.systemctl("kill", "--kill-who=main", "--signal=KILL",
                          self.server.UNIT)
        wait_until(lambda: systemd.is_active(self.server.UNIT) and int(
            systemd.show(self.server.UNIT, "MainPID")["MainPID"]) not in
            (0, pid), "it is started again")

    def test_a_restart_loses_no_container(self):
        self.check_survives(self.restart)
        seen = systemd.show(self.server.UNIT, "Delegate", "KillMode", "Type",
                            "Restart", "NRestarts")
        self.assertEqual(seen, {"Delegate": "yes", "KillMode": "process",
                                "Type": "notify", "Restart": "on-failure",
                                "NRestarts": "0"})

    def test_a_crash_loses_no_container(self):
        self.check_survives(self.crash)

    def test_with_the_driver_cgroupfs_as_well(self):
        host.make_cgroup("/gantry-test-service")
        self.addCleanup(host.remove_cgroup, "/gantry-test-service")
        self.server.stop()
        self.server.more_config = 'cgroup_driver = "cgroupfs"\n'
        before = self.server.cgroup_parent

        def back():
            self.remove_pods()
            self.pods.clear()
            self.server.stop()
            self.server.more_config = ""
            self.server.cgroup_parent = before
            self.server.start()
        self.addCleanup(back)
        self.server.cgroup_parent = "/gantry-test-service"
        self.server.start()
        self.check_survives(self.restart)
        self.check_survives(self.crash)


if __name__ == "__main__":
    gantry_case.main()
