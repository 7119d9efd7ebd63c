"""Another version of the programs takes over: records and shims outlive it.

GANTRY_TEST_OTHER_GANTRYD and GANTRY_TEST_OTHER_SHIM name the programs of
another version (CONTRIBUTING.md says how they are made); without them the
present ones take over from themselves.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
import gantry_records as records
from gantry_case import say, wait_until
from gantry_server import Programs

COUNT = """
trap stop=1 TERM
i=0
while [ -z "$stop" ]; do i=$((i+1)); echo $i; usleep 20000; done
echo end $i"""
# Numbers that no record and no message has.
UNKNOWN = 15000
# Of ContainerRecord and PodRecord (proto/record.proto).
SPEC, CONTAINER_METADATA, POD_METADATA = 6, 16, 14


class Upgrade(gantry_case.GantryCase):

    def record(self, kind, name):
        return f"{self.server.root}/{kind}/{name}/record"

    def add_unknown(self, path, *messages):
        """Fields as a newer server might write them: in the record itself, and
        in these messages inside it. Returns what must stay there."""
        marks = [b"from the future"] + [b"in field %d" % n for n in messages]
        more = records.field(UNKNOWN, marks[0])
        for number, mark in zip(messages, marks[1:]):
            more += records.field(number, records.field(UNKNOWN, mark))
        records.write(path, records.payload(path) + more)
        return marks

    def assert_holds(self, path, marks):
        content = records.payload(path)
        self.assertEqual([mark for mark in marks if mark not in content], [])

    def test_unknown_fields_of_records_survive(self):
        pod = self.make_pod(labels={"a": "b"})
        container = self.make_container(pod)
        created = self.create(pod, self.container_config())
        self.assertEqual(self.server.stop(), 0)
        marks = {self.record("pods", pod): self.add_unknown(
            self.record("pods", pod), POD_METADATA)}
        for name in (container, created):
            path = self.record("containers", name)
            marks[path] = self.add_unknown(path, SPEC, CONTAINER_METADATA)
        self.server.start()
        # Each of these writes a record anew, or adds to it.
        api = self.api
        limits = api.LinuxContainerResources(memory_limit_in_bytes=64 << 20)
        self.call("UpdateContainerResources", container_id=container,
                  linux=limits)
        self.call("UpdatePodSandboxResources", pod_sandbox_id=pod,
                  resources=limits)
        self.call("StartContainer", container_id=created)
        self.server.restart()
        self.assertEqual(self.inside(container, "echo works"), "works")
        self.stop(container)
        self.stop(created)
        self.call("StopPodSandbox", pod_sandbox_id=pod)
        self.server.restart()
        self.assertEqual(self.state(container), "EXITED")
        self.assertEqual(self.pod_status(pod).labels, {"a": "b"})
        for path, fields in marks.items():
            self.assert_holds(path, fields)

    def test_a_record_of_a_newer_format_is_refused_and_left(self):
        pod = self.make_pod()
        container, other = [self.make_container(pod) for _ in range(2)]
        pids = [self.pid(c) for c in (container, other)]
        image = f"{self.server.root}/images/images"
        paths = [self.record("containers", container),
                 self.record("pods", pod),
                 f"{image}/{os.listdir(image)[0]}/record"]
        for path in paths:
            with self.subTest(path=path):
                self.server.kill()
                was = records.payload(path)
                records.write_newer(path)
                newer = host.read(path)
                with self.assertRaises(AssertionError):
                    self.server.start()
                log = self.server.log_since_launch()
                name = path.split("/")[-2]
                self.assertIn(f"read record {name}: a newer program wrote it: "
                              "format version 3, known are 1 to 2", log)
                self.assertEqual(self.server.process.returncode, 1)
                # Nothing was touched for it.
                self.assertEqual(host.read(path), newer)
                self.assertTrue(all(map(host.exists, pids)))
                records.write(path, was)
                self.server.start()
                self.assertEqual([self.pid(c) for c in (container, other)],
                                 pids)
                self.assertEqual(self.inside(container, "echo works"), "works")

    # -- programs of two versions by turns

    def begin_version(self, programs):
        """Ends the server; the next one is of these programs."""
        if self.server.is_running():
            self.assertEqual(self.server.stop(), 0)
        Programs.gantryd, Programs.shim = programs
        self.server.start()
        version = self.server.call("Version", self.api.VersionRequest())
        say(f"gantryd {version.runtime_version} of {programs[0]}")

    def make_writer(self, pod):
        writer = self.make_container(pod, COUNT)
        pid = self.pid(writer)
        self.processes[writer] = pid, host.start_ticks(pid)
        self.older_logs[writer] = []
        return writer

    def check_writer(self, writer):
        """What runs, of whichever shim, does all that it should."""
        pid, ticks = self.processes[writer]
        self.assertEqual((self.state(writer), self.pid(writer),
                          host.start_ticks(pid)), ("RUNNING", pid, ticks))
        self.assertEqual(self.inside(writer, "echo works"), "works")
        self.assertEqual(self.exec_sync(writer, "exit 5").exit_code, 5)
        log, older = self.log_path(writer), self.older_logs[writer]
        older.append(f"{log}.{len(older)}")
        os.rename(log, older[-1])
        self.call("ReopenContainerLog", container_id=writer)
        wait_until(lambda: gantry_case.log_texts(log), "it writes on")

    def end_writer(self, writer):
        log = self.log_path(writer)
        self.stop(writer, timeout=30)
        self.assertEqual(self.status(writer).exit_code, 0)
        texts = [text for path in self.older_logs[writer] + [log]
                 for text in gantry_case.log_texts(path)]
        lines = len(texts) - 1
        self.assertEqual(texts, [str(n) for n in range(1, lines + 1)] +
                         [f"end {lines}"])
        self.remove(writer)
        del self.processes[writer]

    def test_shims_and_servers_of_two_versions(self):
        present = Programs.gantryd, Programs.shim
        other = (os.environ.get("GANTRY_TEST_OTHER_GANTRYD", present[0]),
                 os.environ.get("GANTRY_TEST_OTHER_SHIM", present[1]))
        self.addCleanup(self.begin_version, present)
        self.processes, self.older_logs = {}, {}
        pods = []
        for programs in (other, present, other, present):
            self.begin_version(programs)
            for writer in self.processes:
                self.check_writer(writer)
            # The first one lives on; the others end under another version than
            # their own.
            for writer in list(self.processes)[1:]:
                self.end_writer(writer)
            pods.append(self.make_pod(pid="POD" if pods else "CONTAINER"))
            for pod in pods:
                self.make_writer(pod)
        for writer in list(self.processes):
            self.check_writer(writer)
            self.end_writer(writer)


if __name__ == "__main__":
    gantry_case.main()
