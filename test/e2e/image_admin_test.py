"""Images beyond CRI: pulled with progress, saved, tagged, measured, pruned,
verified and mended."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_images
from gantry_case import BUSYBOX, DEADLINE, LAYERS4, say, wait_until
from gantry_registry import Registry
from gantry_server import TOP, image_file, stubs


class ImageAdmin(gantry_case.GantryCase):
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

    # -- pulls

    def test_a_pull_tells_how_far_it_is(self):
        registry = self.registry()
        registry.add(image_file("layers4"), "test/four:x")
        name = f"{registry.host}/test/four:x"
        phases = self.admin_api.LayerProgress
        request = self.api.PullImageRequest(image=self.spec(name))
        words = list(self.admin("PullWithProgress", pull=request))
        self.assertEqual(words[-1].image_ref, self.image_of(name).id)
        self.assertFalse([word for word in words[:-1] if word.image_ref])
        self.assertEqual({word.layer_count for word in words
                          if word.layers}, {4})
        self.assertEqual(len(words[0].layers), 4)
        seen = {}
        for word in words:
            for layer in word.layers:
                seen.setdefault(layer.index, []).append(layer)
        sizes = [len(registry.blobs[digest])
                 for digest in registry.layers("test/four:x")]
        for index, states in seen.items():
            self.assertEqual(states[-1].phase, phases.DONE)
            self.assertEqual(states[-1].done, sizes[index])
            self.assertEqual({state.total for state in states},
                             {sizes[index]})
            done = [state.done for state in states]
            self.assertEqual(done, sorted(done))
        # Again: all is there.
        words = list(self.admin("PullWithProgress", pull=request))
        self.assertEqual({layer.phase for word in words
                          for layer in word.layers}, {phases.PRESENT})

    def test_gantryctl_shows_lines_and_bars(self):
        registry = self.registry()
        registry.add(image_file("layers4"), "test/four:x")
        name = f"{registry.host}/test/four:x"
        done = self.ctl("pull", name)
        self.assertEqual(done.stdout,
                         f"pulled {name}: {self.image_of(name).id}\n")
        self.assertEqual(len([line for line in done.stderr.split("\n")
                              if " done (" in line]), 4, done.stderr)
        self.call("RemoveImage", image=self.spec(name))
        ours, theirs = os.openpty()
        self.ctl_into(theirs, "pull", name)
        drawn = b""
        while True:
            try:
                drawn += os.read(ours, 65536)
            except OSError:
                break
        os.close(ours)
        self.assertIn(b"[====", drawn)
        self.assertIn(b"\x1b[4A", drawn)

    def ctl_into(self, terminal, *words):
        done = subprocess.run(
            [self.PROGRAM, "--endpoint", "unix://" + self.server.socket,
             *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=terminal, timeout=DEADLINE, check=False)
        os.close(terminal)
        self.assertEqual(done.returncode, 0)

    def test_credentials_come_from_a_file_and_are_not_told(self):
        registry = self.registry()
        registry.add(image_file("busybox"), "test/box:x")
        registry.basic = "someone:hunter2hunter2"
        name = f"{registry.host}/test/box:x"
        secret = os.path.join(self.folder, "secret")
        for text, works in (("someone:hunter2hunter2\n", True),
                            ("someone:wrongwrong\n", False),
                            ("nocolonhunter3", False)):
            with open(secret, "w", encoding="utf-8") as out:
                out.write(text)
            done = self.ctl("pull", "--creds", secret, name, check=False)
            self.assertEqual(done.returncode == 0, works, done.stderr)
            self.assertNotIn(text.strip(), done.stdout + done.stderr)
        self.assertNotIn("hunter2", self.server.log())
        self.call("RemoveImage", image=self.spec(name))
        done = self.ctl("pull", "--creds", "-", name,
                        input="someone:hunter2hunter2\n")

    def test_ctrl_c_ends_a_pull_within_two_seconds(self):
        registry = self.registry()
        registry.add(image_file("busybox"), "test/box:slow")
        layer = registry.layers("test/box:slow")[0]
        asked, release = threading.Event(), threading.Event()
        self.addCleanup(release.set)

        def wait(body):
            asked.set()
            release.wait(60)
            return body
        registry.spoil[layer] = wait
        name = f"{registry.host}/test/box:slow"
        client = subprocess.Popen(
            [self.PROGRAM, "--endpoint", "unix://" + self.server.socket,
             "pull", name], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)
        self.assertTrue(asked.wait(30))
        client.send_signal(signal.SIGINT)
        begin = time.monotonic()
        _, told = client.communicate(timeout=30)
        self.assertLess(time.monotonic() - begin, 2)
        self.assertEqual(client.returncode, 130, told)
        wait_until(lambda: "cancelled" in self.server.log().lower(),
                   "the server has ended it", 5)
        self.assertIsNone(self.image_of(name))
        release.set()
        registry.spoil.clear()
        self.pull(name)

    # -- archives

    def test_what_is_saved_is_what_was_pulled_digest_for_digest(self):
        registry = self.registry()
        digest = registry.add(image_file("layers4"), "test/four:x")
        name = f"{registry.host}/test/four:x"
        image_id = self.pull(name)
        archive = os.path.join(self.folder, "saved.tar")
        self.ctl("save", "-o", archive, name)
        # skopeo reads it, and sees the registry's manifest.
        raw = self.program("skopeo", "inspect", "--raw",
                           "oci-archive:" + archive)
        self.assertEqual(raw.encode(), registry.blobs[digest])
        copy = os.path.join(self.folder, "copy")
        self.program("skopeo", "copy", "--insecure-policy",
                     f"oci-archive:{archive}", f"oci:{copy}:x")
        blobs = set(os.listdir(copy + "/blobs/sha256"))
        self.assertEqual(blobs, set(self.blobs()))
        for blob in blobs:
            with open(f"{copy}/blobs/sha256/{blob}", "rb") as source:
                self.assertEqual(source.read(),
                                 registry.blobs["sha256:" + blob])
        # umoci unpacks it.
        layout = os.path.join(self.folder, "layout")
        with tarfile.open(archive) as tar:
            tar.extractall(layout)
        bundle = os.path.join(self.folder, "bundle")
        self.program("umoci", "unpack", "--image", layout + ":x", bundle)
        with open(bundle + "/rootfs/data/four", encoding="utf-8") as source:
            self.assertEqual(source.read().strip(), "four")
        # And so do we: all is as before.
        before = self.blobs()
        self.call("RemoveImage", image=self.spec(image_id))
        self.assertEqual(self.blobs(), [])
        loaded = self.server.load(archive)
        self.assertEqual([(i.id, list(i.names)) for i in loaded],
                         [(image_id, [name])])
        self.assertEqual(self.blobs(), before)
        self.assertEqual(self.image_of(name).repo_digests,
                         [f"{registry.host}/test/four@{digest}"])
        # Through a pipe, to standard output and from standard input.
        piped = subprocess.run(
            f"'{self.PROGRAM}' --endpoint unix://{self.server.socket} save "
            f"{name} | '{self.PROGRAM}' --endpoint "
            f"unix://{self.server.socket} load -", shell=True,
            capture_output=True, timeout=DEADLINE, check=False)
        self.assertEqual(piped.returncode, 0, piped.stderr)
        self.assertIn(name.encode(), piped.stdout)

    def test_a_docker_archive_is_read_by_skopeo(self):
        self.server.load(image_file("layers4"))
        self.ctl("tag", LAYERS4, "example.com/other:v2")
        archive = os.path.join(self.folder, "docker.tar")
        self.ctl("save", "--format", "docker", "-o", archive, LAYERS4)
        config = json.loads(self.program(
            "skopeo", "inspect", "--config", "docker-archive:" + archive))
        image = self.image_of(LAYERS4)
        copy = os.path.join(self.folder, "copy")
        self.program("skopeo", "copy", "--insecure-policy",
                     f"docker-archive:{archive}", f"dir:{copy}")
        self.assertIn(image.id[len("sha256:"):], os.listdir(copy))
        self.assertEqual(len(config["rootfs"]["diff_ids"]), 4)
        self.call("RemoveImage", image=self.spec(image.id))
        loaded = self.server.load(archive)
        # Named by one tag, it has that one in the archive.
        self.assertEqual([(i.id, list(i.names)) for i in loaded],
                         [(image.id, [LAYERS4])])
        done = self.ctl("save", "-o", archive + "2", LAYERS4, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("came in a docker-archive", done.stderr)
        self.assertEqual(sorted(os.listdir(self.folder)),
                         ["copy", "docker.tar"])

    def test_what_skopeo_writes_can_be_loaded(self):
        oci = "oci-archive:" + os.path.realpath(image_file("layers4"))
        # As skopeo sees the layout itself.
        raw = self.program("skopeo", "inspect", "--raw", oci)
        wanted = json.loads(raw)["config"]["digest"]
        for kind, reference in (("oci-archive", "x"),
                                ("docker-archive", "example.com/four:x")):
            archive = os.path.join(self.folder, kind + ".tar")
            self.program("skopeo", "copy", "--insecure-policy", oci,
                         f"{kind}:{archive}:{reference}")
            loaded = self.server.load(archive)
            if kind == "oci-archive":
                self.assertEqual(loaded[0].id, wanted)
            else:
                self.assertEqual(list(loaded[0].names), [reference])
            ended = self.run_to_end(self.make_pod(), "cat /data/four",
                                    image=loaded[0].id)
            self.assertEqual(gantry_case.log_texts(ended.log_path), ["four"])

    # -- names and space

    def test_tags_come_and_go(self):
        self.server.load(image_file("busybox"))
        image = self.image_of(BUSYBOX)
        self.ctl("tag", BUSYBOX, "example.com/mine:v1")
        self.assertEqual(self.image_of("example.com/mine:v1").id, image.id)
        self.assertTrue(self.admin("Untag", name=BUSYBOX).removed)
        self.assertFalse(self.admin("Untag", name=BUSYBOX).removed)
        self.assertIsNone(self.image_of(BUSYBOX))
        self.assertEqual(self.ctl("untag", BUSYBOX, check=False).returncode, 1)
        # Another image takes the name over.
        self.server.load(image_file("layers4"))
        self.admin("Tag", image=LAYERS4, name="example.com/mine:v1")
        self.assertNotEqual(self.image_of("example.com/mine:v1").id, image.id)
        self.assertEqual(list(self.image_of(image.id).repo_tags), [])
        self.server.restart()
        self.assertEqual(self.image_of("example.com/mine:v1").id,
                         self.image_of(LAYERS4).id)

    def test_history_names_the_layers(self):
        self.server.load(image_file("layers4"))
        steps = self.admin("History", image=LAYERS4).steps
        if steps:
            self.assertEqual(len([s for s in steps if s.diff_id]), 4)
        with self.assertRaises(gantry_case.grpc.RpcError) as caught:
            self.admin("History", image="no/such:image")
        self.assertEqual(caught.exception.code(),
                         gantry_case.grpc.StatusCode.NOT_FOUND)

    def test_usage_is_what_the_disk_says(self):
        self.server.load(image_file("layers4"))
        self.server.load(image_file("busybox"))
        container = self.make_container(
            self.make_pod(), "dd if=/dev/urandom of=/big bs=1M count=3 && "
            "sync && echo written; " + gantry_case.FOREVER, image=BUSYBOX)
        self.wait_text(container, "written")
        os.sync()

        def du(path):
            return int(self.program("du", "-s", "-B1", path).split()[0])
        usage = self.admin("Usage")
        self.assertEqual(usage.images_bytes, du(self.store))
        info = self.call("ImageFsInfo")
        self.assertEqual(info.image_filesystems[0].used_bytes.value,
                         du(self.store))
        written = next(c for c in usage.containers if c.id == container)
        self.assertEqual(
            written.bytes, du(f"{self.server.root}/containers/{container}"
                              "/upper"))
        self.assertGreaterEqual(written.bytes, 3 << 20)
        images = {image.id: image for image in usage.images}
        self.assertEqual(images[self.image_of(BUSYBOX).id].containers, 1)
        self.assertEqual(images[self.image_of(LAYERS4).id].containers, 0)
        self.assertIn(BUSYBOX, self.ctl("du").stdout)

    def test_prune_takes_what_nobody_uses(self):
        self.server.load(image_file("busybox"))
        self.server.load(image_file("layers4"))
        bare = self.server.load(self.random_image("localhost/bare:x", 1))[0].id
        self.admin("Untag", name="localhost/bare:x")
        self.make_container(self.make_pod(), image=BUSYBOX)
        before = self.admin("Usage").images_bytes
        told = self.admin("Prune", dry_run=True)
        self.assertEqual({image.id for image in told.images},
                         {bare, self.image_of(LAYERS4).id})
        self.assertEqual(len(self.call("ListImages").images), 3)
        pruned = self.admin("Prune", dangling_only=True)
        self.assertEqual([image.id for image in pruned.images], [bare])
        freed = before - self.admin("Usage").images_bytes
        self.assertLess(abs(freed - pruned.freed_bytes), 64 << 10)
        self.assertGreater(freed, 1 << 20)
        self.assertIn("removed " + LAYERS4, self.ctl("prune", "-a").stdout)
        self.assertEqual([list(image.repo_tags) for image in
                          self.call("ListImages").images], [[BUSYBOX]])

    # -- damage

    def layer_file(self, name):
        """The path of a file of some layer that has it."""
        for layer in self.layers():
            path = f"{self.store}/layers/{layer}/fs/{name}"
            if os.path.exists(path):
                return path
        raise AssertionError(f"no layer has {name}")

    def test_a_damaged_layer_is_found_and_mended_under_its_container(self):
        registry = self.registry()
        registry.add(image_file("layers4"), "test/four:x")
        name = f"{registry.host}/test/four:x"
        self.pull(name)
        container = self.make_container(self.make_pod(), image=name)
        self.assertEqual(self.findings(), [])
        path = self.layer_file("data/two")
        with open(path, "a", encoding="utf-8") as out:
            out.write("more")
        done = self.ctl("fsck", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/data/two: size", done.stdout)
        del registry.requests[:]
        done = self.ctl("fsck", "--repair")
        self.assertIn("mended", done.stdout)
        self.assertEqual(self.findings(), [])
        self.assertEqual(registry.requests, [])
        # The container goes on, and a new one has the right file.
        self.assertEqual(self.inside(container, "cat /data/four"), "four")
        fresh = self.make_container(self.make_pod(), image=name)
        self.assertEqual(self.inside(fresh, "cat /data/two"), "two")
        self.server.restart()
        self.assertEqual(self.inside(container, "cat /data/one"), "one")
        self.assertTrue(os.path.exists(path))
        # It goes with the container that had it.
        self.stop(container)
        self.remove(container)
        self.assertFalse(os.path.exists(path))
        self.assertEqual(self.inside(fresh, "cat /data/two"), "two")

    def test_a_lost_layer_costs_a_pull_of_that_layer_alone(self):
        registry = self.registry()
        registry.add(image_file("layers4"), "test/four:x")
        name = f"{registry.host}/test/four:x"
        image_id = self.pull(name)
        lost = self.layer_file("data/two").split("/fs/")[0]
        digests = registry.layers("test/four:x")
        self.server.kill()
        shutil.rmtree(lost)
        # Its blob as well, or the layer would be unpacked from that.
        blob = f"{self.store}/blobs/sha256/{digests[1][len('sha256:'):]}"
        os.unlink(blob)
        self.server.start()
        # A client that looks for the image pulls it; one that cleans up sees
        # it.
        self.assertIsNone(self.image_of(name))
        listed = self.call("ListImages").images
        self.assertEqual([image.id for image in listed], [image_id])
        self.assertIn("is missing", self.ctl("du").stdout)
        message = self.assert_code(
            "NOT_FOUND", "CreateContainer", "incomplete",
            pod_sandbox_id=self.make_pod(),
            config=self.container_config(image=name))
        say(message)
        del registry.requests[:]
        self.assertEqual(self.pull(name), image_id)
        self.assertEqual([path.split("/")[-1] for path in registry.requests
                          if "/blobs/" in path], [digests[1]])
        self.assertEqual(self.findings(), [])

    def test_a_damaged_blob_is_brought_back_by_a_pull(self):
        registry = self.registry()
        registry.add(image_file("layers4"), "test/four:x")
        name = f"{registry.host}/test/four:x"
        self.pull(name)
        digests = registry.layers("test/four:x")
        blob = f"{self.store}/blobs/sha256/{digests[2][len('sha256:'):]}"
        with open(blob, "r+b") as out:
            out.write(b"spoiled")
        found = self.findings(repair=True)
        self.assertEqual([f.object for f in found], [digests[2]])
        self.assertFalse(os.path.exists(blob))
        del registry.requests[:]
        self.pull(name)
        self.assertEqual([path.split("/")[-1] for path in registry.requests
                          if "/blobs/" in path], [digests[2]])
        self.assertEqual(self.findings(), [])

    def test_collection_and_use_at_the_same_time(self):
        """Pulls, containers, prunes and removals of the same layers."""
        registry = self.registry()
        registry.add(image_file("layers4"), "test/four:x")
        registry.add(image_file("busybox"), "test/box:x")
        names = [f"{registry.host}/test/{n}:x" for n in ("four", "box")]
        end = time.monotonic() + 4
        problems, counts = [], [0, 0, 0]

        def puller(name):
            while time.monotonic() < end:
                try:
                    self.pull(name)
                    counts[0] += 1
                except gantry_case.grpc.RpcError as error:
                    problems.append(f"pull: {error.details()}")

        def remover():
            pick = random.Random(1)
            while time.monotonic() < end:
                try:
                    if pick.random() < 0.5:
                        self.admin("Prune")
                    else:
                        self.call("RemoveImage",
                                  image=self.spec(pick.choice(names)))
                    counts[1] += 1
                except gantry_case.grpc.RpcError as error:
                    problems.append(f"remove: {error.details()}")

        def runner():
            pod = self.make_pod()
            while time.monotonic() < end:
                try:
                    self.pull(names[0])
                    container = self.make_container(pod, image=names[0])
                    if self.inside(container, "cat /data/one") != "one":
                        problems.append("a container lacks a layer")
                    self.stop(container)
                    self.remove(container)
                    counts[2] += 1
                except gantry_case.grpc.RpcError as error:
                    # Removed between the pull and the create.
                    if error.code() != gantry_case.grpc.StatusCode.NOT_FOUND:
                        problems.append(f"run: {error.details()}")
        threads = [threading.Thread(target=target, args=words)
                   for target, words in ((puller, (names[0],)),
                                         (puller, (names[1],)),
                                         (remover, ()), (remover, ()),
                                         (runner, ()))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        say("{} pulls, {} removals, {} containers".format(*counts))
        self.assertEqual(problems, [])
        self.assertTrue(all(counts))
        self.assertEqual(self.findings(), [])


if __name__ == "__main__":
    gantry_case.main()
