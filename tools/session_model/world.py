"""Two devices and the events that happen to them (README.md, "Traces")."""

import copy
import hashlib

import session_model as m


class Actor:
    """One device, with what it knows of the other."""

    def __init__(self, seed, keys, now):
        self.account = m.Account(seed)
        self.device = m.Device.parse(keys)
        self.added = now
        self.record = m.IdentityRecord.make(self.account, 1, bytes(32),
                                            [(self.device, now)])
        self.peer = self.peer_prekey = None
        self.prekeys = m.Prekeys()
        self.sessions = []
        self.replays = {}  # replay key -> (session id, hash of the epoch)
        self.refreshes = []
        self.copied = [], {}

    def state(self):

        def describe(s):
            return ":".join(
                str(x) for x in (s.id.hex()[:16], 1 if s.initiator else 2,
                                 s.created, s.generation,
                                 int(bool(s.handshake)), int(s.ratchet.pq),
                                 len(s.ratchet.skipped),
                                 s.ratchet.unanswered()))

        return ",".join(sorted(describe(s) for s in self.sessions))


def given(fields, records):
    """The record that a node hands out: one of ours by number, or any bytes."""
    if "bytes" in fields:
        return bytes.fromhex(fields["bytes"])
    return records[int(fields["record"])]


def shown(fields, made):
    """All of what an event has made, or its SHA-256 if that suffices."""
    if fields.get("digest"):
        made = hashlib.sha256(made).digest()
    return made.hex()


def number(text):
    return int(text) if text else None


