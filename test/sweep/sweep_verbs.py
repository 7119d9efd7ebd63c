"""The requests that are swept: what each needs, does, and must have done in the
end, whatever happened to its first attempt.

`case` is a SweepCase. prepare() returns the state of one request; operation()
makes it, and may be called again; converge() repeats it if it was not answered
and looks at what it has done.
"""

import gantry_case
import gantry_cgroup
import gantry_host as host
import gantry_streams


class Verb:
    name = ""
    # It is about a container that runs.
    has_container = False
    # What was made ahead becomes what it makes.
    takes_spares = False
    # No other process takes part.
    is_servers_alone = False

    def prepare(self, case):
        raise NotImplementedError

    def shims(self, case, state):
        """Pids of shims that the request is about."""
        if not self.has_container:
            return []
        return [case.info(state)["shim_pid"]]

    def operation(self, case, state):
        raise NotImplementedError

    def converge(self, case, state, attempt):
        raise NotImplementedError


def check_works(case, container):
    """It runs, and only one shim and one program do, whatever was tried."""
    case.assertEqual(case.state(container), "RUNNING")
    case.assertEqual(case.inside(container, "echo works"), "works")
    cgroup = case.info(container)["cgroup_path"]
    case.assertEqual(
        [host.status(pid).get("NSpid", "0").split()[-1]
         for pid in host.cgroup_processes(cgroup)].count("1"), 1)


class StartContainer(Verb):
    name = "StartContainer"
    takes_spares = True

    def prepare(self, case):
        return case.create(case.make_pod(), case.container_config())

    def operation(self, case, state):
        case.call("StartContainer", container_id=state)

    def converge(self, case, state, attempt):
        now = case.settled_state(state)
        # A server cannot know that its answer did not arrive.
        told = now == "RUNNING" and (case.hit or "").startswith(
            "server sendmsg socket:")
        if attempt.error is not None and now != "EXITED" and not told:
            self.operation(case, state)
        if case.settled_state(state) == "EXITED":
            # It was started and has failed: kubelet makes another one.
            case.assertIsNotNone(case.hit, "EXITED without a blow")
            case.assertTrue(case.refused("StartContainer", container_id=state))
            pod = case.list_containers(id=state)[0].pod_sandbox_id
            case.remove(state)
            state = case.make_container(pod)
        check_works(case, state)


class RunPodSandbox(Verb):
    name = "RunPodSandbox"
    takes_spares = True

    def prepare(self, case):
        # One port for all: each pod must have given it up for the next.
        return case.pod_config(port_mappings=[case.api.PortMapping(
            host_port=12000, container_port=80)])

    def operation(self, case, state):
        return case.call("RunPodSandbox", config=state).pod_sandbox_id

    def converge(self, case, state, attempt):
        pod = attempt.answer or self.operation(case, state)
        case.assertEqual({each.id for each in case.list_pods()},
                         {pod, case.watched_pod})
        container = case.make_container(pod)
        check_works(case, container)
        case.inside(container, "ping -c 1 -W 2 10.92.0.1")
        # What was made ahead meanwhile is the next pod's.
        case.make_pod()


class CreateContainer(Verb):
    name = "CreateContainer"
    is_servers_alone = True

    def prepare(self, case):
        return dict(pod_sandbox_id=case.make_pod(),
                    config=case.container_config())

    def operation(self, case, state):
        return case.call("CreateContainer", **state).container_id

    def converge(self, case, state, attempt):
        container = attempt.answer or self.operation(case, state)
        case.assertEqual({each.id for each in case.list_containers()},
                         {container, case.watched})
        case.call("StartContainer", container_id=container)
        check_works(case, container)


class OfRunning(Verb):
    """Of a container that runs, and goes on unless its shim was killed."""
    has_container = True
    script = gantry_case.FOREVER
    config = {}

    def prepare(self, case):
        container = case.make_container(case.make_pod(), self.script,
                                        **self.config)
        case.note_victim(container)
        return container

    def converge(self, case, state, attempt):
        if case.hit is not None and case.kills_shims:
            case.assertEqual(case.wait_exited(state).reason, "ShimLost")
            return
        case.check_victim(state)
        if attempt.error is not None:
            self.check_answer(case, state, self.operation(case, state))
        else:
            self.check_answer(case, state, attempt.answer)
        check_works(case, state)

    def check_answer(self, case, state, answer):
        raise NotImplementedError


class ExecSync(OfRunning):
    name = "ExecSync"

    def operation(self, case, state):
        return case.exec_sync(state, ["sh", "-c", "echo out; exit 3"])

    def check_answer(self, case, state, answer):
        case.assertEqual((answer.stdout, answer.exit_code), (b"out\n", 3))


class Exec(OfRunning):
    """With the streams behind its URL."""
    name = "Exec"

    def operation(self, case, state):
        url = case.call("Exec", container_id=state, cmd=["cat"], stdin=True,
                        stdout=True).url
        return host.in_network(case.server.netns, self.stream, url)

    @staticmethod
    def stream(url):
        client = gantry_streams.ChannelClient(url)
        try:
            client.write(b"over and out\n")
            client.end_stdin()
            outcome = client.finish()
            return outcome.stdout, outcome.exit_code
        finally:
            client.close()

    def check_answer(self, case, state, answer):
        case.assertEqual(answer, (b"over and out\n", 0))


