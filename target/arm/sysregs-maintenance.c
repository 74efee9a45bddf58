/* SPDX-License-Identifier: MIT */
/*
 * SYS instructions but TLBI: cache maintenance and address translation (DDI 0487 C5.3). Caches are
 * coherent, so data cache operations only check their address; DC ZVA is the translator's.
 */
#include "exec/exec.h"
#include "target/arm/system.h"

enum { LINE = 64 }; /* bytes, as CTR_EL0 says */

/* ---- caches
 * -------------------------------------------------------------------------------------- */

static ARMTrap trap_uci(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, G_GNUC_UNUSED bool read)
{
    CPUArmState *env = arm_env(cpu);

    return arm_el(env) == 0 && !(env->sys.sctlr_el[1] & SCTLR_UCI) ? ARM_TRAP_SYSREG
                                                                   : ARM_TRAP_NONE;
}

/* PAN does not concern cache maintenance, and above EL0 no permission is needed (D7.5.9). */
static void translate(CPUArmState *env, vaddr addr, ARMWalk *w)
{
    int mode = arm_el(env) ? ARM_MODE_EL1 : ARM_MODE_EL0;

    if (!arm_walk(env, addr, MMU_LOAD, mode, false, w) &&
        (mode == ARM_MODE_EL0 || (w->fsc & 0x3c) != FSC_PERMISSION)) {
        arm_raise_abort(env, syn(EC_DATA_ABORT, w->fsc | ISS_CM | ISS_WNR), addr);
    }
}

static void dc_by_va(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, uint64_t addr,
                     G_GNUC_UNUSED void *opaque)
{
    ARMWalk w;

    translate(arm_env(cpu), addr, &w);
}

static void ic_ivau(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, uint64_t addr,
                    G_GNUC_UNUSED void *opaque)
{
    ARMWalk w;

    translate(arm_env(cpu), addr, &w);
    hwaddr line = w.phys & -(hwaddr)LINE;
    tb_invalidate_phys(cpu, line, line + LINE);
}

static void ic_iall(G_GNUC_UNUSED CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r,
                    G_GNUC_UNUSED uint64_t val, G_GNUC_UNUSED void *opaque)
{
    tb_invalidate_changed();
}

static void nothing(G_GNUC_UNUSED CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r,
                    G_GNUC_UNUSED uint64_t val, G_GNUC_UNUSED void *opaque)
{
}

/* ---- AT (results: D19.2, PAR_EL1)
 * ------------------------------------------------------------------------------- */

enum { AT_WRITE = 1, AT_EL0 = 2, AT_PAN = 4 }; /* in a row's `mask` */

static void at_s1(CPUState *cpu, const ARMSysReg *r, uint64_t addr, G_GNUC_UNUSED void *opaque)
{
    CPUArmState *env = arm_env(cpu);
    bool pan = r->mask & AT_PAN && env->pstate & ARM_PSTATE_PAN;
    int mode = r->mask & AT_EL0 ? ARM_MODE_EL0 : pan ? ARM_MODE_EL1_PAN : ARM_MODE_EL1;
    ARMWalk w;

    if (arm_walk(env, addr, r->mask & AT_WRITE ? MMU_STORE : MMU_LOAD, mode, false, &w)) {
        env->sys.par = (w.phys & 0xffffffffff000ull) | (uint64_t)w.attr << 56 | 1 << 11 | 1 << 9 |
                       (w.device ? 2 : w.sh) << 7;
    } else {
        env->sys.par = 1 | w.fsc << 1 | 1 << 11;
    }
}

#define DC(name, op1, crm, op2)                                                \
    {                                                                          \
        "DC " name, ARM_SYSREG(1, op1, 7, crm, op2), ARM_W1, .write = dc_by_va \
    }
#define DC_EL0(name, crm, op2, ...)                                                             \
    {                                                                                           \
        "DC " name, ARM_SYSREG(1, 3, 7, crm, op2), ARM_W0, .write = dc_by_va, .trap = trap_uci, \
                                                           __VA_ARGS__                          \
    }
#define DC_SET_WAY(name, crm)                                             \
    {                                                                     \
        "DC " name, ARM_SYSREG(1, 0, 7, crm, 2), ARM_W1, .write = nothing \
    }
#define AT(name, crm, op2, how, ...)                                                    \
    {                                                                                   \
        "AT " name, ARM_SYSREG(1, 0, 7, crm, op2), ARM_W1, .mask = how, .write = at_s1, \
                                                           __VA_ARGS__                  \
    }

static const ARMSysReg rows[] = {
    { "IC IALLUIS", ARM_SYSREG(1, 0, 7, 1, 0), ARM_W1, ARM_REG_ENDS, .write = ic_iall },
    { "IC IALLU", ARM_SYSREG(1, 0, 7, 5, 0), ARM_W1, ARM_REG_ENDS, .write = ic_iall },
    { "IC IVAU", ARM_SYSREG(1, 3, 7, 5, 1), ARM_W0, .write = ic_ivau, .trap = trap_uci },
    DC("IVAC", 0, 6, 1),
    DC_SET_WAY("ISW", 6),
    DC_SET_WAY("CSW", 10),
    DC_SET_WAY("CISW", 14),
    DC_EL0("CVAC", 10, 1, ),
    DC_EL0("CVAU", 11, 1, ),
    DC_EL0("CIVAC", 14, 1, ),
    DC_EL0("CVAP", 12, 1, .flags = ARM_REG_FEAT, .feature = ARM_FEAT_DPB),
    DC_EL0("CVADP", 13, 1, .flags = ARM_REG_FEAT, .feature = ARM_FEAT_DPB2),
    AT("S1E1R", 8, 0, 0, ),
    AT("S1E1W", 8, 1, AT_WRITE, ),
    AT("S1E0R", 8, 2, AT_EL0, ),
    AT("S1E0W", 8, 3, AT_EL0 | AT_WRITE, ),
    AT("S1E1RP", 9, 0, AT_PAN, .flags = ARM_REG_FEAT, .feature = ARM_FEAT_PAN2),
    AT("S1E1WP", 9, 1, AT_PAN | AT_WRITE, .flags = ARM_REG_FEAT, .feature = ARM_FEAT_PAN2),
};
ARM_SYSREG_TABLE(arm_regs_maintenance, rows);
