/* SPDX-License-Identifier: MIT */
/*
 * A64 hints, barriers, cache maintenance and system registers as EL0 sees them under Linux
 * (DDI 0487 C4.1.93, C5, D19.2; Linux Documentation/arch/arm64/cpu-feature-registers.rst).
 */
#include <sched.h>
#include <sys/random.h>
#include <time.h>

#include "target/arm/translate.h"

#define ENV(e) ((CPUArmState *)(uintptr_t)(e))

enum { LINE = 64 }; /* bytes, as CTR_EL0 says */

/* --- hints and barriers
 * --------------------------------------------------------------------------------------- */

bool trans_nop(G_GNUC_UNUSED DisasContext *s, G_GNUC_UNUSED arg_nop *a)
{
    return true;
}

static void helper_wait(void)
{
    sched_yield();
}

static const TCGHelperInfo wait_info = {
    .name = "wait",
    .func = helper_wait,
    .flags = TCG_CALL_NO_RG | TCG_CALL_NO_WG,
};

/* Whoever waits for an event lets others run, who may send it. */
bool trans_wfe(DisasContext *s, arg_wfe *a)
{
    if (s->system) {
        return el1_wait(s, a->kind, 31);
    }
    gen_helper(s, &wait_info, TCG_NO_INDEX, TCG_NO_INDEX, TCG_NO_INDEX, TCG_NO_INDEX, TCG_NO_INDEX);
    return true;
}

bool trans_wfxt(DisasContext *s, arg_wfxt *a)
{
    if (s->system) {
        return el1_wait(s, a->kind, a->rd);
    }
    gen_helper(s, &wait_info, TCG_NO_INDEX, TCG_NO_INDEX, TCG_NO_INDEX, TCG_NO_INDEX, TCG_NO_INDEX);
    return true;
}

bool trans_barrier(DisasContext *s, arg_barrier *a)
{
    static const uint8_t masks[] = {
        TCG_MB_ALL,
        TCG_MB_LD_LD | TCG_MB_LD_ST,
        TCG_MB_ST_ST,
        TCG_MB_ALL,
    };
    tcg_gen_mb(s->tcg, masks[a->crm & 3]);
    return true;
}

/* The code behind may have been changed: it is looked up, not continued into. What is due (flushes
 * that other CPUs asked for) is done first. */
bool trans_isb(DisasContext *s, G_GNUC_UNUSED arg_isb *a)
{
    gen_jump_poll(s, s->pc + 4);
    return true;
}

/* --- cache maintenance
 * --------------------------------------------------------------------------------------------- */

static void helper_ic_ivau(uint64_t addr)
{
    addr &= -(uint64_t)LINE;
    tb_invalidate_range(addr, addr + LINE);
}

static const TCGHelperInfo ic_ivau_info = { .name = "ic_ivau", .func = helper_ic_ivau, .nargs = 1 };

void gen_dc_zva(DisasContext *s, TCGv_i64 addr)
{
    TCGv_i64 line = tcg_temp_i64(s->tcg);
    TCGv_vec zero = tcg_const_vec(s->tcg, 0, 0);

    tcg_gen(and, s->tcg, MO_64, line, addr, imm64(s, -(uint64_t)LINE));
    for (int i = 0; i < LINE; i += 16) {
        tcg_gen_stv(s->tcg, MO_128, zero, line, TCG_NO_INDEX, i);
    }
}

/* By op1:CRn:CRm:op2, as in the encoding's bits 18:5. */
#define SYS_OP(op1, crn, crm, op2) ((op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

#define SYS_KEY(a) (1 << 14 | SYS_OP((a)->op1, (a)->crn, (a)->crm, (a)->op2))

