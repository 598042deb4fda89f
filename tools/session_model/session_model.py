"""client/SPEC.md sections 1 to 5 in plain Python, independent of the C++ code.

Randomness is an argument: every function that needs some takes a `Tape`. What
must be refused raises `Refusal`, and then nothing has changed.
"""

import copy
import functools
import struct

import primitives as p

KIND_FIRST = 1
KIND_AUTH = 2
BUCKETS = [4096, 8192, 16384, 32768, 65536]
HANDSHAKE_BYTES = 4241
MAX_SKIP = 1000
MAX_KEPT_KEYS = 2000
MAX_ENDED_CHAINS = 5
HOUR = 3600 * 1000
DAY = 24 * HOUR

# Why something is refused, in the words of client/session/session.h.
NOT_OURS = "NOT_FOUND"
USED = "ALREADY_EXISTS"
VIOLATION = "INVALID_ARGUMENT"
NOT_GENUINE = "UNAUTHENTICATED"
TOO_MANY = "RESOURCE_EXHAUSTED"
OUTDATED = "FAILED_PRECONDITION"


class Refusal(Exception):

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def check(condition, code):
    if not condition:
        raise Refusal(code)


def agree(secret, point):
    """X25519 with somebody else's point."""
    try:
        return p.x25519(secret, point)
    except ValueError:
        raise Refusal(VIOLATION) from None


def xwing_decaps(seed, ciphertext):
    try:
        return p.xwing_decaps(seed, ciphertext)
    except ValueError:
        raise Refusal(VIOLATION) from None


@functools.lru_cache(maxsize=None)
def xwing_key_is_usable(key):
    try:
        p.x25519(bytes(32), key[1184:])
    except ValueError:
        return False
    return p.mlkem_is_usable(key[:1184])


class Tape:
    """Random bytes that were decided beforehand, recorded as they are read."""

    def __init__(self, source):
        self.source = source
        self.read = b""

    def take(self, n):
        out = self.source(n)
        self.read += out
        return out

    @staticmethod
    def of(written):
        """One that ends, and knows whether it has."""
        tape = Tape(None)

        def source(n):
            at = len(tape.read)
            if at + n > len(written):
                raise ValueError("more randomness is read than was written")
            return written[at:at + n]

        tape.source = source
        tape.used_up = lambda: len(tape.read) == len(written)
        return tape


# --- Section 1 --------------------------------------------------------------


class Account:

    def __init__(self, seed16):
        self.ed_seed = seed16 + bytes(16)
        self.ed_public = p.ed25519_public(self.ed_seed)
        self.id = b"\x05" + p.x25519_public(
            p.ed25519_to_x25519_secret(self.ed_seed))
        self.kem_seed = p.expand(
            p.extract(b"nm/v1/account", seed16), b"id-kem", b"", 32)
        self.kem_public = p.xwing_public(self.kem_seed)


class Device:

    def __init__(self, device_id, ed_seed, x_secret):
        self.id = device_id
        self.ed_seed = ed_seed
        self.ed_public = p.ed25519_public(ed_seed)
        self.x_secret = x_secret
        self.x_public = p.x25519_public(x_secret)

    def serialize(self):
        return b"\x01" + self.id + self.ed_seed + self.x_secret

    @staticmethod
    def parse(stored):
        assert len(stored) == 81 and stored[0] == 1
        return Device(stored[1:17], stored[17:49], stored[49:])


