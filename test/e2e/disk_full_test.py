"""A full disk: what needs room is refused and leaves nothing, what takes none
or makes some works, and what happened meanwhile is known, then and later."""

import contextlib
import os
import shutil
import signal
import sys
import time

import grpc

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import LAYERS4, image_file, say, wait_until

# Makes every change of a record need more room than its last page has.
LARGE = {"padding": "x" * 6000}
ENDS = ("trap 'exit 7' TERM; trap 'exit 3' USR1; echo ready; "
        "while :; do sleep 0.1; done")
KILLED = host.patience(8)


class FullDisk:
    """No byte is left on the disk at `directory` until it is freed."""

    def __init__(self, directory):
        self.path = directory + "/fill"
        for size in (1 << 20, 4096):
            with contextlib.suppress(OSError), \
                    open(self.path, "ab", buffering=0) as out:
                while True:
                    out.write(b"x" * size)

    def free(self):
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.path)


class NoInodes:
    """No file can be made there until it is freed."""

    def __init__(self, directory):
        self.path = directory + "/files"
        os.mkdir(self.path)
        with contextlib.suppress(OSError):
            for number in range(1 << 20):
                os.close(os.open(f"{self.path}/{number}", os.O_CREAT))

    def free(self):
        if os.path.exists(self.path):
            shutil.rmtree(self.path)


class DiskCase(gantry_case.GantryCase):

    def fill(self, directory, kind=FullDisk):
        full = kind(directory)
        self.addCleanup(full.free)
        return full

    def ready_container(self, script=ENDS, pod=None, **config):
        container = self.make_container(pod or self.make_pod(), script,
                                        **config)
        self.wait_text(container, "ready")
        return container

    def end(self, container, number=signal.SIGUSR1):
        os.kill(self.pid(container), number)
        return self.wait_exited(container)

    def wait_saved(self, container):
        """Until its record on disk is what is known of it."""
        def saved():
            log = self.server.log()
            return log.rfind(f"what became of {container} is known") <= \
                log.rfind(f"the record of {container} is written now")
        wait_until(saved, f"the record of {container} is written")

    def exit_record(self, container):
        return f"{self.server.run}/containers/{container}/exit.pb"

    def one_life(self):
        pod = self.make_pod()
        self.assertEqual(self.run_to_end(pod, "exit 3").exit_code, 3)
        self.remove_pod(pod)
        self.pods.remove(pod)


class RootCase(DiskCase):
    """The directory of records and images has a disk of its own."""
    KIND = FullDisk
    OPTIONS = "size=24m,mode=700"

    @classmethod
    def new_server(cls):
        server = super().new_server()
        server.give_disk(server.root, cls.OPTIONS)
        return server

    def fill_root(self):
        return self.fill(self.server.root, self.KIND)

    def assert_refused(self, verb, **fields):
        said = self.assert_code("RESOURCE_EXHAUSTED", verb, "ENOSPC", **fields)
        say(f"{verb}: {said}")


