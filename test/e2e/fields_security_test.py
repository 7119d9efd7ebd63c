"""Fields of security contexts: of pods, old spellings, and of modules that a
kernel may lack."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_fields import covers


class Security(gantry_case.GantryCase):

    def value(self, number):
        return self.api.Int64Value(value=number)

    def pod_refused(self, code, field, **context):
        config = self.pod_config()
        config.linux.security_context.MergeFrom(
            self.api.LinuxSandboxSecurityContext(**context))
        self.assert_code(code, "RunPodSandbox",
                         "config.linux.security_context." + field,
                         config=config)

    def refused(self, pod, code, field, **context):
        self.assert_code(code, "CreateContainer",
                         "config.linux.security_context." + field,
                         pod_sandbox_id=pod,
                         config=self.container_config(security=context))

    @covers("LinuxSandboxSecurityContext.run_as_user",
            "LinuxSandboxSecurityContext.run_as_group",
            "LinuxSandboxSecurityContext.readonly_rootfs",
            "LinuxSandboxSecurityContext.supplemental_groups",
            "LinuxSandboxSecurityContext.supplemental_groups_policy",
            "LinuxSandboxSecurityContext.seccomp",
            "SecurityProfile.profile_type",
            "SecurityProfile.ProfileType.RuntimeDefault",
            "SecurityProfile.ProfileType.Unconfined")
    def test_a_pods_own_context_is_checked_and_kept(self):
        # It is of the process that holds a pod elsewhere. Here there is none,
        # or one without an image that may do nothing at all.
        profile = self.api.SecurityProfile
        for kind in (profile.RuntimeDefault, profile.Unconfined):
            config = self.pod_config(pid="POD")
            config.linux.security_context.MergeFrom(
                self.api.LinuxSandboxSecurityContext(
                    run_as_user=self.value(1000),
                    run_as_group=self.value(2000), readonly_rootfs=True,
                    supplemental_groups=[3000],
                    supplemental_groups_policy=self.api.Strict,
                    seccomp=profile(profile_type=kind)))
            pod = self.run_pod(config)
            told = json.loads(self.call(
                "PodSandboxStatus", pod_sandbox_id=pod,
                verbose=True).info["info"])["config"]["linux"]
            self.assertEqual(told["security_context"]["run_as_user"],
                             {"value": "1000"})
            self.assertEqual(self.run_to_end(pod, "id -u").exit_code, 0)
        self.pod_refused("INVALID_ARGUMENT", "run_as_user",
                         run_as_user=self.value(-1))
        self.pod_refused("INVALID_ARGUMENT", "run_as_group",
                         run_as_group=self.value(5))
        self.pod_refused("INVALID_ARGUMENT", "supplemental_groups[1]",
                         supplemental_groups=[1, 1 << 40])
        self.pod_refused("INVALID_ARGUMENT", "supplemental_groups_policy",
                         supplemental_groups_policy=9)
        self.pod_refused("INVALID_ARGUMENT", "seccomp.profile_type",
                         seccomp=profile(profile_type=9))

    @covers("LinuxContainerSecurityContext.run_as_user",
            "LinuxContainerSecurityContext.run_as_group",
            "LinuxContainerSecurityContext.run_as_username",
            "LinuxContainerSecurityContext.supplemental_groups",
            "LinuxContainerSecurityContext.supplemental_groups_policy",
            "SupplementalGroupsPolicy.*")
    def test_groups_are_merged_or_strict(self):
        pod = self.make_pod()
        for policy, groups in ((self.api.Merge, {2000, 3000, 4000}),
                               (self.api.Strict, {3000, 4000})):
            status = self.run_to_end(pod, "id -u; id -G", security={
                "run_as_user": self.value(1000),
                "run_as_group": self.value(3000),
                "supplemental_groups": [4000],
                "supplemental_groups_policy": policy})
            uid, seen = gantry_case.log_texts(status.log_path)
            self.assertEqual(uid, "1000")
            self.assertEqual({int(group) for group in seen.split()}, groups)
        status = self.run_to_end(pod, "id -un",
                                 security={"run_as_username": "app"})
        self.assertEqual(gantry_case.log_texts(status.log_path), ["app"])
        for field, context in (
                ("run_as_user", {"run_as_user": self.value(-1)}),
                ("run_as_group", {"run_as_group": self.value(1)}),
                ("run_as_username", {"run_as_username": "app:root"}),
                ("supplemental_groups[0]", {"supplemental_groups": [-1]}),
                ("supplemental_groups_policy",
                 {"supplemental_groups_policy": 9})):
            self.refused(pod, "INVALID_ARGUMENT", field, **context)

    @covers("LinuxSandboxSecurityContext.selinux_options",
            "LinuxContainerSecurityContext.selinux_options", "SELinuxOption.*")
    def test_an_selinux_label_needs_selinux(self):
        if os.path.exists("/sys/fs/selinux/enforce"):
            self.skipTest("this kernel has SELinux")
        pod = self.make_pod()
        for field in ("user", "role", "type", "level"):
            options = self.api.SELinuxOption(**{field: "x"})
            self.refused(pod, "FAILED_PRECONDITION", "selinux_options",
                         selinux_options=options)
            self.pod_refused("FAILED_PRECONDITION", "selinux_options",
                             selinux_options=options)

    @covers("LinuxSandboxSecurityContext.apparmor",
            "LinuxContainerSecurityContext.apparmor",
            "LinuxContainerSecurityContext.apparmor_profile",
            "SecurityProfile.localhost_ref",
            "SecurityProfile.ProfileType.Localhost")
    def test_an_apparmor_profile_needs_apparmor(self):
        if host.read("/sys/module/apparmor/parameters/enabled") == "Y\n":
            self.skipTest("this kernel has AppArmor")
        pod = self.make_pod()
        profile = self.api.SecurityProfile
        named = profile(profile_type=profile.Localhost, localhost_ref="mine")
        self.refused(pod, "FAILED_PRECONDITION", "apparmor", apparmor=named)
        self.refused(pod, "FAILED_PRECONDITION", "apparmor_profile",
                     apparmor_profile="localhost/mine")
        self.refused(pod, "INVALID_ARGUMENT", "apparmor_profile",
                     apparmor_profile="no such word")
        self.pod_refused("FAILED_PRECONDITION", "apparmor", apparmor=named)
        self.refused(pod, "INVALID_ARGUMENT", "apparmor.localhost_ref",
                     apparmor=profile(profile_type=profile.Unconfined,
                                      localhost_ref="mine"))
        for context in ({"apparmor": profile(
                profile_type=profile.Unconfined)},
                        {"apparmor_profile": "unconfined"}):
            self.assertEqual(self.run_to_end(
                pod, "exit 0", security=context).exit_code, 0)

    @covers("LinuxSandboxSecurityContext.seccomp_profile_path",
            "LinuxContainerSecurityContext.seccomp_profile_path")
    def test_the_old_spelling_of_seccomp(self):
        config = self.pod_config()
        context = config.linux.security_context
        context.seccomp_profile_path = "runtime/default"
        pod = self.run_pod(config)
        for path, mode in (("runtime/default", "2"), ("docker/default", "2"),
                           ("unconfined", "0")):
            container = self.make_container(
                pod, security={"seccomp_profile_path": path})
            self.assertEqual(host.status(self.pid(container))["Seccomp"],
                             mode, path)
        self.refused(pod, "INVALID_ARGUMENT", "seccomp_profile_path",
                     seccomp_profile_path="no such word")
        self.pod_refused("INVALID_ARGUMENT", "seccomp_profile_path",
                         seccomp_profile_path="no such word")


if __name__ == "__main__":
    gantry_case.main()
