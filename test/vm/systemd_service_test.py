"""gantryd is killed, restarted and run as a service where systemd keeps the cgroups.
Only in the machine v2, whose init systemd is."""

import os
import shutil
import subprocess
import time

# First: it says which cgroup driver servers have, and where the libraries lie.
from systemd_case import CGROUP, SystemdCase
import gantry_case
import gantry_host as host
import gantry_server
import gantry_systemd as systemd
from gantry_case import DEADLINE, say, wait_until


class Crash(SystemdCase):
    """The server is killed at some moment of a call; the next one mends it."""

    def cut(self, after, verb, **request):
        """Kills the server `after` seconds into the call; the next one runs."""
        message = getattr(self.api, verb + "Request")(**request)
        call = getattr(self.server.runtime, verb).future(
            message, timeout=DEADLINE)
        time.sleep(after)
        self.server.kill()
        try:
            call.result()
        except gantry_case.grpc.RpcError:
            pass
        self.server.start()

    def check_units(self):
        """As many as there are pods and containers that run."""
        parent = os.path.basename(self.server.cgroup_parent)
        running = [c.id for c in self.list_containers()
                   if c.state == self.api.CONTAINER_RUNNING]
        pods = [pod.id for pod in self.list_pods()]
        wanted = {self.slice_of(pod) for pod in pods} | {
            self.scope_of(container) for container in running}
        # A pod that is about to be stopped may have it or not.
        pauses = {self.scope_of(self.pod_info(pod)["pause_id"])
                  for pod in pods}

        def seen():
            return set(systemd.units_in(parent)) - pauses
        wait_until(lambda: seen() == wanted or say(seen() ^ wanted),
                   "only units of what is there", 10, 0.5)

    def test_starts(self):
        pod = self.make_pod()
        states = []
        for after in (0, 0.02, 0.05, 0.08, 0.12, 0.16, 0.2, 0.3, 0.5):
            container = self.create(pod, self.container_config())
            self.cut(after, "StartContainer", container_id=container)
            states.append(self.state(container))
            self.assertIn(states[-1], ("CREATED", "RUNNING"))
            self.check_units()
            self.call("StartContainer", container_id=container)
            self.assertEqual(self.state(container), "RUNNING")
            self.exec_works(container)
            self.check_units()
            self.remove(container)
            self.check_units()
        say("after the kill:", *states)

    def test_pods(self):
        found = []
        for after in (0.02, 0.06, 0.12, 0.2, 0.3, 0.5, 0.8, 1.2):
            config = self.pod_config(pid="POD")
            self.cut(after, "RunPodSandbox", config=config)
            found.append(len(self.list_pods()))
            self.check_units()
            pod = self.run_pod(config)
            self.exec_works(self.make_container(pod))
            self.cut(after, "StopPodSandbox", pod_sandbox_id=pod)
            self.check_units()
            self.cut(after, "RemovePodSandbox", pod_sandbox_id=pod)
            self.check_units()
            if self.list_pods():
                self.remove_pod(pod)
            self.pods.remove(pod)
            self.check_units()
        say("pods after the kill:", *found)

    def test_the_shim_and_the_server_killed(self):
        pod = self.make_pod()
        container = self.make_container(pod, "sleep 1000 & sleep 1000 & wait")
        path = self.path(container)
        wait_until(lambda: len(host.cgroup_processes(path)) == 3, "children")
        shim = self.info(container)["shim_pid"]
        self.server.kill()
        os.kill(shim, 9)
        self.server.start()
        status = self.wait_exited(container)
        self.assertEqual(status.reason, "ShimLost")
        wait_until(lambda: not os.path.exists(
            CGROUP + os.path.dirname(path)), "its cgroup is gone", 10)
        self.check_units()

    def test_units_without_a_record_are_ended(self):
        pod = self.make_pod()
        self.make_container(pod)
        self.server.kill()
        scopes = {}
        for name, owner in (("a" * 64, self.server.root),
                            ("b" * 64, "/var/lib/elsewhere")):
            scopes[name] = subprocess.Popen(
                ["systemd-run", "--quiet", "--scope",
                 f"--unit=gantry-{name}.scope",
                 f"--description=Gantry container {name} of {owner}",
                 "sh", "-c", "trap '' TERM; sleep 1000"])
            wait_until(lambda: systemd.is_active(f"gantry-{name}.scope"),
                       "the scope is there")
        stray = self.server.pod_cgroup("c" * 64)
        systemd.systemctl("start", os.path.basename(stray))
        systemd.systemctl("set-property", "--runtime", os.path.basename(stray),
                          "TasksMax=7")
        try:
            self.server.start()
            self.assertFalse(systemd.is_active(f"gantry-{'a' * 64}.scope"))
            self.assertTrue(systemd.is_active(f"gantry-{'b' * 64}.scope"),
                            "another's is not ours to end")
            self.assertIn("has no record", self.server.log())
        finally:
            systemd.systemctl("stop", os.path.basename(stray))
            systemd.systemctl("kill", "--signal=KILL",
                              f"gantry-{'b' * 64}.scope")
            for process in scopes.values():
                process.kill()
                process.wait()


