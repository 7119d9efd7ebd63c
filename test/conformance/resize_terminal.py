#!/usr/bin/python3
"""Runs a command on a terminal that grows while it runs.

resize_terminal.py COMMAND ARGUMENT...: the terminal has 30 rows and 100 columns
until the command prints "ready", and 41 and 132 from then on. Prints what the
command printed; the exit status is the command's. Ends after 30 s.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time

SECONDS = 30


def set_size(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ,
                struct.pack("HHHH", rows, columns, 0, 0))


def main(command):
    begin, start = os.pipe()
    pid, terminal = pty.fork()
    if pid == 0:
        os.read(begin, 1)
        os.execv(command[0], command)
    set_size(terminal, 30, 100)
    os.write(start, b"x")
    printed = b""
    deadline = time.monotonic() + SECONDS
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            os.kill(pid, 9)
            printed += b"\n(ended after %d s)\n" % SECONDS
            break
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # EIO: nobody has the other end any more
            break
        if not piece:
            break
        if b"ready" not in printed and b"ready" in printed + piece:
            set_size(terminal, 41, 132)
        printed += piece
    sys.stdout.write(printed.decode(errors="replace"))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
