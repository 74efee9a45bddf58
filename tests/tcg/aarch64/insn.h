/* SPDX-License-Identifier: MIT */
/*
 * The macros with which the insn-*.S files list instructions, for insn.c to run one by one.
 * An instruction may read x1-x6 and v0-v3 and NZCV, and write x1, x2, v0, v1 and NZCV.
 * In files of kind KIND_MEMORY x4 is the address of a buffer, which it may also write to and
 * change, x3 a small signed index, x5 and x6 a small 32-bit index, unsigned and signed, under
 * a random upper half.
 */
#include "insn-kind.h"

        .macro kind value
        .section .rodata
        .globl insn_kind
insn_kind:
        .word \value
        .section .insns, "a"
        .globl insn_begin
insn_begin:
        .text
        .endm

        .macro list_end
        .section .insns, "a"
        .globl insn_end
insn_end:
        .endm

/* One list entry: its name, and a routine of up to three instructions. */
        .macro seq first, second=, third=
        .section .rodata.str, "aMS", %progbits, 1
7771:   .asciz "\first \second \third"
        .section .insns, "a"
        .balign 8
        .quad 7771b, 7772f
        .text
7772:   \first
        \second
        \third
        ret
        .endm

        .macro insn text:vararg
        seq "\text"
        .endm
