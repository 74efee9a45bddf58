#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random A64 instructions from the pattern list: generate.py decode-a64.json OUT [-n N] [-s SEED] [-m REGEX]

Writes N 32-bit words, every chosen pattern in turn. Bases of memory accesses are X28 or SP, their index
registers X27; X26 belongs to the runner. Left out is what leaves the straight path or has no fixed answer.
"""
import argparse
import json
import random
import re
import struct

SKIP_FUNCS = re.compile(r"^(b|bl|br|blr|ret|b_cond|cbz|tbz|bra|braz|blra|blraz|retaa|svc|brk|sys|sysreg|isb|"
                        r"wfe|wfxt|pac|pac_hint|pacga|xpac|xpaclri|ldra|adr|msr_imm|ldr_lit|ldr_lit_v)$")
MEMORY = re.compile(r"^(ld|st|cas|atomic)")
REGISTERS = ("rd", "rn", "rm", "rt", "rt2", "rs", "ra", "rt3", "rt4")


def words(p, rng):
    mask, insn = int(p["mask"], 16), int(p["value"], 16)
    insn |= rng.getrandbits(32) & ~mask & 0xffffffff
    memory = MEMORY.match(p["func"])
    for f in p["fields"]:
        name, pos, length = f["name"], f["pos"], f["len"]
        val = insn >> pos & ((1 << length) - 1)
        if name in REGISTERS and length == 5:
            if memory and name == "rn":
                val = rng.choice((28, 28, 28, 31))
            elif memory and name == "rm":
                val = rng.choice((27, 27, 31))
            elif val in (26, 27, 28):
                val = rng.choice((0, 1, 2, 3, 31))
        if p["func"].startswith("ldr_lit") and name == "imm":
            val = rng.randrange(16)
        insn = insn & ~(((1 << length) - 1) << pos) | val << pos
    return insn


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("patterns")
    ap.add_argument("out")
    ap.add_argument("-n", type=int, default=10000)
    ap.add_argument("-s", "--seed", type=int, default=1)
    ap.add_argument("-m", "--match", default=".", help="only patterns whose name or function matches")
    ap.add_argument("--shuffle", action="store_true", help="patterns in random order, not in turn")
    ap.add_argument("-x", "--exclude", default="^$", help="not those whose name or function matches")
    args = ap.parse_args()
    rng = random.Random(args.seed)
    with open(args.patterns) as f:
        patterns = [p for p in json.load(f) if not SKIP_FUNCS.match(p["func"]) and
                    not re.search(args.exclude, p["name"]) and not re.search(args.exclude, p["func"]) and
                    (re.search(args.match, p["name"]) or re.search(args.match, p["func"]))]
    if not patterns:
        raise SystemExit(f"generate: no pattern matches '{args.match}'")
    with open(args.out, "wb") as out:
        for i in range(args.n):
            out.write(struct.pack("<I", words(rng.choice(patterns) if args.shuffle else patterns[i % len(patterns)], rng)))


if __name__ == "__main__":
    main()
