#!/usr/bin/env python3
"""Writes client/session/testdata/session_scenes.txt, or verifies it.

  make_scenes.py FILE            writes FILE
  make_scenes.py --verify FILE   fails unless FILE is what would be written

Scenes are traces (README.md): of the rules that the conversation in
session_vectors.txt does not reach, and of what has to be refused.
"""

import hashlib
import struct
import sys

import primitives as p
import session_model as m
import world as w

START = 1_800_000_000_000
A, B = 0, 1
LOW_ORDER = bytes(32)
SCENES = []


def scene(function):
    SCENES.append(function)
    return function


class Scene:
    """Two devices that know each other's records and have fetched prekeys."""

    def __init__(self, name):
        self.lines = ["schedule scene=" + name]
        self.name, self.draws = name, 0
        self.world, self.now = w.World(), START
        for _ in (A, B):
            self.do("device", seed=self.draw(16).hex(),
                    keys=(b"\x01" + self.draw(80)).hex(), now=self.now)
        for who in (A, B):
            self.do("learn", who=who, record=1 - who)
            self.rotate(who)
        for who in (A, B):
            self.do("fetch", who=who, record=1 - who, now=self.now)

    def draw(self, n):
        self.draws += 1
        return hashlib.shake_256(
            ("%s %d" % (self.name, self.draws)).encode()).digest(n)

    def do(self, verb, expect=None, **fields):
        fields = {k: str(v) for k, v in fields.items()}
        if verb in ("device", "identity", "rotate", "send"):
            fields["digest"] = "1"
        tape = m.Tape(self.draw)
        if verb == "lose":
            tape = m.Tape(bytes)
        outcome = self.world.apply(verb, fields, tape)
        if tape.read and verb != "lose":
            fields["random"] = tape.read.hex()
        assert expect in (None, outcome.get("verdict")), (self.name, verb,
                                                          outcome)
        self.lines.append("%s %s -> %s" %
                          (verb, w.text(fields), w.text(outcome)))
        return outcome

    def actor(self, who):
        return self.world.actors[who]

    def session(self, who):
        return m.by_preference(self.actor(who).sessions)[0]

    def rotate(self, who, **fields):
        """The C++ code draws another time, 22 to 26 hours from now."""
        return self.do("rotate", who=who, now=self.now,
                       next=self.now + m.DAY, **fields)

    def start(self, who, refresh=0, expect="OK"):
        return self.do("start", who=who, refresh=refresh, now=self.now,
                       expect=expect)["session"]

    def send(self, who, content=b"text"):
        """(number of the blob, session)."""
        outcome = self.do("send", who=who, content=content.hex(), expect="OK")
        return len(self.world.blobs) - 1, outcome["session"]

    def deliver(self, who, blob, expect="OK", **fields):
        return self.do("deliver", who=who, blob=blob, now=self.now,
                       expect=expect, **fields)

    def pass_on(self, who):
        """`who` writes, and it is read."""
        self.deliver(1 - who, self.send(who)[0])

    def establish(self):
        """A turn of both, so that all keys have been mixed in."""
        self.start(A)
        for who in (A, B, A, B):
            self.pass_on(who)

    def inject(self, who, blob, expect, inbox=0):
        return self.do("inject", who=who, bytes=blob.hex(), now=self.now,
                       inbox=inbox, expect=expect)


# --- Several sessions -------------------------------------------------------


