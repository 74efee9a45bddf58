/* SPDX-License-Identifier: MIT */
/*
 * What the TLB means for translated code (docs/system.md, "Blocks in system mode"): which RAM page
 * a pc is in, the ids by which jumps across pages are checked, and jump caches.
 */
#include <string.h>

#include "softmmu.h"

/* ---- ids of (virtual page, RAM page, mode) -----------------------------------------------------
 */

enum { MAX_CODE_IDS = 1 << 20 };

typedef struct CodeId {
    vaddr page;
    uint64_t phys; /* as TranslationBlock.phys of the page's first byte */
    int mode;
    uint32_t id;
} CodeId;

static struct {
    pthread_mutex_t lock;
    GHashTable *ids;
    uint32_t last;
} code_ids = { .lock = PTHREAD_MUTEX_INITIALIZER };

static guint code_id_hash(gconstpointer p)
{
    const CodeId *c = p;

    return (guint)((c->page ^ c->phys << 20 ^ (uint64_t)c->mode << 3) * 0x9e3779b97f4a7c15ull >>
                   32);
}

static gboolean code_id_equal(gconstpointer a, gconstpointer b)
{
    const CodeId *x = a, *y = b;

    return x->page == y->page && x->phys == y->phys && x->mode == y->mode;
}

static uint32_t code_id(vaddr page, uint64_t phys, int mode)
{
    CodeId key = { .page = page, .phys = phys, .mode = mode }, *c;
    uint32_t id;

    pthread_mutex_lock(&code_ids.lock);
    if (!code_ids.ids) {
        code_ids.ids = g_hash_table_new_full(code_id_hash, code_id_equal, g_free, NULL);
    } else if (g_hash_table_size(code_ids.ids) == MAX_CODE_IDS) {
        g_hash_table_remove_all(code_ids.ids); /* the numbers go on: nothing gets another's */
    }
    c = g_hash_table_lookup(code_ids.ids, &key);
    if (!c) {
        c = g_memdup2(&key, sizeof(key));
        c->id = ++code_ids.last;
        g_hash_table_add(code_ids.ids, c);
    }
    id = c->id;
    pthread_mutex_unlock(&code_ids.lock);
    return id;
}

/* ---- jump caches -------------------------------------------------------------------------------
 */

static void jump_cache_empty(JumpCache *jc)
{
    memset(jc->entries, 0, JUMP_CACHE_SIZE * sizeof(JumpCacheEntry));
    jc->entries[0].pc = ~(vaddr)0;
    memset(&jc->filter, 0, sizeof(jc->filter));
    jc->lower = false;
}

/* The low bits of an address within the page only flip bits of the index. */
static void jump_cache_drop_page(JumpCache *jc, vaddr page)
{
    int shift = engine.target->jc_shift;
    unsigned first = jump_cache_index(page, shift);

    for (unsigned n = 0; n < (unsigned)TLB_PAGE_SIZE >> shift; n++) {
        JumpCacheEntry *e = &jc->entries[first ^ n];

        if ((e->pc & TLB_PAGE_MASK) == page && e->code) {
            e->pc = ~(vaddr)0;
        }
    }
}

static JumpCache *pick_jump_cache(SoftMMU *m, uint32_t flags, int bank)
{
    JumpCache *oldest = &m->jump_caches[0];

    for (int n = 0; n < NB_JUMP_CACHES; n++) {
        JumpCache *jc = &m->jump_caches[n];

        if (jc->used && jc->flags == flags && jc->bank == bank) {
            return jc;
        }
        if (jc->used < oldest->used) {
            oldest = jc;
        }
    }
    if (!oldest->entries) {
        oldest->entries = g_new0(JumpCacheEntry, JUMP_CACHE_SIZE);
    }
    jump_cache_empty(oldest);
    oldest->flags = flags;
    oldest->bank = bank;
    return oldest;
}

bool code_jump_cache_fits(CPUState *cpu, uint32_t flags)
{
    const SoftMMU *m = cpu->mmu;
    const JumpCache *jc = m->jump_cache;

    return jc->flags == flags && (jc->bank < 0 || jc->bank == m->bank);
}

static void select_jump_cache(CPUState *cpu, uint32_t flags, int mode)
{
    SoftMMU *m = cpu->mmu;
    int bank = m->banked >> mode & 1 ? m->bank : -1;
    JumpCache *jc = m->jump_cache;

    if (jc && jc->flags == flags && jc->bank == bank) {
        return;
    }
    /* the engine's lock: others look for blocks that go in all of them */
    pthread_mutex_lock(&engine.lock);
    m->jump_cache = jc = pick_jump_cache(m, flags, bank);
    jc->used = ++m->clock;
    cpu->jump_cache_own = jc->entries;
    pthread_mutex_unlock(&engine.lock);
    if (cpu->jump_cache != engine.empty_jump_cache) {
        *(JumpCacheEntry *volatile *)&cpu->jump_cache = jc->entries;
        if (cpu->exit_request) { /* asked for in between */
            *(JumpCacheEntry *volatile *)&cpu->jump_cache = engine.empty_jump_cache;
        }
    }
    m->forget_returns = true;
}

