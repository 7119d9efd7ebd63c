"""The program in a container: who it is, what it may, what it is given."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import FOREVER, say
from gantry_fields import covers

# As containerd's default (linux/capability.h has the numbers).
DEFAULT_CAPABILITIES = sum(1 << number for number in (
    0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31))
CHOWN, KILL, NET_BIND, NET_ADMIN = 0, 5, 10, 12


class Process(gantry_case.GantryCase):

    def seen(self, **config):
        """/proc/PID/status of a container's first process, from outside."""
        pod = self.make_pod(privileged=config.pop("privileged_pod", False))
        return host.status(self.pid(self.make_container(pod, **config)))

    def user(self, security, script="id"):
        status = self.run_to_end(self.make_pod(), script, security=security)
        self.assertEqual(status.exit_code, 0, status)
        return gantry_case.log_texts(status.log_path), status

    def test_variables_hold_any_bytes(self):
        config = self.container_config(
            "printf %s \"$RAW\" | od -An -tx1; " + FOREVER)
        config.envs.add(key="RAW", value=b"\xff\x80caf\xe9")
        container = self.create(self.make_pod(), config)
        self.call("StartContainer", container_id=container)
        line = self.wait_text(container, "ff")
        self.assertEqual(line.split(), ["ff", "80", "63", "61", "66", "e9"])
        # An exec has it too, and the record can be read again.
        self.server.restart()
        self.assertEqual(
            self.inside(container, "printf %s \"$RAW\" | wc -c"), "6")

    # -- users

    def test_root_by_default(self):
        lines, status = self.user(None, "id -u; id -g; echo $HOME")
        self.assertEqual(lines, ["0", "0", "/root"])
        self.assertEqual(status.user.linux.uid, 0)

    def test_a_user_by_number(self):
        lines, status = self.user(
            {"run_as_user": self.api.Int64Value(value=1000)},
            "id -u; id -g; id -G; echo $HOME")
        self.assertEqual(lines[:2], ["1000", "1000"])
        self.assertEqual(sorted(lines[2].split()), ["1000", "2000"])
        self.assertEqual(lines[3], "/home/app")
        self.assertEqual(status.user.linux.uid, 1000)

    def test_a_user_by_name(self):
        lines, status = self.user({"run_as_username": "app"}, "id -un; id -gn")
        self.assertEqual(lines, ["app", "app"])
        self.assertEqual((status.user.linux.uid, status.user.linux.gid),
                         (1000, 1000))

    def test_a_number_that_no_file_knows(self):
        lines, _ = self.user(
            {"run_as_user": self.api.Int64Value(value=4321)}, "id -u; id -g")
        self.assertEqual(lines, ["4321", "0"])

    def test_a_name_that_no_file_knows_fails_the_start(self):
        pod = self.make_pod()
        container = self.create(pod, self.container_config(
            security={"run_as_username": "nobody-knows"}))
        with self.assertRaises(gantry_case.grpc.RpcError) as caught:
            self.call("StartContainer", container_id=container)
        self.assertIn("nobody-knows", caught.exception.details())
        self.assertEqual(self.status(container).reason, "StartError")

    def test_group_and_supplemental_groups(self):
        security = {"run_as_user": self.api.Int64Value(value=1000),
                    "run_as_group": self.api.Int64Value(value=3000),
                    "supplemental_groups": [4000, 5000]}
        lines, status = self.user(security, "id -g; id -G")
        self.assertEqual(lines[0], "3000")
        self.assertEqual(sorted(lines[1].split()),
                         ["2000", "3000", "4000", "5000"])
        self.assertTrue({2000, 4000, 5000} <= set(
            status.user.linux.supplemental_groups))
        security["supplemental_groups_policy"] = self.api.Strict
        lines, _ = self.user(security, "id -G")
        self.assertEqual(sorted(lines[0].split()), ["3000", "4000", "5000"])

    def test_exec_is_the_same_user(self):
        container = self.make_container(self.make_pod(), security={
            "run_as_user": self.api.Int64Value(value=1000),
            "supplemental_groups": [4000]})
        self.assertEqual(self.inside(container, "id -u; id -g"), "1000\n1000")
        self.assertIn("4000", self.inside(container, "id -G").split())

    # -- privileges

    def test_the_default_capabilities(self):
        seen = self.seen()
        host_has = int(host.status("self")["CapBnd"], 16)
        expected = DEFAULT_CAPABILITIES & host_has
        for name in ("CapEff", "CapPrm", "CapBnd"):
            self.assertEqual(int(seen[name], 16), expected,
                             f"{name} {seen[name]}")
        # Never inheritable: CVE-2022-24769.
        self.assertEqual(int(seen["CapInh"], 16), 0)
        self.assertEqual(int(seen["CapAmb"], 16), 0)
        say("CapEff", seen["CapEff"])

    def test_capabilities_added_and_dropped(self):
        capability = self.api.Capability
        seen = self.seen(security={"capabilities": capability(
            add_capabilities=["NET_ADMIN"], drop_capabilities=["CAP_CHOWN"])})
        for name in ("CapEff", "CapBnd"):
            bits = int(seen[name], 16)
            self.assertTrue(bits >> NET_ADMIN & 1)
            self.assertFalse(bits >> CHOWN & 1)
        seen = self.seen(security={"capabilities": capability(
            drop_capabilities=["ALL"], add_capabilities=["net_bind_service"])})
        self.assertEqual(int(seen["CapEff"], 16), 1 << NET_BIND)
        self.assertEqual(int(seen["CapBnd"], 16), 1 << NET_BIND)

    @covers("Capability.add_ambient_capabilities")
    def test_ambient_capabilities_are_kept_by_another_user(self):
        security = {"run_as_user": self.api.Int64Value(value=1000)}
        self.assertEqual(int(self.seen(security=security)["CapEff"], 16), 0)
        security["capabilities"] = self.api.Capability(
            add_ambient_capabilities=["NET_BIND_SERVICE"])
        self.assertEqual(int(self.seen(security=security)["CapEff"], 16),
                         1 << NET_BIND)

    @covers("LinuxContainerSecurityContext.privileged")
    def test_privileged_has_all_that_the_host_can_give(self):
        seen = self.seen(security={"privileged": True}, privileged_pod=True)
        self.assertEqual(seen["CapBnd"], host.status("self")["CapBnd"])
        self.assertEqual(seen["CapEff"], seen["CapBnd"])
        self.assertEqual(seen["Seccomp"], "0")
        self.assert_code(
            "FAILED_PRECONDITION", "CreateContainer", "privileged",
            pod_sandbox_id=self.make_pod(),
            config=self.container_config(security={"privileged": True}))

    @covers("Capability.add_capabilities", "Capability.drop_capabilities",
            "LinuxContainerSecurityContext.capabilities",
            "LinuxContainerSecurityContext.no_new_privs")
    def test_exec_has_no_more_than_the_container(self):
        container = self.make_container(self.make_pod(), security={
            "no_new_privs": True, "capabilities": self.api.Capability(
                drop_capabilities=["ALL"], add_capabilities=["KILL"])})
        text = self.inside(container, "cat /proc/self/status")
        seen = dict(line.split(":\t", 1) for line in text.split("\n")
                    if ":\t" in line)
        self.assertEqual(int(seen["CapBnd"], 16), 1 << KILL)
        self.assertEqual(int(seen["CapEff"], 16), 1 << KILL)
        self.assertEqual(seen["NoNewPrivs"], "1")

    def test_no_new_privs(self):
        self.assertEqual(self.seen(
            security={"no_new_privs": True})["NoNewPrivs"], "1")
        self.assertEqual(self.seen()["NoNewPrivs"], "0")

    @covers("LinuxContainerSecurityContext.seccomp")
    def test_the_default_seccomp_profile(self):
        profile = self.api.SecurityProfile
        container = self.make_container(self.make_pod(), security={
            "seccomp": profile(profile_type=profile.RuntimeDefault)})
        self.assertEqual(host.status(self.pid(container))["Seccomp"], "2")
        self.assertEqual(self.inside(container, "grep Seccomp: "
                                     "/proc/self/status").split()[1], "2")
        # A user namespace takes no capability: it is the filter that says no.
        refused = self.exec_sync(container, "unshare -U true")
        self.assertNotEqual(refused.exit_code, 0)
        say(refused.stderr.decode().strip())
        for security in ({"seccomp": profile(
                profile_type=profile.Unconfined)}, None):
            free = self.make_container(self.make_pod(), security=security)
            self.assertEqual(host.status(self.pid(free))["Seccomp"], "0")
            self.inside(free, "unshare -U true")

    # -- what it is given

    def test_environment_and_arguments(self):
        odd = "a b\tc\n'\"$(x)"
        container = self.make_container(
            self.make_pod(hostname="here"), FOREVER, args=["one", "two words"],
            env={"PLAIN": "value", "ODD": odd, "EMPTY": "",
                 "PATH": "/bin:/usr/bin"})
        environ = host.read(f"/proc/{self.pid(container)}/environ")
        given = dict(entry.split("=", 1)
                     for entry in environ.split("\0")[:-1])
        self.assertEqual(given["ODD"], odd)
        self.assertEqual(given["EMPTY"], "")
        self.assertEqual(given["PATH"], "/bin:/usr/bin")
        self.assertEqual(given["HOSTNAME"], "here")
        self.assertEqual(given["HOME"], "/root")
        self.assertEqual(self.inside(container, "echo $PLAIN"), "value")
        arguments = host.read(f"/proc/{self.pid(container)}/cmdline")
        self.assertEqual(arguments.split("\0")[-3:-1], ["one", "two words"])

    def test_the_images_command_is_the_default(self):
        pod = self.make_pod()
        config = self.container_config()
        del config.command[:]
        config.args.extend(["sh", "-c", "exit 6"])
        container = self.create(pod, config)
        self.call("StartContainer", container_id=container)
        # The image has a command and no entrypoint: args stand alone.
        self.assertEqual(self.wait_exited(container).exit_code, 6)

    def test_the_working_directory(self):
        pod = self.make_pod()
        for directory in ("/tmp", "/made/for/it"):
            container = self.make_container(pod, working_dir=directory)
            self.assertEqual(os.readlink(f"/proc/{self.pid(container)}/cwd")
                             .split("/rootfs")[-1], directory)
            self.assertEqual(self.inside(container, "pwd"), directory)
        self.assertEqual(self.inside(self.make_container(pod), "pwd"), "/")

    def test_no_descriptor_but_the_standard_ones_is_open(self):
        container = self.make_container(self.make_pod(), "sleep 1000")
        fds = os.listdir(f"/proc/{self.pid(container)}/fd")
        self.assertEqual(sorted(fds), ["0", "1", "2"])
        # ls itself has the directory open.
        self.assertEqual(self.inside(container, ["ls", "/proc/self/fd"])
                         .split(), ["0", "1", "2", "3"])

    def test_signals_are_as_a_program_expects_them(self):
        seen = self.seen(command=["sleep", "1000"])
        for name in ("SigBlk", "SigIgn", "SigCgt"):
            self.assertEqual(int(seen[name], 16), 0, name)

    def test_the_limit_of_open_files_is_the_servers(self):
        container = self.make_container(self.make_pod(), "sleep 1000")
        limits = host.read(f"/proc/{self.pid(container)}/limits")
        self.assertEqual([line.split()[3:5] for line in limits.splitlines()
                          if line.startswith("Max open files")],
                         [line.split()[3:5] for line in host.read(
                             f"/proc/{self.server.process.pid}/limits"
                         ).splitlines() if line.startswith("Max open files")])

    def test_a_terminal(self):
        status = self.run_to_end(
            self.make_pod(), "test -t 0 && test -t 1 && test -t 2 && tty; "
            "echo $TERM; exit 4", tty=True)
        lines = [line.rstrip("\r")
                 for line in gantry_case.log_texts(status.log_path)]
        self.assertEqual(lines, ["/dev/pts/0", "xterm"])
        self.assertEqual(status.exit_code, 4)
        status = self.run_to_end(self.make_pod(), "tty; cat; echo end")
        self.assertEqual(gantry_case.log_texts(status.log_path),
                         ["not a tty", "end"])


if __name__ == "__main__":
    gantry_case.main()
