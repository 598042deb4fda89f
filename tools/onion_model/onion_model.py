"""A second implementation of the onion format, written from routing/SPEC.md.

  onion_model.py generate FILE   writes the vectors
  onion_model.py verify FILE     computes everything in FILE again from the
                                 inputs in it, and compares

The vectors are one flat JSON object of hexadecimal strings, one a line, so that
a reader needs no JSON library.
"""

import hashlib
import json
import sys

import primitives
from primitives import xor

SLOT, CT, COMMAND, GAMMA = 1184, 1120, 48, 16
BETA, PAYLOAD, BODY = 4 * SLOT - CT, 3408, 8176
FORWARD, DELIVER = 1, 2
DATA, END, ERROR = 1, 2, 3


def be(value, size):
  return value.to_bytes(size, "big")


# ---- Section 2: SETUP ----


def associated_data(onion_epoch, kem_epoch):
  return b"\1\0\0\0" + be(onion_epoch, 4) + be(kem_epoch, 4) + bytes(4)


def command(kind, target, expiry_minute, reply_budget):
  encoded = (be(kind, 1) + target + be(expiry_minute, 4) + be(0, 2)
             + be(reply_budget, 1) + bytes(8))
  assert len(encoded) == COMMAND
  return encoded


class Layer:
  """The keys of one layer (section 2.3), the same at both ends."""

  def __init__(self, ad, node_id, onion_public, kem_public, ct, ss_kem, ss_dh):
    assert ss_dh != bytes(32)
    self.ad, self.ct = ad, ct
    self.prk = primitives.hkdf_extract(b"onion-v1", ss_kem + ss_dh)
    context = hashlib.sha256(ad + node_id + onion_public
                             + hashlib.sha256(kem_public).digest()
                             + ct).digest()
    self.okm = primitives.hkdf_expand(self.prk, b"nm/v1/onion\0" + context, 256)
    rest = self.okm
    parts = []
    for size in (32, 32, 16, 32, 32, 32, 32, 32, 16):
      parts.append(rest[:size])
      rest = rest[size:]
    (self.mac_key, stream_key, stream_iv, payload_key, forward_key,
     backward_key, forward_iv, backward_iv, self.replay_tag) = parts
    self.stream = primitives.aes256_ctr_stream(stream_key, stream_iv,
                                               BETA + SLOT)
    self.payload_cipher = primitives.Hctr2(payload_key)
    self.forward = Chain(forward_key, forward_iv)
    self.backward = Chain(backward_key, backward_iv)

  def gamma(self, beta):
    return primitives.hmac_sha256(self.mac_key, self.ad + self.ct + beta)[:16]


def build(hops, ad, service, expiry_minute, reply_budget, data, random):
  """Section 2.5. `hops` are (node id, onion public, KEM public)."""
  n, layers = len(hops), []
  for node_id, onion_public, kem_public in hops:
    x, m, random = random[:32], random[32:64], random[64:]
    ss_kem, ct_kem = primitives.mlkem768_encaps(kem_public, m)
    layers.append(Layer(ad, node_id, onion_public, kem_public,
                        primitives.x25519_public(x) + ct_kem, ss_kem,
                        primitives.x25519(x, onion_public)))
  filler = b""
  for i in range(n - 1):
    filler = xor(filler + bytes(SLOT),
                 layers[i].stream[BETA + SLOT - (i + 1) * SLOT:])
  tail_size = BETA - COMMAND - (n - 1) * SLOT
  assert len(random) == tail_size, "the random input is used up exactly"
  terminal = command(DELIVER, be(service, 1) + bytes(31), expiry_minute,
                     reply_budget)
  betas, gammas = [None] * n, [None] * n
  clear = terminal + random
  betas[n - 1] = xor(clear, layers[n - 1].stream[:len(clear)]) + filler
  gammas[n - 1] = layers[n - 1].gamma(betas[n - 1])
  for i in range(n - 2, -1, -1):
    clear = (command(FORWARD, hops[i + 1][0], expiry_minute, reply_budget)
             + gammas[i + 1] + layers[i + 1].ct + betas[i + 1][:BETA - SLOT])
    betas[i] = xor(clear, layers[i].stream[:BETA])
    gammas[i] = layers[i].gamma(betas[i])
  payload = bytes(16) + data + bytes(PAYLOAD - 16 - len(data))
  for i in range(n - 1, -1, -1):
    payload = layers[i].payload_cipher.encrypt(b"setup" + gammas[i], payload)
  body = ad + layers[0].ct + betas[0] + gammas[0] + payload
  assert len(body) == BODY
  return body, layers


