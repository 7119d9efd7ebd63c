"""What a program did to the files below a directory, from strace's output
(strace.py): read(files, top) gives the Disk of all that happened below `top`
(disk_model.py), over one or more runs in turn, and what can be asked about
moments. A moment is the number of a line.

Whatever changes files has to be among strace.CALLS, or the recording says so where it
meets the result: a name that nobody made. Names have to be absolute or relative to
a descriptor: where a program stands is not known.
"""

import re
import stat

from disk_model import ROOT, Change, Disk
from strace import LONGEST, arguments, calls, threads, unquote, until_end

_FD = re.compile(r"^(-?\d+|AT_FDCWD)(?:<([^>]*)>(\(deleted\))?)?$")


class Recording:
    """disk: the changes; their moments are lines. time_of(moment) is when the
    line was written, in seconds of time.time(). `umask` is the program's. Of
    paths that `foreign` matches may be names that somebody else made, as overlay
    does in a writable layer; they are left out."""

    umask = 0o022

    def __init__(self, top, foreign=None):
        self.foreign = re.compile(foreign) if foreign else None
        self.disk = Disk()
        self.top = top.encode()
        self.times = []
        self.tree = {ROOT: {}}   # as it is while the calls are read
        self.sizes = {}          # of files; a write to O_APPEND needs it
        self.offsets = {}        # descriptor -> where write() writes; None: at
        #                          the end
        self.orphans = {}        # path of a deleted file -> inode
        self.fds = {}            # number of a descriptor -> path, when opened

    def time_of(self, moment):
        return self.times[moment] if moment < len(self.times) else float("inf")

    def moments(self):
        """Just behind each change."""
        return sorted({change.end + 1 for change in self.disk.changes})

    def tell(self, moment):
        """The last change before the moment, for people."""
        last = max((change for change in self.disk.changes
                    if change.end < moment), key=lambda change: change.end)
        return f"line {last.end}: {last.kind} {last.on}"

    # -- from paths to inodes

    def find(self, path):
        """Inode of an absolute path, symlinks not followed; None if it is not
        below the top. KeyError if nobody made it."""
        if path != self.top and not path.startswith(self.top + b"/"):
            return None
        inode = ROOT
        for name in filter(None, path[len(self.top):].split(b"/")):
            inode = self.tree[inode][name]
        return inode

    def split_path(self, path):
        """(directory's inode, name); None if the path is not below the top."""
        if path is None:
            return None
        folder, _, name = path.rstrip(b"/").rpartition(b"/")
        directory = self.find(folder)
        return None if directory is None else (directory, name)

    def of_fd(self, text):
        """The path that a descriptor leads to, or None."""
        match = _FD.match(text)
        return unquote(match[2]) if match and match[2] else None

    def at(self, folder, name):
        """The path of an argument pair as of openat."""
        path = unquote(name.strip('"')) if name != "NULL" else b""
        if path.startswith(b"/proc/self/fd/") or path.startswith(b"/dev/fd/"):
            return None
        if path.startswith(b"/"):
            return _clean(path)
        base = self.of_fd(folder)
        if base is None:
            return None
        return _clean(base + b"/" + path if path else base)

    def of_open(self, text):
        """Inode of an open descriptor, also of a deleted file; None outside."""
        match = _FD.match(text)
        if not match or not match[2]:
            return None
        path = unquote(match[2])
        if match[3]:
            return self.orphans.get(path)
        return self.find(path) if path.startswith(self.top) else None

    # -- the calls

    def read(self, lines):
        first = len(self.times)
        found, times = calls(lines)
        self.times += times
        ours = threads(lines[0].split()[0], found)
        self.fds, self.offsets = {}, {}
        for begin, end, pid, name, text, result in found:
            if pid in ours and (match := _FD.match(result)) and match[2]:
                self.fds[match[1]] = unquote(match[2])
                self.offsets[match[1]] = None if "O_APPEND" in text else 0
            handler = getattr(self, "do_" + name, None)
            if handler is None:
                raise ValueError(f"{name} is not understood")
            try:
                handler(arguments(text), result, begin + first, end + first)
            except KeyError as error:
                if self.foreign is not None and self.foreign.search(
                        text.encode().decode("unicode_escape")):
                    continue
                raise ValueError(
                    f"line {first + end}: {name}({text[:400]}): nobody made "
                    f"{error}") from error

    def change(self, kind, on, what, begin, end):
        self.disk.changes.append(Change(kind, on, what, begin, end))

    def make(self, place, kind, start, what, begin, end):
        inode = self.disk.add_inode(kind, start, what)
        directory, name = place
        self.tree[directory][name] = inode
        if kind == "directory":
            self.tree[inode] = {}
        elif kind == "file":
            self.sizes[inode] = 0
        self.change("name", place, inode, begin, end)
        return inode

    def mode(self, text):
        return {"mode": int(text, 8) & ~self.umask}

    def do_openat(self, args, result, begin, end):
        flags = args[2]
        self.opened(self.at(args[0], args[1]), flags,
                    args[3] if len(args) > 3 else "0", begin, end)

    def do_open(self, args, result, begin, end):
        self.do_openat(["AT_FDCWD"] + args, result, begin, end)

    def do_openat2(self, args, result, begin, end):
        flags = re.search(r"flags=([A-Z_|0-9a-z]+)", args[2])[1]
        mode = re.search(r"mode=(\d+)", args[2])
        # What was opened is what the result says: resolved below a root.
        self.opened(self.of_fd(result), flags, mode[1] if mode else "0",
                    begin, end)

    def opened(self, path, flags, mode, begin, end):
        words = flags.split("|")
        if path is None or not path.startswith(self.top + b"/"):
            return
        if "O_TMPFILE" in words:
            raise ValueError("O_TMPFILE is not understood")
        if "O_CREAT" in words:
            place = self.split_path(path)
            if place[1] not in self.tree[place[0]]:
                self.make(place, "file", self.mode(mode), None, begin, end)
                return
        if "O_TRUNC" in words:
            self.resize(self.find(path), 0, begin, end)

    def resize(self, inode, size, begin, end):
        if inode is not None and self.sizes.get(inode) != size:
            self.sizes[inode] = size
            self.change("size", inode, size, begin, end)

    def put(self, fd, offset, data, begin, end):
        inode = self.of_open(fd)
        if inode is None or inode not in self.sizes or not data:
            return
        if offset is None:
            number = _FD.match(fd)[1]
            offset = self.offsets.get(number)
            if offset is None:
                offset = self.sizes[inode]
            else:
                self.offsets[number] = offset + len(data)
        self.sizes[inode] = max(self.sizes[inode], offset + len(data))
        self.change("write", inode, (offset, data), begin, end)

    def data(self, text, count):
        if not text.endswith('"'):
            raise ValueError("data was cut: LONGEST is too short")
        return unquote(text.strip('"'))[:count]

    def is_ours(self, fd):
        path = self.of_fd(fd)
        return path is not None and path.startswith(self.top + b"/")

    def do_write(self, args, result, begin, end):
        if self.is_ours(args[0]):
            self.put(args[0], None, self.data(args[1], int(result)), begin, end)

    def do_pwrite64(self, args, result, begin, end):
        if self.is_ours(args[0]):
            self.put(args[0], int(args[3]), self.data(args[1], int(result)),
                     begin, end)

    def do_writev(self, args, result, begin, end):
        if self.is_ours(args[0]):
            parts = re.findall(r'iov_base=("[^"]*"(?:\.\.\.)?)', args[1])
            data = b"".join(self.data(part, LONGEST) for part in parts)
            self.put(args[0], None, data[:int(result)], begin, end)

    def refuse(self, args, result, begin, end):
        if any(self.is_ours(arg) for arg in args):
            raise ValueError(f"not understood: {args}")

    do_pwritev = do_pwritev2 = do_sendfile = do_copy_file_range = refuse
    do_splice = do_fallocate = do_truncate = refuse
    do_removexattr = do_lremovexattr = refuse
    do_fremovexattr = do_creat = do_chmod = do_lchown = do_chown = refuse

    def do_clone3(self, args, result, begin, end):
        pass

    do_clone = do_clone3

    def do_io_uring_setup(self, args, result, begin, end):
        raise ValueError("io_uring is not understood")

    def do_lseek(self, args, result, begin, end):
        if self.is_ours(args[0]):
            number = _FD.match(args[0])[1]
            if self.offsets.get(number) is not None:
                self.offsets[number] = int(result)

    def do_ftruncate(self, args, result, begin, end):
        if self.is_ours(args[0]):
            self.resize(self.of_open(args[0]), int(args[1]), begin, end)

    def do_renameat(self, args, result, begin, end):
        old, new = self.at(args[0], args[1]), self.at(args[2], args[3])
        source, target = self.split_path(old), self.split_path(new)
        if source is None and target is None:
            return
        if source is None or target is None:
            raise ValueError(f"renamed over the bounds: {old} {new}")
        replaced = self.tree[target[0]].get(target[1])
        if replaced is not None:
            self.orphans[new] = replaced
        inode = self.tree[source[0]].pop(source[1])
        self.tree[target[0]][target[1]] = inode
        self.change("rename", source, (*target, inode), begin, end)

    def do_renameat2(self, args, result, begin, end):
        if "EXCHANGE" in args[4] or "WHITEOUT" in args[4]:
            raise ValueError(f"renameat2 {args[4]} is not understood")
        self.do_renameat(args, result, begin, end)

    def do_rename(self, args, result, begin, end):
        self.do_renameat(["AT_FDCWD", args[0], "AT_FDCWD", args[1]], result,
                         begin, end)

    def do_linkat(self, args, result, begin, end):
        target = self.split_path(self.at(args[2], args[3]))
        if target is None:
            return
        inode = self.find(self.at(args[0], args[1]))
        self.tree[target[0]][target[1]] = inode
        self.change("name", target, inode, begin, end)

    def do_link(self, args, result, begin, end):
        self.do_linkat(["AT_FDCWD", args[0], "AT_FDCWD", args[1]], result,
                       begin, end)

    def do_unlinkat(self, args, result, begin, end):
        path = self.at(args[0], args[1])
        place = self.split_path(path)
        if place is not None:
            self.orphans[path] = self.tree[place[0]].pop(place[1])
            self.change("unname", place, None, begin, end)

    def do_unlink(self, args, result, begin, end):
        self.do_unlinkat(["AT_FDCWD"] + args, result, begin, end)

    do_rmdir = do_unlink

    def do_mkdirat(self, args, result, begin, end):
        place = self.split_path(self.at(args[0], args[1]))
        if place is not None:
            self.make(place, "directory", self.mode(args[2]), None, begin, end)

    def do_mkdir(self, args, result, begin, end):
        self.do_mkdirat(["AT_FDCWD"] + args, result, begin, end)

    def do_mknodat(self, args, result, begin, end):
        place = self.split_path(self.at(args[0], args[1]))
        if place is None:
            return
        kind, _, mode = args[2].rpartition("|")
        device = re.search(r"makedev\((\w+), (\w+)\)", args[-1])
        number = tuple(int(part, 0) for part in device.groups()) if device else (
            0, 0)
        self.make(place, "device", self.mode(mode),
                  (getattr(stat, kind), number), begin, end)

    def do_mknod(self, args, result, begin, end):
        self.do_mknodat(["AT_FDCWD"] + args, result, begin, end)

    def do_symlinkat(self, args, result, begin, end):
        place = self.split_path(self.at(args[1], args[2]))
        if place is not None:
            self.make(place, "symlink", {}, unquote(args[0].strip('"')), begin,
                      end)

    def do_symlink(self, args, result, begin, end):
        self.do_symlinkat([args[0], "AT_FDCWD", args[1]], result, begin, end)

    def attribute(self, inode, key, value, begin, end):
        if inode is not None:
            self.change("attr", inode, (key, value), begin, end)

    def do_fchmod(self, args, result, begin, end):
        self.attribute(self.of_open(args[0]), "mode", int(args[1], 8), begin, end)

    def do_fchmodat(self, args, result, begin, end):
        path = self.at(args[0], args[1])
        self.attribute(self.find(path) if path else None, "mode",
                       int(args[2], 8), begin, end)

    def do_fchown(self, args, result, begin, end):
        self.attribute(self.of_open(args[0]), "owner",
                       (int(args[1]), int(args[2])), begin, end)

    def do_fchownat(self, args, result, begin, end):
        path = self.at(args[0], args[1])
        self.attribute(self.find(path) if path else None, "owner",
                       (int(args[2]), int(args[3])), begin, end)

    def do_fsetxattr(self, args, result, begin, end):
        self.attribute(self.of_open(args[0]),
                       "xattr:" + unquote(args[1].strip('"')).decode(),
                       self.data(args[2], int(args[3])), begin, end)

    def do_setxattr(self, args, result, begin, end):
        path = unquote(args[0].strip('"'))
        if by_fd := re.match(rb"/proc/self/fd/(\d+)(/.*)?$", path):
            opened = self.fds[by_fd[1].decode()]
            path = opened + (by_fd[2] or b"")
        if path.startswith(self.top + b"/"):
            self.attribute(self.find(_clean(path)),
                           "xattr:" + unquote(args[1].strip('"')).decode(),
                           self.data(args[2], int(args[3])), begin, end)

    do_lsetxattr = do_setxattr

    def do_utimensat(self, args, result, begin, end):
        path = self.at(args[0], args[1])
        inode = (self.of_open(args[0]) if args[1] == "NULL" else
                 self.find(path) if path else None)
        times = re.findall(r"tv_sec=(-?\d+), tv_nsec=(\d+)", args[2])
        if len(times) == 2:
            self.attribute(inode, "times", tuple(
                int(seconds) * 10**9 + int(rest) for seconds, rest in times),
                begin, end)

    def do_fsync(self, args, result, begin, end):
        inode = self.of_open(args[0])
        if inode is not None:
            self.change("sync", inode, None, begin, end)

    do_fdatasync = do_fsync

    def do_syncfs(self, args, result, begin, end):
        path = self.of_fd(args[0])
        if path is not None and path.startswith(self.top):
            self.change("sync", None, None, begin, end)

    def do_sync(self, args, result, begin, end):
        self.change("sync", None, None, begin, end)

    def do_sync_file_range(self, args, result, begin, end):
        pass  # promises nothing (sync_file_range(2), "Warning")


def _clean(path):
    parts = []
    for part in path.split(b"/"):
        if part == b"..":
            parts = parts[:-1]
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/" + b"/".join(parts)


def read(files, top, foreign=None):
    recording = Recording(top, foreign)
    for path in files:
        with open(path, encoding="ascii") as source:
            recording.read(until_end(source.read().splitlines()))
    return recording
