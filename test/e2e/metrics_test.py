"""Metrics of pods and containers: described as they are told, with cAdvisor's
names, and plausible."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_cgroup as cgroup
import gantry_host as host
from gantry_case import BUSYBOX, say, wait_until

MIB = 1 << 20
# What a container with limits on any kernel that Gantry runs on has.
ALWAYS = """
    cpu_usage_seconds_total cpu_user_seconds_total cpu_system_seconds_total
    cpu_cfs_periods_total cpu_cfs_throttled_periods_total
    cpu_cfs_throttled_seconds_total
    memory_cache memory_failcnt memory_failures_total memory_kernel_usage
    memory_mapped_file memory_max_usage_bytes memory_rss memory_swap
    memory_usage_bytes memory_working_set_bytes
    memory_total_active_file_bytes memory_total_inactive_file_bytes
    oom_events_total
    fs_inodes_free fs_inodes_total fs_limit_bytes fs_usage_bytes
    file_descriptors sockets processes threads threads_max ulimits_soft
    last_seen start_time_seconds
    spec_cpu_period spec_cpu_quota spec_cpu_shares spec_memory_limit_bytes
    spec_memory_reservation_limit_bytes spec_memory_swap_limit_bytes
""".split()
# Only with a disk, huge pages, or pressure of which the kernel tells.
SOMETIMES = """
    blkio_device_usage_total fs_reads_bytes_total fs_reads_total
    fs_writes_bytes_total fs_writes_total
    hugetlb_usage_bytes hugetlb_max_usage_bytes
    pressure_cpu_stalled_seconds_total pressure_cpu_waiting_seconds_total
    pressure_io_stalled_seconds_total pressure_io_waiting_seconds_total
    pressure_memory_stalled_seconds_total
    pressure_memory_waiting_seconds_total
