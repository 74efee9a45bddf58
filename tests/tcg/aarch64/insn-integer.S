/* SPDX-License-Identifier: MIT */
/* A64 base instructions on registers. Arm ARM (DDI 0487), C4.1.65 to C4.1.68 and C6.2. */
#include "insn.inc"
        .arch armv8.5-a+crc+flagm

        .macro both name, rest:vararg
        insn \name w1, w2, w3 \rest
        insn \name x1, x2, x3 \rest
        .endm

        kind KIND_INTEGER

        /* Add and subtract: immediate, shifted, extended, with carry. */
        .irp op, add, adds, sub, subs
        insn \op w1, w2, #0
        insn \op w1, w2, #4095
        insn \op x1, x2, #1
        insn \op x1, x2, #0xabc, lsl #12
        both \op
        .irp shift, lsl, lsr, asr
        insn \op w1, w2, w3, \shift #1
        insn \op w1, w2, w3, \shift #31
        insn \op x1, x2, x3, \shift #7
        insn \op x1, x2, x3, \shift #63
        .endr
        .irp extend, uxtb, uxth, uxtw, sxtb, sxth, sxtw
        insn \op w1, w2, w3, \extend #0
        insn \op x1, x2, w3, \extend #0
        insn \op x1, x2, w3, \extend #4
        .endr
        insn \op x1, x2, x3, uxtx #3
        insn \op x1, x2, x3, sxtx #2
        .endr
        .irp op, adc, adcs, sbc, sbcs
        both \op
        .endr
        .irp op, cmp, cmn
        insn \op w2, w3
        insn \op x2, x3
        insn \op x2, #77
        insn \op x2, x3, asr #9
        insn \op x2, w3, sxth #1
        .endr
        insn neg w1, w2
        insn negs x1, x2, lsl #3
        insn ngc w1, w2
        insn ngcs x1, x2

        /* Logic. */
        .irp op, and, ands, orr, eor, bic, bics, orn, eon
        both \op
        .irp shift, lsl, lsr, asr, ror
        insn \op w1, w2, w3, \shift #13
        insn \op x1, x2, x3, \shift #1
        insn \op x1, x2, x3, \shift #62
        .endr
        .endr
        .irp op, and, ands, orr, eor
        insn \op w1, w2, #1
        insn \op w1, w2, #0x80000001
        insn \op w1, w2, #0x0ff00ff0
        insn \op x1, x2, #0xffffffff
        insn \op x1, x2, #0x5555555555555555
        insn \op x1, x2, #0xfffffffffffffffe
        insn \op x1, x2, #0x003fc000003fc000
        .endr
        insn tst w2, #0xff
        insn tst x2, x3, ror #5
        insn mvn w1, w2
        insn mvn x1, x2, asr #40

        /* Moves. */
        insn movz w1, #0xabcd
        insn movz x1, #0xabcd, lsl #48
        insn movn w1, #0x1234, lsl #16
        insn movn x1, #0, lsl #0
        insn movn x1, #0xffff, lsl #32
        insn movk w1, #0x5a5a, lsl #16
        insn movk x1, #0x5a5a, lsl #32
        insn mov w1, w2
        insn mov x1, x2

        /* Bit fields and extracts. */
        .irp op, ubfm, sbfm, bfm
        insn \op w1, w2, #0, #7
        insn \op w1, w2, #5, #5
        insn \op w1, w2, #31, #31
        insn \op w1, w2, #20, #3
        insn \op w1, w2, #1, #0
        insn \op x1, x2, #0, #31
        insn \op x1, x2, #0, #63
        insn \op x1, x2, #12, #43
        insn \op x1, x2, #63, #63
        insn \op x1, x2, #40, #9
        insn \op x1, x2, #1, #0
        .endr
        insn bfc x1, #8, #20
        insn extr w1, w2, w3, #0
        insn extr w1, w2, w3, #9
        insn extr w1, w2, w2, #31
        insn extr x1, x2, x3, #33
        insn extr x1, x2, x2, #63
        .irp op, sxtb, sxth
        insn \op w1, w2
        insn \op x1, w2
        .endr
        insn sxtw x1, w2
        insn uxtb w1, w2
        insn uxth w1, w2

        /* Variable shifts, multiplication, division. */
        .irp op, lsl, lsr, asr, ror, udiv, sdiv, mul, mneg
        both \op
        .endr
        .irp op, madd, msub
        insn \op w1, w2, w3, w4
        insn \op x1, x2, x3, x4
        .endr
        .irp op, smaddl, smsubl, umaddl, umsubl
        insn \op x1, w2, w3, x4
        .endr
        .irp op, smulh, umulh
        insn \op x1, x2, x3
        .endr

        /* One source. */
        .irp op, rbit, rev, rev16, clz, cls
        insn \op w1, w2
        insn \op x1, x2
        .endr
        insn rev32 x1, x2

        /* CRC-32. */
        .irp op, crc32b, crc32h, crc32w, crc32cb, crc32ch, crc32cw
        insn \op w1, w2, w3
        .endr
        insn crc32x w1, w2, x3
        insn crc32cx w1, w2, x3

        /* Conditions: each one on all flags, by select and by compare. */
        .irp cond, eq, ne, cs, cc, mi, pl, vs, vc, hi, ls, ge, lt, gt, le, al, nv
        insn csel x1, x2, x3, \cond
        insn csinc w1, w2, w3, \cond
        insn csinv x1, x2, x3, \cond
        insn csneg w1, w2, w3, \cond
        insn ccmp x2, x3, #5, \cond
        insn ccmp w2, #17, #10, \cond
        insn ccmn w2, w3, #0, \cond
        insn ccmn x2, #31, #15, \cond
        seq "mov x1, #1", "b.\cond 1f", "mov x1, #2; 1:"
        seq "cmp x2, x3", "mov x1, #1", "b.\cond 1f; mov x1, #2; 1:"
        seq "adds w1, w2, w3", "csel w2, w3, w4, \cond"
        seq "ands x1, x2, x3", "csinv x2, xzr, xzr, \cond"
        seq "sbcs x1, x2, x3", "csinc w2, wzr, wzr, \cond"
        .endr

        /* Branches on registers and bits. */
        seq "cbz w2, 1f", "mov x1, #2; 1:"
        seq "cbz x2, 1f", "mov x1, #2; 1:"
        seq "cbnz w2, 1f", "mov x1, #2; 1:"
        seq "cbnz x2, 1f", "mov x1, #2; 1:"
        seq "tbz w2, #0, 1f", "mov x1, #2; 1:"
        seq "tbz x2, #63, 1f", "mov x1, #2; 1:"
        seq "tbnz w2, #31, 1f", "mov x1, #2; 1:"
        seq "tbnz x2, #32, 1f", "mov x1, #2; 1:"

        /* Flag manipulation (FEAT_FlagM, FEAT_FlagM2). */
        insn cfinv
        insn rmif x2, #0, #15
        insn rmif x2, #61, #6
        insn setf8 w2
        insn setf16 w2
        insn axflag
        insn xaflag
        seq "mrs x1, nzcv"
        seq "msr nzcv, x2"

        /* The zero register, and the same register as source and destination. */
        insn add x1, x1, x1
        insn sub x1, xzr, x2
        insn subs wzr, w2, w3
        insn orr x1, xzr, xzr
        insn madd x1, x1, x1, xzr
        insn udiv x1, x2, xzr
        insn eor w1, w2, wzr, lsl #3

        list_end
