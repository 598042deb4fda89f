"""Any one relay or storage node dies (kill -9) while somebody sends or reads:
the message arrives once, and `session` says what it is waiting for."""

import unittest

import network


class KillTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.network = network.Network()
        cls.network.__enter__()
        cls.addClassCleanup(cls.network.__exit__, None, None, None)
        cls.ada = cls.network.client("ada")
        cls.ben = cls.network.client("ben")
        cls.ada.create("Ada")
        cls.ben.create("Ben")
        cls.ada.knows(cls.ben)
        cls.ben.knows(cls.ada)
        cls.sent = []

    def kill(self, victim):
        self.assertEqual(self.network.localnet("kill", victim).code, 0)

    def revive(self, victim):
        self.assertEqual(self.network.localnet("restart", victim).code, 0)
        # Back in the directory, and answering, before the next one dies.
        network.wait_until(
            lambda: self.ben.run("receive").code == 0, 60,
            victim + " is back")

    def run_and_kill(self, victim, at_line, client, *words):
        """Runs `session`, and kills once it has written `at_line` lines."""
        process = client.start(*words)
        progress = []
        for _ in range(at_line):
            line = process.stderr.readline()
            if not line:
                break
            progress.append(line)
        self.kill(victim)
        _, rest = process.communicate(
            timeout=network.COMMAND_LIMIT_SECONDS)
        lines = b"".join(progress + [rest]).decode().splitlines()
        self.assertTrue([l for l in lines if l.startswith("... ")],
                        "it did not say what it was waiting for")
        return process.returncode, lines

    def arrives_once(self, text):
        # What was not confirmed is still queued, and goes out with the next
        # command.
        network.wait_until(
            lambda: self.ada.run("receive").code == 0, 60, "Ada reads")
        network.wait_until(self.ben_has(text), 60, text + " arrives")
        self.assertEqual(self.ben.received().count(text), 1)
        self.sent.append(text)

    def ben_has(self, text):
        def check():
            self.ben.run("receive")
            return text in self.ben.received()
        return check

    def check_victim(self, victim):
        for at_line in (1, 2):
            text = "%s dies after %d" % (victim, at_line)
            with self.subTest(text=text, during="send"):
                code, lines = self.run_and_kill(
                    victim, at_line, self.ada, "send", self.ben.id, text)
                if code != 0:
                    # One sentence that says that nothing is lost.
                    self.assertEqual(code, 5, lines)
                    self.assertIn("is kept", lines[-1])
                self.arrives_once(text)
            self.revive(victim)
        text = "%s dies while Ben reads" % victim
        with self.subTest(text=text, during="receive"):
            self.ada.send(self.ben.id, text)
            self.run_and_kill(victim, 1, self.ben, "receive")
            self.arrives_once(text)
        self.revive(victim)

    def test_any_relay_may_die(self):
        for node in (1, 2, 3, 4, 5, 6, 7, 8):
            self.check_victim("node-%d-router" % node)

    def test_any_storage_node_may_die(self):
        for node in (1, 2, 3, 4, 5, 6, 7, 8):
            self.check_victim("node-%d-storage" % node)

    def test_zz_all_texts_arrived_once_and_nothing_waits(self):
        received = self.ben.received()
        for text in self.sent:
            self.assertEqual(received.count(text), 1, text)
        states = {m["state"] for m in
                  self.ada.good("history", "--limit", "1000")["messages"]}
        self.assertLessEqual(states, {"sent", "received"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