class IdentityRecord:
    """A record that was verified (1.3), or raises."""

    def __init__(self, stored):
        self.bytes, self.body = stored, stored[:1763]
        check(len(stored) == 1827 and stored[0] == 1, VIOLATION)
        self.seq = struct.unpack(">Q", stored[1:9])[0]
        self.account_id = stored[9:42]
        self.ed_public = stored[42:74]
        self.kem_public = stored[74:1290]
        self.previous = stored[1290:1322]
        count = stored[1322]
        check(self.seq > 0 and 1 <= count <= 5, VIOLATION)
        self.devices = {}  # id -> (Ed25519 key, X25519 key)
        for at in range(1323, 1323 + 88 * count, 88):
            entry = stored[at:at + 88]
            check(entry[:16] not in self.devices, VIOLATION)
            self.devices[entry[:16]] = entry[16:48], entry[48:80]
        check(not any(self.body[1323 + 88 * count:]), VIOLATION)
        check(xwing_key_is_usable(self.kem_public), VIOLATION)
        u = p.ed25519_to_x25519_public(self.ed_public)
        check(u is not None and self.account_id == b"\x05" + u, NOT_GENUINE)
        check(p.verify(self.ed_public, 9, self.body, stored[1763:]),
              NOT_GENUINE)
        self.hash = p.blake(b"nm1-identity", self.body)

    @staticmethod
    def make(account, seq, prev_hash, devices):
        """`devices` is a list of (Device, added_ms)."""
        entries = b"".join(
            d.id + d.ed_public + d.x_public + struct.pack(">Q", added)
            for d, added in devices)
        body = (b"\x01" + struct.pack(">Q", seq) + account.id +
                account.ed_public + account.kem_public + prev_hash +
                bytes([len(devices)]) + entries.ljust(5 * 88, b"\0"))
        assert len(body) == 1763
        return read_identity(body + p.sign(account.ed_seed, 9, body))

    def check_successor(self, candidate):
        """Whether `candidate` may be pinned instead (1.4)."""
        check(candidate.account_id == self.account_id, VIOLATION)
        check(candidate.seq >= self.seq, OUTDATED)
        check(candidate.seq != self.seq or candidate.hash == self.hash,
              NOT_GENUINE)
        check(candidate.seq != self.seq + 1 or
              candidate.previous == self.hash, NOT_GENUINE)
        check(candidate.kem_public == self.kem_public, NOT_GENUINE)


@functools.lru_cache(maxsize=64)
def read_identity(stored):
    return IdentityRecord(stored)


# --- Section 2 --------------------------------------------------------------


class PrekeyRecord:
    """A record, verified but for its time (2.2), or raises."""

    def __init__(self, stored, identity):
        self.bytes, self.body = stored, stored[:1353]
        check(len(stored) == 1417 and stored[0] == 1, VIOLATION)
        self.device_id = stored[1:17]
        self.seq, self.start, self.not_after = struct.unpack(
            ">QQQ", stored[49:73])
        self.spk, self.xpk = stored[73:105], stored[105:1321]
        check(self.seq > 0 and not any(stored[1321:1353]) and
              self.start < self.not_after <= self.start + 30 * DAY, VIOLATION)
        check(xwing_key_is_usable(self.xpk), VIOLATION)
        check(stored[17:49] == identity.hash and
              self.device_id in identity.devices, OUTDATED)
        check(p.verify(identity.devices[self.device_id][0], 10, self.body,
                       stored[1353:]), NOT_GENUINE)
        self.hash = p.blake(b"nm1-prekey", self.body)

    def check_time(self, now):
        check(now < self.not_after and self.start <= now + HOUR, OUTDATED)

    def check_successor(self, candidate):
        check(candidate.device_id == self.device_id, VIOLATION)
        check(candidate.seq >= self.seq, OUTDATED)
        check(candidate.seq != self.seq or candidate.hash == self.hash,
              NOT_GENUINE)


@functools.lru_cache(maxsize=256)
def read_prekey(stored, identity):
    return PrekeyRecord(stored, identity)


class Epoch:
    """The secrets behind a prekey record."""

    def __init__(self, identity, device, seq, start_ms, tape):
        self.spk_secret, self.xpk_seed = tape.take(32), tape.take(32)
        body = (b"\x01" + device.id + identity.hash +
                struct.pack(">QQQ", seq, start_ms, start_ms + 30 * DAY) +
                p.x25519_public(self.spk_secret) +
                p.xwing_public(self.xpk_seed) + bytes(32))
        assert len(body) == 1353
        self.record = read_prekey(body + p.sign(device.ed_seed, 10, body),
                                  identity)
        self.hash = self.record.hash
        self.identity_hash = identity.hash
        self.seq, self.start, self.superseded = seq, start_ms, None


