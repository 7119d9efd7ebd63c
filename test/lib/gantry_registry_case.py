"""The base of the tests that pull from registries which fail, lie, or lead astray:
a gantryd with a second's patience, and registries that serve four layers.
"""

import os
import shutil
import time

import gantry_case
import gantry_host as host
from gantry_case import say
from gantry_registry import Registry
from gantry_server import image_file

NAME = "test/four:x"


class RegistryCase(gantry_case.GantryCase):
    IMAGES = ()
    MORE = ""
    # For a connection, with its TLS handshake.
    CONNECT_SECONDS = 1

    @classmethod
    def new_server(cls):
        server = super().new_server()
        cls.folder = server.top + "/certs.d"
        os.makedirs(cls.folder)
        server.more_config = (
            f'\n[registry]\nconfig_path = "{cls.folder}"\n'
            f'connect_timeout_seconds = {cls.CONNECT_SECONDS}\n'
            'stall_timeout_seconds = 1\nattempts = 4\n' + cls.MORE)
        return server

    def remove_pods(self):
        super().remove_pods()
        for name in os.listdir(self.folder):
            shutil.rmtree(os.path.join(self.folder, name))
        # What a pull has fetched that may succeed later is kept; it goes with
        # an image that goes.
        self.pull(f"{self.registry().host}/{NAME}")
        for image in self.call("ListImages").images:
            self.call("RemoveImage", image=self.spec(image.id))
        images = self.server.root + "/images"
        left = [name for kind in ("layers", "blobs/sha256", "ingest", "images")
                for name in os.listdir(f"{images}/{kind}")]
        self.assertEqual(left, [])

    def registry(self, *arguments, name=NAME):
        """One that serves four layers as NAME."""
        made = Registry(*arguments)
        self.addCleanup(made.close)
        made.add(image_file("layers4"), name)
        return made

    def spec(self, name):
        return self.api.ImageSpec(image=name)

    def pull(self, name, timeout=gantry_case.DEADLINE, **auth):
        request = self.api.PullImageRequest(
            image=self.spec(name),
            auth=self.api.AuthConfig(**auth) if auth else None)
        return self.server.call("PullImage", request, timeout).image_ref

    def refused(self, name, code, containing="", within=30, **auth):
        """The pull fails so within so many seconds, and nothing is left of it;
        returns what was said."""
        begin = time.monotonic()
        with self.assertRaises(gantry_case.grpc.RpcError) as caught:
            self.pull(name, **auth)
        took = time.monotonic() - begin
        said = caught.exception.details()
        say(f"{took:.1f} s {caught.exception.code().name}: {said}")
        self.assertEqual(caught.exception.code().name, code, said)
        self.assertIn(containing, said)
        self.assertLess(took, within, said)
        self.assertEqual(len(self.call("ListImages").images), 0)
        return said

    def settings(self, domain, text):
        """hosts.toml for a registry."""
        folder = os.path.join(self.folder, domain.replace(":", "_") + (
            "_" if ":" in domain else ""))
        os.makedirs(folder, exist_ok=True)
        host.write(folder + "/hosts.toml", text)
        return folder

    def blob_requests(self, registry, digest):
        return [(path, headers.get("Range"))
                for _, path, headers in registry.seen if digest in path]
