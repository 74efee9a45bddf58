/* SPDX-License-Identifier: MIT */
/*
 * Blocks to and from the persistent cache: which mappings of files have code, finding a block when
 * none is in memory, and keeping the new ones when the process ends. A machine's code is in no file
 * that we know: its blocks are found by what the code is.
 */
#include <elf.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "persist.h"
#include "softmmu.h"
#include "util/log.h"

enum {
    SAVE_MIN = 24,    /* fewer new blocks are not worth a visit to the disk */
    CODE_IN_KEY = 16, /* a machine's block is looked for by so many bytes of its code */
};

typedef struct Region {
    vaddr start, end;
    uint64_t offset; /* of start in the file */
    PersistFile *file;
} Region;

/* Where a block is, and what it is looked for by. */
typedef struct Place {
    Region r; /* of a machine: its page */
    PersistKey key;
    uint64_t to_host; /* what to add to a guest address in r */
} Place;

static struct {
    enum { UNDECIDED, OFF, ON } state; /* mappings are noted before it is decided */
    pthread_mutex_t lock;
    char *dir;
    int dir_state; /* 0: not looked at, 1: good, -1: bad */
    uint64_t key;
    pid_t pid;
    GArray *regions;         /* of Region */
    guint last;              /* the region that was asked for last */
    PersistFile *files;      /* for ever */
    PersistFile *machine;    /* of them, a machine's only one */
    _Atomic unsigned fresh;  /* new blocks that could be kept, since the last time that they were */
    _Atomic unsigned loaded; /* blocks found */
    _Atomic unsigned made;   /* new ones, all in all */
} cache = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- what translations depend on ---- */

static uint64_t mix(uint64_t h, const void *data, size_t size)
{
    const uint8_t *p = data;

    while (size--) {
        h = (h ^ *p++) * UINT64_C(0x100000001b3); /* FNV-1a */
    }
    return h ^ h >> 32;
}

/* The linker's build id of the emulator; false: it has none. */
static bool mix_build_id(uint64_t *h)
{
    extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));
    const char *image = (const char *)&__ehdr_start;
    const Elf64_Phdr *ph = (const Elf64_Phdr *)(image + __ehdr_start.e_phoff);
    uint64_t base = 0;

    for (int i = 0; i < __ehdr_start.e_phnum; i++) {
        if (ph[i].p_type == PT_LOAD && ph[i].p_offset == 0) {
            base = ph[i].p_vaddr;
        }
    }
    for (int i = 0; i < __ehdr_start.e_phnum; i++) {
        const char *p = image + (ph[i].p_vaddr - base), *end = p + ph[i].p_memsz;

        while (ph[i].p_type == PT_NOTE && p + sizeof(Elf64_Nhdr) < end) {
            const Elf64_Nhdr *n = (const Elf64_Nhdr *)p;
            const char *desc = p + sizeof(*n) + ROUND_UP(n->n_namesz, 4);

            if (n->n_type == NT_GNU_BUILD_ID) {
                *h = mix(*h, desc, n->n_descsz);
                return true;
            }
            p = desc + ROUND_UP(n->n_descsz, 4);
        }
    }
    return false;
}

void persist_init(void)
{
    const TCGConfig *c = &engine.config;
    uint64_t h = UINT64_C(0xcbf29ce484222325), backend = tcg_backend_code_key();

    if (!c->cache_dir || c->interp || c->verify || c->no_chain || c->no_optimize ||
        c->no_peepholes || c->max_insns ||
        log_enabled(LOG_IN_ASM | LOG_OP | LOG_OP_OPT | LOG_OUT_ASM) || !mix_build_id(&h)) {
        cache.state = OFF;
        return;
    }
    h = mix(h, engine.target->name, strlen(engine.target->name));
    h = mix(h, c->cpu_model ?: "", strlen(c->cpu_model ?: ""));
    cache.key = mix(h, &backend, sizeof(backend));
    cache.dir = g_strdup(c->cache_dir);
    cache.pid = getpid();
    cache.state = ON;
}

/* Nothing is kept for a program with more rights than its user has. */
const char *tcg_cache_dir(const char *option)
{
    static const struct {
        const char *var, *below;
    } places[] = {
        { "LATIMER_CACHE_DIR", "" },
        { "XDG_CACHE_HOME", "/latimer/code" },
        { "HOME", "/.cache/latimer/code" },
    };

    if (getauxval(AT_SECURE) || (option && !strcmp(option, "off"))) {
        return NULL;
    }
    if (option && *option == '/') {
        return option;
    }
    for (size_t n = 0; n < G_N_ELEMENTS(places); n++) {
        const char *dir = getenv(places[n].var);

        if (dir && *dir == '/') {
            return g_strconcat(dir, places[n].below, NULL);
        }
    }
    return NULL;
}

