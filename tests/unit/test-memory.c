/* SPDX-License-Identifier: MIT */
/* The memory API: views of region trees, accesses, dirty bits, and random trees against a slow
 * reference. */
#include <string.h>
#include "hw/biglock.h"
#include "hw/memory.h"

/* A device that notes what it sees. */
typedef struct Probe {
    GString *log;
    uint8_t bytes[64];
    MemTxResult result;
    bool was_locked;
} Probe;

static uint64_t probe_read(void *opaque, hwaddr offset, unsigned size)
{
    Probe *p = opaque;
    uint64_t val = 0;
    g_string_append_printf(p->log, "r%u@%x ", size, (unsigned)offset);
    p->was_locked = biglock_held();
    memcpy(&val, p->bytes + offset, size);
    return val;
}

static void probe_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    Probe *p = opaque;
    g_string_append_printf(p->log, "w%u@%x=%" G_GINT64_MODIFIER "x ", size, (unsigned)offset, val);
    memcpy(p->bytes + offset, &val, size);
}

static void expect_log(Probe *p, const char *text)
{
    g_assert_cmpstr(g_strchomp(p->log->str), ==, text);
    g_string_truncate(p->log, 0);
}

typedef struct Space {
    MemoryRegion root;
    AddressSpace as;
} Space;

static void space_init(Space *s)
{
    memory_region_init(&s->root, "system", UINT64_MAX);
    address_space_init(&s->as, &s->root, "memory");
}

static void space_free(Space *s)
{
    address_space_destroy(&s->as);
    memory_region_cleanup(&s->root);
}

static void test_overlap(void)
{
    Space s;
    MemoryRegion ram, low, high;
    static const MemoryRegionOps ops = { .read = probe_read, .write = probe_write };
    space_init(&s);
    g_assert_true(memory_region_init_ram(&ram, "ram", 0x10000, NULL));
    memory_region_init_io(&low, "low", 0x1000, &ops, NULL);
    memory_region_init_io(&high, "high", 0x1000, &ops, NULL);
    memory_region_add(&s.root, 0x40000000, &ram, 0);
    memory_region_add(&s.root, 0x40001800, &low, 1);
    memory_region_add(&s.root, 0x40002000, &high, 2);
    g_assert_cmpint(s.as.view->nb, ==, 4);
    g_assert_true(address_space_lookup(&s.as, 0x400017ff)->mr == &ram);
    g_assert_true(address_space_lookup(&s.as, 0x40001800)->mr == &low);
    g_assert_true(address_space_lookup(&s.as, 0x40002000)->mr == &high);
    g_assert_true(address_space_lookup(&s.as, 0x40002fff)->mr == &high);
    const FlatRange *r = address_space_lookup(&s.as, 0x40003000);
    g_assert_true(r->mr == &ram && r->offset == 0x3000);
    g_assert_true(r->ram == (uint8_t *)memory_region_ram_ptr(&ram) + 0x3000);
    g_assert_null(address_space_lookup(&s.as, 0x40010000));
    g_assert_null(address_space_lookup(&s.as, 0x3fffffff));

    /* Taken out, what was hidden is there again; equal priority: the later one wins. */
    memory_region_set_enabled(&high, false);
    g_assert_true(address_space_lookup(&s.as, 0x40002000)->mr == &low);
    memory_region_del(&s.root, &high);
    memory_region_set_enabled(&high, true);
    memory_region_add(&s.root, 0x40002000, &high, 1);
    g_assert_true(address_space_lookup(&s.as, 0x40002000)->mr == &high);
    memory_region_set_address(&high, 0x50000000);
    g_assert_true(address_space_lookup(&s.as, 0x40002000)->mr == &low);
    g_assert_true(address_space_lookup(&s.as, 0x50000000)->mr == &high);
    space_free(&s);
    memory_region_cleanup(&high);
    memory_region_cleanup(&low);
    memory_region_cleanup(&ram);
}

