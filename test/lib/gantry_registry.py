"""A registry on a loopback port, filled from OCI layout tars.

Just what a pull needs (distribution-spec, "Pull"): manifests by tag and by
digest, blobs. `spoil` changes what is sent of a blob, `requests` lists what was
asked for.
"""

import hashlib
import http.server
import json
import tarfile
import threading


class Registry:

    def __init__(self):
        self.blobs = {}      # digest -> bytes
        self.types = {}      # digest of a manifest -> media type
        self.tags = {}       # "repository:tag" -> digest
        self.spoil = {}      # digest -> function(bytes) -> bytes
        self.requests = []
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                registry.answer(self)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
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

    def note_types(self, descriptor):
        self.types[descriptor["digest"]] = descriptor["mediaType"]
        content = json.loads(self.blobs[descriptor["digest"]])
        for child in content.get("manifests", []):
            self.note_types(child)

    def layers(self, name):
        """Digests of the layers of a one-platform image."""
        manifest = json.loads(self.blobs[self.tags[name]])
        return [layer["digest"] for layer in manifest["layers"]]

    def answer(self, request):
        self.requests.append(request.path)
        parts = request.path.split("/")
        if request.path in ("/v2/", "/v2"):
            return self.send(request, 200, b"{}", "application/json")
        kind, reference = parts[-2], parts[-1]
        repository = "/".join(parts[2:-2])
        if kind == "manifests":
            digest = self.tags.get(f"{repository}:{reference}", reference)
        else:
            digest = reference
        body = self.blobs.get(digest)
        if body is None or kind == "manifests" and digest not in self.types:
            return self.send(request, 404, b'{"errors": []}',
                             "application/json")
        body = self.spoil.get(digest, lambda content: content)(body)
        media_type = (self.types[digest] if kind == "manifests"
                      else "application/octet-stream")
        return self.send(request, 200, body, media_type, digest)

    def send(self, request, code, body, media_type, digest=None):
        request.send_response(code)
        request.send_header("Content-Type", media_type)
        request.send_header("Content-Length", str(len(body)))
        if digest:
            request.send_header("Docker-Content-Digest", digest)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()
