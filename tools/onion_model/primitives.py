"""The primitives under the onion format, in plain Python.

Written from FIPS 197, RFC 7748, RFC 5869, RFC 8452, FIPS 203 and the HCTR2
paper with the standard library only, so that the model shares no code with the
C++ it checks. Slow, not constant time, and for test vectors alone.
"""

import hashlib
import hmac


def xor(a, b):
  assert len(a) == len(b)
  return bytes(x ^ y for x, y in zip(a, b))


# ---- HKDF-SHA256 (RFC 5869) ----


def hmac_sha256(key, message):
  return hmac.new(key, message, hashlib.sha256).digest()


def hkdf_extract(salt, ikm):
  return hmac_sha256(salt, ikm)


def hkdf_expand(prk, info, size):
  out, block, counter = b"", b"", 1
  while len(out) < size:
    block = hmac_sha256(prk, block + info + bytes([counter]))
    out += block
    counter += 1
  return out[:size]


# ---- X25519 (RFC 7748) ----

_P = 2**255 - 19


def x25519(secret, point):
  k = bytearray(secret)
  k[0] &= 248
  k[31] = (k[31] & 127) | 64
  k = int.from_bytes(k, "little")
  u = int.from_bytes(point, "little") & (2**255 - 1)
  x1, x2, z2, x3, z3, swap = u, 1, 0, u, 1, 0
  for t in range(254, -1, -1):
    bit = (k >> t) & 1
    if swap ^ bit:
      x2, x3, z2, z3 = x3, x2, z3, z2
    swap = bit
    a, b = (x2 + z2) % _P, (x2 - z2) % _P
    aa, bb = a * a % _P, b * b % _P
    e = aa - bb
    c, d = (x3 + z3) % _P, (x3 - z3) % _P
    da, cb = d * a % _P, c * b % _P
    x3 = pow(da + cb, 2, _P)
    z3 = x1 * pow(da - cb, 2, _P) % _P
    x2 = aa * bb % _P
    z2 = e * (aa + 121665 * e) % _P
  if swap:
    x2, z2 = x3, z3
  return (x2 * pow(z2, _P - 2, _P) % _P).to_bytes(32, "little")


def x25519_public(secret):
  return x25519(secret, (9).to_bytes(32, "little"))


# ---- AES-256 (FIPS 197), encryption and decryption ----


def _gf256_tables():
  exp, log, x = [0] * 512, [0] * 256, 1
  for i in range(255):
    exp[i] = exp[i + 255] = x
    log[x] = i
    x ^= (x << 1) ^ (0x11B if x & 0x80 else 0)  # times 3
    x &= 0xFF
  return exp, log


_EXP, _LOG = _gf256_tables()


def _gmul(a, b):
  return _EXP[_LOG[a] + _LOG[b]] if a and b else 0


def _make_sbox():
  sbox = [0] * 256
  for value in range(256):
    inverse = _EXP[255 - _LOG[value]] if value else 0
    result = 0x63
    for shift in range(5):
      result ^= ((inverse << shift) | (inverse >> (8 - shift))) & 0xFF
    sbox[value] = result
  return sbox


_SBOX = _make_sbox()
_INV_SBOX = [0] * 256
for _i, _s in enumerate(_SBOX):
  _INV_SBOX[_s] = _i


def _column_table(sbox, coefficients):
  """For each input byte, its contribution to a column of MixColumns."""
  tables = []
  for row in range(4):
    table = []
    for value in range(256):
      word = 0
      for out_row in range(4):
        word = (word << 8) | _gmul(coefficients[(row - out_row) % 4],
                                   sbox[value])
      table.append(word)
    tables.append(table)
  return tables


_ENC = _column_table(_SBOX, [2, 3, 1, 1])
_DEC = _column_table(_INV_SBOX, [14, 11, 13, 9])
_UNMIX = _column_table(list(range(256)), [14, 11, 13, 9])


def _rounds(words, keys, tables, sbox, step):
  s = [w ^ k for w, k in zip(words, keys[0])]
  t0, t1, t2, t3 = tables
  for key in keys[1:-1]:
    s = [
        t0[s[c] >> 24] ^ t1[(s[(c + step) % 4] >> 16) & 255]
        ^ t2[(s[(c + 2) % 4] >> 8) & 255] ^ t3[s[(c - step) % 4] & 255]
        ^ key[c] for c in range(4)
    ]
  return [((sbox[s[c] >> 24] << 24)
           | (sbox[(s[(c + step) % 4] >> 16) & 255] << 16)
           | (sbox[(s[(c + 2) % 4] >> 8) & 255] << 8)
           | sbox[s[(c - step) % 4] & 255]) ^ keys[-1][c] for c in range(4)]


