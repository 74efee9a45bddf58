/* SPDX-License-Identifier: MIT */
/* System registers of EL1: control, translation, exceptions, threads, RAS (DDI 0487 D19.2). */
#include "exec/exec.h"
#include "target/arm/system.h"

#define F(f) offsetof(CPUArmState, f)

/* ---- translation
 * ----------------------------------------------------------------------------- */

static uint64_t *field(CPUState *cpu, const ARMSysReg *r)
{
    return cpu_field(cpu, r->offset);
}

static void write_sctlr(CPUState *cpu, const ARMSysReg *r, uint64_t val, G_GNUC_UNUSED void *opaque)
{
    static const uint64_t of_translation = SCTLR_M | SCTLR_A | SCTLR_WXN | SCTLR_EPAN;
    uint64_t old = *field(cpu, r);

    *field(cpu, r) = (old & ~r->mask) | (val & r->mask);
    if ((old ^ val) & of_translation) {
        tlb_flush(cpu, ARM_MODES_EL10);
    }
}

static void write_ttbr(CPUState *cpu, const ARMSysReg *r, uint64_t val, G_GNUC_UNUSED void *opaque)
{
    *field(cpu, r) = val;
    arm_update_address_space(arm_env(cpu));
}

static void write_tcr(CPUState *cpu, const ARMSysReg *r, uint64_t val, G_GNUC_UNUSED void *opaque)
{
    if (*field(cpu, r) != val) {
        *field(cpu, r) = val;
        tlb_flush(cpu, ARM_MODES_EL10);
        arm_update_address_space(arm_env(cpu));
        arm_update_pac_code(arm_env(cpu));
    }
}

static void write_mair(CPUState *cpu, const ARMSysReg *r, uint64_t val, G_GNUC_UNUSED void *opaque)
{
    if (*field(cpu, r) != val) {
        *field(cpu, r) = val;
        tlb_flush(cpu, ARM_MODES_EL10);
    }
}

/* ---- PSTATE by its registers (C5.2)
 * ---------------------------------------------------------------------- */

static void write_spsel(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, uint64_t val,
                        G_GNUC_UNUSED void *opaque)
{
    arm_set_spsel(arm_env(cpu), val & 1);
}

static ARMTrap trap_daif(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, G_GNUC_UNUSED bool read)
{
    CPUArmState *env = arm_env(cpu);

    return arm_el(env) == 0 && !(env->sys.sctlr_el[1] & SCTLR_UMA) ? ARM_TRAP_SYSREG
                                                                   : ARM_TRAP_NONE;
}

/* SP_EL0 is not to be had by this name while it is the current stack pointer. */
static ARMTrap trap_sp_el0(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, G_GNUC_UNUSED bool read)
{
    return arm_env(cpu)->pstate & ARM_PSTATE_SP ? ARM_TRAP_NONE : ARM_TRAP_UNDEF;
}

/* ---- interrupts and errors
 * ----------------------------------------------------------------------------------- */

static uint64_t read_isr(CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r,
                         G_GNUC_UNUSED void *opaque)
{
    uint32_t ints = cpu->interrupts;

    return (ints & CPU_INT_HARD ? 1 << 7 : 0) | (ints & CPU_INT_FAST ? 1 << 6 : 0) |
           (ints & CPU_INT_TARGET0 ? 1 << 8 : 0);
}

#define ROW(name, key, access, ...)               \
    {                                             \
        name, ARM_SYSREG key, access, __VA_ARGS__ \
    }
#define PLAIN(name, key, access, f)                  \
    {                                                \
        name, ARM_SYSREG key, access, .offset = F(f) \
    }
#define MASKED(name, key, access, f, m)                                         \
    {                                                                           \
        name, ARM_SYSREG key, access, ARM_REG_MASKED, .offset = F(f), .mask = m \
    }
#define KEY(lo_op2, crm, name, n)                                                           \
    { "AP" name "KeyLo_EL1", ARM_SYSREG(3, 0, 2, crm, lo_op2), ARM_RW1, ARM_REG_FEAT,       \
      ARM_FEAT_PAUTH,        .offset = F(pac_key[n][0]) },                                  \
    {                                                                                       \
        "AP" name "KeyHi_EL1", ARM_SYSREG(3, 0, 2, crm, lo_op2 + 1), ARM_RW1, ARM_REG_FEAT, \
            ARM_FEAT_PAUTH, .offset = F(pac_key[n][1])                                      \
    }

#define RAS_ZERO(name, crm, op2, access)                                                    \
    {                                                                                       \
        name, ARM_SYSREG(3, 0, 5, crm, op2), access, .flags = ARM_REG_FEAT | ARM_REG_CONST, \
                                                     .feature = ARM_FEAT_RAS                \
    }

#define SCTLR_RES1 0x30d00800ull
#define SCTLR_KNOWN                                                                             \
    (SCTLR_M | SCTLR_A | 1ull << 2 /* C */ | SCTLR_SA | SCTLR_SA0 | SCTLR_nAA | SCTLR_UMA |     \
     1ull << 12 /* I */ | SCTLR_EnDB | SCTLR_DZE | SCTLR_UCT | SCTLR_nTWI | SCTLR_nTWE |        \
     SCTLR_WXN | 1ull << 22 /* EIS */ | 1ull << 11 /* EOS */ | SCTLR_SPAN | SCTLR_UCI |         \
     SCTLR_EnDA | SCTLR_EnIB | SCTLR_EnIA | SCTLR_MSCEn | SCTLR_BT0 | SCTLR_BT1 | SCTLR_DSSBS | \
     SCTLR_EPAN | 1ull << 20 | 1ull << 21 /* IESB */ | 1ull << 28 | 1ull << 29)

