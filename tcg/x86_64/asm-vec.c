/* SPDX-License-Identifier: MIT */
/* The encoder of vector instructions (asm-vec.h). */
#include "asm-vec.h"

/* What goes into modrm.rm: a register, a field of the state, or a constant near the code. */
typedef struct RM {
    enum { RM_REG, RM_ENV, RM_CONST } kind;
    unsigned reg;
    int32_t disp;
    int id;
} RM;

static void put_modrm(X86Gen *g, unsigned reg, RM rm, bool evex, int trailing)
{
    reg = (reg & 7) << 3;
    switch (rm.kind) {
    case RM_REG:
        x86_put8(g, 0xc0 | reg | (rm.reg & 7));
        break;
    case RM_ENV:
        if (!evex && rm.disp == (int8_t)rm.disp) {
            x86_put8(g, 0x40 | reg | X86_ENV);
            x86_put8(g, rm.disp & 0xff);
        } else { /* EVEX scales 8-bit displacements; 32-bit ones are plain */
            x86_put8(g, 0x80 | reg | X86_ENV);
            x86_put32(g, rm.disp);
        }
        break;
    case RM_CONST:
        x86_put8(g, 0x05 | reg);
        x86_put_const_disp(g, rm.id, trailing);
        break;
    }
}

static unsigned rm_reg(RM rm)
{
    return rm.kind == RM_REG ? rm.reg : 0;
}

static void put_legacy(X86Gen *g, X86VOp op, unsigned reg, RM rm, int trailing)
{
    static const uint8_t prefix[] = { 0, 0x66, 0xf3, 0xf2 };
    unsigned pp = op >> 12 & 3, map = op >> 8 & 15;
    unsigned rex = (reg & 8) >> 1 | (rm_reg(rm) & 8) >> 3 | (op & VOP_VW ? 8 : 0);

    if (pp) {
        x86_put8(g, prefix[pp]);
    }
    if (rex) {
        x86_put8(g, 0x40 | rex);
    }
    x86_put8(g, 0x0f);
    if (map != VMAP_0F) {
        x86_put8(g, map == VMAP_0F38 ? 0x38 : 0x3a);
    }
    x86_put8(g, op & 0xff);
    put_modrm(g, reg, rm, false, trailing);
}

static void put_vex(X86Gen *g, X86VOp op, unsigned reg, unsigned vvvv, RM rm, int trailing)
{
    unsigned pp = op >> 12 & 3, map = op >> 8 & 15, w = op & VOP_VW ? 0x80 : 0;
    unsigned r = reg & 8 ? 0 : 0x80, b = rm_reg(rm) & 8 ? 0 : 0x20;
    unsigned last = (~vvvv & 15) << 3 | pp;

    if (map == VMAP_0F && !w && b) {
        x86_put8(g, 0xc5);
        x86_put8(g, r | last);
    } else {
        x86_put8(g, 0xc4);
        x86_put8(g, r | 0x40 | b | map);
        x86_put8(g, w | last);
    }
    x86_put8(g, op & 0xff);
    put_modrm(g, reg, rm, false, trailing);
}

static void put_evex(X86Gen *g, X86VOp op, unsigned reg, unsigned vvvv, RM rm, unsigned k, bool z,
                     int trailing)
{
    unsigned pp = op >> 12 & 3, map = op >> 8 & 15, rmr = rm_reg(rm);

    x86_put8(g, 0x62);
    x86_put8(g, (reg & 8 ? 0 : 0x80) | (rmr & 16 ? 0 : 0x40) | (rmr & 8 ? 0 : 0x20) |
                    (reg & 16 ? 0 : 0x10) | map);
    x86_put8(g, (op & VOP_EW ? 0x80 : 0) | (~vvvv & 15) << 3 | 4 | pp);
    x86_put8(g, (z ? 0x80 : 0) | (op & VOP_RN_SAE ? 0x10 : 0) |
                    (op & VOP_K_ONE ? 0x80 | X86_K_ONE : 0) | (vvvv & 16 ? 0 : 8) | k);
    x86_put8(g, op & 0xff);
    put_modrm(g, reg, rm, true, trailing);
}

static bool high(unsigned reg)
{
    return reg != X86_NO_REG && reg > 15;
}

/* vvvv of instructions without a second source is all ones: register 0 complemented */
static unsigned vvvv_of(unsigned a)
{
    return a == X86_NO_REG ? 0 : a;
}

static void put_avx(X86Gen *g, X86VOp op, unsigned dst, unsigned a, RM b, int trailing)
{
    bool need_evex = high(dst) || high(a) || (b.kind == RM_REG && high(b.reg));

    if (op & VOP_EVEX || (need_evex && !(op & VOP_NO_EVEX))) {
        put_evex(g, op, dst, vvvv_of(a), b, 0, false, trailing);
    } else {
        put_vex(g, op, dst, vvvv_of(a), b, trailing);
    }
}

static bool needs_detour(X86VOp op, unsigned dst, unsigned a, RM b)
{
    return op & (VOP_NO_EVEX | VOP_LEGACY) &&
           (high(dst) || high(a) || (b.kind == RM_REG && high(b.reg)));
}

static void mark(X86Gen *g, bool trap)
{
    if (trap) {
        x86_mark_fault(g);
    }
}

