"""Bad input to every command of `session`: one clear sentence, an exit status
that means something, and nothing lost."""

import hashlib
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
import unittest

import network

USAGE, PIN, NOT_FOUND, NETWORK, STORAGE = 2, 3, 4, 5, 6
UNKNOWN_ID = "05" + "ab" * 32
PHRASE = ("amaze buffet cake entrance symptoms tiger lamb maze nestle python "
          "dusted faxed faxed")


class BadInputTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.network = network.Network(nodes=6)
        cls.network.__enter__()
        cls.addClassCleanup(cls.network.__exit__, None, None, None)
        cls.ada = cls.network.client("ada")
        cls.ben = cls.network.client("ben")
        cls.ada.create("Ada")
        cls.ben.create("Ben")
        cls.ada.knows(cls.ben)
        cls.ben.knows(cls.ada)

    def fails(self, result, code, *hints):
        self.assertEqual(result.code, code, result)
        self.assertEqual(len(result.complaints), 1, result)
        sentence = result.complaints[0]
        self.assertRegex(sentence, r"^[A-Z\"].*\.$", result)
        for hint in hints:
            self.assertIn(hint, sentence)
        for noise in ("INTERNAL", "terminate", "Aborted", "UNKNOWN", "0x"):
            # The folder's name is random and may hold anything.
            self.assertNotIn(noise,
                             result.err.replace(self.network.folder, ""))

    def offline(self, *words, stdin=b"", environment=None, name="fresh"):
        client = self.network.client(name)
        return client.run(*words, stdin=stdin, environment=environment)

    # -- command line

    def test_wrong_words(self):
        run = self.ada.run
        self.fails(run("frobnicate"), USAGE, "frobnicate", "--help")
        self.fails(run("history", "--lemon"), USAGE, "--lemon")
        self.fails(run("account", "sell"), USAGE, "create")
        self.fails(run("contact"), USAGE, "contact add")
        self.fails(run("send"), USAGE, "WHO")
        self.fails(run("send", self.ben.id, "two", "words"), USAGE, "quotes")
        self.fails(run("safety-number"), USAGE)
        self.fails(run("history", "--limit", "many"), USAGE, "--limit")
        self.fails(run("history", "--limit"), USAGE, "--limit")
        self.fails(run("history", "--json=1"), USAGE, "--json")
        self.fails(self.offline("account", "create", "--pin-fd", "x"), PIN,
                   "--pin-fd")
        other = self.network.client("ada", routing="pigeon")
        self.fails(other.run("path"), USAGE, "onion or proxy")

    def test_unknown_people(self):
        run = self.ada.run
        self.fails(run("send", "Zoe", "hi"), NOT_FOUND, "Zoe")
        self.fails(run("safety-number", "05abc"), NOT_FOUND, "66")
        self.fails(run("contact", "add", "06" + "ab" * 32), USAGE)
        self.fails(run("contact", "add", "zz"), USAGE)
        self.fails(run("send", self.ada.id, "me"), USAGE, "own")

    def test_an_id_without_keys_keeps_the_text_waiting(self):
        # The second waits behind the first, and says the same.
        for text in ("anybody?", "nobody?"):
            result = self.ben.run("send", UNKNOWN_ID, text)
            self.fails(result, NETWORK, "No keys", "is kept")
        states = [m["state"] for m in
                  self.ben.good("history", UNKNOWN_ID)["messages"]]
        self.assertEqual(states, ["waiting-for-key"] * 2)

    def test_nobody_is_found_by_the_name_they_gave_themselves(self):
        eve = self.network.client("eve")
        eve.create("Mum")
        eve.send(self.ada.id, "send me money")
        self.ada.good("receive")
        self.fails(self.ada.run("send", "Mum", "here"), USAGE, eve.id,
                   "contact add")
        self.assertNotIn("money", self.ada.run("history").out)
        self.assertIn("Mum", self.ada.run("requests").out)
        self.ada.good("accept", eve.id[:8])
        self.assertIn("Mum [%s]" % eve.id[:12], self.ada.run("history").out)
        self.ada.good("contact", "add", eve.id, "Eve")
        self.assertEqual(self.ada.run("send", "Eve", "no").code, 0)

    def test_digits_that_differ_verify_nobody(self):
        run = self.ada.run
        digits = self.ada.good("safety-number", self.ben.id)["safety_number"]
        self.fails(run("verify", self.ben.id), USAGE, "DIGITS")
        self.fails(run("verify", self.ben.id, "12345"), USAGE, "60 digits")
        other = digits[:-1] + str((int(digits[-1]) + 1) % 10)
        self.fails(run("verify", self.ben.id, other), 1, "differ")
        self.assertNotIn("(verified)", run("contact", "list").out)
        self.assertEqual(run("verify", self.ben.id, *digits.split()).code, 0)
        self.assertIn("(verified)", run("contact", "list").out)
        self.assertEqual(run("unverify", self.ben.id).code, 0)
        self.fails(run("unverify", self.ben.id), NOT_FOUND, "not verified")

    def test_decisions_about_nobody(self):
        run = self.ada.run
        self.fails(run("accept"), USAGE, "accept WHO")
        self.fails(run("block", self.ben.id, "now"), USAGE, "block WHO")
        self.fails(run("accept", UNKNOWN_ID), NOT_FOUND, "no request")
        self.fails(run("decline", self.ben.id), NOT_FOUND, "no request")
        self.fails(run("unblock", self.ben.id), NOT_FOUND, "not blocked")
        self.fails(run("block", self.ada.id), USAGE, "own account")
        self.assertIn("No requests", run("requests").err)

    def test_who_is_blocked_is_not_written_to(self):
        eve = self.network.client("blocked-eve")
        eve.create("Eve")
        self.assertEqual(self.ada.run("block", eve.id).code, 0)
        self.fails(self.ada.run("send", eve.id, "hello"), USAGE, "blocked",
                   "nothing was sent")
        eve.send(self.ada.id, "let me in")
        self.assertEqual(self.ada.good("receive")["requests"], 0)
        self.assertEqual(self.ada.run("unblock", eve.id).code, 0)

    def test_wrong_texts(self):
        run = self.ada.run
        self.fails(run("send", self.ben.id, ""), USAGE, "empty")
        self.fails(run("send", self.ben.id, "-", stdin=b"\xff\xfe"), USAGE,
                   "UTF-8")
        self.fails(run("send", self.ben.id, "-", stdin=b"a" * 1_000_001),
                   USAGE, "1000000")
        self.fails(run("send", self.ben.id, "--file", "/nonexistent"),
                   NOT_FOUND, "/nonexistent")
        self.fails(run("name", "x" * 65), USAGE, "64")
        self.fails(run("name", "bad\x1bname"), USAGE, "control")

    # -- phrase and PIN

    def test_wrong_phrases_name_the_word(self):
        words = PHRASE.split()
        cases = {
            " ".join(words[:4] + ["xylophon"] + words[5:]): "xylophon",
            " ".join(words[:12]): "13",
            " ".join(words[:12] + ["abbey"]): "",
            "": "13",
        }
        for phrase, hint in cases.items():
            result = self.offline("account", "restore", stdin=phrase.encode(),
                                  name="restored")
            self.fails(result, USAGE, "recovery phrase", hint)
        good = self.offline("--json", "account", "restore",
                            stdin=PHRASE.encode(), name="restored")
        self.assertEqual(good.code, 0, good)

    def test_pins(self):
        folder = self.network.folder
        pin_file = os.path.join(folder, "pin")
        environment = dict(self.ada.environment(), SESSION_PIN_FILE=pin_file)

        def with_pin(pin, *words):
            with open(pin_file, "w") as file:
                file.write(pin + "\n")
            return self.offline(*words, environment=environment, name="pinned")

        self.fails(with_pin("12345", "account", "create", "--pin"), PIN, "6")
        self.fails(with_pin("482916", "account", "create", "--pin",
                            "--no-device-secret"), PIN, "8")
        self.fails(with_pin("482916", "account", "create", "--wipe-after",
                            "1"), USAGE, "--wipe-after")
        made = with_pin("482916", "account", "create", "--pin")
        self.assertEqual(made.code, 0, made)
        self.fails(with_pin("482917", "account", "show"), PIN, "wrong")
        self.fails(self.offline("account", "show", name="pinned"), PIN,
                   "--pin-fd")
        self.assertEqual(with_pin("482916", "account", "show").code, 0)
        # A folder that was copied to another device.
        environment["HOME"] = os.path.join(folder, "another-home")
        self.fails(with_pin("482916", "account", "show"), PIN, "device secret")

    def test_wrong_pins_wait_and_at_last_destroy(self):
        folder = self.network.folder
        pin_file = os.path.join(folder, "counted-pin")
        secret = os.path.join(folder, "counted-secret")
        environment = dict(self.ada.environment(), SESSION_PIN_FILE=pin_file,
                           SESSION_DEVICE_SECRET_FILE=secret)

        def with_pin(pin, *words):
            with open(pin_file, "w") as file:
                file.write(pin + "\n")
            return self.offline(*words, environment=environment,
                                name="counted")

        def count(wrong_pins, milliseconds):
            """What a person would need hours for (client/SPEC.md, 7)."""
            for copy in "01":
                path = os.path.join(folder, "client-counted",
                                    "keyslot." + copy)
                with open(path, "rb") as file:
                    content = file.read()[:-32]
                tries = struct.pack(">IQ", wrong_pins, milliseconds)
                content = content[:59] + tries + content[59 + len(tries):]
                with open(path, "wb") as file:
                    file.write(content + hashlib.blake2b(
                        content, digest_size=32,
                        person=b"nm1-keyslot").digest())

        made = with_pin("482916", "account", "create", "--wipe-after", "4")
        self.assertEqual(made.code, 0, made)
        self.fails(with_pin("482917", "account", "show"), PIN, "wrong")
        status = self.offline("account", "pin", "status", name="counted")
        self.assertIn("in a row: 1", status.out)
        count(20, int(time.time() * 1000))
        self.fails(with_pin("482916", "account", "show"), PIN, "Wait")
        count(3, 0)
        self.assertTrue(os.path.exists(secret))
        self.fails(with_pin("482917", "account", "show"), STORAGE, "destroyed")
        self.assertFalse(os.path.exists(secret))
        self.fails(with_pin("482916", "account", "show"), STORAGE, "destroyed")

    def test_a_pin_that_erases(self):
        def pipe(pin):
            reader, writer = os.pipe()
            os.write(writer, pin + b"\n")
            os.close(writer)
            self.addCleanup(os.close, reader)
            return reader

        def run(*words, name="erased", **pins):
            options, descriptors = [], []
            for option, pin in pins.items():
                descriptors.append(pipe(pin))
                options += ["--" + option.replace("_", "-"),
                            str(descriptors[-1])]
            return self.network.client(name).run(
                *options, *words, pass_fds=descriptors)

        duress = ("account", "pin", "duress")
        self.assertEqual(run("account", "create", name="no-pin").code, 0)
        self.fails(run(*duress, name="no-pin", new_pin_fd=b"730158"), USAGE,
                   "no PIN")
        made = run("account", "create", "--no-device-secret",
                   name="no-secret", pin_fd=b"48291648")
        self.assertEqual(made.code, 0, made)
        result = run(*duress, name="no-secret", pin_fd=b"48291648",
                     new_pin_fd=b"730158")
        self.assertEqual(result.code, USAGE)
        self.assertIn("device secret", result.complaints[-1])
        made = run("--json", "account", "create", pin_fd=b"482916")
        self.assertEqual(made.code, 0, made)
        account = made.json["account_id"]
        self.fails(run(*duress, "what"), USAGE, "remove")
        result = run(*duress, pin_fd=b"482916", new_pin_fd=b"482961")
        self.assertEqual(result.code, PIN)
        self.assertIn("near", result.complaints[-1])
        result = run(*duress, pin_fd=b"482916", new_pin_fd=b"730158")
        self.assertEqual(result.code, 0, result)
        for word in ("destroys", "does not hide", "copies", "network",
                     "crime"):
            self.assertIn(word, result.err)
        # A new first PIN asks for it.
        self.fails(run("account", "pin", pin_fd=b"482916",
                       new_pin_fd=b"915522"), PIN, "--duress-pin-fd")
        self.fails(run("account", "pin", pin_fd=b"482916",
                       new_pin_fd=b"915522", duress_pin_fd=b"730000"), PIN,
                   "not the second PIN")
        changed = run("account", "pin", pin_fd=b"482916",
                      new_pin_fd=b"915522", duress_pin_fd=b"730158")
        self.assertEqual(changed.code, 0, changed)
        shown = run("--json", "account", "show", pin_fd=b"915522")
        self.assertEqual(shown.json["account_id"], account)
        # It is taken wherever the first one is.
        self.assertEqual(run("conversations", pin_fd=b"730158").code, 0)
        shown = run("--json", "account", "show", "--phrase",
                    pin_fd=b"730158")
        self.assertNotEqual(shown.json["account_id"], account)
        self.assertEqual(len(shown.json["recovery_phrase"].split()), 13)
        self.fails(run("account", "show", pin_fd=b"915522"), PIN, "wrong")
        # Without another word, it goes with the first one.
        for pin, new, word in ((b"730158", b"482916", None),
                               (b"482916", b"915522", b"")):
            words = {"pin_fd": pin, "new_pin_fd": new}
            if word is not None:
                set_again = run(*duress, pin_fd=pin, new_pin_fd=b"730158")
                self.assertEqual(set_again.code, 0, set_again)
                words["duress_pin_fd"] = word
            changed = run("account", "pin", **words)
            self.assertEqual(changed.code, 0, changed)
        self.assertIn("erased is gone", changed.out)
        self.fails(run("account", "show", pin_fd=b"730158"), PIN, "wrong")

    def test_a_pin_can_be_removed(self):
        pin_file = os.path.join(self.network.folder, "removed-pin")
        with open(pin_file, "w") as file:
            file.write("482916\n")
        environment = dict(self.ada.environment(), SESSION_PIN_FILE=pin_file)
        for words in (("create",), ("pin", "remove")):
            done = self.offline("account", *words, environment=environment,
                                name="removed")
            self.assertEqual(done.code, 0, done)
        self.assertEqual(self.offline("account", "show", name="removed").code,
                         0)

    def test_a_pin_is_asked_for_once_to_change_it(self):
        def pipe(pin):
            reader, writer = os.pipe()
            os.write(writer, pin + b"\n")
            os.close(writer)
            self.addCleanup(os.close, reader)
            return reader

        client = self.network.client("repinned")
        pin_file = os.path.join(self.network.folder, "old-pin")
        with open(pin_file, "w") as file:
            file.write("482916\n")
        # A PIN that is there is used, also without --pin.
        made = client.run("account", "create", environment=dict(
            client.environment(), SESSION_PIN_FILE=pin_file))
        self.assertEqual(made.code, 0, made)
        self.fails(client.run("account", "show"), PIN, "--pin-fd")
        old, new = pipe(b"482916"), pipe(b"731502")
        changed = client.run("account", "pin", "--pin-fd", str(old),
                             "--new-pin-fd", str(new), pass_fds=(old, new))
        self.assertEqual(changed.code, 0, changed)
        old, new = pipe(b"482916"), pipe(b"731502")
        self.fails(client.run("account", "show", "--pin-fd", str(old),
                              pass_fds=(old,)), PIN, "wrong")
        self.assertEqual(client.run("account", "show", "--pin-fd", str(new),
                                    pass_fds=(new,)).code, 0)

    def at_a_terminal(self, client, words, answers):
        """Runs `session` and types; the exit status and what was shown."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(client.arguments()[0], client.arguments(*words),
                      client.environment())
        shown = b""
        limit = network.at_limit(lambda: os.kill(pid, signal.SIGKILL))
        try:
            for prompt, answer in answers:
                while prompt not in shown:
                    shown += os.read(terminal, 4096)
                shown = b""
                os.write(terminal, answer)
            while True:
                shown += os.read(terminal, 4096)
        except OSError:  # Its end.
            pass
        echoes = termios.tcgetattr(terminal)[3] & termios.ECHO
        os.close(terminal)
        limit.cancel()
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status), shown, echoes

    def test_a_pin_at_the_terminal(self):
        client = self.network.client("typed")
        code, shown, _ = self.at_a_terminal(
            client, ["account", "create", "--pin"],
            [(b"New PIN: ", b"482916\n"), (b"again: ", b"482961\n")])
        self.assertEqual(code, PIN, shown)
        self.assertIn(b"The two PINs differ.", shown)
        code, shown, _ = self.at_a_terminal(
            client, ["account", "create", "--pin"],
            [(b"New PIN: ", b"482916\n"), (b"again: ", b"482916\n")])
        self.assertEqual(code, 0, shown)
        code, shown, _ = self.at_a_terminal(
            client, ["account", "show"], [(b"PIN: ", b"482916\n")])
        self.assertEqual(code, 0, shown)
        self.assertNotIn(b"482916", shown)
        code, shown, echoes = self.at_a_terminal(
            client, ["account", "show"], [(b"PIN: ", b"48\x03")])
        self.assertEqual(code, PIN, shown)
        self.assertIn(b"none was given", shown)
        self.assertTrue(echoes)

    # -- local storage

    def test_no_account_and_one_too_many(self):
        self.fails(self.offline("history", name="nobody"), NOT_FOUND,
                   "account create")
        self.fails(self.ada.run("account", "create"), USAGE, "already")

    def copy_of_ben(self, name):
        client = self.network.client(name)
        subprocess.run(["cp", "-r", self.ben.folder, client.folder],
                       check=True)
        return client

    def overwrite(self, path, position, data):
        with open(path, "r+b") as file:
            file.seek(position)
            file.write(data)

    def test_a_damaged_database(self):
        client = self.copy_of_ben("damaged")
        path = os.path.join(client.folder, "messages.db")
        self.overwrite(path, 0, os.urandom(os.path.getsize(path)))
        self.fails(client.run("history"), STORAGE)

    def test_a_damaged_keyslot(self):
        client = self.copy_of_ben("unslotted")
        self.overwrite(os.path.join(client.folder, "keyslot.0"), 50, b"xxxx")
        self.assertEqual(client.run("history").code, 0)
        self.overwrite(os.path.join(client.folder, "keyslot.1"), 50, b"xxxx")
        self.fails(client.run("history"), STORAGE, "damaged", "13 words")

    def test_a_missing_database_is_not_taken_for_a_new_one(self):
        client = self.copy_of_ben("emptied")
        for name in os.listdir(client.folder):
            if name.startswith("messages.db"):
                os.remove(os.path.join(client.folder, name))
        self.fails(client.run("history"), NOT_FOUND, "not finished")

    def test_a_folder_that_cannot_be_made(self):
        client = self.network.client("x")
        client.folder = "/proc/nowhere"
        self.fails(client.run("account", "create"), STORAGE, "/proc/nowhere")

    def test_a_full_disk_changes_nothing(self):
        client = self.copy_of_ben("full")
        before = client.good("history")

        def no_space():
            import resource
            import signal
            # Files may not grow: what a full disk does to the database.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

        result = client.run("send", self.ada.id, "x" * 50_000,
                            preexec_fn=no_space)
        self.fails(result, STORAGE)
        self.assertEqual(client.good("history"), before)

    # -- network

    def test_watch_prints_what_comes_and_ends_well(self):
        eve = self.network.client("watching")
        eve.create("Eve")
        eve.knows(self.ben)
        stranger = self.network.client("unknown-to-eve")
        stranger.create("Zoe")
        watch = eve.start("watch", "--json")
        try:
            stranger.send(eve.id, "you do not know me")
            self.assertEqual(json.loads(watch.stdout.readline()),
                             {"requests": 1})
            self.ben.send(eve.id, "look")
            self.assertEqual(json.loads(watch.stdout.readline())["text"],
                             "look")
            self.ben.send(eve.id, "and again")
            self.assertEqual(json.loads(watch.stdout.readline())["text"],
                             "and again")
        finally:
            watch.send_signal(signal.SIGINT)
            out, err = watch.communicate(timeout=60)
        self.assertEqual(watch.returncode, 0, err)
        self.assertEqual(out, b"")
        # It polls without a word.
        self.assertLessEqual(err.count(b"reading"), 1, err)
        self.assertEqual(eve.texts(), [])

    def test_wrong_network_files(self):
        path = os.path.join(self.network.folder, "wrong.txtpb")
        with open(self.network.client_file) as file:
            known = file.read()
        for text, code, hint in (
                ("what?", USAGE, "line 1"),
                ("network_id: \"abc\"", USAGE, "network_id"),
                (known.split("seeds")[0], USAGE, "seeds")):
            with open(path, "w") as file:
                file.write(text)
            self.fails(self.ben.run("--network-file", path, "receive"), code,
                       hint)
        self.fails(self.ben.run("--network-file", "/nonexistent", "receive"),
                   NOT_FOUND, "/nonexistent")
        with open(path, "w") as file:
            file.write(re.sub(
                r'network_id: "(..)', lambda match: 'network_id: "%02x' %
                (int(match[1], 16) ^ 1), known, count=1))
        self.fails(self.ben.run("--network-file", path, "receive"), USAGE,
                   "another network")

    def test_zz_network_down_keeps_the_text_queued(self):
        # Last, by its name: it takes the network down.
        self.assertEqual(self.network.localnet("down").code, 0)
        result = self.ada.run("send", self.ben.id, "when you are back")
        self.fails(result, NETWORK, "is kept")
        last = self.ada.good("history", self.ben.id)["messages"][-1]
        self.assertEqual((last["text"], last["state"]),
                         ("when you are back", "queued"))
        self.fails(self.ben.run("receive"), NETWORK)
        self.fails(self.ben.run("path"), NETWORK)
        for name, _ in self.network.processes():
            self.assertEqual(self.network.localnet("restart", name).code, 0)
        network.wait_until(lambda: self.ada.run("receive").code == 0, 60,
                           "the network is back")
        network.wait_until(
            lambda: self.ben.run("receive").code == 0
            and "when you are back" in self.ben.received(), 60,
            "the queued text arrives")
        self.assertEqual(self.ben.received().count("when you are back"), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
