"""The primitives of client/SPEC.md in plain Python: slow, not constant-time.

For checking other implementations only. Written from RFC 7748, RFC 8032,
FIPS 203, RFC 8439, draft-irtf-cfrg-xchacha and draft-connolly-cfrg-xwing-kem.
"""

import functools
import hashlib
import hmac
import struct

# --- X25519 -----------------------------------------------------------------

P = 2**255 - 19


def x25519(scalar, u):
    k = bytearray(scalar)
    k[0] &= 248
    k[31] = (k[31] & 127) | 64
    k = int.from_bytes(k, "little")
    x1 = int.from_bytes(u, "little") & (2**255 - 1)
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in range(254, -1, -1):
        bit = (k >> t) & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b = x2 + z2, x2 - z2
        aa, bb = a * a % P, b * b % P
        e = aa - bb
        da, cb = (x3 - z3) * a % P, (x3 + z3) * b % P
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    out = (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")
    if out == bytes(32):
        raise ValueError("point of small order")
    return out


@functools.lru_cache(maxsize=1024)
def x25519_public(secret):
    return x25519(secret, (9).to_bytes(32, "little"))


# --- Ed25519 ----------------------------------------------------------------

D = -121665 * pow(121666, P - 2, P) % P
L = 2**252 + 27742317777372353535851937790883648493


def _add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _mul(s, p):
    q = (0, 1, 1, 0)
    while s:
        if s & 1:
            q = _add(q, p)
        p = _add(p, p)
        s >>= 1
    return q


_GY = 4 * pow(5, P - 2, P) % P
_X2 = (_GY * _GY - 1) * pow(D * _GY * _GY + 1, P - 2, P) % P
_GX = pow(_X2, (P + 3) // 8, P)
if (_GX * _GX - _X2) % P:
    _GX = _GX * pow(2, (P - 1) // 4, P) % P
if _GX & 1:
    _GX = P - _GX
_G = (_GX, _GY, 1, _GX * _GY % P)


def _compress(p):
    z = pow(p[2], P - 2, P)
    x, y = p[0] * z % P, p[1] * z % P
    return (y | ((x & 1) << 255)).to_bytes(32, "little")


def _expand(seed):
    h = hashlib.sha512(seed).digest()
    a = int.from_bytes(h[:32], "little")
    a &= (1 << 254) - 8
    a |= 1 << 254
    return a, h[32:], h[:32]


def ed25519_public(seed):
    return _compress(_mul(_expand(seed)[0], _G))


def ed25519_to_x25519_secret(seed):
    s = bytearray(_expand(seed)[2])
    s[0] &= 248
    s[31] = (s[31] & 127) | 64
    return bytes(s)


def ed25519_sign(seed, message):
    a, prefix, _ = _expand(seed)
    public = _compress(_mul(a, _G))
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L
    big_r = _compress(_mul(r, _G))
    h = int.from_bytes(
        hashlib.sha512(big_r + public + message).digest(), "little") % L
    return big_r + ((r + h * a) % L).to_bytes(32, "little")


def _decompress(b):
    """The point with this encoding, or None."""
    n = int.from_bytes(b, "little")
    y, sign = n & (2**255 - 1), n >> 255
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def _is_small_order(p):
    q = _mul(8, p)
    return q[0] % P == 0 and (q[1] - q[2]) % P == 0


def ed25519_verify(public, message, signature):
    a, r = _decompress(public), _decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L or _is_small_order(
            a) or _is_small_order(r):
        return False
    h = int.from_bytes(
        hashlib.sha512(signature[:32] + public + message).digest(),
        "little") % L
    minus_a = (P - a[0], a[1], 1, (P - a[3]) % P)
    return _compress(_add(_mul(s, _G), _mul(h, minus_a))) == signature[:32]


def ed25519_to_x25519_public(public):
    """RFC 7748, section 4.1: the u of a point's Montgomery form, or None."""
    point = _decompress(public)
    if point is None or _is_small_order(point):
        return None
    y = point[1]
    return ((1 + y) * pow(1 - y, P - 2, P) % P).to_bytes(32, "little")


# --- ML-KEM-768 -------------------------------------------------------------

Q = 3329
K = 3


def _bitrev7(i):
    return int("{:07b}".format(i)[::-1], 2)


ZETAS = [pow(17, _bitrev7(i), Q) for i in range(128)]
GAMMAS = [pow(17, 2 * _bitrev7(i) + 1, Q) for i in range(128)]


def _ntt(f):
    f, i, length = list(f), 1, 128
    while length >= 2:
        for start in range(0, 256, 2 * length):
            zeta = ZETAS[i]
            i += 1
            for j in range(start, start + length):
                t = zeta * f[j + length] % Q
                f[j + length] = (f[j] - t) % Q
                f[j] = (f[j] + t) % Q
        length //= 2
    return f


def _intt(f):
    f, i, length = list(f), 127, 2
    while length <= 128:
        for start in range(0, 256, 2 * length):
            zeta = ZETAS[i]
            i -= 1
            for j in range(start, start + length):
                t = f[j]
                f[j] = (t + f[j + length]) % Q
                f[j + length] = zeta * (f[j + length] - t) % Q
        length *= 2
    return [x * 3303 % Q for x in f]


def _mulntt(f, g):
    h = []
    for i in range(128):
        a0, a1, b0, b1 = f[2 * i], f[2 * i + 1], g[2 * i], g[2 * i + 1]
        h.append((a0 * b0 + a1 * b1 * GAMMAS[i]) % Q)
        h.append((a0 * b1 + a1 * b0) % Q)
    return h


def _addpoly(f, g):
    return [(a + b) % Q for a, b in zip(f, g)]


def _encode(f, d):
    n = 0
    for i, x in enumerate(f):
        n |= x << (d * i)
    return n.to_bytes(32 * d, "little")


def _decode(b, d):
    n = int.from_bytes(b, "little")
    return [(n >> (d * i)) & ((1 << d) - 1) for i in range(256)]


def _compress_poly(f, d):
    return [((x << (d + 1)) + Q) // (2 * Q) % (1 << d) for x in f]


def _decompress_poly(f, d):
    return [(x * Q * 2 + (1 << d)) >> (d + 1) for x in f]


def _sample_ntt(rho, i, j):
    stream = hashlib.shake_128(rho + bytes([i, j])).digest(3 * 1024)
    out, pos = [], 0
    while len(out) < 256:
        c0, c1, c2 = stream[pos:pos + 3]
        pos += 3
        d1, d2 = c0 + 256 * (c1 % 16), c1 // 16 + 16 * c2
        if d1 < Q:
            out.append(d1)
        if d2 < Q and len(out) < 256:
            out.append(d2)
    return out


@functools.lru_cache(maxsize=1024)
def _matrix(rho):
    return [[_sample_ntt(rho, j, i) for j in range(K)] for i in range(K)]


def _cbd2(seed, n):
    b = hashlib.shake_256(seed + bytes([n])).digest(128)
    bits = [(b[i // 8] >> (i % 8)) & 1 for i in range(1024)]
    return [(bits[4 * i] + bits[4 * i + 1] - bits[4 * i + 2] - bits[4 * i + 3])
            % Q for i in range(256)]


def _pke_keys(d):
    g = hashlib.sha3_512(d + bytes([K])).digest()
    rho, sigma = g[:32], g[32:]
    a = _matrix(rho)
    s = [_ntt(_cbd2(sigma, n)) for n in range(K)]
    e = [_ntt(_cbd2(sigma, K + n)) for n in range(K)]
    t = []
    for i in range(K):
        acc = e[i]
        for j in range(K):
            acc = _addpoly(acc, _mulntt(a[i][j], s[j]))
        t.append(acc)
    return (b"".join(_encode(x, 12) for x in t) + rho,
            b"".join(_encode(x, 12) for x in s))


def _pke_encrypt(ek, m, r):
    t = [_decode(ek[384 * i:384 * (i + 1)], 12) for i in range(K)]
    rho = ek[1152:]
    a = _matrix(rho)
    y = [_ntt(_cbd2(r, n)) for n in range(K)]
    u = []
    for i in range(K):
        acc = [0] * 256
        for j in range(K):
            acc = _addpoly(acc, _mulntt(a[j][i], y[j]))
        u.append(_addpoly(_intt(acc), _cbd2(r, K + i)))
    acc = [0] * 256
    for i in range(K):
        acc = _addpoly(acc, _mulntt(t[i], y[i]))
    v = _addpoly(_addpoly(_intt(acc), _cbd2(r, 2 * K)),
                 _decompress_poly(_decode(m, 1), 1))
    return (b"".join(_encode(_compress_poly(x, 10), 10) for x in u) +
            _encode(_compress_poly(v, 4), 4))


def _pke_decrypt(dk, c):
    u = [_decompress_poly(_decode(c[320 * i:320 * (i + 1)], 10), 10)
         for i in range(K)]
    v = _decompress_poly(_decode(c[960:], 4), 4)
    s = [_decode(dk[384 * i:384 * (i + 1)], 12) for i in range(K)]
    acc = [0] * 256
    for i in range(K):
        acc = _addpoly(acc, _mulntt(s[i], _ntt(u[i])))
    w = [(a - b) % Q for a, b in zip(v, _intt(acc))]
    return _encode(_compress_poly(w, 1), 1)


def mlkem_keys(seed):
    """(ek, dk) from d || z."""
    ek, dk = _pke_keys(seed[:32])
    return ek, dk + ek + hashlib.sha3_256(ek).digest() + seed[32:]


def mlkem_is_usable(ek):
    return all(x < Q for i in range(K)
               for x in _decode(ek[384 * i:384 * (i + 1)], 12))


def mlkem_encaps(ek, m):
    """(ciphertext, secret) from 32 bytes of randomness."""
    if not mlkem_is_usable(ek):
        raise ValueError("not an encapsulation key")
    g = hashlib.sha3_512(m + hashlib.sha3_256(ek).digest()).digest()
    return _pke_encrypt(ek, m, g[32:]), g[:32]


def mlkem_decaps(dk, c):
    dk_pke, ek, h, z = dk[:1152], dk[1152:2336], dk[2336:2368], dk[2368:]
    m = _pke_decrypt(dk_pke, c)
    g = hashlib.sha3_512(m + h).digest()
    if _pke_encrypt(ek, m, g[32:]) != c:
        return hashlib.shake_256(z + c).digest(32)
    return g[:32]


# --- X-Wing -----------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def _xwing_expand(seed):
    e = hashlib.shake_256(seed).digest(96)
    ek, dk = mlkem_keys(e[:64])
    return ek, dk, e[64:], x25519_public(e[64:])


def _xwing_combine(ss_m, ss_x, ct_x, pk_x):
    return hashlib.sha3_256(
        ss_m + ss_x + ct_x + pk_x + bytes.fromhex("5c2e2f2f5e5c")).digest()


def xwing_public(seed):
    ek, _, _, pk_x = _xwing_expand(seed)
    return ek + pk_x


def xwing_encaps(pk, eseed):
    """(ciphertext, secret) from 64 bytes of randomness."""
    ek, pk_x = pk[:1184], pk[1184:]
    ct_m, ss_m = mlkem_encaps(ek, eseed[:32])
    ct_x = x25519_public(eseed[32:])
    return ct_m + ct_x, _xwing_combine(
        ss_m, x25519(eseed[32:], pk_x), ct_x, pk_x)


def xwing_decaps(seed, c):
    _, dk, sk_x, pk_x = _xwing_expand(seed)
    ct_m, ct_x = c[:1088], c[1088:]
    return _xwing_combine(
        mlkem_decaps(dk, ct_m), x25519(sk_x, ct_x), ct_x, pk_x)


# --- XChaCha20-Poly1305 -----------------------------------------------------


def _rounds(s, mask):
    """Ten double rounds on 16 numbers that hold one 32-bit word of each of
    many blocks, in lanes of 64 bits; `mask` is 32 ones in each lane."""

    def qr(a, b, c, d):
        s[a] = (s[a] + s[b]) & mask
        x = s[d] ^ s[a]
        s[d] = (x << 16 | x >> 16) & mask
        s[c] = (s[c] + s[d]) & mask
        x = s[b] ^ s[c]
        s[b] = (x << 12 | x >> 20) & mask
        s[a] = (s[a] + s[b]) & mask
        x = s[d] ^ s[a]
        s[d] = (x << 8 | x >> 24) & mask
        s[c] = (s[c] + s[d]) & mask
        x = s[b] ^ s[c]
        s[b] = (x << 7 | x >> 25) & mask

    for _ in range(10):
        qr(0, 4, 8, 12), qr(1, 5, 9, 13), qr(2, 6, 10, 14), qr(3, 7, 11, 15)
        qr(0, 5, 10, 15), qr(1, 6, 11, 12), qr(2, 7, 8, 13), qr(3, 4, 9, 14)


_SIGMA = struct.unpack("<4I", b"expand 32-byte k")


def _chacha_blocks(key, counter, nonce, n):
    ones = sum(1 << 64 * i for i in range(n))
    init = [
        word * ones for word in _SIGMA + struct.unpack("<8I", key) + (0,) +
        struct.unpack("<3I", nonce)
    ]
    init[12] = sum(counter + i << 64 * i for i in range(n))
    mask = ones * 0xffffffff
    s = list(init)
    _rounds(s, mask)
    words = [
        struct.unpack("<%dQ" % n, (a + b & mask).to_bytes(8 * n, "little"))
        for a, b in zip(s, init)
    ]
    return b"".join(struct.pack("<16I", *block) for block in zip(*words))


def _hchacha(key, nonce16):
    s = list(_SIGMA + struct.unpack("<8I", key) +
             struct.unpack("<4I", nonce16))
    _rounds(s, 0xffffffff)
    return struct.pack("<8I", *(s[:4] + s[12:]))


def _chacha_xor(key, nonce, data):
    stream = _chacha_blocks(key, 1, nonce, (len(data) + 63) // 64)
    n = int.from_bytes(data, "little") ^ int.from_bytes(
        stream[:len(data)], "little")
    return n.to_bytes(len(data), "little")


def _poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    acc = 0
    for i in range(0, len(data), 16):
        block = data[i:i + 16] + b"\x01"
        acc = (acc + int.from_bytes(block, "little")) * r % (2**130 - 5)
    acc = (acc + int.from_bytes(key[16:], "little")) % 2**128
    return acc.to_bytes(16, "little")


def _tag(key, nonce, ad, c):
    def pad(b):
        return b + bytes(-len(b) % 16)

    return _poly1305(
        _chacha_blocks(key, 0, nonce, 1)[:32],
        pad(ad) + pad(c) + struct.pack("<QQ", len(ad), len(c)))


def xchacha_seal(key, nonce, ad, plaintext):
    subkey, n = _hchacha(key, nonce[:16]), bytes(4) + nonce[16:]
    c = _chacha_xor(subkey, n, plaintext)
    return c + _tag(subkey, n, ad, c)


def xchacha_open(key, nonce, ad, ciphertext):
    """The plaintext, or None."""
    subkey, n = _hchacha(key, nonce[:16]), bytes(4) + nonce[16:]
    c, tag = ciphertext[:-16], ciphertext[-16:]
    if _tag(subkey, n, ad, c) != tag:
        return None
    return _chacha_xor(subkey, n, c)


# --- Our own constructions (crypto/SPEC.md) ---------------------------------


def blake(personal, *parts):
    return hashlib.blake2b(b"".join(parts), digest_size=32,
                           person=personal.ljust(16, b"\0")).digest()


def extract(salt, *parts):
    return hmac.new(salt, b"".join(parts), hashlib.sha512).digest()


def expand(prk, label, context, n):
    info = b"nm/v1/" + label + b"\0" + context
    out, block, i = b"", b"", 1
    while len(out) < n:
        block = hmac.new(prk, block + info + bytes([i]),
                         hashlib.sha512).digest()
        out += block
        i += 1
    return out[:n]


def hmac32(key, message):
    return hmac.new(key, message, hashlib.sha512).digest()[:32]


def sign(seed, domain, message):
    return ed25519_sign(seed, b"nm/v1/sig" + bytes([domain]) + message)


def verify(public, domain, message, signature):
    return ed25519_verify(public, b"nm/v1/sig" + bytes([domain]) + message,
                          signature)


def caead_seal(mk, ad, plaintext):
    okm = expand(mk, b"caead", blake(b"nm1-caead", ad), 88)
    return okm[56:] + xchacha_seal(okm[:32], okm[32:56], ad, plaintext)


def caead_open(mk, ad, ciphertext):
    """The plaintext, or None."""
    okm = expand(mk, b"caead", blake(b"nm1-caead", ad), 88)
    if ciphertext[:32] != okm[56:]:
        return None
    return xchacha_open(okm[:32], okm[32:56], ad, ciphertext[32:])