/* ---- mappings ---- */

static PersistFile *file_of(uint64_t id)
{
    PersistFile *f = cache.files;

    while (f && f->id != id) {
        f = f->next;
    }
    if (!f) {
        f = g_new0(PersistFile, 1);
        f->id = id;
        f->next = cache.files;
        cache.files = f;
    }
    return f;
}

void persist_forget(vaddr start, vaddr end)
{
    if (cache.state == OFF || !cache.regions) {
        return;
    }
    pthread_mutex_lock(&cache.lock);
    for (guint i = cache.regions->len; i--;) {
        Region r = g_array_index(cache.regions, Region, i);

        if (r.start >= end || r.end <= start) {
            continue;
        }
        g_array_remove_index_fast(cache.regions, i);
        if (r.start < start) {
            Region low = { r.start, start, r.offset, r.file };
            g_array_append_val(cache.regions, low);
        }
        if (r.end > end) {
            Region high = { end, r.end, r.offset + (end - r.start), r.file };
            g_array_append_val(cache.regions, high);
        }
    }
    pthread_mutex_unlock(&cache.lock);
}

void persist_add(int fd, vaddr start, vaddr end, uint64_t offset)
{
    struct stat st;

    if (cache.state == OFF || fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        return;
    }
    const uint64_t id[] = { st.st_dev,         st.st_ino,          st.st_size,
                            st.st_mtim.tv_sec, st.st_mtim.tv_nsec, st.st_ctim.tv_sec,
                            st.st_ctim.tv_nsec };
    persist_forget(start, end);
    pthread_mutex_lock(&cache.lock);
    if (!cache.regions) {
        cache.regions = g_array_new(false, false, sizeof(Region));
    }
    Region r = { start, end, offset, file_of(mix(UINT64_C(0xcbf29ce484222325), id, sizeof(id))) };
    g_array_append_val(cache.regions, r);
    pthread_mutex_unlock(&cache.lock);
}

/* With the lock held. */
static const Region *region_of(vaddr pc)
{
    const Region *r = (const Region *)cache.regions->data;

    if (cache.last < cache.regions->len &&
        pc - r[cache.last].start < r[cache.last].end - r[cache.last].start) {
        return &r[cache.last];
    }
    for (guint i = 0; i < cache.regions->len; i++) {
        if (pc - r[i].start < r[i].end - r[i].start) {
            cache.last = i;
            return &r[i];
        }
    }
    return NULL;
}

static bool get_region(vaddr pc, Region *r)
{
    if (cache.state != ON || !cache.regions) {
        return false;
    }
    pthread_mutex_lock(&cache.lock);
    const Region *found = region_of(pc);
    if (found) {
        *r = *found;
        if (!r->file->opened) {
            if (!cache.dir_state) {
                cache.dir_state = persist_dir_usable(cache.dir) ? 1 : -1;
            }
            r->file->opened = true;
            if (cache.dir_state > 0) {
                persist_file_open(r->file, cache.dir, cache.key);
            }
        }
    }
    pthread_mutex_unlock(&cache.lock);
    return found != NULL;
}

enum { PAGE_MODE = GUEST_PAGE_EXEC | GUEST_PAGE_BTI };

/* Are the bytes of the place, in pages of its mode? */
static bool range_fits(const Place *p, vaddr start, vaddr end)
{
    return start >= p->r.start && start < end && end <= p->r.end &&
           (engine.config.softmmu ||
            ((guest_page_flags(start) & PAGE_MODE) == p->key.page_flags &&
             (guest_page_flags(end - 1) & PAGE_MODE) == p->key.page_flags));
}

static const char *guest_bytes(const Place *p, vaddr addr)
{
    return (const char *)(uintptr_t)(addr + p->to_host);
}

/* p->r is the region. */
static bool user_place(Place *p, vaddr pc, uint32_t flags, uint32_t cflags)
{
    int page_flags = guest_page_flags(pc) & PAGE_MODE;

    p->key = (PersistKey){ pc - p->r.start + p->r.offset, flags, (uint16_t)cflags,
                           (uint16_t)page_flags };
    p->to_host = engine.config.guest_base;
    return page_flags & GUEST_PAGE_EXEC;
}

