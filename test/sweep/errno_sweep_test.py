"""Every system call of a request fails once with each of some errors: nothing is
killed by that, the client is told what failed and of which error, the repeated
request succeeds, and nothing is left over, no descriptor either."""

import fnmatch
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kept_points
import sweep_case
import sweep_verbs
from sweep_case import POINTS, gantry_case

ERRORS = ("EIO", "ENOSPC", "ENOMEM", "EMFILE", "EINTR", "EPERM", "EBUSY")
# The calls by which others than the server tell (it also has clients of whose
# connections each call is one).
WAYS = {"shim": ("sendmsg", "recvmsg"), "pin": ("sendmsg",),
        "init": ("sendmsg",)}


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
        """Who loses the way by which it tells can tell nothing of it. But nobody
        may tell another reason in its place."""
        who, call = self.hit.split(" ")[:2]
        others = set(re.findall(r"\b(E[A-Z]{2,}[0-9]*): ", told))
        return ("socket:" in self.hit and call in WAYS.get(who, (call,)) and
                others <= {self.error, "ECONNRESET", "EPIPE"})

    def fails(self, verb):
        problems = []
        # All of them, or so many together.
        wanted = POINTS if POINTS == "all" else str(
            -(-int(POINTS) // len(ERRORS)))
        # The same calls for all but one, which interrupts those that wait too.
        counted, calls = {}, {}
        for error in ("EIO", "EINTR"):
            counted[error] = self.count(verb, "--error", error)
            calls[error] = self.calls
        for error in ERRORS:
            self.error = error
            problems += self.sweep(verb, error, ("--error", error), wanted,
                                   counted.get(error, counted["EIO"]))
        if POINTS != "all":
            problems += self.strike_kept(verb, calls)
        self.assertEqual(problems, [])

    def strike_kept(self, verb, calls):
        problems = []
        for error, pattern, *most in kept_points.KEPT.get(verb.name, ()):
            self.error = error
            matching = fnmatch.filter(calls.get(error, calls["EIO"]), pattern)
            if not matching:
                problems.append(f"{verb.name} makes no call '{pattern}'")
                continue
            problems += self.sweep(
                verb, f"{error} at '{pattern}'",
                ("--error", error, "--only", pattern),
                min(*most or [kept_points.MOST], len(matching)), len(matching))
        return problems


def method(verb):
    return lambda self: self.fails(verb)


for each in sweep_verbs.ALL:
    setattr(ErrnoSweep, "test_" + each.name, method(each))


if __name__ == "__main__":
    gantry_case.main()
