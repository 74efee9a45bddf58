/* SPDX-License-Identifier: MIT */
/* latimer-img bench: requests at a queue depth. Each in flight has a thread, or, with aio=native
 * and io_uring, the kernel has them all and one thread submits. */
#include "tools/img/img.h"
#include "block/backend.h"

typedef struct Bench {
    BlockNode *node;
    bool write;
    uint64_t offset, step;
    int64_t size, end;
    int depth, flush_interval, pattern;
    GMutex lock;
    int64_t next, count; /* requests */
    int ret;
    BlockBackend *blk; /* with the kernel's AIO */
    int in_flight;
} Bench;

/* Round and round the image; what would run over its end lies at its end. */
static int64_t request_offset(const Bench *b, int64_t i)
{
    return MIN((int64_t)(b->offset + i * b->step) % b->end, b->end - b->size);
}

static gpointer worker(gpointer opaque)
{
    Bench *b = opaque;
    void *buf;
    if (posix_memalign(&buf, 4096, b->size)) {
        b->ret = -ENOMEM;
        return NULL;
    }
    memset(buf, b->pattern, b->size);
    for (;;) {
        g_mutex_lock(&b->lock);
        int64_t i = b->ret ? b->count : b->next++;
        g_mutex_unlock(&b->lock);
        if (i >= b->count) {
            break;
        }
        int64_t off = request_offset(b, i);
        int ret = b->write ? block_pwrite(b->node, off, buf, b->size)
                           : block_pread(b->node, off, buf, b->size);
        if (!ret && b->flush_interval && (i + 1) % b->flush_interval == 0) {
            ret = block_flush(b->node);
        }
        if (ret) {
            g_mutex_lock(&b->lock);
            b->ret = ret;
            g_mutex_unlock(&b->lock);
        }
    }
    free(buf);
    return NULL;
}

static void run_threads(Bench *b)
{
    g_autofree GThread **t = g_new(GThread *, b->depth);
    g_mutex_init(&b->lock);
    for (int i = 0; i < b->depth; i++) {
        t[i] = g_thread_new("bench", worker, b);
    }
    for (int i = 0; i < b->depth; i++) {
        g_thread_join(t[i]);
    }
}

typedef struct Slot {
    Bench *b;
    struct iovec iov;
} Slot;

static void slot_done(void *opaque, int ret);

static void flush_done(void *opaque, int ret)
{
    Bench *b = opaque;
    b->ret = b->ret ? b->ret : ret;
    b->in_flight--;
}

static void slot_start(Slot *s)
{
    Bench *b = s->b;
    if (b->ret || b->next >= b->count) {
        return;
    }
    int64_t off = request_offset(b, b->next++);
    b->in_flight++;
    if (b->write) {
        blk_pwritev(b->blk, off, &s->iov, 1, slot_done, s);
    } else {
        blk_preadv(b->blk, off, &s->iov, 1, slot_done, s);
    }
    if (b->flush_interval && b->next % b->flush_interval == 0) {
        b->in_flight++;
        blk_flush(b->blk, flush_done, b);
    }
}

static void slot_done(void *opaque, int ret)
{
    Slot *s = opaque;
    s->b->ret = s->b->ret ? s->b->ret : ret;
    s->b->in_flight--;
    slot_start(s);
}

static void run_aio(Bench *b)
{
    BlockLoop *loop = block_loop_new();
    g_autofree Slot *slots = g_new0(Slot, b->depth);
    void *buf = NULL;
    b->blk = blk_new(loop, b->node);
    b->ret = posix_memalign(&buf, 4096, b->size * b->depth) ? -ENOMEM : 0;
    for (int i = 0; i < b->depth && !b->ret; i++) {
        slots[i] = (Slot){ b, { (uint8_t *)buf + i * b->size, b->size } };
        memset(slots[i].iov.iov_base, b->pattern, b->size);
        slot_start(&slots[i]);
    }
    while (b->in_flight) {
        block_loop_wait(loop, -1);
    }
    blk_unref(b->blk);
    block_loop_free(loop);
    free(buf);
}

