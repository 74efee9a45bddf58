#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which instructions does each CPU model have? models.py BUILD, as TAP.

A few words of every pattern on every model: one that `max` executes must raise SIGILL there if the model lacks
the feature that the manual says it belongs to (DDI 0487 A2, table below), and nothing else may. Which features a
model has follows from its identification registers as its Technical Reference Manual gives them.
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
ILL = 4
WORDS = 8  # of each pattern

REGISTERS = ("ISAR0", "ISAR1", "ISAR2", "PFR0", "PFR1", "MMFR2")  # ID_AA64…_EL1
ARMV8_0 = (0x00011120, 0, 0, 0x00002222, 0, 0)
MODELS = {
    "cortex-a35": ARMV8_0,
    "cortex-a53": ARMV8_0,
    "cortex-a55": (0x100010211120, 0x100001, 0, 0x1000000010112222, 0x10, 0),
    "cortex-a57": ARMV8_0,
    "cortex-a72": ARMV8_0,
    "cortex-a76": (0x100010211120, 0x100001, 0, 0x1100000010111112, 0x10, 0),
    "neoverse-n1": (0x100010211120, 0x100001, 0, 0x1100000010111112, 0x20, 0),
}
# (register, position of the field, least value, names of patterns)
FEATURES = [
    ("ISAR0", 4, 1, r"AES(E|D|MC|IMC)"),
    ("ISAR0", 4, 2, r"PMULL_64"),
    ("ISAR0", 8, 1, r"SHA1.*"),
    ("ISAR0", 12, 1, r"SHA256.*"),
    ("ISAR0", 12, 2, r"SHA512.*"),
    ("ISAR0", 16, 1, r"CRC32.*"),
    ("ISAR0", 20, 2, r"CAS|CASP|SWP|LD(ADD|CLR|EOR|SET|[SU]MAX|[SU]MIN)"),
    ("ISAR0", 20, 3, r"LDCLRP|LDSETP|SWPP"),
    ("ISAR0", 28, 1, r"SQRDML[AS]H_.*"),
    ("ISAR0", 32, 1, r"RAX1|EOR3|BCAX|XAR"),
    ("ISAR0", 36, 1, r"SM3.*"),
    ("ISAR0", 40, 1, r"SM4.*"),
    ("ISAR0", 44, 1, r"[SU]DOT_.*"),
    ("ISAR0", 48, 1, r"FMLAL2?_.*"),
    ("ISAR0", 52, 1, r"CFINV|RMIF|SETF8|SETF16"),
    ("ISAR0", 52, 2, r"XAFLAG|AXFLAG"),
    ("ISAR1", 4, 1, r"PAC|AUT|PACZ|AUTZ|XPAC|PACGA|LDRA|B?L?RAA?Z?|BRAAZ|BLRAAZ|RETAA|ERETAA"),
    ("ISAR1", 12, 1, r"FJCVTZS"),
    ("ISAR1", 16, 1, r"FCMLA_.*|FCADD_.*"),
    ("ISAR1", 20, 1, r"LDAPR"),
    ("ISAR1", 20, 2, r"STLUR|LDAPUR(S[BW])?"),
    ("ISAR1", 20, 3, r"STILP.*|LDIAPP.*|STLR_pre|LDAPR_post|(LDAPUR|STLUR)_[qv]"),
    ("ISAR1", 32, 1, r"FRINT(32|64)[ZX].*"),
    ("ISAR1", 36, 1, r"SB"),
    ("ISAR1", 44, 1, r"BF(CVT|CVTN|MMLA|DOT_.*|MLAL_.*)"),
    ("ISAR1", 52, 1, r"USDOT_.*|SUDOT_.*|[SU]MMLA|USMMLA"),
    ("ISAR2", 0, 2, r"WFET|WFIT"),
    ("ISAR2", 16, 1, r"CPY.*|SET[PME]"),
    ("ISAR2", 20, 1, r"BC_cond"),
    ("ISAR2", 52, 1, r"[SU](MAX|MIN)_(imm|reg)|CTZ|CNT|ABS"),
    ("PFR0", 16, 1, r"FMOV_(r_h|h_r)"),
    ("PFR0", 20, 1, r"F.*_(vh|sh|eh|esh)|F(MAX|MIN)(NM)?V_h|[SU]CVTF_(vh|sh)"),
    ("PFR0", 48, 1, r"MSR_DIT"),
    ("PFR1", 4, 2, r"MSR_SSBS"),
]
# Of system space: (register, position, value, name, word)
SYSTEM = [
    ("ISAR0", 60, 1, "RNDR", 0xd53b2400), ("ISAR0", 60, 1, "RNDRRS", 0xd53b2420),
    ("ISAR1", 0, 1, "DC CVAP", 0xd50b7c3c), ("ISAR1", 0, 2, "DC CVADP", 0xd50b7d3c),
    ("PFR0", 48, 1, "MRS DIT", 0xd53b42a0), ("PFR0", 48, 1, "MSR DIT", 0xd51b42a0),
    ("PFR1", 4, 2, "MRS SSBS", 0xd53b42c0), ("PFR1", 4, 2, "MSR SSBS", 0xd51b42c0),
]
FP16_SCALAR, FP16_VECTOR = ("PFR0", 16, 1), ("PFR0", 20, 1)