class WhateverIsMissing:

    def test_an_end_is_known_at_once_and_on_disk_later(self):
        stopped = self.ready_container(annotations=LARGE)
        ended = self.ready_container(annotations=LARGE)
        full = self.fill_root()
        self.stop(stopped, 30)
        self.end(ended)

        def check(when):
            codes = [self.status(c).exit_code for c in (stopped, ended)]
            self.assertEqual(codes, [7, 3], when)
            self.assertEqual([self.state(c) for c in (stopped, ended)],
                             ["EXITED"] * 2, when)
        check("with the disk full")
        self.server.restart()
        check("after a restart with the disk full")
        full.free()
        for container in (stopped, ended):
            self.wait_saved(container)
        # Nothing else tells of it now.
        self.server.kill()
        for container in (stopped, ended):
            os.remove(self.exit_record(container))
        self.server.start()
        check("from the disk alone")

    def test_what_was_stopped_stays_so(self):
        pod = self.make_pod(annotations=LARGE)
        container = self.ready_container(pod=pod, annotations=LARGE)
        created = self.create(pod, self.container_config(annotations=LARGE))
        self.fill_root()
        self.stop(created)
        self.call("StopPodSandbox", pod_sandbox_id=pod)
        for when in ("then", "after a restart"):
            self.assertEqual(self.pod_status(pod).state,
                             self.api.SANDBOX_NOTREADY, when)
            self.assertEqual(self.status(container).exit_code, 137, when)
            self.assertNotEqual(self.state(created), "RUNNING", when)
            self.server.restart()

    def test_all_can_be_stopped_and_removed(self):
        first, second = [self.make_pod(annotations=LARGE) for _ in range(2)]
        running = self.ready_container(pod=first, annotations=LARGE)
        removed = self.ready_container(pod=second, annotations=LARGE)
        shared = self.make_pod(pid="POD", annotations=LARGE)
        self.server.load(image_file("layers4"))
        self.fill_root()
        self.stop(running, 1)
        self.remove(running)
        self.remove(removed)
        for pod in (first, second, shared):
            self.remove_pod(pod)
            self.pods.remove(pod)
        self.call("RemoveImage", image=self.api.ImageSpec(image=LAYERS4))
        self.assert_nothing_left()

    def test_it_serves_when_the_disk_is_full_at_its_start(self):
        container = self.ready_container()
        full = self.fill_root()
        self.server.stop()
        self.server.start()
        self.assertEqual(self.state(container), "RUNNING")
        self.assertEqual(self.inside(container, "echo works"), "works")
        full.free()
        self.one_life()


class FullRoot(WhateverIsMissing, RootCase):
    """No room for a byte."""

    def test_what_needs_room_is_refused_and_leaves_nothing(self):
        pod = self.make_pod(annotations=LARGE)
        created = self.create(pod, self.container_config(
            "exit 3", annotations=LARGE))
        full = self.fill_root()
        new_pod = self.pod_config(annotations=LARGE)
        new_container = self.container_config("exit 3", annotations=LARGE)
        self.assert_refused("RunPodSandbox", config=new_pod)
        self.assert_refused("CreateContainer", pod_sandbox_id=pod,
                            config=new_container)
        self.assert_refused("StartContainer", container_id=created)
        with self.assertRaises(grpc.RpcError) as caught:
            self.server.load(image_file("layers4"))
        self.assertEqual(caught.exception.code(),
                         grpc.StatusCode.RESOURCE_EXHAUSTED,
                         caught.exception.details())
        say("Load:", caught.exception.details())
        self.assertEqual([p.id for p in self.list_pods()], [pod])
        self.assertEqual([c.id for c in self.list_containers()], [created])
        self.assertEqual(self.state(created), "CREATED")
        full.free()
        # The same requests, without anything in their way.
        self.call("StartContainer", container_id=created)
        self.assertEqual(self.wait_exited(created).exit_code, 3)
        self.assertEqual(self.wait_exited(self.make_started(
            pod, new_container)).exit_code, 3)
        self.run_pod(new_pod)
        self.server.load(image_file("layers4"))
        self.call("RemoveImage", image=self.api.ImageSpec(image=LAYERS4))

    def make_started(self, pod, config):
        container = self.create(pod, config)
        self.call("StartContainer", container_id=container)
        return container

    def test_an_update_is_refused_as_a_whole(self):
        container = self.ready_container(
            annotations=LARGE, resources={"memory_limit_in_bytes": 64 << 20})
        full = self.fill_root()
        wish = self.api.LinuxContainerResources(
            memory_limit_in_bytes=32 << 20)
        self.assert_refused("UpdateContainerResources",
                            container_id=container, linux=wish)

        def limit():
            return self.status(container).resources.linux.\
                memory_limit_in_bytes
        self.assertEqual(limit(), 64 << 20)
        full.free()
        self.call("UpdateContainerResources", container_id=container,
                  linux=wish)
        self.assertEqual(limit(), 32 << 20)


