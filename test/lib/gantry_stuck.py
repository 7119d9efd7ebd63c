"""A file system of the test's own with one name that nobody ever tells about:
who asks for it sleeps where no signal reaches, as on a server that is gone.

The kernel's side is FUSE (linux/fuse.h, protocol 7.31): a request that was read
and is not answered is waited for even by a killed process, until the connection
is closed.
"""

import os
import select
import struct
import tempfile
import threading

import gantry_host as host

_IN = struct.Struct("<IIQQIIII")
_OUT = struct.Struct("<IiQ")
# fuse_init_out, fuse_attr_out, fuse_kstatfs.
_INIT = struct.Struct("<IIIIHHIIHHI28x")
_ATTR = struct.Struct("<QII6Q10I")
_STATFS = struct.Struct("<5Q4I24x")
_LOOKUP, _FORGET, _GETATTR, _GETSTATFS = 1, 2, 3, 17
_BEGIN, _INTERRUPT, _FORGET_MANY = 26, 36, 42
_ENOENT, _ENOSYS = 2, 38
_BUFFER = 1 << 17
_DIRECTORY = 0o40755


class StuckFileSystem:
    """At self.path; whoever looks at "stuck" in it is stuck until release().
    self.asked: whether somebody has."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="gantry-test.", dir="/tmp")
        self.asked = threading.Event()
        self.device = os.open("/dev/fuse", os.O_RDWR)
        self.wake_up, self.wake = os.pipe()
        host.mount("fuse", self.path,
                   f"fd={self.device},rootmode={_DIRECTORY:o},user_id=0,"
                   "group_id=0,allow_other")
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def release(self):
        """Those who are stuck get an error. Once more is nothing."""
        if self.device is None:
            return
        os.write(self.wake, b"x")
        self.thread.join()
        for fd in (self.device, self.wake_up, self.wake):
            os.close(fd)
        self.device = None
        host.unmount(self.path)
        os.rmdir(self.path)

    def _serve(self):
        while True:
            ready, _, _ = select.select([self.device, self.wake_up], [], [])
            if self.wake_up in ready:
                return
            request = os.read(self.device, _BUFFER)
            _, code, unique, *_ = _IN.unpack_from(request)
            answer = self._answer(code, request[_IN.size:])
            if answer is not None:
                error, body = answer
                os.write(self.device, _OUT.pack(_OUT.size + len(body), -error,
                                                unique) + body)

    def _answer(self, code, body):
        """(errno, what is told); None for no answer."""
        if code == _LOOKUP and body == b"stuck\0":
            self.asked.set()
            return None
        if code in (_FORGET, _FORGET_MANY, _INTERRUPT):
            return None
        if code == _LOOKUP:
            return _ENOENT, b""
        if code == _BEGIN:
            return 0, _INIT.pack(7, 31, 0, 0, 8, 8, 4096, 1, 1, 0, 0)
        if code == _GETATTR:
            return 0, _ATTR.pack(3600, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
                                 _DIRECTORY, 2, 0, 0, 0, 4096, 0)
        if code == _GETSTATFS:
            return 0, _STATFS.pack(0, 0, 0, 0, 0, 4096, 255, 4096, 0)
        return _ENOSYS, b""
