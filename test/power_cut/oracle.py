"""Whether a server can live with what a power cut has left: materialize() writes a
Tree of disk_model to a directory, Oracle.check() starts a server on it and tells
what is wrong.
"""

import os
import shutil

import gantry_host as host
from gantry_server import DEADLINE, stubs, wait_until

from disk_model import ROOT
from life import CIDR, PLAIN, SECOND_NAME

# Below the root, when nothing is there any more.
_EMPTY = {
    "lock", "boot", "pod_cidr", "pods", "containers", "cni", "images",
    "images/images", "images/layers", "images/ingest", "images/partial",
    "images/blobs", "images/blobs/sha256", "images/blobs/sha512"}


def materialize(tree, path):
    """Into a directory that exists and is empty."""
    made, folders = {}, []
    for name, inode in tree.walk():
        where = os.path.join(path, os.fsdecode(name)) if name else path
        kind, _, what = tree.inodes[inode]
        attributes = tree.attribute(inode)
        if inode in made:
            os.link(made[inode], where, follow_symlinks=False)
            continue
        made[inode] = where
        if kind == "directory":
            if inode != ROOT:
                os.mkdir(where)
            folders.append((where, attributes))
            continue
        if kind == "symlink":
            os.symlink(what, where)
        elif kind == "device":
            os.mknod(where, what[0] | 0o600, os.makedev(*what[1]))
        else:
            with open(where, "wb") as out:
                out.write(tree.content.get(inode, b""))
        _dress(where, kind, attributes)
    # Dates of directories last, the inner ones first.
    for where, attributes in reversed(folders):
        _dress(where, "directory", attributes)


def _dress(where, kind, attributes):
    if "owner" in attributes:
        os.chown(where, *attributes["owner"], follow_symlinks=False)
    if "mode" in attributes and kind != "symlink":
        os.chmod(where, attributes["mode"])
    for key, value in attributes.items():
        if key.startswith("xattr:"):
            os.setxattr(where, key[len("xattr:"):], value,
                        follow_symlinks=False)
    if "times" in attributes:
        os.utime(where, ns=attributes["times"], follow_symlinks=False)


class Oracle:

    def __init__(self, test, life, leases):
        self.test, self.life, self.leases = test, life, leases
        self.server = test.server

    def check(self, tree, time):
        """The problems of a cut at that time."""
        server = self.server
        self.problems = []
        self.clear()
        materialize(tree, server.root)
        self.leases.lay(time)
        try:
            server.start()
        except AssertionError as error:
            return [f"the server does not start: {error}"]
        try:
            self.look(time)
            self.repeat(time)
            self.remove_everything()
        except Exception as error:  # of gRPC, or an assertion's
            self.problems.append(f"{type(error).__name__}: {error}\n" +
                                 server.log_tail(15))
        self.end()
        return self.problems

    def clear(self):
        server = self.server
        for folder in (server.root, server.run, server.logs):
            if os.path.isdir(folder):
                for name in os.listdir(folder):
                    path = os.path.join(folder, name)
                    (shutil.rmtree if os.path.isdir(path) and
                     not os.path.islink(path) else os.unlink)(path)
        open(server.log_path, "wb").close()

    def say(self, text):
        self.problems.append(text)

    # -- what is there

    def look(self, time):
        """What was answered is there, and nothing that is there is damaged."""
        server, test, life = self.server, self.test, self.life
        for line in server.log().split("\n"):
            if line.startswith("E") or "given up" in line:
                self.say("the log says: " + line)
        self.found = {}
        for name in life.promises.names():
            allowed = life.promises.allowed(name, time)
            found = self.value(name)
            self.found[name] = found
            if found not in allowed:
                self.say(f"{name} is {found}, not one of {allowed}")
        for image in test.call("ListImages").images:
            if image.spec.annotations:
                self.say(f"{image.id} {image.repo_tags}: "
                         f"{dict(image.spec.annotations)}")
        self.verify("after the cut")
        for pod in test.list_pods():
            if pod.state != test.api.SANDBOX_NOTREADY:
                self.say(f"pod {pod.metadata.name} is ready")
        for container in test.list_containers():
            if container.state not in (test.api.CONTAINER_EXITED,
                                       test.api.CONTAINER_CREATED):
                self.say(f"container {container.metadata.name} is "
                         f"{container.state}")

    def value(self, name):
        if name != CIDR:
            return self.life.id_now(name)
        info = self.test.call("Status", verbose=True).info
        return info.get("pod_cidr", '""').strip('"') or None

    def verify(self, when):
        for word in self.server.admin.Verify(
                stubs().admin.VerifyRequest(), timeout=DEADLINE):
            # What has no blob to be compared with is no defect.
            if word.HasField("finding") and (
                    word.finding.kind != word.finding.UNVERIFIED):
                self.say(f"{when}: {word.finding}".replace("\n", " "))

    # -- it goes on from there

    def repeat(self, time):
        """What was under way can be asked for again, and what was there is not
        fetched again; then everything runs."""
        server, test, life = self.server, self.test, self.life
        images = life.images
        for pod in test.list_pods():
            test.remove_pod(pod.id)
        # Those whose pod's record was lost.
        for container in test.list_containers():
            test.remove(container.id)
        names = list(images.pulls)
        images.registry.requests.clear()
        life.at_once(
            lambda: server.load(images.base), lambda: server.load(images.plain),
            *[lambda name=name: test.call("PullImage", image=life.spec(name))
              for name in names])
        for name in names:
            wanted = images.id_of(name)
            repository = name.split("/", 1)[1].rsplit(":", 1)[0]
            fetched = [request for request in images.registry.requests
                       if f"/{repository}/blobs/" in request]
            if self.found.get(wanted) == wanted and fetched:
                self.say(f"{name} was there, and is fetched again: {fetched}")
        life.tag(images.two, SECOND_NAME)
        life.promises.steps.pop()
        self.verify("after repeated calls")
        # Names of before are free.
        pod = test.make_pod(name="first")
        listed = life.list_images(pod, names + [PLAIN])
        for image, text in listed.items():
            if text != life.listings[image]:
                self.say(f"image {image} holds other files:\n{text}\nnot\n" +
                         life.listings[image])
        test.remove_pod(pod)
        test.pods.remove(pod)

    # -- nothing stays

    def remove_everything(self):
        test, server = self.test, self.server
        for image in test.call("ListImages").images:
            test.call("RemoveImage", image=self.life.spec(image.id))

        def leftovers():
            left = [folder + "/" + name for folder in ("pods", "containers")
                    for name in os.listdir(f"{server.run}/{folder}")]
            for folder, names, files in os.walk(server.root):
                left += [path for name in names + files
                         if (path := os.path.relpath(os.path.join(
                             folder, name), server.root)) not in _EMPTY]
            return left + ["lease " + pod for pod in self.leases.held()]
        # Shims end a moment after their last word, and CNI is swept in the
        # background.
        try:
            wait_until(lambda: not leftovers(), "nothing is left", 10)
        except AssertionError:
            self.say(f"left over: {leftovers()}")

    def end(self):
        server = self.server
        if not server.is_running():
            self.say("the server has ended:\n" + server.log_tail())
            return
        status = server.stop()
        if status != 0:
            self.say(f"exit status {status}:\n" + server.log_tail())
        for point in sorted(host.mounts_below(server.top), reverse=True):
            if point != server.root:
                self.say("left mounted: " + point)
                host.unmount(point)
