"""What recording makes of strace's lines; and of strace itself."""

import os
import random
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import disk_model
import recording
import strace

TOP = "/top"
# Threads that come between, a failure, a renamed and a deleted file.
LINES = r"""
7 1.000001 mkdirat(AT_FDCWD<\x2f>, "\x2f\x74\x6f\x70\x2f\x64", 0777) = 0
7 1.000002 openat(3<\x2f\x74\x6f\x70\x2f\x64>, "\x61", O_WRONLY|O_CREAT|O_EXCL, 0666) = 4<\x2f\x74\x6f\x70\x2f\x64\x2f\x61>
8 1.000003 write(4<\x2f\x74\x6f\x70\x2f\x64\x2f\x61>, "\x6f\x6e", 2 <unfinished ...>
7 1.000004 fsync(4<\x2f\x74\x6f\x70\x2f\x64\x2f\x61> <unfinished ...>
8 1.000005 <... write resumed>) = 2
7 1.000006 <... fsync resumed>) = 0
7 1.000007 mkdirat(3<\x2f\x74\x6f\x70\x2f\x64>, "\x61", 0777) = -1 EEXIST (File exists)
7 1.000008 renameat(3<\x2f\x74\x6f\x70\x2f\x64>, "\x61", 3<\x2f\x74\x6f\x70\x2f\x64>, "\x62") = 0
7 1.000009 write(4<\x2f\x74\x6f\x70\x2f\x64\x2f\x62>, "\x65", 1) = 1
7 1.000010 unlinkat(3<\x2f\x74\x6f\x70\x2f\x64>, "\x62", 0) = 0
7 1.000011 write(4<\x2f\x74\x6f\x70\x2f\x64\x2f\x62>(deleted), "\x21", 1) = 1
8 1.000012 syncfs(3<\x2f\x74\x6f\x70\x2f\x64>) = 0
8 1.000013 +++ exited with 0 +++
7 1.000014 +++ exited with 0 +++
8 1.000015 mkdirat(AT_FDCWD<\x2f>, "\x2f\x74\x6f\x70\x2f\x6c\x61\x74\x65", 0777) = 0
""".strip().split("\n")


def wait_until_written(trace):
    """strace goes on for a moment when its program has ended."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with open(trace, encoding="ascii") as source:
            lines = source.read().split("\n")
        if lines[-1] == "" and len(lines) > 1 and "+++ exited" in lines[-2]:
            return
        time.sleep(0.01)
    raise AssertionError(f"not written: {lines[-3:]}")


class RecordingTest(unittest.TestCase):

    def recorded(self, lines):
        made = recording.Recording(TOP)
        made.read(strace.until_end(lines))
        return made

    def test_calls_become_changes_of_inodes(self):
        made = self.recorded(LINES)
        folder, inode = 2, 3
        self.assertEqual(
            [(c.kind, c.on, c.what) for c in made.disk.changes],
            [("name", (disk_model.ROOT, b"d"), folder),
             ("name", (folder, b"a"), inode),
             ("write", inode, (0, b"on")),
             ("sync", inode, None),
             ("rename", (folder, b"a"), (folder, b"b", inode)),
             ("write", inode, (2, b"e")),
             ("unname", (folder, b"b"), None),
             ("write", inode, (3, b"!")),
             ("sync", None, None)])
        self.assertEqual(made.disk.inodes[inode].start, {"mode": 0o644})
        # The write had not ended when the sync of the file began.
        write, sync = made.disk.changes[2:4]
        self.assertEqual((write.begin, write.end, sync.begin), (2, 4, 3))
        self.assertFalse(disk_model.covers(sync, write))
        self.assertEqual(made.time_of(sync.end), 1.000006)

    def test_what_is_not_understood_is_said(self):
        for line in (
                r'7 1.0 io_uring_setup(8, 0x7f) = 3',
                r'7 1.0 copy_file_range(3, NULL, 4<\x2f\x74\x6f\x70\x2f\x61>, '
                r'NULL, 9, 0) = 9',
                r'7 1.0 unlinkat(3<\x2f\x74\x6f\x70>, "\x61", 0) = 0',
                r'7 1.0 write(4<\x2f\x74\x6f\x70\x2f\x64>, "\x61"..., 9) = 9',
                r'no line of strace'):
            with self.assertRaises(ValueError, msg=line):
                self.recorded([line])

    def test_the_disk_is_that_of_the_program(self):
        with tempfile.TemporaryDirectory(prefix="gantry-test.",
                                         dir="/tmp") as folder:
            top, trace = folder + "/top", folder + "/trace"
            os.mkdir(top)
            script = (f"umask 022 && cd / && mkdir {top}/d && "
                      f"echo one >{top}/d/a && echo two >>{top}/d/a && "
                      f"ln {top}/d/a {top}/b && ln -s a {top}/d/link && "
                      f"mv {top}/d/a {top}/d/c && echo three >{top}/gone && "
                      f"rm {top}/gone")
            subprocess.run(strace.command(trace) + ["sh", "-c", script],
                           check=True)
            wait_until_written(trace)
            disk = recording.read([trace], top).disk
            tree = disk_model.after_cut(disk, float("inf"), "whole",
                                        random.Random(0))
            found = {path: bytes(tree.content.get(inode, b""))
                     for path, inode in tree.walk()}
            self.assertEqual(found, {
                b"": b"", b"d": b"", b"b": b"one\ntwo\n", b"d/link": b"",
                b"d/c": b"one\ntwo\n"})


if __name__ == "__main__":
    unittest.main()
