"""The cgroup driver "systemd". Only in the machine v2, whose init systemd is."""

import json
import os
import subprocess
import threading
import time

# First: it says which cgroup driver servers have, and where the libraries lie.
from systemd_case import CGROUP, SystemdCase
import gantry_case
import gantry_host as host
import gantry_systemd as systemd
from gantry_case import say, wait_until

MIB = 1 << 20
# What a scope has above its container's limits, for the shim.
SHIM_MEMORY = 16 * MIB
SHIM_TASKS = 16


def file_of(path, name):
    return host.read(f"{CGROUP}{path}/{name}").strip()


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


if __name__ == "__main__":
    gantry_case.main()
