# SPDX-License-Identifier: MIT
"""What `make bench` measures: one line a case.

A command names a program of the Debian sysroot as @prog, looked up in its usr/bin; or by path,
as @usr/games/prog. {triplet} is the machine's library folder, {text} and the other braces are
the input files that make_inputs() writes.
"""

import os
import random
from collections import namedtuple

# times: how often the command runs in one measurement.
# rate: a regular expression whose last number in the output is a speed, for programs that
#       measure themselves; the ratio is then one of speeds.
# same: whether native and emulated output must be equal.
Case = namedtuple("Case", "name group command packages times rate same", defaults=("", 1, None, True))

# Group: (title, what the design asks of the baseline tier as slowdown against native)
GROUPS = {
    "integer": ("C integer programs", 2.2),
    "debian": ("Debian's integer programs", 3),
    "float": ("floating point", 2.5),
    "vector": ("auto-vectorised loops", 4),
    "thread": ("atomics, threads, system calls", None),
    "media": ("media encoders", 4),
    "openssl": ("openssl", 4),
    "jit": ("a program that generates code", None),
    "start": ("start-up", 7),
}

# The C programs of tests/bench/src belong to a group by the first word of their name.
C_GROUPS = {
    "int": "integer", "call": "integer", "interp": "integer", "string": "integer",
    "f64": "float", "f32": "float", "convert": "float", "libm": "float", "matmul": "float",
    "vector": "vector", "thread": "thread", "syscall": "thread",
}

SPEED = r"\+F:\d+:[^:]+:([\d.]+)"
RSA = r"\+F2:\d+:\d+:([\d.]+)"


def speed(name, algorithm):
    return Case("openssl-" + name, "openssl",
                "@openssl speed -mr -seconds 1 -bytes 8192 -evp " + algorithm,
                "openssl", 1, SPEED, False)


def encode(name, source, codec):
    return Case("media-" + name, "media",
                "@ffmpeg -v error -nostdin -filter_threads 1 -f lavfi -i %s -threads 1 %s -f null -"
                % (source, codec), "ffmpeg", 1, None, False)


VIDEO = "testsrc2=size=320x240:rate=25:duration=%s"
AUDIO = "sine=frequency=440:beep_factor=3:duration=%s"

DEBIAN = [
    Case("debian-gzip", "debian", "@gzip -6 -c {text}", "gzip"),
    Case("debian-gunzip", "debian", "@gzip -dc {text}.gz", "gzip", 8),
    Case("debian-bzip2", "debian", "@bzip2 -c {text}", "bzip2"),
    Case("debian-xz", "debian", "@xz -2 -T1 -c {text}", "xz-utils"),
    Case("debian-zstd", "debian", "@zstd -q -12 --single-thread -c {text}", "zstd"),
    Case("debian-7z", "debian", "@7zz a -txz -mx3 -mmt1 -so x.xz {text}", "7zip"),
    Case("debian-grep", "debian", "@grep -cE '(then?|she) [a-z]+e [a-z]*t' {text}", "grep", 6),
    Case("debian-sort", "debian", "@sort -k2 {text}", "coreutils", 6),
    Case("debian-gawk", "debian", "@gawk -f {awk} {text}", "gawk"),
    Case("debian-perl", "debian", "@perl {perl}", "perl"),
    Case("debian-python", "debian", "@python3 {python}", "python3"),
    Case("debian-sqlite", "debian", "@sqlite3 -init {sql} :memory: .quit", "sqlite3"),
    Case("debian-lua", "debian", "@lua5.4 {lua}", "lua5.4"),
    Case("debian-cc1", "debian", "@usr/lib/gcc/{triplet}/12/cc1 -quiet -O2 {big_c} -o /dev/null", "gcc-12"),
    Case("debian-stockfish", "debian", "@usr/games/stockfish bench 16 1 9", "stockfish", 1, None, False),
    Case("jit-luajit", "jit", "@luajit {lua}", "luajit", 2),
    encode("x264", VIDEO % 2, "-c:v libx264 -preset medium"),
    encode("mpeg4", VIDEO % 4, "-c:v mpeg4"),
    encode("vp8", VIDEO % 1, "-c:v libvpx -deadline good -cpu-used 2"),
    encode("mp3", AUDIO % 20, "-c:a libmp3lame"),
    encode("flac", AUDIO % 60, "-c:a flac"),
    encode("opus", AUDIO % 10, "-c:a libopus"),
    speed("sha256", "sha256"),
    speed("sha512", "sha512"),
    speed("aes-cbc", "aes-128-cbc"),
    speed("aes-gcm", "aes-128-gcm"),
    speed("chacha", "chacha20-poly1305"),
    Case("openssl-rsa", "openssl", "@openssl speed -mr -seconds 1 rsa2048", "openssl", 1, RSA, False),
    Case("start-bash", "start", "@bash -c true", "bash", 200),
    Case("start-script", "start", "@bash {script}", "bash,coreutils"),
    Case("start-python", "start", "@python3 -c import\\ json,re", "python3", 20),
    Case("start-perl", "start", "@perl -e 1", "perl", 50),
    Case("start-cc1", "start", "@usr/lib/gcc/{triplet}/12/cc1 -quiet -O2 {small_c} -o /dev/null", "gcc-12", 20),
]

