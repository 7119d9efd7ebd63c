#!/usr/bin/env python3
"""Which test covers which field, RPC and enum value of CRI v1.

    field_coverage.py --wire test/wire/cri_v1_wire.tsv --lib test/lib/*.py \
        --build test/e2e/BUILD.bazel test/e2e/*_test.py [--compare FILE]

Prints a table in Markdown, one line per row of the wire table. What a test
covers it says by @covers and @covers_unset (test/lib/gantry_fields.py), which
also sees, when the test runs, that it is so. Here is checked, without running
anything, that
  - every row is claimed by a test, and every claim is of a row;
  - the test is a test method of a file that is a Bazel target;
  - the method, or a helper that it calls, names the field in its code: what a
    test never reads it cannot have checked.
Ends with status 1 and lines about what is wrong otherwise, and if FILE differs
from the table.
"""

import argparse
import ast
import os
import re
import sys

CLAIMS = {"covers": "met", "covers_unset": "none"}
KINDS = ("rpc", "field", "enum")


class Method:
    """One function, or a class that a test makes use of: the words of its code
    and the functions it calls."""

    def __init__(self, node):
        self.words = set()
        self.calls = set()
        docs = {id(part.value) for part in ast.walk(node)
                if isinstance(part, ast.Expr)}
        for statement in node.body:
            for part in ast.walk(statement):
                self._take(part, docs)

    def _take(self, part, docs):
        if isinstance(part, ast.Attribute):
            self.words.add(part.attr)
            self.calls.add(part.attr)
        elif isinstance(part, ast.Name):
            self.words.add(part.id)
            self.calls.add(part.id)
        elif isinstance(part, ast.keyword) and part.arg:
            self.words.add(part.arg)
        elif (isinstance(part, ast.Constant) and isinstance(part.value, str)
              and id(part) not in docs):
            self.words.update(re.findall(r"\w+", part.value))


def methods_of(tree):
    return {node.name: Method(node) for node in ast.walk(tree)
            if isinstance(node, (ast.FunctionDef, ast.ClassDef))}


def words_of(method, methods):
    """The words of a method and of what it calls of `methods`."""
    words, seen, todo = set(), set(), [method]
    while todo:
        method = todo.pop()
        words |= method.words
        for name in method.calls - seen:
            seen.add(name)
            if name in methods:
                todo.append(methods[name])
    return words


class Claim:

    def __init__(self, names, how, place, test, words):
        self.names = names
        self.how = how      # a value of CLAIMS
        self.place = place  # FILE:LINE
        self.test = test    # "//test/e2e:pid_test Class.method"
        self.words = words


def decorated(function):
    """(kind, names, line) of each claim of a function."""
    for node in function.decorator_list:
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in CLAIMS:
            yield CLAIMS[name], [ast.literal_eval(argument)
                                 for argument in node.args], node.lineno


def claims_of(path, library, wrong):
    """The claims of one test file."""
    with open(path, encoding="utf-8") as source:
        tree = ast.parse(source.read())
    methods = {**library, **methods_of(tree)}
    folder, name = os.path.split(path.removesuffix(".py"))
    target = f"//{folder}:{name}"
    found = []
    for group in ast.walk(tree):
        if not isinstance(group, (ast.ClassDef, ast.Module)):
            continue
        for function in group.body:
            if not isinstance(function, ast.FunctionDef):
                continue
            for how, names, line in decorated(function):
                place = f"{path}:{line}"
                if (not isinstance(group, ast.ClassDef)
                        or not function.name.startswith("test")):
                    wrong.append(f"{place}: claims stand before the test "
                                 f"methods of a class, not {function.name}")
                found.append(Claim(
                    names, how, place,
                    f"{target} {getattr(group, 'name', '?')}.{function.name}",
                    words_of(Method(function), methods)))
    return target, found


def is_target(name, build_text):
    """Whether a BUILD file makes the test NAME, alone or in a list where it
    stands without its end."""
    bare = name.removesuffix("_test")
    return (f'"{name}"' in build_text
            or bool(re.search(rf'"{re.escape(bare)}": ', build_text)))


