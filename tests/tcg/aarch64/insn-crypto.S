/* SPDX-License-Identifier: MIT */
/* The cryptographic extension: AES, SHA-1, SHA-256, polynomial multiplication. */
#include "insn.inc"
        .arch armv8-a+crypto

        kind KIND_INTEGER

        insn aese v0.16b, v1.16b
        insn aesd v0.16b, v1.16b
        insn aesmc v0.16b, v1.16b
        insn aesimc v0.16b, v1.16b
        seq "aese v0.16b, v1.16b", "aesmc v0.16b, v0.16b", "aese v0.16b, v2.16b"
        seq "aesd v0.16b, v1.16b", "aesimc v0.16b, v0.16b", "aesd v0.16b, v2.16b"
        insn sha1c q0, s1, v2.4s
        insn sha1p q0, s1, v2.4s
        insn sha1m q0, s1, v2.4s
        insn sha1h s0, s1
        insn sha1su0 v0.4s, v1.4s, v2.4s
        insn sha1su1 v0.4s, v1.4s
        insn sha256h q0, q1, v2.4s
        insn sha256h2 q0, q1, v2.4s
        insn sha256su0 v0.4s, v1.4s
        insn sha256su1 v0.4s, v1.4s, v2.4s
        insn pmull v0.8h, v1.8b, v2.8b
        insn pmull2 v0.8h, v1.16b, v2.16b
        insn pmull v0.1q, v1.1d, v2.1d
        insn pmull2 v0.1q, v1.2d, v2.2d

        list_end
