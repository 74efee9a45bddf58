/* SPDX-License-Identifier: MIT */
/*
 * Self-hosted debug: breakpoints, watchpoints, software step, OS lock and the debug communication
 * channel, of which nobody is at the other end (DDI 0487 D2, D3, D19.3).
 */
#include "exec/debug.h"
#include "exec/exec.h"
#include "target/arm/system.h"

#define F(f) offsetof(CPUArmState, f)

enum { BCR_E = 1, CR_PMC_SHIFT = 1, WCR_LSC_SHIFT = 3, BCR_BAS_SHIFT = 5, CR_HMC = 1 << 13 };

/* ---- when debug exceptions are taken
 * --------------------------------------------------------------------- */

/* AArch64.GenerateDebugExceptions, with EL1 as the debug target. */
bool arm_debug_enabled(const CPUArmState *env)
{
    if (env->sys.os_lock) {
        return false;
    }
    return arm_el(env) == 0 || (env->sys.mdscr & MDSCR_KDE && !(env->pstate & ARM_PSTATE_D));
}

static bool monitor_enabled(const CPUArmState *env)
{
    return env->sys.mdscr & MDSCR_MDE && arm_debug_enabled(env);
}

/* Does a breakpoint or watchpoint control match this level? HMC, PMC (table D2-9). */
static bool level_matches(const CPUArmState *env, uint64_t control)
{
    unsigned levels = control >> CR_PMC_SHIFT & 3; /* bit 0: EL1, bit 1: EL0 */

    if (control & CR_HMC) {
        levels |= 1;
    }
    return arm_el(env) == 0 ? levels & 2 : levels & 1;
}

static int breakpoint_count(const CPUArmState *env)
{
    return (env->model->ids->dfr0 >> 12 & 15) + 1;
}

static int watchpoint_count(const CPUArmState *env)
{
    return (env->model->ids->dfr0 >> 20 & 15) + 1;
}

/* ---- breakpoints
 * -------------------------------------------------------------------------------------------- */

bool arm_breakpoints_enabled(const CPUArmState *env)
{
    uint64_t any = 0;

    if (!(env->sys.mdscr & MDSCR_MDE)) {
        return false;
    }
    for (int i = 0; i < breakpoint_count(env); i++) {
        any |= env->sys.bcr[i];
    }
    return any & BCR_E;
}

/* BT: 0 and 1 are by address, unlinked and linked to a context breakpoint (D2.8.2). */
static bool context_matches(const CPUArmState *env, unsigned n)
{
    return n < 16 && env->sys.bcr[n] & BCR_E && (env->sys.bcr[n] >> 20 & 15) == 3 &&
           (uint32_t)env->sys.bvr[n] == (uint32_t)env->sys.contextidr_el[1];
}

static bool breakpoint_matches(const CPUArmState *env, int i, vaddr pc)
{
    uint64_t bcr = env->sys.bcr[i];
    unsigned type = bcr >> 20 & 15;
    vaddr addr = (vaddr)((int64_t)(env->sys.bvr[i] << 7) >> 7) & ~3ull;

    if (!(bcr & BCR_E) || !level_matches(env, bcr) || !(bcr >> BCR_BAS_SHIFT & 1)) {
        return false;
    }
    switch (type) {
    case 0:
        return addr == pc;
    case 1:
        return addr == pc && context_matches(env, bcr >> 16 & 15);
    case 2: /* context ID alone */
        return (uint32_t)env->sys.bvr[i] == (uint32_t)env->sys.contextidr_el[1];
    default:
        return false;
    }
}

bool arm_breakpoint_at(const CPUArmState *env, vaddr pc)
{
    if (!monitor_enabled(env)) {
        return false;
    }
    for (int i = 0; i < breakpoint_count(env); i++) {
        if (breakpoint_matches(env, i, pc)) {
            return true;
        }
    }
    return false;
}

/* ---- watchpoints
 * ---------------------------------------------------------------------------------------------- */

/* The bytes that watchpoint i looks at: by MASK or by BAS (D2.9.3); size 0: none. */
static vaddr watched(const CPUArmState *env, int i, uint64_t *size)
{
    uint64_t wcr = env->sys.wcr[i];
    unsigned mask = wcr >> 24 & 31, bas = wcr >> BCR_BAS_SHIFT & 0xff;
    vaddr addr = (vaddr)((int64_t)(env->sys.wvr[i] << 7) >> 7) & ~3ull;

    *size = 0;
    if (!(wcr & BCR_E)) {
        return 0;
    }
    if (mask > 2) {
        *size = 1ull << mask;
        return addr & -*size;
    }
    if (bas) {
        unsigned first = __builtin_ctz(bas);
        *size = __builtin_popcount(bas); /* contiguous bytes, as the architecture asks */
        return addr + first;
    }
    return 0;
}

