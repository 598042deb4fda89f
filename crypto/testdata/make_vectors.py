#!/usr/bin/env python3
"""Writes constructions.txt: vectors of the project's own constructions.

An independent second implementation, from crypto/SPEC.md and with nothing but
the standard library: ChaCha20, Poly1305, AES-256 and HCTR2 are written out here
slowly and plainly. Run it in this folder after changing the specification:

    python3 make_vectors.py > constructions.txt
"""

import hashlib
import hmac
import struct

# --- KDF (section 3) ---------------------------------------------------------


def hkdf_extract(hash_name, salt, ikm):
    return hmac.new(salt, ikm, hash_name).digest()


def hkdf_expand(hash_name, prk, info, length):
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([counter]), hash_name).digest()
        out += block
        counter += 1
    return out[:length]


def labelled_expand(hash_name, prk, label, context, length):
    info = b"nm/v1/" + label + b"\0" + context
    return hkdf_expand(hash_name, prk, info, length)


def blake2b_256(personal, data):
    return hashlib.blake2b(data, digest_size=32, person=personal).digest()


# --- XChaCha20-Poly1305 (section 4.1) ----------------------------------------

MASK = 0xFFFFFFFF


def rotate(value, bits):
    return ((value << bits) | (value >> (32 - bits))) & MASK


def chacha_rounds(state):
    s = list(state)

    def quarter(a, b, c, d):
        for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & MASK
            s[z] = rotate(s[z] ^ s[x], bits)

    for _ in range(10):
        quarter(0, 4, 8, 12)
        quarter(1, 5, 9, 13)
        quarter(2, 6, 10, 14)
        quarter(3, 7, 11, 15)
        quarter(0, 5, 10, 15)
        quarter(1, 6, 11, 12)
        quarter(2, 7, 8, 13)
        quarter(3, 4, 9, 14)
    return s


def chacha_state(key, counter_and_nonce):
    return list(struct.unpack("<16I", b"expand 32-byte k" + key + counter_and_nonce))


def hchacha20(key, nonce16):
    s = chacha_rounds(chacha_state(key, nonce16))
    return struct.pack("<8I", *(s[0:4] + s[12:16]))


def chacha20_block(key, counter, nonce12):
    state = chacha_state(key, struct.pack("<I", counter) + nonce12)
    return struct.pack(
        "<16I", *((a + b) & MASK for a, b in zip(state, chacha_rounds(state)))
    )


def chacha20_xor(key, nonce12, data):
    out = b""
    for i in range(0, len(data), 64):
        stream = chacha20_block(key, 1 + i // 64, nonce12)
        out += bytes(a ^ b for a, b in zip(data[i : i + 64], stream))
    return out


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for i in range(0, len(message), 16):
        block = message[i : i + 16] + b"\1"
        total = (total + int.from_bytes(block, "little")) * r % ((1 << 130) - 5)
    total += int.from_bytes(key[16:], "little")
    return (total & ((1 << 128) - 1)).to_bytes(16, "little")


def pad16(data):
    return data + bytes(-len(data) % 16)


def xchacha_seal(key, nonce24, ad, plaintext):
    subkey = hchacha20(key, nonce24[:16])
    nonce12 = bytes(4) + nonce24[16:]
    ciphertext = chacha20_xor(subkey, nonce12, plaintext)
    tag_input = pad16(ad) + pad16(ciphertext) + struct.pack("<QQ", len(ad), len(ciphertext))
    return ciphertext + poly1305(chacha20_block(subkey, 0, nonce12)[:32], tag_input)


# --- Committing AEAD (section 4.2) -------------------------------------------


def committing_seal(message_key, ad, plaintext):
    okm = labelled_expand(
        "sha512", message_key, b"caead", blake2b_256(b"nm1-caead", ad), 88
    )
    return okm[56:] + xchacha_seal(okm[:32], okm[32:56], ad, plaintext)


# --- Ed25519 (RFC 8032) under a domain (section 7) ---------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BASE_Y = 4 * pow(5, P - 2, P) % P


def recover_x(y, sign):
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P)
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return P - x if x & 1 != sign else x