class Attach(OfRunning):
    name = "Attach"
    script = "while read line; do echo got $line; done"
    config = {"stdin": True}

    def operation(self, case, state):
        url = case.call("Attach", container_id=state, stdin=True, stdout=True,
                        stderr=True).url
        return host.in_network(case.server.netns, self.stream, url)

    @staticmethod
    def stream(url):
        client = gantry_streams.ChannelClient(url)
        try:
            client.write(b"word\n")
            client.wait_stdout(b"got word\n")
            return True
        finally:
            client.close()

    def check_answer(self, case, state, answer):
        case.assertTrue(answer)


class UpdateContainerResources(OfRunning):
    name = "UpdateContainerResources"
    config = {"resources": {"memory_limit_in_bytes": 64 << 20,
                            "cpu_shares": 512}}

    def operation(self, case, state):
        case.call("UpdateContainerResources", container_id=state,
                  linux=case.api.LinuxContainerResources(
                      memory_limit_in_bytes=48 << 20, cpu_shares=256,
                      cpu_quota=20000, cpu_period=100000))

    def check_answer(self, case, state, answer):
        cgroup = case.info(state)["cgroup_path"]
        case.assertEqual(gantry_cgroup.memory(cgroup), 48 << 20)
        case.assertEqual(gantry_cgroup.cpu_quota_and_period(cgroup),
                         (20000, 100000))
        told = case.status(state).resources.linux
        case.assertEqual((told.memory_limit_in_bytes, told.cpu_quota),
                         (48 << 20, 20000))


class StopContainer(Verb):
    name = "StopContainer"
    has_container = True

    def prepare(self, case):
        return case.make_container(case.make_pod())

    def operation(self, case, state):
        case.stop(state, timeout=5)

    def converge(self, case, state, attempt):
        # Also one that was answered: it may be repeated.
        self.operation(case, state)
        case.assertEqual(case.state(state), "EXITED")
        status = case.status(state)
        case.assertIn((status.exit_code, status.reason),
                      ((0, "Completed"), (137, "Error"), (137, "ShimLost"),
                       (255, "ShimLost")))


class RemoveContainer(Verb):
    """Of one that runs: it is stopped as well."""
    name = "RemoveContainer"
    has_container = True

    def prepare(self, case):
        return case.make_container(case.make_pod())

    def operation(self, case, state):
        case.remove(state)

    def converge(self, case, state, attempt):
        self.operation(case, state)
        case.assertEqual([each.id for each in case.list_containers()],
                         [case.watched])


class StopPodSandbox(Verb):
    name = "StopPodSandbox"

    def prepare(self, case):
        pod = case.make_pod()
        return pod, case.make_container(pod)

    def shims(self, case, state):
        return [case.info(state[1])["shim_pid"]]

    def operation(self, case, state):
        case.call("StopPodSandbox", pod_sandbox_id=state[0])

    def converge(self, case, state, attempt):
        self.operation(case, state)
        case.assertEqual(case.pod_status(state[0]).state,
                         case.api.SANDBOX_NOTREADY)
        case.assertEqual(case.state(state[1]), "EXITED")
        case.assertEqual(host.mounts_below(
            f"{case.server.run}/pods/{state[0]}"), [])


class RemovePodSandbox(StopPodSandbox):
    name = "RemovePodSandbox"

    def operation(self, case, state):
        case.call("RemovePodSandbox", pod_sandbox_id=state[0])

    def converge(self, case, state, attempt):
        self.operation(case, state)
        case.assertEqual([pod.id for pod in case.list_pods()],
                         [case.watched_pod])
        case.assertEqual([each.id for each in case.list_containers()],
                         [case.watched])


class PullImage(Verb):
    name = "PullImage"
    is_servers_alone = True

    def prepare(self, case):
        case.remove_image(case.pulled)
        return case.pulled

    def operation(self, case, state):
        return case.call("PullImage", image=case.api.ImageSpec(image=state))

    def converge(self, case, state, attempt):
        if attempt.error is not None:
            self.operation(case, state)
        container = case.make_container(case.make_pod(), image=state)
        case.assertEqual(case.inside(container, "cat /file"), "content")


class RemoveImage(Verb):
    name = "RemoveImage"
    is_servers_alone = True

    def prepare(self, case):
        case.call("PullImage", image=case.api.ImageSpec(image=case.pulled))
        return case.pulled

    def operation(self, case, state):
        case.remove_image(state)

    def converge(self, case, state, attempt):
        self.operation(case, state)
        status = case.call("ImageStatus",
                           image=case.api.ImageSpec(image=state))
        case.assertFalse(status.HasField("image"))


ALL = [RunPodSandbox(), PullImage(), CreateContainer(), StartContainer(),
       ExecSync(), Exec(), Attach(), UpdateContainerResources(),
       StopContainer(), RemoveContainer(), StopPodSandbox(),
       RemovePodSandbox(), RemoveImage()]
