"""Layers unpacked: the same tree as umoci makes of them, file by file, and
nothing of hostile ones."""

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
from gantry_case import say
from gantry_registry import Registry
from gantry_trees import (OciLayout, differences, read_tree, rich_layers,
                          scan, serve_layout)

# As .bazelrc has it for --config=asan.
SANITIZED = "ASAN_OPTIONS" in os.environ
MIB = 1 << 20


def run(*words, **options):
    done = subprocess.run(words, capture_output=True, text=True, check=False,
                          **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: {done.stderr[-2000:]}")
    return done.stdout


class UnpackCase(gantry_case.GantryCase):
    IMAGES = ()

    def setUp(self):
        super().setUp()
        self.registry = Registry()
        self.addCleanup(self.registry.close)
        self.folder = tempfile.mkdtemp(prefix="gantry-test.", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.folder)

    def remove_pods(self):
        super().remove_pods()
        for image in self.call("ListImages").images:
            self.call("RemoveImage", image=self.spec(image.id))
        store = self.server.root + "/images/"
        left = [folder + name for folder in ("blobs/sha256/", "ingest/",
                                             "layers/", "images/")
                for name in os.listdir(store + folder)]
        self.assertEqual(left, [], "left of images that were removed")

    def spec(self, name):
        return self.api.ImageSpec(image=name)

    def serve(self, layout, tag="latest"):
        """The layout's image under a name of the registry."""
        name = f"test/image-{next(self.numbers)}:1"
        serve_layout(self.registry, layout, tag, name)
        return f"{self.registry.host}/{name}"

    def pull(self, name):
        return self.call("PullImage", image=self.spec(name)).image_ref


class SameTree(UnpackCase):

    def ours(self, name):
        """What a container of the image sees below /."""
        self.pull(name)
        answer = self.call("ImageStatus", image=self.spec(name), verbose=True)
        lower = json.loads(answer.info["info"])["lower"]
        # Topmost first, as mount takes them.
        return scan(lower[::-1], self.folder)

    def umocis(self, layout, tag="latest"):
        bundle = tempfile.mkdtemp(dir=self.folder)
        run("umoci", "unpack", "--image", f"{layout}:{tag}", bundle + "/it")
        return scan([bundle + "/it/rootfs"], self.folder)

    def check_same(self, layout, tag="latest", umoci_layout=None,
                   dated_root=True):
        """umoci_layout: the same layers where umoci cannot inflate ours;
        dated_root: whether a layer says when "/" was changed."""
        theirs = self.umocis(umoci_layout or layout, tag)
        ours = self.ours(self.serve(layout, tag))
        if not dated_root:
            del ours["."]["mtime"], theirs["."]["mtime"]
        self.assertGreater(len(theirs), 10)
        found = differences(ours, theirs)
        self.assertEqual(found, [], "\n".join(found[:40]))
        say(f"{len(ours)} nodes are the same")
        return ours

    def twin(self, layout, compression, tag="latest"):
        """The same image with other blobs, by skopeo."""
        other = f"{self.folder}/{compression}-{os.path.basename(layout)}"
        run("skopeo", "--insecure-policy", "copy", "--dest-compress-format",
            compression, f"oci:{layout}:{tag}", f"oci:{other}:{tag}")
        with open(other + "/index.json", encoding="utf-8") as index:
            digest = json.load(index)["manifests"][0]["digest"]
        with open(f"{other}/blobs/{digest.replace(':', '/')}",
                  encoding="utf-8") as manifest:
            types = {layer["mediaType"]
                     for layer in json.load(manifest)["layers"]}
        self.assertEqual({kind.rpartition("+")[2] for kind in types},
                         {compression})
        return other

    def test_every_form_of_entry(self):
        layers = rich_layers(self.folder + "/tree")
        layout = OciLayout(self.folder + "/rich")
        layout.add_image("latest", [gzip.compress(layer, 6) for layer in layers],
                         layers, "+gzip")
        ours = self.check_same(layout.path)
        kinds = {node["kind"] for node in ours.values()}
        self.assertEqual(kinds, {"file", "directory", "symlink", "char", "block",
                                 "fifo"})
        for path, key, value in (
                ("big-ids", "uid", 4_000_000_000),
                ("with-caps", "xattrs",
                 {"security.capability": "0100000200200000000000000000000000"
                                         "000000"}),
                ("times", "mtime", 1_500_000_000_123_456_789),
                ("sparse", "size", 3_000_000)):
            self.assertEqual(ours[path][key], value, path)
        # The same with zstd, which this umoci does not know.
        self.check_same(self.twin(layout.path, "zstd"),
                        umoci_layout=layout.path)

    def test_every_tar_format(self):
        for form in ("ustar", "pax", "gnu", "sparse-old", "sparse-0.0",
                     "sparse-0.1", "sparse-1.0"):
            with self.subTest(form):
                layers = rich_layers(self.folder + "/tree", form)
                layout = OciLayout(f"{self.folder}/layout-{form}")
                layout.add_image("latest", [gzip.compress(layer, 1)
                                            for layer in layers], layers,
                                 "+gzip")
                # This umoci does not know the oldest sparse files: the same
                # tree without them is what it can read.
                ours = self.check_same(layout.path, umoci_layout={
                    "sparse-old": self.folder + "/layout-gnu"}.get(form))
                self.assertEqual(ours["sparse"]["size"], 3_000_000)
                # Holes stay holes: 3 MB, of which 8 KiB are data.
                if form.startswith("sparse"):
                    self.assertLess(ours["sparse"]["blocks"], 200)

    def test_an_image_that_umoci_made(self):
        layout = self.folder + "/umoci"
        run("umoci", "init", "--layout", layout)
        run("umoci", "new", "--image", layout + ":latest")
        bundle = self.folder + "/bundle"
        for change in (self.first_change, self.second_change):
            run("umoci", "unpack", "--image", layout + ":latest", bundle)
            change(bundle + "/rootfs")
            run("umoci", "repack", "--image", layout + ":latest", bundle)
            shutil.rmtree(bundle)
        self.check_same(layout)
        self.check_same(self.twin(layout, "zstd"), umoci_layout=layout)

    @staticmethod
    def first_change(root):
        subprocess.run(["tar", "-C", root, "-xpf", "-", "--xattrs",
                        "--xattrs-include=*"],
                       input=rich_layers(root + ".tree")[0], check=True)
        shutil.rmtree(root + ".tree")

    @staticmethod
    def second_change(root):
        os.unlink(root + "/plain")
        shutil.rmtree(root + "/to-file")
        with open(root + "/to-file", "w", encoding="utf-8") as out:
            out.write("a file\n")
        os.unlink(root + "/to-directory")
        os.mkdir(root + "/to-directory", 0o750)
        # In a directory whose owner and mode are its own.
        with open(root + "/sticky/deep/new", "w", encoding="utf-8") as out:
            out.write("new\n")
        # Of the directory itself nothing has changed.
        with open(root + "/sticky/kept", "a", encoding="utf-8") as out:
            out.write("more\n")

    def test_an_image_that_buildah_made(self):
        layout = self.folder + "/buildah"
        policy = self.folder + "/policy.json"
        with open(policy, "w", encoding="utf-8") as out:
            out.write('{"default": [{"type": "insecureAcceptAnything"}]}')
        buildah = ["buildah", "--storage-driver", "vfs", "--root",
                   self.folder + "/b-root", "--runroot", self.folder + "/b-run"]
        container = run(*buildah, "from", "--signature-policy", policy,
                        "scratch").strip()
        try:
            for number, layer in enumerate(
                    rich_layers(self.folder + "/b-tree")[:1]):
                path = f"{self.folder}/layer-{number}.tar"
                with open(path, "wb") as out:
                    out.write(layer)
                run(*buildah, "add", container, path, "/")
            run(*buildah, "commit", "--signature-policy", policy, container,
                f"oci:{layout}:latest")
        finally:
            run(*buildah, "rm", container)
        self.check_same(layout, dated_root=False)
        self.check_same(self.twin(layout, "zstd"), umoci_layout=layout,
                        dated_root=False)


def entry(name, kind=tarfile.REGTYPE, content=b"", link="", **more):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(content)
    info.mode = 0o755
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def tar_of(*entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


class Hostile(UnpackCase):
    """Each of security.md's rows about unpacking: a clear error, or the entry
    stays inside its layer; outside nothing changes, memory stays bounded."""

    # What gantryd takes by itself, and what one layer may (unpacker.h).
    MEMORY = 160 * MIB

    def setUp(self):
        super().setUp()
        self.outside = self.folder + "/outside"
        os.mkdir(self.outside, 0o700)
        with open(self.outside + "/marker", "w", encoding="utf-8") as out:
            out.write("untouched\n")
        self.before = read_tree(self.outside)
        self.forget_peak()
        self.addCleanup(self.check_outside)

    def check_outside(self):
        self.assertEqual(read_tree(self.outside), self.before)

    def forget_peak(self):
        with open(f"/proc/{self.server.process.pid}/clear_refs", "w",
                  encoding="utf-8") as out:
            out.write("5")

    def peak(self):
        status = gantry_case.host.status(self.server.process.pid)
        return int(status["VmHWM"].split()[0]) * 1024

    def image(self, tars, suffix="", blobs=None, diff_ids=None):
        layout = OciLayout(tempfile.mkdtemp(dir=self.folder) + "/layout")
        layout.add_image("latest", blobs or tars, tars, suffix, diff_ids)
        return layout

    def check(self, what, layout, code, containing=""):
        """code None: the image may be had. Nothing is left of a refused
        one."""
        name = self.serve(layout.path)
        begin = time.monotonic()
        if code is None:
            self.pull(name)
            self.call("RemoveImage", image=self.spec(name))
        else:
            told = self.assert_code(code, "PullImage", containing,
                                    image=self.spec(name))
            self.assertLess(len(told), 2000)
            say(f"{what}: {told[:300]}")
        self.assertEqual(list(self.call("ListImages").images), [], what)
        self.assertEqual(os.listdir(self.server.root + "/images/layers"), [],
                         what)
        self.assertLess(time.monotonic() - begin, 20, what)
        self.check_outside()
        peak = self.peak()
        if not SANITIZED:  # what is freed stays in a quarantine
            self.assertLess(peak, self.MEMORY, f"{what}: {peak / MIB:.0f} MiB")

    def test_names_and_links_that_lead_out(self):
        # Guards: RESOLVE_IN_ROOT in OpenInRoot, the refusal of ".." in
        # ParseLayerPath, O_EXCL and O_NOFOLLOW where a file is made.
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
                 "NOT_FOUND", "hard link"),
                ("a hard link through a link",
                 [entry("l", link, link=out), entry("h", hard,
                                                    link="l/marker")],
                 "NOT_FOUND", "hard link"),
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
                ("an owner out of range", [entry("f", uid=1 << 32)],
                 "INVALID_ARGUMENT", "owner"),
        ):
            with self.subTest(what):
                self.check(what, self.image([tar_of(*entries)]), code, told)

    def test_layers_side_by_side_cannot_lead_each_other_out(self):
        # Guard: each layer is unpacked into a directory of its own.
        tars = []
        for number in range(8):
            tars.append(tar_of(entry("d", tarfile.SYMTYPE, link=self.outside),
                               entry(f"n{number}", content=bytes(5000))))
            tars.append(tar_of(*[entry(f"d/owned-{number}-{n}", content=b"x")
                                 for n in range(50)]))
        for _ in range(5):
            self.check("side by side", self.image(tars), None)

    def test_bombs(self):
        big = tarfile.TarInfo("sparse")
        big.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                           "GNU.sparse.name": "s",
                           "GNU.sparse.realsize": str(1 << 62)}
        sparse_map = b"1\n0\n1\n".ljust(512, b"\0") + b"x"
        big.size = len(sparse_map)
        # Guards: LimitsFor, max_file_bytes, kMaxHeaderBytes; for the pax
        # header libarchive's own.
        # Behind the archive's end, so that no disk is filled either.
        zeros = gzip.compress(bytes(100 * MIB), 9)
        for what, tar, code, told in (
                ("a gzip bomb", tar_of(entry("f")), "RESOURCE_EXHAUSTED",
                 "inflates to more than"),
                ("a file of all sizes", tar_of((big, sparse_map)),
                 "RESOURCE_EXHAUSTED", "claim more than"),
                ("a sparse map without end", self.endless_map(),
                 "RESOURCE_EXHAUSTED", "headers"),
                ("a pax header without end",
                 tar_of(entry("f", pax_headers={"comment": "c" * 64 * MIB})),
                 "INVALID_ARGUMENT", "too large"),
        ):
            with self.subTest(what):
                blob = gzip.compress(tar, 1)
                if what == "a gzip bomb":
                    blob += zeros * 13
                say(f"{what}: {len(blob)} bytes")
                self.check(what, self.image([tar], "+gzip", [blob]), code,
                           told)

    @staticmethod
    def endless_map():
        info = tarfile.TarInfo("sparse")
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                            "GNU.sparse.name": "s",
                            "GNU.sparse.realsize": "20000"}
        content = b"99999999\n" + b"0\n" * (16 * MIB)
        info.size = len(content)
        return tar_of((info, content))

    def test_streams_that_are_cut_or_changed(self):
        # Guards: the checks of decompress.cc for an early end, the
        # comparisons of blob digest and diffID.
        tar = tar_of(*[entry(f"f{n}", content=os.urandom(3000))
                       for n in range(300)])
        zstd = subprocess.run(["zstd", "-q", "-c"], input=tar, check=True,
                              stdout=subprocess.PIPE).stdout
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
                    layout = self.image([tar], suffix, [blob])
                    name = self.serve(layout.path)
                    with self.assertRaises(gantry_case.grpc.RpcError) as seen:
                        self.call("PullImage", image=self.spec(name))
                    code = seen.exception.code().name
                    self.assertIn(code, ("INVALID_ARGUMENT", "DATA_LOSS"))
                    say(f"{suffix} {what}: {seen.exception.details()[:200]}")
                    self.assertEqual(os.listdir(
                        self.server.root + "/images/layers"), [])

    def test_formats_that_are_not_read_are_named(self):
        # Guards: SniffCompression, CheckLayerType.
        tar = tar_of(entry("f", content=b"x"))
        for what, blob in (("xz", b"\xfd7zXZ\0" + bytes(500)),
                           ("bzip2", b"BZh91AY&SY" + bytes(500)),
                           ("lz4", b"\x04\x22\x4d\x18" + bytes(500))):
            with self.subTest(what):
                self.check(what, self.image([tar], "", [blob]),
                           "UNIMPLEMENTED", what)
        self.check("a media type", self.image([tar], "+xz"), "UNIMPLEMENTED",
                   "media type")

    def test_layers_that_are_not_what_the_configuration_says(self):
        # Guards: the comparison of the diffID in StoreLayer, CheckLayerCount,
        # the parser of digests.
        tar = tar_of(entry("f", content=b"x"))
        other = "sha256:" + hashlib.sha256(b"other").hexdigest()
        self.check("another diffID", self.image([tar], diff_ids=[other]),
                   "DATA_LOSS", "diffID")
        self.check("one diffID too many", self.image(
            [tar], diff_ids=[other, other]), "FAILED_PRECONDITION", "layers")
        self.check("a diffID that is a path", self.image(
            [tar], diff_ids=["sha256:../../" + "0" * 58]), "INVALID_ARGUMENT",
            "digest")

    def test_a_pull_ends_with_its_client(self):
        # Guard: OnCancel of CancellableReactor.
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


if __name__ == "__main__":
    gantry_case.main()
