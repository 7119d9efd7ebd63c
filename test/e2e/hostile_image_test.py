"""Hostile documents of images, and what containers of hostile images do: pulled
and loaded (gantry_hostile_images). docs/hostile_images.md has the list.
"""

import hashlib
import json
import os
import sys
import tarfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_images
from gantry_case import say
from gantry_hostile_images import MIB, HostileCase, entry, tar_of
from gantry_server import image_file
from gantry_trees import OCI

INDEX, MANIFEST = "image.index.v1+json", "image.manifest.v1+json"
INDEX_TYPE = OCI + "index.v1+json"
MANIFEST_TYPE = OCI + "manifest.v1+json"
# runtime/image/manifest.h
MAX_MANIFEST = 4 * MIB


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Documents(HostileCase):

    def good(self):
        """A layout of one small image, and the text of its manifest."""
        layout = self.image([tar_of(entry("f", content=b"x"))])
        with open(self.blob(layout, layout.manifests[0]["digest"]),
                  encoding="utf-8") as source:
            return layout, source.read()

    @staticmethod
    def blob(layout, digest):
        return f"{layout.path}/blobs/{digest.replace(':', '/')}"

    @staticmethod
    def name_top(layout, data, media_type):
        """Makes these bytes what the layout's name stands for."""
        top = layout.add_blob(data, "")
        top["mediaType"] = media_type
        top["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
        with open(layout.path + "/index.json", "w", encoding="utf-8") as out:
            json.dump({"schemaVersion": 2, "manifests": [top]}, out)
        return top

    # CVE-2017-14992, CVE-2023-25153. Guards: the bounds that are handed to
    # ReadAll and ArchiveFiles::Read; that of the configuration's size. This one
    # and the next two were seen to fail with kMaxManifestBytes of 400 MiB.
    def test_documents_are_read_up_to_a_bound(self):
        layout, text = self.good()
        self.name_top(layout, text.encode() + b" " * MAX_MANIFEST,
                      MANIFEST_TYPE)
        self.check("a manifest of 4 MiB and more", layout,
                   "RESOURCE_EXHAUSTED", "4194304")
        layout, text = self.good()
        manifest = json.loads(text)
        with open(self.blob(layout, manifest["config"]["digest"]),
                  "rb") as source:
            config = source.read() + b" " * MAX_MANIFEST
        manifest["config"] = layout.add_blob(config, "config.v1+json")
        self.name_top(layout, json.dumps(manifest).encode(), MANIFEST_TYPE)
        self.check("a configuration of 4 MiB and more", layout,
                   "RESOURCE_EXHAUSTED", "4194304")

    def test_an_index_of_a_layout_of_5_gb_is_not_read(self):
        for name in ("index.json", "oci-layout"):
            layout, _ = self.good()
            os.truncate(f"{layout.path}/{name}", 5 << 30)
            begin = time.monotonic()
            self.refused(lambda: self.server.load_path(layout.path),
                         "RESOURCE_EXHAUSTED", name)
            self.assertLess(time.monotonic() - begin, 5)
            self.check_nothing_left(name)

    def test_a_manifest_without_end_is_not_read(self):
        """A registry that sends on and on."""
        layout, _ = self.good()
        name = self.serve(layout.path)
        sent = []

        def endless(request, body):
            request.send_response(200)
            request.send_header("Content-Type", MANIFEST_TYPE)
            request.end_headers()
            request.close_connection = True
            try:
                while sum(sent) < 2000 * MIB:
                    sent.append(request.wfile.write(b" " * MIB))
            except OSError:
                pass
        self.registry.always = endless
        self.refused(lambda: self.pull(name), "RESOURCE_EXHAUSTED")
        self.registry.always = None
        self.assertLess(sum(sent), 64 * MIB)
        self.check_nothing_left("a manifest without end")

    # Guard: kMaxIndexDepth. Seen to fail with 400.
    def test_indexes_in_indexes(self):
        for depth, code in ((1, None), (3, None), (4, "INVALID_ARGUMENT"),
                            (200, "INVALID_ARGUMENT")):
            layout, text = self.good()
            data, kind = text.encode(), MANIFEST_TYPE
            for _ in range(depth):
                inner = layout.add_blob(data, "")
                inner["mediaType"] = kind
                data = json.dumps({"schemaVersion": 2, "mediaType": INDEX_TYPE,
                                   "manifests": [inner]}).encode()
                kind = INDEX_TYPE
            self.name_top(layout, data, kind)
            self.check(f"{depth} indexes", layout, code,
                       "nested too deep" if code else "")

    # Guards: TooDeep() of runtime/json, kMaxIndexEntries, kMaxLayers. Seen to
    # fail without each.
    def test_documents_that_nest_or_repeat(self):
        layout, text = self.good()
        layer = json.dumps(json.loads(text)["layers"][0])
        for what, data, kind, code, told in (
                ("2 million brackets", b"[" * 2_000_000, MANIFEST_TYPE,
                 "RESOURCE_EXHAUSTED", "deep"),
                ("an annotation in 2000 objects", text.replace(
                    "{", '{"annotations": ' + '{"a":' * 2000 + "1" +
                    "}" * 2001 + ", ", 1).encode(), MANIFEST_TYPE,
                 "RESOURCE_EXHAUSTED", "deep"),
                ("501 layers", text.replace(
                    layer, ", ".join([layer] * 501)).encode(), MANIFEST_TYPE,
                 "RESOURCE_EXHAUSTED", "layers"),
                ("10001 manifests", json.dumps({
                    "schemaVersion": 2, "manifests": [
                        {"mediaType": MANIFEST_TYPE, "size": 1, "digest":
                         "sha256:" + "0" * 64}] * 10001}).encode(), INDEX_TYPE,
                 "RESOURCE_EXHAUSTED", "manifests")):
            with self.subTest(what):
                self.name_top(layout, data, kind)
                self.check(what, layout, code, told)

    # CVE-2021-41190. Guards: the three checks in TypeOf() of
    # runtime/image/manifest.cc; see registry_astray_test too. Seen to fail
    # without.
    def test_a_document_is_one_thing(self):
        for what, change, kind in (
                ("both members", {"manifests": []}, MANIFEST_TYPE),
                ("an index's type", {"mediaType": INDEX_TYPE}, MANIFEST_TYPE),
                ("announced as an index", {}, INDEX_TYPE),
                ("announced as an index, without a type",
                 {"mediaType": ""}, INDEX_TYPE)):
            with self.subTest(what):
                layout, text = self.good()
                self.name_top(layout, json.dumps(
                    {**json.loads(text), **change}).encode(), kind)
                self.check(what, layout, "INVALID_ARGUMENT")

    # CVE-2024-3727. Guard: Digest::Parse. Seen to fail with any length and case.
    def test_digests_are_read_strictly(self):
        layout, text = self.good()
        layer = json.loads(text)["layers"][0]["digest"]
        for digest in ("sha256:../../../../../etc/passwd", "sha256:" + "0" * 63,
                       "sha256:" + "A" * 64, "sha256:", "md5:" + "0" * 32,
                       "sha256:" + "0" * 62 + "/.", layer + "\n"):
            with self.subTest(digest):
                self.name_top(layout, text.replace(
                    layer, json.dumps(digest)[1:-1]).encode(), MANIFEST_TYPE)
                self.check(digest, layout, "INVALID_ARGUMENT", "digest")

    # CVE-2020-15157, of archives: nothing is fetched. The importer has no HTTP
    # client to take out; what it has not is an error.
    def test_foreign_layers_are_not_fetched(self):
        layout, text = self.good()
        manifest = json.loads(text)
        layer = manifest["layers"][0]
        layer["urls"] = [f"{self.registry.url}/{layer['digest']}"]
        os.unlink(self.blob(layout, layer["digest"]))
        self.name_top(layout, json.dumps(manifest).encode(), MANIFEST_TYPE)
        self.refused(lambda: self.server.load_path(layout.path), "DATA_LOSS",
                     layer["digest"][7:])
        self.assertEqual(self.registry.requests, [])
        self.check_nothing_left("foreign")

    def test_files_of_a_layout_are_its_own(self):
        """Blobs that are links, FIFOs or devices. Guards: OpenBeneath without
        links, O_NONBLOCK and the check for a regular file; seen to fail without
        the first and the last."""
        for what, code, make in (
                ("a link out", "FAILED_PRECONDITION",
                 lambda path: os.symlink("/etc/shadow", path)),
                ("a FIFO", "INVALID_ARGUMENT", os.mkfifo),
                ("a device", "INVALID_ARGUMENT",
                 lambda path: os.mknod(path, 0o20600, 0x105)),
                ("a directory", "INVALID_ARGUMENT", os.mkdir)):
            with self.subTest(what):
                layout, text = self.good()
                path = self.blob(layout,
                                 json.loads(text)["layers"][0]["digest"])
                os.unlink(path)
                make(path)
                say(what, self.refused(
                    lambda: self.server.load_path(layout.path), code,
                    "ELOOP" if what == "a link out" else "not a regular file"))
                self.check_nothing_left(what)


class Containers(HostileCase):
    IMAGES = (gantry_case.BUSYBOX,)

    def remove_pods(self):
        # The pods only: the image of all tests stays.
        gantry_case.GantryCase.remove_pods(self)

    def load(self, *entries, config=None):
        """An image of busybox and these entries of a layer; its name."""
        name = f"localhost/{self.unique('image')}:1"
        self.server.load(gantry_images.make(
            self.folder + "/image.tar", name, [entries] if entries else [],
            config, base=image_file("busybox")))
        self.addCleanup(self.call, "RemoveImage", image=self.spec(name))
        return name

    # CVE-2025-4437, CVE-2026-47262. Guards: kMaxUserFile and the check for a
    # regular file of ReadUserFiles (shim/init/user_lookup.cc); seen to fail
    # without each.
    def test_user_files_are_read_up_to_a_bound(self):
        def giant(name):
            info = tarfile.TarInfo(name)
            info.pax_headers = {
                "GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                "GNU.sparse.name": name, "GNU.sparse.realsize": str(5 << 30)}
            content = b"1\n0\n5\n".ljust(512, b"\0") + b"a:x:1"
            info.size = len(content)
            return info, content
        for what, name, made in (
                ("5 GB", "etc/passwd", giant("etc/passwd")),
                ("5 GB", "etc/group", giant("etc/group")),
                ("a line without end", "etc/passwd",
                 entry("etc/passwd", content=b"x" * 20 * MIB)),
                ("a line without end", "etc/group",
                 entry("etc/group", content=b"x" * 20 * MIB)),
                ("a FIFO", "etc/passwd", entry("etc/passwd", tarfile.FIFOTYPE)),
                ("a FIFO", "etc/group", entry("etc/group", tarfile.FIFOTYPE)),
                ("a device", "etc/passwd", entry(
                    "etc/passwd", tarfile.CHRTYPE, devmajor=1, devminor=5)),
                ("a link to a device", "etc/passwd", entry(
                    "etc/passwd", tarfile.SYMTYPE, link="/dev/zero")),
                ("a directory", "etc/passwd", entry(
                    "etc/passwd", tarfile.DIRTYPE))):
            with self.subTest(f"{name}: {what}"):
                image = self.load(made)
                container = self.create(
                    self.make_pod(), self.container_config(
                        image=image, security={"run_as_username": "somebody"}))
                begin = time.monotonic()
                large = what in ("5 GB", "a line without end")
                told = self.refused(
                    lambda: self.call("StartContainer",
                                      container_id=container),
                    "RESOURCE_EXHAUSTED" if large else "FAILED_PRECONDITION",
                    "more than" if large else "not a regular file")
                say(f"{name}: {what}: {told}")
                self.assertIn(f"read /{name}: ", told)
                self.assertLess(time.monotonic() - begin, 10)
                self.assertLess(self.peak(), self.MEMORY)
                self.check_outside()

    # CVE-2026-53488. Guard: records take labels and annotations from the
    # client's configuration alone (NewRecord of container_create.cc); seen to
    # fail with the image's labels among the annotations.
    def test_labels_of_images_control_nothing(self):
        mark = self.outside + "/owned"
        control = {
            "gantry.writable-layer-size": "1Mi", "gantry.image.incomplete": "x",
            "io.kubernetes.container.name": "other",
            "io.kubernetes.pod.uid": "other",
            "io.cri-containerd.kind": "sandbox",
            "containerd.io/restart.status": "running",
            "containerd.io/restart.loguri": f"binary:///bin/touch?{mark}",
            "io.kubernetes.cri-o.TrySkipVolumeSELinuxLabel": "true",
            "io.kubernetes.cri-o.userns-mode": "auto",
            "io.containers.trace-syscall": "of:" + mark,
            "cdi.k8s.io/x": "vendor.com/device=all",
            "org.systemd.property.ExecStart": f"['/bin/touch', '{mark}']",
            "run.oci.keep_original_groups": "1", "run.oci.hooks.stderr": mark}
        image = self.load(config={"Labels": control})
        pod = self.make_pod()
        container = self.make_container(pod, image=image)
        status = self.call("ContainerStatus", container_id=container).status
        self.assertEqual(dict(status.labels), {})
        self.assertEqual(dict(status.annotations), {})
        # Where there are no quotas a limit would have been refused; where there
        # are, this is more than it allows.
        self.inside(container, "dd if=/dev/zero of=/big bs=1M count=2")
        self.assertEqual(len(self.list_containers()), 1)
        self.assertFalse(os.path.exists(mark))
        # They can be read, and no more than that.
        answer = self.call("ImageStatus", image=self.spec(image), verbose=True)
        self.assertEqual(json.loads(answer.info["info"])["config"]["labels"],
                         control)


if __name__ == "__main__":
    gantry_case.main()
