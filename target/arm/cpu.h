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

/* Instruction-set features; one table line each in cpu-features.h.inc (name for -cpu, ID field,
 * hwcap). */
typedef enum ARMFeature {
#define FEATURE(id, ...) ARM_FEAT_##id,
#include "target/arm/cpu-features.h.inc"
#undef FEATURE
    ARM_FEAT_COUNT
} ARMFeature;

/* What computes pointer authentication codes, by the -cpu property's name. */
typedef enum ARMPauthAlgorithm {
    ARM_PAUTH_IMPDEF, /* pauth-impdef: a fast hash, the default */
    ARM_PAUTH_QARMA5, /* pauth-qarma5, or pauth-impdef=off */
    ARM_PAUTH_QARMA3, /* pauth-qarma3 */
} ARMPauthAlgorithm;

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
    uint64_t pac_key[5][2]; /* APIA APIB APDA APDB APGA: low, high */
    /* From here on: the model's, not touched by a reset. */
    uint64_t features[(ARM_FEAT_COUNT + 63) / 64];
    const struct ARMCPUModel *model;
    ARMPauthAlgorithm pauth_algorithm;
    bool pauth_chosen;         /* by a property */
    uint64_t midr, ctr, dczid; /* as MRS from EL0 shows them */
    uint64_t cntfrq;           /* Hz of CNTVCT_EL0 */
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
    ARM_TBF_FP_SOFT = 1, /* FPCR asks for more than a rounding mode */
    ARM_TBF_BTI = 2,     /* env->guarded */
    ARM_TBF_SP_ODD = 4,  /* SP is not a multiple of 16: no base of an access */
};

/* Bits of PSTATE as SPSR and signal frames place them. */
#define ARM_PSTATE_BTYPE_SHIFT 10
#define ARM_PSTATE_SSBS        (1u << 12)
#define ARM_PSTATE_DIT         (1u << 24)

typedef struct ARMCPUModel {
    const char *name, *alias; /* alias: NULL for none */
    uint64_t midr, ctr;
    const uint8_t *features; /* ARM_FEAT_*, ended by ARM_FEAT_COUNT; NULL: all there are */
    const char *doc;
} ARMCPUModel;
extern const ARMCPUModel arm_cpu_models[]; /* a NULL name at the end */

extern const TargetOps arm_target;

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
/* PSTATE's N Z C V in bits 31..28 and BTYPE, SSBS … as a signal frame holds it. */
uint32_t arm_get_pstate(const CPUArmState *env);
void arm_set_pstate(CPUArmState *env, uint32_t val);
/*
 * The ID register op0 3, op1 0, CRn 0, CRm crm (2..7), op2, as Linux shows it to EL0: the features
 * of this CPU, 0 in what it hides. DDI 0487 D19.2.
 */
uint64_t arm_id_register(const CPUArmState *env, int crm, int op2);
/* AT_HWCAP, AT_HWCAP2 of this CPU (include/uapi/asm/hwcap.h of arm64). */
uint64_t arm_hwcap(const CPUArmState *env);
uint64_t arm_hwcap2(const CPUArmState *env);

#endif
