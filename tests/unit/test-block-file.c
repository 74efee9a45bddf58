/* SPDX-License-Identifier: MIT */
/* Threads on one host file, each on bytes of its own: what one of them writes, and how long the
 * file is for it, no other may undo. With O_DIRECT neighbours share a block of the disk. */
#include "block/block.h"
#include "block/bytes.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK = 4096, ROUNDS = 400, THREADS = 4 };

typedef struct Race Race;
typedef void Step(Race *r, int thread, int64_t base, uint8_t fill);

struct Race {
    BlockNode *node;
    Step *step;
    int64_t stride; /* bytes of a round */
    uint8_t *memory;
    GMutex lock;
    GCond change;
    int waiting, round;
    gint error;
};

typedef struct RaceThread {
    Race *race;
    int number;
} RaceThread;

static void meet(Race *r)
{
    g_mutex_lock(&r->lock);
    int round = r->round;
    if (++r->waiting == THREADS) {
        r->waiting = 0;
        r->round++;
        g_cond_broadcast(&r->change);
    }
    while (round == r->round) {
        g_cond_wait(&r->change, &r->lock);
    }
    g_mutex_unlock(&r->lock);
}

static void check(Race *r, int ret)
{
    if (ret) {
        g_atomic_int_set(&r->error, ret);
    }
}

static gpointer race_thread(gpointer opaque)
{
    RaceThread *t = opaque;
    for (int i = 0; i < ROUNDS; i++) {
        meet(t->race);
        t->race->step(t->race, t->number, i * t->race->stride, 1 + (i * THREADS + t->number) % 255);
    }
    return NULL;
}

static void write_bytes(Race *r, int64_t off, size_t len, uint8_t fill, bool aligned)
{
    uint8_t *p = NULL;
    g_assert_cmpint(posix_memalign((void **)&p, BLOCK, len + 16), ==, 0);
    uint8_t *buf = p + (aligned ? 0 : 16);
    memset(buf, fill, len);
    memset(r->memory + off, fill, len);
    check(r, block_pwrite(r->node, off, buf, len));
    free(p);
}

/* The file grows by all of them at once, by whole blocks and by parts. */
static void grow(Race *r, int thread, int64_t base, uint8_t fill)
{
    if (thread == 3) {
        memset(r->memory + base + 6 * BLOCK, 0, BLOCK);
        check(r, block_write_zeroes(r->node, base + 6 * BLOCK, BLOCK, BLOCK_ZERO_MAY_UNMAP));
    } else if (thread == 2) {
        write_bytes(r, base + 4 * BLOCK, 2 * BLOCK, fill, true);
    } else {
        write_bytes(r, base + thread * 2 * BLOCK + 512, 1024, fill, false);
    }
}

/* Parts of one block: data, zeroes, nothing any more. */
static void share(Race *r, int thread, int64_t base, uint8_t fill)
{
    int64_t off = base + thread * 1024;
    write_bytes(r, off, 512, fill, thread & 1);
    if (thread & 2) {
        memset(r->memory + off, 0, 512);
        check(r, block_write_zeroes(r->node, off, 512, thread & 1 ? BLOCK_ZERO_MAY_UNMAP : 0));
    } else {
        write_bytes(r, off + 512, 512, fill, true);
    }
}

/* Reads at the end, which moves. */
static void read_end(Race *r, int thread, int64_t base, uint8_t fill)
{
    if (thread) {
        g_autofree uint8_t *buf = g_malloc(3 * BLOCK);
        check(r, block_pread(r->node, MAX(base - BLOCK, 0), buf, 3 * BLOCK));
    } else {
        write_bytes(r, base, 512, fill, false);
        write_bytes(r, base + 512, 1024, fill, false);
    }
}

static void race(Step *step, int64_t stride, unsigned flags)
{
    g_autofree char *path = g_strdup_printf("test-block-file-%d", (int)getpid());
    g_autoptr(Opts) opts = opts_new();
    GError *err = NULL;
    block_create(path, "file", opts, &err);
    g_assert_no_error(err);
    opts_set(opts, "driver", "file");
    opts_set(opts, "filename", path);
    Race r = { .step = step, .stride = stride, .memory = g_malloc0(stride * ROUNDS) };
    r.node = block_open(NULL, NULL, opts, BLOCK_RDWR | flags, &err);
    if (!r.node && flags & BLOCK_DIRECT && err->code == EINVAL) {
        g_test_skip("the file system here has no O_DIRECT");
        g_error_free(err);
        g_free(r.memory);
        g_unlink(path);
        return;
    }
    g_assert_no_error(err);
    RaceThread threads[THREADS];
    GThread *ids[THREADS];
    for (int i = 0; i < THREADS; i++) {
        threads[i] = (RaceThread){ &r, i };
        ids[i] = g_thread_new("race", race_thread, &threads[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        g_thread_join(ids[i]);
    }
    g_assert_cmpint(r.error, ==, 0);
    g_autofree uint8_t *now = g_malloc(stride * ROUNDS);
    g_assert_cmpint(block_pread(r.node, 0, now, stride * ROUNDS), ==, 0);
    int bad = 0;
    for (int64_t i = 0; i < stride * ROUNDS; i += 512) {
        bad += memcmp(now + i, r.memory + i, 512) != 0;
    }
    g_assert_cmpint(bad, ==, 0);
    block_unref(r.node);
    g_unlink(path);
    g_free(r.memory);
}

static void test_grow(gconstpointer flags)
{
    race(grow, 7 * BLOCK, GPOINTER_TO_UINT(flags));
}

static void test_share(gconstpointer flags)
{
    race(share, BLOCK, GPOINTER_TO_UINT(flags));
}

static void test_read_end(gconstpointer flags)
{
    race(read_end, 1536, GPOINTER_TO_UINT(flags));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        GTestDataFunc func;
    } tests[] = { { "grow", test_grow }, { "share", test_share }, { "read-end", test_read_end } };
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++) {
        for (int direct = 0; direct < 2; direct++) {
            g_autofree char *path =
                g_strdup_printf("/block/file/%s/%s", tests[i].name, direct ? "direct" : "cached");
            g_test_add_data_func(path, GUINT_TO_POINTER(direct ? BLOCK_DIRECT : 0), tests[i].func);
        }
    }
    return g_test_run();
}
