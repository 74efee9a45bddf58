/* SPDX-License-Identifier: MIT */
/*
 * SIMD instructions that have no op: C functions over the CPU state. One helper, helper_simd, takes
 * a description and finds the function in a table.
 */
#ifndef TARGET_ARM_HELPER_SIMD_H
#define TARGET_ARM_HELPER_SIMD_H

#include "target/arm/cpu.h"

/* What a call is to do. It travels as one 64-bit constant. */
typedef union SimdDesc {
    struct {
        uint8_t func; /* SimdFunc */
        uint8_t rd, rn, rm;
        uint8_t x;    /* SimdFunc says what: ra, or an immediate */
        uint8_t size; /* of elements: MO_8…MO_64 */
        uint8_t keep; /* log2 bytes of the result; the register is zero above */
        uint8_t lane; /* by-element forms: 1 + the lane of rm, for all of rd's; else 0 */
    };
    uint64_t raw;
} SimdDesc;

typedef enum SimdFunc {
#define SIMD_FUNC(name, ...) SIMD_##name,
#include "target/arm/helper-simd.h.inc"
#undef SIMD_FUNC
    SIMD_FUNC_COUNT
} SimdFunc;

typedef void SimdHelper(CPUArmState *env, SimdDesc d);
#define SIMD_FUNC(name, func) SimdHelper func;
#include "target/arm/helper-simd.h.inc"
#undef SIMD_FUNC

extern const TCGHelperInfo helper_simd_info;    /* (CPUArmState *, SimdDesc.raw) */
extern const TCGHelperInfo helper_fjcvtzs_info; /* (CPUArmState *, double): int32 | Z << 32 */

/* Clears what is above the result. */
static inline void simd_finish(CPUArmState *env, SimdDesc d)
{
    for (int i = 1 << d.keep; i < 16; i++) {
        env->v[d.rd].b[i] = 0;
    }
}

#endif
