"""How gantryd deals with CNI plugins, good and bad: what they are told, what
becomes of a pod when they fail, hang, die, print garbage or lie, and when they
or their configuration are not what they were when the pod is taken off again.

The plugin is one of the test's own (gantry_cni_plugin), which makes no network.
"""

import concurrent.futures
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_cni_case
import gantry_host as host
from gantry_case import DEADLINE, say, wait_until

TIMEOUT = host.patience(3)


class PluginsCase(gantry_cni_case.CniCase):
    # Of all plugins of one pod.
    LONGEST = TIMEOUT

    @classmethod
    def prepare(cls, cni):
        cni.configure(timeout=cls.LONGEST)
        cni.install("first", "second", "third")
        cni.write("10-told.conflist", cni.own_list("first", "second", "third"))

    def setUp(self):
        super().setUp()
        self.cni.calls()

    def remove_pods(self):
        self.cni.forgive()
        super().remove_pods()

    def commands(self):
        """"COMMAND TYPE" of each ADD and DEL since the last look: the others
        come when a server starts or is asked how it is."""
        return [f"{call['command']} {call['type']}"
                for call in self.cni.calls()
                if call["command"] in ("ADD", "DEL")]

    def fails(self, code, *containing):
        """RunPodSandbox fails; nothing is left. Returns what plugins were
        told."""
        told = self.assert_code(code, "RunPodSandbox",
                                config=self.pod_config())
        say(told)
        for text in containing:
            self.assertIn(text, told)
        commands = self.commands()
        self.cni.forgive()
        self.assert_nothing_left()
        return commands


ADDED = ["ADD first", "ADD second", "ADD third"]
DELETED = ["DEL third", "DEL second", "DEL first"]


class Told(PluginsCase):
    # Eight pods' plugins at once are slow to start on a busy machine.
    LONGEST = 10 * TIMEOUT

    def test_environment_and_input_are_what_cni_says(self):
        self.cni.write("10-told.conflist", {
            "cniVersion": "1.0.0", "name": "told", "plugins": [
                {"type": "first", "dir": self.cni.told_dir,
                 "capabilities": {"portMappings": True, "dns": True},
                 "extra": {"a": [1, 2.5, None]}},
                {"type": "second", "dir": self.cni.told_dir,
                 "capabilities": {"bandwidth": True, "portMappings": False,
                                  "ipRanges": True}}]})
        self.addCleanup(self.prepare, self.cni)
        self.call("UpdateRuntimeConfig", runtime_config=self.api.RuntimeConfig(
            network_config=self.api.NetworkConfig(
                pod_cidr="10.5.0.0/24,fd05::/64")))
        pod = self.make_pod(
            name="web", port_mappings=[self.port(12000, 80, "UDP")],
            dns_config=self.api.DNSConfig(servers=["10.0.0.10"],
                                          searches=["svc"]),
            annotations={"kubernetes.io/egress-bandwidth": "1M"})
        first, second = [call for call in self.cni.calls()
                         if call["command"] == "ADD"]
        netns = f"{self.server.run}/pods/{pod}/net"
        environment = dict(first["environment"])
        environment.pop("PATH")
        environment.pop("LC_CTYPE", None)  # Python's own
        self.assertEqual(environment, {
            "CNI_COMMAND": "ADD", "CNI_CONTAINERID": pod, "CNI_NETNS": netns,
            "CNI_IFNAME": "eth0",
            "CNI_PATH": f"{self.cni.plugin_dir}:/usr/lib/cni",
            "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=test;"
                        f"K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID={pod};"
                        "K8S_POD_UID=uid"})
        # 3: the listing itself.
        self.assertEqual(first["fds"], ["0", "1", "2", "3"])
        self.assertEqual(first["config"], {
            "cniVersion": "1.0.0", "name": "told", "type": "first",
            "dir": self.cni.told_dir, "extra": {"a": [1, 2.5, None]},
            "runtimeConfig": {
                "portMappings": [{"hostPort": 12000, "containerPort": 80,
                                  "protocol": "udp", "hostIP": ""}],
                "dns": {"servers": ["10.0.0.10"], "searches": ["svc"],
                        "options": []}}})
        self.assertEqual(second["config"]["runtimeConfig"], {
            "bandwidth": {"egressRate": 1000000, "egressBurst": 4294967295},
            "ipRanges": [[{"subnet": "10.5.0.0/24"}],
                         [{"subnet": "fd05::/64"}]]})
        result = second["config"]["prevResult"]
        self.assertEqual(result["ips"][0]["address"].split("/")[0],
                         self.addresses(pod)[0])
        self.remove_pod(pod)
        last, but_one = self.cni.calls()
        self.assertEqual((last["command"], last["type"]), ("DEL", "second"))
        for call in (last, but_one):
            self.assertEqual(call["config"]["prevResult"], result)
            self.assertEqual(call["environment"]["CNI_NETNS"], netns)
            self.assertEqual(call["environment"]["CNI_ARGS"],
                             first["environment"]["CNI_ARGS"])
        self.assertEqual(but_one["config"]["runtimeConfig"],
                         first["config"]["runtimeConfig"])

    def test_commands_come_in_order(self):
        pod = self.make_pod()
        self.assertEqual(self.commands(), ADDED)
        self.call("StopPodSandbox", pod_sandbox_id=pod)
        self.assertEqual(self.commands(), DELETED)
        self.call("StopPodSandbox", pod_sandbox_id=pod)
        self.call("RemovePodSandbox", pod_sandbox_id=pod)
        self.assertEqual(self.commands(), [])

    def test_pods_on_the_hosts_network_have_no_plugins(self):
        self.make_pod(network="NODE")
        self.assertEqual(self.commands(), [])

    def test_pods_do_not_wait_for_each_other(self):
        wait = host.patience(0.5)
        self.cni.tell("ADD", f"wait {wait}")
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: self.make_pod(), range(8)))
        taken = time.monotonic() - begin
        say(f"8 pods of {3 * wait} s each: {taken:.1f} s")
        self.assertLess(taken, 8 * 3 * wait / 2)

    def test_a_start_collects_garbage_and_checks_pods(self):
        pod = self.make_pod()
        self.server.restart()
        noted = []
        wait_until(lambda: noted.extend(self.cni.calls()) or any(
            call["command"] == "CHECK" and call["type"] == "third"
            for call in noted), "pods are checked")
        collected = [call for call in noted if call["command"] == "GC"]
        self.assertEqual([call["type"] for call in collected],
                         ["first", "second", "third"])
        for call in collected:
            self.assertEqual(call["config"]["cni.dev/valid-attachments"],
                             [{"containerID": pod, "ifname": "eth0"}])
        checked = [call for call in noted if call["command"] == "CHECK"]
        self.assertEqual([call["type"] for call in checked],
                         ["first", "second", "third"])
        self.assertIn("prevResult", checked[0]["config"])

    def test_a_pod_that_check_complains_of_is_logged(self):
        pod = self.make_pod()
        self.cni.tell("second.CHECK", "fail 100 the route is gone")
        self.server.restart()
        wait_until(lambda: "1 pods are not on their network as they were put "
                   f"there; pod {pod}: CNI plugin second (CHECK, network told): "
                   "failed with code 100: the route is gone"
                   in self.server.log(), "it is logged")


