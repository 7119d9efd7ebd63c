#!/usr/bin/env bash
# One randomised run of critest; each spec is a case of this test's results.
# critest_test.sh GANTRYD EFFECTIVE_UID
set -euo pipefail
gantryd=$1 effective_uid=$2
. test/clients/server.sh

[ -x "$GANTRY_CACHE/bin/critest" ] ||
  skip "no critest in the cache: tools/setup builds it where Go is new enough"
out=${TEST_UNDECLARED_OUTPUTS_DIR:-$(mktemp -d)}
GANTRY_SHIM=$PWD/shim/gantry-shim test/conformance/run_critest \
  "$gantryd" "$effective_uid" "$out"
/usr/bin/python3 -B test/conformance/critest_results.py "$out/report.json" \
  test/conformance/critest_skips
