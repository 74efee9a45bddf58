/* SPDX-License-Identifier: MIT */
/*
 * The performance monitors, PMUv3 (DDI 0487 D13): the cycle counter and event counters, which count
 * cycles of 1 GHz by CLOCK_VIRTUAL, instructions, or software increments. While a counter counts
 * instructions, the CPU's blocks do (accel/tcg/count.c). All of it on the CPU's own thread.
 */
#include "exec/exec.h"
#include "target/arm/system.h"

enum {
    PMCR_E = 1,
    PMCR_P = 2,
    PMCR_C = 4,
    PMCR_LC = 64,
    PMCR_WRITABLE = 0xf9 & ~2,
    PMCR_N_SHIFT = 11,
};
/* The last two do not happen here: no cycle is known to be one of a stall. */
enum {
    EVENT_SW_INCR = 0x00,
    EVENT_INST_RETIRED = 0x08,
    EVENT_CPU_CYCLES = 0x11,
    EVENT_CHAIN = 0x1e,
    EVENT_STALL_FRONTEND = 0x23,
    EVENT_STALL_BACKEND = 0x24,
    NO_EVENT = -1
};
enum { USERENR_EN = 1, USERENR_SW = 2, USERENR_CR = 4, USERENR_ER = 8 };
enum { CYCLE = 31 }; /* the cycle counter's number in masks */
#define FILTER_EL1 (1u << 31)
#define FILTER_EL0 (1u << 30)
#define COUNTERS   (1ull << CYCLE | ((1ull << ARM_PMU_COUNTERS) - 1))

static ARMPMU *pmu_of(const CPUState *cpu)
{
    return &arm_env(cpu)->board->pmu;
}

/* ---- counting
 * ---------------------------------------------------------------------------------------- */

static uint64_t *counter(ARMPMU *p, int n)
{
    return n == CYCLE ? &p->cycles : &p->counters[n];
}

static uint64_t *type_of(ARMPMU *p, int n)
{
    return n == CYCLE ? &p->ccfiltr : &p->evtyper[n];
}

static int next_counter(int n)
{
    return n == ARM_PMU_COUNTERS - 1 ? CYCLE : n + 1;
}

static bool is_enabled(const ARMPMU *p, int n)
{
    return p->pmcr & PMCR_E && p->enabled >> n & 1;
}

/* The event that counter n counts at the present exception level, or NO_EVENT. */
static int event_of(CPUArmState *env, int n)
{
    ARMPMU *p = &env->board->pmu;
    uint64_t type = *type_of(p, n);

    if (!is_enabled(p, n) || type & (arm_el(env) ? FILTER_EL1 : FILTER_EL0)) {
        return NO_EVENT;
    }
    return n == CYCLE ? EVENT_CPU_CYCLES : (int)(type & 0xffff);
}

/* Events wrap at 32 bits, the cycle counter reports at 64 with LC. */
static bool is_long(const ARMPMU *p, int n)
{
    return n == CYCLE && p->pmcr & PMCR_LC;
}

/* Counter n + 1 is the upper half of n. */
static bool is_chained(CPUArmState *env, int n)
{
    return n % 2 == 0 && n + 1 < ARM_PMU_COUNTERS && event_of(env, n + 1) == EVENT_CHAIN;
}

static void add(CPUArmState *env, int n, uint64_t count)
{
    ARMPMU *p = &env->board->pmu;
    uint64_t *c = counter(p, n), old = *c;

    *c += count;
    bool wrapped = is_long(p, n) ? *c < old : count > 0xffffffff || (uint32_t)*c < (uint32_t)old;
    if (n != CYCLE) {
        *c = (uint32_t)*c;
    }
    if (wrapped) {
        p->overflow |= 1ull << n;
        if (is_chained(env, n)) {
            add(env, n + 1, MAX(1, (old + count) >> 32));
        }
    }
}

/* What the clock made, and how many instructions were done up to `insns`, since the last look. */
static void count_to(CPUArmState *env, uint64_t insns)
{
    ARMPMU *p = &env->board->pmu;
    int64_t now = clock_get_ns(CLOCK_VIRTUAL);
    uint64_t passed = now - p->since, done = insns - p->insns_since;

    p->since = now;
    p->insns_since = insns;
    for (int n = 0; n <= CYCLE; n = next_counter(n)) {
        int event = event_of(env, n);

        if (event == EVENT_CPU_CYCLES || event == EVENT_INST_RETIRED) {
            add(env, n, event == EVENT_CPU_CYCLES ? passed : done);
        }
    }
}

