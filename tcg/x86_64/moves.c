/* SPDX-License-Identifier: MIT */
/*
 * Addresses in emitted code, and the list of them that lets a copy of the code run at another
 * place or in another process.
 */
#include "tcg/x86_64/asm.h"

void x86_note_move(X86Gen *g, TCGMoveKind kind, int index)
{
    size_t offset = (size_t)(g->p - g->start);

    if (!g->s || !g->s->relocatable) {
        return;
    }
    if (g->nb_moves == X86_MAX_MOVES || offset >= MOVE_MAX_OFFSET || index >= MOVE_MAX_INDEX) {
        g->fixed = true;
    } else {
        g->moves[g->nb_moves++] = tcg_move(kind, (uint32_t)offset, (unsigned)index);
    }
}

/* ---- emitting ---- */

static void mov_imm64(X86Gen *g, int reg, uint64_t val, TCGMoveKind kind, int index)
{
    x86_put8(g, reg >= 8 ? 0x49 : 0x48);
    x86_put8(g, 0xb8u | (unsigned)(reg & 7));
    x86_note_move(g, kind, index);
    x86_put64(g, val);
}

void x86_mov_pc(X86Gen *g, int reg, vaddr pc)
{
    if (g->s->pc_relative) {
        mov_imm64(g, reg, pc, MOVE_PC, 0);
    } else {
        x86_mov_ri(g, reg, pc);
    }
}

static bool short_pc(const X86Gen *g, vaddr pc)
{
    return !g->s->pc_relative && pc == (uint64_t)(int32_t)pc;
}

void x86_store_pc(X86Gen *g, vaddr pc)
{
    X86Mem m = x86_env(x86_env_disp(x86_config.target->pc_offset));

    if (short_pc(g, pc)) {
        x86_mov_mi(g, MO_64, 0, m, (int32_t)pc);
    } else {
        x86_mov_pc(g, RAX, pc);
        x86_rm(g, X_MOV_STORE | X_W, RAX, m);
    }
}

void x86_push_pc(X86Gen *g, vaddr pc)
{
    if (g->movi_reg >= 0 && g->movi_val == pc && g->movi_pc == g->s->pc_relative) {
        if (g->movi_reg >= 8) {
            x86_put8(g, 0x41);
        }
        x86_put8(g, 0x50u | (unsigned)(g->movi_reg & 7));
    } else if (short_pc(g, pc)) {
        x86_put8(g, 0x68);
        x86_put32(g, (uint32_t)pc);
    } else {
        x86_mov_pc(g, RAX, pc);
        x86_put8(g, 0x50 | RAX);
    }
}

void x86_mov_ptr(X86Gen *g, int reg, const void *p, TCGMoveKind kind, int index)
{
    if (g->s->relocatable) {
        mov_imm64(g, reg, (uintptr_t)p, kind, index);
    } else {
        x86_mov_ri(g, reg, (uintptr_t)p);
    }
}

void x86_jump_to(X86Gen *g, unsigned opcode, const uint8_t *rx)
{
    int64_t rel = rx - (x86_rx(g, g->p) + 5);

    g_assert(rel == (int32_t)rel);
    x86_put8(g, opcode);
    x86_note_move(g, MOVE_THUNK, 0);
    x86_put32(g, (uint32_t)rel);
}

const TCGOp *x86_keep_op(X86Gen *g, const TCGOp *op, int *index)
{
    TCGOp *copy;

    *index = g->nb_kept;
    g->fixed |= g->nb_kept == g->max_kept;
    if (!g->s->relocatable || g->fixed) {
        copy = tb_alloc(g->s, sizeof(TCGOp));
    } else {
        if (!g->kept) {
            g->kept = tb_alloc(g->s, (size_t)g->max_kept * sizeof(TCGOp));
        }
        copy = &g->kept[g->nb_kept++];
    }
    *copy = *op;
    return copy;
}

/* Those that evaluators get; in system mode the slow path of each access gets one too. */
static int max_kept_ops(const TCGContext *s)
{
    int nb = X86_MAX_KEPT_OPS;

    if (x86_config.softmmu) {
        nb = X86_MAX_KEPT_OPS / 4;
        for (int i = 0; i < s->nb_ops; i++) {
            nb += (tcg_op_defs[s->ops[i].opc].flags & TCG_OPF_SZ_MEM) != 0;
        }
    }
    return MIN(nb, MOVE_MAX_INDEX);
}

void x86_moves_start(X86Gen *g)
{
    g->nb_moves = g->nb_kept = 0;
    g->max_kept = g->s->relocatable ? max_kept_ops(g->s) : 0;
    g->fixed = false;
    g->kept = NULL;
}

void x86_moves_trim(X86Gen *g)
{
    if (g->kept) {
        tb_alloc_trim(g->s, g->kept + g->max_kept, g->kept + g->nb_kept);
    }
}

void x86_moves_finish(X86Gen *g)
{
    TBMoves *m;

    if (!g->s->relocatable || g->fixed) {
        return;
    }
    m = tb_alloc(g->s, sizeof(*m) + (size_t)g->nb_moves * sizeof(TCGMove));
    m->ops = g->kept;
    m->nb_ops = (uint16_t)g->nb_kept;
    m->nb_moves = (uint16_t)g->nb_moves;
    memcpy(m->moves, g->moves, (size_t)g->nb_moves * sizeof(TCGMove));
    g->tb->moves = m;
}

/* ---- copies ---- */

static void add64(uint8_t *at, int64_t delta)
{
    int64_t v;

    memcpy(&v, at, 8);
    v += delta;
    memcpy(at, &v, 8);
}

static void set64(uint8_t *at, const void *p)
{
    memcpy(at, &p, 8);
}

static void set32(uint8_t *at, int32_t v)
{
    memcpy(at, &v, 4);
}

static void sub32(uint8_t *at, int64_t delta)
{
    int32_t v;

    memcpy(&v, at, 4);
    v = (int32_t)(v - delta);
    memcpy(at, &v, 4);
}

void tcg_backend_move(uint8_t *code, const TCGMove *moves, int nb_moves, const TCGMoveDelta *d)
{
    for (int i = 0; i < nb_moves; i++) {
        uint8_t *at = code + tcg_move_offset(moves[i]);

        switch (tcg_move_kind(moves[i])) {
        case MOVE_PC:
            add64(at, d->pc);
            break;
        case MOVE_SLOT:
            set64(at, &d->slots[tcg_move_index(moves[i])]);
            break;
        case MOVE_OP:
            set64(at, &d->ops[tcg_move_index(moves[i])]);
            break;
        case MOVE_HOST:
            add64(at, d->host);
            break;
        case MOVE_THUNK:
            sub32(at, d->code);
            break;
        case MOVE_PAGE:
            set32(at, x86_code_page_disp(d->slots[tcg_move_index(moves[i])].pc));
            break;
        }
    }
}

void tcg_backend_unchain(uint8_t *code, const TBSlot *slots, int nb_slots)
{
    for (int i = 0; i < nb_slots; i++) {
        int32_t rel = (int32_t)(slots[i].stub_offset - (slots[i].jmp_offset + 4));

        set32(code + slots[i].jmp_offset, rel);
        if (slots[i].id_offset) {
            set32(code + slots[i].id_offset, -1); /* no page's id */
        }
    }
}

uint64_t tcg_backend_code_key(void)
{
    return (uint64_t)x86_config.features << 32 | x86_config.patch_span << 8 |
           (unsigned)x86_config.fp_check << 1 | (x86_config.guest_base != 0);
}

unsigned tcg_backend_code_align(void)
{
    return MAX(16, x86_config.patch_span);
}
