/* SPDX-License-Identifier: MIT */
/* System registers that say what the CPU is: identification, features, caches (DDI 0487 D19.2). */
#include "target/arm/system.h"

#define F(f) offsetof(CPUArmState, f)

static uint64_t read_id(CPUState *cpu, const ARMSysReg *r, G_GNUC_UNUSED void *opaque)
{
    CPUArmState *env = arm_env(cpu);
    uint64_t val = arm_id_register_el1(env, r->key >> 3 & 15, r->key & 7);

    if (r->key == ARM_SYSREG(3, 0, 0, 4, 0) && env->board->config.gicv3) {
        val |= 1 << 24; /* ID_AA64PFR0_EL1.GIC */
    }
    return val;
}

static uint64_t read_mpidr(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r,
                           G_GNUC_UNUSED void *opaque)
{
    return arm_env(cpu)->board->config.affinity | 1ull << 31;
}

static uint64_t read_rvbar(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r,
                           G_GNUC_UNUSED void *opaque)
{
    return arm_env(cpu)->board->config.reset_pc;
}

/* The cache that CSSELR_EL1 names: level in bits 3:1, instruction cache in bit 0. */
static uint64_t read_ccsidr(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r,
                            G_GNUC_UNUSED void *opaque)
{
    CPUArmState *env = arm_env(cpu);
    unsigned level = env->sys.csselr >> 1 & 7, insn = env->sys.csselr & 1;
    const uint64_t *ids = env->model->ids->ccsidr;

    if (level == 0) {
        return ids[insn];
    }
    return level <= 2 && !insn ? ids[level + 1] : 0;
}

static uint64_t read_clidr(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r,
                           G_GNUC_UNUSED void *opaque)
{
    return arm_env(cpu)->model->ids->clidr;
}

static ARMTrap trap_ctr(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, G_GNUC_UNUSED bool read)
{
    CPUArmState *env = arm_env(cpu);

    return arm_el(env) == 0 && !(env->sys.sctlr_el[1] & SCTLR_UCT) ? ARM_TRAP_SYSREG
                                                                   : ARM_TRAP_NONE;
}

static uint64_t read_dczid(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r,
                           G_GNUC_UNUSED void *opaque)
{
    CPUArmState *env = arm_env(cpu);
    bool prohibited = arm_el(env) == 0 && !(env->sys.sctlr_el[1] & SCTLR_DZE);

    return env->dczid | (prohibited ? 1 << 4 : 0);
}

#define ID(name, crm, op2)                                           \
    {                                                                \
        name, ARM_SYSREG(3, 0, 0, crm, op2), ARM_R1, .read = read_id \
    }

static const ARMSysReg rows[] = {
    { "MIDR_EL1", ARM_SYSREG(3, 0, 0, 0, 0), ARM_R1, .offset = F(midr) },
    { "MPIDR_EL1", ARM_SYSREG(3, 0, 0, 0, 5), ARM_R1, .read = read_mpidr },
    { "REVIDR_EL1", ARM_SYSREG(3, 0, 0, 0, 6), ARM_R1, .flags = ARM_REG_CONST },
    ID("ID_AA64PFR0_EL1", 4, 0),
    ID("ID_AA64PFR1_EL1", 4, 1),
    ID("ID_AA64ZFR0_EL1", 4, 4),
    ID("ID_AA64SMFR0_EL1", 4, 5),
    ID("ID_AA64DFR0_EL1", 5, 0),
    ID("ID_AA64DFR1_EL1", 5, 1),
    ID("ID_AA64AFR0_EL1", 5, 4),
    ID("ID_AA64AFR1_EL1", 5, 5),
    ID("ID_AA64ISAR0_EL1", 6, 0),
    ID("ID_AA64ISAR1_EL1", 6, 1),
    ID("ID_AA64ISAR2_EL1", 6, 2),
    ID("ID_AA64MMFR0_EL1", 7, 0),
    ID("ID_AA64MMFR1_EL1", 7, 1),
    ID("ID_AA64MMFR2_EL1", 7, 2),
    ID("ID_AA64MMFR3_EL1", 7, 3),
    ID("ID_AA64MMFR4_EL1", 7, 4),
    { "RVBAR_EL1", ARM_SYSREG(3, 0, 12, 0, 1), ARM_R1, .read = read_rvbar },
    { "CCSIDR_EL1", ARM_SYSREG(3, 1, 0, 0, 0), ARM_R1, .read = read_ccsidr },
    { "CLIDR_EL1", ARM_SYSREG(3, 1, 0, 0, 1), ARM_R1, .read = read_clidr },
    { "AIDR_EL1", ARM_SYSREG(3, 1, 0, 0, 7), ARM_R1, .flags = ARM_REG_CONST },
    { "CSSELR_EL1", ARM_SYSREG(3, 2, 0, 0, 0), ARM_RW1, ARM_REG_MASKED, .offset = F(sys.csselr),
      .mask = 15 },
    { "CTR_EL0", ARM_SYSREG(3, 3, 0, 0, 1), ARM_R0, .offset = F(ctr), .trap = trap_ctr },
    { "DCZID_EL0", ARM_SYSREG(3, 3, 0, 0, 7), ARM_R0, .read = read_dczid },
};
ARM_SYSREG_TABLE(arm_regs_id, rows);
