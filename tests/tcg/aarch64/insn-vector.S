/* SPDX-License-Identifier: MIT */
/* Advanced SIMD on integers. Arm ARM, C4.1.71 and C7.2. FPSR.QC is part of the digest. */
#include "insn.inc"
        .arch armv8.5-a+dotprod

        .macro three op, types:vararg
        .irp t, \types
        insn \op v0.\t, v1.\t, v2.\t
        .endr
        .endm
        .macro two op, types:vararg
        .irp t, \types
        insn \op v0.\t, v1.\t
        .endr
        .endm
#define NOT_D 8b, 16b, 4h, 8h, 2s, 4s
#define ALL   8b, 16b, 4h, 8h, 2s, 4s, 2d

        kind KIND_INTEGER

        .irp op, add, sub, addp, cmeq, cmge, cmgt, cmhi, cmhs, cmtst, sqadd, uqadd, sqsub, uqsub
        three \op, ALL
        .endr
        .irp op, sshl, ushl, srshl, urshl, sqshl, uqshl, sqrshl, uqrshl
        three \op, ALL
        insn \op d0, d1, d2
        .endr
        .irp op, sqshl, uqshl, sqrshl, uqrshl, sqadd, uqadd, sqsub, uqsub
        insn \op b0, b1, b2
        insn \op h0, h1, h2
        insn \op s0, s1, s2
        .endr
        .irp op, add, sub, cmeq, cmge, cmgt, cmhi, cmhs, cmtst
        insn \op d0, d1, d2
        .endr
        .irp op, mul, mla, mls, shadd, uhadd, srhadd, urhadd, shsub, uhsub, smax, umax, smin, umin
        three \op, NOT_D
        .endr
        .irp op, smaxp, umaxp, sminp, uminp, sabd, uabd, saba, uaba
        three \op, NOT_D
        .endr
        .irp op, and, orr, eor, bic, orn, bsl, bit, bif, pmul
        three \op, 8b, 16b
        .endr
        .irp op, sqdmulh, sqrdmulh, sqrdmlah, sqrdmlsh
        three \op, 4h, 8h, 2s, 4s
        insn \op h0, h1, h2
        insn \op s0, s1, s2
        insn \op v0.4h, v1.4h, v2.h[3]
        insn \op v0.4s, v1.4s, v2.s[1]
        insn \op s0, s1, v2.s[2]
        .endr
        .irp op, zip1, zip2, uzp1, uzp2, trn1, trn2
        three \op, ALL
        .endr

        .irp op, abs, neg, sqabs, sqneg, suqadd, usqadd
        two \op, ALL
        insn \op d0, d1
        .endr
        .irp op, sqabs, sqneg, suqadd, usqadd
        insn \op b0, b1
        insn \op h0, h1
        insn \op s0, s1
        .endr
        .irp op, cls, clz, rev64
        two \op, NOT_D
        .endr
        two cnt, 8b, 16b
        two mvn, 8b, 16b
        two rbit, 8b, 16b
        two rev16, 8b, 16b
        two rev32, 8b, 16b, 4h, 8h
        two urecpe, 2s, 4s
        two ursqrte, 2s, 4s
        .irp op, cmeq, cmge, cmgt, cmle, cmlt
        .irp t, ALL
        insn \op v0.\t, v1.\t, #0
        .endr
        insn \op d0, d1, #0
        .endr
        .irp op, addv, smaxv, umaxv, sminv, uminv
        insn \op b0, v1.8b
        insn \op b0, v1.16b
        insn \op h0, v1.4h
        insn \op h0, v1.8h
        insn \op s0, v1.4s
        .endr
        .irp op, saddlv, uaddlv
        insn \op h0, v1.8b
        insn \op h0, v1.16b
        insn \op s0, v1.4h
        insn \op s0, v1.8h
        insn \op d0, v1.4s
        .endr
        insn addp d0, v1.2d
        .irp op, saddlp, uaddlp, sadalp, uadalp
        insn \op v0.4h, v1.8b
        insn \op v0.8h, v1.16b
        insn \op v0.2s, v1.4h
        insn \op v0.4s, v1.8h
        insn \op v0.1d, v1.2s
        insn \op v0.2d, v1.4s
        .endr

        /* Longer, wider, narrower. */
        .macro long op
        insn \op v0.8h, v1.8b, v2.8b
        insn \op\()2 v0.8h, v1.16b, v2.16b
        insn \op v0.4s, v1.4h, v2.4h
        insn \op\()2 v0.4s, v1.8h, v2.8h
        insn \op v0.2d, v1.2s, v2.2s
        insn \op\()2 v0.2d, v1.4s, v2.4s
        .endm
        .irp op, saddl, uaddl, ssubl, usubl, sabdl, uabdl, sabal, uabal, smull, umull, smlal, umlal
        long \op
        .endr
        long smlsl
        long umlsl
        .irp op, sqdmull, sqdmlal, sqdmlsl
        insn \op v0.4s, v1.4h, v2.4h
        insn \op\()2 v0.4s, v1.8h, v2.8h
        insn \op v0.2d, v1.2s, v2.2s
        insn \op\()2 v0.2d, v1.4s, v2.4s
        insn \op s0, h1, h2
        insn \op d0, s1, s2
        insn \op s0, h1, v2.h[7]
        insn \op v0.2d, v1.2s, v2.s[3]
        .endr
        .irp op, saddw, uaddw, ssubw, usubw
        insn \op v0.8h, v1.8h, v2.8b
        insn \op\()2 v0.4s, v1.4s, v2.8h
        insn \op v0.2d, v1.2d, v2.2s
        .endr
        .irp op, addhn, raddhn, subhn, rsubhn
        insn \op v0.8b, v1.8h, v2.8h
        insn \op\()2 v0.8h, v1.4s, v2.4s
        insn \op v0.2s, v1.2d, v2.2d
        .endr
        .irp op, xtn, sqxtn, uqxtn, sqxtun
        insn \op v0.8b, v1.8h
        insn \op\()2 v0.16b, v1.8h
        insn \op v0.4h, v1.4s
        insn \op\()2 v0.8h, v1.4s
        insn \op v0.2s, v1.2d
        insn \op\()2 v0.4s, v1.2d
        .endr
        .irp op, sqxtn, uqxtn, sqxtun
        insn \op b0, h1
        insn \op h0, s1
        insn \op s0, d1
        .endr
        insn shll v0.8h, v1.8b, #8
        insn shll2 v0.4s, v1.8h, #16
        insn shll v0.2d, v1.2s, #32

        /* Shifts by an immediate. */
        .irp op, sshr, ushr, srshr, urshr, ssra, usra, srsra, ursra, sri
        insn \op v0.8b, v1.8b, #1
        insn \op v0.16b, v1.16b, #8
        insn \op v0.4h, v1.4h, #16
        insn \op v0.8h, v1.8h, #3
        insn \op v0.2s, v1.2s, #31
        insn \op v0.4s, v1.4s, #32
        insn \op v0.2d, v1.2d, #64
        insn \op v0.2d, v1.2d, #29
        insn \op d0, d1, #7
        .endr
        .irp op, shl, sli, sqshl, uqshl, sqshlu
        insn \op v0.8b, v1.8b, #0
        insn \op v0.16b, v1.16b, #7
        insn \op v0.8h, v1.8h, #5
        insn \op v0.2s, v1.2s, #31
        insn \op v0.4s, v1.4s, #1
        insn \op v0.2d, v1.2d, #63
        insn \op d0, d1, #33
        .endr
        .irp op, shrn, rshrn, sqshrn, uqshrn, sqrshrn, uqrshrn, sqshrun, sqrshrun
        insn \op v0.8b, v1.8h, #1
        insn \op\()2 v0.16b, v1.8h, #8
        insn \op v0.4h, v1.4s, #9
        insn \op\()2 v0.4s, v1.2d, #32
        .endr
        .irp op, sqshrn, uqshrn, sqrshrn, uqrshrn, sqshrun, sqrshrun
        insn \op b0, h1, #4
        insn \op h0, s1, #16
        insn \op s0, d1, #17
        .endr
        .irp op, sshll, ushll
        insn \op v0.8h, v1.8b, #0
        insn \op\()2 v0.8h, v1.16b, #7
        insn \op v0.4s, v1.4h, #15
        insn \op\()2 v0.2d, v1.4s, #31
        .endr

        /* By element. */
        .irp op, mul, mla, mls
        insn \op v0.4h, v1.4h, v2.h[0]
        insn \op v0.8h, v1.8h, v2.h[7]
        insn \op v0.2s, v1.2s, v2.s[1]
        insn \op v0.4s, v1.4s, v2.s[3]
        .endr
        .irp op, smull, umull, smlal, umlal, smlsl, umlsl
        insn \op v0.4s, v1.4h, v2.h[5]
        insn \op\()2 v0.4s, v1.8h, v2.h[2]
        insn \op v0.2d, v1.2s, v2.s[0]
        insn \op\()2 v0.2d, v1.4s, v2.s[3]
        .endr
        .irp op, sdot, udot
        insn \op v0.2s, v1.8b, v2.8b
        insn \op v0.4s, v1.16b, v2.16b
        insn \op v0.4s, v1.16b, v2.4b[3]
        .endr

        /* Moves between lanes and registers, tables, immediates. */
        .irp t, ALL
        insn dup v0.\t, v1.\t[0]
        .endr
        insn dup v0.8b, w2
        insn dup v0.8h, w2
        insn dup v0.4s, w2
        insn dup v0.2d, x2
        insn dup b0, v1.b[13]
        insn dup h0, v1.h[6]
        insn dup s0, v1.s[2]
        insn dup d0, v1.d[1]
        insn smov w1, v0.b[15]
        insn smov x1, v0.h[3]
        insn smov x1, v0.s[1]
        insn umov w1, v0.b[9]
        insn umov w1, v0.h[7]
        insn umov w1, v0.s[3]
        insn umov x1, v0.d[1]
        insn ins v0.b[3], w2
        insn ins v0.h[7], w2
        insn ins v0.s[0], w2
        insn ins v0.d[1], x2
        insn ins v0.b[15], v1.b[0]
        insn ins v0.h[2], v1.h[7]
        insn ins v0.s[3], v1.s[1]
        insn ins v0.d[0], v1.d[1]
        insn ext v0.8b, v1.8b, v2.8b, #5
        insn ext v0.16b, v1.16b, v2.16b, #11
        insn ext v0.16b, v1.16b, v2.16b, #0
        .irp op, tbl, tbx
        .irp t, 8b, 16b
        seq "movi v3.16b, #63; and v3.16b, v3.16b, v2.16b", "\op v0.\t, {v1.16b}, v3.\t"
        seq "movi v3.16b, #63; and v3.16b, v3.16b, v0.16b", "\op v0.\t, {v1.16b, v2.16b}, v3.\t"
        seq "movi v4.16b, #63; and v4.16b, v4.16b, v0.16b", "\op v0.\t, {v1.16b - v3.16b}, v4.\t"
        seq "movi v4.16b, #127; and v4.16b, v4.16b, v1.16b", "\op v1.\t, {v0.16b - v3.16b}, v4.\t"
        insn \op v0.\t, {v1.16b}, v2.\t
        .endr
        .endr
        insn movi v0.8b, #0xa5
        insn movi v0.16b, #0x5a
        insn movi v0.4h, #0xc3
        insn movi v0.8h, #0x3c, lsl #8
        insn movi v0.2s, #0x81, lsl #16
        insn movi v0.4s, #0x18, lsl #24
        insn movi v0.4s, #0x77, msl #8
        insn movi v0.2s, #0x99, msl #16
        insn movi d0, #0xff00ffff0000ff00
        insn movi v0.2d, #0x00ff0000ffffff00
        insn mvni v0.8h, #0x42
        insn mvni v0.4s, #0x42, lsl #8
        insn mvni v0.2s, #0x42, msl #16
        insn orr v0.8h, #0xf0, lsl #8
        insn orr v0.4s, #0x0f
        insn bic v0.4h, #0x3c
        insn bic v0.4s, #0xff, lsl #24

        list_end