bool trans_sys(DisasContext *s, arg_sys *a)
{
    if (s->system) {
        return el1_sysreg(s, SYS_KEY(a), false, a->rt);
    }
    MemAddr at = mem_addr_base(reg_x(s, a->rt), 0);

    switch (SYS_OP(a->op1, a->crn, a->crm, a->op2)) {
    case SYS_OP(3, 7, 4, 1): /* DC ZVA */
        gen_dc_zva(s, mem_flat(s, at, 1));
        return true;
    case SYS_OP(3, 7, 12, 1): /* DC CVAP */
        if (!dc_feature(s, ARM_FEAT_DPB)) {
            return false;
        }
        break;
    case SYS_OP(3, 7, 13, 1): /* DC CVADP */
        if (!dc_feature(s, ARM_FEAT_DPB2)) {
            return false;
        }
        break;
    case SYS_OP(3, 7, 10, 1): /* DC CVAC */
    case SYS_OP(3, 7, 11, 1): /* DC CVAU */
    case SYS_OP(3, 7, 14, 1): /* DC CIVAC */
        break;
    case SYS_OP(3, 7, 5, 1): /* IC IVAU */
        gen_helper(s, &ic_ivau_info, TCG_NO_INDEX, mem_flat(s, at, 1), TCG_NO_INDEX, TCG_NO_INDEX,
                   TCG_NO_INDEX);
        return true;
    default:
        return false;
    }
    mem_ld(s, MO_8, tcg_temp_i64(s->tcg), at); /* caches are coherent; the address must be good */
    return true;
}

/* --- system registers
 * --------------------------------------------------------------------------------------------------
 */

typedef struct SysReg SysReg;
struct SysReg {
    const char *name;
    uint16_t key;    /* SYSREG(…) */
    int16_t feature; /* ARM_FEAT_*, or -1: always there */
    void (*read)(DisasContext *s, const SysReg *r, TCGv_i64 d);  /* NULL: reading is undefined */
    void (*write)(DisasContext *s, const SysReg *r, TCGv_i64 v); /* NULL: writing is undefined */
    uint32_t arg; /* an offset in the state, or what else read and write want */
    bool any_el;  /* of whole machines too, without a trap */
};

