/* SPDX-License-Identifier: MIT */
/*
 * The side table of a block: for each host instruction that may fault or trap, the guest
 * instruction and the places of guest registers whose fields in memory are stale. A record, all
 * numbers LEB128: host offset's increase * 4 + (pc changed) + (places changed) * 2 pc's increase,
 * zigzag            if the pc changed count, then temp and place each  if the places changed
 */
#include "tcg/x86_64/gen.h"

void x86_side_start(X86Gen *g)
{
    g->side_len = 0;
    g->side_host = 0;
    g->side_pc = g->tb->pc;
    g->side_nb_dirty = 0;
}

static void put(X86Gen *g, uint64_t v)
{
    while (v >= 0x80) {
        g->side[g->side_len++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    g->side[g->side_len++] = (uint8_t)v;
}

static void mark_at(X86Gen *g, uint32_t host, const X86Dirty *dirty, int n)
{
    bool changed =
        n != g->side_nb_dirty || memcmp(dirty, g->side_dirty, (size_t)n * sizeof(*dirty));

    if (g->side_len > X86_SIDE_SIZE - 512) {
        g->error = TCG_GEN_TOO_LARGE;
        return;
    }
    put(g, (uint64_t)(host - g->side_host) * 4 + (g->pc != g->side_pc) + (changed ? 2 : 0));
    if (g->pc != g->side_pc) {
        int64_t d = (int64_t)(g->pc - g->side_pc);

        put(g, (uint64_t)d << 1 ^ (uint64_t)(d >> 63));
    }
    if (changed) {
        put(g, (uint64_t)n);
        for (int i = 0; i < n; i++) {
            put(g, dirty[i].temp);
            put(g, dirty[i].loc);
        }
        memcpy(g->side_dirty, dirty, (size_t)n * sizeof(*dirty));
        g->side_nb_dirty = n;
    }
    g->side_host = host;
    g->side_pc = g->pc;
}

static void mark_here(X86Gen *g, ptrdiff_t ahead)
{
    X86Dirty dirty[X86_NB_REGS + 1];

    memset(dirty, 0, sizeof(dirty[0])); /* no padding is compared, but n may be 0 */
    mark_at(g, (uint32_t)(g->p - ahead - g->start), dirty, x86_dirty_list(g, dirty, false));
}

void x86_mark_fault(X86Gen *g)
{
    mark_here(g, 0);
}

/* A call's return address is where the next instruction is, which may have a record of its own. */
void x86_mark_call(X86Gen *g)
{
    mark_here(g, 1);
}

void x86_mark_fault_moved(X86Gen *g, int temp, int loc)
{
    X86Dirty dirty[X86_NB_REGS + 2];
    int n = x86_dirty_list(g, dirty, false);

    if (temp != TCG_NONE) {
        dirty[n++] = (X86Dirty){ .temp = (uint16_t)temp, .loc = (uint8_t)loc };
    }
    mark_at(g, (uint32_t)(g->p - g->start), dirty, n);
}

void x86_mark_ool_call(X86Gen *g, vaddr pc, const X86Dirty *dirty, int n)
{
    vaddr here = g->pc;

    g->pc = pc;
    mark_at(g, (uint32_t)(g->p - 1 - g->start), dirty, n);
    g->pc = here;
}

static uint64_t get(const uint8_t **p)
{
    uint64_t v = 0;

    for (int shift = 0;; shift += 7) {
        uint8_t b = *(*p)++;

        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            return v;
        }
    }
}

bool x86_side_find(const TranslationBlock *tb, uint32_t host_offset, X86SideEntry *e)
{
    const uint8_t *p = tb->side_table, *end = p + tb->side_size;
    uint64_t host = 0;

    e->pc = tb->pc;
    e->nb_dirty = 0;
    while (p < end) {
        uint64_t head = get(&p);

        host += head >> 2;
        if (head & 1) {
            uint64_t z = get(&p);

            e->pc += z >> 1 ^ -(z & 1);
        }
        if (head & 2) {
            e->nb_dirty = (int)get(&p);
            for (int i = 0; i < e->nb_dirty; i++) {
                e->dirty[i].temp = (uint16_t)get(&p);
                e->dirty[i].loc = (uint8_t)get(&p);
            }
        }
        if (host >= host_offset) {
            return host == host_offset;
        }
    }
    return false;
}
