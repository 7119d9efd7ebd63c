"""strace's output as calls: command(output) is what a program is started with to
be recorded, calls(lines) what it has written.

A call that another thread interrupts has two lines; calls are known by the
numbers of the lines where they begin and end.
"""

import re

# Data longer than this would be cut: read() refuses it.
LONGEST = 4 << 20
CALLS = (
    "open", "openat", "openat2", "creat", "write", "pwrite64", "writev",
    "pwritev", "pwritev2", "sendfile", "copy_file_range", "splice", "fallocate",
    "truncate", "ftruncate", "rename", "renameat", "renameat2", "link", "linkat",
    "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "mknod", "mknodat",
    "symlink", "symlinkat", "chmod", "fchmod", "fchmodat", "chown", "lchown",
    "fchown", "fchownat", "setxattr", "lsetxattr", "fsetxattr", "removexattr",
    "lremovexattr", "fremovexattr", "utimensat", "lseek", "fsync", "fdatasync",
    "syncfs", "sync", "sync_file_range", "io_uring_setup", "clone", "clone3")
_MARK = re.compile(r"[][{}()<>,]")
_LINE = re.compile(r"^(\d+) +(\d+\.\d+) (.*)$")
_RESUMED = re.compile(r"^<\.\.\. \w+ resumed>(.*)$")
_CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+|\?)(<[^>]*>(?:\(deleted\))?)?")


def command(output):
    # -D: the program, not strace, is the child of who starts it.
    return ["strace", "-D", "-f", "--seccomp-bpf", "-y", "-xx", "-ttt",
            "-s", str(LONGEST), "-o", output, "-e", "signal=none",
            "-e", "trace=" + ",".join(CALLS)]


def unquote(text):
    """The bytes of \\x61\\x62."""
    return bytes.fromhex(text.replace("\\x", ""))


def arguments(text):
    """The arguments of a call as strace writes them; brackets hold together."""
    found, depth, begin = [], 0, 0
    for mark in _MARK.finditer(text):
        at, char = mark.start(), mark[0]
        if char in "[{(<":
            depth += 1
        elif char in "]})>":
            depth -= 1
        elif char == "," and depth == 0:
            found.append(text[begin:at].strip())
            begin = at + 1
    found.append(text[begin:].strip())
    return found


def until_end(lines):
    """Without what the children of a program go on doing after its end."""
    leader = lines[0].split()[0]
    for number, line in enumerate(lines):
        if line.startswith(leader + " ") and "+++ " in line[:60]:
            return lines[:number + 1]
    return lines


def calls(lines):
    """(begin line, end line, thread, name, text of the arguments, result text)
    of all that succeeded, in the order of their ends; and the time of each
    line."""
    times, open_calls, found = [], {}, []
    for number, line in enumerate(lines):
        match = _LINE.match(line)
        if match is None:
            raise ValueError(f"line {number}: {line[:200]}")
        pid, time, text = match[1], float(match[2]), match[3]
        times.append(time)
        begin = number
        if text.endswith("<unfinished ...>"):
            open_calls[pid] = (number, text[:-len("<unfinished ...>")])
            continue
        if resumed := _RESUMED.match(text):
            begin, first = open_calls.pop(pid)
            text = first.rstrip() + resumed[1]
        if text.startswith(("+++", "---")):
            open_calls.pop(pid, None)
            continue
        call = _CALL.match(text)
        if call is None:
            raise ValueError(f"line {number}: {text[:200]}")
        if call[3] == "?" or call[3].startswith("-"):
            continue
        found.append((begin, number, pid, call[1], call[2],
                      call[3] + (call[4] or "")))
    # By their ends already.
    return found, times


def threads(leader, found):
    """The threads of the program, not those of its children."""
    ours = {leader}
    for _, _, pid, name, text, result in found:
        if name.startswith("clone") and "CLONE_THREAD" in text and pid in ours:
            ours.add(result)
    return ours
