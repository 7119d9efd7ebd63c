"""Clients of the streaming server: WebSocket (RFC 6455) with Kubernetes'
channels, and SPDY/3.1 over an upgraded connection or WebSocket messages.

Written from the protocols' documents, on sockets alone, so that the server is
not tested against its own code. Everything blocks, with the socket's timeout.
"""

import base64
import json
import os
import socket
import ssl
import struct
import urllib.parse
import zlib

import gantry_host as host

TIMEOUT = host.patience(60)

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255


class Refused(Exception):
    """The server answered something else than an upgrade."""

    def __init__(self, status, body=""):
        super().__init__(f"HTTP status {status}: {body.strip()}")
        self.status = status
        self.body = body


class Wire:
    """A TCP (or TLS) connection with a buffer."""

    def __init__(self, url, receive_buffer=None):
        parts = urllib.parse.urlsplit(url)
        self.host = parts.netloc
        self.path = parts.path + ("?" + parts.query if parts.query else "")
        family = socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET
        self.socket = socket.socket(family)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                   receive_buffer)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect((parts.hostname, parts.port))
        if parts.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        """Whether anything came before the end."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def read(self, size):
        while len(self.buffer) < size:
            if not self.more():
                raise EOFError(f"the connection ended, {size} bytes expected")
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def request(self, headers, method="GET"):
        """Sends the request; returns the status line's number and headers."""
        lines = [f"{method} {self.path} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in headers]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.buffer:
            if not self.more():
                raise EOFError("no answer")
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        status, *fields = head.decode().split("\r\n")
        fields = {name.lower(): value.strip() for name, value in
                  (field.split(":", 1) for field in fields)}
        return int(status.split()[1]), fields

    def upgrade(self, headers, method="GET"):
        status, fields = self.request(headers, method)
        if status != 101:
            while self.more():
                pass
            raise Refused(status, self.buffer.decode(errors="replace"))
        return fields

    def close(self):
        self.socket.close()


class WebSocket:
    """The messages of a WebSocket client."""

    def __init__(self, url, protocols=(), **options):
        self.wire = Wire(url, **options)
        headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"),
                   ("Sec-WebSocket-Version", "13"),
                   ("Sec-WebSocket-Key",
                    base64.b64encode(os.urandom(16)).decode())]
        if protocols:
            headers.append(("Sec-WebSocket-Protocol", ", ".join(protocols)))
        answer = self.wire.upgrade(headers)
        self.protocol = answer.get("sec-websocket-protocol", "")
        # Code of the server's close frame.
        self.close_code = None

    def frame(self, opcode, payload, fin=True):
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([(0x80 if fin else 0) | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += bytes([0x80 | 126]) + struct.pack(">H", size)
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", size)
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(
            (mask * (size // 4 + 1))[:size], "big")).to_bytes(size, "big")
        self.wire.send(head + mask + masked)

    def send(self, payload, text=False):
        self.frame(1 if text else 2, payload)

    def receive(self):
        """The next message, or None when the server has closed."""
        message = b""
        while True:
            try:
                first, second = self.wire.read(2)
                size = second & 0x7f
                if size == 126:
                    size, = struct.unpack(">H", self.wire.read(2))
                elif size == 127:
                    size, = struct.unpack(">Q", self.wire.read(8))
                payload = self.wire.read(size)
            except EOFError:
                return None
            opcode = first & 0xf
            if opcode == 8:
                self.close_code = struct.unpack(">H", payload[:2])[0]
                self.frame(8, payload)
                return None
            if opcode == 9:
                self.frame(10, payload)
            elif opcode in (0, 1, 2):
                message += payload
                if first & 0x80:
                    return message

    def close(self):
        self.wire.close()


class Outcome:
    """What a remote command gave."""

    def __init__(self):
        self.stdout = b""
        self.stderr = b""
        self.error = b""

    @property
    def status(self):
        """The metav1.Status on the error stream (v4 and later)."""
        return json.loads(self.error) if self.error else None

    @property
    def exit_code(self):
        status = self.status
        if status["status"] == "Success":
            return 0
        assert status["reason"] == "NonZeroExitCode", status
        cause, = status["details"]["causes"]
        assert cause["reason"] == "ExitCode", status
        return int(cause["message"])


class ChannelClient:
    """A remote command over Kubernetes' channels."""

    def __init__(self, url, protocol="v5.channel.k8s.io", **options):
        self.websocket = WebSocket(url, [protocol] if protocol else [],
                                   **options)
        assert self.websocket.protocol == protocol, self.websocket.protocol
        self.base64 = "base64" in protocol
        self.outcome = Outcome()

    def send(self, channel, data):
        if self.base64:
            self.websocket.send(str(channel).encode() +
                                base64.b64encode(data), text=True)
        else:
            self.websocket.send(bytes([channel]) + data)

    def write(self, data):
        self.send(STDIN, data)

    def end_stdin(self):
        """Of v5 only."""
        self.send(CLOSE, bytes([STDIN]))

    def resize(self, width, height):
        self.send(RESIZE, json.dumps(
            {"Width": width, "Height": height}).encode())

    def receive(self):
        """(channel, data), or None at the end; also noted in the outcome."""
        message = self.websocket.receive()
        if message is None:
            return None
        channel, data = message[0], message[1:]
        if self.base64:
            channel, data = channel - ord("0"), base64.b64decode(data)
        if channel == STDOUT:
            self.outcome.stdout += data
        elif channel == STDERR:
            self.outcome.stderr += data
        elif channel == ERROR:
            self.outcome.error += data
        return channel, data

    def wait_stdout(self, text):
        while text not in self.outcome.stdout:
            assert self.receive() is not None, (
                f"ended before {text}: {self.outcome.stdout[-500:]} "
                f"{self.outcome.error}")

    def finish(self):
        """Reads to the end."""
        while self.receive() is not None:
            pass
        self.websocket.close()
        return self.outcome

    def close(self):
        self.websocket.close()


# -- SPDY/3.1

_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding "
    "accept-language accept-ranges age allow authorization cache-control "
    "connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect "
    "expires from host if-match if-modified-since if-none-match if-range "
    "if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server "
    "te trailer transfer-encoding upgrade user-agent vary via warning "
    "www-authenticate method get status 200_OK version HTTP/1.1 url public "
    "set-cookie keep-alive origin")
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414"
    "415416417502504505203 Non-Authoritative Information204 No Content301 Moved"
    " Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 "
    "Internal Server Error501 Not Implemented503 Service UnavailableJan Feb "
    "Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, "
    "Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,public"
    "privatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,"
    "enq=0.")
DICTIONARY = b"".join(
    struct.pack(">I", len(word)) + word.encode()
    for word in (w.replace("_", " ") for w in _WORDS.split())
) + _TAIL.encode()
# The document gives its checksum.
assert zlib.adler32(DICTIONARY) == 0xe3c6a7c2

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW = (
    1, 2, 3, 4, 6, 7, 8, 9)
FIN = 1


class Stream:
    """One stream of a Spdy connection."""

    def __init__(self, spdy, number):
        self.spdy = spdy
        self.number = number
        self.data = b""
        self.replied = self.ended = self.was_reset = False

    def write(self, data, end=False):
        self.spdy.send_data(self.number, data, end)

    def end(self):
        self.write(b"", end=True)

    def reset(self):
        self.spdy.control(RST_STREAM, 0, struct.pack(">II", self.number, 5))

    def wait_end(self):
        while not (self.ended or self.was_reset):
            if not self.spdy.receive():
                break
        return self.data

    def wait_data(self, text):
        while text not in self.data:
            assert not self.ended and self.spdy.receive(), (
                f"ended before {text}: {self.data[-500:]}")


class _MessagePipe:
    """Bytes over WebSocket messages."""

    def __init__(self, websocket):
        self.websocket = websocket
        self.buffer = b""

    def send(self, data):
        self.websocket.send(data)

    def read(self, size):
        while len(self.buffer) < size:
            message = self.websocket.receive()
            if message is None:
                raise EOFError("the WebSocket ended")
            self.buffer += message
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def close(self):
        self.websocket.close()


class Spdy:
    """A SPDY/3.1 client; `tunnel`: over WebSocket messages."""

    def __init__(self, url, versions, tunnel=False, method="POST", **options):
        if tunnel:
            websocket = WebSocket(
                url, ["SPDY/3.1+" + version for version in versions],
                **options)
            self.version = websocket.protocol
            self.wire = _MessagePipe(websocket)
        else:
            self.wire = Wire(url, **options)
            answer = self.wire.upgrade(
                [("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1"),
                 ("Content-Length", "0")] +
                [("X-Stream-Protocol-Version", version)
                 for version in versions], method)
            assert answer["upgrade"] == "SPDY/3.1", answer
            self.version = answer["x-stream-protocol-version"]
        self.deflate = zlib.compressobj(zdict=DICTIONARY)
        self.inflate = zlib.decompressobj(zdict=DICTIONARY)
        self.streams = {}
        self.next = 1
        self.pings = []
        # Of WINDOW_UPDATE: stream (0: all) to bytes.
        self.windows = {}

    def control(self, kind, flags, payload):
        self.wire.send(struct.pack(">HHI", 0x8003, kind,
                                   flags << 24 | len(payload)) + payload)

    def send_data(self, number, data, end=False):
        self.wire.send(struct.pack(">II", number,
                                   (FIN if end else 0) << 24 | len(data)) +
                       data)

    def headers(self, fields):
        plain = struct.pack(">I", len(fields))
        for name, value in fields.items():
            for text in (name.lower().encode(), value.encode()):
                plain += struct.pack(">I", len(text)) + text
        return (self.deflate.compress(plain) +
                self.deflate.flush(zlib.Z_SYNC_FLUSH))

    def open(self, **fields):
        number, self.next = self.next, self.next + 2
        self.control(SYN_STREAM, 0, struct.pack(">IIBB", number, 0, 0, 0) +
                     self.headers(fields))
        stream = self.streams[number] = Stream(self, number)
        return stream

    def receive(self):
        """Takes one frame; False at the end of the connection."""
        try:
            first, second = struct.unpack(">II", self.wire.read(8))
            payload = self.wire.read(second & 0xffffff)
        except EOFError:
            return False
        if first >> 31:
            self.on_control(first & 0xffff, second >> 24, payload)
            return True
        stream = self.streams[first]
        assert stream.replied, "data before the reply"
        assert not stream.ended or not payload, "data after the end"
        stream.data += payload
        stream.ended = stream.ended or bool((second >> 24) & FIN)
        return True

    def on_control(self, kind, flags, payload):
        if kind == SYN_REPLY:
            number, = struct.unpack(">I", payload[:4])
            self.inflate.decompress(payload[4:])
            self.streams[number].replied = True
            self.streams[number].ended = bool(flags & FIN)
        elif kind == RST_STREAM:
            number, _ = struct.unpack(">II", payload)
            self.streams[number].was_reset = True
        elif kind == PING:
            self.pings.append(struct.unpack(">I", payload)[0])
        elif kind == WINDOW:
            number, delta = struct.unpack(">II", payload)
            self.windows[number] = self.windows.get(number, 0) + delta
        elif kind != GOAWAY:
            raise AssertionError(f"unexpected frame of type {kind}")

    def close(self):
        self.wire.close()


class SpdyCommand:
    """A remote command over SPDY/3.1."""

    def __init__(self, url, versions=("v4.channel.k8s.io",), stdin=False,
                 stdout=True, stderr=True, tty=False, **options):
        self.spdy = Spdy(url, versions, **options)
        self.version = self.spdy.version
        # In the order of client-go.
        self.error = self.spdy.open(streamType="error")
        self.stdin = self.spdy.open(streamType="stdin") if stdin else None
        self.stdout = self.spdy.open(streamType="stdout") if stdout else None
        self.stderr = self.spdy.open(
            streamType="stderr") if stderr and not tty else None
        has_resize = self.version[:2] in ("v3", "v4")
        self.resizes = self.spdy.open(
            streamType="resize") if tty and has_resize else None

    def write(self, data):
        self.stdin.write(data)

    def end_stdin(self):
        self.stdin.end()

    def resize(self, width, height):
        self.resizes.write(json.dumps(
            {"Width": width, "Height": height}).encode())

    def wait_stdout(self, text):
        self.stdout.wait_data(text)

    def finish(self):
        outcome = Outcome()
        outcome.error = self.error.wait_end()
        if self.stdout:
            outcome.stdout = self.stdout.wait_end()
        if self.stderr:
            outcome.stderr = self.stderr.wait_end()
        self.spdy.close()
        return outcome

    def close(self):
        self.spdy.close()
