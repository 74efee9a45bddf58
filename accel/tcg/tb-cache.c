/* SPDX-License-Identifier: MIT */
/*
 * The set of translated blocks: a hash by guest pc and mode that is read without a lock, lists by
 * guest page for invalidation, and the chains between blocks.
 */
#include <string.h>
#include <sys/mman.h>

#include "softmmu.h"

static _Atomic(TranslationBlock *) *bucket(vaddr pc, uint64_t phys, uint32_t flags, uint32_t cflags)
{
    TBHash *hash = atomic_load_explicit(&engine.hash, memory_order_acquire);
    uint64_t h =
        (pc ^ phys << 16 ^ (uint64_t)flags << 40 ^ (uint64_t)cflags << 52) * 0x9e3779b97f4a7c15ull;

    return &hash->heads[h >> (64 - hash->bits)];
}

static TBHash *hash_new(unsigned bits)
{
    TBHash *hash = mmap(NULL, sizeof(*hash) + (sizeof(hash->heads[0]) << bits),
                        PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (hash == MAP_FAILED) {
        g_error("no memory for the table of translated blocks");
    }
    hash->bits = bits;
    return hash;
}

void tb_hash_init(void)
{
    engine.hash = hash_new(TB_HASH_BITS);
}

/*
 * Four times the buckets. A look-up that goes on meanwhile may miss a block, which then is found
 * when it is to be inserted again. The old table stays, because somebody may look at it.
 */
static void hash_grow(void)
{
    TBHash *old = engine.hash, *hash = hash_new(old->bits + 2);

    atomic_store_explicit(&engine.hash, hash, memory_order_release);
    for (size_t i = 0; i < (size_t)1 << old->bits; i++) {
        TranslationBlock *tb = atomic_load(&old->heads[i]);

        atomic_store(&old->heads[i], NULL);
        while (tb) {
            TranslationBlock *next = tb->hash_next;
            _Atomic(TranslationBlock *) *head = bucket(tb->pc, tb->phys, tb->flags, tb->cflags);

            tb->hash_next = atomic_load(head);
            atomic_store(head, tb);
            tb = next;
        }
    }
}

TranslationBlock *tb_lookup(vaddr pc, uint64_t phys, uint32_t flags, uint32_t cflags)
{
    TranslationBlock *tb =
        atomic_load_explicit(bucket(pc, phys, flags, cflags), memory_order_acquire);

    while (tb && (tb->pc != pc || tb->phys != phys || tb->flags != flags || tb->cflags != cflags ||
                  tb->invalid)) {
        tb = tb->hash_next;
    }
    return tb;
}

/* ---- guest pages
 * ---------------------------------------------------------------------------------- */

/* From the guest address of the block's code to the one by which it is invalidated. */
static uint64_t page_delta(const TranslationBlock *tb)
{
    uint64_t mask = ~((UINT64_C(1) << GUEST_PAGE_BITS) - 1);

    return engine.config.softmmu ? (tb->phys & mask) - (tb->pc & mask) : 0;
}

static TBPageNode *_Atomic *page_list(uint64_t page)
{
    return &engine.pages[(page * 0x9e3779b97f4a7c15ull) >> (64 - PAGE_HASH_BITS)];
}

static void add_pages(TCGContext *s, TranslationBlock *tb)
{
    uint64_t delta = page_delta(tb);
    unsigned total = 0;

    for (int r = 0; r < tb->nb_ranges; r++) {
        total += ((tb->ranges[r].end - 1) >> GUEST_PAGE_BITS) -
                 (tb->ranges[r].start >> GUEST_PAGE_BITS) + 1;
    }
    tb->page_nodes = tb_alloc(s, total * sizeof(*tb->page_nodes));
    for (int r = 0; r < tb->nb_ranges; r++) {
        uint64_t start = tb->ranges[r].start + delta, end = tb->ranges[r].end + delta;

        for (uint64_t page = start >> GUEST_PAGE_BITS; page <= (end - 1) >> GUEST_PAGE_BITS;
             page++) {
            TBPageNode *node = &tb->page_nodes[tb->nb_pages++];
            TBPageNode *_Atomic *head = page_list(page);
            *node = (TBPageNode){ tb, page, *head, NULL };
            if (node->next) {
                node->next->before = node;
            }
            *head = node;
        }
        if (start < engine.code_min) {
            engine.code_min = start;
        }
        if (end > engine.code_max) {
            engine.code_max = end;
        }
    }
}

/* The page of a shared library can have blocks for each address that it was ever mapped at. */
static void remove_pages(TranslationBlock *tb)
{
    for (int n = 0; n < tb->nb_pages; n++) {
        TBPageNode *node = &tb->page_nodes[n];

        if (node->before) {
            node->before->next = node->next;
        } else {
            *page_list(node->page) = node->next;
        }
        if (node->next) {
            node->next->before = node->before;
        }
    }
    tb->nb_pages = 0;
}

TranslationBlock *tb_insert(TCGContext *s, TranslationBlock *tb, uint64_t generation)
{
    pthread_mutex_lock(&engine.lock);
    /* only another thread can have made it meanwhile */
    TranslationBlock *other =
        engine.cpus->next_cpu ? tb_lookup(tb->pc, tb->phys, tb->flags, tb->cflags) : NULL;
    if (generation != engine.generation || tb->invalid) { /* or tb_flush_all has seen it already */
        tb->invalid = true;
        other = NULL;
        tb = NULL;
    } else if (!other) {
        _Atomic(TranslationBlock *) *head = bucket(tb->pc, tb->phys, tb->flags, tb->cflags);
        add_pages(s, tb);
        tb->hash_next = atomic_load(head);
        atomic_store_explicit(head, tb, memory_order_release);
    } else {
        tb->invalid = true;
    }
    if (tb) {
        if (++engine.stats.tbs >> engine.hash->bits) {
            hash_grow();
        }
        engine.stats.guest_insns += tb->nb_insns;
        engine.stats.host_bytes += tb->tc_size;
    }
    pthread_mutex_unlock(&engine.lock);
    return other ? other : tb;
}

/* ---- chains
 * ----------------------------------------------------------------------------------------- */

/* In system mode a jump within a page is only for that page in memory, one to another page only for
 * the page that the code will compare. */
static bool may_link(const TBSlot *slot, const TranslationBlock *target)
{
    if (slot->target || slot->tb->invalid || target->invalid) {
        return false;
    }
    if (!engine.config.softmmu) {
        return true;
    }
    return slot->tb->flags == target->flags &&
           (slot->id_offset ? !slot->page_id || slot->page_id == target->page_id
                            : slot->tb->phys == target->phys);
}

static void link_locked(TBSlot *slot, TranslationBlock *target)
{
    if (may_link(slot, target)) {
        slot->target = target;
        slot->next = target->incoming;
        target->incoming = slot;
        tcg_backend_patch(slot, target, engine.rw - engine.rx);
    }
}

void tb_link(TBSlot *slot, TranslationBlock *target)
{
    pthread_mutex_lock(&engine.lock);
    link_locked(slot, target);
    pthread_mutex_unlock(&engine.lock);
}

int tb_link_likely(TranslationBlock *tb, TBSlot **unknown)
{
    int n = 0;

    pthread_mutex_lock(&engine.lock);
    for (int i = 0; i < tb->nb_slots; i++) {
        TBSlot *slot = &tb->slots[i];
        bool likely = slot->likely && !slot->id_offset; /* another page is mapped who knows where */
        TranslationBlock *target =
            likely ? tb_lookup(slot->pc, tb->phys, tb->flags, tb->cflags) : NULL;

        if (target) {
            link_locked(slot, target);
        } else if (likely) {
            unknown[n++] = slot;
        }
    }
    pthread_mutex_unlock(&engine.lock);
    return n;
}

static void unlink_incoming(TranslationBlock *tb)
{
    for (TBSlot *slot = tb->incoming, *next; slot; slot = next) {
        next = slot->next;
        slot->target = NULL;
        slot->next = NULL;
        tcg_backend_patch(slot, NULL, engine.rw - engine.rx);
    }
    tb->incoming = NULL;
}

/*
 * The ways out of a dead block are unchained too: its landing pads may still be returned to, and
 * its slots must not be found in the lists of blocks that outlive it.
 */
static void unlink_outgoing(TranslationBlock *tb)
{
    for (int n = 0; n < tb->nb_slots; n++) {
        TBSlot *slot = &tb->slots[n];
        if (!slot->target) {
            continue;
        }
        TBSlot **at = &slot->target->incoming;
        while (*at && *at != slot) {
            at = &(*at)->next;
        }
        if (*at) {
            *at = slot->next;
        }
        slot->target = NULL;
        slot->next = NULL;
        tcg_backend_patch(slot, NULL, engine.rw - engine.rx);
    }
}

/* ---- invalidation
 * -------------------------------------------------------------------------------------- */

static JumpCacheEntry *jump_cache_entry(CPUState *cpu, vaddr pc)
{
    return &cpu->jump_cache_own[jump_cache_index(pc, engine.target->jc_shift)];
}

void jump_cache_clear(CPUState *cpu)
{
    if (cpu->mmu) {
        code_forget_all(cpu->mmu);
        return;
    }
    memset(cpu->jump_cache_own, 0, JUMP_CACHE_SIZE * sizeof(JumpCacheEntry));
    cpu->jump_cache_own[0].pc = ~(vaddr)0; /* entry 0 is where pc 0 would be looked for */
}

void tb_invalidate_locked(TranslationBlock *tb)
{
    if (tb->invalid) {
        return;
    }
    atomic_store((_Atomic bool *)&tb->invalid, true);
    _Atomic(TranslationBlock *) *head = bucket(tb->pc, tb->phys, tb->flags, tb->cflags);
    if (atomic_load(head) == tb) {
        atomic_store(head, tb->hash_next);
    } else {
        TranslationBlock *before = atomic_load(head);
        while (before && before->hash_next != tb) {
            before = before->hash_next;
        }
        if (before) {
            atomic_store((_Atomic(TranslationBlock *) *)&before->hash_next, tb->hash_next);
        }
    }
    remove_pages(tb);
    unlink_incoming(tb);
    unlink_outgoing(tb);
    for (CPUState *cpu = engine.cpus; cpu; cpu = cpu->next_cpu) {
        if (cpu->mmu) {
            code_forget_tb(cpu->mmu, tb);
            continue;
        }
        JumpCacheEntry *entry = jump_cache_entry(cpu, tb->pc);
        if (atomic_load((_Atomic vaddr *)&entry->pc) == tb->pc) {
            atomic_store((_Atomic vaddr *)&entry->pc, ~(vaddr)0);
        }
    }
    engine.stats.invalidations++;
}

static bool tb_overlaps(const TranslationBlock *tb, vaddr start, vaddr end)
{
    uint64_t delta = page_delta(tb);

    for (int r = 0; r < tb->nb_ranges; r++) {
        if (tb->ranges[r].start + delta < end && start < tb->ranges[r].end + delta) {
            return true;
        }
    }
    return false;
}

static void invalidate_list(TBPageNode *_Atomic *head, vaddr start, vaddr end)
{
    for (TBPageNode *node = *head, *next; node; node = next) {
        next = node->next;
        while (next && next->tb == node->tb) { /* a block's nodes are neighbours */
            next = next->next;
        }
        if (tb_overlaps(node->tb, start, end)) {
            tb_invalidate_locked(node->tb);
        }
    }
}

void tb_invalidate_range(vaddr start, vaddr end)
{
    engine.generation++; /* also stops blocks whose translation is under way */
    if (start >= end || end <= engine.code_min || start >= engine.code_max) {
        return;
    }
    uint64_t first = start >> GUEST_PAGE_BITS, last = (end - 1) >> GUEST_PAGE_BITS;

    if (first == last && !*page_list(first)) {
        return;
    }
    pthread_mutex_lock(&engine.lock);
    if (last - first >= 1 << PAGE_HASH_BITS) {
        for (int n = 0; n < 1 << PAGE_HASH_BITS; n++) {
            invalidate_list(&engine.pages[n], start, end);
        }
    } else {
        for (uint64_t page = first; page <= last; page++) {
            invalidate_list(page_list(page), start, end);
        }
    }
    pthread_mutex_unlock(&engine.lock);
}

void tb_invalidate_phys(CPUState *cpu, hwaddr start, hwaddr end)
{
    while (start < end) {
        const FlatRange *r = address_space_lookup(cpu->mmu->as, start);
        hwaddr piece = end;

        if (!r) {
            piece = (start | (TLB_PAGE_SIZE - 1)) + 1;
        } else {
            piece = MIN(end, r->start + r->size);
        }
        if (r && r->ram) {
            uint64_t ram = r->mr->ram->offset + r->offset + (start - r->start);

            tb_invalidate_range(ram, ram + (piece - start));
        }
        start = piece;
    }
}

/* System mode: is memory still what the block was made of? */
static bool is_current(const TranslationBlock *tb)
{
    uint64_t page = tb->phys & (uint64_t)TLB_PAGE_MASK, offset;
    const RAMBlock *ram = ram_block_from_offset(page, &offset);
    const uint8_t *now = ram ? (const uint8_t *)ram->host + offset : NULL, *want = tb->guest;

    for (int i = 0; i < tb->nb_ranges && now; i++) {
        size_t n = tb->ranges[i].end - tb->ranges[i].start;

        if (memcmp(now + (tb->ranges[i].start & ~TLB_PAGE_MASK), want, n)) {
            return false;
        }
        want += n;
    }
    return now;
}

void tb_invalidate_changed(void)
{
    engine.generation++;
    pthread_mutex_lock(&engine.lock);
    for (int n = 0; n < engine.nb_regions; n++) {
        CodeRegion *region = &engine.regions[n];

        if (region->state == REGION_FREE || region->state == REGION_RETIRED) {
            continue;
        }
        for (uint32_t i = atomic_load(&region->nb_tbs); i--;) {
            if (!region->tbs[i]->invalid && !is_current(region->tbs[i])) {
                tb_invalidate_locked(region->tbs[i]);
            }
        }
    }
    pthread_mutex_unlock(&engine.lock);
}

void tb_flush_all(void)
{
    pthread_mutex_lock(&engine.lock);
    code_buffer_retire_all();
    kick_others(NULL);
    pthread_mutex_unlock(&engine.lock);
}
