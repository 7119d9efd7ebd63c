"""Every system call of a request fails once with each of some errors: nothing is
killed by that, the client is told what failed and of which error, the repeated
request succeeds, and nothing is left over, no descriptor either."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sweep_case
import sweep_verbs
from sweep_case import POINTS, gantry_case

ERRORS = ("EIO", "ENOSPC", "ENOMEM", "EMFILE", "EINTR", "EPERM", "EBUSY")


class ErrnoSweep(sweep_case.SweepCase):
    NAME = "errno"

    def after_blow(self, verb, state, attempt):
        self.assertTrue(self.server.is_running(), "gantryd has ended")
        if self.hit is not None and "socket:" in self.hit:
            # It may have been the client's connection.
            self.server.connect()
        if attempt.error is not None and not self.is_untold(attempt.told):
            self.assertIn(self.error, attempt.told)
        self.check_watched()
        self.check_states()
        verb.converge(self, state, attempt)
        self.check_states()

    def is_untold(self, told):
        """Who loses the way by which it tells can tell nothing of it: a server
        its client's connection, an init that to its shim."""
        if self.hit.startswith("init "):
            return "died during its set-up" in told
        return "socket:" in self.hit

    def fails(self, verb):
        problems = []
        # All of them, or so many together.
        wanted = POINTS if POINTS == "all" else str(
            -(-int(POINTS) // len(ERRORS)))
        # The same calls for all but one, which interrupts those that wait too.
        counted = {error: self.count(verb, "--error", error)
                   for error in ("EIO", "EINTR")}
        for error in ERRORS:
            self.error = error
            problems += self.sweep(verb, error, ("--error", error), wanted,
                                   counted.get(error, counted["EIO"]))
        self.assertEqual(problems, [])

    # -- what the sweep has found

    def strike_at(self, pick, verb, error, call):
        """At the first (pick: min) or last (max) of the verb's calls that
        matches."""
        self.error = error
        self.count(verb, "--error", error)
        at = pick(number for number, each in enumerate(self.calls, 1)
                  if re.match(call, each))
        attempt, state = self.strike(verb, at, "--error", error)
        self.assertRegex(self.hit, call)
        return attempt, state

    def test_what_fails_ahead_is_not_the_next_pods_error(self):
        verb = sweep_verbs.RunPodSandbox()
        attempt, state = self.strike_at(
            max, verb, "EIO", "pin write /proc/sys/net/")
        self.assertIsNone(attempt.error)
        verb.converge(self, state, attempt)
        self.make_pod()
        self.assertIn("made ahead, now made anew", self.server.log())
        self.clear()

    def test_a_removal_that_failed_midway_is_finished_when_repeated(self):
        # The layer is removed with the record beside it.
        verb = sweep_verbs.RemoveContainer()
        attempt, state = self.strike_at(
            max, verb, "EBUSY", "server unlinkat .*/containers/[0-9a-f]*/upper")
        self.assertIn("EBUSY", attempt.told)
        verb.converge(self, state, attempt)
        self.clear()

    def test_a_record_that_cannot_be_looked_at_is_not_taken_for_none(self):
        # NOT_FOUND tells a client that there is no such container.
        verb = sweep_verbs.StartContainer()
        attempt, state = self.strike_at(
            min, verb, "ENOMEM", "server newfstatat .*/record$")
        self.assertTrue(attempt.told.startswith("RESOURCE_EXHAUSTED"),
                        attempt.told)
        verb.converge(self, state, attempt)
        self.clear()


def method(verb):
    return lambda self: self.fails(verb)


for each in sweep_verbs.ALL:
    setattr(ErrnoSweep, "test_" + each.name, method(each))


if __name__ == "__main__":
    gantry_case.main()