static int bench(Bench *b, bool quiet)
{
    b->end = b->node->size;
    if (b->size > b->end) {
        img_error("buffer size %" G_GINT64_FORMAT " is larger than the image", b->size);
        return 1;
    }
    if (!quiet) {
        printf("Sending %" G_GINT64_FORMAT " %s requests, %" G_GINT64_FORMAT
               " bytes each, %d in parallel (starting at offset %" G_GINT64_FORMAT
               ", step size %" G_GINT64_FORMAT ")\n",
               b->count, b->write ? "write" : "read", b->size, b->depth, b->offset, b->step);
        if (b->flush_interval) {
            printf("Sending flush every %d requests\n", b->flush_interval);
        }
    }
    gint64 start = g_get_monotonic_time();
    if (b->node->flags & (BLOCK_AIO_NATIVE | BLOCK_AIO_URING)) {
        run_aio(b);
    } else {
        run_threads(b);
    }
    if (b->ret) {
        img_error("Failed request: %s", g_strerror(-b->ret));
        return 1;
    }
    if (!quiet) {
        printf("Run completed in %3.3f seconds.\n",
               (g_get_monotonic_time() - start) / (double)G_USEC_PER_SEC);
    }
    return 0;
}

static bool parse_aio(const ImgOption *o, const char *arg)
{
    bool known = block_parse_aio(arg, o->out);
    if (!known) {
        img_error("Invalid aio option: %s", arg);
    }
    return known;
}

int img_bench(int argc, char **argv)
{
    ImgOpen how = { 0 };
    Bench b = { 0 };
    bool quiet = false;
    uint64_t count = 75000, depth = 64, size = 4096, pattern = 0, interval = 0;
    const ImgOption table[] = {
        IMG_OPT('c', NULL, IMG_SIZE, &count, .what = "request count"),
        IMG_OPT('d', NULL, IMG_SIZE, &depth, .what = "queue depth"),
        IMG_OPT('f', NULL, IMG_STR, &how.fmt),
        IMG_OPT('n', NULL, IMG_BITS, &how.flags,
                .bits = BLOCK_AIO_NATIVE), /* the older -i native */
        IMG_OPT('i', NULL, IMG_CALL_ARG, &how.flags, .call = parse_aio),
        IMG_OPT('o', NULL, IMG_SIZE, &b.offset, .what = "offset"),
        IMG_OPT('q', NULL, IMG_ON, &quiet),
        IMG_OPT('s', NULL, IMG_SIZE, &size, .what = "buffer size"),
        IMG_OPT('S', NULL, IMG_SIZE, &b.step, .what = "step size"),
        IMG_OPT('t', NULL, IMG_STR, &how.cache),
        IMG_OPT('w', NULL, IMG_ON, &b.write),
        IMG_OPT('U', "force-share", IMG_BITS, &how.flags, .bits = BLOCK_FORCE_SHARE),
        IMG_OPT(0, "pattern", IMG_SIZE, &pattern, .what = "pattern byte"),
        IMG_OPT(0, "flush-interval", IMG_SIZE, &interval, .what = "flush interval"),
        IMG_OPT(0, "no-drain", IMG_NOTHING, NULL), /* a flush never waits for other requests here */
        IMG_OPT(0, "image-opts", IMG_ON, &how.image_opts),
        IMG_OPT(0, "object", IMG_OBJECT, NULL),
        { 0 },
    };
    if (!img_parse("bench", table, argc, argv)) {
        return 1;
    }
    if (argc - optind != 1) {
        return img_usage("bench", "expecting one image file name");
    }
    b.count = count;
    b.depth = CLAMP(depth, 1, 256);
    b.size = CLAMP(size, 1, INT32_MAX);
    b.pattern = pattern & 0xff;
    b.flush_interval = interval;
    how.flags |= b.write ? BLOCK_RDWR : 0;
    b.step = b.step ? b.step : (uint64_t)b.size;
    g_autoptr(BlockNode) node = img_open(&how, argv[optind]);
    b.node = node;
    return node ? bench(&b, quiet) : 1;
}
