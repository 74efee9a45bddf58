#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares two outputs of the runner: compare.py decode-a64.json REFERENCE OTHER [--explain WORDS CMD1 CMD2]

Prints, for each pattern with a difference (of a run's first instruction), how many there are and the first:
index, word, both signals. --explain runs both runners (CMD WORDS INDEX) once more for each difference, and
counts apart those that docs/differences-from-qemu.md explains: the underflow flag of a result that rounds up to
the least normal number. Exit status 1 if others are left or an output is cut short.
"""
import argparse
import json
import re
import subprocess
import sys

UNDERFLOW, INEXACT = 8, 16
FPSR = re.compile(r"fpsr ([0-9a-f]{8})")


def pattern_of(patterns, word):
    for mask, value, name in patterns:
        if word & mask == value:
            return name
    return "unallocated"


def explained(index, words, commands):
    """Is the underflow flag all that differs in run `index`?"""
    states = []
    for command in commands:
        text = subprocess.run(command.split() + [words, index], capture_output=True, text=True, check=True).stdout
        states.append(text.splitlines()[1:])
    if len(states[0]) != len(states[1]):
        return False
    for a, b in zip(*states):
        flags = [int(FPSR.search(line).group(1), 16) if FPSR.search(line) else 0 for line in (a, b)]
        if FPSR.sub("", a) != FPSR.sub("", b) or flags[0] ^ flags[1] not in (0, UNDERFLOW):
            return False
        if flags[0] != flags[1] and not flags[0] & flags[1] & INEXACT:
            return False
    return True


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("patterns")
    ap.add_argument("reference")
    ap.add_argument("other")
    ap.add_argument("--explain", nargs=3, metavar=("WORDS", "CMD1", "CMD2"))
    args = ap.parse_args()
    with open(args.patterns) as f:
        patterns = [(int(p["mask"], 16), int(p["value"], 16), p["name"]) for p in json.load(f)]
    one, other = ([line.split() for line in open(name)] for name in (args.reference, args.other))
    different, known = {}, 0
    for a, b in zip(one, other):
        if a == b:
            continue
        if args.explain and len(different) < 20 and explained(a[0], args.explain[0], args.explain[1:]):
            known += 1
        else:
            different.setdefault(pattern_of(patterns, int(a[1], 16)), []).append((a[0], a[1], a[2], b[2]))
    for name, rows in different.items():
        index, word, sig_a, sig_b = rows[0]
        print(f"{name}: {len(rows)} differ; #{index} {word}, signals {sig_a} and {sig_b}")
    if len(one) != len(other):
        print(f"{len(one)} results against {len(other)}")
    print(f"{sum(map(len, different.values()))} of {len(one)} differ" +
          (f", {known} more by the underflow flag alone" if known else ""))
    sys.exit(bool(different) or len(one) != len(other))


if __name__ == "__main__":
    main()
