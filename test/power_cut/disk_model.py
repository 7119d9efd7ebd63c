"""What a disk may hold after a power cut: pure functions over a list of changes.

A Disk is the changes to a tree, in the order of their ends, each with the moments
of its begin and end (any rising numbers). after_cut(disk, moment, way, random)
gives the Tree that is found after a cut at that moment. What was synced is in it:

  fsync, fdatasync of a file   its content and attributes; not its name
  fsync of a directory         its names
  syncfs, sync                 everything

if the change had ended before the sync began, and the sync before the cut. Of the
rest, a way says what may be there (WAYS):

  strict    nothing of it
  whole     everything, as after a kill
  journal   a journalling file system's mild case (ext4, data=ordered): names and
            attributes in order up to some moment, which is not before the last
            sync of anything; of a file's content a beginning in pages. A rename
            over an existing file comes with the content (auto_da_alloc, ext4(5))
  names     all names and attributes, no content; the size may be there without it
  content   all content, no names
  missing   all but one change
  early     nothing but one change
  folders   for each directory all names or none, for each file all or nothing
  mixed     each change and each page by itself

A rename is one change in all of them: both names change or none. A page is 4 KiB;
one that was not written reads as zeros where the size says that it is there.
"""

import collections

PAGE = 4096
ROOT = 1
WAYS = ("strict", "whole", "journal", "names", "content", "missing", "early",
        "folders", "mixed")

# A file ("file", "directory", "symlink", "device"), as it is made: `start` is the
# mode and owner, `what` the text of a symlink or a device's (mode type, number).
Inode = collections.namedtuple("Inode", "kind start what")

# What happened from `begin` to `end`. kind, with what stands in `on` and `what`:
#   "name"     (directory, name), inode: made, or linked
#   "unname"   (directory, name), None: unlinked, directories too
#   "rename"   (directory, name), (directory, name, inode): from, to
#   "write"    inode, (offset, bytes)
#   "size"     inode, bytes: truncated, or made longer
#   "attr"     inode, (key, value): "mode", "owner", "times", "xattr:NAME"
#   "sync"     inode, or None for the file system
Change = collections.namedtuple("Change", "kind on what begin end")


class Disk:
    """Inodes and changes; the root's inode is there from the beginning."""

    def __init__(self):
        self.inodes = {ROOT: Inode("directory", {"mode": 0o700}, None)}
        self.changes = []

    def add_inode(self, kind, start, what=None):
        number = len(self.inodes) + 1
        self.inodes[number] = Inode(kind, start, what)
        return number


class Tree:
    """What is found: the names in each directory (bytes), content and
    attributes."""

    def __init__(self, disk):
        self.inodes = disk.inodes
        self.names = collections.defaultdict(dict)
        self.content = {}
        self.attributes = collections.defaultdict(dict)

    def apply(self, change):
        kind, on, what = change.kind, change.on, change.what
        if kind == "name":
            self.names[on[0]][on[1]] = what
        elif kind == "unname":
            self.names[on[0]].pop(on[1], None)
        elif kind == "rename":
            directory, name, inode = what
            if self.names[on[0]].get(on[1]) == inode:
                del self.names[on[0]][on[1]]
            self.names[directory][name] = inode
        elif kind == "write":
            self.write(on, *what)
        elif kind == "size":
            content = self.content.setdefault(on, bytearray())
            del content[what:]
            content.extend(bytes(what - len(content)))
        elif kind == "attr":
            self.attributes[on][what[0]] = what[1]

    def write(self, inode, offset, data):
        content = self.content.setdefault(inode, bytearray())
        if len(content) < offset + len(data):
            content.extend(bytes(offset + len(data) - len(content)))
        content[offset:offset + len(data)] = data

    def walk(self):
        """(path, inode) of all that can be reached, parents first; the root has
        the empty path."""
        found, reached = [(b"", ROOT)], {ROOT}
        for path, number in found:
            yield path, number
            if self.inodes[number].kind != "directory":
                continue
            for name, child in sorted(self.names[number].items()):
                # A directory has one name; with two, one was to go.
                if self.inodes[child].kind == "directory":
                    if child in reached:
                        continue
                    reached.add(child)
                found.append((path + b"/" + name if path else name, child))

    def attribute(self, inode):
        return {**self.inodes[inode].start, **self.attributes[inode]}


def is_content(change):
    return change.kind in ("write", "size")


def place(change):
    """The directory whose names change (of a rename: the new one), or the
    inode."""
    if change.kind == "rename":
        return change.what[0]
    return change.on[0] if change.kind in ("name", "unname") else change.on