PERL = """
my (%count, $sum); my $x = 1;
for my $i (1 .. 600000) {
    $x = ($x * 1103515245 + 12345) % 2147483648;
    my $word = "w" . ($x % 5000);
    $count{$word} .= substr($word, 1, 2) if length($count{$word} // "") < 90;
    $sum += length $1 if $word =~ /^w(\\d+)7$/;
}
print join(",", map { length $count{$_} } (sort keys %count)[0 .. 20]), " $sum\\n";
"""

PYTHON = """
import json, re
class Node:
    def __init__(self, key, value): self.key, self.value, self.left, self.right = key, value, None, None
def insert(node, key, value):
    if node is None: return Node(key, value)
    if key < node.key: node.left = insert(node.left, key, value)
    elif key > node.key: node.right = insert(node.right, key, value)
    return node
x, root = 1, None
for i in range(12000):
    x = (x * 1103515245 + 12345) % 2147483648
    root = insert(root, x, str(i))
data = [{"id": i, "name": "n%d" % (i * 7 % 13), "values": [i, i / 2, None]} for i in range(8000)]
text = json.dumps(data)
words = sorted(w for w in re.findall(r'"n[0-9]+"', text) if w > '"n2')
print(len(json.loads(text)), len(words), sum(d["id"] ** 2 % 97 for d in data), hash(tuple(range(99))) & 1023)
print(sum(a * b for a in range(500) for b in range(500)))
"""

LUA = """
local count, x, t = 0, 1, {}
for i = 1, 3000000 do
    x = (x * 16807) % 2147483647
    local k = x % 4096
    t[k] = (t[k] or 0) + i % 7
    if t[k] % 5 == 0 then count = count + 1 end
end
local parts = {}
for i = 1, 60000 do parts[#parts + 1] = string.format("%d:%s", i, ("ab"):rep(i % 5)) end
local s = table.concat(parts, " ")
for w in s:gmatch("%d+:abab ") do count = count + #w end
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
print(count, #s, fib(27))
"""

SQL = """
CREATE TABLE t(a INTEGER PRIMARY KEY, b INTEGER, c TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
    INSERT INTO t SELECT i, (i * 7919) % 10007, 'row ' || (i % 977) FROM n;
CREATE INDEX tb ON t(b);
SELECT count(*), sum(b) FROM t WHERE b BETWEEN 100 AND 5000;
SELECT c, count(*) AS k FROM t GROUP BY c ORDER BY k DESC, c LIMIT 5;
SELECT sum(length(x.c)) FROM t AS x JOIN t AS y ON x.b = y.a WHERE y.b % 3 = 0;
"""

AWK = '{ for (i = 1; i <= NF; i++) n[$i]++ } END { for (w in n) if (n[w] > 900) k++; print NR, k }'

SCRIPT = """
i=0
while [ $i -lt 100 ]; do
    a=$(expr $i + 1); b=$(basename /x/y/$i); c=$(echo $i | cat); env true; i=$((i + 1))
done
echo $i $a $b $c
"""

SMALL_C = "int f(int *a, int n) { int s = 0; for (int i = 0; i < n; i++) s += a[i] * i; return s; }\n"


def make_inputs(folder, size=4 << 20):
    """Writes the input files, the same ones everywhere; returns their paths by name."""
    rng = random.Random(1)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["the", "she", "then"] + ["".join(rng.choices(letters, weights=range(26, 0, -1),
                                      k=rng.randint(2, 9))) for _ in range(4000)]
    lines, length = [], 0
    while length < size:
        line = " ".join(rng.choices(words, k=rng.randint(4, 16)))
        lines.append(line)
        length += len(line) + 1
    functions = []
    for i in range(60):
        functions.append("""
struct s%(i)d { int a, b[%(k)d]; double d; char *p; };
static int g%(i)d(struct s%(i)d *s, int n)
{
    int t = n * %(k)d;
    for (int i = 0; i < n && i < %(k)d; i++) {
        switch ((s->b[i] + i) & 7) {
        case 0: t += s->b[i] / (i + 1); break;
        case 1: t ^= s->a << (i & 15); break;
        case 2: s->d = s->d * 1.5 + t; break;
        case 5: if (s->p) t += s->p[i] - '0'; break;
        default: t -= s->b[(i + 3) %% %(k)d];
        }
    }
    return t;
}
int f%(i)d(int n, char *p) { struct s%(i)d s = { n, { 1, 2, 3 }, .5, p }; return g%(i)d(&s, n) + (int)s.d; }
""" % {"i": i, "k": 5 + i % 11})
    files = {"text": "\n".join(lines) + "\n", "perl": PERL, "python": PYTHON, "lua": LUA, "sql": SQL,
             "awk": AWK, "script": SCRIPT, "small_c": SMALL_C, "big_c": "".join(functions)}
    paths = {}
    for name, content in files.items():
        paths[name] = os.path.join(folder, name + (".c" if name.endswith("_c") else ""))
        with open(paths[name], "w", encoding="ascii") as file:
            file.write(content)
    return paths
