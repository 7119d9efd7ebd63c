"""What becomes of output that a log does not take, and of a log that grows: the
policies of [containers.log] and of annotations.

GANTRY_TEST_LOG_LINES: how many lines a program writes at full speed.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import say, wait_until

LINES = int(os.environ.get("GANTRY_TEST_LOG_LINES", "500000"))
RECORD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z "
                    r"(stdout|stderr) ([FP]) (.*)", re.DOTALL)
MARKER = re.compile(r"\[gantry\] dropped (\d+) lines, (\d+) bytes")
KIB, MIB = 1 << 10, 1 << 20


class Stream:
    """One stream of a log: its lines, pieces joined, and what markers say."""

    def __init__(self):
        self.lines, self.markers = [], []
        self.piece = ""

    def add(self, tag, text):
        marker = MARKER.fullmatch(text)
        if marker and tag == "F" and not self.piece:
            self.markers.append((int(marker[1]), int(marker[2])))
            return
        self.piece += text
        if tag == "F":
            self.lines.append(self.piece)
            self.piece = ""

    def numbers(self):
        return [int(line) for line in self.lines]

    def bytes(self):
        return sum(len(line) + 1 for line in self.lines)

    def dropped(self):
        """Lines and bytes."""
        return tuple(map(sum, zip(*self.markers))) or (0, 0)


def read_streams(*paths):
    """stdout and stderr, over files in order; each record must be one."""
    streams = {"stdout": Stream(), "stderr": Stream()}
    for path in paths:
        content = host.read(path)
        assert content == "" or content.endswith("\n"), f"{path} is cut"
        for line in content.split("\n")[:-1]:
            record = RECORD.fullmatch(line)
            assert record, f"{path}: no record: {line[:200]!r}"
            streams[record[1]].add(record[2], record[3])
    return streams["stdout"], streams["stderr"]


def size_of(path):
    """0 for one that is not there, as a log is for a moment when rotated."""
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


def annotations(**values):
    return {"gantry.log-" + key.replace("_", "-"): value
            for key, value in values.items()}


def both_streams(lines):
    return f"seq 1 {lines} >&2 & seq 1 {lines}; wait"


class LogPolicyCase(gantry_case.GantryCase):

    def with_log(self, pod, script, **values):
        return self.make_container(pod, script,
                                   annotations=annotations(**values))

    def files_of(self, path):
        """Old ones first."""
        names = os.listdir(os.path.dirname(path))
        begin = os.path.basename(path) + "."
        old = sorted((int(name[len(begin):]) for name in names
                      if name.startswith(begin)), reverse=True)
        return [f"{path}.{number}" for number in old] + [path]

    def assert_complete(self, stream, lines):
        self.assertEqual(stream.markers, [])
        self.assertEqual(stream.numbers(), list(range(1, lines + 1)))

    def assert_accounted(self, stream, lines, whole_bytes):
        """What is there is in order, and the rest is what the markers say."""
        numbers = stream.numbers()
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual((lines - len(numbers), whole_bytes - stream.bytes()),
                         stream.dropped())


def bytes_of_numbers(most):
    """Of "1\\n" to "most\\n"."""
    total, digits, begin = 0, 1, 1
    while begin <= most:
        end = min(most, 10 * begin - 1)
        total += (end - begin + 1) * (digits + 1)
        digits, begin = digits + 1, 10 * begin
    return total


class Annotations(LogPolicyCase):

    def test_values_that_are_none_are_refused(self):
        pod = self.make_pod()
        for key, value in (("policy", "lose"), ("policy", ""),
                           ("rate", "fast"), ("rate", "1023"),
                           ("max_size", "10M"), ("max_size", "63Ki"),
                           ("max_files", "1"), ("max_files", "101")):
            with self.subTest(key=key, value=value):
                wrong = annotations(**{key: value})
                message = self.assert_code(
                    "INVALID_ARGUMENT", "CreateContainer", f'"{value}"',
                    pod_sandbox_id=pod,
                    config=self.container_config(annotations=wrong))
                self.assertIn(next(iter(wrong)), message)

    def test_the_pods_annotation_is_for_all_its_containers(self):
        pod = self.make_pod(annotations=annotations(max_size="64Ki"))
        status = self.run_to_end(pod, "seq 1 5000")
        self.assertGreater(len(self.files_of(status.log_path)), 2)
        own = self.make_container(pod, "seq 1 5000",
                                  annotations=annotations(max_size="0"))
        path = self.wait_exited(own).log_path
        self.assertEqual(self.files_of(path), [path])

    def test_at_full_speed_block_loses_and_mixes_nothing(self):
        begin = time.monotonic()
        status = self.run_to_end(self.make_pod(), both_streams(LINES),
                                 annotations=annotations(policy="block"))
        seconds = time.monotonic() - begin
        size = os.path.getsize(status.log_path)
        say(f"{2 * LINES} lines, {size / 1e6:.0f} MB in {seconds:.1f} s")
        for stream in read_streams(status.log_path):
            self.assert_complete(stream, LINES)


class Configured(LogPolicyCase):
    """The node's owner says it for all."""

    @classmethod
    def new_server(cls):
        server = super().new_server()
        server.more_config = ('[containers.log]\npolicy = "drop"\n'
                              'rate = "64Ki"\nmax_size = "128Ki"\n'
                              'max_files = 3\n')
        return server

    def test_it_is_for_all_and_annotations_lower_it(self):
        pod = self.make_pod()
        for key, value in (("rate", "0"), ("rate", "65Ki"),
                           ("max_size", "0"), ("max_size", "129Ki"),
                           ("max_files", "4")):
            self.assert_code(
                "INVALID_ARGUMENT", "CreateContainer", "at most"
                if key != "max_files" else "from 2 to 3", pod_sandbox_id=pod,
                config=self.container_config(
                    annotations=annotations(**{key: value})))
        # Written at the rate it would take most of an hour.
        begin = time.monotonic()
        status = self.run_to_end(pod, "seq 1 3000000")
        say(f"ended after {time.monotonic() - begin:.1f} s")
        files = self.files_of(status.log_path)
        self.assertLessEqual(len(files), 3)
        for name in files:
            self.assertLessEqual(os.path.getsize(name), 128 * KIB)
        out, _ = read_streams(*files)
        self.assertTrue(out.markers or out.lines[-1] == "3000000", out.lines)
        # Who says so waits instead.
        held = self.make_container(pod, "seq 1 3000000",
                                   annotations=annotations(policy="block"))
        path = self.log_path(held)
        wait_until(lambda: os.path.exists(path + ".1"), "a second file")
        self.assertEqual(self.state(held), "RUNNING")
        self.stop(held)
        out, _ = read_streams(*self.files_of(path))
        self.assertEqual(out.markers, [])
        self.assertLess(int(out.lines[-1]), 1000000)


