"""Exec and Attach with live streams, over WebSocket and SPDY.

GANTRY_STREAM_SESSIONS: how many sessions the test of leaks opens (default 200).
"""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import say, wait_until
from gantry_fields import covers
from gantry_stream_case import BASE64, BINARY, SPDY, StreamCase
from gantry_streams import ChannelClient, SpdyCommand

SESSIONS = int(os.environ.get("GANTRY_STREAM_SESSIONS", "200"))


class Exec(StreamCase):

    def setUp(self):
        super().setUp()
        self.container = self.make_container(self.make_pod())

    @covers("RuntimeService.Exec", "ExecRequest.container_id",
            "ExecRequest.cmd", "ExecRequest.stdout", "ExecRequest.stderr",
            "ExecResponse.*")
    def test_output_and_exit_code_over_every_protocol(self):
        script = "echo out; echo err >&2; exit 3"
        for protocol in (*BINARY, BASE64):
            with self.subTest(protocol=protocol):
                outcome = self.channels(self.container, script,
                                        protocol).finish()
                self.assertEqual((outcome.stdout, outcome.stderr),
                                 (b"out\n", b"err\n"))
                self.assertEqual(outcome.exit_code, 3)
        outcome = self.spdy(self.container, script).finish()
        self.assertEqual((outcome.stdout, outcome.stderr, outcome.exit_code),
                         (b"out\n", b"err\n", 3))
        for name, client in self.both(self.container, "exit 0"):
            with self.subTest(protocol=name):
                self.assertEqual(client.finish().exit_code, 0)

    def test_old_protocols_tell_a_failure_as_text(self):
        for version in SPDY[1:]:
            with self.subTest(version=version):
                outcome = self.spdy(self.container, "echo x; exit 5",
                                    [version]).finish()
                self.assertEqual(outcome.stdout, b"x\n")
                self.assertIn(b"exit status 5", outcome.error)
                outcome = self.spdy(self.container, "true",
                                    [version]).finish()
                self.assertEqual(outcome.error, b"")
        for protocol in ("channel.k8s.io", "base64.channel.k8s.io", ""):
            with self.subTest(protocol=protocol):
                outcome = self.channels(self.container, "echo x; exit 5",
                                        protocol).finish()
                self.assertEqual(outcome.stdout, b"x\n")
                self.assertIn(b"exit status 5", outcome.error)

    def test_a_program_that_is_missing_is_told(self):
        for name, client in self.both(self.container, ["no-such-program"]):
            with self.subTest(protocol=name):
                status = client.finish().status
                say(status["message"])
                self.assertEqual(status["reason"], "InternalError")
                self.assertIn("no-such-program", status["message"])

    def test_stdin_ends_when_the_client_ends_it(self):
        for name, client in self.both(self.container, "cat; echo end",
                                      stdin=True):
            with self.subTest(protocol=name):
                client.write(b"first ")
                client.wait_stdout(b"first ")
                client.write(b"second\0\xff\n")
                client.end_stdin()
                outcome = client.finish()
                self.assertEqual(outcome.stdout,
                                 b"first second\0\xff\nend\n")
                self.assertEqual(outcome.exit_code, 0)

    def test_a_megabyte_each_way_arrives_whole(self):
        data = os.urandom(1 << 20)
        for name, client in self.both(self.container, ["cat"], stdin=True):
            with self.subTest(protocol=name):
                def write(to=client):
                    for begin in range(0, len(data), 30000):
                        to.write(data[begin:begin + 30000])
                    to.end_stdin()
                writer = threading.Thread(target=write)
                writer.start()
                outcome = client.finish()
                writer.join()
                self.assertEqual(len(outcome.stdout), len(data))
                self.assertTrue(outcome.stdout == data)

    @covers("ExecRequest.stdin", "ExecRequest.tty")
    def test_a_terminal_has_the_clients_size(self):
        for name, client in self.both(self.container, ["sh"], stdin=True,
                                      tty=True):
            with self.subTest(protocol=name):
                client.resize(91, 37)
                client.write(b"tty; stty size; echo a-$((40+2))\n")
                client.wait_stdout(b"a-42")
                client.resize(121, 51)
                # The size is set before what is typed after it is read.
                client.write(b"stty size; echo b-$((40+2)); exit 7\n")
                outcome = client.finish()
                self.assertIn(b"/dev/pts/", outcome.stdout)
                self.assertIn(b"37 91\r\n", outcome.stdout)
                self.assertIn(b"51 121\r\n", outcome.stdout)
                self.assertEqual(outcome.exit_code, 7)

    def test_a_terminals_output_is_whole_at_its_exit(self):
        for name, client in self.both(self.container, "seq 1 20000",
                                      tty=True):
            with self.subTest(protocol=name):
                lines = client.finish().stdout.split(b"\r\n")
                self.assertEqual(lines[-2], b"20000")
                self.assertEqual(len(lines), 20001)

    def test_a_child_that_keeps_the_output_does_not_hold_the_end(self):
        for name, client in self.both(self.container,
                                      "echo first; sleep 554 &"):
            with self.subTest(protocol=name):
                begin = time.monotonic()
                outcome = client.finish()
                self.assertEqual(outcome.stdout, b"first\n")
                self.assertEqual(outcome.exit_code, 0)
                self.assertLess(time.monotonic() - begin, 30)

    def test_a_client_that_goes_takes_its_program_along(self):
        script = "echo here; sleep 551 & sleep 552"
        for tty in (False, True):
            for name, client in self.both(self.container, script, stdin=True,
                                          tty=tty):
                with self.subTest(protocol=name, tty=tty):
                    client.wait_stdout(b"here")
                    client.close()
                    wait_until(lambda: not [c for c in self.family(
                        self.container) if "sleep 55" in c], "all ended", 10)
        self.assertEqual(self.state(self.container), "RUNNING")

    def test_a_client_that_goes_is_noticed_while_its_input_waits(self):
        for name, client in self.both(self.container,
                                      "echo here; exec sleep 550",
                                      stdin=True):
            with self.subTest(protocol=name):
                client.wait_stdout(b"here")
                # More than the server and its socket take before it stops
                # reading: the client's end waits behind it.
                for _ in range(100):
                    client.write(bytes(10000))
                client.close()
                wait_until(lambda: "sleep 550" not in self.family(
                    self.container), "it was killed", 10)

    def test_a_slow_reader_stops_its_program_and_nobody_else(self):
        slow = ChannelClient(self.exec_url(self.container, ["yes"]),
                             receive_buffer=4096)
        server = self.server.process.pid
        time.sleep(1)
        begin = host.status(server)["VmRSS"]
        time.sleep(1)
        end = host.status(server)["VmRSS"]
        say(f"VmRSS {begin} -> {end} while yes(1) waits for its reader")
        self.assertLess(int(end.split()[0]) - int(begin.split()[0]), 4096)
        self.assertEqual(
            self.channels(self.container, "echo quick").finish().stdout,
            b"quick\n")
        slow.close()
        wait_until(lambda: "yes" not in self.family(self.container),
                   "yes(1) ended", 10)

    def test_mistakes(self):
        container = self.container
        self.assert_code("INVALID_ARGUMENT", "Exec", "stderr",
                         container_id=container, cmd=["true"], tty=True,
                         stdout=True, stderr=True)
        self.assert_code("INVALID_ARGUMENT", "Exec", "stdin, stdout, stderr",
                         container_id=container, cmd=["true"])
        self.assert_code("INVALID_ARGUMENT", "Exec", "cmd",
                         container_id=container, stdout=True)
        self.assert_code("NOT_FOUND", "Exec", container_id="none",
                         cmd=["true"], stdout=True)
        url = self.exec_url(container, "true")
        self.stop(container)
        self.assert_code("FAILED_PRECONDITION", "Exec",
                         container_id=container, cmd=["true"], stdout=True)
        # Ended between the call and the client's coming.
        status = ChannelClient(url).finish().status
        self.assertIn("not RUNNING", status["message"])

    def test_what_is_no_stream_of_the_request_is_not_waited_for(self):
        # stdin was not asked for; the client opens it all the same.
        client = SpdyCommand(self.exec_url(self.container, "cat; echo done"),
                             stdin=True)
        client.write(b"nothing reads this")
        outcome = client.finish()
        self.assertEqual((outcome.stdout, outcome.exit_code), (b"done\n", 0))

    def test_a_container_that_ends_ends_its_execs(self):
        clients = list(self.both(self.container, "echo here; sleep 553"))
        for _, client in clients:
            client.wait_stdout(b"here")
        self.stop(self.container)
        for name, client in clients:
            with self.subTest(protocol=name):
                say(client.finish().status["message"])

    def test_many_sessions_leave_nothing(self):
        shim = self.info(self.container)["shim_pid"]
        server = self.server.process.pid

        def count():
            return {"server fds": self.server.descriptors(),
                    "server threads": len(os.listdir(f"/proc/{server}/task")),
                    "shim fds": len(os.listdir(f"/proc/{shim}/fd")),
                    "shim children": len(host.children(shim)),
                    "processes": len(self.family(self.container))}

        def one(number):
            kind = number % 6
            if kind == 0:
                client = self.channels(self.container, "echo here; sleep 600",
                                       stdin=True, tty=number % 12 == 0)
                client.wait_stdout(b"here")
                client.close()
            elif kind == 1:
                # Gone before it has opened anything.
                client = SpdyCommand(self.exec_url(self.container, "sleep 600"),
                                     stdout=False, stderr=False)
                client.close()
            elif kind == 2:
                client = self.spdy(self.container, ["no-such-program"],
                                   tty=True)
                self.assertEqual(client.finish().status["reason"],
                                 "InternalError")
            else:
                client = (self.spdy if kind == 3 else self.channels)(
                    self.container, "echo here", tty=kind == 4)
                self.assertEqual(client.finish().stdout.strip(), b"here")
        for number in range(12):
            one(number)

        errors = []

        def some(first):
            try:
                for number in range(first, SESSIONS, 4):
                    one(number)
            except Exception as error:  # told by the test's own thread
                errors.append(error)
        # The threads of pools that are idle end; those of a burst come.
        before = count()
        begin = time.monotonic()
        threads = [threading.Thread(target=some, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        say(f"{SESSIONS} sessions in {time.monotonic() - begin:.2f} s; "
            f"before {before}, at once {count()}")

        def flat():
            after = count()
            return (after["server fds"] <= before["server fds"] + 2 and
                    after["server threads"] <= before["server threads"] + 4 and
                    after["shim fds"] <= before["shim fds"] and
                    after["shim children"] <= before["shim children"] and
                    after["processes"] <= before["processes"] + 1)
        wait_until(flat, f"back to {before}", 20)


class Attach(StreamCase):

    def start(self, script, stdin=False, stdin_once=False, tty=False):
        return self.make_container(self.make_pod(), script, stdin=stdin,
                                   stdin_once=stdin_once, tty=tty)

    def both_attached(self, container, **streams):
        yield "websocket", ChannelClient(self.attach_url(container, **streams))
        yield "spdy", SpdyCommand(self.attach_url(container, **streams),
                                  **streams)

    @covers("RuntimeService.Attach", "AttachRequest.container_id",
            "AttachRequest.stdin", "AttachRequest.stdout",
            "AttachRequest.stderr", "AttachResponse.*")
    def test_it_gets_output_and_feeds_the_input(self):
        container = self.start("cat; echo ended >&2", stdin=True)
        for name, client in self.both_attached(container, stdin=True):
            with self.subTest(protocol=name):
                text = f"hello {name}\n".encode()
                client.write(text)
                client.wait_stdout(text)
                client.close()
        # Not stdin_once: the container's input is open still.
        self.assertEqual(self.state(container), "RUNNING")
        self.assertEqual(self.texts(container)[:2],
                         ["hello websocket", "hello spdy"])

    def test_stdin_once_ends_with_the_first_client_that_ends_it(self):
        for name in ("websocket", "spdy"):
            with self.subTest(protocol=name):
                container = self.start("cat; echo ended >&2; exit 4",
                                       stdin=True, stdin_once=True)
                url = self.attach_url(container, stdin=True)
                client = (ChannelClient(url) if name == "websocket" else
                          SpdyCommand(url, stdin=True))
                client.write(b"only this\n")
                client.wait_stdout(b"only this")
                client.end_stdin()
                outcome = client.finish()
                self.assertEqual(outcome.stderr, b"ended\n")
                # An attach tells its own end, not the container's.
                self.assertEqual(outcome.exit_code, 0)
                self.assertEqual(self.wait_exited(container).exit_code, 4)

    @covers("AttachRequest.tty")
    def test_a_terminal_is_resized_and_has_one_output(self):
        container = self.start("read x; stty size; read x; stty size; sleep 9",
                               stdin=True, tty=True)
        client = ChannelClient(self.attach_url(container, stdin=True,
                                               tty=True))
        client.resize(77, 33)
        self.wait_size(container, "33 77")
        client.write(b"\n")
        client.wait_stdout(b"33 77")
        client.resize(99, 44)
        self.wait_size(container, "44 99")
        client.write(b"\n")
        client.wait_stdout(b"44 99")
        client.close()

    def wait_size(self, container, size):
        wait_until(lambda: self.exec_sync(
            container, "stty size </proc/1/fd/0").stdout.strip().decode() ==
            size, f"the terminal has size {size}")

    def test_several_see_the_same_and_the_end(self):
        container = self.start("read x; seq 1 2000", stdin=True)
        shim = self.info(container)["shim_pid"]
        before = len(os.listdir(f"/proc/{shim}/fd"))
        clients = [ChannelClient(self.attach_url(container))
                   for _ in range(3)]
        clients.append(SpdyCommand(self.attach_url(container)))
        feeder = ChannelClient(self.attach_url(container, stdin=True,
                                               stdout=False, stderr=False))
        # All are attached before anything is written: two outputs each, and
        # an input.
        wait_until(lambda: len(os.listdir(f"/proc/{shim}/fd")) == before + 9,
                   "attached")
        feeder.write(b"\n")
        for client in clients:
            self.assertEqual(client.finish().stdout.split()[-1], b"2000")
        feeder.finish()
        self.assertEqual(self.wait_exited(container).exit_code, 0)

    def test_a_slow_client_holds_neither_container_nor_log(self):
        lines = 400000
        container = self.start(f"read x; seq 1 {lines}; echo over; sleep 99",
                               stdin=True)
        slow = ChannelClient(self.attach_url(container, stdin=True),
                             receive_buffer=4096)
        slow.write(b"\n")
        begin = time.monotonic()
        self.wait_text(container, "over")
        say(f"{lines} lines were logged in {time.monotonic() - begin:.2f} s "
            "beside a client that does not read")
        self.assertEqual(len(self.texts(container)), lines + 1)
        slow.close()

    def test_mistakes(self):
        container = self.start(None)
        self.assert_code("FAILED_PRECONDITION", "Attach", "stdin",
                         container_id=container, stdin=True, stdout=True)
        self.assert_code("INVALID_ARGUMENT", "Attach", "stderr",
                         container_id=container, stdout=True, stderr=True,
                         tty=True)
        self.assert_code("INVALID_ARGUMENT", "Attach",
                         container_id=container)
        self.assert_code("NOT_FOUND", "Attach", container_id="none",
                         stdout=True)
        self.stop(container)
        self.assert_code("FAILED_PRECONDITION", "Attach",
                         container_id=container, stdout=True)


if __name__ == "__main__":
    gantry_case.main()