def point_add(p, q):
    (x1, y1), (x2, y2) = p, q
    k = D * x1 * x2 * y1 * y2 % P
    x3 = (x1 * y2 + x2 * y1) * pow(1 + k, P - 2, P) % P
    y3 = (y1 * y2 + x1 * x2) * pow(1 - k, P - 2, P) % P
    return x3, y3


def point_multiply(scalar, point):
    result = (0, 1)
    while scalar:
        if scalar & 1:
            result = point_add(result, point)
        point = point_add(point, point)
        scalar >>= 1
    return result


BASE = (recover_x(BASE_Y, 0), BASE_Y)


def point_encode(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def ed25519_scalar(seed):
    h = hashlib.sha512(seed).digest()
    return int.from_bytes(h[:32], "little") & ((1 << 254) - 8) | 1 << 254, h[32:]


def ed25519_public(seed):
    return point_encode(point_multiply(ed25519_scalar(seed)[0], BASE))


def ed25519_sign(seed, message):
    scalar, prefix = ed25519_scalar(seed)
    public = point_encode(point_multiply(scalar, BASE))
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L
    r_point = point_encode(point_multiply(r, BASE))
    h = int.from_bytes(hashlib.sha512(r_point + public + message).digest(), "little")
    return r_point + ((r + h * scalar) % L).to_bytes(32, "little")


def domain_sign(seed, domain, message):
    return ed25519_sign(seed, b"nm/v1/sig" + bytes([domain]) + message)


# --- HCTR2-AES-256 (section 8) -----------------------------------------------


def make_sbox():
    sbox, p, q = [0x63] * 256, 1, 1
    while True:
        p = p ^ (p << 1) & 0xFF ^ (0x1B if p & 0x80 else 0)
        for shift in (1, 2, 4):
            q ^= q << shift & 0xFF
        q ^= 0x09 if q & 0x80 else 0
        rotated = q
        for shift in range(1, 5):
            rotated ^= (q << shift | q >> (8 - shift)) & 0xFF
        sbox[p] = rotated ^ 0x63
        if p == 1:
            return sbox


SBOX = make_sbox()


def aes_expand(key):
    words = [key[i : i + 4] for i in range(0, 32, 4)]
    rcon = 1
    for i in range(8, 60):
        word = words[i - 1]
        if i % 8 == 0:
            word = bytes(SBOX[b] for b in word[1:] + word[:1])
            word = bytes([word[0] ^ rcon]) + word[1:]
            rcon <<= 1
        elif i % 8 == 4:
            word = bytes(SBOX[b] for b in word)
        words.append(bytes(a ^ b for a, b in zip(words[i - 8], word)))
    return [b"".join(words[i : i + 4]) for i in range(0, 60, 4)]


def double(b):
    return b << 1 & 0xFF ^ (0x1B if b & 0x80 else 0)


def aes_encrypt(round_keys, block):
    s = bytes(a ^ b for a, b in zip(block, round_keys[0]))
    for index, round_key in enumerate(round_keys[1:], 1):
        s = bytes(SBOX[s[(i + 4 * (i % 4)) % 16]] for i in range(16))
        if index < 14:
            mixed = []
            for c in range(0, 16, 4):
                col = s[c : c + 4]
                total = col[0] ^ col[1] ^ col[2] ^ col[3]
                for i in range(4):
                    mixed.append(col[i] ^ total ^ double(col[i] ^ col[(i + 1) % 4]))
            s = bytes(mixed)
        s = bytes(a ^ b for a, b in zip(s, round_key))
    return s


POLYVAL_MODULUS = 1 << 128 | 1 << 127 | 1 << 126 | 1 << 121 | 1


def polyval_dot(a, b):
    product = 0
    for i in range(128):
        if b >> i & 1:
            product ^= a << i
    # Dividing by x^128: make the low bits vanish one by one.
    for i in range(128):
        if product >> i & 1:
            product ^= POLYVAL_MODULUS << i
    return product >> 128


def polyval(key, data):
    total, h = 0, int.from_bytes(key, "little")
    for i in range(0, len(data), 16):
        total = polyval_dot(total ^ int.from_bytes(data[i : i + 16], "little"), h)
    return total.to_bytes(16, "little")


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def hctr2_hash(h, tweak, message):
    aligned = len(message) % 16 == 0
    lengths = (2 * 8 * len(tweak) + (2 if aligned else 3)).to_bytes(16, "little")
    return polyval(
        h, lengths + pad16(tweak) + (message if aligned else pad16(message + b"\1"))
    )


def hctr2_encrypt(key, tweak, plaintext):
    round_keys = aes_expand(key)
    h = aes_encrypt(round_keys, bytes(16))
    mask = aes_encrypt(round_keys, b"\1" + bytes(15))
    head, rest = plaintext[:16], plaintext[16:]
    mm = xor(head, hctr2_hash(h, tweak, rest))
    uu = aes_encrypt(round_keys, mm)
    s = xor(xor(mm, uu), mask)
    stream = b"".join(
        aes_encrypt(round_keys, xor(s, i.to_bytes(16, "little")))
        for i in range(1, len(rest) // 16 + 2)
    )
    rest = xor(rest, stream)
    return xor(uu, hctr2_hash(h, tweak, rest)) + rest


# --- Output ------------------------------------------------------------------


def pattern(length, start=0):
    return bytes((start + 7 * i) & 0xFF for i in range(length))


def section(name, **values):
    print("\n[%s]" % name)
    for key, value in values.items():
        if isinstance(value, str):
            print('%s = "%s"' % (key, value))
            continue
        text = value.hex()
        print(("%s = %s" % (key, text[:96])).rstrip())
        for i in range(96, len(text), 96):
            print("  " + text[i : i + 96])


def main():
    print("# Our own constructions. Written by make_vectors.py; do not edit.")

    for size in (0, 1, 200):
        section(
            "blake2b %d" % size,
            personal="nm1-test",
            message=pattern(size),
            digest=blake2b_256(b"nm1-test", pattern(size)),
        )

    prk = pattern(32, 1)
    for hash_name in ("sha256", "sha512"):
        for label in (b"onion", b"rk", b"id-kem"):
            section(
                "kdf %s %s" % (hash_name, label.decode()),
                label=label.decode(),
                prk=prk,
                context=pattern(20, 9),
                okm=labelled_expand(hash_name, prk, label, pattern(20, 9), 80),
            )

    for size in (0, 1, 63, 64, 65, 300):
        section(
            "xchacha %d" % size,
            key=pattern(32, 2),
            nonce=pattern(24, 3),
            ad=pattern(size // 2, 4),
            plaintext=pattern(size, 5),
            ciphertext=xchacha_seal(
                pattern(32, 2), pattern(24, 3), pattern(size // 2, 4), pattern(size, 5)
            ),
        )
        section(
            "caead %d" % size,
            key=pattern(32, 6),
            ad=pattern(size // 2, 7),
            plaintext=pattern(size, 8),
            ciphertext=committing_seal(
                pattern(32, 6), pattern(size // 2, 7), pattern(size, 8)
            ),
        )

    for domain in (1, 11, 16):
        section(
            "sign %d" % domain,
            seed=pattern(32, 10),
            domain=bytes([domain]),
            message=pattern(50, 11),
            public=ed25519_public(pattern(32, 10)),
            signature=domain_sign(pattern(32, 10), domain, pattern(50, 11)),
        )

    seed16 = pattern(16, 12)
    section(
        "identity kem",
        account_seed=seed16,
        xwing_seed=labelled_expand(
            "sha512", hkdf_extract("sha512", b"nm/v1/account", seed16), b"id-kem", b"", 32
        ),
    )

    account_prk = hkdf_extract("sha512", b"nm/v1/account", seed16)
    section(
        "vault keys",
        account_seed=seed16,
        device_id=pattern(16, 17),
        xwing_seed=labelled_expand("sha512", account_prk, b"vault", b"kem", 32),
        ed25519_seed=labelled_expand(
            "sha512", account_prk, b"vault", b"device" + pattern(16, 17), 32
        ),
    )

    for tweak_size, size in ((1, 16), (16, 31), (17, 48), (40, 1040), (32, 8176)):
        section(
            "hctr2 %d %d" % (tweak_size, size),
            key=pattern(32, 13),
            tweak=pattern(tweak_size, 14),
            plaintext=pattern(size, 15),
            ciphertext=hctr2_encrypt(
                pattern(32, 13), pattern(tweak_size, 14), pattern(size, 15)
            ),
        )


if __name__ == "__main__":
    main()
