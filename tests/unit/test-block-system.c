/* SPDX-License-Identifier: MIT */
/* What a machine does with block devices: drives and nodes from options, asynchronous requests,
 * error policy, and every block job while a guest writes. The guest's disk is kept in memory, too;
 * what an image holds must be the same. */
#include "block/backend.h"
#include "block/bytes.h"
#include "block/qmp.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

enum { DISK = 4 << 20, MAX_WRITE = 128 << 10 };

typedef struct Machine {
    BlockLoop *loop;
    BlockSystem *sys;
    int stops;
    GPtrArray *events; /* char *: names */
    GString *last;     /* data of the last event (not of a job's state), JSON */
    char *dir;
} Machine;

static void on_stop(void *opaque)
{
    ((Machine *)opaque)->stops++;
}

static void on_event(void *opaque, const char *name, const Value *data)
{
    Machine *m = opaque;
    g_autofree char *json = value_to_json(data, false);
    g_ptr_array_add(m->events, g_strdup(name));
    if (strcmp(name, "JOB_STATUS_CHANGE")) {
        g_string_assign(m->last, json);
    }
}

static Machine *machine_new(void)
{
    static const BlockSystemOps ops = { on_stop, on_event };
    Machine *m = g_new0(Machine, 1);
    m->loop = block_loop_new();
    m->sys = block_system_new(m->loop, BLOCK_IF_VIRTIO, &ops, m);
    m->events = g_ptr_array_new_with_free_func(g_free);
    m->last = g_string_new("");
    m->dir = g_dir_make_tmp("test-block-system-XXXXXX", NULL);
    g_assert_nonnull(m->dir);
    return m;
}

static void machine_free(Machine *m)
{
    block_system_free(m->sys);
    block_loop_free(m->loop);
    g_ptr_array_free(m->events, true);
    g_string_free(m->last, true);
    g_autoptr(GDir) dir = g_dir_open(m->dir, 0, NULL);
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(m->dir, name, NULL);
        g_unlink(path);
    }
    g_rmdir(m->dir);
    g_free(m->dir);
    g_free(m);
}

static char *path_of(Machine *m, const char *name)
{
    return g_build_filename(m->dir, name, NULL);
}

static void create(Machine *m, const char *name, const char *format, const char *backing)
{
    g_autoptr(Opts) opts = opts_new();
    g_autofree char *path = path_of(m, name);
    GError *err = NULL;
    opts_setf(opts, "size", "%d", DISK);
    if (backing) {
        opts_set(opts, "backing_file", backing);
        opts_set(opts, "backing_fmt", "qcow2");
    }
    block_create(path, format, opts, &err);
    g_assert_no_error(err);
}

/* "%s" in the text is the machine's folder. */
static BlockDrive *drive(Machine *m, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "%s", -1);
    g_autofree char *full = g_strjoinv(m->dir, parts);
    GError *err = NULL;
    BlockDrive *d = block_system_drive_add(m->sys, full, &err);
    g_assert_no_error(err);
    return d;
}

static Value *qmp_try(Machine *m, const char *command, const char *args, GError **err)
{
    g_auto(GStrv) parts = g_strsplit(args, "%s", -1);
    g_autofree char *full = g_strjoinv(m->dir, parts);
    g_autoptr(Value) v = value_parse_json(full, err);
    g_assert_nonnull(v);
    g_assert_true(block_qmp_knows(command));
    return block_qmp(m->sys, command, v, err);
}

static void qmp(Machine *m, const char *command, const char *args)
{
    GError *err = NULL;
    g_autoptr(Value) v = qmp_try(m, command, args, &err);
    g_assert_no_error(err);
    g_assert_nonnull(v);
}

static void qmp_fails(Machine *m, const char *command, const char *args, const char *message)
{
    GError *err = NULL;
    g_autoptr(Value) v = qmp_try(m, command, args, &err);
    g_assert_null(v);
    g_assert_nonnull(err);
    if (!strstr(err->message, message)) {
        g_test_message("'%s' is not in '%s'", message, err->message);
        g_test_fail();
    }
    g_error_free(err);
}

static bool had_event(Machine *m, const char *name)
{
    for (unsigned i = 0; i < m->events->len; i++) {
        if (!strcmp(g_ptr_array_index(m->events, i), name)) {
            return true;
        }
    }
    return false;
}

static void wait_event(Machine *m, const char *name)
{
    gint64 until = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    while (!had_event(m, name)) {
        g_assert_cmpint(g_get_monotonic_time(), <, until);
        block_loop_wait(m->loop, 100);
    }
}

/* A guest: its requests in flight do not overlap, so what it must read is known. */
typedef struct Guest {
    Machine *m;
    BlockBackend *blk;
    uint8_t *disk; /* DISK bytes: what it wrote */
    GRand *rand;
    int in_flight, failures, last_error;
} Guest;

