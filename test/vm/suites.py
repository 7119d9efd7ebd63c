#!/usr/bin/python3
"""The suites of tools/vm-test: what each builds, takes along and runs.

suites.py targets SUITE...     Bazel targets to build, one a line (host)
suites.py stage DIR SUITE...   what the guest needs, into DIR (host)
suites.py run SUITE...         runs them; exit status 1 unless something passed
                               and nothing failed (guest)

A suite is a name below, a Python test ("test/e2e/pid_test.py", or
"test/e2e/pid_test.py:Pid.test_x" for some of its cases), or a GoogleTest
program by its label ("//runtime/cgroup:cgroup_kernel_test").
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "test"))
import count_results
import what_runs

# What the tests in Python drive: label -> where it lies, in bazel-bin and in
# the guest.
SHIM = "//shim:gantry-shim"
PROGRAMS = {
    "//server:gantryd": "server/gantryd",
    SHIM: "shim/gantry-shim",
    "//tools/ctl:gantryctl": "tools/ctl/gantryctl",
}
IMAGES = "//test/fixtures:images"
# Of the tree: the tests and what they read.
TREES = ("proto", "test", "tools/apparmor", "tools/lib.sh", "tools/systemd")

_E2E = sorted(
    f"test/e2e/{name}" for name in os.listdir(f"{TOP}/test/e2e")
    if name.endswith("_test.py") and name != "exec_soak_test.py")
_CRASH = sorted(f"test/crash/{name}" for name in os.listdir(f"{TOP}/test/crash")
                if name.endswith("_test.py"))
# The C++ tests with the tag "root".
_ROOT = [
    "//runtime/cgroup:cgroup_kernel_test",
    "//runtime/image:exporter_test",
    "//runtime/image:fsck_test",
    "//runtime/image:image_space_test",
    "//runtime/image:implied_directories_test",
    "//runtime/image:importer_test",
    "//runtime/image:puller_test",
    "//runtime/image:unpacker_hostile_test",
    "//runtime/image:unpacker_test",
    "//runtime/net/bridge:bridge_network_test",
    "//runtime/rootfs:layers_lookup_test",
    "//runtime/sys:mount_test",
    "//runtime/sys:netns_socket_test",
    "//runtime/sys:security_label_root_test",
    "//runtime/sys:user_namespace_test",
    "//server/core:image_pull_test",
    "//server/shim:real_shim_test",
    "//server:layer_labels_root_test",
    "//shim/init:init_root_test",
    "//shim/init:mounts_root_test",
    "//shim/init:user_namespace_root_test",
    "//shim/pin:pin_mode_test",
    "//shim:shim_binary_test",
    "//shim:shim_test",
    "//tools/bench:bare_plugins_test",
    "//tools/bench:floor_test",
    "//tools/bench:modes_test",
]
_FILES = lambda *names: [f"test/e2e/{name}_test.py" for name in names]

SUITES = {
    # Is the machine what it should be?
    "boot": ["test/vm/boot_test.py"],
    "cgroup": ["//runtime/cgroup:cgroup_kernel_test"] + _FILES(
        "cgroup", "resources", "stats", "device"),
    "security": _FILES("apparmor", "security", "fields_security"),
    # Of project quotas, which not every kernel has.
    "quota": _FILES("quota"),
    "e2e": _E2E,
    "crash": _CRASH,
    "root": _ROOT,
    "conformance": ["critest"],
}
# Of the machines with SELinux.
SUITES["selinux"] = ["test/vm/boot_test.py", "test/vm/selinux_test.py"]
# Of the machine v2: the cgroup driver of that name, and gantryd as a service.
SUITES["systemd"] = ["test/vm/systemd_test.py",
                     "test/vm/systemd_service_test.py"]
# Seconds that one test may take: emulation is some ten times as slow.
TIMEOUT = 1500
# Above what run_critest gives it.
CRITEST_TIMEOUT = 2100


def steps_of(suites):
    steps = []
    for suite in suites:
        if suite not in SUITES and not suite.startswith(("test/", "//")):
            sys.exit(f"vm-test: unknown suite '{suite}': use a test's path or "
                     f"label, or one of {', '.join(SUITES)}")
        for step in SUITES.get(suite, [suite]):
            if step not in steps:
                steps.append(step)
    return steps


def is_python(step):
    return step.startswith("test/")


def program_of(label):
    """"//a/b:c" -> "a/b/c"."""
    return label[2:].replace(":", "/")


# ------------------------------------------------------------------- the host

def targets(suites):
    found = []
    for step in steps_of(suites):
        if step.startswith("//"):
            found += [step, SHIM]
        elif step != "test/vm/boot_test.py":
            found += [*PROGRAMS, IMAGES]
        if step == "critest":
            found.append("//test/conformance:effective_uid")
    return sorted(set(found))


def stage_program(built, folder, path):
    """Without what debuggers read: it is most of it."""
    to = os.path.join(folder, path)
    os.makedirs(os.path.dirname(to), exist_ok=True)
    subprocess.run(["strip", "--strip-debug", "-o", to,
                    os.path.join(built, path)], check=True)


def stage(folder, suites):
    built = os.path.join(TOP, "bazel-bin")
    for tree in TREES:
        source, to = os.path.join(TOP, tree), os.path.join(folder, tree)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        if os.path.isdir(source):
            shutil.copytree(source, to, ignore=shutil.ignore_patterns(
                "__pycache__", "node_modules"))
        else:
            shutil.copy(source, to)
    for target in targets(suites):
        if target == IMAGES:
            for name in os.listdir(f"{built}/test/fixtures"):
                if name.endswith(".tar"):
                    shutil.copy(f"{built}/test/fixtures/{name}",
                                f"{folder}/test/fixtures/{name}")
        elif target == "//test/conformance:effective_uid":
            shutil.copy(f"{built}/test/conformance/effective_uid_program",
                        f"{folder}/test/conformance/")
        else:
            path = PROGRAMS.get(target, program_of(target))
            stage_program(built, folder, path)
    if "critest" in steps_of(suites):
        stage_critest(folder)
    if label := os.environ.get("GANTRY_VM_LABEL"):
        for parent, folders, files in os.walk(folder):
            for name in (".", *folders, *files):
                os.setxattr(os.path.join(parent, name), "security.selinux",
                            label.encode() + b"\0", follow_symlinks=False)


def stage_critest(folder):
    """The programs of tools/setup, and what critest's images are made of."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME", "/var/cache"),
                         "gantry")
    to = os.path.join(folder, "cache/gantry")
    os.makedirs(to + "/bin")
    for name in ("critest", "crictl"):
        shutil.copy(f"{cache}/bin/{name}", f"{to}/bin/{name}")
    for name in ("docker-registry", "busybox", "nginx"):
        shutil.copytree(f"{cache}/{name}", f"{to}/{name}", symlinks=True,
                        ignore=shutil.ignore_patterns("doc", "man"))


