#!/usr/bin/env bash
# Every spec of a report is counted once, and a skip only where it may be one.
set -euo pipefail
program=$PWD/test/conformance/critest_results.py
cd "$(mktemp -d "$TEST_TMPDIR/critest.XXXXXX")"
export XML_OUTPUT_FILE=$PWD/test.xml

spec() { # NAME STATE [MESSAGE [TYPE]]
  printf '{"ContainerHierarchyTexts": ["[k8s.io] Pod"], "LeafNodeText": "%s",
    "State": "%s", "Failure": {"Message": "%s"}, "LeafNodeType": "%s"}' \
    "$1" "$2" "${3-}" "${4-It}"
}
report() { # SPEC...
  local IFS=,
  echo "[{\"SpecReports\": [$*]}]" >report.json
}
count() { # WANTED-STATUS WANTED-LAST-LINE [ARGUMENT...]
  local status=0
  /usr/bin/python3 "$program" report.json "${@:3}" >out || status=$?
  cat out
  [ "$status $(tail -n 1 out)" = "$1 $2" ] || { echo "wanted: $1 $2"; exit 1; }
}
printf '# a comment\nhas no NRI$\tthere is none here\n' >expected

report "$(spec runs passed)" "$(spec 'has no NRI' skipped 'no socket')" \
  "$(spec '' passed '' BeforeSuite)"
count 0 "1 passed, 0 failed, 1 skipped" expected
grep -qx 'SKIPPED \[k8s.io\] Pod has no NRI: there is none here' out
[ "$(grep -o '<testcase' test.xml | wc -l)" = 2 ]
grep -q '<skipped message="there is none here"' test.xml

report "$(spec runs passed)" "$(spec stats skipped 'not supported')"
count 0 "1 passed, 0 failed, 1 skipped"
count 1 "1 passed, 1 failed, 0 skipped" expected
grep -q '<failure message="skipped, which it may not be: not supported"' \
  test.xml

for state in failed panicked timedout interrupted; do
  report "$(spec runs passed)" "$(spec breaks $state boom)"
  count 1 "1 passed, 1 failed, 0 skipped" expected
done
report "$(spec runs passed)" "$(spec '' failed 'no server' BeforeSuite)"
count 1 "1 passed, 1 failed, 0 skipped" expected
grep -q '^FAILED \[k8s.io\] Pod BeforeSuite: failed: no server$' out
report "$(spec a skipped)"
count 1 "0 passed, 0 failed, 1 skipped"
count 1 "0 passed, 1 failed, 0 skipped" expected
report "$(spec runs passed)" "$(spec 'not in focus' skipped)" \
  "$(spec stats skipped 'not supported')"
count 1 "1 passed, 1 failed, 0 skipped" --selected expected

# A line for some machines excuses nothing on the others.
printf 'has no NRI$\tthis kernel is old\tLinux before 6.3\n' >expected
if printf '6.3\n%s\n' "$(uname -r)" | sort -VC; then
  wanted=(1 "1 passed, 1 failed, 0 skipped")
else
  wanted=(0 "1 passed, 0 failed, 1 skipped")
fi
report "$(spec runs passed)" "$(spec 'has no NRI' skipped 'no socket')"
count "${wanted[@]}" expected