/* op0 is 2 or 3 */
#define SYSREG(op0, op1, crn, crm, op2) \
    (((op0)&1) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

static void read_field(DisasContext *s, const SysReg *r, TCGv_i64 d)
{
    tcg_gen_ld_env(s->tcg, MO_64, d, r->arg);
}

static void write_field(DisasContext *s, const SysReg *r, TCGv_i64 v)
{
    tcg_gen_st_env(s->tcg, MO_64, v, r->arg);
}

static void read_nzcv(DisasContext *s, G_GNUC_UNUSED const SysReg *r, TCGv_i64 d)
{
    TCGv_i64 t = tcg_temp_i64(s->tcg);

    tcg_gen(cc_get, s->tcg, 0, t, reg_cc());
    tcg_gen(shl, s->tcg, MO_64, d, t, imm64(s, 28));
}

static void write_nzcv(DisasContext *s, G_GNUC_UNUSED const SysReg *r, TCGv_i64 v)
{
    TCGv_i64 t = tcg_temp_i64(s->tcg);

    tcg_gen_imm(extract, s->tcg, MO_64, TCG_FIELD(28, 4), t, v);
    tcg_gen(cc_set, s->tcg, 0, reg_cc(), t);
}

/* DIT and SSBS: arg is the bit in pstate. */
static void read_pstate(DisasContext *s, const SysReg *r, TCGv_i64 d)
{
    TCGv_i64 t = tcg_temp_i64(s->tcg);

    tcg_gen_ld_env(s->tcg, MO_32, t, offsetof(CPUArmState, pstate));
    tcg_gen(and, s->tcg, MO_64, d, t, imm64(s, r->arg));
}

static void write_pstate(DisasContext *s, const SysReg *r, TCGv_i64 v)
{
    TCGv_i64 old = tcg_temp_i64(s->tcg), bit = tcg_temp_i64(s->tcg);

    tcg_gen_ld_env(s->tcg, MO_32, old, offsetof(CPUArmState, pstate));
    tcg_gen(and, s->tcg, MO_32, old, old, imm64(s, ~r->arg));
    tcg_gen(and, s->tcg, MO_32, bit, v, imm64(s, r->arg));
    tcg_gen(or, s->tcg, MO_32, old, old, bit);
    tcg_gen_st_env(s->tcg, MO_32, old, offsetof(CPUArmState, pstate));
}

static void set_pstate_bit(DisasContext *s, uint32_t bit, int on)
{
    write_pstate(s, &(SysReg){ .arg = bit }, imm64(s, on ? bit : 0));
}

bool trans_msr_imm(DisasContext *s, arg_msr_imm *a)
{
    set_pstate_bit(s, a->bit, a->imm & 1);
    return true;
}

static uint64_t helper_get_fpsr(uint64_t env)
{
    return arm_get_fpsr(ENV(env));
}

static void helper_set_fpsr(uint64_t env, uint64_t val)
{
    arm_set_fpsr(ENV(env), val);
}

static void helper_set_fpcr(uint64_t env, uint64_t val)
{
    arm_set_fpcr(ENV(env), val);
}

static const TCGHelperInfo get_fpsr_info = {
    .name = "get_fpsr", .func = helper_get_fpsr, .nargs = 1, .has_ret = true
};
static const TCGHelperInfo set_fpsr_info = { .name = "set_fpsr",
                                             .func = helper_set_fpsr,
                                             .nargs = 2 };
static const TCGHelperInfo set_fpcr_info = { .name = "set_fpcr",
                                             .func = helper_set_fpcr,
                                             .nargs = 2 };

static void read_fpcr(DisasContext *s, G_GNUC_UNUSED const SysReg *r, TCGv_i64 d)
{
    tcg_gen_ld_env(s->tcg, MO_32, d, offsetof(CPUArmState, fpcr));
}

/* The modes are part of what the next block depends on. */
static void write_fpcr(DisasContext *s, G_GNUC_UNUSED const SysReg *r, TCGv_i64 v)
{
    gen_helper(s, &set_fpcr_info, TCG_NO_INDEX, tcg_env(s->tcg), v, TCG_NO_INDEX, TCG_NO_INDEX);
    gen_end_block(s);
}

static void read_fpsr(DisasContext *s, G_GNUC_UNUSED const SysReg *r, TCGv_i64 d)
{
    gen_helper(s, &get_fpsr_info, d, tcg_env(s->tcg), TCG_NO_INDEX, TCG_NO_INDEX, TCG_NO_INDEX);
}

static void write_fpsr(DisasContext *s, G_GNUC_UNUSED const SysReg *r, TCGv_i64 v)
{
    gen_helper(s, &set_fpsr_info, TCG_NO_INDEX, tcg_env(s->tcg), v, TCG_NO_INDEX, TCG_NO_INDEX);
}

static uint64_t helper_cntvct(uint64_t env)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * ENV(env)->cntfrq +
           (uint64_t)((unsigned __int128)now.tv_nsec * ENV(env)->cntfrq / 1000000000);
}

static const TCGHelperInfo cntvct_info = {
    .name = "cntvct",
    .func = helper_cntvct,
    .nargs = 1,
    .has_ret = true,
    .flags = TCG_CALL_NO_RG | TCG_CALL_NO_WG,
};

static void read_cntvct(DisasContext *s, G_GNUC_UNUSED const SysReg *r, TCGv_i64 d)
{
    gen_helper(s, &cntvct_info, d, tcg_env(s->tcg), TCG_NO_INDEX, TCG_NO_INDEX, TCG_NO_INDEX);
}

/* 0 when the host has no randomness to give, and then Z is set. */
static uint64_t helper_rndr(uint64_t env)
{
    uint64_t val = 0;
    bool ok = getrandom(&val, sizeof(val), 0) == sizeof(val);

    ENV(env)->cc = ok ? 0 : TCG_CCR_Z;
    return ok ? val : 0;
}

static const TCGHelperInfo rndr_info = {
    .name = "rndr", .func = helper_rndr, .nargs = 1, .has_ret = true
};

static void read_rndr(DisasContext *s, G_GNUC_UNUSED const SysReg *r, TCGv_i64 d)
{
    gen_helper(s, &rndr_info, d, tcg_env(s->tcg), TCG_NO_INDEX, TCG_NO_INDEX, TCG_NO_INDEX);
}