# ------------------------------------------------------------------ the guest

def command_of(step, report):
    if step == "critest":
        focus = os.environ.get("GANTRY_CRITEST_FOCUS")
        return ["test/vm/guest/critest", report,
                *(["--focus", focus] if focus else [])]
    if is_python(step):
        path, _, cases = step.partition(":")
        return ["/usr/bin/python3", "-B", path, *cases.split()]
    return [program_of(step), f"--gtest_output=xml:{report}"]


def run_step(step, report, count):
    begin = time.monotonic()
    # Where a C++ test finds what it runs, as under Bazel.
    environment = dict(os.environ, XML_OUTPUT_FILE=report,
                       TEST_SRCDIR=os.path.dirname(TOP),
                       TEST_WORKSPACE=os.path.basename(TOP))
    live = bool(os.environ.get("GANTRY_VM_OUTPUT"))
    with tempfile.TemporaryFile() as log:
        # A session of its own: what it leaves running is told from the rest.
        process = subprocess.Popen(
            command_of(step, report), cwd=TOP, env=environment,
            stdout=None if live else log, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL)
        try:
            status = process.wait(
                CRITEST_TIMEOUT if step == "critest" else TIMEOUT)
        except subprocess.TimeoutExpired:
            print(f"== {step} does not end; busy are:",
                  *what_runs.busy_processes(), *what_runs.ends_of_logs(),
                  sep="\n", flush=True)
            process.kill()
            process.wait()
            status = "time is up"
        log.seek(0)
        text = log.read().decode(errors="replace")
    word = "passed" if status == 0 else f"FAILED ({status})"
    print(f"== {step}: {word} in {time.monotonic() - begin:.1f} s", flush=True)
    if not live and (status != 0 or step == "critest"):
        print(text, flush=True)
    count.add_target("vm", step, "PASSED" if status == 0 else "FAILED",
                     [report] if os.path.exists(report) else [])


def run(suites):
    count = count_results.Count([])
    with tempfile.TemporaryDirectory() as folder:
        for number, step in enumerate(steps_of(suites)):
            run_step(step, f"{folder}/{number}.xml", count)
    print(f"{count.passed} passed, {count.failed} failed, "
          f"{count.skipped} skipped", flush=True)
    return 0 if count.passed and not count.failed else 1


def main():
    verb, *words = sys.argv[1:]
    if verb == "targets":
        print("\n".join(targets(words)))
    elif verb == "stage":
        stage(words[0], words[1:])
    elif verb == "run":
        sys.exit(run(words))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
