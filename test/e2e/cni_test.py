"""CNI with Debian's plugins, in network namespaces of the test's own: bridge,
host-local, portmap, bandwidth, firewall, loopback, macvlan, ptp.

GANTRY_TEST_CNI_PODS: how many pods come and go in the last test (20).
"""

import concurrent.futures
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_cni
import gantry_cni_case
import gantry_host as host
import gantry_traffic
from gantry_case import say, wait_until
from gantry_cni import GATEWAY4, GATEWAY6
from gantry_traffic import KINDS, listen, send

PODS = int(os.environ.get("GANTRY_TEST_CNI_PODS", "20"))
HAS_PLUGINS = os.path.exists(gantry_cni.DEBIAN_PLUGINS + "/bridge")


@unittest.skipUnless(HAS_PLUGINS, "no containernetworking-plugins")
class BridgePlugins(gantry_traffic.ReachTests, gantry_cni_case.CniCase):
    GATEWAYS = (GATEWAY4, GATEWAY6)

    def test_a_pod_has_addresses_routes_and_a_name(self):
        pod = self.make_pod(hostname="web")
        four, six = self.addresses(pod)
        self.assertTrue(four.startswith("10.88."), four)
        self.assertTrue(six.startswith("fd88:1::"), six)
        container = self.make_container(pod)
        shown = self.inside(container, "ip addr show eth0")
        say(four, six)
        self.assertIn(f"inet {four}/16", shown)
        self.assertIn(f"inet6 {six}/64", shown)
        self.assertIn(f"default via {GATEWAY4} dev eth0",
                      self.inside(container, "ip route"))
        self.assertIn(f"default via {GATEWAY6} dev eth0",
                      self.inside(container, "ip -6 route"))
        self.assertIn(f"{four}\tweb",
                      self.inside(container, "cat /etc/hosts").split("\n"))
        self.assertIn("LOOPBACK,UP", self.inside(container, "ip link show lo"))
        self.inside(container, "ping -c 1 -W 2 web")
        facts = self.facts()
        self.assertEqual(facts["provider"], "cni")
        self.assertEqual(facts["network"], "podnet")
        self.assertEqual(facts["pods"], "1")
        self.assertTrue(facts["config_file"].endswith("/10-podnet.conflist"))

    def test_host_ports_lead_to_the_pod(self):
        other = self.make_pod()
        pod = self.make_pod(port_mappings=[
            self.port(12000, 80), self.port(12000, 80, "UDP"),
            self.port(12002, 82, host_ip="192.0.2.1")])
        inside = self.pod_netns(pod)
        for kind in KINDS:
            with listen(inside, "0.0.0.0", 80, KINDS[kind]) as listener:
                self.assertEqual(self.exchange(
                    listener, kind, self.outside, "192.0.2.1", 12000),
                    "192.0.2.2")
                for netns in (self.server.netns, self.pod_netns(other)):
                    self.exchange(listener, kind, netns, "192.0.2.1", 12000)
                self.exchange(listener, kind, self.server.netns, "127.0.0.1",
                              12000)
            with listen(inside, "::", 80, KINDS[kind]) as listener:
                self.assertEqual(self.exchange(
                    listener, kind, self.outside, "2001:db8::1", 12000),
                    "2001:db8::2")
                self.exchange(listener, kind, self.server.netns,
                              "2001:db8::1", 12000)
        with listen(inside, "0.0.0.0", 82) as listener:
            self.assertEqual(self.exchange(
                listener, "TCP", self.outside, "192.0.2.1", 12002),
                "192.0.2.2")
            with self.assertRaises(OSError):
                send(self.server.netns, "127.0.0.1", 12002)
        # Given up with the network.
        self.call("StopPodSandbox", pod_sandbox_id=pod)
        self.assertEqual(self.addresses(pod), [""])
        with self.assertRaises(OSError):
            send(self.outside, "192.0.2.1", 12000)
        self.make_pod(port_mappings=[self.port(12000, 80)])

    def qdiscs(self):
        return subprocess.run(
            ["tc", "qdisc"], check=True, capture_output=True, text=True,
            preexec_fn=lambda: host.enter_network(self.server.netns)).stdout

    def test_bandwidth_is_what_the_annotations_say(self):
        pod = self.make_pod(annotations={
            "kubernetes.io/ingress-bandwidth": "10M",
            "kubernetes.io/egress-bandwidth": "20M"})
        shown = self.qdiscs()
        self.assertIn("rate 10Mbit", shown)
        self.assertIn("rate 20Mbit", shown)
        self.remove_pod(pod)
        self.pods.clear()
        self.assertNotIn("tbf", self.qdiscs())
        self.assert_code(
            "INVALID_ARGUMENT", "RunPodSandbox",
            "kubernetes.io/ingress-bandwidth", config=self.pod_config(
                annotations={"kubernetes.io/ingress-bandwidth": "fast"}))

    def test_the_firewall_lets_the_pod_through(self):
        pod = self.make_pod()
        four = self.addresses(pod)[0]
        rules = [rule for rule in self.cni.rules() if "CNI-FORWARD" in rule]
        self.assertTrue(any(four in rule for rule in rules), rules)

    def test_the_network_goes_on_without_the_server_and_after_it(self):
        pod = self.make_pod(port_mappings=[self.port(12030, 80)])
        self.make_pod()
        before = self.addresses(pod)

        def works():
            with listen(self.pod_netns(pod), "0.0.0.0", 80) as listener:
                self.assertEqual(self.exchange(
                    listener, "TCP", self.outside, "192.0.2.1", 12030),
                    "192.0.2.2")
        self.server.kill()
        works()
        self.server.start()
        works()
        self.assertEqual(self.addresses(pod), before)
        late = self.make_pod()
        self.assertNotIn(self.addresses(late)[0], before)
        # The plugins are asked to CHECK them. (They complain: Debian 12's portmap
        # of every pod of two families with a host port, its bandwidth of every
        # pod without one.)
        wait_until(lambda: "looked at the network of 2 pods"
                   in self.server.log(), "the pods are checked")

    def test_pods_come_and_go_side_by_side(self):
        # portmap makes the chains that all pods share with the first one, and
        # does not stand another one doing so beside it.
        self.remove_pod(self.make_pod(port_mappings=[self.port(20000, 80)]))
        self.pods.clear()
        ports = iter(range(20000, 20000 + PODS))
        configs = [self.pod_config(port_mappings=[self.port(next(ports), 80)])
                   for _ in range(PODS)]
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            pods = list(pool.map(self.run_pod, configs))
            addresses = [address for pod in pods
                         for address in self.addresses(pod)]
            self.assertEqual(len(set(addresses)), 2 * PODS)
            self.assertEqual(len(self.cni.leases()), 2 * PODS)
            self.assertEqual(len(self.cni.results()), PODS)
            list(pool.map(self.remove_pod, pods))
        self.pods.clear()
        self.assertEqual(self.facts()["pods"], "0")
        self.assertEqual(self.cni.leases(), [])
        wait_until(lambda: not self.cni.left(),
                   f"nothing of CNI is left: {self.cni.left()[:20]}", 30)

    def test_other_plugins(self):
        ipam = self.cni.ipam(routes=[], ranges=[[{
            "subnet": "192.0.2.0/24", "rangeStart": "192.0.2.128"}]])
        self.addCleanup(self.cni.write, "10-podnet.conflist",
                        self.cni.bridge_list())
        os.unlink(self.cni.config_dir + "/10-podnet.conflist")
        self.addCleanup(lambda: os.unlink(
            self.cni.config_dir + "/05-other.conf"))
        for plugin, target in ((
                {"type": "macvlan", "master": "lan0", "mode": "bridge"},
                "192.0.2.2"), ({"type": "ptp", "ipMasq": True}, None)):
            with self.subTest(plugin=plugin["type"]):
                if plugin["type"] == "ptp":
                    ipam = self.cni.ipam()
                self.cni.write("05-other.conf", dict(
                    plugin, cniVersion="0.4.0", name="other", ipam=ipam))
                pod = self.make_pod()
                address = self.addresses(pod)[0]
                say(plugin["type"], address)
                # A macvlan is not reached by the host that it lies on.
                netns = self.outside if target else self.server.netns
                with listen(self.pod_netns(pod), "0.0.0.0", 80) as listener:
                    self.exchange(listener, "TCP", netns, address, 80)
                self.remove_pod(pod)
                self.pods.clear()
                self.assertEqual(self.cni.left(), [])


