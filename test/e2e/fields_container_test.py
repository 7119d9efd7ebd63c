"""Fields of containers: what is asked for is so, and is told as it was asked."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_cgroup as cgroup
import gantry_images
from gantry_case import BUSYBOX, wait_until
from gantry_fields import covers, covers_unset
from gantry_server import image_file

ODD = {"a.b/c-d_e": "v", "empty": "", "multi\nline": "ünïcode \t value",
       "x" * 300: "y" * 3000}
WAIT = "echo ready; while :; do sleep 0.1; done"


class Containers(gantry_case.GantryCase):

    def derived(self, name, **config):
        """An image like busybox but for its configuration."""
        path = f"{self.server.top}/derived.tar"
        gantry_images.make(path, name, config=config,
                           base=image_file("busybox"))
        self.server.load(path)
        os.unlink(path)
        return name

    @covers("ContainerConfig.metadata", "ContainerMetadata.*",
            "ContainerConfig.labels", "ContainerConfig.annotations",
            "ContainerConfig.image", "RuntimeService.CreateContainer",
            "CreateContainerRequest.pod_sandbox_id",
            "CreateContainerRequest.config", "CreateContainerResponse.*",
            "RuntimeService.StartContainer", "StartContainerRequest.*",
            "RuntimeService.ContainerStatus", "ContainerStatusRequest.*",
            "ContainerStatusResponse.status", "ContainerStatusResponse.info",
            "RuntimeService.ListContainers", "ListContainersResponse.*",
            "RuntimeService.RemoveContainer", "RemoveContainerRequest.*",
            "Container.*", "ContainerStatus.id", "ContainerStatus.metadata",
            "ContainerStatus.state", "ContainerStatus.created_at",
            "ContainerStatus.started_at", "ContainerStatus.finished_at",
            "ContainerStatus.exit_code", "ContainerStatus.image",
            "ContainerStatus.image_ref", "ContainerStatus.image_id",
            "ContainerStatus.labels", "ContainerStatus.annotations",
            "ContainerStatus.reason", "ContainerState.CONTAINER_CREATED",
            "ContainerState.CONTAINER_RUNNING",
            "ContainerState.CONTAINER_EXITED")
    @covers_unset("ContainerState.CONTAINER_UNKNOWN")
    def test_who_a_container_is_and_when(self):
        pod = self.make_pod()
        times = [time.time_ns()]
        config = self.container_config(
            "while [ ! -e /end ]; do sleep 0.05; done; exit 7",
            labels=ODD, annotations=ODD)
        config.metadata.attempt = 2
        container = self.call("CreateContainer", pod_sandbox_id=pod,
                              config=config).container_id
        image = self.call("ImageStatus", image=self.api.ImageSpec(
            image=BUSYBOX)).image

        def check(state):
            status = self.call("ContainerStatus", container_id=container,
                               verbose=True)
            self.assertIn(container, status.info["info"])
            listed = self.call("ListContainers").containers[0]
            for seen in (status.status, listed):
                self.assertEqual(seen.id, container)
                self.assertEqual((seen.metadata.name, seen.metadata.attempt),
                                 (config.metadata.name, 2))
                self.assertEqual(seen.state, state)
                self.assertEqual(dict(seen.labels), ODD)
                self.assertEqual(dict(seen.annotations), ODD)
                self.assertEqual(seen.image.image, BUSYBOX)
                self.assertIn(seen.image_ref,
                              [image.id, *image.repo_digests])
                self.assertEqual(seen.image_id, image.id)
            self.assertEqual(listed.pod_sandbox_id, pod)
            self.assertEqual(listed.created_at, status.status.created_at)
            return status.status
        status = check(self.api.CONTAINER_CREATED)
        self.assertEqual((status.started_at, status.finished_at), (0, 0))
        self.call("StartContainer", container_id=container)
        status = check(self.api.CONTAINER_RUNNING)
        self.assertEqual(status.finished_at, 0)
        self.inside(container, "touch /end")
        self.wait_exited(container)
        status = check(self.api.CONTAINER_EXITED)
        self.assertEqual((status.exit_code, status.reason), (7, "Error"))
        times += [status.created_at, status.started_at, status.finished_at,
                  time.time_ns()]
        self.assertEqual(times, sorted(times))
        self.call("RemoveContainer", container_id=container)
        self.assert_code("NOT_FOUND", "ContainerStatus", container,
                         container_id=container)

    @covers("ContainerStatus.message", "ContainerStatus.reason")
    def test_a_failed_start_says_why(self):
        pod = self.make_pod()
        container = self.create(pod, self.container_config(
            command=["/no/such/program"]))
        self.assert_code("NOT_FOUND", "StartContainer", container_id=container)
        status = self.status(container)
        self.assertEqual(status.reason, "StartError")
        self.assertIn("/no/such/program", status.message)

    @covers("ListContainersRequest.filter", "ContainerFilter.*",
            "ContainerStateValue.state")
    def test_a_filters_conditions_hold_together(self):
        one, two = self.make_pod(), self.make_pod()
        running = self.make_container(one, labels={"role": "a", "n": "1"})
        created = self.create(two, self.container_config(
            labels={"role": "a", "n": "2"}))
        ended = self.make_container(two, "exit 0", labels={"role": "b"})
        self.wait_exited(ended)

        def ids(**condition):
            return {found.id for found in self.list_containers(**condition)}

        def state(name):
            return self.api.ContainerStateValue(
                state=self.api.ContainerState.Value("CONTAINER_" + name))
        self.assertEqual(ids(), {running, created, ended})
        self.assertEqual(ids(id=running[:12]), {running})
        self.assertEqual(ids(pod_sandbox_id=two), {created, ended})
        self.assertEqual(ids(pod_sandbox_id=two[:12]), {created, ended})
        self.assertEqual(ids(label_selector={"role": "a"}), {running, created})
        for name, expected in (("RUNNING", {running}), ("CREATED", {created}),
                               ("EXITED", {ended}), ("UNKNOWN", set())):
            self.assertEqual(ids(state=state(name)), expected, name)
        self.assertEqual(ids(pod_sandbox_id=two, state=state("EXITED"),
                             label_selector={"role": "b"}), {ended})
        self.assertEqual(ids(id=running, pod_sandbox_id=two), set())

    @covers("ContainerConfig.command", "ContainerConfig.args",
            "ContainerConfig.working_dir", "ContainerConfig.envs",
            "KeyValue.*")
    def test_program_directory_and_environment(self):
        pod = self.make_pod()
        image = self.derived("localhost/fields:entry", Entrypoint=["echo", "i"],
                             Cmd=["c"], Env=["FROM=image", "BOTH=image"],
                             WorkingDir="/usr")

        def output(**change):
            config = self.container_config(image=image)
            del config.command[:]
            for field, value in change.items():
                getattr(config, field)[:] = value
            container = self.create(pod, config)
            self.call("StartContainer", container_id=container)
            return gantry_case.log_texts(
                self.wait_exited(container).log_path)
        # Kubernetes' table of command and args.
        self.assertEqual(output(), ["i c"])
        self.assertEqual(output(args=["a", "b"]), ["i a b"])
        self.assertEqual(output(command=["echo", "x"]), ["x"])
        self.assertEqual(output(command=["echo"], args=["y"]), ["y"])
        status = self.run_to_end(
            pod, "pwd; echo $FROM $BOTH \"$ODD\"", image=image,
            env={"BOTH": "mine", "ODD": "a=b c\"d"}, working_dir="/made/here")
        self.assertEqual(gantry_case.log_texts(status.log_path),
                         ["/made/here", "image mine a=b c\"d"])
        status = self.run_to_end(pod, "pwd", image=image)
        self.assertEqual(gantry_case.log_texts(status.log_path), ["/usr"])
        for field, change in (
                ("config.envs[0].key", {"env": {"": "x"}}),
                ("config.envs[0].key", {"env": {"A=B": "x"}}),
                ("config.working_dir", {"working_dir": "relative"})):
            self.assert_code("INVALID_ARGUMENT", "CreateContainer", field,
                             pod_sandbox_id=pod,
                             config=self.container_config(**change))

    @covers("CreateContainerRequest.sandbox_config")
    def test_the_configuration_of_another_pod_is_refused(self):
        config = self.pod_config()
        pod = self.run_pod(config)
        self.call("CreateContainer", pod_sandbox_id=pod, sandbox_config=config,
                  config=self.container_config())
        config.metadata.uid = "another"
        told = self.assert_code(
            "INVALID_ARGUMENT", "CreateContainer",
            "sandbox_config.metadata.uid", pod_sandbox_id=pod,
            sandbox_config=config, config=self.container_config())
        self.assertIn("another", told)

    # -- signals

    @covers("ContainerConfig.stop_signal", "ContainerStatus.stop_signal",
            "Signal.*")
    def test_every_stop_signal_is_taken_and_told(self):
        pod = self.make_pod()
        # Second names of one number; the default is SIGTERM.
        same = {"SIGNAL_RUNTIME_DEFAULT": "SIGNAL_SIGTERM"}
        numbers = {}
        for name, value in self.api.Signal.items():
            container = self.create(pod, self.container_config(
                stop_signal=value))
            told = self.api.Signal.Name(self.status(container).stop_signal)
            numbers.setdefault(told, []).append(name)
            if told != name:
                same[name] = same.get(name, told)
            self.assertEqual(told, same.get(name, name))
            self.remove(container)
        doubles = {tuple(names) for names in numbers.values()
                   if len(names) > 1}
        self.assertEqual(doubles, {
            ("SIGNAL_RUNTIME_DEFAULT", "SIGNAL_SIGTERM"),
            ("SIGNAL_SIGABRT", "SIGNAL_SIGIOT"),
            ("SIGNAL_SIGCHLD", "SIGNAL_SIGCLD"),
            ("SIGNAL_SIGIO", "SIGNAL_SIGPOLL")})

    @covers("RuntimeService.StopContainer", "StopContainerRequest.*",
            "ContainerConfig.stop_signal")
    def test_the_stop_signal_is_the_clients_then_the_images(self):
        pod = self.make_pod()
        image = self.derived("localhost/fields:signal", StopSignal="SIGUSR2")
        script = "".join(f"trap 'exit {number}' {number};" for number in (
            signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM,
            signal.SIGRTMIN + 3)) + WAIT
        for chosen, of_image, expected in (
                (self.api.SIGNAL_SIGUSR1, image, signal.SIGUSR1),
                (0, image, signal.SIGUSR2), (0, BUSYBOX, signal.SIGTERM),
                (self.api.SIGNAL_SIGRTMINPLUS3, image, signal.SIGRTMIN + 3)):
            container = self.make_container(pod, script, image=of_image,
                                            stop_signal=chosen)
            self.wait_text(container, "ready")
            self.call("StopContainer", container_id=container, timeout=30)
            self.assertEqual(self.status(container).exit_code, expected)
        self.assert_code("INVALID_ARGUMENT", "StopContainer", "timeout",
                         container_id=container, timeout=-1)

    # -- users, limits, mounts

    @covers("ContainerStatus.user", "ContainerUser.linux",
            "LinuxContainerUser.*")
    def test_the_user_is_told_as_resolved(self):
        pod = self.make_pod()
        container = self.make_container(pod, security={
            "run_as_user": self.api.Int64Value(value=1000),
            "run_as_group": self.api.Int64Value(value=2000),
            "supplemental_groups": [3000, 4000]})
        user = self.status(container).user.linux
        self.assertEqual((user.uid, user.gid), (1000, 2000))
        self.assertLessEqual({3000, 4000}, set(user.supplemental_groups))
        self.assertEqual(self.inside(container, "id -u; id -g"), "1000\n2000")
        self.assertEqual(
            {int(group) for group in self.inside(container,
                                                 "id -G").split()},
            set(user.supplemental_groups) | {2000})

    @covers("ContainerConfig.linux", "LinuxContainerConfig.*",
            "LinuxContainerResources.cpu_period",
            "LinuxContainerResources.cpu_quota",
            "LinuxContainerResources.cpu_shares",
            "LinuxContainerResources.memory_limit_in_bytes",
            "LinuxContainerResources.memory_swap_limit_in_bytes",
            "LinuxContainerResources.oom_score_adj",
            "LinuxContainerResources.cpuset_cpus",
            "LinuxContainerResources.cpuset_mems",
            "LinuxContainerResources.hugepage_limits", "HugepageLimit.*",
            "ContainerStatus.resources", "ContainerResources.linux")
    def test_resources_are_told_as_asked(self):
        asked = self.api.LinuxContainerResources(
            cpu_period=50000, cpu_quota=20000, cpu_shares=300,
            memory_limit_in_bytes=64 << 20,
            memory_swap_limit_in_bytes=96 << 20, oom_score_adj=77,
            cpuset_cpus="0", cpuset_mems="0", hugepage_limits=[
                self.api.HugepageLimit(page_size="2MB", limit=2 << 20)])
        config = self.container_config()
        config.linux.resources.CopyFrom(asked)
        config.linux.security_context.no_new_privs = True
        container = self.create(self.make_pod(), config)
        self.assertEqual(self.status(container).resources.linux, asked)
        self.call("StartContainer", container_id=container)
        self.assertEqual(self.status(container).resources.linux, asked)

    @covers("RuntimeService.UpdateContainerResources",
            "UpdateContainerResourcesRequest.container_id",
            "UpdateContainerResourcesRequest.linux",
            "UpdateContainerResourcesRequest.annotations")
    def test_an_updates_annotations_are_not_the_containers(self):
        container = self.make_container(self.make_pod(),
                                        annotations={"a": "1"})
        self.call("UpdateContainerResources", container_id=container,
                  linux=self.api.LinuxContainerResources(cpu_shares=99),
                  annotations={"a": "2", "b": "3"})
        status = self.status(container)
        self.assertEqual(status.resources.linux.cpu_shares, 99)
        self.assertEqual(dict(status.annotations), {"a": "1"})

    @covers("LinuxContainerResources.unified")
    def test_files_of_another_cgroup_version_are_refused_by_name(self):
        if cgroup.unified_has("memory"):
            self.skipTest("memory is a controller of cgroup v2 here")
        config = self.container_config(
            resources={"unified": {"memory.high": "1000000"}})
        self.assert_code("FAILED_PRECONDITION", "CreateContainer",
                         "memory.high", pod_sandbox_id=self.make_pod(),
                         config=config)

    @covers("ContainerConfig.mounts", "ContainerStatus.mounts",
            "Mount.container_path", "Mount.host_path", "Mount.readonly",
            "Mount.selinux_relabel", "MountPropagation.PROPAGATION_PRIVATE")
    def test_mounts_are_told_as_asked(self):
        mounts = [self.api.Mount(container_path="/a", host_path="/etc",
                                 readonly=True),
                  # Without SELinux no file has a label to be changed.
                  self.api.Mount(container_path="/b", selinux_relabel=True,
                                 host_path=self.server.logs,
                                 propagation="PROPAGATION_PRIVATE")]
        container = self.make_container(self.make_pod(), mounts=mounts)
        self.assertEqual(list(self.status(container).mounts), mounts)
        self.assertIn("ro", self.inside(
            container, "awk '$2 == \"/a\" {print $4}' /proc/mounts"
        ).split(","))

    # -- what runs in them

    @covers("RuntimeService.ExecSync", "ExecSyncRequest.*",
            "ExecSyncResponse.*")
    def test_exec_sync_gives_both_outputs_and_the_code(self):
        container = self.make_container(self.make_pod())
        answer = self.call("ExecSync", container_id=container, timeout=30,
                           cmd=["sh", "-c", "echo out; echo err >&2; exit 3"])
        self.assertEqual((answer.stdout, answer.stderr, answer.exit_code),
                         (b"out\n", b"err\n", 3))
        begin = time.monotonic()
        self.assert_code("DEADLINE_EXCEEDED", "ExecSync",
                         container_id=container, timeout=1,
                         cmd=["sleep", "100"])
        self.assertLess(time.monotonic() - begin, 30)

    @covers("RuntimeService.ReopenContainerLog", "ReopenContainerLogRequest.*")
    def test_the_log_can_be_opened_anew(self):
        container = self.make_container(
            self.make_pod(), "while :; do echo tick; sleep 0.02; done")
        path = self.log_path(container)
        self.wait_text(container, "tick")
        os.rename(path, path + ".1")
        self.call("ReopenContainerLog", container_id=container)
        wait_until(lambda: gantry_case.log_texts(path), "the new file fills")

    @covers("ContainerConfig.tty")
    def test_a_terminal_is_one(self):
        status = self.run_to_end(self.make_pod(), "tty; test -t 0 && echo yes",
                                 tty=True)
        texts = [text.rstrip("\r") for text in
                 gantry_case.log_texts(status.log_path)]
        self.assertEqual(texts, ["/dev/pts/0", "yes"])

    @covers("ContainerConfig.stdin", "ContainerConfig.stdin_once")
    def test_input_stays_open_for_who_attaches(self):
        pod = self.make_pod()
        closed = self.run_to_end(pod, "cat; echo end")
        self.assertEqual(gantry_case.log_texts(closed.log_path), ["end"])
        for once in (False, True):
            container = self.make_container(pod, "echo ready; cat; echo end",
                                            stdin=True, stdin_once=once)
            self.wait_text(container, "ready")
            time.sleep(0.2)
            self.assertEqual(self.texts(container), ["ready"])

    def test_out_of_memory_is_told_of_the_program_alone(self):
        pod = self.make_pod()
        limit = {"memory_limit_in_bytes": 40 << 20}
        status = self.run_to_end(pod, "exec tail -c 300m /dev/zero",
                                 resources=limit)
        self.assertEqual((status.exit_code, status.reason),
                         (137, "OOMKilled"))
        # A child's end is not the container's.
        status = self.run_to_end(
            pod, "sh -c 'exec tail -c 300m /dev/zero'; exit 0",
            resources=limit)
        self.assertEqual((status.exit_code, status.reason), (0, "Completed"))
        # Nor is somebody's SIGKILL a want of memory.
        container = self.make_container(pod, resources=limit)
        self.stop(container)
        self.assertEqual(self.status(container).reason, "Error")


if __name__ == "__main__":
    gantry_case.main()
