"""Images made by a test itself: OCI layouts of a few small files.

make(path, name, layers, config, base) writes one. `layers` are lists of
entries, bottom first; they come on top of those of the layout at `base`, if one
is given (make_images' are). `config` is the "config" object of the image.
"""

import hashlib
import io
import json
import tarfile

OCI = "application/vnd.oci.image."


def directory(path, mode=0o755, uid=0, gid=0):
    return _entry(path, tarfile.DIRTYPE, mode, uid, gid), b""


def file(path, content="", mode=0o644, uid=0, gid=0):
    return _entry(path, tarfile.REGTYPE, mode, uid, gid), content.encode()


def symlink(path, target):
    entry = _entry(path, tarfile.SYMTYPE, 0o777, 0, 0)
    entry.linkname = target
    return entry, b""


def hard_link(path, target):
    entry = _entry(path, tarfile.LNKTYPE, 0o644, 0, 0)
    entry.linkname = target
    return entry, b""


def _entry(path, kind, mode, uid, gid):
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode, entry.uid, entry.gid = kind, mode, uid, gid
    entry.mtime = 1704067200
    return entry


def _digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _tar(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for entry, content in entries:
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


class _Base:
    """The layers of a one-platform layout."""

    def __init__(self, path):
        self.layers, self.diff_ids, self.blobs = [], [], {}
        self.config = {}
        if path is None:
            return
        with tarfile.open(path) as tar:
            def read(digest):
                return tar.extractfile(
                    "blobs/" + digest.replace(":", "/")).read()
            index = json.load(tar.extractfile("index.json"))
            manifest = json.loads(read(index["manifests"][0]["digest"]))
            config = json.loads(read(manifest["config"]["digest"]))
            self.layers = manifest["layers"]
            self.diff_ids = config["rootfs"]["diff_ids"]
            self.config = config["config"]
            for layer in self.layers:
                self.blobs[layer["digest"]] = read(layer["digest"])


def make(path, name, layers=(), config=None, base=None):
    made = _Base(base)

    def add(media_type, data, **more):
        made.blobs[_digest(data)] = data
        return {"mediaType": OCI + media_type, "digest": _digest(data),
                "size": len(data), **more}

    descriptors, diff_ids = list(made.layers), list(made.diff_ids)
    for entries in layers:
        data = _tar(entries)
        descriptors.append(add("layer.v1.tar", data))
        diff_ids.append(_digest(data))
    manifest = add("manifest.v1+json", json.dumps({
        "schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
        "config": add("config.v1+json", json.dumps({
            "architecture": "amd64", "os": "linux",
            "config": {**made.config, **(config or {})},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }).encode()),
        "layers": descriptors}).encode(), annotations={
            "io.containerd.image.name": name,
            "org.opencontainers.image.ref.name": name.rsplit(":", 1)[1]})
    index = json.dumps({"schemaVersion": 2, "manifests": [manifest]})
    with open(path, "wb") as out:
        out.write(_tar(
            [file("oci-layout", '{"imageLayoutVersion": "1.0.0"}'),
             file("index.json", index)] +
            [(_entry("blobs/" + digest.replace(":", "/"), tarfile.REGTYPE,
                     0o644, 0, 0), data)
             for digest, data in made.blobs.items()]))
    return path
