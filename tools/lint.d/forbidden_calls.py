"""Calls and includes that a room may not have; file names on standard input.

The rules stand in docs/architecture.md ("What lint forbids"). Comments and
string literals are taken out first, so that prose may name what code may not
call.
"""

import re
import sys

_TOKENS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])'", re.DOTALL)

# What comes before a plain or global-namespace call; a method, a member of
# another namespace or a longer name is something else.
_CALL = r"(?:(?<![\w.:>])|(?<![\w>])::)"

_EVERYWHERE = re.compile(
    _CALL + r"((?:getpw|getgr)(?:nam|uid|gid|ent)(?:_r)?|getgrouplist|"
    r"initgroups)\s*\(")
_OUTSIDE_SYS = re.compile(
    _CALL + r"(fork|vfork|system|popen|open|openat|creat|close)\s*\(")
_GLOG = re.compile(r"#\s*include\s*<glog/")

# Tests make the conditions that the code is tested under.
_TEST = re.compile(r"(_test\.(cc|h)|/testing/[^/]+)$|^test/")
_OWNS_SYSCALLS = re.compile(r"^(runtime/sys/|shim/)")
# The type that owns descriptors is where close(2) is.
_OWNS_CLOSE = "runtime/base/unique_fd.cc"


def _blank(match):
    """The same number of lines with nothing on them."""
    return " " + "\n" * match.group(0).count("\n")


def findings(path, text):
    # An #include's <...> is not a literal and stays.
    code = _TOKENS.sub(_blank, text)
    for number, line in enumerate(code.split("\n"), 1):
        for match in _EVERYWHERE.finditer(line):
            yield number, f"{match.group(1)}() is forbidden everywhere"
        if _GLOG.search(line) and re.match(r"(runtime|shim)/", path):
            yield number, "glog is for server/ and tools/ only"
        if _TEST.search(path) or _OWNS_SYSCALLS.match(path):
            continue
        for match in _OUTSIDE_SYS.finditer(line):
            if match.group(1) == "close" and path == _OWNS_CLOSE:
                continue
            # A declaration of a function of this name is no call of it.
            if re.match(r"\s*(\w[\w:<>&* ]* )?$", line[:match.start()]) and \
                    re.search(r"\w\s+$", line[:match.start()]) and \
                    not re.search(r"\b(return|case|else)\s+$",
                                  line[:match.start()]):
                continue
            yield number, (f"{match.group(1)}() is forbidden outside "
                           "runtime/sys and shim/")


def main():
    for path in sys.stdin.read().split("\n"):
        if not path:
            continue
        with open(path, encoding="utf-8", errors="replace") as source:
            for number, what in findings(path, source.read()):
                print(f"{path}:{number}: {what}")


if __name__ == "__main__":
    main()
