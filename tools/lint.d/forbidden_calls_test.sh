#!/usr/bin/env bash
# What is forbidden is found, what only looks like it is not.
set -euo pipefail
program=$PWD/tools/lint.d/forbidden_calls.py
cd "$(mktemp -d "$TEST_TMPDIR/lint.XXXXXX")"
mkdir -p runtime/a runtime/sys server/b shim

cat >runtime/a/bad.cc <<'CC'
#include <glog/logging.h>
int a = fork();
int b = ::open("x", 0);
auto* c = getpwnam("x");
int d() { return system("x"); }
CC
cat >runtime/a/good.cc <<'CC'
// fork() and system() are named here, /* and close(1) */ too.
const char* text = "popen(x) getpwnam(y)";
void Use(File& f, File* g) { f.open(1); g->close(); sys::open(2); Reopen(3); }
int open(const char* path);
size_t n = 1'000;
CC
cp runtime/a/bad.cc runtime/sys/raw.cc
cp runtime/a/bad.cc runtime/a/bad_test.cc
printf '#include <glog/logging.h>\n' >server/b/log.cc

check() {
  local got
  got=$(echo "$1" | /usr/bin/python3 "$program" |
    sed -E 's/^[^:]*:([0-9]+): ([^ ]*).*/\1 \2/' | tr '\n' ',')
  [ "$got" = "$2" ] || { echo "$1: wanted '$2', got '$got'"; exit 1; }
}
check runtime/a/bad.cc "1 glog,2 fork(),3 open(),4 getpwnam(),5 system(),"
check runtime/a/good.cc ""
check runtime/sys/raw.cc "1 glog,4 getpwnam(),"
check runtime/a/bad_test.cc "1 glog,4 getpwnam(),"
check server/b/log.cc ""