static bool upper_half(vaddr addr)
{
    return addr >> 63;
}

void code_remember_jump(CPUState *cpu, const TranslationBlock *tb)
{
    JumpCache *jc = cpu->mmu->jump_cache;

    filter_add(&jc->filter, tb->pc);
    jc->lower |= !upper_half(tb->pc);
}

void code_forget_tb(SoftMMU *m, const TranslationBlock *tb)
{
    unsigned i = jump_cache_index(tb->pc, engine.target->jc_shift);

    for (int n = 0; n < NB_JUMP_CACHES; n++) {
        JumpCache *jc = &m->jump_caches[n];

        if (jc->entries && atomic_load((_Atomic vaddr *)&jc->entries[i].pc) == tb->pc) {
            atomic_store((_Atomic vaddr *)&jc->entries[i].pc, ~(vaddr)0);
        }
    }
}

/* ---- code_page ---------------------------------------------------------------------------------
 */

const uint8_t *code_page_enter(CPUState *cpu, vaddr pc, uint32_t flags, uint64_t *phys)
{
    SoftMMU *m = cpu->mmu;
    vaddr page = pc & TLB_PAGE_MASK;
    int mode = cpu->target->system->mmu_mode(cpu, true);
    TLBHit hit;

    select_jump_cache(cpu, flags, mode);
    if (m->forget_returns) {
        tcg_backend_reset_ret_stack(cpu);
        m->forget_returns = false;
    }
    if (!tlb_find(cpu, pc, 1, MMU_FETCH, mode, false, &hit)) {
        return NULL;
    }
    if (hit.info->ram == NOT_RAM) {
        cpu->target->system->bus_error(cpu, pc, (unsigned)cpu->target->max_insn_len, MMU_FETCH,
                                       mode, MEMTX_DECODE_ERROR);
        return NULL;
    }
    *phys = hit.info->ram | hit.info->guarded;
    if (!hit.info->code_id) {
        hit.info->code_id = code_id(page, *phys, mode);
    }
    cpu->code_page[code_page_index(pc)] = hit.info->code_id;
    filter_add(&m->code_seen, page);
    return (const uint8_t *)(page + hit.entry->addend);
}

const void *cpu_code_page(CPUState *cpu, vaddr pc, uint64_t *phys_page)
{
    int mode = cpu->target->system->mmu_mode(cpu, true);
    TLBHit hit;

    if (!tlb_find(cpu, pc, 1, MMU_FETCH, mode, true, &hit) || hit.info->ram == NOT_RAM) {
        return NULL;
    }
    *phys_page = hit.info->ram;
    return (const void *)(pc + hit.entry->addend);
}

/* ---- forgetting --------------------------------------------------------------------------------
 */

void code_forget_page(SoftMMU *m, vaddr page)
{
    unsigned i = code_page_index(page);

    if (!filter_has(&m->code_seen, page)) {
        return;
    }
    m->cpu->code_page[i] = 0;
    for (int b = 0; b < TLB_BANKS && !upper_half(page); b++) {
        m->banks[b].code_page[i] = 0;
    }
    for (int n = 0; n < NB_JUMP_CACHES; n++) {
        JumpCache *jc = &m->jump_caches[n];

        if (jc->used && filter_has(&jc->filter, page)) {
            jump_cache_drop_page(jc, page);
        }
    }
    m->forget_returns = true;
}

void code_forget_bank(SoftMMU *m, int bank)
{
    for (int n = 0; n < NB_JUMP_CACHES; n++) {
        JumpCache *jc = &m->jump_caches[n];

        if (jc->used && jc->bank == bank) {
            jump_cache_empty(jc);
        }
    }
    m->forget_returns = true;
}

void code_forget_lower(SoftMMU *m)
{
    for (int n = 0; n < NB_JUMP_CACHES; n++) {
        JumpCache *jc = &m->jump_caches[n];

        if (jc->used && jc->bank < 0 && jc->lower) {
            jump_cache_empty(jc);
        }
    }
}

void code_forget_all(SoftMMU *m)
{
    memset(m->cpu->code_page, 0, sizeof(m->cpu->code_page));
    for (int b = 0; b < TLB_BANKS; b++) {
        memset(m->banks[b].code_page, 0, sizeof(m->banks[b].code_page));
    }
    for (int n = 0; n < NB_JUMP_CACHES; n++) {
        if (m->jump_caches[n].used) {
            jump_cache_empty(&m->jump_caches[n]);
        }
    }
    memset(&m->code_seen, 0, sizeof(m->code_seen));
    m->forget_returns = true;
}
