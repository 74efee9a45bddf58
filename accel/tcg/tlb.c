/* SPDX-License-Identifier: MIT */
/*
 * The software TLB's tables: one for each MMU mode, or for each mode and address space id where the
 * target has its entries bound to ids. Direct-mapped, grown when entries displace each other much,
 * shrunk when emptying them finds little; what was displaced last is in a few victims.
 */
#include <string.h>

#include "hw/vcpu.h"
#include "hw/biglock.h"
#include "softmmu.h"

enum { DIRTY_WANTED = RAM_DIRTY_VGA | RAM_DIRTY_MIGRATION };

/* ---- one table ---------------------------------------------------------------------------------
 */

static unsigned nb_entries(const TLBTable *t)
{
    return (unsigned)(t->desc.mask / sizeof(TLBEntry)) + 1;
}

static unsigned entry_index(const TLBTable *t, vaddr addr)
{
    return (unsigned)(addr >> TLB_PAGE_BITS) & (nb_entries(t) - 1);
}

static void clear_entry(TLBEntry *e)
{
    *e = (TLBEntry){ .cmp = { ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0) } };
}

static bool entry_valid(const TLBEntry *e)
{
    return !(e->cmp[MMU_LOAD] & e->cmp[MMU_STORE] & e->cmp[MMU_FETCH] & TLB_INVALID);
}

/* Whichever access it is for. */
static bool entry_is_for(const TLBEntry *e, vaddr page)
{
    for (int a = MMU_LOAD; a <= MMU_FETCH; a++) {
        if (!(e->cmp[a] & TLB_INVALID) && (e->cmp[a] & TLB_PAGE_MASK) == page) {
            return true;
        }
    }
    return false;
}

static vaddr entry_page(const TLBEntry *e)
{
    for (int a = MMU_LOAD; a <= MMU_FETCH; a++) {
        if (!(e->cmp[a] & TLB_INVALID)) {
            return e->cmp[a] & TLB_PAGE_MASK;
        }
    }
    return 0;
}

static void table_alloc(TLBTable *t, unsigned log)
{
    t->desc.table = g_new(TLBEntry, 1u << log);
    t->desc.mask = ((UINT64_C(1) << log) - 1) * sizeof(TLBEntry);
    t->info = g_new0(TLBInfo, 1u << log);
    for (unsigned n = 0; n < 1u << log; n++) {
        clear_entry(&t->desc.table[n]);
    }
}

static TLBTable *table_new(void)
{
    TLBTable *t = g_new0(TLBTable, 1);

    table_alloc(t, TLB_MIN_LOG);
    t->unit_bits = TLB_PAGE_BITS;
    for (int n = 0; n < TLB_VICTIMS; n++) {
        clear_entry(&t->victim[n]);
    }
    return t;
}

static void table_free(TLBTable *t)
{
    g_free(t->desc.table);
    g_free(t->info);
    g_free(t);
}

/* Of another size, with the same entries. */
static void table_resize(TLBTable *t, unsigned log)
{
    TLBTable old = *t;

    table_alloc(t, log);
    for (unsigned n = 0; n < nb_entries(&old); n++) {
        TLBEntry *e = &old.desc.table[n];

        if (entry_valid(e)) {
            unsigned i = entry_index(t, entry_page(e));

            t->desc.table[i] = *e;
            t->info[i] = old.info[n];
        }
    }
    t->evicted = 0;
    g_free(old.desc.table);
    g_free(old.info);
}

static void table_clear(TLBTable *t)
{
    unsigned n = nb_entries(t), log = (unsigned)__builtin_ctz(n);

    t->idle = t->used < n / 8 ? t->idle + 1 : 0;
    if (t->idle > 8 && log > TLB_MIN_LOG) {
        g_free(t->desc.table);
        g_free(t->info);
        table_alloc(t, log - 1);
        t->idle = 0;
    } else if (t->used) {
        memset(t->desc.table, 0xff, n * sizeof(TLBEntry));
    }
    for (int v = 0; v < TLB_VICTIMS; v++) {
        clear_entry(&t->victim[v]);
    }
    t->used = t->evicted = t->nb_list = 0;
    t->unit_bits = TLB_PAGE_BITS;
    if (t->has_large) {
        memset(t->large, 0, sizeof(t->large));
        t->has_large = false;
    }
}