class NoFiles(WhateverIsMissing, RootCase):
    """Room enough, but no inode."""
    KIND = NoInodes
    OPTIONS = "size=64m,nr_inodes=3000,mode=700"

    def test_what_needs_a_file_is_refused_and_leaves_nothing(self):
        pod = self.make_pod()
        full = self.fill_root()
        config = self.container_config("exit 3")
        self.assert_refused("RunPodSandbox", config=self.pod_config())
        self.assert_refused("CreateContainer", pod_sandbox_id=pod,
                            config=config)
        self.assertEqual([p.id for p in self.list_pods()], [pod])
        self.assertEqual(list(self.list_containers()), [])
        full.free()
        container = self.create(pod, config)
        self.call("StartContainer", container_id=container)
        self.assertEqual(self.wait_exited(container).exit_code, 3)


class FullRun(DiskCase):
    """The directory of what ends with the boot."""

    @classmethod
    def new_server(cls):
        server = super().new_server()
        server.give_disk(server.run, "size=4m,mode=700")
        return server

    def test_an_end_is_known_though_its_record_cannot_be_written(self):
        containers = [self.ready_container() for _ in range(2)]
        shims = [self.info(c)["shim_pid"] for c in containers]
        full = self.fill(self.server.run)
        self.end(containers[0])
        # The second one with nobody there to hear of it.
        pid = self.pid(containers[1])
        self.server.kill()
        os.kill(pid, signal.SIGUSR1)
        wait_until(lambda: not host.exists(pid), "it ends")
        self.server.start()
        for container in containers:
            self.assertEqual(self.state(container), "EXITED")
            self.assertEqual(self.status(container).exit_code, 3)
            self.assertFalse(os.path.exists(self.exit_record(container)))
        full.free()
        for container, shim in zip(containers, shims):
            wait_until(lambda: not host.exists(shim), "the shim ends")
            self.assertTrue(os.path.exists(self.exit_record(container)))

    def test_all_can_be_stopped_and_removed(self):
        first, second = [self.make_pod() for _ in range(2)]
        running = self.ready_container(pod=first)
        removed = self.ready_container(pod=second)
        self.fill(self.server.run)
        self.stop(running, 30)
        self.assertEqual(self.status(running).exit_code, 7)
        self.remove(running)
        self.remove(removed)
        for pod in (first, second):
            self.remove_pod(pod)
            self.pods.remove(pod)
        self.assert_nothing_left()

    def test_what_needs_room_is_refused_and_leaves_nothing(self):
        full = self.fill(self.server.run)
        said = self.assert_code("RESOURCE_EXHAUSTED", "RunPodSandbox",
                                "ENOSPC", config=self.pod_config())
        say("RunPodSandbox:", said)
        self.assert_nothing_left()
        full.free()
        self.one_life()


class FullLog(DiskCase):
    """Where the logs of containers are."""

    @classmethod
    def new_server(cls):
        server = super().new_server()
        server.give_disk(server.logs, "size=1m,mode=700")
        return server

    def test_a_container_whose_log_is_full_can_be_stopped(self):
        container = self.make_container(self.make_pod(), "yes; sleep 1000")
        self.addCleanup(os.truncate, self.log_path(container), 0)
        other = self.make_container(self.make_pod(), log_path="")
        wait_until(lambda: os.statvfs(self.server.logs).f_bavail == 0,
                   "the log is full")
        begin = time.monotonic()
        self.stop(container, 1)
        took = time.monotonic() - begin
        say(f"stopped after {took:.2f} s: {self.status(container)}")
        # What it said and nobody could write was waited for.
        self.assertLess(took, 1 + KILLED + 10)
        self.assertEqual(self.status(container).exit_code, 137)
        self.assertEqual(self.status(container).reason, "Error")
        self.assertEqual(self.state(other), "RUNNING")

    def test_it_goes_on_where_it_stood(self):
        full = self.fill(self.server.logs)
        container = self.make_container(
            self.make_pod(), "i=0; while [ $i -lt 3000 ]; do echo line $i; "
            "i=$((i + 1)); done; echo end; exit 4")
        time.sleep(0.5)  # in which it would have ended
        self.assertEqual(self.state(container), "RUNNING")
        full.free()
        self.assertEqual(self.wait_exited(container).exit_code, 4)
        self.assertEqual(self.texts(container),
                         [f"line {i}" for i in range(3000)] + ["end"])


if __name__ == "__main__":
    gantry_case.main()