class Rate(LogPolicyCase):
    RATE = 200 * KIB
    ENDLESS = "seq 1 1000000000"

    def check_rate(self, policy):
        container = self.with_log(self.make_pod(), self.ENDLESS, policy=policy,
                                  rate=f"{self.RATE // KIB}Ki")
        path = self.log_path(container)
        # Past what a rest is worth.
        wait_until(lambda: size_of(path) > 1.5 * self.RATE,
                   "it is held to the rate")
        begin, first = time.monotonic(), size_of(path)
        wait_until(lambda: size_of(path) > first + 4 * self.RATE,
                   "four more seconds' worth")
        seconds = time.monotonic() - begin
        rate = (size_of(path) - first) / seconds
        say(f"{policy}: {rate / KIB:.0f} KiB/s where {self.RATE // KIB} may be")
        # It comes in half a second's worth at once.
        self.assertLess(rate, 1.15 * self.RATE)
        self.assertGreater(rate, 0.8 * self.RATE)
        self.stop(container)
        return read_streams(path)[0]

    def test_block_holds_the_program_to_it(self):
        stream = self.check_rate("block")
        self.assert_complete(stream, len(stream.lines))

    def test_drop_holds_the_log_to_it(self):
        stream = self.check_rate("drop")
        numbers = stream.numbers()
        self.assertGreater(len(stream.markers), 3)
        self.assertLess(len(stream.markers), 40)
        self.assertGreater(numbers[-1], 2 * len(numbers))

    def test_the_markers_say_exactly_what_is_missing(self):
        lines = 2000000
        status = self.run_to_end(
            self.make_pod(), both_streams(lines),
            annotations=annotations(policy="drop", rate="500Ki"))
        for stream in read_streams(status.log_path):
            self.assertGreater(stream.dropped()[0], lines // 2)
            self.assert_accounted(stream, lines, bytes_of_numbers(lines))


class Rotation(LogPolicyCase):
    LONG = "l=$(head -c 40000 /dev/zero | tr '\\0' x);"

    def test_every_line_is_in_one_of_the_files_once(self):
        lines = 20000
        status = self.run_to_end(
            self.make_pod(), both_streams(lines), annotations=annotations(
                max_size="128Ki", max_files="100"))
        files = self.files_of(status.log_path)
        say(f"{len(files)} files")
        self.assertGreater(len(files), 10)
        for name in files:
            self.assertLessEqual(os.path.getsize(name), 128 * KIB)
            self.assertEqual(os.stat(name).st_mode & 0o777, 0o640)
        for stream in read_streams(*files):
            self.assert_complete(stream, lines)

    def test_a_long_line_is_whole_over_its_files(self):
        status = self.run_to_end(
            self.make_pod(), self.LONG + "i=0; while [ $i -lt 20 ]; do "
            "i=$((i+1)); echo $l$i; done", annotations=annotations(
                max_size="64Ki", max_files="50"))
        files = self.files_of(status.log_path)
        self.assertGreater(len(files), 10)
        out, _ = read_streams(*files)
        self.assertEqual(out.lines, ["x" * 40000 + str(number)
                                     for number in range(1, 21)])

    def test_only_the_newest_are_kept(self):
        status = self.run_to_end(
            self.make_pod(), "seq 1 30000", annotations=annotations(
                max_size="64Ki", max_files="3"))
        files = self.files_of(status.log_path)
        self.assertEqual(files, [status.log_path + end
                                 for end in (".2", ".1", "")])
        numbers = read_streams(*files)[0].numbers()
        self.assertEqual(numbers, list(range(numbers[0], 30001)))
        self.assertLess(len(numbers), 5000)

    def test_a_kubelets_rotation_works_beside_it(self):
        container = self.with_log(
            self.make_pod(), "i=0; while [ ! -e /end ]; do i=$((i+200)); "
            "seq $((i-199)) $i; sleep 0.01; done", max_size="64Ki",
            max_files="100")
        path = self.log_path(container)
        for turn in range(5):
            count = len(self.files_of(path))
            wait_until(lambda: len(self.files_of(path)) > count + 1,
                       "old files")
            os.rename(path, f"{path}-{turn}")
            self.call("ReopenContainerLog", container_id=container)
            wait_until(lambda: size_of(path) > 0, "lines in the new one")
        self.exec_sync(container, "touch /end")
        self.wait_exited(container)
        folder = os.path.dirname(path)
        names = [os.path.join(folder, name) for name in os.listdir(folder)
                 if name.startswith(os.path.basename(path))]
        # By their first lines.
        names = [name for name in names if os.path.getsize(name) > 0]
        names.sort(key=lambda name: int(host.read(name).split(None, 4)[3]))
        out, _ = read_streams(*names)
        say(f"{len(out.lines)} lines over {len(names)} files")
        self.assertGreater(len(names), 10)
        self.assert_complete(out, len(out.lines))


def free_bytes(folder):
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


class OwnDisk(LogPolicyCase):
    """Logs on a file system of the test's own, to be filled."""

    @classmethod
    def setUpClass(cls):
        cls.disk = tempfile.mkdtemp(prefix="gantry-test.", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, cls.disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "logs",
                        cls.disk], check=True)
        cls.addClassCleanup(subprocess.run, ["umount", cls.disk], check=True)
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.addCleanup(self.empty)

    def empty(self):
        for name in os.listdir(self.disk):
            os.unlink(os.path.join(self.disk, name))

    def fill(self, room):
        """Until there are so many bytes left, or less."""
        with open(self.disk + "/filler", "wb", buffering=0) as filler:
            left = free_bytes(self.disk) - room
            while left > 0:
                left -= filler.write(bytes(min(left, MIB)))

    def pod_on_disk(self):
        config = self.pod_config()
        config.log_directory = self.disk
        return self.run_pod(config)


