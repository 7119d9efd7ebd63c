"""Servers and shims that are killed: what runs goes on, what ended is told."""

import os
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import DEADLINE, say, wait_until

COUNT = "i=0; while :; do i=$((i+1)); echo $i; usleep 10000; done"
OTHER_BOOT = "00000000-0000-4000-8000-000000000000\n"


class Survival(gantry_case.GantryCase):

    def check_numbers(self, container):
        """Its log is 1, 2, 3, ... without a gap; returns the last."""
        numbers = [int(text) for text in self.texts(container)]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        return len(numbers)

    def all_statuses(self):
        return ([self.pod_status(pod.id).SerializeToString(deterministic=True)
                 for pod in self.list_pods()],
                [self.status(c.id).SerializeToString(deterministic=True)
                 for c in self.list_containers()])

    def test_everything_lives_on_when_the_server_is_killed(self):
        pods = [self.make_pod(labels={"n": str(n)}, annotations={"a": "\n"},
                              hostname=f"host-{n}") for n in range(3)]
        pods.append(self.make_pod(pid="POD"))
        writer = self.make_container(pods[0], COUNT, labels={"is": "writer"})
        # PID POD is the pod's word; a container without options follows.
        containers = [writer] + [
            self.make_container(pod, labels={"of": pod}) for pod in pods]
        ended = self.make_container(pods[1], "exit 7")
        self.wait_exited(ended)
        created = self.create(pods[1], self.container_config())
        wait_until(lambda: len(self.texts(writer)) > 20, "lines")
        pids = {c: (self.pid(c), host.start_ticks(self.pid(c)))
                for c in containers}
        before = self.all_statuses()
        log = self.log_path(writer)
        for turn in range(3):
            written = len(self.texts(writer))
            self.server.kill()
            wait_until(lambda: len(gantry_case.log_texts(log)) > written + 10,
                       "it writes without a server")
            begin = time.monotonic()
            self.server.start()
            say(f"restart {turn + 1}: ready after "
                f"{time.monotonic() - begin:.2f} s")
            self.assertEqual(self.all_statuses(), before)
            for container, (pid, ticks) in pids.items():
                self.assertEqual(self.state(container), "RUNNING")
                self.assertEqual(self.pid(container), pid)
                self.assertEqual(host.start_ticks(pid), ticks)
            self.assertGreater(self.check_numbers(writer), written + 10)
        self.assertEqual(self.state(created), "CREATED")
        self.assertEqual(self.status(ended).exit_code, 7)
        for number, container in enumerate(containers[1:4]):
            self.assertEqual(self.inside(container, "hostname"),
                             f"host-{number}")
        self.call("StartContainer", container_id=created)
        late = self.make_container(pods[0])
        self.assertEqual(self.inside(late, "hostname"), "host-0")
        self.stop(writer)
        say(f"{self.check_numbers(writer)} lines, none missing, none twice")
        self.remove(writer)

    def test_what_ends_without_a_server_is_told_by_the_next(self):
        pod = self.make_pod()
        container = self.make_container(
            pod, "trap 'echo last; exit 23' TERM; echo ready; "
            "while :; do sleep 0.05; done")
        eater = self.make_container(
            pod, "while [ ! -e /dev/shm/go ]; do usleep 10000; done; "
            "exec tail -c 300m /dev/zero",
            resources={"memory_limit_in_bytes": 50 << 20})
        self.wait_text(container, "ready")
        self.inside(container, "true")
        pid, eater_pid = self.pid(container), self.pid(eater)
        shims = [self.info(c)["shim_pid"] for c in (container, eater)]
        self.server.kill()
        begin = time.time_ns()
        os.kill(pid, signal.SIGTERM)
        with open(f"/proc/{eater_pid}/root/dev/shm/go", "w"):
            pass
        wait_until(lambda: not any(host.exists(shim) for shim in shims),
                   "both have ended")
        end = time.time_ns()
        time.sleep(0.3)
        self.server.start()
        status = self.status(container)
        self.assertEqual((self.state(container), status.exit_code,
                          status.reason), ("EXITED", 23, "Error"))
        self.assertTrue(begin <= status.finished_at <= end,
                        (begin, status.finished_at, end))
        self.assertEqual(self.texts(container), ["ready", "last"])
        status = self.status(eater)
        self.assertEqual((status.exit_code, status.reason),
                         (137, "OOMKilled"))

    def test_a_start_that_was_told_is_not_repeated_after_a_restart(self):
        pod = self.make_pod()
        container = self.make_container(pod)
        # The end waits until it is noted that the client was told.
        self.assertEqual(self.server.stop(), 0)
        for _ in range(2):
            self.server.start()
            self.assertEqual(self.state(container), "RUNNING")
            self.assert_code("FAILED_PRECONDITION", "StartContainer",
                             "RUNNING", container_id=container)
            self.server.kill()
        self.server.start()
        self.stop(container)

    def check_lost(self, container, pids, cgroup):
        status = self.wait_exited(container, 20)
        self.assertEqual((status.reason, status.exit_code), ("ShimLost", 137))
        self.assertGreater(status.finished_at, 0)
        say("lost:", status.message)
        wait_until(lambda: not [pid for pid in pids if host.exists(pid)],
                   "its processes are gone", 10)
        wait_until(lambda: not [p for p in host.hierarchies().values()
                                if os.path.exists(p + cgroup)],
                   "its cgroup is gone", 10)
        self.stop(container)

    def family(self, container):
        cgroup = self.info(container)["cgroup_path"]
        wait_until(lambda: len(host.cgroup_processes(cgroup)) >= 3, "children")
        return host.cgroup_processes(cgroup), cgroup

    def test_a_killed_shim_costs_its_container_alone(self):
        pod = self.make_pod()
        script = "setsid sleep 1000 & sleep 1000 & wait"
        victim = self.make_container(pod, script)
        other = self.make_container(pod, COUNT)
        pids, cgroup = self.family(victim)
        other_pid = self.pid(other)
        os.kill(self.info(victim)["shim_pid"], signal.SIGKILL)
        self.check_lost(victim, pids, cgroup)
        self.assertEqual(self.pid(other), other_pid)
        self.assertEqual(self.inside(other, "echo fine"), "fine")
        self.check_numbers(other)
        self.assert_code("FAILED_PRECONDITION", "ExecSync",
                         container_id=victim, cmd=["true"])
        self.remove(victim)

    def test_a_shim_killed_without_a_server_is_found_lost(self):
        pod = self.make_pod()
        victim = self.make_container(
            pod, "setsid sleep 1000 & sleep 1000 & wait")
        other = self.make_container(pod)
        pids, cgroup = self.family(victim)
        shim = self.info(victim)["shim_pid"]
        self.server.kill()
        os.kill(shim, signal.SIGKILL)
        self.server.start()
        self.check_lost(victim, pids, cgroup)
        self.assertEqual(self.state(other), "RUNNING")

    def test_a_pods_pause_that_is_killed_stops_the_pod(self):
        pod = self.make_pod(pid="POD")
        container = self.make_container(pod)
        pause = next(
            pid for pid in host.cgroup_processes(
                self.server.pod_cgroup(pod))
            if host.status(pid)["NSpid"].split()[-1] == "1")
        os.kill(pause, signal.SIGKILL)
        # The kernel ends a PID namespace with its first process.
        self.assertEqual(self.wait_exited(container).exit_code, 137)
        wait_until(lambda: self.pod_status(pod).state ==
                   self.api.SANDBOX_NOTREADY, "the pod is not ready")

    def test_an_exec_under_way_does_not_outlive_its_use(self):
        container = self.make_container(self.make_pod())
        # Kept: a call that nobody holds is cancelled.
        pending = self.server.runtime.ExecSync.future(self.api.ExecSyncRequest(
            container_id=container, cmd=["sleep", "5432"]), timeout=DEADLINE)
        cgroup = self.info(container)["cgroup_path"]
        wait_until(lambda: "5432" in " ".join(
            host.read(f"/proc/{pid}/cmdline")
            for pid in host.cgroup_processes(cgroup)), "the exec runs")
        self.server.restart()
        self.assertFalse(pending.done() and pending.code() ==
                         gantry_case.grpc.StatusCode.OK)
        self.assertEqual(self.inside(container, "echo works"), "works")
        # Nobody waits for it any more; at the latest it ends with its
        # container.
        self.stop(container)
        self.assertEqual(host.cgroup_processes(cgroup), set())

    # -- damage

    def damage(self, path):
        """Flips one bit in the middle."""
        with open(path, "r+b") as record:
            content = bytearray(record.read())
            content[len(content) // 2] ^= 0x10
            record.seek(0)
            record.write(content)

    def set_aside(self, name):
        """What the server has put aside is there; then it is removed."""
        folder = self.server.root + "/damaged"
        found = [entry for entry in os.listdir(folder) if name in entry]
        self.assertEqual(len(found), 1, os.listdir(folder))
        for top, names, files in os.walk(folder, topdown=False):
            for entry in files:
                os.unlink(os.path.join(top, entry))
            for entry in names:
                os.rmdir(os.path.join(top, entry))
        self.assertIn(name, self.server.log())

    def test_a_damaged_container_record_costs_that_container_alone(self):
        pod = self.make_pod()
        victim, other = self.make_container(pod), self.make_container(pod)
        pids = host.cgroup_processes(self.info(victim)["cgroup_path"])
        other_pid = self.pid(other)
        self.server.kill()
        self.damage(f"{self.server.root}/containers/{victim}/record")
        self.server.start()
        self.assertEqual([c.id for c in self.list_containers()], [other])
        self.assertEqual(self.pid(other), other_pid)
        self.set_aside(victim)
        # Nobody could ever stop it: it is ended.
        wait_until(lambda: not [pid for pid in pids if host.exists(pid)],
                   "its processes are gone", 10)
        self.make_container(pod)
        self.server.restart()
        self.assertEqual(self.pid(other), other_pid)

    def lose_pod(self, pod):
        """Damages its record while there is no server."""
        self.server.kill()
        self.damage(f"{self.server.root}/pods/{pod}/record")
        self.server.start()
        self.set_aside(pod)
        self.check_nothing_left(pod)

    def check_nothing_left(self, pod):
        self.assertNotIn(pod, [p.id for p in self.list_pods()])
        # Cgroups of the whole pod, wherever its client wanted them.
        cgroup = self.server.pod_cgroup(pod)
        self.assertEqual([path for path in host.hierarchies().values()
                          if os.path.exists(path + cgroup)], [])
        self.assertEqual(host.mounts_below(f"{self.server.run}/pods/{pod}"),
                         [])
        self.assertFalse(os.path.exists(f"{self.server.run}/pods/{pod}"))

    def test_a_damaged_pod_record_costs_that_pod_alone(self):
        for pid in ("CONTAINER", "POD"):
            victim, other = self.make_pod(pid=pid), self.make_pod()
            lost = self.make_container(victim)
            created = self.create(victim, self.container_config())
            kept = self.make_container(other)
            pids = host.cgroup_processes(
                self.server.pod_cgroup(victim))
            self.assertGreaterEqual(len(pids), 1 if pid == "CONTAINER" else 2)
            kept_pid = self.pid(kept)
            self.lose_pod(victim)
            self.assertEqual(self.pid(kept), kept_pid)
            # Nobody could ever stop the pod: what ran in it has been ended.
            self.assertEqual([p for p in pids if host.exists(p)], [])
            status = self.status(lost)
            self.assertEqual((self.state(lost), status.exit_code),
                             ("EXITED", 137))
            self.assertIn("pod", status.message)
            self.assertEqual(self.state(created), "CREATED")
            # Its containers can be removed; of its pause nothing is left.
            self.remove(lost)
            self.remove(created)
            self.assertEqual(os.listdir(self.server.run + "/containers"),
                             [kept])
            self.remove(kept)

    def test_torn_records_of_an_earlier_boot_are_removed(self):
        # As a power cut leaves what was just written.
        torn, other = self.make_pod(), self.make_pod()
        containers = [self.create(pod, self.container_config())
                      for pod in (torn, other)]
        self.server.kill()
        os.truncate(f"{self.server.root}/pods/{torn}/record", 0)
        os.truncate(f"{self.server.root}/containers/{containers[1]}/record", 9)
        host.write(self.server.root + "/boot", OTHER_BOOT)
        self.server.start()
        self.assertEqual([pod.id for pod in self.list_pods()], [other])
        self.assertEqual([c.id for c in self.list_containers()],
                         [containers[0]])
        # The directory may be there from another test.
        damaged = self.server.root + "/damaged"
        self.assertEqual(os.path.exists(damaged) and os.listdir(damaged) or [],
                         [])
        self.assertEqual(os.listdir(self.server.root + "/containers"),
                         [containers[0]])
        self.check_nothing_left(torn)
        self.remove(containers[0])
        # That boot is this one's from here on.
        self.lose_pod(other)

    def test_a_pod_without_containers_is_lost_without_a_trace(self):
        self.lose_pod(self.make_pod())
        self.lose_pod(self.make_pod(network="NODE", ipc="NODE"))

    def test_a_pod_whose_record_was_never_written_leaves_no_trace(self):
        # It is written while namespaces and cgroup are made.
        for more in ({}, {"network": "NODE", "ipc": "NODE"}):
            pod = self.make_pod(**more)
            self.server.kill()
            shutil.rmtree(f"{self.server.root}/pods/{pod}")
            self.server.start()
            self.check_nothing_left(pod)


if __name__ == "__main__":
    gantry_case.main()