class Aes256:

  def __init__(self, key):
    assert len(key) == 32
    w = [int.from_bytes(key[i:i + 4], "big") for i in range(0, 32, 4)]
    sub = lambda x: int.from_bytes(
        bytes(_SBOX[b] for b in x.to_bytes(4, "big")), "big")
    rcon = 1
    for i in range(8, 60):
      t = w[-1]
      if i % 8 == 0:
        t = sub(((t << 8) | (t >> 24)) & 0xFFFFFFFF) ^ (rcon << 24)
        rcon = _gmul(rcon, 2)
      elif i % 8 == 4:
        t = sub(t)
      w.append(w[i - 8] ^ t)
    self._enc = [w[i:i + 4] for i in range(0, 60, 4)]
    unmix = lambda x: (_UNMIX[0][x >> 24] ^ _UNMIX[1][(x >> 16) & 255]
                       ^ _UNMIX[2][(x >> 8) & 255] ^ _UNMIX[3][x & 255])
    self._dec = ([self._enc[-1]]
                 + [[unmix(x) for x in k] for k in self._enc[-2:0:-1]]
                 + [self._enc[0]])

  def encrypt(self, block):
    words = [int.from_bytes(block[i:i + 4], "big") for i in range(0, 16, 4)]
    out = _rounds(words, self._enc, _ENC, _SBOX, 1)
    return b"".join(x.to_bytes(4, "big") for x in out)

  def decrypt(self, block):
    words = [int.from_bytes(block[i:i + 4], "big") for i in range(0, 16, 4)]
    out = _rounds(words, self._dec, _DEC, _INV_SBOX, -1)
    return b"".join(x.to_bytes(4, "big") for x in out)


def aes256_ctr_stream(key, iv, size):
  aes, counter, out = Aes256(key), int.from_bytes(iv, "big"), bytearray()
  while len(out) < size:
    out += aes.encrypt(counter.to_bytes(16, "big"))
    counter = (counter + 1) % 2**128
  return bytes(out[:size])


# ---- POLYVAL (RFC 8452) and HCTR2 ----

_POLYVAL_MODULUS = (1 << 128) | (1 << 127) | (1 << 126) | (1 << 121) | 1


class Polyval:

  def __init__(self, h):
    # powers[i] = h * x^i * x^-128
    value, powers = int.from_bytes(h, "little"), [0] * 128
    for i in range(127, -1, -1):
      if value & 1:
        value ^= _POLYVAL_MODULUS
      value >>= 1
      powers[i] = value
    self._tables = []
    for byte in range(16):
      table = [0] * 256
      for bit in range(8):
        for low in range(1 << bit):
          table[(1 << bit) | low] = table[low] ^ powers[8 * byte + bit]
      self._tables.append(table)

  def __call__(self, message):
    assert len(message) % 16 == 0
    tables, acc = self._tables, 0
    for i in range(0, len(message), 16):
      acc ^= int.from_bytes(message[i:i + 16], "little")
      product = 0
      for table, byte in zip(tables, acc.to_bytes(16, "little")):
        product ^= table[byte]
      acc = product
    return acc.to_bytes(16, "little")


def _pad(data):
  return data + bytes(-len(data) % 16)


