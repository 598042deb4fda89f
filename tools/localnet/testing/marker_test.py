"""What a person writes, reads, calls others and looks for is in no file of the
device in the clear, also when the program is killed in the middle.

A thousand strings that nobody would write by chance go through a real `session`
with a PIN; then everything that it can have written is searched for them, as
they are and as programs encode them."""

import base64
import os
import re
import secrets
import signal
import unittest

import network

# All markers begin with it, so that one search finds any. In an index of words
# it would be in lower case.
PREFIX = "Qj7xWk9vZp"
PIN = "480372915563"
MARKERS_PER_TEXT = 60
TEXTS_SENT = 13
TEXTS_RECEIVED = 4


def encodings(text):
    """What to look for in the lower case of a file, and in the file itself:
    base64 depends on where in three bytes the text begins."""
    raw = text.encode()
    folded = [raw.lower(), raw.hex().encode()]
    folded += [text.lower().encode(code) for code in ("utf-16-le",
                                                      "utf-16-be")]
    exact = []
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        # Without the characters that also hold bits of the neighbours.
        exact.append(encoded[4 if shift else 0:len(raw) // 3 * 4])
        exact.append(base64.urlsafe_b64encode(b"\0" * shift + raw)
                     [4 if shift else 0:len(raw) // 3 * 4])
    return folded, exact


def found_in(data, text):
    folded, exact = encodings(text)
    lower = data.lower()
    return (any(form in lower for form in folded)
            or any(form in data for form in exact))


def has_said(lines):
    """That it has told so many times what it waits for."""
    return lambda process: all(process.stderr.readline()
                               for _ in range(lines))


def has_found(process):
    return process.stdout.read(1) != b""


class MarkerTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.network = network.Network(nodes=6)
        cls.network.__enter__()
        cls.addClassCleanup(cls.network.__exit__, None, None, None)
        cls.markers = []
        cls.ben = cls.network.client("ben")
        cls.ben.create("Ben")
        cls.ada = cls.network.client("ada")
        # Nothing but what Ada's program writes.
        cls.home = os.path.join(cls.network.folder, "home-ada")
        cls.temporary = os.path.join(cls.network.folder, "tmp-ada")
        os.mkdir(cls.home)
        os.mkdir(cls.temporary)
        pin_file = os.path.join(cls.network.folder, "pin-ada")
        with open(pin_file, "w") as file:
            file.write(PIN + "\n")
        environment = cls.ada.environment()
        environment.update(HOME=cls.home, TMPDIR=cls.temporary,
                           SESSION_PIN_FILE=pin_file)
        environment.pop("SQLITE_TMPDIR", None)
        cls.ada.environment = lambda: environment

    def marker(self):
        self.markers.append(PREFIX + secrets.token_hex(6))
        return self.markers[-1]

    def text(self):
        return " ".join(self.marker() for _ in range(MARKERS_PER_TEXT))

    def files(self):
        for top in (self.ada.folder, self.home, self.temporary):
            for folder, _, names in os.walk(top):
                for name in names:
                    yield os.path.join(folder, name)

    def check_files(self, when):
        for path in self.files():
            with open(path, "rb") as file:
                data = path.encode() + file.read()
            for secret in (PREFIX, PIN):
                self.assertFalse(found_in(data, secret),
                                 "%s in %s, %s" % (secret, path, when))

    def check_process(self, pid):
        """Every file that it has open for writing is one that is searched, and
        it leaves no memory behind when it crashes."""
        folder = "/proc/%d" % pid
        with open(folder + "/limits") as file:
            self.assertRegex(file.read(), r"Max core file size +0 +0 ")
        for number in os.listdir(folder + "/fd"):
            try:
                path = os.readlink("%s/fd/%s" % (folder, number))
                with open("%s/fdinfo/%s" % (folder, number)) as file:
                    flags = int(re.search(r"flags:\s+(\d+)", file.read())[1],
                                8)
            except FileNotFoundError:  # Closed meanwhile.
                continue
            if not path.startswith("/") or path.startswith("/dev/"):
                continue
            if flags & os.O_ACCMODE != os.O_RDONLY:
                self.assertTrue(path.startswith(self.ada.folder + "/"), path)

    def start_and_kill(self, reached, *words):
        """SIGKILL once `reached` says so. Whether it was still at work."""
        process = self.ada.start(*words)
        try:
            at_work = reached(process)
            process.send_signal(signal.SIGSTOP)
            if at_work and process.poll() is None:
                self.check_process(process.pid)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        self.check_files("killed in " + words[0])
        return process.returncode == -signal.SIGKILL

    def test_every_way_of_writing_a_marker_is_found(self):
        text = "x" + PREFIX + "0a"
        for form in (text.encode(), text.lower().encode(),
                     text.encode("utf-16-le"), text.encode("utf-16-be"),
                     text.encode().hex().encode(),
                     text.encode().hex().upper().encode(),
                     *(base64.b64encode(b"y" * n + text.encode())
                       for n in range(3))):
            self.assertTrue(found_in(b"before" + form + b"after", PREFIX),
                            form)
        self.assertFalse(found_in(secrets.token_bytes(1_000_000), PREFIX))

    def test_nothing_is_written_in_the_clear(self):
        ada, ben = self.ada, self.ben
        ada.create(self.marker())
        ada.good("contact", "add", ben.id, self.marker())
        ben.knows(ada)
        self.check_files("after the account was made")
        ada.send(ben.id, self.text())
        ben.good("receive")
        ada.good("receive")

        killed = 0
        logs = 0
        for number in range(TEXTS_SENT):
            text = self.text()
            if number % 3 == 0:
                killed += self.start_and_kill(has_said(number // 3 + 1),
                                              "send", ben.id, text)
                logs += any(path.endswith("-wal") and os.path.getsize(path)
                            for path in self.files())
            else:
                ada.send(ben.id, text)
        for _ in range(TEXTS_RECEIVED):
            ben.send(ada.id, self.text())
        killed += self.start_and_kill(has_said(2), "receive")
        ada.good("receive")
        self.assertGreater(killed, 2, "nothing was interrupted")
        self.assertGreater(logs, 0, "no log was left behind")

        # They are there, for whoever has the PIN.
        history = ada.run("--json", "history", "--limit", "1000").out
        known = [marker for marker in self.markers if marker in history]
        self.assertGreaterEqual(len(known), 1000 - 2 * MARKERS_PER_TEXT)
        self.assertTrue(found_in(history.encode(), PREFIX))
        found = ada.run("search", known[-1])
        self.assertIn(known[-1], found.out, found)
        self.start_and_kill(has_found, "search", known[-1])
        ada.run("search", self.marker())
        ada.good("contact", "add", ben.id, self.marker())
        ada.good("name", self.marker())
        self.check_files("at the end")

    def test_a_program_that_waits_leaves_no_memory_behind(self):
        watcher = self.network.client("watcher")
        watcher.create("Eve")
        watch = watcher.start("watch")
        try:
            watch.stderr.readline()
            with open("/proc/%d/limits" % watch.pid) as file:
                self.assertRegex(file.read(), r"Max core file size +0 +0 ")
            # Not dumpable: what it has belongs to root, whoever started it.
            self.assertEqual(os.stat("/proc/%d/mem" % watch.pid).st_uid, 0)
        finally:
            watch.send_signal(signal.SIGINT)
            watch.communicate(timeout=network.COMMAND_LIMIT_SECONDS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
