"""A gantryd of the test's own, and clients for it.

Stubs are generated from proto/ by Debian's protoc and grpc_python_plugin when
they are first needed. Everything a Server makes lies in one directory below
/tmp with a short name (a socket's path has 107 bytes).
"""

import atexit
import importlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import types

import grpc

import gantry_fields
import gantry_host as host
import gantry_systemd

# The root of the workspace, or of the runfiles: never resolved, for below
# Bazel only the runfiles have the generated neighbours.
TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
# Long enough for a sanitized build on a busy machine; nothing waits for it
# that goes well.
DEADLINE = host.patience(60)
MESSAGE_LIMIT = 64 << 20
PROTOS = ("proto/cri/v1/api.proto", "proto/admin.proto")
# Of every server: "cgroupfs", "systemd" or "auto", which need one.
CGROUP_DRIVER = os.environ.get("GANTRY_TEST_CGROUP_DRIVER", "cgroupfs")


class Programs:
    """Where the programs and images under test are."""
    gantryd = os.environ.get("GANTRYD", os.path.join(TOP, "server/gantryd"))
    shim = os.environ.get("GANTRY_SHIM", os.path.join(TOP, "shim/gantry-shim"))
    images = os.environ.get("GANTRY_IMAGES", os.path.join(TOP, "test/fixtures"))


def wait_until(condition, what, deadline=60, pause=0.02):
    """Returns the first true value of condition(); fails after the deadline
    (on a machine like this one: host.patience)."""
    deadline = host.patience(deadline)
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what}")
        time.sleep(pause)


_stubs = None


def stubs():
    """The generated modules: api, api_grpc, admin, admin_grpc."""
    global _stubs
    if _stubs is None:
        out = tempfile.mkdtemp(prefix="gantry-test.", dir="/tmp")
        atexit.register(shutil.rmtree, out)
        for source in PROTOS:
            subprocess.run(
                ["protoc", "-I.", f"--python_out={out}", f"--grpc_out={out}",
                 "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin",
                 source], check=True, cwd=TOP)
        sys.path.insert(0, out)
        sys.dont_write_bytecode = True
        _stubs = types.SimpleNamespace(
            api=importlib.import_module("proto.cri.v1.api_pb2"),
            api_grpc=importlib.import_module("proto.cri.v1.api_pb2_grpc"),
            admin=importlib.import_module("proto.admin_pb2"),
            admin_grpc=importlib.import_module("proto.admin_pb2_grpc"))
    return _stubs