def covers(sync, change):
    """Whether what changed is on the disk once the sync has ended."""
    if change.end >= sync.begin:
        return False
    return sync.on is None or place(change) == sync.on


def split(disk, moment):
    """The changes begun before the moment: (change, is it synced) in order; and
    the begin of the last sync that has ended."""
    syncs, last = [], None
    for change in disk.changes:
        if change.kind == "sync" and change.end < moment:
            syncs.append(change)
            last = max(last or change.begin, change.begin)
    # Of a file's syncs the last one counts.
    of_all = max((sync.begin for sync in syncs if sync.on is None), default=None)
    latest = {}
    for sync in syncs:
        known = latest.get(sync.on)
        if known is None or sync.begin > known.begin:
            latest[sync.on] = sync
    found = []
    for change in disk.changes:
        if change.kind == "sync" or change.begin >= moment:
            continue
        own = latest.get(place(change))
        synced = (of_all is not None and change.end < of_all or
                  own is not None and covers(own, change))
        found.append((change, synced))
    return found, last


def pages(change):
    """A write as writes of one page each at most, at the pages' bounds."""
    offset, data = change.what
    at = 0
    while at < len(data):
        size = min(PAGE - (offset + at) % PAGE, len(data) - at)
        yield change._replace(what=(offset + at, data[at:at + size]))
        at += size


def grow(tree, change):
    """The write's size without its content."""
    offset, data = change.what
    content = tree.content.setdefault(change.on, bytearray())
    if len(content) < offset + len(data):
        content.extend(bytes(offset + len(data) - len(content)))


def after_cut(disk, moment, way, random):
    found, last_sync = split(disk, moment)
    pending = [change for change, synced in found if not synced]
    tree = Tree(disk)
    if way == "strict":
        keep = lambda change: False
    elif way == "whole":
        keep = lambda change: True
    elif way == "names":
        keep = lambda change: not is_content(change)
    elif way == "content":
        keep = is_content
    elif way in ("missing", "early"):
        one = random.choice(pending) if pending else None
        keep = lambda change: (change is one) == (way == "early")
    elif way == "folders":
        coins = {}
        keep = lambda change: coins.setdefault(
            (place(change), isinstance(change.on, tuple)),
            random.random() < 0.5)
    elif way == "mixed":
        share = random.choice((0.1, 0.5, 0.9))
        keep = lambda change: random.random() < share
    elif way == "journal":
        return _journal(tree, found, last_sync, random)
    else:
        raise ValueError(f"no such way: {way}")
    grows = random.random() < 0.5
    for change, synced in found:
        if synced:
            tree.apply(change)
        elif change.kind == "write" and way == "mixed":
            if keep(change):
                grow(tree, change)
            for page in pages(change):
                if keep(page):
                    tree.apply(page)
        elif keep(change):
            tree.apply(change)
        elif way == "names" and grows and change.kind == "write":
            grow(tree, change)
    return tree


def _journal(tree, found, last_sync, random):
    """Names and attributes in order; of each file the first of its pages."""
    others = [number for number, (change, _) in enumerate(found)
              if not is_content(change)]
    least = sum(1 for number in others if last_sync is not None and
                found[number][0].end < last_sync)
    most = random.randint(least, len(others))
    kept = set(others[:most])
    # A rename over a file writes out what is renamed.
    flushed, names = {}, collections.defaultdict(dict)
    for number in others:
        change = found[number][0]
        if change.kind == "name":
            names[change.on[0]][change.on[1]] = change.what
        elif change.kind == "unname":
            names[change.on[0]].pop(change.on[1], None)
        elif change.kind == "rename":
            directory, name, inode = change.what
            if name in names[directory] and number in kept:
                flushed[inode] = change.begin
            names[change.on[0]].pop(change.on[1], None)
            names[directory][name] = inode
    budget = {}
    for number, (change, synced) in enumerate(found):
        if not is_content(change):
            if number in kept or synced:
                tree.apply(change)
        elif synced or change.end < flushed.get(change.on, change.end):
            tree.apply(change)
        else:
            left = budget.setdefault(
                change.on, random.choice((0, 1, random.randint(0, 64), 1 << 30)))
            if change.kind == "size":
                if left > 0:
                    tree.apply(change)
                continue
            for page in pages(change):
                if budget[change.on] == 0:
                    break
                budget[change.on] -= 1
                tree.apply(page)
    return tree
