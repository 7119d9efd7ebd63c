"""The base of the sweeps: a request of a verb is made again and again, each time
with a blow at another one of the system calls that it makes (syscall-sweeper).
After each blow an oracle looks (sweep_oracle.py).

GANTRY_SWEEP_POINTS: blows per verb and kind of blow, spread evenly over the
verb's calls; "all" for each of them. GANTRY_SWEEP_SEED chooses others of them:
without it they are the same in each run, so that a failure is of what was
changed.
GANTRY_SWEEP_FROM=I/N: only the Ith of N parts of the points (from 0).
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
import gantry_images
import sweep_oracle
from gantry_case import say
from gantry_registry import Registry
from gantry_server import image_file

HERE = os.path.dirname(os.path.abspath(__file__))
SWEEPER = os.environ.get("GANTRY_SYSCALL_SWEEPER", HERE + "/syscall-sweeper")
POINTS = os.environ.get("GANTRY_SWEEP_POINTS", "2")
SEED = int(os.environ.get("GANTRY_SWEEP_SEED", "1"))
PART, PARTS = map(int, os.environ.get("GANTRY_SWEEP_FROM", "0/1").split("/"))
# So long without a call that counts: what is done after an answer is done.
REST = 0.3
# What is made ahead is there by then, a tenth of a second after the last request.
SPARES_TAKE = 0.6


class Sweeper:
    """A syscall-sweeper on processes."""

    def __init__(self, pids, *options):
        self.process = subprocess.Popen(
            [SWEEPER, *options, *map(str, pids)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.calls = []
        self.hit = None
        self.count = None
        if self.process.stdout.readline() != "ready\n":
            raise AssertionError(f"{SWEEPER} ended with {self.process.wait()}")
        self.has_hit = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            word, rest = line.rstrip("\n").split(" ", 1)
            if word == "hit":
                self.hit = rest
                self.has_hit.set()
            elif word == "call":
                self.calls.append(rest)
            elif word == "count":
                self.count = int(rest)

    def rest(self):
        """Waits until no more calls come."""
        seen = -1
        while seen != len(self.calls):
            seen = len(self.calls)
            time.sleep(REST)

    def end(self):
        """What it followed runs on by itself."""
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.reader.join()
        self.process.stdout.close()


class Attempt:
    """An operation on a thread of its own, and what came of it."""

    def __init__(self, operation):
        self.answer = None
        self.error = None
        self._thread = threading.Thread(target=self._run, args=(operation,),
                                        daemon=True)
        self._thread.start()

    def _run(self, operation):
        try:
            self.answer = operation()
        except Exception as error:  # for the caller to judge
            self.error = error

    def join(self):
        self._thread.join()
        return self

    @property
    def told(self):
        if isinstance(self.error, grpc.RpcError):
            return f"{self.error.code().name}: {self.error.details()}"
        return f"{type(self.error).__name__}: {self.error}"


def points(count, wanted, rng):
    """The numbers of the calls to strike at, of so many."""
    if wanted == "all" or int(wanted) >= count:
        chosen = list(range(1, count + 1))
    else:
        wanted = int(wanted)
        chosen = sorted({int(count * (n + rng.random()) / wanted) + 1
                         for n in range(wanted)})
    return chosen[PART::PARTS]


class SweepCase(sweep_oracle.Oracle, gantry_case.GantryCase):
    NETWORK = "bridge"
    # Of the blows under way.
    kills_shims = False
    kills_server = False
    # The word that begins this sweep's line for tools/crash-sweep.
    NAME = ""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tried = cls.failed = 0
        folder = tempfile.mkdtemp(prefix="gantry-test.", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.archive = gantry_images.make(
            folder + "/image.tar", "localhost/victim:x",
            [[gantry_images.file("file", "content")],
             [gantry_images.directory("folder"),
              gantry_images.file("folder/other", "x" * 100000)]],
            base=image_file("busybox"))
        say(f"GANTRY_SWEEP_SEED={SEED} GANTRY_SWEEP_POINTS={POINTS} "
            f"GANTRY_SWEEP_FROM={PART}/{PARTS}")

    @classmethod
    def tearDownClass(cls):
        print(f"SWEEP {cls.NAME} points={cls.tried} failures={cls.failed}",
              flush=True)
        super().tearDownClass()

    def setUp(self):
        super().setUp()
        self.begin_watch()

    def processes(self, verb, state):
        """Of which the calls count."""
        # Not while something is being made ahead: its calls would count.
        spares = self.spares()
        return [self.server.process.pid] + (
            spares if verb.takes_spares else verb.shims(self, state))

    def count(self, verb, *options):
        """The calls that one unharmed request makes."""
        state = verb.prepare(self)
        sweeper = Sweeper(self.processes(verb, state), "--list", *options)
        attempt = Attempt(lambda: verb.operation(self, state)).join()
        sweeper.rest()
        sweeper.end()
        if attempt.error is not None:
            raise attempt.error
        self.hit = None
        verb.converge(self, state, attempt)
        self.clear()
        self.note_descriptors()
        self.calls = sweeper.calls
        if os.environ.get("GANTRY_SWEEP_SHOW"):
            for number, call in enumerate(self.calls, 1):
                say(f"{verb.name} {number}: {call}")
        return len(sweeper.calls)

    def strike(self, verb, at, *options):
        """One blow. Returns (attempt, state); self.hit says where it was, None
        if the request made fewer calls."""
        self.hit = None
        state = verb.prepare(self)
        self.note_watched()
        sweeper = Sweeper(self.processes(verb, state), "--at", str(at),
                          *options)
        attempt = Attempt(lambda: verb.operation(self, state)).join()
        # What is done after the answer may be meant.
        sweeper.has_hit.wait(REST * 2)
        sweeper.end()
        self.hit = sweeper.hit
        return attempt, state

    def sweep(self, verb, blow, options, wanted=POINTS, calls=None):
        """Blows of one kind, named `blow`, at a verb's calls (so many, if they
        were counted)."""
        calls = calls or self.count(verb, *options)
        problems, missed = [], 0
        chosen = points(calls, wanted, random.Random(f"{SEED} {blow}"))
        for at in chosen:
            attempt = None
            try:
                attempt, state = self.strike(verb, at, *options)
                self.after_blow(verb, state, attempt)
                self.clear()
            except Exception as error:  # goes on with the next
                problems.append(f"{verb.name}, {blow} at {at} ({self.hit}): "
                                f"{type(error).__name__} {error}")
                say(problems[-1])
                if attempt is not None and attempt.error is not None:
                    say("    the request's answer: " + attempt.told)
                say(self.server.log_tail(12))
                self.begin_again()
            if self.hit is None:
                missed += 1
        cls = type(self)
        cls.tried += len(chosen) - missed
        cls.failed += len(problems)
        say(f"{verb.name}, {blow}: {calls} calls, {len(chosen) - missed} "
            f"tried, {missed} not reached, {len(problems)} failures")
        return problems

    def after_blow(self, verb, state, attempt):
        raise NotImplementedError

    def begin_watch(self):
        super().begin_watch()
        # In the server's network, and gone with it.
        registry = host.in_network(self.server.netns, Registry)
        self.addCleanup(registry.close)
        registry.add(self.archive, "test/victim:x")
        self.pulled = f"{registry.host}/test/victim:x"

    def begin_again(self):
        """With a new server: what one blow broke is not held against the
        next."""
        self.pods.clear()
        self.replace_server()
        self.begin_watch()

    def clear(self):
        """Removes what the request has left; after each single blow nothing
        may remain."""
        for pod in self.list_pods():
            if pod.id != self.watched_pod:
                self.remove_pod(pod.id)
        self.pods[:] = [self.watched_pod]
        self.remove_image(self.pulled)
        self.check_no_leaks()
        self.check_descriptors()

    def remove_image(self, name):
        self.call("RemoveImage", image=self.api.ImageSpec(image=name))

    def spares(self):
        """Pids of what the server has made ahead: they become the next pod's or
        container's."""
        def found():
            return [pid for pid in self.server.made_ahead() if host.exists(pid)]
        # There are none of a server that has made no pod or container yet.
        deadline = time.monotonic() + SPARES_TAKE
        while (len(found()) < len(sweep_oracle.AHEAD) and
               time.monotonic() < deadline):
            time.sleep(0.02)
        return found()
