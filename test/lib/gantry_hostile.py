"""Ways in which registries fail, by mistake or on purpose: functions of
(request, body) for Registry.ways and Registry.always."""

import re
import socket
import struct
import threading
import time


def _begin(request, body, promise=lambda size: size, content_range=None):
    """Returns what is wanted of the body; promises so much for its size."""
    size = len(body)
    given = re.fullmatch(r"bytes=(\d+)-(\d*)",
                         request.headers.get("Range", ""))
    if given:
        first = int(given[1])
        body = body[first:int(given[2]) + 1 if given[2] else None]
    request.send_response(206 if given else 200)
    if given:
        request.send_header(
            "Content-Range", content_range or
            f"bytes {first}-{first + len(body) - 1}/{size}")
    request.send_header("Content-Length", str(promise(len(body))))
    request.end_headers()
    return body


def _leave(request):
    request.close_connection = True


def sends(request, body):
    """What is asked for."""
    request.wfile.write(_begin(request, body))


def sends_all(request, body):
    """All of it, whatever range is asked for."""
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def drops(request, body):
    """Half of what is left, and then nothing more."""
    rest = _begin(request, body)
    request.wfile.write(rest[:len(rest) // 2])
    _leave(request)


def drops_without_ranges(request, body):
    """The same from the beginning, whatever is asked for."""
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body[:len(body) // 2])
    _leave(request)


def resets(request, body):
    """RST in the middle."""
    rest = _begin(request, body)
    request.wfile.write(rest[:len(rest) // 2])
    request.wfile.flush()
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  struct.pack("ii", 1, 0))
    request.connection.close()
    _leave(request)


class Stall:
    """Half of it, then silence until released (or for a minute)."""

    def __init__(self, part=0.5):
        self.released = threading.Event()
        self.part = part

    def __call__(self, request, body):
        rest = _begin(request, body)
        request.wfile.write(rest[:int(len(rest) * self.part)])
        request.wfile.flush()
        self.released.wait(60)
        _leave(request)


class Silence:
    """Not even an answer."""

    def __init__(self):
        self.released = threading.Event()

    def __call__(self, request, body):
        self.released.wait(60)
        _leave(request)


def is_short(request, body):
    """Less than it has, and says that this is all."""
    rest = _begin(request, body, lambda size: size // 2)
    request.wfile.write(rest[:len(rest) // 2])


def is_long(request, body):
    """More than it has."""
    rest = _begin(request, body, lambda size: size + 10)
    request.wfile.write(rest + b"0123456789")


def promises_more(request, body):
    """Says that there is more than it sends."""
    rest = _begin(request, body, lambda size: size + 10)
    request.wfile.write(rest[:len(rest) // 2])
    _leave(request)


def wrong_range(request, body):
    """Another part than asked for, and says so."""
    rest = _begin(request, body, content_range=f"bytes 0-{len(body) - 1}/"
                  f"{len(body)}")
    request.wfile.write(rest)


def crumbs(request, body):
    """One byte, and goodbye."""
    rest = _begin(request, body)
    request.wfile.write(rest[:1])
    _leave(request)


def status(code, **headers):
    """An empty answer; `Retry_After="1"` is a header."""
    def way(request, body):
        request.send_response(code)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", "0")
        request.end_headers()
    return way


def redirect(url):
    """To `url`; "{path}" in it is the path asked for."""
    def way(request, body):
        request.send_response(307)
        request.send_header("Location", url.format(path=request.path))
        request.send_header("Content-Length", "0")
        request.end_headers()
    return way


def wait_until_then(seconds):
    """429, to come again at a time so many seconds from then."""
    def way(request, body):
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT",
                             time.gmtime(time.time() + seconds))
        status(429, Retry_After=date)(request, body)
    return way
