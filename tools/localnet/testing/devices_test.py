"""People with several devices, linked and unlinked with the real program."""

import json
import subprocess
import unittest

import network

USAGE, NOT_FOUND = 2, 4


class DevicesTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.network = network.Network(nodes=6)
        cls.network.__enter__()
        cls.addClassCleanup(cls.network.__exit__, None, None, None)

    def person(self, name, routing="onion"):
        client = self.network.client(name, routing=routing)
        client.create(name)
        return client

    def link(self, first, name, routing="onion", digits=None):
        """A new device of the account of `first`; the exit status of both."""
        fresh = self.network.client(name, routing=routing)
        waiting = fresh.start("--json", "account", "link")
        code = json.loads(waiting.stdout.readline())["code"]
        linking = subprocess.Popen(
            first.arguments("--json", "device", "link", code),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=first.environment())
        network.at_limit(linking.kill)
        shown = json.loads(waiting.stdout.readline())["digits"]
        out, err = linking.communicate((digits or shown).encode() + b"\n")
        if linking.returncode != 0:
            waiting.terminate()
            waiting.communicate()
            return fresh, linking.returncode, err.decode()
        self.assertEqual(json.loads(out), {"linked": True})
        linked = json.loads(waiting.stdout.readline())
        fresh.id = linked["account_id"]
        self.assertEqual(fresh.id, first.id)
        waiting.communicate()
        self.assertEqual(waiting.returncode, 0)
        return fresh, 0, err.decode()

    def texts_with(self, client, who):
        return sorted(m["text"] for m in client.good(
            "history", who, "--limit", "1000")["messages"])

    def settle(self, *clients):
        for _ in range(3):
            for client in clients:
                client.good("receive")

    def test_two_people_with_two_devices_each_in_both_routing_modes(self):
        ada = self.person("ada")
        ben = self.person("ben", routing="proxy")
        ada.good("contact", "add", ben.id, "Ben")
        ben.good("contact", "add", ada.id, "Ada")
        ada.send("Ben", "hello")
        self.settle(ben, ada)
        tablet, code, _ = self.link(ada, "ada-tablet", routing="proxy")
        self.assertEqual(code, 0)
        laptop, code, _ = self.link(ben, "ben-laptop")
        self.assertEqual(code, 0)
        everyone = (ada, tablet, ben, laptop)
        self.settle(*everyone)
        # The contacts and the names that were given are there.
        self.assertEqual(
            [c["name"] for c in tablet.good("contact", "list")["contacts"]],
            ["Ben"])
        said = []
        for number, (client, who) in enumerate(
                ((ada, "Ben"), (tablet, "Ben"), (ben, "Ada"),
                 (laptop, "Ada")) * 3):
            said.append("text %d" % number)
            self.assertEqual(client.send(who, said[-1])["state"], "sent")
        self.settle(*everyone)
        for client, who in ((ada, "Ben"), (tablet, "Ben"), (ben, "Ada"),
                            (laptop, "Ada")):
            texts = [t for t in self.texts_with(client, who)
                     if t.startswith("text ")]
            self.assertEqual(texts, sorted(said), client.name)

        listed = ada.good("device", "list")["devices"]
        self.assertEqual([(d["first"], d["this"]) for d in listed],
                         [(True, True), (False, False)])
        refused = tablet.run("account", "show", "--phrase")
        self.assertEqual(refused.code, USAGE, refused)
        self.assertIn("13 words", refused.err)

        ada.good("device", "unlink", listed[1]["device_id"][:8])
        self.settle(ben, ada)
        ben.send("Ada", "without the tablet")
        self.assertIn("without the tablet", ada.texts())
        # It finds out, at the latest after a quarter of an hour.
        tablet.run("receive")
        self.assertNotIn("without the tablet", self.texts_with(tablet, "Ben"))

    def test_wrong_digits_link_nothing(self):
        eve = self.person("eve")
        _, code, err = self.link(eve, "eve-tablet", digits="000000x")
        self.assertEqual(code, USAGE, err)
        self.assertIn("nothing was linked", err)
        self.assertEqual(len(eve.good("device", "list")["devices"]), 1)

    def test_mistakes_are_named(self):
        carl = self.person("carl")
        for words, code, hint in (
                (("device",), USAGE, "device list"),
                (("device", "link"), USAGE, "account link"),
                (("device", "link", "05abc"), USAGE, "account link"),
                (("device", "link", carl.id), USAGE, "own account"),
                (("device", "unlink", "abcd"), NOT_FOUND, "no such device"),
                (("account", "link"), USAGE, "already")):
            result = carl.run(*words)
            self.assertEqual(result.code, code, result)
            self.assertIn(hint, result.err)
        own = carl.good("device", "list")["devices"][0]["device_id"]
        result = carl.run("device", "unlink", own)
        self.assertEqual(result.code, USAGE, result)
        self.assertIn("first device", result.err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
