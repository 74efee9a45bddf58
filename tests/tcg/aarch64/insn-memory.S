/* SPDX-License-Identifier: MIT */
/* Loads and stores in every addressing mode, exclusives and atomics. Arm ARM, C4.1.69. */
#include "insn.inc"
        .arch armv8.5-a+rcpc+lse

        .macro modes op, reg, shift, size
        insn \op \reg, [x4]
        insn \op \reg, [x4, #\size * 7]
        insn \op \reg, [x4, #\size]!
        insn \op \reg, [x4, #-17]!
        insn \op \reg, [x4], #-\size
        insn \op \reg, [x4], #255
        insn \op \reg, [x4, x3]
        .if \shift
        insn \op \reg, [x4, x3, lsl #\shift]
        insn \op \reg, [x4, x3, sxtx #\shift]
        insn \op \reg, [x4, w5, uxtw #\shift]
        insn \op \reg, [x4, w6, sxtw #\shift]
        .endif
        insn \op \reg, [x4, w5, uxtw]
        insn \op \reg, [x4, w6, sxtw]
        .endm

        .macro unscaled op, reg
        insn \op \reg, [x4, #-3]
        insn \op \reg, [x4, #9]
        .endm

        kind KIND_MEMORY

        modes ldrb, w1, 0, 1
        modes ldrsb, w1, 0, 1
        modes ldrsb, x1, 0, 1
        modes ldrh, w1, 1, 2
        modes ldrsh, w1, 1, 2
        modes ldrsh, x1, 1, 2
        modes ldr, w1, 2, 4
        modes ldrsw, x1, 2, 4
        modes ldr, x1, 3, 8
        modes ldr, b0, 0, 1
        modes ldr, h0, 1, 2
        modes ldr, s0, 2, 4
        modes ldr, d0, 3, 8
        modes ldr, q0, 4, 16
        modes strb, w1, 0, 1
        modes strh, w1, 1, 2
        modes str, w1, 2, 4
        modes str, x1, 3, 8
        modes str, wzr, 2, 4
        modes str, xzr, 3, 8
        modes str, b0, 0, 1
        modes str, h0, 1, 2
        modes str, s0, 2, 4
        modes str, d0, 3, 8
        modes str, q0, 4, 16

        .irp op, ldurb, ldursb, ldurh, ldursh, ldur, sturb, sturh, stur
        unscaled \op, w1
        .endr
        .irp op, ldursb, ldursh, ldursw, ldur, stur
        unscaled \op, x1
        .endr
        .irp reg, b0, h0, s0, d0, q0
        unscaled ldur, \reg
        unscaled stur, \reg
        .endr
        unscaled ldtr, x1
        unscaled sttr, w1

        .macro pairs op, a, b, size
        insn \op \a, \b, [x4]
        insn \op \a, \b, [x4, #-2 * \size]
        insn \op \a, \b, [x4, #3 * \size]!
        insn \op \a, \b, [x4], #-\size
        .endm
        pairs ldp, w1, w2, 4
        pairs ldp, x1, x2, 8
        pairs ldpsw, x1, x2, 4
        pairs ldp, s0, s1, 4
        pairs ldp, d0, d1, 8
        pairs ldp, q0, q1, 16
        pairs stp, w1, w2, 4
        pairs stp, x1, x2, 8
        pairs stp, s0, s1, 4
        pairs stp, d0, d1, 8
        pairs stp, q0, q1, 16
        insn ldnp x1, x2, [x4, #16]
        insn stnp q0, q1, [x4, #-32]
        insn prfm pldl1keep, [x4]
        insn prfm pstl2strm, [x4, x3, lsl #3]

        /* Acquire, release, exclusive. */
        .irp op, ldarb, ldarh, ldaprb, ldaprh, stlrb, stlrh
        insn \op w1, [x4]
        .endr
        .irp op, ldar, ldapr, stlr
        insn \op w1, [x4]
        insn \op x1, [x4]
        .endr
        .irp suffix, b, h
        seq "ldxr\suffix w1, [x4]", "stxr\suffix w2, w3, [x4]"
        seq "ldaxr\suffix w1, [x4]", "stlxr\suffix w2, w3, [x4]"
        .endr
        seq "ldxr w1, [x4]", "stxr w2, w3, [x4]"
        seq "ldxr x1, [x4]", "stlxr w2, x3, [x4]"
        seq "ldaxr x1, [x4]", "clrex", "stxr w2, x3, [x4]"
        seq "ldaxr x1, [x4]", "stxr w2, x3, [x4]", "stxr w1, x3, [x4]"
        seq "ldxp w1, w2, [x4]", "stxp w2, w5, w6, [x4]"
        seq "ldaxp x1, x2, [x4]", "stlxp w2, x5, x6, [x4]"

        /* LSE. The memory operand holds x5 half of the time, for CAS. */
        .irp op, ldadd, ldclr, ldeor, ldset, ldsmax, ldsmin, ldumax, ldumin, swp
        .irp order, , a, l, al
        insn \op\order w3, w1, [x4]
        insn \op\order x3, x1, [x4]
        .endr
        .irp size, b, h, alb, alh
        insn \op\size w3, w1, [x4]
        .endr
        .endr
        .irp order, , a, l, al
        seq "tbz x6, #0, 1f; str x5, [x4]; 1:", "mov x1, x5", "cas\order x1, x3, [x4]"
        seq "tbz x6, #0, 1f; str w5, [x4]; 1:", "mov x1, x5", "cas\order w1, w3, [x4]"
        .endr
        .irp size, b, h
        seq "tbz x6, #0, 1f; str x5, [x4]; 1:", "mov x1, x5", "cas\size w1, w3, [x4]"
        .endr
        seq "tbz x6, #0, 1f; stp x2, x3, [x4]; 1:", "casp x2, x3, x2, x3, [x4]"
        seq "tbz x6, #0, 1f; stp w2, w3, [x4]; 1:", "caspal w2, w3, w2, w3, [x4]"
        insn stadd w3, [x4]
        insn stsmaxl x3, [x4]

        /* Structures. */
        .irp t, 8b, 16b, 4h, 8h, 2s, 4s, 1d, 2d
        insn ld1 {v0.\t}, [x4]
        insn ld1 {v0.\t, v1.\t}, [x4], x3
        insn ld1 {v0.\t - v2.\t}, [x4]
        insn ld1 {v0.\t - v3.\t}, [x4], x3
        insn st1 {v0.\t}, [x4]
        insn st1 {v0.\t - v3.\t}, [x4], x3
        .endr
        .irp t, 8b, 16b, 4h, 8h, 2s, 4s, 2d
        insn ld2 {v0.\t, v1.\t}, [x4], x3
        insn ld3 {v0.\t - v2.\t}, [x4]
        insn ld4 {v0.\t - v3.\t}, [x4], x3
        insn st2 {v0.\t, v1.\t}, [x4]
        insn st3 {v0.\t - v2.\t}, [x4], x3
        insn st4 {v0.\t - v3.\t}, [x4]
        insn ld1r {v0.\t}, [x4], x3
        insn ld2r {v0.\t, v1.\t}, [x4]
        insn ld3r {v0.\t - v2.\t}, [x4]
        insn ld4r {v0.\t - v3.\t}, [x4], x3
        .endr
        .irp op, ld, st
        insn \op\()1 {v0.b}[11], [x4], #1
        insn \op\()1 {v0.h}[5], [x4], x3
        insn \op\()1 {v0.s}[3], [x4]
        insn \op\()1 {v0.d}[1], [x4], #8
        insn \op\()2 {v0.b, v1.b}[0], [x4]
        insn \op\()2 {v0.s, v1.s}[2], [x4], x3
        insn \op\()3 {v0.h - v2.h}[7], [x4]
        insn \op\()4 {v0.d - v3.d}[0], [x4], #32
        .endr

        list_end
