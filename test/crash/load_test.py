"""kill -9 of a server under load, again and again: containers live on, their
logs are whole, no exec is done twice, and what was answered stays true.

GANTRY_TEST_PODS sets how many containers write, GANTRY_TEST_KILLS how often the
server is killed, GANTRY_TEST_INTERVAL the seconds between two kills, and
GANTRY_TEST_SEED repeats a run's choices.
"""

import concurrent.futures
import contextlib
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import say, wait_until
from gantry_client import Client, Interrupted

PODS = int(os.environ.get("GANTRY_TEST_PODS", "20"))
KILLS = int(os.environ.get("GANTRY_TEST_KILLS", "4"))
INTERVAL = float(os.environ.get("GANTRY_TEST_INTERVAL", "5"))
SEED = int(os.environ.get("GANTRY_TEST_SEED", str(time.time_ns() & 0xffffff)))
EXEC_CLIENTS = 4
LIFE_CLIENTS = 3
MOST_PROBLEMS = 20

# A hundred lines a second, in bursts: a process for each pause is what costs.
# The last line tells how many there must be.
WRITER = """
trap stop=1 TERM
i=0
while [ -z "$stop" ]; do
  n=0
  while [ $n -lt 20 ]; do n=$((n+1)); i=$((i+1)); echo $i; done
  usleep 200000
done
echo end $i"""


class Known:
    """Ids that a client was told of, and whose removal nobody asked for."""

    def __init__(self):
        self.lock = threading.Lock()
        self.ids = set()

    def add(self, name):
        with self.lock:
            self.ids.add(name)

    def forget(self, name):
        with self.lock:
            self.ids.discard(name)

    def now(self):
        with self.lock:
            return set(self.ids)


class Execs:
    """Each exec appends a token of its own to a file in its container."""

    FILE = "/execs"

    def __init__(self):
        self.lock = threading.Lock()
        self.answered = {}  # container -> tokens
        self.lost = {}
        self.count = 0

    def run(self, client, container):
        with self.lock:
            self.count += 1
            token = f"token-{self.count}"
        told = self.lost
        try:
            answer = client.once(
                "ExecSync", container_id=container,
                cmd=["sh", "-c", f"echo {token} >> {self.FILE}; echo {token}"])
            if (answer.exit_code, answer.stdout) != (0, f"{token}\n".encode()):
                raise AssertionError(f"exec of {token}: {answer}")
            told = self.answered
        except Interrupted:
            pass
        with self.lock:
            told.setdefault(container, set()).add(token)

    def problems(self, container, pid):
        """What the container's file says against what clients were told."""
        done = host.read(f"/proc/{pid}/root{self.FILE}").split("\n")[:-1]
        answered = self.answered.get(container, set())
        known = answered | self.lost.get(container, set())
        twice = sorted({token for token in done if done.count(token) > 1})
        found = []
        if twice:
            found.append(f"done twice: {twice}")
        if answered - set(done):
            found.append(f"answered, not done: {answered - set(done)}")
        if set(done) - known:
            found.append(f"never asked for: {set(done) - known}")
        return [f"{container}: {problem}" for problem in found]

    def total(self, told):
        return sum(len(tokens) for tokens in told.values())