class Failing(PluginsCase):

    def test_an_error_object(self):
        self.cni.tell("second.ADD", "fail 100 no such luck")
        self.assertEqual(
            self.fails("FAILED_PRECONDITION",
                       "CNI plugin second (ADD, network told)", "code 100",
                       "no such luck"),
            ADDED[:2] + DELETED[1:])
        self.cni.tell("first.ADD", "fail 11 busy")
        self.assertEqual(self.fails("UNAVAILABLE", "busy"),
                         ADDED[:1] + DELETED[2:])

    def test_one_that_hangs_is_killed_with_its_children(self):
        self.cni.tell("third.ADD", "hang")
        begin = time.monotonic()
        self.assertEqual(self.fails("DEADLINE_EXCEEDED", "third", "killed"),
                         ADDED + DELETED)
        self.assertLess(time.monotonic() - begin, TIMEOUT + 20)
        child = int(host.read(self.cni.told_dir + "/child"))
        wait_until(lambda: not host.exists(child), "its child is gone", 5)

    def test_one_that_dies(self):
        for signal in (9, 11):
            self.cni.tell("second.ADD", f"die {signal}")
            self.assertEqual(
                self.fails("INTERNAL", f"killed by signal {signal}"),
                ADDED[:2] + DELETED[1:])

    def test_garbage_and_lies(self):
        for words, containing in (("garbage", "not valid JSON"),
                                  ("endless", "more than 1048576 bytes"),
                                  ("lie", "ips[0]: address")):
            with self.subTest(words):
                self.cni.tell("first.ADD", words)
                self.assertEqual(
                    self.fails("RESOURCE_EXHAUSTED" if words == "endless"
                               else "INTERNAL", containing),
                    ADDED[:1] + DELETED[2:])

    def test_one_that_is_not_there(self):
        self.cni.uninstall("second")
        self.addCleanup(self.cni.install, "second")
        self.assertEqual(
            self.fails("FAILED_PRECONDITION", "there is no plugin second"),
            ["ADD first", "DEL first"])

    def test_what_cannot_be_undone_is_undone_later(self):
        self.cni.tell("third.ADD", "fail 100 x")
        self.cni.tell("second.DEL", "fail 101 not now")
        config = self.pod_config()
        told = self.assert_code("FAILED_PRECONDITION", "RunPodSandbox",
                                "code 100", config=config)
        say(told)
        self.cni.forgive()
        self.commands()
        # The client tries again.
        self.run_pod(config)
        self.assertEqual(self.commands(), DELETED + ADDED)


