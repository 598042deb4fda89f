"""The walk-through of README.md, played word for word: two shells, each at a
terminal of its own, and a network.

In its blocks `ada$ ` and `ben$ ` begin what is typed into a shell, `ada> ` and
`ben> ` what is typed into the program that runs there. Every other line has to
be shown by the program that was started last, or by that of NAME where it
begins with `NAME: `; "..." stands for anything. ADA-ID, BEN-ID and DIGITS-n are
what was shown in their place first.
"""

import fcntl
import os
import pty
import re
import signal
import struct
import tempfile
import termios
import unittest

import network

PROMPT = "%s-is-done$ "
# What a terminal obeys and does not show.
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\x07")
NAMES = {
    "ADA-ID": r"[0-9a-f]{66}",
    "BEN-ID": r"[0-9a-f]{66}",
    "DIGITS-1": r"\d{5} \d{5} \d{5} \d{5}",
    "DIGITS-2": r"\d{5} \d{5} \d{5} \d{5}",
    "DIGITS-3": r"\d{5} \d{5} \d{5} \d{5}",
}


def readme():
    path = os.path.join(os.environ["TEST_SRCDIR"],
                        os.environ["TEST_WORKSPACE"], "README.md")
    with open(path, encoding="utf-8") as file:
        return file.read()


def steps(text):
    """The lines of the blocks behind the mark."""
    section = text[text.index("<!-- Played word for word"):]
    section = section[:section.index("\n## ")]
    blocks = re.findall(r"^```\n(.*?)^```$", section, re.S | re.M)
    return [line for block in blocks for line in block.splitlines()]


class Shell:
    """A shell at a terminal."""

    def __init__(self, name, folder, environment):
        self.name = name
        self.prompt = PROMPT % name
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile"],
                      dict(environment, PS1=self.prompt, TERM="xterm",
                           HISTFILE="", PS2=""))
        # Nothing is wrapped.
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 50, 400, 0, 0))
        self.limit = network.at_limit(
            lambda: os.kill(self.pid, signal.SIGKILL))
        self.shown = ""
        self.pending = b""
        self.read_until(lambda: self.at_prompt())

    def at_prompt(self):
        return self.shown.endswith(self.prompt)

    def read_until(self, reached):
        while not reached():
            try:
                self.pending += os.read(self.fd, 65536)
            except OSError:
                raise AssertionError("%s's terminal has ended: %s" %
                                     (self.name, self.shown)) from None
            # Not in the middle of a character.
            for size in range(len(self.pending), max(-1, len(self.pending) - 4),
                              -1):
                try:
                    text = self.pending[:size].decode()
                except UnicodeDecodeError:
                    continue
                self.pending = self.pending[size:]
                self.shown = CONTROL.sub("", self.shown + text)
                break

    def type(self, line, end="\r"):
        os.write(self.fd, (line + end).encode())

    def command(self, line):
        """Begins a command, once the one before has ended."""
        self.read_until(self.at_prompt)
        self.limit.cancel()
        self.limit = network.at_limit(
            lambda: os.kill(self.pid, signal.SIGKILL))
        self.shown = ""
        # Without the echo the shell's own line editor would repeat the line.
        self.type(line)
        self.expect(re.escape(line) + "\n")

    def expect(self, pattern):
        """Until it is shown, after what was expected before."""
        found = []

        def look():
            found[:] = [re.search(pattern, self.shown)]
            return found[0] is not None

        before = self.shown
        try:
            self.read_until(look)
        except AssertionError:
            raise AssertionError("%s's terminal shows no %r, but: %s" % (
                self.name, pattern, before + self.shown)) from None
        self.shown = self.shown[found[0].end():]
        return found[0]

    def close(self):
        self.limit.cancel()
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


class WalkthroughTest(unittest.TestCase):

    def test_every_line_of_it(self):
        lines = steps(readme())
        self.assertGreater(len(lines), 50)
        with network.Network(nodes=8) as net, \
                tempfile.TemporaryDirectory() as folder:
            # The programs and folders that it names, elsewhere.
            os.makedirs(os.path.join(folder, "bazel-bin/client/cli"))
            os.symlink(network.binary("client/cli/session"),
                       os.path.join(folder, "bazel-bin/client/cli/session"))
            environment = dict(os.environ, HOME=folder, LC_ALL="C.UTF-8",
                               SESSION_NETWORK_FILE=net.client_file)
            environment.pop("XDG_STATE_HOME", None)
            shells = {}
            for name in ("ada", "ben"):
                shells[name] = Shell(name, folder, environment)
                self.addCleanup(shells[name].close)
            self.play(lines, shells, folder)

    def play(self, lines, shells, folder):
        known = {}
        at = None
        for number, line in enumerate(lines):
            typed = re.match(r"(ada|ben)([$>]) (.*)", line)
            if typed:
                # One thing after the other, but for what a program that goes
                # on is told later.
                if at is not None and not self.goes_on(at, lines[number:]):
                    at.read_until(at.at_prompt)
                at = shells[typed[1]]
                words = re.sub("|".join(NAMES), lambda m: known[m[0]],
                               typed[3])
                if typed[2] == "$":
                    at.command(words)
                else:
                    at.type(words)
                continue
            said = re.match(r"(ada|ben): (.*)", line)
            shell = shells[said[1]] if said else at
            self.expect(shell, said[2] if said else line, known)
        for shell in shells.values():
            shell.read_until(shell.at_prompt)

    @staticmethod
    def goes_on(shell, lines):
        """Whether something is typed into what runs in the shell."""
        for line in lines:
            if line.startswith((shell.name + "$ ", shell.name + "> ")):
                return line.startswith(shell.name + "> ")
        return False

    def expect(self, shell, line, known):
        groups = []

        def part(match):
            word = match[0]
            if word == "...":
                return ".*?"
            if word in NAMES and word not in known:
                groups.append(word)
                return "(" + NAMES[word] + ")"
            return re.escape(known.get(word, word))

        pattern = re.sub(r"\.\.\.|" + "|".join(NAMES) + r"|[^A-Z.]+|.", part,
                         line)
        found = shell.expect(pattern)
        for number, word in enumerate(groups, 1):
            known[word] = found[number]


if __name__ == "__main__":
    unittest.main(verbosity=2)
