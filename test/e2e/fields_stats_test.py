"""Fields of statistics and metrics: what is told is what the kernel counts."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_cgroup as cgroup
from gantry_case import DEADLINE, wait_until
from gantry_fields import covers

MIB = 1 << 20
BUSY = ("head -c 8000000 /dev/zero > /written; "
        "while :; do :; done & while :; do :; done & echo go; wait")
LIMITS = {"memory_limit_in_bytes": 64 * MIB,
          "memory_swap_limit_in_bytes": 96 * MIB,
          "cpu_period": 100000, "cpu_quota": 20000}


class Stats(gantry_case.GantryCase):
    # An interface to count on.
    NETWORK = "bridge"

    def busy(self, pod, **more):
        container = self.make_container(pod, BUSY, resources=LIMITS, **more)
        self.wait_text(container, "go")
        return container

    def stats(self, container):
        return self.call("ContainerStats", container_id=container).stats

    def pod_stats(self, pod):
        return self.call("PodSandboxStats", pod_sandbox_id=pod).stats

    def later(self, measure, good, what):
        """A measurement that is good: some are kept for seconds."""
        return wait_until(lambda: (lambda found: found if good(found)
                                   else None)(measure()), what)

    def check_recent(self, *parts):
        for part in parts:
            self.assertLess(abs(time.time_ns() - part.timestamp), 60e9,
                            type(part).__name__)

    @covers("RuntimeService.ContainerStats", "ContainerStatsRequest.*",
            "ContainerStatsResponse.stats", "ContainerAttributes.*",
            "ContainerStats.attributes", "ContainerStats.cpu",
            "ContainerStats.memory", "ContainerStats.swap",
            "ContainerStats.writable_layer", "CpuUsage.timestamp",
            "CpuUsage.usage_core_nano_seconds", "CpuUsage.usage_nano_cores",
            "MemoryUsage.timestamp", "MemoryUsage.working_set_bytes",
            "MemoryUsage.available_bytes", "MemoryUsage.usage_bytes",
            "MemoryUsage.rss_bytes", "MemoryUsage.page_faults",
            "MemoryUsage.major_page_faults", "SwapUsage.*")
    def test_what_a_container_takes(self):
        container = self.busy(self.make_pod(), labels={"app": "stats"},
                              annotations={"note": "x"})
        stats = self.later(
            lambda: self.stats(container),
            lambda seen: seen.cpu.usage_nano_cores.value > 0
            and seen.writable_layer.used_bytes.value >= 8000000,
            "a share of CPU time and what was written are told")
        told = self.status(container)
        attributes = stats.attributes
        self.assertEqual(attributes.id, container)
        self.assertEqual(attributes.metadata, told.metadata)
        self.assertEqual(attributes.labels, told.labels)
        self.assertEqual(attributes.annotations, told.annotations)
        cpu, memory, swap = stats.cpu, stats.memory, stats.swap
        self.check_recent(cpu, memory, swap, stats.writable_layer)
        # A fifth of a core is all it may have.
        self.assertLess(cpu.usage_nano_cores.value, 0.5e9)
        self.assertGreater(cpu.usage_core_nano_seconds.value, 1e7)
        self.assertLessEqual(memory.working_set_bytes.value,
                             memory.usage_bytes.value)
        self.assertLessEqual(memory.rss_bytes.value, memory.usage_bytes.value)
        self.assertEqual(
            memory.available_bytes.value,
            64 * MIB - memory.working_set_bytes.value)
        self.assertGreater(memory.page_faults.value,
                           memory.major_page_faults.value)
        self.assertTrue(memory.HasField("major_page_faults"))
        self.assertEqual(
            swap.swap_usage_bytes.value + swap.swap_available_bytes.value,
            32 * MIB)
        self.assertGreater(stats.writable_layer.inodes_used.value, 0)

    @covers("ContainerStats.io", "IoUsage.*", "CpuUsage.psi",
            "MemoryUsage.psi", "PsiStats.*", "PsiData.*")
    def test_what_a_container_waits_for(self):
        container = self.busy(self.make_pod())
        path = self.info(container)["cgroup_path"]
        point = cgroup.unified() or "/sys/fs/cgroup"
        if not os.path.exists(f"{point}{path}/cpu.pressure"):
            self.skipTest("this kernel tells of no pressure")

        def waits(seen):
            some, full = seen.cpu.psi.Some, seen.cpu.psi.Full
            return some.Avg300 > 0 and full.Avg10 > 0
        stats = self.later(lambda: self.stats(container), waits,
                           "two loops on a fifth of a core wait")
        psi = stats.cpu.psi
        self.assertLessEqual(psi.Full.Total, psi.Some.Total)
        self.assertLess(psi.Some.Total, 60e9)
        for average in (psi.Some.Avg10, psi.Some.Avg60, psi.Some.Avg300):
            self.assertTrue(0 < average <= 100, average)
        self.assertGreaterEqual(psi.Some.Avg10, psi.Some.Avg300)
        for part in (stats.memory, stats.io):
            self.assertTrue(part.HasField("psi"))
            self.check_recent(part)

    @covers("RuntimeService.ListContainerStats",
            "ListContainerStatsRequest.filter", "ContainerStatsFilter.*",
            "ListContainerStatsResponse.stats",
            "RuntimeService.StreamContainerStats",
            "StreamContainerStatsRequest.filter",
            "StreamContainerStatsResponse.container_stats")
    def test_statistics_are_listed_by_a_filter(self):
        one, two = self.make_pod(), self.make_pod()
        first = self.make_container(one, labels={"app": "a"})
        second = self.make_container(two, labels={"app": "b"})
        self.create(two, self.container_config(labels={"app": "a"}))

        def ids(**condition):
            wanted = self.api.ContainerStatsFilter(**condition)
            listed = {stats.attributes.id for stats in self.call(
                "ListContainerStats", filter=wanted).stats}
            streamed = [stats.attributes.id for answer in
                        self.server.runtime.StreamContainerStats(
                            self.api.StreamContainerStatsRequest(
                                filter=wanted), timeout=DEADLINE)
                        for stats in answer.container_stats]
            self.assertEqual(set(streamed), listed)
            self.assertEqual(len(streamed), len(listed))
            return listed
        self.assertEqual(ids(), {first, second})
        self.assertEqual(ids(id=first[:12]), {first})
        self.assertEqual(ids(pod_sandbox_id=two), {second})
        self.assertEqual(ids(label_selector={"app": "a"}), {first})
        self.assertEqual(ids(id=first, label_selector={"app": "b"}), set())

    @covers("RuntimeService.PodSandboxStats", "PodSandboxStatsRequest.*",
            "PodSandboxStatsResponse.stats", "PodSandboxAttributes.*",
            "PodSandboxStats.attributes", "PodSandboxStats.linux",
            "LinuxPodSandboxStats.cpu", "LinuxPodSandboxStats.memory",
            "LinuxPodSandboxStats.process", "LinuxPodSandboxStats.containers",
            "ProcessUsage.*")
    def test_what_a_pod_takes(self):
        pod = self.make_pod(labels={"app": "stats"}, annotations={"n": "x"})
        container = self.busy(pod)
        idle = self.make_container(pod, command=["sleep", "1000"])
        processes = 4 + self.server.shims_in_pod(2)
        stats = self.later(
            lambda: self.pod_stats(pod),
            lambda seen: seen.linux.process.process_count.value == processes
            and seen.linux.cpu.usage_nano_cores.value > 0,
            "a shell, its two loops and a sleep are counted")
        told, attributes = self.pod_status(pod), stats.attributes
        self.assertEqual(attributes.id, pod)
        self.assertEqual(attributes.metadata, told.metadata)
        self.assertEqual(attributes.labels, told.labels)
        self.assertEqual(attributes.annotations, told.annotations)
        linux = stats.linux
        self.check_recent(linux.cpu, linux.memory, linux.process)
        self.assertEqual({part.attributes.id for part in linux.containers},
                         {container, idle})
        for field in ("usage_bytes", "working_set_bytes"):
            of_parts = [getattr(part.memory, field).value
                        for part in linux.containers]
            self.assertGreater(getattr(linux.memory, field).value,
                               max(of_parts) / 2)
        self.assertGreaterEqual(linux.cpu.usage_core_nano_seconds.value, max(
            part.cpu.usage_core_nano_seconds.value
            for part in linux.containers) * 0.5)

    @covers("LinuxPodSandboxStats.io")
    def test_what_a_pod_waits_for(self):
        pod = self.make_pod()
        self.busy(pod)
        point = cgroup.unified() or "/sys/fs/cgroup"
        if not os.path.exists(f"{point}{self.server.pod_cgroup(pod)}"
                              "/io.pressure"):
            self.skipTest("this kernel tells of no pressure")
        io = self.pod_stats(pod).linux.io
        self.check_recent(io)
        self.assertTrue(io.HasField("psi"))

    @covers("RuntimeService.ListPodSandboxStats",
            "ListPodSandboxStatsRequest.filter", "PodSandboxStatsFilter.*",
            "ListPodSandboxStatsResponse.stats",
            "RuntimeService.StreamPodSandboxStats",
            "StreamPodSandboxStatsRequest.filter",
            "StreamPodSandboxStatsResponse.pod_sandbox_stats")
    def test_pods_statistics_are_listed_by_a_filter(self):
        one = self.make_pod(labels={"app": "a"})
        two = self.make_pod(labels={"app": "b"})

        def ids(**condition):
            wanted = self.api.PodSandboxStatsFilter(**condition)
            listed = {stats.attributes.id for stats in self.call(
                "ListPodSandboxStats", filter=wanted).stats}
            streamed = [stats.attributes.id for answer in
                        self.server.runtime.StreamPodSandboxStats(
                            self.api.StreamPodSandboxStatsRequest(
                                filter=wanted), timeout=DEADLINE)
                        for stats in answer.pod_sandbox_stats]
            self.assertEqual(sorted(streamed), sorted(listed))
            return listed
        self.assertEqual(ids(), {one, two})
        self.assertEqual(ids(id=two[:12]), {two})
        self.assertEqual(ids(label_selector={"app": "a"}), {one})
        self.assertEqual(ids(id=two, label_selector={"app": "a"}), set())

    # -- metrics

    @covers("RuntimeService.ListMetricDescriptors",
            "ListMetricDescriptorsResponse.descriptors", "MetricDescriptor.*",
            "RuntimeService.ListPodSandboxMetrics",
            "ListPodSandboxMetricsResponse.pod_metrics",
            "RuntimeService.StreamPodSandboxMetrics",
            "StreamPodSandboxMetricsResponse.pod_sandbox_metrics",
            "PodSandboxMetrics.*", "ContainerMetrics.*", "Metric.*",
            "MetricType.*")
    def test_metrics_are_described_and_labelled(self):
        pod = self.make_pod()
        container = self.busy(pod)
        described = {one.name: one for one in
                     self.call("ListMetricDescriptors").descriptors}
        for one in described.values():
            self.assertTrue(one.help, one.name)
            self.assertEqual(len(set(one.label_keys)), len(one.label_keys))
        listed = self.call("ListPodSandboxMetrics").pod_metrics
        streamed = [metrics for answer in
                    self.server.runtime.StreamPodSandboxMetrics(
                        self.api.StreamPodSandboxMetricsRequest(),
                        timeout=DEADLINE)
                    for metrics in answer.pod_sandbox_metrics]
        for pods in (listed, streamed):
            self.assertEqual([of.pod_sandbox_id for of in pods], [pod])
            of_containers = pods[0].container_metrics
            self.assertEqual([of.container_id for of in of_containers],
                             [container])
            self.assertTrue(pods[0].metrics)
            metrics = [*pods[0].metrics, *of_containers[0].metrics]
            kinds = {metric.metric_type for metric in metrics}
            self.assertEqual(kinds, {self.api.COUNTER, self.api.GAUGE})
            for metric in metrics:
                self.assertIn(metric.name, described)
                self.assertEqual(len(metric.label_values),
                                 len(described[metric.name].label_keys))
                self.check_recent(metric)
            used = {metric.name: metric.value.value
                    for metric in of_containers[0].metrics}
            memory = self.stats(container).memory.usage_bytes.value
            self.assertLess(abs(used["container_memory_usage_bytes"] - memory),
                            64 * MIB)
            self.assertGreater(used["container_memory_usage_bytes"], 0)

    @covers("LinuxPodSandboxStats.network", "NetworkUsage.*",
            "NetworkInterfaceUsage.*")
    def test_what_a_pods_interfaces_carry(self):
        pod = self.make_pod()
        container = self.make_container(pod)

        def interfaces():
            network = self.pod_stats(pod).linux.network
            self.check_recent(network)
            self.assertEqual(network.default_interface.name, "eth0")
            return {one.name: one for one in
                    (network.default_interface, *network.interfaces)}
        before = interfaces()
        self.assertEqual(set(before), {"lo", "eth0"})
        self.assertEqual(self.inside(
            # As in stats_test: the receiver's input outlasts the transfer.
            container, "head -c 1000000 /dev/zero | nc -l -p 7000 & "
            "until grep -q ':1B58 .* 0A ' /proc/net/tcp*; do usleep 20000; done; "
            "sleep 2 | nc 127.0.0.1 7000 | wc -c"), "1000000")
        after = interfaces()
        for field in ("rx_bytes", "tx_bytes"):
            grown = (getattr(after["lo"], field).value
                     - getattr(before["lo"], field).value)
            self.assertTrue(1000000 < grown < 2000000, grown)
        for one in after.values():
            self.assertEqual((one.rx_errors.value, one.tx_errors.value),
                             (0, 0))
            self.assertTrue(one.HasField("rx_errors"))


if __name__ == "__main__":
    gantry_case.main()
