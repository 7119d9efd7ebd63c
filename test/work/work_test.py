"""A call takes no more instructions and system calls than is recorded.

Both are the same on a busy machine and on an idle one, unlike time. Counted is,
of each kind of process (work_counter.h), what a call takes with what is done
after its answer; the least of several lives, for in the server threads meet by
chance. More than 5 % off the recorded figure fails, in either direction: what
got cheaper is to be recorded as well, by GANTRY_RECORD_WORK=recorded.json.
"""

import collections
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
from gantry_case import say

HERE = os.path.dirname(os.path.abspath(__file__))
COUNTER = os.environ.get("GANTRY_WORK_COUNTER", HERE + "/work-counter")
RECORDED = HERE + "/recorded.json"
TOLERANCE = 0.05
# Step by step everything takes a thousand times as long.
LIVES = {"syscalls": 9, "instructions": 2}
# Not counted: the first ones fill caches.
WARM_UP = {"syscalls": 2, "instructions": 1}
# So long without any work: what was to be done after an answer is done. The next
# pod's namespaces are made 100 ms after the last one's were taken.
REST = 0.4
# How often a thread waits depends on when the others come.
WAITS = {"clock_nanosleep", "epoll_pwait", "epoll_pwait2", "epoll_wait", "futex",
         "poll", "ppoll", "restart_syscall", "sched_yield"}
# Nor is it the server's doing in how many pieces a socket has its bytes, how its
# threads wake each other, and when the allocator needs more.
CHANCE = {"brk", "epoll_ctl", "gettid", "madvise", "mmap", "mprotect", "munmap",
          "read", "recvfrom", "recvmsg", "sendmsg", "timerfd_settime", "write"}


class Counter:
    """A work-counter on a process; ends with that."""

    def __init__(self, unit, pid):
        self.process = subprocess.Popen(
            [COUNTER, unit, str(pid)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "{}\n":
            raise AssertionError(f"{COUNTER} ended with {self.process.wait()}")

    def take(self):
        """By kind of process, what it did since the last call; when all rests."""
        total = collections.defaultdict(collections.Counter)
        while True:
            # There is no event for "nothing more comes": only looking whether
            # anything came, until nothing did. The test's time bounds it.
            time.sleep(REST)
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            counts = json.loads(self.process.stdout.readline())
            for kind, by_name in counts.items():
                total[kind].update(by_name)
            if not counts.keys() - {"server"}:
                return total

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()


class Work(gantry_case.GantryCase):

    def life(self, number):
        """(verb, call), each to be called once before the next is taken."""
        made = {}

        def run():
            made["pod"] = self.run_pod(self.pod_config(name=f"pod-{number:04}"))

        def create():
            made["container"] = self.create(made["pod"], self.container_config(
                name=f"container-{number:04}", command=["sleep", "1000"]))
        yield "RunPodSandbox", run
        yield "CreateContainer", create
        yield "StartContainer", lambda: self.call(
            "StartContainer", container_id=made["container"])
        yield "ExecSync", lambda: self.inside(made["container"], ["true"])
        # Not counted: when a killed program ends is the kernel's affair.
        self.remove_pod(made["pod"])

    def measure(self, unit):
        """{verb: {kind: count}}"""
        counter = Counter(unit, self.server.process.pid)
        samples = collections.defaultdict(lambda: collections.defaultdict(list))
        for number in range(WARM_UP[unit] + LIVES[unit]):
            counter.take()
            for verb, call in self.life(number):
                call()
                counts = counter.take()
                if number == WARM_UP[unit]:
                    self.show(verb, counts)
                if number >= WARM_UP[unit]:
                    for kind, by_name in counts.items():
                        left_out = WAITS | (
                            CHANCE if kind == "server" else set())
                        samples[verb][kind].append(sum(
                            count for name, count in by_name.items()
                            if name not in left_out))
        self.assertEqual(self.server.stop(), 0)
        counter.close()
        for verb, kinds in samples.items():
            for kind, counts in sorted(kinds.items()):
                say(f"{verb:16} {kind:7} {' '.join(map(str, sorted(counts)))}")
        return {verb: {kind: min(counts) for kind, counts in kinds.items()
                       if len(counts) == LIVES[unit]}
                for verb, kinds in samples.items()}

    @staticmethod
    def show(verb, counts):
        if os.environ.get("GANTRY_SHOW_WORK") == verb:
            for kind, by_name in counts.items():
                say(verb, kind, by_name.most_common())

    def check(self, unit):
        found = self.measure(unit)
        if record := os.environ.get("GANTRY_RECORD_WORK"):
            self.record(record, unit, found)
            return
        with open(RECORDED, encoding="utf-8") as source:
            recorded = json.load(source)[unit]
        self.assertEqual(found.keys(), recorded.keys())
        wrong = []
        for verb, kinds in recorded.items():
            for kind in kinds.keys() | found[verb].keys():
                then, now = kinds.get(kind, 0), found[verb].get(kind, 0)
                if abs(now - then) > max(TOLERANCE * then, 1):
                    wrong.append(f"{verb}, {kind}: {now} {unit}, "
                                 f"recorded are {then}")
        self.assertEqual(wrong, [])

    @staticmethod
    def record(path, unit, found):
        recorded = {}
        if os.path.exists(path):
            with open(path, encoding="utf-8") as source:
                recorded = json.load(source)
        recorded[unit] = found
        with open(path, "w", encoding="utf-8") as out:
            json.dump(recorded, out, indent=1, sort_keys=True)
            out.write("\n")

    def test_system_calls(self):
        self.check("syscalls")

    def test_instructions(self):
        self.check("instructions")


if __name__ == "__main__":
    gantry_case.main()