""".split()
NETWORK = [f"network_{way}_{what}_total" for way in ("receive", "transmit")
           for what in ("bytes", "packets", "packets_dropped", "errors")]


class Metrics(gantry_case.GantryCase):
    IMAGES = (BUSYBOX,)

    def setUp(self):
        super().setUp()
        self.keys = {
            descriptor.name: list(descriptor.label_keys)
            for descriptor in self.call("ListMetricDescriptors").descriptors}

    def make_limited(self, pod, script=None, **more):
        return self.make_container(
            pod, script, resources={
                "cpu_period": 100000, "cpu_quota": 50000, "cpu_shares": 512,
                "memory_limit_in_bytes": 64 * MIB,
                "memory_swap_limit_in_bytes": 64 * MIB}, **more)

    def pod_metrics(self, pod):
        return next(metrics for metrics in
                    self.call("ListPodSandboxMetrics").pod_metrics
                    if metrics.pod_sandbox_id == pod)

    def values(self, pod, container):
        """{short name: [(labels as a dictionary, value), ...]}"""
        values = {}
        metrics = next(found for found in
                       self.pod_metrics(pod).container_metrics
                       if found.container_id == container).metrics
        for metric in metrics:
            labels = dict(zip(self.keys[metric.name], metric.label_values))
            values.setdefault(metric.name[len("container_"):], []).append(
                (labels, metric.value.value))
        return values

    def value(self, pod, container, name):
        found = self.values(pod, container)[name]
        self.assertEqual(len(found), 1, found)
        return found[0][1]

    def test_every_name_is_described(self):
        self.assertEqual(
            set(self.keys), {"container_" + name
                             for name in ALWAYS + SOMETIMES + NETWORK})
        for name, keys in self.keys.items():
            self.assertEqual(len(set(keys)), len(keys), name)

    def test_what_is_told_is_as_described(self):
        pod = self.make_pod()
        container = self.make_limited(pod, name="main")
        metrics = self.pod_metrics(pod)
        api = self.api
        for of_pod, metric in (
                [(True, metric) for metric in metrics.metrics] +
                [(False, metric) for metric in
                 metrics.container_metrics[0].metrics]):
            keys = self.keys[metric.name]
            self.assertEqual(len(metric.label_values), len(keys), metric.name)
            labels = dict(zip(keys, metric.label_values))
            self.assertEqual((labels["pod"], labels["namespace"]),
                             (self.pod_status(pod).metadata.name, "test"))
            self.assertEqual(labels["id"], pod if of_pod else container)
            self.assertEqual(labels["container"], "" if of_pod else "main")
            self.assertEqual(labels["image"], "" if of_pod else BUSYBOX)
            self.assertLess(abs(time.time_ns() - metric.timestamp), 60e9)
            counts = metric.name.endswith(("_total", "_failcnt"))
            self.assertEqual(
                metric.metric_type,
                api.COUNTER if counts and "inodes" not in metric.name
                else api.GAUGE, metric.name)
        told = self.values(pod, container)
        self.assertEqual(set(ALWAYS) - set(told), set())
        self.assertEqual(set(told) - set(ALWAYS) - set(SOMETIMES), set())
        self.assertEqual("pressure_cpu_waiting_seconds_total" in told,
                         host.read("/proc/pressure/cpu") != "")

    def test_values_follow_a_known_load(self):
        pod = self.make_pod()
        begin = int(time.time())
        container = self.make_limited(
            pod, f"head -c {5 * MIB} /dev/zero > /five; "
            "sleep 1000 & sleep 1000 & echo go; while :; do :; done")
        self.wait_text(container, "go")
        # Half a core: two seconds of it in five.
        wait_until(lambda: self.value(pod, container, "cpu_usage_seconds_total")
                   >= 2, "two seconds of CPU time", pause=0.2)

        def throttling():
            """As the kernel tells it now; on a busy machine that is none."""
            counts = dict(line.split() for line in cgroup.read(
                self.info(container)["cgroup_path"], "cpu", "cpu.stat",
                "cpu.stat").splitlines())
            return [int(counts[key]) for key in ("nr_periods", "nr_throttled")]
        before = throttling()
        values = {name: found[0][1]
                  for name, found in self.values(pod, container).items()}
        after = throttling()
        say(", ".join(f"{name} {values[name]}" for name in (
            "cpu_usage_seconds_total", "cpu_cfs_throttled_periods_total",
            "memory_usage_bytes", "fs_usage_bytes", "processes", "threads",
            "file_descriptors")))
        self.assertGreater(values["cpu_cfs_periods_total"], 10)
        for name, least, most in zip(("periods", "throttled_periods"), before,
                                     after):
            self.assertLessEqual(least, values[f"cpu_cfs_{name}_total"])
            self.assertLessEqual(values[f"cpu_cfs_{name}_total"], most)
        self.assertLessEqual(values["memory_working_set_bytes"],
                             values["memory_usage_bytes"])
        self.assertLessEqual(values["memory_usage_bytes"],
                             values["memory_max_usage_bytes"])
        # Most of what was written; pages may have gone to the disk since.
        self.assertGreaterEqual(values["memory_cache"], 4 * MIB)
        self.assertEqual((values["processes"], values["threads"]), (3, 3))
        self.assertGreaterEqual(values["file_descriptors"], 9)
        self.assertEqual(values["sockets"], 0)
        self.assertEqual(values["ulimits_soft"], int(next(
            line for line in host.read(
                f"/proc/{self.pid(container)}/limits").splitlines()
            if line.startswith("Max open files")).split()[3]))
        self.assertGreaterEqual(values["start_time_seconds"], begin)
        self.assertLessEqual(values["start_time_seconds"],
                             values["last_seen"])
        self.assertEqual(
            [values["spec_" + name] for name in (
                "cpu_period", "cpu_quota", "cpu_shares", "memory_limit_bytes",
                "memory_swap_limit_bytes",
                "memory_reservation_limit_bytes")],
            [100000, 50000, 512, 64 * MIB, 64 * MIB, 0])
        wait_until(lambda: 5 * MIB <= self.value(
            pod, container, "fs_usage_bytes") < 7 * MIB,
            "5 MiB in the writable layer")
        disk = os.statvfs(self.server.root)
        self.assertEqual(values["fs_limit_bytes"],
                         disk.f_blocks * disk.f_frsize)
        self.assertEqual(values["fs_inodes_total"], disk.f_files)
        faults = {(labels["failure_type"], labels["scope"]): value
                  for labels, value in self.values(pod, container)[
                      "memory_failures_total"]}
        self.assertGreater(faults["pgfault", "hierarchy"], 0)

    def test_the_list_has_ready_pods_and_running_containers(self):
        pods = [self.make_pod() for _ in range(3)]
        running = self.make_limited(pods[0])
        self.create(pods[0], self.container_config())
        self.call("StopPodSandbox", pod_sandbox_id=pods[2])
        listed = self.call("ListPodSandboxMetrics").pod_metrics
        self.assertEqual({m.pod_sandbox_id for m in listed}, set(pods[:2]))
        self.assertEqual([m.container_id for m in
                          self.pod_metrics(pods[0]).container_metrics],
                         [running])
        streamed = [
            metrics for message in self.server.runtime.StreamPodSandboxMetrics(
                self.api.StreamPodSandboxMetricsRequest())
            for metrics in message.pod_sandbox_metrics]
        self.assertEqual([m.pod_sandbox_id for m in streamed],
                         [m.pod_sandbox_id for m in listed])
        self.assertEqual(
            [metric.name for metric in streamed[0].container_metrics[:1]
             for metric in metric.metrics],
            [metric.name for metric in listed[0].container_metrics[:1]
             for metric in metric.metrics])

    def test_network_metrics_are_of_the_pods_interfaces(self):
        pod = self.make_pod()
        interfaces = {
            dict(zip(self.keys[metric.name], metric.label_values))["interface"]
            for metric in self.pod_metrics(pod).metrics}
        seen = self.call("PodSandboxStats",
                         pod_sandbox_id=pod).stats.linux.network
        names = {i.name for i in [seen.default_interface, *seen.interfaces]}
        self.assertEqual(interfaces, names - {"lo", ""})
        for metric in self.pod_metrics(pod).metrics:
            self.assertIn(metric.name[len("container_"):], NETWORK)


if __name__ == "__main__":
    gantry_case.main()