/* The one file of this machine's translations. */
static PersistFile *machine_file(CPUState *cpu)
{
    const TargetOps *t = engine.target;

    pthread_mutex_lock(&cache.lock);
    if (!cache.machine) {
        const char *guest = engine.config.guest ?: "";
        uint64_t id = mix(t->system->code_key(cpu), guest, strlen(guest));

        cache.dir_state = persist_dir_usable(cache.dir) ? 1 : -1;
        cache.machine = file_of(id);
        if (cache.dir_state > 0) {
            persist_file_open(cache.machine, cache.dir, cache.key);
        }
    }
    pthread_mutex_unlock(&cache.lock);
    return cache.machine;
}

/* The block's page is TCGContext.code_page; debuggers' breakpoints are in no kept block. */
static bool machine_place(TCGContext *s, Place *p, vaddr pc, uint64_t phys, uint32_t flags,
                          uint32_t cflags)
{
    vaddr page = pc & TLB_PAGE_MASK;
    uint64_t offset = pc - page;

    if (cache.state != ON || !engine.target->system->code_key || breakpoints_exist()) {
        return false;
    }
    p->r = (Region){ page, page + TLB_PAGE_SIZE, 0, machine_file(s->cpu) };
    p->to_host = (uintptr_t)s->code_page - page;
    offset = mix(offset, guest_bytes(p, pc), MIN(CODE_IN_KEY, TLB_PAGE_SIZE - offset));
    p->key = (PersistKey){ offset, flags, (uint16_t)cflags, phys & 1 };
    return true;
}

static bool find_place(TCGContext *s, Place *p, vaddr pc, uint64_t phys, uint32_t flags,
                       uint32_t cflags)
{
    return !(cflags & ~(uint32_t)(CF_FP_CHECK | CF_FP_EXACT | CF_FP_TININESS | CF_SHARED)) &&
           (engine.config.softmmu ? machine_place(s, p, pc, phys, flags, cflags)
                                  : get_region(pc, &p->r) && user_place(p, pc, flags, cflags));
}

/* ---- from the file ---- */

/* Is the guest code that e was made of what is in memory now? */
static bool same_guest(const PersistEntry *e, const Place *p, vaddr pc)
{
    const char *want = (const char *)e + persist_parts(e).guest;

    if (!persist_may_be_at(e, pc)) {
        return false;
    }
    for (int i = 0; i < e->nb_ranges; i++) {
        vaddr start = pc + e->ranges[i].start;

        if (!range_fits(p, start, start + e->ranges[i].size) ||
            memcmp(guest_bytes(p, start), want, e->ranges[i].size)) {
            return false;
        }
        want += e->ranges[i].size;
    }
    return true;
}

static const PersistEntry *find_entry(const Place *p, vaddr pc)
{
    const PersistEntry *e;
    unsigned turn = 0;

    while ((e = persist_file_find(p->r.file, &p->key, &turn))) {
        if (same_guest(e, p, pc)) {
            return e;
        }
    }
    return NULL;
}

/* The next place in the region's code where e's code may go; NULL: it has no room. */
static uint8_t *place_code(TCGCodeRegion *code, const PersistEntry *e)
{
    uintptr_t mask = tcg_backend_code_align() - 1;
    uintptr_t at = (uintptr_t)code->ptr + code->rx_delta - (uintptr_t)engine.rx;

    at += (e->code_at - at) & mask;
    return at + e->code_size > (size_t)(code->end - engine.rw) ? NULL : engine.rw + at;
}

static void load_slots(TranslationBlock *tb, const PersistEntry *e, const PersistSlot *from)
{
    for (int i = 0; i < e->nb_slots; i++) {
        tb->slots[i] = (TBSlot){ .tb = tb,
                                 .pc = tb->pc + from[i].pc,
                                 .jmp_offset = from[i].jmp_offset,
                                 .stub_offset = from[i].stub_offset,
                                 .id_offset = from[i].id_offset,
                                 .likely = from[i].taken };
    }
    tb->nb_slots = e->nb_slots;
}

static int64_t host_delta(const PersistEntry *e)
{
    return (int64_t)((uintptr_t)&engine - e->host);
}

