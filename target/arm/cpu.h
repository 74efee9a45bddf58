/* SPDX-License-Identifier: MIT */
/*
 * The state of an Arm CPU in AArch64 state, as EL0 sees it, and its models.
 * Source: Arm Architecture Reference Manual for A-profile (DDI 0487), chapters B1, C5, D19.
 */
#ifndef TARGET_ARM_CPU_H
#define TARGET_ARM_CPU_H

#include "exec/cpu.h"

typedef union ARMVReg {
    uint64_t d[2];
    uint32_t s[4];
    uint16_t h[8];
    uint8_t b[16];
} ARMVReg __attribute__((aligned(16)));

/* Features; one table line each in cpu-features.h.inc (of the instruction set: name for -cpu, ID
 * field, hwcap) and cpu-features-system.h.inc (what EL0 does not see). */
typedef enum ARMFeature {
#define FEATURE(id, ...) ARM_FEAT_##id,
#include "target/arm/cpu-features.h.inc"
    ARM_FEAT_FIRST_SYSTEM,
    ARM_FEAT_LAST_USER = ARM_FEAT_FIRST_SYSTEM - 1,
#include "target/arm/cpu-features-system.h.inc"
#undef FEATURE
    ARM_FEAT_COUNT
} ARMFeature;

/* What computes pointer authentication codes, by the -cpu property's name. */
typedef enum ARMPauthAlgorithm {
    ARM_PAUTH_IMPDEF, /* pauth-impdef: a fast hash, the default */
    ARM_PAUTH_QARMA5, /* pauth-qarma5, or pauth-impdef=off */
    ARM_PAUTH_QARMA3, /* pauth-qarma3 */
} ARMPauthAlgorithm;

/* What a CPU of a whole machine has beside what EL0 sees; arrays are by exception level. */
typedef struct ARMSystemState {
    uint64_t sp_el[4]; /* of the stack pointers that are not the current one (x[31]) */
    uint64_t elr_el[4], spsr_el[4], vbar_el[4], esr_el[4], far_el[4], afsr0_el[4], afsr1_el[4];
    uint64_t sctlr_el[4], actlr_el[4], tcr_el[4], ttbr0_el[4], ttbr1_el[4], mair_el[4], amair_el[4];
    uint64_t tpidr_el[4], contextidr_el[4], tcr2_el[4], sctlr2_el[4];
    uint64_t cpacr, par, csselr, cntkctl, scxtnum_el0, scxtnum_el1, disr, errselr;
    /* debug (D2, D3, D19.3) */
    uint64_t mdscr, mdccint, dbgclaim, dbgprcr, osdtrrx, osdtrtx, oseccr, osdlr;
    bool os_lock;
    uint64_t bvr[16], bcr[16], wvr[16], wcr[16];
    /* the exception that do_interrupt is to take (exception.c) */
    struct {
        uint64_t esr, far;
        uint8_t el;
        bool has_far;
    } exc;
    _Atomic uint32_t event; /* the event register of WFE */
    _Atomic bool wfe;       /* asleep in WFE, pc is at it */
    bool serror;            /* pending */
    uint64_t tlb_id;        /* address space id that EL0's translations have now */
} ARMSystemState;