static void drop_page(TLBTable *t, vaddr page, bool global_only)
{
    unsigned i = entry_index(t, page);

    if (entry_is_for(&t->desc.table[i], page) && (!global_only || t->info[i].global)) {
        clear_entry(&t->desc.table[i]);
    }
    for (int v = 0; v < TLB_VICTIMS; v++) {
        if (entry_is_for(&t->victim[v], page) && (!global_only || t->victim_info[v].global)) {
            clear_entry(&t->victim[v]);
        }
    }
}

/* Entries that share a byte with [start, last], as part of mappings as large as they really are. */
static bool touches(const TLBEntry *e, const TLBInfo *info, vaddr start, vaddr last)
{
    vaddr size = UINT64_C(1) << info->page_bits, page = entry_page(e) & ~(size - 1);

    return entry_valid(e) && page <= last && start <= page + (size - 1);
}

static void drop_range(TLBTable *t, vaddr start, vaddr last, bool global_only)
{
    for (unsigned n = 0; n < nb_entries(t); n++) {
        if (touches(&t->desc.table[n], &t->info[n], start, last) &&
            (!global_only || t->info[n].global)) {
            clear_entry(&t->desc.table[n]);
        }
    }
    for (int v = 0; v < TLB_VICTIMS; v++) {
        if (touches(&t->victim[v], &t->victim_info[v], start, last) &&
            (!global_only || t->victim_info[v].global)) {
            clear_entry(&t->victim[v]);
        }
    }
}

enum { LARGE_BITS = 21, UNIT_MAX_BITS = 16 };

static unsigned large_bit(vaddr addr)
{
    return (unsigned)((addr >> LARGE_BITS) * 0x9e3779b97f4a7c15ull >> 32) & (LARGE_FILTER - 1);
}

static bool large_has(const TLBTable *t, vaddr addr)
{
    return t->large[large_bit(addr) / 64] >> (large_bit(addr) % 64) & 1;
}

static void table_drop(TLBTable *t, vaddr start, vaddr last, bool global_only)
{
    vaddr unit = (UINT64_C(1) << t->unit_bits) - 1, first = start & ~unit;
    bool many;

    last |= unit;
    many = (last - first) >> TLB_PAGE_BITS >= MAX_RANGE_PAGES;

    for (vaddr at = start >> LARGE_BITS; !many && t->has_large && at <= last >> LARGE_BITS; at++) {
        many = large_has(t, at << LARGE_BITS);
    }
    if (many) {
        drop_range(t, start, last, global_only);
        return;
    }
    for (vaddr page = first;; page += TLB_PAGE_SIZE) {
        drop_page(t, page, global_only);
        if (last - page < TLB_PAGE_SIZE) {
            return;
        }
    }
}

/* ---- the CPU's tables --------------------------------------------------------------------------
 */

/* After a table's desc has changed. */
static void publish(SoftMMU *m, int mode)
{
    TLBTable *t = m->table[mode][mmu_bank(m, mode)];

    m->cpu->tlb[mode] = t->desc;
}

static TLBTable *current_table(SoftMMU *m, int mode)
{
    return m->table[mode][mmu_bank(m, mode)];
}

void softmmu_attach(CPUState *cpu, AddressSpace *as)
{
    SoftMMU *m = g_new0(SoftMMU, 1);

    m->cpu = cpu;
    m->as = as;
    m->clock = 1;
    m->banks[0].used = 1;
    for (int mode = 0; mode < cpu->target->system->nb_mmu_modes; mode++) {
        m->table[mode][0] = table_new();
        publish(m, mode);
    }
    cpu->mmu = m;
}

void softmmu_detach(CPUState *cpu)
{
    SoftMMU *m = cpu->mmu;

    cpu->mmu = NULL;
    for (int mode = 0; mode < MMU_MODES; mode++) {
        for (int b = 0; b < TLB_BANKS; b++) {
            if (m->table[mode][b]) {
                table_free(m->table[mode][b]);
            }
        }
    }
    for (int n = 0; n < NB_JUMP_CACHES; n++) {
        g_free(m->jump_caches[n].entries);
    }
    g_free(m);
}

/* ---- filling -----------------------------------------------------------------------------------
 */

static void note_large(TLBTable *t, vaddr page, unsigned page_bits)
{
    if (page_bits > UNIT_MAX_BITS) {
        t->large[large_bit(page) / 64] |= UINT64_C(1) << (large_bit(page) % 64);
        t->has_large = true;
    } else if (page_bits > t->unit_bits) {
        t->unit_bits = (uint8_t)page_bits;
    }
}