/* Reads and writes of registers are the first of their blocks. */
static void synchronize(CPUArmState *env)
{
    count_to(env, env->parent.insns);
}

/*
 * The interrupt's level, whether blocks have to count, and a host timer or a number of instructions
 * for the next overflow that somebody wants to hear of.
 */
static void update(CPUArmState *env)
{
    ARMPMU *p = &env->board->pmu;
    uint64_t cycles = UINT64_MAX, insns = UINT64_MAX;

    irq_set(&env->board->outputs[ARM_PMU_OVERFLOW],
            p->pmcr & PMCR_E && p->overflow & p->int_enabled ? 1 : 0);
    p->counts_insns = p->filtered = false;
    for (int n = 0; n <= CYCLE; n = next_counter(n)) {
        int event = event_of(env, n);
        uint64_t c = *counter(p, n), left = is_long(p, n) ? -c : 0x100000000ull - (uint32_t)c;

        bool wanted = p->int_enabled >> n & 1;

        if (is_chained(env, n) && !wanted && p->int_enabled >> (n + 1) & 1) {
            left += (uint64_t)(uint32_t)~p->counters[n + 1] << 32;
            wanted = true;
        }
        p->filtered |= is_enabled(p, n) && *type_of(p, n) & (FILTER_EL0 | FILTER_EL1);
        p->counts_insns |= event == EVENT_INST_RETIRED;
        if (wanted && event == EVENT_CPU_CYCLES) {
            cycles = MIN(cycles, left);
        } else if (wanted && event == EVENT_INST_RETIRED) {
            insns = MIN(insns, left);
        }
    }
    cpu_set_insns_event(&env->parent, insns == UINT64_MAX ? insns : p->insns_since + insns);
    if (cycles <= INT64_MAX - (uint64_t)p->since) {
        timer_mod(&p->timer, p->since + (int64_t)cycles);
    } else {
        timer_del(&p->timer);
    }
}

void arm_pmu_overflow(CPUState *cpu)
{
    synchronize(arm_env(cpu));
    update(arm_env(cpu));
}

static void overflow_work(VCPU *v, G_GNUC_UNUSED void *data)
{
    arm_pmu_overflow(v->cpu);
}

static void fire(void *opaque)
{
    CPUArmState *env = opaque;

    async_run_on_cpu(arm_vcpu(env), overflow_work, NULL);
}

void arm_pmu_leave_el(CPUArmState *env)
{
    count_to(env, env->parent.insns + env->parent.insns_pending);
}

void arm_pmu_enter_el(CPUArmState *env)
{
    update(env);
}

void arm_pmu_init(CPUArmState *env)
{
    timer_init(&env->board->pmu.timer, CLOCK_VIRTUAL, fire, env);
}

void arm_pmu_reset(CPUArmState *env)
{
    ARMPMU *p = &env->board->pmu;
    Timer timer = p->timer;

    *p = (ARMPMU){ .timer = timer, .since = clock_get_ns(CLOCK_VIRTUAL) };
    update(env);
}

/* ---- registers; a row's `mask` says which
 * -------------------------------------------------------------------- */

static uint64_t read_pmcr(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r,
                          G_GNUC_UNUSED void *opaque)
{
    return pmu_of(cpu)->pmcr | ARM_PMU_COUNTERS << PMCR_N_SHIFT |
           (arm_env(cpu)->midr >> 24 & 0xff) << 24;
}

static void write_pmcr(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, uint64_t val,
                       G_GNUC_UNUSED void *opaque)
{
    ARMPMU *p = pmu_of(cpu);

    synchronize(arm_env(cpu));
    if (val & PMCR_C) {
        p->cycles = 0;
    }
    for (int n = 0; val & PMCR_P && n < ARM_PMU_COUNTERS; n++) {
        p->counters[n] = 0;
    }
    p->pmcr = val & PMCR_WRITABLE & ~PMCR_C;
    update(arm_env(cpu));
}

/* Pairs of registers that set and clear bits: what they are about is at `mask` in ARMPMU. */
static uint64_t *bits_of(CPUState *cpu, const ARMSysReg *r)
{
    return (uint64_t *)((char *)pmu_of(cpu) + r->mask);
}

static uint64_t read_bits(CPUState *cpu, const ARMSysReg *r, G_GNUC_UNUSED void *opaque)
{
    synchronize(arm_env(cpu));
    return *bits_of(cpu, r);
}

static void set_bits(CPUState *cpu, const ARMSysReg *r, uint64_t val, G_GNUC_UNUSED void *opaque)
{
    synchronize(arm_env(cpu));
    *bits_of(cpu, r) |= val & COUNTERS;
    update(arm_env(cpu));
}