typedef struct GuestReq {
    Guest *g;
    int64_t off;
    size_t len;
    uint8_t *buf;
    bool read;
} GuestReq;

static void guest_init(Guest *g, Machine *m, BlockBackend *blk, uint32_t seed)
{
    *g = (Guest){ .m = m, .blk = blk, .disk = g_malloc0(DISK), .rand = g_rand_new_with_seed(seed) };
}

static void guest_clear(Guest *g)
{
    g_free(g->disk);
    g_rand_free(g->rand);
}

static void guest_done(void *opaque, int ret)
{
    GuestReq *r = opaque;
    Guest *g = r->g;
    if (ret) {
        g->failures++;
        g->last_error = ret;
    } else if (r->read) {
        g_assert_cmpmem(r->buf, r->len, g->disk + r->off, r->len);
    }
    g->in_flight--;
    g_free(r->buf);
    g_free(r);
}

static void guest_write(Guest *g, int64_t off, size_t len, int fill)
{
    GuestReq *r = g_new0(GuestReq, 1);
    *r = (GuestReq){ .g = g, .off = off, .len = len, .buf = g_malloc(len) };
    for (size_t i = 0; i < len; i++) {
        r->buf[i] = fill < 0 ? (int)g_rand_int(g->rand) : fill;
    }
    memcpy(g->disk + off, r->buf, len);
    size_t half = len > 1024 ? 512 : len;
    struct iovec iov[2] = { { r->buf, half }, { r->buf + half, len - half } };
    g->in_flight++;
    blk_pwritev(g->blk, off, iov, half < len ? 2 : 1, guest_done, r);
}

/* One round of writes all over the disk, each in a stripe of its own. */
static void guest_round(Guest *g, int n)
{
    int64_t stripe = ROUND_DOWN(DISK / n, 512);
    for (int i = 0; i < n; i++) {
        size_t len = 512 * g_rand_int_range(g->rand, 1, MIN(stripe, MAX_WRITE) / 512 + 1);
        int64_t off = stripe * i + 512 * g_rand_int_range(g->rand, 0, (stripe - len) / 512 + 1);
        guest_write(g, off, len, i % 7 == 6 ? 0 : -1);
    }
}

static void guest_wait(Guest *g)
{
    gint64 until = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    while (g->in_flight) {
        g_assert_cmpint(g_get_monotonic_time(), <, until);
        block_loop_wait(g->m->loop, 100);
    }
}

static void guest_verify(Guest *g)
{
    for (int64_t off = 0; off < DISK; off += MAX_WRITE) {
        GuestReq *r = g_new0(GuestReq, 1);
        *r = (GuestReq){
            .g = g, .off = off, .len = MAX_WRITE, .buf = g_malloc(MAX_WRITE), .read = true
        };
        struct iovec iov[2] = { { r->buf, 4096 }, { r->buf + 4096, MAX_WRITE - 4096 } };
        g->in_flight++;
        blk_preadv(g->blk, off, iov, 2, guest_done, r);
    }
    guest_wait(g);
}

/* An image by itself, with nothing of this process around it. */
static void image_is(Machine *m, const char *name, const char *format, const uint8_t *disk)
{
    g_autofree char *path = path_of(m, name);
    GError *err = NULL;
    g_autoptr(BlockNode) node = block_open(path, format, NULL, BLOCK_FORCE_SHARE, &err);
    g_assert_no_error(err);
    g_autofree uint8_t *buf = g_malloc(DISK);
    g_assert_cmpint(block_pread(node, 0, buf, DISK), ==, 0);
    if (memcmp(buf, disk, DISK)) {
        size_t i = 0;
        while (buf[i] == disk[i]) {
            i++;
        }
        g_test_message("%s differs at byte %zu", name, i);
        g_test_fail();
    }
    if (node->drv->check) {
        BlockCheckResult res = { 0 };
        g_assert_cmpint(node->drv->check(node, 0, &res), ==, 0);
        g_assert_cmpint(res.corruptions + res.check_errors, ==, 0);
    }
}