def field(p, word, name):
    for f in p["fields"]:
        if f["name"] == name:
            return word >> f["pos"] & ((1 << f["len"]) - 1)
    return None


def feature_of(p, word):
    """What a word of pattern p needs beyond Armv8.0; None: nothing."""
    for *feature, names in FEATURES:
        if re.fullmatch(names, p["name"]):
            return tuple(feature)
    if field(p, word, "type") == 3 and p["name"] != "FCVT":
        return FP16_SCALAR
    if re.fullmatch(r"([SU]CVTF|FCVTZ[SU])_fix_[vs]", p["name"]) and word >> 20 & 7 == 1:
        return FP16_VECTOR  # immh 001x: lanes of 16 bits
    return None


def has(model, feature):
    register, shift, least = feature
    value = MODELS[model][REGISTERS.index(register)] >> shift & 15
    return value >= least and value != 15


def words(build):
    """(name, feature, word, whether `max` may run it) of everything that is tried."""
    sys.path.insert(0, str(HERE))
    import generate
    json_file = f"{build}/gen/target/arm/decode-a64.json"
    with open(json_file) as f:
        patterns = json.load(f)
    with tempfile.TemporaryDirectory() as tmp:
        subprocess.run([HERE / "generate.py", json_file, f"{tmp}/words", "--each", str(WORDS)], check=True)
        stream = (w for (w,) in struct.iter_unpack("<I", Path(f"{tmp}/words").read_bytes()))
        for p in patterns:
            if p["func"] not in generate.SKIP:
                for word in (next(stream) for _ in range(WORDS)):
                    first = next(q for q in patterns if word & int(q["mask"], 16) == int(q["value"], 16))
                    if p["func"] != "sysreg":  # but SYSTEM
                        yield first["name"], feature_of(first, word), word, True
            elif feature_of(p, 0):  # only where it is SIGILL: it would end the run
                yield p["name"], feature_of(p, 0), int(p["value"], 16), False
    yield from ((name, tuple(feature), word, True) for *feature, name, word in SYSTEM)


def signals(build, model, table):
    with tempfile.NamedTemporaryFile() as f:
        f.write(struct.pack(f"<{len(table)}I", *table))
        f.flush()
        env = {**os.environ, "SEQ": "1", "BY_WORD": "1", "LATIMER_CPU": model}
        out = subprocess.run([f"{build}/tests/diff/runner-latimer", f.name], env=env, capture_output=True, text=True, check=True)
    return [int(line.split()[2]) for line in out.stdout.splitlines()]


def main(build):
    table = list(words(build))
    unused = [names for *_, names in FEATURES if not any(re.fullmatch(names, t[0]) for t in table)]
    everywhere = [t for t in table if t[3]]
    on_max = dict(zip((t[2] for t in everywhere), signals(build, "max", [t[2] for t in everywhere])))
    print(f"1..{len(MODELS) + 1}\n{'not ok' if unused else 'ok'} 1 - every feature has a pattern {' '.join(unused)}")
    failed = bool(unused)
    for i, model in enumerate(MODELS, 2):
        mine = [t for t in table if t[3] or not has(model, t[1])]
        bad, lacking = [], 0
        for (name, feature, word, _), signo in zip(mine, signals(build, model, [t[2] for t in mine])):
            lacks = feature and not has(model, feature)
            lacking += bool(lacks)
            if (signo == ILL) != (bool(lacks) or on_max.get(word) == ILL):
                bad.append(f"{name} {word:08x}: signal {signo}, {'lacks' if lacks else 'needs nothing or has'} {feature}")
        print(f"{'not ok' if bad else 'ok'} {i} - {model}: {len(mine)} words, {lacking} of features that it lacks")
        for line in bad[:20]:
            print("#   " + line)
        failed |= bool(bad)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) if len(sys.argv) == 2 else __doc__)
