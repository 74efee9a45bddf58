/* SPDX-License-Identifier: MIT */
/*
 * Code that all blocks share: entry, exits, and the ways to call C. Also the layout of globals in
 * registers, and the patching of jumps between blocks.
 */
#include <asm/prctl.h>
#include <inttypes.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tcg/x86_64/asm.h"

X86Layout x86_layout;
TBSlot *(*tcg_enter)(CPUState *cpu, const void *code);

static const uint8_t pin_order[] = { RBX, R12, R13, R14, R15, R8, R9, R10, R11 };

/*
 * With AVX-512 guest registers and temps both have low registers (VEX forms are shorter, and
 * comparisons into vectors have no other) before they have high ones.
 */
static const uint8_t vec_pins[] = { 8, 9, 10, 11, 12, 13, 14, 15 };
static const uint8_t vec_pins_avx512[] = { 6,  7,  8,  9,  10, 11, 12, 13,
                                           24, 25, 26, 27, 28, 29, 30, 31 };
#define VEC_ALLOC        (X86_MASK(X86_VTMP_SSE) - 1)
#define VEC_ALLOC_AVX512 ((X86RegMask)0xff003f)

/* ---- layout ---- */

static int pick_global(const TargetOps *target, bool vec, const bool *used)
{
    int best = -1;

    for (int n = 0; n < target->nb_globals; n++) {
        const TCGGlobalDef *d = &target->globals[n];

        if (!used[n] && d->pin && (d->type == TCG_TYPE_V128) == vec && d->type != TCG_TYPE_CC &&
            (best < 0 || d->pin < target->globals[best].pin)) {
            best = n;
        }
    }
    return best;
}

static void pin(int global, int reg)
{
    x86_layout.pinned[reg] = TCG_GLOBAL_TEMP(global);
    x86_layout.globals[TCG_GLOBAL_TEMP(global)].reg = (uint8_t)reg;
    x86_layout.globals[TCG_GLOBAL_TEMP(global)].in_mem = false;
}

void x86_layout_init(const TargetOps *target)
{
    bool used[X86_MAX_GLOBALS] = { false };
    const uint8_t *vec_order = x86_has(X86_AVX512) ? vec_pins_avx512 : vec_pins;
    int nb_vec = x86_has(X86_AVX512) ? sizeof(vec_pins_avx512) : sizeof(vec_pins), global;

    g_assert(target->nb_globals < X86_MAX_GLOBALS);
    memset(&x86_layout, 0, sizeof(x86_layout));
    x86_layout.nb_globals = target->nb_globals;
    x86_layout.cc_temp = target->cc_global < 0 ? TCG_NONE : TCG_GLOBAL_TEMP(target->cc_global);
    for (int n = 0; n < target->nb_globals; n++) {
        x86_layout.globals[TCG_GLOBAL_TEMP(n)] = (X86Temp){
            .reg = X86_NO_REG,
            .in_mem = true,
            .next = X86_NEXT_NONE,
            .disp = x86_env_disp(target->globals[n].offset),
        };
    }
    for (unsigned i = 0; i < sizeof(pin_order); i++) {
        global = pick_global(target, false, used);
        if (global >= 0) {
            used[global] = true;
            pin(global, pin_order[i]);
        }
    }
    for (int i = 0; i < nb_vec; i++) {
        global = pick_global(target, true, used);
        if (global >= 0) {
            used[global] = true;
            pin(global, X86_VREG0 + vec_order[i]);
        }
    }
    x86_layout.alloc = X86_MASK(RAX) | X86_MASK(RCX) | X86_MASK(RDX) | X86_MASK(RSI) |
                       X86_MASK(RDI) |
                       (x86_has(X86_AVX512) ? VEC_ALLOC_AVX512 : VEC_ALLOC) << X86_VREG0;
}

/* ---- pieces ---- */

static bool caller_saved(int reg)
{
    return reg >= R8 && reg != R12 && reg != R13 && reg != R14 && reg != R15;
}

enum { P_STORE = 1, P_CALLER = 2, P_NOVEC = 4, P_NOT_R8_R9 = 8 };

/* Stores or loads pinned registers: all, or those that C functions destroy. */
static void emit_pinned(X86Gen *g, unsigned what)
{
    for (int reg = 0; reg < X86_NB_REGS; reg++) {
        int temp = x86_layout.pinned[reg];
        int32_t disp = x86_layout.globals[temp].disp;

        if (temp == TCG_NONE || (what & P_CALLER && !caller_saved(reg)) ||
            (what & P_NOVEC && reg >= X86_VREG0) ||
            (what & P_NOT_R8_R9 && (reg == R8 || reg == R9))) {
            continue;
        }
        if (what & P_STORE) {
            x86_store(g, reg, TCG_TYPE_I64, disp);
        } else {
            x86_load(g, reg, TCG_TYPE_I64, disp);
        }
    }
}