static void test_requests(const void *options)
{
    Machine *m = machine_new();
    Guest g;
    BlockStats stats;
    create(m, "a.qcow2", "qcow2", NULL);
    g_autofree char *text =
        g_strdup_printf("file=%s/a.qcow2,format=qcow2,if=none,id=d0,%s", m->dir, (char *)options);
    GError *err = NULL;
    if (!block_system_drive_add(m->sys, text, &err)) {
        g_assert_nonnull(strstr(err->message, "O_DIRECT")); /* tmpfs of old kernels */
        g_test_skip(err->message);
        g_error_free(err);
        machine_free(m);
        return;
    }
    BlockBackend *blk = block_system_take(m->sys, "d0", NULL);
    g_assert_nonnull(blk);
    guest_init(&g, m, blk, 1);
    for (int i = 0; i < 5; i++) {
        guest_round(&g, 50);
        guest_wait(&g);
        guest_verify(&g);
    }
    g_assert_cmpint(g.failures, ==, 0);
    blk_stats(blk, &stats);
    g_assert_cmpuint(stats.wr_operations, ==, 250);
    g_assert_cmpuint(stats.rd_bytes, ==, 5 * DISK);
    g_assert_cmpint(blk_flush_sync(blk), ==, 0);
    image_is(m, "a.qcow2", "qcow2", g.disk);
    block_system_give_back(m->sys, blk);
    machine_free(m);
    guest_clear(&g);
}

static void test_drive_options(void)
{
    static const struct {
        const char *text, *id; /* id NULL: an error */
        BlockInterface iface;
        int bus, unit, index;
        const char *error;
    } cases[] = {
        { "file=%s/a,format=raw", "virtio0", BLOCK_IF_VIRTIO, 0, 0, 0, NULL },
        { "if=ide,media=cdrom", "ide0-cd0", BLOCK_IF_IDE, 0, 0, 0, NULL },
        { "if=ide,bus=1,unit=1", "ide1-hd1", BLOCK_IF_IDE, 1, 1, 3, NULL },
        { "if=ide,index=2,media=cdrom", "ide1-cd0", BLOCK_IF_IDE, 1, 0, 2, NULL },
        { "if=ide", "ide0-hd1", BLOCK_IF_IDE, 0, 1, 1, NULL },
        { "if=scsi,index=8", "scsi1-hd1", BLOCK_IF_SCSI, 1, 1, 8, NULL },
        { "if=pflash,file=%s/b,format=raw,readonly=on", "pflash0", BLOCK_IF_PFLASH, 0, 0, 0, NULL },
        { "if=none,id=x", "x", BLOCK_IF_NONE, 0, 0, -1, NULL },
        { "if=none,id=x", NULL, 0, 0, 0, 0, "Duplicate ID" },
        { "if=ide,index=1", NULL, 0, 0, 0, 0, "exists" },
        { "if=ide,index=1,unit=0", NULL, 0, 0, 0, 0, "index cannot be used with bus and unit" },
        { "if=none,index=1", NULL, 0, 0, 0, 0, "no meaning" },
        { "if=floppy2", NULL, 0, 0, 0, 0, "does not accept value" },
        { "media=tape", NULL, 0, 0, 0, 0, "does not accept value" },
        { "file=%s/a,format=raw", NULL, 0, 0, 0, 0, "lock" },
        { "file=%s/c,format=raw,cache=some", NULL, 0, 0, 0, 0, "invalid cache option" },
        { "file=%s/c,format=raw,aio=posix", NULL, 0, 0, 0, 0, "invalid aio option" },
        { "file=%s/c,format=raw,aio=native", NULL, 0, 0, 0, 0, "cache.direct" },
        { "file=%s/c,format=raw,werror=maybe", NULL, 0, 0, 0, 0, "does not accept value" },
        { "file=%s/c,format=raw,rerror=enospc", NULL, 0, 0, 0, 0, "does not accept value" },
        { "file=%s/c,format=raw,colour=red", NULL, 0, 0, 0, 0, "does not support the option" },
        { "file=%s/none,format=raw", NULL, 0, 0, 0, 0, "Could not open" },
        { "file=%s/c,format=raw,snapshot=on,if=virtio", "virtio1", BLOCK_IF_VIRTIO, 0, 1, 1, NULL },
    };
    Machine *m = machine_new();
    create(m, "a", "raw", NULL);
    create(m, "b", "raw", NULL);
    create(m, "c", "raw", NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(GStrv) parts = g_strsplit(cases[i].text, "%s", -1);
        g_autofree char *text = g_strjoinv(m->dir, parts);
        GError *err = NULL;
        g_test_message("-drive %s", cases[i].text);
        BlockDrive *d = block_system_drive_add(m->sys, text, &err);
        if (!cases[i].id) {
            g_assert_null(d);
            g_assert_nonnull(strstr(err->message, cases[i].error));
            g_error_free(err);
            continue;
        }
        g_assert_no_error(err);
        g_assert_cmpstr(d->id, ==, cases[i].id);
        g_assert_cmpint(d->iface, ==, cases[i].iface);
        g_assert_cmpint(d->bus, ==, cases[i].bus);
        g_assert_cmpint(d->unit, ==, cases[i].unit);
        g_assert_cmpint(d->index, ==, cases[i].index);
    }
    BlockBackend *flash = block_system_take(m->sys, "pflash0", NULL);
    g_assert_false(blk_writable(flash));
    g_assert_null(block_system_take(m->sys, "pflash0", NULL));
    block_system_give_back(m->sys, flash);
    g_assert_null(block_system_drive_shortcut(m->sys, "hdz", "x", NULL));
    g_autofree char *cd = path_of(m, "c");
    BlockDrive *d = block_system_drive_shortcut(m->sys, "cdrom", cd, NULL);
    g_assert_cmpint(d->index, ==, 2);
    g_assert_true(d->cdrom);
    g_assert_false(blk_writable(d->blk));
    machine_free(m);
}

