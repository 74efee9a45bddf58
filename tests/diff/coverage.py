#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which test executes which instruction pattern: coverage.py BUILD EMULATOR PROGRAM... > table

A line a pattern: its name, where it stands, and the tests that execute it: the recorded random instructions
(tests/diff/answers.txt, only those that raise no SIGILL, but of privileged ones), the recorded cases of tests/unit/test-arm-simd, and the
guest programs, each run one instruction a block so that what is translated is what is executed. At the end what no
test executes, and what the generator of random instructions leaves out. Exit status 1 if a pattern is not executed.
"""
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import answers  # noqa: E402
import generate  # noqa: E402

ILL = "4"


class Patterns:
    def __init__(self, build):
        with open(f"{build}/gen/target/arm/decode-a64.json") as f:
            self.rows = json.load(f)
        self.tests = [(int(p["mask"], 16), int(p["value"], 16), p["name"]) for p in self.rows]
        self.known = {}
        self.executed = {p["name"]: [] for p in self.rows}

    def name(self, word):
        if word not in self.known:
            self.known[word] = next((n for m, v, n in self.tests if word & m == v), None)
        return self.known[word]

    def add(self, test, words):
        for name in {self.name(w) for w in words} - {None}:
            self.executed[name].append(test)


def random_words(build):
    with tempfile.TemporaryDirectory() as tmp:
        words = f"{tmp}/words"
        answers.generate(build, words)
        text = subprocess.run([f"{build}/tests/diff/runner-latimer", words], check=True, capture_output=True, text=True,
                              env={**os.environ, "SEQ": "1", "BY_WORD": "1"}).stdout
    rows = [line.split() for line in text.splitlines()]
    return [(int(r[1], 16), r[2] != ILL) for r in rows]


def recorded_cases():
    text = (HERE.parent / "unit/arm-simd-cases.h.inc").read_text()
    return [int(w, 16) for w in re.findall(r"\{ *(0x[0-9a-f]{8}),", text)]


def load_segments(path):
    """(address, bytes) of the executable segments of an ELF file."""
    data = Path(path).read_bytes()
    phoff, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for i in range(count):
        kind, flags, offset, vaddr, _, filesz = struct.unpack_from("<IIQQQQ", data, phoff + i * size)
        if kind == 1 and flags & 1:
            yield vaddr, data[offset:offset + filesz]


def program_words(emulator, program):
    """The words at the addresses that the program executes. (Of static programs; others have no fixed ones.)"""
    with tempfile.TemporaryDirectory() as tmp:
        subprocess.run([emulator, "-accel", "tcg,one-insn-per-tb=on", "-d", "in_asm", "-D", f"{tmp}/log", program],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp, timeout=300)
        with open(f"{tmp}/log", errors="replace") as f:
            addresses = {int(m.group(1), 16) for m in re.finditer(r"^0x([0-9a-f]+):", f.read(), re.M)}
    words = []
    for start, code in load_segments(program):
        words += [struct.unpack_from("<I", code, a - start)[0] for a in addresses if 0 <= a - start <= len(code) - 4]
    return words


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    build, emulator = sys.argv[1], os.path.abspath(sys.argv[2])
    patterns = Patterns(build)
    privileged = {p["name"] for p in patterns.rows if p["func"] in generate.PRIVILEGED}
    patterns.add("diff/answers", [w for w, good in random_words(build) if good or patterns.name(w) in privileged])
    patterns.add("unit/test-arm-simd", recorded_cases())
    for program in map(os.path.abspath, sys.argv[3:]):
        patterns.add("tcg/" + os.path.basename(program), program_words(emulator, program))
    for p in patterns.rows:
        print(f"{p['name']:16} {p['where']:36} {' '.join(patterns.executed[p['name']]) or '-'}")
    missing = [n for n, tests in patterns.executed.items() if not tests]
    left_out = [p["name"] for p in patterns.rows if p["func"] in generate.SKIP]
    print(f"# {len(patterns.rows)} patterns, {len(patterns.rows) - len(missing)} executed by a test")
    print(f"# executed by no test: {' '.join(missing) or 'none'}")
    print(f"# never generated at random: {' '.join(left_out)}")
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main())
