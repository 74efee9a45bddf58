/* SPDX-License-Identifier: MIT */
/* A64 pointer authentication: hints, data processing, branches and loads (DDI 0487 C3.1.10, D8.10).
 */
#include "target/arm/pauth.h"
#include "target/arm/translate.h"

#define ENV(e) ((const CPUArmState *)(uintptr_t)(e))

static uint64_t helper_pac(uint64_t env, uint64_t ptr, uint64_t modifier, uint64_t key)
{
    return pauth_add(ENV(env), ptr, modifier, key);
}

static uint64_t helper_auth(uint64_t env, uint64_t ptr, uint64_t modifier, uint64_t key)
{
    return pauth_auth(ENV(env), ptr, modifier, key);
}

static uint64_t helper_pacga(uint64_t env, uint64_t x, uint64_t y)
{
    return pauth_generic(ENV(env), x, y);
}

static const TCGHelperInfo pac_info = {
    .name = "pac",
    .func = helper_pac,
    .nargs = 4,
    .has_ret = true,
    .flags = TCG_CALL_NO_RG | TCG_CALL_NO_WG | TCG_CALL_NO_SE,
};
static const TCGHelperInfo auth_info = {
    .name = "auth",
    .func = helper_auth,
    .nargs = 4,
    .has_ret = true,
    .flags = TCG_CALL_NO_RG | TCG_CALL_NO_WG | TCG_CALL_NO_SE,
};
static const TCGHelperInfo pacga_info = {
    .name = "pacga",
    .func = helper_pacga,
    .nargs = 3,
    .has_ret = true,
    .flags = TCG_CALL_NO_RG | TCG_CALL_NO_WG | TCG_CALL_NO_SE,
};

static void pac_or_auth(DisasContext *s, bool auth, TCGv_i64 d, TCGv_i64 ptr, TCGv_i64 modifier,
                        int key)
{
    if (s->system && !(s->tb->flags >> (ARM_TBF_PAC_SHIFT + key) & 1)) {
        tcg_gen_mov(s->tcg, d, ptr); /* SCTLR_EL1.EnIA, EnIB, EnDA, EnDB */
        return;
    }
    gen_helper(s, auth ? &auth_info : &pac_info, d, tcg_env(s->tcg), ptr, modifier, imm64(s, key));
}

TCGv_i64 gen_authenticated(DisasContext *s, TCGv_i64 ptr, TCGv_i64 modifier, int key)
{
    TCGv_i64 t = tcg_temp_i64(s->tcg);

    pac_or_auth(s, true, t, ptr, modifier, key);
    return t;
}

/* --- hints: nothing where the CPU has no pointer authentication
 * ------------------------------------------- */

bool trans_pac_hint(DisasContext *s, arg_pac_hint *a)
{
    if (dc_feature(s, ARM_FEAT_PAUTH)) {
        TCGv_i64 reg = reg_x(s, a->rd);
        pac_or_auth(s, a->auth, reg, reg, a->zero ? imm64(s, 0) : reg_xsp(a->rn), a->key);
    }
    return true;
}

/* The bits of a code become copies of bit 55; in whole machines TCR_EL1 says which they are. */
static void strip_by_masks(DisasContext *s, TCGv_i64 reg, TCGv_i64 sign, bool code)
{
    TCGv_i64 low = tcg_temp_i64(s->tcg), high = tcg_temp_i64(s->tcg);
    TCGv_i64 off = tcg_temp_i64(s->tcg);

    tcg_gen_ld_env(s->tcg, MO_64, low, offsetof(CPUArmState, pac_code[code][0]));
    tcg_gen_ld_env(s->tcg, MO_64, high, offsetof(CPUArmState, pac_code[code][1]));
    tcg_gen(not, s->tcg, MO_64, off, sign);
    tcg_gen(and, s->tcg, MO_64, off, off, low);
    tcg_gen(and, s->tcg, MO_64, high, high, sign);
    tcg_gen(not, s->tcg, MO_64, off, off);
    tcg_gen(and, s->tcg, MO_64, off, off, reg);
    tcg_gen(or, s->tcg, MO_64, reg, off, high);
}