static void note_bound(TLBTable *t, vaddr page)
{
    if (t->nb_list < TLB_LIST) {
        t->list[t->nb_list++] = page;
    } else {
        t->nb_list = TLB_LIST + 1;
    }
}

/* A device may be on its way out: only the big lock keeps it. Lockless ones are for good. */
static void find_lockless(SoftMMU *m, TLBInfo *info)
{
    bool locks = !biglock_held();

    if (locks) {
        biglock_lock();
    }
    const FlatRange *r = address_space_lookup(m->as, info->phys);
    if (r && !r->ram && r->mr->ops && r->mr->ops->lockless) {
        info->mr = r->mr;
        info->mr_offset = r->offset + (info->phys - r->start);
    }
    if (locks) {
        biglock_unlock();
    }
}

/* What is at the page of guest physical memory; returns the host address if it is RAM. */
static uint8_t *find_memory(SoftMMU *m, TLBInfo *info, bool *readonly)
{
    const FlatRange *r = address_space_lookup(m->as, info->phys);
    uint64_t offset;

    info->ram = NOT_RAM;
    if (!r || r->size - (info->phys - r->start) < TLB_PAGE_SIZE) {
        return NULL; /* nothing, or several things: each access looks itself */
    }
    offset = r->offset + (info->phys - r->start);
    if (!r->ram) {
        find_lockless(m, info);
        return NULL;
    }
    *readonly = r->readonly;
    info->ram = r->mr->ram->offset + offset;
    if (r->mr->ram->dirty) {
        info->dirty = &r->mr->ram->dirty[offset >> TLB_PAGE_BITS];
    }
    return r->ram + (info->phys - r->start);
}

static TLBEntry make_entry(SoftMMU *m, vaddr page, unsigned prot, TLBInfo *info)
{
    static const uint8_t need[] = { PROT_READ, PROT_WRITE, PROT_EXEC };
    bool readonly = false;
    uint8_t *host = find_memory(m, info, &readonly);
    unsigned flags = (host ? 0 : TLB_MMIO) | (info->aligned ? TLB_SLOW : 0);
    TLBEntry e = { .addend = host ? (uintptr_t)host - page : 0 };

    if (watch_page(m->cpu, page)) {
        flags |= TLB_WATCH;
    }
    for (int a = MMU_LOAD; a <= MMU_FETCH; a++) {
        e.cmp[a] = prot & need[a] ? page | flags : ~UINT64_C(0);
    }
    if (prot & PROT_WRITE && host) {
        if (readonly) {
            e.cmp[MMU_STORE] |= TLB_MMIO;
        }
        if (info->dirty && (*info->dirty & DIRTY_WANTED) != DIRTY_WANTED) {
            e.cmp[MMU_STORE] |= TLB_NOTDIRTY;
        }
    }
    return e;
}

static void grow_if_crowded(SoftMMU *m, TLBTable *t, int mode, unsigned max_log)
{
    unsigned n = nb_entries(t);

    if (t->evicted > n / 2 && n < 1u << max_log) {
        table_resize(t, (unsigned)__builtin_ctz(n) + 1);
        publish(m, mode);
    }
}

static TLBHit insert(SoftMMU *m, TLBTable *t, int mode, vaddr page, TLBEntry e, const TLBInfo *info)
{
    unsigned i = entry_index(t, page);
    TLBEntry *at = &t->desc.table[i];

    if (entry_valid(at) && !entry_is_for(at, page)) {
        unsigned v = t->next_victim++ % TLB_VICTIMS;

        t->victim[v] = *at;
        t->victim_info[v] = t->info[i];
        t->evicted++;
        grow_if_crowded(m, t, mode, TLB_MAX_LOG);
        i = entry_index(t, page);
        at = &t->desc.table[i];
    } else {
        t->used++;
    }
    *at = e;
    t->info[i] = *info;
    return (TLBHit){ at, &t->info[i] };
}

