/* SPDX-License-Identifier: MIT */
/*
 * Ways out of a block: chained jumps, guest calls and returns as host calls and returns, look-ups
 * in the jump cache, and returns to cpu_exec (docs/tcg.md, "Exits", "Calls and returns").
 */
#include "exec/softmmu.h"
#include "tcg/x86_64/asm.h"

static void store_dirty(X86Gen *g, const X86Dirty *d, int n)
{
    for (int i = 0; i < n; i++) {
        int32_t disp = x86_layout.globals[d[i].temp].disp;
        int type = x86_temp(g, d[i].temp)->type;

        if (d[i].loc >= X86_LOC_FLAGS) { /* the last one, so RAX is free */
            x86_emit_pack(g, (X86FlagsForm)(d[i].loc - X86_LOC_FLAGS));
            x86_store(g, RAX, type, disp);
        } else {
            x86_store(g, d[i].loc, type, disp);
        }
    }
}

static bool chained(const X86Gen *g)
{
    return !(g->tb->cflags & CF_NO_CHAIN);
}

/* ---- slots ---- */

static void emit_slot_exit(X86Gen *g, int slot, const uint8_t *to)
{
    x86_mov_ptr(g, RAX, &g->tb_slots[slot], MOVE_SLOT, slot);
    x86_jump_to(g, 0xe9, to);
}

static void ool_slot_stub(X86Gen *g, X86Ool *ool)
{
    g->slots[ool->arg].stub_offset = (uint32_t)(g->p - g->start);
    emit_slot_exit(g, ool->arg, x86_layout.exit_slot);
}

static void ool_poll(X86Gen *g, X86Ool *ool)
{
    emit_slot_exit(g, ool->arg, x86_layout.exit_poll);
}

/* The 32-bit field `ahead` bytes from here will lie within what the host writes at once. */
static void align_field(X86Gen *g, unsigned ahead)
{
    uintptr_t at = (uintptr_t)x86_rx(g, g->p) + ahead, span = x86_config.patch_span;

    if ((at & (span - 1)) > span - 4) {
        x86_nops(g, (unsigned)(span - (at & (span - 1))));
    }
}

/* In front of a jump to another page in system mode: leave unless code_page has its id there. */
typedef struct PageCheck {
    uint8_t *failed; /* rel32 field; NULL: the jump needs no check */
    uint32_t id_offset;
} PageCheck;

static bool other_page(const X86Gen *g, vaddr pc)
{
    return x86_config.softmmu && (pc ^ g->tb->pc) >> TLB_PAGE_BITS;
}

int32_t x86_code_page_disp(vaddr pc)
{
    return x86_env_disp((int64_t)(offsetof(CPUState, code_page) + 4 * code_page_index(pc)));
}

/* For the slot that comes next. */
static PageCheck emit_page_check(X86Gen *g, vaddr pc)
{
    PageCheck check = { 0 };

    if (!other_page(g, pc)) {
        return check;
    }
    align_field(g, 6);
    x86_put8(g, 0x81); /* cmp dword [RBP + disp32], imm32 */
    x86_put8(g, 0x80 | X_CMP << 3 | X86_ENV);
    x86_note_move(g, MOVE_PAGE, g->nb_slots);
    x86_put32(g, (uint32_t)x86_code_page_disp(pc));
    check.id_offset = (uint32_t)(g->p - g->start);
    x86_put32(g, UINT32_MAX); /* no page's id */
    check.failed = x86_jump_later(g, X_NE);
    return check;
}

/*
 * jmp, call or jcc (opcode bytes op[0..len)) through a new slot. The rel32 field lies within what
 * the host writes at once: a cache line (Intel SDM volume 3, 9.1.1), elsewhere 8 bytes (AMD APM
 * volume 2, 7.3.2).
 */
