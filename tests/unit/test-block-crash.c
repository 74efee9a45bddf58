/* SPDX-License-Identifier: MIT */
/* Cuts the power after every single host write, under random guest writes, zeroes, discards,
 * snapshots, resizes and flushes; with all that was written kept, and with what was not flushed
 * lost sector by sector. Then the image must check without corruption, and hold every flushed
 * write. BLOCK_CRASH_ROUNDS (default 1) is the number of seeds for each kind of image. */
#include "block-model.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { OPS = 60 };

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

static bool run_once(const char *path, const char *options, unsigned seed, int64_t cut, bool lose)
{
    GError *err = NULL;
    Model m = { 0 };
    bool alive = true;
    g_autofree char *what =
        g_strdup_printf("%s seed=%u cut=%d lose=%d", options, seed, (int)cut, lose);
    model_create(&m, path, options);
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
            /* Where that takes long, only some, others for each seed. */
            unsigned stride = strstr(options, "refcount_bits=64") ? 11 : 1;
            int64_t cut = seed % stride;
            while (!run_once(path, options, seed, cut, lose)) {
                cut += stride;
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
        "cluster_size=512,refcount_bits=64",
    };
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *name = g_strconcat("/block/crash/", kinds[i], NULL);
        g_test_add_data_func(name, kinds[i], test_crash);
    }
    return g_test_run();
}