class FullDisk(OwnDisk):
    """It is full for a while."""

    def start_writing(self, policy, lines):
        """A container that writes and then waits for a word."""
        self.fill(200 * KIB)
        return self.with_log(
            self.pod_on_disk(), f"({both_streams(lines)}); touch /wrote; "
            "until [ -e /go ]; do sleep 0.05; done; echo 0", policy=policy)

    def is_there(self, container, name):
        return self.exec_sync(container, ["test", "-e", name]).exit_code == 0

    def test_block_waits_and_goes_on_without_losing_a_line(self):
        lines = 400000
        container = self.start_writing("block", lines)
        path = self.log_path(container)
        wait_until(lambda: free_bytes(self.disk) == 0, "no room")
        # It writes more than pipes and buffers hold.
        self.assertFalse(self.is_there(container, "/wrote"))
        size = os.path.getsize(path)
        os.unlink(self.disk + "/filler")
        wait_until(lambda: os.path.getsize(path) > size, "it goes on")
        wait_until(lambda: self.is_there(container, "/wrote"), "all written")
        self.exec_sync(container, "touch /go")
        self.assertEqual(self.wait_exited(container).exit_code, 0)
        out, err = read_streams(path)
        self.assertEqual(out.lines.pop(), "0")
        for stream in (out, err):
            self.assert_complete(stream, lines)

    def test_drop_says_what_is_missing_when_there_is_room(self):
        lines = 500000
        container = self.start_writing("drop", lines)
        path = self.log_path(container)
        wait_until(lambda: self.is_there(container, "/wrote"),
                   "the program is through")
        self.assertEqual(free_bytes(self.disk), 0)
        self.assertNotIn("dropped", host.read(path))
        os.unlink(self.disk + "/filler")
        # Without another line.
        wait_until(lambda: host.read(path).count("dropped") == 2, "markers")
        self.exec_sync(container, "touch /go")
        self.assertEqual(self.wait_exited(container).exit_code, 0)
        out, err = read_streams(path)
        self.assertEqual(out.lines.pop(), "0")
        for stream in (out, err):
            say(f"{len(stream.lines)} lines, then {stream.markers}")
            self.assertEqual(len(stream.markers), 1)
            self.assert_accounted(stream, lines, bytes_of_numbers(lines))

    def test_a_kubelets_rotation_helps_at_once(self):
        lines = 400000
        container = self.start_writing("block", lines)
        path = self.log_path(container)
        wait_until(lambda: free_bytes(self.disk) == 0, "no room")
        os.rename(path, path + ".old")
        os.unlink(self.disk + "/filler")
        self.call("ReopenContainerLog", container_id=container)
        wait_until(lambda: self.is_there(container, "/wrote"), "all written")
        self.exec_sync(container, "touch /go")
        self.wait_exited(container)
        # The record that the full disk has cut stands in the new file whole.
        old = host.read(path + ".old")
        host.write(path + ".old", old[:old.rfind("\n") + 1])
        out, err = read_streams(path + ".old", path)
        self.assertEqual(out.lines.pop(), "0")
        for stream in (out, err):
            self.assert_complete(stream, lines)


