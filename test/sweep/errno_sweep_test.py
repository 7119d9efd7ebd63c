"""Every system call of a request fails once with each of some errors: nothing is
killed by that, the client is told what failed and of which error, the repeated
request succeeds, and nothing is left over, no descriptor either."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sweep_case
import sweep_verbs
from sweep_case import POINTS, gantry_case

ERRORS = ("EIO", "ENOSPC", "ENOMEM", "EMFILE", "EINTR", "EPERM", "EBUSY")


class ErrnoSweep(sweep_case.SweepCase):
    NAME = "errno"
    kills_shims = False

    def after_blow(self, verb, state, attempt):
        self.assertTrue(self.server.is_running(), "gantryd has ended")
        if attempt.error is not None:
            self.assertIn(self.error, attempt.told)
        self.check_watched()
        self.check_states()
        verb.converge(self, state, attempt)
        self.check_states()

    def fails(self, verb):
        problems = []
        # All of them, or so many together.
        wanted = POINTS if POINTS == "all" else str(
            -(-int(POINTS) // len(ERRORS)))
        for error in ERRORS:
            self.error = error
            problems += self.sweep(verb, error, ("--error", error), wanted)
        self.assertEqual(problems, [])


def method(verb):
    return lambda self: self.fails(verb)


for each in sweep_verbs.ALL:
    setattr(ErrnoSweep, "test_" + each.name, method(each))


if __name__ == "__main__":
    gantry_case.main()
