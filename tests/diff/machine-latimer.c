/* SPDX-License-Identifier: MIT */
/*
 * The machine is Latimer's library: LATIMER_ACCEL=interp=on, verify=on or nothing;
 * LATIMER_CPU=model. With LATIMER_PRIVATE it is as for a program that has one thread and does not
 * trap often.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accel/tcg/internal.h"
#include "exec/exec.h"
#include "runner.h"
#include "target/arm/cpu.h"

static CPUState *cpu;

static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
    if (!tcg_handle_host_signal(cpu, info, ucontext)) {
        signal(sig, SIG_DFL);
    }
}

static bool accel_is(const char *what)
{
    const char *accel = getenv("LATIMER_ACCEL");
    return accel && strstr(accel, what);
}

void machine_init(void)
{
    static const int signals[] = { SIGILL, SIGSEGV, SIGBUS, SIGFPE };
    static uint8_t alt_stack[65536];
    TCGConfig config = {
        .interp = accel_is("interp=on"),
        .verify = accel_is("verify=on"),
        .no_optimize = accel_is("optimize=off"),
        .fp_check = accel_is("fp-traps=off"),
        .host_features = getenv("LATIMER_HOST"),
    };
    GError *err = NULL;

    if (!tcg_exec_init(&arm_target, &config, &err) ||
        !(cpu = arm_target.cpu_new(getenv("LATIMER_CPU"), &err))) {
        fprintf(stderr, "runner: %s\n", err->message);
        exit(1);
    }
    tcg_cpu_attach(cpu);
    if (!getenv("LATIMER_PRIVATE")) {
        tcg_memory_is_shared();
    }
    sigaltstack(&(stack_t){ .ss_sp = alt_stack, .ss_size = sizeof(alt_stack) }, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(signals); i++) {
        sigaction(signals[i],
                  &(struct sigaction){ .sa_sigaction = on_signal,
                                       .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER },
                  NULL);
    }
}

/* More than a run can raise that stays where it should. */
enum { MAX_SIGNALS = 64 };

/* What stopped the CPU at an instruction, as a signal. */
static void add_exception(Outcome *out, int excp)
{
    switch (excp) {
    case EXCP_FAULT:
        outcome_add(out, cpu->fault_si_signo, cpu_get_pc(cpu), cpu->fault_addr);
        break;
    case EXCP_ALIGN:
        outcome_add(out, SIGBUS, cpu_get_pc(cpu), cpu->fault_addr);
        break;
    case EXCP_BREAKPOINT:
        outcome_add(out, SIGTRAP, cpu_get_pc(cpu), 0);
        break;
    default:
        outcome_add(out, SIGILL, cpu_get_pc(cpu), 0);
    }
}

Outcome machine_run(State *st, const uint32_t *insns, int n)
{
    CPUArmState *env = (CPUArmState *)cpu;
    Outcome out = { 0, 0, 0 };
    int excp;

    memcpy(env->x, st->x, sizeof(env->x));
    memcpy(env->v, st->v, sizeof(env->v));
    arm_set_pstate(env, st->nzcv); /* DIT and SSBS are 0 */
    arm_set_fpcr(env, st->fpcr);
    arm_set_fpsr(env, st->fpsr);
    if (getenv("LATIMER_PRIVATE")) {
        engine.stats.fp_traps = 0;
    }
    env->excl_addr = ~0ull;
    memcpy(SLOT, insns, n * sizeof(*insns));
    SLOT[n] = 0xd4000001; /* SVC */
    tb_invalidate_range((uintptr_t)SLOT, (uintptr_t)(SLOT + n + 1));
    cpu_set_pc(cpu, (uintptr_t)SLOT);
    while (out.nb < MAX_SIGNALS && (excp = cpu_exec(cpu)) != EXCP_SYSCALL) {
        add_exception(&out, excp);
        env->excl_addr = ~0ull; /* as a return from a signal handler leaves it */
        cpu_set_pc(cpu, cpu_get_pc(cpu) + 4);
    }
    memcpy(st->x, env->x, sizeof(env->x));
    memcpy(st->v, env->v, sizeof(env->v));
    st->nzcv = arm_get_pstate(env) & 0xf0000000;
    st->fpsr = arm_get_fpsr(env);
    st->fpcr = arm_get_fpcr(env);
    return out;
}
