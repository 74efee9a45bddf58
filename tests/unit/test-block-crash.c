/* SPDX-License-Identifier: MIT */
/* Cuts the power after every single host write, under random guest writes, zeroes, discards,
 * snapshots, resizes and flushes; with all that was written kept, and with what was not flushed
 * lost sector by sector. Then the image must check without corruption, and hold every flushed
 * write. BLOCK_CRASH_ROUNDS (default 1) is the number of seeds for each kind of image. */
#include "block/block.h"
#include "block/bytes.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SIZE = 2 << 20, MAX_SIZE = 3 << 20, UNIT = 4096, UNITS = MAX_SIZE / UNIT, OPS = 60 };

/* What each unit of the guest may hold: its pattern when last flushed, or any written since. */
typedef struct Model {
    uint8_t flushed[UNITS];
    GByteArray *since[UNITS];
    bool resized; /* the size may be any of those since the last flush */
} Model;

static void model_write(Model *m, unsigned unit, uint8_t pattern)
{
    if (!m->since[unit]) {
        m->since[unit] = g_byte_array_new();
    }
    g_byte_array_append(m->since[unit], &pattern, 1);
}

static void model_flush(Model *m)
{
    for (unsigned i = 0; i < UNITS; i++) {
        if (m->since[i]) {
            m->flushed[i] = m->since[i]->data[m->since[i]->len - 1];
            g_byte_array_free(m->since[i], true);
            m->since[i] = NULL;
        }
    }
}

static bool model_allows(const Model *m, unsigned unit, uint8_t value)
{
    if (m->flushed[unit] == value) {
        return true;
    }
    for (unsigned i = 0; m->since[unit] && i < m->since[unit]->len; i++) {
        if (m->since[unit]->data[i] == value) {
            return true;
        }
    }
    return false;
}

static uint8_t model_last(const Model *m, unsigned unit)
{
    return m->since[unit] ? m->since[unit]->data[m->since[unit]->len - 1] : m->flushed[unit];
}

static BlockNode *open_debug(const char *path, int64_t cut, bool lose, unsigned seed, GError **err)
{
    g_autoptr(Opts) opts = opts_new();
    opts_set(opts, "driver", "qcow2");
    opts_set(opts, "file.driver", "blkdebug");
    opts_set(opts, "file.image.filename", path);
    if (cut >= 0) {
        opts_setf(opts, "file.cut-after", "%" G_GINT64_FORMAT, cut);
    }
    opts_set(opts, "file.lose-unflushed", lose ? "on" : "off");
    opts_setf(opts, "file.seed", "%u", seed);
    return block_open(NULL, NULL, opts, BLOCK_RDWR | BLOCK_UNMAP | BLOCK_NO_BACKING, err);
}

static bool op_write(BlockNode *n, GRand *r, Model *m, unsigned units)
{
    uint8_t buf[16 * UNIT];
    unsigned len = g_rand_int_range(r, 1, 17), at = g_rand_int_range(r, 0, units - len + 1);
    uint8_t pattern = g_rand_int_range(r, 1, 256);
    int kind = g_rand_int_range(r, 0, 10);
    int64_t off = (int64_t)at * UNIT, bytes = (int64_t)len * UNIT;
    pattern = kind < 6 ? pattern : 0;
    for (unsigned i = at; i < at + len; i++) {
        /* A discard keeps parts of clusters, so the old content stays allowed. */
        if (kind == 9) {
            model_write(m, i, 0);
            model_write(m, i, model_last(m, i) ? model_last(m, i) : m->flushed[i]);
        }
        model_write(m, i, pattern);
    }
    memset(buf, pattern, bytes);
    int ret = kind < 6    ? block_pwrite(n, off, buf, bytes)
              : kind == 6 ? block_write_zeroes(n, off, bytes, 0)
              : kind < 9  ? block_write_zeroes(n, off, bytes, BLOCK_ZERO_MAY_UNMAP)
                          : block_write_zeroes(n, off, bytes, BLOCK_ZERO_MAY_UNMAP);
    return ret == 0;
}

/* One step; false once the power is gone. */
static bool step(BlockNode *n, GRand *r, Model *m, int i)
{
    GError *err = NULL;
    char name[16];
    bool ok = true;
    int kind = g_rand_int_range(r, 0, 20);
    if (kind == 0) {
        ok = block_flush(n) == 0;
        if (ok) {
            model_flush(m);
        }
        return ok;
    }
    if (kind == 1) {
        g_snprintf(name, sizeof(name), "s%d", i);
        ok = n->drv->snapshot_create(n, name, &err);
    } else if (kind == 2) {
        g_autoptr(GPtrArray) list = n->drv->snapshot_list(n);
        if (list->len) {
            BlockSnapshot *sn = g_ptr_array_index(list, 0);
            ok = n->drv->snapshot_delete(n, sn->name, &err);
        }
    } else if (kind == 3) {
        int64_t size = n->size == SIZE ? MAX_SIZE : SIZE;
        if (size < n->size) {
            for (unsigned u = SIZE / UNIT; u < UNITS; u++) {
                model_write(m, u, 0);
            }
        }
        ok = block_truncate(n, size, BLOCK_PREALLOC_OFF, &err);
    } else {
        return op_write(n, r, m, n->size / UNIT);
    }
    g_clear_error(&err);
    return ok;
}

