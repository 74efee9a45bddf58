#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Instruction pattern files (*.decode) -> C decoder.

A line of a pattern file is a comment (#), or, possibly continued by a backslash,

    NAME  BITS...  -> FUNC [key=const ...] [?FEATURE ...] [@attribute ...]

BITS, most significant first, add up to 32 and are runs of fixed `0`s and `1`s, fields `name:width`
(unsigned) or `name:sWIDTH` (sign-extended), and ignored bits `-:width`. Where patterns overlap the first
in file order wins. FUNC's translator is `bool trans_FUNC(DisasContext *, arg_FUNC *)`; arg_FUNC has every
field and key that any pattern of FUNC has, 0 where a pattern lacks it. Features that the CPU lacks
make the encoding unallocated. Attributes are flags of the pattern for other readers of the table.

Output, for --name a64: decode-a64.h (types, prototypes), decode-a64.inc (the decoder, included by one
file), decode-a64.json (the patterns, for tests and coverage).
"""
import argparse
import json
import re
import sys
from pathlib import Path

WIDTH = 32
ALL = (1 << WIDTH) - 1
MAX_SWITCH_BITS = 9
TABLE_BITS = 11  # the decoder's first step looks these top bits up
IDENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$")


class PatternError(Exception):
    pass


class Pattern:
    """One line: fixed bits as mask and value, fields, and what to call."""

    def __init__(self, where, text):
        self.where = where
        left, arrow, right = text.partition("->")
        if not arrow:
            raise PatternError("no '->'")
        words = left.split()
        if not words or not IDENT.match(words[0]):
            raise PatternError("a pattern begins with its name")
        self.name = words[0]
        self.mask = self.value = 0
        self.fields = []  # (name, position, length, signed)
        self.parse_bits(words[1:])
        self.parse_call(right.split())

    def parse_bits(self, words):
        pos = WIDTH
        for word in words:
            if re.match(r"[01]+$", word):
                pos -= len(word)
                if pos >= 0:
                    self.mask |= ((1 << len(word)) - 1) << pos
                    self.value |= int(word, 2) << pos
                continue
            m = re.match(r"(-|[A-Za-z_][A-Za-z0-9_]*):(s?)([0-9]+)$", word)
            if not m:
                raise PatternError(f"'{word}' is neither bits nor name:width")
            name, signed, length = m[1], bool(m[2]), int(m[3])
            if not length:
                raise PatternError(f"field '{name}' has no bits")
            pos -= length
            if name == "-":
                continue
            if any(f[0] == name for f in self.fields):
                raise PatternError(f"field '{name}' appears twice")
            self.fields.append((name, pos, length, signed))
        if pos:
            raise PatternError(f"bad width: {WIDTH - pos} bits instead of {WIDTH}")

    def parse_call(self, words):
        if not words or not IDENT.match(words[0]):
            raise PatternError("no function after '->'")
        self.func, self.keys, self.features, self.attrs = words[0], {}, [], []
        for word in words[1:]:
            if word[0] == "?":
                self.features.append(word[1:])
            elif word[0] == "@":
                self.attrs.append(word[1:])
            else:
                key, eq, val = word.partition("=")
                if not eq or not IDENT.match(key) or not val:
                    raise PatternError(f"'{word}' is not key=const, ?FEATURE or @attribute")
                if key in self.keys or any(f[0] == key for f in self.fields):
                    raise PatternError(f"'{key}' is given twice")
                self.keys[key] = val

    def overlaps(self, mask, value):
        return not (self.value ^ value) & self.mask & mask


def read_patterns(files):
    patterns, names, errors = [], {}, []
    for path in files:
        text, start = "", 0
        for number, line in enumerate(Path(path).read_text().splitlines(), 1):
            line = line.split("#")[0].rstrip()
            start = start if text else number
            text += line.rstrip("\\") + " "
            if line.endswith("\\"):
                continue
            body, text = text.strip(), ""
            if not body:
                continue
            where = f"{path}:{start}"
            try:
                p = Pattern(where, body)
                if p.name in names:
                    raise PatternError(f"name '{p.name}' is taken by {names[p.name]}")
                names[p.name] = where
                patterns.append(p)
            except PatternError as e:
                errors.append(f"{where}: {e}")
    errors += unreachable(patterns)
    return patterns, errors


def covered(mask, value, others):
    """Is every word of the cube (mask, value) matched by one of the others?"""
    others = [o for o in others if o.overlaps(mask, value)]
    if not others:
        return False
    if any(not o.mask & ~mask for o in others):
        return True
    free = others[0].mask & ~mask
    bit = free & -free
    return covered(mask | bit, value, others) and covered(mask | bit, value | bit, others)


def unreachable(patterns):
    return [f"{p.where}: pattern '{p.name}' is unreachable: earlier ones match all of it"
            for n, p in enumerate(patterns) if covered(p.mask, p.value, patterns[:n])]


# --- the decision tree ------------------------------------------------------------------------------


def runs(mask):
    """Contiguous runs of ones, as (position, length), long ones cut to MAX_SWITCH_BITS."""
    pos = 0
    while mask >> pos:
        if not mask >> pos & 1:
            pos += 1
            continue
        length = 0
        while mask >> pos + length & 1 and length < MAX_SWITCH_BITS:
            length += 1
        yield pos, length
        pos += length


def best_run(cands, known):
    """The run of bits, fixed in all the candidates, that tells the most of them apart."""
    common = ALL & ~known
    for _, p in cands:
        common &= p.mask
    best, best_count = None, 1
    for pos, length in runs(common):
        count = len({p.value >> pos & (1 << length) - 1 for _, p in cands})
        if count > best_count:
            best, best_count = (pos, length), count
    return best


def best_bit(cands, known):
    """A single bit, free in some of them, that leaves the smaller halves."""
    def cost(pos):
        zeros = sum(1 for _, p in cands if not (p.mask & p.value) >> pos & 1)
        ones = sum(1 for _, p in cands if not (p.mask & ~p.value) >> pos & 1)
        return max(zeros, ones)
    bits = [n for n in range(WIDTH) if not known >> n & 1]
    pos = min(bits, key=cost)
    return pos if cost(pos) < len(cands) else None


def tree(cands, known, out, indent):
    """Writes code that returns the index of the first of cands [(index, pattern)] that matches."""
    pad = "    " * indent
    for n, (_, p) in enumerate(cands):  # what always matches hides what follows
        if not p.mask & ~known:
            cands = cands[:n + 1]
            break
    run = best_run(cands, known) if len(cands) > 2 else None
    bit = best_bit(cands, known) if len(cands) > 4 and run is None else None
    if run is not None:
        pos, length = run
        field = (1 << length) - 1
        out.append(f"{pad}switch (insn >> {pos} & 0x{field:x}) {{")
        for v in sorted({p.value >> pos & field for _, p in cands}):
            sub = [(n, p) for n, p in cands if p.value >> pos & field == v]
            out.append(f"{pad}case 0x{v:x}:")
            tree(sub, known | field << pos, out, indent + 1)
        out.append(f"{pad}}}")
        out.append(f"{pad}return -1;")
    elif bit is not None:
        for v in (1, 0):
            sub = [(n, p) for n, p in cands if p.overlaps(1 << bit, v << bit)]
            if v:
                out.append(f"{pad}if (insn >> {bit} & 1) {{")
            tree(sub, known | 1 << bit, out, indent + v)
            if v:
                out.append(f"{pad}}}")
    else:
        for n, p in cands:
            rest = p.mask & ~known
            if not rest:
                out.append(f"{pad}return {n};")
                return
            out.append(f"{pad}if ((insn & 0x{rest:08x}) == 0x{p.value & rest:08x}) {{")
            out.append(f"{pad}    return {n};")
            out.append(f"{pad}}}")
        out.append(f"{pad}return -1;")


def dispatch(name, patterns, out):
    """A table of the top bits' values selects one of the trees; equal sets of candidates share one."""
    shift = WIDTH - TABLE_BITS
    known = ALL >> shift << shift
    classes, table = {}, []
    for top in range(1 << TABLE_BITS):
        cands = tuple(n for n, p in enumerate(patterns) if p.overlaps(known, top << shift))
        table.append(classes.setdefault(cands, len(classes)))
    out.append(f"static const uint16_t {name}_classes[{len(table)}] = {{")
    for row in range(0, len(table), 16):
        out.append("    " + ", ".join(map(str, table[row:row + 16])) + ",")
    out += ["};", "", f"int {name}_pattern_index(uint32_t insn)", "{",
            f"    switch ({name}_classes[insn >> {shift}]) {{"]
    for cands, number in classes.items():
        out.append(f"    case {number}:")
        tree([(n, patterns[n]) for n in cands], known, out, 2)
    out += ["    }", "    return -1;", "}"]


# --- output -----------------------------------------------------------------------------------------


def functions(patterns):
    """FUNC -> names of its arguments, in the order of first use."""
    funcs = {}
    for p in patterns:
        args = funcs.setdefault(p.func, {})
        for name in [f[0] for f in p.fields] + list(p.keys):
            args[name] = True
    return funcs


def attributes(patterns):
    return sorted({a for p in patterns for a in p.attrs})


def header(name, patterns):
    up = name.upper()
    out = ["/* Made by scripts/decodegen.py: what the patterns call, and a table of them. */",
           f"#ifndef DECODE_{up}_H", f"#define DECODE_{up}_H", "",
           "#include <stdbool.h>", "#include <stdint.h>", "",
           "typedef struct DisasContext DisasContext;", ""]
    for func, args in functions(patterns).items():
        members = "".join(f" int {a};" for a in args) or " int unused;"
        out += [f"typedef struct {{{members} }} arg_{func};",
                f"bool trans_{func}(DisasContext *s, arg_{func} *a);"]
    out += ["", "enum {"]
    out += [f"    {up}_{p.name}," for p in patterns]
    out += [f"    {up}_PATTERN_COUNT", "};", "", "enum {"]
    out += [f"    {up}_ATTR_{a} = 1 << {n}," for n, a in enumerate(attributes(patterns))]
    out += ["    " + f"{up}_ATTR_NONE = 0", "};", "",
            f"typedef struct {name}_Pattern {{",
            "    const char *name;", "    uint32_t mask, value;", "    uint32_t attrs;",
            "    bool (*decode)(DisasContext *s, uint32_t insn);", f"}} {name}_Pattern;",
            f"extern const {name}_Pattern {name}_patterns[{up}_PATTERN_COUNT];",
            "/* The index of the pattern that matches, or -1. */",
            f"int {name}_pattern_index(uint32_t insn);", "",
            "/* Calls the translator. False: unallocated, or of a feature that the CPU lacks. */",
            f"static inline bool decode_{name}(DisasContext *s, uint32_t insn)", "{",
            f"    int n = {name}_pattern_index(insn);",
            f"    return n >= 0 && {name}_patterns[n].decode(s, insn);", "}", "", "#endif"]
    return "\n".join(out) + "\n"


def stub(p, prefix):
    """The function that takes the fields of one pattern apart."""
    inits = []
    for name, pos, length, signed in p.fields:
        if signed:
            expr = f"(int32_t) (insn << {WIDTH - pos - length}) >> {WIDTH - length}"
        else:
            expr = f"insn >> {pos} & 0x{(1 << length) - 1:x}" if length < WIDTH else "insn"
        inits.append(f".{name} = {expr}")
    inits += [f".{k} = {v}" for k, v in p.keys.items()]
    out = [f"static bool decode_{p.name}(DisasContext *s, uint32_t insn)", "{",
           f"    arg_{p.func} a = {{ {', '.join(inits) or '0'} }};"]
    if p.features:
        test = " || ".join(f"!dc_feature(s, {prefix}{f})" for f in p.features)
        out += [f"    if ({test}) {{", "        return false;", "    }"]
    out += ["    (void) insn;", f"    return trans_{p.func}(s, &a);", "}", ""]
    return out


def source(name, patterns, prefix):
    up = name.upper()
    out = ["/* Made by scripts/decodegen.py. */", ""]
    for p in patterns:
        out += stub(p, prefix)
    out += [f"const {name}_Pattern {name}_patterns[{up}_PATTERN_COUNT] = {{"]
    for p in patterns:
        attrs = " | ".join(f"{up}_ATTR_{a}" for a in p.attrs) or "0"
        out.append(f'    {{ "{p.name}", 0x{p.mask:08x}, 0x{p.value:08x}, {attrs}, decode_{p.name} }},')
    out += ["};", ""]
    dispatch(name, patterns, out)
    return "\n".join(out) + "\n"


def listing(patterns):
    rows = [{"name": p.name, "where": p.where, "mask": f"0x{p.mask:08x}", "value": f"0x{p.value:08x}",
             "fields": [{"name": n, "pos": pos, "len": length} for n, pos, length, _ in p.fields],
             "func": p.func, "keys": p.keys, "features": p.features, "attrs": p.attrs}
            for p in patterns]
    return json.dumps(rows, indent=1) + "\n"


def write_changed(path, text):
    """Leaves an unchanged file its time, so that nothing is compiled again for it."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--name", required=True, help="of the instruction set: a64")
    ap.add_argument("--out-dir", required=True, type=Path)
    ap.add_argument("--feature-prefix", default="", help="put before ?FEATURE names in C")
    ap.add_argument("files", nargs="+", help="pattern files, in order of precedence")
    args = ap.parse_args()
    try:
        patterns, errors = read_patterns(args.files)
    except OSError as e:
        sys.exit(f"decodegen: {e}")
    if errors:
        sys.exit("\n".join(errors))
    args.out_dir.mkdir(parents=True, exist_ok=True)
    base = args.out_dir / f"decode-{args.name}"
    write_changed(base.with_suffix(".h"), header(args.name, patterns))
    write_changed(base.with_suffix(".inc"), source(args.name, patterns, args.feature_prefix))
    write_changed(base.with_suffix(".json"), listing(patterns))


if __name__ == "__main__":
    main()
