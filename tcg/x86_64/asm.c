/* SPDX-License-Identifier: MIT */
/* Encodings (Intel SDM volume 2, chapter 2). */
#include "tcg/x86_64/asm.h"

static void put_prefixes(X86Gen *g, unsigned op)
{
    static const uint8_t simd[4] = { 0, 0x66, 0xf3, 0xf2 };
    unsigned pp = op >> 10 & 3;

    if (op & X_LOCK) {
        x86_put8(g, 0xf0);
    }
    if (op & X_GS) {
        x86_put8(g, 0x65);
    }
    if (pp) {
        x86_put8(g, simd[pp]);
    }
}

static void put_opcode(X86Gen *g, unsigned op, unsigned rex, bool need_rex)
{
    unsigned map = op >> 8 & 3;

    if (rex || need_rex) {
        x86_put8(g, 0x40 | rex);
    }
    if (map) {
        x86_put8(g, 0x0f);
        if (map > 1) {
            x86_put8(g, map == 2 ? 0x38 : 0x3a);
        }
    }
    x86_put8(g, op & 0xff);
}

static void put_modrm_rr(X86Gen *g, int reg, int rm)
{
    x86_put8(g, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

void x86_rr(X86Gen *g, unsigned op, int reg, int rm)
{
    unsigned rex = (op & X_W ? 8 : 0) | (reg >> 3 & 1) << 2 | (rm >> 3 & 1);

    put_prefixes(g, op);
    put_opcode(g, op, rex, ((op & X_RB) && reg >= 4) || ((op & X_MB) && rm >= 4));
    put_modrm_rr(g, reg, rm);
}

void x86_put_mem(X86Gen *g, int reg, X86Mem m, int disp8_shift)
{
    unsigned r = (unsigned)(reg & 7) << 3;
    int32_t scaled = m.disp >> disp8_shift;
    bool disp8 = scaled == (int8_t)scaled && (int32_t)((uint32_t)scaled << disp8_shift) == m.disp;
    unsigned mod;

    if (m.base == X86_NO_REG) {
        x86_put8(g, r | 4);
        x86_put8(g, m.shift << 6 | (m.index == X86_NO_REG ? 4 : m.index & 7) << 3 | 5);
        x86_put32(g, (uint32_t)m.disp);
        return;
    }
    mod = m.disp == 0 && (m.base & 7) != RBP ? 0 : disp8 ? 0x40 : 0x80;
    if (m.index != X86_NO_REG || (m.base & 7) == RSP) {
        x86_put8(g, mod | r | 4);
        x86_put8(g, m.shift << 6 | (m.index == X86_NO_REG ? 4 : m.index & 7) << 3 | (m.base & 7));
    } else {
        x86_put8(g, mod | r | (m.base & 7));
    }
    if (mod == 0x40) {
        x86_put8(g, (unsigned)scaled);
    } else if (mod == 0x80) {
        x86_put32(g, (uint32_t)m.disp);
    }
}

static unsigned mem_rex(X86Mem m)
{
    return (m.base != X86_NO_REG ? m.base >> 3 & 1 : 0) |
           (m.index != X86_NO_REG ? (m.index >> 3 & 1) << 1 : 0);
}

void x86_rm(X86Gen *g, unsigned op, int reg, X86Mem m)
{
    unsigned rex = (op & X_W ? 8 : 0) | (reg >> 3 & 1) << 2 | mem_rex(m);

    put_prefixes(g, op);
    put_opcode(g, op, rex, (op & X_RB) && reg >= 4);
    x86_put_mem(g, reg, m, 0);
}

void x86_ro(X86Gen *g, unsigned op, int reg, const X86Operand *o)
{
    if (o->kind == X86_MEM) {
        x86_rm(g, op, reg, x86_env(o->disp));
    } else {
        x86_rr(g, op, reg, o->reg);
    }
}

/* rxb: REX's R X B bits. */
static void put_vex(X86Gen *g, unsigned op, unsigned rxb, int vvvv)
{
    unsigned pp = op >> 10 & 3, map = op >> 8 & 3;
    unsigned last = (vvvv < 0 ? 15u : ~(unsigned)vvvv & 15) << 3 | pp;

    if (map == 1 && !(op & X_W) && !(rxb & 3)) {
        x86_put8(g, 0xc5);
        x86_put8(g, (rxb & 4 ? 0 : 0x80) | last);
    } else {
        x86_put8(g, 0xc4);
        x86_put8(g, (~rxb & 7) << 5 | map);
        x86_put8(g, (op & X_W ? 0x80 : 0) | last);
    }
    x86_put8(g, op & 0xff);
}

void x86_vex_rr(X86Gen *g, unsigned op, int reg, int vvvv, int rm)
{
    put_vex(g, op, (reg >> 3 & 1) << 2 | (rm >> 3 & 1), vvvv);
    put_modrm_rr(g, reg, rm);
}

void x86_vex_ro(X86Gen *g, unsigned op, int reg, int vvvv, const X86Operand *o)
{
    if (o->kind == X86_MEM) {
        put_vex(g, op, (reg >> 3 & 1) << 2, vvvv);
        x86_put_mem(g, reg, x86_env(o->disp), 0);
    } else {
        x86_vex_rr(g, op, reg, vvvv, o->reg);
    }
}

static void put_imm(X86Gen *g, int32_t imm)
{
    if (imm == (int8_t)imm) {
        x86_put8(g, (unsigned)imm);
    } else {
        x86_put32(g, (uint32_t)imm);
    }
}

void x86_alu_ri(X86Gen *g, int alu, unsigned w, int reg, int32_t imm)
{
    if (imm != (int8_t)imm && reg == RAX) {
        put_opcode(g, (unsigned)alu * 8 + 5, w & X_W ? 8 : 0, false);
    } else {
        x86_rr(g, (imm == (int8_t)imm ? 0x83 : 0x81) | w, alu, reg);
    }
    put_imm(g, imm);
}

void x86_alu_mi(X86Gen *g, int alu, unsigned w, X86Mem m, int32_t imm)
{
    x86_rm(g, (imm == (int8_t)imm ? 0x83 : 0x81) | w, alu, m);
    put_imm(g, imm);
}

void x86_alu_ro(X86Gen *g, int alu, unsigned w, int reg, const X86Operand *o)
{
    if (o->kind == X86_IMM) {
        x86_alu_ri(g, alu, w, reg, (int32_t)o->imm);
    } else {
        x86_ro(g, (unsigned)alu * 8 + 3 + w, reg, o);
    }
}

void x86_shift_i(X86Gen *g, int shift, unsigned w, int reg, int count)
{
    if (count == 1) {
        x86_rr(g, X_SHIFT_1 | w, shift, reg);
    } else if (count) {
        x86_rr(g, X_SHIFT_I | w, shift, reg);
        x86_put8(g, (unsigned)count);
    }
}

void x86_mov_mi(X86Gen *g, int sz, unsigned flags, X86Mem m, int32_t imm)
{
    static const unsigned op[] = { X_MOV_IMM8, X_MOV_IMM | X_66, X_MOV_IMM, X_MOV_IMM | X_W };

    x86_rm(g, op[sz] | flags, 0, m);
    if (sz == MO_8) {
        x86_put8(g, (unsigned)imm);
    } else if (sz == MO_16) {
        x86_put8(g, (unsigned)imm);
        x86_put8(g, (unsigned)imm >> 8);
    } else {
        x86_put32(g, (uint32_t)imm);
    }
}

void x86_mov_ri(X86Gen *g, int reg, uint64_t val)
{
    unsigned rex = reg >> 3 & 1;

    if (val <= UINT32_MAX) {
        put_opcode(g, 0xb8 | (reg & 7), rex, false);
        x86_put32(g, (uint32_t)val);
    } else if ((int64_t)val == (int32_t)val) {
        x86_rr(g, X_MOV_IMM | X_W, 0, reg);
        x86_put32(g, (uint32_t)val);
    } else {
        put_opcode(g, 0xb8 | (reg & 7), 8 | rex, false);
        x86_put64(g, val);
    }
}

uint8_t *x86_jcc8(X86Gen *g, int cc)
{
    x86_put8(g, 0x70 | cc);
    x86_put8(g, 0);
    return g->p;
}

uint8_t *x86_jmp8(X86Gen *g)
{
    x86_put8(g, 0xeb);
    x86_put8(g, 0);
    return g->p;
}

void x86_bind8(X86Gen *g, uint8_t *at)
{
    g_assert(g->p - at <= 127);
    at[-1] = (uint8_t)(g->p - at);
}

void x86_nops(X86Gen *g, unsigned n)
{
    static const uint8_t nop[8][8] = {
        { 0 },
        { 0x90 },
        { 0x66, 0x90 },
        { 0x0f, 0x1f, 0x00 },
        { 0x0f, 0x1f, 0x40, 0x00 },
        { 0x0f, 0x1f, 0x44, 0x00, 0x00 },
        { 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00 },
        { 0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00 },
    };

    g_assert(n < 8);
    memcpy(g->p, nop[n], 8);
    g->p += n;
}

/* ---- vectors ---- */

/* xb: X and B bits of the r/m; r/m registers use X for their bit 4. */
static void put_evex(X86Gen *g, unsigned op, int reg, int vvvv, unsigned xb)
{
    unsigned pp = op >> 10 & 3, map = op >> 8 & 3;
    unsigned v = vvvv < 0 ? 0 : (unsigned)vvvv;

    x86_put8(g, 0x62);
    x86_put8(g, (reg & 8 ? 0 : 0x80) | (~xb & 3) << 5 | (reg & 16 ? 0 : 0x10) | map);
    x86_put8(g, (op & X_W ? 0x80 : 0) | (~v & 15) << 3 | 4 | pp);
    x86_put8(g, v & 16 ? 0 : 8);
    x86_put8(g, op & 0xff);
}

void x86_vec_rr(X86Gen *g, unsigned op, int reg, int vvvv, int rm)
{
    if (!x86_has(X86_AVX)) {
        g_assert(vvvv < 0 || vvvv == reg);
        x86_rr(g, op, reg, rm);
        return;
    }
    if ((reg | vvvv | rm) >= 16 || (vvvv < 0 && (reg | rm) >= 16)) {
        put_evex(g, op, reg, vvvv, (rm >> 3 & 1) | (rm >> 4 & 1) << 1);
    } else {
        put_vex(g, op, (reg >> 3 & 1) << 2 | (rm >> 3 & 1), vvvv);
    }
    put_modrm_rr(g, reg, rm);
}

void x86_vec_rm(X86Gen *g, unsigned op, int reg, int vvvv, X86Mem m, int disp8_shift)
{
    if (!x86_has(X86_AVX)) {
        g_assert(vvvv < 0 || vvvv == reg);
        x86_rm(g, op, reg, m);
        return;
    }
    if (op & X_GS) {
        x86_put8(g, 0x65);
    }
    if (reg >= 16 || vvvv >= 16) {
        put_evex(g, op, reg, vvvv, mem_rex(m));
        x86_put_mem(g, reg, m, disp8_shift);
    } else {
        put_vex(g, op, (reg >> 3 & 1) << 2 | mem_rex(m), vvvv);
        x86_put_mem(g, reg, m, 0);
    }
}

enum {
    V_MOVUPS_LOAD = 0x10 | X_0F,
    V_MOVUPS_STORE = 0x11 | X_0F,
    V_MOVQ_LOAD = 0x7e | X_0F | X_F3,
    V_MOVQ_STORE = 0xd6 | X_0F | X_66,
    V_MOVD_LOAD = 0x6e | X_0F | X_66,
    V_MOVD_STORE = 0x7e | X_0F | X_66,
    V_PXOR = 0xef | X_0F | X_66,
    V_XORPS = 0x57 | X_0F,
    V_PINSRB = 0x20 | X_0F3A | X_66,
    V_PINSRW = 0xc4 | X_0F | X_66,
    V_PEXTRB = 0x14 | X_0F3A | X_66,
    V_PEXTRW = 0x15 | X_0F3A | X_66,
};

void x86_vzero(X86Gen *g, int reg)
{
    if (reg < 16) {
        x86_vec_rr(g, V_XORPS, reg, x86_has(X86_AVX) ? reg : -1, reg);
    } else {
        x86_vec_rr(g, V_PXOR, reg, reg, reg);
    }
}

void x86_vbroadcast(X86Gen *g, unsigned flags, int reg, int size_log2, X86Mem m)
{
    static const uint8_t opcode[] = { 0x78, 0x79, 0x58, 0x59 }; /* VPBROADCASTB and so on */

    x86_vec_rm(
        g, opcode[size_log2] | X_0F38 | X_66 | flags | (size_log2 == MO_64 && reg >= 16 ? X_W : 0),
        reg, -1, m, size_log2);
}

void x86_vload(X86Gen *g, unsigned flags, int reg, int size_log2, X86Mem m)
{
    switch (size_log2) {
    case MO_8:
    case MO_16:
        x86_vzero(g, reg);
        x86_vec_rm(g, (size_log2 == MO_8 ? V_PINSRB : V_PINSRW) | flags, reg, reg, m, size_log2);
        x86_put8(g, 0);
        break;
    case MO_32:
        x86_vec_rm(g, V_MOVD_LOAD | flags, reg, -1, m, 2);
        break;
    case MO_64:
        /* EVEX.W makes it MOVQ; VEX and SSE ignore W here */
        x86_vec_rm(g, V_MOVQ_LOAD | flags | (reg >= 16 ? X_W : 0), reg, -1, m, 3);
        break;
    default:
        x86_vec_rm(g, V_MOVUPS_LOAD | flags, reg, -1, m, 4);
        break;
    }
}

void x86_vstore(X86Gen *g, unsigned flags, int reg, int size_log2, X86Mem m)
{
    switch (size_log2) {
    case MO_8:
    case MO_16:
        x86_vec_rm(g, (size_log2 == MO_8 ? V_PEXTRB : V_PEXTRW) | flags, reg, -1, m, size_log2);
        x86_put8(g, 0);
        break;
    case MO_32:
        x86_vec_rm(g, V_MOVD_STORE | flags, reg, -1, m, 2);
        break;
    case MO_64:
        x86_vec_rm(g, V_MOVQ_STORE | flags | (reg >= 16 ? X_W : 0), reg, -1, m, 3);
        break;
    default:
        x86_vec_rm(g, V_MOVUPS_STORE | flags, reg, -1, m, 4);
        break;
    }
}

void x86_vmov_from_gpr(X86Gen *g, unsigned w, int vreg, int gpr)
{
    x86_vec_rr(g, V_MOVD_LOAD | w, vreg, -1, gpr);
}

void x86_vmov_to_gpr(X86Gen *g, unsigned w, int gpr, int vreg)
{
    x86_vec_rr(g, V_MOVD_STORE | w, vreg, -1, gpr);
}