static void clear_bits(CPUState *cpu, const ARMSysReg *r, uint64_t val, G_GNUC_UNUSED void *opaque)
{
    synchronize(arm_env(cpu));
    *bits_of(cpu, r) &= ~val;
    update(arm_env(cpu));
}

static void write_swinc(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, uint64_t val,
                        G_GNUC_UNUSED void *opaque)
{
    synchronize(arm_env(cpu));
    for (int n = 0; n < ARM_PMU_COUNTERS; n++) {
        if (val >> n & 1 && event_of(arm_env(cpu), n) == EVENT_SW_INCR) {
            add(arm_env(cpu), n, 1);
        }
    }
    update(arm_env(cpu));
}

/* Counter and type registers: mask is the number, or SELECTED: as PMSELR_EL0 says. */
enum { SELECTED = 32 };

static int number_of(const ARMPMU *p, const ARMSysReg *r)
{
    return r->mask == SELECTED ? (int)(p->selr & 31) : (int)r->mask;
}

static bool is_there(int n)
{
    return n == CYCLE || n < ARM_PMU_COUNTERS;
}

static uint64_t read_counter(CPUState *cpu, const ARMSysReg *r, G_GNUC_UNUSED void *opaque)
{
    ARMPMU *p = pmu_of(cpu);
    int n = number_of(p, r);

    synchronize(arm_env(cpu));
    return is_there(n) ? *counter(p, n) : 0;
}

static void write_counter(CPUState *cpu, const ARMSysReg *r, uint64_t val,
                          G_GNUC_UNUSED void *opaque)
{
    ARMPMU *p = pmu_of(cpu);
    int n = number_of(p, r);

    synchronize(arm_env(cpu));
    if (is_there(n)) {
        *counter(p, n) = n == CYCLE ? val : (uint32_t)val;
    }
    update(arm_env(cpu));
}

static uint64_t read_type(CPUState *cpu, const ARMSysReg *r, G_GNUC_UNUSED void *opaque)
{
    ARMPMU *p = pmu_of(cpu);
    int n = number_of(p, r);

    return is_there(n) ? *type_of(p, n) : 0;
}

static void write_type(CPUState *cpu, const ARMSysReg *r, uint64_t val, G_GNUC_UNUSED void *opaque)
{
    ARMPMU *p = pmu_of(cpu);
    int n = number_of(p, r);

    synchronize(arm_env(cpu));
    if (is_there(n)) {
        *type_of(p, n) = val & (n == CYCLE ? 0xfc000000 : 0xfc00ffff);
    }
    update(arm_env(cpu));
}

static uint64_t read_plain(CPUState *cpu, const ARMSysReg *r, G_GNUC_UNUSED void *opaque)
{
    return *bits_of(cpu, r);
}

static void write_selr(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, uint64_t val,
                       G_GNUC_UNUSED void *opaque)
{
    pmu_of(cpu)->selr = val & 31;
}

static void write_userenr(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, uint64_t val,
                          G_GNUC_UNUSED void *opaque)
{
    pmu_of(cpu)->userenr = val & 15;
}

static ARMTrap need(CPUState *cpu, uint64_t enable)
{
    CPUArmState *env = arm_env(cpu);

    return arm_el(env) == 0 && !(env->board->pmu.userenr & (USERENR_EN | enable)) ? ARM_TRAP_SYSREG
                                                                                  : ARM_TRAP_NONE;
}

static ARMTrap trap_en(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, G_GNUC_UNUSED bool read)
{
    return need(cpu, 0);
}

static ARMTrap trap_sw(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, G_GNUC_UNUSED bool read)
{
    return need(cpu, USERENR_SW);
}

static ARMTrap trap_cycles(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, bool read)
{
    return need(cpu, read ? USERENR_CR : 0);
}

static ARMTrap trap_events(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, bool read)
{
    return need(cpu, read ? USERENR_ER : 0);
}

static ARMTrap trap_selr(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, G_GNUC_UNUSED bool read)
{
    return need(cpu, USERENR_ER);
}

#define PMU(name, key, access, ...)                                                        \
    {                                                                                      \
        name, ARM_SYSREG key, access, ARM_REG_FEAT | ARM_REG_IO, ARM_FEAT_PMU, __VA_ARGS__ \
    }
/* Whose writes may decide whether blocks count. */
#define PMU_ENDS(name, key, access, ...)                                                      \
    {                                                                                         \
        name, ARM_SYSREG key, access, ARM_REG_FEAT | ARM_REG_IO | ARM_REG_ENDS, ARM_FEAT_PMU, \
            __VA_ARGS__                                                                       \
    }
