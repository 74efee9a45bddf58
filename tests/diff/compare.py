#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares two outputs of the runner: compare.py decode-a64.json REFERENCE OTHER

Prints, for each pattern with a difference (of a run's first instruction), how many there are and the first:
index, word, both signals. Exit status 1 if there is one, or if an output is cut short.
"""
import argparse
import json
import sys


def pattern_of(patterns, word):
    for mask, value, name in patterns:
        if word & mask == value:
            return name
    return "unallocated"


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("patterns")
    ap.add_argument("reference")
    ap.add_argument("other")
    args = ap.parse_args()
    with open(args.patterns) as f:
        patterns = [(int(p["mask"], 16), int(p["value"], 16), p["name"]) for p in json.load(f)]
    one, other = ([line.split() for line in open(name)] for name in (args.reference, args.other))
    different = {}
    for a, b in zip(one, other):
        if a != b:
            different.setdefault(pattern_of(patterns, int(a[1], 16)), []).append((a[0], a[1], a[2], b[2]))
    for name, rows in different.items():
        index, word, sig_a, sig_b = rows[0]
        print(f"{name}: {len(rows)} differ; #{index} {word}, signals {sig_a} and {sig_b}")
    if len(one) != len(other):
        print(f"{len(one)} results against {len(other)}")
    print(f"{sum(map(len, different.values()))} of {len(one)} differ")
    sys.exit(bool(different) or len(one) != len(other))


if __name__ == "__main__":
    main()
