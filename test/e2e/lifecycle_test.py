"""The life of pods and containers: states, repeats, mistakes, ends."""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import DEADLINE, FOREVER, say, wait_until


class Lifecycle(gantry_case.GantryCase):

    # -- repeats

    def test_stop_and_remove_can_be_repeated(self):
        pod = self.make_pod()
        container = self.make_container(pod)
        for _ in range(2):
            self.stop(container)
            self.assertEqual(self.state(container), "EXITED")
        for _ in range(2):
            self.remove(container)
        self.stop(container)
        for _ in range(2):
            self.call("StopPodSandbox", pod_sandbox_id=pod)
            self.assertEqual(self.pod_status(pod).state,
                             self.api.SANDBOX_NOTREADY)
        for _ in range(2):
            self.call("RemovePodSandbox", pod_sandbox_id=pod)
        self.call("StopPodSandbox", pod_sandbox_id=pod)

    def test_what_is_unknown_is_not_found_but_gone_is_gone(self):
        for verb, field in (("ContainerStatus", "container_id"),
                            ("StartContainer", "container_id"),
                            ("ReopenContainerLog", "container_id"),
                            ("UpdateContainerResources", "container_id"),
                            ("ContainerStats", "container_id"),
                            ("PodSandboxStatus", "pod_sandbox_id")):
            with self.subTest(verb):
                self.assert_code("NOT_FOUND", verb, "unknown-id",
                                 **{field: "unknown-id"})
        self.assert_code("NOT_FOUND", "ExecSync", "unknown-id",
                         container_id="unknown-id", cmd=["true"])
        self.assert_code("NOT_FOUND", "CreateContainer", "unknown-id",
                         pod_sandbox_id="unknown-id",
                         config=self.container_config())
        for verb in ("StopContainer", "RemoveContainer"):
            self.call(verb, container_id="unknown-id")
        for verb in ("StopPodSandbox", "RemovePodSandbox"):
            self.call(verb, pod_sandbox_id="unknown-id")

    def test_a_second_start_is_refused(self):
        pod = self.make_pod()
        container = self.make_container(pod)
        self.assert_code("FAILED_PRECONDITION", "StartContainer",
                         container_id=container)
        self.assertEqual(self.state(container), "RUNNING")
        self.stop(container)
        self.assert_code("FAILED_PRECONDITION", "StartContainer",
                         container_id=container)

    def test_the_same_pod_twice_is_one_and_another_one_of_its_name_none(self):
        config = self.pod_config(labels={"a": "1", "b": "2"})
        pod = self.run_pod(config)
        self.assertEqual(self.run_pod(config), pod)
        config.hostname = "different"
        self.assert_code("ALREADY_EXISTS", "RunPodSandbox", pod, config=config)
        config.metadata.attempt = 1
        self.assertNotEqual(self.run_pod(config), pod)

    def test_the_same_container_twice_is_one(self):
        pod = self.make_pod()
        config = self.container_config()
        container = self.create(pod, config)
        self.assertEqual(self.create(pod, config), container)
        config.labels["new"] = "label"
        self.assert_code("ALREADY_EXISTS", "CreateContainer", container,
                         pod_sandbox_id=pod, config=config)
        del config.labels["new"]
        self.call("StartContainer", container_id=container)
        self.assert_code("ALREADY_EXISTS", "CreateContainer", container,
                         pod_sandbox_id=pod, config=config)
        # The name is free again once its holder is gone.
        self.remove(container)
        self.assertNotEqual(self.create(pod, config), container)

    def test_a_pods_name_is_free_after_its_removal(self):
        config = self.pod_config()
        pod = self.run_pod(config)
        self.call("StopPodSandbox", pod_sandbox_id=pod)
        self.assert_code("ALREADY_EXISTS", "RunPodSandbox", pod, config=config)
        self.call("RemovePodSandbox", pod_sandbox_id=pod)
        self.assertNotEqual(self.run_pod(config), pod)

    # -- mistakes

    def test_a_stopped_pod_takes_no_containers(self):
        pod = self.make_pod()
        created = self.create(pod, self.container_config())
        self.call("StopPodSandbox", pod_sandbox_id=pod)
        self.assert_code("FAILED_PRECONDITION", "CreateContainer", pod,
                         pod_sandbox_id=pod, config=self.container_config())
        self.assert_code("FAILED_PRECONDITION", "StartContainer",
                         container_id=created)

    def test_a_missing_image_is_not_found_and_leaves_nothing(self):
        pod = self.make_pod()
        self.assert_code("NOT_FOUND", "CreateContainer", "no/such:image",
                         pod_sandbox_id=pod,
                         config=self.container_config(image="no/such:image"))
        self.assertEqual(list(self.list_containers()), [])

    def test_a_bad_value_is_named(self):
        pod = self.make_pod()
        cases = {
            "config.metadata": {"clear": "metadata"},
            "config.image": {"image": ""},
            "config.log_path": {"log_path": "../../etc/cron.d/x"},
            "config.working_dir": {"working_dir": "relative"},
            "config.linux.resources.oom_score_adj":
                {"resources": {"oom_score_adj": 5000}},
            "config.linux.security_context.run_as_user":
                {"security": {"run_as_user": self.api.Int64Value(value=-1)}},
            "config.mounts[0].container_path":
                {"mounts": [self.api.Mount(container_path="x",
                                           host_path="/tmp")]},
        }
        for field, change in cases.items():
            with self.subTest(field):
                clear = change.pop("clear", None)
                config = self.container_config(**change)
                if clear:
                    config.ClearField(clear)
                say(self.assert_code(
                    "INVALID_ARGUMENT", "CreateContainer", field,
                    pod_sandbox_id=pod, config=config))
        self.assertEqual(list(self.list_containers()), [])
        config = self.pod_config()
        config.ClearField("metadata")
        self.assert_code("INVALID_ARGUMENT", "RunPodSandbox",
                         "config.metadata", config=config)

    def test_a_missing_program_fails_the_start_and_is_told(self):
        pod = self.make_pod()
        container = self.create(pod, self.container_config(
            command=["/no/such/program"]))
        told = self.assert_code("NOT_FOUND", "StartContainer",
                                "/no/such/program", container_id=container)
        say(told)
        status = self.status(container)
        self.assertEqual((self.state(container), status.reason,
                          status.exit_code), ("EXITED", "StartError", 128))
        self.assertIn("/no/such/program", status.message)
        self.assertGreater(status.finished_at, 0)
        self.assertEqual(host.cgroup_processes(self.server.cgroup_parent),
                         set())
        wait_until(lambda: not host.cgroup_dirs(
            self.server.pod_cgroup(pod)),
            "the container's cgroup is gone")

    # -- ends

    def test_exit_codes_and_reasons(self):
        pod = self.make_pod()
        for script, code, reason in (("exit 0", 0, "Completed"),
                                     ("exit 5", 5, "Error"),
                                     ("exec no-such-command", 127, "Error"),
                                     ("sh -c 'kill -TERM $$'; exit $?", 143,
                                      "Error")):
            with self.subTest(script):
                status = self.run_to_end(pod, script)
                self.assertEqual((status.exit_code, status.reason),
                                 (code, reason))
                self.assertLessEqual(status.created_at, status.started_at)
                self.assertLessEqual(status.started_at, status.finished_at)
                self.assertLess(abs(time.time_ns() - status.finished_at),
                                60e9)

    def test_a_signal_from_outside_counts_as_128_and_its_number(self):
        # Number 1 of a PID namespace is deaf to all but SIGKILL from outside.
        options = {"namespace_options": self.api.NamespaceOption(pid="NODE")}
        pod = self.make_pod(pid="NODE")
        for number in (9, 11, 15):
            container = self.make_container(pod, command=["sleep", "1000"],
                                            security=options)
            os.kill(self.pid(container), number)
            status = self.wait_exited(container)
            self.assertEqual((status.exit_code, status.reason),
                             (128 + number, "Error"))

    def test_stop_asks_first_and_kills_after_the_timeout(self):
        pod = self.make_pod()
        polite = self.make_container(
            pod, "trap 'exit 42' TERM; echo ready; while :; do sleep 0.1;"
            " done")
        stubborn = self.make_container(
            pod, "trap '' TERM; echo ready; while :; do sleep 0.1; done")
        for container in (polite, stubborn):
            self.wait_text(container, "ready")
        self.stop(polite, 30)
        self.assertEqual(self.status(polite).exit_code, 42)
        begin = time.monotonic()
        self.stop(stubborn, 1)
        self.assertGreaterEqual(time.monotonic() - begin, 1)
        self.assertEqual(self.status(stubborn).exit_code, 137)

    def test_a_stop_waits_for_a_program_that_has_only_begun(self):
        # Before its trap is set the kernel would drop the signal.
        pod = self.make_pod()
        container = self.make_container(
            pod, "sleep 0.5; trap 'exit 42' TERM; while :; do sleep 0.1; done")
        self.stop(container, 30)
        self.assertEqual(self.status(container).exit_code, 42)

    def test_a_program_may_end_before_its_shim_looks(self):
        pod = self.make_pod()
        # After it the next container's shim is started.
        self.assertEqual(self.run_to_end(pod, "exit 0").exit_code, 0)
        shim, = wait_until(
            lambda: [pid for pid, name in self.server.made_ahead().items()
                     if name == "gantry-ahead"], "a shim that is there ahead")
        # It begins to watch init when init has long ended.
        tracer = subprocess.Popen(
            ["strace", "-qq", "-o", "/dev/null", "-p", str(shim),
             "-e", "trace=epoll_ctl",
             "-e", "inject=epoll_ctl:delay_enter=200000"])
        self.addCleanup(tracer.wait)
        self.addCleanup(tracer.terminate)
        wait_until(lambda: host.status(shim)["TracerPid"] != "0",
                   "the tracer has the shim")
        self.assertEqual(self.run_to_end(pod, "exit 3").exit_code, 3)
        # It was that shim.
        tracer.wait(timeout=DEADLINE)

    def test_the_stop_signal_is_the_clients(self):
        pod = self.make_pod()
        container = self.make_container(
            pod, "trap 'exit 9' USR1; echo ready; while :; do sleep 0.1; done",
            stop_signal=self.api.SIGNAL_SIGUSR1)
        self.wait_text(container, "ready")
        self.assertEqual(self.status(container).stop_signal,
                         self.api.SIGNAL_SIGUSR1)
        self.stop(container, 30)
        self.assertEqual(self.status(container).exit_code, 9)

    def test_others_can_work_while_one_container_stops(self):
        pod = self.make_pod()
        stubborn = self.make_container(
            pod, "trap '' TERM; echo ready; while :; do sleep 0.1; done")
        self.wait_text(stubborn, "ready")
        pending = self.server.runtime.StopContainer.future(
            self.api.StopContainerRequest(container_id=stubborn, timeout=4),
            timeout=DEADLINE)
        time.sleep(0.3)
        self.assertEqual(self.inside(stubborn, "echo works"), "works")
        other = self.make_container(pod)
        self.assertEqual(self.inside(other, "echo too"), "too")
        self.assertFalse(pending.done(), "a machine too slow for this test")
        pending.result()
        self.assertEqual(self.status(stubborn).exit_code, 137)

    def test_a_container_never_started_can_be_stopped(self):
        pod = self.make_pod()
        container = self.create(pod, self.container_config())
        self.stop(container)
        self.assertEqual(self.state(container), "EXITED")
        self.assert_code("FAILED_PRECONDITION", "ExecSync",
                         container_id=container, cmd=["true"])

    def test_removing_what_runs_kills_it(self):
        pod = self.make_pod()
        container = self.make_container(pod)
        pid = self.pid(container)
        self.remove(container)
        self.assertFalse(host.exists(pid))
        other = self.make_container(pod)
        pid = self.pid(other)
        self.call("RemovePodSandbox", pod_sandbox_id=pod)
        self.assertFalse(host.exists(pid))
        self.assert_code("NOT_FOUND", "ContainerStatus", container_id=other)

    def test_stopping_a_pod_ends_its_containers(self):
        pod = self.make_pod()
        container = self.make_container(pod, "trap '' TERM; " + FOREVER)
        pid = self.pid(container)
        self.call("StopPodSandbox", pod_sandbox_id=pod)
        self.assertFalse(host.exists(pid))
        self.assertEqual(self.state(container), "EXITED")
        self.assertEqual(host.mounts_below(self.server.run), [])

    # -- lists

    def test_filters(self):
        one = self.make_pod(labels={"app": "one", "tier": "x"})
        two = self.make_pod(labels={"app": "two", "tier": "x"})
        running = self.make_container(one, labels={"role": "main"})
        created = self.create(two, self.container_config(
            labels={"role": "main"}))
        ended = self.make_container(two, "exit 0")
        self.wait_exited(ended)
        api = self.api

        def pods(**condition):
            return {pod.id for pod in self.list_pods(**condition)}

        def containers(**condition):
            return {c.id for c in self.list_containers(**condition)}
        self.assertEqual(pods(), {one, two})
        self.assertEqual(pods(id=one), {one})
        self.assertEqual(pods(id=one[:13]), {one})
        self.assertEqual(pods(label_selector={"tier": "x"}), {one, two})
        self.assertEqual(pods(label_selector={"tier": "x", "app": "two"}),
                         {two})
        self.assertEqual(pods(id=one, label_selector={"app": "two"}), set())
        self.assertEqual(containers(), {running, created, ended})
        self.assertEqual(containers(pod_sandbox_id=two), {created, ended})
        self.assertEqual(containers(label_selector={"role": "main"}),
                         {running, created})
        for state, expected in ((api.CONTAINER_RUNNING, {running}),
                                (api.CONTAINER_CREATED, {created}),
                                (api.CONTAINER_EXITED, {ended})):
            self.assertEqual(containers(
                state=api.ContainerStateValue(state=state)), expected)
        self.call("StopPodSandbox", pod_sandbox_id=two)
        self.assertEqual(pods(state=api.PodSandboxStateValue(
            state=api.SANDBOX_READY)), {one})
        self.assertEqual(pods(state=api.PodSandboxStateValue(
            state=api.SANDBOX_NOTREADY)), {two})

    def test_status_gives_back_what_was_asked_for(self):
        odd = {"multi\nline": "ünïcode \t value", "empty": ""}
        pod = self.make_pod(labels={"l": "v"}, annotations=odd,
                            hostname="mine")
        container = self.make_container(pod, labels={"k": "w"},
                                        annotations=odd)
        status = self.pod_status(pod)
        self.assertEqual(dict(status.annotations), odd)
        self.assertEqual(dict(status.labels), {"l": "v"})
        self.assertEqual(status.metadata.namespace, "test")
        self.assertEqual(status.state, self.api.SANDBOX_READY)
        status = self.status(container)
        self.assertEqual(dict(status.annotations), odd)
        self.assertEqual(status.image.image, gantry_case.BUSYBOX)
        image = self.call("ImageStatus", image=self.api.ImageSpec(
            image=gantry_case.BUSYBOX)).image
        self.assertEqual(status.image_id, image.id)
        self.assertTrue(status.image_ref)
        self.assertTrue(status.log_path.startswith(self.server.logs + "/"))
        listed = self.list_containers(id=container)[0]
        self.assertEqual((listed.image_id, dict(listed.annotations)),
                         (image.id, odd))

    def test_an_id_may_be_shortened(self):
        pod = self.make_pod()
        container = self.make_container(pod)
        self.assertEqual(self.status(container[:12]).id, container)
        self.assertEqual(self.pod_status(pod[:12]).id, pod)
        self.assertEqual(self.inside(container[:12], "echo x"), "x")
        self.stop(container[:12])
        self.remove(container[:12])


if __name__ == "__main__":
    gantry_case.main()
