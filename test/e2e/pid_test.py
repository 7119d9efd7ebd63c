"""PID: a container is number 1 of its own processes."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import FOREVER, say
from gantry_fields import covers


class Pid(gantry_case.GantryCase):

    def processes(self, container):
        """Pid inside -> command, by ps, without ps itself and its shell."""
        lines = self.inside(container, ["ps", "-o", "pid,args"]).split("\n")
        found = {}
        for line in lines[1:]:
            pid, command = line.strip().split(None, 1)
            if not command.startswith("ps "):
                found[int(pid)] = command
        return found

    def test_the_program_is_number_one_and_sees_only_its_own(self):
        pod = self.make_pod()
        ended = self.run_to_end(pod, "echo $$; ps; true", name="one")
        lines = gantry_case.log_texts(ended.log_path)
        self.assertEqual(lines[0], "1")
        self.assertEqual(len(lines), 4, lines)  # its header, sh, ps
        container = self.make_container(pod, command=["sleep", "1000"])
        self.make_container(pod, command=["sleep", "2000"])
        self.assertEqual(self.processes(container), {1: "sleep 1000"})
        say("ps sees", self.processes(container))
        pid = self.pid(container)
        self.assertNotEqual(host.namespaces(pid)["pid"],
                            host.namespaces("self")["pid"])
        # The last number is what it is called inside.
        self.assertEqual(host.status(pid)["NSpid"].split(), [str(pid), "1"])

    def test_exec_joins_the_containers_processes(self):
        container = self.make_container(self.make_pod())
        self.assertGreater(int(self.inside(container, "echo $$")), 1)
        self.assertIn("trap", self.inside(container,
                                          "tr '\\0' ' ' </proc/1/cmdline"))

    def test_containers_of_a_pod_with_a_shared_namespace_see_each_other(self):
        pod = self.make_pod(pid="POD")
        options = {"namespace_options": self.api.NamespaceOption(pid="POD")}
        one, two = [
            self.make_container(pod, command=["sleep", seconds],
                                security=options)
            for seconds in ("1000", "2000")]
        seen = self.processes(one)
        say("in a shared PID namespace:", seen)
        self.assertIn("sleep 1000", seen.values())
        self.assertIn("sleep 2000", seen.values())
        self.assertNotIn("sleep", seen[1])  # the pause
        self.assertEqual(len(seen), 3)
        # The pause is the pod's own affair.
        self.assertEqual({c.id for c in self.list_containers()}, {one, two})
        # It outlives any container, and reaps what they leave.
        self.stop(one)
        self.inside(two, "(sleep 0.05 &); true")
        gantry_case.wait_until(
            lambda: self.processes(two) == {
                number: command for number, command in seen.items()
                if command != "sleep 1000"},
            "orphans are reaped by the pause")

    @covers("LinuxContainerSecurityContext.namespace_options")
    def test_a_container_may_stay_apart_in_a_pod_that_shares(self):
        pod = self.make_pod(pid="POD")
        options = {"namespace_options": self.api.NamespaceOption(
            pid="CONTAINER")}
        container = self.make_container(pod, command=["sleep", "1000"],
                                        security=options)
        self.assertEqual(self.processes(container), {1: "sleep 1000"})

    @covers("NamespaceOption.target_id", "NamespaceMode.TARGET")
    def test_a_container_may_join_another_ones_namespace(self):
        pod = self.make_pod()
        target = self.make_container(pod, command=["sleep", "1000"])
        options = {"namespace_options": self.api.NamespaceOption(
            pid="TARGET", target_id=target)}
        guest = self.make_container(pod, command=["sleep", "2000"],
                                    security=options)
        self.assertEqual(self.processes(target)[1], "sleep 1000")
        self.assertIn("sleep 2000", self.processes(target).values())
        self.assertIn("sleep 1000", self.processes(guest).values())

    def test_a_target_must_be_a_running_container_of_the_pod(self):
        pod = self.make_pod()

        def assert_refused(code, target, containing):
            self.assert_code(
                code, "CreateContainer", containing, pod_sandbox_id=pod,
                config=self.container_config(security={
                    "namespace_options": self.api.NamespaceOption(
                        pid="TARGET", target_id=target)}))
        assert_refused("NOT_FOUND", "0" * 64, "target_id")
        elsewhere = self.make_container(self.make_pod())
        assert_refused("INVALID_ARGUMENT", elsewhere, "of the same pod")
        created = self.create(pod, self.container_config())
        assert_refused("FAILED_PRECONDITION", created, "does not run")
        ended = self.make_container(pod, "exit 0")
        self.wait_exited(ended)
        assert_refused("FAILED_PRECONDITION", ended, "does not run")

    def test_a_target_that_ended_meanwhile_fails_the_start(self):
        pod = self.make_pod()
        target = self.make_container(pod)
        guest = self.create(pod, self.container_config(security={
            "namespace_options": self.api.NamespaceOption(
                pid="TARGET", target_id=target)}))
        self.stop(target)
        self.assert_code("FAILED_PRECONDITION", "StartContainer",
                         "does not run", container_id=guest)

    def test_a_container_in_the_hosts_namespace_sees_the_host(self):
        pod = self.make_pod(pid="NODE")
        options = {"namespace_options": self.api.NamespaceOption(pid="NODE")}
        container = self.make_container(pod, FOREVER, security=options)
        self.assertEqual(
            host.namespaces(self.pid(container))["pid"],
            host.namespaces("self")["pid"])
        self.assertEqual(
            self.inside(container, f"cat /proc/{os.getpid()}/comm"),
            host.read("/proc/self/comm").strip())
        # Its children are found without a PID namespace, too.
        self.stop(container)

    def test_all_processes_end_with_the_first(self):
        pod = self.make_pod()
        container = self.make_container(
            pod, "(setsid sleep 1000 &); sleep 0.3; exit 3")
        before = gantry_case.wait_until(
            lambda: host.children(self.pid(container)), "it has children")
        self.assertEqual(self.wait_exited(container).exit_code, 3)
        self.assertFalse([pid for pid in before if host.exists(pid)])


if __name__ == "__main__":
    gantry_case.main()
