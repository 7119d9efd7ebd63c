"""Layers unpacked: the same tree as umoci makes of them, file by file."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
from gantry_case import say
from gantry_hostile_images import ImageCase
from gantry_trees import OciLayout, differences, rich_layers, scan


def run(*words, **options):
    done = subprocess.run(words, capture_output=True, text=True, check=False,
                          **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: {done.stderr[-2000:]}")
    return done.stdout


class SameTree(ImageCase):

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
        # Of the directory itself nothing has changed. Not open(): in a sticky
        # directory O_CREAT is refused for the file of somebody else where
        # fs.protected_regular (proc_sys_fs(5)) says so, as systemd has it.
        kept = os.open(root + "/sticky/kept", os.O_WRONLY | os.O_APPEND)
        os.write(kept, b"more\n")
        os.close(kept)

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


if __name__ == "__main__":
    gantry_case.main()
