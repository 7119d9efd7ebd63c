"""Statistics of pods and containers against loads that are known."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_cgroup as cgroup
import gantry_host as host
from gantry_case import BUSYBOX, FOREVER, STRESS, say, wait_until

MIB = 1 << 20
SPIN = "while :; do :; done"


class Stats(gantry_case.GantryCase):
    IMAGES = (BUSYBOX, STRESS)

    def container_stats(self, container):
        return self.call("ContainerStats", container_id=container).stats

    def pod_stats(self, pod):
        return self.call("PodSandboxStats", pod_sandbox_id=pod).stats

    def check_fresh(self, *usages):
        for usage in usages:
            self.assertLess(abs(time.time_ns() - usage.timestamp), 60e9, usage)

    def check_psi(self, usage):
        """Present exactly where the kernel gives it."""
        self.assertEqual(usage.HasField("psi"),
                         host.read("/proc/pressure/cpu") != "")

    # -- CPU

    def test_cpu_time_and_its_rate_follow_a_busy_core(self):
        pod = self.make_pod()
        busy = self.make_container(pod, SPIN)
        idle = self.make_container(pod, "exec sleep 1000")
        before = self.container_stats(busy).cpu
        pod_before = self.pod_stats(pod).linux.cpu
        time.sleep(1)
        after = self.container_stats(busy).cpu
        pod_after = self.pod_stats(pod).linux.cpu
        used = (after.usage_core_nano_seconds.value -
                before.usage_core_nano_seconds.value)
        span = after.timestamp - before.timestamp
        rate = after.usage_nano_cores.value
        say(f"{used / 1e9:.2f} s of CPU in {span / 1e9:.2f} s, rate "
            f"{rate / 1e9:.2f}, pod {pod_after.usage_nano_cores.value / 1e9:.2f}"
            f", load {os.getloadavg()[0]:.1f}")
        self.assertGreater(used, 0)
        self.assertLess(used, 1.1 * span + 5e7)
        self.assertAlmostEqual(rate, used / span * 1e9, delta=2e7)
        self.assertGreater(pod_after.usage_core_nano_seconds.value,
                           pod_before.usage_core_nano_seconds.value)
        # The pod is all of its containers.
        self.assertGreaterEqual(pod_after.usage_core_nano_seconds.value,
                                after.usage_core_nano_seconds.value)
        if os.getloadavg()[0] < os.cpu_count():
            self.assertGreater(used, 0.8 * span)
        self.assertLess(self.container_stats(idle).cpu
                        .usage_core_nano_seconds.value, 3e8)
        self.check_fresh(after, pod_after)
        self.check_psi(after)
        self.check_psi(pod_after)

    def test_the_first_read_has_no_rate(self):
        container = self.make_container(self.make_pod())
        cpu = self.container_stats(container).cpu
        self.assertTrue(cpu.HasField("usage_core_nano_seconds"))
        self.assertFalse(cpu.HasField("usage_nano_cores"))

    # -- memory

    def test_memory_is_what_the_program_holds(self):
        pod = self.make_pod()
        container = self.make_container(
            pod, image=STRESS,
            command=["stress", "--vm", "1", "--vm-bytes", "64m", "--vm-keep",
                     "--timeout", "60"],
            resources={"memory_limit_in_bytes": 128 * MIB})
        stats = wait_until(
            lambda: (lambda s: s if s.memory.rss_bytes.value >= 64 * MIB
                     else None)(self.container_stats(container)),
            "64 MiB are held")
        path = self.info(container)["cgroup_path"]
        faults_before = cgroup.page_faults(path)
        stats = self.container_stats(container)
        faults_after = cgroup.page_faults(path)
        memory = stats.memory
        say(f"rss {memory.rss_bytes.value / MIB:.1f} MiB, working set "
            f"{memory.working_set_bytes.value / MIB:.1f} MiB")
        self.assertLess(memory.rss_bytes.value, 80 * MIB)
        self.assertGreaterEqual(memory.working_set_bytes.value, 64 * MIB)
        self.assertLessEqual(memory.working_set_bytes.value,
                             memory.usage_bytes.value)
        self.assertEqual(memory.available_bytes.value,
                         128 * MIB - memory.working_set_bytes.value)
        # How many there are depends on the size of pages.
        self.assertGreater(faults_before, 0)
        self.assertGreaterEqual(memory.page_faults.value, faults_before)
        self.assertLessEqual(memory.page_faults.value, faults_after)
        self.assertTrue(memory.HasField("major_page_faults"))
        self.assertTrue(stats.swap.HasField("swap_usage_bytes"))
        self.check_psi(memory)
        self.assertEqual(stats.HasField("io"),
                         host.read("/proc/pressure/io") != "")
        of_pod = self.pod_stats(pod).linux.memory
        self.assertGreaterEqual(of_pod.usage_bytes.value, 64 * MIB)
        # The limit is the container's, not the pod's.
        self.assertFalse(of_pod.HasField("available_bytes"))
        self.check_fresh(memory, stats.swap, of_pod)

    # -- writable layer

    def test_the_writable_layer_is_what_was_written(self):
        container = self.make_container(self.make_pod())
        empty = self.container_stats(container).writable_layer
        self.inside(container, f"head -c {5 * MIB} /dev/zero > /five; "
                    "for n in 1 2 3 4 5 6 7; do echo > /file$n; done")
        # It is kept for a second.
        layer = wait_until(
            lambda: (lambda found: found if found.used_bytes.value >= 5 * MIB
                     else None)(self.container_stats(container)
                                .writable_layer), "5 MiB are seen")
        grown = layer.used_bytes.value - empty.used_bytes.value
        say(f"{grown / MIB:.2f} MiB in "
            f"{layer.inodes_used.value - empty.inodes_used.value} inodes")
        self.assertLess(grown, 6 * MIB)
        self.assertEqual(
            layer.inodes_used.value - empty.inodes_used.value, 8)
        self.check_fresh(layer)
        self.assertEqual(os.stat(layer.fs_id.mountpoint).st_dev,
                         os.stat(self.server.root).st_dev)

    def test_a_container_that_ended_has_its_layer_only(self):
        pod = self.make_pod()
        container = self.make_container(pod, "echo x > /file")
        self.wait_exited(container)
        stats = self.container_stats(container)
        self.assertEqual(stats.attributes.id, container)
        self.assertFalse(stats.HasField("cpu"))
        self.assertFalse(stats.HasField("memory"))
        self.assertGreaterEqual(stats.writable_layer.inodes_used.value, 1)
        self.assertEqual(len(self.call("ListContainerStats").stats), 0)

    # -- network

    def test_traffic_is_counted_per_interface(self):
        pod = self.make_pod()
        container = self.make_container(pod)

        def lo():
            network = self.pod_stats(pod).linux.network
            self.check_fresh(network)
            self.assertNotEqual(network.default_interface.name, "lo")
            return next(interface for interface in network.interfaces
                        if interface.name == "lo")
        before = lo()
        self.assertEqual(self.inside(
            # Port 7000 is 1B58, 0A means that it listens. nc leaves with the
            # first of its inputs to end: the receiver's outlasts the transfer.
            container, "head -c 1000000 /dev/zero | nc -l -p 7000 & "
            "until grep -q ':1B58 .* 0A ' /proc/net/tcp*; do usleep 20000; done; "
            "sleep 2 | nc 127.0.0.1 7000 | wc -c"), "1000000")
        after = lo()
        sent = after.tx_bytes.value - before.tx_bytes.value
        say(f"{sent} bytes sent and as many received")
        self.assertGreater(sent, 1000000)
        self.assertLess(sent, 2000000)
        self.assertEqual(after.rx_bytes.value - before.rx_bytes.value, sent)
        self.assertEqual((after.rx_errors.value, after.tx_errors.value),
                         (0, 0))
        self.assertTrue(after.HasField("rx_errors"))

    def test_a_pod_on_the_hosts_network_has_none_of_its_own(self):
        pod = self.make_pod(network="NODE")
        self.make_container(pod)
        self.assertFalse(self.pod_stats(pod).linux.HasField("network"))

    # -- pods

    def test_a_pod_is_measured_with_its_containers(self):
        pod = self.make_pod(labels={"app": "a"}, annotations={"note": "n"},
                            pid="POD")
        first = self.make_container(pod, "sleep 1000 & exec sleep 1000",
                                    labels={"which": "first"})
        second = self.make_container(pod)
        ended = self.make_container(pod, "exit 0")
        self.wait_exited(ended)
        other = self.make_pod()
        processes = lambda: self.pod_stats(pod).linux.process.process_count
        # Two of the first, a shell and its sleep, and the pod's pause.
        expected = 5 + self.server.shims_in_pod(3)
        wait_until(lambda: processes().value == expected,
                   f"{expected} processes")
        stats = self.pod_stats(pod)
        self.assertEqual(stats.attributes.id, pod)
        self.assertEqual(stats.attributes.metadata.namespace, "test")
        self.assertEqual(stats.attributes.labels["app"], "a")
        self.assertEqual(stats.attributes.annotations["note"], "n")
        self.assertFalse(stats.HasField("windows"))
        self.check_fresh(stats.linux.process)
        of_containers = {c.attributes.id: c for c in stats.linux.containers}
        self.assertEqual(set(of_containers), {first, second})
        self.assertEqual(of_containers[first].attributes.labels["which"],
                         "first")
        self.assertGreater(of_containers[second].memory.usage_bytes.value, 0)

        listed = lambda **condition: [
            s.attributes.id for s in self.call(
                "ListPodSandboxStats", filter=self.api.PodSandboxStatsFilter(
                    **condition)).stats]
        self.assertEqual(set(listed()), {pod, other})
        self.assertEqual(listed(label_selector={"app": "a"}), [pod])
        self.assertEqual(listed(id=other[:20]), [other])
        self.assertEqual(listed(id="none"), [])
        streamed = [
            s.attributes.id
            for message in self.server.runtime.StreamPodSandboxStats(
                self.api.StreamPodSandboxStatsRequest())
            for s in message.pod_sandbox_stats]
        self.assertEqual(sorted(streamed), sorted([pod, other]))

        self.call("StopPodSandbox", pod_sandbox_id=other)
        self.assertEqual(listed(), [pod])
        self.assertFalse(self.pod_stats(other).linux.HasField("network"))
        self.assert_code("NOT_FOUND", "PodSandboxStats", pod_sandbox_id="none")

    # -- what measuring costs

    def test_nothing_stays_open_for_what_has_ended(self):
        def kept():
            parents = tuple(point + self.server.cgroup_parent
                            for point in host.hierarchies().values())
            return [path for path in host.open_files(self.server.process.pid)
                    if path.startswith(parents)]
        pod = self.make_pod()
        container = self.make_container(pod)
        self.call("ListContainerStats")
        self.pod_stats(pod)
        say(f"{len(kept())} directories are kept open")
        # With systemd they have other names.
        for cgroup in (self.info(container)["cgroup_path"],
                       self.server.pod_cgroup(pod)):
            self.assertTrue(any(t.endswith(cgroup) for t in kept()), cgroup)
        self.stop(container)
        self.assertEqual([t for t in kept() if container in t], [])
        self.call("StopPodSandbox", pod_sandbox_id=pod)
        self.assertEqual(kept(), [])

    def test_a_list_of_many_is_quick(self):
        count = 40
        pods = [self.make_pod() for _ in range(4)]
        for n in range(count):
            self.make_container(pods[n % 4], "exec sleep 1000")
        listed = self.call("ListContainerStats").stats
        self.assertEqual(len(listed), count)
        times = []
        for _ in range(50):
            begin = time.monotonic()
            listed = self.call("ListContainerStats").stats
            times.append(time.monotonic() - begin)
            self.assertEqual(len(listed), count)
        times.sort()
        say(f"{count} containers: median {times[25] * 1e3:.1f} ms, "
            f"slowest but one {times[48] * 1e3:.1f} ms, "
            f"load {os.getloadavg()[0]:.1f}")
        if os.getloadavg()[0] < os.cpu_count() and not host.is_emulated():
            self.assertLess(times[48], 0.04)


if __name__ == "__main__":
    gantry_case.main()