def peel(node_id, onion_secret, onion_public, kem_public, kem_secret, body):
  """Section 2.6: the layer, the command and the next body or the data."""
  assert len(body) == BODY
  ad, ct, beta = body[:16], body[16:1136], body[1136:4752]
  gamma, payload = body[4752:4768], body[4768:]
  layer = Layer(ad, node_id, onion_public, kem_public, ct,
                primitives.mlkem768_decaps(kem_secret, ct[32:]),
                primitives.x25519(onion_secret, ct[:32]))
  assert layer.gamma(beta) == gamma, "refused"
  slots = xor(beta + bytes(SLOT), layer.stream)
  payload = layer.payload_cipher.decrypt(b"setup" + gamma, payload)
  if slots[0] == DELIVER:
    assert payload[:16] == bytes(16), "refused"
    return layer, slots[:48], payload[16:]
  return layer, slots[:48], ad + slots[64:] + slots[48:64] + payload


# ---- Section 3: CELL ----


class Chain:

  def __init__(self, key, iv):
    self._cipher, self._history, self._next = primitives.Hctr2(key), iv, 0

  def _tweak(self):
    tweak = be(self._next, 8) + self._history
    self._next += 1
    return tweak

  def add(self, inner):
    outer = self._cipher.encrypt(self._tweak(), inner)
    self._history = outer[:16] + inner[:16]
    return outer

  def remove(self, outer):
    inner = self._cipher.decrypt(self._tweak(), outer)
    self._history = outer[:16] + inner[:16]
    return inner


def cell(kind, seq, data):
  header = be(kind, 1) + bytes(3) + be(len(data), 2) + be(seq, 4) + bytes(2)
  assert len(header) == 12
  return bytes(16) + header + data + bytes(BODY - 28 - len(data))


# ---- Vectors ----


def expand(label, size):
  """Inputs of the vectors: arbitrary, but nobody chose them."""
  return hashlib.shake_256(b"onion vectors: " + label.encode()).digest(size)


def make_inputs():
  inputs = {}
  data_sizes = {1: 0, 2: 100, 3: 3376, 4: 3392}
  for n in range(1, 5):
    case = f"path{n}"
    inputs[f"{case}.onion_epoch"] = be(1000 + n, 4)
    inputs[f"{case}.kem_epoch"] = be(30 + n, 4)
    inputs[f"{case}.service"] = be(n, 1)
    inputs[f"{case}.expiry_minute"] = be(29_000_000 + n, 4)
    inputs[f"{case}.reply_budget"] = be(2 ** (n - 1), 1)
    inputs[f"{case}.random"] = expand(f"{case}.random",
                                      64 * n + BETA - COMMAND - (n - 1) * SLOT)
    inputs[f"{case}.data"] = expand(f"{case}.data", data_sizes[n])
    for i in range(n):
      for name, size in (("node_id", 32), ("onion_secret", 32),
                         ("kem_seed", 64)):
        inputs[f"{case}.hop{i}.{name}"] = expand(f"{case}.hop{i}.{name}", size)

  def add_cell(name, kind, seq, data, hop=None):
    inputs[f"{name}.command"] = be(kind, 1)
    inputs[f"{name}.seq"] = be(seq, 4)
    inputs[f"{name}.data"] = data
    if hop is not None:
      inputs[f"{name}.hop"] = be(hop, 1)

  for n in (2, 4):
    for direction, hop in (("forward", None), ("backward", n - 1)):
      cells = f"path{n}.{direction}"
      add_cell(f"{cells}0", DATA, 0, expand(f"{cells}0", 8148), hop)
      add_cell(f"{cells}1", END, 1, b"the end", hop)
  # Every hop of the longest path reports an error, the destination first:
  # UNAVAILABLE = 14.
  for i in range(4):
    add_cell(f"path4.backward{2 + i}", ERROR, 0, be(14, 1), hop=3 - i)
  return inputs


