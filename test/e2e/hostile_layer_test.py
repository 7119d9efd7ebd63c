"""Hostile layers: each of security.md's rows about unpacking ends in a clear
error, or the entry stays inside its layer; outside nothing changes, memory stays
bounded. Pulled and loaded (gantry_hostile_images). docs/hostile_images.md has the
list of all such tests.
"""

import gzip
import hashlib
import os
import subprocess
import sys
import tarfile
import threading
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_server
from gantry_case import say
from gantry_hostile_images import MIB, HostileCase, entry, tar_of


class Hostile(HostileCase):

    # Guards: RESOLVE_IN_ROOT in OpenInRoot (seen to fail with OpenAt in its
    # place), O_EXCL and O_NOFOLLOW where a file is made (seen to fail without:
    # links and devices are written through), the check in ApplyRoot (seen to
    # fail without), the refusals of ParseLayerPath.
    def test_names_and_links_that_lead_out(self):
        out = self.outside
        up = "../" * 20 + out.lstrip("/")
        link = tarfile.SYMTYPE
        hard = tarfile.LNKTYPE
        for what, entries, code, told in (
                ("dots", [entry(up + "/owned", content=b"x")],
                 "INVALID_ARGUMENT", '".."'),
                ("dots inside", [entry("a/../../owned", content=b"x")],
                 "INVALID_ARGUMENT", '".."'),
                ("an absolute name", [entry(out + "/owned", content=b"x")],
                 None, ""),
                ("a link as parent",
                 [entry("l", link, link=out), entry("l/owned", content=b"x")],
                 None, ""),
                ("a link with dots as parent",
                 [entry("l", link, link=up), entry("l/owned", content=b"x")],
                 None, ""),
                ("a link in place of the file",
                 [entry("l", link, link=out + "/marker"),
                  entry("l", content=b"owned")], None, ""),
                ("a hard link out", [entry("h", hard, link=out + "/marker")],
                 "INVALID_ARGUMENT", "hard link"),
                ("a hard link through a link",
                 [entry("l", link, link=out), entry("h", hard,
                                                    link="l/marker")],
                 "INVALID_ARGUMENT", "hard link"),
                ("a hard link to a link that is written to",
                 [entry("l", link, link=out + "/marker"),
                  entry("h", hard, link="l"), entry("h", content=b"owned")],
                 None, ""),
                ("a whiteout of the parent", [entry("d/.wh...")],
                 "INVALID_ARGUMENT", "whiteout"),
                ("a whiteout of the root", [entry(".wh..")],
                 "INVALID_ARGUMENT", "whiteout"),
                ("a whiteout below a link",
                 [entry("l", link, link=out), entry("l/.wh.marker")],
                 None, ""),
                ("an opaque link",
                 [entry("l", link, link=out), entry("l/.wh..wh..opq")],
                 None, ""),
                ("a directory over a link",
                 [entry("l", link, link=out),
                  entry("l", tarfile.DIRTYPE, mode=0o777)], None, ""),
                ("the root as a link", [entry("/", link, link=out)],
                 "INVALID_ARGUMENT", "root"),
                ("the root as a file", [entry(".", content=b"x")],
                 "INVALID_ARGUMENT", "root"),
                ("a name of 5000 bytes", [entry("n/" * 2500 + "f")],
                 "INVALID_ARGUMENT", "longer than 4096"),
                ("a part of 300 bytes", [entry("p" * 300)],
                 "INVALID_ARGUMENT", "longer than 255"),
                ("an entry below a whiteout", [entry(".wh.a/f")],
                 "INVALID_ARGUMENT", "below a whiteout"),
                ("a name of dots and slashes",
                 [entry("//.//./a//./../../x")], "INVALID_ARGUMENT", '".."'),
                ("one name of every kind",
                 [entry("n", tarfile.DIRTYPE), entry("n/f", content=b"1"),
                  entry("n", link, link=out), entry("n", content=b"2"),
                  entry("n", tarfile.FIFOTYPE), entry("n", tarfile.DIRTYPE),
                  entry("n", tarfile.CHRTYPE), entry("n", content=b"3")],
                 None, ""),
                # /dev/full: who writes to it fails.
                ("a hard link to a device that is written to",
                 [entry("c", tarfile.CHRTYPE, devmajor=1, devminor=7),
                  entry("h", hard, link="c"), entry("h", content=b"owned")],
                 None, ""),
                ("an attribute that steers overlay",
                 [entry("d", tarfile.DIRTYPE, pax_headers={
                     "SCHILY.xattr.trusted.overlay.redirect": out,
                     "SCHILY.xattr.trusted.overlay.opaque": "y"})], None, ""),
                ("more attributes than fit",
                 [entry("f", pax_headers={
                     f"SCHILY.xattr.user.{n}": "v" * 200
                     for n in range(3000)})], "RESOURCE_EXHAUSTED", "xattr"),
                ("an owner out of range", [entry("f", uid=1 << 32)],
                 "INVALID_ARGUMENT", "owner"),
        ):
            with self.subTest(what):
                self.check(what, self.image([tar_of(*entries)]), code, told)

    # Guard: each layer is unpacked into a directory of its own, from whose
    # descriptor OpenInRoot goes.
    def test_layers_side_by_side_cannot_lead_each_other_out(self):
        tars = []
        for number in range(8):
            tars.append(tar_of(entry("d", tarfile.SYMTYPE, link=self.outside),
                               entry(f"n{number}", content=bytes(5000))))
            tars.append(tar_of(*[entry(f"d/owned-{number}-{n}", content=b"x")
                                 for n in range(50)]))
        for _ in range(5):
            self.check("side by side", self.image(tars), None)

    # Guards: LimitsFor, max_file_bytes, kMaxWindowLog (seen to fail without each
    # of them); for the pax header and the name libarchive's own, 1 MiB, with
    # kMaxHeaderBytes behind it (tar_reader_test).
    def test_bombs(self):
        big = tarfile.TarInfo("sparse")
        big.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                           "GNU.sparse.name": "s",
                           "GNU.sparse.realsize": str(1 << 62)}
        sparse_map = b"1\n0\n1\n".ljust(512, b"\0") + b"x"
        big.size = len(sparse_map)
        empty = tar_of(entry("f"))
        # Behind the archive's end, so that no disk is filled either.
        bomb = gzip.compress(empty) + 13 * gzip.compress(bytes(100 * MIB), 9)
        for what, tar, suffix, blob, code, told in (
                ("a gzip bomb", empty, "+gzip", bomb, "RESOURCE_EXHAUSTED",
                 "inflates to more than"),
                ("a zstd bomb", empty, "+zstd", self.zstd_bomb(empty),
                 "RESOURCE_EXHAUSTED", "inflates to more than"),
                ("a zstd frame of 1 GiB at once", empty, "+zstd",
                 self.zstd(empty + bytes(MIB), "-1", "--long=30"),
                 "INVALID_ARGUMENT", "damaged zstd"),
                ("a file of all sizes", tar_of((big, sparse_map)), "+gzip", None,
                 "RESOURCE_EXHAUSTED", "claim more than"),
                ("a pax header without end",
                 tar_of(entry("f", pax_headers={"comment": "c" * 64 * MIB})),
                 "+gzip", None, "INVALID_ARGUMENT", "too large"),
                ("a name without end", tar_of(
                    (self.header("././@LongLink", b"L", 64 * MIB),
                     b"n" * 64 * MIB), entry("f")), "+gzip", None,
                 "INVALID_ARGUMENT", ""),
        ):
            with self.subTest(what):
                blob = blob or gzip.compress(tar, 1)
                say(f"{what}: {len(blob)} bytes")
                self.check(what, self.image([tar], suffix, [blob]), code, told)

    @staticmethod
    def header(name, kind, size):
        info = tarfile.TarInfo(name)
        info.type, info.size = kind, size
        return info

    @staticmethod
    def zstd(data, *options):
        return subprocess.run(["zstd", "-q", "-c", *options], input=data,
                              check=True, stdout=subprocess.PIPE).stdout

    def zstd_bomb(self, tar):
        return self.zstd(tar) + 13 * self.zstd(bytes(100 * MIB))

    # CVE-2025-58183, CVE-2026-32288. Guards: kMaxHeaderBytes for maps that
    # stand in the stream (1.0 and old: seen to fail with 12 MiB, and so with
    # more than 200 MB in memory); libarchive's bound of a pax header for 0.0
    # and 0.1.
    def test_sparse_maps_without_end(self):
        block = b"".join(b"%011o\0%011o\0" % (n, 0) for n in range(21)).ljust(
            504, b"\0") + b"\1" + bytes(7)
        old = bytearray(self.header("s", tarfile.GNUTYPE_SPARSE, 0).tobuf(
            tarfile.GNU_FORMAT))
        old[386:482] = block[:96]
        old[482] = 1
        old[483:495] = b"%011o\0" % 20000
        old[148:156] = b" " * 8
        old[148:156] = b"%06o\0 " % sum(old)
        pairs = b"".join(self.record(b"GNU.sparse.offset", b"0") +
                         self.record(b"GNU.sparse.numbytes", b"0")
                         for _ in range(500_000))
        for what, tar in (
                ("1.0", self.endless_map()),
                ("old", bytes(old) + block * (16 * MIB // 512)),
                ("0.0", self.with_pax(self.record(
                    b"GNU.sparse.numblocks", b"99999999") + pairs)),
                ("0.1", self.with_pax(self.record(
                    b"GNU.sparse.map", b"0,0," * (8 * MIB) + b"0,0")))):
            with self.subTest(what):
                begin = self.refused_both(what, gzip.compress(tar, 1), tar, (
                    "RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"))
                self.assertLess(begin, 10)

    # Guard: the check of WriteData; libarchive refuses most of them before. Seen
    # to fail without.
    def test_sparse_maps_that_lie(self):
        """Pieces that overlap, go backwards or lie beyond the file: the file is
        refused, or is no larger than it says."""
        for what, text in (("overlap", "2,100,50,200"), ("backwards",
                           "5000,10,0,10"), ("beyond", "0,10,30000,10"),
                           ("negative", "-5,10"), ("wraps",
                           "9223372036854775800,100"), ("words", "a,b"),
                           ("odd", "0,10,20")):
            with self.subTest(what):
                tar = self.with_pax(
                    self.record(b"GNU.sparse.size", b"20000") +
                    self.record(b"GNU.sparse.numblocks", b"2") +
                    self.record(b"GNU.sparse.map", text.encode()), bytes(600))
                layout = self.image([tar], "", [tar])
                try:
                    self.pull(self.serve(layout.path))
                    layers = self.server.root + "/images/layers/"
                    for layer in os.listdir(layers):
                        path = f"{layers}{layer}/fs/s"
                        self.assertLessEqual(os.path.getsize(path), 20000)
                except gantry_case.grpc.RpcError as error:
                    say(what, error.details()[:200])
                    self.assertEqual(error.code().name, "INVALID_ARGUMENT")
                for image in self.call("ListImages").images:
                    self.call("RemoveImage", image=self.spec(image.id))
                self.check_nothing_left(what)

    @staticmethod
    def record(key, value):
        """A pax record: its own length in decimal, key=value, newline."""
        length = len(key) + len(value) + 3
        while length != len(key) + len(value) + 3 + len(str(length)):
            length = len(key) + len(value) + 3 + len(str(length))
        return b"%d %s=%s\n" % (length, key, value)

    def with_pax(self, records, content=b""):
        def padded(data):
            return data + bytes(-len(data) % 512)
        return (self.header("x", tarfile.XHDTYPE, len(records)).tobuf() +
                padded(records) +
                self.header("s", tarfile.REGTYPE, len(content)).tobuf() +
                padded(content) + bytes(1024))

    def refused_both(self, what, blob, tar, codes, suffix="+gzip"):
        """Seconds that the slower of both ways took."""
        layout, longest = self.image([tar], suffix, [blob]), 0
        name = self.serve(layout.path)
        for get in (lambda: self.pull(name),
                    lambda: self.server.load_path(layout.path)):
            begin = time.monotonic()
            with self.assertRaises(gantry_case.grpc.RpcError) as caught:
                get()
            longest = max(longest, time.monotonic() - begin)
            say(f"{what}: {caught.exception.details()[:250]}")
            self.assertIn(caught.exception.code().name, codes)
            self.check_nothing_left(what)
        return longest

    @staticmethod
    def endless_map():
        info = tarfile.TarInfo("sparse")
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                            "GNU.sparse.name": "s",
                            "GNU.sparse.realsize": "20000"}
        content = b"99999999\n" + b"0\n" * (16 * MIB)
        info.size = len(content)
        return tar_of((info, content))

    # Guards: nothing is kept per entry but the names of directories, which
    # max_directory_name_bytes bounds (and max_entries all of them: see
    # unpacker_test). Seen to fail with the bound of names taken away.
    def test_very_many_entries_take_time_but_no_memory(self):
        ignored = self.header(".wh..wh.x", tarfile.REGTYPE, 0).tobuf()
        self.check("1.9 million entries",
                   self.repeated(ignored * 1000, 1900), None, within=60)
        name = "d" * 200 + "/" + "e" * 55
        folders = b"".join(self.header(f"{name}{n}", tarfile.DIRTYPE, 0).tobuf(
            tarfile.GNU_FORMAT) for n in range(7))
        self.check("300000 long names of directories",
                   self.repeated(folders * 100, 430), "RESOURCE_EXHAUSTED",
                   "names of the layer's directories", within=60)

    def repeated(self, piece, times):
        """An image with a layer of many pieces, never in memory as a whole."""
        squeeze, blob = zlib.compressobj(1, wbits=31), b""
        digest = hashlib.sha256()
        for part in [piece] * times + [bytes(1024)]:
            digest.update(part)
            blob += squeeze.compress(part)
        return self.image([b""], "+gzip", [blob + squeeze.flush()],
                          ["sha256:" + digest.hexdigest()])

    # Guards: the checks of decompress.cc for an early end (decompress_test has
    # each), and behind them the comparison of the diffID. Seen to fail without
    # both.
    def test_streams_that_are_cut_or_changed(self):
        tar = tar_of(*[entry(f"f{n}", content=os.urandom(3000))
                       for n in range(300)])
        zstd = self.zstd(tar)
        for suffix, good in (("+gzip", gzip.compress(tar)), ("+zstd", zstd),
                             ("", tar)):
            middle = len(good) // 2
            changed = bytearray(good)
            changed[middle] ^= 0x40
            for what, blob in (("cut", good[:middle]),
                               ("short of its end", good[:-9]),
                               ("changed", bytes(changed)),
                               ("followed by more", good + b"more"),
                               ("nothing", b"")):
                with self.subTest(suffix + " " + what):
                    self.refused_both(
                        f"{suffix} {what}", blob, tar,
                        ("INVALID_ARGUMENT", "DATA_LOSS"), suffix)

    def test_formats_that_are_not_read_are_named(self):
        # Guards: SniffCompression, CheckLayerType. Seen to fail without each.
        tar = tar_of(entry("f", content=b"x"))
        for what, blob in (("xz", b"\xfd7zXZ\0" + bytes(500)),
                           ("bzip2", b"BZh91AY&SY" + bytes(500)),
                           ("lz4", b"\x04\x22\x4d\x18" + bytes(500))):
            with self.subTest(what):
                self.check(what, self.image([tar], "", [blob]),
                           "UNIMPLEMENTED", what)
        # CVE-2022-24778: an encrypted layer is never taken for a plain one, and
        # so never found in the store by who has no key.
        for suffix in ("+xz", "+encrypted", "+gzip+encrypted",
                       "+zstd+encrypted"):
            self.check("a media type", self.image([tar], suffix),
                       "UNIMPLEMENTED", "media type")
        self.check("a plain one", self.image([tar]), None)

    def test_layers_that_are_not_what_the_configuration_says(self):
        # Guards: the comparison of the diffID in StoreLayer, CheckLayerCount,
        # the parser of digests. Seen to fail without the first two.
        tar = tar_of(entry("f", content=b"x"))
        other = "sha256:" + hashlib.sha256(b"other").hexdigest()
        self.check("another diffID", self.image([tar], diff_ids=[other]),
                   "DATA_LOSS", "diffID")
        self.check("one diffID too many", self.image(
            [tar], diff_ids=[other, other]), "FAILED_PRECONDITION", "layers")
        self.check("a diffID that is a path", self.image(
            [tar], diff_ids=["sha256:../../" + "0" * 58]), "INVALID_ARGUMENT",
            "digest")

    # Guard: OnCancel of CancellableReactor, and what it tells. Seen to fail where
    # the pull is not told.
    def test_a_pull_ends_with_its_client(self):
        tar = tar_of(*[entry(f"f{n}", content=os.urandom(100_000))
                       for n in range(100)])
        layout = self.image([tar])
        name = self.serve(layout.path)
        digest = self.registry.layers(name.split("/", 1)[1])[0]
        held, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        def hold(body):
            held.set()
            go_on.wait(30)
            return body
        self.registry.spoil[digest] = hold
        request = self.api.PullImageRequest(image=self.spec(name))
        call = self.server.image.PullImage.future(request, timeout=60)
        self.assertTrue(held.wait(10))
        call.cancel()
        gantry_case.wait_until(
            lambda: "PullImage" in self.server.log_tail(3)
            and "CANCELLED" in self.server.log_tail(3),
            "the server gives up", 1.5)
        go_on.set()
        del self.registry.spoil[digest]
        self.pull(name)

    # Guard: OnCancel of LoadCall. Seen to fail without.
    def test_a_load_ends_with_its_client(self):
        """From a path; of a stream there is no more once its client has gone."""
        ignored = self.header(".wh..wh.x", tarfile.REGTYPE, 0).tobuf()
        layout = self.repeated(ignored * 1000, 1900)
        images = self.server.root + "/images/"
        request = gantry_server.stubs().admin.LoadRequest(path=layout.path)
        call = self.server.admin.Load.future(iter([request]), timeout=60)
        gantry_case.wait_until(lambda: os.listdir(images + "layers"),
                               "the layer is begun")
        call.cancel()
        gantry_case.wait_until(
            lambda: "Load: CANCELLED" in self.server.log_tail(3),
            "the server gives up", 1.5)
        self.check_nothing_left("a load that was cancelled")
        for folder in ("ingest", "blobs/sha256"):
            self.assertEqual(os.listdir(images + folder), [], folder)


class Inflating(HostileCase):
    """Another bound for what a layer inflates to."""

    @classmethod
    def new_server(cls):
        server = super().new_server()
        server.more_config = "\n[images]\nmax_inflation = 2000\n"
        return server

    # Seen to fail with the key not handed to LimitsFor.
    def test_the_bound_can_be_set(self):
        tar = tar_of(entry("f")) + bytes(1100 * MIB)
        self.check("a thousandfold", self.image(
            [tar], "+gzip", [gzip.compress(tar, 9)]), None, within=60)
        self.check("more", self.image([tar], "+zstd", [subprocess.run(
            ["zstd", "-q", "-c"], input=tar, check=True,
            stdout=subprocess.PIPE).stdout]), "RESOURCE_EXHAUSTED",
            "inflates to more than", within=60)


if __name__ == "__main__":
    gantry_case.main()