static void read_const(DisasContext *s, const SysReg *r, TCGv_i64 d)
{
    tcg_gen_movi(s->tcg, d, r->arg);
}

#define FIELD(f) offsetof(CPUArmState, f)
/* clang-format off */
static const SysReg sysregs[] = {
    { "MIDR_EL1",   SYSREG(3, 0,  0, 0, 0), -1, read_field,  NULL,         FIELD(midr), false },
    { "MPIDR_EL1",  SYSREG(3, 0,  0, 0, 5), -1, read_const,  NULL,         0x80000000, false },
    { "REVIDR_EL1", SYSREG(3, 0,  0, 0, 6), -1, read_const,  NULL,         0, false },
    { "CTR_EL0",    SYSREG(3, 3,  0, 0, 1), -1, read_field,  NULL,         FIELD(ctr), false },
    { "DCZID_EL0",  SYSREG(3, 3,  0, 0, 7), -1, read_field,  NULL,         FIELD(dczid), false },
    { "RNDR",       SYSREG(3, 3,  2, 4, 0), ARM_FEAT_RNG,  read_rndr,   NULL, 0, true },
    { "RNDRRS",     SYSREG(3, 3,  2, 4, 1), ARM_FEAT_RNG,  read_rndr,   NULL, 0, true },
    { "NZCV",       SYSREG(3, 3,  4, 2, 0), -1, read_nzcv,   write_nzcv,   0, true },
    { "DIT",        SYSREG(3, 3,  4, 2, 5), ARM_FEAT_DIT,  read_pstate, write_pstate, ARM_PSTATE_DIT, true },
    { "SSBS",       SYSREG(3, 3,  4, 2, 6), ARM_FEAT_SSBS, read_pstate, write_pstate, ARM_PSTATE_SSBS, true },
    { "FPCR",       SYSREG(3, 3,  4, 4, 0), -1, read_fpcr,   write_fpcr,   0, true },
    { "FPSR",       SYSREG(3, 3,  4, 4, 1), -1, read_fpsr,   write_fpsr,   0, true },
    { "TPIDR_EL0",  SYSREG(3, 3, 13, 0, 2), -1, read_field,  write_field,  FIELD(tpidr), true },
    { "TPIDRRO_EL0", SYSREG(3, 3, 13, 0, 3), -1, read_field, NULL,         FIELD(tpidrro), false },
    { "CNTFRQ_EL0", SYSREG(3, 3, 14, 0, 0), -1, read_field,  NULL,         FIELD(cntfrq), false },
    { "CNTVCT_EL0", SYSREG(3, 3, 14, 0, 2), -1, read_cntvct, NULL,         0, false },
};
/* clang-format on */

/* The space of CPU identification (op0 3, op1 0, CRn 0, CRm 2…7): constants of the model, else 0.
 */
static bool id_register(DisasContext *s, arg_sysreg *a)
{
    if (!a->read || !a->o0 || a->op1 || a->crn || a->crm < 2 || a->crm > 7) {
        return false;
    }
    tcg_gen_movi(s->tcg, reg_dest(s, a->rt), arm_id_register(s->env, a->crm, a->op2));
    return true;
}

bool trans_sysreg(DisasContext *s, arg_sysreg *a)
{
    int key = SYSREG(2 + a->o0, a->op1, a->crn, a->crm, a->op2);

    for (unsigned i = 0; i < G_N_ELEMENTS(sysregs); i++) {
        const SysReg *r = &sysregs[i];
        if (r->key != key || (s->system && !r->any_el) ||
            (r->feature >= 0 && !dc_feature(s, r->feature))) {
            continue;
        }
        if (a->read && r->read) {
            r->read(s, r, reg_dest(s, a->rt));
            return true;
        }
        if (!a->read && r->write) {
            r->write(s, r, reg_x(s, a->rt));
            return true;
        }
        return false;
    }
    if (s->system) {
        return el1_sysreg(s, key | 2 << 14, a->read, a->rt);
    }
    return id_register(s, a);
}
