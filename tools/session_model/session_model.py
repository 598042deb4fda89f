"""client/SPEC.md sections 1 to 5 in plain Python, independent of the C++ code.

Randomness is an argument: every function that needs some takes a `Tape`.
"""

import struct

import primitives as p

KIND_FIRST = 1
KIND_AUTH = 2
BUCKETS = [4096, 8192, 16384, 32768, 65536]
MAX_SKIP = 1000


class Tape:
    """Random bytes that were decided beforehand, recorded as they are read."""

    def __init__(self, source):
        self.source = source
        self.read = b""

    def take(self, n):
        out = self.source(n)
        self.read += out
        return out


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


class IdentityRecord:

    def __init__(self, account, seq, prev_hash, devices):
        """`devices` is a list of (Device, added_ms)."""
        entries = b"".join(
            d.id + d.ed_public + d.x_public + struct.pack(">Q", added)
            for d, added in devices)
        self.body = (b"\x01" + struct.pack(">Q", seq) + account.id +
                     account.ed_public + account.kem_public + prev_hash +
                     bytes([len(devices)]) + entries.ljust(5 * 88, b"\0"))
        assert len(self.body) == 1763
        self.bytes = self.body + p.sign(account.ed_seed, 9, self.body)
        self.hash = p.blake(b"nm1-identity", self.body)


class PrekeyRecord:

    def __init__(self, identity, device, seq, start_ms, spk_secret, xpk_seed):
        self.spk_secret = spk_secret
        self.spk = p.x25519_public(spk_secret)
        self.xpk_seed = xpk_seed
        self.xpk = p.xwing_public(xpk_seed)
        self.body = (b"\x01" + device.id + identity.hash +
                     struct.pack(">QQQ", seq, start_ms,
                                 start_ms + 30 * 86400 * 1000) +
                     self.spk + self.xpk + bytes(32))
        assert len(self.body) == 1353
        self.bytes = self.body + p.sign(device.ed_seed, 10, self.body)
        self.hash = p.blake(b"nm1-prekey", self.body)


def _h0(prekey_hash, account_id, device_id, open_part):
    return p.blake(b"nm1-hs0", open_part[:1], account_id, device_id,
                   prekey_hash, open_part[1:])


def _root(prk0, h1, dh1):
    prk1 = p.extract(p.expand(prk0, b"chain", h1, 32), dh1)
    okm = p.expand(prk1, b"root", h1, 128)
    return okm[:32], okm[32:64], okm[64:96], okm[96:]


def offer(account_a_record, device_a, bob_account, bob_device, prekey,
          generation_ms, tape):
    """(handshake bytes, root)."""
    eka = tape.take(32)
    c1, k1 = p.xwing_encaps(prekey.xpk, tape.take(64))
    c2, k2 = p.xwing_encaps(bob_account.kem_public, tape.take(64))
    open_part = b"\x01" + p.x25519_public(eka) + c1 + c2
    h0 = _h0(prekey.hash, bob_account.id, bob_device.id, open_part)
    prk0 = p.extract(b"nm/v1/hs", p.x25519(eka, bob_device.x_public),
                     p.x25519(eka, prekey.spk), k1, k2)
    sender = (account_a_record.bytes + device_a.id +
              struct.pack(">QH", generation_ms, 0xffff)).ljust(1920, b"\0")
    outer = p.caead_seal(p.expand(prk0, b"outer", h0, 32), h0, sender)
    h1 = p.blake(b"nm1-hs1", h0, outer)
    return open_part + outer, _root(
        prk0, h1, p.x25519(device_a.x_secret, prekey.spk))


def answer(bob_account, bob_device, prekey, handshake):
    """(sender bytes, root), or None."""
    open_part, outer = handshake[:2273], handshake[2273:4241]
    eka, c1, c2 = open_part[1:33], open_part[33:1153], open_part[1153:]
    h0 = _h0(prekey.hash, bob_account.id, bob_device.id, open_part)
    prk0 = p.extract(b"nm/v1/hs", p.x25519(bob_device.x_secret, eka),
                     p.x25519(prekey.spk_secret, eka),
                     p.xwing_decaps(prekey.xpk_seed, c1),
                     p.xwing_decaps(bob_account.kem_seed, c2))
    sender = p.caead_open(p.expand(prk0, b"outer", h0, 32), h0, outer)
    if sender is None:
        return None
    record, device_id = sender[:1827], sender[1827:1843]
    count = record[1322]
    for i in range(count):
        entry = record[1323 + 88 * i:1323 + 88 * (i + 1)]
        if entry[:16] == device_id:
            ika = entry[48:80]
    h1 = p.blake(b"nm1-hs1", h0, outer)
    return sender, _root(prk0, h1, p.x25519(prekey.spk_secret, ika))