static void test_snapshot_on(void)
{
    Machine *m = machine_new();
    Guest g;
    uint8_t *zeroes = g_malloc0(DISK);
    create(m, "a.qcow2", "qcow2", NULL);
    BlockDrive *d = drive(m, "file=%s/a.qcow2,format=qcow2,snapshot=on");
    guest_init(&g, m, d->blk, 2);
    guest_round(&g, 20);
    guest_wait(&g);
    guest_verify(&g);
    g_assert_cmpint(g.failures, ==, 0);
    image_is(m, "a.qcow2", "qcow2", zeroes);
    machine_free(m);
    guest_clear(&g);
    g_free(zeroes);
}

static void test_cache_modes(void)
{
    static const struct {
        const char *mode;
        bool write_cache;
        unsigned flags;
    } modes[] = {
        { "writeback", true, 0 },
        { "writethrough", false, 0 },
        { "unsafe", true, BLOCK_NO_FLUSH },
        { "none", true, BLOCK_DIRECT },
        { "directsync", false, BLOCK_DIRECT },
    };
    Machine *m = machine_new();
    for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++) {
        g_autofree char *name = g_strdup_printf("%u", i);
        g_autofree char *text =
            g_strdup_printf("file=%%s/%u,format=raw,cache=%s", i, modes[i].mode);
        create(m, name, "raw", NULL);
        g_auto(GStrv) parts = g_strsplit(text, "%s", -1);
        g_autofree char *full = g_strjoinv(m->dir, parts);
        BlockDrive *d = block_system_drive_add(m->sys, full, NULL);
        if (!d && modes[i].flags & BLOCK_DIRECT) {
            g_test_message("cache=%s: no O_DIRECT in %s", modes[i].mode, m->dir);
            continue;
        }
        g_assert_nonnull(d);
        g_assert_cmpint(blk_write_cache(d->blk), ==, modes[i].write_cache);
        g_assert_cmpuint(blk_node(d->blk)->flags & (BLOCK_NO_FLUSH | BLOCK_DIRECT), ==,
                         modes[i].flags);
    }
    machine_free(m);
}

/* The n-th host write fails; the machine stops, frees space, goes on: nothing is lost. */
static void test_werror_stop(void)
{
    for (int n = 1; n < 60; n += 7) {
        Machine *m = machine_new();
        Guest g;
        int resumed = 0;
        create(m, "a.qcow2", "qcow2", NULL);
        g_autofree char *text = g_strdup_printf("driver=qcow2,file.driver=blkdebug,"
                                                "file.fail-write=%d,file.errno=28,"
                                                "file.image.filename=%s/a.qcow2,werror=%s",
                                                n, m->dir, n % 2 ? "stop" : "enospc");
        GError *err = NULL;
        BlockDrive *d = block_system_drive_add(m->sys, text, &err);
        g_assert_no_error(err);
        guest_init(&g, m, d->blk, n);
        guest_round(&g, 40);
        gint64 until = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
        while (g.in_flight) {
            g_assert_cmpint(g_get_monotonic_time(), <, until);
            block_loop_wait(m->loop, 10);
            if (m->stops > resumed) {
                resumed = m->stops;
                block_system_resume(m->sys);
            }
        }
        g_assert_cmpint(g.failures, ==, 0);
        guest_verify(&g);
        g_assert_cmpint(blk_flush_sync(d->blk), ==, 0);
        if (m->stops) {
            g_assert_true(had_event(m, "BLOCK_IO_ERROR"));
            g_assert_nonnull(strstr(m->last->str, "\"nospace\": true"));
        }
        image_is(m, "a.qcow2", "qcow2", g.disk);
        machine_free(m);
        guest_clear(&g);
    }
}