static bool fill(CPUState *cpu, TLBTable *t, vaddr addr, unsigned size, MMUAccess access, int mode,
                 bool probe, TLBHit *hit)
{
    SoftMMU *m = cpu->mmu;
    vaddr page = addr & TLB_PAGE_MASK;
    TLBFill f = { .page_bits = TLB_PAGE_BITS };
    TLBInfo info = { 0 };

    if (!cpu->target->system->tlb_fill(cpu, addr, size, access, mode, probe, &f)) {
        return false;
    }
    info.page_bits = f.page_bits;
    info.phys = f.phys + (page & ((UINT64_C(1) << f.page_bits) - 1));
    info.global = f.global;
    info.aligned = f.aligned;
    info.guarded = f.guarded;
    if (f.attrs) {
        info.attrs = *f.attrs;
    }
    drop_page(t, page, false);
    note_large(t, page, f.page_bits);
    if (!f.global && !(m->banked >> mode & 1)) {
        note_bound(t, page);
    }
    *hit = insert(m, t, mode, page, make_entry(m, page, f.prot, &info), &info);
    return true;
}

static bool entry_permits(const TLBEntry *e, MMUAccess access, vaddr page)
{
    return !(e->cmp[access] & TLB_INVALID) && (e->cmp[access] & TLB_PAGE_MASK) == page;
}

static bool find_victim(TLBTable *t, vaddr page, MMUAccess access, unsigned i)
{
    for (int v = 0; v < TLB_VICTIMS; v++) {
        if (entry_permits(&t->victim[v], access, page)) {
            TLBEntry e = t->desc.table[i];
            TLBInfo info = t->info[i];

            t->desc.table[i] = t->victim[v];
            t->info[i] = t->victim_info[v];
            t->victim[v] = e;
            t->victim_info[v] = info;
            t->evicted++;
            return true;
        }
    }
    return false;
}

bool tlb_find(CPUState *cpu, vaddr addr, unsigned size, MMUAccess access, int mode, bool probe,
              TLBHit *hit)
{
    TLBTable *t = current_table(cpu->mmu, mode);
    vaddr page = addr & TLB_PAGE_MASK;
    unsigned i = entry_index(t, page);

    if (!entry_permits(&t->desc.table[i], access, page)) {
        if (!find_victim(t, page, access, i)) {
            return fill(cpu, t, addr, size, access, mode, probe, hit);
        }
        /* Two pages that go in and out in turn may have places of their own in a larger table; that
         * alone does not make it very large. */
        grow_if_crowded(cpu->mmu, t, mode, TLB_SWAP_MAX_LOG);
        i = entry_index(t, page);
    }
    *hit = (TLBHit){ &t->desc.table[i], &t->info[i] };
    return true;
}

/* ---- address spaces ----------------------------------------------------------------------------
 */

static void clear_bank(SoftMMU *m, int bank)
{
    for (int mode = 0; mode < MMU_MODES; mode++) {
        if (m->banked >> mode & 1 && m->table[mode][bank]) {
            table_clear(m->table[mode][bank]);
        }
    }
    if (bank == m->bank) {
        memset(m->cpu->code_page, 0, sizeof(m->banks[0].code_page));
    }
    memset(m->banks[bank].code_page, 0, sizeof(m->banks[0].code_page));
    code_forget_bank(m, bank);
}

/* The bank of id, or the one that was not used for longest. */
static int pick_bank(SoftMMU *m, uint64_t id)
{
    int oldest = 0;

    for (int b = 0; b < TLB_BANKS; b++) {
        if (m->banks[b].used && m->banks[b].id == id) {
            return b;
        }
        if (m->banks[b].used < m->banks[oldest].used) {
            oldest = b;
        }
    }
    clear_bank(m, oldest);
    m->banks[oldest].id = id;
    return oldest;
}

static void drop_bound(SoftMMU *m, unsigned mode)
{
    TLBTable *t = m->table[mode][0];

    if (t->nb_list > TLB_LIST) {
        for (unsigned n = 0; n < nb_entries(t); n++) {
            if (entry_valid(&t->desc.table[n]) && !t->info[n].global) {
                clear_entry(&t->desc.table[n]);
            }
        }
        for (int v = 0; v < TLB_VICTIMS; v++) {
            if (entry_valid(&t->victim[v]) && !t->victim_info[v].global) {
                clear_entry(&t->victim[v]);
            }
        }
    } else {
        for (unsigned n = 0; n < t->nb_list; n++) {
            drop_page(t, t->list[n], false);
        }
    }
    t->nb_list = 0;
}

static void forget_bound(SoftMMU *m)
{
    for (int mode = 0; mode < m->cpu->target->system->nb_mmu_modes; mode++) {
        if (!(m->banked >> mode & 1) && m->table[mode][0]->nb_list) {
            drop_bound(m, (unsigned)mode);
        }
    }
    code_forget_lower(m);
}