#define BITS(f) .mask = offsetof(ARMPMU, f), .read = read_bits
#define EVENT(n)                                                                                  \
    PMU("PMEVCNTR" #n "_EL0", (3, 3, 14, 8, n), ARM_RW0, .mask = n, .read = read_counter,         \
        .write = write_counter, .trap = trap_events),                                             \
        PMU_ENDS("PMEVTYPER" #n "_EL0", (3, 3, 14, 12, n), ARM_RW0, .mask = n, .read = read_type, \
                 .write = write_type, .trap = trap_en)

static const ARMSysReg rows[] = {
    PMU_ENDS("PMCR_EL0", (3, 3, 9, 12, 0), ARM_RW0, .read = read_pmcr, .write = write_pmcr,
             .trap = trap_en),
    PMU_ENDS("PMCNTENSET_EL0", (3, 3, 9, 12, 1), ARM_RW0, BITS(enabled), .write = set_bits,
             .trap = trap_en),
    PMU_ENDS("PMCNTENCLR_EL0", (3, 3, 9, 12, 2), ARM_RW0, BITS(enabled), .write = clear_bits,
             .trap = trap_en),
    PMU("PMOVSCLR_EL0", (3, 3, 9, 12, 3), ARM_RW0, BITS(overflow), .write = clear_bits,
        .trap = trap_en),
    PMU("PMSWINC_EL0", (3, 3, 9, 12, 4), ARM_W0, .write = write_swinc, .trap = trap_sw),
    PMU("PMSELR_EL0", (3, 3, 9, 12, 5), ARM_RW0, .mask = offsetof(ARMPMU, selr), .read = read_plain,
        .write = write_selr, .trap = trap_selr),
    { "PMCEID0_EL0", ARM_SYSREG(3, 3, 9, 12, 6), ARM_R0, ARM_REG_FEAT | ARM_REG_CONST, ARM_FEAT_PMU,
      .reset =
          1 << EVENT_CPU_CYCLES | 1 << EVENT_INST_RETIRED | 1 << EVENT_SW_INCR | 1 << EVENT_CHAIN,
      .trap = trap_en },
    { "PMCEID1_EL0", ARM_SYSREG(3, 3, 9, 12, 7), ARM_R0, ARM_REG_FEAT | ARM_REG_CONST, ARM_FEAT_PMU,
      .reset = 1 << (EVENT_STALL_FRONTEND - 32) | 1 << (EVENT_STALL_BACKEND - 32),
      .trap = trap_en },
    PMU("PMCCNTR_EL0", (3, 3, 9, 13, 0), ARM_RW0, .mask = CYCLE, .read = read_counter,
        .write = write_counter, .trap = trap_cycles),
    PMU_ENDS("PMXEVTYPER_EL0", (3, 3, 9, 13, 1), ARM_RW0, .mask = SELECTED, .read = read_type,
             .write = write_type, .trap = trap_en),
    PMU("PMXEVCNTR_EL0", (3, 3, 9, 13, 2), ARM_RW0, .mask = SELECTED, .read = read_counter,
        .write = write_counter, .trap = trap_events),
    PMU("PMUSERENR_EL0", (3, 3, 9, 14, 0), ARM_R0 | ARM_W1, .mask = offsetof(ARMPMU, userenr),
        .read = read_plain, .write = write_userenr),
    PMU("PMINTENSET_EL1", (3, 0, 9, 14, 1), ARM_RW1, BITS(int_enabled), .write = set_bits),
    PMU("PMINTENCLR_EL1", (3, 0, 9, 14, 2), ARM_RW1, BITS(int_enabled), .write = clear_bits),
    PMU("PMOVSSET_EL0", (3, 3, 9, 14, 3), ARM_RW0, BITS(overflow), .write = set_bits,
        .trap = trap_en),
    { "PMMIR_EL1", ARM_SYSREG(3, 0, 9, 14, 6), ARM_R1, ARM_REG_FEAT | ARM_REG_CONST,
      ARM_FEAT_PMU_8_4, .reset = 0 },
    PMU_ENDS("PMCCFILTR_EL0", (3, 3, 14, 15, 7), ARM_RW0, .mask = CYCLE, .read = read_type,
             .write = write_type, .trap = trap_en),
    EVENT(0),
    EVENT(1),
    EVENT(2),
    EVENT(3),
    EVENT(4),
    EVENT(5),
};
ARM_SYSREG_TABLE(arm_regs_pmu, rows);
