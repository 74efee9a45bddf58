#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares two outputs of the runner: compare.py decode-a64.json REFERENCE OTHER [--explain WORDS CMD1 CMD2]

Prints, for each pattern with a difference (of a run's first instruction), how many there are and the first:
index, word, both signals. --explain runs both runners (CMD WORDS INDEX) once more for each difference, and
counts apart those that docs/target-arm.md explains: FPSR's flags of underflow, for a result that rounds up to the
least normal number, and of a denormal operand beside a NaN where FPCR.FZ is set. Exit status 1 if others are left or an output is cut short.
"""
import argparse
import json
import re
import subprocess
import sys

UNDERFLOW, INEXACT, DENORMAL = 8, 16, 128
FLUSH = 1 << 24
FPSR = re.compile(r"fpsr ([0-9a-f]{8}), fpcr ([0-9a-f]{8})")


def pattern_of(patterns, word):
    for mask, value, name in patterns:
        if word & mask == value:
            return name
    return "unallocated"


def explained(index, words, commands):
    """Are those flags all that differs in run `index`?"""
    states = []
    for command in commands:
        text = subprocess.run(command.split() + [words, index], capture_output=True, text=True, check=True).stdout
        states.append(text.splitlines()[1:])
    if len(states[0]) != len(states[1]):
        return False
    return all(a == b or flags_explained(a, b) for a, b in zip(*states))


def flags_explained(a, b):
    one, other = FPSR.search(a), FPSR.search(b)
    if not one or not other or FPSR.sub("", a) != FPSR.sub("", b) or one.group(2) != other.group(2):
        return False
    flags, fpcr = [int(m.group(1), 16) for m in (one, other)], int(one.group(2), 16)
    allowed = UNDERFLOW if flags[0] & flags[1] & INEXACT else 0
    allowed |= DENORMAL if fpcr & FLUSH else 0
    return not (flags[0] ^ flags[1]) & ~allowed


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
          (f", {known} explained by a flag" if known else ""))
    sys.exit(bool(different) or len(one) != len(other))


if __name__ == "__main__":
    main()