static TranslationBlock *load(TCGContext *s, const PersistEntry *e, uint8_t *at, vaddr pc,
                              uint64_t phys)
{
    PersistParts parts = persist_parts(e);
    const char *from = (const char *)e;
    TranslationBlock *tb = tb_alloc(s, sizeof(*tb) + e->nb_slots * sizeof(TBSlot) +
                                           e->nb_ops * sizeof(TCGOp) + e->side_size + 1);
    TCGOp *ops = (TCGOp *)((TBSlot *)(tb + 1) + e->nb_slots);

    *tb = (TranslationBlock){ .pc = pc,
                              .phys = phys,
                              .flags = e->key.flags,
                              .cflags = e->key.cflags,
                              .nb_insns = e->nb_insns,
                              .unsettled = e->unsettled,
                              .nb_ranges = e->nb_ranges,
                              .tc = at + s->code->rx_delta,
                              .tc_size = e->code_size,
                              .slots = (TBSlot *)(tb + 1),
                              .side_table = (uint8_t *)(ops + e->nb_ops),
                              .side_size = e->side_size };
    if (s->cpu->mmu) {
        tb->page_id = s->cpu->code_page[code_page_index(pc)];
        tb->guest = memcpy(tb_alloc(s, e->guest_size), from + parts.guest, e->guest_size);
    }
    for (int i = 0; i < e->nb_ranges; i++) {
        tb->ranges[i].start = pc + e->ranges[i].start;
        tb->ranges[i].end = tb->ranges[i].start + e->ranges[i].size;
    }
    load_slots(tb, e, (const PersistSlot *)(from + parts.slots));
    memcpy(ops, from + parts.ops, e->nb_ops * sizeof(TCGOp));
    memcpy(tb->side_table, from + parts.side, e->side_size);
    memcpy(at, from + parts.code, e->code_size);
    tcg_backend_move(at, (const TCGMove *)(from + parts.moves), e->nb_moves,
                     &(TCGMoveDelta){ .pc = (int64_t)(pc - e->pc),
                                      .host = host_delta(e),
                                      .code = (at - engine.rw) - (int64_t)e->code_at,
                                      .slots = tb->slots,
                                      .ops = ops });
    s->code->ptr = at + e->code_size;
    return tb;
}

TranslationBlock *persist_load(CPUState *cpu, vaddr pc, uint64_t phys, uint32_t flags,
                               uint32_t cflags)
{
    TCGContext *s = cpu->tcg;
    const PersistEntry *e;
    uint8_t *at;
    Place p;

    if (engine.config.cache_verify || !find_place(s, &p, pc, phys, flags, cflags) ||
        !p.r.file->map || !(e = find_entry(&p, pc))) {
        return NULL;
    }
    at = place_code(s->code, e);
    if (!at) {
        code_region_next(cpu);
        at = place_code(s->code, e);
        if (!at) {
            return NULL;
        }
    }
    atomic_fetch_add_explicit(&cache.loaded, 1, memory_order_relaxed);
    return load(s, e, at, pc, phys);
}

void persist_begin_block(TCGContext *s, vaddr pc, uint64_t phys, uint32_t flags, uint32_t cflags)
{
    const PersistEntry *e;
    Place p;

    s->relocatable = find_place(s, &p, pc, phys, flags, cflags);
    s->pc_relative = s->relocatable && persist_pc_relative(pc);
    if (engine.config.cache_verify && s->relocatable && p.r.file->map && (e = find_entry(&p, pc))) {
        s->code->ptr = place_code(s->code, e) ?: s->code->ptr; /* so that it can be compared */
    }
}

/* ---- to the file ---- */

static uint64_t sum_guest(const Place *p, const TranslationBlock *tb)
{
    uint64_t h = 0;

    for (int i = 0; i < tb->nb_ranges; i++) {
        const char *at = guest_bytes(p, tb->ranges[i].start);
        const char *end = guest_bytes(p, tb->ranges[i].end);

        for (; end - at >= 8; at += 8) {
            uint64_t word;

            memcpy(&word, at, 8);
            h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
            h ^= h >> 32;
        }
        h = mix(h, at, (size_t)(end - at));
    }
    return h;
}

static bool all_fit(const TranslationBlock *tb, const Place *p)
{
    for (int i = 0; i < tb->nb_ranges; i++) {
        if (!range_fits(p, tb->ranges[i].start, tb->ranges[i].end)) {
            return false;
        }
    }
    return true;
}

