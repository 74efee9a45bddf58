#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Recorded answers for a few fixed random instructions of every pattern.

usage: answers.py check  BUILD                 every host level and the interpreter against answers.txt, as TAP
       answers.py record BUILD 'EMULATOR...'   writes answers.txt anew

A line of answers.txt is a pattern's name, a hash of what its WORDS instructions did, and who said so: the other
emulator, or, for what that does not have or does wrong (exclude.txt), Latimer's interpreter.
"""
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ANSWERS = HERE / "answers.txt"
WORDS = 24  # of each pattern
SEED = 4
LEVELS = {"sse4.2": "sse4_2", "avx": "avx", "avx2": "avx2", "avx512": "avx512vl"}


def generate(build, out):
    """Writes the words; returns the names of their patterns in order."""
    sys.path.insert(0, str(HERE))
    import generate
    json_file = f"{build}/gen/target/arm/decode-a64.json"
    subprocess.run([HERE / "generate.py", json_file, out, "--each", str(WORDS), "-s", str(SEED)], check=True)
    with open(json_file) as f:
        return [p["name"] for p in json.load(f) if p["func"] not in generate.SKIP]


def results(command, words, names, **env):
    text = subprocess.run(command + [words], env={**os.environ, "SEQ": "1", "BY_WORD": "1", **env}, capture_output=True, text=True)
    lines = text.stdout.splitlines()
    if text.returncode or len(lines) != WORDS * len(names):
        raise RuntimeError(f"the runner ended with {text.returncode} after {len(lines)} results: {text.stderr[-200:]}")
    return lines


def hashes(lines, names):
    """Of each pattern's results."""
    table = {}
    for i, name in enumerate(names):
        # without the index, which depends on the patterns before
        chunk = "\n".join(line.split(" ", 1)[1] for line in lines[i * WORDS:(i + 1) * WORDS])
        table[name] = hashlib.sha256(chunk.encode()).hexdigest()[:10]
    return table


def record(build, emulator):
    excluded = [line for line in (HERE / "exclude.txt").read_text().splitlines() if not line.startswith("#")]
    with tempfile.TemporaryDirectory() as tmp:
        words = f"{tmp}/words"
        names = generate(build, words)
        other = hashes(results(emulator.split() + [f"{build}/tests/diff/runner-aarch64"], words, names), names)
        own = hashes(results([f"{build}/tests/diff/runner-latimer"], words, names, LATIMER_ACCEL="interp=on"), names)
    with open(ANSWERS, "w") as f:
        for name in names:
            ours = any(re.search(regex, name) for regex in excluded)
            f.write(f"{name} {(own if ours else other)[name]} {'interpreter' if ours else 'other'}\n")


def check(build):
    with open(ANSWERS) as f:
        wanted = {line.split()[0]: line.split()[1] for line in f}
    with open("/proc/cpuinfo") as f:
        flags = set(f.read().split())
    runs = [("interpreter", True, {"LATIMER_ACCEL": "interp=on"})]
    runs += [(level, flag in flags, {"LATIMER_HOST": level}) for level, flag in LEVELS.items()]
    runs.append(("fp-traps=off", True, {"LATIMER_ACCEL": "fp-traps=off"}))
    runs.append(("one thread, traps kept", True, {"LATIMER_PRIVATE": "1"}))
    failed = 0
    runner = f"{build}/tests/diff/runner-latimer"
    print(f"1..{len(runs)}")
    with tempfile.TemporaryDirectory() as tmp:
        words = f"{tmp}/words"
        names = generate(build, words)
        for i, (what, can, env) in enumerate(runs, 1):
            if not can:
                print(f"ok {i} - {what} # SKIP this machine lacks it")
                continue
            got = hashes(results([runner], words, names, **env), names)
            wrong = [n for n in names if got[n] != wanted.get(n)] + [n for n in wanted if n not in got]
            failed += bool(wrong)
            print(f"{'not ' if wrong else ''}ok {i} - {len(names)} patterns, {WORDS} instructions each: {what}")
            for name in wrong[:20]:
                print(f"#   {name}: {got.get(name)}, recorded {wanted.get(name)}")
    return bool(failed)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "check":
        sys.exit(check(sys.argv[2]))
    if len(sys.argv) == 4 and sys.argv[1] == "record":
        sys.exit(record(sys.argv[2], sys.argv[3]))
    sys.exit(__doc__)
