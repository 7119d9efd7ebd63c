"""What the kernel and the disk show from outside of containers.

Reads only, but for new_network, make_cgroup, mount and end_everything, which
touch nothing but what a test made: network namespaces, its cgroup parent, and
mounts and processes below its directory.
"""

import contextlib
import ctypes
import ctypes.util
import json
import os
import signal
import subprocess
import threading
import time

MNT_DETACH = 2
NAMESPACES = ("uts", "ipc", "pid", "mnt", "net", "cgroup", "user")
_libc = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True)


def read(path):
    """The file's text; empty if there is none (any more)."""
    try:
        with open(path, "rb") as source:
            return source.read().decode(errors="replace")
    except OSError:
        return ""


def write(path, text):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def kernel():
    """(6, 1) of "6.1.0-18-amd64"."""
    return tuple(int(word) for word in os.uname().release.split(".")[:2])


def is_emulated():
    """Whether processors are a program (tools/vm-test): times mean nothing."""
    return "GANTRY_VM_MACHINE" in os.environ


def patience(seconds):
    """How long a test waits here for what takes at most `seconds` on a busy
    machine. Nothing that goes well takes as long, and nothing that gantryd
    promises is measured by it."""
    return seconds * 5 if is_emulated() else seconds


def maps_ids_of_mounts():
    """Whether the kernel does so for tmpfs, which was the last to learn it:
    without it gantryd offers no user namespaces."""
    return kernel() >= (6, 3)


# ---------------------------------------------------------------- processes

def exists(pid):
    """Whether the process runs: a zombie does not."""
    return state(pid) not in ("", "Z", "X")


def state(pid):
    stat = read(f"/proc/{pid}/stat")
    return stat[stat.rindex(")") + 2] if stat else ""


def start_ticks(pid):
    stat = read(f"/proc/{pid}/stat")
    return stat[stat.rindex(")") + 2:].split()[19] if stat else ""


def children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        found += read(f"/proc/{pid}/task/{task}/children").split()
    return [int(child) for child in found]


def open_files(pid):
    """What its descriptors lead to, but for those closed while one looks."""
    found = []
    folder = f"/proc/{pid}/fd"
    for fd in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"{folder}/{fd}"))
    return found


def namespaces(pid):
    return {name: os.readlink(f"/proc/{pid}/ns/{name}")
            for name in NAMESPACES
            if os.path.exists(f"/proc/{pid}/ns/{name}")}


def status(pid):
    """/proc/PID/status as a dictionary."""
    return dict(
        (line.split(":", 1)[0], line.split(":", 1)[1].strip())
        for line in read(f"/proc/{pid}/status").splitlines() if ":" in line)


def processes_using(directory):
    """Pids of processes that have something below `directory` open, or stand
    in it: the shims of a server know it by no other trace."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid():
            continue
        try:
            links = [f"/proc/{pid}/fd/{fd}"
                     for fd in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        for link in links + [f"/proc/{pid}/cwd", f"/proc/{pid}/root"]:
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if target == directory or target.startswith(directory + "/"):
                found.append(int(pid))
                break
    return found


def describe(pid):
    command = read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()
    return f"process {pid} ({state(pid)}): {command}"


# ----------------------------------------------------------------- networks

CLONE_NEWNET = 0x40000000
CLONE_NEWNS = 0x00020000


def new_network():
    """A descriptor of a new network namespace with lo up: it is there for as
    long as somebody holds it."""
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "ip link set lo up && echo && cat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        if holder.stdout.readline() != b"\n":
            raise AssertionError("no new network namespace")
        return os.open(f"/proc/{holder.pid}/ns/net", os.O_RDONLY)
    finally:
        holder.stdin.close()
        holder.stdout.close()
        holder.wait()


def enter_network(fd):
    """The calling thread goes there."""
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def in_network(fd, function, *arguments):
    """What function(*arguments) returns in that namespace."""
    results = []

    def body():
        try:
            enter_network(fd)
            results.append((function(*arguments), None))
        except BaseException as error:  # for the caller to see
            results.append((None, error))
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    result, error = results[0]
    if error is not None:
        raise error
    return result


def ip_command(fd, *words):
    """What ip(8) prints in that namespace."""
    return subprocess.run(["ip", *words], check=True, capture_output=True,
                          text=True, preexec_fn=lambda: enter_network(fd)
                          ).stdout


def links(fd):
    """Names of the interfaces there."""
    return sorted(link["ifname"] for link in
                  json.loads(ip_command(fd, "-json", "link")))


# ------------------------------------------------------------------- mounts

def mounts():
    """Mount point -> list of (file system type, source), of this process."""
    table = {}
    for line in read("/proc/self/mountinfo").splitlines():
        fields = line.split()
        dash = fields.index("-")
        table.setdefault(fields[4], []).append(
            (fields[dash + 1], fields[dash + 2]))
    return table


def enter_new_mount_namespace():
    """What the calling thread and its children mount is theirs alone."""
    if _libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def mounts_below(directory):
    return sorted(point for point, stack in mounts().items()
                  for _ in stack if point.startswith(directory + "/"))


def mount(kind, point, options=""):
    if _libc.mount(b"gantry-test", point.encode(), kind.encode(), 0,
                   options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"mount {kind}", point)


def unmount(point):
    """Also a busy one; whether there was one."""
    return _libc.umount2(point.encode(), MNT_DETACH) == 0


def new_mounts(before, top):
    """What the table has beyond `before`; mounts that others make meanwhile in
    temporary directories of their own are not looked at."""
    found = []
    for point, stack in mounts().items():
        foreign = point.startswith("/tmp/") and not point.startswith(top)
        if not foreign and len(stack) > len(before.get(point, [])):
            found.append(f"{point} {stack}")
    return found


# ------------------------------------------------------------------ cgroups

def hierarchies():
    """Name of a hierarchy's mount ("memory", "unified") -> mount point."""
    found = {}
    for point, stack in mounts().items():
        if stack[-1][0] in ("cgroup", "cgroup2"):
            found[os.path.basename(point)] = point
    return found


