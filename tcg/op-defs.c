/* SPDX-License-Identifier: MIT */
/* The op table of tcg/ops.h.inc as data: names, operand classes, flags. */
#include "tcg/tcg.h"

enum {
    SZ_INT = TCG_OPF_SZ_INT,
    SZ_EL = TCG_OPF_SZ_EL,
    SZ_FP = TCG_OPF_SZ_FP,
    SZ_MEM = TCG_OPF_SZ_MEM,
    IMM = TCG_OPF_IMM,
    COND = TCG_OPF_COND,
    FX = TCG_OPF_FX,
    FAULT = TCG_OPF_FAULT,
    END = TCG_OPF_END,
    EXIT = TCG_OPF_EXIT,
    COMM = TCG_OPF_COMM,
};

/* A signature as the two strings of its operand classes and their lengths. */
#define SIG(outs, ins) outs, ins, sizeof(outs) - 1, sizeof(ins) - 1
#define SIG_special    SIG("", "")
#define SIG_i_0        SIG("i", "")
#define SIG_v_0        SIG("v", "")
#define SIG_0_i        SIG("", "i")
#define SIG_0_c        SIG("", "c")
#define SIG_0_v        SIG("", "v")
#define SIG_0_ii       SIG("", "ii")
#define SIG_0_iii      SIG("", "iii")
#define SIG_0_vii      SIG("", "vii")
#define SIG_i_i        SIG("i", "i")
#define SIG_i_c        SIG("i", "c")
#define SIG_i_f        SIG("i", "f")
#define SIG_i_v        SIG("i", "v")
#define SIG_i_ii       SIG("i", "ii")
#define SIG_i_iii      SIG("i", "iii")
#define SIG_i_iiii     SIG("i", "iiii")
#define SIG_i_iic      SIG("i", "iic")
#define SIG_i_cii      SIG("i", "cii")
#define SIG_ic_ii      SIG("ic", "ii")
#define SIG_ic_iic     SIG("ic", "iic")
#define SIG_ii_ii      SIG("ii", "ii")
#define SIG_0_iiii     SIG("", "iiii")
#define SIG_vv_ii      SIG("vv", "ii")
#define SIG_0_vvii     SIG("", "vvii")
#define SIG_ii_iiiii   SIG("ii", "iiiii")
#define SIG_c_i        SIG("c", "i")
#define SIG_c_c        SIG("c", "c")
#define SIG_c_ff       SIG("c", "ff")
#define SIG_c_cii      SIG("c", "cii")
#define SIG_c_ccc      SIG("c", "ccc")
#define SIG_f_f        SIG("f", "f")
#define SIG_f_i        SIG("f", "i")
#define SIG_f_ff       SIG("f", "ff")
#define SIG_f_fff      SIG("f", "fff")
#define SIG_f_cff      SIG("f", "cff")
#define SIG_v_f        SIG("v", "f")
#define SIG_v_i        SIG("v", "i")
#define SIG_v_v        SIG("v", "v")
#define SIG_v_ii       SIG("v", "ii")
#define SIG_v_vi       SIG("v", "vi")
#define SIG_v_vv       SIG("v", "vv")
#define SIG_v_vvv      SIG("v", "vvv")

#define ROW(name, sig, flags, doc) \
    {                              \
        name, sig, flags, doc      \
    }

const TCGOpDef tcg_op_defs[TCG_OP_COUNT] = {
#define DEF(name, sig, flags, doc) [TCG_OP_##name] = ROW(#name, SIG_##sig, flags, doc),
#include "tcg/ops.h.inc"
#undef DEF
};

bool tcg_cc_holds(TCGCC cond, unsigned nzcv)
{
    bool n = nzcv & 8, z = nzcv & 4, c = nzcv & 2, v = nzcv & 1;
    bool holds[] = { z, c, n, v, c && !z, n == v, !z && n == v };

    return holds[cond >> 1] ^ (cond & 1);
}
