#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Records what A64 floating-point, SIMD and crypto instructions do, for tests/unit/test-arm-simd.c.

usage: tests/diff/simd-cases.py BUILD > tests/unit/arm-simd-cases.h.inc
       tests/diff/simd-cases.py BUILD --sequences N > tests/unit/arm-simd-sequences.h.inc
       tests/diff/simd-cases.py BUILD --check N

For each pattern of a64-fp.decode and a64-simd.decode a few words are chosen; qemu-aarch64-static runs
them in arm-simd-oracle.c. --sequences makes N sequences of some of them. --check compares instead, for N random words of the encoding space, which of
them BUILD/tests/unit/test-arm-simd takes for instructions with what binutils' objdump does.
Needs gcc-aarch64-linux-gnu, binutils-aarch64-linux-gnu, qemu-user-static. Same output every time.
"""
import json
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORDS = 2  # for each pattern
LENGTH = 16  # of a sequence
REGISTERS = {"rd", "rn", "rm", "ra"}
# The oracle does not clear bits 16..31 of H registers in these.
ORACLE_WRONG = [(0x5f10fc00, 0xfff0fc00)]
# FMLAL, FMLAL2 and their kin with sz = 1, which objdump shows.
OBJDUMP_WRONG = [(0x0e60ec00, 0xbf60fc00), (0x2e60cc00, 0xbf60fc00)]


def among(word, rows):
    return any(word & mask == value for value, mask in rows)


def disassemble(words, tmp):
    """One line of text each, None for what is no instruction."""
    path = Path(tmp) / "words"
    path.write_bytes(struct.pack(f"<{len(words)}I", *words))
    out = subprocess.run(["aarch64-linux-gnu-objdump", "-D", "-z", "-b", "binary", "-m", "aarch64", path],
                         check=True, capture_output=True, text=True).stdout
    lines = [l.split("\t")[2:] for l in out.splitlines() if l.count("\t") >= 2]
    assert len(lines) == len(words)
    return [None if "undefined" in l[-1] else " ".join(l).split("  //")[0] for l in lines]


def some_word(rnd, pattern):
    word = int(pattern["value"], 16)
    for field in pattern["fields"]:
        bits = rnd.getrandbits(field["len"])
        if field["name"] in REGISTERS and not (field["name"] == "rm" and bits == 31):
            bits &= 7
        word |= bits << field["pos"]
    return word


def choose(patterns, tmp):
    rnd = random.Random(1)
    chosen = []
    for pattern in patterns:
        words = sorted({some_word(rnd, pattern) for _ in range(64)})
        rnd.shuffle(words)
        good = [(w, t) for w, t in zip(words, disassemble(words, tmp))
                if t and not among(w, ORACLE_WRONG)]
        chosen += good[:WORDS]
    return chosen


def digests(tmp, words, length):
    oracle = f"{tmp}/oracle"
    subprocess.run(["aarch64-linux-gnu-gcc", "-O1", "-static", f"-I{HERE.parents[1]}", "-o", oracle,
                    HERE / "arm-simd-oracle.c"], check=True)
    return subprocess.run(["qemu-aarch64-static", "-cpu", "max", oracle, str(length)], check=True, text=True,
                          capture_output=True, input="\n".join(f"{w:08x}" for w in words)).stdout.split()


def chosen_words(build, tmp):
    return choose([p for p in json.loads((build / "gen/target/arm/decode-a64.json").read_text())
                   if "a64-fp" in p["where"] or "a64-simd" in p["where"]], tmp)


def record(build):
    with tempfile.TemporaryDirectory() as tmp:
        chosen = chosen_words(build, tmp)
        results = digests(tmp, [w for w, _ in chosen], 1)
    print("/* Made by tests/diff/simd-cases.py: instruction, digest of its results, text. */")
    for (word, text), digest in zip(chosen, results):
        print(f"{{ 0x{word:08x}, 0x{digest}, \"{text}\" }},")


def record_sequences(build, count):
    rnd = random.Random(3)
    with tempfile.TemporaryDirectory() as tmp:
        words = [w for w, t in chosen_words(build, tmp) if w >> 25 & 5 != 4 and not t.startswith("fjcvtzs")]
        sequences = [[rnd.choice(words) for _ in range(LENGTH)] for _ in range(count)]
        results = digests(tmp, [w for s in sequences for w in s], LENGTH)
    print("/* Made by tests/diff/simd-cases.py --sequences: instructions, digest of their results. */")
    for sequence, digest in zip(sequences, results):
        print("{ { " + ", ".join(f"0x{w:08x}" for w in sequence) + f" }}, 0x{digest} }},")


def check(build, count):
    rnd = random.Random(2)
    words = []
    for _ in range(count):  # data processing, and loads and stores of structures; often sparse fields
        word = rnd.getrandbits(32) | 7 << 25 if rnd.random() < 0.8 else rnd.getrandbits(31) & ~(3 << 28) | 6 << 25
        if not word >> 25 & 1:
            word &= ~(1 << 25)
        for mask in (0x00200000, 0x000f0000, 0x40000000):
            if rnd.random() < 0.3:
                word &= ~mask
        words.append(word)
    with tempfile.TemporaryDirectory() as tmp:
        texts = disassemble(words, tmp)
    out = subprocess.run([build / "tests/unit/test-arm-simd", "--decode"], check=True, text=True,
                         capture_output=True, input="\n".join(f"{w:08x}" for w in words)).stdout.split()
    wrong = [(w, t, o) for w, t, o in zip(words, texts, out) if (o == "1") != (bool(t) and not among(w, OBJDUMP_WRONG))]
    for word, text, _ in wrong:
        print(f"{word:08x} {text or 'unallocated'}")
    print(f"{count} words, {sum(map(bool, texts))} instructions, {len(wrong)} differences", file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[2] == "--check":
        sys.exit(check(Path(sys.argv[1]), int(sys.argv[3])))
    if len(sys.argv) == 4 and sys.argv[2] == "--sequences":
        sys.exit(record_sequences(Path(sys.argv[1]), int(sys.argv[3])))
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    record(Path(sys.argv[1]))