@scene
def both_start(s):
    ids = s.start(A), s.start(B)
    to_b, to_a = s.send(A)[0], s.send(B)[0]
    s.deliver(B, to_b)
    s.deliver(A, to_a)
    for who in (A, B):
        blob, chosen = s.send(who)
        assert chosen == min(ids)
        s.deliver(1 - who, blob)
    # Whoever replaces sessions takes the time as generation, which wins.
    late = s.send(A)[0]
    for _ in range(3):
        s.now += m.HOUR
        newest = s.start(B, refresh=1)
        s.start(B, refresh=1, expect="TOO_OFTEN")
        blob, chosen = s.send(B)
        assert chosen == newest
        s.deliver(A, blob)
        assert s.send(A)[1] == newest
    s.deliver(B, late)
    for who in (A, B):
        gone = s.do("clean", who=who, now=s.now)["deleted"].split(",")
        assert sorted(gone) == sorted(ids)
    for _ in range(2):
        s.now += m.HOUR
        s.start(B, refresh=1)
    s.now += m.HOUR
    s.start(B, refresh=1, expect="TOO_OFTEN")
    s.now += 19 * m.HOUR
    s.start(B, refresh=1)


@scene
def never_answered(s):
    s.start(A)
    s.send(A)
    s.now += 30 * m.DAY - 1
    assert not s.do("clean", who=A, now=s.now)["deleted"]
    s.now += 1
    assert s.do("clean", who=A, now=s.now)["deleted"]


# --- Replays and prekeys ----------------------------------------------------


@scene
def first_messages_again(s):
    s.start(A)
    first, second, third = (s.send(A)[0] for _ in range(3))
    s.deliver(B, second)
    s.deliver(B, second, m.USED)
    s.deliver(B, first)
    # The same EKA in front of another handshake belongs to nothing.
    s.deliver(B, third, m.NOT_OURS, flip=8 * 2000)
    s.now += 27 * m.HOUR
    s.rotate(B)
    s.now += 48 * m.HOUR
    assert not s.do("rotate", who=B, now=s.now, next=s.now + m.DAY,
                    drained=s.now)["deleted"]
    s.deliver(B, first, m.USED)
    s.now += 1
    assert not s.rotate(B, drained=s.now - 1)["deleted"]
    assert s.rotate(B, drained=s.now)["deleted"]
    s.deliver(B, first, m.NOT_GENUINE)
    s.deliver(B, third, m.NOT_GENUINE)


@scene
def an_inbox_that_is_never_read_to_its_end(s):
    s.start(A)
    blob = s.send(A)[0]
    s.now += 27 * m.HOUR
    s.rotate(B)
    s.now += 16 * m.DAY
    assert not s.rotate(B)["deleted"]
    s.now += 1
    assert s.rotate(B)["deleted"]
    s.deliver(B, blob, m.NOT_GENUINE)


@scene
def a_clock_that_was_ahead(s):
    s.now += 10 * m.DAY
    s.rotate(B)
    s.now -= 10 * m.DAY - m.HOUR
    s.do("fetch", who=A, record=2, now=s.now, expect=m.OUTDATED)
    assert s.rotate(B)["rotated"] == "1"
    s.do("fetch", who=A, record=3, now=s.now, expect="OK")
    # Superseded when it would have begun.
    s.now += 16 * m.DAY
    s.rotate(B)
    s.now += 10 * m.DAY - 2 * m.HOUR
    s.rotate(B)


# --- Records ----------------------------------------------------------------


