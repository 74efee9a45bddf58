/* SPDX-License-Identifier: MIT */
/* Damaged images of every format: each header field and table entry overwritten with edge values
 * and random ones. Whatever is in them, opening, checking, reading, writing and closing must end
 * in time, with no crash and no large allocation. BLOCK_FUZZ_ROUNDS: images per format. */
#include "block/block.h"
#include "block/bytes.h"
#include "block/secret.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct Kind {
    const char *format, *options;
    const char *open; /* options to open it with, or NULL */
} Kind;

static const Kind kinds[] = {
    { "qcow2", "cluster_size=4096", NULL },
    { "qcow2", "cluster_size=65536,extended_l2=on", NULL },
    { "qcow2", "cluster_size=512,refcount_bits=1", NULL },
    { "qcow2", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=1",
      "encrypt.key-secret=s" },
    { "luks", "key-secret=s,iter-time=1", "key-secret=s" },
    { "vdi", "", NULL },
    { "vpc", "", NULL },
    { "vmdk", "", NULL },
    { "vmdk", "subformat=streamOptimized", NULL },
    { "vmdk", "subformat=vmfsSparse", NULL }, /* not made by us: see make_esx */
    { "vhdx", "", NULL },
};

static char *path_of(const char *name)
{
    const char *tmp = g_file_test("/dev/shm", G_FILE_TEST_IS_DIR) ? "/dev/shm" : g_get_tmp_dir();
    return g_strdup_printf("%s/test-block-fuzz-%d.%s", tmp, (int)getpid(), name);
}

static bool is_esx(const Kind *k)
{
    return strstr(k->options, "vmfsSparse") != NULL;
}

static BlockNode *open_image(const Kind *k, const char *path, unsigned flags, GError **err)
{
    g_autoptr(Opts) opts = opts_new();
    g_autofree char *descriptor = g_strconcat(path, ".desc", NULL);
    opts_parse(opts, k->open ? k->open : "", NULL, NULL);
    return block_open(is_esx(k) ? descriptor : path, k->format, opts,
                      is_esx(k) ? flags & ~(unsigned)BLOCK_RDWR : flags, err);
}

/* An ESX sparse extent, and its descriptor beside it: 2 MiB in grains of 512 bytes, a grain table
 * behind the directory, every third grain there. */
static gchar *make_esx(const char *path, gsize *len)
{
    enum { SECTORS = 4096, GD = 4, GT = 5, DATA = GT + 32 };
    gchar *data = g_malloc0((DATA + SECTORS / 3 + 1) * BLOCK_SECTOR);
    g_autofree char *descriptor = g_strconcat(path, ".desc", NULL);
    g_autofree char *text =
        g_strdup_printf("# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\n"
                        "createType=\"vmfsSparse\"\nRW %d VMFSSPARSE \"%s\"\n",
                        SECTORS, path);
    const uint32_t header[] = { 0x44574f43, 1, 3, SECTORS, 1, GD, 1, DATA };
    unsigned next = DATA;
    for (unsigned i = 0; i < G_N_ELEMENTS(header); i++) {
        st_le32(data + 4 * i, header[i]);
    }
    st_le32(data + GD * BLOCK_SECTOR, GT);
    for (unsigned g = 0; g < SECTORS; g += 3, next++) {
        st_le32(data + GT * BLOCK_SECTOR + 4 * g, next);
        memset(data + next * BLOCK_SECTOR, 0x5a, BLOCK_SECTOR);
    }
    *len = next * BLOCK_SECTOR;
    g_assert_true(g_file_set_contents(descriptor, text, -1, NULL));
    g_assert_true(g_file_set_contents(path, data, *len, NULL));
    return data;
}

/* An image that has one of everything its format knows. */
static gchar *make_image(const Kind *k, const char *path, gsize *len)
{
    g_autoptr(Opts) opts = opts_new();
    GError *err = NULL;
    uint8_t buf[65536];
    gchar *data;
    if (is_esx(k)) {
        return make_esx(path, len);
    }
    opts_parse(opts, k->options, NULL, NULL);
    opts_set(opts, "size", "2M");
    g_assert_true(block_create(path, k->format, opts, &err));
    BlockNode *n = open_image(k, path, BLOCK_RDWR, &err);
    g_assert_no_error(err);
    memset(buf, 0x5a, sizeof(buf));
    bool stream = strstr(k->options, "streamOptimized") != NULL; /* written once, from the start */
    g_assert_true(stream || block_pwrite(n, 65536, buf, sizeof(buf)) == 0);
    if (n->drv->pwrite_compressed) {
        int ret = block_pwrite_compressed(n, 262144, buf, sizeof(buf));
        g_assert_true(ret == 0 || ret == -ENOTSUP);
    }
    if (n->drv->bitmap_op) {
        g_assert_true(n->drv->bitmap_op(n, BLOCK_BITMAP_ADD, "bitmap", 65536, &err));
    }
    if (n->drv->snapshot_create && !strstr(k->options, "refcount_bits=1")) {
        g_assert_true(n->drv->snapshot_create(n, "snapshot", &err));
    }
    g_assert_true(stream || block_pwrite(n, 98304, buf, sizeof(buf)) == 0);
    block_unref(n);
    g_assert_true(g_file_get_contents(path, &data, len, &err));
    return data;
}

