#!/usr/bin/python3
"""Writes the page of a comparison: performance_page.py RESULTS PAGE.

RESULTS is what tools/compare left: a report of gantry-bench per NAME.json, its
plot NAME.svg, versions.txt, work.json (recorded by test/work) and bare_work.json.
Figures of servers stand side by side, with the best peer's as a multiple of
gantryd's; the goals, met or missed; our work beside that of bare runtimes. Notes
that are kept by hand in RESULTS/notes.md stand at the end.
"""

import json
import os
import sys

OURS = "gantryd"
LATENCY = ("RunPodSandbox", "CreateContainer", "StartContainer",
           "pod to running", "ContainerStatus", "ListContainers",
           "ExecSync(true)", "StopContainer", "RemoveContainer",
           "StopPodSandbox", "RemovePodSandbox", "whole life")
# Section, report, rows (names of rows or values; none: all there are).
SECTIONS = (
    ("One pod after the other, host's network", "latency_host", LATENCY),
    ("One pod after the other, pod network", "latency_pod", LATENCY),
    ("Ten at once, host's network", "parallel_host", ()),
    ("Ten at once, pod network", "parallel_pod", ()),
    ("Execs in one container", "exec", ()),
    ("Idle pods held", "density", ()),
    ("Output to the container's log", "logs", ()),
    ("A thousand pods held by gantryd", "list", ()),
    ("gantryd killed and started anew under running containers", "recover", ()),
)
# What is promised: row, report, figure; of "p99" the 99th percentile. Where it is
# a multiple of the best peer that counts: times differ between machines. Of the
# single calls it is the best peer's time over the goal, both of the machine where
# the goals were set (9.2, 0.5, 0.29 ms).
GOALS = (
    ("pod to running", "latency_host", "<=", 6, 10),
    ("pod to running", "latency_pod", "<=", 9, 12),
    ("StartContainer", "latency_host", "<=", 3.5, 2.6),
    ("ExecSync(true)", "latency_host", "<=", 1.8, 8),
    ("whole life", "latency_host", "<=", 14, 10),
    ("whole life", "latency_pod", "<=", 22, 12),
    ("lives per second", "parallel_host", ">=", 130, 10),
    ("lives per second", "parallel_pod", ">=", 75, 10),
    ("ContainerStatus", "latency_host", "<=", 0.25, 2),
    ("ListContainers", "latency_host", "<=", 0.2, 1.45),
    ("ListContainers, p99", "list", "<=", 5),
    ("ListContainerStats, p99", "list", "<=", 40),
    ("restart until all are RUNNING", "recover", "<=", 1000),
    ("output", "logs", ">=", 500),
    ("PSS of runtime processes per pod", "density", "<=", 128),
    ("server PSS, with 50 pods", "density", "<=", 22_000_000 / 1024),
    ("mounts of the host per pod", "density", "<=", 4),
    ("server PSS, with 1000 pods", "list", "<=", 64_000_000 / 1024),
)


def read_json(path):
    with open(path, encoding="utf-8") as source:
        return json.load(source)


class Report:
    """Figures of one run: {server: {name: (value, unit)}}, in order."""

    def __init__(self, path):
        report = read_json(path)
        self.facts, self.servers, self.names = report["facts"], {}, []
        self.failures = report.get("failures", [])
        for row in report["rows"]:
            self.add(row["name"], row["median_ns"] / 1e6, "ms",
                     row["p99_ns"] / 1e6)
        for value in report.get("values", []):
            if value["unit"] == "B":
                self.add(value["name"], value["value"] / 1024, "KiB")
            else:
                self.add(value["name"], value["value"], value["unit"])

    def add(self, name, value, unit, p99=None):
        server, separator, what = name.partition(": ")
        if not separator:
            server, what = "", name
        self.servers.setdefault(server, {})[what] = (value, unit, p99)
        if what not in self.names:
            self.names.append(what)

    def get(self, server, name):
        """Of a report of one server the rows have no title."""
        figures = self.servers.get(server) or (
            self.servers.get("", {}) if server == OURS else {})
        if name.endswith(", p99"):
            figure = figures.get(name.removesuffix(", p99"))
            return figure and (figure[2], figure[1], None)
        return figures.get(name)


def number(value):
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}"


def peers_of(report):
    return [server for server in report.servers
            if server and not server.startswith(OURS)]


def times(report, name):
    """The best peer's figure as a multiple of ours, the larger the better; None
    without one."""
    ours = report.get(OURS, name)
    theirs = [figure[0] for figure in
              (report.get(peer, name) for peer in peers_of(report))
              if figure and figure[0] > 0]
    if not ours or not theirs or ours[0] <= 0:
        return None
    if "/s" in ours[1] or name.endswith("per second"):
        return ours[0] / max(theirs)
    return min(theirs) / ours[0]


