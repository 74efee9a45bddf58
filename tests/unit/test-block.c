/* SPDX-License-Identifier: MIT */
/* The block layer's smaller parts: options, sizes, JSON, probing, locks, throttling, injected
 * failures, and many threads on one qcow2 image. */
#include "block/block.h"
#include "block/bytes.h"
#include "block/vhdx.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

static char *scratch(const char *name)
{
    return g_strdup_printf("%s/test-block-%d-%s", g_get_tmp_dir(), (int)getpid(), name);
}

static void create(const char *path, const char *fmt, const char *options)
{
    g_autoptr(Opts) opts = opts_new();
    GError *err = NULL;
    opts_parse(opts, options, NULL, &err);
    g_assert_no_error(err);
    block_create(path, fmt, opts, &err);
    g_assert_no_error(err);
}

static BlockNode *open_opts(const char *text, unsigned flags, GError **err)
{
    g_autoptr(Opts) opts = opts_new();
    opts_parse(opts, text, NULL, NULL);
    return block_open(NULL, NULL, opts, flags, err);
}

static void test_sizes(void)
{
    static const struct {
        const char *text;
        uint64_t bytes; /* UINT64_MAX: not a size */
    } cases[] = {
        { "0", 0 },
        { "512", 512 },
        { "1k", 1024 },
        { "1.5K", 1536 },
        { "10G", 10ULL << 30 },
        { "7E", 7ULL << 60 },
        { "0x10", 16 },
        { "1b", 1 },
        { "", UINT64_MAX },
        { "-1", UINT64_MAX },
        { "8E", UINT64_MAX },
        { "1.5", UINT64_MAX },
        { "k", UINT64_MAX },
        { "1kk", UINT64_MAX },
        { "99999999999999999999", UINT64_MAX },
        { " 1", UINT64_MAX },
        { "1e3", UINT64_MAX },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint64_t n = UINT64_MAX;
        bool ok = parse_size(cases[i].text, &n, NULL);
        g_test_message("'%s'", cases[i].text);
        g_assert_cmpint(ok, ==, cases[i].bytes != UINT64_MAX);
        g_assert_cmpuint(ok ? n : UINT64_MAX, ==, cases[i].bytes);
    }
}

static void test_options(void)
{
    g_autoptr(Opts) opts = opts_new();
    g_assert_true(opts_parse(opts, "a.qcow2,size=1,,5,ro,size=2", "file", NULL));
    g_assert_cmpstr(opts_get(opts, "file"), ==, "a.qcow2");
    g_assert_cmpstr(opts_get(opts, "size"), ==, "2");
    g_assert_cmpstr(opts_get(opts, "ro"), ==, "on");
    g_assert_true(opts_parse_json(opts,
                                  "{\"file\": {\"filename\": \"x\\u00e9\", \"n\": 3}, "
                                  "\"l\": [true]}",
                                  NULL));
    g_assert_cmpstr(opts_get(opts, "file.filename"), ==, "x\303\251");
    g_assert_cmpstr(opts_get(opts, "file.n"), ==, "3");
    g_assert_cmpstr(opts_get(opts, "l.0"), ==, "on");
    static const char *const bad[] = { "",        "{",           "[1,]", "{\"a\"}",
                                       "\"\\q\"", "\"\\ud800\"", "1 2",  "nul" };
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        GError *err = NULL;
        g_assert_null(value_parse_json(bad[i], &err));
        g_assert_nonnull(err);
        g_error_free(err);
    }
    g_autofree char *deep = g_strnfill(100000, '[');
    g_assert_null(value_parse_json(deep, NULL));
}

/* A guest must not be able to turn its guessed raw disk into another format. */
static void test_probe_safety(void)
{
    g_autofree char *path = scratch("probe");
    GError *err = NULL;
    uint8_t sector[BLOCK_SECTOR] = { 'Q', 'F', 'I', 0xfb, 0, 0, 0, 3 };
    create(path, "raw", "size=1M");
    g_autoptr(BlockNode) guessed = block_open(path, NULL, NULL, BLOCK_RDWR, &err);
    g_assert_no_error(err);
    g_assert_cmpstr(guessed->drv->name, ==, "raw");
    guessed->warned_probe = true; /* keep the test's output quiet */
    g_assert_cmpint(block_pwrite(guessed, 0, sector, sizeof(sector)), ==, -EPERM);
    g_assert_cmpint(block_pwrite(guessed, 4096, sector, sizeof(sector)), ==, 0);
    g_clear_pointer(&guessed, block_unref);
    g_autoptr(BlockNode) given = block_open(path, "raw", NULL, BLOCK_RDWR, &err);
    g_assert_no_error(err);
    g_assert_cmpint(block_pwrite(given, 0, sector, sizeof(sector)), ==, 0);
    g_unlink(path);
}