class ServiceServer(gantry_server.Server):
    """The same, run by tools/systemd/gantryd.service."""
    UNIT = "gantryd.service"
    FILES = "/run/systemd/system"

    class Process:
        def __init__(self, pid):
            self.pid = pid

        def poll(self):
            return None if systemd.is_active(ServiceServer.UNIT) else 1

    def start(self):
        os.makedirs(f"{self.FILES}/{self.UNIT}.d", exist_ok=True)
        shutil.copy(f"{gantry_server.TOP}/tools/systemd/{self.UNIT}",
                    f"{self.FILES}/{self.UNIT}")
        host.write(f"{self.FILES}/{self.UNIT}.d/test.conf",
                   f"[Service]\nExecStart=\nExecStart={' '.join(self.command())}"
                   f"\nStandardError=append:{self.log_path}\n")
        systemd.systemctl("daemon-reload")
        systemd.systemctl("start", self.UNIT)
        self.look()
        return self

    def look(self):
        """Who runs now, and a connection to it."""
        self.process = self.Process(
            int(systemd.show(self.UNIT, "MainPID")["MainPID"]))
        self.connect()

    def stop(self):
        systemd.systemctl("stop", self.UNIT)
        return int(systemd.show(self.UNIT, "ExecMainStatus")["ExecMainStatus"])

    def kill(self):
        self.stop()

    def destroy(self):
        left = super().destroy()
        shutil.rmtree(f"{self.FILES}/{self.UNIT}.d", ignore_errors=True)
        if os.path.exists(f"{self.FILES}/{self.UNIT}"):
            os.unlink(f"{self.FILES}/{self.UNIT}")
        systemd.systemctl("reset-failed", self.UNIT, check=False)
        systemd.systemctl("daemon-reload")
        return left


class Service(SystemdCase):

    @classmethod
    def new_server(cls):
        server = ServiceServer(cls.NETWORK)

        def end():
            status = server.stop() if server.is_running() else 0
            left = server.destroy()
            if status != 0 or left:
                raise AssertionError(f"status {status}, left over: {left}")
        cls.addClassCleanup(end)
        return server

    def check_survives(self, act):
        pods = [self.make_pod(), self.make_pod(pid="POD")]
        containers = [self.make_container(pod) for pod in pods for _ in "12"]
        seen = {c: (self.pid(c), self.info(c)["shim_pid"]) for c in containers}
        for _ in range(3):
            before = self.server.process.pid
            act()
            self.server.look()
            self.assertNotEqual(self.server.process.pid, before)
            for container, pids in seen.items():
                self.assertEqual(self.state(container), "RUNNING")
                self.assertEqual((self.pid(container),
                                  self.info(container)["shim_pid"]), pids)
                self.exec_works(container)
        self.exec_works(self.make_container(pods[0]))

    def restart(self):
        # It comes back only when all calls are served: Type=notify.
        systemd.systemctl("restart", self.server.UNIT)

    def crash(self):
        pid = self.server.process.pid
        systemd.systemctl("kill", "--kill-who=main", "--signal=KILL",
                          self.server.UNIT)
        wait_until(lambda: systemd.is_active(self.server.UNIT) and int(
            systemd.show(self.server.UNIT, "MainPID")["MainPID"]) not in
            (0, pid), "it is started again")

    def test_a_restart_loses_no_container(self):
        self.check_survives(self.restart)
        seen = systemd.show(self.server.UNIT, "Delegate", "KillMode", "Type",
                            "Restart", "NRestarts")
        self.assertEqual(seen, {"Delegate": "yes", "KillMode": "process",
                                "Type": "notify", "Restart": "on-failure",
                                "NRestarts": "0"})

    def test_a_crash_loses_no_container(self):
        self.check_survives(self.crash)

    def test_with_the_driver_cgroupfs_as_well(self):
        host.make_cgroup("/gantry-test-service")
        self.addCleanup(host.remove_cgroup, "/gantry-test-service")
        self.server.stop()
        self.server.more_config = 'cgroup_driver = "cgroupfs"\n'
        before = self.server.cgroup_parent

        def back():
            self.remove_pods()
            self.pods.clear()
            self.server.stop()
            self.server.more_config = ""
            self.server.cgroup_parent = before
            self.server.start()
        self.addCleanup(back)
        self.server.cgroup_parent = "/gantry-test-service"
        self.server.start()
        self.check_survives(self.restart)
        self.check_survives(self.crash)


if __name__ == "__main__":
    gantry_case.main()