/* Places that hold something: fields are there, not in the zeroes. */
static gsize pick_place(GRand *r, const uint8_t *data, gsize len)
{
    if (g_rand_boolean(r)) {
        return g_rand_int_range(r, 0, MIN(len, 512));
    }
    for (int tries = 0; tries < 1000; tries++) {
        gsize at = g_rand_int_range(r, 0, len);
        if (data[at] && data[at] != 0x5a) {
            return at;
        }
    }
    return g_rand_int_range(r, 0, len);
}

static void damage(GRand *r, uint8_t *data, gsize len)
{
    static const uint64_t edges[] = { 0,          1,          0xff,      0x7fffffff,
                                      0x80000000, UINT32_MAX, INT64_MAX, UINT64_MAX,
                                      1ULL << 63, 0x200,      0x10000,   1ULL << 40 };
    int n = g_rand_int_range(r, 1, 5);
    while (n--) {
        gsize at = pick_place(r, data, len), width = 1 << g_rand_int_range(r, 0, 4);
        uint64_t v = edges[g_rand_int_range(r, 0, G_N_ELEMENTS(edges))];
        uint8_t bytes[8];
        if (g_rand_int_range(r, 0, 3) == 0) {
            v = (uint64_t)g_rand_int(r) << 32 | g_rand_int(r);
        }
        at = at / width * width;
        if (g_rand_boolean(r)) {
            st_be64(bytes, v << (64 - 8 * width));
        } else {
            st_le64(bytes, v);
        }
        if (at + width <= len) {
            memcpy(data + at, bytes, width);
        }
    }
}

static void use(const Kind *k, const char *path, unsigned flags)
{
    uint8_t buf[8192];
    BlockCheckResult res = { 0 };
    BlockNode *n = open_image(k, path, flags, NULL);
    if (!n) {
        return;
    }
    for (int64_t off = 0; off < MIN(n->size, 2 << 20); off += 61440) {
        int64_t len = MIN((int64_t)sizeof(buf), n->size - off);
        BlockExtent ext;
        block_pread(n, off, buf, len);
        block_status_above(n, NULL, off, n->size - off, &ext);
        if (flags & BLOCK_RDWR && off % 3 == 0) {
            block_pwrite(n, off, buf, len);
            block_write_zeroes(n, off + len / 2, len / 4, BLOCK_ZERO_MAY_UNMAP);
        }
    }
    block_flush(n);
    if (n->drv->check) {
        n->drv->check(n, flags & BLOCK_RDWR ? BLOCK_FIX_LEAKS | BLOCK_FIX_ERRORS : 0, &res);
    }
    if (flags & BLOCK_RDWR && n->drv->snapshot_delete) {
        GError *err = NULL;
        n->drv->snapshot_delete(n, "snapshot", &err);
        g_clear_error(&err);
        block_truncate(n, 3 << 20, BLOCK_PREALLOC_OFF, &err);
        g_clear_error(&err);
    }
    block_unref(n);
}

static void test_fuzz(gconstpointer opaque)
{
    const Kind *k = opaque;
    const char *rounds = g_getenv("BLOCK_FUZZ_ROUNDS");
    g_autofree char *path = path_of(k->format);
    gsize len;
    g_autofree gchar *good = make_image(k, path, &len);
    GRand *r = g_rand_new_with_seed(42);
    int saved = dup(STDERR_FILENO);
    g_assert_nonnull(freopen("/dev/null", "w", stderr));
    /* A header may ask for ten seconds of work on its password, so of those there are fewer. */
    int n = (rounds ? atoi(rounds) : 100) / (k->open ? 50 : 1);
    for (int i = 0; i < n; i++) {
        g_autofree gchar *bad = g_memdup2(good, len);
        damage(r, (uint8_t *)bad, len);
        for (int rw = 0; rw < 3; rw++) {
            static const unsigned modes[] = { 0, BLOCK_RDWR | BLOCK_UNMAP,
                                              BLOCK_RDWR | BLOCK_CHECK };
            /* Not renamed into place, which would sync: the file is only a scratch. */
            FILE *f = fopen(path, "w");
            g_assert_nonnull(f);
            g_assert_cmpuint(fwrite(bad, 1, len, f), ==, len);
            fclose(f);
            alarm(k->open ? 120 : 20); /* no hang */
            use(k, path, modes[rw]);
            alarm(0);
        }
    }
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    g_rand_free(r);
    g_autofree char *descriptor = g_strconcat(path, ".desc", NULL);
    g_unlink(descriptor);
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#ifndef __SANITIZE_ADDRESS__
    /* Beyond what the program itself maps, about 256 MiB. */
    struct rlimit limit = { 768 << 20, 768 << 20 };
    setrlimit(RLIMIT_AS, &limit);
#endif
    g_assert_true(block_object_add("secret,id=s,data=hello", NULL));
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        const BlockDriver *drv = block_driver_find(kinds[i].format);
        g_autofree char *name = g_strdup_printf("/block/fuzz/%s/%s", kinds[i].format,
                                                *kinds[i].options ? kinds[i].options : "default");
        if (drv && drv->create) {
            g_test_add_data_func(name, &kinds[i], test_fuzz);
        }
    }
    return g_test_run();
}