static void test_policies(void)
{
    static const struct {
        const char *options;
        bool read;
        int ret; /* what the device hears; 1: nothing, until the machine continues */
    } cases[] = {
        { "errno=28", false, 1 },
        { "errno=28,werror=report", false, -ENOSPC },
        { "errno=28,werror=ignore", false, 0 },
        { "errno=5", false, -EIO },
        { "errno=5,werror=stop", false, 1 },
        { "errno=5", true, -EIO },
        { "errno=5,rerror=stop", true, 1 },
        { "errno=5,rerror=ignore", true, 0 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        Machine *m = machine_new();
        Guest g;
        create(m, "a", "raw", NULL);
        g_autofree char *text = g_strdup_printf(
            "driver=raw,file.driver=blkdebug,file.fail-%s=1,file.image.filename=%s/a,"
            "file.%s",
            cases[i].read ? "read" : "write", m->dir, cases[i].options);
        GError *err = NULL;
        g_test_message("%s", cases[i].options);
        BlockDrive *d = block_system_drive_add(m->sys, text, &err);
        g_assert_no_error(err);
        guest_init(&g, m, d->blk, i);
        if (cases[i].read) {
            GuestReq *r = g_new0(GuestReq, 1);
            *r = (GuestReq){ .g = &g, .len = 512, .buf = g_malloc0(512), .read = true };
            struct iovec iov = { r->buf, 512 };
            g.in_flight++;
            blk_preadv(d->blk, 0, &iov, 1, guest_done, r);
        } else {
            guest_write(&g, 0, 512, -1);
        }
        while (g.in_flight && !m->stops) {
            block_loop_wait(m->loop, 100);
        }
        g_assert_cmpint(m->stops, ==, cases[i].ret == 1);
        g_assert_cmpint(g.in_flight, ==, cases[i].ret == 1);
        block_system_resume(m->sys);
        guest_wait(&g);
        g_assert_cmpint(g.last_error, ==, MIN(cases[i].ret, 0));
        machine_free(m);
        guest_clear(&g);
    }
}

static void test_blockdev(void)
{
    Machine *m = machine_new();
    Guest g;
    GError *err = NULL;
    create(m, "a.qcow2", "qcow2", NULL);
    qmp(m, "blockdev-add",
        "{\"driver\":\"file\",\"filename\":\"%s/a.qcow2\",\"node-name\":\"f0\"}");
    qmp_fails(m, "blockdev-add", "{\"driver\":\"qcow2\",\"file\":\"f1\",\"node-name\":\"q0\"}",
              "Cannot find device");
    qmp(m, "blockdev-add", "{\"driver\":\"qcow2\",\"file\":\"f0\",\"node-name\":\"q0\"}");
    qmp_fails(m, "blockdev-add", "{\"driver\":\"null-co\",\"node-name\":\"q0\"}",
              "Duplicate nodes");
    qmp_fails(m, "blockdev-add", "{\"driver\":\"null-co\"}", "'node-name' is missing");
    qmp_fails(m, "blockdev-del", "{\"node-name\":\"f0\"}", "in use");
    g_assert_true(block_system_blockdev_add(
        m->sys, "driver=throttle,node-name=t0,limits.iops-total=100000,file=q0", &err));
    g_assert_no_error(err);
    BlockBackend *blk = block_system_take(m->sys, "t0", &err);
    g_assert_no_error(err);
    g_assert_null(block_system_take(m->sys, "t0", NULL));
    guest_init(&g, m, blk, 4);
    guest_round(&g, 20);
    guest_wait(&g);
    guest_verify(&g);
    g_assert_cmpint(g.failures, ==, 0);
    block_system_give_back(m->sys, blk);
    qmp(m, "blockdev-del", "{\"node-name\":\"t0\"}");
    qmp(m, "blockdev-del", "{\"node-name\":\"q0\"}");
    qmp(m, "blockdev-del", "{\"node-name\":\"f0\"}");
    image_is(m, "a.qcow2", "qcow2", g.disk);
    machine_free(m);
    guest_clear(&g);
}

/* base.qcow2 <- mid.qcow2 <- top.qcow2, each with something of its own; a drive on top. */
static BlockDrive *chain(Machine *m, Guest *g)
{
    static const char *const names[] = { "base.qcow2", "mid.qcow2", "top.qcow2" };
    guest_init(g, m, NULL, 5);
    for (int i = 0; i < 3; i++) {
        create(m, names[i], "qcow2", i ? names[i - 1] : NULL);
        g_autofree char *path = path_of(m, names[i]);
        g_autoptr(BlockNode) node = block_open(path, "qcow2", NULL, BLOCK_RDWR, NULL);
        g->blk = blk_new(m->loop, node);
        guest_round(g, 12);
        guest_wait(g);
        blk_unref(g->blk);
    }
    BlockDrive *d = drive(m, "file=%s/top.qcow2,format=qcow2,if=none,id=d0");
    g->blk = d->blk;
    return d;
}

/* The guest writes while the job works, until an event comes. */
static void write_until(Guest *g, const char *event)
{
    gint64 until = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    while (!had_event(g->m, event)) {
        g_assert_cmpint(g_get_monotonic_time(), <, until);
        guest_round(g, 4);
        guest_wait(g);
        /* A guest that never rests is never caught up with. */
        for (int i = 0; i < 20 && !had_event(g->m, event); i++) {
            block_loop_wait(g->m->loop, 2);
        }
    }
    g_assert_cmpint(g->failures, ==, 0);
}

static void finish(Guest *g, Machine *m, const char *name, const char *format)
{
    guest_round(g, 8);
    guest_wait(g);
    guest_verify(g);
    g_assert_cmpint(blk_flush_sync(g->blk), ==, 0);
    g_assert_cmpint(g->failures, ==, 0);
    image_is(m, name, format, g->disk);
    machine_free(m);
    guest_clear(g);
}

static void test_stream(void)
{
    for (int to_base = 0; to_base < 2; to_base++) {
        Machine *m = machine_new();
        Guest g;
        BlockDrive *d = chain(m, &g);
        qmp(m, "block-stream",
            to_base ? "{\"device\":\"d0\",\"base\":\"base.qcow2\",\"speed\":8000000}"
                    : "{\"device\":\"d0\",\"speed\":8000000}");
        qmp_fails(m, "block-stream", "{\"device\":\"d0\",\"job-id\":\"j\"}", "busy");
        write_until(&g, "BLOCK_JOB_COMPLETED");
        BlockNode *below = blk_node(d->blk)->backing;
        g_assert_cmpint(below != NULL, ==, to_base);
        g_assert_true(!below || g_str_has_suffix(below->filename, "base.qcow2"));
        finish(&g, m, "top.qcow2", "qcow2");
    }
}

static void test_commit(void)
{
    Machine *m = machine_new();
    Guest g;
    BlockDrive *d = chain(m, &g);
    qmp(m, "block-commit", "{\"device\":\"d0\",\"top\":\"mid.qcow2\",\"speed\":8000000}");
    write_until(&g, "BLOCK_JOB_COMPLETED");
    g_assert_nonnull(strstr(blk_node(d->blk)->backing->filename, "base.qcow2"));
    g_assert_null(blk_node(d->blk)->backing->backing);
    finish(&g, m, "top.qcow2", "qcow2");
}

static void test_commit_active(void)
{
    Machine *m = machine_new();
    Guest g;
    BlockDrive *d = chain(m, &g);
    qmp(m, "block-commit", "{\"device\":\"d0\"}");
    qmp_fails(m, "block-job-complete", "{\"device\":\"none\"}", "not found");
    write_until(&g, "BLOCK_JOB_READY");
    qmp(m, "block-job-complete", "{\"device\":\"d0\"}");
    write_until(&g, "BLOCK_JOB_COMPLETED");
    g_assert_nonnull(strstr(blk_node(d->blk)->filename, "base.qcow2"));
    finish(&g, m, "base.qcow2", "qcow2");
}

static void test_mirror(void)
{
    static const char *const args[] = {
        "{\"device\":\"d0\",\"target\":\"%s/copy\",\"format\":\"raw\",\"sync\":\"full\"}",
        "{\"device\":\"d0\",\"target\":\"%s/copy\",\"format\":\"qcow2\",\"sync\":\"top\"}",
        ("{\"device\":\"d0\",\"target\":\"%s/copy\",\"format\":\"qcow2\",\"sync\":\"full\","
         "\"copy-mode\":\"write-blocking\",\"granularity\":4096}"),
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(args); i++) {
        Machine *m = machine_new();
        Guest g;
        chain(m, &g);
        g_test_message("%s", args[i]);
        qmp(m, "drive-mirror", args[i]);
        write_until(&g, "BLOCK_JOB_READY");
        qmp(m, "block-job-complete", "{\"device\":\"d0\"}");
        write_until(&g, "BLOCK_JOB_COMPLETED");
        finish(&g, m, "copy", i ? "qcow2" : "raw");
    }
}

/* The copy is of the moment the job began, whatever is written later. */
static void test_backup(void)
{
    Machine *m = machine_new();
    Guest g;
    chain(m, &g);
    g_autofree uint8_t *before = g_memdup2(g.disk, DISK);
    qmp(m, "drive-backup",
        "{\"device\":\"d0\",\"target\":\"%s/copy\",\"format\":\"qcow2\",\"sync\":\"full\","
        "\"speed\":10000000}");
    write_until(&g, "BLOCK_JOB_COMPLETED");
    image_is(m, "copy", "qcow2", before);
    finish(&g, m, "top.qcow2", "qcow2");
}

/* A full backup, then only what changed, laid over it. */
static void test_backup_bitmap(void)
{
    for (int persistent = 0; persistent < 2; persistent++) {
        Machine *m = machine_new();
        Guest g;
        chain(m, &g);
        qmp(m, "block-dirty-bitmap-add",
            persistent ? "{\"node\":\"d0\",\"name\":\"b\",\"persistent\":true}"
                       : "{\"node\":\"d0\",\"name\":\"b\"}");
        qmp_fails(m, "block-dirty-bitmap-add", "{\"node\":\"d0\",\"name\":\"b\"}",
                  "already exists");
        qmp(m, "drive-backup",
            "{\"device\":\"d0\",\"target\":\"%s/copy\",\"format\":\"raw\","
            "\"sync\":\"full\"}");
        wait_event(m, "BLOCK_JOB_COMPLETED");
        for (int round = 0; round < 3; round++) {
            guest_write(&g, g_rand_int_range(g.rand, 0, 60) * 65536, 4096, -1);
            guest_write(&g, DISK - 512 * (round + 1), 512, -1);
            guest_wait(&g);
            g_autofree uint8_t *before = g_memdup2(g.disk, DISK);
            g_ptr_array_set_size(m->events, 0);
            qmp(m, "drive-backup",
                "{\"device\":\"d0\",\"target\":\"%s/"
                "copy\",\"format\":\"raw\",\"mode\":\"existing\","
                "\"sync\":\"incremental\",\"bitmap\":\"b\"}");
            write_until(&g, "BLOCK_JOB_COMPLETED");
            g_assert_null(strstr(m->last->str, "error"));
            image_is(m, "copy", "raw", before);
        }
        qmp(m, "block-dirty-bitmap-remove", "{\"node\":\"d0\",\"name\":\"b\"}");
        qmp_fails(m, "block-dirty-bitmap-clear", "{\"node\":\"d0\",\"name\":\"b\"}", "not found");
        finish(&g, m, "top.qcow2", "qcow2");
    }
}

static void test_job_control(void)
{
    Machine *m = machine_new();
    Guest g;
    chain(m, &g);
    qmp(m, "block-stream", "{\"device\":\"d0\",\"speed\":1000}");
    qmp(m, "block-job-pause", "{\"device\":\"d0\"}");
    g_autoptr(Value) jobs = qmp_try(m, "query-block-jobs", "{}", NULL);
    g_autofree char *json = value_to_json(jobs, false);
    g_assert_nonnull(strstr(json, "\"paused\": true"));
    qmp_fails(m, "block-job-complete", "{\"device\":\"d0\"}", "cannot accept command verb");
    qmp_fails(m, "block_resize", "{\"device\":\"d0\",\"size\":8388608}", "busy");
    qmp(m, "block-job-resume", "{\"device\":\"d0\"}");
    qmp(m, "block-job-set-speed", "{\"device\":\"d0\",\"speed\":2000}");
    qmp(m, "block-job-cancel", "{\"device\":\"d0\"}");
    wait_event(m, "BLOCK_JOB_CANCELLED");
    finish(&g, m, "top.qcow2", "qcow2");
}

static void test_snapshot_sync(void)
{
    Machine *m = machine_new();
    Guest g;
    chain(m, &g);
    g_autofree uint8_t *before = g_memdup2(g.disk, DISK);
    qmp(m, "blockdev-snapshot-sync",
        "{\"device\":\"d0\",\"snapshot-file\":\"%s/snap.qcow2\",\"snapshot-node-name\":\"snap\"}");
    g_assert_nonnull(block_find_node("snap"));
    guest_round(&g, 10);
    guest_wait(&g);
    image_is(m, "top.qcow2", "qcow2", before);
    finish(&g, m, "snap.qcow2", "qcow2");
}

static gint resized;

static void on_resize(void *opaque)
{
    (void)opaque;
    resized++;
}

static void test_resize(void)
{
    Machine *m = machine_new();
    create(m, "a.qcow2", "qcow2", NULL);
    BlockDrive *d = drive(m, "file=%s/a.qcow2,format=qcow2,if=none,id=d0,throttling.bps-total=1G");
    blk_set_resize_cb(d->blk, on_resize, NULL);
    qmp(m, "block_resize", "{\"device\":\"d0\",\"size\":8388608}");
    block_loop_wait(m->loop, 1000);
    g_assert_cmpint(resized, ==, 1);
    g_assert_cmpint(blk_size(d->blk), ==, 8388608);
    g_assert_cmpint(blk_pwrite_sync(d->blk, 8388608 - 512, "x", 1), ==, 0);
    qmp_fails(m, "block_resize", "{\"device\":\"d0\",\"size\":-1}", "size");
    qmp_fails(m, "block_resize", "{\"device\":\"d9\",\"size\":1}", "Cannot find");
    machine_free(m);
}

static void test_nbd_server(void)
{
    Machine *m = machine_new();
    Guest g;
    chain(m, &g);
    qmp_fails(m, "nbd-server-add", "{\"device\":\"d0\"}", "not running");
    qmp(m, "nbd-server-start", "{\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"%s/sock\"}}}");
    qmp_fails(m, "nbd-server-start", "{\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"%s/s\"}}}",
              "already running");
    qmp(m, "nbd-server-add", "{\"device\":\"d0\",\"writable\":true}");
    qmp_fails(m, "nbd-server-add", "{\"device\":\"d0\"}", "already has export");
    g_autofree char *name = g_strdup_printf("nbd:unix:%s/sock:exportname=d0", m->dir);
    GError *err = NULL;
    BlockNode *client = block_open(name, "raw", NULL, BLOCK_RDWR, &err);
    g_assert_no_error(err);
    g_autofree uint8_t *buf = g_malloc(DISK);
    g_assert_cmpint(block_pread(client, 0, buf, DISK), ==, 0);
    g_assert_cmpmem(buf, DISK, g.disk, DISK);
    memset(g.disk + 1000, 7, 5000);
    g_assert_cmpint(block_pwrite(client, 1000, g.disk + 1000, 5000), ==, 0);
    /* The graph changes under the client's connection. */
    qmp(m, "blockdev-snapshot-sync", "{\"device\":\"d0\",\"snapshot-file\":\"%s/snap.qcow2\"}");
    g_assert_cmpint(block_pread(client, 0, buf, DISK), ==, 0);
    g_assert_cmpmem(buf, DISK, g.disk, DISK);
    block_unref(client);
    qmp(m, "nbd-server-remove", "{\"name\":\"d0\",\"mode\":\"hard\"}");
    qmp(m, "nbd-server-stop", "{}");
    finish(&g, m, "snap.qcow2", "qcow2");
}

/* A job whose target is full stops, or fails, as it was told; the guest hears nothing of it. */
static void test_job_errors(void)
{
    for (int stop = 0; stop < 2; stop++) {
        Machine *m = machine_new();
        Guest g;
        chain(m, &g);
        create(m, "copy", "raw", NULL);
        qmp(m, "blockdev-add",
            "{\"driver\":\"raw\",\"node-name\":\"t\",\"file\":{\"driver\":\"blkdebug\","
            "\"fail-write\":3,\"errno\":28,\"image\":{\"driver\":\"file\","
            "\"filename\":\"%s/copy\"}}}");
        qmp(m, "blockdev-mirror",
            stop ? "{\"device\":\"d0\",\"target\":\"t\",\"sync\":\"full\","
                   "\"on-target-error\":\"enospc\",\"granularity\":4096}"
                 : "{\"device\":\"d0\",\"target\":\"t\",\"sync\":\"full\",\"granularity\":4096}");
        wait_event(m, "BLOCK_JOB_ERROR");
        if (stop) {
            qmp(m, "block-job-resume", "{\"device\":\"d0\"}");
            write_until(&g, "BLOCK_JOB_READY");
            qmp(m, "block-job-complete", "{\"device\":\"d0\"}");
            wait_event(m, "BLOCK_JOB_COMPLETED");
            finish(&g, m, "copy", "raw");
        } else {
            write_until(&g, "BLOCK_JOB_COMPLETED");
            g_assert_nonnull(strstr(m->last->str, "No space left"));
            finish(&g, m, "top.qcow2", "qcow2");
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/block/system/requests/threads", "aio=threads", test_requests);
    g_test_add_data_func("/block/system/requests/io_uring", "aio=io_uring", test_requests);
    g_test_add_data_func("/block/system/requests/io_uring-direct", "aio=io_uring,cache=none",
                         test_requests);
    g_test_add_data_func("/block/system/requests/native", "aio=native,cache=none", test_requests);
    g_test_add_func("/block/system/drive-options", test_drive_options);
    g_test_add_func("/block/system/snapshot-on", test_snapshot_on);
    g_test_add_func("/block/system/cache-modes", test_cache_modes);
    g_test_add_func("/block/system/werror-stop", test_werror_stop);
    g_test_add_func("/block/system/policies", test_policies);
    g_test_add_func("/block/system/blockdev", test_blockdev);
    g_test_add_func("/block/system/stream", test_stream);
    g_test_add_func("/block/system/commit", test_commit);
    g_test_add_func("/block/system/commit-active", test_commit_active);
    g_test_add_func("/block/system/mirror", test_mirror);
    g_test_add_func("/block/system/backup", test_backup);
    g_test_add_func("/block/system/backup-bitmap", test_backup_bitmap);
    g_test_add_func("/block/system/job-control", test_job_control);
    g_test_add_func("/block/system/job-errors", test_job_errors);
    g_test_add_func("/block/system/snapshot-sync", test_snapshot_sync);
    g_test_add_func("/block/system/resize", test_resize);
    g_test_add_func("/block/system/nbd-server", test_nbd_server);
    return g_test_run();
}
