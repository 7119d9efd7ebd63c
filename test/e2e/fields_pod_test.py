"""Fields of pods: what is asked for is so, and is told as it was asked."""

import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_fields import covers
from gantry_server import CGROUP_DRIVER

# What Kubernetes lets through, and what it does not.
ODD = {"a.b/c-d_e": "v", "empty": "", "multi\nline": "ünïcode \t value",
       "x" * 300: "y" * 3000}
HANDLERS = ("fast", "slow-2")


class Pods(gantry_case.GantryCase):

    @classmethod
    def new_server(cls):
        server = super().new_server()
        server.more_config = "".join(
            f"[runtime_handlers.{name}]\n" for name in HANDLERS)
        return server

    @covers("PodSandboxConfig.metadata", "PodSandboxMetadata.*",
            "PodSandboxConfig.labels", "PodSandboxConfig.annotations",
            "RunPodSandboxRequest.config", "RunPodSandboxResponse.*",
            "RuntimeService.RunPodSandbox",
            "RuntimeService.PodSandboxStatus", "PodSandboxStatusRequest.*",
            "PodSandboxStatusResponse.status", "PodSandboxStatusResponse.info",
            "PodSandboxStatus.id", "PodSandboxStatus.metadata",
            "PodSandboxStatus.state", "PodSandboxStatus.created_at",
            "PodSandboxStatus.labels", "PodSandboxStatus.annotations",
            "PodSandbox.id", "PodSandbox.metadata", "PodSandbox.state",
            "PodSandbox.created_at", "PodSandbox.labels",
            "PodSandbox.annotations", "RuntimeService.ListPodSandbox",
            "ListPodSandboxResponse.items",
            "RuntimeService.StopPodSandbox", "StopPodSandboxRequest.*",
            "RuntimeService.RemovePodSandbox", "RemovePodSandboxRequest.*",
            "PodSandboxState.SANDBOX_READY",
            "PodSandboxState.SANDBOX_NOTREADY")
    def test_who_a_pod_is(self):
        begin = time.time_ns()
        config = self.pod_config(labels=ODD, annotations=ODD)
        config.metadata.uid = "8a7b-uid"
        config.metadata.namespace = "kube-system"
        config.metadata.attempt = 3
        answer = self.call("RunPodSandbox", config=config)
        pod = answer.pod_sandbox_id
        self.pods.append(pod)
        asked = self.call("PodSandboxStatus", pod_sandbox_id=pod, verbose=True)
        status, listed = asked.status, self.call("ListPodSandbox").items[0]
        for seen in (status, listed):
            self.assertEqual(seen.id, pod)
            self.assertEqual(
                (seen.metadata.name, seen.metadata.uid,
                 seen.metadata.namespace, seen.metadata.attempt),
                (config.metadata.name, "8a7b-uid", "kube-system", 3))
            self.assertEqual(seen.state, self.api.SANDBOX_READY)
            self.assertEqual(dict(seen.labels), ODD)
            self.assertEqual(dict(seen.annotations), ODD)
            self.assertTrue(begin <= seen.created_at <= time.time_ns())
        told = json.loads(asked.info["info"])["config"]
        self.assertEqual(told["metadata"]["attempt"], 3)
        quiet = self.call("PodSandboxStatus", pod_sandbox_id=pod)
        self.assertEqual(dict(quiet.info), {})
        # The same name at another attempt is another pod.
        config.metadata.attempt = 4
        self.assertNotEqual(self.run_pod(config), pod)

        self.call("StopPodSandbox", pod_sandbox_id=pod)
        for seen in (self.pod_status(pod), self.list_pods(id=pod)[0]):
            self.assertEqual(seen.state, self.api.SANDBOX_NOTREADY)
        self.call("RemovePodSandbox", pod_sandbox_id=pod)
        self.assert_code("NOT_FOUND", "PodSandboxStatus", pod,
                         pod_sandbox_id=pod)

    @covers("ListPodSandboxRequest.filter", "PodSandboxFilter.*",
            "PodSandboxStateValue.state")
    def test_a_filters_conditions_hold_together(self):
        one = self.make_pod(labels={"app": "one", "tier": "x"})
        two = self.make_pod(labels={"app": "two", "tier": "x"})
        self.call("StopPodSandbox", pod_sandbox_id=two)
        stopped = self.api.PodSandboxStateValue(
            state=self.api.SANDBOX_NOTREADY)

        def ids(**condition):
            return {pod.id for pod in self.list_pods(**condition)}
        self.assertEqual(ids(), {one, two})
        self.assertEqual(ids(id=one[:10]), {one})
        self.assertEqual(ids(label_selector={"tier": "x"}), {one, two})
        self.assertEqual(ids(label_selector={"tier": "x", "app": "one"}),
                         {one})
        self.assertEqual(ids(label_selector={"tier": ""}), set())
        self.assertEqual(ids(state=stopped), {two})
        self.assertEqual(ids(id=two, state=stopped,
                             label_selector={"app": "two"}), {two})
        self.assertEqual(ids(id=one, state=stopped), set())

    @covers("RunPodSandboxRequest.runtime_handler",
            "PodSandboxStatus.runtime_handler", "PodSandbox.runtime_handler")
    def test_a_handler_is_one_of_those_configured(self):
        pod = self.call("RunPodSandbox", config=self.pod_config(),
                        runtime_handler="slow-2").pod_sandbox_id
        self.pods.append(pod)
        self.assertEqual(self.pod_status(pod).runtime_handler, "slow-2")
        self.assertEqual(self.list_pods(id=pod)[0].runtime_handler, "slow-2")
        self.server.restart()
        self.assertEqual(self.pod_status(pod).runtime_handler, "slow-2")
        self.assertEqual(self.run_to_end(pod, "exit 3").exit_code, 3)
        told = self.assert_code("INVALID_ARGUMENT", "RunPodSandbox",
                                "runtime_handler", config=self.pod_config(),
                                runtime_handler="kata")
        for name in HANDLERS + ("kata",):
            self.assertIn(f'"{name}"', told)

    @covers("PodSandboxConfig.hostname", "PodSandboxConfig.dns_config",
            "DNSConfig.*")
    def test_name_and_resolver_are_those_asked_for(self):
        pod = self.make_pod(hostname="web-0", dns_config=self.api.DNSConfig(
            servers=["10.9.0.1", "fd00::1"], searches=["a.test", "b.test"],
            options=["ndots:5", "timeout:1"]))
        container = self.make_container(pod)
        self.assertEqual(self.inside(container, "hostname"), "web-0")
        self.assertEqual(self.inside(container, "cat /etc/hostname"), "web-0")
        self.assertRegex(self.inside(container, "cat /etc/hosts"),
                         r"(?m)^\S+\s+web-0$")
        self.assertEqual(
            self.inside(container, "cat /etc/resolv.conf").split("\n"),
            ["search a.test b.test", "nameserver 10.9.0.1",
             "nameserver fd00::1", "options ndots:5 timeout:1"])
        for field, dns in (("servers[0]", {"servers": ["not-an-address"]}),
                           ("searches[1]", {"searches": ["a", "b c"]}),
                           ("options[0]", {"options": ["a\nnameserver x"]})):
            self.assert_code(
                "INVALID_ARGUMENT", "RunPodSandbox",
                "config.dns_config." + field,
                config=self.pod_config(dns_config=self.api.DNSConfig(**dns)))

    @covers("PodSandboxConfig.log_directory", "ContainerConfig.log_path",
            "ContainerStatus.log_path")
    def test_logs_are_below_the_pods_directory(self):
        config = self.pod_config()
        config.log_directory = f"{self.server.logs}/{config.metadata.name}"
        pod = self.run_pod(config)
        status = self.run_to_end(pod, "echo here", log_path="deep/er/0.log")
        self.assertEqual(status.log_path,
                         config.log_directory + "/deep/er/0.log")
        self.assertEqual(gantry_case.log_texts(status.log_path), ["here"])
        silent = self.run_to_end(pod, "echo nowhere", log_path="")
        self.assertEqual(silent.log_path, "")
        for bad in ("relative/dir", "/a/../b"):
            config = self.pod_config()
            config.log_directory = bad
            self.assert_code("INVALID_ARGUMENT", "RunPodSandbox",
                             "config.log_directory", config=config)
        for bad in ("/absolute.log", "../up.log", "a//b", "."):
            self.assert_code("INVALID_ARGUMENT", "CreateContainer",
                             "config.log_path", pod_sandbox_id=pod,
                             config=self.container_config(log_path=bad))

    @covers("PodSandboxConfig.linux", "LinuxPodSandboxConfig.*")
    def test_cgroup_sysctls_and_sizes(self):
        config = self.pod_config()
        config.linux.sysctls["net.ipv4.ip_unprivileged_port_start"] = "80"
        config.linux.sysctls["kernel.shm_rmid_forced"] = "1"
        config.linux.overhead.cpu_shares = 10
        config.linux.resources.cpu_shares = 20
        pod = self.run_pod(config)
        info = json.loads(self.call("PodSandboxStatus", pod_sandbox_id=pod,
                                    verbose=True).info["info"])
        self.assertEqual(config.linux.cgroup_parent, self.server.cgroup_parent)
        self.assertEqual(info["cgroup_path"],
                         self.server.pod_cgroup(pod))
        self.assertEqual((info["overhead"]["cpu_shares"],
                          info["resources"]["cpu_shares"]), ("10", "20"))
        container = self.make_container(pod)
        for path, value in (("net/ipv4/ip_unprivileged_port_start", "80"),
                            ("kernel/shm_rmid_forced", "1")):
            self.assertEqual(self.inside(container,
                                         f"cat /proc/sys/{path}"), value)
        # As peers have it: 64 MiB, the pod's own.
        self.assertEqual(self.inside(
            container, "df -k /dev/shm | tail -n 1").split()[1], "65536")
        for name in ("vm.swappiness", "kernel.hostname", "net.ipv4/../x"):
            config = self.pod_config()
            config.linux.sysctls[name] = "1"
            self.assert_code("INVALID_ARGUMENT", "RunPodSandbox",
                             "config.linux", config=config)
        for parent in ("relative", "/a/../b", "/kubepods"
                       if CGROUP_DRIVER == "systemd" else "kubepods.slice"):
            self.assert_code(
                "INVALID_ARGUMENT", "RunPodSandbox",
                "config.linux.cgroup_parent",
                config=self.pod_config(cgroup_parent=parent))

    @covers("LinuxSandboxSecurityContext.namespace_options",
            "LinuxSandboxSecurityContext.privileged",
            "LinuxPodSandboxConfig.security_context",
            "NamespaceOption.network", "NamespaceOption.pid",
            "NamespaceOption.ipc", "NamespaceMode.POD",
            "NamespaceMode.CONTAINER", "NamespaceMode.NODE",
            "PodSandboxStatus.linux", "LinuxPodSandboxStatus.namespaces",
            "Namespace.options")
    def test_namespaces_are_told_as_asked(self):
        for network, pid, ipc in (("POD", "CONTAINER", "POD"),
                                  ("NODE", "NODE", "NODE"),
                                  ("POD", "POD", "NODE")):
            pod = self.make_pod(network=network, pid=pid, ipc=ipc,
                                privileged=network == "NODE")
            options = self.pod_status(pod).linux.namespaces.options
            name = self.api.NamespaceMode.Name
            self.assertEqual((name(options.network), name(options.pid),
                              name(options.ipc)), (network, pid, ipc))
            container = self.make_container(pod, security={
                "namespace_options": options})
            ours = host.namespaces("self")
            theirs = host.namespaces(self.pid(container))
            for kind, mode in (("net", network), ("pid", pid), ("ipc", ipc)):
                self.assertEqual(theirs[kind] == ours[kind], mode == "NODE",
                                 kind)

    @covers("NamespaceOption.userns_options", "UserNamespace.*", "IDMapping.*")
    def test_a_user_namespace_is_told_as_asked(self):
        if not host.maps_ids_of_mounts():
            self.skipTest("this kernel does not map the ids of tmpfs")

        def config(**user):
            asked = self.pod_config()
            asked.linux.security_context.namespace_options.userns_options \
                .CopyFrom(self.api.UserNamespace(**user))
            return asked
        ids = [self.api.IDMapping(host_id=200000, length=65536)]
        asked = config(mode="POD", uids=ids, gids=ids)
        pod = self.run_pod(asked)
        self.assertEqual(
            self.pod_status(pod).linux.namespaces.options.userns_options,
            asked.linux.security_context.namespace_options.userns_options)
        container = self.make_container(pod)
        for file in ("uid_map", "gid_map"):
            self.assertEqual(self.inside(
                container, f"cat /proc/self/{file}").split(),
                ["0", "200000", "65536"])
        shifted = [self.api.IDMapping(host_id=200000, container_id=1,
                                      length=65536)]
        for field, user in (("mode", {"mode": "CONTAINER"}),
                            ("container_id", {"uids": shifted, "gids": ids})):
            self.assert_code("INVALID_ARGUMENT", "RunPodSandbox", field,
                             config=config(**user))

    @covers("PodSandboxStatusResponse.containers_statuses",
            "PodSandboxStatusResponse.timestamp")
    def test_a_pods_status_holds_its_containers(self):
        pod, other = self.make_pod(), self.make_pod()
        running = self.make_container(pod)
        ended = self.make_container(pod, "exit 4")
        self.make_container(other)
        self.wait_exited(ended)
        begin = time.time_ns()
        answer = self.call("PodSandboxStatus", pod_sandbox_id=pod)
        self.assertTrue(begin <= answer.timestamp <= time.time_ns())
        self.assertEqual(
            {status.id: status for status in answer.containers_statuses},
            {container: self.status(container)
             for container in (running, ended)})

    @covers("UpdatePodSandboxResourcesRequest.*",
            "RuntimeService.UpdatePodSandboxResources")
    def test_new_resources_replace_those_of_the_configuration(self):
        pod = self.make_pod()
        resources = self.api.LinuxContainerResources
        self.call("UpdatePodSandboxResources", pod_sandbox_id=pod,
                  overhead=resources(cpu_shares=100),
                  resources=resources(cpu_shares=400))
        info = json.loads(self.call("PodSandboxStatus", pod_sandbox_id=pod,
                                    verbose=True).info["info"])
        self.assertEqual([info[kind]["cpu_shares"] for kind in (
            "overhead", "resources", "limits")], ["100", "400", "500"])


if __name__ == "__main__":
    gantry_case.main()
