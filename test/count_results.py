"""Counts test results from the build event files that Bazel wrote.

count_results.py FILE...: prints every failed and skipped test case with its
row (the file's name), then one line "N passed, N failed, N skipped". A case is
a GoogleTest case or a whole shell test. Exit status 1 unless something passed
and nothing failed.

--counted LOG: the output of another run of this program (tools/vm-test's); its
failed and skipped cases are printed again and its last line is added.

--no-skips PREFIX: a skip counts as a failure where "TARGET CASE" begins so, for
example a folder, or a target and the one case that is the whole test.
"""

import argparse
import json
import os
import re
import sys
import urllib.parse
import xml.etree.ElementTree as xml

_GOOD = ("PASSED", "FLAKY")
_COUNT = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped")


class Count:

    def __init__(self, no_skips):
        self.no_skips = no_skips
        self.passed = self.failed = self.skipped = 0

    def fail(self, name, why):
        self.failed += 1
        print(f"FAILED {name}: {why}")

    def skip(self, name, place, why):
        if any(place.startswith(prefix) for prefix in self.no_skips):
            self.fail(name, f"skipped where it may not be: {why}")
            return
        self.skipped += 1
        print(f"SKIPPED {name}: {why}")

    def add_target(self, row, target, status, results):
        """Results are the paths of its test.xml files, one a shard."""
        name = f"[{row}] {target}"
        if not results and status not in _GOOD:
            self.fail(name, f"no result ({status})")
            return
        failed_before = self.failed
        for path in results:
            self.add_cases(name, target, path)
        # Bazel's word counts too: a leak found at exit, a time-out, a crash.
        if status not in _GOOD and self.failed == failed_before:
            self.fail(name, status)

    def add_cases(self, name, target, path):
        try:
            cases = list(xml.parse(path).getroot().iter("testcase"))
        except (OSError, xml.ParseError) as error:
            self.fail(name, f"its test.xml cannot be read: {error}")
            return
        for case in cases:
            if case.get("status") == "notrun":
                continue
            short = ".".join(
                filter(None, [case.get("classname"), case.get("name")]))
            case_name = f"{name} {short}"
            bad = case.find("failure")
            bad = case.find("error") if bad is None else bad
            skipped = case.find("skipped")
            if bad is not None:
                text = (bad.get("message") or bad.text or "").strip()
                self.fail(case_name, text.split("\n")[0][:200])
            elif skipped is not None or case.get("result") == "skipped":
                why = "" if skipped is None else (
                    skipped.get("message") or skipped.text or "")
                why = why.strip().split("\n")[-1]
                self.skip(case_name, f"{target} {short}", why or "no reason given")
            else:
                self.passed += 1


    def add_counted(self, path):
        """Another run's output: what it printed and its last count."""
        with open(path, encoding="utf-8", errors="replace") as source:
            lines = source.read().splitlines()
        counts = [found for found in map(_COUNT.fullmatch, lines) if found]
        if not counts:
            self.fail(f"[{os.path.basename(path)}]", "it counted nothing")
            return
        for line in lines:
            if line.startswith(("FAILED ", "SKIPPED ")):
                print(line)
        passed, failed, skipped = map(int, counts[-1].groups())
        self.passed += passed
        self.failed += failed
        self.skipped += skipped


def read_events(path):
    """Target -> (status, paths of test.xml), and what did not build."""
    status, results, broken = {}, {}, []
    with open(path, encoding="utf-8") as source:
        for line in source:
            event = json.loads(line)
            ident = event.get("id", {})
            if "testSummary" in event:
                label = ident["testSummary"]["label"]
                status[label] = event["testSummary"].get(
                    "overallStatus", "NO_STATUS")
            elif "testResult" in event:
                label = ident["testResult"]["label"]
                key = (label, ident["testResult"].get("shard", 1))
                for out in event["testResult"].get("testActionOutput", []):
                    if out["name"] == "test.xml":
                        uri = urllib.parse.urlparse(out["uri"])
                        # The last attempt stands.
                        results[key] = urllib.parse.unquote(uri.path)
            elif "aborted" in event and ("targetCompleted" in ident or
                                         "unconfiguredLabel" in ident):
                broken.append(json.dumps(ident))
            elif not event.get("completed", {}).get("success", True) and \
                    "targetCompleted" in ident:
                broken.append(ident["targetCompleted"]["label"])
    return status, results, broken


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-skips", action="append", default=[])
    parser.add_argument("--failed", type=int, default=0,
                        help="failures of other checks, to be added")
    parser.add_argument("--counted", action="append", default=[])
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()
    count = Count(options.no_skips)
    count.failed = options.failed
    for path in options.files:
        row = os.path.basename(path).rsplit(".", 1)[0]
        if not os.path.exists(path):
            count.fail(f"[{row}]", "Bazel wrote no events")
            continue
        status, results, broken = read_events(path)
        for label in sorted(set(broken) - set(status)):
            count.fail(f"[{row}] {label}", "does not build")
        for label in sorted(status):
            paths = [p for key, p in sorted(results.items())
                     if key[0] == label]
            count.add_target(row, label, status[label], paths)
    for path in options.counted:
        count.add_counted(path)
    print(f"{count.passed} passed, {count.failed} failed, "
          f"{count.skipped} skipped")
    sys.exit(0 if count.passed and not count.failed else 1)


if __name__ == "__main__":
    main()
