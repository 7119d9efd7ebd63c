#!/usr/bin/env bash
# A field that nobody covers, a claim of what is not there, a claim whose code
# does not name the field, and a test that is no target: each is found.
set -euo pipefail
program=$PWD/test/coverage/field_coverage.py
cd "$(mktemp -d "$TEST_TMPDIR/coverage.XXXXXX")"
mkdir t

printf '%s\n' $'kind\tparent\tname\tnumber\tlabel\ttype\toneof\tnote' \
  $'rpc\tS\tDo\t\tunary\tA>B\t\t' \
  $'field\tA\tone\t1\tsingular\tstring\t\t' \
  $'field\tA\ttwo\t2\tsingular\tstring\t\t' \
  $'enum\tE\tX\t0\t\t\t\t' >wire.tsv
echo 'gantry_python_test(name = "a_test", images = [])' >t/BUILD.bazel
echo 'def lib(self): return self.two' >lib.py

test_file() { # CLAIMS: of a test whose code says Do, one, E, and calls lib.
  cat >t/a_test.py <<EOF
from gantry_fields import covers, covers_unset
class C:
    @covers($1)
    def test_it(self):
        """What stands here about three is no code."""
        self.call("Do", one=self.E)
        lib(self)
EOF
}
check() { # WANTED-STATUS WANTED-TEXT
  local status=0
  /usr/bin/python3 -B "$program" --wire wire.tsv --lib lib.py \
    --build t/BUILD.bazel -- t/a_test.py >out 2>&1 || status=$?
  cat out
  [ "$status" = "$1" ] && grep -qF -- "$2" out ||
    { echo "wanted: $1 $2"; exit 1; }
}

test_file '"S.Do", "A.one", "A.two", "E.X"'
check 0 "| A.two | 2 |  | //t:a_test C.test_it |"
test_file '"S.Do", "A.*", "E.*"'
check 0 "| E.X | 0 |  | //t:a_test C.test_it |"
test_file '"S.Do", "A.one", "E.X"'
check 1 "A.two: no test covers it"
test_file '"S.Do", "A.*", "E.X", "A.four"'
check 1 "t/a_test.py:3: CRI v1 has no A.four"
test_file '"S.Do", "A.*", "E.X"'
sed -i '/lib(self)/d' t/a_test.py
check 1 "t/a_test.py:3: claims A.two and its code never names it"
test_file '"S.Do", "A.*", "E.X"'
sed -i 's/two/three/' wire.tsv
check 1 "claims A.three and its code never names it"
sed -i 's/three/two/' wire.tsv
sed -i 's/@covers/@covers_unset("A.two")\n    @covers/' t/a_test.py
check 1 "A.two: met in t/a_test.py:4, and said never to be in t/a_test.py:3"
test_file '"S.Do", "A.*", "E.X"'
sed -i 's/test_it/helper/' t/a_test.py
check 1 "claims stand before the test methods of a class, not helper"
test_file '"S.Do", "A.*", "E.X"'
: >t/BUILD.bazel
check 1 "t/a_test.py: makes claims and is no target of //t"