/* imm < 0: the instruction has none */
static void put_any(X86Gen *g, X86VOp op, unsigned dst, unsigned a, RM b, int imm)
{
    int trailing = imm >= 0;
    unsigned result = dst;
    bool trap = g->trap_next; /* of this instruction, not of the moves around it */

    g->trap_next = false;
    if (needs_detour(op, dst, a, b)) {
        if (high(a)) {
            x86_vmov(g, X86_VTMP0, a);
            a = X86_VTMP0;
        }
        if (b.kind == RM_REG && high(b.reg)) {
            x86_vmov(g, X86_VTMP1, b.reg);
            b.reg = X86_VTMP1;
        }
        if (high(dst)) {
            result = X86_VTMP0;
        }
    }
    if (trap && !x86_has(X86_AVX) && a != X86_NO_REG && a != result) {
        result = X86_VTMP_SSE; /* dst may be a guest register that is needed after the trap */
    }
    if ((!x86_has(X86_AVX) || op & VOP_LEGACY) && a != X86_NO_REG && a != result) {
        if (b.kind == RM_REG && b.reg == result) {
            b.reg = x86_has(X86_AVX512) ? X86_VTMP1 : X86_VTMP_SSE;
            x86_vmov(g, b.reg, result);
        }
        x86_vmov(g, result, a);
    }
    mark(g, trap);
    if (!x86_has(X86_AVX) || op & VOP_LEGACY) {
        put_legacy(g, op, result, b, trailing);
    } else {
        put_avx(g, op, result, a, b, trailing);
    }
    if (trailing) {
        x86_put8(g, imm);
    }
    if (result != dst) {
        x86_vmov(g, dst, result);
    }
}

static RM rm_operand(const X86Operand *o)
{
    return o->kind == X86_MEM ? (RM){ .kind = RM_ENV, .disp = o->disp }
                              : (RM){ .kind = RM_REG, .reg = o->reg };
}

void x86_v3(X86Gen *g, X86VOp op, unsigned dst, unsigned a, unsigned b)
{
    put_any(g, op, dst, a, (RM){ .kind = RM_REG, .reg = b }, -1);
}

void x86_v3i(X86Gen *g, X86VOp op, unsigned dst, unsigned a, unsigned b, unsigned imm)
{
    put_any(g, op, dst, a, (RM){ .kind = RM_REG, .reg = b }, imm);
}

void x86_v3o(X86Gen *g, X86VOp op, unsigned dst, unsigned a, const X86Operand *b)
{
    put_any(g, op, dst, a, rm_operand(b), -1);
}

void x86_v3oi(X86Gen *g, X86VOp op, unsigned dst, unsigned a, const X86Operand *b, unsigned imm)
{
    put_any(g, op, dst, a, rm_operand(b), imm);
}

void x86_v3c(X86Gen *g, X86VOp op, unsigned dst, unsigned a, int id)
{
    put_any(g, op, dst, a, (RM){ .kind = RM_CONST, .id = id }, -1);
}

void x86_v3ci(X86Gen *g, X86VOp op, unsigned dst, unsigned a, int id, unsigned imm)
{
    put_any(g, op, dst, a, (RM){ .kind = RM_CONST, .id = id }, (int)imm);
}

/* The destination is vvvv, the source modrm.rm; legacy shifts in place. */
void x86_vshift(X86Gen *g, X86VOp op, unsigned ext, unsigned dst, unsigned a, unsigned imm)
{
    RM rm = { .kind = RM_REG, .reg = a };

    if (!x86_has(X86_AVX)) {
        x86_vmov(g, dst, a);
        rm.reg = dst;
        put_legacy(g, op, ext, rm, 1);
    } else if (op & VOP_EVEX || high(dst) || high(a)) {
        put_evex(g, op, ext, dst, rm, 0, false, 1);
    } else {
        put_vex(g, op, ext, dst, rm, 1);
    }
    x86_put8(g, imm);
}

void x86_v3k(X86Gen *g, X86VOp op, unsigned dst, unsigned a, unsigned b, unsigned k, bool z,
             int imm)
{
    mark(g, g->trap_next);
    g->trap_next = false;
    put_evex(g, op, dst, vvvv_of(a), (RM){ .kind = RM_REG, .reg = b }, k, z, imm >= 0);
    if (imm >= 0) {
        x86_put8(g, imm);
    }
}

void x86_v3kc(X86Gen *g, X86VOp op, unsigned k, unsigned a, int id, int imm)
{
    put_evex(g, op, k, a, (RM){ .kind = RM_CONST, .id = id }, 0, false, 1);
    x86_put8(g, imm);
}

void x86_v_gpr(X86Gen *g, X86VOp op, unsigned vec, unsigned a, unsigned gpr, int imm)
{
    RM rm = { .kind = RM_REG, .reg = gpr };

    mark(g, g->trap_next);
    g->trap_next = false;
    if (!x86_has(X86_AVX)) {
        if (a != X86_NO_REG) {
            x86_vmov(g, vec, a);
        }
        put_legacy(g, op, vec, rm, imm >= 0);
    } else {
        put_avx(g, op, vec, a, rm, imm >= 0);
    }
    if (imm >= 0) {
        x86_put8(g, imm);
    }
}

void x86_kortestb(X86Gen *g, unsigned k)
{
    x86_put8(g, 0xc5); /* VEX.L0.66.0F.W0 98 /r */
    x86_put8(g, 0xf9);
    x86_put8(g, 0x98);
    x86_put8(g, 0xc0 | k << 3 | k);
}

void x86_vmov(X86Gen *g, unsigned dst, unsigned src)
{
    if (dst != src) {
        put_any(g, VOP_MOVAPS, dst, X86_NO_REG, (RM){ .kind = RM_REG, .reg = src }, -1);
    }
}