static void test_alias(void)
{
    Space s;
    MemoryRegion ram, window, again, box;
    space_init(&s);
    g_assert_true(memory_region_init_ram(&ram, "ram", 0x8000, NULL));
    memory_region_init(&box, "box", 0x4000);
    memory_region_add(&box, 0x1000, &ram, 0);
    memory_region_init_alias(&window, "window", &box, 0x1800, 0x2000);
    memory_region_init_alias(&again, "again", &window, 0x400, 0x10000);
    memory_region_add(&s.root, 0x1000, &again, 0);
    /* again's 0x1000 is window's 0x400, box's 0x1c00, ram's 0xc00; window ends 0x1c00 later. */
    const FlatRange *r = address_space_lookup(&s.as, 0x1000);
    g_assert_true(r->mr == &ram);
    g_assert_cmphex(r->offset, ==, 0xc00);
    g_assert_cmphex(r->size, ==, 0x1c00);
    window.readonly = true;
    memory_region_set_enabled(&again, false);
    memory_region_set_enabled(&again, true);
    r = address_space_lookup(&s.as, 0x1000);
    g_assert_true(r->readonly && r->ram);
    uint32_t word = 5;
    g_assert_cmpint(address_space_write(&s.as, 0x1000, NULL, &word, 4), ==, MEMTX_ERROR);
    g_assert_cmpint(address_space_write_rom(&s.as, 0x1000, &word, 4), ==, MEMTX_OK);
    g_assert_cmpint(address_space_ldle(&s.as, 0x1000, 4), ==, 5);
    uint64_t len = 16;
    g_assert_null(address_space_map(&s.as, 0x1000, &len, true));
    space_free(&s);
    memory_region_cleanup(&again);
    memory_region_cleanup(&window);
    memory_region_cleanup(&box);
    memory_region_cleanup(&ram);
}

typedef struct CountListener {
    MemoryListener l;
    int commits;
    uint64_t offset, len;
} CountListener;

static void count_commit(MemoryListener *l, AddressSpace *as, const FlatView *old_view,
                         const FlatView *new_view)
{
    (void)as;
    g_assert_true(old_view != new_view);
    ((CountListener *)l)->commits++;
}

static void count_written(MemoryListener *l, uint64_t offset, uint64_t len)
{
    ((CountListener *)l)->offset = offset;
    ((CountListener *)l)->len = len;
}

static CountListener counter = { { count_commit, count_written, NULL }, 0, 0, 0 };

static void test_transactions(void)
{
    Space s;
    MemoryRegion ram[8];
    MemoryReader reader;
    space_init(&s);
    memory_reader_register(&reader);
    const FlatView *before = s.as.view;
    counter.commits = 0;
    memory_transaction_begin();
    for (unsigned i = 0; i < 8; i++) {
        memory_region_init_ram(&ram[i], "piece", 0x1000, NULL);
        memory_region_add(&s.root, i * 0x2000, &ram[i], 0);
        g_assert_true(s.as.view == before);
    }
    memory_transaction_commit();
    g_assert_cmpint(counter.commits, ==, 1);
    g_assert_cmpint(s.as.view->nb, ==, 8);
    /* The reader has not been quiet: what it may hold is still there (ASan would tell). */
    const FlatRange *held = address_space_lookup(&s.as, 0);
    for (int i = 0; i < 5; i++) {
        memory_region_set_address(&ram[0], i % 2 ? 0 : 0x100000);
    }
    g_assert_true(held->mr == &ram[0]);
    memory_reader_quiet(&reader);
    /* Nothing visible has changed: nobody is told. */
    counter.commits = 0;
    memory_transaction_begin();
    memory_region_set_enabled(&ram[3], false);
    memory_region_set_enabled(&ram[3], true);
    memory_transaction_commit();
    g_assert_cmpint(counter.commits, ==, 0);
    memory_reader_unregister(&reader);
    for (int i = 0; i < 8; i++) {
        memory_region_cleanup(&ram[i]);
    }
    space_free(&s);
}

