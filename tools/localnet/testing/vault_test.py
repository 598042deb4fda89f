"""What comes back with the 13 words alone, with the real program."""

import os
import shutil
import unittest

import network

OK, USAGE = 0, 2


class VaultTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.network = network.Network(nodes=6)
        cls.network.__enter__()
        cls.addClassCleanup(cls.network.__exit__, None, None, None)

    def person(self, name, routing="onion"):
        client = self.network.client(name, routing=routing)
        client.phrase = client.good("account", "create", "--name",
                                    name)["recovery_phrase"]
        client.id = client.good("account", "show")["account_id"]
        return client

    def restore(self, client, *options):
        """On a device that has nothing; the old one is gone."""
        shutil.rmtree(client.folder)
        return client.good("account", "restore", *options,
                           stdin=client.phrase.encode())

    def contacts(self, client):
        return sorted((c["name"], c["verified"], c["blocked"])
                      for c in client.good("contact", "list")["contacts"])

    def all_is_lost_and_comes_back(self, routing):
        ada = self.person("ada-" + routing, routing)
        ben = self.person("ben-" + routing, routing)
        carl = self.person("carl-" + routing)
        ada.good("contact", "add", ben.id, "Benny")
        ben.good("contact", "add", ada.id, "Ada")
        ada.send("Benny", "hello")
        self.assertEqual(ben.texts(), ["hello"])
        ben.send("Ada", "hello yourself")
        self.assertEqual(ada.texts(), ["hello yourself"])
        digits = ada.good("safety-number", "Benny")["safety_number"]
        self.assertEqual(ada.run("verify", "Benny", *digits.split()).code, OK)
        ada.good("pin", "Benny")
        carl.send(ada.id, "do you know me?")
        ada.good("receive")
        ada.good("block", carl.id)
        file = os.path.join(self.network.folder, routing + ".backup")
        ada.good("backup", "create", "--file", file)

        before = ada.good("account", "vault")
        self.assertEqual((before["contacts"], before["pending"]), (2, True))
        self.assertNotIn("saved_ms", before)
        saved = ada.good("account", "vault", "save")
        self.assertEqual((saved["contacts"], saved["pending"],
                          saved["left_out"]), (2, False, 0))
        self.assertIn("saved_ms", saved)

        back = self.restore(ada)
        self.assertEqual(back, {"account_id": ada.id, "vault": "restored",
                                "contacts": 1, "blocked": 1})
        known = self.contacts(ada)
        self.assertEqual(known[1], ("Benny", True, False))
        self.assertEqual(known[0][1:], (False, True))
        self.assertEqual(ada.good("account", "show")["name"], ada.name)
        self.assertTrue(ada.good("conversations")["conversations"][0]
                        ["pinned"])
        self.assertEqual(ada.good("history")["messages"], [])

        # Whoever is blocked stays out; both others talk again.
        carl.send(ada.id, "and now?")
        self.assertEqual(ada.texts(), [])
        self.assertEqual(ada.good("requests")["requests"], [])
        self.assertEqual(ada.send("Benny", "it is me")["state"], "sent")
        self.assertEqual(ben.texts(), ["it is me"])
        self.assertEqual(ben.send("Ada", "welcome back")["state"], "sent")
        self.assertEqual(ada.texts(), ["welcome back"])

        # The key of the backup came, too: nothing is typed.
        restored = ada.good("backup", "restore", "--file", file)
        self.assertEqual(restored["added"], 2)
        self.assertIn("hello yourself", ada.received())
        # Lost again: the vault of the device that was restored is there.
        again = self.restore(ada)
        self.assertEqual((again["vault"], again["contacts"]), ("restored", 1))
        self.assertEqual(self.contacts(ada), known)

    def test_all_is_lost_and_comes_back_by_onions(self):
        self.all_is_lost_and_comes_back("onion")

    def test_all_is_lost_and_comes_back_by_a_proxy(self):
        self.all_is_lost_and_comes_back("proxy")

    def test_the_other_side_may_begin(self):
        dora = self.person("dora")
        emil = self.person("emil")
        dora.good("contact", "add", emil.id, "Emil")
        emil.good("contact", "add", dora.id, "Dora")
        dora.good("account", "vault", "save")
        self.assertEqual(self.restore(dora)["contacts"], 1)
        emil.send("Dora", "are you there?")
        self.assertEqual(dora.texts(), ["are you there?"])
        dora.send("Emil", "I am")
        self.assertEqual(emil.texts(), ["I am"])

    def test_without_a_network_it_comes_later_by_itself(self):
        fred = self.person("fred")
        fred.good("contact", "add", self.person("gina").id, "Gina")
        fred.good("account", "vault", "save")
        shutil.rmtree(fred.folder)
        nowhere = fred.environment()
        del nowhere["SESSION_NETWORK_FILE"]
        back = fred.run("account", "restore", "--name", "Freddy",
                        stdin=fred.phrase.encode(), environment=nowhere)
        self.assertEqual(back.code, OK, back)
        self.assertIn("could not be read yet", back.out)
        self.assertIn("No messages", back.out)
        self.assertEqual(self.contacts(fred), [])
        received = fred.run("receive")
        self.assertEqual(received.code, OK, received)
        self.assertIn("1 contacts", received.err)
        self.assertEqual(self.contacts(fred), [("Gina", False, False)])
        # The name that was given since counts.
        self.assertEqual(fred.good("account", "show")["name"], "Freddy")

    def test_where_no_vault_is_it_says_so(self):
        hugo = self.person("hugo")
        self.assertEqual(self.restore(hugo)["vault"], "none")
        shutil.rmtree(hugo.folder)
        back = hugo.run("account", "restore", stdin=hugo.phrase.encode())
        self.assertEqual(back.code, OK, back)
        self.assertIn("there is no vault", back.out)
        wrong = hugo.run("account", "vault", "burn")
        self.assertEqual(wrong.code, USAGE, wrong)

    def test_a_daemon_saves_it_too(self):
        iris = self.person("iris")
        with network.Daemon(iris):
            iris.good("contact", "add", self.person("jan").id, "Jan")
            self.assertTrue(iris.good("account", "vault")["pending"])
            self.assertFalse(iris.good("account", "vault", "save")["pending"])
        self.assertEqual(self.restore(iris)["contacts"], 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