@scene
def records_of_nodes(s):
    b = s.actor(B)
    s.do("identity", who=B, now=s.now, extra=(b"\x01" + s.draw(80)).hex())
    s.do("learn", who=A, record=2, expect="OK")
    s.do("learn", who=A, record=1, expect=m.OUTDATED)
    s.do("learn", who=A, record=2, expect="OK")
    s.do("learn", who=A, record=0, expect=m.VIOLATION)
    s.do("fetch", who=A, record=1, now=s.now, expect=m.OUTDATED)
    s.start(A, expect=m.OUTDATED)
    s.rotate(B)
    s.do("fetch", who=A, record=2, now=s.now - m.HOUR - 1, expect=m.OUTDATED)
    s.do("fetch", who=A, record=2, now=s.now - m.HOUR, expect="OK")
    s.now += 27 * m.HOUR
    s.rotate(B)
    s.do("fetch", who=A, record=3, now=s.now, expect="OK")
    s.do("fetch", who=A, record=2, now=s.now, expect=m.OUTDATED)
    s.do("fetch", who=A, record=3, now=s.now + 30 * m.DAY - 1, expect="OK")
    s.do("fetch", who=A, record=3, now=s.now + 30 * m.DAY, expect=m.OUTDATED)
    s.now += 30 * m.DAY
    s.start(A, expect=m.OUTDATED)

    def signed(body, seed, domain=9):
        return (body + p.sign(seed, domain, body)).hex()

    def identity(edit, expect):
        body = bytearray(b.record.body)
        body[8] += 1
        body[1290:1322] = b.record.hash
        edit(body)
        s.do("learn", who=A, bytes=signed(bytes(body), b.account.ed_seed),
             expect=expect)

    def setting(start, value):

        def edit(body):
            body[start:start + len(value)] = value

        return edit

    identity(setting(0, b"\x02"), m.VIOLATION)
    identity(setting(1, bytes(8)), m.VIOLATION)
    identity(setting(1322, b"\0"), m.VIOLATION)
    identity(setting(1322, b"\x06"), m.VIOLATION)
    identity(lambda body: setting(1411, body[1323:1339])(body), m.VIOLATION)
    identity(setting(1762, b"\x01"), m.VIOLATION)
    identity(setting(74, b"\x01\x0d"), m.VIOLATION)  # a coefficient of 3329
    identity(setting(74 + 1184, LOW_ORDER), m.VIOLATION)
    identity(setting(42, s.actor(A).account.ed_public), m.NOT_GENUINE)
    identity(setting(74, s.actor(A).account.kem_public), m.NOT_GENUINE)
    identity(setting(1290, bytes(32)), m.NOT_GENUINE)  # a fork
    identity(setting(8, b"\x02"), m.NOT_GENUINE)  # of the same number
    record = b.record.bytes
    s.do("learn", who=A, bytes=signed(b.record.body, b.device.ed_seed),
         expect=m.NOT_GENUINE)
    s.do("learn", who=A, bytes=record[:-1].hex(), expect=m.VIOLATION)
    # Some that were missed in between are no fork.
    identity(setting(8, b"\x07"), "OK")

    # What follows names the record that was accepted last.
    pinned, epoch = s.actor(A).peer, b.prekeys.epochs[-1]

    def prekey(edit, expect, seed=b.device.ed_seed, domain=10):
        body = bytearray(epoch.record.body)
        body[17:49] = pinned.hash
        body[49:73] = struct.pack(">QQQ", 9, s.now, s.now + 30 * m.DAY)
        edit(body)
        s.do("fetch", who=A, now=s.now, bytes=signed(bytes(body), seed,
                                                     domain), expect=expect)

    prekey(setting(0, b"\x02"), m.VIOLATION)
    prekey(setting(1, bytes(16)), m.OUTDATED)
    prekey(setting(17, bytes(32)), m.OUTDATED)
    prekey(setting(49, bytes(8)), m.VIOLATION)
    prekey(setting(65, struct.pack(">Q", s.now + 30 * m.DAY + 1)),
           m.VIOLATION)
    prekey(setting(105 + 3, b"\xff\xff\xff"), m.VIOLATION)
    prekey(setting(105 + 1184, LOW_ORDER), m.VIOLATION)
    prekey(setting(1321, b"\x01"), m.VIOLATION)
    prekey(setting(0, b"\x01"), m.NOT_GENUINE, seed=b.account.ed_seed)
    prekey(setting(0, b"\x01"), m.NOT_GENUINE, domain=9)
    prekey(setting(73, LOW_ORDER), "OK")
    s.start(A, expect=m.VIOLATION)  # an SPK of small order
    prekey(setting(73, s.draw(32)), m.NOT_GENUINE)  # of the same number
    prekey(setting(56, b"\x0a"), "OK")


@scene
def a_rollback_in_a_first_message(s):
    s.start(A)
    blob = s.send(A)[0]
    s.do("identity", who=A, now=s.now)
    s.do("learn", who=B, record=2, expect="OK")
    s.deliver(B, blob, m.OUTDATED)


