#!/usr/bin/python3
"""What an OCI runtime takes by itself to start a container and to run a program
in it: system calls and instructions in user space, all its processes together.

bare_work.py COUNTER ROOTFS RUNTIME... prints JSON: {"NAME": {"start": {...},
"exec": {...}}} with the counts of test/work's COUNTER. ROOTFS has busybox. A
runtime that is a Go program (it has threads, which wait for each other) has its
system calls counted only: its instructions are never twice the same, and most of
them are its scheduler's.
"""

import json
import os
import subprocess
import sys
import tempfile

# Let go when it is executed: what the container does is not the runtime's.
PROGRAM = "busybox"


def is_go(runtime):
    with open(runtime, "rb") as program:
        return b"Go build" in program.read()


def make_bundle(runtime, rootfs, bundle):
    """The runtime's own example of a configuration, in a cgroup of its own."""
    os.mkdir(bundle)
    subprocess.run([runtime, "spec"], cwd=bundle, check=True)
    path = f"{bundle}/config.json"
    with open(path, encoding="utf-8") as source:
        config = json.load(source)
    config["process"].update(args=[PROGRAM, "sleep", "1000"], terminal=False)
    config["root"]["path"] = rootfs
    config["linux"]["cgroupsPath"] = f"/gantry-bare-work-{os.getpid()}"
    with open(path, "w", encoding="utf-8") as target:
        json.dump(config, target)


def count(counter, unit, command, bundle):
    # A container that stays must not have our output.
    with tempfile.TemporaryFile("w+") as out:
        subprocess.run([counter, unit, PROGRAM, *command], cwd=bundle,
                       stdin=subprocess.DEVNULL, stdout=out, check=True)
        out.seek(0)
        kinds = json.load(out)
    return sum(sum(by_name.values()) for by_name in kinds.values())


def measure(counter, rootfs, runtime, scratch):
    name = os.path.basename(runtime)
    bundle = f"{scratch}/{name}"
    make_bundle(runtime, rootfs, bundle)
    base = [runtime, "--root", f"{scratch}/{name}.state"]
    found = {"start": {}, "exec": {}}
    for unit in ("syscalls",) if is_go(runtime) else ("syscalls",
                                                      "instructions"):
        found["start"][unit] = count(
            counter, unit, [*base, "run", "--detach", "bare"], bundle)
        try:
            found["exec"][unit] = count(
                counter, unit, [*base, "exec", "bare", PROGRAM, "true"], bundle)
        finally:
            subprocess.run([*base, "delete", "--force", "bare"], check=True)
    return name, found


def main():
    counter, rootfs, *runtimes = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(dict(
            measure(counter, os.path.abspath(rootfs), runtime, scratch)
            for runtime in runtimes), indent=1))


if __name__ == "__main__":
    main()
