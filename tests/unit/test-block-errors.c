/* SPDX-License-Identifier: MIT */
/* Lets a host request fail after each event inside qcow2 that blkdebug knows, once or from then on,
 * under random guest requests. The guest hears of an error at most; the image must never be
 * corrupt: it checks clean or leaking, and every flushed write is there. */
#include "block-model.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

enum { OPS = 60, SEEDS = 6 };

static const char *const event_names[] = {
#define X(id, name) name,
    BLOCK_EVENTS(X)
#undef X
};

/* How often requests failed after each event. */
static unsigned failures[BLOCK_EV_COUNT];

/* A failure in the n-th state: the n-th write to the host or more. */
static BlockNode *open_failing(const char *path, BlockEvent event, unsigned delay, bool once,
                               const char *error)
{
    g_autoptr(Opts) opts = opts_new();
    GError *err = NULL;
    opts_set(opts, "driver", "qcow2");
    opts_set(opts, "l2-cache-size", "1"); /* as small as it can be, so that tables are read, too */
    opts_set(opts, "refcount-cache-size", "1");
    opts_set(opts, "file.driver", "blkdebug");
    opts_set(opts, "file.image.filename", path);
    for (unsigned i = 0; i < delay; i++) {
        g_autofree char *prefix = g_strdup_printf("file.set-state.%u.", i);
        g_autofree char *ev = g_strconcat(prefix, "event", NULL);
        g_autofree char *from = g_strconcat(prefix, "state", NULL);
        g_autofree char *to = g_strconcat(prefix, "new_state", NULL);
        opts_set(opts, ev, "pwritev");
        opts_setf(opts, from, "%u", i + 1);
        opts_setf(opts, to, "%u", i + 2);
    }
    opts_set(opts, "file.inject-error.0.event", event_names[event]);
    opts_setf(opts, "file.inject-error.0.state", "%u", delay + 1);
    opts_set(opts, "file.inject-error.0.errno", error);
    opts_set(opts, "file.inject-error.0.once", once ? "on" : "off");
    BlockNode *n = block_open(NULL, NULL, opts, BLOCK_RDWR | BLOCK_UNMAP | BLOCK_NO_BACKING, &err);
    g_assert_no_error(err);
    return n;
}

static void run_once(const char *path, const char *options, BlockEvent event, unsigned seed)
{
    Model m = { 0 };
    bool once = seed & 1;
    g_autofree char *what =
        g_strdup_printf("%s event=%s seed=%u once=%d", options, event_names[event], seed, once);
    model_create(&m, path, options);
    GRand *r = g_rand_new_with_seed(seed);
    unsigned delay = g_rand_int_range(r, 1, 40);
    BlockNode *n = open_failing(path, event, delay, once, seed % 3 ? "5" : "28");
    for (int i = 0; i < OPS; i++) {
        failures[event] += !step(n, r, &m, i);
    }
    g_rand_free(r);
    bool flushed = block_flush(n) == 0;
    failures[event] += !flushed;
    if (flushed) {
        model_flush(&m);
    }
    if (once && flushed) {
        uint8_t buf[UNIT];
        for (int64_t off = 0; off < n->size; off += UNIT) {
            failures[event] += block_pread(n, off, buf, UNIT) != 0; /* if it was not yet */
        }
        verify_content(n, &m, what); /* it goes on as if nothing had been */
    }
    block_unref(n);
    verify(path, &m, what);
    memset(m.vague, 0, sizeof(m.vague));
    model_flush(&m);
}

static void test_errors(gconstpointer data)
{
    const char *options = data;
    const char *tmp = g_file_test("/dev/shm", G_FILE_TEST_IS_DIR) ? "/dev/shm" : g_get_tmp_dir();
    g_autofree char *path = g_strdup_printf("%s/test-block-errors-%d.qcow2", tmp, (int)getpid());
    int saved = dup(STDERR_FILENO); /* check tells of every leak: thousands of them here */
    g_assert_nonnull(freopen("/dev/null", "w", stderr));
    for (BlockEvent e = 0; e < BLOCK_EV_NONE; e++) {
        for (unsigned seed = 1; seed <= SEEDS; seed++) {
            run_once(path, options, e, seed);
        }
    }
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    g_unlink(path);
}

/* Nothing was shown for an event after which nothing ever failed. */
static void test_all_hit(void)
{
    static const BlockEvent wanted[] = {
        BLOCK_EV_L1_UPDATE,
        BLOCK_EV_L1_GROW_ALLOC_TABLE,
        BLOCK_EV_L1_GROW_WRITE_TABLE,
        BLOCK_EV_L1_GROW_ACTIVATE_TABLE,
        BLOCK_EV_L1_SHRINK_FREE,
        BLOCK_EV_L1_SHRINK_WRITE_TABLE,
        BLOCK_EV_L2_LOAD,
        BLOCK_EV_L2_UPDATE,
        BLOCK_EV_L2_ALLOC_COW_READ,
        BLOCK_EV_L2_ALLOC_WRITE,
        BLOCK_EV_WRITE_AIO,
        BLOCK_EV_COW_READ,
        BLOCK_EV_COW_WRITE,
        BLOCK_EV_REFTABLE_GROW,
        BLOCK_EV_REFTABLE_UPDATE,
        BLOCK_EV_REFBLOCK_LOAD,
        BLOCK_EV_REFBLOCK_ALLOC,
        BLOCK_EV_REFBLOCK_ALLOC_WRITE,
        BLOCK_EV_REFBLOCK_ALLOC_TABLE,
        BLOCK_EV_REFBLOCK_ALLOC_SWITCH,
        BLOCK_EV_REFBLOCK_ALLOC_HOOKUP,
        BLOCK_EV_REFBLOCK_UPDATE_PART,
        BLOCK_EV_CLUSTER_ALLOC,
        BLOCK_EV_CLUSTER_FREE,
        BLOCK_EV_FLUSH_TO_DISK,
        BLOCK_EV_PWRITEV,
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(wanted); i++) {
        g_test_message("%s: %u failures", event_names[wanted[i]], failures[wanted[i]]);
        if (!failures[wanted[i]]) {
            g_test_message("nothing failed after %s", event_names[wanted[i]]);
            g_test_fail();
        }
    }
}

int main(int argc, char **argv)
{
    static const char *const kinds[] = {
        "cluster_size=512,refcount_bits=64",
        "cluster_size=4096,refcount_bits=8",
        "cluster_size=16384,extended_l2=on",
        "cluster_size=65536",
    };
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *name = g_strdup_printf("/block/errors/%u %s", i, kinds[i]);
        g_test_add_data_func(name, kinds[i], test_errors);
    }
    g_test_add_func("/block/errors/9 every event", test_all_hit);
    return g_test_run();
}