typedef struct CPUArmState {
    CPUState parent;
    uint64_t x[32]; /* X0..X30, then SP */
    uint64_t pc;
    uint32_t cc;     /* N Z C V, TCG_CCR_* */
    uint32_t pstate; /* ARM_PSTATE_DIT, ARM_PSTATE_SSBS */
    bool guarded;    /* the process maps pages with PROT_BTI: BTYPE is kept and checked */
    uint8_t btype;   /* PSTATE.BTYPE after an indirect branch to a guarded page */
    ARMVReg v[32];
    ARMVReg qc;         /* FPSR.QC is set if any bit of this is */
    uint32_t fpcr;      /* as last written; parent.fp_status follows it */
    uint32_t fpsr_nzcv; /* FPSR[31:28], AArch32's flags: kept, nothing else */
    uint64_t tpidr, tpidrro, tpidr2;
    /* Load-exclusive's reservation: the address (~0: none) and the values seen there. */
    uint64_t excl_addr, excl_val, excl_high;
    uint32_t excl_count;    /* a64-atomic.c: of the granule when it was loaded */
    uint32_t excl_size;     /* bytes that excl_val has; 8 of a pair */
    void *excl_held[2];     /* the counts that a store holds, NULL for none */
    bool excl_watched;      /* all stores are counted since it was loaded */
    uint64_t pac_key[5][2]; /* APIA APIB APDA APDB APGA: low, high */
    /* From here on: the model's, not touched by a reset. */
    uint64_t features[(ARM_FEAT_COUNT + 63) / 64];
    const struct ARMCPUModel *model;
    ARMPauthAlgorithm pauth_algorithm;
    bool pauth_chosen;         /* by a property */
    uint64_t pac_code[2][2];   /* bits of a code: of data and code pointers, lower and upper half */
    uint64_t midr, ctr, dczid; /* as MRS from EL0 shows them */
    uint64_t cntfrq;           /* Hz of CNTVCT_EL0 */
    const struct ARMSystemOps *sys_ops; /* of a whole machine's CPU; NULL: user mode (system.h) */
    struct ARMBoard *board;             /* what its board decides, timers, wires (system.h) */
    ARMSystemState sys;                 /* with sys_ops */
} CPUArmState;

/* Indices of TargetOps.globals: X0..X30, SP, flags, V0..V31, QC. */
enum {
    ARM_G_X0 = 0,
    ARM_G_SP = 31,
    ARM_G_CC = 32,
    ARM_G_V0 = 33,
    ARM_G_QC = 65,
    ARM_NB_GLOBALS = 66
};

/* TargetOps.tb_flags */
enum {
    ARM_TBF_FP_SOFT = 1, /* FPCR asks for what only fpu/ does */
    ARM_TBF_BTI = 2,     /* env->guarded */
    ARM_TBF_SP_ODD = 4,  /* SP is not a multiple of 16, and checked: no base of an access */
    /* Of whole machines. */
    ARM_TBF_SYSTEM = 1 << 4,
    ARM_TBF_EL_SHIFT = 5, /* 2 bits */
    ARM_TBF_EL_MASK = 3 << 5,
    ARM_TBF_PAN = 1 << 7,          /* PSTATE.PAN above EL0 */
    ARM_TBF_UAO = 1 << 8,          /* PSTATE.UAO */
    ARM_TBF_SPSEL = 1 << 9,        /* PSTATE.SP */
    ARM_TBF_IL = 1 << 10,          /* PSTATE.IL */
    ARM_TBF_FP_TRAP = 1 << 11,     /* CPACR_EL1.FPEN traps here */
    ARM_TBF_STEP = 1 << 14,        /* software step is active … */
    ARM_TBF_STEP_NOW = 1 << 15,    /* … and PSTATE.SS is 0: the step exception is pending */
    ARM_TBF_BREAKPOINTS = 1 << 16, /* some DBGBCR is enabled */
    ARM_TBF_BT = 1 << 17,          /* SCTLR.BT of this EL */
    ARM_TBF_PAC_SHIFT = 18,        /* 4 bits: SCTLR.EnIA, EnIB, EnDA, EnDB */
    ARM_TBF_PAC_MASK = 15 << 18,
    ARM_TBF_ZVA_TRAP = 1 << 22,  /* DC ZVA at EL0 is trapped */
    ARM_TBF_NO_MOPS = 1 << 23,   /* CPY and SET at EL0 are undefined */
    ARM_TBF_STEP_SOON = 1 << 24, /* software step begins when PSTATE.D lets it */
    ARM_TBF_COUNT = 1 << 25,     /* instructions are counted */
    ARM_TBF_FP_FZ = 1 << 26,     /* FPCR.FZ */
    ARM_TBF_FP_DN = 1 << 27,     /* FPCR.DN */
};