void x86_push_pop(X86Gen *g, bool push, int reg)
{
    if (reg >= 8) {
        x86_put8(g, 0x41);
    }
    x86_put8(g, (push ? 0x50u : 0x58u) | (unsigned)(reg & 7));
}

void x86_align16(X86Gen *g)
{
    while ((uintptr_t)x86_rx(g, g->p) & 15) {
        x86_put8(g, 0xcc);
    }
}

static const uint8_t saved[] = { RBP, RBX, R12, R13, R14, R15 };

/* MXCSR of one side out, of the other in, if they differ. */
static void emit_switch_mxcsr(X86Gen *g, int32_t save, int32_t load)
{
    uint8_t *same;

    x86_rm(g, 0xae | X_0F, 3, x86_env(save)); /* stmxcsr */
    x86_rm(g, X_MOV_LOAD, RCX, x86_env(save));
    x86_rm(g, X_CMP * 8 + 3, RCX, x86_env(load));
    same = x86_jcc8(g, X_E);
    x86_rm(g, 0xae | X_0F, 2, x86_env(load)); /* ldmxcsr */
    x86_bind8(g, same);
}

void x86_set_mask(X86Gen *g)
{
    if (x86_has(X86_AVX512)) {
        x86_mov_ri(g, RCX, 1);
        x86_put8(g, 0xc5); /* kmovd k2, ecx: VEX.L0.F2.0F.W0 92 /r */
        x86_put8(g, 0xfb);
        x86_put8(g, 0x92);
        x86_put8(g, 0xc0 | X86_K_ONE << 3 | RCX);
    }
}

/* TBSlot *enter(CPUState *RDI, const void *RSI) */
static void emit_enter(X86Gen *g)
{
    for (unsigned i = 0; i < sizeof(saved); i++) {
        x86_push_pop(g, true, saved[i]);
    }
    x86_rm(g, X_LEA | X_W, RBP, x86_at(RDI, (int32_t)x86_config.target->env_bias));
    x86_rm(g, X_MOV_STORE | X_W, RSP, x86_env(X86_CPU(host_sp)));
    x86_rm(g, X_MOV_LOAD | X_W, RSP, x86_env(X86_CPU(ret_sp)));
    emit_switch_mxcsr(g, X86_CPU(saved_host_fpcr), X86_CPU(host_fpcr));
    emit_pinned(g, 0);
    x86_set_mask(g);
    x86_rr(g, X_GRP5, 4, RSI);
}

static void emit_exits(X86Gen *g)
{
    X86Mem pc = x86_env(x86_env_disp(x86_config.target->pc_offset));
    uint8_t *leave1, *leave2;

    x86_layout.exit_slot = x86_rx(g, g->p);
    x86_rm(g, X_MOV_LOAD | X_W, RCX, x86_at(RAX, offsetof(TBSlot, pc)));
    x86_rm(g, X_MOV_STORE | X_W, RCX, pc);
    leave1 = x86_jump_later(g, -1);

    x86_layout.exit_poll = x86_rx(g, g->p);
    x86_rm(g, X_MOV_LOAD | X_W, RCX, x86_at(RAX, offsetof(TBSlot, pc)));
    x86_rm(g, X_MOV_STORE | X_W, RCX, pc);
    x86_layout.exit_null = x86_rx(g, g->p);
    x86_rr(g, 0x33, RAX, RAX);

    x86_patch_rel32(leave1, g->p);
    emit_pinned(g, P_STORE);
    leave2 = x86_jump_later(g, -1);

    x86_layout.exit_restored = x86_rx(g, g->p);
    x86_rr(g, 0x33, RAX, RAX);
    x86_patch_rel32(leave2, g->p);
    x86_rm(g, X_MOV_STORE | X_W, RSP, x86_env(X86_CPU(ret_sp)));
    x86_rm(g, X_MOV_LOAD | X_W, RSP, x86_env(X86_CPU(host_sp)));
    emit_switch_mxcsr(g, X86_CPU(host_fpcr), X86_CPU(saved_host_fpcr));
    for (int i = sizeof(saved) - 1; i >= 0; i--) {
        x86_push_pop(g, false, saved[i]);
    }
    x86_put8(g, 0xc3);
}

/* RSP is 8 below a multiple of 16 at a thunk's entry, as at any C function's; so it takes 8 more.
 */
static void emit_thunk(X86Gen *g, const uint8_t **entry, unsigned store, unsigned load, bool sync)
{
    for (int many = 0; many < 2; many++) {
        x86_align16(g);
        entry[many] = x86_rx(g, g->p);
        emit_pinned(g, P_STORE | store | (many ? P_NOT_R8_R9 : 0));
        if (sync) { /* the helper may leave by cpu_loop_exit: what is below belongs to it */
            x86_rm(g, X_LEA | X_W, R11, x86_at(RSP, 8));
            x86_rm(g, X_MOV_STORE | X_W, R11, x86_env(X86_CPU(ret_sp)));
        }
        x86_alu_ri(g, X_SUB, X_W, RSP, 8);
        x86_rr(g, X_GRP5, 2, RAX);
        x86_alu_ri(g, X_ADD, X_W, RSP, 8);
        emit_pinned(g, load);
        x86_set_mask(g);
        x86_put8(g, 0xc3);
    }
}

