"""The log of a container, in CRI's format."""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import say, wait_until

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}"
                  r"(Z|[+-]\d\d:\d\d) (stdout|stderr) [FP] ")
PIECE = 16 * 1024


class Log(gantry_case.GantryCase):

    def test_lines_name_time_stream_and_tag(self):
        status = self.run_to_end(
            self.make_pod(), "echo out; echo err >&2; echo; printf unended")
        lines = host.read(status.log_path).split("\n")[:-1]
        for line in lines:
            self.assertRegex(line, LINE)
        parsed = gantry_case.read_log(status.log_path)
        self.assertEqual([(l.tag, l.text) for l in parsed
                          if l.stream == "stdout"],
                         [("F", "out"), ("F", ""), ("P", "unended")])
        self.assertEqual([(l.tag, l.text) for l in parsed
                          if l.stream == "stderr"], [("F", "err")])
        times = [line.time for line in parsed]
        self.assertEqual(times, sorted(times))

    def test_a_long_line_comes_in_pieces(self):
        size = 3 * PIECE + 100
        status = self.run_to_end(
            self.make_pod(),
            f"head -c {size} /dev/zero | tr '\\0' x; echo; echo after")
        parsed = gantry_case.read_log(status.log_path)
        self.assertEqual([(l.tag, len(l.text)) for l in parsed],
                         [("P", PIECE)] * 3 + [("F", 100), ("F", 5)])
        self.assertEqual(gantry_case.log_texts(status.log_path),
                         ["x" * size, "after"])

    def test_much_output_is_whole(self):
        status = self.run_to_end(self.make_pod(), "seq 1 100000")
        self.assertEqual(gantry_case.log_texts(status.log_path),
                         [str(number) for number in range(1, 100001)])

    def test_after_a_rename_and_reopen_lines_go_to_the_new_file(self):
        container = self.make_container(
            self.make_pod(),
            "i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done")
        path = self.log_path(container)
        for turn in range(3):
            wait_until(lambda: len(gantry_case.read_log(path)) > 5, "lines")
            os.rename(path, f"{path}.{turn}")
            self.call("ReopenContainerLog", container_id=container)
            self.assertTrue(os.path.exists(path))
        wait_until(lambda: gantry_case.read_log(path), "a line in the last")
        self.stop(container)
        numbers = []
        for name in [f"{path}.{turn}" for turn in range(3)] + [path]:
            numbers += [int(text) for text in gantry_case.log_texts(name)]
        say(f"{len(numbers)} lines over 4 files, none lost")
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    def test_reopening_what_does_not_run_fails_and_makes_no_file(self):
        container = self.make_container(self.make_pod(), "echo x")
        status = self.wait_exited(container)
        os.rename(status.log_path, status.log_path + ".old")
        self.assert_code("FAILED_PRECONDITION", "ReopenContainerLog",
                         container_id=container)
        self.assertFalse(os.path.exists(status.log_path))

    def test_without_a_path_there_is_no_log_and_the_log_outlives_the_pod(self):
        pod = self.make_pod()
        before = os.listdir(self.server.logs)
        container = self.make_container(pod, "echo unheard; exit 3",
                                        log_path="")
        self.assertEqual(self.wait_exited(container).exit_code, 3)
        self.assertEqual(os.listdir(self.server.logs), before)
        kept = self.run_to_end(pod, "echo kept",
                               log_path="below/some/0.log").log_path
        self.assertEqual(kept, self.server.logs + "/below/some/0.log")
        self.remove_pod(pod)
        self.assertEqual(gantry_case.log_texts(kept), ["kept"])


if __name__ == "__main__":
    gantry_case.main()
