/* SPDX-License-Identifier: MIT */
/* MXCSR of compiled code: rounding direction, traps, sticky flags (Intel SDM volume 1, 10.2.3). */
#include "tcg/x86_64/gen.h"

enum {
    MXCSR_FLAGS = 0x3f,
    MXCSR_IE = 1,
    MXCSR_DE = 2,
    MXCSR_ZE = 4,
    MXCSR_OE = 8,
    MXCSR_UE = 16,
    MXCSR_PE = 32,
    MXCSR_DAZ = 0x40,
    MXCSR_IM = 0x80,
    MXCSR_DM = 0x100,
    MXCSR_ZM = 0x200,
    MXCSR_UM = 0x800,
    MXCSR_PM = 0x1000,
    MXCSR_FTZ = 0x8000,
    MXCSR_MASKS = 0x1f80,
    MXCSR_MASK_SHIFT = 7,
    MXCSR_RC_SHIFT = 13,
};

/*
 * A helper called by compiled code runs on the return stack, with the guest's MXCSR live; elsewhere
 * the guest's is in host_fpcr.
 */
static bool in_compiled_code(const CPUState *cpu)
{
    return (uintptr_t)__builtin_frame_address(0) - (uintptr_t)cpu->ret_stack < cpu->ret_stack_size;
}

static uint32_t get_mxcsr(const CPUState *cpu)
{
    return in_compiled_code(cpu) ? __builtin_ia32_stmxcsr() : cpu->host_fpcr;
}

static void set_mxcsr(CPUState *cpu, uint32_t val)
{
    cpu->host_fpcr = val;
    if (in_compiled_code(cpu)) {
        __builtin_ia32_ldmxcsr(val);
    }
}

void tcg_backend_unwind(CPUState *cpu)
{
    if (in_compiled_code(cpu)) {
        cpu->host_fpcr = __builtin_ia32_stmxcsr();
        __builtin_ia32_ldmxcsr(cpu->saved_host_fpcr);
    }
}

uint8_t tcg_backend_take_fp_flags(CPUState *cpu)
{
    unsigned f = get_mxcsr(cpu);

    if (f & MXCSR_FLAGS) {
        set_mxcsr(cpu, f & ~(uint32_t)MXCSR_FLAGS);
    }
    return (uint8_t)((f & MXCSR_IE ? FLOAT_FLAG_INVALID : 0) |
                     (f & MXCSR_ZE ? FLOAT_FLAG_DIVBYZERO : 0) |
                     (f & MXCSR_OE ? FLOAT_FLAG_OVERFLOW : 0) |
                     (f & MXCSR_UE ? FLOAT_FLAG_UNDERFLOW : 0) |
                     (f & MXCSR_PE ? FLOAT_FLAG_INEXACT : 0));
}

/*
 * What the host's flags do not tell as the guest's do traps, until the guest's flag, which is
 * sticky, is set; from then on nothing can be missed.
 *
 * Underflow: the host decides after rounding what is tiny. A result that was rounded up to the
 * smallest normal number is followed by a product with 1/2, which is tiny, or it is compared
 * (fp.c). Such a product of a denormal may be inexact: so that has to be set as well.
 *
 * Where the guest flushes denormals, those and tiny results trap, until the guest's flags say both
 * (and inexact, which the host says of what it flushed, and of an underflow that traps: so the
 * first inexact result traps as well). Then the host flushes by itself. A division by zero hides
 * that the dividend is a denormal: it traps, or the dividend is looked at (CF_FP_CHECK).
 */
static uint32_t mode_bits(const CPUState *cpu)
{
    const FloatStatus *st = &cpu->fp_status;
    bool checked = cpu->fp_cflags & CF_FP_CHECK, inexact = st->flags & FLOAT_FLAG_INEXACT;
    bool underflow = inexact && st->flags & FLOAT_FLAG_UNDERFLOW;
    uint32_t traps = checked ? 0 : MXCSR_IM;

    if (!st->flush_to_zero) {
        bool compared = cpu->fp_cflags & (CF_FP_CHECK | CF_FP_TININESS);

        return MXCSR_MASKS & ~(traps | (compared || underflow ? 0 : MXCSR_UM));
    }
    if (!(st->flags & FLOAT_FLAG_INPUT_DENORMAL)) {
        traps |= MXCSR_DM | (checked ? 0 : MXCSR_ZM);
    }
    if (!underflow) {
        traps |= MXCSR_UM;
    }
    if (!inexact) {
        traps |= MXCSR_PM;
    }
    return (MXCSR_MASKS & ~traps) | (traps & MXCSR_DM ? 0 : MXCSR_DAZ) |
           (traps & MXCSR_UM ? 0 : MXCSR_FTZ);
}

uint32_t x86_trap_flags(uint32_t mxcsr)
{
    return ~(mxcsr >> MXCSR_MASK_SHIFT) & MXCSR_FLAGS;
}

void tcg_backend_set_fp_mode(CPUState *cpu)
{
    unsigned rc = 0;

    cpu->fp_status.flags |= tcg_backend_take_fp_flags(cpu);
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
    default: /* to nearest */
        break;
    }
    set_mxcsr(cpu, rc << MXCSR_RC_SHIFT | mode_bits(cpu));
}
