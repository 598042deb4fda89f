"""`session daemon`: every command works the same with it and without it."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import unittest

import network

FAILURE, USAGE, PIN, NOT_FOUND, STORAGE = 1, 2, 3, 4, 6

# The same 16 bytes (crypto/SPEC.md, section 9.1).
PHRASE = ("fawns pairing idols weekday vexed pebbles odometer emerge tucks "
          "pioneer cucumber lurk vexed")
SEED = bytes.fromhex("7f3a91c4e85d02b6194fd7a063ee2b58")


class DaemonTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.network = network.Network(nodes=6)
        cls.network.__enter__()
        cls.addClassCleanup(cls.network.__exit__, None, None, None)
        cls.ada = cls.network.client("ada")
        cls.ben = cls.network.client("ben")
        cls.ada.create("Ada")
        cls.ben.create("Ben")
        cls.ada.good("contact", "add", cls.ben.id, "Ben")
        cls.ben.good("contact", "add", cls.ada.id, "Ada")
        cls.ada.send("Ben", "hello")
        cls.ben.good("receive")
        cls.ben.send("Ada", "good morning")
        cls.ada.good("receive")

    def fails(self, result, code, *hints):
        self.assertEqual(result.code, code, result)
        for hint in hints:
            self.assertIn(hint, result.err)

    def socket_of(self, client):
        return os.path.join(client.folder, "daemon.sock")

    def connection(self, client):
        """Of the socket, whose path may be too long."""
        folder = os.open(client.folder, os.O_PATH | os.O_CLOEXEC)
        self.addCleanup(os.close, folder)
        connection = socket.socket(socket.AF_UNIX)
        self.addCleanup(connection.close)
        connection.connect("/proc/self/fd/%d/daemon.sock" % folder)
        return connection

    # -- every command

    def outcomes(self):
        """What a person sees of one command after the other."""
        folder = os.path.join(self.network.folder, "here")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "note.txt"), "w") as file:
            file.write("from a file")
        commands = [
            ("account", "show"), ("account", "show", "--phrase"),
            ("account", "pin", "status"), ("account", "what"),
            ("name",), ("name", "Ada L."), ("name", "Ada"),
            ("name", "x" * 65),
            ("contact", "list"), ("contact", "add", "05xyz"),
            ("contact", "add", self.ben.id, "Ben"),
            ("requests",), ("accept", "Ben"), ("decline", "nobody"),
            ("block", self.ada.id), ("unblock", "Ben"),
            ("send", "Ben", "a text"), ("send", "Ben", "-"),
            ("send", "Ben", "--file", "note.txt"),
            ("send", "Ben", "--file", "nothing.txt"),
            ("send", "nobody", "x"), ("send", "Ben", ""), ("send",),
            ("reply", "2", "an answer"), ("reply", "x"),
            ("edit", "1", "hello!"), ("edit", "2", "not mine"),
            ("react", "2", "👍"), ("react", "2", ""), ("unreact", "2"),
            ("unsend", "999"), ("delete", "999"),
            ("timer", "Ben"), ("timer", "Ben", "8x"),
            ("receipts",), ("receipts", "off"), ("receipts", "maybe"),
            ("conversations",), ("mute", "Ben"), ("unmute", "Ben"),
            ("pin", "Ben"), ("unpin", "Ben"), ("archive", "Ben"),
            ("unarchive", "Ben"), ("draft", "Ben", "later"),
            ("draft", "Ben"), ("draft", "Ben", ""),
            ("export", "Ben", "--file", "all.txt"),
            ("export", "Ben", "--file", "note.txt"), ("export", "Ben"),
            ("receive",), ("history", "Ben", "--limit", "2"), ("history",),
            ("history", "--limit", "0"), ("search", "morning"), ("search",),
            ("safety-number", "Ben"), ("verify", "Ben", "12345"),
            ("verify", "Ben", "1" * 60),
            ("unverify", "Ben"), ("path",), ("path", "--routing", "sideways"),
            ("nonsense",), ("history", "--unknown"), ("--version",),
            ("--help",),
        ]
        seen = []
        for json_option in ((), ("--json",)):
            for words in commands:
                result = self.ada.run(*json_option, *words, cwd=folder,
                                      stdin="from the input ü".encode())
                seen.append((json_option + words, result.code,
                             self.plain(result.out), result.complaints))
            os.remove(os.path.join(folder, "all.txt"))
        return seen

    def plain(self, out):
        """Without what differs from one run to the next."""
        for pattern in (r"node-\d+", r"\b\d+ ms\b", r'"milliseconds":\d+',
                        r'"(row|reply_to|messages)":\d+', r"#\d+", r'"\w+_ms":\d+',
                        r"\d\d\d\d-\d\d-\d\d \d\d:\d\d", r"\d+ messages",
                        r'"good morn\w*\.\.\.'):
            out = re.sub(pattern, "*", out)
        return out

    def test_every_command_does_the_same_with_a_daemon(self):
        def settled(outcomes):
            # The history grows by what the commands before have said.
            return [o for o in outcomes if o[0][-1] != "history"]

        without = self.outcomes()
        before = len(self.ada.good("history")["messages"])
        with network.Daemon(self.ada):
            through = self.outcomes()
            after = len(self.ada.good("history")["messages"])
        self.assertEqual(len(without), len(through))
        for expected, got in zip(settled(without), settled(through)):
            self.assertEqual(got, expected)
        self.assertEqual(after - before, 8)
        codes = {outcome[1] for outcome in without}
        self.assertLessEqual({0, USAGE, NOT_FOUND, FAILURE}, codes)

    def test_a_command_that_needs_the_account_alone_says_what_to_do(self):
        with network.Daemon(self.ada):
            for words in (("account", "create"), ("account", "pin"),
                          ("account", "pin", "remove"), ("daemon",)):
                self.fails(self.ada.run(*words), USAGE, "session daemon stop")

    def test_a_daemon_of_another_routing_says_so(self):
        with network.Daemon(self.ada):
            self.ada.routing = "proxy"
            self.addCleanup(setattr, self.ada, "routing", "onion")
            self.fails(self.ada.run("receive"), USAGE, "--routing")

    # -- what comes

    def test_watch_shows_what_comes_and_ends_well(self):
        self.ada.good("receive")
        with network.Daemon(self.ada):
            watch = self.ada.start("watch", "--json")
            for text in ("look", "and again"):
                self.ben.send("Ada", text)
                self.assertEqual(json.loads(watch.stdout.readline())["text"],
                                 text)
            watch.send_signal(signal.SIGINT)
            out, err = watch.communicate(timeout=60)
            self.assertEqual((watch.returncode, out), (0, b""), err)
            self.assertEqual(self.ada.texts(), [])

    def test_what_nobody_was_shown_waits_for_the_next_reading(self):
        with network.Daemon(self.ada):
            self.ben.send("Ada", "is anybody there?")
            row = self.ben.good("history")["messages"][-1]["row"]
            network.wait_until(
                lambda: "is anybody there?" in self.ada.received(), 60,
                "the daemon receives it")
            self.ben.good("edit", str(row), "is somebody there?")
            network.wait_until(
                lambda: "is somebody there?" in self.ada.received(), 60,
                "the daemon receives the edit")
            report = self.ada.good("receive")
            self.assertEqual([m["text"] for m in report["messages"]],
                             ["is somebody there?"])
            self.assertEqual([c["change"] for c in report["changes"]],
                             ["edited"])
            report = self.ada.good("receive")
            self.assertEqual((report["messages"], report["changes"]),
                             ([], []))

    def end(self, process):
        process.terminate()
        process.communicate(timeout=60)

    def check_events(self):
        self.ada.good("receive")
        events = self.ada.start("events")
        found = []
        self.ben.send("Ada", "an event")
        read_until(events, "message", found)
        self.assertEqual(found[0]["message"]["text"], "an event")
        row = self.ben.good("history")["messages"][-1]["row"]
        self.ben.good("react", str(row), "🎉")
        read_until(events, "change", found)
        self.assertEqual(found[1]["message"]["reactions"][0]["emoji"], "🎉")
        return events

    def test_events_are_lines_of_json(self):
        self.end(self.check_events())
        with network.Daemon(self.ada):
            events = self.check_events()
            self.ada.good("send", "Ben", "said elsewhere")
            found = []
            read_until(events, "state", found)
            self.assertEqual((found[0]["message"]["text"],
                              found[0]["message"]["state"]),
                             ("said elsewhere", "sent"))
            self.end(events)

    def test_the_bot_of_the_example_answers(self):
        bot_account = self.network.client("bot")
        bot_account.create("Bot")
        bot_account.good("contact", "add", self.ben.id, "Ben")
        environment = dict(bot_account.environment(),
                           SESSION=network.binary("client/cli/session"),
                           SESSION_DATA_DIR=bot_account.folder)
        with network.Daemon(bot_account):
            bot = subprocess.Popen(
                ["python3", network.binary("client/daemon/echo_bot.py")],
                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                env=environment)
            network.at_limit(bot.kill)
            self.ben.send(bot_account.id, "--json is what I say\nto a bot")
            answer = "You said: --json is what I say\nto a bot"
            network.wait_until(lambda: answer in self.ben.texts(), 60,
                               "the bot answers")
            self.assertEqual(bot_account.run("daemon", "stop").code, 0)
            _, err = bot.communicate(timeout=60)
            self.assertEqual(bot.returncode, FAILURE, err)

    def test_events_end_with_the_daemon_and_say_so(self):
        with network.Daemon(self.ada):
            events = self.ada.start("events")
            self.ben.send("Ada", "one")
            found = []
            read_until(events, "message", found)
            self.assertEqual(self.ada.run("daemon", "stop").code, 0)
            _, err = events.communicate(timeout=60)
            self.assertEqual(events.returncode, FAILURE, err)
            self.assertIn(b"The daemon ends", err)

    # -- many at once, and ends that are not well

    def test_many_commands_at_once(self):
        with network.Daemon(self.ada):
            wanted = ["at once %d" % i for i in range(12)]
            results = {}

            def say(text):
                results[text] = self.ada.run("send", "Ben", text)

            threads = [threading.Thread(target=say, args=(text,))
                       for text in wanted]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual({r.code for r in results.values()}, {0}, results)
        self.ben.good("receive")
        got = [t for t in self.ben.received() if t.startswith("at once")]
        self.assertEqual(sorted(got), sorted(wanted))

    def test_a_command_that_waits_for_its_input_stops_nobody(self):
        with network.Daemon(self.ada):
            slow = subprocess.Popen(
                self.ada.arguments("send", "Ben", "-"), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=self.ada.environment())
            network.at_limit(slow.kill)
            slow.stdin.write(b"slowly ")
            slow.stdin.flush()
            self.assertEqual(self.ada.run("history").code, 0)
            out, err = slow.communicate(b"typed", timeout=60)
            self.assertEqual(slow.returncode, 0, err)
        self.assertEqual(self.ben.texts()[-1:], ["slowly typed"])

    def test_a_reader_that_reads_nothing_stops_nobody(self):
        with network.Daemon(self.ada):
            self.ada.send("Ben", "x" * 400_000)
            stuck = self.ada.start("history")  # Its pipe is full soon.
            self.assertEqual(self.ada.run("history", "--limit", "1").code, 0)
            self.assertEqual(self.ada.run("name").code, 0)
            stuck.kill()
            stuck.communicate()
        self.ben.good("receive")

    def test_killing_the_daemon_in_the_middle_of_sends_loses_nothing(self):
        said, kept = [], []
        for attempt in range(5):
            with network.Daemon(self.ada) as daemon:
                senders = []
                for i in range(4):
                    text = "hard times %d %d" % (attempt, i)
                    said.append(text)
                    senders.append((text, self.ada.start("send", "Ben",
                                                         text)))
                # While they are on their way: after the first, or none.
                if attempt % 2 == 0:
                    senders[0][1].wait()
                else:
                    network.wait_until(
                        lambda: any(said[-4] == m["text"] for m in self.ada.good(
                            "history")["messages"]), 60, "it is queued")
                daemon.kill()
                for text, sender in senders:
                    _, err = sender.communicate(timeout=60)
                    if sender.returncode == 0:
                        kept.append(text)
                    else:
                        self.assertTrue(err)
            self.assertTrue(os.path.exists(self.socket_of(self.ada)))
        with network.Daemon(self.ada):
            network.wait_until(
                lambda: all(m["state"] != "queued" for m in self.ada.good(
                    "history")["messages"] if m["outgoing"]), 90,
                "everything is out")
            history = [m["text"] for m in self.ada.good("history")["messages"]
                       if m["text"] in said]
        self.ben.good("receive")
        got = [t for t in self.ben.received() if t in said]
        self.assertEqual(sorted(got), sorted(history))
        self.assertEqual(len(set(got)), len(got))
        self.assertLessEqual(set(kept), set(got))
        self.assertTrue(kept)

    def test_without_the_daemon_that_was_killed_commands_go_on(self):
        with network.Daemon(self.ada) as daemon:
            daemon.kill()
            self.assertEqual(self.ada.run("history").code, 0)
            self.fails(self.ada.run("daemon", "stop"), NOT_FOUND, "No daemon")

    def test_nonsense_at_the_socket_disturbs_nobody(self):
        self.ada.good("receive")
        with network.Daemon(self.ada) as daemon:
            watch = self.ada.start("watch", "--json")
            held = []
            for data in (b"", b"\0" * 100, os.urandom(70_000),
                         b"GET / HTTP/1.1\r\n\r\n",
                         b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + os.urandom(999),
                         b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
                         b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\xff" * 99):
                for _ in range(5):
                    client = self.connection(self.ada)
                    try:
                        client.sendall(data)
                    except OSError:
                        pass
                    held.append(client)
            self.assertEqual(self.ada.run("history").code, 0)
            self.ben.send("Ada", "still there")
            self.assertEqual(json.loads(watch.stdout.readline())["text"],
                             "still there")
            for client in held:
                client.close()
            self.end(watch)
            self.assertIsNone(daemon.process.poll())

    def test_only_its_user_can_reach_it(self):
        with network.Daemon(self.ada):
            mode = os.stat(self.socket_of(self.ada)).st_mode
            self.assertTrue(stat.S_ISSOCK(mode))
            self.assertEqual(stat.S_IMODE(mode), 0o600)
            self.assertEqual(stat.S_IMODE(os.stat(self.ada.folder).st_mode),
                             0o700)
        self.assertFalse(os.path.exists(self.socket_of(self.ada)))

    @unittest.skipUnless(os.geteuid() == 0, "needs root to be another user")
    def test_another_user_who_gets_at_the_socket_is_not_heard(self):
        # Root is heard, so the daemon runs as somebody, the stranger as
        # somebody else, in a folder that is open to both.
        folder = tempfile.mkdtemp(dir="/tmp")
        self.addCleanup(shutil.rmtree, folder)
        client = self.network.client("somebody")
        client.folder = os.path.join(folder, "data")
        client.create("Somebody")
        program = os.path.join(folder, "session")
        shutil.copy(network.binary("client/cli/session"), program)
        for path in (folder, client.folder, program):
            os.chmod(path, 0o755)
        subprocess.run(["chown", "-R", "1234", client.folder], check=True)
        environment = dict(client.environment(), HOME=folder)
        del environment["SESSION_NETWORK_FILE"]
        with network.Daemon(client, environment=environment, user=1234,
                            executable=program, cwd="/"):
            os.chmod(self.socket_of(client), 0o666)
            for user, heard in ((4321, False), (1234, True)):
                script = ("import socket,sys; s=socket.socket(socket.AF_UNIX);"
                          "s.connect(sys.argv[1]);"
                          "s.sendall(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n'"
                          "+ b'\\0\\0\\0\\4\\0\\0\\0\\0\\0');"
                          "sys.exit(0 if s.recv(9) else 1)")
                done = subprocess.run(
                    ["python3", "-c", script, self.socket_of(client)],
                    user=user, capture_output=True, timeout=60, check=False)
                self.assertEqual(done.returncode == 0, heard, done.stderr)

    # -- locking

    def pinned(self, name, *how, stdin=b""):
        """A client with a PIN, and an environment with it."""
        client = self.network.client(name)
        pin_file = os.path.join(self.network.folder, "pin-" + name)
        with open(pin_file, "w") as file:
            file.write("482916\n")
        environment = dict(client.environment(), SESSION_PIN_FILE=pin_file)
        made = client.run("--json", "account", *(how or ["create"]),
                          environment=environment, stdin=stdin)
        self.assertEqual(made.code, 0, made)
        client.id = made.json["account_id"]
        return client, environment

    def unlock(self, client, pin):
        reader, writer = os.pipe()
        os.write(writer, pin + b"\n")
        os.close(writer)
        self.addCleanup(os.close, reader)
        return client.run("unlock", "--pin-fd", str(reader),
                          pass_fds=(reader,))

    def test_a_locked_daemon_shows_nothing_until_it_is_unlocked(self):
        client, environment = self.pinned("locked")
        with network.Daemon(client, environment=environment):
            client.good("contact", "add", self.ada.id, "Ada")
            client.send("Ada", "words to keep")
            watch = client.start("watch")
            self.assertIn(b"waiting", watch.stderr.readline())
            self.assertEqual(client.run("lock").code, 0)
            _, err = watch.communicate(timeout=60)
            self.assertEqual(watch.returncode, PIN, err)
            self.assertIn(b"locked", err)
            for words in (("history",), ("search", "words"), ("name",),
                          ("contact", "list"), ("send", "Ada", "x"),
                          ("account", "show", "--phrase"), ("events",),
                          ("watch",), ("conversations",), ("receive",)):
                result = client.run(*words)
                self.fails(result, PIN, "session unlock")
                self.assertEqual(result.out, "")
            self.assertTrue(client.good("daemon", "status")["locked"])
            # Nor without the daemon, which has the folder still.
            self.fails(client.run("daemon"), USAGE, "session daemon stop")
            self.fails(self.unlock(client, b"482917"), PIN, "wrong")
            self.fails(client.run("history"), PIN, "session unlock")
            self.assertEqual(self.unlock(client, b"482916").code, 0)
            self.assertIn("words to keep", client.run("history").out)
            # It is kept up to date again, and locks again.
            self.ada.send(client.id, "welcome back")
            network.wait_until(lambda: "welcome back" in client.received(),
                               60, "it comes")
            self.assertEqual(client.run("lock").code, 0)
            self.fails(client.run("history"), PIN, "session unlock")
        self.assertFalse(os.path.exists(self.socket_of(client)))

    def test_the_second_pin_erases_also_what_a_locked_daemon_has(self):
        client, environment = self.pinned("forced")
        client_of_ben = self.network.client("forced-by")
        environment.pop("SESSION_NETWORK_FILE")  # It remembers the network.
        reader, writer = os.pipe()
        os.write(writer, b"730158\n")
        os.close(writer)
        self.addCleanup(os.close, reader)
        done = client.run("account", "pin", "duress", "--new-pin-fd",
                          str(reader), environment=environment,
                          pass_fds=(reader,))
        self.assertEqual(done.code, 0, done)
        with network.Daemon(client, environment=environment):
            client.good("contact", "add", self.ada.id, "Ada")
            client.send("Ada", "before")
            self.assertEqual(client.run("lock").code, 0)
            self.fails(self.unlock(client, b"730159"), PIN, "wrong")
            self.assertEqual(self.unlock(client, b"730158").code, 0)
            self.assertEqual(client.good("contact", "list")["contacts"], [])
            self.assertEqual(client.run("history").out, "")
            anew = client.good("account", "show")["account_id"]
            self.assertNotEqual(anew, client.id)
            # It is an account that can be written to.
            client_of_ben.create("Ben, again")
            client_of_ben.good("contact", "add", anew)
            network.wait_until(
                lambda: client.good("account", "show")["published"], 60,
                "its keys are out")
            client_of_ben.send(anew, "who are you?")
            network.wait_until(
                lambda: client.good("requests")["requests"], 60, "it comes")
            self.assertEqual(client.run("lock").code, 0)
            self.fails(self.unlock(client, b"482916"), PIN, "wrong")
            self.assertEqual(self.unlock(client, b"730158").code, 0)
            self.assertEqual(client.good("account", "show")["account_id"],
                             anew)

    def memory_of(self, process):
        """All that it has, or nothing if we may not look."""
        memory = []
        try:
            with open("/proc/%d/maps" % process.pid) as maps, \
                    open("/proc/%d/mem" % process.pid, "rb", 0) as mem:
                for line in maps:
                    bounds, access = line.split()[:2]
                    start, end = (int(x, 16) for x in bounds.split("-"))
                    if "r" not in access or "[v" in line:
                        continue
                    try:
                        mem.seek(start)
                        memory.append(mem.read(end - start))
                    except OSError:  # Pages that are no memory.
                        continue
        except PermissionError:
            return None
        return b"".join(memory)

    def test_nothing_is_in_the_memory_of_a_locked_daemon(self):
        client, environment = self.pinned("forgetful", "restore",
                                          stdin=PHRASE.encode())
        marker = "a marker that is nowhere else %s"
        with network.Daemon(client, environment=environment) as daemon:
            client.good("contact", "add", self.ada.id, "Ada of the marker")
            client.send("Ada of the marker", marker % "said")
            self.ada.send(client.id, marker % "heard")
            network.wait_until(
                lambda: marker % "heard" in client.received(), 60, "it comes")
            self.assertIn(PHRASE,
                          client.run("account", "show", "--phrase").out)
            secrets = {"a text that was sent": (marker % "said").encode(),
                       "a text that came": (marker % "heard").encode(),
                       "a name": b"Ada of the marker",
                       "the phrase": PHRASE.encode(),
                       "the seed": SEED}
            before = self.memory_of(daemon.process)
            if before is None:
                self.skipTest("MEMORY NOT EXAMINED: /proc/PID/mem of another "
                              "process needs root")
            # What we look for can be found.
            for name in ("a text that came", "the seed"):
                self.assertIn(secrets[name], before, name)
            self.assertEqual(client.run("lock").code, 0)
            self.fails(client.run("history"), PIN)
            after = self.memory_of(daemon.process)
            self.assertGreater(len(after), 1_000_000)
            self.assertIn(b"session unlock", after)
            for name, secret in secrets.items():
                self.assertNotIn(secret, after, name)
            self.assertNotIn(b"482916", after)

    def test_keys_of_an_open_daemon_are_in_memory_of_their_own(self):
        client, environment = self.pinned("careful", "restore",
                                          stdin=PHRASE.encode())
        with network.Daemon(client, environment=environment) as daemon:
            status = client.good("daemon", "status")
            self.assertEqual(b"RLIMIT_MEMLOCK" in daemon.heard,
                             not status["keys_locked"])
            found = self.mappings_with(daemon.process, SEED)
            if found is None:
                self.skipTest("MEMORY NOT EXAMINED: /proc/PID/mem of another "
                              "process needs root")
            self.assertTrue(found)
            # proc(5): "dd" is never dumped, "lo" is locked.
            self.assertTrue(any("dd" in flags for flags in found), found)
            if status["keys_locked"]:
                self.assertTrue(any({"dd", "lo"} <= set(flags)
                                    for flags in found), found)
            # A new daemon has its device secret on the disk alone.
            folder = os.path.join(self.network.folder,
                                  ".local/state/session/device-secrets")
            for name in os.listdir(folder):
                with open(os.path.join(folder, name), "rb") as file:
                    self.assertEqual(
                        self.mappings_with(daemon.process, file.read()), [])

    def mappings_with(self, process, secret):
        """The flags of each mapping with the secret in it, or None if we may
        not look."""
        found = []
        try:
            with open("/proc/%d/smaps" % process.pid) as maps, \
                    open("/proc/%d/mem" % process.pid, "rb", 0) as mem:
                bounds, holds = None, False
                for line in maps:
                    begins = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line)
                    if begins:
                        holds = False
                        if "r" not in begins[3] or "[v" in line:
                            continue
                        bounds = [int(begins[i], 16) for i in (1, 2)]
                        try:
                            mem.seek(bounds[0])
                            holds = secret in mem.read(bounds[1] - bounds[0])
                        except OSError:  # Pages that are no memory.
                            continue
                    elif line.startswith("VmFlags:") and holds:
                        found.append(line.split()[1:])
        except PermissionError:
            return None
        return found

    def test_it_locks_itself_when_nobody_uses_it(self):
        client, environment = self.pinned("idle")
        with network.Daemon(client, "--lock-after", "0.02",
                            environment=environment):
            # Neither who looks on nor the daemon's own work is use.
            watch = client.start("watch")
            _, err = watch.communicate(timeout=60)
            self.assertEqual(watch.returncode, PIN, err)
            self.fails(client.run("name"), PIN, "session unlock")
        with network.Daemon(client, "--lock-after", "0",
                            environment=environment):
            self.assertEqual(client.run("name").code, 0)
        self.fails(client.run("daemon", "--lock-after", "soon"), USAGE,
                   "minutes")

    def test_a_command_that_goes_on_is_use(self):
        client, environment = self.pinned("busy")
        client.run("contact", "add", self.ada.id, "Ada",
                   environment=environment)
        with network.Daemon(client, "--lock-after", "0.02",
                            environment=environment):
            slow = subprocess.Popen(
                client.arguments("send", "Ada", "-"), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=client.environment())
            watch = client.start("watch")
            with self.assertRaises(subprocess.TimeoutExpired):
                watch.wait(timeout=4)
            out, err = slow.communicate(b"typed", timeout=60)
            self.assertEqual(slow.returncode, 0, err)
            self.assertEqual(watch.wait(timeout=60), PIN)
            watch.communicate()

    def test_a_daemon_that_is_told_to_end_while_it_locks_ends(self):
        client, environment = self.pinned("hurried")
        for _ in range(4):
            with network.Daemon(client, environment=environment) as daemon:
                self.assertEqual(client.run("lock").code, 0)
                daemon.process.terminate()
                self.assertEqual(daemon.process.wait(timeout=30), 0)

    def test_without_a_pin_there_is_nothing_to_lock(self):
        with network.Daemon(self.ada, "--lock-after", "0.001"):
            self.fails(self.ada.run("lock"), USAGE, "no PIN")
            self.assertEqual(self.ada.run("name").code, 0)
        self.fails(self.ada.run("lock"), NOT_FOUND, "No daemon")

    def test_a_path_too_long_for_a_socket(self):
        client = self.network.client("x" * 120)
        client.create("Long")
        with network.Daemon(client):
            self.assertEqual(client.good("daemon", "status")["locked"], False)
            self.assertEqual(client.run("history").code, 0)

    def test_a_socket_that_cannot_be_made(self):
        client = self.network.client("taken")
        client.create("Taken")
        os.makedirs(os.path.join(self.socket_of(client), "not empty"))
        self.fails(client.run("daemon"), STORAGE, "cannot be made")


def read_until(process, kind, found):
    """The next event of this kind."""
    while True:
        line = process.stdout.readline()
        if not line:
            raise AssertionError("no %s came: %r" % (kind,
                                                     process.stderr.read()))
        event = json.loads(line)
        if event["event"] == kind:
            found.append(event)
            return


if __name__ == "__main__":
    unittest.main(verbosity=2)
