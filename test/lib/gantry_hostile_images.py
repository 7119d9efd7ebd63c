"""The base of the tests with images nobody should make: each is pulled from a
registry and loaded from a layout, and must end the same way.
"""

import gzip
import io
import json
import os
import shutil
import tarfile
import tempfile
import time

import gantry_case
import gantry_host
from gantry_case import say
from gantry_registry import Registry
from gantry_trees import OciLayout, read_tree, serve_layout

# As .bazelrc has it for --config=asan.
SANITIZED = "ASAN_OPTIONS" in os.environ
MIB = 1 << 20


class ImageCase(gantry_case.GantryCase):
    """With a registry, and a store that must be empty in the end."""
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


class HostileCase(ImageCase):
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
        status = gantry_host.status(self.server.process.pid)
        return int(status["VmHWM"].split()[0]) * 1024

    def image(self, tars, suffix="", blobs=None, diff_ids=None):
        layout = OciLayout(tempfile.mkdtemp(dir=self.folder) + "/layout")
        layout.add_image("latest", blobs or tars, tars, suffix, diff_ids)
        return layout

    def check(self, what, layout, code, containing="", within=20):
        """code None: the image may be had. Nothing is left of a refused
        one."""
        name = self.serve(layout.path)
        for way, get in (("pull", lambda: self.pull(name)),
                         ("load", lambda: self.server.load_path(layout.path))):
            begin = time.monotonic()
            if code is None:
                get()
                for image in self.call("ListImages").images:
                    self.call("RemoveImage", image=self.spec(image.id))
            else:
                told = self.refused(get, code, containing)
                say(f"{way} {what}: {told[:300]}")
            self.check_nothing_left(f"{way} {what}")
            self.assertLess(time.monotonic() - begin,
                            gantry_host.patience(within), f"{way} {what}")

    def refused(self, get, code, containing=""):
        with self.assertRaises(gantry_case.grpc.RpcError) as caught:
            get()
        told = caught.exception.details()
        self.assertEqual(caught.exception.code().name, code, told)
        self.assertIn(containing, told)
        self.assertLess(len(told), 2000)
        return told

    def check_nothing_left(self, what):
        self.assertEqual(list(self.call("ListImages").images), [], what)
        self.assertEqual(os.listdir(self.server.root + "/images/layers"), [],
                         what)
        self.check_outside()
        peak = self.peak()
        if not SANITIZED:  # what is freed stays in a quarantine
            self.assertLess(peak, self.MEMORY, f"{what}: {peak / MIB:.0f} MiB")
