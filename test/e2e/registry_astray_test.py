"""Pulls from registries that lie or lead elsewhere.
"""

import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
import gantry_hostile as hostile
from gantry_case import say
from gantry_registry import Registry, digest_of
from gantry_registry_case import NAME, RegistryCase
from gantry_server import image_file
from gantry_tls import Authority


class Astray(RegistryCase):
    """Where registries must not lead."""

    # CVE-2020-15157, of redirects. Seen to fail with Authorization kept in
    # CurlClient::Redirect (and headers in RegistryClient::RequestTo).
    def test_redirects_take_no_credentials_along(self):
        registry, store = self.registry(), self.registry()
        registry.token, registry.basic = "t0ken", "me:s3cret"
        self.settings(registry.host, f'server = "{registry.url}"\n'
                      '[header]\nx-key = "k3y"\n')
        layers = registry.layers(NAME)
        for layer in layers:
            registry.ways[layer] = [hostile.redirect(store.url + "{path}")] * 9
            # Taken up again at the registry, and led there again.
            store.ways[layer] = [hostile.drops]
        self.pull(f"{registry.host}/{NAME}", username="me", password="s3cret")
        self.assertEqual(store.secrets, [])
        self.assertEqual(len(store.seen), 2 * len(layers))
        for _, _, headers in store.seen:
            self.assertIsNone(headers["Authorization"])
            self.assertIsNone(headers["x-key"])

    # The same of who asks for credentials there. Seen to fail without the
    # origin's check in RegistryAuthorizer::Answer.
    def test_another_host_asks_for_credentials_in_vain(self):
        registry, store = self.registry(), self.registry()
        registry.basic = "me:s3cret"
        store.basic = "me:s3cret"
        registry.ways[registry.layers(NAME)[0]] = [
            hostile.redirect(store.url + "{path}")]
        self.refused(f"{registry.host}/{NAME}", "PERMISSION_DENIED",
                     "another host", username="me", password="s3cret")
        self.assertEqual(store.secrets, [])

    # CVE-2020-15157, of foreign layers: the registry is asked, and nobody else,
    # for what it lacks as well. Nothing reads `urls`: seen to fail with a client
    # that goes there for a blob that no host has.
    def test_urls_of_layers_are_not_gone_to(self):
        registry, foreign = self.registry(), self.registry()
        registry.token = "t0ken"
        manifest = json.loads(registry.blobs[registry.tags[NAME]])
        for layer in manifest["layers"]:
            layer["urls"] = [f"{foreign.url}/v2/test/four/blobs/"
                             f"{layer['digest']}"]
        registry.add_manifest(NAME, json.dumps(manifest).encode())
        name = f"{registry.host}/{NAME}"
        image = self.pull(name, username="me", password="s3cret")
        self.assertEqual(foreign.requests, [])
        self.call("RemoveImage", image=self.spec(image))
        del registry.blobs[registry.layers(NAME)[0]]
        self.refused(name, "NOT_FOUND", "HTTP 404", username="me",
                     password="s3cret")
        self.assertEqual(foreign.requests, [])

    # Server-side request forgery. Seen to fail with CheckZone() and
    # CheckRegistryAddress() returning OK.
    def test_link_local_addresses_and_other_schemes_are_refused(self):
        for target in ("http://169.254.169.254/latest/meta-data",
                       "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/",
                       "http://100.100.100.200/", "http://2852039166/",
                       "http://[fd00:ec2::254]/", "http+unix://%2Frun%2Fx/",
                       "unix:///run/x", "file:///etc/passwd",
                       "gopher://127.0.0.1/", "ftp://127.0.0.1/"):
            with self.subTest(target):
                registry = self.registry()
                registry.always = hostile.redirect(target)
                with self.assertRaises(gantry_case.grpc.RpcError) as caught:
                    self.pull(f"{registry.host}/{NAME}")
                say(caught.exception.code().name, caught.exception.details())
                self.assertIn(caught.exception.code().name,
                              ("PERMISSION_DENIED", "INVALID_ARGUMENT"))
                registry.always = None
                registry.token, registry.basic = "t", "me:s3cret"
                registry.realm = target
                with self.assertRaises(gantry_case.grpc.RpcError) as caught:
                    self.pull(f"{registry.host}/{NAME}", username="me",
                              password="s3cret")
                say(caught.exception.code().name, caught.exception.details())
                self.assertNotIn("s3cret", caught.exception.details())
                self.assertIn(caught.exception.code().name,
                              ("PERMISSION_DENIED", "INVALID_ARGUMENT"))
        self.refused("169.254.169.254/" + NAME, "PERMISSION_DENIED",
                     "link-local", within=5)

    # CVE-2024-3727. Seen to fail with Digest::Parse taking any hex.
    def test_digests_are_read_strictly(self):
        registry = self.registry()
        good = registry.blobs[registry.tags[NAME]].decode()
        layer = registry.layers(NAME)[0]
        for digest in ("sha256:../../../../../etc/passwd", "sha256:" + "0" * 63,
                       "sha256:" + "A" * 64, "sha256:" + "0" * 65, "sha256:",
                       "sha1:" + "0" * 40, "../" + layer[3:], layer + "/.."):
            with self.subTest(digest):
                registry.add_manifest(NAME, good.replace(layer,
                                                         digest).encode())
                del registry.requests[:]
                self.refused(f"{registry.host}/{NAME}", "INVALID_ARGUMENT",
                             "digest")
                self.assertEqual(len(registry.requests), 1)

    # CVE-2021-41190. The guards are the three checks in TypeOf() of
    # runtime/image/manifest.cc.
    def test_a_document_is_one_thing(self):
        registry = self.registry()
        good = json.loads(registry.blobs[registry.tags[NAME]])
        index = "application/vnd.oci.image.index.v1+json"
        for change, media_type in (
                ({"manifests": []}, good["mediaType"]),
                ({"mediaType": index}, good["mediaType"]),
                ({}, index)):
            registry.add_manifest(NAME, json.dumps({**good, **change}).encode(),
                                  media_type)
            self.refused(f"{registry.host}/{NAME}", "INVALID_ARGUMENT")

    def test_a_digest_that_is_not_the_contents(self):
        registry = self.registry()
        digest = registry.tags[NAME]
        registry.spoil[digest] = lambda body: body + b" "
        said = self.refused(f"{registry.host}/{NAME}", "DATA_LOSS", digest)
        self.assertIn(digest_of(registry.blobs[digest] + b" "), said)

    def test_secrets_are_in_no_log(self):
        registry = self.registry()
        registry.basic = "me:s3cret-of-mine"
        self.pull(f"{registry.host}/{NAME}", username="me",
                  password="s3cret-of-mine")
        registry.basic = "me:other"
        said = self.refused_again(registry)
        self.assertNotIn("s3cret-of-mine", said + self.server.log())

    def refused_again(self, registry):
        with self.assertRaises(gantry_case.grpc.RpcError) as caught:
            self.pull(f"{registry.host}/{NAME}", username="me",
                      password="s3cret-of-mine")
        return caught.exception.details()


