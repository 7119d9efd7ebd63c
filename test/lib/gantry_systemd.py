"""systemd, as systemctl shows it: units, their properties and what is left.

Only for machines whose init it is; nothing is touched but the slice of a test's
own and what lies in it.
"""

import fnmatch
import os
import subprocess

RUN = "/run/systemd"


def systemctl(*words, check=True):
    """What it prints."""
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise AssertionError(f"systemctl {' '.join(words)}: {done.stderr}")
    return done.stdout


def show(unit, *names):
    """Property -> value, as text."""
    lines = systemctl("show", unit, *(f"--property={name}" for name in names))
    return dict(line.split("=", 1) for line in lines.splitlines())


def is_active(unit):
    return show(unit, "ActiveState")["ActiveState"] == "active"


def units(*patterns):
    """Names of the units that are loaded."""
    lines = systemctl("list-units", "--all", "--plain", "--no-legend",
                      "--full", *patterns)
    return sorted(line.split()[0] for line in lines.splitlines())


def units_in(slice_name):
    """Those below the slice."""
    prefix = slice_name.removesuffix(".slice") + "-"
    found = [unit for unit in units("*.slice") if unit.startswith(prefix)]
    return found + [
        unit for unit in units("gantry-*.scope")
        if show(unit, "Slice")["Slice"] in (slice_name, *found)]


def files_of(pattern):
    """Names that systemd keeps on the disk for units of such names."""
    return sorted(
        f"{folder}/{name}"
        for folder in (f"{RUN}/transient", f"{RUN}/system.control",
                       f"{RUN}/system")
        if os.path.isdir(folder) for name in os.listdir(folder)
        if fnmatch.fnmatch(name, pattern))


def end_slice(slice_name):
    """Stops it with all in it; returns lines for what was in it still."""
    left = [f"unit {unit}" for unit in units_in(slice_name)]
    systemctl("stop", slice_name, check=False)
    return left
