/* SPDX-License-Identifier: MIT */
/* What translated code of a whole machine calls. */
#include <sched.h>
#include <stdatomic.h>

#include "exec/exec.h"
#include "hw/biglock.h"
#include "target/arm/system.h"

#define ENV(e) ((CPUArmState *)(uintptr_t)(e))
#define ROW(r) arm_sysreg_by_id(r)

/* ---- system registers
 * ------------------------------------------------------------------------------ */

static void check(CPUArmState *env, const ARMSysReg *r, uint32_t insn, bool read)
{
    switch (arm_check_sysreg(env, r, read)) {
    case ARM_TRAP_NONE:
        return;
    case ARM_TRAP_UNDEF:
        arm_raise(env, syn(EC_UNKNOWN, 0));
    case ARM_TRAP_SYSREG:
        arm_raise(env, syn_sysreg(insn));
    case ARM_TRAP_FP:
        arm_raise(env, syn_fp_access());
    }
}

static uint64_t helper_mrs(uint64_t env, uint64_t row, uint64_t insn)
{
    check(ENV(env), ROW(row), insn, true);
    return arm_read_sysreg(ENV(env), ROW(row));
}

static void helper_msr(uint64_t env, uint64_t row, uint64_t insn, uint64_t val)
{
    check(ENV(env), ROW(row), insn, false);
    arm_write_sysreg(ENV(env), ROW(row), val);
}

/* ---- leaving
 * ---------------------------------------------------------------------------------------- */

static void helper_breakpoint(uint64_t env)
{
    if (arm_breakpoint_at(ENV(env), ENV(env)->pc)) {
        arm_raise(ENV(env), syn(EC_BREAKPOINT, FSC_DEBUG));
    }
}

static void helper_eret(uint64_t env, uint64_t target)
{
    arm_exception_return(ENV(env), target);
    cpu_loop_exit(&ENV(env)->parent, EXCP_NONE);
}

static void helper_go(uint64_t env, uint64_t target)
{
    ENV(env)->pc = target;
    cpu_loop_exit(&ENV(env)->parent, EXCP_NONE);
}

/* The preferred return address of HVC and SMC is behind them. */
static void helper_firmware(uint64_t env)
{
    CPUArmState *e = ENV(env);

    e->pc += 4;
    arm_psci_call(e);
    cpu_loop_exit(&e->parent, e->parent.halted ? EXCP_HALTED : EXCP_NONE);
}

/* ---- waiting
 * ---------------------------------------------------------------------------------------- */

static bool wait_is_trapped(const CPUArmState *env, int kind)
{
    uint64_t allow = kind == WFX_WFI || kind == WFX_WFIT ? SCTLR_nTWI : SCTLR_nTWE;

    return arm_el(env) == 0 && !(env->sys.sctlr_el[1] & allow);
}

static void sleep_until(CPUArmState *env, uint64_t count)
{
    biglock_lock();
    timer_mod(&env->board->wfx_timer, arm_counter_to_ns(env, count));
    biglock_unlock();
}

/*
 * WFI sleeps until an interrupt. WFE might wait for a store that nobody tells us of (the exclusive
 * monitor's events), so it only lets others run.
 */
static void helper_wait(uint64_t env, uint64_t kind, uint64_t reg, uint64_t val)
{
    CPUArmState *e = ENV(env);
    CPUState *cpu = &e->parent;
    bool event = kind == WFX_WFE || kind == WFX_WFET;

    if (event && atomic_exchange(&e->sys.event, 0)) {
        return;
    }
    if (!event && cpu->interrupts) {
        return;
    }
    if ((kind == WFX_WFIT || kind == WFX_WFET) && arm_counter(e) >= val) {
        return;
    }
    if (wait_is_trapped(e, kind)) {
        arm_raise(e, syn_wfx(kind, reg));
    }
    if (event) {
        sched_yield();
        return;
    }
    e->sys.event = 0; /* it would count as something to do */
    if (kind == WFX_WFIT) {
        sleep_until(e, val);
    }
    e->pc += 4;
    cpu->halted = true;
    cpu_loop_exit(cpu, EXCP_HALTED);
}

static void helper_sev(uint64_t env, uint64_t all)
{
    ENV(env)->sys.event = 1;
    for (VCPU *v = all ? vcpu_first() : NULL; v; v = v->next) {
        arm_env(v->cpu)->sys.event = 1;
    }
}

const ARMSystemOps arm_system_ops = {
    .find_reg = arm_find_sysreg,
    .reg_id = arm_sysreg_id,
    .page_guarded = arm_page_guarded,
    .probe = cpu_probe,
    .load = cpu_ld,
    .store = cpu_st,
    .mrs = { .name = "mrs", .func = helper_mrs, .nargs = 3, .has_ret = true },
    .msr = { .name = "msr", .func = helper_msr, .nargs = 4 },
    .breakpoint = { .name = "breakpoint", .func = helper_breakpoint, .nargs = 1 },
    .eret = { .name = "eret", .func = helper_eret, .nargs = 2 },
    .go = { .name = "go", .func = helper_go, .nargs = 2 },
    .firmware = { .name = "firmware", .func = helper_firmware, .nargs = 1 },
    .wait = { .name = "wait", .func = helper_wait, .nargs = 4 },
    .sev = { .name = "sev", .func = helper_sev, .nargs = 2 },
};
