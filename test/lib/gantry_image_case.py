"""The base of tests of images beyond CRI (proto/admin.proto, gantryctl)."""

import os
import random
import shutil
import subprocess
import tempfile

import gantry_case
import gantry_images
from gantry_case import DEADLINE
from gantry_registry import Registry
from gantry_server import TOP, stubs


class ImageCase(gantry_case.GantryCase):
    IMAGES = ()
    PROGRAM = os.environ.get("GANTRYCTL",
                             os.path.join(TOP, "tools/ctl/gantryctl"))

    def setUp(self):
        super().setUp()
        self.admin_api = stubs().admin
        self.store = self.server.root + "/images"
        self.folder = tempfile.mkdtemp(dir=self.server.top)
        self.addCleanup(shutil.rmtree, self.folder)

    def remove_pods(self):
        super().remove_pods()
        for image in self.call("ListImages").images:
            self.call("RemoveImage", image=self.spec(image.id))
        self.assertEqual(self.layers() + self.blobs(), [])

    def spec(self, name):
        return self.api.ImageSpec(image=name)

    def image_of(self, name):
        answer = self.call("ImageStatus", image=self.spec(name))
        return answer.image if answer.HasField("image") else None

    def layers(self):
        return sorted(os.listdir(self.store + "/layers"))

    def blobs(self):
        return sorted(os.listdir(self.store + "/blobs/sha256"))

    def registry(self):
        registry = Registry()
        self.addCleanup(registry.close)
        return registry

    def admin(self, verb, **fields):
        request = getattr(self.admin_api, verb + "Request")(**fields)
        return getattr(self.server.admin, verb)(request, timeout=DEADLINE)

    def pull(self, name):
        return self.call("PullImage", image=self.spec(name)).image_ref

    def ctl(self, *words, check=True, **more):
        done = subprocess.run(
            [self.PROGRAM, "--endpoint", "unix://" + self.server.socket,
             *words], capture_output=True, text=True, timeout=DEADLINE,
            check=False, **more)
        if check:
            self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def findings(self, repair=False):
        """What a Verify finds, without layers that have no blob."""
        kinds = self.admin_api.VerifyFinding
        words = list(self.admin("Verify", repair=repair))
        self.assertTrue(words[-1].HasField("totals"))
        return [word.finding for word in words[:-1]
                if word.finding.kind != kinds.UNVERIFIED]

    def program(self, *words):
        done = subprocess.run(words, capture_output=True, text=True,
                              timeout=DEADLINE, check=False)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}")
        return done.stdout

    def random_image(self, name, layers=4, size=1 << 20):
        """An archive of an image of `layers` layers that do not compress."""
        path = os.path.join(self.folder, "image.tar")
        pick = random.Random(name)
        gantry_images.make(path, name, [
            [gantry_images.file(f"f{i}", "".join(
                chr(pick.randrange(32, 127)) for _ in range(size)))]
            for i in range(layers)])
        return path
