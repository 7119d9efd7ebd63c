"""AppArmor: which profile a container and what is executed in it run under.

Needs a kernel that has it: `tools/vm-test security`.
"""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_fields import covers

DEFAULT = "gantry-default"
# A profile of the host: nothing may be written.
STRICT = """profile gantry-test-strict flags=(attach_disconnected) {
  file,
  network,
  capability,
  signal,
  deny /** w,
}
"""


def loaded_profiles():
    return {line.rpartition(" (")[0] for line in host.read(
        "/sys/kernel/security/apparmor/profiles").splitlines()}


def parser(option, text):
    subprocess.run(["apparmor_parser", option, "--skip-cache"], check=True,
                   input=text.encode())


class AppArmor(gantry_case.GantryCase):

    @classmethod
    def setUpClass(cls):
        if host.read("/sys/module/apparmor/parameters/enabled") != "Y\n":
            raise unittest.SkipTest("this kernel has no AppArmor")
        parser("--replace", STRICT)
        cls.addClassCleanup(parser, "--remove", STRICT)
        super().setUpClass()

    def confined(self, kind, reference=""):
        return {"apparmor": self.api.SecurityProfile(
            profile_type=getattr(self.api.SecurityProfile, kind),
            localhost_ref=reference)}

    def current(self, container):
        """Inside, of the first process and of one executed later; and from
        outside."""
        current = "cat /proc/self/attr/current"
        found = {self.inside(container, current),
                 self.inside(container, "cat /proc/1/attr/current"),
                 host.read(f"/proc/{self.pid(container)}/attr/current")
                 .strip()}
        self.assertEqual(len(found), 1, found)
        return found.pop()

    def test_the_default_profile_was_loaded_by_the_server(self):
        self.assertIn(DEFAULT, loaded_profiles())

    @covers("SecurityProfile.ProfileType.RuntimeDefault")
    def test_runtime_default_and_nothing_said_are_the_default_profile(self):
        pod = self.make_pod()
        for security in (self.confined("RuntimeDefault"), {},
                         {"apparmor_profile": "runtime/default"}):
            with self.subTest(str(security)):
                container = self.make_container(pod, security=security)
                self.assertEqual(self.current(container),
                                 DEFAULT + " (enforce)")

    def test_the_default_profile_leaves_ordinary_work_alone(self):
        container = self.make_container(self.make_pod())
        self.inside(container, "echo x > /file && mkdir /dir && mv /file /dir "
                    "&& chmod 700 /dir && ln -s /dir /link && rm -r /dir "
                    "&& sleep 100 & kill $! && ps && cat /proc/1/status")
        self.stop(container, timeout=10)
        self.assertEqual(self.status(container).exit_code, 0)

    def test_the_default_profile_denies_what_capabilities_would_allow(self):
        every = self.api.Capability(add_capabilities=["ALL"])
        pod = self.make_pod()
        denied = self.make_container(pod, security={"capabilities": every})
        allowed = self.make_container(pod, security={
            "capabilities": every, **self.confined("Unconfined")})
        mount = "mkdir -p /t && mount -t tmpfs own /t"
        self.inside(allowed, mount)
        refused = self.exec_sync(denied, mount)
        self.assertNotEqual(refused.exit_code, 0)
        self.assertIn(b"ermission denied", refused.stderr)

    @covers("SecurityProfile.ProfileType.Unconfined")
    def test_unconfined_and_privileged_have_none(self):
        unconfined = self.make_container(
            self.make_pod(), security=self.confined("Unconfined"))
        self.assertEqual(self.current(unconfined), "unconfined")
        old = self.make_container(
            self.make_pod(), security={"apparmor_profile": "unconfined"})
        self.assertEqual(self.current(old), "unconfined")
        privileged = self.make_container(
            self.make_pod(privileged=True), security={
                "privileged": True, **self.confined("RuntimeDefault")})
        self.assertEqual(self.current(privileged), "unconfined")

    @covers("SecurityProfile.ProfileType.Localhost",
            "SecurityProfile.localhost_ref",
            "LinuxContainerSecurityContext.apparmor",
            "LinuxContainerSecurityContext.apparmor_profile")
    def test_a_profile_of_the_host_holds_also_for_an_exec(self):
        for security in (
                self.confined("Localhost", "gantry-test-strict"),
                self.confined("Localhost", "localhost/gantry-test-strict"),
                {"apparmor_profile": "localhost/gantry-test-strict"}):
            with self.subTest(str(security)):
                container = self.make_container(self.make_pod(),
                                                security=security)
                self.assertEqual(self.current(container),
                                 "gantry-test-strict (enforce)")
                refused = self.exec_sync(container, "touch /file")
                self.assertNotEqual(refused.exit_code, 0)
                self.assertIn(b"Permission denied", refused.stderr)

    def test_it_holds_without_new_privileges(self):
        strict = self.confined("Localhost", "gantry-test-strict")
        container = self.make_container(self.make_pod(), security={
            **strict, "no_new_privs": True})
        self.assertEqual(self.current(container),
                         "gantry-test-strict (enforce)")
        self.assertNotEqual(
            self.exec_sync(container, "touch /file").exit_code, 0)

    def test_a_missing_profile_fails_the_create_by_name(self):
        pod = self.make_pod()
        for security in (self.confined("Localhost", "gantry-test-none"),
                         {"apparmor_profile": "localhost/gantry-test-none"}):
            self.assert_code(
                "FAILED_PRECONDITION", "CreateContainer",
                'no AppArmor profile "gantry-test-none"', pod_sandbox_id=pod,
                config=self.container_config(security=security))
        self.assertEqual(list(self.list_containers()), [])

    def test_one_unloaded_before_the_start_fails_the_start(self):
        text = STRICT.replace("test-strict", "test-gone")
        parser("--replace", text)
        container = self.create(self.make_pod(), self.container_config(
            security=self.confined("Localhost", "gantry-test-gone")))
        parser("--remove", text)
        with self.assertRaises(gantry_case.grpc.RpcError) as caught:
            self.call("StartContainer", container_id=container)
        self.assertIn("AppArmor profile", caught.exception.details())
        self.assertIn("gantry-test-gone", caught.exception.details())

    def test_a_default_profile_that_went_is_missed(self):
        text = f"profile {DEFAULT} {{ file, }}\n"
        parser("--remove", text)
        pod = self.make_pod()
        self.assert_code(
            "FAILED_PRECONDITION", "CreateContainer", DEFAULT,
            pod_sandbox_id=pod, config=self.container_config(
                security=self.confined("RuntimeDefault")))
        # The next server has it again.
        self.server.restart()
        self.assertIn(DEFAULT, loaded_profiles())
        container = self.make_container(pod)
        self.assertEqual(self.current(container), DEFAULT + " (enforce)")


if __name__ == "__main__":
    gantry_case.main()
