"""A history that comes back on a new device, with the real program."""

import os
import stat
import unittest

import network

OK, USAGE, NOT_FOUND = 0, 2, 4


def told(messages):
    """What of a history does not depend on the device."""
    return [{key: message.get(key) for key in
             ("text", "outgoing", "name", "state", "sent_ms", "edited_ms",
              "reactions", "unsent")} for message in messages]


class BackupTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.network = network.Network(nodes=6)
        cls.network.__enter__()
        cls.addClassCleanup(cls.network.__exit__, None, None, None)

    def history(self, client):
        return client.good("history", "--limit", "1000")["messages"]

    def test_a_history_comes_back_on_a_new_device(self):
        ada = self.network.client("ada")
        ben = self.network.client("ben")
        phrase = ada.good("account", "create", "--name",
                          "Ada")["recovery_phrase"]
        ada.id = ada.good("account", "show")["account_id"]
        ben.create("Ben")
        ada.good("contact", "add", ben.id, "Benny")
        ben.good("contact", "add", ada.id, "Ada")
        for number in range(3):
            ada.send("Benny", "question %d" % number)
            self.assertEqual(ben.texts(), ["question %d" % number])
            ben.send("Ada", "answer %d, and a MARKER" % number)
            ada.texts()
        first = self.history(ada)
        ada.good("edit", str(first[0]["row"]), "question nought")
        ada.good("react", str(first[1]["row"]), "+1")
        ada.good("unsend", str(first[2]["row"]))
        ada.good("pin", "Benny")

        file = os.path.join(self.network.folder, "ada.backup")
        made = ada.good("backup", "create", "--file", file)
        self.assertEqual((made["messages"], made["contacts"]), (6, 1))
        self.assertEqual(stat.S_IMODE(os.stat(file).st_mode), 0o600)
        with open(file, "rb") as opened:
            data = opened.read()
        for marker in (b"MARKER", b"Benny", b"question", ben.id.encode(),
                       bytes.fromhex(ben.id), bytes.fromhex(ada.id)):
            self.assertNotIn(marker, data)
        again = ada.run("backup", "create", "--file", file)
        self.assertEqual(again.code, USAGE, again)
        self.assertIn("already", again.err)
        with open(file, "rb") as opened:
            self.assertEqual(opened.read(), data)

        fresh = self.network.client("ada-again")
        fresh.good("account", "restore", stdin=phrase.encode())
        key = made["backup_key"]
        self.refuses(fresh, ben, file, data, key)
        self.assertEqual(self.history(fresh), [])
        restored = fresh.good("backup", "restore", "--file", file,
                              stdin=key.lower().replace("-", " ").encode())
        self.assertEqual(restored, {"added": 6, "present": 0})
        self.assertEqual(told(self.history(fresh)), told(self.history(ada)))
        self.assertEqual(fresh.good("conversations")["conversations"][0]
                         ["pinned"], True)
        self.assertEqual(fresh.good("account", "show")["name"], "Ada")
        self.assertEqual(len(fresh.good("search", "marker")["messages"]), 3)
        # By a descriptor, too; and once is enough.
        reading, writing = os.pipe()
        os.write(writing, key.encode() + b"\n")
        os.close(writing)
        twice = fresh.run("--json", "backup", "restore", "--file", file,
                          "--key-fd", str(reading), pass_fds=[reading])
        os.close(reading)
        self.assertEqual(twice.code, OK, twice)
        self.assertEqual(twice.json, {"added": 0, "present": 6})

        # The conversation goes on, and only what is new is news.
        self.assertEqual(fresh.texts(), [])
        fresh.send("Benny", "it is me, on a new device")
        self.assertEqual(ben.texts(), ["it is me, on a new device"])
        ben.send("Ada", "welcome back")
        self.assertEqual(fresh.texts(), ["welcome back"])

    def refuses(self, fresh, ben, file, data, key):
        """What is wrong is named, and changes nothing."""

        def restore(client, contents, typed, hint, code=USAGE):
            path = os.path.join(self.network.folder, "wrong.backup")
            with open(path, "wb") as opened:
                opened.write(contents)
            result = client.run("backup", "restore", "--file", path,
                                stdin=typed.encode())
            self.assertEqual(result.code, code, result)
            self.assertIn(hint, result.err)

        before = self.history(ben)
        restore(ben, data, key, "another account")
        self.assertEqual(self.history(ben), before)
        restore(fresh, data[:-1], key, "not whole")
        restore(fresh, data[:100_000], key, "not whole")
        restore(fresh, data[:1000] + b"\0" + data[1001:], key, "damaged")
        restore(fresh, b"a list", key, "no backup")
        restore(fresh, data[:11] + b"\2" + data[12:], key, "newer version")
        restore(fresh, data, key[:-1] + ("0" if key[-1] != "0" else "1"),
                "no backup key")
        restore(fresh, data, key[:-5], "has 52")
        other = ben.good("backup", "create", "--file", file + ".ben")
        restore(fresh, data, other["backup_key"], "not that of this backup")
        missing = fresh.run("backup", "restore", "--file", file + ".missing",
                            stdin=key.encode())
        self.assertEqual(missing.code, NOT_FOUND, missing)
        nowhere = fresh.run("backup", "create", "--file",
                            os.path.join(file, "below"))
        self.assertEqual(nowhere.code, NOT_FOUND, nowhere)
        for words in (("backup",), ("backup", "create"), ("backup", "burn",
                                                          "--file", file)):
            result = fresh.run(*words)
            self.assertEqual(result.code, USAGE, result)


if __name__ == "__main__":
    unittest.main(verbosity=2)