# --- First messages that are refused ----------------------------------------


@scene
def first_messages_of_dishonest_senders(s):
    a, b = s.actor(A), s.actor(B)
    me, peer = a.account.id + a.device.id, b.account.id + b.device.id
    spk = b.prekeys.epochs[-1].record.spk
    tape = m.Tape(s.draw)

    def blob(edit_sender=lambda x: x, edit_handshake=lambda x: x, record=None,
             device=None, generation=0, end=me, **edits):
        handshake, root = m.offer(record or a.record, device or a.device,
                                  a.peer, a.peer_prekey, generation, tape,
                                  edit_sender)
        ratchet = m.Ratchet.of_initiator(end, peer, root, spk, tape)
        handshake = edit_handshake(handshake)
        return handshake + ratchet.seal(b"text", 8192 - len(handshake), tape,
                                        **edits)

    def put(at, value):
        return lambda x: x[:at] + value + x[at + len(value):]

    def refused(code, **how):
        s.inject(B, blob(**how), code, inbox=1)

    s.inject(B, blob()[:-1], m.VIOLATION, inbox=1)
    s.inject(B, blob()[:4096], m.VIOLATION, inbox=1)
    refused(m.VIOLATION, edit_handshake=put(0, b"\x02"))
    refused(m.VIOLATION, edit_handshake=put(1, LOW_ORDER))
    refused(m.VIOLATION, edit_handshake=put(33 + 1088, LOW_ORDER))
    refused(m.VIOLATION, edit_handshake=put(1153 + 1088, LOW_ORDER))
    refused(m.NOT_GENUINE, edit_handshake=put(33, bytes(1088)))
    refused(m.NOT_GENUINE, edit_sender=put(1800, bytes(8)))
    refused(m.NOT_GENUINE, edit_sender=put(1827, bytes(16)))
    refused(m.NOT_GENUINE, edit_sender=put(1851, b"\0\0"))
    refused(m.NOT_GENUINE, edit_sender=put(1919, b"\x01"))
    refused(m.NOT_GENUINE, record=b.record, device=b.device, end=peer)
    refused(m.VIOLATION, generation=s.now + m.HOUR + 1)
    # The listed id, another key behind it.
    other = m.Device(a.device.id, a.device.ed_seed, s.draw(32))
    refused(m.NOT_GENUINE, device=other)
    # Both names are in the body.
    refused(m.NOT_GENUINE, end=a.account.id + s.draw(16))
    # The first chain has its flag and no ciphertext.
    refused(m.VIOLATION, edit_header=put(2312, b"\0"))
    refused(m.VIOLATION, edit_header=put(2312, b"\x03"))
    refused(m.VIOLATION, edit_header=put(1216, b"\x01"))
    refused(m.TOO_MANY, edit_header=put(2308, struct.pack(">I", 1001)))
    s.inject(B, blob(generation=s.now + m.HOUR), "OK", inbox=1)


# --- The ratchet ------------------------------------------------------------


def header_with(at, value):
    return lambda h: h[:at] + value + h[at + len(value):]


@scene
def messages_of_dishonest_peers(s):
    s.establish()
    tape = m.Tape(s.draw)

    def refused(code, **edits):
        ratchet = s.session(A).ratchet.clone()
        s.inject(B, ratchet.seal(b"text", 4096, tape, **edits), code)

    # At a turn.
    assert s.session(A).ratchet.turn
    refused(m.VIOLATION, edit_header=header_with(0, LOW_ORDER))
    refused(m.VIOLATION, edit_header=header_with(32, b"\xff\xff"))
    refused(m.VIOLATION, edit_header=header_with(2312, b"\x01"))
    refused(m.VIOLATION, edit_header=header_with(2312, b"\x02"))
    refused(m.VIOLATION, edit_header=header_with(2312, b"\x04"))
    refused(m.VIOLATION, edit_header=header_with(2313, b"\x01"))
    refused(m.VIOLATION, edit_header=header_with(2319, b"\x01"))
    refused(m.VIOLATION, edit_header=header_with(2308, b"\xff" * 4))
    refused(m.TOO_MANY, edit_header=header_with(2308,
                                                struct.pack(">I", 1001)))
    # Another ciphertext gives other keys.
    refused(m.NOT_GENUINE, edit_header=header_with(1216, bytes(1088)))
    refused(m.VIOLATION, edit_body=lambda b: b[:-1] + b"\x01")
    refused(m.VIOLATION, edit_body=lambda b: b"\xff\xff" + b[2:])
    s.pass_on(A)
    # Within a chain the keys are not read again.
    refused(m.VIOLATION, edit_header=header_with(2312, b"\x01"))
    refused("OK", edit_header=header_with(0, bytes(2304)))


