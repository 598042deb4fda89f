"""A localnet and its clients, for tests that run the real binaries.

    with Network(record=True) as network:
        ada = network.client("ada")
        ada.create("Ada")
        ada.send(ben.id, "hello")

Every call has a limit; a program that hangs fails the test instead of stalling
it. Nothing is slept for: what has to be waited for is asked for again.
"""

import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import threading
import time

COMMAND_LIMIT_SECONDS = 120


def binary(path):
    """A binary of the build, from the test's runfiles."""
    root = os.environ.get("TEST_SRCDIR")
    if root is not None:
        return os.path.realpath(
            os.path.join(root, os.environ["TEST_WORKSPACE"], path))
    return os.path.join(os.environ["SESSION_BINARIES"], path)


def at_limit(end):
    """Calls `end` when what has just begun goes on beyond the limit: who reads
    from it then sees its end instead of waiting for ever."""
    timer = threading.Timer(COMMAND_LIMIT_SECONDS, end)
    timer.daemon = True
    timer.start()
    return timer


class Result:
    """How one run of a program ended."""

    def __init__(self, finished):
        self.code = finished.returncode
        self.out = finished.stdout.decode("utf-8", "replace")
        self.err = finished.stderr.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def progress(self):
        """What the program said it was waiting for."""
        return [line[4:] for line in self.err.splitlines()
                if line.startswith("... ")]

    @property
    def complaints(self):
        """Everything else on standard error."""
        return [line for line in self.err.splitlines()
                if line and not line.startswith("... ")]

    def __repr__(self):
        return "exit %d\n--- out\n%s--- err\n%s" % (self.code, self.out,
                                                    self.err)


class Client:
    """One person's `session`, with a folder of its own."""

    def __init__(self, network, name, routing="onion", extra=()):
        self.network = network
        self.name = name
        self.folder = os.path.join(network.folder, "client-" + name)
        self.routing = routing
        self.extra = list(extra)
        self.id = None

    def arguments(self, *words):
        return [binary("client/cli/session"), "--data-dir", self.folder,
                "--routing", self.routing, *self.extra, *words]

    def environment(self):
        environment = dict(os.environ)
        environment["SESSION_NETWORK_FILE"] = self.network.client_file
        environment["HOME"] = self.network.folder
        environment.pop("XDG_STATE_HOME", None)
        return environment

    def run(self, *words, stdin=b"", environment=None, **options):
        return Result(subprocess.run(
            self.arguments(*words), input=stdin, capture_output=True,
            env=environment or self.environment(),
            timeout=COMMAND_LIMIT_SECONDS, check=False, **options))

    def start(self, *words):
        """Runs in the background."""
        process = subprocess.Popen(
            self.arguments(*words), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.environment())
        at_limit(process.kill)
        return process

    def good(self, *words, stdin=b""):
        result = self.run("--json", *words, stdin=stdin)
        if result.code != 0:
            raise AssertionError("session %s: %r" % (" ".join(words), result))
        return result.json

    def create(self, display_name):
        self.id = self.good("account", "create", "--name",
                            display_name)["account_id"]
        return self.id

    def knows(self, *others):
        """Has the ids of others from elsewhere."""
        for other in others:
            self.good("contact", "add", other.id)

    def send(self, who, text):
        return self.good("send", who, "-", stdin=text.encode())

    def texts(self):
        """What one `receive` brings."""
        return [m["text"] for m in self.good("receive")["messages"]]

    def received(self):
        """Every incoming text of the history."""
        return [m["text"] for m in self.good("history", "--limit",
                                             "1000")["messages"]
                if not m["outgoing"]]


class Daemon:
    """A running daemon of a client."""

    def __init__(self, client, *options, environment=None, **more):
        self.client = client
        self.process = subprocess.Popen(
            client.arguments("daemon", *options), stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE, env=environment or client.environment(),
            **more)
        self.limit = at_limit(self.process.kill)
        self.heard = b""
        while b"ready" not in self.heard:
            line = self.process.stderr.readline()
            if not line:
                raise AssertionError(self.heard)
            self.heard += line

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.terminate()
        _, err = self.process.communicate(timeout=60)
        self.limit.cancel()
        if kind is None and self.process.returncode not in (0, -9):
            raise AssertionError(err)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Network:
    """A running localnet. Takes itself down, and removes its folder."""

    def __init__(self, record=False, nodes=8, client_file=None):
        self.record = record
        self.nodes = nodes
        self.folder = None
        self._client_file = client_file

    @property
    def directory(self):
        return os.path.join(self.folder, "network")

    @property
    def client_file(self):
        return self._client_file or os.path.join(self.directory,
                                                 "network.txtpb")

    def localnet(self, *words):
        return Result(subprocess.run(
            [binary("tools/localnet/localnet"), *words, "--dir",
             self.directory], stdin=subprocess.DEVNULL, capture_output=True,
            timeout=COMMAND_LIMIT_SECONDS, check=False))

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="localnet-test-",
                                       dir=os.environ.get("TEST_TMPDIR"))
        words = ["up", "--nodes", str(self.nodes)]
        if self.record:
            words.append("--record")
        up = self.localnet(*words)
        if up.code != 0:
            logs = self.localnet("logs", "--lines", "3")
            raise AssertionError("localnet up: %r\n%s" % (up, logs.out))
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(self.localnet("logs", "--lines", "5").out)
        down = self.localnet("down")
        shutil.rmtree(self.folder, ignore_errors=True)
        if kind is None and down.code != 0:
            raise AssertionError("localnet down: %r" % down)

    def client(self, name, routing="onion", extra=()):
        return Client(self, name, routing, extra)

    def node_folder(self, node, part):
        return os.path.join(self.directory, node, part)

    def processes(self):
        """Name and folder of every process of the network."""
        found = []
        for name in sorted(os.listdir(self.directory)):
            path = os.path.join(self.directory, name)
            if name.startswith("authority-"):
                found.append((name, path))
            elif name.startswith("node-"):
                for part in ("router", "storage"):
                    found.append(("%s-%s" % (name, part),
                                  os.path.join(path, part)))
        return found

    def public(self, process_folder):
        """Fields of a process's public file."""
        with open(os.path.join(process_folder, "public.txtpb")) as file:
            return dict(re.findall(r'(\w+): "?([^"\n]*)"?', file.read()))


def recording(path):
    """The records of a --test-recorder-file: (what, bytes)."""
    records = []
    with open(path, "rb") as file:
        data = file.read()
    position = 0
    while position + 2 <= len(data):
        (size,) = struct.unpack_from(">H", data, position)
        what = data[position + 2:position + 2 + size].decode()
        position += 2 + size
        if position + 4 > len(data):
            break
        (size,) = struct.unpack_from(">I", data, position)
        position += 4
        if position + size > len(data):
            break
        records.append((what, data[position:position + size]))
        position += size
    return records


def wait_until(condition, limit_seconds, what):
    """Asks again and again."""
    deadline = time.monotonic() + limit_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("not in time: " + what)