class Ratchet:
    """One end. `me` and `peer` are account id || device id."""

    def __init__(self, me, peer, sid):
        self.me, self.peer, self.sid = me, peer, sid
        self.hks = self.cks = self.hkr = self.ckr = None
        self.ns = self.nr = self.pn = 0
        self.skipped = {}  # (header key, n) -> message key
        self.old = []
        self.turn = False
        self.k4 = self.c4 = self.peer_kem = None
        self.pq = False
        self.ct = bytes(1088)
        self.first = False

    def _kdf(self, dh, ss, ek, ct, k4=b""):
        okm = p.expand(p.extract(self.rk, dh, ss, k4), b"rk",
                       p.blake(b"nm1-rk", ek, ct), 96)
        self.rk = okm[:32]
        if k4:
            self.pq, self.k4, self.c4 = True, None, None
        return okm[32:64], okm[64:]

    @staticmethod
    def initiator(me, peer, root, spk, tape):
        rk, hka, nhkb, sid = root
        r = Ratchet(me, peer, sid)
        r.rk, r.hks, r.nhkr = rk, hka, nhkb
        r.dh, kem = tape.take(32), tape.take(64)
        r.ek, r.dk = p.mlkem_keys(kem)
        r.cks, r.nhks = r._kdf(p.x25519(r.dh, spk), bytes(32), bytes(1184),
                               r.ct)
        r.first = True
        return r

    @staticmethod
    def responder(me, peer, root, spk_secret, peer_kem):
        rk, hka, nhkb, sid = root
        r = Ratchet(me, peer, sid)
        r.rk, r.nhkr, r.nhks = rk, hka, nhkb
        r.dh, r.ek, r.dk = spk_secret, bytes(1184), None
        r.peer_kem = peer_kem
        return r

    def _send_turn(self, tape):
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

    def seal(self, content, size, tape):
        if self.turn:
            self._send_turn(tape)
        flags = (KIND_FIRST if self.first else 0) | (KIND_AUTH
                                                     if self.c4 else 0)
        header = (p.x25519_public(self.dh) + self.ek + self.ct +
                  struct.pack(">IIB", self.pn, self.ns, flags)).ljust(
                      2320, b"\0")
        nonce = tape.take(24)
        eh = nonce + p.xchacha_seal(self.hks, nonce, b"hdr" + self.sid, header)
        body = (self.c4 or b"") + struct.pack(">H", len(content)) + content
        body = body.ljust(size - 2360 - 48, b"\0")
        mk = p.hmac32(self.cks, b"\x01")
        self.cks = p.hmac32(self.cks, b"\x02")
        self.ns += 1
        return eh + p.caead_seal(mk, b"msg" + self.me + self.peer + eh, body)

    def _skip(self, until):
        if self.ckr is None:
            return
        if until - self.nr > MAX_SKIP:
            raise ValueError("too many messages are missing")
        while self.nr < until:
            self.skipped[self.hkr, self.nr] = p.hmac32(self.ckr, b"\x01")
            self.ckr = p.hmac32(self.ckr, b"\x02")
            self.nr += 1

    def open(self, message, identity_kem_seed):
        """The content, or None when no key fits. Changes the state even if it
        fails: the model is for honest messages."""
        eh, body = message[:2360], message[2360:]

        def try_header(key):
            return key and p.xchacha_open(key, eh[:24], b"hdr" + self.sid,
                                          eh[24:])

        mk = None
        header = try_header(self.hkr)
        if header is None and not self.turn:
            header = try_header(self.nhkr)
            if header is not None:
                self._receive_turn(header)
        if header is None:
            for hk in self.old:
                header = try_header(hk)
                if header is not None:
                    n = struct.unpack(">I", header[2308:2312])[0]
                    mk = self.skipped.pop((hk, n), None)
                    if mk is None:
                        return None
                    break
        if header is None:
            return None
        n, flags = struct.unpack(">IB", header[2308:2313])
        if mk is None:
            if n < self.nr:
                mk = self.skipped.pop((self.hkr, n), None)
                if mk is None:
                    return None
            else:
                self._skip(n)
                mk = p.hmac32(self.ckr, b"\x01")
                self.ckr = p.hmac32(self.ckr, b"\x02")
                self.nr += 1
        plain = p.caead_open(mk, b"msg" + self.peer + self.me + eh, body)
        if plain is None:
            return None
        if flags & KIND_AUTH:
            if not self.pq and self.k4 is None:
                self.k4 = p.xwing_decaps(identity_kem_seed, plain[:1120])
            plain = plain[1120:]
        n = struct.unpack(">H", plain[:2])[0]
        assert not any(plain[2 + n:])
        return plain[2:2 + n]

    def _receive_turn(self, header):
        dh, ek, ct = header[:32], header[32:1216], header[1216:2304]
        pn = struct.unpack(">I", header[2304:2308])[0]
        self._skip(pn)
        if self.hkr is not None:
            self.old = [self.hkr] + self.old[:4]
        ss = p.mlkem_decaps(self.dk, ct) if self.dk else bytes(32)
        self.hkr, self.nr = self.nhkr, 0
        self.ckr, self.nhkr = self._kdf(
            p.x25519(self.dh, dh), ss, self.ek, ct,
            (self.k4 or b"") if self.c4 else b"")
        self.peer_dh, self.peer_ek, self.turn = dh, ek, True


class Session:
    """A ratchet and the handshake that its initiator repeats."""

    def __init__(self, ratchet, handshake, initiator):
        self.ratchet, self.handshake = ratchet, handshake
        self.initiator, self.answered = initiator, not initiator

    def encrypt(self, content, tape):
        prefix = b"" if self.answered else self.handshake
        for bucket in BUCKETS:
            if bucket - len(prefix) - self.ratchet.overhead() >= len(content):
                return prefix + self.ratchet.seal(content,
                                                  bucket - len(prefix), tape)
        raise ValueError("content is too long")

    def decrypt(self, blob, identity_kem_seed):
        if not self.initiator and blob.startswith(self.handshake):
            blob = blob[len(self.handshake):]
        content = self.ratchet.open(blob, identity_kem_seed)
        if content is not None:
            self.answered = True
        return content