def controller(name):
    """The mount point of the v1 hierarchy that has the controller; none on a
    machine with cgroup v2 alone."""
    return hierarchies().get(name)


def make_cgroup(path):
    """Makes a cgroup in every hierarchy, able to take processes."""
    for name, point in hierarchies().items():
        os.mkdir(point + path)
        if name == "cpuset":
            for file in ("cpuset.cpus", "cpuset.mems"):
                write(f"{point}{path}/{file}", read(f"{point}/{file}"))


def cgroup_dirs(path):
    """All directories below the cgroup `path`, of every hierarchy."""
    found = []
    for point in hierarchies().values():
        for folder, names, _ in os.walk(point + path):
            found += [os.path.join(folder, name) for name in names]
    return sorted(found)


def cgroup_members(path):
    """Hierarchy -> pids in the cgroup itself."""
    return {name: sorted(int(pid) for pid in read(
                f"{point}{path}/cgroup.procs").split())
            for name, point in hierarchies().items()}


def cgroups_of(pid):
    """Hierarchy's controllers ("memory", "name=systemd", "" for v2) -> path."""
    found = {}
    for line in read(f"/proc/{pid}/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        found[controllers] = path
    return found


def cgroup_processes(path):
    """Pids anywhere below the cgroup, in any hierarchy."""
    pids = set()
    for point in hierarchies().values():
        for folder, _, _ in os.walk(point + path):
            pids.update(int(pid) for pid in
                        read(folder + "/cgroup.procs").split())
    return pids


def remove_cgroup(path):
    """Removes an empty cgroup from every hierarchy; returns what it could not
    remove."""
    left = []
    for point in hierarchies().values():
        try:
            os.rmdir(point + path)
        except FileNotFoundError:
            pass
        except OSError as error:
            left.append(f"cgroup {point}{path}: {error.strerror}")
    return left


# ---------------------------------------------------------------- the end

def end_everything(top, cgroup_parent, expected_mounts=()):
    """Kills, unmounts and removes what is left of a server; returns lines that
    say what there was beyond what is expected."""
    left = []
    for _ in range(100):
        pids = cgroup_processes(cgroup_parent) | set(processes_using(top))
        if not pids:
            break
        for pid in pids:
            left.append(describe(pid))
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)
    for point in sorted(mounts_below(top), reverse=True):
        if point not in expected_mounts:
            left.append("mount " + point)
        unmount(point)
    for folder in sorted(cgroup_dirs(cgroup_parent), reverse=True):
        left.append("cgroup " + folder)
        for _ in range(100):
            try:
                os.rmdir(folder)
                break
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.05)
    return sorted(set(left)) + remove_cgroup(cgroup_parent)
