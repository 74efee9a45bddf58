/* SPDX-License-Identifier: MIT */
/* What translated code of a whole machine calls. */
#include <stdatomic.h>
#include <string.h>

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

/* A plain store by another CPU clears the exclusive monitor, which is an event. */
static bool reservation_is_gone(CPUArmState *env)
{
    CPUState *cpu = &env->parent;
    const void *p = cpu_peek(cpu, env->excl_addr, arm_mmu_mode(cpu, false));
    uint64_t now = 0;

    if (!p) {
        return true;
    }
    memcpy(&now, p, env->excl_size);
    return now != env->excl_val;
}

/* ns until the event stream's next event (D11.2.5); negative: there is none. */
static int64_t next_stream_event(const CPUArmState *env)
{
    enum { EVNTEN = 1 << 2 };
    unsigned bit = env->sys.cntkctl >> 4 & 15;
    uint64_t period = UINT64_C(2) << bit, now = arm_counter(env);

    if (!(env->sys.cntkctl & EVNTEN)) {
        return -1;
    }
    return arm_counter_to_ns(env, (now & -period) + period) - arm_counter_to_ns(env, now);
}

/*
 * How long WFE sleeps if nothing comes; negative: for ever. Nobody tells us of stores to a reserved
 * address, so they are looked for: for a moment at once, then every RESERVED_NS.
 */
static int64_t wfe_time(CPUArmState *env, int kind, uint64_t until)
{
    enum { LOOKS = 64, RESERVED_NS = 50000 };
    int64_t ns = next_stream_event(env);

    if (kind == WFX_WFET) {
        int64_t left = arm_counter_to_ns(env, until) - arm_counter_to_ns(env, arm_counter(env));
        ns = ns < 0 ? left : MIN(ns, left);
    }
    if (env->excl_addr == ~UINT64_C(0)) {
        return ns;
    }
    for (int n = 0; n < LOOKS; n++) {
        if (reservation_is_gone(env)) {
            return 0;
        }
        __builtin_ia32_pause();
    }
    return ns < 0 ? RESERVED_NS : MIN(ns, RESERVED_NS);
}

/* WFE is done when it is run again, whatever woke it up: the architecture lets it. */
static void wait_for_event(CPUArmState *env, int kind, uint64_t until)
{
    int64_t ns;

    if (atomic_exchange(&env->sys.wfe, false)) {
        env->sys.event = 0;
        return;
    }
    if (clock_virtual_is_counted()) {
        cpu_request_exit(&env->parent); /* its turn is over; the host's time does not count */
        return;
    }
    ns = arm_interrupt_due(&env->parent) ? 0 : wfe_time(env, kind, until);
    if (ns != 0) {
        env->sys.wfe = true;
        vcpu_halt_for(arm_vcpu(env), ns);
        cpu_loop_exit(&env->parent, EXCP_HALTED);
    }
}

static void wait_for_interrupt(CPUArmState *env, int kind, uint64_t until)
{
    CPUState *cpu = &env->parent;

    env->sys.event = 0; /* it would count as something to do */
    env->sys.wfe = false;
    if (kind == WFX_WFIT) {
        sleep_until(env, until);
    }
    env->pc += 4;
    cpu->halted = true;
    cpu_loop_exit(cpu, EXCP_HALTED);
}

static void helper_wait(uint64_t env, uint64_t kind, uint64_t reg, uint64_t val)
{
    CPUArmState *e = ENV(env);
    bool event = kind == WFX_WFE || kind == WFX_WFET;

    if (event ? !e->sys.wfe && atomic_exchange(&e->sys.event, 0) : e->parent.interrupts != 0) {
        return;
    }
    if ((kind == WFX_WFIT || kind == WFX_WFET) && arm_counter(e) >= val) {
        e->sys.wfe = false;
        return;
    }
    if (wait_is_trapped(e, kind)) {
        arm_raise(e, syn_wfx(kind, reg));
    }
    if (event) {
        wait_for_event(e, kind, val);
    } else {
        wait_for_interrupt(e, kind, val);
    }
}

static void helper_sev(uint64_t env, uint64_t all)
{
    ENV(env)->sys.event = 1;
    for (VCPU *v = all ? vcpu_first() : NULL; v; v = v->next) {
        CPUArmState *e = arm_env(v->cpu);

        e->sys.event = 1;
        if (e->sys.wfe) {
            vcpu_wake(v);
        }
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
