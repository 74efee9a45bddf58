/* SPDX-License-Identifier: MIT */
/*
 * The generic timer: the system counter and the physical and virtual timers of EL1 (DDI 0487 D12).
 * Without EL2 the virtual offset is 0. The counter runs with CLOCK_VIRTUAL.
 */
#include "target/arm/system.h"

enum { PHYS, VIRT };
enum { CTL_ENABLE = 1, CTL_IMASK = 2, CTL_ISTATUS = 4 };
enum { CNTKCTL_PCTEN = 1, CNTKCTL_VCTEN = 2, CNTKCTL_VTEN = 1 << 8, CNTKCTL_PTEN = 1 << 9 };

#define F(f)   offsetof(CPUArmState, f)
#define SECOND 1000000000ull

uint64_t arm_counter(const CPUArmState *env)
{
    return (unsigned __int128)clock_get_ns(CLOCK_VIRTUAL) * env->cntfrq / SECOND;
}

/* The first ns at which the counter has reached count. */
int64_t arm_counter_to_ns(const CPUArmState *env, uint64_t count)
{
    unsigned __int128 ns = ((unsigned __int128)count * SECOND + env->cntfrq - 1) / env->cntfrq;

    return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

/* ---- conditions
 * ----------------------------------------------------------------------------------- */

static bool met(const ARMTimer *t)
{
    return t->ctl & CTL_ENABLE && arm_counter(t->env) >= t->cval;
}

/* The output follows the condition; until it is met, a host timer waits for it. Under the lock. */
static void update(ARMTimer *t)
{
    bool now = met(t);

    irq_set(&t->env->board->outputs[t->output], now && !(t->ctl & CTL_IMASK));
    if (t->ctl & CTL_ENABLE && !now) {
        timer_mod(&t->timer, arm_counter_to_ns(t->env, t->cval));
    } else {
        timer_del(&t->timer);
    }
}

static void fire(void *opaque)
{
    update(opaque);
}

void arm_timers_init(CPUArmState *env)
{
    static const int outputs[] = { ARM_TIMER_PHYS, ARM_TIMER_VIRT };

    for (int i = 0; i < ARM_NB_TIMERS; i++) {
        ARMTimer *t = &env->board->timers[i];
        t->env = env;
        t->output = outputs[i];
        timer_init(&t->timer, CLOCK_VIRTUAL, fire, t);
    }
}

void arm_timers_reset(CPUArmState *env)
{
    for (int i = 0; i < ARM_NB_TIMERS; i++) {
        ARMTimer *t = &env->board->timers[i];
        t->ctl = t->cval = 0;
        update(t);
    }
}

/* ---- registers; a row's `mask` is the timer
 * ------------------------------------------------------------ */

static ARMTimer *timer_of(CPUState *cpu, const ARMSysReg *r)
{
    return &arm_env(cpu)->board->timers[r->mask];
}

static uint64_t read_counter(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r,
                             G_GNUC_UNUSED void *opaque)
{
    return arm_counter(arm_env(cpu));
}

static uint64_t read_ctl(CPUState *cpu, const ARMSysReg *r, G_GNUC_UNUSED void *opaque)
{
    ARMTimer *t = timer_of(cpu, r);
    bool now = met(t);

    if (now) { /* whoever sees it met has the interrupt too: the host timer may be late */
        update(t);
    }
    return t->ctl | (now ? CTL_ISTATUS : 0);
}

static void write_ctl(CPUState *cpu, const ARMSysReg *r, uint64_t val, G_GNUC_UNUSED void *opaque)
{
    ARMTimer *t = timer_of(cpu, r);

    t->ctl = val & (CTL_ENABLE | CTL_IMASK);
    update(t);
}

static uint64_t read_cval(CPUState *cpu, const ARMSysReg *r, G_GNUC_UNUSED void *opaque)
{
    return timer_of(cpu, r)->cval;
}

static void write_cval(CPUState *cpu, const ARMSysReg *r, uint64_t val, G_GNUC_UNUSED void *opaque)
{
    ARMTimer *t = timer_of(cpu, r);

    t->cval = val;
    update(t);
}

static uint64_t read_tval(CPUState *cpu, const ARMSysReg *r, G_GNUC_UNUSED void *opaque)
{
    return (uint32_t)(timer_of(cpu, r)->cval - arm_counter(arm_env(cpu)));
}

static void write_tval(CPUState *cpu, const ARMSysReg *r, uint64_t val, void *opaque)
{
    write_cval(cpu, r, arm_counter(arm_env(cpu)) + (int64_t)(int32_t)val, opaque);
}

static ARMTrap unless(CPUState *cpu, uint64_t enable)
{
    CPUArmState *env = arm_env(cpu);

    return arm_el(env) == 0 && !(env->sys.cntkctl & enable) ? ARM_TRAP_SYSREG : ARM_TRAP_NONE;
}

static ARMTrap trap_frq(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, G_GNUC_UNUSED bool read)
{
    return unless(cpu, CNTKCTL_PCTEN | CNTKCTL_VCTEN);
}

static ARMTrap trap_counter(CPUState *cpu, const ARMSysReg *r, G_GNUC_UNUSED bool read)
{
    return unless(cpu, r->mask == PHYS ? CNTKCTL_PCTEN : CNTKCTL_VCTEN);
}

static ARMTrap trap_timer(CPUState *cpu, const ARMSysReg *r, G_GNUC_UNUSED bool read)
{
    return unless(cpu, r->mask == PHYS ? CNTKCTL_PTEN : CNTKCTL_VTEN);
}

#define COUNTER(name, op2, which, ...)                                                         \
    {                                                                                          \
        name, ARM_SYSREG(3, 3, 14, 0, op2), ARM_R0, __VA_ARGS__.mask = which,                  \
                                                    .read = read_counter, .trap = trap_counter \
    }
#define TIMER(name, crm, op2, what, which)                                                \
    {                                                                                     \
        name, ARM_SYSREG(3, 3, 14, crm, op2), ARM_RW0, ARM_REG_IO,                        \
            .mask = which, .read = read_##what, .write = write_##what, .trap = trap_timer \
    }

static const ARMSysReg rows[] = {
    { "CNTKCTL_EL1", ARM_SYSREG(3, 0, 14, 1, 0), ARM_RW1, .offset = F(sys.cntkctl) },
    { "CNTFRQ_EL0", ARM_SYSREG(3, 3, 14, 0, 0), ARM_R0 | ARM_W1, .offset = F(cntfrq),
      .trap = trap_frq },
    COUNTER("CNTPCT_EL0", 1, PHYS, ),
    COUNTER("CNTVCT_EL0", 2, VIRT, ),
    COUNTER("CNTPCTSS_EL0", 5, PHYS, .flags = ARM_REG_FEAT, .feature = ARM_FEAT_ECV, ),
    COUNTER("CNTVCTSS_EL0", 6, VIRT, .flags = ARM_REG_FEAT, .feature = ARM_FEAT_ECV, ),
    TIMER("CNTP_TVAL_EL0", 2, 0, tval, PHYS),
    TIMER("CNTP_CTL_EL0", 2, 1, ctl, PHYS),
    TIMER("CNTP_CVAL_EL0", 2, 2, cval, PHYS),
    TIMER("CNTV_TVAL_EL0", 3, 0, tval, VIRT),
    TIMER("CNTV_CTL_EL0", 3, 1, ctl, VIRT),
    TIMER("CNTV_CVAL_EL0", 3, 2, cval, VIRT),
};
ARM_SYSREG_TABLE(arm_regs_timer, rows);
