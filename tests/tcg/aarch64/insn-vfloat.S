/* SPDX-License-Identifier: MIT */
/* Advanced SIMD on floats of all three sizes, in every rounding and flushing mode. */
#include "insn.inc"
        .arch armv8.5-a+fp16+fp16fml

        kind KIND_FLOAT

        .irp op, fadd, fsub, fmul, fdiv, fmax, fmin, fmaxnm, fminnm, fmla, fmls, fabd, fmulx, faddp
        .irp t, 4h, 8h, 2s, 4s, 2d
        insn \op v0.\t, v1.\t, v2.\t
        .endr
        .endr
        .irp op, fmaxp, fminp, fmaxnmp, fminnmp, frecps, frsqrts, fcmeq, fcmge, fcmgt, facge, facgt
        .irp t, 4h, 8h, 2s, 4s, 2d
        insn \op v0.\t, v1.\t, v2.\t
        .endr
        .endr
        .irp op, fabs, fneg, fsqrt, frintn, frintp, frintm, frintz, frinta, frintx, frinti
        .irp t, 4h, 8h, 2s, 4s, 2d
        insn \op v0.\t, v1.\t
        .endr
        .endr
        .irp op, frecpe, frsqrte, scvtf, ucvtf
        .irp t, 4h, 8h, 2s, 4s, 2d
        insn \op v0.\t, v1.\t
        .endr
        .endr
        .irp op, fcvtns, fcvtnu, fcvtps, fcvtpu, fcvtms, fcvtmu, fcvtzs, fcvtzu, fcvtas, fcvtau
        .irp t, 4h, 8h, 2s, 4s, 2d
        insn \op v0.\t, v1.\t
        .endr
        .endr
        .irp op, frint32z, frint32x, frint64z, frint64x
        .irp t, 2s, 4s, 2d
        insn \op v0.\t, v1.\t
        .endr
        .endr
        .irp op, fcmeq, fcmge, fcmgt, fcmle, fcmlt
        .irp t, 4h, 8h, 2s, 4s, 2d
        insn \op v0.\t, v1.\t, #0.0
        .endr
        .endr
        .irp op, faddp, fmaxp, fminp, fmaxnmp, fminnmp
        insn \op h0, v1.2h
        insn \op s0, v1.2s
        insn \op d0, v1.2d
        .endr
        .irp op, fmaxv, fminv, fmaxnmv, fminnmv
        insn \op h0, v1.4h
        insn \op h0, v1.8h
        insn \op s0, v1.4s
        .endr
        .irp op, fmul, fmulx, fmla, fmls
        insn \op v0.4h, v1.4h, v2.h[2]
        insn \op v0.8h, v1.8h, v2.h[7]
        insn \op v0.2s, v1.2s, v2.s[1]
        insn \op v0.4s, v1.4s, v2.s[3]
        insn \op v0.2d, v1.2d, v2.d[1]
        insn \op h0, h1, v2.h[5]
        insn \op s0, s1, v2.s[2]
        insn \op d0, d1, v2.d[0]
        .endr
        .irp op, fmlal, fmlal2, fmlsl, fmlsl2
        insn \op v0.2s, v1.2h, v2.2h
        insn \op v0.4s, v1.4h, v2.4h
        insn \op v0.4s, v1.4h, v2.h[6]
        .endr
        insn fcvtl v0.4s, v1.4h
        insn fcvtl2 v0.4s, v1.8h
        insn fcvtl v0.2d, v1.2s
        insn fcvtl2 v0.2d, v1.4s
        insn fcvtn v0.4h, v1.4s
        insn fcvtn2 v0.8h, v1.4s
        insn fcvtn v0.2s, v1.2d
        insn fcvtn2 v0.4s, v1.2d
        insn fcvtxn v0.2s, v1.2d
        insn fcvtxn2 v0.4s, v1.2d
        .irp op, scvtf, ucvtf, fcvtzs, fcvtzu
        insn \op v0.4h, v1.4h, #3
        insn \op v0.8h, v1.8h, #16
        insn \op v0.2s, v1.2s, #1
        insn \op v0.4s, v1.4s, #32
        insn \op v0.2d, v1.2d, #50
        .endr
        .irp t, 4h, 8h, 2s, 4s, 2d
        insn fmov v0.\t, #-7.5
        .endr
        .irp angle, 90, 270
        insn fcadd v0.4h, v1.4h, v2.4h, #\angle
        insn fcadd v0.4s, v1.4s, v2.4s, #\angle
        insn fcadd v0.2d, v1.2d, v2.2d, #\angle
        .endr
        .irp angle, 0, 90, 180, 270
        insn fcmla v0.8h, v1.8h, v2.8h, #\angle
        insn fcmla v0.2s, v1.2s, v2.2s, #\angle
        insn fcmla v0.4s, v1.4s, v2.4s, #\angle
        insn fcmla v0.2d, v1.2d, v2.2d, #\angle
        insn fcmla v0.4h, v1.4h, v2.h[1], #\angle
        insn fcmla v0.4s, v1.4s, v2.s[1], #\angle
        .endr

        list_end