static int emit_slot_jump(X86Gen *g, vaddr pc, const uint8_t *op, unsigned len,
                          const PageCheck *check)
{
    int slot = g->nb_slots++;
    X86Ool *ool;

    g_assert(slot < g->nb_slots_max);
    align_field(g, len);
    memcpy(g->p, op, len);
    g->p += len;
    g->slots[slot] = (TBSlot){ .tb = g->tb, .pc = pc, .jmp_offset = (uint32_t)(g->p - g->start) };
    ool = x86_new_ool(g, ool_slot_stub, g->p);
    ool->arg = slot;
    if (check && check->failed) {
        ool->from[ool->nb_from++] = check->failed;
        g->slots[slot].id_offset = check->id_offset;
    }
    x86_put32(g, 0);
    return slot;
}

static void emit_poll(X86Gen *g, int slot)
{
    x86_alu_mi(g, X_CMP, 0, x86_env(X86_CPU(exit_request)), 0);
    x86_new_ool(g, ool_poll, x86_jump_later(g, X_NE))->arg = slot;
}

/* ---- the kinds of exits; all dirty globals are stored, only pinned registers and `reg` matter
 * ---- */

static void emit_pc_exit(X86Gen *g, vaddr pc)
{
    x86_store_pc(g, pc);
    x86_jump_to(g, 0xe9, x86_layout.exit_null);
}

static void emit_reg_exit(X86Gen *g, int reg)
{
    x86_rm(g, X_MOV_STORE | X_W, reg, x86_env(x86_env_disp(x86_config.target->pc_offset)));
    x86_jump_to(g, 0xe9, x86_layout.exit_null);
}

static void ool_ind_miss(X86Gen *g, X86Ool *ool)
{
    emit_reg_exit(g, ool->arg);
}

static void emit_jump(X86Gen *g, const TCGExit *e)
{
    static const uint8_t jmp[] = { 0xe9 };

    if (e->poll) {
        emit_poll(g, g->nb_slots); /* the slot that comes now */
    }
    PageCheck check = emit_page_check(g, e->pc);
    emit_slot_jump(g, e->pc, jmp, 1, &check);
}

/* Where the host's return comes back: drop the guest address, go on. */
static void emit_landing(X86Gen *g, vaddr pc)
{
    static const uint8_t jmp[] = { 0xe9 };

    x86_rm(g, X_LEA | X_W, RSP, x86_at(RSP, 8));
    PageCheck check = emit_page_check(g, pc);
    emit_slot_jump(g, pc, jmp, 1, &check);
}

static void emit_call(X86Gen *g, const TCGExit *e)
{
    static const uint8_t call[] = { 0xe8 };

    x86_rm(g, (X_CMP * 8 + 3) | X_W, RSP, x86_env(X86_CPU(ret_sp_limit)));
    x86_new_ool(g, ool_poll, x86_jump_later(g, X_BE))->arg = g->nb_slots;
    PageCheck check = emit_page_check(g, e->pc);
    x86_push_pc(g, e->ret_pc);
    emit_slot_jump(g, e->pc, call, 1, &check);
    emit_landing(g, e->ret_pc);
}

/* RCX: the jump cache's entry for the pc in reg, or off to `miss`. reg is not RCX. */
static void emit_probe(X86Gen *g, int reg)
{
    int up = 4 - x86_config.target->jc_shift; /* entries are 16 bytes */

    if (x86_has(X86_BMI2)) {
        x86_vex_rr(g, X_RORX | X_W, RCX, -1, reg);
        x86_put8(g, JUMP_CACHE_BITS);
    } else {
        x86_mov_rr(g, X_W, RCX, reg);
        x86_shift_i(g, X_SHR, X_W, RCX, JUMP_CACHE_BITS);
    }
    x86_alu_rr(g, X_XOR, 0, RCX, reg);
    x86_shift_i(g, X_SHL, 0, RCX, up);
    x86_alu_ri(g, X_AND, 0, RCX, (JUMP_CACHE_SIZE - 1) << 4);
    x86_rm(g, (X_ADD * 8 + 3) | X_W, RCX, x86_env(X86_CPU(jump_cache)));
    x86_rm(g, (X_CMP * 8 + 1) | X_W, reg, x86_at(RCX, offsetof(JumpCacheEntry, pc)));
    x86_new_ool(g, ool_ind_miss, x86_jump_later(g, X_NE))->arg = reg;
}

