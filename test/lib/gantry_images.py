"""Images made from the fixtures: the same layers under another configuration."""

import hashlib
import io
import json
import tarfile


def derive(source, target, name, **config):
    """Writes to `target` the OCI layout tar `source` under the name `name`,
    with the members of `config` set in the image's own ("User", "StopSignal",
    "Env", ...)."""
    with tarfile.open(source) as tar:
        files = {member.name.removeprefix("./"): tar.extractfile(member).read()
                 for member in tar if member.isfile()}
    index = json.loads(files["index.json"])
    top = index["manifests"][0]
    manifest = json.loads(files.pop(_path(top)))
    image = json.loads(files.pop(_path(manifest["config"])))
    image.setdefault("config", {}).update(config)
    _put(files, manifest["config"], image)
    _put(files, top, manifest)
    top["annotations"] = {
        "org.opencontainers.image.ref.name": name.rsplit(":", 1)[1],
        "io.containerd.image.name": name}
    index["manifests"] = [top]
    files["index.json"] = json.dumps(index).encode()
    with tarfile.open(target, "w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return target


def _path(descriptor):
    return "blobs/" + descriptor["digest"].replace(":", "/")


def _put(files, descriptor, value):
    """Stores the JSON value and makes the descriptor name it."""
    content = json.dumps(value).encode()
    descriptor["digest"] = "sha256:" + hashlib.sha256(content).hexdigest()
    descriptor["size"] = len(content)
    files[_path(descriptor)] = content