class Server:
    """One gantryd, its directories and its cgroup parent.

    network: "none", or "bridge" or "cni": then it runs in a network namespace
    of its own (self.netns), for the machine's own network is not a test's to
    change.
    """

    def __init__(self, network="none"):
        self.network = network
        self.netns = host.new_network() if network != "none" else None
        self.top = tempfile.mkdtemp(prefix="gantry-test.", dir="/tmp")
        self.root = self.top + "/root"
        self.run = self.top + "/run"
        self.logs = self.top + "/logs"
        self.socket = self.top + "/gantry.sock"
        self.log_path = self.top + "/gantryd.log"
        self.config = self.top + "/gantryd.toml"
        # As a kubelet does: the parent is the client's, made before.
        name = os.path.basename(self.top)
        if CGROUP_DRIVER != "cgroupfs":
            name = name.replace("-", "_") + ".slice"
        self.cgroup_parent = "/" + name
        self.process = None
        self.channel = None
        self.more_config = ""
        self.was_killed = False
        self.log_begin = 0
        # Of its directories: those with a disk of their own.
        self.disks = []
        # As setrlimit takes them, soft and hard; of its containers, too.
        self.limits = {}
        # Variables beside those of the test itself.
        self.environment = {}
        os.mkdir(self.logs)
        if CGROUP_DRIVER == "cgroupfs":
            host.make_cgroup(self.cgroup_parent)
        else:
            gantry_systemd.systemctl("start", name)

    # -- its life

    def command(self, *more):
        with open(self.config, "w", encoding="utf-8") as out:
            if "cgroup_driver" not in self.more_config:
                out.write(f'cgroup_driver = "{CGROUP_DRIVER}"\n')
            out.write(f'shim_path = "{Programs.shim}"\n' + self.more_config)
            if "[network]" not in self.more_config:
                out.write(f'\n[network]\nprovider = "{self.network}"\n')
        return [Programs.gantryd, "--root", self.root, "--run", self.run,
                "--socket", self.socket, "--config", self.config, *more]

    def start(self):
        self.launch()
        self.wait_ready()
        return self

    def launch(self):
        """Only runs it: it may not serve yet."""
        self.log_begin = os.path.getsize(self.log_path) if os.path.exists(
            self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env={**os.environ, **self.environment},
                preexec_fn=self.enter_surroundings)
        self.was_killed = False

    def wait_ready(self):
        """Until it serves all calls; then clients are connected."""
        ready = f"gantryd ready on unix://{self.socket}"

        def is_ready():
            if self.process.poll() is not None:
                raise AssertionError("gantryd ended:\n" + self.log_tail())
            return ready in self.log_since_launch()
        try:
            wait_until(is_ready, "gantryd gets ready", pause=0.01)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log_tail()}") from None
        self.connect()

    def enter_surroundings(self):
        if self.netns is not None:
            host.enter_network(self.netns)
        for limit, value in self.limits.items():
            resource.setrlimit(limit, (value, value))

    def give_disk(self, directory, options):
        """Before it starts: a disk that can be filled, for one of its
        directories."""
        os.makedirs(directory, 0o700, exist_ok=True)
        host.mount("tmpfs", directory, options)
        self.disks.append(directory)

    def take_disks(self):
        """After it ended."""
        while self.disks:
            host.unmount(self.disks.pop())

    def connect(self):
        if self.channel is not None:
            self.channel.close()
        # Each its own connection: grpc shares them by address otherwise, and
        # a new server would wait for an old connection's back-off.
        self.channel = grpc.insecure_channel(
            "unix:" + self.socket,
            options=[("grpc.use_local_subchannel_pool", 1),
                     ("grpc.max_receive_message_length", MESSAGE_LIMIT),
                     ("grpc.max_send_message_length", MESSAGE_LIMIT)])
        made = stubs()
        self.runtime = gantry_fields.RecordedStub(
            "RuntimeService", made.api_grpc.RuntimeServiceStub(self.channel))
        self.image = gantry_fields.RecordedStub(
            "ImageService", made.api_grpc.ImageServiceStub(self.channel))
        self.admin = made.admin_grpc.AdminStub(self.channel)

    def kill(self):
        """SIGKILL."""
        self.was_killed = True
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                "gantryd did not end:\n" + self.log_tail()) from None

    def restart(self):
        """kill -9 and a new one; returns the seconds until it was ready."""
        self.kill()
        begin = time.monotonic()
        self.start()
        return time.monotonic() - begin

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        with open(self.log_path, "rb") as log:
            return log.read().decode(errors="replace")

    def log_since_launch(self):
        with open(self.log_path, "rb") as log:
            log.seek(self.log_begin)
            return log.read().decode(errors="replace")

    def log_tail(self, lines=40):
        return "\n".join(self.log().split("\n")[-lines:])

    def destroy(self):
        """Ends what may be left by force; what was in the way is returned as
        lines for people. After it nothing of this server is there."""
        if self.is_running():
            self.kill()
        if self.channel is not None:
            self.channel.close()
        # A server that could not end by itself left its run directory mounted.
        expected = ([self.run] if self.was_killed else []) + self.disks
        left = host.end_everything(self.top, self.cgroup_parent, expected)
        if CGROUP_DRIVER != "cgroupfs":
            left += gantry_systemd.end_slice(
                os.path.basename(self.cgroup_parent))
        shutil.rmtree(self.top, ignore_errors=True)
        if self.netns is not None:
            os.close(self.netns)
            self.netns = None
        return left

    def pod_cgroup(self, pod):
        """Where the pod's cgroup is that is below cgroup_parent."""
        if CGROUP_DRIVER == "cgroupfs":
            return f"{self.cgroup_parent}/{pod}"
        name = os.path.basename(self.cgroup_parent)[:-len(".slice")]
        return f"{self.cgroup_parent}/{name}-{pod}.slice"

    def made_ahead(self, descriptors=None):
        """Who makes namespaces, for a pod or ahead, and the shim that was started
        ahead (ADR 13): the names of these processes, by pid. `descriptors`: of
        gantryd's, those among which to look."""
        folder = f"/proc/{self.process.pid}/fdinfo"
        pids = [re.search(r"^Pid:\s+(\d+)$", host.read(f"{folder}/{name}"),
                          re.MULTILINE)
                for name in descriptors or os.listdir(folder)]
        names = {int(pid[1]): host.read(f"/proc/{pid[1]}/comm").strip()
                 for pid in pids if pid is not None}
        return {pid: name for pid, name in names.items()
                if name in ("gantry-pin", "gantry-ahead")}

    def descriptors(self):
        """How many gantryd has open, without pidfd and socket of what it makes
        ahead: that comes and goes by itself."""
        names = os.listdir(f"/proc/{self.process.pid}/fd")
        return len(names) - 2 * len(self.made_ahead(names))

    def shims_in_pod(self, containers):
        """How many shims a pod's cgroup has with so many that run: those that
        systemd keeps have them inside."""
        return 0 if CGROUP_DRIVER == "cgroupfs" else containers

    # -- calls

    def call(self, verb, request, timeout=DEADLINE):
        service = self.image if "Image" in verb else self.runtime
        return getattr(service, verb)(request, timeout=timeout,
                                      wait_for_ready=False)

    def load(self, path):
        """Loads an archive by its bytes; returns the LoadedImages."""
        request = stubs().admin.LoadRequest

        def chunks():
            with open(path, "rb") as source:
                while data := source.read(1 << 20):
                    yield request(chunk=data)
        return self._load(chunks())

    def load_path(self, path):
        request = stubs().admin.LoadRequest(path=path)
        return self._load(iter([request]))

    def _load(self, requests):
        return list(self.admin.Load(requests, timeout=DEADLINE).images)


def image_file(name):
    return os.path.join(Programs.images, name + ".tar")