@unittest.skipUnless(HAS_PLUGINS, "no containernetworking-plugins")
class Switch(gantry_cni_case.CniCase):
    """network.provider = "auto": whatever new pods get, a pod is detached by
    the one that attached it."""
    PROVIDER = "auto"

    @classmethod
    def prepare(cls, cni):
        pass  # none yet

    def test_a_pod_stays_with_its_provider(self):
        self.assertEqual(self.facts()["provider"], "bridge")
        first = self.make_pod(port_mappings=[self.port(12040, 80)])
        self.assertTrue(self.addresses(first)[0].startswith("10.92."))
        self.cni.write("10-podnet.conflist", self.cni.bridge_list())
        self.assertEqual(self.facts()["provider"], "cni")
        second = self.make_pod(port_mappings=[self.port(12041, 80)])
        self.assertTrue(self.addresses(second)[0].startswith("10.88."))
        with listen(self.pod_netns(first), "0.0.0.0", 80) as listener:
            self.exchange(listener, "TCP", self.outside, "192.0.2.1", 12040)
        self.server.restart()
        with listen(self.pod_netns(first), "0.0.0.0", 80) as listener:
            self.exchange(listener, "TCP", self.outside, "192.0.2.1", 12040)
        self.remove_pod(first)
        os.unlink(self.cni.config_dir + "/10-podnet.conflist")
        self.assertEqual(self.facts()["provider"], "bridge")
        third = self.make_pod()
        self.assertTrue(self.addresses(third)[0].startswith("10.92."))
        self.remove_pod(second)
        self.assertEqual(self.cni.left(), [])


if __name__ == "__main__":
    gantry_case.main()
