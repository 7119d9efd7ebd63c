"""What a test claims to cover is held against what it met."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_fields
from gantry_fields import covers, covers_unset
from gantry_server import stubs


class Call:
    """A verb of a stub, as gRPC's are."""

    def __init__(self, answer):
        self.answer = answer

    def __call__(self, request, **_):
        return self.answer


class Claims(unittest.TestCase):

    def setUp(self):
        self.api = stubs().api
        gantry_fields.NOTES.clear()

    def met(self, verb, request, answer):
        stub = type("Stub", (), {verb: Call(answer)})()
        return getattr(gantry_fields.RecordedStub("RuntimeService", stub),
                       verb)(request)

    def wrong(self, *marks):
        def test():
            pass
        for mark in marks:
            test = mark(test)
        return gantry_fields.NOTES.check(test)

    def version(self):
        self.met("Version", self.api.VersionRequest(version="1"),
                 self.api.VersionResponse(runtime_name="x"))

    def test_a_field_counts_when_it_has_a_value(self):
        self.version()
        self.assertEqual(self.wrong(covers(
            "RuntimeService.Version", "VersionRequest.*",
            "VersionResponse.runtime_name")), [])
        self.assertEqual(self.wrong(covers("VersionResponse.version")),
                         ["VersionResponse.version: neither sent nor "
                          "received"])
        self.assertEqual(self.wrong(covers("VersionResponse.*")), [
            f"VersionResponse.{name}: neither sent nor received"
            for name in ("version", "runtime_version",
                         "runtime_api_version")])
        self.assertEqual(self.wrong(covers("RuntimeService.Status")),
                         ["RuntimeService.Status: neither sent nor received"])
        self.assertEqual(self.wrong(covers("Mount.*")),
                         ["Mount.*: no Mount sent or received"])

    def test_what_is_nested_counts(self):
        api = self.api
        config = api.ContainerConfig(mounts=[api.Mount(
            propagation="PROPAGATION_BIDIRECTIONAL",
            image=api.ImageSpec(annotations={"a": "b"}))])
        self.met("CreateContainer", api.CreateContainerRequest(config=config),
                 api.CreateContainerResponse())
        self.assertEqual(self.wrong(covers(
            "CreateContainerRequest.config", "ContainerConfig.mounts",
            "Mount.image", "ImageSpec.annotations",
            "MountPropagation.PROPAGATION_BIDIRECTIONAL",
            # An enum's default is a value of it.
            "Signal.SIGNAL_RUNTIME_DEFAULT")), [])
        self.assertEqual(len(self.wrong(covers("Signal.*"))), 65)

    def test_every_message_of_a_stream_counts(self):
        api = self.api
        answers = iter([api.ContainerEventResponse(container_id="c"),
                        api.ContainerEventResponse(created_at=1)])
        stream = self.met("GetContainerEvents", api.GetEventsRequest(),
                          answers)
        next(stream)
        first = covers("ContainerEventResponse.container_id")
        second = covers("ContainerEventResponse.created_at")
        self.assertEqual(self.wrong(first), [])
        self.assertEqual(len(self.wrong(second)), 1)
        self.assertEqual(len(list(stream)), 1)
        self.assertEqual(self.wrong(first, second), [])

    def test_what_is_said_never_to_be_is_not(self):
        self.version()
        self.assertEqual(self.wrong(covers_unset(
            "VersionResponse.version", "WindowsCpuUsage.*")), [])
        self.assertEqual(self.wrong(covers_unset(
            "VersionRequest.version", "VersionResponse.*")), [
                "VersionRequest.version: there was one",
                "VersionResponse.*: there was one"])


if __name__ == "__main__":
    unittest.main()
