#!/usr/bin/env python3
"""Makes auth_vectors.txt from swarm/SPEC.md, sections 1 and 3, alone.

Hashes and signed bytes only; signatures over them follow from crypto/SPEC.md.
Without arguments prints the vectors; with `--check FILE` compares.
"""

import hashlib
import struct
import sys


def blake2b(personal, data):
    return hashlib.blake2b(data, digest_size=32,
                           person=personal.ljust(16, b"\0")).digest()


def fill(label, n):
    return hashlib.shake_256(label.encode()).digest(n)


def u16(n):
    return struct.pack(">H", n)


def u32(n):
    return struct.pack(">I", n)


def u64(n):
    return struct.pack(">Q", n)


def vectors():
    read_key = fill("read key", 32)
    write_key = fill("write key", 32)
    account = b"\x05" + fill("account", 32)
    node = fill("node", 32)
    nonce = fill("nonce", 16)
    payload = fill("payload", 300)
    body = fill("body", 200)
    record_key = fill("record key", 16)
    yield "read_key", read_key
    yield "write_key", write_key
    yield "account", account
    yield "node", node
    yield "nonce", nonce
    yield "payload", payload
    yield "body", body
    yield "record_key", record_key

    pair = b"\x06" + blake2b(b"nm1-mailbox", read_key + write_key)
    yield "pairwise_mailbox", pair
    inbox_id = blake2b(b"nm1-msg.v1", account + u16(0) + payload)
    pair_id = blake2b(b"nm1-msg.v1", pair + u16(10) + payload)
    yield "inbox_message_id", inbox_id
    yield "pairwise_message_id", pair_id

    expiry = 1900000000123
    yield "write_signed", pair_id + u64(expiry)
    yield "receipt_signed", (b"rcpt.v1" + pair_id + pair + u64(expiry) + node +
                             u64(77) + u64(1900000000456))
    yield "retrieve_signed", (b"retr.v1" + node + pair + u16(10) +
                              u64(0x0102030405060708) + u64(0x1112131415161718) +
                              u32(256) + u64(1900000000789) +
                              u64(0x2122232425262728) + nonce)
    deletion = (account + u16(0) + u64(1900000000789) + nonce +
                u64(1900000009999) + u16(2) + inbox_id + pair_id)
    yield "delete_signed", deletion
    yield "deletion_id", blake2b(b"nm1-del.v1", deletion)
    record = account + u16(2) + record_key + u64(9) + body
    yield "record_signed", record
    yield "record_id", blake2b(b"nm1-rec.v1", record)

    purge = pair + u16(10) + u64(1900000005555) + u64(1900000000789) + nonce
    yield "purge_signed", purge
    yield "purge_id", blake2b(b"nm1-pur.v1", purge)
    registration = pair + u64(1900000000789) + u64(0x0102030405060708)
    yield "registration_signed", registration
    yield "registration_id", blake2b(b"nm1-reg.v1", registration)
    # The first nonces from 0 on with 12 bits of work.
    yield "registration_nonce_12", u64(first_nonce(
        12, lambda nonce: blake2b(b"nm1-reg-work",
                                  pair + u64(1900000000789) + u64(nonce))))
    yield "message_nonce_12", u64(first_nonce(
        12, lambda nonce: blake2b(b"nm1-msg-work", inbox_id + account +
                                  u32(527777) + u64(nonce))))

    # The digest of a set is the sum of its entries' hashes modulo 2^256.
    entries = [(5, inbox_id, expiry), (5, pair_id, expiry),
               (3, blake2b(b"nm1-del.v1", deletion), 1902678400789)]
    hashes = [int.from_bytes(
        blake2b(b"nm1-item", bytes([kind]) + u64(end) + name), "big")
        for kind, name, end in entries]
    yield "set_digest", (sum(hashes) % 2**256).to_bytes(32, "big")
    yield "entry_hash_0", hashes[0].to_bytes(32, "big")


def first_nonce(bits, hash_of):
    """The first nonce whose hash begins with this many zero bits."""
    nonce = 0
    while int.from_bytes(hash_of(nonce), "big") >> (256 - bits):
        nonce += 1
    return nonce


def main():
    text = "".join("%s = %s\n" % (name, value.hex())
                   for name, value in vectors())
    if sys.argv[1:2] == ["--check"]:
        with open(sys.argv[2], encoding="utf-8") as f:
            if f.read() != text:
                sys.exit("the vectors differ from what this script makes")
        return
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