static void test_access(void)
{
    static const MemoryRegionOps words = { .read = probe_read,
                                           .write = probe_write,
                                           .impl = { .min = 4, .max = 4 },
                                           .valid = { .unaligned = true } };
    static const MemoryRegionOps plain = { .read = probe_read, .write = probe_write };
    static const MemoryRegionOps narrow = { .read = probe_read,
                                            .write = probe_write,
                                            .valid = { .min = 4, .max = 4 },
                                            .big_endian = true };
    Probe p = { .log = g_string_new("") };
    MemoryRegion mr;
    uint64_t val;
    for (unsigned i = 0; i < sizeof(p.bytes); i++) {
        p.bytes[i] = (uint8_t)i;
    }

    memory_region_init_io(&mr, "words", 64, &words, &p);
    g_assert_cmpint(memory_region_read(&mr, 5, &val, 1, NULL), ==, MEMTX_OK);
    g_assert_cmphex(val, ==, 5);
    g_assert_true(p.was_locked && !biglock_held());
    expect_log(&p, "r4@4");
    memory_region_read(&mr, 6, &val, 8, NULL);
    g_assert_cmphex(val, ==, 0x0d0c0b0a09080706);
    expect_log(&p, "r4@4 r4@8 r4@c");
    memory_region_write(&mr, 8, 0x1122334455667788, 8, NULL);
    expect_log(&p, "w4@8=55667788 w4@c=11223344");
    memory_region_write(&mr, 18, 0x1234, 2, NULL);
    expect_log(&p, "w4@10=12340000");
    g_assert_cmpint(memory_region_read(&mr, 62, &val, 4, NULL), ==, MEMTX_ERROR);
    memory_region_cleanup(&mr);

    memory_region_init_io(&mr, "plain", 64, &plain, &p);
    g_assert_cmpint(memory_region_read(&mr, 2, &val, 4, NULL), ==, MEMTX_ERROR);
    expect_log(&p, "");
    g_assert_cmpint(memory_region_read(&mr, 24, &val, 8, NULL), ==, MEMTX_OK);
    expect_log(&p, "r4@18 r4@1c");
    g_assert_cmphex(val, ==, 0x1f1e1d1c1b1a1918);
    memory_region_cleanup(&mr);

    memory_region_init_io(&mr, "narrow", 64, &narrow, &p);
    g_assert_cmpint(memory_region_write(&mr, 0, 1, 2, NULL), ==, MEMTX_ERROR);
    g_assert_cmpint(memory_region_write(&mr, 0, 1, 8, NULL), ==, MEMTX_ERROR);
    g_assert_cmpint(memory_region_write(&mr, 0, 0x01020304, 4, NULL), ==, MEMTX_OK);
    expect_log(&p, "w4@0=4030201");
    memory_region_cleanup(&mr);
    g_string_free(p.log, TRUE);
}

static void test_across(void)
{
    static const MemoryRegionOps ops = { .read = probe_read, .write = probe_write };
    Probe p = { .log = g_string_new("") };
    Space s;
    MemoryRegion ram, io;
    uint8_t buf[32];
    space_init(&s);
    g_assert_true(memory_region_init_ram(&ram, "ram", 0x1000, NULL));
    memory_region_init_io(&io, "io", 16, &ops, &p);
    memory_region_add(&s.root, 0, &ram, 0);
    memory_region_add(&s.root, 0x1000, &io, 0);
    for (unsigned i = 0; i < sizeof(buf); i++) {
        buf[i] = (uint8_t)(i + 1);
    }
    /* 8 bytes of RAM, the device, then nothing. */
    g_assert_cmpint(address_space_write(&s.as, 0xff8, NULL, buf, 32), ==, MEMTX_DECODE_ERROR);
    expect_log(&p, "w4@0=c0b0a09 w4@4=100f0e0d w4@8=14131211 w4@c=18171615");
    g_assert_cmpint(memcmp((uint8_t *)memory_region_ram_ptr(&ram) + 0xff8, buf, 8), ==, 0);
    memset(buf, 0, sizeof(buf));
    g_assert_cmpint(address_space_read(&s.as, 0xffd, NULL, buf, 32), ==, MEMTX_DECODE_ERROR);
    g_assert_cmpint(buf[0], ==, 6);
    g_assert_cmpint(buf[3], ==, 9);
    g_assert_cmpint(buf[18], ==, 24);
    g_assert_cmpint(buf[19], ==, 0xff);
    space_free(&s);
    memory_region_cleanup(&ram);
    memory_region_cleanup(&io);
    g_string_free(p.log, TRUE);
}