class Leaving(PluginsCase):
    """What has changed between ADD and DEL."""

    def leave(self, pod):
        self.remove_pod(pod)
        self.pods.remove(pod)
        return self.commands()

    def setUp(self):
        super().setUp()
        self.pod = self.make_pod()
        self.commands()
        self.addCleanup(self.prepare_again)

    def prepare_again(self):
        self.cni.clear()
        self.prepare(self.cni)

    def test_the_configuration_is_another_one(self):
        self.cni.write("10-told.conflist",
                       self.cni.own_list("first", name="another"))
        self.server.restart()
        self.commands()
        self.assertEqual(self.leave(self.pod), DELETED)

    def test_the_configuration_is_gone(self):
        self.cni.clear()
        self.server.restart()
        self.assertEqual(self.leave(self.pod), DELETED)
        self.assertEqual(self.cni.left(), [])

    def test_a_plugin_is_gone_and_comes_back(self):
        self.cni.uninstall("second")
        self.server.restart()
        self.commands()
        self.assertEqual(self.leave(self.pod), ["DEL third", "DEL first"])
        self.assertIn("let go without CNI plugin second", self.server.log())
        self.assertEqual(self.cni.results(), [self.pod])
        self.assertEqual(self.facts()["owed_deletions"], "1")
        self.cni.install("second")
        self.server.restart()
        noted = []
        wait_until(lambda: noted.extend(self.commands()) or
                   not self.cni.results(), "what was owed is done")
        self.assertEqual(noted, DELETED)
        # The namespace is long gone.
        self.assertEqual(self.facts()["owed_deletions"], "0")

    def test_a_plugin_refuses_for_a_while(self):
        self.cni.tell("second.DEL", "fail 100 not yet")
        for _ in range(2):
            self.assert_code("FAILED_PRECONDITION", "StopPodSandbox",
                             "not yet", pod_sandbox_id=self.pod)
            self.assertEqual(self.commands(), DELETED[:2])
        self.cni.forgive()
        self.assertEqual(self.leave(self.pod), DELETED)

    def test_a_plugin_refuses_for_ever(self):
        self.cni.tell("second.DEL", "fail 100 never")
        tries = 0
        while True:
            tries += 1
            try:
                self.call("StopPodSandbox", pod_sandbox_id=self.pod)
                break
            except Exception as error:
                self.assertIn("never", str(error))
            self.assertLess(tries, 10)
        self.assertEqual(tries, 5)
        self.commands()
        self.assertEqual(self.leave(self.pod), [])
        self.assertEqual(self.cni.results(), [self.pod])
        self.cni.forgive()
        self.server.restart()
        wait_until(lambda: not self.cni.results(), "what was owed is done")

    def test_a_plugin_hangs(self):
        self.cni.tell("first.DEL", "hang")
        self.assert_code("DEADLINE_EXCEEDED", "StopPodSandbox", "first",
                         pod_sandbox_id=self.pod)
        self.cni.forgive()
        self.commands()
        self.assertEqual(self.leave(self.pod), DELETED)

    def test_the_server_is_killed_while_a_plugin_runs(self):
        self.cni.tell("first.ADD", "wait 1")
        config = self.pod_config()
        call = self.server.runtime.RunPodSandbox.future(
            self.api.RunPodSandboxRequest(config=config), timeout=DEADLINE)
        wait_until(lambda: self.cni.inputs(), "the plugin runs")
        self.server.kill()
        # The plugin goes on; what it does is undone after it has ended.
        self.server.start()
        call.cancel()
        self.assertEqual(self.commands(), ["ADD first"] + DELETED)
        self.cni.forgive()
        self.run_pod(config)
        self.assertEqual(self.commands(), ADDED)

    def test_the_server_is_killed_while_a_plugin_hangs(self):
        if os.path.exists(self.cni.told_dir + "/child"):
            os.unlink(self.cni.told_dir + "/child")
        self.cni.tell("first.ADD", "hang")
        call = self.server.runtime.RunPodSandbox.future(
            self.api.RunPodSandboxRequest(config=self.pod_config()),
            timeout=DEADLINE)
        wait_until(lambda: os.path.exists(self.cni.told_dir + "/child"),
                   "the plugin runs")
        child = int(host.read(self.cni.told_dir + "/child"))
        os.unlink(self.cni.told_dir + "/child")
        self.server.restart()
        call.cancel()
        wait_until(lambda: not host.exists(child), "it was ended", 5)
        # Others are served before this one is undone.
        commands = []

        def is_undone():
            commands.extend(self.commands())
            return len(commands) > len(DELETED)
        wait_until(is_undone, "the pod is undone", 60)
        self.assertEqual(commands, ["ADD first"] + DELETED)

    def test_the_machines_namespaces_are_gone(self):
        """As after a reboot: no namespace is pinned any more."""
        self.server.kill()
        host.unmount(f"{self.server.run}/pods/{self.pod}/net")
        self.server.start()
        self.cni.calls()
        self.call("StopPodSandbox", pod_sandbox_id=self.pod)
        calls = [call for call in self.cni.calls()
                 if call["command"] == "DEL"]
        self.assertEqual([call["environment"]["CNI_NETNS"] for call in calls],
                         ["", "", ""])

    def test_a_damaged_result_costs_the_result_alone(self):
        self.server.kill()
        host.write(f"{self.server.root}/cni/{self.pod}", "{")
        self.server.start()
        self.commands()
        self.assertEqual(self.leave(self.pod), DELETED)

    def test_a_record_is_lost(self):
        self.server.kill()
        host.write(f"{self.server.root}/pods/{self.pod}/record", "x")
        self.server.start()
        wait_until(lambda: not self.cni.results(), "it is swept")
        self.pods.remove(self.pod)
        self.assertEqual(self.commands(), DELETED)
        for name in os.listdir(self.server.root + "/damaged"):
            os.unlink(f"{self.server.root}/damaged/{name}/record")
            os.rmdir(f"{self.server.root}/damaged/{name}")


