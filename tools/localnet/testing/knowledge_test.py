"""What each process of a network gets to know (ARCHITECTURE.md, section 3).

Two people write to each other in both routing modes, and one saves a vault,
while every process records what reaches it. Then each recording, database and log is searched for
what that process must not know.
"""

import os
import sqlite3
import unittest

import network

MARKERS = ["zebra-crossing-7261", "walrus-tusk-9043", "Adamarker",
           "Benmarker", "nickname-marker-4466"]


def files_below(folder):
    for directory, _, names in os.walk(folder):
        for name in names:
            yield os.path.join(directory, name)


def contents(path):
    with open(path, "rb") as file:
        return file.read()


class Seen:
    """Everything one process received and stored."""

    def __init__(self, folder):
        self.records = network.recording(os.path.join(folder, "recording"))
        self.peers = {bytes(data) for what, data in self.records
                      if what == "peer-address"}
        self.received = b"\n".join(data for what, data in self.records
                                   if what != "peer-address")
        self.log = contents(os.path.join(folder, "log"))
        self.stored = b"\n".join(
            contents(path) for path in files_below(folder)
            if os.path.basename(path) not in ("recording", "log"))

    def knows(self, secret):
        return secret in self.received or secret in self.stored

    def met(self, address):
        return any(peer.endswith(address) for peer in self.peers)


class KnowledgeTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.network = network.Network(record=True)
        cls.network.__enter__()
        cls.addClassCleanup(cls.network.__exit__, None, None, None)
        cls.swarms = {}
        cls.firsts = set()
        cls.clients = []
        for mode in ("onion", "proxy"):
            ada = cls.client("ada-" + mode, mode)
            ben = cls.client("ben-" + mode, mode)
            ada.create("Adamarker")
            ben.create("Benmarker")
            cls.note(ada, ada.send(ben.id, MARKERS[0])["paths"])
            cls.note(ada, ada.send(ben.id, "two")["paths"])
            cls.receive(ben, [])
            ben.good("accept", ada.id)
            cls.receive(ben, [MARKERS[0], "two"])
            cls.note(ben, ben.send(ada.id, MARKERS[1])["paths"])
            cls.receive(ada, [MARKERS[1]])
            cls.note(ada, ada.send(ben.id, "in the mailbox")["paths"])
            cls.receive(ben, ["in the mailbox"])
            for client in (ada, ben):
                paths = client.good("path")["paths"]
                cls.note(client, paths)
                cls.swarms[client.id] = {path[-1] for path in paths}
            # The vault, in a swarm that is told no account id.
            ada.good("contact", "add", ben.id, MARKERS[4])
            saved = ada.good("account", "vault", "save")
            assert saved["contacts"] == 1 and not saved["pending"], saved
        # Databases are read at rest.
        assert cls.network.localnet("down").code == 0
        cls.seen = {name: Seen(folder)
                    for name, folder in cls.network.processes()}

    @classmethod
    def client(cls, name, mode):
        recording = os.path.join(cls.network.folder, name + ".recording")
        client = cls.network.client(
            name, mode, ["--test-recorder-file", recording])
        client.recording = recording
        cls.clients.append(client)
        return client

    @classmethod
    def note(cls, client, paths):
        length = 4 if client.routing == "onion" else 2
        for path in paths:
            assert len(path) == length, path
            assert len(set(path)) == length, path
            cls.firsts.add(path[0])

    @classmethod
    def receive(cls, client, texts):
        received = client.good("receive")
        assert sorted(m["text"] for m in received["messages"]) == sorted(texts)
        cls.note(client, received["paths"])

    def connections_of(self, client):
        """Its own address and the other end's, of each."""
        found = [tuple(data.split(b">"))
                 for what, data in network.recording(client.recording)
                 if what == "connection"]
        self.assertTrue(found, "the client recorded no connection of its own")
        return found

    def addresses_of(self, client):
        return {local for local, _ in self.connections_of(client)}

    def test_the_search_finds_what_is_there(self):
        # A test that cannot fail proves nothing: mailboxes and links must
        # show up where they belong.
        for account, swarm in self.swarms.items():
            self.assertEqual(len(swarm), 3)
            for node in swarm:
                self.assertTrue(
                    self.seen[node + "-storage"].knows(bytes.fromhex(account)),
                    "%s does not know its own mailbox" % node)
        for client in self.clients:
            for address in self.addresses_of(client):
                self.assertTrue(
                    any(seen.met(address) for seen in self.seen.values()),
                    "nobody has met %r" % address)

    def test_vaults_are_there(self):
        # What the tests below do not find must have been somewhere. A vault is
        # the only record of 8,192 bytes; each is on a majority of three nodes.
        held = 0
        for name, folder in self.network.processes():
            if not name.endswith("-storage"):
                continue
            (path,) = [path for path in files_below(folder)
                       if path.endswith(".db")]
            database = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
            (count,) = database.execute(
                "SELECT count(*) FROM records WHERE length(body) = 8192"
            ).fetchone()
            database.close()
            held += count
        self.assertGreaterEqual(held, 2 * 2)

    def test_only_members_of_its_swarm_know_an_account(self):
        for account, swarm in self.swarms.items():
            allowed = {"%s-%s" % (node, part) for node in swarm
                       for part in ("router", "storage")}
            for name, seen in self.seen.items():
                if name in allowed:
                    continue
                self.assertFalse(seen.knows(bytes.fromhex(account)), name)
                self.assertFalse(seen.knows(account.encode()), name)

    def test_only_first_relays_meet_a_client(self):
        listening = {
            self.network.public(folder)["address"].encode(): name
            for name, folder in self.network.processes()}
        self.assertEqual(set(listening.values()), set(self.seen))
        for client in self.clients:
            for local, remote in self.connections_of(client):
                # The guard, proxy or seed. Another process may have had the
                # same port towards somebody else.
                name = listening.get(remote)
                self.assertIsNotNone(name, remote)
                self.assertTrue(name.endswith("-router"), name)
                self.assertTrue(self.seen[name].met(local), name)

    def test_no_address_of_a_client_is_passed_on_or_kept(self):
        for client in self.clients:
            for address in self.addresses_of(client):
                for name, seen in self.seen.items():
                    self.assertFalse(seen.knows(address), name)
                    self.assertNotIn(address, seen.log, name)

    def test_nobody_sees_what_is_said_or_names(self):
        for name, seen in self.seen.items():
            for marker in MARKERS:
                self.assertFalse(seen.knows(marker.encode()), name)

    def test_logs_name_nobody(self):
        for name, seen in self.seen.items():
            for account in self.swarms:
                self.assertNotIn(account.encode(), seen.log, name)
                self.assertNotIn(bytes.fromhex(account), seen.log, name)
            for marker in MARKERS:
                self.assertNotIn(marker.encode(), seen.log, name)
            self.assertNotRegex(seen.log, rb"127\.0\.0\.1:\d", name)

    def test_authorities_see_nodes_only(self):
        for name, seen in self.seen.items():
            if not name.startswith("authority-"):
                continue
            for what, _ in seen.records:
                self.assertNotIn(what, ("deliver", "forward"), name)

    def test_every_frame_has_8192_bytes(self):
        # Every process records the frames it receives, so this is every link
        # in both directions: stores, retrievals, answers, both modes.
        frames = 0
        recordings = [seen.records for seen in self.seen.values()]
        recordings += [network.recording(c.recording) for c in self.clients]
        for records in recordings:
            for what, data in records:
                if what == "frame-in":
                    frames += 1
                    self.assertEqual(len(data), 8192)
        self.assertGreater(frames, 200)

    def test_clients_keep_nothing_in_the_clear(self):
        for client in self.clients:
            for path in files_below(client.folder):
                stored = contents(path)
                for marker in MARKERS:
                    self.assertNotIn(marker.encode(), stored, path)
                for account in self.swarms:
                    self.assertNotIn(bytes.fromhex(account), stored, path)
                    self.assertNotIn(account.encode(), stored, path)


if __name__ == "__main__":
    unittest.main(verbosity=2)