class Prekeys:
    """The epochs of a device (2.4), oldest first."""

    def __init__(self):
        self.epochs = []
        self.next_rotation = None

    def due(self, identity, now):
        return (not self.epochs or now >= self.next_rotation or
                self.epochs[-1].identity_hash != identity.hash or
                self.epochs[-1].start > now + HOUR)

    def rotate(self, identity, device, now, next_rotation, tape):
        """`next_rotation` is what the device has drawn."""
        check(22 * HOUR <= next_rotation - now <= 26 * HOUR, VIOLATION)
        seq = self.epochs[-1].seq + 1 if self.epochs else 1
        epoch = Epoch(identity, device, seq, now, tape)
        tape.take(8)  # the draw
        if self.epochs:
            old = self.epochs[-1]
            old.superseded = max(now, old.start)
        self.epochs.append(epoch)
        self.next_rotation = next_rotation
        return epoch

    def delete(self, now, drained):
        """The hashes of the epochs whose secrets go. `drained` is when the
        newest retrieval began that has read the inbox to its end."""

        def finished(epoch):
            if epoch.superseded is None:
                return False
            grace = epoch.superseded + 48 * HOUR
            return (drained is not None and now > grace and
                    drained > grace) or now > epoch.superseded + 16 * DAY

        gone = [e.hash for e in self.epochs if finished(e)]
        self.epochs = [e for e in self.epochs if not finished(e)]
        return gone


# --- Section 3 --------------------------------------------------------------


def _h0(prekey_hash, account_id, device_id, open_part):
    return p.blake(b"nm1-hs0", open_part[:1], account_id, device_id,
                   prekey_hash, open_part[1:])


def _root(prk0, h1, dh1):
    prk1 = p.extract(p.expand(prk0, b"chain", h1, 32), dh1)
    okm = p.expand(prk1, b"root", h1, 128)
    return okm[:32], okm[32:64], okm[64:96], okm[96:]


def offer(own_record, own_device, peer, prekey, generation_ms, tape,
          edit=lambda sender: sender):
    """(handshake bytes, root). `edit` is for dishonest senders."""
    eka = tape.take(32)
    c1, k1 = p.xwing_encaps(prekey.xpk, tape.take(64))
    c2, k2 = p.xwing_encaps(peer.kem_public, tape.take(64))
    open_part = b"\x01" + p.x25519_public(eka) + c1 + c2
    h0 = _h0(prekey.hash, peer.account_id, prekey.device_id, open_part)
    peer_x = peer.devices[prekey.device_id][1]
    prk0 = p.extract(b"nm/v1/hs", agree(eka, peer_x), agree(eka, prekey.spk),
                     k1, k2)
    sender = edit((own_record.bytes + own_device.id +
                   struct.pack(">QH", generation_ms, 0xffff)).ljust(
                       1920, b"\0"))
    outer = p.caead_seal(p.expand(prk0, b"outer", h0, 32), h0, sender)
    h1 = p.blake(b"nm1-hs1", h0, outer)
    return open_part + outer, _root(prk0, h1,
                                    agree(own_device.x_secret, prekey.spk))


class Answer:
    """What the addressee learns from a handshake."""

    def __init__(self, account, device, epochs, handshake):
        check(len(handshake) == HANDSHAKE_BYTES and handshake[0] == 1,
              VIOLATION)
        open_part, outer = handshake[:2273], handshake[2273:]
        eka, c1, c2 = open_part[1:33], open_part[33:1153], open_part[1153:]
        dh2 = agree(device.x_secret, eka)
        k2 = xwing_decaps(account.kem_seed, c2)
        for epoch in reversed(epochs):
            h0 = _h0(epoch.hash, account.id, device.id, open_part)
            prk0 = p.extract(b"nm/v1/hs", dh2, agree(epoch.spk_secret, eka),
                             xwing_decaps(epoch.xpk_seed, c1), k2)
            sender = p.caead_open(p.expand(prk0, b"outer", h0, 32), h0, outer)
            if sender is not None:
                break
        else:
            raise Refusal(NOT_GENUINE)
        try:
            self.identity = read_identity(sender[:1827])
        except Refusal:
            raise Refusal(NOT_GENUINE) from None
        self.device_id = sender[1827:1843]
        self.generation, pool = struct.unpack(">QH", sender[1843:1853])
        check(pool == 0xffff and not any(sender[1853:]), NOT_GENUINE)
        check(self.device_id in self.identity.devices, NOT_GENUINE)
        check((self.identity.account_id, self.device_id) !=
              (account.id, device.id), NOT_GENUINE)
        h1 = p.blake(b"nm1-hs1", h0, outer)
        try:
            dh1 = p.x25519(epoch.spk_secret,
                           self.identity.devices[self.device_id][1])
        except ValueError:
            raise Refusal(NOT_GENUINE) from None
        self.root = _root(prk0, h1, dh1)
        self.epoch = epoch


