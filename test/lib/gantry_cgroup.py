"""What the files of a cgroup say, in CRI's terms: on cgroup v1 and on v2.

Reads only. `path` is a cgroup's as gantryd tells it ("/gantry/POD/ID").
"""

import gantry_host as host

# cgroup v1's "no limit" lies above.
_NONE = 1 << 62


def unified():
    """The mount point of cgroup2; None without one."""
    return next((point for point, stack in host.mounts().items()
                 if stack[-1][0] == "cgroup2"), None)


def unified_has(controller):
    """Whether the controller is one of cgroup v2's here."""
    return unified() is not None and controller in host.read(
        unified() + "/cgroup.controllers").split()


def file(path, controller, v1, v2):
    """The path of the file that the machine's version calls so."""
    point = host.controller(controller)
    return f"{unified()}{path}/{v2}" if point is None else f"{point}{path}/{v1}"


def read(path, controller, v1, v2):
    name = file(path, controller, v1, v2)
    text = host.read(name).strip()
    if not text:
        raise AssertionError(f"nothing in {name}")
    return text


def _bytes(text):
    return None if text == "max" or int(text) >= _NONE else int(text)


def memory(path):
    """The limit in bytes; None if there is none."""
    return _bytes(read(path, "memory", "memory.limit_in_bytes", "memory.max"))


def memory_and_swap(path):
    """The limit of both together, which v2 does not have as a number."""
    limit = _bytes(read(path, "memory", "memory.memsw.limit_in_bytes",
                        "memory.swap.max"))
    if limit is None or host.controller("memory") is not None:
        return limit
    return memory(path) + limit


def memory_usage(path):
    return int(host.read(file(path, "memory", "memory.usage_in_bytes",
                              "memory.current")) or 0)


def page_faults(path):
    """The kernel's count, of the cgroup and those below."""
    text = read(path, "memory", "memory.stat", "memory.stat")
    name = "pgfault" if host.controller("memory") is None else "total_pgfault"
    return int(dict(line.split() for line in text.splitlines())[name])


def shares(path):
    """cpu.shares on v1, cpu.weight on v2; to be compared with as_shares."""
    return int(read(path, "cpu", "cpu.shares", "cpu.weight"))


# Of runc and crun, by their tables: what cpu.weight is for cpu.shares.
_WEIGHTS = {2: 1, 256: 35, 300: 39, 512: 59, 700: 75, 1024: 100, 262144: 10000}


def as_shares(value):
    """What shares() reads for that many cpu.shares."""
    return value if host.controller("cpu") is not None else _WEIGHTS[value]


def cpu_quota_and_period(path):
    """Microseconds; a quota of -1 is none."""
    if host.controller("cpu") is None:
        quota, period = read(path, "cpu", "", "cpu.max").split()
        return -1 if quota == "max" else int(quota), int(period)
    return tuple(int(read(path, "cpu", name, "")) for name in (
        "cpu.cfs_quota_us", "cpu.cfs_period_us"))


def throttled(path):
    """How often the quota held the processes back."""
    lines = dict(line.split() for line in read(
        path, "cpu", "cpu.stat", "cpu.stat").splitlines())
    return int(lines["nr_throttled"])


def hugepages(path, size):
    return _bytes(read(path, "hugetlb", f"hugetlb.{size}.limit_in_bytes",
                       f"hugetlb.{size}.max"))
