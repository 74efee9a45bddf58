#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which of all values of an encoding's bits 31:10 are instructions? allocated.py check|record EMULATOR PROGRAM [LOW...]

PROGRAM is encodings.c, for the guest; LOW are bits 9:0. `record` writes allocated.txt: for every LOW and range of
bits 31:20 how many words of each of them are not SIGILL, and a CRC of which. encodings.py compared what is recorded
there with another emulator's; docs/differences-from-qemu.md has the result. `check` says which are not as recorded.
"""
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

ILL = 4
NOT_RUN = 255
STEP = 1 << 10  # words for one value of bits 31:20
RECORDED = Path(__file__).resolve().parent / "allocated.txt"


def answers(emulator, program, low):
    """For each value of bits 31:20 a number of instructions and a CRC."""
    with tempfile.TemporaryDirectory() as tmp:
        out = f"{tmp}/signals"
        subprocess.run([*emulator.split(), program, low, out], check=True, timeout=3000)
        signals = Path(out).read_bytes()
    kinds = bytes(2 if s == NOT_RUN else s != ILL for s in signals)
    for high in range(len(kinds) // STEP):
        part = kinds[high * STEP:(high + 1) * STEP]
        yield f"{part.count(1)} {zlib.crc32(part):08x}"


def lines(low, found):
    """Equal neighbours are one line."""
    found = list(found)
    first = 0
    for high in range(1, len(found) + 1):
        if high == len(found) or found[high] != found[first]:
            yield f"{low} {first:03x}-{high - 1:03x} {found[first]}"
            first = high


def expand(recorded, low):
    return [answer for line in recorded for at, span, answer in [line.split(" ", 2)] if at == low
            for _ in range(int(span[:3], 16), int(span[4:], 16) + 1)]


def check(emulator, program, lows):
    recorded = RECORDED.read_text().splitlines()
    print(f"1..{len(lows)}")
    failed = False
    for number, low in enumerate(lows, 1):
        wanted, got = expand(recorded, low), list(answers(emulator, program, low))
        bad = [high for high, both in enumerate(zip(wanted, got)) if both[0] != both[1]]
        ok = not bad and len(wanted) == len(got)
        print(f"{'ok' if ok else 'not ok'} {number} - what is an instruction of {len(got) * STEP} words, bits 9:0 {low}")
        for high in bad[:10]:
            print(f"#   {high << 20:08x}: {got[high]}, not {wanted[high]} (instructions of {STEP}, which)")
        failed |= not ok
    return failed


def main():
    if len(sys.argv) < 5 or sys.argv[1] not in ("check", "record"):
        sys.exit(__doc__)
    what, emulator, program, *lows = sys.argv[1:]
    if what == "check":
        return check(emulator, program, lows)
    text = [line for low in lows for line in lines(low, answers(emulator, program, low))]
    RECORDED.write_text("\n".join(text) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
