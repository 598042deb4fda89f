"""Invitations and scanned codes, with real processes."""

import unittest

import network

FAILURE, USAGE, NOT_FOUND = 1, 2, 4


class InviteTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.network = network.Network(nodes=6)
        cls.network.__enter__()
        cls.addClassCleanup(cls.network.__exit__, None, None, None)
        cls.ada = cls.person("Ada")

    @classmethod
    def person(cls, name):
        client = cls.network.client(name.lower())
        client.create(name)
        return client

    def invite(self, *words):
        return self.ada.good("invite", *words)["link"]

    def fails(self, result, code, hint):
        self.assertEqual(result.code, code, result)
        self.assertIn(hint, result.err)

    def friends(self, name):
        """Somebody new, whom Ada's link has made a contact."""
        friend = self.person(name)
        friend.good("contact", "add", self.invite(), "Ada")
        friend.send("Ada", "hello from " + name)
        self.assertEqual(self.ada.good("receive")["joined"], [friend.id])
        friend.good("receive")
        return friend

    def test_whoever_writes_with_a_link_is_a_contact_and_no_request(self):
        ben = self.person("Ben")
        link = self.invite()
        self.assertTrue(link.startswith("session:" + self.ada.id + "?t="))
        self.assertIn("Added", ben.run("contact", "add", link, "Ada").out)
        ben.send("Ada", "you invited me")
        got = self.ada.run("receive")
        self.assertEqual(got.code, 0, got)
        self.assertIn("you invited me", got.out)
        self.assertIn("is a contact now", got.err)
        self.assertEqual(self.ada.good("requests")["requests"], [])
        self.assertIn(ben.id, [c["account_id"] for c in
                               self.ada.good("contact", "list")["contacts"]])
        self.ada.send(ben.id, "welcome")
        self.assertEqual(ben.texts(), ["welcome"])

    def test_a_text_can_go_to_a_link_at_once(self):
        dan = self.person("Dan")
        link = self.invite()
        dan.good("send", link, "here I am")
        self.assertIn("here I am", self.ada.texts())
        used = [i for i in self.ada.good("invite", "list")["invites"]
                if i["link"] == link]
        self.assertEqual([(i["uses"], i["most_uses"], i["good"])
                          for i in used], [(1, 1, False)])
        self.assertIn("used 1 of 1", self.ada.run("invite", "list").out)
        # Used up: whoever comes next asks first.
        eve = self.person("Eve")
        eve.good("send", link, "let me in")
        self.assertNotIn("let me in", self.ada.texts())
        self.assertEqual([r["account_id"] for r in
                          self.ada.good("requests")["requests"]], [eve.id])
        self.ada.good("decline", eve.id)

    def test_a_revoked_link_is_a_request_like_any_other(self):
        link = self.invite("--uses", "0", "--days", "30")
        self.ada.good("invite", "revoke", link)
        self.fails(self.ada.run("invite", "revoke", link), NOT_FOUND,
                   "no such invitation")
        other = self.invite()
        self.ada.good("invite", "revoke", other.split("t=")[1][:8])
        fay = self.person("Fay")
        fay.good("send", link, "late")
        self.assertEqual(self.ada.good("receive")["joined"], [])
        self.assertEqual([r["account_id"] for r in
                          self.ada.good("requests")["requests"]], [fay.id])
        self.ada.good("decline", fay.id)

    def test_codes_are_drawn_for_people_only(self):
        drawn = self.ada.run("invite")
        self.assertTrue(drawn.out.startswith("session:"), drawn)
        lines = drawn.out.splitlines()[1:]
        self.assertGreater(len(lines), 20)
        self.assertEqual({len(line) for line in lines}, {2 * len(lines) - 1})
        self.assertLessEqual(set("".join(lines)), set(" ▀▄█"))
        plain = self.ada.run("invite", "--no-qr")
        self.assertEqual(len(plain.out.splitlines()), 1, plain)
        self.assertIn("█", self.ada.run("account", "show", "--qr").out)
        self.assertNotIn("█", self.ada.run("account", "show").out)

    def test_scanned_codes_verify_and_find_what_differs(self):
        gus = self.friends("Gus")
        hal = self.friends("Hal")

        def code(client, of):
            return client.good("safety-number", of, "--qr")["safety_code"]

        self.assertIn("█", gus.run("safety-number", "Ada", "--qr").out)
        verify = self.ada.run("verify", gus.id, "--qr", code(hal, "Ada"))
        self.fails(verify, FAILURE, "not the code of this conversation")
        self.fails(self.ada.run("verify", gus.id, "--qr", "nonsense"), USAGE,
                   "no scanned safety code")
        self.fails(self.ada.run("verify", gus.id, "--qr"), USAGE, "--qr TEXT")
        self.assertEqual(
            self.ada.good("verify", gus.id, "--qr", code(gus, "Ada")),
            {"verified": True})
        # Before they have met there are no devices to compare.
        ida = self.person("Ida")
        self.fails(self.ada.run("safety-number", ida.id, "--qr"), USAGE,
                   "not known yet")

    def test_mistakes_are_named(self):
        run = self.ada.run
        link = self.invite()
        self.fails(run("contact", "add", link[:-1]), USAGE, "damaged")
        self.fails(run("send", "session:05", "x"), USAGE, "66 hex digits")
        self.fails(run("contact", "add", link), USAGE, "your own")
        self.fails(run("invite", "--uses", "many"), USAGE, "--uses")
        self.fails(run("invite", "--uses", "1001"), USAGE, "1 to 1000")
        self.fails(run("invite", "--days", "0"), USAGE, "1 to 365")
        self.fails(run("invite", "make"), USAGE, "invite list")
        self.fails(run("invite", "revoke", "ab"), USAGE, "first digits")


if __name__ == "__main__":
    unittest.main(verbosity=2)
