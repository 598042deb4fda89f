"""Two people use everything that `session` has for a conversation."""

import json
import os
import struct
import unittest
import zlib

import network

USAGE, NOT_FOUND, NETWORK = 2, 4, 5


MARKER = b"zyxwvut-marker"


def chunk(kind, body):
    return (struct.pack(">I", len(body)) + kind + body +
            struct.pack(">I", zlib.crc32(kind + body)))


def png(side):
    """A square of one color, with a comment and a place."""
    line = b"\0" + bytes((200, 30, 30)) * side
    return (b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
            chunk(b"tEXt", b"Comment\0" + MARKER) +
            chunk(b"eXIf", b"MM\0\x2a\0\0\0\x08\0\0" + MARKER) +
            chunk(b"IDAT", zlib.compress(line * side)) + chunk(b"IEND", b""))


class ConversationTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.network = network.Network(nodes=6)
        cls.network.__enter__()
        cls.addClassCleanup(cls.network.__exit__, None, None, None)
        cls.ada = cls.network.client("ada")
        # The weaker mode must do all of it, too.
        cls.ben = cls.network.client("ben", routing="proxy")
        cls.ada.create("Ada")
        cls.ben.create("Ben")
        cls.ada.good("contact", "add", cls.ben.id, "Ben")
        cls.ben.good("contact", "add", cls.ada.id, "Ada")
        cls.ada.send("Ben", "hello")
        cls.ben.good("receive")
        cls.ada.good("receive")

    def last(self, client):
        return client.good("history", "--limit", "1")["messages"][-1]

    def said(self, text):
        """Ada says it and Ben reads it: the number on each side."""
        row = self.ada.send("Ben", text)["row"]
        self.assertEqual(self.ben.texts(), [text])
        return row, self.last(self.ben)["row"]

    def fails(self, result, code, hint):
        self.assertEqual(result.code, code, result)
        self.assertIn(hint, result.err)

    def test_a_reply_says_what_it_answers(self):
        _, row = self.said("when shall we meet?")
        self.ben.good("reply", str(row), "at nine")
        self.assertEqual(self.ada.texts(), ["at nine"])
        answer = self.last(self.ada)
        answered = [m for m in self.ada.good("history")["messages"]
                    if m["row"] == answer["reply_to"]]
        self.assertEqual([m["text"] for m in answered],
                         ["when shall we meet?"])
        self.assertIn('(to #%d "when shall we meet?"): at nine' %
                      answer["reply_to"], self.ada.run("history").out)
        # With the sign that the history shows before the number.
        self.assertEqual(
            self.ben.run("reply", "#%d" % row, "or ten").code, 0)
        self.assertEqual(self.ada.texts(), ["or ten"])

    def test_an_edit_a_reaction_and_an_unsend_reach_the_other_side(self):
        own, row = self.said("lunch on Monday")
        self.ada.good("edit", str(own), "lunch on Tuesday")
        changes = self.ben.good("receive")["changes"]
        self.assertEqual([(c["change"], c["message"]["text"])
                          for c in changes], [("edited", "lunch on Tuesday")])
        self.assertIn("(edited): lunch on Tuesday",
                      self.ben.run("history").out)
        self.assertEqual(self.ben.good("search", "monday")["messages"], [])

        self.ben.good("react", str(row), "👍")
        shown = self.ada.run("receive").out
        self.assertIn("reacted", shown)
        self.assertIn("[👍 Ben]", shown)
        self.ben.good("unreact", str(row))
        self.ada.good("receive")
        self.assertNotIn("reactions", self.last(self.ada))

        self.ada.good("unsend", str(own))
        self.assertIn("took #%d back" % row, self.ben.run("receive").out)
        self.assertEqual(self.last(self.ben).get("unsent"), True)
        self.assertIn("(taken back)", self.ben.run("history").out)
        for word in ("tuesday", "lunch"):
            for client in (self.ada, self.ben):
                self.assertEqual(client.good("search", word)["messages"], [])
        self.fails(self.ada.run("edit", str(own), "x"), NOT_FOUND,
                   "taken back")

    def test_watch_tells_of_changes(self):
        own, _ = self.said("first words")
        watch = self.ben.start("watch", "--json")
        self.ada.good("edit", str(own), "better words")
        change = json.loads(watch.stdout.readline())
        self.assertEqual((change["change"], change["message"]["text"]),
                         ("edited", "better words"))
        self.ada.good("unsend", str(own))
        self.assertEqual(json.loads(watch.stdout.readline())["change"],
                         "unsent")
        watch.terminate()
        _, err = watch.communicate()
        self.assertEqual(watch.returncode, 0, err)

    def test_deleting_is_for_this_device_alone(self):
        own, row = self.said("clutter")
        self.ben.good("delete", str(row))
        self.assertEqual(self.ben.good("search", "clutter")["messages"], [])
        self.assertEqual(len(self.ada.good("search", "clutter")["messages"]),
                         1)
        self.fails(self.ben.run("delete", str(row)), NOT_FOUND, "no such")
        self.fails(self.ben.run("edit", str(row), "x"), NOT_FOUND, "no such")
        self.assertEqual(self.last(self.ada)["row"], own)

    def test_a_timer_takes_texts_away_on_both_sides(self):
        self.ada.good("timer", "Ben", "5s")
        note = self.ben.good("receive")["messages"]
        self.assertEqual([m["timer_set_seconds"] for m in note], [5])
        self.assertIn("vanish 5 seconds after", self.ben.run("history").out)
        self.said("this will be gone")
        network.wait_until(
            lambda: all(c.good("search", "gone")["messages"] == []
                        for c in (self.ada, self.ben)), 60,
            "the text has vanished")
        self.ben.good("timer", "Ada", "off")
        self.ada.good("receive")
        self.assertEqual(self.ada.good("timer", "Ben")["timer_seconds"], 0)

    def test_receipts_are_off_until_both_want_them(self):
        self.assertEqual(self.ada.good("receipts"), {"receipts": False})
        self.said("unconfirmed")
        for client in (self.ada, self.ben):
            client.good("receipts", "on")
        row, _ = self.said("confirmed")

        def read():
            self.ben.good("receive")  # Some time later it leaves.
            self.ada.good("receive")
            return [m["state"] for m in self.ada.good("history")["messages"]
                    if m["row"] == row] == ["read"]

        network.wait_until(read, 600, "Ben's receipt has come")
        self.assertEqual([m["state"] for m in
                          self.ada.good("search", "unconfirmed")["messages"]],
                         ["sent"])
        for client in (self.ada, self.ben):
            client.good("receipts", "off")

    def test_conversations_are_arranged(self):
        for name in ("Zoe", "Yan"):
            other = self.network.client(name)
            other.create(name)
            self.ada.good("contact", "add", other.id, name)

        def names():
            return [c["name"] for c in
                    self.ada.good("conversations")["conversations"]]

        self.assertEqual(names()[0], "Ben")
        self.ada.good("pin", "Zoe")
        self.ada.good("archive", "Ben")
        self.assertEqual(names(), ["Zoe", "Yan", "Ben"])
        self.assertIn("Ben (archived)", self.ada.run("conversations").out)
        self.ben.send("Ada", "look here")
        self.ada.good("receive")
        self.assertEqual(names(), ["Zoe", "Ben", "Yan"])
        self.ada.good("mute", "Ben")
        self.ada.good("archive", "Ben")
        self.ben.send("Ada", "look again")
        self.ada.good("receive")
        self.assertEqual(names(), ["Zoe", "Yan", "Ben"])
        for command in ("unmute", "unarchive"):
            self.ada.good(command, "Ben")
        self.ada.good("unpin", "Zoe")

    def test_a_draft_waits_until_something_is_sent(self):
        self.ada.good("draft", "Ben", "dear Ben, ")
        self.assertEqual(self.ada.good("draft", "Ben"),
                         {"draft": "dear Ben, "})
        self.assertIn("draft: dear Ben", self.ada.run("conversations").out)
        self.said("dear Ben, it is done")
        self.assertEqual(self.ada.good("draft", "Ben"), {"draft": ""})

    def test_an_export_is_whole_private_and_overwrites_nothing(self):
        self.said("to be kept")
        path = os.path.join(self.network.folder, "export.txt")
        done = self.ada.run("export", "Ben", "--file", path)
        self.assertEqual(done.code, 0, done)
        with open(path) as file:
            lines = file.read().splitlines()
        self.assertEqual(len(lines), len(
            self.ada.good("history", "Ben", "--limit", "1000")["messages"]))
        self.assertIn("to be kept", lines[-1])
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.fails(self.ada.run("export", "Ben", "--file", path), NOT_FOUND,
                   "there already")
        other = os.path.join(self.network.folder, "export.jsonl")
        self.ada.good("export", "Ben", "--file", other)
        with open(other) as file:
            self.assertEqual(json.loads(file.readlines()[-1])["text"],
                             "to be kept")

    def test_a_picture_reaches_the_contact_without_its_metadata(self):
        def known(client):
            return [c["has_picture"]
                    for c in client.good("contact", "list")["contacts"]
                    if c["account_id"] in (self.ada.id, self.ben.id)]

        path = os.path.join(self.network.folder, "me.png")
        with open(path, "wb") as file:
            file.write(png(500))
        for one, other, name in ((self.ada, self.ben, "Ada"),
                                 (self.ben, self.ada, "Ben")):
            self.assertEqual(one.good("picture"), {"has_picture": False})
            self.assertEqual(known(other), [False])
            self.assertEqual(one.good("picture", "set", path), {"sent": True})
            self.assertEqual(one.good("picture"), {"has_picture": True})
            self.assertEqual(other.texts(), [])
            self.assertEqual(known(other), [True])
            self.assertIn("(picture)", other.run("contact", "list").out)
            got = os.path.join(self.network.folder, "of-%s.jpg" % name)
            other.good("contact", "picture", name, "--file", got)
            with open(got, "rb") as file:
                picture = file.read()
            self.assertEqual(picture[:2], b"\xff\xd8")
            self.assertLessEqual(len(picture), 24000)
            self.assertNotIn(MARKER, picture)
            self.assertEqual(os.stat(got).st_mode & 0o777, 0o600)
            self.fails(other.run("contact", "picture", name, "--file", got),
                       NOT_FOUND, "there already")
            own = os.path.join(self.network.folder, "own-%s.jpg" % name)
            one.good("picture", "save", own)
            with open(own, "rb") as file:
                self.assertEqual(file.read(), picture)

            one.good("picture", "remove")
            other.good("receive")
            self.assertEqual(known(other), [False])
            self.fails(
                other.run("contact", "picture", name, "--file", got + "2"),
                NOT_FOUND, "has no picture")
            self.fails(one.run("picture", "save", own + "2"), NOT_FOUND,
                       "no picture")

        run = self.ada.run
        self.fails(run("picture", "set", path + "x"), NOT_FOUND, "read")
        self.fails(run("picture", "set", __file__), USAGE, "PNG nor a JPEG")
        with open(path, "wb") as file:
            file.write(png(500)[:-40])
        self.fails(run("picture", "set", path), USAGE, "damaged")
        with open(path, "wb") as file:
            file.write(b"\0" * (16 * 1024 * 1024 + 1))
        self.fails(run("picture", "set", path), USAGE, "16 MiB")
        self.fails(run("picture", "paint"), USAGE, "picture set FILE")
        self.fails(run("contact", "picture", "Ben"), USAGE, "--file")
        self.assertEqual(self.ada.good("picture"), {"has_picture": False})

    def test_mistakes_are_named(self):
        run = self.ada.run
        self.fails(run("reply", "one", "x"), USAGE, "session history")
        self.fails(run("reply", "999999", "x"), NOT_FOUND, "no such message")
        _, row = self.said("mine")
        self.fails(self.ben.run("edit", str(row), "yours"), USAGE, "your own")
        self.fails(self.ben.run("unsend", str(row)), USAGE, "your own")
        self.fails(self.ben.run("react", str(row)), USAGE, "EMOJI")
        self.fails(self.ben.run("react", str(row), "two words"), USAGE,
                   "spaces")
        self.fails(run("timer", "Ben", "soon"), USAGE, "30s")
        self.fails(run("timer", "Ben", "1s"), USAGE, "5 seconds")
        self.fails(run("timer", "Ben", "9w"), USAGE, "28 days")
        self.fails(run("receipts", "maybe"), USAGE, "receipts on")
        self.fails(run("export", "Ben"), USAGE, "--file")
        self.fails(run("draft"), USAGE, "draft WHO")

    def test_zz_without_the_network_it_is_done_here_and_goes_out_later(self):
        own, row = self.said("a thought")
        self.assertEqual(self.network.localnet("down").code, 0)
        self.fails(self.ada.run("edit", str(own), "a better one"), NETWORK,
                   "goes out with the next")
        self.assertEqual(self.last(self.ada)["text"], "a better one")
        for name, _ in self.network.processes():
            self.assertEqual(self.network.localnet("restart", name).code, 0)
        network.wait_until(lambda: self.ada.run("receive").code == 0, 60,
                           "the network is back")
        network.wait_until(
            lambda: self.ben.run("receive").code == 0
            and self.last(self.ben)["text"] == "a better one", 60,
            "the edit arrives")
        self.assertEqual(self.last(self.ben)["row"], row)


if __name__ == "__main__":
    unittest.main(verbosity=2)
