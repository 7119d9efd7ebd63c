"""Fields about the runtime itself, and those of Windows and of what is not
built."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
import grpc
from gantry_fields import covers, covers_unset
from gantry_server import CGROUP_DRIVER

HANDLERS = ("fast",)


class Runtime(gantry_case.GantryCase):

    @classmethod
    def new_server(cls):
        server = super().new_server()
        server.more_config = "".join(
            f"[runtime_handlers.{name}]\n" for name in HANDLERS)
        return server

    @covers("RuntimeService.Version", "VersionRequest.version",
            "VersionResponse.*")
    def test_version(self):
        told = self.call("Version", version="0.1.0")
        self.assertEqual((told.version, told.runtime_name,
                          told.runtime_api_version), ("0.1.0", "gantry", "v1"))
        self.assertRegex(told.runtime_version, r"^\d+\.\d+\.\d+")

    @covers("RuntimeService.Status", "StatusRequest.verbose",
            "StatusResponse.*", "RuntimeStatus.conditions",
            "RuntimeCondition.type", "RuntimeCondition.status",
            "RuntimeHandler.*",
            "RuntimeHandlerFeatures.recursive_read_only_mounts",
            "RuntimeFeatures.supplemental_groups_policy",
            "RuntimeFeatures.mount_options")
    def test_status(self):
        quiet = self.call("Status")
        self.assertEqual(dict(quiet.info), {})
        answer = self.call("Status", verbose=True)
        conditions = {condition.type: condition
                      for condition in answer.status.conditions}
        self.assertTrue(conditions["RuntimeReady"].status)
        self.assertIn("NetworkReady", conditions)
        for text in answer.info.values():
            json.loads(text)
        self.assertEqual([handler.name for handler in
                          answer.runtime_handlers], ["", *HANDLERS])
        # They are alike: what one can, the others can.
        for handler in answer.runtime_handlers:
            self.assertEqual(handler.features,
                             answer.runtime_handlers[0].features)
            self.assertTrue(handler.features.recursive_read_only_mounts)
        self.assertTrue(answer.features.supplemental_groups_policy)
        self.assertTrue(answer.features.mount_options)

    @covers("RuntimeHandlerFeatures.user_namespaces",
            "RuntimeFeatures.user_namespaces_host_network")
    def test_user_namespaces_are_offered_where_the_kernel_can(self):
        answer = self.call("Status")
        can = host.maps_ids_of_mounts()
        self.assertEqual(
            (answer.runtime_handlers[0].features.user_namespaces,
             answer.features.user_namespaces_host_network), (can, can))
        if not can:
            self.skipTest("this kernel does not map the ids of tmpfs")

    @covers("RuntimeService.RuntimeConfig", "RuntimeConfigResponse.linux",
            "LinuxRuntimeConfiguration.cgroup_driver",
            "CgroupDriver.CGROUPFS")
    @covers_unset("CgroupDriver.SYSTEMD")
    def test_the_cgroup_driver(self):
        if CGROUP_DRIVER != "cgroupfs":
            self.skipTest("the other one: test/vm/systemd_test.py")
        linux = self.call("RuntimeConfig").linux
        self.assertEqual(linux.cgroup_driver, self.api.CGROUPFS)

    @covers("RuntimeService.UpdateRuntimeConfig",
            "UpdateRuntimeConfigRequest.runtime_config",
            "RuntimeConfig.network_config", "NetworkConfig.pod_cidr")
    def test_the_pods_addresses_are_checked_and_told(self):
        def update(cidr):
            return dict(runtime_config=self.api.RuntimeConfig(
                network_config=self.api.NetworkConfig(pod_cidr=cidr)))
        self.call("UpdateRuntimeConfig", **update("10.9.0.0/16,fd00:9::/64"))
        self.call("UpdateRuntimeConfig", **update(""))
        told = json.loads(self.call("Status", verbose=True).info["pod_cidr"])
        self.assertEqual(told, "10.9.0.0/16,fd00:9::/64")
        self.assert_code("INVALID_ARGUMENT", "UpdateRuntimeConfig",
                         "runtime_config.network_config.pod_cidr",
                         **update("10.9.0.0/40"))

    # -- Windows

    @covers("PodSandboxConfig.windows", "WindowsPodSandboxConfig.*",
            "WindowsSandboxSecurityContext.*", "WindowsNamespaceOption.*")
    def test_what_only_windows_has_of_a_pod_is_refused(self):
        api = self.api
        for field, value in (
                ("run_as_username", "me"), ("credential_spec", "{}"),
                ("host_process", True)):
            config = self.pod_config()
            setattr(config.windows.security_context, field, value)
            self.assert_code(
                "INVALID_ARGUMENT", "RunPodSandbox",
                "config.windows.security_context." + field, config=config)
        config = self.pod_config()
        options = config.windows.security_context.namespace_options
        options.network = api.NODE
        self.assert_code(
            "INVALID_ARGUMENT", "RunPodSandbox",
            "config.windows.security_context.namespace_options.network",
            config=config)

    @covers("ContainerConfig.windows", "WindowsContainerConfig.*",
            "WindowsContainerSecurityContext.*", "WindowsContainerResources.*",
            "WindowsCpuGroupAffinity.*",
            "UpdateContainerResourcesRequest.windows")
    def test_what_only_windows_has_of_a_container_is_refused(self):
        pod = self.make_pod()
        api = self.api
        context = {"run_as_username": "me", "credential_spec": "{}",
                   "host_process": True}
        resources = {"cpu_shares": 1, "cpu_count": 1, "cpu_maximum": 1,
                     "memory_limit_in_bytes": 1, "rootfs_size_in_bytes": 1,
                     "affinity_cpus": [api.WindowsCpuGroupAffinity(
                         cpu_mask=1, cpu_group=1)]}
        for group, fields, message in (
                ("security_context", context,
                 api.WindowsContainerSecurityContext),
                ("resources", resources, api.WindowsContainerResources)):
            for field, value in fields.items():
                config = self.container_config(
                    windows=api.WindowsContainerConfig(
                        **{group: message(**{field: value})}))
                self.assert_code(
                    "INVALID_ARGUMENT", "CreateContainer",
                    f"config.windows.{group}.{field}", pod_sandbox_id=pod,
                    config=config)
        container = self.make_container(pod)
        self.assert_code(
            "INVALID_ARGUMENT", "UpdateContainerResources",
            "windows.cpu_count", container_id=container,
            windows=api.WindowsContainerResources(cpu_count=1))

    @covers_unset("ContainerResources.windows", "PodSandboxStats.windows",
                  "WindowsPodSandboxStats.*", "WindowsNetworkUsage.*",
                  "WindowsNetworkInterfaceUsage.*", "WindowsProcessUsage.*",
                  "WindowsContainerStats.*", "WindowsCpuUsage.*",
                  "WindowsMemoryUsage.*", "WindowsFilesystemUsage.*")
    def test_no_answer_speaks_of_windows(self):
        pod = self.make_pod()
        container = self.make_container(pod)
        resources = self.status(container).resources
        self.assertTrue(resources.HasField("linux"))
        self.assertFalse(resources.HasField("windows"))
        self.call("ContainerStats", container_id=container)
        self.call("ListContainerStats")
        try:
            stats = self.call("PodSandboxStats", pod_sandbox_id=pod).stats
            self.assertFalse(stats.HasField("windows"))
        except grpc.RpcError as error:
            self.assertEqual(error.code(), grpc.StatusCode.UNIMPLEMENTED)

    # -- not built

    @covers("RuntimeService.CheckpointContainer",
            "CheckpointContainerRequest.*", "RuntimeService.CheckpointPod",
            "CheckpointPodRequest.*", "RuntimeService.RestorePod",
            "RestorePodRequest.*")
    @covers_unset("RestorePodResponse.*", "RestoredContainer.*")
    def test_checkpoints_are_not_built_and_say_so(self):
        pod = self.make_pod()
        container = self.make_container(pod)
        calls = {
            "CheckpointContainer": dict(container_id=container,
                                        location="/tmp/x", timeout=1),
            "CheckpointPod": dict(pod_sandbox_id=pod, output_path="/tmp/x",
                                  container_ids=[container],
                                  options={"a": "b"}),
            "RestorePod": dict(
                checkpoint_path="/tmp/x", config=self.pod_config(),
                runtime_handler="fast", options={"a": "b"},
                container_configs=[self.container_config()]),
        }
        for verb, fields in calls.items():
            with self.subTest(verb):
                self.assert_code("UNIMPLEMENTED", verb, verb, **fields)
        self.assertEqual(self.state(container), "RUNNING")


if __name__ == "__main__":
    gantry_case.main()
