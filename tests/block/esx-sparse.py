#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes NAME.vmdk, a descriptor, and NAME-delta.vmdk, its ESX sparse extent of 16 MiB, by VMware's
"Virtual Disk Format" ("ESX Server Sparse Extents"): grains of 512 bytes, some of them there, their
content by their number. With a parent's name: a child of that descriptor."""
import struct
import sys

SECTORS, GTES, GD_SECTOR = 32768, 4096, 4
name, parent = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
step = 7 if parent else 3

tables = SECTORS // GTES
grains = [g for g in range(SECTORS) if g % step == 0 and g // GTES != 5]  # one table is not there
out = bytearray(512 * (GD_SECTOR + 1))
struct.pack_into("<4sIIIIIII", out, 0, b"COWD", 1, 3, SECTORS, 1, GD_SECTOR, tables, 0)
directory = []
for t in range(tables):
    if t == 5:
        directory.append(0)
        continue
    directory.append(len(out) // 512)
    out += bytes(GTES * 4)
for g in grains:
    at = directory[g // GTES] * 512 + g % GTES * 4
    struct.pack_into("<I", out, at, len(out) // 512)
    out += struct.pack("<I", g + step) * 128
struct.pack_into("<%dI" % tables, out, GD_SECTOR * 512, *directory)
struct.pack_into("<I", out, 28, len(out) // 512)
with open(name + "-delta.vmdk", "wb") as f:
    f.write(out)
with open(name + ".vmdk", "w") as f:
    f.write("# Disk DescriptorFile\nversion=1\nCID=%s\n" % ("00000002" if parent else "00000001"))
    f.write("parentCID=%s\ncreateType=\"vmfsSparse\"\n" % ("00000001" if parent else "ffffffff"))
    if parent:
        f.write('parentFileNameHint="%s"\n' % parent)
    f.write('RW %d VMFSSPARSE "%s-delta.vmdk"\n' % (SECTORS, name))
