#!/usr/bin/env bash
# Holds docs/field_coverage.md against the tests. To write it anew, in the top of
# the workspace:
#   test/coverage/field_coverage_test.sh --write
set -euo pipefail
page=docs/field_coverage.md
coverage() {
  /usr/bin/python3 -B test/coverage/field_coverage.py \
    --wire test/wire/cri_v1_wire.tsv \
    --lib test/lib/gantry_case.py test/lib/gantry_stream_case.py \
    test/lib/gantry_traffic.py \
    --build test/e2e/BUILD.bazel "$@" -- test/e2e/*_test.py
}
if [ "${1-}" = --write ]; then
  coverage >"$page"
else
  coverage --compare "$page" >/dev/null
fi