static void test_dirty(void)
{
    Space s;
    MemoryRegion ram;
    space_init(&s);
    g_assert_true(memory_region_init_ram(&ram, "ram", 0x4000, NULL));
    memory_region_add(&s.root, 0x8000, &ram, 0);
    uint32_t word = 1;
    counter.len = 0;
    address_space_write(&s.as, 0x8000, NULL, &word, 4);
    g_assert_cmpint(counter.len, ==, 0);
    ram.ram->dirty[1] = 0;
    ram.ram->dirty[2] = RAM_DIRTY_CODE;
    uint64_t len = 0x100000;
    uint8_t *host = address_space_map(&s.as, 0x9ffe, &len, true);
    g_assert_cmphex(len, ==, 0x2002);
    address_space_unmap(&s.as, host, 4);
    g_assert_cmphex(counter.offset, ==, ram.ram->offset + 0x1ffe);
    g_assert_cmphex(counter.len, ==, 4);
    g_assert_true(ram.ram->dirty[1] & RAM_DIRTY_VGA && !(ram.ram->dirty[1] & RAM_DIRTY_CODE));
    g_assert_true(ram.ram->dirty[2] & RAM_DIRTY_MIGRATION);
    uint64_t offset;
    g_assert_true(ram_block_from_host(host, &offset) == ram.ram && offset == 0x1ffe);
    g_assert_true(ram_block_from_offset(ram.ram->offset + 5, &offset) == ram.ram && offset == 5);
    space_free(&s);
    memory_region_cleanup(&ram);
}

static void test_backends(void)
{
    g_autoptr(GError) err = NULL;
    RAMBackend shared = { .share = true, .prealloc = true }, missing = { .path = "/nowhere/x" };
    RAMBlock *b = ram_block_new("shared", 5000, &shared, &err);
    g_assert_no_error(err);
    g_assert_cmphex(b->size, ==, 8192);
    g_assert_cmpint(b->fd, >=, 0);
    ram_block_free(b);
    g_assert_null(ram_block_new("x", 4096, &missing, &err));
    g_assert_nonnull(strstr(err->message, "/nowhere/x"));
    g_clear_error(&err);
    g_assert_null(ram_block_new("x", 1ull << 60, NULL, &err));
    g_assert_nonnull(err);
}

static void test_rom_device(void)
{
    static const MemoryRegionOps ops = { .read = probe_read, .write = probe_write };
    Probe p = { .log = g_string_new("") };
    Space s;
    MemoryRegion rom;
    space_init(&s);
    g_assert_true(memory_region_init_rom_device(&rom, "flash", 0x1000, &ops, &p, NULL));
    memory_region_add(&s.root, 0, &rom, 0);
    *(uint32_t *)memory_region_ram_ptr(&rom) = 0x12345678;
    g_assert_cmphex(address_space_ldle(&s.as, 0, 4), ==, 0x12345678);
    address_space_stle(&s.as, 4, 7, 4);
    expect_log(&p, "w4@4=7");
    memory_region_rom_device_set_romd(&rom, false);
    p.bytes[0] = 0x11;
    g_assert_cmphex(address_space_ldle(&s.as, 0, 1), ==, 0x11);
    expect_log(&p, "r1@0");
    space_free(&s);
    memory_region_cleanup(&rom);
    g_string_free(p.log, TRUE);
}

/* ---- random trees ------------------------------------------------------------------------ */

typedef struct Where {
    MemoryRegion *mr;
    uint64_t offset;
    bool readonly;
} Where;

/* One address, looked for down the tree. */
static bool slow_lookup(MemoryRegion *mr, uint64_t offset, bool readonly, Where *out)
{
    if (!mr->enabled || offset >= mr->size) {
        return false;
    }
    readonly |= mr->readonly;
    for (guint i = 0; mr->subregions && i < mr->subregions->len; i++) {
        MemoryRegion *sub = mr->subregions->pdata[i];
        if (offset >= sub->addr && slow_lookup(sub, offset - sub->addr, readonly, out)) {
            return true;
        }
    }
    if (mr->kind == MR_ALIAS) {
        return slow_lookup(mr->alias, offset + mr->alias_offset, readonly, out);
    }
    *out = (Where){ mr, offset, readonly };
    return mr->kind != MR_CONTAINER;
}