/* The engine looks for accesses to what is watched, whatever the level. */
static void update_watchpoints(CPUArmState *env)
{
    CPUState *cpu = &env->parent;

    cpu_watchpoint_remove_all(cpu, BP_CPU);
    if (!(env->sys.mdscr & MDSCR_MDE)) {
        return;
    }
    for (int i = 0; i < watchpoint_count(env); i++) {
        uint64_t size;
        vaddr addr = watched(env, i, &size);
        unsigned kind = env->sys.wcr[i] >> WCR_LSC_SHIFT & 3;
        if (size && kind) {
            cpu_watchpoint_insert(cpu, addr, size,
                                  BP_CPU | (kind & 1 ? BP_READ : 0) | (kind & 2 ? BP_WRITE : 0));
        }
    }
}

bool arm_debug_hit(CPUState *cpu, vaddr addr, MMUAccess access)
{
    CPUArmState *env = arm_env(cpu);

    if (access == MMU_FETCH || !monitor_enabled(env)) {
        return false;
    }
    for (int i = 0; i < watchpoint_count(env); i++) {
        uint64_t size, wcr = env->sys.wcr[i];
        vaddr start = watched(env, i, &size);
        bool kind = wcr >> WCR_LSC_SHIFT & (access == MMU_STORE ? 2 : 1);
        bool linked = !(wcr & 1 << 20) || context_matches(env, wcr >> 16 & 15);
        /* the engine reports the first byte of an access that touches what is watched */
        if (size && kind && linked && level_matches(env, wcr) && addr < start + size &&
            addr + 16 > start) {
            uint64_t esr = syn(EC_WATCHPOINT, FSC_DEBUG | (access == MMU_STORE ? ISS_WNR : 0));
            arm_record_abort(env, esr, addr);
            return true;
        }
    }
    return false;
}

/* ---- registers
 * -----------------------------------------------------------------------------------------------
 */

static uint64_t *field(CPUState *cpu, const ARMSysReg *r)
{
    return cpu_field(cpu, r->offset);
}

static void write_watchpoint(CPUState *cpu, const ARMSysReg *r, uint64_t val,
                             G_GNUC_UNUSED void *opaque)
{
    *field(cpu, r) = val;
    update_watchpoints(arm_env(cpu));
}

static void write_mdscr(CPUState *cpu, const ARMSysReg *r, uint64_t val, G_GNUC_UNUSED void *opaque)
{
    CPUArmState *env = arm_env(cpu);
    uint64_t changed = *field(cpu, r) ^ val;

    *field(cpu, r) = val;
    if (changed & MDSCR_MDE) {
        update_watchpoints(env);
    }
}

static void write_oslar(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, uint64_t val,
                        G_GNUC_UNUSED void *opaque)
{
    arm_env(cpu)->sys.os_lock = val & 1;
}

static uint64_t read_oslsr(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r,
                           G_GNUC_UNUSED void *opaque)
{
    enum { OSLM_IMPLEMENTED = 1 << 3, OSLK = 1 << 1 };

    return OSLM_IMPLEMENTED | (arm_env(cpu)->sys.os_lock ? OSLK : 0);
}

static void set_claim(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, uint64_t val,
                      G_GNUC_UNUSED void *opaque)
{
    arm_env(cpu)->sys.dbgclaim |= val & 0xff;
}

static void clear_claim(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, uint64_t val,
                        G_GNUC_UNUSED void *opaque)
{
    arm_env(cpu)->sys.dbgclaim &= ~val;
}

static uint64_t read_claim_bits(G_GNUC_UNUSED CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r,
                                G_GNUC_UNUSED void *opaque)
{
    return 0xff;
}

static ARMTrap trap_dcc(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, G_GNUC_UNUSED bool read)
{
    CPUArmState *env = arm_env(cpu);

    return arm_el(env) == 0 && env->sys.mdscr & MDSCR_TDCC ? ARM_TRAP_SYSREG : ARM_TRAP_NONE;
}