# --- Section 4 --------------------------------------------------------------


class Header:

    def __init__(self, plain):
        self.dh, self.ek, self.ct = (plain[:32], plain[32:1216],
                                     plain[1216:2304])
        self.pn, self.n, self.flags = struct.unpack(">IIB", plain[2304:2313])
        check(not any(plain[2313:]) and self.n < 2**32 - 1, VIOLATION)


class Ratchet:
    """One end. `me` and `peer` are account id || device id."""

    def __init__(self, me, peer, sid, initiator):
        self.me, self.peer, self.sid = me, peer, sid
        self.initiator = initiator
        self.hks = self.cks = self.hkr = self.ckr = None
        self.ns = self.nr = self.pn = 0
        self.skipped = {}  # (header key, n) -> (time, message key); by age
        self.ended = []  # (header key, flags), newest first
        self.flags = None  # of the receiving chain
        self.turn = False
        self.k4 = self.c4 = self.peer_kem = None
        self.pq = False
        self.ct = bytes(1088)
        self.first = False

    def clone(self):
        other = copy.copy(self)
        other.skipped = dict(self.skipped)
        return other

    def _kdf(self, dh, ss, ek, ct, k4=b""):
        okm = p.expand(p.extract(self.rk, dh, ss, k4), b"rk",
                       p.blake(b"nm1-rk", ek, ct), 96)
        self.rk = okm[:32]
        if k4:
            self.pq, self.k4, self.c4 = True, None, None
        return okm[32:64], okm[64:]

    @staticmethod
    def of_initiator(me, peer, root, spk, tape):
        rk, hka, nhkb, sid = root
        r = Ratchet(me, peer, sid, True)
        r.rk, r.hks, r.nhkr = rk, hka, nhkb
        r.dh, kem = tape.take(32), tape.take(64)
        r.ek, r.dk = p.mlkem_keys(kem)
        r.cks, r.nhks = r._kdf(agree(r.dh, spk), bytes(32), bytes(1184), r.ct)
        r.first = True
        return r

    @staticmethod
    def of_responder(me, peer, root, spk_secret, peer_kem):
        rk, hka, nhkb, sid = root
        r = Ratchet(me, peer, sid, False)
        r.rk, r.nhkr, r.nhks = rk, hka, nhkb
        r.dh, r.ek, r.dk = spk_secret, bytes(1184), None
        r.peer_kem = peer_kem
        return r

    def send_turn(self, tape):
        self.dh, kem = tape.take(32), tape.take(64)
        self.ek, self.dk = p.mlkem_keys(kem)
        self.ct, ss = p.mlkem_encaps(self.peer_ek, tape.take(32))
        self.pn, self.ns, self.hks = self.ns, 0, self.nhks
        self.cks, self.nhks = self._kdf(
            p.x25519(self.dh, self.peer_dh), ss, self.peer_ek, self.ct,
            self.k4 or b"")
        if self.peer_kem is not None:
            self.c4, self.k4 = p.xwing_encaps(self.peer_kem, tape.take(64))
            self.peer_kem = None
        self.turn = self.first = False

    def overhead(self):
        auth = self.peer_kem is not None or self.c4 is not None
        return 2360 + 48 + 2 + (1120 if auth else 0)

    def unanswered(self):
        return 0 if self.turn else self.ns

    def pass_by(self):
        """Uses up the number of a message that nobody needs."""
        mk = p.hmac32(self.cks, b"\x01")
        self.cks = p.hmac32(self.cks, b"\x02")
        self.ns += 1
        return mk

    def header(self):
        flags = (KIND_FIRST if self.first else 0) | (KIND_AUTH
                                                     if self.c4 else 0)
        return (p.x25519_public(self.dh) + self.ek + self.ct +
                struct.pack(">IIB", self.pn, self.ns, flags)).ljust(
                    2320, b"\0")

    def seal(self, content, size, tape, edit_header=lambda h: h,
             edit_body=lambda b: b):
        """The edits are for dishonest senders."""
        if self.turn:
            self.send_turn(tape)
        header = edit_header(self.header())
        nonce = tape.take(24)
        eh = nonce + p.xchacha_seal(self.hks, nonce, b"hdr" + self.sid, header)
        body = (self.c4 or b"") + struct.pack(">H", len(content)) + content
        body = edit_body(body.ljust(size - 2360 - 48, b"\0"))
        return eh + p.caead_seal(self.pass_by(),
                                 b"msg" + self.me + self.peer + eh, body)

    def _skip(self, until, now):
        while self.nr < until:
            self.skipped[self.hkr, self.nr] = now, p.hmac32(self.ckr, b"\x01")
            self.ckr = p.hmac32(self.ckr, b"\x02")
            self.nr += 1

    def drop_expired(self, now):
        self.skipped = {
            k: v for k, v in self.skipped.items() if now < v[0] + 30 * DAY
        }

    def open(self, message, now, identity_kem_seed):
        """(content, the ratchet afterwards)."""
        after = self.clone()
        return after._open(message, now, identity_kem_seed), after

    def _open(self, message, now, identity_kem_seed):
        eh, body = message[:2360], message[2360:]

        def try_key(key):
            return p.xchacha_open(key, eh[:24], b"hdr" + self.sid, eh[24:])

        plain, hk, flags, ended, turn = None, self.hkr, self.flags, False, False
        if self.hkr is not None:
            plain = try_key(self.hkr)
        if plain is None and not self.turn:
            plain = try_key(self.nhkr)
            turn = plain is not None
        for old, old_flags in self.ended:
            if plain is None:
                plain = try_key(old)
                hk, flags, ended = old, old_flags, True
        check(plain is not None, NOT_OURS)
        header = Header(plain)
        if turn:
            self._receive_turn(header, now)
            hk, flags = self.hkr, self.flags
        check(header.flags == flags, VIOLATION)
        self.drop_expired(now)
        if ended or header.n < self.nr:
            check((hk, header.n) in self.skipped, USED)
            mk = self.skipped.pop((hk, header.n))[1]
        else:
            check(header.n - self.nr <= MAX_SKIP, TOO_MANY)
            self._skip(header.n, now)
            mk = p.hmac32(self.ckr, b"\x01")
            self.ckr = p.hmac32(self.ckr, b"\x02")
            self.nr += 1
        text = p.caead_open(mk, b"msg" + self.peer + self.me + eh, body)
        check(text is not None, NOT_GENUINE)
        if flags & KIND_AUTH:
            if not self.pq and self.k4 is None:
                self.k4 = xwing_decaps(identity_kem_seed, text[:1120])
            text = text[1120:]
        n = struct.unpack(">H", text[:2])[0]
        check(n <= len(text) - 2 and not any(text[2 + n:]), VIOLATION)
        while len(self.skipped) > MAX_KEPT_KEYS:
            del self.skipped[next(iter(self.skipped))]
        return text[2:2 + n]

    def _receive_turn(self, header, now):
        first = self.hkr is None
        check(p.mlkem_is_usable(header.ek), VIOLATION)
        dh = agree(self.dh, header.dh)
        flags = 0
        if first:
            flags = KIND_AUTH if self.initiator else KIND_FIRST
        check(header.flags == flags, VIOLATION)
        if flags & KIND_FIRST:
            check(not any(header.ct), VIOLATION)
        if not first:
            self._skip(min(header.pn, self.nr + MAX_SKIP), now)
            self.ended = [(self.hkr, self.flags)] + self.ended
            for gone, _ in self.ended[MAX_ENDED_CHAINS:]:
                self.skipped = {
                    k: v for k, v in self.skipped.items() if k[0] != gone
                }
            self.ended = self.ended[:MAX_ENDED_CHAINS]
        ss = p.mlkem_decaps(self.dk, header.ct) if self.dk else bytes(32)
        self.hkr, self.nr, self.flags = self.nhkr, 0, flags
        self.ckr, self.nhkr = self._kdf(
            dh, ss, self.ek, header.ct, (self.k4 or b"") if self.c4 else b"")
        self.dh = self.dk = None
        self.peer_dh, self.peer_ek, self.turn = header.dh, header.ek, True


