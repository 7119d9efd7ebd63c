"""gantryctl exec -i and -t, attach, port-forward, load, on a real server."""

import fcntl
import os
import signal
import socket
import shutil
import struct
import subprocess
import sys
import termios

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import DEADLINE, wait_until
from gantry_server import TOP, image_file


class Gantryctl(gantry_case.GantryCase):
    PROGRAM = os.environ.get("GANTRYCTL",
                             os.path.join(TOP, "tools/ctl/gantryctl"))

    def start(self, *words, **more):
        client = subprocess.Popen(
            [self.PROGRAM, "--endpoint", "unix://" + self.server.socket,
             *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, **more)
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)
        return client

    def setUp(self):
        super().setUp()
        self.pod = self.make_pod()
        self.container = self.make_container(self.pod)

    def test_exec_with_input(self):
        client = self.start("exec", "-i", self.container, "sh", "-c",
                            "cat; echo err >&2; exit 9")
        out, err = client.communicate(b"x" * 200000, 60)
        self.assertEqual((out, err, client.returncode),
                         (b"x" * 200000, b"err\n", 9))
        # A file is no stream that can be waited for.
        with open(self.server.config, "rb") as source:
            text = source.read()
            source.seek(0)
            run = subprocess.run(
                [self.PROGRAM, "--endpoint", "unix://" + self.server.socket,
                 "exec", "-i", self.container, "cat"], stdin=source,
                capture_output=True, timeout=DEADLINE, check=True)
        self.assertEqual(run.stdout, text)
        client = self.start("exec", "-i", self.container, "no-such-program")
        out, err = client.communicate(timeout=DEADLINE)
        self.assertEqual(client.returncode, 1)
        self.assertIn(b"no-such-program", err)

    def test_exec_in_a_terminal_follows_its_size(self):
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 31, 71, 0, 0))
        client = subprocess.Popen(
            [self.PROGRAM, "--endpoint", "unix://" + self.server.socket,
             "exec", "-it", self.container, "sh"], stdin=theirs,
            stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        seen = b""

        def until(text):
            nonlocal seen
            while text not in seen:
                seen += os.read(ours, 4096)
        os.write(ours, b"stty size; echo a-$((40+2))\n")
        until(b"a-42")
        self.assertIn(b"31 71", seen)
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", 41, 91, 0, 0))

        def resized():
            nonlocal seen
            os.write(ours, b"stty size; echo b-$((40+2))\n")
            seen = b""
            until(b"b-42")
            return b"41 91" in seen
        wait_until(resized, "the program sees the new size")
        os.write(ours, b"exit 5\n")
        self.assertEqual(client.wait(60), 5)
        os.close(ours)
        os.close(theirs)

    def test_attach(self):
        container = self.make_container(self.pod, "cat", stdin=True,
                                        stdin_once=True)
        client = self.start("attach", "-i", container)
        out, _ = client.communicate(b"through\n", 60)
        self.assertEqual((out, client.returncode), (b"through\n", 0))
        self.wait_exited(container)

    def test_a_pipe_is_loaded_by_its_name(self):
        image = image_file("busybox")
        fifo = os.path.join(self.server.top, "fifo")
        os.mkfifo(fifo)
        client = self.start("load", fifo)
        with open(fifo, "wb") as target, open(image, "rb") as source:
            shutil.copyfileobj(source, target)
        out, err = client.communicate(timeout=DEADLINE)
        self.assertEqual(client.returncode, 0, err)
        self.assertIn(b"busybox", out)
        # One that nobody writes to: it is given up by who waits.
        client = self.start("load", fifo)
        wait_until(lambda: fifo in host.open_files(client.pid),
                   "the client waits for a writer")
        client.send_signal(signal.SIGINT)
        _, err = client.communicate(timeout=DEADLINE)
        self.assertEqual((client.returncode, b"interrupted" in err), (130, True),
                         err)

    def test_port_forward(self):
        self.make_container(self.pod, "nc -ll -p 7007 -e cat")
        client = self.start("port-forward", self.pod, ":7007", ":7008")
        ports = [int(client.stdout.readline().split()[0].split(b":")[1])
                 for _ in range(2)]
        for number in range(3):
            text = f"number {number}".encode() * 10000

            def echo():
                with socket.create_connection(("127.0.0.1", ports[0]),
                                              10) as through:
                    through.sendall(text)
                    through.shutdown(socket.SHUT_WR)
                    got = b""
                    while piece := through.recv(65536):
                        got += piece
                    return got
            # The server in the pod may not listen yet.
            wait_until(lambda: echo() == text, "the echo")
        with socket.create_connection(("127.0.0.1", ports[1]), 10) as refused:
            self.assertEqual(refused.recv(1), b"")
        client.send_signal(signal.SIGTERM)
        _, err = client.communicate(timeout=DEADLINE)
        self.assertIn(b"error forwarding port 7008", err)
        self.assertEqual(client.returncode, 0)


if __name__ == "__main__":
    gantry_case.main()
