/* SPDX-License-Identifier: MIT */
/*
 * A64 memory copy and set, FEAT_MOPS (DDI 0487 C6.2 CPYFP, CPYP, SETP; D1.3.8 for what may
 * interrupt them). Option A of the architecture: the prologue converts the registers and leaves N Z
 * C V 0, the main part moves everything, the epilogue what a main part that was left out did not.
 * Forward, Xn counts up to zero and the others point at the ends; backward, Xn counts down and they
 * stay.
 *
 * Progress is kept in the registers a piece at a time. A piece lies in one page of the source and
 * one of the destination, so that it faults at its first byte or not at all.
 */
#include <string.h>

#include "target/arm/system.h"
#include "target/arm/translate.h"

#define ENV(e) ((CPUArmState *)(uintptr_t)(e))

enum { PAGE = 4096, LINE = 64 };

/* The operation as one argument of a helper. */
enum { MOPS_SET = 1 << 15, MOPS_RS = 5, MOPS_RN = 10, MOPS_WRITE_MODE = 16, MOPS_READ_MODE = 20 };

static uint64_t mops_operation(int rd, int rs, int rn, bool set)
{
    return rd | rs << MOPS_RS | rn << MOPS_RN | (set ? MOPS_SET : 0);
}

typedef struct Mops {
    CPUState *cpu;
    uint64_t *dest, *source, *size; /* source: NULL for a set */
    uint8_t value;
    const ARMSystemOps *sys; /* of whole machines: accesses go by these MMU modes */
    int write_mode, read_mode;
    bool counted; /* CF_STORES_COUNTED */
} Mops;

static Mops mops_unpack(uint64_t env_, uint64_t operation)
{
    CPUArmState *env = ENV(env_);
    int rs = operation >> MOPS_RS & 31;
    Mops m = {
        .cpu = &env->parent,
        .dest = &env->x[operation & 31],
        .size = &env->x[operation >> MOPS_RN & 31],
        .sys = env->sys_ops,
        .write_mode = operation >> MOPS_WRITE_MODE & 15,
        .read_mode = operation >> MOPS_READ_MODE & 15,
        .counted = !env->sys_ops && env->parent.cflags_seen & CF_STORES_COUNTED,
    };

    if (!(operation & MOPS_SET)) {
        m.source = &env->x[rs];
    } else if (rs != 31) {
        m.value = env->x[rs];
    }
    return m;
}

/* --- memory, with the top byte ignored ------------------------------------------------- */

static uint8_t *host_address(uint64_t addr)
{
    return (uint8_t *)(uintptr_t)((uint64_t)((int64_t)(addr << 8) >> 8) + guest_base);
}

static uint64_t to_page_end(uint64_t addr)
{
    return PAGE - (addr & (PAGE - 1));
}

/* Bytes below addr in its page; a whole page for the page's start. */
static uint64_t to_page_start(uint64_t addr)
{
    return (addr - 1) % PAGE + 1;
}

/*
 * Stores that are counted are done a line at a time, from `to` up or, backward, down. Returns how
 * many of the n bytes.
 */
static uint64_t begin_piece(const Mops *m, uint64_t to, uint64_t n, bool forward)
{
    if (m->counted) {
        n = MIN(n, forward ? LINE - to % LINE : (to - 1) % LINE + 1);
        arm_begin_store((CPUArmState *)m->cpu, forward ? to : to - n, n);
    }
    return n;
}

static void end_piece(const Mops *m)
{
    if (m->counted) {
        arm_exclusive_let_go((CPUArmState *)m->cpu);
    }
}

static void copy_byte(volatile uint8_t *to, const volatile uint8_t *from)
{
    *to = *from;
}

static void copy_forward(uint64_t to, uint64_t from, uint64_t n)
{
    copy_byte(host_address(to), host_address(from));
    memmove(host_address(to) + 1, host_address(from) + 1, n - 1);
}

/* to and from: the ends */
static void copy_backward(uint64_t to, uint64_t from, uint64_t n)
{
    copy_byte(host_address(to - 1), host_address(from - 1));
    memmove(host_address(to - n), host_address(from - n), n - 1);
}

static void set_forward(uint64_t to, uint8_t value, uint64_t n)
{
    copy_byte(host_address(to), &value);
    memset(host_address(to) + 1, value, n - 1);
}

/* --- memory of whole machines: n bytes in one page; how many were done ------------------- */

static uint8_t *probe(const Mops *m, uint64_t addr, uint64_t n, MMUAccess access)
{
    return m->sys->probe(m->cpu, addr, n, access,
                         access == MMU_STORE ? m->write_mode : m->read_mode);
}

/* A device is accessed byte by byte, so that the registers are right if one of them fails. */
static uint64_t copy_in_machine(const Mops *m, uint64_t to, uint64_t from, uint64_t n, bool forward)
{
    uint8_t *src = probe(m, from, n, MMU_LOAD), *dst = probe(m, to, n, MMU_STORE);

    if (src && dst) {
        memmove(dst, src, n);
        return n;
    }
    uint64_t at = forward ? 0 : n - 1;
    m->sys->store(m->cpu, to + at, m->sys->load(m->cpu, from + at, 1, m->read_mode), 1,
                  m->write_mode);
    return 1;
}