/* In user mode bits 54:48, and the top byte too if bit 55 is 1 (there is no TBI1). */
static void strip_code(DisasContext *s, TCGv_i64 reg, bool code)
{
    TCGv_i64 sign = tcg_temp_i64(s->tcg), top = tcg_temp_i64(s->tcg), val = tcg_temp_i64(s->tcg);

    tcg_gen_imm(sextract, s->tcg, MO_64, TCG_FIELD(55, 1), sign, reg);
    if (s->system) {
        strip_by_masks(s, reg, sign, code);
        return;
    }
    tcg_gen_imm(deposit, s->tcg, MO_64, TCG_FIELD(48, 7), val, reg, sign);
    tcg_gen(shl, s->tcg, MO_64, top, sign, imm64(s, 56));
    tcg_gen(or, s->tcg, MO_64, reg, val, top);
}

bool trans_xpaclri(DisasContext *s, G_GNUC_UNUSED arg_xpaclri *a)
{
    if (dc_feature(s, ARM_FEAT_PAUTH)) {
        strip_code(s, reg_x(s, 30), true);
    }
    return true;
}

/* --- data processing
 * ------------------------------------------------------------------------------------------ */

bool trans_pac(DisasContext *s, arg_pac *a)
{
    TCGv_i64 modifier = a->zero ? imm64(s, 0) : reg_xsp(a->rn);

    pac_or_auth(s, a->auth, reg_dest(s, a->rd), reg_x(s, a->rd), modifier, a->key);
    return true;
}

bool trans_xpac(DisasContext *s, arg_xpac *a)
{
    if (a->rd != 31) {
        strip_code(s, reg_x(s, a->rd), !a->data);
    }
    return true;
}

bool trans_pacga(DisasContext *s, arg_pacga *a)
{
    gen_helper(s, &pacga_info, reg_dest(s, a->rd), tcg_env(s->tcg), reg_x(s, a->rn), reg_xsp(a->rm),
               TCG_NO_INDEX);
    return true;
}

/* --- branches and loads
 * ------------------------------------------------------------------------------------------ */

bool trans_retaa(DisasContext *s, arg_retaa *a)
{
    gen_exit_ind(s, TCG_EXIT_RET, gen_authenticated(s, reg_x(s, 30), reg_xsp(31), a->key));
    return true;
}

bool trans_braz(DisasContext *s, arg_braz *a)
{
    gen_br(s, a->rn, gen_authenticated(s, reg_x(s, a->rn), imm64(s, 0), a->key));
    return true;
}

bool trans_bra(DisasContext *s, arg_bra *a)
{
    gen_br(s, a->rn, gen_authenticated(s, reg_x(s, a->rn), reg_xsp(a->rm), a->key));
    return true;
}

bool trans_blraz(DisasContext *s, arg_blraz *a)
{
    gen_blr(s, gen_authenticated(s, reg_x(s, a->rn), imm64(s, 0), a->key));
    return true;
}

bool trans_blra(DisasContext *s, arg_blra *a)
{
    gen_blr(s, gen_authenticated(s, reg_x(s, a->rn), reg_xsp(a->rm), a->key));
    return true;
}

bool trans_ldra(DisasContext *s, arg_ldra *a)
{
    int64_t offset = ((int64_t)a->sign * 512 + a->imm) * 8;

    mem_check_sp(s, reg_xsp(a->rn));
    TCGv_i64 base = gen_authenticated(s, reg_xsp(a->rn), imm64(s, 0), 2 + a->key);

    mem_ld(s, MO_64, reg_dest(s, a->rt), mem_addr_base(base, offset));
    if (a->w && (a->rn != a->rt || a->rn == 31)) {
        tcg_gen_addi(s->tcg, MO_64, reg_xsp(a->rn), base, offset);
    }
    return true;
}
