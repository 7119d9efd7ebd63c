"""Counts critest's specs from the report that it wrote (ginkgo's JSON).

critest_results.py [--selected] REPORT [EXPECTED_SKIPS]: prints every failed and
every skipped spec with the reason, then one line "N passed, N failed, N
skipped". Exit status 1 unless something passed and nothing failed. Where
XML_OUTPUT_FILE is set, one test case for each spec is written there as well.
--selected: leaves out the specs that a focus left out.

EXPECTED_SKIPS has lines "PATTERN<tab>WHY[<tab>WHERE]": a spec that is skipped
though no pattern (a regular expression, searched in its name) tells that it may
be is a failure: what the runtime no longer claims to have would go unnoticed.
WHERE, one of MACHINES, leaves the line out on any other machine.
"""

import argparse
import json
import os
import re
import sys
import xml.etree.ElementTree as xml


def has_apparmor():
    try:
        with open("/sys/module/apparmor/parameters/enabled",
                  encoding="ascii") as enabled:
            return enabled.read().strip() == "Y"
    except FileNotFoundError:
        return False


def linux_is_older_than(*version):
    return tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) < version


MACHINES = {
    "no AppArmor": lambda: not has_apparmor(),
    "Linux before 6.3": lambda: linux_is_older_than(6, 3),
}


def read_expected(path):
    with open(path, encoding="utf-8") as source:
        lines = [line.rstrip("\n").split("\t") for line in source
                 if line.strip() and not line.startswith("#")]
    return [(re.compile(pattern), why) for pattern, why, *where in lines
            if not where or MACHINES[where[0]]()]


def specs(report):
    """(name, outcome, why) of each spec; of the rest only what failed."""
    for spec in report["SpecReports"]:
        name = " ".join((spec["ContainerHierarchyTexts"] or []) +
                        [spec["LeafNodeText"] or spec["LeafNodeType"]])
        why = spec.get("Failure", {}).get("Message", "").strip()
        state = spec["State"]
        if state not in ("passed", "skipped"):
            yield name, "failed", f"{state}: {why}"
        elif spec["LeafNodeType"] == "It":
            yield name, state, why


def judge(outcome, name, why, expected):
    """A skip for which there is a reason keeps it; another one is a failure."""
    if outcome != "skipped" or expected is None:
        return outcome, why
    for pattern, reason in expected:
        if pattern.search(name):
            return outcome, reason
    return "failed", f"skipped, which it may not be: {why}"


def write_xml(path, results):
    suite = xml.Element("testsuite", name="critest", tests=str(len(results)))
    for name, outcome, why in results:
        case = xml.SubElement(suite, "testcase", name=name, status="run",
                              result="completed")
        if outcome != "passed":
            text = re.sub(r"[^\n\t -~]", "?", why)
            kind = "failure" if outcome == "failed" else "skipped"
            xml.SubElement(case, kind, message=" ".join(text.split())[:300]
                           ).text = text
    suites = xml.Element("testsuites")
    suites.append(suite)
    xml.ElementTree(suites).write(path, encoding="utf-8",
                                  xml_declaration=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--selected", action="store_true")
    parser.add_argument("report")
    parser.add_argument("expected_skips", nargs="?")
    options = parser.parse_intermixed_args()
    with open(options.report, encoding="utf-8") as source:
        reports = json.load(source)
    expected = options.expected_skips and read_expected(options.expected_skips)
    results = []
    for report in reports:
        for name, outcome, why in specs(report):
            # One that asked to be skipped says why.
            if not (options.selected and outcome == "skipped" and not why):
                results.append((name, *judge(outcome, name, why, expected)))
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for name, outcome, why in sorted(results):
        count[outcome] += 1
        if outcome != "passed":
            print(f"{outcome.upper()} {name}: {' '.join(why.split())[:400]}")
    if path := os.environ.get("XML_OUTPUT_FILE"):
        write_xml(path, results)
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**count))
    sys.exit(0 if count["passed"] and not count["failed"] else 1)


if __name__ == "__main__":
    main()