static void test_locks(void)
{
    g_autofree char *path = scratch("lock");
    GError *err = NULL;
    create(path, "raw", "size=1M");
    g_autoptr(BlockNode) a = block_open(path, "raw", NULL, BLOCK_RDWR, &err);
    g_assert_no_error(err);
    g_assert_null(block_open(path, "raw", NULL, BLOCK_RDWR, &err));
    g_assert_nonnull(strstr(err->message, "Failed to get \"write\" lock"));
    g_clear_error(&err);
    g_assert_null(block_open(path, "raw", NULL, 0, &err));
    g_clear_error(&err);
    BlockNode *b = block_open(path, "raw", NULL, BLOCK_FORCE_SHARE, &err);
    g_assert_no_error(err);
    g_clear_pointer(&a, block_unref);
    BlockNode *c = block_open(path, "raw", NULL, 0, &err);
    g_assert_no_error(err);
    BlockNode *d = block_open(path, "raw", NULL, 0, &err); /* readers share */
    g_assert_no_error(err);
    block_unref(b);
    block_unref(c);
    block_unref(d);
    g_unlink(path);
}

static void test_bad_options(void)
{
    static const struct {
        const char *opts, *message;
    } cases[] = {
        { "driver=nosuch,file.filename=x", "Unknown driver 'nosuch'" },
        { "driver=raw,file.filename=/nonexistent/x", "No such file" },
        { "driver=null-co,sise=1", "does not support the option 'sise'" },
        { "driver=null-co,size=1x", "'size'" },
        { "driver=raw,file.driver=null-co,file.size=1M,offset=2M", "Offset" },
        { "driver=raw", "A block device must be specified" },
        { "driver=raw,file.driver=null-co,detect-zeroes=maybe", "detect-zeroes" },
        { "driver=file,filename=/dev/null,aio=native", "requires cache.direct=on" },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        GError *err = NULL;
        g_assert_null(open_opts(cases[i].opts, 0, &err));
        g_test_message("%s: %s", cases[i].opts, err->message);
        g_assert_nonnull(strstr(err->message, cases[i].message));
        g_error_free(err);
    }
}

static void test_throttle(void)
{
    GError *err = NULL;
    uint8_t buf[4096] = { 0 };
    g_autoptr(BlockNode) n = open_opts("driver=throttle,limits.iops-total=100,file.driver=null-co,"
                                       "file.size=1M",
                                       BLOCK_RDWR, &err);
    g_assert_no_error(err);
    gint64 start = g_get_monotonic_time();
    for (int i = 0; i < 40; i++) {
        g_assert_cmpint(block_pwrite(n, 0, buf, sizeof(buf)), ==, 0);
    }
    /* 10 from the burst, 30 at 100 a second. */
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 250 * 1000);
}

/* An error of the host reaches the caller, and trying again loses nothing. */
static void test_host_errors(void)
{
    g_autofree char *path = scratch("error");
    uint8_t buf[4096], back[4096];
    for (int nth = 1; nth < 40; nth++) {
        GError *err = NULL;
        create(path, "qcow2", "size=64M,cluster_size=4096");
        g_autofree char *opts =
            g_strdup_printf("driver=qcow2,file.driver=blkdebug,file.fail-write=%d,file.errno=28,"
                            "file.image.filename=%s",
                            nth, path);
        BlockNode *n = open_opts(opts, BLOCK_RDWR, &err);
        g_assert_no_error(err);
        int failures = 0;
        for (int i = 0; i < 8; i++) {
            memset(buf, i + 1, sizeof(buf));
            int ret = block_pwrite(n, i * (8 << 20), buf, sizeof(buf));
            ret = ret ? ret : block_flush(n);
            if (ret) {
                g_assert_cmpint(ret, ==, -ENOSPC);
                failures++;
                i--; /* as a machine does that was stopped and goes on */
            }
        }
        g_assert_cmpint(failures, <=, 1);
        block_unref(n);
        n = block_open(path, "qcow2", NULL, BLOCK_CHECK, &err);
        g_assert_no_error(err);
        for (int i = 0; i < 8; i++) {
            memset(buf, i + 1, sizeof(buf));
            g_assert_cmpint(block_pread(n, i * (8 << 20), back, sizeof(back)), ==, 0);
            g_assert_cmpmem(buf, sizeof(buf), back, sizeof(back));
        }
        BlockCheckResult res = { 0 };
        g_assert_cmpint(n->drv->check(n, 0, &res), ==, 0);
        g_assert_cmpint(res.corruptions, ==, 0);
        block_unref(n);
    }
    g_unlink(path);
}