def table(report, names):
    servers = [server for server in report.servers if server] or [OURS]
    peers = peers_of(report)
    heading = ["median", *servers, *(["best peer / ours"] if peers else [])]
    lines = ["| " + " | ".join(heading) + " |",
             "|---" + "|---:" * (len(heading) - 1) + "|"]
    for name in names or report.names:
        figures = [report.get(server, name) for server in servers]
        unit = next((figure[1] for figure in figures if figure), None)
        if unit is None:
            continue
        cells = [name + (f", {unit}" if unit else "")]
        for figure in figures:
            text = number(figure[0]) if figure else ""
            if figure and figure[2] is not None:
                text += f" ({number(figure[2])})"
            cells.append(text)
        if peers:
            factor = times(report, name)
            cells.append(f"{factor:.1f}" if factor else "")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def goals(reports):
    lines = ["| | goal | seen | times the best peer: goal | seen | |",
             "|---|---:|---:|---:|---:|---|"]
    for name, report, sign, goal, *wanted in GOALS:
        figure = report in reports and reports[report].get(OURS, name)
        if not figure:
            continue
        kept = figure[0] <= goal if sign == "<=" else figure[0] >= goal
        factor = times(reports[report], name) if wanted else None
        if factor:
            kept = factor >= wanted[0]
        lines.append(f"| {name} ({report}) | {sign} {number(goal)} "
                     f"{figure[1]} | {number(figure[0])} | "
                     + (f"{wanted[0]} | {factor:.1f}" if factor else " |")
                     + f" | {'met' if kept else '**missed**'} |")
    return lines


def pulls(path):
    """compare_pulls prints a report per image, one after the other."""
    decoder, lines = json.JSONDecoder(), []
    with open(path, encoding="utf-8") as source:
        text = source.read()
    while (begin := text.find("{")) >= 0:
        report, end = decoder.raw_decode(text[begin:])
        text = text[begin + end:]
        lines += ["", f"`{report['facts'].get('image', '')}`", "",
                  "| | median, ms | 99th percentile |", "|---|---:|---:|"]
        lines += [f"| {row['name']} | {row['median_ns'] / 1e6:,.0f} | "
                  f"{row['p99_ns'] / 1e6:,.0f} |" for row in report["rows"]]
    return lines


def work(recorded, bare):
    """System calls and instructions: ours as recorded, theirs as counted."""
    ours = {what: {unit: sum(count for kind, count in by_verb[verb].items()
                             if kind != "server")
                   for unit, by_verb in recorded.items()}
            for what, verb in (("start", "StartContainer"),
                               ("exec", "ExecSync"))}
    lines = ["", "## Work of a start and of an exec", "",
             "Counted by tracing, not timed (`test/work`, which guards our",
             "figures): all processes but the server and the container's own",
             "program. Ours: shim and init, with the root file system, seccomp,",
             "the log and the watch on the exit; the others: the runtime alone,",
             "`run --detach` and `exec` of a bundle that lies there, its own",
             "example of a configuration (no seccomp filter).", "",
             f"| | {OURS} | " + " | ".join(bare) + " |",
             "|---" + "|---:" * (1 + len(bare)) + "|"]
    for what in ("start", "exec"):
        for unit, title in (("syscalls", "system calls"),
                            ("instructions", "instructions")):
            cells = [f"{counts[what][unit]:,}" if unit in counts[what] else ""
                     for counts in (ours, *bare.values())]
            lines.append(f"| {what}, {title} | " + " | ".join(cells) + " |")
    server = recorded["syscalls"]
    return lines + ["", "gantryd itself adds "
                    f"{server['StartContainer']['server']} system calls to a "
                    f"start and {server['ExecSync']['server']} to an exec, to "
                    "files and processes."]


def main():
    results, page = sys.argv[1:]
    reports = {name: Report(f"{results}/{name}.json")
               for _, name, _ in SECTIONS
               if os.path.exists(f"{results}/{name}.json")}
    with open(f"{results}/versions.txt", encoding="utf-8") as source:
        versions = [f"- {line.strip()}" for line in source if line.strip()]
    lines = ["# Performance", "",
             "Written by `tools/compare`: all servers in one run, by turns, on",
             "one machine. Medians, 99th percentiles in brackets. Absolute",
             "times differ between machines; what holds is the ratio.", "",
             *versions, "", "## Goals", "", *goals(reports)]
    plots = os.path.relpath(results, os.path.dirname(page) or ".")
    for title, name, rows in SECTIONS:
        if name not in reports:
            continue
        lines += ["", f"## {title}", "", *table(reports[name], rows)]
        lines += ["", *(f"FAILED: {what}" for what in reports[name].failures)]
        if os.path.exists(f"{results}/{name}.svg"):
            lines += [f"![distributions]({plots}/{name}.svg)"]
    if os.path.exists(f"{results}/pulls.json"):
        lines += ["", "## Cold pulls from a registry on loopback",
                  *pulls(f"{results}/pulls.json")]
    if os.path.exists(f"{results}/bare_work.json"):
        lines += work(read_json(f"{results}/work.json"),
                      read_json(f"{results}/bare_work.json"))
    if os.path.exists(f"{results}/notes.md"):
        with open(f"{results}/notes.md", encoding="utf-8") as source:
            lines += ["", source.read().rstrip()]
    with open(page, "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