def read_wire(path):
    """"Parent.name" -> (kind, number, type), in the table's order."""
    rows = {}
    with open(path, encoding="utf-8") as source:
        for line in source:
            kind, parent, name, number, _, type_name = (
                line.rstrip("\n").split("\t")[:6])
            if kind in KINDS:
                rows[f"{parent}.{name}"] = (kind, number, type_name)
    return rows


def expand(name, rows):
    """The rows that a claimed name stands for."""
    if not name.endswith(".*"):
        return [name] if name in rows else []
    return [row for row in rows if row.rsplit(".", 1)[0] == name[:-2]
            and rows[row][0] != "rpc"]


def names_it(row, kind, words):
    """Whether code of these words can be about the row: an enum's value may be
    reached through the enum."""
    parent, name = row.rsplit(".", 1)
    return name in words or kind == "enum" and parent.split(".")[-1] in words


def collect(rows, claims, wrong):
    """Row -> its claims, those of meeting a value first."""
    covered = {row: [] for row in rows}
    for claim in claims:
        for name in claim.names:
            expanded = expand(name, rows)
            if not expanded:
                wrong.append(f"{claim.place}: CRI v1 has no {name}")
            for row in expanded:
                if claim.how == "met" and not names_it(
                        row, rows[row][0], claim.words):
                    wrong.append(f"{claim.place}: claims {row} and its code "
                                 "never names it")
                covered[row].append(claim)
    for row, by in covered.items():
        by.sort(key=lambda claim: claim.how != "met")
        if not by:
            wrong.append(f"{row}: no test covers it")
        elif {claim.how for claim in by} == {"met", "none"}:
            wrong.append(f"{row}: met in {by[0].place}, and said never to be "
                         f"in {by[-1].place}")
    return covered


def table(rows, covered):
    count = {kind: sum(1 for row in rows.values() if row[0] == kind)
             for kind in KINDS}
    lines = [
        "# Field coverage", "",
        f"Every one of the {count['rpc']} RPCs, {count['field']} fields and "
        f"{count['enum']} enum values of CRI v1, and the",
        "test that covers it. Made by `test/coverage/field_coverage.py` from "
        "what the tests",
        "claim; `//test/coverage:field_coverage_test` holds this page against "
        "it. \"none\": a",
        "test sees that no answer has it, for it is another system's, or of "
        "an RPC that",
        "is not built.", "",
        "| name | number | | test |", "|---|---|---|---|"]
    for row, (kind, number, _) in rows.items():
        by = covered[row]
        test = by[0].test if by else "**nobody**"
        more = f" and {len(by) - 1} more" if len(by) > 1 else ""
        shown = "rpc" if kind == "rpc" else ""
        if by and by[0].how == "none":
            shown = "none"
        lines.append(f"| {row} | {number} | {shown} | {test}{more} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--wire", required=True)
    parser.add_argument("--lib", nargs="*", default=[])
    parser.add_argument("--build", nargs="*", default=[])
    parser.add_argument("--compare")
    parser.add_argument("tests", nargs="*")
    options = parser.parse_args()

    wrong, claims, library = [], [], {}
    for path in options.lib:
        with open(path, encoding="utf-8") as source:
            library.update(methods_of(ast.parse(source.read())))
    builds = {}
    for path in options.build:
        with open(path, encoding="utf-8") as source:
            builds["//" + os.path.dirname(path)] = source.read()
    for path in sorted(options.tests):
        target, found = claims_of(path, library, wrong)
        package, name = target.split(":")
        if found and not is_target(name, builds.get(package, "")):
            wrong.append(f"{path}: makes claims and is no target of {package}")
        claims += found
    rows = read_wire(options.wire)
    text = table(rows, collect(rows, claims, wrong))
    print(text, end="")
    if options.compare and not wrong:
        with open(options.compare, encoding="utf-8") as source:
            if source.read() != text:
                wrong.append(f"{options.compare} is not this table: write it "
                             "anew")
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
