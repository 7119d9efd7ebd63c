"""cgroups: limits hold, and every process is where it belongs."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_cgroup as cgroup
import gantry_host as host
import gantry_systemd
from gantry_case import BUSYBOX, FOREVER, STRESS, say, wait_until
from gantry_fields import covers
from gantry_server import CGROUP_DRIVER

MIB = 1 << 20
# A whole core busy, and a child that inherits everything.
SPIN = "while :; do :; done"


class Cgroup(gantry_case.GantryCase):
    IMAGES = (BUSYBOX, STRESS)

    def path(self, container):
        return self.info(container)["cgroup_path"]

    def memory(self, container):
        return cgroup.memory(self.path(container))

    def shares(self, container):
        return cgroup.shares(self.path(container))

    def test_memory_over_the_limit_is_never_had(self):
        pod = self.make_pod()
        container = self.make_container(
            pod, image=STRESS,
            command=["stress", "--vm", "1", "--vm-bytes", "200m", "--vm-keep",
                     "--timeout", str(host.patience(20))],
            resources={"memory_limit_in_bytes": 100 * MIB,
                       "memory_swap_limit_in_bytes": 100 * MIB})
        path = self.path(container)
        most = 0

        def ended():
            nonlocal most
            status = self.status(container)
            if status.state == self.api.CONTAINER_EXITED:
                return status
            most = max(most, cgroup.memory_usage(path))
            return None
        status = wait_until(ended, "stress ends")
        say(f"at most {most / MIB:.1f} MiB of 100, exit code "
            f"{status.exit_code}, reason {status.reason}")
        self.assertGreater(most, 0)
        self.assertLessEqual(most, 100 * MIB)
        # stress has a worker killed and says so by 1; or is killed itself.
        self.assertIn(status.exit_code, (1, 137))

    def test_the_program_that_eats_too_much_is_oom_killed(self):
        status = self.run_to_end(
            self.make_pod(), "exec tail -c 300m /dev/zero",
            resources={"memory_limit_in_bytes": 50 * MIB,
                       "memory_swap_limit_in_bytes": 50 * MIB})
        self.assertEqual((status.exit_code, status.reason),
                         (137, "OOMKilled"))

    def test_every_process_is_in_the_containers_cgroup_and_no_other(self):
        container = self.make_container(
            self.make_pod(), f"sleep 1000 & sleep 1000 & {FOREVER}")
        pid, path = self.pid(container), self.path(container)
        wait_until(lambda: len(host.children(pid)) >= 2, "it has children")
        self.exec_sync(container, "sleep 1000 &")
        family = host.cgroup_processes(path)
        self.assertGreaterEqual(len(family), 4)
        for process in family:
            if not host.exists(process):
                continue
            seen = host.cgroups_of(process)
            # An exec's are told from the rest in one hierarchy.
            apart = {at for at in seen.values() if at != path}
            self.assertLessEqual(len(apart), 1, seen)
            self.assertEqual([at for at in apart
                              if not at.startswith(path + "/exec-")], [], seen)
        for name, members in host.cgroup_members(path).items():
            self.assertIn(pid, members, name)
        say(f"{len(family)} processes, each in {path} of",
            ", ".join(sorted(host.hierarchies())))
        self.assertTrue(path.startswith(self.server.cgroup_parent + "/"))
        # The shim is not the container's burden.
        self.assertNotIn(self.info(container)["shim_pid"], family)

    def test_half_a_core_is_half_a_core(self):
        container = self.make_container(
            self.make_pod(), f"{SPIN} & {SPIN}",
            resources={"cpu_period": 100000, "cpu_quota": 50000})
        # What was saved up before the first period ends is not looked at.
        time.sleep(0.5)

        def sample():
            cpu = self.call("ContainerStats", container_id=container).stats.cpu
            return cpu.timestamp, cpu.usage_core_nano_seconds.value
        begin, used_before = sample()
        time.sleep(3.5)
        end, used_after = sample()
        share = (used_after - used_before) / (end - begin)
        say(f"{share:.3f} of a core; "
            f"asked for 0.500; load {os.getloadavg()[0]:.1f}")
        self.assertLessEqual(share, 0.55)
        self.assertGreater(cgroup.throttled(self.path(container)), 0)
        # On a machine with more to do than cores the other bound says nothing.
        if os.getloadavg()[0] < os.cpu_count():
            self.assertGreaterEqual(share, 0.45)

    def limit_processes(self, most):
        """Of the parent, in the way of who keeps it: what is written into the
        files of a slice, systemd writes anew."""
        parent = self.server.cgroup_parent
        if CGROUP_DRIVER == "systemd":
            unit = os.path.basename(parent)
            gantry_systemd.systemctl("set-property", "--runtime", unit,
                                     f"TasksMax={most}")
            self.addCleanup(gantry_systemd.systemctl, "revert", unit)
            self.addCleanup(gantry_systemd.systemctl, "set-property",
                            "--runtime", unit, "TasksMax=infinity")
        else:
            limit = cgroup.file(parent, "pids", "pids.max", "pids.max")
            host.write(limit, str(most))
            self.addCleanup(host.write, limit, "max")

    def test_a_fork_bomb_stops_at_the_limit(self):
        # CRI has no limit of processes: the client sets it on the parent.
        self.limit_processes(40)
        container = self.make_container(
            self.make_pod(),
            "f() { (f) & (f) & sleep 1000; }; (f) & exec sleep 1000")

        def number(path, file, key=0):
            words = cgroup.read(path, "pids", file, file).split()
            return int(words[words.index(key) + 1] if key else words[0])
        # Who counts a refusal, the limit's cgroup or the fork's, depends on
        # the kernel's version.
        refusals = lambda: sum(
            number(path, "pids.events", "max")
            for path in (self.server.cgroup_parent, self.path(container)))
        wait_until(lambda: refusals() > 0, "forks are refused")
        most = max(number(self.server.cgroup_parent, "pids.current")
                   for _ in range(50))
        say(f"at most {most} processes of 40")
        self.assertLessEqual(most, 40)
        begin = time.monotonic()
        self.stop(container)
        self.assertEqual(self.status(container).exit_code, 137)
        say(f"killed in {time.monotonic() - begin:.2f} s")
        self.assertEqual(host.cgroup_processes(
            self.server.cgroup_parent), set())

    def test_a_disk_cannot_be_opened(self):
        container = self.make_container(self.make_pod())
        disk = os.stat("/").st_dev
        made = self.exec_sync(
            container, f"mknod /disk b {os.major(disk)} {os.minor(disk)} && "
            "head -c 1 /disk")
        self.assertNotEqual(made.exit_code, 0)
        self.assertIn(b"Operation not permitted", made.stderr)
        self.inside(container, "mknod /null c 1 3 && echo x > /null")
        self.assertEqual(self.inside(container, "head -c 3 /dev/zero | wc -c"),
                         "3")

    @covers("Device.container_path", "Device.host_path", "Device.permissions",
            "ContainerConfig.devices")
    def test_a_device_given_can_be_opened_as_allowed(self):
        if not os.path.exists("/dev/kmsg"):
            self.skipTest("no /dev/kmsg on this host")
        container = self.make_container(
            self.make_pod(), devices=[self.api.Device(
                host_path="/dev/kmsg", container_path="/dev/given",
                permissions="r")])
        self.assertIn("1,", self.inside(container, "ls -l /dev/given"))
        refused = self.exec_sync(container, "echo x > /dev/given")
        self.assertIn(b"Operation not permitted", refused.stderr)

    def test_an_update_takes_effect(self):
        container = self.make_container(
            self.make_pod(), resources={
                "memory_limit_in_bytes": 64 * MIB, "cpu_shares": 512})
        self.assertEqual(self.memory(container), 64 * MIB)
        self.assertEqual(self.shares(container), cgroup.as_shares(512))
        self.call("UpdateContainerResources", container_id=container,
                  linux=self.api.LinuxContainerResources(
                      memory_limit_in_bytes=32 * MIB, cpu_quota=20000,
                      cpu_period=100000))
        self.assertEqual(self.memory(container), 32 * MIB)
        self.assertEqual(cgroup.cpu_quota_and_period(self.path(container)),
                         (20000, 100000))
        # What the update does not name stays.
        self.assertEqual(self.shares(container), cgroup.as_shares(512))
        linux = self.status(container).resources.linux
        self.assertEqual((linux.memory_limit_in_bytes, linux.cpu_quota,
                          linux.cpu_shares), (32 * MIB, 20000, 512))

    def test_an_impossible_update_changes_nothing(self):
        container = self.make_container(
            self.make_pod(), resources={
                "memory_limit_in_bytes": 64 * MIB, "cpu_shares": 512})
        before = self.status(container).resources
        for impossible in (
                {"cpu_shares": 256, "cpuset_cpus": "4000"},
                {"cpu_shares": 256, "cpu_quota": 10, "cpu_period": 100000},
                {"cpu_shares": 256, "memory_limit_in_bytes": 4096}):
            with self.subTest(str(impossible)):
                with self.assertRaises(gantry_case.grpc.RpcError) as caught:
                    self.call("UpdateContainerResources",
                              container_id=container,
                              linux=self.api.LinuxContainerResources(
                                  **impossible))
                say(impossible, "->", caught.exception.details())
                self.assertEqual(self.shares(container),
                                 cgroup.as_shares(512))
                self.assertEqual(self.memory(container), 64 * MIB)
                self.assertEqual(self.status(container).resources, before)
        self.assertEqual(self.state(container), "RUNNING")

    def test_an_update_before_the_start_holds_from_the_start(self):
        pod = self.make_pod()
        container = self.create(pod, self.container_config())
        self.call("UpdateContainerResources", container_id=container,
                  linux=self.api.LinuxContainerResources(
                      memory_limit_in_bytes=48 * MIB))
        self.call("StartContainer", container_id=container)
        self.assertEqual(self.memory(container), 48 * MIB)

    def test_stats_are_plausible(self):
        pod = self.make_pod()
        container = self.make_container(
            pod, f"head -c {8 * MIB} /dev/zero > /written; echo go; {SPIN}",
            resources={"memory_limit_in_bytes": 64 * MIB},
            labels={"app": "stats"}, annotations={"note": "x"})
        self.wait_text(container, "go")
        idle = self.make_container(pod)
        # A value that is kept for some seconds comes in the end.
        stats = wait_until(
            lambda: (lambda found: found if found.writable_layer.used_bytes
                     .value >= 8 * MIB and found.cpu.usage_core_nano_seconds
                     .value > 5e7 else None)(
                self.call("ContainerStats", container_id=container).stats),
            "8 MiB are seen in the writable layer")
        self.assertEqual(stats.attributes.id, container)
        self.assertEqual(stats.attributes.labels["app"], "stats")
        self.assertEqual(stats.attributes.annotations["note"], "x")
        now = time.time_ns()
        self.assertLess(abs(now - stats.cpu.timestamp), 60e9)
        self.assertLess(stats.writable_layer.used_bytes.value, 16 * MIB)
        self.assertGreaterEqual(stats.writable_layer.inodes_used.value, 1)
        memory = stats.memory
        self.assertGreater(memory.working_set_bytes.value, 0)
        self.assertLessEqual(memory.working_set_bytes.value,
                             memory.usage_bytes.value)
        self.assertLessEqual(memory.usage_bytes.value, 64 * MIB)
        self.assertEqual(memory.available_bytes.value,
                         64 * MIB - memory.working_set_bytes.value)
        self.assertGreater(memory.page_faults.value, 0)
        listed = self.call("ListContainerStats").stats
        self.assertEqual({s.attributes.id for s in listed}, {container, idle})
        listed = self.call(
            "ListContainerStats", filter=self.api.ContainerStatsFilter(
                label_selector={"app": "stats"})).stats
        self.assertEqual([s.attributes.id for s in listed], [container])
        self.assert_code("NOT_FOUND", "ContainerStats", container_id="none")

    def test_oom_score_and_cpuset_are_those_asked_for(self):
        container = self.make_container(
            self.make_pod(), resources={"oom_score_adj": 500,
                                        "cpuset_cpus": "0"})
        pid = self.pid(container)
        self.assertEqual(host.read(f"/proc/{pid}/oom_score_adj").strip(),
                         "500")
        self.assertEqual(host.status(pid)["Cpus_allowed_list"], "0")

    def test_the_default_parent_is_gantrys_own(self):
        pod = self.make_pod(cgroup_parent="")
        container = self.make_container(pod)
        path = self.path(container)
        at = f"/gantry/{pod}"
        expected = f"{at}/{container}"
        if CGROUP_DRIVER == "systemd":
            at = f"/gantry.slice/gantry-{pod}.slice"
            expected = f"{at}/gantry-{container}.scope/container"
        self.assertEqual(path, expected)
        self.assertIn(self.pid(container), host.cgroup_processes(path))
        self.remove_pod(pod)
        self.assertEqual([point for point in host.hierarchies().values()
                          if os.path.exists(point + at)], [])


if __name__ == "__main__":
    gantry_case.main()