class Load(gantry_case.GantryCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        say(f"GANTRY_TEST_SEED={SEED} GANTRY_TEST_PODS={PODS} "
            f"GANTRY_TEST_KILLS={KILLS} GANTRY_TEST_INTERVAL={INTERVAL}")

    def setUp(self):
        super().setUp()
        self.known, self.execs = Known(), Execs()
        self.stopping = threading.Event()
        self.problems = []
        self.lives = self.lists = self.rotations = 0
        self.rotated = {}  # container -> names of its older logs, in order

    # -- what goes on beside the kills, each on a thread of its own

    def beside(self, step, number):
        """Repeats `step` until the end, or until it meets a problem."""
        client = Client(self.server.socket)
        dice = random.Random(SEED * 1000 + number)
        try:
            while not self.stopping.is_set():
                step(client, dice)
        except Exception as error:  # told by the test, which goes on
            self.problems.append(f"{step.__name__}: {error}")
        finally:
            client.close()

    def exec_somewhere(self, client, dice):
        self.execs.run(client, dice.choice(self.writers))

    def live(self, client, _):
        """The life of a pod of one container."""
        pod = client.until_answered(
            "RunPodSandbox", config=self.pod_config()).pod_sandbox_id
        self.known.add(pod)
        config = self.container_config()
        container = client.until_answered(
            "CreateContainer", pod_sandbox_id=pod, config=config).container_id
        self.known.add(container)
        client.until_answered("StartContainer", container_id=container)
        status = client.until_answered("ContainerStatus",
                                       container_id=container).status
        if status.state != self.api.CONTAINER_RUNNING:
            raise AssertionError(f"started, but: {status}")
        self.execs.run(client, container)
        client.until_answered("StopContainer", container_id=container,
                              timeout=0)
        self.known.forget(container)
        client.until_answered("RemoveContainer", container_id=container)
        client.until_answered("StopPodSandbox", pod_sandbox_id=pod)
        self.known.forget(pod)
        client.until_answered("RemovePodSandbox", pod_sandbox_id=pod)
        self.lives += 1

    def look(self, client, _):
        """What is known before and after a list is in it."""
        known = self.known.now()
        pods = client.until_answered("ListPodSandbox").items
        containers = client.until_answered("ListContainers").containers
        listed = {pod.id for pod in pods} | {c.id for c in containers}
        missing = (known & self.known.now()) - listed
        if missing:
            raise AssertionError(f"not listed: {missing}")
        states = {c.id: c.state for c in containers}
        idle = [c for c in self.writers
                if states.get(c) != self.api.CONTAINER_RUNNING]
        if idle:
            raise AssertionError(f"not listed as running: {idle}")
        self.lists += 1
        self.stopping.wait(0.1)

    def rotate(self, client, dice):
        """As a kubelet does, should a log be large."""
        container = dice.choice(self.writers)
        older = self.rotated.setdefault(container, [])
        name = f"{self.logs[container]}.{len(older)}"
        os.rename(self.logs[container], name)
        older.append(name)
        client.until_answered("ReopenContainerLog", container_id=container)
        self.rotations += 1
        self.stopping.wait(0.2)

    @contextlib.contextmanager
    def load(self):
        steps = ([self.exec_somewhere] * EXEC_CLIENTS +
                 [self.live] * LIFE_CLIENTS + [self.look, self.rotate])
        threads = [threading.Thread(target=self.beside, args=(step, number))
                   for number, step in enumerate(steps)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stopping.set()
            for thread in threads:
                thread.join()

    # -- the test

    def make_writers(self):
        def make(_):
            pod = self.make_pod()
            return self.make_container(pod, WRITER)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            self.writers = list(pool.map(make, range(PODS)))
        self.logs = {c: self.log_path(c) for c in self.writers}
        for name in self.writers + self.pods:
            self.known.add(name)

    def identities(self):
        """Each writer's process, as the kernel has it."""
        return {c: (pid, host.start_ticks(pid))
                for c in self.writers for pid in [self.pid(c)]}

    def log_problems(self, container):
        texts = [text for path in
                 self.rotated.get(container, []) + [self.logs[container]]
                 for text in gantry_case.log_texts(path)]
        lines = len(texts) - 1
        expected = [str(n) for n in range(1, lines + 1)] + [f"end {lines}"]
        if texts == expected and lines > 0:
            return []
        wrong = next((n for n, pair in enumerate(zip(texts, expected))
                      if pair[0] != pair[1]), lines)
        return [f"{container}: log of {lines} lines is wrong at line "
                f"{wrong + 1}: {texts[max(wrong - 2, 0):wrong + 3]}"]

    def test_a_server_killed_under_load_loses_nothing(self):
        descriptors = self.server.descriptors()
        self.make_writers()
        before = self.identities()
        starts = []
        dice = random.Random(SEED)
        with self.load():
            for _ in range(KILLS):
                self.stopping.wait(INTERVAL)
                self.server.kill()
                # Half of them have a successor that dies as well, while it
                # recovers or soon after.
                if dice.random() < 0.5:
                    self.server.launch()
                    time.sleep(dice.uniform(0, 0.4))
                    self.server.kill()
                begin = time.monotonic()
                self.server.start()
                starts.append(time.monotonic() - begin)
            self.stopping.wait(INTERVAL)
        execs = self.execs
        say(f"{KILLS} kills, ready again after {min(starts):.2f} to "
            f"{max(starts):.2f} s; {execs.total(execs.answered)} execs, "
            f"{execs.total(execs.lost)} without an answer; {self.lives} pods' "
            f"lives, {self.lists} lists, {self.rotations} logs rotated")
        self.assertEqual(self.problems[:MOST_PROBLEMS], [])
        self.assertGreater(min(execs.total(execs.answered), self.lives,
                               self.lists, self.rotations), KILLS)
        self.assertEqual(self.identities(), before)
        self.assertEqual({self.state(c) for c in self.writers}, {"RUNNING"})
        problems = [problem for c in self.writers
                    for problem in execs.problems(c, before[c][0])]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda c: self.stop(c, timeout=30), self.writers))
        for container in self.writers:
            self.assertEqual(self.status(container).exit_code, 0)
            problems += self.log_problems(container)
        self.assertEqual(problems[:MOST_PROBLEMS], [])
        self.remove_pods()
        self.pods.clear()
        wait_until(lambda: self.server.descriptors() <= descriptors,
                   "descriptors are closed")


if __name__ == "__main__":
    gantry_case.main()
