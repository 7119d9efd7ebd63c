"""The wall's clock is set, forwards and back, while a server waits: its periods
are as long as they were to be, and what tells a time tells the new one."""

import mmap
import os
import struct
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import say

# Built beside; by hand: cc -shared -fPIC -o ... test/lib/clock_jump.c
PRELOADED = os.environ.get("GANTRY_CLOCK_JUMP", os.path.join(
    os.path.dirname(os.path.abspath(gantry_case.__file__)),
    "libclock_jump.so"))
HOUR = 3600
DEAF = "trap '' TERM; echo ready; while :; do sleep 1000; done"
# Of what SIGKILL ends, on a busy machine.
KILLED = host.patience(8)


@unittest.skipIf("ASAN_OPTIONS" in os.environ,
                 "a sanitizer must be loaded before all others")
class Clock(gantry_case.GantryCase):

    @classmethod
    def new_server(cls):
        file = tempfile.NamedTemporaryFile(prefix="gantry-test.", dir="/tmp")
        cls.addClassCleanup(file.close)
        file.write(struct.pack("q", 0))
        file.flush()
        cls.offset = mmap.mmap(file.fileno(), 8)
        cls.addClassCleanup(cls.offset.close)
        server = super().new_server()
        server.environment = {"LD_PRELOAD": os.path.abspath(PRELOADED),
                              "GANTRY_TEST_CLOCK": file.name}
        return server

    def set_clock(self, off):
        self.offset[:] = struct.pack("q", off)

    def setUp(self):
        super().setUp()
        self.addCleanup(self.set_clock, 0)

    def test_it_is_set_at_all(self):
        for off in (HOUR, -HOUR, 0):
            self.set_clock(off)
            pod = self.make_pod()
            created = self.pod_status(pod).created_at / 1e9
            self.assertAlmostEqual(created, time.time() + off, delta=30)

    def check_stop(self, off):
        container = self.make_container(self.make_pod(), DEAF)
        self.wait_text(container, "ready")
        jump = threading.Timer(0.5, self.set_clock, (off,))
        jump.start()
        begin = time.monotonic()
        self.stop(container, 3)
        took = time.monotonic() - begin
        jump.join()
        say(f"clock {off:+} s: a grace of 3 s took {took:.2f} s")
        self.assertGreaterEqual(took, 3)
        self.assertLess(took, 3 + KILLED)
        self.assertEqual(self.status(container).exit_code, 137)

    def test_a_grace_is_not_cut_short(self):
        self.check_stop(HOUR)

    def test_a_grace_does_not_grow(self):
        self.check_stop(-HOUR)

    def test_a_grace_of_one_that_has_only_begun(self):
        # It is looked at again and again until it can get its signal.
        for off in (HOUR, -HOUR):
            container = self.make_container(
                self.make_pod(), "sleep 2; trap 'exit 42' TERM; "
                "while :; do sleep 0.1; done")
            jump = threading.Timer(0.5, self.set_clock, (off,))
            jump.start()
            self.stop(container, 30)
            jump.join()
            self.assertEqual(self.status(container).exit_code, 42)
            self.set_clock(0)

    def test_calls_go_on_through_every_jump(self):
        container = self.make_container(self.make_pod())
        for off in (HOUR, -HOUR, 30 * 24 * HOUR, 0):
            self.set_clock(off)
            self.assertEqual(self.inside(container, "echo works"), "works")
            begin = time.monotonic()
            self.assert_code("DEADLINE_EXCEEDED", "ExecSync",
                             container_id=container,
                             cmd=["sleep", "1000"], timeout=1)
            self.assertLess(time.monotonic() - begin, 1 + KILLED)
            self.assertEqual(
                self.run_to_end(self.make_pod(), "exit 3").exit_code, 3)


if __name__ == "__main__":
    gantry_case.main()
