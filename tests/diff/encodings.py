#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares two results of encodings.c: encodings.py decode-a64.json LOW REFERENCE OURS [-v]

Prints, by our pattern, how many encodings are an instruction on one machine and SIGILL on the other, with the
first. Exit status 1 if there is one that is neither of a pattern whose feature the reference lacks (NEWER) nor
explained in EXPLAINED, which docs/differences-from-qemu.md repeats.
"""
import argparse
import json
import re
import sys
from collections import defaultdict

ILL = 4
DIED, NOT_RUN = 254, 255
# qemu-aarch64 7.2 has no FEAT_CSSC, HBC, LSE128, LRCPC3, MOPS; it has SVE, SME and MTE, of issues of their own.
NEWER = re.compile(r"^([SU](MAX|MIN)_(imm|reg)|CTZ|ABS|CNT|BC_cond|LDCLRP|LDSETP|SWPP|(STLUR|LDAPUR)_[qv]|LDAPR_post|"
                   r"STLR_pre|STILP.*|LDIAPP.*|CPY.*|SET[PME]|WFET|WFIT)$")
# (mask, value, why) of what one machine takes for an instruction and the other does not
EXPLAINED = [
    (0x1e000000, 0x04000000, "SVE"),
    (0x9e000000, 0x80000000, "SME"),
    (0xffe0fc00, 0x9ac01000, "MTE: IRG"),
    (0xffe0f000, 0x9ac00000, "MTE: SUBP"), (0xffe0fc00, 0x9ac01400, "MTE: GMI"), (0xffe0fc00, 0xbac00000, "MTE: SUBPS"),
    (0xbfc0c000, 0x91800000, "MTE: ADDG SUBG"), (0xff200000, 0xd9200000, "MTE: STG LDG"),
    (0xfc400000, 0x68000000, "MTE: STGP"),
    (0x8f7fcc00, 0x0e70c800, "bit 22 of half-precision FMAXNMV FMAXV, FMAXNMP FADDP FMAXP: C4.1, across lanes, pairwise"),
    (0xbff8fc00, 0x2f00fc00, "modified immediate, op 1, o2 1: C4.1"),
    (0xffffcc00, 0x7ef8c800, "scalar FNEG of a half: C4.1, scalar two-register miscellaneous FP16"),
    # and of what only we take for one
    (0xfffff000, 0xd5380000, "CPU identification: Linux reads zero (cpu-feature-registers.rst)"),
]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("patterns")
    ap.add_argument("low")
    ap.add_argument("reference")
    ap.add_argument("ours")
    args = ap.parse_args()
    with open(args.patterns) as f:
        patterns = [(int(p["mask"], 16), int(p["value"], 16), p["name"]) for p in json.load(f)]
    low = int(args.low, 0)
    reference, ours = (open(name, "rb").read() for name in (args.reference, args.ours))
    groups = defaultdict(list)
    for high, (a, b) in enumerate(zip(reference, ours)):
        if a == b or a in (DIED, NOT_RUN) or (a == ILL) == (b == ILL):
            continue
        word = high << 10 | low
        name = next((n for m, v, n in patterns if word & m == v), None)
        why = next((w for m, v, w in EXPLAINED if word & m == v), None)
        groups[(name or why or f"none {word >> 20:03x}xxxxx", "SIGILL" if a == ILL else "instruction",
                bool(why or (name and NEWER.match(name) and a == ILL)))].append(word)
    bad = 0
    for (name, what, known), words in sorted(groups.items(), key=lambda g: (g[0][2], g[1][0])):
        print(f"{'known   ' if known else 'DIFFERS '} {name}: {len(words)} are {what} there, not here; {words[0]:08x}")
        bad += not known
    print(f"{len(ours) - ours.count(NOT_RUN)} encodings, {ours.count(ILL)} SIGILL here, {reference.count(ILL)} there; "
          f"{reference.count(DIED)} ended the other emulator; {bad} kinds of difference unexplained")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
