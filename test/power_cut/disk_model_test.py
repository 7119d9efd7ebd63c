"""What disk_model lets a cut leave, and what it must not."""

import os
import random
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from disk_model import ROOT, WAYS, Change, Disk, after_cut


class Story:
    """Changes one after the other, two moments each."""

    def __init__(self):
        self.disk = Disk()
        self.now = 0

    def add(self, kind, on, what=None):
        self.disk.changes.append(
            Change(kind, on, what, self.now, self.now + 1))
        self.now += 2

    def file(self, folder, name, *data):
        inode = self.disk.add_inode("file", {"mode": 0o600})
        self.add("name", (folder, name), inode)
        at = 0
        for part in data:
            self.add("write", inode, (at, part))
            at += len(part)
        return inode

    def folder(self, folder, name):
        inode = self.disk.add_inode("directory", {"mode": 0o700})
        self.add("name", (folder, name), inode)
        return inode

    def rename(self, folder, name, other, new, inode):
        self.add("rename", (folder, name), (other, new, inode))

    def sync(self, inode=None):
        self.add("sync", inode)

    def cut(self, way, seed=0, moment=None):
        """path -> content (of a directory: None)."""
        tree = after_cut(self.disk, self.now if moment is None else moment, way,
                         random.Random(seed))
        return {path: None if tree.inodes[inode].kind == "directory" else
                bytes(tree.content.get(inode, b""))
                for path, inode in tree.walk() if path}

    def cuts(self, way, count=200):
        return [self.cut(way, seed) for seed in range(count)]