class Stop(OwnDisk):
    """Stop of a container that fills its log ends in its grace period and a
    second or two more, whatever the log does."""
    GRACE = 1
    BOUND = 4
    STUBBORN = "trap '' TERM; while :; do seq 1 1000000; done"

    def check_stop(self, pod, script, exit_code, full=False, **values):
        container = self.with_log(pod, script, **values)
        path = self.log_path(container)
        wait_until(lambda: free_bytes(self.disk) == 0 if full else
                   size_of(path) > 0, "it writes")
        begin = time.monotonic()
        self.stop(container, self.GRACE)
        seconds = time.monotonic() - begin
        status = self.status(container)
        say(f"{values}: {seconds:.2f} s, exit code {status.exit_code}, "
            f"{status.reason}")
        self.assertEqual((status.exit_code, status.reason),
                         (exit_code, "Error"))
        self.assertLess(seconds, self.GRACE + host.patience(self.BOUND))
        self.assertEqual(self.state(container), "EXITED")
        self.remove(container)
        for name in self.files_of(path):
            os.unlink(name)

    # So that the test does not write gigabytes.
    SMALL = {"max_size": "4Mi", "max_files": "2"}

    def test_under_each_policy(self):
        pod = self.make_pod()
        for policy in ("block", "drop"):
            for rate in ("0", "64Ki"):
                with self.subTest(policy=policy, rate=rate):
                    self.check_stop(pod, self.STUBBORN, 137, policy=policy,
                                    rate=rate, **self.SMALL)

    # Seen to end as ShimLost while the shim waited ten seconds for its log.
    def test_on_a_full_disk(self):
        for policy in ("block", "drop"):
            with self.subTest(policy=policy):
                pod = self.pod_on_disk()
                self.fill(100 * KIB)
                self.check_stop(pod, self.STUBBORN, 137, full=True,
                                policy=policy)
                self.fill(100 * KIB)
                # One that ends by itself keeps its exit code.
                self.check_stop(
                    pod, "trap 'exit 7' TERM; while :; do echo $$; done", 7,
                    full=True, policy=policy)

    def test_nobody_else_waits(self):
        pod, other = self.pod_on_disk(), self.make_container(self.make_pod())
        self.fill(100 * KIB)
        held = self.with_log(pod, self.STUBBORN, policy="block")
        wait_until(lambda: free_bytes(self.disk) == 0, "no room")
        stopping = self.server.runtime.StopContainer.future(
            self.api.StopContainerRequest(container_id=held, timeout=2))
        begin = time.monotonic()
        self.assertEqual(self.inside(other, "echo lives"), "lives")
        self.assertEqual(self.inside(held, "echo lives"), "lives")
        self.assertLess(time.monotonic() - begin, host.patience(1.5))
        stopping.result(timeout=host.patience(10))


if __name__ == "__main__":
    gantry_case.main()
