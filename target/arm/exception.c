/* SPDX-License-Identifier: MIT */
/*
 * Taking exceptions and returning from them (DDI 0487 D1.3, D1.4; pseudocode AArch64.TakeException,
 * AArch64.ExceptionReturn, SetPSTATEFromPSR).
 */
#include <string.h>

#include "exec/exec.h"
#include "target/arm/system.h"
#include "target/arm/translate.h"

/* Bits of PSTATE that env->pstate holds; the others are cc, btype. */
enum {
    PSTATE_KEPT = ARM_PSTATE_SP | ARM_PSTATE_EL | ARM_PSTATE_DAIF | ARM_PSTATE_SSBS |
                  ARM_PSTATE_IL | ARM_PSTATE_SS | ARM_PSTATE_PAN | ARM_PSTATE_UAO | ARM_PSTATE_DIT |
                  ARM_PSTATE_TCO,
};

/* Offsets in a vector table (table D1-5), of the current level's SP_EL0. */
enum { VECTOR_SYNC = 0, VECTOR_IRQ = 0x80, VECTOR_FIQ = 0x100, VECTOR_SERROR = 0x180 };

/* ---- stack pointers
 * ------------------------------------------------------------------------------ */

static int stack_of(uint32_t pstate)
{
    return pstate & ARM_PSTATE_SP ? pstate >> ARM_PSTATE_EL_SHIFT & 3 : 0;
}

/* PSTATE.EL and SP change: SP becomes that of the new state. */
static void set_pstate(CPUArmState *env, uint32_t pstate)
{
    int old = stack_of(env->pstate), new = stack_of(pstate);
    bool other_el = (env->pstate ^ pstate) & ARM_PSTATE_EL && env->board->pmu.filtered;

    if (other_el) {
        arm_pmu_leave_el(env);
    }
    env->pstate = pstate;
    if (other_el) {
        arm_pmu_enter_el(env);
    }
    if (old != new) {
        env->sys.sp_el[old] = env->x[31];
        env->x[31] = env->sys.sp_el[new];
    }
}

void arm_set_spsel(CPUArmState *env, bool own)
{
    set_pstate(env, (env->pstate & ~ARM_PSTATE_SP) | (own ? ARM_PSTATE_SP : 0));
}

/* ---- recording
 * ------------------------------------------------------------------------------------- */

static void record(CPUArmState *env, uint64_t esr, bool has_far, vaddr far)
{
    env->sys.exc.esr = esr;
    env->sys.exc.has_far = has_far;
    env->sys.exc.far = far;
    env->sys.exc.el = MAX(arm_el(env), 1);
    env->parent.exception_index = EXCP_ARM_SYNC;
}

void arm_record_exception(CPUArmState *env, uint64_t esr)
{
    record(env, esr, false, 0);
}

void arm_record_abort(CPUArmState *env, uint64_t esr, vaddr far)
{
    record(env, esr, true, far);
}

void arm_raise(CPUArmState *env, uint64_t esr)
{
    arm_record_exception(env, esr);
    cpu_loop_exit(&env->parent, EXCP_ARM_SYNC);
}

void arm_raise_abort(CPUArmState *env, uint64_t esr, vaddr far)
{
    arm_record_abort(env, esr, far);
    cpu_loop_exit(&env->parent, EXCP_ARM_SYNC);
}

/* ---- entry
 * ------------------------------------------------------------------------------------------- */

uint64_t arm_get_spsr(const CPUArmState *env)
{
    return arm_get_pstate(env);
}

static void take(CPUArmState *env, int el, unsigned vector)
{
    uint64_t sctlr = env->sys.sctlr_el[el];
    uint32_t old = env->pstate, new = old &(ARM_PSTATE_DIT | ARM_PSTATE_PAN);

    arm_exclusive_let_go(env);
    env->sys.wfe = false; /* ERET is an event: then it is over */
    env->sys.spsr_el[el] = arm_get_spsr(env);
    env->sys.elr_el[el] = env->pc;
    if (arm_el(env) < el) {
        vector += 0x400;
    } else if (old & ARM_PSTATE_SP) {
        vector += 0x200;
    }
    if (arm_feature(env, ARM_FEAT_PAN) && !(sctlr & SCTLR_SPAN)) {
        new |= ARM_PSTATE_PAN;
    }
    if (sctlr & SCTLR_DSSBS) {
        new |= ARM_PSTATE_SSBS;
    }
    set_pstate(env, new | ARM_PSTATE_DAIF | ARM_PSTATE_SP | (uint32_t)el << ARM_PSTATE_EL_SHIFT);
    env->btype = 0;
    env->pc = env->sys.vbar_el[el] + vector;
    env->parent.exception_index = EXCP_NONE;
}

