"""The base of tests that exec and attach with live streams."""

import gantry_case
import gantry_host as host
from gantry_streams import ChannelClient, SpdyCommand

BINARY = ("v5.channel.k8s.io", "v4.channel.k8s.io")
BASE64 = "v4.base64.channel.k8s.io"
SPDY = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io",
        "channel.k8s.io")


class StreamCase(gantry_case.GantryCase):

    def exec_url(self, container, command, stdin=False, stdout=True,
                 stderr=True, tty=False):
        if isinstance(command, str):
            command = ["sh", "-c", command]
        return self.call("Exec", container_id=container, cmd=command,
                         stdin=stdin, stdout=stdout,
                         stderr=stderr and not tty, tty=tty).url

    def attach_url(self, container, stdin=False, stdout=True, stderr=True,
                   tty=False):
        return self.call("Attach", container_id=container, stdin=stdin,
                         stdout=stdout, stderr=stderr and not tty, tty=tty).url

    def channels(self, container, command, protocol=BINARY[0], **streams):
        return ChannelClient(self.exec_url(container, command, **streams),
                             protocol)

    def spdy(self, container, command, versions=SPDY[:1], **streams):
        return SpdyCommand(self.exec_url(container, command, **streams),
                           versions, **streams)

    def both(self, container, command, **streams):
        """The same command over each protocol."""
        yield "websocket", self.channels(container, command, **streams)
        yield "spdy", self.spdy(container, command, **streams)

    def family(self, container):
        """Commands of the container's processes."""
        cgroup = self.info(container)["cgroup_path"]
        return [host.read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()
                for pid in host.cgroup_processes(cgroup)]