enum { THREADS = 8, ROUNDS = 400, SLOTS = 64, SLOT = 20000 };

typedef struct Worker {
    BlockNode *node;
    int id;
    uint8_t last[SLOTS];
} Worker;

/* Each thread has slots of its own, between those of others and across cluster borders. */
static gpointer work(gpointer opaque)
{
    Worker *w = opaque;
    GRand *r = g_rand_new_with_seed(w->id);
    g_autofree uint8_t *buf = g_malloc(SLOT), *back = g_malloc(SLOT);
    for (int i = 0; i < ROUNDS; i++) {
        int slot = g_rand_int_range(r, 0, SLOTS), kind = g_rand_int_range(r, 0, 8);
        int64_t off = ((int64_t)slot * THREADS + w->id) * SLOT;
        if (kind < 3) {
            g_assert_cmpint(block_pread(w->node, off, back, SLOT), ==, 0);
            memset(buf, w->last[slot], SLOT);
            g_assert_cmpmem(buf, SLOT, back, SLOT);
        } else if (kind < 6) {
            w->last[slot] = g_rand_int_range(r, 1, 256);
            memset(buf, w->last[slot], SLOT);
            g_assert_cmpint(block_pwrite(w->node, off, buf, SLOT), ==, 0);
        } else if (kind == 6) {
            w->last[slot] = 0;
            g_assert_cmpint(block_write_zeroes(w->node, off, SLOT, BLOCK_ZERO_MAY_UNMAP), ==, 0);
        } else if (i % 16 == 0) {
            g_assert_cmpint(block_flush(w->node), ==, 0);
        }
    }
    g_rand_free(r);
    return NULL;
}