static void random_tree(GRand *rng)
{
    enum { NB = 14, SPAN = 0x100 };
    static const MemoryRegionOps ops = { .read = probe_read, .write = probe_write };
    Space s;
    MemoryRegion mr[NB];
    space_init(&s);
    memory_transaction_begin();
    for (int i = 0; i < NB; i++) {
        uint64_t size = (uint64_t)g_rand_int_range(rng, 1, SPAN);
        int kind = g_rand_int_range(rng, 0, 4);
        if (kind == 0) {
            memory_region_init(&mr[i], "box", size);
        } else if (kind == 1 && i > 0) {
            memory_region_init_alias(&mr[i], "alias", &mr[g_rand_int_range(rng, 0, i)],
                                     (hwaddr)g_rand_int_range(rng, 0, SPAN), size);
        } else {
            memory_region_init_io(&mr[i], "io", size, &ops, NULL);
        }
        mr[i].readonly = g_rand_int_range(rng, 0, 5) == 0;
        mr[i].enabled = g_rand_int_range(rng, 0, 8) != 0;
    }
    /* Parents have lower numbers than their children's, except of aliases, whose targets are
     * lower: so that nothing loops, aliased trees are parentless. */
    for (int i = 0; i < NB; i++) {
        MemoryRegion *parent = &s.root;
        for (int j = i + 1; j < NB && g_rand_boolean(rng); j++) {
            if (mr[j].kind == MR_CONTAINER) {
                parent = &mr[j];
            }
        }
        memory_region_add(parent, (hwaddr)g_rand_int_range(rng, 0, SPAN), &mr[i],
                          g_rand_int_range(rng, -2, 3));
    }
    memory_transaction_commit();
    for (int step = 0; step < 4; step++) {
        for (uint64_t a = 0; a < 4 * SPAN; a++) {
            const FlatRange *r = address_space_lookup(&s.as, a);
            Where w = { 0 };
            bool found = slow_lookup(&s.root, a, false, &w);
            g_assert_cmpint(found, ==, r != NULL);
            if (found) {
                g_assert_true(r->mr == w.mr);
                g_assert_cmphex(r->offset + (a - r->start), ==, w.offset);
                g_assert_cmpint(r->readonly, ==, w.readonly || w.mr->kind != MR_RAM);
            }
        }
        for (int i = 1; i < s.as.view->nb; i++) {
            const FlatRange *r = &s.as.view->ranges[i];
            g_assert_cmphex(r[-1].start + r[-1].size, <=, r->start);
        }
        MemoryRegion *changed = &mr[g_rand_int_range(rng, 0, NB)];
        memory_region_set_address(changed, (hwaddr)g_rand_int_range(rng, 0, SPAN));
        changed = &mr[g_rand_int_range(rng, 0, NB)];
        memory_region_set_enabled(changed, !changed->enabled);
    }
    memory_transaction_begin();
    space_free(&s);
    for (int i = NB; i-- > 0;) {
        memory_region_cleanup(&mr[i]);
    }
    memory_transaction_commit();
}

static void test_random(void)
{
    GRand *rng = g_rand_new_with_seed(5);
    for (int i = 0; i < 300; i++) {
        random_tree(rng);
    }
    g_rand_free(rng);
}

static void test_mtree(void)
{
    Space s;
    MemoryRegion ram, alias;
    char *text = NULL;
    size_t len;
    space_init(&s);
    memory_region_init_ram(&ram, "mach-virt.ram", 0x1000, NULL);
    memory_region_init_alias(&alias, "low", &ram, 0x100, 0x200);
    memory_region_add(&s.root, 0x40000000, &ram, 0);
    memory_region_add(&s.root, 0, &alias, 3);
    FILE *f = open_memstream(&text, &len);
    memory_print_tree(f);
    memory_print_flat(f);
    fclose(f);
    g_assert_nonnull(strstr(text, "    0000000040000000-0000000040000fff (prio 0, ram): "
                                  "mach-virt.ram\n"));
    g_assert_nonnull(strstr(text, "    0000000000000000-00000000000001ff (prio 3, alias): low "
                                  "@mach-virt.ram 0000000000000100-00000000000002ff\n"));
    g_assert_nonnull(strstr(text, "  0000000000000000-00000000000001ff (ram): mach-virt.ram "
                                  "@0000000000000100\n"));
    free(text);
    space_free(&s);
    memory_region_cleanup(&alias);
    memory_region_cleanup(&ram);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    memory_listener_register(&counter.l);
    g_test_add_func("/memory/overlap", test_overlap);
    g_test_add_func("/memory/alias", test_alias);
    g_test_add_func("/memory/transactions", test_transactions);
    g_test_add_func("/memory/access", test_access);
    g_test_add_func("/memory/across", test_across);
    g_test_add_func("/memory/dirty", test_dirty);
    g_test_add_func("/memory/backends", test_backends);
    g_test_add_func("/memory/rom-device", test_rom_device);
    g_test_add_func("/memory/random", test_random);
    g_test_add_func("/memory/mtree", test_mtree);
    return g_test_run();
}