static void emit_jump_ind(X86Gen *g, int reg)
{
    emit_probe(g, reg);
    x86_rm(g, X_GRP5, 4, x86_at(RCX, offsetof(JumpCacheEntry, code)));
}

static void emit_call_ind(X86Gen *g, const TCGExit *e, int reg)
{
    x86_rm(g, (X_CMP * 8 + 3) | X_W, RSP, x86_env(X86_CPU(ret_sp_limit)));
    x86_new_ool(g, ool_ind_miss, x86_jump_later(g, X_BE))->arg = reg;
    emit_probe(g, reg);
    x86_push_pc(g, e->ret_pc); /* RAX at most: reg is not used any more */
    x86_rm(g, X_GRP5, 2, x86_at(RCX, offsetof(JumpCacheEntry, code)));
    emit_landing(g, e->ret_pc);
}

static void ool_ret_miss(X86Gen *g, X86Ool *ool)
{
    emit_jump_ind(g, ool->arg);
}

static void emit_ret(X86Gen *g, int reg)
{
    x86_rm(g, (X_CMP * 8 + 3) | X_W, reg, x86_at(RSP, 8));
    x86_new_ool(g, ool_ret_miss, x86_jump_later(g, X_NE))->arg = reg;
    x86_put8(g, 0xc3);
}

/* reg: the guest pc of indirect exits */
static void emit_exit(X86Gen *g, const TCGExit *e, int reg)
{
    switch (e->kind) {
    case TCG_EXIT_JUMP:
    case TCG_EXIT_CALL:
        if (!chained(g)) {
            emit_pc_exit(g, e->pc);
        } else if (e->kind == TCG_EXIT_JUMP) {
            emit_jump(g, e);
        } else {
            emit_call(g, e);
        }
        break;
    case TCG_EXIT_MAIN:
        if (e->careful) {
            x86_alu_mi(g, X_OR, 0, x86_env(X86_CPU(cflags_next)), CF_CAREFUL);
        }
        emit_pc_exit(g, e->pc);
        break;
    case TCG_EXIT_JUMP_IND:
    case TCG_EXIT_CALL_IND:
    case TCG_EXIT_RET:
        if (!chained(g)) {
            emit_reg_exit(g, reg);
        } else if (e->kind == TCG_EXIT_RET) {
            emit_ret(g, reg);
        } else if (e->kind == TCG_EXIT_JUMP_IND) {
            emit_jump_ind(g, reg);
        } else {
            emit_call_ind(g, e, reg);
        }
        break;
    default: /* TCG_EXIT_MAIN_IND */
        emit_reg_exit(g, reg);
        break;
    }
}

/* ---- side exits ---- */

static void ool_side_exit(X86Gen *g, X86Ool *ool)
{
    int movi_reg = g->movi_reg;

    g->movi_reg = -1;
    store_dirty(g, &g->dirty_pool[ool->dirty], ool->nb_dirty);
    emit_exit(g, &g->s->exits[ool->arg], -1);
    g->movi_reg = movi_reg;
}

/* A backward jump is probably taken: in line, with its poll, behind a jump over it. */
static void inline_side_exit(X86Gen *g, X86Cond c, const TCGExit *e, uint8_t *const early[],
                             int nb_early)
{
    X86Dirty dirty[X86_NB_REGS + 1];
    uint8_t *over[2];
    int nb = x86_jump_cond(g, x86_cond_not(c), over);

    for (int i = 0; i < nb_early; i++) {
        x86_patch_rel32(early[i], g->p);
    }
    store_dirty(g, dirty, x86_dirty_list(g, dirty, e->cc_dead));
    emit_exit(g, e, -1);
    x86_bind_fields(g, over, nb);
}