class Outside(RegistryCase):
    """A registry with a public address, in a network of the test's own."""
    NETWORK = "bridge"
    # Handshakes are to succeed here, on a machine with much else to do too.
    CONNECT_SECONDS = host.patience(5)
    MORE = 'insecure_hosts = ["203.0.113.5"]\ninternal_hosts = ["10.7.0.1"]\n'

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for address in ("203.0.113.5", "203.0.113.6", "10.7.0.1", "10.7.0.2"):
            host.ip_command(cls.server.netns, "address", "add",
                            address + "/32", "dev", "lo")

    def registry(self, *arguments, name=NAME):
        return self.registry_at("127.0.0.1")

    def registry_at(self, address, tls=None):
        made = host.in_network(self.server.netns, Registry, tls, address)
        self.addCleanup(made.close)
        made.add(image_file("layers4"), NAME)
        return made

    # Server-side request forgery. Seen to fail with CheckZone() returning OK.
    def test_nothing_leads_further_in(self):
        public, private, internal, loopback = (
            self.registry_at(address) for address in
            ("203.0.113.5", "10.7.0.2", "10.7.0.1", "127.0.0.1"))
        self.settings(private.host, f'server = "{private.url}"\n')
        layer = public.layers(NAME)[0]

        def lead(start, target):
            start.ways[layer] = [hostile.redirect(target.url + "{path}")]
        for start, target in ((public, private), (public, loopback),
                              (private, loopback)):
            lead(start, target)
            self.refused(f"{start.host}/{NAME}", "PERMISSION_DENIED",
                         "may not lead there")
            self.assertEqual(target.requests, [])
            # A token server is no different.
            start.token, start.basic = "t0ken", "me:s3cret"
            start.realm = target.url + "/token"
            self.refused(f"{start.host}/{NAME}", "PERMISSION_DENIED",
                         username="me", password="s3cret")
            self.assertEqual(target.requests + target.secrets, [])
            start.token = start.basic = None
        for start, target in ((public, internal), (private, public),
                              (loopback, private)):
            lead(start, target)
            del target.requests[:]
            image = self.pull(f"{start.host}/{NAME}")
            self.assertEqual(len(target.requests), 1)
            self.call("RemoveImage", image=self.spec(image))

    def test_certificates_in_dockers_form(self):
        """No hosts.toml, but *.crt, *.cert and *.key."""
        authority = Authority(self.server.top + "/ca")
        registry = self.registry_at("203.0.113.6", authority.server(
            wants_client=True, names="IP:203.0.113.6"))
        name = f"203.0.113.6:{registry.port}/{NAME}"
        self.refused(name, "PERMISSION_DENIED", "certificate")
        folder = f"{self.folder}/203.0.113.6:{registry.port}"
        os.mkdir(folder)
        shutil.copy(authority.ca, folder + "/ca.crt")
        self.refused(name, "UNAVAILABLE")
        certificate, key = authority.issue("client")
        shutil.copy(certificate, folder + "/client.cert")
        shutil.copy(key, folder + "/client.key")
        self.pull(name)


if __name__ == "__main__":
    gantry_case.main()