static void verify(const TranslationBlock *tb, const Place *p)
{
    const PersistEntry *e = p->r.file->map ? find_entry(p, tb->pc) : NULL;
    const char *from = (const char *)e;
    g_autofree uint8_t *code = NULL;
    const uint8_t *now = tb->tc + (engine.rw - engine.rx);

    if (!e || ((now - engine.rw) ^ e->code_at) & (tcg_backend_code_align() - 1)) {
        return; /* the region was full: other padding */
    }
    PersistParts parts = persist_parts(e);
    code = g_memdup2(from + parts.code, e->code_size);
    tcg_backend_move(code, (const TCGMove *)(from + parts.moves), e->nb_moves,
                     &(TCGMoveDelta){ .pc = (int64_t)(tb->pc - e->pc),
                                      .host = host_delta(e),
                                      .code = (now - engine.rw) - (int64_t)e->code_at,
                                      .slots = tb->slots,
                                      .ops = tb->moves->ops });
    if (e->code_size != tb->tc_size || memcmp(code, now, tb->tc_size) ||
        e->side_size != tb->side_size || memcmp(from + parts.side, tb->side_table, tb->side_size) ||
        e->nb_ops != tb->moves->nb_ops ||
        memcmp(from + parts.ops, tb->moves->ops, e->nb_ops * sizeof(TCGOp))) {
        g_error("cache=verify: the block at 0x%" PRIx64 " (file offset 0x%" PRIx64
                ") is another one in %s",
                tb->pc, p->key.offset, cache.dir);
    }
}

void persist_new_block(TCGContext *s, TranslationBlock *tb)
{
    Place p;

    if (!tb->moves) {
        return;
    }
    /* Translation itself may change the mode (a thread's first guarded page): then it has to be
     * done again. */
    if (!find_place(s, &p, tb->pc, tb->phys, tb->flags, tb->cflags) || !all_fit(tb, &p) ||
        engine.target->tb_flags(s->cpu) != tb->flags) {
        tb->moves = NULL;
        return;
    }
    if (engine.config.cache_verify) {
        verify(tb, &p);
    }
    tb->moves->guest_sum = engine.config.softmmu ? p.key.offset : sum_guest(&p, tb);
    atomic_fetch_add(&cache.fresh, 1);
    atomic_fetch_add_explicit(&cache.made, 1, memory_order_relaxed);
}

static void save_guest(const Place *p, const TranslationBlock *tb, PersistEntry *e, char *to)
{
    const char *from = (const char *)tb->guest;

    for (int i = 0; i < tb->nb_ranges; i++) {
        e->ranges[i].start = (int32_t)(tb->ranges[i].start - tb->pc);
        e->ranges[i].size = (uint32_t)(tb->ranges[i].end - tb->ranges[i].start);
        if (to) {
            memcpy(to, from ?: guest_bytes(p, tb->ranges[i].start), e->ranges[i].size);
            to += e->ranges[i].size;
            from += from ? e->ranges[i].size : 0;
        }
        e->guest_size += to ? 0 : e->ranges[i].size;
    }
}

static void save(const Place *p, const TranslationBlock *tb)
{
    const TBMoves *m = tb->moves;
    PersistEntry head = { .key = p->key,
                          .pc = tb->pc,
                          .host = (uintptr_t)&engine,
                          .code_at = (uint64_t)(tb->tc - engine.rx),
                          .code_size = tb->tc_size,
                          .side_size = tb->side_size,
                          .nb_insns = tb->nb_insns,
                          .unsettled = tb->unsettled,
                          .nb_ranges = tb->nb_ranges,
                          .nb_slots = tb->nb_slots,
                          .nb_moves = m->nb_moves,
                          .nb_ops = m->nb_ops };

    save_guest(p, tb, &head, NULL);
    PersistParts parts = persist_parts(&head);
    head.size = ROUND_UP(parts.end, PERSIST_ALIGN);
    PersistEntry *e = persist_writer_room(p->r.file->writer, head.size);
    char *to = (char *)e;
    if (!e) {
        return;
    }
    PersistSlot *slots = (PersistSlot *)(to + parts.slots);

    *e = head;
    save_guest(p, tb, e, to + parts.guest);
    memcpy(to + parts.code, tb->tc, tb->tc_size);
    tcg_backend_unchain((uint8_t *)to + parts.code, tb->slots, tb->nb_slots);
    for (int i = 0; i < tb->nb_slots; i++) {
        slots[i] = (PersistSlot){ (int32_t)(tb->slots[i].pc - tb->pc), tb->slots[i].jmp_offset,
                                  tb->slots[i].stub_offset, tb->slots[i].target != NULL,
                                  tb->slots[i].id_offset };
    }
    memcpy(to + parts.ops, m->ops, m->nb_ops * sizeof(TCGOp));
    memcpy(to + parts.moves, m->moves, m->nb_moves * sizeof(TCGMove));
    memcpy(to + parts.side, tb->side_table, tb->side_size);
    persist_writer_add(p->r.file->writer);
}

