"""kill -9 of the server in the middle of pulls, loads and removals of images:
the next server starts, only what was under way is lost, a repeated request
succeeds, the store is sound, and no byte is left that an unharmed store has not.

The moments are spread at random over the measured duration of each operation.
GANTRY_TEST_SEED repeats a run's moments; GANTRY_TEST_MOMENTS sets how many there
are of all operations together (200 for a full sweep).
"""

import os
import random
import shutil
import sys
import tempfile
import threading
import time

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_images
from gantry_case import BUSYBOX, DEADLINE, say
from gantry_registry import Registry
from gantry_server import image_file, stubs

MOMENTS = int(os.environ.get("GANTRY_TEST_MOMENTS", "24"))
SEED = int(os.environ.get("GANTRY_TEST_SEED", str(time.time_ns() & 0xffffff)))
LAYERS = 4
KEPT = BUSYBOX


def tree(store):
    """What a store holds: names and sizes of blobs and records, and each layer
    with its files. The names of layers are numbers, as they come."""
    found = []
    for kind in ("images", "blobs", "ingest", "partial"):
        for folder, _, files in os.walk(f"{store}/{kind}"):
            found += [os.path.relpath(os.path.join(folder, name), store)
                      for name in files]
    layers = []
    for name in os.listdir(store + "/layers"):
        files = []
        for folder, folders, names in os.walk(f"{store}/layers/{name}"):
            for entry in folders + names:
                path = os.path.join(folder, entry)
                files.append((os.path.relpath(path, f"{store}/layers/{name}"),
                              os.lstat(path).st_size
                              if not os.path.isdir(path) else 0))
        # A record's length depends on the number of the layer in it.
        layers.append(sorted(f for f in files if f[0] != "record") +
                      [("hidden" if name.startswith(".") else "layer", 0)])
    return sorted(found), sorted(layers)


class ImageCrash(gantry_case.GantryCase):
    IMAGES = (KEPT,)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.random = random.Random(SEED)
        say(f"GANTRY_TEST_SEED={SEED} GANTRY_TEST_MOMENTS={MOMENTS}")
        cls.registry = Registry()
        cls.addClassCleanup(cls.registry.close)
        cls.folder = tempfile.mkdtemp(prefix="gantry-test.", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.archive = cls.folder + "/image.tar"
        pick = random.Random(SEED)
        # Many small files, and one layer so large that a part of it is kept.
        large = "".join(chr(pick.randrange(32, 127))
                        for _ in range(64)) * (3 << 14)
        gantry_images.make(cls.archive, "localhost/victim:x", [
            [gantry_images.file(f"d{layer}/f{number}", "".join(
                chr(pick.randrange(32, 127)) for _ in range(2000)))
             for number in range(150)] +
            ([gantry_images.file("large", large)] if layer == 1 else [])
            for layer in range(LAYERS)])
        cls.registry.add(cls.archive, "test/victim:x")
        cls.pulled = f"{cls.registry.host}/test/victim:x"

    def setUp(self):
        super().setUp()
        self.store = self.server.root + "/images"

    def spec(self, name):
        return self.api.ImageSpec(image=name)

    def is_there(self, name):
        answer = self.call("ImageStatus", image=self.spec(name))
        return answer.HasField("image")

    def pull(self):
        self.call("PullImage", image=self.spec(self.pulled))

    def load(self):
        self.server.load(self.archive)

    def load_path(self):
        self.server.load_path(self.archive)

    def remove(self, name):
        self.call("RemoveImage", image=self.spec(name))

    def check_sound(self, problems, what):
        admin = stubs().admin
        for word in self.server.admin.Verify(admin.VerifyRequest(),
                                             timeout=DEADLINE):
            if word.HasField("finding"):
                problems.append(f"{what}: {word.finding}")

    def sweep(self, operation, prepare, is_done, repeat, clear, moments):
        """Kills the server at `moments` moments of operation(). After each:
        is_done() says whether the work was done or not at all; repeat()
        must succeed, and then the store is as it is without any kill."""
        durations = []
        for _ in range(3):
            prepare()
            begin = time.monotonic()
            operation()
            durations.append(time.monotonic() - begin)
            whole = tree(self.store)
            clear()
            empty = tree(self.store)
        problems, done = [], 0
        for moment in range(moments):
            prepare()
            delay = min(durations) * 1.05 * (
                moment + self.random.random()) / moments
            what = f"cut after {delay * 1000:.1f} ms"

            def run():
                try:
                    operation()
                except grpc.RpcError:
                    pass  # the server has gone
            caller = threading.Thread(target=run)
            caller.start()
            time.sleep(delay)
            self.server.kill()
            caller.join()
            log_begin = len(self.server.log())
            self.server.start()
            done += 1 if is_done() else 0
            if not self.is_there(KEPT):
                problems.append(f"{what}: {KEPT} is lost")
            # A kill is no damage.
            for line in self.server.log()[log_begin:].split("\n"):
                if "given up" in line:
                    problems.append(f"{what}: {line}")
            self.check_sound(problems, what)
            try:
                repeat()
            except grpc.RpcError as error:
                problems.append(f"{what}: repeated: {error.details()}")
            if tree(self.store) != whole:
                problems.append(f"{what}: not the store of an unharmed run: "
                                f"{tree(self.store)}")
            self.check_sound(problems, what + ", repeated")
            clear()
            if tree(self.store) != empty:
                problems.append(f"{what}: left over: {tree(self.store)}")
        say(f"{min(durations) * 1000:.0f} ms, cut short {moments} times, "
            f"{done} of them done")
        self.assertEqual(problems, [])

    def test_pull(self):
        self.sweep(self.pull, lambda: None,
                   lambda: self.is_there(self.pulled), self.pull,
                   lambda: self.remove(self.pulled), MOMENTS * 2 // 5)

    def test_load_of_a_stream(self):
        self.sweep(self.load, lambda: None,
                   lambda: self.is_there("localhost/victim:x"), self.load,
                   lambda: self.remove("localhost/victim:x"), MOMENTS // 5)

    def test_load_of_a_path(self):
        self.sweep(self.load_path, lambda: None,
                   lambda: self.is_there("localhost/victim:x"),
                   self.load_path,
                   lambda: self.remove("localhost/victim:x"), MOMENTS // 5)

    def test_removal(self):
        def operation():
            self.remove(self.pulled)
        self.sweep(operation, self.pull,
                   lambda: not self.is_there(self.pulled), operation,
                   lambda: None, MOMENTS // 5)


if __name__ == "__main__":
    gantry_case.main()
