"""What a machine is doing, for a test that did not end in its time."""

import glob
import os
import time

_TICKS = os.sysconf("SC_CLK_TCK")


def _ticks_of():
    """pid -> (clock ticks of processor time, state, name), as proc(5) has it."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                name, _, rest = file.read().partition(" (")[2].rpartition(") ")
        except OSError:
            continue  # it has ended
        fields = rest.split()
        found[int(pid)] = (int(fields[11]) + int(fields[12]), fields[0], name)
    return found


def _word(pid, file):
    try:
        with open(f"/proc/{pid}/{file}", "rb") as opened:
            return opened.read(200).replace(b"\0", b" ").decode(
                errors="replace").strip()
    except OSError:
        return "?"


def busy_processes(seconds=5, most=25):
    """A line for each that ran in the next `seconds`, the busiest first."""
    before = _ticks_of()
    time.sleep(seconds)  # nothing is awaited: it is the span that is measured
    used = [(ticks - before.get(pid, (0,))[0], pid, state, name)
            for pid, (ticks, state, name) in _ticks_of().items()]
    return [f"{ticks / _TICKS / seconds:6.0%} {pid} {state} {name} "
            f"[{_word(pid, 'wchan')}] {_word(pid, 'cmdline')}"
            for ticks, pid, state, name in sorted(used, reverse=True)[:most]
            if ticks > 0]


def ends_of_logs(pattern="/tmp/**/*.log", lines=60):
    """The last lines of each file, below its name."""
    found = []
    for path in sorted(glob.glob(pattern, recursive=True)):
        with open(path, errors="replace") as file:
            found += [f"-- {path}:", *file.read().splitlines()[-lines:]]
    return found