void x86_side_exit(X86Gen *g, X86Cond c, const TCGExit *e, uint8_t *const early[], int nb_early)
{
    X86Dirty *dirty = &g->dirty_pool[g->nb_dirty_pool];
    uint8_t *fields[2];
    int nb_dirty, nb;
    X86Ool *ool;

    if (e->kind == TCG_EXIT_JUMP && e->poll && chained(g)) {
        inline_side_exit(g, c, e, early, nb_early);
        return;
    }
    if (g->nb_dirty_pool + X86_NB_REGS + 1 > (int)G_N_ELEMENTS(g->dirty_pool)) {
        g->error = TCG_GEN_TOO_LARGE;
        return;
    }
    nb_dirty = x86_dirty_list(g, dirty, e->cc_dead);
    if (e->kind == TCG_EXIT_JUMP && chained(g) && !nb_dirty && c.second < 0 && !nb_early &&
        !other_page(g, e->pc)) {
        uint8_t jcc[] = { 0x0f, (uint8_t)(0x80 | c.cc) };

        emit_slot_jump(g, e->pc, jcc, 2, NULL);
        return;
    }
    g->nb_dirty_pool += nb_dirty;
    nb = x86_jump_cond(g, c, fields);
    ool = x86_new_ool(g, ool_side_exit, NULL);
    for (int i = 0; i < nb; i++) {
        ool->from[ool->nb_from++] = fields[i];
    }
    for (int i = 0; i < nb_early; i++) {
        ool->from[ool->nb_from++] = early[i];
    }
    ool->arg = (int)(e - g->s->exits);
    ool->dirty = (uint16_t)(dirty - g->dirty_pool);
    ool->nb_dirty = (uint16_t)nb_dirty;
}

/* ---- ops ---- */

void x86_gen_exit(X86Gen *g, const TCGOp *op)
{
    const TCGExit *e = &g->s->exits[op->imm];
    X86Dirty dirty[X86_NB_REGS + 1];

    store_dirty(g, dirty, x86_dirty_list(g, dirty, e->cc_dead));
    emit_exit(g, e, -1);
}

void x86_gen_exit_cond(X86Gen *g, const TCGOp *op)
{
    const TCGExit *e = &g->s->exits[op->imm];
    X86Operand o[2];
    X86Cond c;
    int first = 0, count = 1;

    if (op->opc == TCG_OP_exit_cc) {
        c = x86_flags_test(g, op->arg[0], (TCGCC)op->cond);
    } else {
        int cc_temp = x86_layout.cc_temp;

        x86_flags_clobber_by(g, op);
        if (g->flags_temp == cc_temp) {
            g->flags_temp = TCG_NONE; /* packed by now */
        }
        x86_compare_operands(g, op, 0, o);
        g->flags_temp = TCG_NONE;
        c = x86_cond1(x86_emit_compare(g, op->sz, (TCGCond)op->cond, &o[0], &o[1]));
        count = 2;
    }
    x86_side_exit(g, c, e, NULL, 0);
    x86_inputs_done(g, op, first, count);
    if (g->flags_temp == X86_FLAGS_BUSY) {
        g->flags_temp = TCG_NONE;
    }
    g->locked = 0;
}

void x86_gen_exit_ind(X86Gen *g, const TCGOp *op)
{
    const TCGExit *e = &g->s->exits[op->imm];
    X86Dirty dirty[X86_NB_REGS + 1];
    int reg = g->t[op->arg[0]].reg, n;

    /* RAX and RCX are used on the way out */
    if (reg == X86_NO_REG || reg == RAX || reg == RCX) {
        x86_reg_claim(g, RDX);
        x86_temp_copy(g, op->arg[0], RDX);
        reg = RDX;
    }
    n = x86_dirty_list(g, dirty, e->cc_dead);
    store_dirty(g, dirty, n);
    emit_exit(g, e, reg);
}
