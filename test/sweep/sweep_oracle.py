"""What must hold after each blow of a sweep.

A container that has nothing to do with it runs on (the same process, a log
without a gap); each object is in a state that CRI knows and its processes are
what that state says; when all is removed, nothing is left over.
"""

import os
import re

import gantry_case
import gantry_host as host
from gantry_case import wait_until

COUNT = "i=0; while :; do i=$((i+1)); echo $i; usleep 20000; done"


AHEAD = ("gantry-pin\n", "gantry-ahead\n")
# A shim or pin that was made ahead and has ended is noticed when it is wanted:
# until then the server has its pidfd and socket. What leaks soon exceeds it.
DEAD_SPARES = 4


class Oracle:
    """Part of a SweepCase."""

    # -- the container that looks on

    def begin_watch(self):
        self.watched_pod = self.make_pod()
        self.watched = self.make_container(self.watched_pod, COUNT)
        self.watched_log = self.log_path(self.watched)
        pid = self.pid(self.watched)
        self.watched_process = pid, host.start_ticks(pid)
        # How far its log was read, and the last number there.
        self.read_bytes = self.last_number = 0
        self.leaks_before = self.leak_counters()
        # Noted after a first life, which fills caches.
        self.descriptors = None, 0

    def note_watched(self):
        self.number_before = self.check_watched_log()

    def check_watched_log(self):
        """Its numbers follow one another; returns the last."""
        with open(self.watched_log, "rb") as log:
            log.seek(self.read_bytes)
            text = log.read()
        whole = text[:text.rfind(b"\n") + 1]
        self.read_bytes += len(whole)
        for line in whole.decode().splitlines():
            number = int(line.split(" ", 3)[3])
            self.assertEqual(number, self.last_number + 1,
                             "the log of a bystander has a gap")
            self.last_number = number
        return self.last_number

    def check_watched(self):
        self.assertEqual(self.state(self.watched), "RUNNING")
        pid, ticks = self.watched_process
        self.assertEqual(self.pid(self.watched), pid)
        self.assertEqual(host.start_ticks(pid), ticks)
        wait_until(lambda: self.check_watched_log() > self.number_before,
                   "a bystander writes on", 10)

    # -- the container that the request is about

    def note_victim(self, container):
        info = self.info(container)
        self.victim_process = (info["pid"], host.start_ticks(info["pid"]),
                               info["shim_pid"])
        self.victim_files = len(host.open_files(info["shim_pid"]))

    def check_victim(self, container):
        """It runs as before, and its shim has kept no descriptor."""
        info = self.info(container)
        self.assertEqual(self.state(container), "RUNNING")
        shim = info["shim_pid"]
        self.assertEqual((info["pid"], host.start_ticks(info["pid"]), shim),
                         self.victim_process)
        wait_until(lambda: len(host.open_files(shim)) == self.victim_files,
                   "the shim has as many descriptors as before", 10)

    # -- states

    def check_states(self):
        """Each object is in a state of CRI's, and is what that says."""
        for pod in self.list_pods():
            self.while_listed(self.list_pods, pod.id, self.pod_status)
        for container in self.list_containers():
            self.while_listed(self.list_containers, container.id,
                              self.check_container_state)

    @staticmethod
    def while_listed(list_all, object_id, look):
        """A request whose client was cut off may still be at work, and remove
        what was listed before it is looked at."""
        try:
            look(object_id)
        except gantry_case.grpc.RpcError as error:
            if (error.code() != gantry_case.grpc.StatusCode.NOT_FOUND or
                    object_id in [each.id for each in list_all()]):
                raise

    def check_container_state(self, container):
        state = self.settled_state(container)
        status = self.status(container)
        self.assertIn(state, ("CREATED", "RUNNING", "EXITED"))
        info = self.info(container)
        alive = host.cgroup_processes(info["cgroup_path"])
        if state == "RUNNING" and info["pid"] not in alive:
            # A request whose client was cut off may still be at work.
            wait_until(lambda: self.state(container) == "EXITED",
                       "RUNNING without its process", 10)
        elif state == "EXITED":
            self.assertGreaterEqual(status.finished_at, status.started_at)
            self.assertEqual(alive, set(), "EXITED with processes")

    def settled_state(self, container):
        """Once the server has seen that a shim was killed."""
        def settled():
            state = self.state(container)
            return state if state != "RUNNING" or host.exists(
                self.info(container)["shim_pid"]) else None
        return wait_until(settled, "a killed shim is noticed", 10)

    # -- leaks

    def note_descriptors(self):
        """How many this server has when nothing is under way."""
        self.descriptors = self.server.process.pid, self.server.descriptors()

    def check_descriptors(self):
        pid, before = self.descriptors
        if pid != self.server.process.pid:
            return  # a new server
        most = before + DEAD_SPARES
        wait_until(lambda: self.server.descriptors() <= most,
                   f"gantryd has no more than {most} descriptors", 10)

    @staticmethod
    def is_pin(pid):
        """Whether it makes namespaces, for a pod or ahead, or is a shim that was
        started ahead."""
        return host.read(f"/proc/{pid}/comm") in AHEAD

    def leak_counters(self):
        """What there is of a server's, but for what comes and goes."""
        server = self.server
        found = set(host.mounts_below(server.top))
        found |= set(host.cgroup_dirs(server.cgroup_parent))
        for pid in host.processes_using(server.top):
            # A server that was killed has a new pid, and makes namespaces
            # ahead anew.
            if pid != server.process.pid and not self.is_pin(pid):
                found.add(re.sub(r" \(.\)", "", host.describe(pid), count=1))
        for folder in (server.run + "/pods", server.run + "/containers",
                       server.root + "/pods", server.root + "/containers",
                       server.root + "/damaged"):
            if os.path.isdir(folder):
                found |= {folder + "/" + name
                          for name in os.listdir(folder)}
        found |= {"link " + name for name in host.links(server.netns)}
        return found | self.stored()

    def stored(self):
        """What the store of images has; the names of layers are numbers, as
        they come."""
        store = self.server.root + "/images"
        found = set()
        for kind in ("images", "blobs", "ingest", "partial"):
            for folder, _, files in os.walk(f"{store}/{kind}"):
                found |= {os.path.join(folder, name) for name in files}
        return found | {f"layer {number}" for number, _ in
                        enumerate(os.listdir(store + "/layers"))}

    def check_no_leaks(self):
        def more():
            return self.leak_counters() - self.leaks_before
        try:
            wait_until(lambda: not more(), "nothing is left", 10)
        except AssertionError:
            raise AssertionError("left over: " +
                                 "; ".join(sorted(more()))) from None

    # -- errors

    def refused(self, verb, **fields):
        """Whether the call is answered FAILED_PRECONDITION."""
        try:
            self.call(verb, **fields)
        except gantry_case.grpc.RpcError as error:
            if error.code() == gantry_case.grpc.StatusCode.FAILED_PRECONDITION:
                return True
            raise
        return False
