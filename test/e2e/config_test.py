"""gantryd itself: its directories, its configuration, its end."""

import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import DEADLINE, say
from gantry_server import CGROUP_DRIVER, Programs


class Config(gantry_case.GantryCase):

    def refused(self, arguments, **more):
        """gantryd does not start; returns the one line it says."""
        ended = subprocess.run(arguments, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, timeout=DEADLINE,
                               **more)
        text = ended.stdout.decode()
        self.assertEqual(ended.returncode, 1, text)
        self.assertEqual(len(text.strip().split("\n")), 1, text)
        say(text.strip())
        return text

    def scratch(self):
        path = tempfile.mkdtemp(dir=self.server.top)
        self.addCleanup(shutil.rmtree, path)
        return path

    def with_config(self, text):
        """A command of a gantryd with this configuration, and its file."""
        folder = self.scratch()
        path = folder + "/bad.toml"
        host.write(path, text)
        return [Programs.gantryd, "--root", folder + "/root", "--run",
                folder + "/run", "--config", path], path

    def test_a_second_server_on_one_root_is_refused(self):
        folder = self.scratch()
        said = self.refused([
            Programs.gantryd, "--root", self.server.root, "--run",
            folder + "/run", "--config", self.server.config])
        self.assertIn(self.server.root, said)
        self.assertIn(str(self.server.process.pid), said)
        self.call("Version")
        # Nor is the first one's socket taken away.
        self.refused(self.server.command())
        self.server.connect()
        self.call("Version")

    def test_a_lock_that_is_let_go_soon_is_waited_for(self):
        # As the child of a server that was killed in mid-spawn holds it.
        self.server.kill()
        with open(self.server.root + "/lock", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            timer = threading.Timer(0.5, fcntl.flock, (lock, fcntl.LOCK_UN))
            timer.start()
            self.server.start()
            timer.join()
        self.call("Version")

    def test_a_mistake_in_the_configuration_names_file_and_line(self):
        for text, line, word in (
                ('log_level = "info"\nno_such_key = 1\n', 2, "no_such_key"),
                ('[threads]\n\ncore = "many"\n', 3, "core"),
                ('[threads]\ncore = 0\n', 2, "core"),
                ('log_level = "loud"\n', 1, "loud"),
                ('log_level = \n', 1, ""),
                ('root = "relative"\n', 1, "root"),
                ('[no_such_table]\nx = 1\n', 1, "no_such_table")):
            with self.subTest(text):
                command, path = self.with_config(text)
                if text.startswith("root"):
                    del command[1:3]
                said = self.refused(command)
                self.assertIn(f"{path}:{line}", said)
                self.assertIn(word, said)

    def test_a_missing_file_or_a_bad_flag_is_told(self):
        self.assertIn("/no/such.toml", self.refused(
            [Programs.gantryd, "--config", "/no/such.toml"]))
        command, _ = self.with_config('shim_path = "/no/such/shim"\n')
        self.assertIn("/no/such/shim", self.refused(command))

    def test_who_is_not_root_is_told_so(self):
        # The program by a descriptor: its folder may be closed to others.
        fd = os.open(Programs.gantryd, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        said = self.refused(
            ["gantryd", "--root", "/tmp/none", "--run", "/tmp/none-run"],
            executable=f"/proc/self/fd/{fd}", pass_fds=[fd], cwd="/",
            user=65534, group=65534, extra_groups=[])
        self.assertIn("root", said)

    def test_what_it_makes_is_roots_alone(self):
        for path in (self.server.root, self.server.run,
                     self.server.run + "/pods",
                     self.server.run + "/containers",
                     self.server.root + "/images"):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o700, path)
        entry = os.stat(self.server.socket)
        self.assertTrue(stat.S_ISSOCK(entry.st_mode))
        self.assertEqual(stat.S_IMODE(entry.st_mode), 0o600)
        pod = self.make_pod()
        self.assertEqual(stat.S_IMODE(os.stat(
            f"{self.server.run}/pods/{pod}").st_mode), 0o700)

    def test_sigterm_ends_the_server_and_containers_go_on(self):
        container = self.make_container(
            self.make_pod(),
            "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done")
        pid = self.pid(container)
        self.assertEqual(self.server.stop(), 0, self.server.log_tail())
        self.assertFalse(os.path.exists(self.server.socket))
        path = self.server.logs
        before = len(gantry_case.read_log(
            next(f"{path}/{name}" for name in sorted(
                os.listdir(path), key=lambda name: os.path.getmtime(
                    f"{path}/{name}"), reverse=True))))
        self.assertTrue(host.exists(pid))
        self.server.start()
        self.assertEqual(self.pid(container), pid)
        gantry_case.wait_until(
            lambda: len(self.texts(container)) > before + 5, "it writes on")
        numbers = [int(text) for text in self.texts(container)]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    def test_a_stale_socket_is_replaced(self):
        self.server.kill()
        self.assertTrue(os.path.exists(self.server.socket))
        self.server.start()
        self.call("Version")

    def test_version_status_and_runtime_config(self):
        version = self.call("Version")
        self.assertEqual((version.runtime_name, version.runtime_api_version),
                         ("gantry", "v1"))
        status = self.call("Status", verbose=True)
        self.assertEqual({c.type: c.status for c in status.status.conditions},
                         {"RuntimeReady": True, "NetworkReady": True})
        self.assertIn("config", status.info)
        self.assertEqual(self.call("RuntimeConfig").linux.cgroup_driver,
                         self.api.CgroupDriver.Value(CGROUP_DRIVER.upper()))
        network = self.api.NetworkConfig(pod_cidr="10.9.0.0/16")
        self.call("UpdateRuntimeConfig", runtime_config=self.api.RuntimeConfig(
            network_config=network))
        self.server.restart()
        self.assertIn("10.9.0.0/16",
                      self.call("Status", verbose=True).info["pod_cidr"])


if __name__ == "__main__":
    gantry_case.main()