static const ARMSysReg rows[] = {
    ROW("SCTLR_EL1", (3, 0, 1, 0, 0), ARM_RW1, ARM_REG_ENDS, .offset = F(sys.sctlr_el[1]),
        .reset = SCTLR_RES1, .mask = SCTLR_KNOWN, .write = write_sctlr),
    PLAIN("ACTLR_EL1", (3, 0, 1, 0, 1), ARM_RW1, sys.actlr_el[1]),
    ROW("CPACR_EL1", (3, 0, 1, 0, 2), ARM_RW1, ARM_REG_ENDS | ARM_REG_MASKED,
        .offset = F(sys.cpacr), .mask = 3 << 20),
    ROW("TTBR0_EL1", (3, 0, 2, 0, 0), ARM_RW1, ARM_REG_ENDS, .offset = F(sys.ttbr0_el[1]),
        .write = write_ttbr),
    ROW("TTBR1_EL1", (3, 0, 2, 0, 1), ARM_RW1, ARM_REG_ENDS, .offset = F(sys.ttbr1_el[1]),
        .write = write_ttbr),
    ROW("TCR_EL1", (3, 0, 2, 0, 2), ARM_RW1, ARM_REG_ENDS, .offset = F(sys.tcr_el[1]),
        .write = write_tcr),
    ROW("MAIR_EL1", (3, 0, 10, 2, 0), ARM_RW1, ARM_REG_ENDS, .offset = F(sys.mair_el[1]),
        .write = write_mair),
    PLAIN("AMAIR_EL1", (3, 0, 10, 3, 0), ARM_RW1, sys.amair_el[1]),
    PLAIN("PAR_EL1", (3, 0, 7, 4, 0), ARM_RW1, sys.par),
    PLAIN("CONTEXTIDR_EL1", (3, 0, 13, 0, 1), ARM_RW1, sys.contextidr_el[1]),

    KEY(0, 1, "IA", 0),
    KEY(2, 1, "IB", 1),
    KEY(0, 2, "DA", 2),
    KEY(2, 2, "DB", 3),
    KEY(0, 3, "GA", 4),

    PLAIN("SPSR_EL1", (3, 0, 4, 0, 0), ARM_RW1, sys.spsr_el[1]),
    PLAIN("ELR_EL1", (3, 0, 4, 0, 1), ARM_RW1, sys.elr_el[1]),
    ROW("SP_EL0", (3, 0, 4, 1, 0), ARM_RW1, ARM_REG_TRAP1, .offset = F(sys.sp_el[0]),
        .trap = trap_sp_el0),
    ROW("SPSel", (3, 0, 4, 2, 0), ARM_RW1, ARM_REG_ENDS | ARM_REG_PSTATE, .mask = ARM_PSTATE_SP,
        .write = write_spsel),
    ROW("CurrentEL", (3, 0, 4, 2, 2), ARM_R1, .flags = ARM_REG_PSTATE, .mask = ARM_PSTATE_EL),
    ROW("PAN", (3, 0, 4, 2, 3), ARM_RW1, ARM_REG_ENDS | ARM_REG_FEAT | ARM_REG_PSTATE, ARM_FEAT_PAN,
        .mask = ARM_PSTATE_PAN),
    ROW("UAO", (3, 0, 4, 2, 4), ARM_RW1, ARM_REG_ENDS | ARM_REG_FEAT | ARM_REG_PSTATE, ARM_FEAT_UAO,
        .mask = ARM_PSTATE_UAO),
    ROW("DAIF", (3, 3, 4, 2, 1), ARM_RW0, ARM_REG_PSTATE, .mask = ARM_PSTATE_DAIF,
        .trap = trap_daif),
    PLAIN("AFSR0_EL1", (3, 0, 5, 1, 0), ARM_RW1, sys.afsr0_el[1]),
    PLAIN("AFSR1_EL1", (3, 0, 5, 1, 1), ARM_RW1, sys.afsr1_el[1]),
    PLAIN("ESR_EL1", (3, 0, 5, 2, 0), ARM_RW1, sys.esr_el[1]),
    PLAIN("FAR_EL1", (3, 0, 6, 0, 0), ARM_RW1, sys.far_el[1]),
    MASKED("VBAR_EL1", (3, 0, 12, 0, 0), ARM_RW1, sys.vbar_el[1], ~0x7ffull),
    ROW("ISR_EL1", (3, 0, 12, 1, 0), ARM_R1, .read = read_isr),
    PLAIN("TPIDR_EL1", (3, 0, 13, 0, 4), ARM_RW1, sys.tpidr_el[1]),
    { "TPIDRRO_EL0", ARM_SYSREG(3, 3, 13, 0, 3), ARM_R0 | ARM_W1, .offset = F(tpidrro) },

    /* RAS (D17): no error records */
    ROW("DISR_EL1", (3, 0, 12, 1, 1), ARM_RW1, ARM_REG_FEAT, ARM_FEAT_RAS, .offset = F(sys.disr)),
    RAS_ZERO("ERRIDR_EL1", 3, 0, ARM_R1),
    RAS_ZERO("ERRSELR_EL1", 3, 1, ARM_RW1),
    RAS_ZERO("ERXFR_EL1", 4, 0, ARM_R1),
    RAS_ZERO("ERXCTLR_EL1", 4, 1, ARM_RW1),
    RAS_ZERO("ERXSTATUS_EL1", 4, 2, ARM_RW1),
    RAS_ZERO("ERXADDR_EL1", 4, 3, ARM_RW1),
    RAS_ZERO("ERXMISC0_EL1", 5, 0, ARM_RW1),
    RAS_ZERO("ERXMISC1_EL1", 5, 1, ARM_RW1),
};
ARM_SYSREG_TABLE(arm_regs_el1, rows);