/* Compiled code has cleared PSTATE.SS before the instruction that it steps; it did not complete. */
static bool was_stepped(const CPUArmState *env, unsigned ec)
{
    bool completed = ec == EC_SVC64 || ec == EC_HVC64 || ec == EC_SMC64 || ec == EC_STEP;

    return env->sys.mdscr & MDSCR_SS && arm_debug_enabled(env) && !completed && ec != EC_INSN_ABORT;
}

static void take_sync(CPUArmState *env)
{
    int el = env->sys.exc.el;
    uint64_t esr = env->sys.exc.esr;
    unsigned ec = syn_ec(esr);

    if (el == arm_el(env) && (ec == EC_INSN_ABORT || ec == EC_DATA_ABORT || ec == EC_BREAKPOINT ||
                              ec == EC_STEP || ec == EC_WATCHPOINT)) {
        esr += 1u << ESR_EC_SHIFT; /* "without a change in Exception level" */
    }
    if (was_stepped(env, ec)) {
        env->pstate |= ARM_PSTATE_SS;
    }
    env->sys.esr_el[el] = esr;
    if (env->sys.exc.has_far) {
        env->sys.far_el[el] = env->sys.exc.far;
    }
    take(env, el, VECTOR_SYNC);
}

/*
 * EXCP_ALIGN comes from checks in compiled code, which know the address only: what the instruction
 * at pc is decides between a misaligned stack pointer and data, and between load and store.
 */
static void record_misaligned(CPUArmState *env)
{
    uint32_t insn = 0;
    vaddr addr = env->parent.fault_addr;

    cpu_memory_rw_debug(&env->parent, env->pc, &insn, 4, false);
    insn = GUINT32_FROM_LE(insn);
    if ((insn >> 5 & 31) == 31 && env->x[31] & 15) {
        arm_record_exception(env, syn(EC_SP_ALIGN, 0));
        return;
    }
    /* Exclusives and ordered: bit 22 (L); compare-and-swap and the other atomics count as reads
     * when reading would fault too, which alignment does. */
    bool ordered = (insn >> 24 & 0x3f) == 0x08;
    bool store = ordered && !(insn >> 22 & 1) && !(insn >> 21 & 1 && insn >> 23 & 1);
    arm_record_abort(env, syn(EC_DATA_ABORT, FSC_ALIGNMENT | (store ? ISS_WNR : 0)), addr);
}

void arm_do_interrupt(CPUState *cpu)
{
    CPUArmState *env = arm_env(cpu);

    switch (cpu->exception_index) {
    case EXCP_UDEF:
        arm_record_exception(env, syn(EC_UNKNOWN, 0));
        break;
    case EXCP_ALIGN:
        record_misaligned(env);
        break;
    case EXCP_BTI:
        if (!arm_page_guarded(env, env->pc)) {
            env->btype = 0; /* blocks do not know of the page; it is as if it had been 0 */
            cpu->exception_index = EXCP_NONE;
            return;
        }
        arm_record_exception(env, syn(EC_BTI, env->btype));
        break;
    case EXCP_ARM_SYNC:
        break;
    default:
        g_error("an exception that Arm does not have: %#x", cpu->exception_index);
    }
    take_sync(env);
}

/* ---- interrupts
 * ----------------------------------------------------------------------------------------- */

static const struct {
    uint32_t interrupt, mask;
    unsigned vector;
} kinds[] = {
    { CPU_INT_FAST, ARM_PSTATE_F, VECTOR_FIQ },
    { CPU_INT_HARD, ARM_PSTATE_I, VECTOR_IRQ },
    { CPU_INT_TARGET0, ARM_PSTATE_A, VECTOR_SERROR },
};

