#!/usr/bin/env python3
"""Replays traces of the C++ code (README.md, "Traces").

  replay.py TRACE_PROGRAM FIRST COUNT     seeds FIRST to FIRST + COUNT - 1
  replay.py --file FILE                   a trace that was kept

Fails with the first event of which the model says something else. Prints what
was covered; with --require-coverage, fails if a rule was not reached.
"""

import collections
import subprocess
import sys
import time

import world as w

# What a run must have seen, as "verb outcome".
REQUIRED = [
    "deliver OK", "deliver NOT_FOUND", "deliver ALREADY_EXISTS",
    "deliver UNAUTHENTICATED", "deliver INVALID_ARGUMENT",
    "deliver RESOURCE_EXHAUSTED", "deliver FAILED_PRECONDITION",
    "deliver accepted", "deliver to one of several", "fetch OK",
    "fetch FAILED_PRECONDITION", "learn OK", "learn FAILED_PRECONDITION",
    "start OK", "start FAILED_PRECONDITION", "start TOO_OFTEN", "send OK",
    "send INVALID_ARGUMENT", "rotate rotated", "rotate deleted",
    "clean deleted", "clean dropped keys", "store", "restore", "lose",
    "keys at their limit", "flip"
]


class Disagreement(Exception):
    pass


def shorten(fields):
    return " ".join(x if len(x) < 400 else x[:400] + "..."
                    for x in fields.split(" "))


def explain(ours, theirs):
    """Both, without what is equal and with where blobs begin to differ."""
    lines = []
    for a, b in zip(ours.split(" "), theirs.split(" ")):
        if a != b:
            at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y),
                      min(len(a), len(b)))
            lines.append("  model %s\n  C++   %s\n  from character %d on" %
                         (shorten(a), shorten(b), at))
    return "\n".join(lines)


def keys_kept(outcome):
    return sum(int(s.split(":")[6]) for s in outcome["state"].split(",")
               if s) if "state" in outcome else 0


def count(seen, verb, fields, outcome, before):
    seen[verb] += 1
    if "verdict" in outcome:
        seen[verb + " " + outcome["verdict"]] += 1
    if fields.get("flip"):
        seen["flip"] += 1
    if outcome.get("rotated") == "1":
        seen["rotate rotated"] += 1
    if outcome.get("deleted"):
        seen[verb + " deleted"] += 1
    sessions, sessions_before = (x.get("state", "").count(":2:") for x in
                                 (outcome, before))
    if verb == "deliver" and sessions > sessions_before:
        seen["deliver accepted"] += 1
    if (verb == "deliver" and outcome["verdict"] == "OK" and
            "," in outcome["state"]):
        seen["deliver to one of several"] += 1
    if verb == "clean" and keys_kept(outcome) < keys_kept(
            before) and not outcome["deleted"]:
        seen["clean dropped keys"] += 1
    if any(int(s.split(":")[6]) == 2000
           for s in outcome.get("state", "").split(",") if s):
        seen["keys at their limit"] += 1


def replay(lines, seen):
    """Returns the number of schedules."""
    schedules, world, before = 0, None, {}
    for n, line in enumerate(lines, 1):
        if line.startswith("schedule"):
            schedules += 1
            name, world, before = line.strip(), w.World(), {}
            continue
        verb, fields, theirs = w.parse(line)
        try:
            outcome = world.apply(verb, fields)
        except ValueError as error:
            raise Disagreement("%s, line %d: %s\n  %s" %
                               (name, n, error, shorten(line))) from error
        ours = w.text(outcome)
        if ours != theirs:
            raise Disagreement("%s, line %d: %s\n%s" %
                               (name, n, shorten(line.split(" -> ")[0]),
                                explain(ours, theirs)))
        count(seen, verb, fields, outcome, before.get(fields.get("who"), {}))
        before[fields.get("who")] = outcome
    return schedules


def main(argv):
    require = "--require-coverage" in argv
    argv = [a for a in argv if a != "--require-coverage"]
    seen, started = collections.Counter(), time.process_time()
    try:
        if argv[0] == "--file":
            with open(argv[1]) as file:
                schedules = replay(file, seen)
        else:
            with subprocess.Popen(argv, stdout=subprocess.PIPE,
                                  text=True) as program:
                schedules = replay(program.stdout, seen)
            if program.returncode != 0 or schedules != int(argv[2]):
                sys.exit("%s failed" % argv[0])
    except Disagreement as disagreement:
        sys.exit("the model disagrees: %s" % disagreement)
    seconds = time.process_time() - started
    print("%d schedules in %.1f s of the model" % (schedules, seconds))
    for name in sorted(set(seen) | set(REQUIRED)):
        print("%8d  %s" % (seen[name], name))
    missing = [name for name in REQUIRED if not seen[name]]
    if require and missing:
        sys.exit("never happened: %s" % ", ".join(missing))


if __name__ == "__main__":
    main(sys.argv[1:])
