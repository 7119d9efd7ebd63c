"""CNI for a server of a test's own: its configurations, its plugins, what
they leave.

Debian's plugins (containernetworking-plugins) do the networking, in the
server's network namespace; the plugin gantry_cni_plugin does as it is told.
Everything lies below the server's directory.
"""

import json
import os
import re
import shutil
import subprocess

import gantry_host as host

DEBIAN_PLUGINS = "/usr/lib/cni"
OWN_PLUGIN = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "gantry_cni_plugin")
# Of a plugin: the default of gantryd, where processors are real.
TIMEOUT = host.patience(30)
SUBNET4 = "10.88.0.0/16"
SUBNET6 = "fd88:1::/64"
GATEWAY4 = "10.88.0.1"
GATEWAY6 = "fd88:1::1"


class Cni:
    """The CNI side of a server that was made with network "cni"."""

    def __init__(self, server, provider="cni", timeout=TIMEOUT,
                 network_name=""):
        self.server = server
        self.config_dir = server.top + "/net.d"
        self.plugin_dir = server.top + "/plugins"
        # What plugins of the test's own are told and what they note.
        self.told_dir = server.top + "/told"
        self.noted = 0  # characters of their notes that calls() has given
        self.leases_dir = server.top + "/leases"
        for folder in (self.config_dir, self.plugin_dir, self.told_dir):
            os.mkdir(folder)
        self.configure(provider, timeout, network_name)

    def configure(self, provider="cni", timeout=TIMEOUT, network_name=""):
        """What gantryd is started with next."""
        dirs = json.dumps([self.plugin_dir, DEBIAN_PLUGINS])
        self.server.more_config = (
            f'[network]\nprovider = "{provider}"\n'
            f'[network.cni]\nconfig_dir = "{self.config_dir}"\n'
            f'plugin_dirs = {dirs}\ntimeout_seconds = {timeout}\n'
            f'network_name = "{network_name}"\n')

    # -- configurations

    def write(self, file, text):
        """Replaces a configuration as a whole."""
        if not isinstance(text, str):
            text = json.dumps(text)
        host.write(f"{self.config_dir}/.new", text)
        os.rename(f"{self.config_dir}/.new", f"{self.config_dir}/{file}")

    def clear(self):
        for name in os.listdir(self.config_dir):
            os.unlink(f"{self.config_dir}/{name}")

    def ipam(self, **more):
        """host-local of both families."""
        return dict({"type": "host-local", "dataDir": self.leases_dir,
                     "ranges": [[{"subnet": SUBNET4}], [{"subnet": SUBNET6}]],
                     "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]},
                    **more)

    def bridge_list(self, name="podnet"):
        """Everything a node has: bridge, host ports, bandwidth, firewall."""
        return {"cniVersion": "1.0.0", "name": name, "plugins": [
            {"type": "bridge", "bridge": "cni0", "isGateway": True,
             "ipMasq": True, "hairpinMode": True, "ipam": self.ipam()},
            {"type": "portmap", "capabilities": {"portMappings": True}},
            {"type": "bandwidth", "capabilities": {"bandwidth": True}},
            {"type": "firewall", "backend": "iptables"},
            {"type": "loopback"}]}

    def own_list(self, *types, name="told", version="1.1.0", **more):
        """A list of plugins that do as they are told."""
        return {"cniVersion": version, "name": name, "plugins": [
            dict({"type": type_, "dir": self.told_dir}, **more)
            for type_ in types or ("first",)]}

    # -- plugins of the test's own

    def install(self, *types):
        for type_ in types:
            shutil.copy(OWN_PLUGIN, f"{self.plugin_dir}/{type_}")

    def uninstall(self, *types):
        for type_ in types:
            os.unlink(f"{self.plugin_dir}/{type_}")

    def tell(self, name, words=""):
        """name: "COMMAND" or "TYPE.COMMAND"; no words: it works again."""
        path = f"{self.told_dir}/{name}"
        if words:
            host.write(path, words)
        elif os.path.exists(path):
            os.unlink(path)

    def forgive(self):
        for name in os.listdir(self.told_dir):
            if name.split(".")[-1].isupper():
                os.unlink(f"{self.told_dir}/{name}")

    def calls(self):
        """What the plugins noted since the last look."""
        text = host.read(f"{self.told_dir}/calls")
        # The file stays: a plugin that runs now may write into it at any time,
        # and has perhaps written half a line.
        end = text.rfind("\n") + 1
        noted = [json.loads(line)
                 for line in text[self.noted:end].splitlines()]
        self.noted = end
        return noted

    # -- what is left

    def leases(self):
        """Addresses that host-local has given away."""
        return sorted(
            name for _, _, files in os.walk(self.leases_dir) for name in files
            if re.match(r"[0-9a-f]+[.:]", name))

    def results(self):
        folder = self.server.root + "/cni"
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def inputs(self):
        folder = self.server.run + "/cni"
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def rules(self):
        """All rules of iptables that are of a pod: chains that all pods share
        stay."""
        found = []
        for save in ("iptables-save", "ip6tables-save"):
            text = subprocess.run(
                [save], check=True, capture_output=True, text=True,
                preexec_fn=lambda: host.enter_network(self.server.netns)
            ).stdout
            found += [line for line in text.splitlines()
                      if re.search(r"CNI-[0-9a-f]{24}|CNI-(DN|SN)-|"
                                   r"10\.88\.|fd88:1:", line)]
        return found

    def pod_links(self):
        return [name for name in host.links(self.server.netns)
                if name.startswith(("veth", "ifb", "bwp"))]

    def left(self):
        return (["lease " + lease for lease in self.leases()] +
                ["result " + name for name in self.results()] +
                ["input " + name for name in self.inputs()] +
                ["rule " + rule for rule in self.rules()] +
                ["link " + link for link in self.pod_links()])