# --- Sections 3 and 5 together ----------------------------------------------


def replay_key(blob):
    check(len(blob) in BUCKETS and len(blob) >= HANDSHAKE_BYTES and
          blob[0] == 1, VIOLATION)
    return p.blake(b"nm1-init-eka", blob[1:33])


class Session:
    """A ratchet, and the handshake that its initiator repeats."""

    def __init__(self, ratchet, handshake, created=0, generation=0):
        self.ratchet, self.id = ratchet, ratchet.sid
        self.initiator = ratchet.initiator
        self.created, self.generation = created, generation
        # The initiator's, until it is answered.
        self.handshake = handshake if self.initiator else b""
        # The responder's.
        self.digest = p.blake(b"nm1-init", handshake)
        self.replay_key = p.blake(b"nm1-init-eka", handshake[1:33])

    def encrypt(self, content, tape):
        for bucket in BUCKETS:
            size = bucket - len(self.handshake)
            if size - self.ratchet.overhead() >= len(content):
                return self.handshake + self.ratchet.seal(content, size, tape)
        raise Refusal(VIOLATION)

    def decrypt(self, blob, now, identity_kem_seed):
        check(len(blob) in BUCKETS, NOT_OURS)
        if (not self.initiator and len(blob) > HANDSHAKE_BYTES and
                blob[0] == 1 and
                p.blake(b"nm1-init-eka", blob[1:33]) == self.replay_key):
            check(p.blake(b"nm1-init", blob[:HANDSHAKE_BYTES]) == self.digest,
                  NOT_OURS)
            blob = blob[HANDSHAKE_BYTES:]
        content, self.ratchet = self.ratchet.open(blob, now, identity_kem_seed)
        self.handshake = b""
        return content


