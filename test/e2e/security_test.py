"""Seccomp profiles of the host, kernel parameters, hidden paths, and what
clients have got past other runtimes with."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_fields import covers

KILL, NET_BIND = 5, 10
CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


class Security(gantry_case.GantryCase):

    def status_inside(self, container, command="cat /proc/self/status"):
        return dict(line.split(":\t", 1)
                    for line in self.inside(container, command).split("\n")
                    if ":\t" in line)

    def capabilities(self, status):
        return {name: int(status[name], 16) for name in CAPABILITY_SETS}

    # -- seccomp

    def profile(self, name="profile.json", **content):
        path = f"{self.server.top}/{name}"
        host.write(path, json.dumps(content))
        self.addCleanup(os.unlink, path)
        return path

    def localhost(self, path):
        profile = self.api.SecurityProfile
        return {"seccomp": profile(profile_type=profile.Localhost,
                                   localhost_ref=path)}

    def assert_create_fails(self, code, containing, security):
        return self.assert_code(
            code, "CreateContainer", containing,
            pod_sandbox_id=self.make_pod(),
            config=self.container_config(security=security))

    def test_a_profile_of_the_host_bites(self):
        path = self.profile(defaultAction="SCMP_ACT_ALLOW", syscalls=[
            {"names": ["chmod", "fchmodat", "fchmodat2", "no_such_call"],
             "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
            {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO",
             "args": [{"index": 1, "value": 0o777, "op": "SCMP_CMP_EQ"}]},
            {"names": ["unlink"], "action": "SCMP_ACT_ERRNO",
             "excludes": {"caps": ["CAP_CHOWN"]}}])
        container = self.make_container(self.make_pod(),
                                        security=self.localhost(path))
        self.assertEqual(host.status(self.pid(container))["Seccomp"], "2")
        refused = self.exec_sync(container, "chmod 700 /tmp")
        self.assertIn(b"No space left on device", refused.stderr)
        refused = self.exec_sync(container, "umask 0; mkdir /a")
        self.assertIn(b"Operation not permitted", refused.stderr)
        self.inside(container, "umask 0; mkdir -m 755 /b; touch /c; rm /c")

    def test_a_profile_that_is_missing_or_wrong_fails_the_create(self):
        missing = self.server.top + "/no-such.json"
        self.assert_create_fails("FAILED_PRECONDITION", missing,
                                 self.localhost(missing))
        wrong = self.profile(defaultAction="SCMP_ACT_ALLOW",
                             syscalls=[{"names": ["read"], "action": "NO"}])
        self.assert_create_fails("INVALID_ARGUMENT", "syscalls[0]: action",
                                 self.localhost(wrong))
        self.assert_create_fails("FAILED_PRECONDITION", "not a regular file",
                                 self.localhost("/dev/zero"))
        self.assert_create_fails("INVALID_ARGUMENT", "localhost_ref",
                                 self.localhost("profile.json"))

    def test_a_privileged_container_has_no_profile(self):
        path = self.profile(defaultAction="SCMP_ACT_ALLOW", syscalls=[
            {"names": ["chmod"], "action": "SCMP_ACT_ERRNO"}])
        container = self.make_container(
            self.make_pod(privileged=True),
            security={"privileged": True, **self.localhost(path)})
        self.assertEqual(host.status(self.pid(container))["Seccomp"], "0")

    # -- security modules

    def test_labels_of_modules_the_kernel_lacks_are_refused(self):
        if not os.path.exists("/sys/fs/selinux/enforce"):
            self.assert_create_fails(
                "FAILED_PRECONDITION", "selinux_options",
                {"selinux_options": self.api.SELinuxOption(level="s0")})
        if host.read("/sys/module/apparmor/parameters/enabled") != "Y\n":
            profile = self.api.SecurityProfile
            self.assert_create_fails(
                "FAILED_PRECONDITION", "apparmor",
                {"apparmor": profile(profile_type=profile.Localhost,
                                     localhost_ref="strict")})

    # -- kernel parameters

    def pod_with(self, sysctls, **config):
        config = self.pod_config(**config)
        config.linux.sysctls.update(sysctls)
        return config

    def test_parameters_are_the_pods_own(self):
        sysctls = {"net.ipv4.ip_unprivileged_port_start": "0",
                   "kernel.shm_rmid_forced": "1",
                   "kernel/msgmax": "12345",
                   "net.ipv4.ip_local_port_range": "20000 30000"}
        paths = ["/proc/sys/" + key.replace(".", "/") for key in sysctls]
        before = [host.read(path) for path in paths]
        pod = self.run_pod(self.pod_with(sysctls))
        container = self.make_container(pod)
        for path, value in zip(paths, sysctls.values()):
            self.assertEqual(self.inside(container, "cat " + path).split(),
                             value.split())
        self.assertEqual([host.read(path) for path in paths], before)

    def test_parameters_of_the_host_are_refused(self):
        for sysctls, config in (
                ({"vm.swappiness": "1"}, {}),
                ({"kernel.core_pattern": "|/x"}, {}),
                ({"net.ipv4.ip_forward": "1"}, {"network": "NODE"}),
                ({"kernel.shmmax": "1"}, {"ipc": "NODE"}),
                ({"net.ipv4.x": "1+kernel.core_pattern=|/x"}, {}),
                ({"net.ipv4.x": "1\nkernel.core_pattern=x"}, {}),
                ({"net.x/../../kernel/core_pattern": "x"}, {})):
            self.assert_code("INVALID_ARGUMENT", "RunPodSandbox", "sysctls",
                             config=self.pod_with(sysctls, **config))

    # -- paths

    @covers("LinuxContainerSecurityContext.masked_paths",
            "LinuxContainerSecurityContext.readonly_paths")
    def test_hidden_and_protected_paths_are_those_the_client_names(self):
        container = self.make_container(self.make_pod(), security={
            "masked_paths": ["/etc/passwd", "/sbin", "/no/such"],
            "readonly_paths": ["/tmp", "/no/such"]},
            command=["/bin/sh", "-c", "while :; do :; done"])
        pid = self.pid(container)
        root = f"/proc/{pid}/root"
        self.assertEqual(host.read(root + "/etc/passwd"), "")
        self.assertEqual(os.listdir(root + "/sbin"), [])
        with self.assertRaises(OSError) as caught:
            os.mkdir(root + "/tmp/x")
        self.assertEqual(caught.exception.errno, 30)
        # The list replaces the runtime's own.
        self.assertTrue(host.read(root + "/proc/interrupts"))

    # -- identity

    def test_nothing_is_inheritable(self):
        # CVE-2022-24769, -29162, -27650.
        for pod, security in ((self.make_pod(), None),
                              (self.make_pod(privileged=True),
                               {"privileged": True})):
            container = self.make_container(pod, security=security)
            seen = self.capabilities(host.status(self.pid(container)))
            self.assertEqual(seen["CapInh"], 0)
            inside = self.capabilities(self.status_inside(container))
            self.assertEqual(inside, seen)

    def test_ambient_capabilities_reach_execs_of_another_user(self):
        security = {
            "run_as_user": self.api.Int64Value(value=1000),
            "capabilities": self.api.Capability(
                drop_capabilities=["ALL"], add_capabilities=["KILL"],
                add_ambient_capabilities=["NET_BIND_SERVICE"])}
        container = self.make_container(self.make_pod(), security=security)
        both = 1 << NET_BIND | 1 << KILL
        expected = {"CapInh": 1 << NET_BIND, "CapPrm": 1 << NET_BIND,
                    "CapEff": 1 << NET_BIND, "CapBnd": both,
                    "CapAmb": 1 << NET_BIND}
        self.assertEqual(self.capabilities(host.status(self.pid(container))),
                         expected)
        self.assertEqual(self.capabilities(self.status_inside(container)),
                         expected)

    def test_a_number_is_never_a_name_and_never_wraps(self):
        # CVE-2024-40635, CVE-2026-46680, CVE-2016-3697.
        pod = self.make_pod()
        for user in ("2147483648", "4294967295", "4294967296",
                     "99999999999999999999", "-1", "+1"):
            container = self.create(pod, self.container_config(
                security={"run_as_username": user}))
            self.assert_code("INVALID_ARGUMENT", "StartContainer", user,
                             container_id=container)
            self.remove(container)
        for number in (2147483648, 4294967296, -1):
            self.assert_create_fails(
                "INVALID_ARGUMENT", "run_as_user",
                {"run_as_user": self.api.Int64Value(value=number)})
        passwd = self.server.top + "/passwd"
        host.write(passwd, "1234:x:0:0:::\n")
        self.addCleanup(os.unlink, passwd)
        status = self.run_to_end(
            pod, "id -u", security={"run_as_username": "1234"},
            mounts=[self.api.Mount(host_path=passwd, readonly=True,
                                   container_path="/etc/passwd")])
        self.assertEqual(gantry_case.log_texts(status.log_path), ["1234"])

    def test_a_home_of_two_lines_is_nobodys_entry(self):
        # CVE-2022-4318: no file is made from it.
        home = "/x\nevil:x:0:0::/:/bin/sh"
        container = self.make_container(self.make_pod(), env={"HOME": home})
        self.assertEqual(self.inside(container, "echo \"$HOME\""), home)
        self.assertNotIn("evil", self.inside(container, "cat /etc/passwd"))

    def test_annotations_do_not_steer(self):
        # CVE-2024-3154, CVE-2023-6476.
        pod = self.make_pod(annotations={
            "org.systemd.property.MemoryMax": "1",
            "io.kubernetes.cri-o.UnifiedCgroup.x": "memory.max=max",
            "io.kubernetes.cri-o.Devices": "/dev/mem"})
        container = self.make_container(pod, annotations={
            "io.kubernetes.cri-o.TrySkipVolumeSELinuxLabel": "true"})
        self.assertEqual(self.exec_sync(
            container, "test -e /dev/mem").exit_code, 1)


if __name__ == "__main__":
    gantry_case.main()
