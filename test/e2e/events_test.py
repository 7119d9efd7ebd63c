"""Events: every change of every pod and container, in order, to everybody who
listens, with the statuses after it."""

import os
import queue
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
from gantry_case import DEADLINE, grpc, say, wait_until
from gantry_fields import RecordedStub, covers


class Follower:
    """A client that follows events; nothing is missed once this is made."""

    def __init__(self, case):
        self.api = case.api
        self.events = queue.Queue()
        # Its own: the case closes its channel before it ends the server.
        self.channel = grpc.insecure_channel(
            "unix:" + case.server.socket,
            options=[("grpc.use_local_subchannel_pool", 1)])
        stub = RecordedStub(
            "RuntimeService",
            gantry_case.stubs().api_grpc.RuntimeServiceStub(self.channel))
        self.stream = stub.GetContainerEvents(self.api.GetEventsRequest())
        self.stream.initial_metadata()
        self.end = None
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()
        case.addCleanup(self.leave)

    def follow(self):
        try:
            for event in self.stream:
                self.events.put(event)
            self.end = grpc.StatusCode.OK
        except grpc.RpcError as error:
            self.end = error.code()
        self.channel.close()

    def leave(self):
        self.stream.cancel()
        self.thread.join(DEADLINE)

    def next(self):
        return self.events.get(timeout=DEADLINE)

    def take(self, count):
        return [self.next() for _ in range(count)]


class Events(gantry_case.GantryCase):

    def kind(self, event):
        name = self.api.ContainerEventType.Name(event.container_event_type)
        return name[len("CONTAINER_"):-len("_EVENT")]

    def told(self, events):
        return [(event.container_id, self.kind(event)) for event in events]

    @covers("RuntimeService.GetContainerEvents", "ContainerEventResponse.*",
            "ContainerEventType.*")
    def test_two_followers_see_a_whole_life_in_order(self):
        followers = [Follower(self), Follower(self)]
        pod = self.make_pod(labels={"app": "events"})
        container = self.create(pod, self.container_config())
        self.call("StartContainer", container_id=container)
        self.stop(container)
        self.remove(container)
        self.remove_pod(pod)
        expected = [(pod, "CREATED"), (pod, "STARTED"),
                    (container, "CREATED"), (container, "STARTED"),
                    (container, "STOPPED"), (container, "DELETED"),
                    (pod, "STOPPED"), (pod, "DELETED")]
        api = self.api
        for follower in followers:
            events = follower.take(len(expected))
            self.assertEqual(self.told(events), expected)
            times = [event.created_at for event in events]
            self.assertEqual(times, sorted(times))
            self.assertLess(abs(times[-1] - time.time_ns()), 60e9)
            for event in events:
                status = event.pod_sandbox_status
                self.assertEqual(status.id, pod)
                self.assertEqual(status.metadata.uid, "uid")
                self.assertEqual(status.labels["app"], "events")
            self.assertEqual(
                [event.pod_sandbox_status.state for event in events],
                [api.SANDBOX_READY] * 6 + [api.SANDBOX_NOTREADY] * 2)
            self.assertEqual(
                [[(c.id, c.state) for c in event.containers_statuses]
                 for event in events],
                [[], [], [(container, api.CONTAINER_CREATED)],
                 [(container, api.CONTAINER_RUNNING)],
                 [(container, api.CONTAINER_EXITED)], [], [], []])
            self.assertEqual(events[4].containers_statuses[0].reason, "Error")

    def test_a_program_that_ends_at_once_has_started_first(self):
        pod = self.make_pod()
        follower = Follower(self)
        for code in range(5):
            container = self.create(pod, self.container_config(
                command=["sh", "-c", f"exit {code}"]))
            self.call("StartContainer", container_id=container)
            events = follower.take(3)
            self.assertEqual(self.told(events),
                             [(container, "CREATED"), (container, "STARTED"),
                              (container, "STOPPED")])
            ended = [status for status in events[-1].containers_statuses
                     if status.id == container]
            self.assertEqual(ended[0].exit_code, code)

    def test_a_start_that_fails_and_a_stop_without_a_start_are_told(self):
        pod = self.make_pod()
        follower = Follower(self)
        broken = self.create(pod, self.container_config(
            command=["/no/such/program"]))
        with self.assertRaises(grpc.RpcError):
            self.call("StartContainer", container_id=broken)
        unstarted = self.create(pod, self.container_config())
        self.stop(unstarted)
        self.assertEqual(self.told(follower.take(4)),
                         [(broken, "CREATED"), (broken, "STOPPED"),
                          (unstarted, "CREATED"), (unstarted, "STOPPED")])

    def test_removing_a_pod_tells_of_all_that_was_in_it(self):
        pod = self.make_pod(pid="POD")
        follower = Follower(self)
        running = self.make_container(pod)
        created = self.create(pod, self.container_config())
        self.call("RemovePodSandbox", pod_sandbox_id=pod)
        events = self.told(follower.take(8))
        self.assertEqual(
            events[:5], [(running, "CREATED"), (running, "STARTED"),
                         (created, "CREATED"), (running, "STOPPED"),
                         (pod, "STOPPED")])
        self.assertEqual(set(events[5:7]),
                         {(running, "DELETED"), (created, "DELETED")})
        self.assertEqual(events[7], (pod, "DELETED"))

    def test_whoever_comes_later_sees_only_what_comes_later(self):
        pod = self.make_pod()
        follower = Follower(self)
        container = self.create(pod, self.container_config())
        self.assertEqual(self.told([follower.next()]),
                         [(container, "CREATED")])

    def test_the_status_of_a_pod_has_those_of_its_containers(self):
        pod = self.make_pod(pid="POD")
        self.make_container(self.make_pod())
        containers = [self.make_container(pod),
                      self.create(pod, self.container_config())]
        begin = time.time_ns()
        answer = self.call("PodSandboxStatus", pod_sandbox_id=pod)
        self.assertEqual(
            sorted((status.id, status.state)
                   for status in answer.containers_statuses),
            sorted(zip(containers, (self.api.CONTAINER_RUNNING,
                                    self.api.CONTAINER_CREATED))))
        self.assertGreaterEqual(answer.timestamp, begin)
        self.assertLessEqual(answer.timestamp, time.time_ns())

    def test_a_client_that_leaves_hinders_nobody(self):
        followers = [Follower(self) for _ in range(4)]
        for follower in followers[:3]:
            follower.leave()
            self.assertEqual(follower.end, grpc.StatusCode.CANCELLED)
        pod = self.make_pod()
        self.assertEqual(self.told(followers[3].take(2)),
                         [(pod, "CREATED"), (pod, "STARTED")])

    def test_the_end_of_the_server_ends_the_stream(self):
        follower = Follower(self)
        pod = self.make_pod()
        begin = time.monotonic()
        self.assertEqual(self.server.stop(), 0)
        took = time.monotonic() - begin
        say(f"drained in {took:.2f} s")
        # Calls under way are given 5 s.
        self.assertLess(took, 4)
        wait_until(lambda: follower.end is not None, "the stream ends")
        self.assertEqual(follower.end, grpc.StatusCode.OK)
        self.assertEqual(self.told(follower.take(2)),
                         [(pod, "CREATED"), (pod, "STARTED")])
        self.server.start()


if __name__ == "__main__":
    gantry_case.main()