def initiate(account, device, record, peer, prekey, generation, now, tape):
    check(generation <= now + HOUR, VIOLATION)
    check((account.id, device.id) != (peer.account_id, prekey.device_id),
          VIOLATION)
    # The record may have been kept for a while.
    prekey = read_prekey(prekey.bytes, peer)
    prekey.check_time(now)
    handshake, root = offer(record, device, peer, prekey, generation, tape)
    ratchet = Ratchet.of_initiator(
        account.id + device.id, peer.account_id + prekey.device_id, root,
        prekey.spk, tape)
    return Session(ratchet, handshake, now, generation)


def accept(account, device, epochs, blob, now):
    """(session, content, the answer) of a blob with a new handshake."""
    replay_key(blob)
    handshake = blob[:HANDSHAKE_BYTES]
    answer = Answer(account, device, epochs, handshake)
    check(answer.generation <= now + HOUR, VIOLATION)
    ratchet = Ratchet.of_responder(
        account.id + device.id,
        answer.identity.account_id + answer.device_id, answer.root,
        answer.epoch.spk_secret, answer.identity.kem_public)
    try:
        content, ratchet = ratchet.open(blob[HANDSHAKE_BYTES:], now,
                                        account.kem_seed)
    except Refusal as refusal:
        if refusal.code == NOT_OURS:
            raise Refusal(NOT_GENUINE) from None
        raise
    return (Session(ratchet, handshake, now, answer.generation), content,
            answer)


def by_preference(sessions):
    """The one to send on comes first (3.6)."""
    return sorted(sessions, key=lambda s: (-s.generation, s.id))


def sessions_to_keep(sessions, now):
    return by_preference(
        s for s in sessions
        if not s.handshake or now < s.created + 30 * DAY)[:3]


def may_refresh(earlier, now):
    """`earlier` are the times of the sessions that replaced others."""
    return (not any(t > now - HOUR for t in earlier) and
            sum(t > now - DAY for t in earlier) < 5)
