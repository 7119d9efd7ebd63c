#!/usr/bin/env bash
# The page of a comparison has servers side by side, ratios, and goals judged.
set -euo pipefail
program=$PWD/tools/bench/compare/performance_page.py
work=$(mktemp -d "$TEST_TMPDIR/page.XXXXXX")
trap 'rm -r "$work"' EXIT
cd "$work"
mkdir results

row() { # NAME MEDIAN-NS
  printf '{"name": "%s", "count": 1, "median_ns": %s, "p90_ns": 1,
    "p99_ns": 9000000}' "$1" "$2"
}
expect() { # LINE
  grep -qxF -- "$1" page.md || { cat page.md; echo "no line: $1"; exit 1; }
}
echo "runtime 1.2" >results/versions.txt
echo '<svg/>' >results/latency_host.svg
cat >results/latency_host.json <<JSON
{"mode": "latency", "facts": {}, "failures": [], "rows": [
  $(row 'floor' 2000000), $(row 'gantryd: whole life' 13000000),
  $(row 'gantryd: pod to running' 6500000),
  $(row 'peer: whole life' 130000000)], "values": []}
JSON
cat >results/parallel_host.json <<'JSON'
{"mode": "parallel", "facts": {}, "rows": [], "failures": ["one was lost"],
 "values": [
  {"name": "gantryd: lives per second", "value": 200, "unit": "1/s"},
  {"name": "peer: lives per second", "value": 10, "unit": "1/s"}]}
JSON
cat >results/density.json <<'JSON'
{"mode": "density", "facts": {}, "rows": [], "failures": [], "values": [
  {"name": "PSS of runtime processes per pod", "value": 135168, "unit": "B"}]}
JSON
cat >results/work.json <<'JSON'
{"syscalls": {"StartContainer": {"init": 600, "shim": 200, "server": 61},
              "ExecSync": {"init": 100, "shim": 50, "server": 11}},
 "instructions": {"StartContainer": {"init": 1000, "shim": 2000},
                  "ExecSync": {"init": 10, "shim": 20}}}
JSON
cat >results/bare_work.json <<'JSON'
{"crun": {"start": {"syscalls": 945, "instructions": 3000000},
          "exec": {"syscalls": 590, "instructions": 2900000}},
 "runc": {"start": {"syscalls": 3380}, "exec": {"syscalls": 1925}}}
JSON
printf '## Notes\n\nKept by hand.\n' >results/notes.md
/usr/bin/python3 -B "$program" results page.md

expect "- runtime 1.2"
expect "| median | gantryd | peer | best peer / ours |"
expect "| whole life, ms | 13 (9) | 130 (9) | 10.0 |"
expect "| lives per second, 1/s | 200 | 10 | 20.0 |"
expect "| whole life (latency_host) | <= 14 ms | 13 | 10 | 10.0 | met |"
expect "| lives per second (parallel_host) | >= 130 1/s | 200 | 10 | 20.0 | met |"
# Without a peer the figure itself is judged.
expect "| pod to running (latency_host) | <= 6 ms | 6.50 |  | | **missed** |"
# Of a report of one server; bytes are told in KiB.
expect "| PSS of runtime processes per pod (density) | <= 128 KiB | 132 |  | | **missed** |"
expect "FAILED: one was lost"
expect "![distributions](results/latency_host.svg)"
# Work without the server's; of a Go program there are no instructions.
expect "| start, system calls | 800 | 945 | 3,380 |"
expect "| exec, instructions | 30 | 2,900,000 |  |"
expect "Kept by hand."
