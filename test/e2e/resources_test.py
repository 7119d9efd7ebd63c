"""Limits: every field reaches the kernel, is told by the status, and changes
as a whole or not at all."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_cgroup as cgroup
import gantry_host as host
from gantry_case import say, wait_until

MIB = 1 << 20


class Resources(gantry_case.GantryCase):

    def linux(self, **fields):
        return self.api.LinuxContainerResources(**fields)

    def update(self, container, **fields):
        self.call("UpdateContainerResources", container_id=container,
                  linux=self.linux(**fields))

    def update_pod(self, pod, overhead=None, resources=None):
        self.call("UpdatePodSandboxResources", pod_sandbox_id=pod,
                  overhead=self.linux(**(overhead or {})),
                  resources=self.linux(**(resources or {})))

    def pod_info(self, pod):
        return json.loads(self.call("PodSandboxStatus", pod_sandbox_id=pod,
                                    verbose=True).info["info"])

    def cgroup_of(self, container):
        return self.info(container)["cgroup_path"]

    def limits(self, path):
        """A container's or pod's limits. Of cpus those in effect: a kernel may
        take none as a value any more once there were some (v2). None for a
        slice for which systemd has no use of that controller."""
        quota, period = cgroup.cpu_quota_and_period(path)
        return {
            "memory": cgroup.memory(path),
            "swap": cgroup.memory_and_swap(path),
            "shares": cgroup.shares(path),
            "quota": quota,
            "period": period,
            "cpus": host.read(cgroup.file(
                path, "cpuset", "cpuset.cpus",
                "cpuset.cpus.effective")).strip() or None}

    def read_only_record(self, kind, object_id):
        """Makes the object's record unwritable until it is called again."""
        folder = f"{self.server.root}/{kind}/{object_id}"
        subprocess.run(["mount", "--bind", folder, folder], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        return lambda: subprocess.run(["umount", folder], check=True)

    # -- containers

    def test_every_field_is_set_and_told(self):
        size = "2MB"
        asked = dict(
            cpu_period=50000, cpu_quota=20000, cpu_shares=300,
            memory_limit_in_bytes=48 * MIB,
            memory_swap_limit_in_bytes=64 * MIB, oom_score_adj=321,
            cpuset_cpus="0", cpuset_mems="0",
            hugepage_limits=[self.api.HugepageLimit(page_size=size,
                                                    limit=4 * MIB)])
        container = self.make_container(self.make_pod(), resources=asked)
        path = self.cgroup_of(container)
        self.assertEqual(self.limits(path), {
            "memory": 48 * MIB, "swap": 64 * MIB,
            "shares": cgroup.as_shares(300),
            "quota": 20000, "period": 50000, "cpus": "0"})
        self.assertEqual(cgroup.read(path, "cpuset", "cpuset.mems",
                                     "cpuset.mems"), "0")
        self.assertEqual(cgroup.hugepages(path, size), 4 * MIB)
        pid = self.pid(container)
        self.assertEqual(host.read(f"/proc/{pid}/oom_score_adj").strip(),
                         "321")
        self.assertEqual(self.status(container).resources.linux,
                         self.linux(**asked))

    def test_memory_and_swap_move_both_ways(self):
        container = self.make_container(self.make_pod(), resources={
            "memory_limit_in_bytes": 64 * MIB,
            "memory_swap_limit_in_bytes": 96 * MIB})
        path = self.cgroup_of(container)
        for memory, swap in ((128, 192), (32, 32), (48, 160), (24, 48)):
            self.update(container, memory_limit_in_bytes=memory * MIB,
                        memory_swap_limit_in_bytes=swap * MIB)
            limits = self.limits(path)
            self.assertEqual((limits["memory"], limits["swap"]),
                             (memory * MIB, swap * MIB))
        # Alone, the memory limit takes the allowance of swap along; the status
        # says what holds.
        self.update(container, memory_limit_in_bytes=100 * MIB)
        limits, told = self.limits(path), self.status(container).resources
        self.assertEqual((limits["memory"], limits["swap"]),
                         (100 * MIB, 124 * MIB))
        self.assertEqual((told.linux.memory_limit_in_bytes,
                          told.linux.memory_swap_limit_in_bytes),
                         (100 * MIB, 124 * MIB))

    def test_quota_and_period_change_together(self):
        container = self.make_container(self.make_pod(), resources={
            "cpu_period": 100000, "cpu_quota": 100000})
        path = self.cgroup_of(container)
        for period, quota in ((10000, 20000), (1000000, 5000), (50000, 50000)):
            self.update(container, cpu_period=period, cpu_quota=quota)
            limits = self.limits(path)
            self.assertEqual((limits["period"], limits["quota"]),
                             (period, quota))
        self.update(container, cpu_quota=-1)
        self.assertEqual(self.limits(path)["quota"], -1)
        self.assertEqual(self.status(container).resources.linux.cpu_quota, -1)

    def test_a_record_that_cannot_be_written_gives_the_limits_back(self):
        container = self.make_container(self.make_pod(), resources={
            "memory_limit_in_bytes": 64 * MIB, "cpu_shares": 512,
            "cpu_period": 100000, "cpu_quota": 30000})
        path = self.cgroup_of(container)
        before, told = self.limits(path), self.status(container).resources
        make_writable = self.read_only_record("containers", container)
        try:
            with self.assertRaises(gantry_case.grpc.RpcError) as caught:
                self.update(container, memory_limit_in_bytes=32 * MIB,
                            memory_swap_limit_in_bytes=40 * MIB,
                            cpu_shares=100, cpu_period=50000, cpu_quota=9000,
                            cpuset_cpus="0")
        finally:
            make_writable()
        say(caught.exception.details())
        self.assertIn("record", caught.exception.details())
        self.assertEqual(self.limits(path), before)
        self.assertEqual(self.status(container).resources, told)
        self.update(container, cpu_shares=256)
        self.assertEqual(self.limits(path)["shares"], cgroup.as_shares(256))

    def test_a_contradiction_is_refused_before_the_start_as_well(self):
        container = self.create(self.make_pod(), self.container_config(
            resources={"memory_limit_in_bytes": 64 * MIB}))
        before = self.status(container).resources
        with self.assertRaises(gantry_case.grpc.RpcError) as caught:
            self.update(container, memory_swap_limit_in_bytes=32 * MIB,
                        cpu_shares=5)
        self.assertEqual(caught.exception.code(),
                         gantry_case.grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn("memory_swap", caught.exception.details())
        self.assertEqual(self.status(container).resources, before)

    def test_unified_files_are_checked(self):
        pod = self.make_pod()

        def create(file, value="1"):
            return dict(pod_sandbox_id=pod, config=self.container_config(
                resources={"unified": {file: value}}))
        for file in ("cgroup.procs", "cgroup.kill", "cgroup.freeze",
                     "../memory.max", "a/memory.max", "tasks", "."):
            with self.subTest(file):
                self.assert_code("INVALID_ARGUMENT", "CreateContainer",
                                 "config.linux.resources.unified",
                                 **create(file))
        if not cgroup.unified_has("memory"):
            said = self.assert_code("FAILED_PRECONDITION", "CreateContainer",
                                    "memory.high", **create("memory.high"))
            say(said)
            self.assertIn("cgroup v2", said)
        self.assertEqual(list(self.list_containers()), [])

    def test_unified_files_are_written_where_there_are_any(self):
        if not cgroup.unified_has("hugetlb"):
            self.skipTest("cgroup v2 has no hugetlb controller here")
        file = "hugetlb.2MB.max"
        container = self.make_container(self.make_pod(), resources={
            "unified": {file: str(8 * MIB)}})
        path = self.cgroup_of(container)
        told = f"{cgroup.unified()}{path}/{file}"
        self.assertEqual(host.read(told).strip(), str(8 * MIB))
        self.update(container, unified={file: "max"})
        self.assertEqual(host.read(told).strip(), "max")
        self.assertEqual(dict(
            self.status(container).resources.linux.unified), {file: "max"})

    def test_an_update_leaves_the_oom_score_to_the_start(self):
        # CRI: "applied when processes start, not by an update".
        container = self.make_container(self.make_pod(), resources={
            "oom_score_adj": 100, "cpu_shares": 100})
        self.update(container, oom_score_adj=900, cpu_shares=200)
        self.assertEqual(host.read(
            f"/proc/{self.pid(container)}/oom_score_adj").strip(), "100")
        told = self.status(container).resources.linux
        self.assertEqual((told.oom_score_adj, told.cpu_shares), (100, 200))

    # -- pods

    def test_a_pods_configuration_is_noted_and_limits_nothing(self):
        config = self.pod_config()
        config.linux.resources.memory_limit_in_bytes = 16 * MIB
        config.linux.overhead.memory_limit_in_bytes = 4 * MIB
        pod = self.run_pod(config)
        info = self.pod_info(pod)
        self.assertEqual(info["resources"]["memory_limit_in_bytes"],
                         str(16 * MIB))
        self.assertEqual(info["overhead"]["memory_limit_in_bytes"],
                         str(4 * MIB))
        self.assertEqual(info["limits"], {})
        self.assertIsNone(self.limits(info["cgroup_path"])["memory"])
        config.linux.resources.cpu_shares = -1
        config.metadata.name = self.unique("pod")
        self.assert_code("INVALID_ARGUMENT", "RunPodSandbox",
                         "config.linux.resources.cpu_shares", config=config)

    def test_a_pods_limits_are_overhead_and_resources(self):
        pod = self.make_pod()
        path = self.pod_info(pod)["cgroup_path"]
        self.update_pod(
            pod, overhead={"memory_limit_in_bytes": 8 * MIB, "cpu_shares": 24,
                           "cpu_period": 100000, "cpu_quota": 10000},
            resources={"memory_limit_in_bytes": 40 * MIB, "cpu_shares": 1000,
                       "cpu_period": 50000, "cpu_quota": 25000})
        want = {"memory": 48 * MIB, "shares": cgroup.as_shares(1024),
                "quota": 30000, "period": 50000}
        self.assertEqual({key: self.limits(path)[key] for key in want}, want)
        # It holds for a container that has no limit of its own.
        status = self.run_to_end(pod, "exec tail -c 300m /dev/zero")
        self.assertEqual(status.exit_code, 137)

        self.server.restart()
        info = self.pod_info(pod)
        self.assertEqual(info["limits"]["memory_limit_in_bytes"],
                         str(48 * MIB))
        self.assertEqual(info["overhead"]["cpu_shares"], "24")
        self.assertEqual(info["resources"]["cpu_shares"], "1000")
        self.assertEqual({key: self.limits(path)[key] for key in want}, want)
        # What an update does not say stays.
        self.update_pod(pod, resources={"cpu_shares": 700})
        want["shares"] = cgroup.as_shares(700)
        self.assertEqual({key: self.limits(path)[key] for key in want}, want)

    def test_a_pods_impossible_update_changes_nothing(self):
        pod = self.make_pod()
        self.update_pod(pod, resources={"memory_limit_in_bytes": 64 * MIB,
                                        "cpu_shares": 500})
        info = self.pod_info(pod)
        before = self.limits(info["cgroup_path"])

        def refused(**fields):
            with self.assertRaises(gantry_case.grpc.RpcError) as caught:
                self.update_pod(pod, **fields)
            say(caught.exception.details())
            self.assertEqual(self.limits(info["cgroup_path"]), before)
            self.assertEqual(self.pod_info(pod), info)
            return caught.exception
        for impossible in ({"cpu_shares": 256, "cpuset_cpus": "4000"},
                           {"cpu_shares": 256, "memory_limit_in_bytes": 32 * MIB,
                            "unified": {"memory.no_such": "1"}}):
            with self.subTest(str(impossible)):
                refused(resources=impossible)
        for field, value in (("oom_score_adj", 5), ("cpuset_cpus", "0"),
                             ("unified", {"memory.high": "1"})):
            with self.subTest(field):
                error = refused(overhead={field: value})
                self.assertEqual(
                    error.code(),
                    gantry_case.grpc.StatusCode.INVALID_ARGUMENT)
                self.assertIn("overhead." + field, error.details())
        make_writable = self.read_only_record("pods", pod)
        try:
            error = refused(resources={"memory_limit_in_bytes": 32 * MIB,
                                       "cpu_shares": 256})
        finally:
            make_writable()
        self.assertIn("record", error.details())

    def test_only_a_ready_pod_is_updated(self):
        self.assert_code("NOT_FOUND", "UpdatePodSandboxResources", "unknown-id",
                         pod_sandbox_id="unknown-id")
        pod = self.make_pod()
        self.call("StopPodSandbox", pod_sandbox_id=pod)
        self.assert_code("FAILED_PRECONDITION", "UpdatePodSandboxResources",
                         pod, pod_sandbox_id=pod,
                         resources=self.linux(cpu_shares=5))


if __name__ == "__main__":
    gantry_case.main()
