#!/usr/bin/env python3
"""Makes placement_vectors.txt from swarm/SPEC.md, sections 1 and 2, alone.

Without arguments prints the vectors; with `--check FILE` compares.
"""

import hashlib
import ipaddress
import sys


def blake2b(personal, data):
    return hashlib.blake2b(data, digest_size=32,
                           person=personal.ljust(16, b"\0")).digest()


def stream(label, n):
    return hashlib.shake_256(label.encode()).digest(n)


def shard_of(mailbox):
    return int.from_bytes(blake2b(b"nm1-shard", mailbox)[:2], "big") >> 4


def block_of(address):
    host = address.rsplit(":", 1)[0].strip("[]")
    ip = ipaddress.ip_address(host)
    return str(ipaddress.ip_network((ip, 24 if ip.version == 4 else 48),
                                    strict=False))


def members(shard, nodes, count):
    ranked = sorted(
        nodes, reverse=True,
        key=lambda n: blake2b(b"nm1-rendezvous",
                              shard.to_bytes(2, "big") + n["id"]))
    chosen = []

    def clashes(node, field):
        return any(c[field] == node[field] for c in chosen)

    for rule in ("both", "operator", "none"):
        for node in ranked:
            if len(chosen) == count:
                return chosen
            if node in chosen:
                continue
            declared = any(node["operator"])
            if rule != "none" and declared and clashes(node, "operator"):
                continue
            if rule == "both" and clashes(node, "block"):
                continue
            chosen.append(node)
    return chosen


def network(name, count):
    """Nodes of which some share operators, address blocks, or neither."""
    nodes = []
    for i in range(count):
        r = stream("%s node %d" % (name, i), 3)
        operator = b"\0" * 32 if r[0] % 4 == 0 else stream(
            "%s operator %d" % (name, r[0] % (count // 2 + 1)), 32)
        if r[1] % 3 == 0:
            address = "[2001:db8:%x::%x]:4001" % (r[2] % 7, i + 1)
        else:
            address = "10.1.%d.%d:4001" % (r[2] % (count // 2 + 1), i + 1)
        nodes.append({"id": stream("%s id %d" % (name, i), 32),
                      "operator": operator, "address": address,
                      "block": block_of(address)})
    return nodes


def lines():
    yield "# mailbox <address> <shard>"
    for i in range(16):
        kind = b"\x05" if i % 2 else b"\x06"
        mailbox = kind + stream("mailbox %d" % i, 32)
        yield "mailbox %s %d" % (mailbox.hex(), shard_of(mailbox))
    yield "# node <network> <id> <operator> <address>; swarm <network>"
    yield "# <shard> <size> <members, in order, by number of the node>"
    for name, count, sizes in (("lone", 1, (3,)), ("small", 5, (3, 7)),
                               ("clumped", 12, (5, 7)), ("large", 40, (7,))):
        nodes = network(name, count)
        for node in nodes:
            yield "node %s %s %s %s" % (name, node["id"].hex(),
                                        node["operator"].hex(),
                                        node["address"])
        for size in sizes:
            for k in range(12):
                shard = int.from_bytes(stream("%s shard %d" % (name, k), 2),
                                       "big") >> 4
                order = [nodes.index(n) for n in members(shard, nodes, size)]
                yield "swarm %s %d %d %s" % (name, shard, size,
                                             ",".join(map(str, order)))


def main():
    text = "".join(line + "\n" for line in lines())
    if sys.argv[1:2] == ["--check"]:
        with open(sys.argv[2], encoding="utf-8") as f:
            if f.read() != text:
                sys.exit("the vectors differ from what this script makes")
        return
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