void x86_save_vectors(X86Gen *g, bool store)
{
    int n = x86_has(X86_AVX512) ? 32 : 16;

    for (int i = 0; i < n; i++) {
        if (store) {
            x86_vstore(g, 0, i, MO_128, x86_at(RSP, 16 * i));
        } else {
            x86_vload(g, 0, i, MO_128, x86_at(RSP, 16 * i));
        }
    }
}

/* RAX: the evaluator; [RSP + 8]: the op. All registers but RAX stay. */
static void emit_call_slow(X86Gen *g)
{
    static const uint8_t regs[] = { RBX, RCX, RDX, RSI, RDI, R8, R9, R10, R11 };

    x86_align16(g);
    x86_layout.call_slow = x86_rx(g, g->p);
    for (unsigned i = 0; i < sizeof(regs); i++) {
        x86_push_pop(g, true, regs[i]);
    }
    x86_mov_rr(g, X_W, RBX, RSP);
    x86_alu_ri(g, X_SUB, X_W, RSP, 32 * 16);
    x86_alu_ri(g, X_AND, X_W, RSP, -16);
    x86_save_vectors(g, true);
    x86_rm(g, X_MOV_LOAD | X_W, RDI, x86_at(RBX, 8 * (int)sizeof(regs) + 8));
    x86_rm(g, X_LEA | X_W, RSI, x86_env(x86_arg_disp(0)));
    x86_rm(g, X_LEA | X_W, RDX, x86_env(x86_env_disp(0)));
    x86_rr(g, X_GRP5, 2, RAX);
    x86_save_vectors(g, false);
    x86_set_mask(g);
    x86_mov_rr(g, X_W, RSP, RBX);
    for (int i = sizeof(regs) - 1; i >= 0; i--) {
        x86_push_pop(g, false, regs[i]);
    }
    x86_put8(g, 0xc3);
}

void tcg_backend_prologue(TCGCodeRegion *region)
{
    X86Gen *g = g_malloc0(sizeof(X86Gen));

    g->p = g->start = region->ptr;
    g->limit = region->end;
    g->rx_delta = region->rx_delta;
    g_assert(region->end - region->ptr >= 8192);
    x86_align16(g);
    tcg_enter = (TBSlot * (*)(CPUState *, const void *))(uintptr_t)x86_rx(g, g->p);
    emit_enter(g);
    x86_align16(g);
    emit_exits(g);
    emit_thunk(g, x86_layout.call_full, 0, 0, true);
    emit_thunk(g, x86_layout.call_read, 0, P_CALLER, true);
    emit_thunk(g, x86_layout.call_pure, P_CALLER, P_CALLER, false);
    emit_thunk(g, x86_layout.call_novec, P_CALLER | P_NOVEC, P_CALLER | P_NOVEC, false);
    emit_call_slow(g);
    if (x86_config.softmmu) {
        x86_softmmu_thunk(g);
    }
    x86_align16(g);
    region->ptr = g->p;
    g_free(g);
}

/* ---- run time ---- */

/* The guest base is in GS, which nothing else of a 64-bit process uses. */
void tcg_backend_thread_init(void)
{
    if (x86_config.guest_base && syscall(SYS_arch_prctl, ARCH_SET_GS, x86_config.guest_base)) {
        g_error("cannot set the GS base to 0x%" PRIx64, x86_config.guest_base);
    }
}

void tcg_backend_reset_ret_stack(CPUState *cpu)
{
    uintptr_t top = ((uintptr_t)cpu->ret_stack + cpu->ret_stack_size) & ~(uintptr_t)15;
    uint64_t *bottom = (uint64_t *)(top - 16);

    bottom[0] = 0;            /* host return address: never used */
    bottom[1] = ~UINT64_C(0); /* no guest pc */
    cpu->ret_sp = (uintptr_t)bottom;
}

typedef struct Rel32 {
    int32_t v;
} __attribute__((packed)) Rel32;

void tcg_backend_patch(TBSlot *slot, const TranslationBlock *target, ptrdiff_t rw_minus_rx)
{
    const uint8_t *at = slot->tb->tc + slot->jmp_offset;
    const uint8_t *to = target ? target->tc : slot->tb->tc + slot->stub_offset;
    int64_t rel = to - (at + 4);

    g_assert(rel == (int32_t)rel);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    ((volatile Rel32 *)(uintptr_t)(at + rw_minus_rx))->v = (int32_t)rel; /* one store */
    if (target && slot->id_offset && !slot->page_id) {
        /* whoever sees it before the jump is changed, or the other way round, takes the stub */
        slot->page_id = target->page_id;
        ((volatile Rel32 *)(uintptr_t)(slot->tb->tc + slot->id_offset + rw_minus_rx))->v =
            (int32_t)slot->page_id;
    }
}