void tlb_set_address_space(CPUState *cpu, unsigned mmu_modes, uint64_t id)
{
    SoftMMU *m = cpu->mmu;
    size_t half = sizeof(m->banks[0].code_page);

    if (!m || (m->banked == mmu_modes && m->banks[m->bank].id == id)) {
        return;
    }
    if (m->banked != mmu_modes) { /* the first time */
        m->banked |= mmu_modes;
        for (int b = 0; b < TLB_BANKS; b++) {
            clear_bank(m, b);
            m->banks[b].used = 0;
        }
        m->banked = mmu_modes;
    }
    memcpy(m->banks[m->bank].code_page, cpu->code_page, half);
    m->bank = pick_bank(m, id);
    m->banks[m->bank].used = ++m->clock;
    memcpy(cpu->code_page, m->banks[m->bank].code_page, half);
    for (int mode = 0; mode < cpu->target->system->nb_mmu_modes; mode++) {
        if (mmu_modes >> mode & 1) {
            if (!m->table[mode][m->bank]) {
                m->table[mode][m->bank] = table_new();
            }
            publish(m, mode);
        }
    }
    forget_bound(m);
    m->forget_returns = true;
}

/* ---- invalidation ------------------------------------------------------------------------------
 */

void tlb_flush(CPUState *cpu, unsigned mmu_modes)
{
    SoftMMU *m = cpu->mmu;

    if (!m) { /* reset before there is an engine */
        return;
    }
    for (int mode = 0; mode < MMU_MODES; mode++) {
        for (int b = 0; b < TLB_BANKS && mmu_modes >> mode & 1; b++) {
            if (m->table[mode][b]) {
                table_clear(m->table[mode][b]);
            }
        }
        if (mmu_modes >> mode & 1 && m->table[mode][0]) {
            publish(m, mode);
        }
    }
    code_forget_all(m);
}

/* id: ~0: any. Entries of other ids go if they are global. */
static void flush_range(SoftMMU *m, unsigned mmu_modes, uint64_t id, vaddr addr, uint64_t size)
{
    vaddr start = addr & TLB_PAGE_MASK, last = addr + (size - 1);

    for (int mode = 0; mode < m->cpu->target->system->nb_mmu_modes; mode++) {
        bool banked = m->banked >> mode & 1;

        for (int b = 0; b < (banked ? TLB_BANKS : 1) && mmu_modes >> mode & 1; b++) {
            if (m->table[mode][b]) {
                uint64_t own = banked ? m->banks[b].id : m->banks[m->bank].id;

                table_drop(m->table[mode][b], start, last, id != ~UINT64_C(0) && own != id);
            }
        }
    }
    if ((last - start) >> TLB_PAGE_BITS >= MAX_RANGE_PAGES) {
        code_forget_all(m);
        return;
    }
    for (vaddr page = start;; page += TLB_PAGE_SIZE) {
        code_forget_page(m, page);
        if (last - page < TLB_PAGE_SIZE) {
            return;
        }
    }
}

void tlb_flush_range(CPUState *cpu, unsigned mmu_modes, vaddr addr, uint64_t size)
{
    flush_range(cpu->mmu, mmu_modes, ~UINT64_C(0), addr, size);
}

void tlb_flush_page(CPUState *cpu, unsigned mmu_modes, vaddr addr)
{
    tlb_flush_range(cpu, mmu_modes, addr & TLB_PAGE_MASK, TLB_PAGE_SIZE);
}

void tlb_flush_id(CPUState *cpu, unsigned mmu_modes, uint64_t id)
{
    SoftMMU *m = cpu->mmu;

    for (int b = 0; b < TLB_BANKS; b++) {
        if (m->banks[b].used && m->banks[b].id == id && mmu_modes & m->banked) {
            clear_bank(m, b);
        }
    }
    if (m->banks[m->bank].id == id) {
        for (int mode = 0; mode < MMU_MODES; mode++) {
            if (m->banked >> mode & 1) {
                publish(m, mode);
            }
        }
        forget_bound(m);
        m->forget_returns = true;
    }
}

void tlb_flush_local(CPUState *cpu, const TLBFlush *what)
{
    switch (what->kind) {
    case TLB_FLUSH_ALL:
        tlb_flush(cpu, what->mmu_modes);
        break;
    case TLB_FLUSH_ID:
        tlb_flush_id(cpu, what->mmu_modes, what->id);
        break;
    default:
        flush_range(cpu->mmu, what->mmu_modes, what->id, what->addr, what->size);
    }
}
