"""A registry on a loopback port, filled from OCI layout tars.

Just what a pull needs (distribution-spec, "Pull"): manifests by tag and by
digest, blobs and ranges of them. `spoil` changes what is sent of a
blob, `ways` answers in another way (gantry_hostile), `requests` lists what was
asked for, `seen` with what. With `basic` ("user:password") or `token` it wants
to know who asks (RFC 7617; distribution docs/spec/auth/token.md and oauth.md);
`secrets` lists what it was told. `tls` is an ssl.SSLContext.
"""

import base64
import hashlib
import http.server
import json
import re
import sys
import tarfile
import threading
import time
import urllib.parse


class _Server(http.server.ThreadingHTTPServer):
    tls = None

    def get_request(self):
        connection, address = super().get_request()
        if self.tls is not None:
            # Handshaken by the thread of the request.
            connection = self.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, client_address):
        # A client may leave when it has read enough, or trust nobody.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Registry:

    def __init__(self, tls=None, address="127.0.0.1"):
        self.blobs = {}      # digest -> bytes
        self.types = {}      # digest of a manifest -> media type
        self.tags = {}       # "repository:tag" -> digest
        self.spoil = {}      # digest -> function(bytes) -> bytes
        self.ways = {}       # digest or path -> list of functions(request,
        #                      body), each for one answer
        self.always = None   # such a function, for what has no way
        self.ranges = True
        self.rate = None     # bytes a second, of each answer; then counted:
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.requests = []
        self.seen = []       # (method, path, headers)
        self.basic = None    # wanted by the registry, or by its token server
        self.token = None    # wanted by the registry
        self.realm = None    # of the token server; itself, if not set
        self.refresh = None  # wanted by the token server, in a POST
        self.secrets = []    # Authorization headers, and bodies of POSTs
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                registry.answer(self)

            do_HEAD = do_GET

            def do_POST(self):
                size = int(self.headers.get("Content-Length", 0))
                registry.give_token(self, self.rfile.read(size).decode())

            def log_message(self, *_):
                pass
        self.server = _Server((address, 0), Handler)
        self.server.tls = tls
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        name = address if tls is None else "localhost"
        self.host = f"{name}:{self.port}"
        self.url = ("http://" if tls is None else "https://") + self.host
        # It looks for its end so often (seconds): a test ends many of these.
        self.thread = threading.Thread(target=self.server.serve_forever,
                                       kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def add(self, tar_path, name):
        """Serves the layout's first image as "repository:tag"; returns the
        digest of its manifest or index."""
        with tarfile.open(tar_path) as tar:
            for member in tar:
                if member.isfile() and member.name.startswith("blobs/"):
                    digest = member.name[len("blobs/"):].replace("/", ":")
                    self.blobs[digest] = tar.extractfile(member).read()
            index = json.load(tar.extractfile("index.json"))
        top = index["manifests"][0]
        self.note_types(top)
        self.tags[name] = top["digest"]
        return top["digest"]

    def add_manifest(self, name, content,
                     media_type="application/vnd.oci.image.manifest.v1+json"):
        """Serves any bytes as the manifest; returns their digest."""
        digest = digest_of(content)
        self.blobs[digest] = content
        self.types[digest] = media_type
        self.tags[name] = digest
        return digest

    def note_types(self, descriptor):
        self.types[descriptor["digest"]] = descriptor["mediaType"]
        try:
            content = json.loads(self.blobs[descriptor["digest"]])
        except (RecursionError, ValueError):
            return  # what nobody should read
        for child in content.get("manifests", []):
            if child["digest"] in self.blobs:
                self.note_types(child)

    def layers(self, name):
        """Digests of the layers of a one-platform image."""
        manifest = json.loads(self.blobs[self.tags[name]])
        return [layer["digest"] for layer in manifest["layers"]]

    def knows(self, request):
        """Whether the request brings the user and password that are wanted."""
        wanted = base64.b64encode(self.basic.encode()).decode()
        return request.headers.get("Authorization") == "Basic " + wanted

    def give_token(self, request, body=None):
        """The token server: a GET brings a password, a POST a refresh
        token."""
        self.note(request)
        if body is not None:
            self.secrets.append(body)
            fields = urllib.parse.parse_qs(body)
            good = (self.refresh is not None
                    and fields.get("refresh_token") == [self.refresh]
                    and fields.get("grant_type") == ["refresh_token"])
            answer = {"access_token": self.token}
        else:
            self.secrets.append(request.headers.get("Authorization", ""))
            good = (self.knows(request) if self.basic is not None
                    else self.refresh is None)
            answer = {"token": self.token}
        self.send(request, 200 if good else 401, json.dumps(answer).encode()
                  if good else b'{"errors": []}', "application/json")

    def admits(self, request):
        """Sends a challenge to who has not shown who it is."""
        given = request.headers.get("Authorization", "")
        if given:
            self.secrets.append(given)
        if self.token is not None:
            realm = self.realm or self.url + "/token"
            challenge = f'Bearer realm="{realm}",service="test"'
            good = given == "Bearer " + self.token
        else:
            challenge = 'Basic realm="test"'
            good = self.basic is None or self.knows(request)
        if not good:
            self.send(request, 401, b'{"errors": []}', "application/json",
                      challenge=challenge)
        return good

    def note(self, request):
        self.requests.append(request.path)
        self.seen.append((request.command, request.path, request.headers))

    def answer(self, request):
        if request.path.startswith("/token"):
            return self.give_token(request)
        self.note(request)
        # A proxy is asked for whole URLs.
        url = urllib.parse.urlsplit(request.path)
        parts = url.path.split("/")
        kind, reference = (parts[-2], parts[-1]) if len(parts) > 2 else "  "
        repository = "/".join(parts[2:-2])
        if kind == "manifests":
            digest = self.tags.get(f"{repository}:{reference}", reference)
        else:
            digest = reference
        body = self.blobs.get(digest)
        for key in (digest, url.path):
            if self.ways.get(key):
                return self.ways[key].pop(0)(request, body)
        if self.always is not None:
            return self.always(request, body)
        if not self.admits(request):
            return None
        if url.path in ("/v2/", "/v2"):
            return self.send(request, 200, b"{}", "application/json")
        if body is None or kind == "manifests" and digest not in self.types:
            return self.send(request, 404, b'{"errors": []}',
                             "application/json")
        body = self.spoil.get(digest, lambda content: content)(body)
        media_type = (self.types[digest] if kind == "manifests"
                      else "application/octet-stream")
        return self.send(request, 200, body, media_type, digest,
                         ranges=self.ranges)

    def send(self, request, code, body, media_type, digest=None,
             challenge=None, ranges=False):
        wanted = request.headers.get("Range", "") if ranges else ""
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
        size = len(body)
        if part:
            first = int(part[1])
            code = 206
            body = body[first:int(part[2]) + 1 if part[2] else None]
        request.send_response(code)
        if part:
            request.send_header(
                "Content-Range",
                f"bytes {first}-{first + len(body) - 1}/{size}")
        request.send_header("Content-Type", media_type)
        request.send_header("Content-Length", str(len(body)))
        if digest:
            request.send_header("Docker-Content-Digest", digest)
        if challenge:
            request.send_header("WWW-Authenticate", challenge)
        request.end_headers()
        if request.command != "HEAD":
            self.write(request, body)

    def write(self, request, body):
        if self.rate is None:
            request.wfile.write(body)
            return
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            for at in range(0, len(body), 1 << 14):
                request.wfile.write(body[at:at + (1 << 14)])
                time.sleep((1 << 14) / self.rate)
        finally:
            with self.lock:
                self.at_once -= 1


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()
