/* SPDX-License-Identifier: MIT */
/* MXCSR of compiled code: rounding direction, traps, sticky flags (Intel SDM volume 1, 10.2.3). */
#include "tcg/x86_64/gen.h"

enum {
    MXCSR_FLAGS = 0x3f,
    MXCSR_IE = 1,
    MXCSR_ZE = 4,
    MXCSR_OE = 8,
    MXCSR_UE = 16,
    MXCSR_PE = 32,
    MXCSR_IM = 0x80,
    MXCSR_MASKS = 0x1f80,
    MXCSR_RC_SHIFT = 13,
};

uint8_t tcg_backend_take_fp_flags(CPUState *cpu)
{
    unsigned f = cpu->host_fpcr;

    cpu->host_fpcr &= ~(uint32_t) MXCSR_FLAGS;
    return (uint8_t) ((f & MXCSR_IE ? FLOAT_FLAG_INVALID : 0) | (f & MXCSR_ZE ? FLOAT_FLAG_DIVBYZERO : 0) |
                      (f & MXCSR_OE ? FLOAT_FLAG_OVERFLOW : 0) | (f & MXCSR_UE ? FLOAT_FLAG_UNDERFLOW : 0) |
                      (f & MXCSR_PE ? FLOAT_FLAG_INEXACT : 0));
}

void tcg_backend_set_fp_mode(CPUState *cpu)
{
    unsigned rc = 0;

    switch (cpu->fp_status.round_mode) {
    case FLOAT_ROUND_DOWN:
        rc = 1;
        break;
    case FLOAT_ROUND_UP:
        rc = 2;
        break;
    case FLOAT_ROUND_TO_ZERO:
        rc = 3;
        break;
    default: /* to nearest; blocks with any other mode are fp_soft */
        break;
    }
    cpu->host_fpcr = (cpu->host_fpcr & MXCSR_FLAGS) | rc << MXCSR_RC_SHIFT |
                     (x86_config.fp_check ? MXCSR_MASKS : MXCSR_MASKS & ~(unsigned) MXCSR_IM);
}
