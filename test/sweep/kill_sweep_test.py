"""kill -9 of the server, of a shim, or of both, at the system calls of every
request that change state: whatever was under way, nothing is lost but what the
killed process was, and the repeated request succeeds."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import sweep_case
import sweep_verbs
from sweep_case import gantry_case


class KillSweep(sweep_case.SweepCase):
    NAME = "kill"

    def after_blow(self, verb, state, attempt):
        if self.hit is not None and self.kills_server:
            self.server.process.wait()
            self.server.was_killed = True
            self.server.start()
        self.check_watched()
        self.check_states()
        verb.converge(self, state, attempt)
        self.check_states()

    def kills(self, verb, *targets):
        problems = []
        for target in targets or ("server", "shim", "both"):
            self.kills_shims = target != "server"
            self.kills_server = target != "shim"
            problems += self.sweep(verb, "kill " + target, ("--kill", target))
        self.assertEqual(problems, [])


def method(verb):
    # Without a process for the container there is no shim to kill.
    targets = ("server",) if verb.is_servers_alone else ()
    return lambda self: self.kills(verb, *targets)


for each in sweep_verbs.ALL:
    setattr(KillSweep, "test_" + each.name, method(each))


if __name__ == "__main__":
    gantry_case.main()