def run_cells(case, inputs, vectors, client, relays):
  n, number = len(client), lambda value: int.from_bytes(value, "big")

  def plaintext(name):
    for field in ("command", "seq", "data"):
      vectors[f"{name}.{field}"] = inputs[f"{name}.{field}"]
    return cell(number(inputs[f"{name}.command"]),
                number(inputs[f"{name}.seq"]), inputs[f"{name}.data"])

  j = 0
  while f"{case}.forward{j}.data" in inputs:
    name = f"{case}.forward{j}"
    clear = body = plaintext(name)
    for layer in reversed(client):
      body = layer.forward.add(body)
    for i in range(n):
      vectors[f"{name}.link{i}"] = body  # what hop i receives
      body = relays[i].forward.remove(body)
    assert body == clear
    j += 1
  j = 0
  while f"{case}.backward{j}.data" in inputs:
    name = f"{case}.backward{j}"
    hop = vectors[f"{name}.hop"] = inputs[f"{name}.hop"]
    clear = body = plaintext(name)
    for i in range(number(hop), -1, -1):
      body = relays[i].backward.add(body)
      vectors[f"{name}.link{i}"] = body  # what hop i sends
    for i in range(number(hop) + 1):
      assert body[:16] != bytes(16), "not readable before its hop"
      body = client[i].backward.remove(body)
    assert body == clear
    j += 1


def run_case(n, inputs, vectors):
  case = f"path{n}"
  number = lambda name: int.from_bytes(inputs[f"{case}.{name}"], "big")
  for name in ("onion_epoch", "kem_epoch", "service", "expiry_minute",
               "reply_budget", "random", "data"):
    vectors[f"{case}.{name}"] = inputs[f"{case}.{name}"]
  hops, secrets = [], []
  for i in range(n):
    hop = f"{case}.hop{i}"
    for name in ("node_id", "onion_secret", "kem_seed"):
      vectors[f"{hop}.{name}"] = inputs[f"{hop}.{name}"]
    onion_public = primitives.x25519_public(inputs[f"{hop}.onion_secret"])
    kem_public, kem_secret = primitives.mlkem768_keygen(
        inputs[f"{hop}.kem_seed"])
    vectors[f"{hop}.onion_public"] = onion_public
    vectors[f"{hop}.kem_public"] = kem_public
    hops.append((inputs[f"{hop}.node_id"], onion_public, kem_public))
    secrets.append(kem_secret)
  ad = associated_data(number("onion_epoch"), number("kem_epoch"))
  body, client = build(hops, ad, number("service"), number("expiry_minute"),
                       number("reply_budget"), inputs[f"{case}.data"],
                       inputs[f"{case}.random"])
  relays = []
  for i in range(n):
    hop = f"{case}.hop{i}"
    vectors[f"{hop}.setup"] = body
    node_id, onion_public, kem_public = hops[i]
    gamma, beta = body[4752:4768], body[1136:4752]
    layer, cmd, body = peel(node_id, inputs[f"{hop}.onion_secret"],
                            onion_public, kem_public, secrets[i], body)
    assert layer.okm == client[i].okm and layer.ct == client[i].ct
    relays.append(layer)
    vectors[f"{hop}.ct"] = layer.ct
    vectors[f"{hop}.beta"] = beta
    vectors[f"{hop}.gamma"] = gamma
    vectors[f"{hop}.prk"] = layer.prk
    vectors[f"{hop}.keys"] = layer.okm
    vectors[f"{hop}.replay_tag"] = layer.replay_tag
    vectors[f"{hop}.command"] = cmd
  vectors[f"{case}.delivered"] = body
  assert body == inputs[f"{case}.data"].ljust(3392, b"\0")
  run_cells(case, inputs, vectors, client, relays)


def compute(inputs):
  primitives.self_test()
  vectors = {}
  for n in range(1, 5):
    run_case(n, inputs, vectors)
  return vectors


def main(arguments):
  if len(arguments) != 2 or arguments[0] not in ("generate", "verify"):
    print(__doc__, file=sys.stderr)
    return 2
  mode, path = arguments
  if mode == "generate":
    vectors = compute(make_inputs())
    lines = [f'  "{name}": "{value.hex()}"' for name, value in vectors.items()]
    with open(path, "w", encoding="ascii") as file:
      file.write("{\n" + ",\n".join(lines) + "\n}\n")
    return 0
  with open(path, encoding="ascii") as file:
    published = {name: bytes.fromhex(value)
                 for name, value in json.load(file).items()}
  computed = compute(published)
  wrong = [name for name in sorted(published.keys() | computed.keys())
           if published.get(name) != computed.get(name)]
  for name in wrong:
    print(f"differs: {name}", file=sys.stderr)
  print(f"{len(computed) - len(wrong)} of {len(computed)} vectors agree")
  return 1 if wrong else 0


if __name__ == "__main__":
  sys.exit(main(sys.argv[1:]))
