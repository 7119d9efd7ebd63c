#!/usr/bin/env bash
# Every kind of end is counted once: a pass, a failure, a skip with its reason,
# a time-out without a result file, a target that does not build.
set -euo pipefail
program=$PWD/test/count_results.py
cd "$(mktemp -d "$TEST_TMPDIR/count.XXXXXX")"

case_xml() { # FILE INSIDE
  echo "<testsuites><testsuite><testcase name='N' classname='C'
    status='run'>$2</testcase></testsuite></testsuites>" >"$1"
}
result() { # TARGET STATUS [XML]
  if [ -n "${3-}" ]; then
    echo "{\"id\": {\"testResult\": {\"label\": \"$1\", \"shard\": 1}},
      \"testResult\": {\"testActionOutput\": [{\"name\": \"test.xml\",
      \"uri\": \"file://$PWD/$3\"}]}}" | tr -d '\n'
    echo
  fi
  echo "{\"id\": {\"testSummary\": {\"label\": \"$1\"}},
    \"testSummary\": {\"overallStatus\": \"$2\"}}" | tr -d '\n'
  echo
}
count() { # WANTED-STATUS WANTED-LAST-LINE ARGUMENT...
  local wanted=$1 line=$2 status=0
  shift 2
  /usr/bin/python3 "$program" "$@" >out || status=$?
  cat out
  [ "$status $(tail -n 1 out)" = "$wanted $line" ] ||
    { echo "wanted: $wanted $line"; exit 1; }
}

case_xml pass.xml ""
case_xml fail.xml "<failure message='boom'/>"
case_xml skip.xml "<skipped message='x.cc:1&#10;no cgroup2 here'/>"
result //a:pass PASSED pass.xml >good.json
count 0 "1 passed, 0 failed, 0 skipped" good.json
count 1 "1 passed, 1 failed, 0 skipped" --failed 1 good.json

result //b:skip PASSED skip.xml >skip.json
count 1 "0 passed, 0 failed, 1 skipped" skip.json # nothing passed
grep -q '^SKIPPED .*//b:skip C.N: no cgroup2 here$' out
count 0 "1 passed, 0 failed, 1 skipped" good.json skip.json
count 1 "1 passed, 1 failed, 0 skipped" --no-skips //b good.json skip.json
count 1 "1 passed, 1 failed, 0 skipped" --no-skips "//b:skip C.N" good.json \
  skip.json
count 0 "1 passed, 0 failed, 1 skipped" --no-skips "//b:skip C.M" good.json \
  skip.json

{ result //a:pass PASSED pass.xml
  result //a:fail FAILED fail.xml
  result //a:leak FAILED pass.xml # a sanitizer's word at exit
  result //a:late TIMEOUT
  echo '{"id": {"targetCompleted": {"label": "//a:broken"}},
    "completed": {"success": false}}' | tr -d '\n'
} >bad.json
count 1 "2 passed, 4 failed, 0 skipped" bad.json
count 1 "1 passed, 1 failed, 0 skipped" good.json missing.json

{ echo "== x: FAILED"
  echo "3 passed, 0 failed, 9 skipped" # some suite's own words
  echo "SKIPPED [vm] x: no disk"
  echo "FAILED [vm] y: boom"
  echo "7 passed, 1 failed, 1 skipped"
  echo "vm-test: machine v2-bare, 9 s"
} >vm
count 1 "8 passed, 1 failed, 1 skipped" --counted vm good.json
grep -q '^SKIPPED \[vm\] x: no disk$' out
grep -q '^FAILED \[vm\] y: boom$' out
echo "no machine" >silent
count 1 "1 passed, 1 failed, 0 skipped" --counted silent good.json
