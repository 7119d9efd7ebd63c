#!/usr/bin/env bash
# One run of critest; each spec is a case of this test's results.
# critest_test.sh GANTRYD EFFECTIVE_UID [OPTION of run_critest]...
set -euo pipefail
gantryd=$1 effective_uid=$2
shift 2
. test/clients/server.sh

[ -x "$GANTRY_CACHE/bin/critest" ] ||
  skip "no critest in the cache: tools/setup builds it where Go is new enough"
out=${TEST_UNDECLARED_OUTPUTS_DIR:-$(mktemp -d)}
GANTRY_SHIM=$PWD/shim/gantry-shim test/conformance/run_critest \
  "$gantryd" "$effective_uid" "$out" "$@"
selected=()
[[ " $* " != *" --focus "* ]] || selected=(--selected)
/usr/bin/python3 -B test/conformance/critest_results.py "${selected[@]}" \
  "$out/report.json" test/conformance/critest_skips