class DiskModel(unittest.TestCase):

    def test_without_a_sync_nothing_need_be_there(self):
        story = Story()
        story.file(ROOT, b"a", b"text")
        self.assertEqual(story.cut("strict"), {})
        self.assertEqual(story.cut("whole"), {b"a": b"text"})

    def test_what_a_file_system_has_synced_is_there_in_all_ways(self):
        story = Story()
        folder = story.folder(ROOT, b"d")
        inode = story.file(folder, b"a", b"one", b"two")
        story.rename(folder, b"a", folder, b"b", inode)
        story.sync()
        for way in WAYS:
            for found in story.cuts(way, 50):
                self.assertEqual(found, {b"d": None, b"d/b": b"onetwo"}, way)

    def test_a_files_sync_is_not_its_names(self):
        story = Story()
        inode = story.file(ROOT, b"a", b"text")
        story.sync(inode)
        self.assertEqual(story.cut("strict"), {})
        story.sync(ROOT)
        self.assertEqual(story.cut("strict"), {b"a": b"text"})

    def test_a_directorys_sync_is_not_its_files(self):
        story = Story()
        story.file(ROOT, b"a", b"text")
        story.sync(ROOT)
        self.assertEqual(story.cut("strict"), {b"a": b""})
        self.assertIn({b"a": b"\0\0\0\0"}, story.cuts("names"))

    def test_a_directory_that_cannot_be_reached_hides_what_was_synced(self):
        story = Story()
        folder = story.folder(ROOT, b"d")
        inode = story.file(folder, b"a", b"text")
        story.sync(inode)
        story.sync(folder)
        self.assertEqual(story.cut("strict"), {})
        story.sync(ROOT)
        self.assertEqual(story.cut("strict"), {b"d": None, b"d/a": b"text"})

    def test_a_sync_that_has_not_ended_promises_nothing(self):
        story = Story()
        story.file(ROOT, b"a", b"text")
        begin = story.now
        story.sync()
        self.assertEqual(story.cut("strict", moment=begin + 1), {})
        self.assertEqual(story.cut("strict", moment=begin + 2),
                         {b"a": b"text"})

    def test_a_sync_does_not_cover_what_ends_after_its_begin(self):
        disk = Disk()
        inode = disk.add_inode("file", {})
        disk.changes = [Change("name", (ROOT, b"a"), inode, 0, 3),
                        Change("sync", None, None, 2, 5)]
        tree = after_cut(disk, 9, "strict", random.Random(0))
        self.assertEqual(list(tree.walk()), [(b"", ROOT)])

    def test_a_rename_comes_without_the_content_but_not_half(self):
        story = Story()
        old = story.file(ROOT, b"a", b"old")
        story.sync()
        new = story.file(ROOT, b"tmp", b"new")
        story.rename(ROOT, b"tmp", ROOT, b"a", new)
        for way in ("mixed", "missing", "early", "folders"):
            for found in story.cuts(way):
                self.assertIn(b"a", found)
                self.assertIn(found[b"a"], (b"old", b"new", b"", b"\0\0\0"))
        found = story.cuts("names")
        self.assertIn({b"a": b""}, found)
        self.assertNotEqual(old, new)

    def test_a_journal_flushes_what_is_renamed_over_a_file(self):
        story = Story()
        story.file(ROOT, b"a", b"old")
        story.sync()
        new = story.file(ROOT, b"tmp", b"new")
        story.rename(ROOT, b"tmp", ROOT, b"a", new)
        found = {cut[b"a"] for cut in story.cuts("journal")}
        self.assertEqual(found, {b"old", b"new"})

    def test_a_journal_keeps_the_order_of_names(self):
        story = Story()
        for name in (b"a", b"b", b"c"):
            story.folder(ROOT, name)
        found = {tuple(sorted(cut)) for cut in story.cuts("journal")}
        self.assertEqual(found, {(), (b"a",), (b"a", b"b"),
                                 (b"a", b"b", b"c")})
        found = {tuple(sorted(cut)) for cut in story.cuts("mixed")}
        self.assertEqual(len(found), 8)

    def test_a_journals_sync_of_anything_is_one_of_all_names(self):
        story = Story()
        story.folder(ROOT, b"a")
        story.sync(story.file(ROOT, b"b", b"text"))
        story.folder(ROOT, b"c")
        found = {tuple(sorted(cut)) for cut in story.cuts("journal")}
        self.assertEqual(found, {(b"a", b"b"), (b"a", b"b", b"c")})

    def test_content_is_torn_at_pages(self):
        story = Story()
        inode = story.file(ROOT, b"a")
        story.sync()
        story.add("write", inode, (0, b"x" * 10000))
        found = {cut[b"a"] for cut in story.cuts("mixed", 500)}
        for content in found:
            for begin in (0, 4096, 8192):
                self.assertIn(set(content[begin:begin + 4096]),
                              (set(), {0}, {ord("x")}))
        self.assertIn(bytes(4096) + b"x" * 5904, found)
        self.assertIn(b"x" * 4096, found)
        beginnings = {cut[b"a"] for cut in story.cuts("journal", 500)}
        self.assertIn(b"x" * 4096, beginnings)
        for content in beginnings:
            self.assertNotIn(0, content)

    def test_one_change_is_missing_or_early(self):
        story = Story()
        for name in (b"a", b"b", b"c"):
            story.folder(ROOT, name)
        self.assertEqual({len(cut) for cut in story.cuts("missing")}, {2})
        self.assertEqual({len(cut) for cut in story.cuts("early")}, {1})

    def test_a_directorys_names_come_together(self):
        story = Story()
        folder, other = story.folder(ROOT, b"d"), story.folder(ROOT, b"e")
        story.sync()
        for number in (b"1", b"2"):
            story.file(folder, number)
            story.file(other, number)
        self.assertEqual({len(cut) - 2 for cut in story.cuts("folders")},
                         {0, 2, 4})

    def test_what_was_cut_short_is_cut(self):
        story = Story()
        inode = story.file(ROOT, b"a", b"longer")
        story.add("size", inode, 4)
        story.sync()
        story.add("size", inode, 6)
        self.assertEqual(story.cut("strict"), {b"a": b"long"})
        self.assertEqual(story.cut("whole"), {b"a": b"long\0\0"})

    def test_the_same_seed_leaves_the_same(self):
        story = Story()
        for number in range(20):
            story.file(ROOT, b"%d" % number, b"x" * 5000)
        for way in WAYS:
            self.assertEqual(story.cut(way, 7), story.cut(way, 7), way)


if __name__ == "__main__":
    unittest.main()
