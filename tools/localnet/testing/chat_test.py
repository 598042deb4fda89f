"""`session chat` and `session completion`, used as a person uses them."""

import os
import pty
import re
import signal
import subprocess
import termios
import time
import unittest

import network

USAGE, PIN, NOT_FOUND = 2, 3, 4
CLEAR = b"\r\x1b[K"


class Terminal:
    """A program at a terminal."""

    def __init__(self, client, *words):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(client.arguments()[0], client.arguments(*words),
                      client.environment())
        self.limit = network.at_limit(lambda: os.kill(self.pid,
                                                      signal.SIGKILL))
        self.shown = b""
        self.code = None

    def wait_for(self, text):
        """Until it is shown; what was shown up to then."""
        text = text.encode() if isinstance(text, str) else text
        while text not in self.shown:
            try:
                more = os.read(self.fd, 65536)
            except OSError:
                raise AssertionError("%r was not shown, but %r" %
                                     (text, self.shown)) from None
            self.shown += more
        at = self.shown.index(text) + len(text)
        before, self.shown = self.shown[:at], self.shown[at:]
        return before

    def type(self, text):
        os.write(self.fd, text.encode() if isinstance(text, str) else text)

    def line(self, text):
        self.type(text + "\r")

    def kill(self):
        """If it is still there."""
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            self.end()

    def end(self):
        """Reads to the end: what was shown, whether the terminal echoes."""
        try:
            while True:
                self.shown += os.read(self.fd, 65536)
        except OSError:
            pass
        echoes = bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)
        os.close(self.fd)
        self.limit.cancel()
        _, status = os.waitpid(self.pid, 0)
        self.code = os.waitstatus_to_exitcode(status)
        return self.shown, echoes


class ChatTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.network = network.Network(nodes=6)
        cls.network.__enter__()
        cls.addClassCleanup(cls.network.__exit__, None, None, None)
        cls.ada = cls.network.client("ada")
        cls.ben = cls.network.client("ben")
        cls.cy = cls.network.client("cy")
        for client, name in ((cls.ada, "Ada"), (cls.ben, "Ben"),
                             (cls.cy, "Cy")):
            client.create(name)
        for name, client in (("Ben", cls.ben), ("Cy", cls.cy)):
            cls.ada.good("contact", "add", client.id, name)
            client.good("contact", "add", cls.ada.id, "Ada")
            cls.ada.send(name, "first words")
            client.good("receive")
        cls.ben.send("Ada", "good morning")
        cls.ada.good("receive")

    def with_and_without_a_daemon(self, scenario):
        with self.subTest("without a daemon"):
            scenario()
        with self.subTest("with a daemon"), network.Daemon(self.ada):
            scenario()

    def chat(self, who):
        chat = Terminal(self.ada, "chat", who)
        self.addCleanup(chat.kill)
        return chat

    def leave(self, chat):
        chat.type(b"\x15\x04")  # Ctrl-U, Ctrl-D
        shown, echoes = chat.end()
        self.assertEqual(chat.code, 0, shown)
        self.assertTrue(echoes)
        return shown

    def test_a_conversation(self):
        def scenario():
            chat = self.chat("Ben")
            chat.wait_for("good morning")
            chat.wait_for("Ben> ")
            chat.line("how are you, Ben? 👍")
            chat.wait_for("you (sent): how are you, Ben? 👍\r\n")
            self.assertEqual(self.ben.texts(), ["how are you, Ben? 👍"])
            # What comes does not take away what is being typed.
            chat.type("half a li")
            chat.wait_for("Ben> half a li")
            self.ben.send("Ada", "well\x1b[2J, and\nyou?")
            shown = chat.wait_for("Ben> half a li")
            self.assertIn(CLEAR + b"[", shown)
            self.assertIn(b"Ben: well", shown)
            self.assertIn(b", and\r\nyou?\r\n" + CLEAR + b"Ben> half a li",
                          shown)
            self.assertNotIn(b"\x1b[2J", shown)
            chat.type("ne\r")
            chat.wait_for("you (sent): half a line")
            self.assertEqual(self.ben.texts(), ["half a line"])
            self.leave(chat)
            # It was shown; `receive` does not bring it again.
            self.assertEqual(self.ada.texts(), [])

        self.with_and_without_a_daemon(scenario)

    def test_its_commands(self):
        def scenario():
            self.ben.send("Ada", "what I say")
            row = self.ben.good("history")["messages"][-1]["row"]
            self.ada.good("receive")
            number = self.ada.good("history", "Ben")["messages"][-1]["row"]
            chat = self.chat("Ben")
            chat.wait_for("#%d Ben: what I say" % number)
            chat.wait_for("Ben> ")
            chat.line("/reply %d an answer" % number)
            chat.wait_for("you (sent) (to #%d): an answer" % number)
            chat.line("/react #%d 🎉" % number)
            chat.wait_for("what I say  [🎉 you]")
            own = number + 1
            chat.line("/edit %d a better answer" % own)
            chat.wait_for("(edited): a better answer")
            network.wait_until(
                lambda: self.ben.good("receive") and "a better answer" in
                self.ben.received(), 60, "the edit goes out")
            chat.line("/unsend %d" % own)
            chat.wait_for("you: (taken back)")
            chat.line("/timer")
            chat.wait_for("New messages stay.")
            chat.line("//not a command")
            chat.wait_for("you (sent): /not a command")
            chat.line("/history 1")
            chat.wait_for("/not a command")
            for wrong, hint in (("/nonsense", "/help lists"),
                                ("/edit 5", "Say /edit N TEXT"),
                                ("/react x", "Say /react N EMOJI"),
                                ("/edit 9999 x", "no such message"),
                                ("/edit %d x" % number, "of your own"),
                                ("/timer 8x", "A time is a number"),
                                ("/history x", "Say /history"),
                                ("/help", "/unsend N")):
                chat.line(wrong)
                chat.wait_for(hint)
            self.ben.good("react", str(row), "👋")
            chat.wait_for("[👋 Ben]")
            self.ben.good("unsend", str(row))
            chat.wait_for("Ben: (taken back)")
            chat.line("/quit")
            shown, _ = chat.end()
            self.assertEqual(chat.code, 0, shown)
            self.ben.good("receive")

        self.with_and_without_a_daemon(scenario)

    def test_the_unsent_line_is_kept(self):
        def scenario():
            chat = self.chat("Ben")
            chat.wait_for("Ben> ")
            chat.type("--not yet")
            chat.wait_for("--not yet")
            chat.type(b"\x04")
            shown, _ = chat.end()
            self.assertIn(b"is kept", shown)
            self.assertEqual(self.ada.good("draft", "Ben")["draft"],
                             "--not yet")
            chat = self.chat("Ben")
            chat.wait_for("Ben> --not yet")
            self.leave(chat)
            self.assertEqual(self.ada.good("draft", "Ben")["draft"], "")
            # Ended from outside, too.
            chat = self.chat("Ben")
            chat.wait_for("Ben> ")
            chat.type("later")
            chat.wait_for("later")
            os.kill(chat.pid, signal.SIGTERM)
            shown, echoes = chat.end()
            self.assertEqual((chat.code, echoes), (0, True), shown)
            self.assertEqual(self.ada.good("draft", "Ben")["draft"], "later")
            self.ada.good("draft", "Ben", "")

        self.with_and_without_a_daemon(scenario)

    def test_others_are_shown_as_from_elsewhere(self):
        with network.Daemon(self.ada):
            chat = self.chat("Ben")
            chat.wait_for("Ben> ")
            self.cy.send("Ada", "hello from Cy")
            chat.wait_for("(elsewhere) Cy: hello from Cy")
            self.leave(chat)
            # What came before is shown once.
            self.ben.send("Ada", "while you were away")
            network.wait_until(
                lambda: "while you were away" in self.ada.received(), 60,
                "it comes")
            chat = self.chat("Ben")
            shown = chat.wait_for("Ben> ")
            chat.line("/history 1")
            shown += chat.wait_for("while you were away")
            shown += self.leave(chat)
            self.assertEqual(shown.count(b"while you were away"), 2, shown)

    def test_delivery_is_shown(self):
        self.ada.good("receipts", "on")
        self.ben.good("receipts", "on")
        self.addCleanup(self.ada.good, "receipts", "off")
        self.addCleanup(self.ben.good, "receipts", "off")
        with network.Daemon(self.ada), network.Daemon(self.ben):
            watch = self.ben.start("watch")
            chat = self.chat("Ben")
            chat.wait_for("Ben> ")
            chat.line("have you got this?")
            chat.wait_for("you (sent): have you got this?")
            # After a random time, so that the network learns nothing.
            chat.wait_for("(read): have you got this?")
            self.leave(chat)
            watch.terminate()
            watch.communicate()

    def test_who_writes_is_shown_where_both_want_it(self):
        self.assertEqual(self.ada.good("typing"), {"typing": False})
        for client in (self.ada, self.ben):
            self.assertEqual(client.good("typing", "on"), {"typing": True})
            self.addCleanup(client.good, "typing", "off")
        ben = Terminal(self.ben, "chat", "Ada")
        self.addCleanup(ben.kill)
        ben.wait_for("Ada> ")
        chat = self.chat("Ben")
        chat.line("is @Ben there?")
        chat.wait_for("you (sent): is @Ben there?")
        ben.wait_for("is @you there?")
        ben.type("/hist")  # a command is nobody's business
        ben.type(b"\x15yes, @A")
        chat.wait_for("Ben (is writing)> ")
        ben.type("da, he is\r")
        chat.wait_for("yes, @you, he is")
        chat.wait_for("Ben> ")
        self.leave(ben)
        self.leave(chat)

    def test_where_chat_cannot_be(self):
        for words, code, hint in ((("Ben",), USAGE, "is for a terminal"),
                                  ((), USAGE, "Say with whom"),
                                  (("Ben", "Cy"), USAGE, "Say with whom")):
            result = self.ada.run("chat", *words)
            self.assertEqual(result.code, code, result)
            self.assertIn(hint, result.err)
        chat = self.chat("nobody")
        shown, echoes = chat.end()
        self.assertEqual((chat.code, echoes), (NOT_FOUND, True), shown)
        self.assertIn(b"neither a contact's name", shown)

    # -- completion

    def offered(self, *line, folder=None):
        """What Tab offers in bash at the end of this line."""
        script = """
            export PATH=%s:$PATH
            source <(session completion bash) || exit 1
            COMP_WORDS=(session "$@"); COMP_CWORD=$#
            _session
            printf '%%s\\n' "${COMPREPLY[@]}"
        """ % os.path.dirname(network.binary("client/cli/session"))
        environment = dict(self.ada.environment(),
                           SESSION_DATA_DIR=folder or self.ada.folder)
        done = subprocess.run(["bash", "-c", script, "bash", *line],
                              env=environment, capture_output=True,
                              timeout=60, check=True)
        self.assertEqual(done.stderr, b"")
        return done.stdout.decode().split("\n")[:-1]

    def test_bash_completes_commands_options_and_names(self):
        self.ada.good("contact", "add", self.ben.id, "Ben")
        self.assertEqual(self.offered("sen"), ["send"])
        self.assertEqual(self.offered("un"), [
            "unarchive", "unblock", "unlock", "unmute", "unpin", "unreact",
            "unsend", "unverify"])
        self.assertEqual(self.offered("history", "--li"), ["--limit"])
        self.assertEqual(self.offered("--json", "account", ""),
                         ["create", "restore", "link", "show", "vault",
                          "pin"])
        self.assertEqual(self.offered("--routing", ""), ["onion", "proxy"])
        # Names of files are the shell's own business.
        self.assertEqual(self.offered("send", "Ben", "--file", ""), [""])
        self.assertEqual(self.offered("send", "Ben", ""), [""])

        def names():
            self.assertEqual(self.offered("send", "B"), ["Ben"])
            self.assertEqual(self.offered("chat", ""), ["Ben", "Cy"])
            self.assertEqual(self.offered("--data-dir", self.ada.folder,
                                          "mute", "C", folder="/nowhere"),
                             ["Cy"])
            self.assertEqual(self.offered("send", "B", folder="/nowhere"),
                             [""])

        self.with_and_without_a_daemon(names)
        self.ada.good("contact", "add", self.ben.id, "Ben & Co")
        self.assertEqual(self.offered("send", "Ben\\ "), ["Ben\\ \\&\\ Co"])
        self.ada.good("contact", "add", self.ben.id, "Ben")

    def test_every_command_is_completed(self):
        text = self.ada.run("--help").out
        commands = text[text.index("account create"):text.index("options\n")]
        named = {word for line in commands.splitlines()
                 if line.startswith("  ") and not line.startswith("   ")
                 for word in re.findall(r"(?:^  |, )([a-z-]+)", line[:39])}
        self.assertLessEqual({"account", "unreact", "unlock"}, named)
        self.assertEqual(named | {"account"}, set(self.offered("")))
        listed = set(re.findall(r"^  (--[a-z-]+)|, (--help)", text, re.M))
        options = {a or b for a, b in listed}
        self.assertLessEqual(options, set(self.offered("--")))

    def test_completion_asks_for_no_pin_and_waits_for_nobody(self):
        watch = self.ada.start("watch")
        self.assertIn(b"... ", watch.stderr.readline())
        started = time.monotonic()
        self.assertEqual(self.offered("send", "B"), [""])
        self.assertLess(time.monotonic() - started, 4)
        watch.terminate()
        watch.communicate()
        result = self.ada.run("completion", "fish")
        self.assertEqual(result.code, USAGE, result)

    def test_it_ends_with_the_daemon(self):
        with network.Daemon(self.ada) as daemon:
            chat = self.chat("Ben")
            chat.wait_for("Ben> ")
            daemon.kill()
            shown, echoes = chat.end()
            self.assertEqual((chat.code, echoes), (1, True), shown)
            self.assertIn(b"daemon has ended", shown)


if __name__ == "__main__":
    unittest.main(verbosity=2)
