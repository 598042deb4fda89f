#!/usr/bin/env python3
"""Writes client/session/testdata/session_vectors.txt, or verifies it.

  make_vectors.py FILE            writes FILE
  make_vectors.py --verify FILE   fails unless FILE is what would be written

Every value is hex. `random` is what an operation reads from its source of
randomness, in the order of client/SPEC.md, section 5.3.
"""

import hashlib
import random as stdlib_random
import struct
import sys

import primitives as p
import session_model as m

START_MS = 1_800_000_000_000
STEPS = 60
WHOLE_BLOBS = 12  # of later blobs only the SHA-256


def check_primitives():
    """Known answers, so that a model that agrees with itself is not enough."""
    assert p.x25519(
        bytes.fromhex("a546e36bf0527c9d3b16154b82465edd"
                      "62144c0ac1fc5a18506a2244ba449ac4"),
        bytes.fromhex("e6db6867583030db3594c1a424b15f7c"
                      "726624ec26b3353b10a903a6d0ab1c4c")).hex() == (
                          "c3da55379de9c6908e94ea4df28d084f"
                          "32eccf03491c71f754b4075577a28552")
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc4"
                         "4449c5697b326919703bac031cae7f60")
    assert p.ed25519_public(seed).hex() == (
        "d75a980182b10ab7d54bfed3c964073a"
        "0ee172f3daa62325af021a68f707511a")
    signature = p.ed25519_sign(seed, b"")
    assert signature.hex().startswith("e5564300c360ac72")
    assert p.ed25519_verify(p.ed25519_public(seed), b"", signature)
    assert not p.ed25519_verify(p.ed25519_public(seed), b"x", signature)
    # The accumulated test of C2SP/CCTV for the final FIPS 203, 100 rounds,
    # which covers implicit rejection as well.
    tape = hashlib.shake_128(b"").digest(100 * 1184)
    total = hashlib.shake_128()
    for i in range(100):
        r = tape[1184 * i:1184 * (i + 1)]
        ek, dk = p.mlkem_keys(r[:64])
        c, k = p.mlkem_encaps(ek, r[64:96])
        assert p.mlkem_decaps(dk, c) == k
        total.update(ek + c + k + p.mlkem_decaps(dk, r[96:]))
    assert total.hexdigest(32) == (
        "1114b1b6699ed191734fa339376afa7e285c9e6acf6ff0177d346696ce564415")
    # draft-connolly-cfrg-xwing-kem, vector 1.
    seed = bytes.fromhex("7f9c2ba4e88f827d616045507605853e"
                         "d73b8093f6efbc88eb1a6eacfa66ef26")
    eseed = bytes.fromhex("3cb1eea988004b93103cfb0aeefd2a68"
                          "6e01fa4a58e8a3639ca8a1e3f9ae57e2"
                          "35b8cc873c23dc62b8d260169afa2f75"
                          "ab916a58d974918835d25e6a435085b2")
    c, k = p.xwing_encaps(p.xwing_public(seed), eseed)
    assert k.hex() == ("d2df0522128f09dd8e2c92b1e905c793"
                       "d8f57a54c3da25861f10bf4ca613e384")
    assert p.xwing_decaps(seed, c) == k
    # draft-irtf-cfrg-xchacha-03, A.3.1.
    key = bytes(range(0x80, 0xa0))
    nonce = bytes(range(0x40, 0x58))
    ad = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    text = (b"Ladies and Gentlemen of the class of '99: If I could offer you "
            b"only one tip for the future, sunscreen would be it.")
    sealed = p.xchacha_seal(key, nonce, ad, text)
    assert sealed[-16:].hex() == "c0875924c1c7987947deafd8780acf49"
    assert p.xchacha_open(key, nonce, ad, sealed) == text


class Writer:

    def __init__(self):
        self.lines = [
            "# Vectors of client/SPEC.md, sections 1 to 5. Written by",
            "# tools/session_model/make_vectors.py; every value is hex.",
        ]

    def put(self, name, value):
        self.lines.append("%s = %s" % (name, value.hex()))


