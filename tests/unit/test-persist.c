/* SPDX-License-Identifier: MIT */
/*
 * Files of the persistent cache: what was added is found again, as it was or not at all, however
 * the file is damaged; the index grows; nothing is added twice.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accel/tcg/persist.h"

enum { ID = 7, KEY = 9 };

static char *dir, *name;

static void set_up(void)
{
    dir = g_dir_make_tmp("latimer-persist.XXXXXX", NULL);
    g_assert_nonnull(dir);
    name = g_strdup_printf("%s/%016x%016x.tbc", dir, ID, KEY);
}

static void tear_down(void)
{
    g_remove(name);
    g_assert_cmpint(g_rmdir(dir), ==, 0); /* no temporary file is left */
    g_free(name);
    g_free(dir);
}

static PersistKey key_of(unsigned n)
{
    return (PersistKey){ .offset = 0x1000 + 4 * n, .flags = n % 3, .page_flags = 4 };
}

/* The entry number n, its guest code and its host code made of `version`. */
static void fill(PersistEntry *e, unsigned n, uint8_t version)
{
    PersistParts parts;

    e->key = key_of(n);
    e->code_size = 40 + n % 50;
    e->guest_size = 8 + 4 * (n % 5);
    e->nb_ranges = 1;
    e->ranges[0].size = e->guest_size;
    parts = persist_parts(e);
    e->size = ROUND_UP(parts.end, PERSIST_ALIGN);
    memset((char *)e + parts.code, version ^ (uint8_t)n, e->code_size);
    memset((char *)e + parts.guest, version, e->guest_size);
}

static void add(unsigned from, unsigned to, uint8_t version)
{
    PersistWriter *w = persist_writer_new(ID, dir, KEY, to - from);

    g_assert_nonnull(w);
    for (unsigned n = from; n < to; n++) {
        fill(persist_writer_room(w, 512), n, version);
        persist_writer_add(w);
    }
    persist_writer_end(w);
}

static PersistFile open_file(void)
{
    PersistFile f = { .id = ID };

    persist_file_open(&f, dir, KEY);
    return f;
}

/* Is it, but for its sum, what fill makes? */
static bool is_entry(const PersistEntry *e, unsigned n, uint8_t version)
{
    uint64_t buffer[64] = { 0 };
    PersistEntry *want = (PersistEntry *)buffer;

    fill(want, n, version);
    return e->size == want->size &&
           !memcmp((const char *)e + sizeof(e->sum), (char *)want + sizeof(e->sum),
                   want->size - sizeof(e->sum));
}

static const PersistEntry *find(const PersistFile *f, unsigned n)
{
    PersistKey key = key_of(n);
    unsigned turn = 0;

    return persist_file_find(f, &key, &turn);
}

static void test_find(void)
{
    PersistFile f;

    set_up();
    f = open_file();
    g_assert_null(f.map);
    g_assert_null(find(&f, 0));
    for (unsigned step = 0; step < 5000; step += 1000) {
        add(step, step + 1000, 1);
    }
    f = open_file();
    for (unsigned n = 0; n < 5000; n++) {
        const PersistEntry *e = find(&f, n);

        g_assert_nonnull(e);
        g_assert_true(is_entry(e, n, 1));
    }
    g_assert_null(find(&f, 5000));
    g_assert_cmpuint(f.index_bits, >, 11);
    tear_down();
}

static void test_not_twice(void)
{
    GStatBuf before, after;
    unsigned turn = 0;
    PersistKey key = key_of(5);
    PersistFile f;

    set_up();
    add(0, 10, 1);
    g_stat(name, &before);
    add(0, 10, 1);
    g_stat(name, &after);
    g_assert_cmpint(before.st_size, ==, after.st_size);
    add(5, 6, 2); /* other guest code at the same place */
    f = open_file();
    g_assert_true(is_entry(persist_file_find(&f, &key, &turn), 5, 1));
    g_assert_true(is_entry(persist_file_find(&f, &key, &turn), 5, 2));
    g_assert_null(persist_file_find(&f, &key, &turn));
    tear_down();
}

static void test_locked(void)
{
    PersistWriter *w, *second;

    set_up();
    add(0, 10, 1);
    w = persist_writer_new(ID, dir, KEY, 1);
    second = persist_writer_new(ID, dir, KEY, 1);
    g_assert_nonnull(w);
    g_assert_null(second);
    persist_writer_end(w);
    tear_down();
}

/* What is found in the file must be as it was added; how many there are. */
static unsigned count_right(unsigned nb)
{
    PersistFile f = open_file();
    unsigned found = 0;

    for (unsigned n = 0; n < nb; n++) {
        const PersistEntry *e = find(&f, n);

        g_assert_true(!e || is_entry(e, n, 1));
        found += e != NULL;
    }
    if (f.map) {
        munmap((void *)(uintptr_t)f.map, f.size);
    }
    return found;
}

static void put_file(const char *data, size_t size)
{
    FILE *f = g_fopen(name, "w"); /* g_file_set_contents waits for the disk */

    g_assert_nonnull(f);
    g_assert_cmpuint(fwrite(data, 1, size, f), ==, size);
    fclose(f);
}

static void test_damage(void)
{
    enum { NB = 20 };
    g_autofree char *data = NULL;
    gsize size;

    set_up();
    add(0, NB, 1);
    g_assert_true(g_file_get_contents(name, &data, &size, NULL));
    for (gsize at = 0; at < size; at++) {
        if (at >= 4096 && at < 4096 + 8192 && !data[at]) {
            at += 97; /* not every empty place of the index */
        }
        data[at] ^= (char)(1 << at % 8);
        put_file(data, size);
        g_assert_cmpuint(count_right(NB), >=, at < 4096 ? 0 : NB - 2);
        data[at] ^= (char)(1 << at % 8);
    }
    for (gsize cut = 0; cut < size; cut += cut < 12200 ? 61 : 1) {
        put_file(data, cut);
        g_assert_cmpuint(count_right(NB), <, NB);
    }
    put_file(data, size);
    g_assert_cmpuint(count_right(NB), ==, NB);
    memset(data + 4096, 0x5a, 8192); /* an index that is full of nonsense is made anew */
    put_file(data, size);
    g_assert_cmpuint(count_right(NB), ==, 0);
    add(0, NB, 1);
    g_assert_cmpuint(count_right(NB), ==, NB);
    tear_down();
}

static void test_dir(void)
{
    g_autofree char *deep = NULL, *file = NULL;
    GStatBuf st;

    set_up();
    g_assert_true(persist_dir_usable(dir));
    g_chmod(dir, 0770);
    g_assert_false(persist_dir_usable(dir));
    g_chmod(dir, 0700);
    deep = g_build_filename(dir, "cache", "latimer", "code", NULL);
    g_assert_true(persist_dir_usable(deep));
    g_assert_true(!g_stat(deep, &st) && (st.st_mode & 0777) == 0700);
    file = g_build_filename(dir, "none", "cache", "latimer", "code", NULL);
    g_assert_false(persist_dir_usable(file)); /* a home that is not there is not made */
    for (int n = 0; n < 3; n++) {
        char *up = g_path_get_dirname(deep);

        g_assert_cmpint(g_rmdir(deep), ==, 0);
        g_free(deep);
        deep = up;
    }
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    umask(077); /* files that others may write are not read */
    g_test_add_func("/persist/find", test_find);
    g_test_add_func("/persist/not-twice", test_not_twice);
    g_test_add_func("/persist/locked", test_locked);
    g_test_add_func("/persist/damage", test_damage);
    g_test_add_func("/persist/dir", test_dir);
    return g_test_run();
}
