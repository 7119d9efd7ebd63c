"""Certificates for a test, made by Debian's openssl: an authority, a server's
for localhost and 127.0.0.1, a client's."""

import os
import ssl
import subprocess

LOCAL = "DNS:localhost,IP:127.0.0.1"


class Authority:
    """Files in `folder`: ca.pem, and NAME.pem with NAME.key."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.ca = self.path("ca.pem")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                     "-subj", "/CN=test authority", "-keyout",
                     self.path("ca.key"), "-out", self.ca)

    def path(self, name):
        return os.path.join(self.folder, name)

    def openssl(self, *words):
        subprocess.run(["openssl", *words], check=True, cwd=self.folder,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def issue(self, name, names=LOCAL):
        """Returns the paths of certificate and key."""
        certificate, key = self.path(name + ".pem"), self.path(name + ".key")
        with open(self.path(name + ".ext"), "w", encoding="utf-8") as out:
            out.write(f"subjectAltName={names}\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                     f"/CN={name}", "-keyout", key, "-out", name + ".csr")
        self.openssl("x509", "-req", "-in", name + ".csr", "-CA", self.ca,
                     "-CAkey", self.path("ca.key"), "-CAcreateserial",
                     "-days", "2", "-extfile", name + ".ext", "-out",
                     certificate)
        return certificate, key

    def server(self, wants_client=False, alpn=("http/1.1",), names=LOCAL):
        """The context of a server."""
        certificate, key = self.issue("server", names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols(list(alpn))
        if wants_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.ca)
        return context
