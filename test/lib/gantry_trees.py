"""Trees of files: made with everything that a layer can hold, written as
layers, read back and compared.
"""

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys

OCI = "application/vnd.oci.image."
CAPS = bytes.fromhex("0100000200200000000000000000000000000000")
_DATED = 1_600_000_000_250_000_000


class OciLayout:
    """An OCI layout directory, written blob by blob."""

    def __init__(self, path):
        self.path = path
        os.makedirs(path + "/blobs/sha256")
        self.manifests = []
        with open(path + "/oci-layout", "w", encoding="utf-8") as out:
            out.write('{"imageLayoutVersion": "1.0.0"}')

    def add_blob(self, data, media_type):
        digest = hashlib.sha256(data).hexdigest()
        with open(f"{self.path}/blobs/sha256/{digest}", "wb") as out:
            out.write(data)
        return {"mediaType": OCI + media_type, "size": len(data),
                "digest": "sha256:" + digest}

    def add_json(self, value, media_type):
        return self.add_blob(json.dumps(value).encode(), media_type)

    def add_image(self, tag, blobs, tars, suffix, diff_ids=None):
        """suffix: "+gzip", "+zstd" or "", of the layers' media type."""
        if diff_ids is None:
            diff_ids = ["sha256:" + hashlib.sha256(tar).hexdigest()
                        for tar in tars]
        config = self.add_json({
            "os": "linux", "architecture": _architecture(), "config": {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }, "config.v1+json")
        manifest = self.add_json({
            "schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
            "config": config,
            "layers": [self.add_blob(blob, "layer.v1.tar" + suffix)
                       for blob in blobs],
        }, "manifest.v1+json")
        manifest["annotations"] = {"org.opencontainers.image.ref.name": tag}
        self.manifests.append(manifest)
        with open(self.path + "/index.json", "w", encoding="utf-8") as out:
            json.dump({"schemaVersion": 2, "manifests": self.manifests}, out)


def serve_layout(registry, path, tag, name):
    """Has a gantry_registry serve a layout's image as "repository:tag"."""
    blobs = path + "/blobs/sha256/"
    for digest in os.listdir(blobs):
        with open(blobs + digest, "rb") as source:
            registry.blobs["sha256:" + digest] = source.read()
    with open(path + "/index.json", encoding="utf-8") as source:
        manifests = json.load(source)["manifests"]
    named = [manifest for manifest in manifests if manifest.get(
        "annotations", {}).get("org.opencontainers.image.ref.name") == tag]
    registry.note_types(named[0])
    registry.tags[name] = named[0]["digest"]


def _architecture():
    machine = os.uname().machine
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


# -- making them


def _write(path, content=b"", mode=0o644, uid=0, gid=0, mtime=_DATED):
    with open(path, "wb") as out:
        out.write(content)
    os.chown(path, uid, gid)
    os.chmod(path, mode)
    os.utime(path, ns=(mtime, mtime))


def _directory(path, mode=0o755, uid=0, gid=0):
    os.mkdir(path)
    os.chown(path, uid, gid)
    os.chmod(path, mode)


def _date_directories(top):
    for folder, _, _ in os.walk(top, topdown=False):
        os.utime(folder, ns=(_DATED, _DATED + len(folder)))


def _first(top, small):
    """Everything. small: only what ustar can say."""
    _directory(top, 0o755)
    _write(top + "/plain", b"plain\n")
    _write(top + "/empty", mode=0o600)
    _write(top + "/set-ids", b"#", 0o6755, uid=12, gid=34)
    _directory(top + "/sticky", 0o1777, uid=5, gid=6)
    _write(top + "/sticky/kept", b"kept\n", uid=1000, gid=1000)
    _directory(top + "/sticky/deep", 0o2750, gid=7)
    _write(top + "/sticky/deep/file", b"x" * 5000)
    _directory(top + "/closed", 0)
    os.symlink("plain", top + "/link")
    os.symlink("/no/such/target", top + "/dangling")
    os.symlink("sticky/deep", top + "/link-to-directory")
    os.lchown(top + "/link", 8, 9)
    for name in ("link", "dangling", "link-to-directory"):
        os.utime(top + "/" + name, ns=(_DATED, _DATED), follow_symlinks=False)
    os.link(top + "/plain", top + "/sticky/hard")
    os.link(top + "/link", top + "/sticky/hard-link-to-link")
    os.mkfifo(top + "/fifo", 0o620)
    os.mknod(top + "/char", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(top + "/block", stat.S_IFBLK | 0o660, os.makedev(259, 70000))
    for name in ("fifo", "char", "block"):
        os.utime(top + "/" + name, ns=(_DATED, _DATED))
    _directory(top + "/to-file")
    _write(top + "/to-file/inside", b"inside\n")
    _write(top + "/to-directory", b"a file\n")
    _directory(top + "/opaque")
    _write(top + "/opaque/old", b"old\n")
    _directory(top + "/gone")
    _write(top + "/gone/inside", b"inside\n")
    with open(top + "/sparse", "wb") as out:
        out.seek(1 << 20)
        out.write(b"s" * 4096)
        out.seek(2 << 20)
        out.write(b"t" * 4096)
        out.truncate(3_000_000)
    os.utime(top + "/sparse", ns=(_DATED, _DATED))
    if small:
        return
    _write(top + "/big-ids", b"ids", uid=4_000_000_000, gid=100_000)
    _write(top + "/times", b"t", mtime=1_500_000_000_123_456_789)
    _write(top + "/old", b"t", mtime=-86_400_000_000_000)
    _directory(top + "/" + "d" * 200)
    _write(top + "/" + "d" * 200 + "/" + "f" * 200, b"long\n")
    os.symlink("t" * 300, top + "/long-target")
    os.utime(top + "/long-target", ns=(_DATED, _DATED), follow_symlinks=False)
    _write(top + "/\u0151-caf\u00e9", b"utf-8\n")
    _write(os.fsencode(top) + b"/latin1-\xe9", b"latin1\n")
    _write(top + "/with-xattr", b"x")
    os.setxattr(top + "/with-xattr", "user.test", b"a\0b\xff")
    _write(top + "/with-caps", b"#", 0o755, uid=3)
    os.setxattr(top + "/with-caps", "security.capability", CAPS)
    os.setxattr(top + "/opaque", "user.of-directory", b"d")


def _second(top):
    """What a second layer does to the first one."""
    _directory(top, 0o755)
    _write(top + "/.wh.empty")
    _write(top + "/.wh.gone")
    _write(top + "/to-file", b"now a file\n")
    _directory(top + "/to-directory", 0o700, uid=1)
    _write(top + "/to-directory/inside", b"inside\n")
    _directory(top + "/opaque", 0o711)
    _write(top + "/opaque/.wh..wh..opq")
    _write(top + "/opaque/new", b"new\n")
    _directory(top + "/sticky", 0o1770, uid=5, gid=7)
    _write(top + "/sticky/.wh.hard")
    _directory(top + "/link-to-directory")
    _write(top + "/link-to-directory/file", b"no link any more\n")


def rich_layers(folder, form="pax"):
    """Two layers as tars: form is one of tar(1)'s, or "sparse-" and a version
    of GNU's sparse files ("old": those before pax)."""
    words = {"ustar": ["--format=ustar"], "gnu": ["--format=gnu"],
             "pax": ["--format=pax", "--xattrs", "--xattrs-include=*"],
             "sparse-old": ["--format=gnu", "--sparse"]}.get(form)
    if words is None:
        words = ["--format=pax", "--xattrs", "--xattrs-include=*", "--sparse",
                 "--sparse-version=" + form.partition("-")[2]]
    if os.path.exists(folder):
        shutil.rmtree(folder)
    os.mkdir(folder)
    layers = []
    for number, make in enumerate((
            lambda top: _first(top, form == "ustar"), _second)):
        top = f"{folder}/{number}"
        make(top)
        _date_directories(top)
        layers.append(subprocess.run(
            ["tar", "--create", "--sort=name", "--numeric-owner", *words,
             "--directory", top, "."], check=True, capture_output=True).stdout)
    return layers


# -- reading them

_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory",
          stat.S_IFLNK: "symlink", stat.S_IFCHR: "char",
          stat.S_IFBLK: "block", stat.S_IFIFO: "fifo",
          stat.S_IFSOCK: "socket"}


def _node(path, names_of, name):
    seen = os.lstat(path)
    kind = _KINDS[stat.S_IFMT(seen.st_mode)]
    node = {"kind": kind, "mode": stat.S_IMODE(seen.st_mode),
            "uid": seen.st_uid, "gid": seen.st_gid, "mtime": seen.st_mtime_ns,
            "xattrs": {key: os.getxattr(path, key, follow_symlinks=False).hex()
                       for key in os.listxattr(path, follow_symlinks=False)}}
    if kind in ("char", "block"):
        node["device"] = [os.major(seen.st_rdev), os.minor(seen.st_rdev)]
    if kind == "symlink":
        node["target"] = os.readlink(path)
    if kind == "file":
        node["size"], node["blocks"] = seen.st_size, seen.st_blocks
        with open(path, "rb") as source:
            node["sha256"] = hashlib.sha256(source.read()).hexdigest()
    if kind != "directory" and seen.st_nlink > 1:
        names_of.setdefault(seen.st_ino, []).append(name)
    return node


def read_tree(top):
    """{path: what it is}; of names of one node, each tells all of them."""
    found, names_of = {".": _node(top, {}, ".")}, {}
    for folder, names, files in os.walk(top):
        names.sort()
        for name in sorted(names + files):
            path = os.path.join(folder, name)
            short = os.path.relpath(path, top)
            found[short] = _node(path, names_of, short)
    # A name that another layer hides is none.
    for linked in names_of.values():
        if len(linked) > 1:
            for name in linked:
                found[name]["linked"] = sorted(linked)
    return found


def scan(layers, scratch):
    """read_tree of an overlay of these directories, topmost last, mounted in a
    mount namespace made for it."""
    top, empty = scratch + "/scan", scratch + "/scan-empty"
    os.makedirs(top, exist_ok=True)
    os.makedirs(empty, exist_ok=True)
    # Two at least, says the kernel; the lowest is empty.
    lower = ":".join([*reversed(layers), empty])
    script = ('mount -t overlay -o "ro,lowerdir=$1" none "$2" && '
              'exec "$3" -B "$4" "$2"')
    out = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", lower, top,
         sys.executable, os.path.abspath(__file__)],
        check=True, capture_output=True).stdout
    return json.loads(out)


def differences(ours, theirs):
    """Lines for people; nothing if the trees are the same. How much room a
    file takes is not a difference."""
    lines = []
    for path in sorted(set(ours) | set(theirs)):
        if path not in ours or path not in theirs:
            lines.append(f"{path!r}: only in "
                         f"{'theirs' if path in theirs else 'ours'}")
            continue
        for key in sorted((set(ours[path]) | set(theirs[path])) - {"blocks"}):
            mine, other = ours[path].get(key), theirs[path].get(key)
            if mine != other:
                lines.append(f"{path!r}: {key}: ours {mine}, theirs {other}")
    return lines


if __name__ == "__main__":
    json.dump(read_tree(sys.argv[1]), sys.stdout)
