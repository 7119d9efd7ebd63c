"""The base of the tests of CNI: a gantryd with a configuration of its own for
it."""

import json

import gantry_cni
import gantry_traffic
from gantry_case import wait_until


class CniCase(gantry_traffic.TrafficCase):
    NETWORK = "cni"
    PROVIDER = "cni"

    @classmethod
    def new_server(cls):
        server = super().new_server()
        cls.cni = gantry_cni.Cni(server, cls.PROVIDER)
        cls.prepare(cls.cni)
        return server

    @classmethod
    def prepare(cls, cni):
        cni.write("10-podnet.conflist", cni.bridge_list())

    def assert_nothing_left(self):
        super().assert_nothing_left()
        wait_until(lambda: not self.cni.left(),
                   f"nothing of CNI is left: {self.cni.left()[:20]}", 10)

    def facts(self):
        return json.loads(self.call("Status", verbose=True).info["network"])

    def network_condition(self):
        return next(c for c in self.call("Status").status.conditions
                    if c.type == "NetworkReady")
