"""The life that is recorded: images, pods and containers come, change and go, and
a note of what the server has answered when (Promises).

The images are small, and one of them can run: BASE, of busybox. What the others
hold is read by a container of BASE that has them mounted.
"""

import contextlib
import json
import random
import re
import tarfile
import threading
import time

import gantry_hostile
import gantry_images
from gantry_images import directory, file, hard_link, symlink
from gantry_server import DEADLINE, stubs

BASE = "localhost/base:1"
PLAIN = "localhost/plain:1"
SECOND_NAME = "localhost/second:name"
CIDR = "cidr"
_APPLETS = ("sh", "sleep", "find", "stat", "md5sum", "true")
# All there is of the trees, but for dates and the sizes of directories.
LISTING = ("find /bin /m -exec stat -c '%N %a %u:%g %F' {} + &&"
           "find /bin /m -type f -exec md5sum {} +")


class Promises:
    """What was asked for and answered: for each name (of an image, an image's id,
    or CIDR) what it should stand for, None for nothing."""

    def __init__(self):
        self.steps = []  # (name, value, begin, end); times as of time.time()

    @contextlib.contextmanager
    def asked(self, wishes):
        """Around a call; `wishes` (name -> value) may be filled in it."""
        step = {"begin": time.time()}
        self.steps.append((wishes, step))
        yield wishes
        step["end"] = time.time()

    def names(self):
        return sorted({name for wishes, _ in self.steps for name in wishes})

    def allowed(self, name, moment):
        """What may be found of the name after a cut: what was answered last, or
        what was being asked for."""
        last, under_way = None, set()
        for wishes, step in self.steps:
            if name not in wishes or step["begin"] >= moment:
                continue
            if step.get("end", float("inf")) < moment:
                last = wishes[name]
            else:
                under_way.add(wishes[name])
        return {last} | under_way

    def is_settled(self, name, moment):
        return len(self.allowed(name, moment)) == 1


class Images:
    """Archives below `folder`, and what `registry` has."""

    def __init__(self, folder, registry):
        self.folder, self.registry = folder, registry
        self.base = self.make("base", BASE, [[
            directory("bin"), directory("m"), self._busybox()] + [
                hard_link("bin/" + name, "bin/busybox")
                for name in _APPLETS]])
        # With its top: what is made for directories that no entry tells of
        # depends on their times, and the model knows those alone that were set.
        common = [directory("./"), directory("etc"), file("etc/common", "common\n" * 2000),
                  symlink("link", "etc/common"), file("empty", ""),
                  directory("private", 0o700, 12, 34)]
        self.plain = self.make("plain", PLAIN, [[
            directory("opt"), file("opt/plain", "plain\n" * 1500)]])
        one = [file("deep/er/one", "1\n" * 3000, 0o600, 5, 6),
               file("etc/.wh.common", "")]
        two = [directory("two"), file("two/file", "2" * 10000),
               hard_link("two/again", "two/file"), file("two/.wh..wh..opq", "")]
        three = [file("three", "3\n" * 5000), file("name", "three\n")]
        four = [file("four", "4\n" * 100), file("name", "four\n")]
        make = self.pulled
        self.one = make("one", "test/one:1", [common, one])
        self.two = make("two", "test/two:1", [common, two])
        self.three = make("three", "test/three:1", [three])
        self.four = make("four", "test/four:1", [common, four])
        self.newer = make("newer", "test/one:2", [common, one, four])
        # So large that the half of it is kept which comes before a failure.
        pick = random.Random(1)
        self.large = make("large", "test/large:1", [[file("large", "".join(
            pick.choices("0123456789abcdef", k=5 << 19)))]])
        self.pulls = (self.one, self.two, self.three, self.four, self.large)

    def fail_once(self, name):
        """The next transfer of the image's layer breaks off."""
        repository = name[len(self.registry.host) + 1:]
        for layer in self.registry.layers(repository):
            self.registry.ways[layer] = [gantry_hostile.drops]

    def _busybox(self):
        with open("/bin/busybox", "rb") as program:
            return file("bin/busybox", "", 0o755)[0], program.read()

    def make(self, name, reference, layers):
        return gantry_images.make(f"{self.folder}/{name}.tar", reference, layers)

    def pulled(self, name, repository, layers):
        """The image's name at the registry."""
        path = self.make(name, "localhost/" + name + ":x", layers)
        self.registry.add(path, repository)
        return f"{self.registry.host}/{repository}"

    def id_of(self, name):
        """The digest of the configuration, of what the registry has."""
        manifest = json.loads(self.registry.blobs[self.registry.tags[
            name[len(self.registry.host) + 1:]]])
        return manifest["config"]["digest"]

    def move(self, name, to):
        """Has the registry's name stand for what `to` stands for."""
        cut = len(self.registry.host) + 1
        self.registry.tags[name[cut:]] = self.registry.tags[to[cut:]]