bool arm_exec_interrupt(CPUState *cpu, uint32_t interrupts)
{
    CPUArmState *env = arm_env(cpu);

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!(interrupts & kinds[i].interrupt) || env->pstate & kinds[i].mask) {
            continue;
        }
        if (kinds[i].interrupt == CPU_INT_TARGET0) {
            env->sys.serror = false;
            cpu_clear_interrupt(arm_vcpu(env), CPU_INT_TARGET0);
            env->sys.esr_el[1] = syn(EC_SERROR, 0);
        }
        take(env, 1, kinds[i].vector);
        return true;
    }
    return false;
}

/* WFE does not wake for what is masked (D1.6.1), unlike WFI. */
bool arm_interrupt_due(const CPUState *cpu)
{
    const CPUArmState *env = arm_env(cpu);

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (cpu->interrupts & kinds[i].interrupt && !(env->pstate & kinds[i].mask)) {
            return true;
        }
    }
    return false;
}

bool arm_has_work(const CPUState *cpu)
{
    const CPUArmState *env = arm_env(cpu);

    if (arm_vcpu(env)->powered_off) {
        return false;
    }
    return env->sys.event || (env->sys.wfe ? arm_interrupt_due(cpu) : cpu->interrupts != 0);
}

/* ---- return
 * -----------------------------------------------------------------------------------------------
 */

static bool illegal_state(const CPUArmState *env, uint64_t spsr)
{
    unsigned el = spsr >> ARM_PSTATE_EL_SHIFT & 3;

    return spsr & ARM_PSTATE_nRW || spsr & 2 || el > (unsigned)arm_el(env) ||
           (el == 0 && spsr & ARM_PSTATE_SP);
}

/* Bits that this CPU has. */
static uint32_t known_bits(const CPUArmState *env)
{
    uint32_t bits = PSTATE_KEPT & ~ARM_PSTATE_TCO;

    bits &= arm_feature(env, ARM_FEAT_PAN) ? ~0u : ~ARM_PSTATE_PAN;
    bits &= arm_feature(env, ARM_FEAT_UAO) ? ~0u : ~ARM_PSTATE_UAO;
    bits &= arm_feature(env, ARM_FEAT_DIT) ? ~0u : ~ARM_PSTATE_DIT;
    bits &= arm_feature(env, ARM_FEAT_SSBS) ? ~0u : ~ARM_PSTATE_SSBS;
    return bits;
}

/* Software step: SPSR.SS counts only where step exceptions will be (DebugExceptionReturnSS). */
static bool step_after_return(const CPUArmState *env, uint64_t spsr)
{
    bool to_el1 = spsr >> ARM_PSTATE_EL_SHIFT & 3;
    bool enabled =
        !env->sys.os_lock && (!to_el1 || (env->sys.mdscr & MDSCR_KDE && !(spsr & ARM_PSTATE_D)));

    return env->sys.mdscr & MDSCR_SS && !arm_debug_enabled(env) && enabled && spsr & ARM_PSTATE_SS;
}

void arm_exception_return(CPUArmState *env, vaddr pc)
{
    uint64_t spsr = env->sys.spsr_el[arm_el(env)];
    uint32_t new = spsr &known_bits(env) & ~ARM_PSTATE_SS;

    if (step_after_return(env, spsr)) {
        new |= ARM_PSTATE_SS;
    }
    if (illegal_state(env, spsr)) {
        uint32_t level = ARM_PSTATE_EL | ARM_PSTATE_SP;
        new = (new & ~level) | (env->pstate & level) | ARM_PSTATE_IL;
        env->btype = 0;
    } else {
        env->btype = arm_feature(env, ARM_FEAT_BTI) ? spsr >> ARM_PSTATE_BTYPE_SHIFT & 3 : 0;
    }
    env->cc = tcg_cc_pack(spsr >> 28 & 15);
    set_pstate(env, new);
    env->pc = pc;
    env->excl_addr = ~0ull;
    env->sys.event = 1;
}