@scene
def authentication_that_is_missing(s):
    s.start(A)
    s.pass_on(A)
    tape = m.Tape(s.draw)
    ratchet = s.session(B).ratchet.clone()
    ratchet.send_turn(tape)
    flagged = ratchet.clone()
    s.inject(A, flagged.seal(
        b"text", 4096, tape, edit_body=lambda b: b[:1088] + LOW_ORDER + b[
            1120:]), m.VIOLATION)
    ratchet.c4 = None
    s.inject(A, ratchet.seal(b"text", 4096, tape), m.VIOLATION)
    # An initiator who could not open c4 is found out.
    s.pass_on(B)
    impostor = s.session(A).ratchet.clone()
    impostor.k4 = s.draw(32)
    s.inject(B, impostor.seal(b"text", 4096, tape), m.NOT_GENUINE)
    s.pass_on(A)


@scene
def messages_that_were_skipped(s):
    s.establish()
    early = s.send(A)[0]
    s.do("lose", who=A, count=999)
    last, beyond = s.send(A)[0], s.send(A)[0]
    s.deliver(B, beyond, m.TOO_MANY)
    s.deliver(B, last)
    s.deliver(B, beyond)
    s.now += 30 * m.DAY - 1
    s.do("copy", who=B)
    s.deliver(B, early)
    s.deliver(B, early, m.USED)
    s.do("restore", who=B)
    s.now += 1
    s.deliver(B, early, m.USED)
    s.do("clean", who=B, now=s.now)


@scene
def keys_at_their_limit(s):
    s.establish()
    firsts = []
    for _ in range(3):
        firsts.append(s.send(A)[0])
        s.do("lose", who=A, count=799)
        s.pass_on(A)
        s.pass_on(B)
    s.deliver(B, firsts[0], m.USED)
    s.deliver(B, firsts[1])
    s.deliver(B, firsts[2])


@scene
def chains_that_ended(s):
    s.establish()
    late = s.send(A)[0]
    s.pass_on(A)
    for _ in range(5):
        s.pass_on(B)
        s.pass_on(A)
    s.do("copy", who=B)
    s.deliver(B, late)
    s.do("restore", who=B)
    s.pass_on(B)
    s.pass_on(A)
    s.deliver(B, late, m.NOT_OURS)
    # More are said to be missing from a chain than can be kept.
    s.do("lose", who=A, count=999)
    kept, lost = s.send(A)[0], s.send(A)[0]
    s.pass_on(B)
    s.pass_on(A)
    s.deliver(B, kept)
    s.deliver(B, lost, m.USED)


def scenes():
    lines = [
        "# Scenes for client/SPEC.md, sections 1 to 5. Written by",
        "# tools/session_model/make_scenes.py; its README.md has the format.",
    ]
    for function in SCENES:
        s = Scene(function.__name__)
        function(s)
        lines += s.lines
    return "\n".join(lines) + "\n"


def main(argv):
    text = scenes()
    if argv[0] == "--verify":
        with open(argv[1]) as file:
            if file.read() != text:
                sys.exit("%s is not what the model computes" % argv[1])
        return
    with open(argv[0], "w") as file:
        file.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
