/* SPDX-License-Identifier: MIT */
/* Scalar floating point of all three sizes, in every rounding and flushing mode. C4.1.72. */
#include "insn.inc"
        .arch armv8.5-a+fp16

        /* One instruction for each size, with COUNT source registers and perhaps an immediate. */
        .macro sizes op, count, last:vararg
        size \op, h, \count, \last
        size \op, s, \count, \last
        size \op, d, \count, \last
        .endm
        .macro size op, r, count, last:vararg
        .if \count == 2
        insn \op \r\()0, \r\()1, \r\()2
        .elseif \count == 3
        insn \op \r\()0, \r\()1, \r\()2, \r\()3
        .else
        .ifb \last
        insn \op \r\()0, \r\()1
        .else
        insn \op \r\()0, \r\()1, \last
        .endif
        .endif
        .endm
        .macro compare_and_use r, cond
        seq "fcmp \r\()0, \r\()1", "csinc x1, xzr, xzr, \cond"
        seq "fcmp \r\()0, \r\()1", "mov x1, #1; b.\cond 1f", "mov x1, #2; 1:"
        .endm
        .macro to_integer op, r
        insn \op w1, \r\()1
        insn \op x1, \r\()1
        insn \op \r\()0, \r\()1
        .endm
        .macro to_fixed op, r
        insn \op w1, \r\()1, #1
        insn \op w1, \r\()1, #32
        insn \op x1, \r\()1, #13
        insn \op x1, \r\()1, #64
        .endm
        .macro from_fixed op, r
        insn \op \r\()0, w1
        insn \op \r\()0, x1
        insn \op \r\()0, w1, #7
        insn \op \r\()0, x1, #64
        insn \op \r\()0, \r\()1
        .endm

        kind KIND_FLOAT

        .irp op, fadd, fsub, fmul, fnmul, fdiv, fmax, fmin, fmaxnm, fminnm
        sizes \op, 2
        .endr
        .irp op, fmadd, fmsub, fnmadd, fnmsub
        sizes \op, 3
        .endr
        .irp op, fmov, fabs, fneg, fsqrt, frintn, frintp, frintm, frintz, frinta, frintx, frinti
        sizes \op, 1
        .endr
        .irp op, frint32z, frint32x, frint64z, frint64x
        insn \op s0, s1
        insn \op d0, d1
        .endr
        .irp op, fabd, fmulx, frecps, frsqrts, fcmeq, fcmge, fcmgt, facge, facgt
        sizes \op, 2
        .endr
        .irp op, frecpe, frecpx, frsqrte
        sizes \op, 1
        .endr
        .irp op, fcmeq, fcmge, fcmgt, fcmle, fcmlt
        sizes \op, 1, #0.0
        .endr

        .irp r, h, s, d
        insn fcmp \r\()0, \r\()1
        insn fcmpe \r\()0, \r\()1
        insn fcmp \r\()0, #0.0
        insn fcmpe \r\()0, #0.0
        insn fcmp \r\()0, \r\()0
        insn fccmp \r\()0, \r\()1, #6, ne
        insn fccmpe \r\()0, \r\()1, #1, lt
        insn fcsel \r\()0, \r\()1, \r\()2, hi
        insn fmov \r\()0, #1.0
        insn fmov \r\()0, #-0.1328125
        insn fmov \r\()0, #31.0
        .irp cond, eq, ne, cs, cc, mi, pl, vs, vc, hi, ls, ge, lt, gt, le
        compare_and_use \r, \cond
        .endr
        .endr

        insn fcvt s0, h1
        insn fcvt d0, h1
        insn fcvt h0, s1
        insn fcvt d0, s1
        insn fcvt h0, d1
        insn fcvt s0, d1
        insn fcvtxn s0, d1
        insn fjcvtzs w1, d0

        .irp op, fcvtns, fcvtnu, fcvtps, fcvtpu, fcvtms, fcvtmu, fcvtzs, fcvtzu, fcvtas, fcvtau
        .irp r, h, s, d
        to_integer \op, \r
        .endr
        .endr
        .irp op, fcvtzs, fcvtzu
        .irp r, h, s, d
        to_fixed \op, \r
        .endr
        insn \op h0, h1, #4
        insn \op s0, s1, #31
        insn \op d0, d1, #64
        .endr
        .irp op, scvtf, ucvtf
        .irp r, h, s, d
        from_fixed \op, \r
        .endr
        insn \op h0, h1, #16
        insn \op s0, s1, #5
        insn \op d0, d1, #40
        .endr

        insn fmov w1, s0
        insn fmov x1, d0
        insn fmov w1, h0
        insn fmov s0, w2
        insn fmov d0, x2
        insn fmov h0, w2
        insn fmov x1, v0.d[1]
        insn fmov v0.d[1], x2

        /* The modes are in force for the very next instruction. */
        seq "mrs x1, fpcr"
        seq "and x2, x2, #0xc00000; msr fpcr, x2", "fdiv d0, d1, d2", "mrs x1, fpcr; msr fpcr, xzr"
        seq "msr fpsr, xzr", "fadd s0, s1, s2", "mrs x1, fpsr"

        list_end
