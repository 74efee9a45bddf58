#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random A64 instructions from the pattern list: generate.py decode-a64.json OUT [options]

Writes 32-bit words: runs of LENGTH words (-q), each of random patterns, or with --each K words of every
pattern in file order, always the same ones for a pattern's name. What runner.c sets up, no word destroys: X28
and SP are bases of memory accesses, X24 that of those that must be aligned, X27 their index; X25 is the address
behind the run, where indirect branches go; X26 is the runner's own. Branches go forward, inside of the run.
"""
import argparse
import json
import random
import re
import struct
import sys

# What a run cannot hold, with the reason. Tests of their own execute these, see `make coverage-isa`.
SKIP = {
    "svc": "ends a run",
    "wfe": "waits", "wfxt": "waits",
    "pac": "keys are random", "pac_hint": "keys are random", "pacga": "keys are random",
    "ldra": "keys are random", "bra": "keys are random", "braz": "keys are random",
    "blra": "keys are random", "blraz": "keys are random", "retaa": "keys are random",
    "cpy": "sizes are in registers", "set": "sizes are in registers",
}
PRIVILEGED = ("firmware", "msr_pstate", "eret", "eretaa")  # SIGILL is what EL0 sees of them
GROUPS = {"dp-imm": (8, 9), "branch": (10, 11), "ldst": (4, 6, 12, 14), "dp-reg": (5, 13), "simd": (7, 15)}
RESERVED = (24, 25, 26, 27, 28)
REGISTERS = ("rd", "rn", "rm", "rt", "rt2", "rs", "ra", "rt3", "rt4")
MEMORY = re.compile(r"^(ld|st|cas|atomic)")
ALIGNED = re.compile(r"^(cas|casp|atomic|atomic128|ldxr|stxr|ldxp|stxp|ldar|stlr|ldapr|stlur|ldapur|ldapur_v|"
                     r"ldapr_post|stlr_pre|ldiapp|stilp)$")
BRANCHES = {"b": 26, "bl": 26, "b_cond": 19, "cbz": 19, "tbz": 14}
PAIRS = ("ldp", "ldxp", "ldiapp", "ldstp_v")
INDIRECT = ("br", "blr", "ret")
SYSTEM = [  # (word, register field is free) of the system space, where most encodings are unallocated
    0xd51b4200, 0xd53b4200,  # NZCV
    0xd51b4400, 0xd53b4400,  # FPCR
    0xd51b4420, 0xd53b4420,  # FPSR
    0xd51b42a0, 0xd53b42a0,  # DIT
    0xd51b42c0, 0xd53b42c0,  # SSBS
]
LITERALS = 40  # words from an instruction to what runner.c has put there
CACHE = [0xd50b7a3c, 0xd50b7b3c, 0xd50b7e3c, 0xd50b753c]  # DC CVAC, CVAU, CIVAC, IC IVAU of X28


class Generator:
    def __init__(self, rng, length):
        self.bits = rng.getrandbits
        self.length = length

    def pick(self, seq):
        return seq[self.bits(16) % len(seq)]

    def register(self, p, name, val, memory):
        if memory and name == "rn":
            if ALIGNED.match(p["func"]):
                return 24
            moves = p["keys"].get("mode", "MODE_OFFSET") != "MODE_OFFSET" or "post" in p["name"]
            return 28 if moves and self.length > 1 else self.pick((28, 28, 28, 31))
        if memory and name == "rm":
            return self.pick((27, 27, 31))
        if name == "rs" and p["func"] in ("casp",):
            return self.pick((0, 2, 4, 6, 20))
        if name == "rt" and p["func"] in ("casp",):
            return self.pick((8, 10, 12, 14, 16))
        return self.pick((0, 1, 2, 3, 4, 31)) if val in RESERVED else val

    def immediate(self, p, f, val, at):
        if p["func"] in BRANCHES:
            return 1 + val % min(4, self.length - at) if f["name"] == "imm" else val
        if p["func"].startswith("ldr_lit") and f["name"] == "imm":
            return LITERALS + val % 16
        if p["func"].startswith("adr") and f["name"] != "rd":
            return val & 3
        if MEMORY.match(p["func"]) and f["name"] == "imm":
            if ALIGNED.match(p["func"]):
                return val & 0xf0
            return val & 0xff if f["len"] == 12 else val
        return val

    def word(self, p, at):
        func = p["func"]
        if func == "sysreg":
            return self.pick(SYSTEM) | self.pick((0, 1, 2, 3, 4, 5, 31))
        if func == "sys":
            return self.pick(CACHE)
        if p["name"] == "HINT":
            return 0xd503241f | self.bits(8) << 5 & 0xbe0  # not those of pointer authentication
        mask, insn = int(p["mask"], 16), int(p["value"], 16)
        insn |= self.bits(32) & ~mask & 0xffffffff
        memory = MEMORY.match(func)
        for f in p["fields"]:
            pos, ones = f["pos"], (1 << f["len"]) - 1
            val = insn >> pos & ones
            if f["name"] in REGISTERS and f["len"] == 5:
                val = 25 if func in INDIRECT else self.register(p, f["name"], val, memory)
            else:
                val = self.immediate(p, f, val, at)
            insn = insn & ~(ones << pos) | (val & ones) << pos
        if func in PAIRS and insn & 31 == insn >> 10 & 31:
            insn = insn & ~31 | (5 if insn >> 10 & 31 == 6 else 6)  # two loads to one register: constrained unpredictable
        return insn


def chosen(p, args):
    if p["func"] in SKIP or (args.group and int(p["value"], 16) >> 25 & 15 not in GROUPS[args.group]):
        return False
    names = (p["name"], p["func"])
    return any(re.search(args.match, n) for n in names) and not any(re.search(args.exclude, n) for n in names)


def report(patterns, args):
    for p in patterns:
        if p["func"] in SKIP:
            print(f"never generated: {p['name']}: {SKIP[p['func']]}")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("patterns")
    ap.add_argument("out")
    ap.add_argument("-n", type=int, default=10000, help="how many words")
    ap.add_argument("-q", "--length", type=int, default=1, help="of a run")
    ap.add_argument("-s", "--seed", type=int, default=1)
    ap.add_argument("-g", "--group", choices=GROUPS, help="of the manual's top-level groups only this one")
    ap.add_argument("-m", "--match", default=".", help="only patterns whose name or function matches")
    ap.add_argument("-x", "--exclude", default="^$", help="not those whose name or function matches")
    ap.add_argument("--each", type=int, help="so many words of each pattern")
    ap.add_argument("--report", action="store_true", help="list the patterns that are never generated")
    args = ap.parse_args()
    with open(args.patterns) as f:
        everything = json.load(f)
    patterns = [p for p in everything if chosen(p, args)]
    if not patterns:
        raise SystemExit(f"generate: no pattern matches '{args.match}'")
    if args.report:
        report(everything, args)
    with open(args.out, "wb") as out:
        if args.each:
            for p in patterns:
                g = Generator(random.Random(f"{args.seed} {p['name']}"), 1)
                out.write(struct.pack(f"<{args.each}I", *(g.word(p, 0) for _ in range(args.each))))
            return
        g = Generator(random.Random(args.seed), args.length)
        for i in range(0, args.n, args.length):
            run = [g.word(patterns[g.bits(20) % len(patterns)], at) for at in range(args.length)]
            out.write(struct.pack(f"<{args.length}I", *run))


if __name__ == "__main__":
    sys.exit(main())