class Status(PluginsCase):

    def not_ready(self, *containing):
        condition = self.network_condition()
        self.assertFalse(condition.status)
        self.assertEqual(condition.reason, "NetworkReadyFailed")
        say(condition.message)
        for text in containing:
            self.assertIn(text, condition.message)
        self.assert_code("FAILED_PRECONDITION", "RunPodSandbox",
                         config=self.pod_config())

    def test_what_is_wrong_is_told_until_it_is_right(self):
        self.assertTrue(self.network_condition().status)
        self.cni.clear()
        self.not_ready("no network configuration", self.cni.config_dir)
        self.make_pod(network="NODE")
        self.cni.write("20-b.conflist", "{\n\n  nonsense\n}")
        self.not_ready("20-b.conflist: not valid JSON (line 3)")
        self.cni.write("10-a.conflist", {"name": "x", "plugins": [
            {"type": "../../bin/sh"}]})
        self.not_ready("10-a.conflist: plugins[0]", "../../bin/sh")
        self.cni.write("10-a.conflist", self.cni.own_list("absent"))
        self.not_ready("there is no plugin absent in", self.cni.plugin_dir)
        self.cni.clear()
        self.prepare(self.cni)
        self.assertTrue(self.network_condition().status)
        self.make_pod()

    def test_what_plugins_say_of_themselves_is_told(self):
        self.cni.tell("second.STATUS", "fail 50 no address is left")
        condition = self.network_condition()
        self.assertFalse(condition.status)
        self.assertIn("no address is left", condition.message)
        self.cni.forgive()
        self.assertTrue(self.network_condition().status)

    def test_a_status_that_hangs_holds_nobody_up(self):
        self.cni.tell("first.STATUS", "hang")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            begin = time.monotonic()
            waiting = [pool.submit(self.network_condition) for _ in range(8)]
            self.make_pod()
            say(f"a pod meanwhile: {time.monotonic() - begin:.2f} s")
            conditions = [future.result() for future in waiting]
        self.assertTrue(any(not c.status and "did not end" in c.message
                            for c in conditions))

    def test_a_network_is_chosen_by_its_name(self):
        self.cni.write("05-other.conflist",
                       self.cni.own_list("first", name="other"))
        self.assertEqual(self.facts()["network"], "other")
        self.server.stop()
        self.cni.configure(timeout=TIMEOUT, network_name="told")
        self.server.start()
        self.assertEqual(self.facts()["network"], "told")
        os.unlink(self.cni.config_dir + "/10-told.conflist")
        self.not_ready('no configuration of the network "told"')
        self.cni.clear()
        self.prepare(self.cni)
        self.server.restart()


if __name__ == "__main__":
    gantry_case.main()