/*
 * The place by which a block is kept; false: it is not. A machine's block is good for the next run
 * even if its memory has become something else.
 */
static bool kept_place(const TranslationBlock *tb, Place *p)
{
    const Region *r;

    if (!tb->moves) {
        return false;
    }
    if (engine.config.softmmu) {
        p->r.file = cache.machine;
        p->key =
            (PersistKey){ tb->moves->guest_sum, tb->flags, (uint16_t)tb->cflags, tb->phys & 1 };
        return true;
    }
    r = tb->invalid ? NULL : region_of(tb->pc);
    if (!r) {
        return false;
    }
    p->r = *r;
    return user_place(p, tb->pc, tb->flags, tb->cflags) && all_fit(tb, p);
}

/* Calls fn for each block in the region that can be kept. */
static void each_fresh(CodeRegion *code, void (*fn)(const Place *p, const TranslationBlock *tb))
{
    uint32_t n = atomic_load(&code->nb_tbs);

    for (uint32_t i = code->nb_saved; i < n; i++) {
        Place p;

        if (kept_place(code->tbs[i], &p)) {
            fn(&p, code->tbs[i]);
        }
    }
}

static void count(const Place *p, const TranslationBlock *tb)
{
    (void)tb;
    p->r.file->nb_fresh++;
}

static void save_if_same(const Place *p, const TranslationBlock *tb)
{
    if (p->r.file->writer && (engine.config.softmmu || sum_guest(p, tb) == tb->moves->guest_sum)) {
        save(p, tb);
    }
}

/* Ends early when guest code cannot be read any more, because its file was made shorter. */
static void save_regions(void)
{
    sigjmp_buf failed;

    if (sigsetjmp(failed, 0) == 0) {
        code_read_guard = &failed;
        for (int n = 0; n < engine.nb_regions; n++) {
            each_fresh(&engine.regions[n], save_if_same);
            engine.regions[n].nb_saved = atomic_load(&engine.regions[n].nb_tbs);
        }
    }
    code_read_guard = NULL;
}

static void save_all(void)
{
    for (int n = 0; n < engine.nb_regions; n++) {
        each_fresh(&engine.regions[n], count);
    }
    for (PersistFile *f = cache.files; f; f = f->next) {
        f->writer =
            f->nb_fresh ? persist_writer_new(f->id, cache.dir, cache.key, f->nb_fresh) : NULL;
        f->nb_fresh = 0;
    }
    save_regions();
    for (PersistFile *f = cache.files; f; f = f->next) {
        if (f->writer) {
            persist_writer_end(f->writer);
        }
    }
}

void persist_save(void)
{
    if (log_enabled(LOG_CACHE)) {
        log_printf(LOG_CACHE, "cache: %s, %u blocks found, %u new ones\n",
                   cache.state == ON ? cache.dir : "off", cache.loaded, cache.made);
    }
    /* In a child of vfork all of this is the parent's. */
    if (cache.state != ON || atomic_load(&cache.fresh) < SAVE_MIN || cache.dir_state < 1 ||
        cache.pid != getpid()) {
        return;
    }
    pthread_mutex_lock(&engine.lock);
    pthread_mutex_lock(&cache.lock);
    atomic_store(&cache.fresh, 0);
    save_all();
    pthread_mutex_unlock(&cache.lock);
    pthread_mutex_unlock(&engine.lock);
}

/* ---- fork ---- */

void persist_fork_prepare(void)
{
    pthread_mutex_lock(&cache.lock);
}

void persist_fork_parent(void)
{
    pthread_mutex_unlock(&cache.lock);
}

/* What the parent has found it will keep itself. */
void persist_fork_child(void)
{
    pthread_mutex_init(&cache.lock, NULL);
    atomic_store(&cache.fresh, 0);
    atomic_store(&cache.made, 0);
    cache.pid = getpid();
    for (int n = 0; cache.state == ON && n < engine.nb_regions; n++) {
        engine.regions[n].nb_saved = atomic_load(&engine.regions[n].nb_tbs);
    }
}
