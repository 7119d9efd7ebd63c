"""The lists that are streamed: the same as the lists, each item once."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
from gantry_case import BUSYBOX, DEADLINE, LAYERS4, say
from gantry_fields import covers

CONTAINERS = 50
# Five of these and a message is full.
NOTE = "x" * (50 << 10)


class Streams(gantry_case.GantryCase):
    IMAGES = (BUSYBOX, LAYERS4)

    def stream(self, verb, field, **request):
        """The items of all messages; none is empty."""
        service = (self.server.image if "Image" in verb
                   else self.server.runtime)
        items, messages = [], 0
        for message in getattr(service, verb)(
                getattr(self.api, verb + "Request")(**request),
                timeout=DEADLINE):
            part = getattr(message, field)
            self.assertGreater(len(part), 0)
            items += part
            messages += 1
        say(f"{verb}: {len(items)} items in {messages} messages")
        return items, messages

    def check_same(self, listed, streamed):
        self.assertEqual([item.id for item in listed],
                         [item.id for item in streamed])
        self.assertEqual(list(listed), list(streamed))

    @covers("RuntimeService.StreamPodSandboxes",
            "RuntimeService.StreamContainers",
            "StreamPodSandboxesRequest.filter",
            "StreamPodSandboxesResponse.pod_sandboxes",
            "StreamContainersRequest.filter",
            "StreamContainersResponse.containers")
    def test_streams_are_the_lists(self):
        pods = [self.make_pod(labels={"n": str(n)}) for n in range(3)]
        for n in range(CONTAINERS):
            self.create(pods[n % 3], self.container_config(
                labels={"third": str(n % 3)}, annotations={"note": NOTE}))
        streamed, _ = self.stream("StreamPodSandboxes", "pod_sandboxes")
        self.assertEqual(len(streamed), 3)
        self.check_same(self.list_pods(), streamed)
        streamed, messages = self.stream("StreamContainers", "containers")
        self.assertEqual(len(streamed), CONTAINERS)
        self.assertGreater(messages, 5)
        self.check_same(self.list_containers(), streamed)

        for condition in ({"pod_sandbox_id": pods[1]},
                          {"label_selector": {"third": "2"}},
                          {"id": "no such"}):
            streamed, _ = self.stream(
                "StreamContainers", "containers",
                filter=self.api.ContainerFilter(**condition))
            self.check_same(self.list_containers(**condition), streamed)
        streamed, _ = self.stream(
            "StreamPodSandboxes", "pod_sandboxes",
            filter=self.api.PodSandboxFilter(label_selector={"n": "1"}))
        self.assertEqual([pod.id for pod in streamed], [pods[1]])

    @covers("ImageService.StreamImages", "StreamImagesRequest.filter",
            "StreamImagesResponse.images")
    def test_images(self):
        streamed, _ = self.stream("StreamImages", "images")
        self.assertEqual(len(streamed), 2)
        self.check_same(self.call("ListImages").images, streamed)
        wanted = self.api.ImageFilter(image=self.api.ImageSpec(image=BUSYBOX))
        streamed, _ = self.stream("StreamImages", "images", filter=wanted)
        self.check_same(self.call("ListImages", filter=wanted).images,
                        streamed)
        self.assertEqual(len(streamed), 1)

    def test_container_stats(self):
        pods = [self.make_pod(), self.make_pod()]
        running = [self.make_container(pod) for pod in pods for _ in range(2)]
        self.create(pods[0], self.container_config())
        streamed, _ = self.stream("StreamContainerStats", "container_stats")
        self.assertEqual(sorted(running),
                         [stats.attributes.id for stats in streamed])
        for stats in streamed:
            self.assertGreater(stats.memory.usage_bytes.value, 0)
        streamed, _ = self.stream(
            "StreamContainerStats", "container_stats",
            filter=self.api.ContainerStatsFilter(pod_sandbox_id=pods[1]))
        self.assertEqual(sorted(running[2:]),
                         [stats.attributes.id for stats in streamed])


if __name__ == "__main__":
    gantry_case.main()
