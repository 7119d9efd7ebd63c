"""Images beyond CRI: pulled with progress, saved, tagged, measured, pruned."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
from gantry_case import BUSYBOX, DEADLINE, LAYERS4, wait_until
from gantry_image_case import ImageCase
from gantry_server import image_file


class ImageAdmin(ImageCase):
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


if __name__ == "__main__":
    gantry_case.main()
