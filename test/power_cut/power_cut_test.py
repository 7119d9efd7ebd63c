"""Power cuts: a life is recorded below the server (recording.py), and the disk as
it may be after a cut at each of many moments (disk_model.py) is given to a new
server in a new boot, which must start, have all that was answered as done, fetch
only what is gone, and leave nothing once all is removed (oracle.py).

GANTRY_POWER_CUTS sets how many cuts there are, GANTRY_TEST_SEED repeats a run's
choices; GANTRY_POWER_CUT_WAYS chooses ways of disk_model, by words.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import uuid

_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(_HERE, "../lib"))
sys.path.insert(0, _HERE)
import gantry_case
import gantry_host as host
from gantry_case import say
from gantry_registry import Registry
from gantry_server import Server, wait_until

import disk_model
import recording
import strace
from leases import Leases
from life import Images, Life
from oracle import Oracle

CUTS = int(os.environ.get("GANTRY_POWER_CUTS", "48"))
SEED = int(os.environ.get("GANTRY_TEST_SEED", str(time.time_ns() & 0xffffff)))
WAYS = os.environ.get("GANTRY_POWER_CUT_WAYS", "").split() or disk_model.WAYS
BOOT_ID = "/proc/sys/kernel/random/boot_id"


class RecordedServer(Server):
    """Recorded while `is_recorded`; its root is a file system of its own, in
    memory: what is synced in vain there costs no time."""

    def __init__(self):
        super().__init__("cni")
        self.traces = []
        self.is_recorded = True
        os.mkdir(self.root)
        _run("mount", "-t", "tmpfs", "-o", "mode=0700", "none", self.root)

    def command(self, *more):
        program = super().command(*more)
        if not self.is_recorded:
            return program
        self.traces.append(f"{self.top}/trace-{len(self.traces)}")
        return strace.command(self.traces[-1]) + program

    def destroy(self):
        if self.is_running():
            self.kill()
        _run("umount", self.root)
        return super().destroy()


def _run(*words):
    subprocess.run(words, check=True)


class PowerCut(gantry_case.GantryCase):

    @classmethod
    def setUpClass(cls):
        # This test's mounts are nobody else's, and go with it.
        host.enter_new_mount_namespace()
        cls.api = gantry_case.stubs().api
        cls.numbers = iter(range(1, 1 << 30))
        cls.folder = tempfile.mkdtemp(prefix="gantry-test.", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.server = RecordedServer()
        cls.addClassCleanup(cls.end_server)
        cls.leases = Leases(cls.server)
        cls.registry = host.in_network(cls.server.netns, Registry)
        cls.addClassCleanup(cls.registry.close)

    @classmethod
    def end_server(cls):
        left = cls.server.destroy()
        if left:
            raise AssertionError(f"left over: {left[:10]}")

    def setUp(self):
        self.pods = []

    def record(self, life):
        """Lives it in another boot; returns the Recording."""
        server = self.server
        config = server.more_config
        # A transfer that fails is not tried again.
        server.more_config += "\n[registry]\nattempts = 1\n"
        other_boot = server.top + "/boot_id"
        host.write(other_boot, f"{uuid.uuid4()}\n")
        _run("mount", "--bind", other_boot, BOOT_ID)
        server.start()
        life.run()
        self.assertEqual(server.stop(), 0, server.log_tail())
        _run("umount", BOOT_ID)
        server.is_recorded = False
        server.more_config = config
        wait_until(lambda: not host.processes_using(server.top),
                   "everything that was recorded has ended")
        self.leases.end_recording()
        return recording.read(server.traces, server.root,
                              r"/containers/\w+/(upper|work)\b")

    def test_every_cut_leaves_a_disk_that_a_server_can_live_with(self):
        say(f"GANTRY_TEST_SEED={SEED} GANTRY_POWER_CUTS={CUTS}")
        begin = time.monotonic()
        life = Life(self, Images(self.folder, self.registry), self.leases)
        recorded = self.record(life)
        moments = recorded.moments()
        say(f"{len(recorded.disk.changes)} changes, recorded in "
            f"{time.monotonic() - begin:.1f} s")
        oracle = Oracle(self, life, self.leases)
        failures, begin = [], time.monotonic()
        for number in range(CUTS):
            pick = random.Random(f"{SEED} {number}")
            way = WAYS[number % len(WAYS)]
            at = (number + pick.random()) * len(moments) / CUTS
            moment = moments[int(at)]
            tree = disk_model.after_cut(recorded.disk, moment, way, pick)
            problems = oracle.check(tree, recorded.time_of(moment))
            self.pods.clear()
            if problems:
                failures.append(number)
                say(f"cut {number}, {way}, after {recorded.tell(moment)}:\n  " +
                    "\n  ".join(problems[:8]))
        say(f"{(time.monotonic() - begin) / CUTS:.2f} s a cut")
        say(f"SWEEP power_cut points={CUTS} failures={len(failures)}")
        self.assertEqual(failures, [])


if __name__ == "__main__":
    gantry_case.main()
