#!/bin/bash
# SPDX-License-Identifier: MIT
# How long the image tools take beside Debian's, in one run: `tests/block/speed.sh BUILD [ROUNDS]`.
# Each case runs with either program in turn; the least time of all rounds counts. Prints a table:
# seconds and processor seconds of both, and how many times faster ours is by either measure.
rounds=${2:-3}
. "$(dirname "$0")/common.sh"
have qemu-img || { echo "qemu-img is not installed (Debian package: qemu-utils)" >&2; exit 1; }
io_of() { [ "$1" = "$img" ] && echo "$io" || echo qemu-io; }
TIMEFORMAT='%R %U %S'

# A disk with a file system's mix: text, noise, and holes.
{ for i in $(seq 40); do seq $((i * 100000)) $((i * 100000 + 99999)); done; } >text
head -c 100M /dev/urandom >noise
truncate -s 1G disk.raw
dd if=text of=disk.raw bs=1M conv=notrunc status=none
dd if=noise of=disk.raw bs=1M seek=300 conv=notrunc status=none
dd if=text of=disk.raw bs=1M seek=700 conv=notrunc status=none
qemu-img convert -O qcow2 disk.raw disk.qcow2
qemu-img create -q -f qcow2 full.qcow2 1G
qemu-img bench -q -f qcow2 -w -c 16384 -d 8 -s 65536 full.qcow2 >log
qemu-img create -q -f qcow2 -o preallocation=metadata tera.qcow2 1T

timed() { # prepare, command: seconds and processor seconds
    eval "$1"
    { time eval "$2" >log 2>&1 || echo "failed: $2" >&2; } 2>&1 |
        awk 'NF == 3 { printf "%.3f %.3f\n", $1, $2 + $3; next } { print > "/dev/stderr" }'
}
row() { # name, prepare, command with $tool for the program
    local best=() tool r
    for _ in $(seq "$rounds"); do
        for tool in qemu-img "$img"; do
            iotool=$(io_of "$tool")
            r=$(timed "$2" "$3")
            best+=("${tool##*/} $r")
        done
    done
    printf '%s\n' "${best[@]}" | awk -v name="$1" '
        { if (!($1 in w) || $2 < w[$1]) w[$1] = $2; if (!($1 in c) || $3 < c[$1]) c[$1] = $3 }
        END { q = "qemu-img"; l = "latimer-img"
              printf "| %-38s | %6.2f | %6.2f | %5.2f | %6.2f | %6.2f | %5.2f |\n", name, w[q], w[l],
                     w[q] / (w[l] > 0 ? w[l] : 0.001), c[q], c[l], c[q] / (c[l] > 0 ? c[l] : 0.001) }'
}
echo "|                                        | qemu s | ours s |     x | qemu c | ours c |     x |"
echo "| --- | --- | --- | --- | --- | --- | --- |"
row "raw to qcow2" "rm -f o" '$tool convert -f raw -O qcow2 disk.raw o'
row "qcow2 to raw" "rm -f o" '$tool convert -f qcow2 -O raw disk.qcow2 o'
row "raw to qcow2, zlib, two threads" "rm -f o" '$tool convert -c -m 2 -W -f raw -O qcow2 disk.raw o'
row "raw to qcow2, zstd, two threads" "rm -f o" \
    '$tool convert -c -m 2 -W -o compression_type=zstd -f raw -O qcow2 disk.raw o'
for depth in 1 32; do
    row "4k reads, depth $depth" : "\$tool bench -f qcow2 -c 50000 -d $depth -S 69632 full.qcow2"
    row "4k writes, depth $depth" : "\$tool bench -f qcow2 -w -c 50000 -d $depth -S 69632 full.qcow2"
    row "4k allocating writes, depth $depth" "$img create -q -f qcow2 o 4G" \
        "\$tool bench -f qcow2 -w -c 50000 -d $depth -S 69632 o"
done
row "io_uring: 4k reads, depth 32" : '$tool bench -i io_uring -f qcow2 -c 50000 -d 32 -S 69632 full.qcow2'
row "io_uring: 4k writes, depth 32" : '$tool bench -i io_uring -f qcow2 -w -c 50000 -d 32 -S 69632 full.qcow2'
row "create 1 TiB, metadata preallocated" "rm -f o" '$tool create -f qcow2 -o preallocation=metadata o 1T'
row "check of it" : '$tool check tera.qcow2'
row "compare raw with qcow2" : '$tool compare -f raw -F qcow2 disk.raw disk.qcow2'