static void test_threads(gconstpointer options)
{
    g_autofree char *path = scratch("threads");
    GError *err = NULL;
    GThread *t[THREADS];
    Worker w[THREADS] = { { 0 } };
    BlockCheckResult res = { 0 };
    create(path, "qcow2", options);
    BlockNode *n = block_open(path, "qcow2", NULL, BLOCK_RDWR | BLOCK_NO_FLUSH, &err);
    g_assert_no_error(err);
    for (int i = 0; i < THREADS; i++) {
        w[i].node = n;
        w[i].id = i;
        t[i] = g_thread_new("work", work, &w[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        g_thread_join(t[i]);
    }
    block_unref(n);
    n = block_open(path, "qcow2", NULL, BLOCK_CHECK, &err);
    g_assert_no_error(err);
    g_assert_cmpint(n->drv->check(n, 0, &res), ==, 0);
    g_assert_cmpint(res.corruptions + res.leaks + res.check_errors, ==, 0);
    block_unref(n);
    g_unlink(path);
}

/* A VHDX image as a program leaves it that dies after its log is on the disk: what the log says
 * holds, over two entries that run around the end of the ring. */
static void test_vhdx_log(void)
{
    enum { LOG = 1 << 20, ENTRY = 8192 };
    g_autofree char *path = scratch("vhdx");
    GError *err = NULL;
    g_autofree uint8_t *buf = g_malloc(65536);
    BlockExtent ext;
    create(path, "vhdx", "size=4M,log_size=1M");
    BlockNode *n = block_open(path, "vhdx", NULL, BLOCK_RDWR, &err);
    g_assert_no_error(err);
    memset(buf, 1, 65536);
    g_assert_cmpint(block_pwrite(n, 0, buf, 65536), ==, 0);
    g_assert_cmpint(block_status(n, 0, 4096, &ext), ==, 0);
    uint64_t host = ext.offset;
    block_unref(n);
    g_autofree gchar *image = NULL;
    gsize len;
    g_assert_true(g_file_get_contents(path, &image, &len, NULL));
    uint8_t *base = (uint8_t *)image, *log = base + ld_le64(base + 0x10000 + 72);
    for (int i = 0; i < 2; i++) {
        /* Entry 1 ends where the ring does; entry 2 follows at its start. */
        uint8_t *e = i ? log : log + LOG - ENTRY, *d = e + 64;
        memset(e, 0, ENTRY);
        memcpy(e, "loge", 4);
        st_le32(e + 8, ENTRY);
        st_le32(e + 12, LOG - ENTRY);
        st_le64(e + 16, 7 + i);
        st_le32(e + 24, 2);
        memset(e + 32, 0xab, 16);
        st_le64(e + 48, len);
        st_le64(e + 56, len);
        memcpy(d, "desc", 4);
        st_le32(d + 4, 0x11111111U * (2 + i));
        st_le64(d + 8, 0x1111111111111111ULL * (2 + i));
        st_le64(d + 16, host + 4096 * i);
        st_le64(d + 24, 7 + i);
        memcpy(d + 32, "zero", 4);
        st_le64(d + 32 + 8, 4096);
        st_le64(d + 32 + 16, host + 16384 + 4096 * i);
        st_le64(d + 32 + 24, 7 + i);
        memset(e + 4096, 0x11 * (2 + i), 4096);
        memcpy(e + 4096, "data", 4);
        st_le32(e + 4096 + 4, 0);
        st_le32(e + 8192 - 4, 7 + i);
        st_le32(e + 4, vhdx_crc32c(e, ENTRY, 4));
    }
    for (int i = 0; i < 2; i++) {
        uint8_t *h = base + 0x10000 * (i + 1);
        memset(h + 48, 0xab, 16);
        st_le32(h + 4, vhdx_crc32c(h, 4096, 4));
    }
    g_assert_true(g_file_set_contents(path, image, len, NULL));
    g_assert_null(block_open(path, "vhdx", NULL, 0, &err));
    g_assert_nonnull(strstr(err->message, "check -r all"));
    g_clear_error(&err);
    n = block_open(path, "vhdx", NULL, BLOCK_RDWR, &err);
    g_assert_no_error(err);
    g_assert_cmpint(block_pread(n, 0, buf, 65536), ==, 0);
    for (int i = 0; i < 65536; i++) {
        static const uint8_t pieces[] = { 0x22, 0x33, 1, 1, 0, 0 };
        g_assert_cmpint(buf[i], ==, i / 4096 < 6 ? pieces[i / 4096] : 1);
    }
    block_unref(n);
    n = block_open(path, "vhdx", NULL, 0, &err);
    g_assert_no_error(err);
    block_unref(n);
    /* A torn entry: the log does not hold together, and nothing is guessed. */
    log[5000] ^= 1;
    log[LOG - ENTRY + 5000] ^= 1;
    g_assert_true(g_file_set_contents(path, image, len, NULL));
    n = block_open(path, "vhdx", NULL, BLOCK_RDWR, &err);
    g_assert_no_error(err); /* no entry is whole: there is nothing to replay */
    g_assert_cmpint(block_pread(n, 0, buf, 1), ==, 0);
    g_assert_cmpint(buf[0], ==, 1);
    block_unref(n);
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/block/sizes", test_sizes);
    g_test_add_func("/block/options", test_options);
    g_test_add_func("/block/probe-safety", test_probe_safety);
    g_test_add_func("/block/locks", test_locks);
    g_test_add_func("/block/bad-options", test_bad_options);
    g_test_add_func("/block/throttle", test_throttle);
    g_test_add_func("/block/vhdx-log", test_vhdx_log);
    g_test_add_func("/block/host-errors", test_host_errors);
    g_test_add_data_func("/block/threads/64k", "size=16M", test_threads);
    g_test_add_data_func("/block/threads/4k", "size=16M,cluster_size=4096", test_threads);
    g_test_add_data_func("/block/threads/extended-l2", "size=16M,extended_l2=on", test_threads);
    return g_test_run();
}