static uint64_t set_in_machine(const Mops *m, uint64_t to, uint64_t n)
{
    uint8_t *dst = probe(m, to, n, MMU_STORE);

    if (dst) {
        memset(dst, m->value, n);
        return n;
    }
    m->sys->store(m->cpu, to, m->value, 1, m->write_mode);
    return 1;
}

/* --- the parts ------------------------------------------------------------------------- */

static void to_ends(const Mops *m)
{
    *m->dest += *m->size;
    if (m->source) {
        *m->source += *m->size;
    }
    *m->size = -*m->size;
}

static void helper_set_prologue(uint64_t env, uint64_t operation)
{
    Mops m = mops_unpack(env, operation);

    *m.size = MIN(*m.size, (uint64_t)INT64_MAX);
    to_ends(&m);
    ENV(env)->cc = 0;
}

/* CPYP: backward if the destination begins inside of the source; sizes are limited to 55 bits. */
static void helper_copy_prologue(uint64_t env, uint64_t operation)
{
    enum { ADDRESS_BITS = 56 };
    Mops m = mops_unpack(env, operation);
    uint64_t mask = (1ull << ADDRESS_BITS) - 1, to = *m.dest & mask, from = *m.source & mask;

    *m.size = MIN(*m.size, mask >> 1);
    if (from >= to || from + *m.size <= to) {
        to_ends(&m);
    }
    ENV(env)->cc = 0;
}

/* After each piece: others may want this thread; the registers say how to go on. */
static void between_pieces(const Mops *m)
{
    if (m->cpu->exit_request && *m->size) {
        cpu_loop_exit(m->cpu, EXCP_NONE);
    }
}

static void helper_move(uint64_t env, uint64_t operation)
{
    Mops m = mops_unpack(env, operation);

    while ((int64_t)*m.size < 0) {
        uint64_t to = *m.dest + *m.size, n = MIN(-*m.size, to_page_end(to));
        if (m.source) {
            uint64_t from = *m.source + *m.size;
            n = begin_piece(&m, to, MIN(n, to_page_end(from)), true);
            if (m.sys) {
                n = copy_in_machine(&m, to, from, n, true);
            } else {
                copy_forward(to, from, n);
            }
        } else if (m.sys) {
            n = set_in_machine(&m, to, n);
        } else {
            n = begin_piece(&m, to, n, true);
            set_forward(to, m.value, n);
        }
        end_piece(&m);
        *m.size += n;
        between_pieces(&m);
    }
    while (m.source && *m.size) {
        uint64_t to = *m.dest + *m.size, from = *m.source + *m.size;
        uint64_t n =
            begin_piece(&m, to, MIN(*m.size, MIN(to_page_start(to), to_page_start(from))), false);
        if (m.sys) {
            n = copy_in_machine(&m, to - n, from - n, n, false);
        } else {
            copy_backward(to, from, n);
        }
        end_piece(&m);
        *m.size -= n;
        between_pieces(&m);
    }
}

/* --- translation ----------------------------------------------------------------------- */

static const TCGHelperInfo set_prologue_info = {
    .name = "set_prologue",
    .func = helper_set_prologue,
    .nargs = 2,
};
static const TCGHelperInfo copy_prologue_info = {
    .name = "copy_prologue",
    .func = helper_copy_prologue,
    .nargs = 2,
};
static const TCGHelperInfo move_info = { .name = "move", .func = helper_move, .nargs = 2 };

static void call(DisasContext *s, const TCGHelperInfo *info, uint64_t operation)
{
    gen_helper(s, info, TCG_NO_INDEX, tcg_env(s->tcg), imm64(s, operation), TCG_NO_INDEX,
               TCG_NO_INDEX);
}

/* The modes of writing and reading, of which `unpriv` makes one or both EL0's (T, WT, RT). */
static uint64_t mops_modes(DisasContext *s, bool write_unpriv, bool read_unpriv)
{
    int mode = MO_GET_MODE(s->tcg->mem_flags);

    mem_unprivileged(s);
    int low = MO_GET_MODE(s->tcg->mem_flags);
    return (uint64_t)(write_unpriv ? low : mode) << MOPS_WRITE_MODE |
           (uint64_t)(read_unpriv ? low : mode) << MOPS_READ_MODE;
}

bool trans_cpy(DisasContext *s, arg_cpy *a)
{
    bool same = a->rd == a->rs || a->rd == a->rn || a->rs == a->rn;

    if (s->tb->flags & ARM_TBF_NO_MOPS) {
        return false;
    }
    if (same || a->rd == 31 || a->rs == 31 || a->rn == 31) {
        return false;
    }
    if (a->prologue) {
        call(s, a->forward ? &set_prologue_info : &copy_prologue_info,
             mops_operation(a->rd, a->rs, a->rn, false));
    } else {
        call(s, &move_info,
             mops_operation(a->rd, a->rs, a->rn, false) | mops_modes(s, a->opt & 1, a->opt & 2));
    }
    return true;
}

bool trans_set(DisasContext *s, arg_set *a)
{
    bool same = a->rd == a->rs || a->rd == a->rn || a->rs == a->rn;

    if (same || a->rd == 31 || a->rn == 31 || s->tb->flags & ARM_TBF_NO_MOPS) {
        return false;
    }
    call(s, a->prologue ? &set_prologue_info : &move_info,
         mops_operation(a->rd, a->rs, a->rn, true) | mops_modes(s, a->opt & 1, false));
    return true;
}