class World:

    def __init__(self):
        self.actors = []
        self.identities, self.prekeys, self.blobs = [], [], []

    def apply(self, verb, fields, tape=None):
        """What came of it, as {key: text}. Without `tape`, randomness is read
        from the event, and all of it has to be."""
        if verb == "device":
            actor = Actor(bytes.fromhex(fields["seed"]),
                          bytes.fromhex(fields["keys"]), int(fields["now"]))
            self.actors.append(actor)
            self.identities.append(actor.record.bytes)
            return {"record": shown(fields, actor.record.bytes)}
        actor = self.actors[int(fields["who"])]
        written = None
        if tape is None:
            tape = written = m.Tape.of(bytes.fromhex(fields.get("random", "")))
        outcome = getattr(self, "_" + verb)(actor, fields, tape)
        if written is not None and not written.used_up():
            raise ValueError("less randomness is read than was written")
        outcome["state"] = actor.state()
        return outcome

    def _identity(self, actor, fields, tape):
        devices = [(actor.device, actor.added)]
        if fields.get("extra"):
            devices.append((m.Device.parse(bytes.fromhex(fields["extra"])),
                            int(fields["now"])))
        actor.record = m.IdentityRecord.make(
            actor.account, actor.record.seq + 1, actor.record.hash, devices)
        self.identities.append(actor.record.bytes)
        return {"record": shown(fields, actor.record.bytes)}

    def _learn(self, actor, fields, tape):

        def learn():
            record = m.read_identity(given(fields, self.identities))
            if actor.peer is not None:
                actor.peer.check_successor(record)
            actor.peer = record

        return {"verdict": verdict(learn)}

    def _rotate(self, actor, fields, tape):
        now = int(fields["now"])
        due = actor.prekeys.due(actor.record, now)
        record = b""
        if due:
            record = actor.prekeys.rotate(actor.record, actor.device, now,
                                          int(fields["next"]),
                                          tape).record.bytes
            self.prekeys.append(record)
        gone = actor.prekeys.delete(now, number(fields.get("drained")))
        actor.replays = {
            k: v for k, v in actor.replays.items() if v[1] not in gone
        }
        return {
            "deleted": ",".join(h.hex() for h in gone),
            "record": shown(fields, record),
            "rotated": str(int(due))
        }

    def _fetch(self, actor, fields, tape):

        def fetch():
            record = m.read_prekey(given(fields, self.prekeys), actor.peer)
            record.check_time(int(fields["now"]))
            if actor.peer_prekey is not None:
                actor.peer_prekey.check_successor(record)
            actor.peer_prekey = record

        return {"verdict": verdict(fetch)}

    def _start(self, actor, fields, tape):
        now, refresh = int(fields["now"]), fields["refresh"] == "1"
        if refresh and not m.may_refresh(actor.refreshes, now):
            return {"session": "", "verdict": "TOO_OFTEN"}
        if actor.peer_prekey is None:
            return {"session": "", "verdict": "NO_RECORD"}
        made = []
        result = verdict(lambda: made.append(
            m.initiate(actor.account, actor.device, actor.record, actor.peer,
                       actor.peer_prekey, now
                       if refresh else 0, now, tape)))
        actor.sessions += made
        if made and refresh:
            actor.refreshes.append(now)
        return {"session": made[0].id.hex() if made else "", "verdict": result}

    def _send(self, actor, fields, tape):
        session = m.by_preference(actor.sessions)[0]
        inbox = bool(session.handshake)
        made = []
        result = verdict(lambda: made.append(
            session.encrypt(bytes.fromhex(fields["content"]), tape)))
        self.blobs += [(blob, inbox) for blob in made]
        return {
            "blob": shown(fields, made[0] if made else b""),
            "session": session.id.hex(),
            "verdict": result
        }

    def _lose(self, actor, fields, tape):
        session = m.by_preference(actor.sessions)[0]
        if session.ratchet.turn:
            session.ratchet.send_turn(tape)
        for _ in range(int(fields["count"])):
            tape.take(24)  # the nonce
            session.ratchet.pass_by()
        return {"session": session.id.hex()}

    def _deliver(self, actor, fields, tape):
        blob, inbox = self.blobs[int(fields["blob"])]
        if fields.get("flip"):
            bit = int(fields["flip"])
            blob = bytearray(blob)
            blob[bit // 8] ^= 1 << bit % 8
            blob = bytes(blob)
        return self._receive(actor, blob, inbox, int(fields["now"]))

    def _inject(self, actor, fields, tape):
        return self._receive(actor, bytes.fromhex(fields["bytes"]),
                             fields["inbox"] == "1", int(fields["now"]))

    def _clean(self, actor, fields, tape):
        now = int(fields["now"])
        kept = m.sessions_to_keep(actor.sessions, now)
        gone = [s.id.hex() for s in actor.sessions if s not in kept]
        actor.sessions = kept
        for session in kept:
            session.ratchet = session.ratchet.clone()
            session.ratchet.drop_expired(now)
        return {"deleted": ",".join(sorted(gone))}

    def _store(self, actor, fields, tape):
        return {"stored": "1"}

    def _copy(self, actor, fields, tape):
        actor.copied = copy.deepcopy(
            (actor.sessions, actor.replays))
        return {"stored": "1"}

    def _restore(self, actor, fields, tape):
        actor.sessions, actor.replays = copy.deepcopy(actor.copied)
        return {"stored": "1"}

    def _receive(self, actor, blob, inbox, now):
        content = []
        result = verdict(
            lambda: content.append(self._read(actor, blob, inbox, now)))
        return {
            "content": content[0].hex() if content else "",
            "verdict": result
        }

    def _read(self, actor, blob, inbox, now):
        only = None
        if inbox:
            key = m.replay_key(blob)
            if key not in actor.replays:
                return self._accept(actor, blob, now)
            only = actor.replays[key][0]
        for session in actor.sessions:
            if only is None or session.id == only:
                try:
                    return session.decrypt(blob, now, actor.account.kem_seed)
                except m.Refusal as refusal:
                    if refusal.code != m.NOT_OURS:
                        raise
        raise m.Refusal(m.NOT_OURS)

    def _accept(self, actor, blob, now):
        session, content, answer = m.accept(actor.account, actor.device,
                                            actor.prekeys.epochs, blob, now)
        actor.peer.check_successor(answer.identity)
        actor.peer = answer.identity
        actor.replays[session.replay_key] = session.id, answer.epoch.hash
        actor.sessions.append(session)
        return content


def verdict(attempt):
    try:
        attempt()
        return "OK"
    except m.Refusal as refusal:
        return refusal.code


def parse(line):
    """(verb, inputs, outcome) of a line of a trace."""
    left, _, right = line.partition(" -> ")
    verb, *words = left.split(" ")
    return verb, dict(w.split("=", 1) for w in words), right.rstrip("\n")


def text(fields):
    return " ".join("%s=%s" % (k, fields[k])
                    for k in sorted(fields, key=lambda k: (k == "state", k)))