/* Standard error is closed to the messages of check, so failures are told on standard output. */
static void die(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
static void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    printf("Bail out! ");
    vprintf(fmt, ap);
    va_end(ap);
    fflush(stdout);
    abort();
}

static void verify(const char *path, Model *m, const char *what)
{
    GError *err = NULL;
    BlockCheckResult res = { 0 };
    uint8_t buf[UNIT];
    BlockNode *n = block_open(path, "qcow2", NULL, BLOCK_CHECK, &err);
    g_assert_no_error(err);
    g_assert_cmpint(n->drv->check(n, 0, &res), ==, 0);
    if (res.corruptions && !strstr(what, "lazy")) {
        die("%s: %d corruptions\n", what, (int)res.corruptions);
    }
    g_assert_cmpint(res.check_errors, ==, 0);
    block_unref(n);

    /* Open for writing, which repairs what lazy refcounts left, and read it all. */
    n = block_open(path, "qcow2", NULL, BLOCK_RDWR, &err);
    g_assert_no_error(err);
    for (unsigned u = 0; u < n->size / UNIT; u++) {
        g_assert_cmpint(block_pread(n, (int64_t)u * UNIT, buf, UNIT), ==, 0);
        /* A unit may be torn when the cut came in the middle of its write: each sector counts. */
        for (unsigned s = 0; s < UNIT; s += BLOCK_SECTOR) {
            if (!model_allows(m, u, buf[s])) {
                die("%s: unit %u holds %d, flushed was %d\n", what, u, buf[s], m->flushed[u]);
            }
        }
    }
    block_unref(n);
    memset(&res, 0, sizeof(res));
    n = block_open(path, "qcow2", NULL, BLOCK_CHECK | BLOCK_RDWR, &err);
    g_assert_no_error(err);
    g_assert_cmpint(n->drv->check(n, BLOCK_FIX_LEAKS | BLOCK_FIX_ERRORS, &res), ==, 0);
    memset(&res, 0, sizeof(res));
    g_assert_cmpint(n->drv->check(n, 0, &res), ==, 0);
    g_assert_cmpint(res.leaks + res.corruptions + res.check_errors, ==, 0);
    block_unref(n);
}

static bool run_once(const char *path, const char *options, unsigned seed, int64_t cut, bool lose)
{
    g_autoptr(Opts) opts = opts_new();
    GError *err = NULL;
    Model m = { 0 };
    bool alive = true;
    g_autofree char *what =
        g_strdup_printf("%s seed=%u cut=%d lose=%d", options, seed, (int)cut, lose);
    opts_parse(opts, options, NULL, NULL);
    opts_setf(opts, "size", "%d", SIZE);
    g_assert_true(block_create(path, "qcow2", opts, &err));
    BlockNode *n = open_debug(path, cut, lose, seed ^ cut, &err);
    g_assert_no_error(err);
    GRand *r = g_rand_new_with_seed(seed);
    for (int i = 0; i < OPS && alive; i++) {
        alive = step(n, r, &m, i);
    }
    g_rand_free(r);
    if (alive && block_flush(n) == 0) {
        model_flush(&m);
    } else {
        alive = false;
    }
    block_unref(n);
    verify(path, &m, what);
    model_flush(&m);
    return alive;
}

static void test_crash(gconstpointer data)
{
    const char *options = data, *rounds = g_getenv("BLOCK_CRASH_ROUNDS");
    const char *tmp = g_file_test("/dev/shm", G_FILE_TEST_IS_DIR) ? "/dev/shm" : g_get_tmp_dir();
    g_autofree char *path = g_strdup_printf("%s/test-block-crash-%d.qcow2", tmp, (int)getpid());
    unsigned points = 0;
    int saved = dup(STDERR_FILENO); /* check tells of every leak: thousands of them here */
    g_assert_nonnull(freopen("/dev/null", "w", stderr));
    for (int seed = 1; seed <= (rounds ? atoi(rounds) : 1); seed++) {
        for (int lose = 0; lose < 2; lose++) {
            int64_t cut = 0;
            while (!run_once(path, options, seed, cut, lose)) {
                cut++;
                points++;
            }
        }
    }
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    g_test_message("%s: %u cuts", options, points);
    g_unlink(path);
    g_assert_cmpint(points, >, 100);
}

int main(int argc, char **argv)
{
    static const char *const kinds[] = {
        "cluster_size=65536",
        "cluster_size=512",
        "cluster_size=4096,refcount_bits=8",
        "cluster_size=16384,extended_l2=on",
        "cluster_size=4096,lazy_refcounts=on",
    };
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *name = g_strconcat("/block/crash/", kinds[i], NULL);
        g_test_add_data_func(name, kinds[i], test_crash);
    }
    return g_test_run();
}