class Hctr2:

  def __init__(self, key):
    self._aes = Aes256(key)
    self._polyval = Polyval(self._aes.encrypt((0).to_bytes(16, "little")))
    self._l = self._aes.encrypt((1).to_bytes(16, "little"))

  def _hash(self, tweak, data):
    whole = len(data) % 16 == 0
    length = (2 * 8 * len(tweak) + (2 if whole else 3)).to_bytes(16, "little")
    return self._polyval(length + _pad(tweak)
                         + (data if whole else _pad(data + b"\1")))

  def _xctr(self, s, data):
    stream, s = bytearray(), int.from_bytes(s, "little")
    for i in range(1, (len(data) + 15) // 16 + 1):
      stream += self._aes.encrypt((s ^ i).to_bytes(16, "little"))
    return xor(data, stream[:len(data)])

  def encrypt(self, tweak, data):
    m, n = data[:16], data[16:]
    mm = xor(m, self._hash(tweak, n))
    uu = self._aes.encrypt(mm)
    v = self._xctr(xor(xor(mm, uu), self._l), n)
    return xor(uu, self._hash(tweak, v)) + v

  def decrypt(self, tweak, data):
    u, v = data[:16], data[16:]
    uu = xor(u, self._hash(tweak, v))
    mm = self._aes.decrypt(uu)
    n = self._xctr(xor(xor(mm, uu), self._l), v)
    return xor(mm, self._hash(tweak, n)) + n


# ---- ML-KEM-768 (FIPS 203) ----

_Q, _K, _DU, _DV = 3329, 3, 10, 4


def _bit_reverse7(i):
  return int(f"{i:07b}"[::-1], 2)


_ZETAS = [pow(17, _bit_reverse7(i), _Q) for i in range(128)]
_GAMMAS = [pow(17, 2 * _bit_reverse7(i) + 1, _Q) for i in range(128)]


def _ntt(f):
  f, i, length = list(f), 1, 128
  while length >= 2:
    for start in range(0, 256, 2 * length):
      zeta, i = _ZETAS[i], i + 1
      for j in range(start, start + length):
        t = zeta * f[j + length] % _Q
        f[j + length] = (f[j] - t) % _Q
        f[j] = (f[j] + t) % _Q
    length //= 2
  return f


def _inverse_ntt(f):
  f, i, length = list(f), 127, 2
  while length <= 128:
    for start in range(0, 256, 2 * length):
      zeta, i = _ZETAS[i], i - 1
      for j in range(start, start + length):
        t = f[j]
        f[j] = (t + f[j + length]) % _Q
        f[j + length] = zeta * (f[j + length] - t) % _Q
    length *= 2
  return [x * 3303 % _Q for x in f]


def _multiply(a, b):
  out = []
  for i in range(128):
    a0, a1, b0, b1 = a[2 * i], a[2 * i + 1], b[2 * i], b[2 * i + 1]
    out += [(a0 * b0 + a1 * b1 * _GAMMAS[i]) % _Q, (a0 * b1 + a1 * b0) % _Q]
  return out


def _add(a, b):
  return [(x + y) % _Q for x, y in zip(a, b)]


def _subtract(a, b):
  return [(x - y) % _Q for x, y in zip(a, b)]


def _dot(row, vector):
  total = [0] * 256
  for a, b in zip(row, vector):
    total = _add(total, _multiply(a, b))
  return total


def _encode(values, bits):
  number = 0
  for i, value in enumerate(values):
    number |= value << (bits * i)
  return number.to_bytes(32 * bits, "little")


def _decode(data, bits):
  number, mask = int.from_bytes(data, "little"), (1 << bits) - 1
  values = [(number >> (bits * i)) & mask for i in range(256)]
  return [v % _Q for v in values] if bits == 12 else values


def _compress(values, bits):
  return [((v << bits) + _Q // 2) // _Q % (1 << bits) for v in values]


def _decompress(values, bits):
  return [(v * _Q + (1 << (bits - 1))) >> bits for v in values]


def _sample_ntt(seed):
  size = 840
  while True:
    stream, out = hashlib.shake_128(seed).digest(size), []
    for i in range(0, size, 3):
      b0, b1, b2 = stream[i:i + 3]
      for d in (b0 + 256 * (b1 % 16), b1 // 16 + 16 * b2):
        if d < _Q and len(out) < 256:
          out.append(d)
    if len(out) == 256:
      return out
    size *= 2


def _sample_cbd2(seed, nonce):
  data = hashlib.shake_256(seed + bytes([nonce])).digest(128)
  number, out = int.from_bytes(data, "little"), []
  for i in range(256):
    bits = (number >> (4 * i)) & 15
    out.append(((bits & 1) + (bits >> 1 & 1) - (bits >> 2 & 1)
                - (bits >> 3)) % _Q)
  return out


def _g(data):
  digest = hashlib.sha3_512(data).digest()
  return digest[:32], digest[32:]


def _matrix(rho):
  return [[_sample_ntt(rho + bytes([j, i])) for j in range(_K)]
          for i in range(_K)]


def mlkem768_keygen(seed):
  """From d | z, the encapsulation and the decapsulation key."""
  d, z = seed[:32], seed[32:]
  rho, sigma = _g(d + bytes([_K]))
  a = _matrix(rho)
  s = [_ntt(_sample_cbd2(sigma, i)) for i in range(_K)]
  e = [_ntt(_sample_cbd2(sigma, _K + i)) for i in range(_K)]
  t = [_add(_dot(a[i], s), e[i]) for i in range(_K)]
  ek = b"".join(_encode(p, 12) for p in t) + rho
  dk = b"".join(_encode(p, 12) for p in s)
  return ek, dk + ek + hashlib.sha3_256(ek).digest() + z


def _pke_encrypt(ek, m, r):
  t = [_decode(ek[384 * i:384 * (i + 1)], 12) for i in range(_K)]
  a = _matrix(ek[384 * _K:])
  y = [_ntt(_sample_cbd2(r, i)) for i in range(_K)]
  e1 = [_sample_cbd2(r, _K + i) for i in range(_K)]
  e2 = _sample_cbd2(r, 2 * _K)
  u = [_add(_inverse_ntt(_dot([a[j][i] for j in range(_K)], y)), e1[i])
       for i in range(_K)]
  v = _add(_add(_inverse_ntt(_dot(t, y)), e2),
           _decompress(_decode(m, 1), 1))
  return (b"".join(_encode(_compress(p, _DU), _DU) for p in u)
          + _encode(_compress(v, _DV), _DV))


def mlkem768_encaps(ek, m):
  """The shared secret and the ciphertext, for randomness m."""
  secret, r = _g(m + hashlib.sha3_256(ek).digest())
  return secret, _pke_encrypt(ek, m, r)


def mlkem768_decaps(dk, ciphertext):
  s = [_decode(dk[384 * i:384 * (i + 1)], 12) for i in range(_K)]
  ek, h, z = dk[1152:2336], dk[2336:2368], dk[2368:]
  u = [_decompress(_decode(ciphertext[320 * i:320 * (i + 1)], _DU), _DU)
       for i in range(_K)]
  v = _decompress(_decode(ciphertext[320 * _K:], _DV), _DV)
  w = _subtract(v, _inverse_ntt(_dot(s, [_ntt(p) for p in u])))
  m = _encode(_compress(w, 1), 1)
  secret, r = _g(m + h)
  if _pke_encrypt(ek, m, r) != ciphertext:
    return hashlib.shake_256(z + ciphertext).digest(32)
  return secret


def self_test():
  """Public answers for each primitive; an assertion names what is wrong."""
  unhex = bytes.fromhex
  aes = Aes256(unhex("000102030405060708090a0b0c0d0e0f"
                     "101112131415161718191a1b1c1d1e1f"))
  block = unhex("00112233445566778899aabbccddeeff")
  assert aes.encrypt(block) == unhex("8ea2b7ca516745bfeafc49904b496089")
  assert aes.decrypt(aes.encrypt(block)) == block, "FIPS 197, C.3"
  assert x25519(
      unhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
      unhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
  ) == unhex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
            ), "RFC 7748, 5.2"
  assert hkdf_expand(
      hkdf_extract(bytes(range(13)), b"\x0b" * 22), bytes(range(0xF0, 0xFA)),
      42) == unhex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4"
                   "c5bf34007208d5b887185865"), "RFC 5869, A.1"
  assert Polyval(unhex("25629347589242761d31f826ba4b757b"))(
      unhex("4f4f95668c83dfb6401762bb2d01a262"
            "d1a24ddd2721d006bbe45f20d3c9f362")) == unhex(
                "f7a3b47b846119fae5b7866cf5e5b77e"), "RFC 8452, A"
  for key, plain, cipher in (
      ("93ea527d3af227fc39a45851f4e0fda3d790112f8bd7ecaf583d93980800decd",
       "84ece276218ef95b3909227107a9d89192",
       "8e6816ce7b66973882fcb55200bb784fdb"),
      ("b8aa213832dcbb0e4befb44203010881455c2317f1caf2ded41448b16f23095d",
       "e91fa36e9666afc52e7a7e0acc5d6ab259f4ed3e961cd0e50e614461e34a20f6"
       "bd8de889f97b7c0fcbecef00deac95d1",
       "e40c0ed769380ba7a8099912e56e0a799dc839b5ffb4f0845168dacb2cc83163"
       "21e052ce807b271694c8c9aa9cc1481b")):
    wide = Hctr2(unhex(key))
    assert wide.encrypt(b"", unhex(plain)) == unhex(cipher), "HCTR2"
    assert wide.decrypt(b"", unhex(cipher)) == unhex(plain), "HCTR2"
  ek, dk = mlkem768_keygen(bytes(range(64)))
  secret, ciphertext = mlkem768_encaps(ek, bytes(32))
  assert len(ek) == 1184 and len(ciphertext) == 1088
  assert mlkem768_decaps(dk, ciphertext) == secret, "ML-KEM-768"
  assert mlkem768_decaps(dk, bytes(1088)) != secret, "ML-KEM-768"