class Life:
    """test: the GantryCase whose server is recorded."""

    def __init__(self, test, images, leases):
        self.test, self.images, self.leases = test, images, leases
        self.promises = Promises()
        self.listings = {}       # image's id -> what it holds

    # -- calls with promises

    def pull(self, name):
        wanted = self.images.id_of(name)
        with self.promises.asked({name: wanted, wanted: wanted}):
            answer = self.test.call("PullImage", image=self.spec(name))
        return answer

    def load(self, path, name, by_path=False):
        # The id is not known before: it is that of the only image in there.
        wanted = archive_id(path)
        with self.promises.asked({name: wanted, wanted: wanted}):
            server = self.test.server
            (server.load_path if by_path else server.load)(path)
        return wanted

    def remove_image(self, name):
        wanted = self.test.call(
            "ImageStatus", image=self.spec(name)).image.id
        wishes = {wanted: None}
        for wished, _ in self.promises.steps:
            for known in wished:
                if self.id_now(known) == wanted:
                    wishes[known] = None
        with self.promises.asked(wishes):
            self.test.call("RemoveImage", image=self.spec(name))

    def id_now(self, name):
        if name == CIDR:
            return None
        status = self.test.call("ImageStatus", image=self.spec(name))
        return status.image.id if status.HasField("image") else None

    def tag(self, name, tag):
        with self.promises.asked({tag: self.id_now(name)}):
            self.test.server.admin.Tag(stubs().admin.TagRequest(
                image=name, name=tag), timeout=DEADLINE)

    def untag(self, tag):
        with self.promises.asked({tag: None}):
            self.test.server.admin.Untag(stubs().admin.UntagRequest(
                name=tag), timeout=DEADLINE)

    def give_cidr(self, cidr):
        api = self.test.api
        with self.promises.asked({CIDR: cidr}):
            self.test.call("UpdateRuntimeConfig",
                           runtime_config=api.RuntimeConfig(
                               network_config=api.NetworkConfig(
                                   pod_cidr=cidr)))

    def spec(self, name):
        return self.test.api.ImageSpec(image=name)

    def list_images(self, pod, names):
        """Image's id -> what it holds, of BASE and these, as a container sees
        them."""
        test = self.test
        container = test.create(pod, test.container_config(
            LISTING, image=BASE, mounts=[test.api.Mount(
                image=self.spec(name), container_path=f"/m/{number}",
                readonly=True) for number, name in enumerate(names)]))
        test.call("StartContainer", container_id=container)
        status = test.wait_exited(container)
        texts = test.texts(container)
        test.assertEqual(status.exit_code, 0, texts)
        test.remove(container)
        found = {BASE: []}
        for text in sorted(texts):
            if mount := re.search(r"/m/(\d+)", text):
                name = names[int(mount[1])]
                text = text.replace(mount[0], "", 1)
            else:
                name = BASE
            found.setdefault(name, []).append(text)
        test.assertEqual(len(found), len(names) + 1, texts)
        return {self.id_now(name): "\n".join(lines)
                for name, lines in found.items()}

    # -- the life

    def run(self):
        images, test = self.images, self.test
        self.load(images.base, BASE)
        self.give_cidr("10.1.0.0/16")
        self.pull(images.one)
        pod = self.make_pod("first")
        runs = test.make_container(pod, "sleep 1000", name="runs", image=BASE)
        # Two that have a layer in common, at the same time; and a load.
        self.at_once(lambda: self.pull(images.two),
                     lambda: self.pull(images.four),
                     lambda: self.load(images.plain, PLAIN, by_path=True))
        self.listings.update(self.list_images(
            pod, [images.one, images.two, images.four, PLAIN]))
        self.tag(images.one, SECOND_NAME)
        # The same name for another image.
        old = images.one
        images.move(old, images.newer)
        self.pull(old)
        self.tag(images.two, SECOND_NAME)
        self.listings.update(self.list_images(pod, [old]))
        test.call("UpdateContainerResources", container_id=runs,
                  linux=test.api.LinuxContainerResources(cpu_shares=512))
        # One that the layers of an image outlive which is removed.
        uses = test.create(pod, test.container_config(
            "true", image=BASE, name="uses", mounts=[test.api.Mount(
                image=self.spec(images.two), container_path="/m",
                readonly=True)]))
        self.remove_image(images.two)
        self.pull(images.three)
        self.listings.update(self.list_images(pod, [images.three]))
        test.remove(uses)
        self.pull(images.two)
        # A part of a blob stays, for the next pull.
        images.fail_once(images.large)
        test.assert_code("UNAVAILABLE", "PullImage",
                         image=self.spec(images.large))
        self.pull(images.large)
        self.listings.update(self.list_images(pod, [images.large]))
        self.kill()
        self.give_cidr("10.2.0.0/16")
        self.at_once(lambda: self.remove_image(images.three),
                     lambda: self.end(pod, runs))
        self.remove_image(images.four)
        second = self.make_pod("second")
        test.create(second, test.container_config("true", image=BASE))
        self.at_once(lambda: self.pull(images.three),
                     lambda: self.end(second))
        self.load(images.plain, PLAIN)
        self.untag(SECOND_NAME)
        for name in (images.two, images.three, PLAIN, old, images.large):
            self.remove_image(name)
        self.remove_image(BASE)

    def make_pod(self, name):
        pod = self.test.make_pod(name=name)
        self.leases.note_ready(pod)
        return pod

    def kill(self):
        """A restart writes too."""
        self.test.server.kill()
        self.test.server.start()

    def end(self, pod, container=None):
        if container is not None:
            self.test.stop(container)
            self.test.remove(container)
        self.test.remove_pod(pod)
        self.test.pods.remove(pod)

    @staticmethod
    def at_once(*calls):
        failures = []

        def run(call):
            try:
                call()
            except Exception as error:  # told below
                failures.append(error)
        threads = [threading.Thread(target=run, args=[call])
                   for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]


def archive_id(path):
    """The id of the only image in an OCI layout's tar."""
    with tarfile.open(path) as tar:
        def read(digest):
            return json.load(tar.extractfile(
                "blobs/" + digest.replace(":", "/")))
        index = json.load(tar.extractfile("index.json"))
        return read(index["manifests"][0]["digest"])["config"]["digest"]
