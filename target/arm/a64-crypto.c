/* SPDX-License-Identifier: MIT */
/* A64 cryptographic instructions that are ops or a few (DDI 0487, C4.1); SHA512, SM3, SM4: helpers.
 */
#include "target/arm/translate-simd.h"

bool trans_crypto_n(DisasContext *s, arg_crypto_n *a)
{
    simd_write(s, a->rd, MO_128, vec_v(s, a->op, 0, reg_v(a->rn)));
    return true;
}

bool trans_crypto_dn(DisasContext *s, arg_crypto_dn *a)
{
    simd_write(s, a->rd, MO_128, vec_vv(s, a->op, 0, reg_v(a->rd), reg_v(a->rn)));
    return true;
}

bool trans_crypto_dnm(DisasContext *s, arg_crypto_dnm *a)
{
    simd_write(s, a->rd, MO_128, vec_vvv(s, a->op, 0, reg_v(a->rd), reg_v(a->rn), reg_v(a->rm)));
    return true;
}

bool trans_sha1h(DisasContext *s, arg_sha1h *a)
{
    TCGv_i64 t = tcg_temp_i64(s->tcg);

    tcg_gen(v_to_i, s->tcg, MO_32, t, reg_v(a->rn));
    tcg_gen(rotr, s->tcg, MO_32, t, t, imm64(s, 2));
    tcg_gen(v_from_i, s->tcg, MO_32, reg_v(a->rd), t);
    return true;
}

/* --- SHA-3 ----------------------------------------------------------------------------- */

static TCGv_vec rotate_right(DisasContext *s, TCGv_vec v, int count)
{
    if (!count) {
        return v;
    }
    return vec_vv(s, TCG_OP_vor, 0, vec_vi(s, TCG_OP_vshri, MO_64, v, count),
                  vec_vi(s, TCG_OP_vshli, MO_64, v, 64 - count));
}

bool trans_rax1(DisasContext *s, arg_rax1 *a)
{
    simd_write(s, a->rd, MO_128,
               vec_vv(s, TCG_OP_vxor, 0, reg_v(a->rn), rotate_right(s, reg_v(a->rm), 63)));
    return true;
}

bool trans_xar(DisasContext *s, arg_xar *a)
{
    TCGv_vec x = vec_vv(s, TCG_OP_vxor, 0, reg_v(a->rn), reg_v(a->rm));

    simd_write(s, a->rd, MO_128, rotate_right(s, x, a->imm));
    return true;
}

bool trans_eor3(DisasContext *s, arg_eor3 *a)
{
    TCGv_vec x = vec_vv(s, TCG_OP_vxor, 0, reg_v(a->rm), reg_v(a->ra));

    simd_write(s, a->rd, MO_128, vec_vv(s, TCG_OP_vxor, 0, reg_v(a->rn), x));
    return true;
}

bool trans_bcax(DisasContext *s, arg_bcax *a)
{
    TCGv_vec x = vec_vv(s, TCG_OP_vandc, 0, reg_v(a->rm), reg_v(a->ra));

    simd_write(s, a->rd, MO_128, vec_vv(s, TCG_OP_vxor, 0, reg_v(a->rn), x));
    return true;
}
