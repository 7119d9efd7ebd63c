"""unittest results as test.xml: one entry per test method (and subtest that
failed), in the form that Bazel and test/count_results.py read."""

import os
import time
import unittest
import xml.etree.ElementTree as xml


class Result(unittest.TextTestResult):

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.cases = []

    def startTest(self, test):
        self.begin = time.monotonic()
        super().startTest(test)

    def _note(self, test, kind=None, text=""):
        taken = time.monotonic() - getattr(self, "begin", time.monotonic())
        words = test.id().split(".")
        case = xml.Element("testcase", name=words[-1], status="run",
                           classname=".".join(words[:-1]),
                           time=f"{taken:.3f}", result="completed")
        if kind == "skipped":
            case.set("result", "skipped")
        if kind is not None:
            # XML takes no control characters.
            text = "".join(c if c >= " " or c in "\n\t" else "?" for c in text)
            last = text.strip().split("\n")[-1]
            xml.SubElement(case, kind, message=last[:300]).text = text
        self.cases.append(case)

    def addSuccess(self, test):
        super().addSuccess(test)
        self._note(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._note(test, "failure", self._exc_info_to_string(err, test))

    def addError(self, test, err):
        super().addError(test, err)
        self._note(test, "error", self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._note(test, "skipped", reason)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(subtest, "failure",
                       self._exc_info_to_string(err, test))

    def write(self, path):
        suite = xml.Element(
            "testsuite", name="unittest", tests=str(len(self.cases)),
            failures=str(len(self.failures)), errors=str(len(self.errors)))
        suite.extend(self.cases)
        suites = xml.Element("testsuites")
        suites.append(suite)
        xml.ElementTree(suites).write(path, encoding="utf-8",
                                      xml_declaration=True)


class Runner(unittest.TextTestRunner):
    resultclass = Result

    def run(self, test):
        result = super().run(test)
        if path := os.environ.get("XML_OUTPUT_FILE"):
            result.write(path)
        return result