/* Bits of PSTATE as SPSR and signal frames place them. */
#define ARM_PSTATE_BTYPE_SHIFT 10
#define ARM_PSTATE_SP          (1u << 0)
#define ARM_PSTATE_EL_SHIFT    2
#define ARM_PSTATE_EL          (3u << 2)
#define ARM_PSTATE_nRW         (1u << 4)
#define ARM_PSTATE_F           (1u << 6)
#define ARM_PSTATE_I           (1u << 7)
#define ARM_PSTATE_A           (1u << 8)
#define ARM_PSTATE_D           (1u << 9)
#define ARM_PSTATE_DAIF        (15u << 6)
#define ARM_PSTATE_SSBS        (1u << 12)
#define ARM_PSTATE_IL          (1u << 20)
#define ARM_PSTATE_SS          (1u << 21)
#define ARM_PSTATE_PAN         (1u << 22)
#define ARM_PSTATE_UAO         (1u << 23)
#define ARM_PSTATE_DIT         (1u << 24)
#define ARM_PSTATE_TCO         (1u << 25)

/* What ID registers and cache registers say beside features. */
typedef struct ARMModelIDs {
    uint64_t mmfr0, dfr0, clidr;
    uint64_t ccsidr[4]; /* L1 data, L1 instruction, L2, L3 */
    const char *dt_compatible;
} ARMModelIDs;

typedef struct ARMCPUModel {
    const char *name, *alias; /* alias: NULL for none */
    uint64_t midr, ctr;
    const uint8_t *features; /* ARM_FEAT_*, ended by ARM_FEAT_COUNT; NULL: all there are */
    const char *doc;
    const ARMModelIDs *ids;
} ARMCPUModel;
extern const ARMCPUModel arm_cpu_models[]; /* a NULL name at the end */

extern const TargetOps arm_target;

/* What arm_target and arm_system_target share. */
extern const TCGGlobalDef arm_globals[ARM_NB_GLOBALS];
CPUState *arm_cpu_new_model(const char *spec, const TargetOps *target, GError **err);
void arm_list_models(FILE *f);
void arm_cpu_reset(CPUState *cpu);
void arm_cpu_free(CPUState *cpu);
uint32_t arm_tb_flags_common(const CPUArmState *env);
void arm_dump_state(const CPUState *cpu, FILE *f);
/* env_bias: all of X0..X30, SP within a byte's displacement */
#define ARM_TARGET_COMMON                                                                     \
    .name = "aarch64", .globals = arm_globals, .nb_globals = ARM_NB_GLOBALS,                  \
    .cc_global = ARM_G_CC, .cpu_size = sizeof(CPUArmState),                                   \
    .env_bias = offsetof(CPUArmState, x) + 128, .pc_offset = offsetof(CPUArmState, pc),       \
    .jc_shift = 2, .max_insn_len = 4, .count_flag = ARM_TBF_COUNT, .nan_rule = FLOAT_NAN_ARM, \
    .cs_arch = CS_ARCH_ARM64, .cs_mode = CS_MODE_ARM, .list_models = arm_list_models,         \
    .translate = arm_translate

static inline bool arm_feature(const CPUArmState *env, ARMFeature f)
{
    return env->features[f / 64] >> (f % 64) & 1;
}

/* FPCR and FPSR as MRS/MSR and signal frames see them. Setting FPCR updates fp_status and the
 * host's mode. */
uint32_t arm_get_fpcr(CPUArmState *env);
void arm_set_fpcr(CPUArmState *env, uint32_t val);
uint32_t arm_get_fpsr(CPUArmState *env);
void arm_set_fpsr(CPUArmState *env, uint32_t val);
/* What load- and store-exclusive share between CPUs; before the first of them runs. */
void arm_exclusive_init(void);
/* An exception was taken: a store that it interrupted is over. */
void arm_exclusive_let_go(CPUArmState *env);
/* PSTATE's N Z C V in bits 31..28 and BTYPE, SSBS … as a signal frame holds it. */
uint32_t arm_get_pstate(const CPUArmState *env);
void arm_set_pstate(CPUArmState *env, uint32_t val);
/*
 * The ID register op0 3, op1 0, CRn 0, CRm crm (2..7), op2, as Linux shows it to EL0: the features
 * of this CPU, 0 in what it hides. DDI 0487 D19.2.
 */
uint64_t arm_id_register(const CPUArmState *env, int crm, int op2);
/* The same as EL1 sees it. */
uint64_t arm_id_register_el1(const CPUArmState *env, int crm, int op2);
/* AT_HWCAP, AT_HWCAP2 of this CPU (include/uapi/asm/hwcap.h of arm64). */
uint64_t arm_hwcap(const CPUArmState *env);
uint64_t arm_hwcap2(const CPUArmState *env);

#endif