def vectors():
    counter = [0]

    def stream(n):
        counter[0] += 1
        return hashlib.shake_256(b"session vectors" +
                                 struct.pack(">I", counter[0])).digest(n)

    out = Writer()
    accounts, devices, identities = [], [], []
    for name in ("alice", "bob"):
        seed = stream(16)
        account = m.Account(seed)
        device = m.Device(stream(16), stream(32), stream(32))
        identity = m.IdentityRecord.make(account, 1, bytes(32),
                                    [(device, START_MS)])
        out.put(name + ".seed", seed)
        out.put(name + ".account_id", account.id)
        out.put(name + ".device_keys", device.serialize())
        out.put(name + ".identity_record", identity.bytes)
        out.put(name + ".identity_hash", identity.hash)
        accounts.append(account)
        devices.append(device)
        identities.append(identity)
    prekey_tape = m.Tape(lambda n: stream(n) if n == 32 else b"\x40" * n)
    epoch = m.Epoch(identities[1], devices[1], 1, START_MS, prekey_tape)
    # The last eight bytes decide when the next rotation is due.
    prekey_tape.take(8)
    out.put("bob.prekey_random", prekey_tape.read)
    out.put("bob.prekey_record", epoch.record.bytes)
    out.put("bob.prekey_hash", epoch.hash)

    tape = m.Tape(stream)
    alice = m.initiate(accounts[0], devices[0], identities[0], identities[1],
                       epoch.record, 0, START_MS, tape)
    out.put("start_ms", struct.pack(">Q", START_MS))
    out.put("initiate.random", tape.read)
    out.put("initiate.handshake", alice.handshake)
    out.put("initiate.session_id", alice.id)

    # A conversation over a network that reorders and loses: each step is one
    # side sending, or one of the blobs in flight arriving.
    rng = stdlib_random.Random(7)
    sessions = [alice, None]
    in_flight = []  # (step that made it, recipient, blob, content)
    blobs = 0
    for step in range(STEPS):
        name = "step.%03d" % step
        deliver = in_flight and (rng.random() < 0.5 or len(in_flight) > 6)
        if step < 3:
            deliver = False
        if deliver:
            i = rng.randrange(len(in_flight))
            made, recipient, blob, content = in_flight[i]
            if rng.random() < 0.85:
                in_flight.pop(i)  # or else it arrives again
            else:
                in_flight[i] = (made, recipient, blob, None)
            got = None
            try:
                if sessions[recipient] is None:
                    sessions[1], got, _ = m.accept(accounts[1], devices[1],
                                                   [epoch], blob, START_MS)
                else:
                    got = sessions[recipient].decrypt(
                        blob, START_MS, accounts[recipient].kem_seed)
            except m.Refusal:
                pass
            assert got == content, step
            out.put(name + ".open", bytes([recipient, made]))
            out.put(name + ".content", b"\0" if got is None else b"\1" + got)
            continue
        who = rng.randrange(2) if sessions[1] else 0
        size = rng.choice([0, 5, 40, 160, 700, 1500])
        content = hashlib.shake_128(name.encode()).digest(size)
        tape = m.Tape(stream)
        blob = sessions[who].encrypt(content, tape)
        out.put(name + ".seal", bytes([who]))
        out.put(name + ".content", content)
        out.put(name + ".random", tape.read)
        out.put(name + ".sha256", hashlib.sha256(blob).digest())
        if blobs < WHOLE_BLOBS:
            out.put(name + ".blob", blob)
        blobs += 1
        if rng.random() < 0.9:
            in_flight.append((step, 1 - who, blob, content))
    assert all(s.ratchet.pq for s in sessions)
    return "\n".join(out.lines) + "\n"


def main(argv):
    check_primitives()
    text = vectors()
    if argv[0] == "--verify":
        with open(argv[1]) as file:
            if file.read() != text:
                sys.exit("%s is not what the model computes" % argv[1])
        return
    with open(argv[0], "w") as file:
        file.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