/* A model with fewer breakpoints than rows has the others undefined. */
static ARMTrap trap_absent(CPUState *cpu, const ARMSysReg *r, G_GNUC_UNUSED bool read)
{
    CPUArmState *env = arm_env(cpu);
    int n = r->key >> 3 & 15, count = r->key & 2 ? watchpoint_count(env) : breakpoint_count(env);

    return n < count ? ARM_TRAP_NONE : ARM_TRAP_UNDEF;
}

#define POINT(n, name, op2, f, ...)                                         \
    {                                                                       \
        name #n "_EL1", ARM_SYSREG(2, 0, 0, n, op2), ARM_RW1, ARM_REG_ENDS, \
            .offset = F(sys.f[n]), .trap = trap_absent, __VA_ARGS__         \
    }
#define POINTS(n)                                               \
    POINT(n, "DBGBVR", 4, bvr, ), POINT(n, "DBGBCR", 5, bcr, ), \
        POINT(n, "DBGWVR", 6, wvr, .write = write_watchpoint),  \
        POINT(n, "DBGWCR", 7, wcr, .write = write_watchpoint)

static const ARMSysReg rows[] = {
    { "OSDTRRX_EL1", ARM_SYSREG(2, 0, 0, 0, 2), ARM_RW1, .offset = F(sys.osdtrrx) },
    { "MDCCINT_EL1", ARM_SYSREG(2, 0, 0, 2, 0), ARM_RW1, .offset = F(sys.mdccint) },
    { "MDSCR_EL1", ARM_SYSREG(2, 0, 0, 2, 2), ARM_RW1, ARM_REG_ENDS, .offset = F(sys.mdscr),
      .write = write_mdscr },
    { "OSDTRTX_EL1", ARM_SYSREG(2, 0, 0, 3, 2), ARM_RW1, .offset = F(sys.osdtrtx) },
    { "OSECCR_EL1", ARM_SYSREG(2, 0, 0, 6, 2), ARM_RW1, .offset = F(sys.oseccr) },
    { "MDRAR_EL1", ARM_SYSREG(2, 0, 1, 0, 0), ARM_R1, .flags = ARM_REG_CONST },
    { "OSLAR_EL1", ARM_SYSREG(2, 0, 1, 0, 4), ARM_W1, ARM_REG_ENDS, .write = write_oslar },
    { "OSLSR_EL1", ARM_SYSREG(2, 0, 1, 1, 4), ARM_R1, .read = read_oslsr },
    { "OSDLR_EL1", ARM_SYSREG(2, 0, 1, 3, 4), ARM_RW1, .flags = ARM_REG_CONST },
    { "DBGPRCR_EL1", ARM_SYSREG(2, 0, 1, 4, 4), ARM_RW1, ARM_REG_MASKED, .offset = F(sys.dbgprcr),
      .mask = 1 },
    { "DBGCLAIMSET_EL1", ARM_SYSREG(2, 0, 7, 8, 6), ARM_RW1, .read = read_claim_bits,
      .write = set_claim },
    { "DBGCLAIMCLR_EL1", ARM_SYSREG(2, 0, 7, 9, 6), ARM_RW1, .offset = F(sys.dbgclaim),
      .write = clear_claim },
    { "DBGAUTHSTATUS_EL1", ARM_SYSREG(2, 0, 7, 14, 6), ARM_R1, .flags = ARM_REG_CONST },
    { "MDCCSR_EL0", ARM_SYSREG(2, 3, 0, 1, 0), ARM_R0, .flags = ARM_REG_CONST, .trap = trap_dcc },
    { "DBGDTR_EL0", ARM_SYSREG(2, 3, 0, 4, 0), ARM_RW0, .flags = ARM_REG_CONST, .trap = trap_dcc },
    { "DBGDTRRX_EL0", ARM_SYSREG(2, 3, 0, 5, 0), ARM_RW0, .flags = ARM_REG_CONST,
      .trap = trap_dcc },
    POINTS(0),
    POINTS(1),
    POINTS(2),
    POINTS(3),
    POINTS(4),
    POINTS(5),
    POINTS(6),
    POINTS(7),
    POINTS(8),
    POINTS(9),
    POINTS(10),
    POINTS(11),
    POINTS(12),
    POINTS(13),
    POINTS(14),
    POINTS(15),
};
ARM_SYSREG_TABLE(arm_regs_debug, rows);
