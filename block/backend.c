/* SPDX-License-Identifier: MIT */
/* Requests of a device: submitted, run by a worker, and finished in the loop by error policy. */
#include "block/aio.h"
#include "block/backend-int.h"
#include "block/bytes.h"
#include <errno.h>

typedef enum Kind { REQ_READ, REQ_WRITE, REQ_FLUSH, REQ_DISCARD, REQ_ZEROES } Kind;

enum { INLINE_IOV = 4 };

struct BlockRequest {
    BlockWork work;
    BlockBackend *blk;
    Kind kind;
    unsigned flags;
    int niov;
    int64_t off, len;
    BlockDone *done;
    void *opaque;
    BlockRequest *next; /* among those held */
    AioRequest aio;     /* while the kernel has it */
    BlockHold hold;
    struct iovec *iov;
    struct iovec some[INLINE_IOV];
};

const char *const block_on_error_names[] = { "report", "ignore", "enospc", "stop", NULL };

BlockBackend *blk_new(BlockLoop *loop, BlockNode *node)
{
    BlockBackend *blk = g_new0(BlockBackend, 1);
    blk->refs = 1;
    blk->loop = loop;
    blk->root = node ? block_ref(node) : NULL;
    blk->write_cache = true;
    blk->held_last = &blk->held;
    g_mutex_init(&blk->lock);
    return blk;
}

BlockBackend *blk_ref(BlockBackend *blk)
{
    g_atomic_int_inc(&blk->refs);
    return blk;
}

void blk_unref(BlockBackend *blk)
{
    if (blk && g_atomic_int_dec_and_test(&blk->refs)) {
        g_assert(!g_atomic_int_get(&blk->in_flight));
        block_unref(blk->root);
        g_mutex_clear(&blk->lock);
        g_free(blk->name);
        g_free(blk);
    }
}

static void free_request(BlockRequest *r)
{
    if (r->iov != r->some) {
        g_free(r->iov);
    }
    g_free(r);
}

/* An error of a request: report, ignore or stop. */
static BlockOnError action_for(const BlockBackend *blk, const BlockRequest *r, int ret)
{
    BlockOnError on = r->kind == REQ_READ ? blk->on_read_error : blk->on_write_error;
    if (on == BLOCK_ON_ERROR_ENOSPC) {
        on = ret == -ENOSPC || ret == -EDQUOT ? BLOCK_ON_ERROR_STOP : BLOCK_ON_ERROR_REPORT;
    }
    /* Nobody would resume it. */
    return on == BLOCK_ON_ERROR_STOP && !blk->sys ? BLOCK_ON_ERROR_REPORT : on;
}

static void hold(BlockBackend *blk, BlockRequest *r)
{
    g_mutex_lock(&blk->lock);
    r->next = NULL;
    *blk->held_last = r;
    blk->held_last = &r->next;
    g_mutex_unlock(&blk->lock);
}

/* In the loop. */
static void finish(void *opaque, int ret)
{
    BlockRequest *r = opaque;
    BlockBackend *blk = r->blk;
    if (ret < 0) {
        BlockOnError action = action_for(blk, r, ret);
        if (action == BLOCK_ON_ERROR_STOP) {
            hold(blk, r);
        }
        if (blk->sys) {
            block_system_io_error(blk->sys, blk, r->kind != REQ_READ, -ret, action);
        }
        if (action == BLOCK_ON_ERROR_STOP) {
            g_atomic_int_add(&blk->in_flight, -1);
            return;
        }
        ret = action == BLOCK_ON_ERROR_IGNORE ? 0 : ret;
    }
    BlockDone *done = r->done;
    void *done_opaque = r->opaque;
    free_request(r);
    g_atomic_int_add(&blk->in_flight, -1);
    done(done_opaque, ret);
    blk_unref(blk);
}

static int read_above(BlockBackend *blk, const BlockRequest *r)
{
    BlockNode *node = blk->root;
    if (blk->copy_on_read && node->flags & BLOCK_RDWR) {
        int ret = block_copy_up(node, r->off, r->len);
        if (ret) {
            return ret;
        }
    }
    return block_preadv(node, r->off, r->iov, r->niov);
}

static int perform(BlockBackend *blk, const BlockRequest *r)
{
    BlockNode *node = blk->root;
    int ret;
    if (!node) {
        return -ENOMEDIUM;
    }
    if (r->kind == REQ_READ) {
        return read_above(blk, r);
    }
    if (r->kind == REQ_FLUSH) {
        return block_flush(node);
    }
    if (blk->read_only) {
        return -EROFS;
    }
    switch (r->kind) {
    case REQ_WRITE:
        ret = block_pwritev(node, r->off, r->iov, r->niov);
        break;
    case REQ_DISCARD:
        return block_discard(node, r->off, r->len);
    default:
        ret = block_write_zeroes(node, r->off, r->len, r->flags);
    }
    return ret || blk->write_cache ? ret : block_flush(node);
}

static void account(BlockBackend *blk, const BlockRequest *r, int ret)
{
    BlockStats *s = &blk->stats;
    g_mutex_lock(&blk->lock);
    switch (r->kind) {
    case REQ_READ:
        s->rd_operations++;
        s->rd_bytes += ret ? 0 : r->len;
        break;
    case REQ_FLUSH:
        s->flush_operations++;
        break;
    case REQ_DISCARD:
        s->unmap_operations++;
        s->unmap_bytes += ret ? 0 : r->len;
        break;
    default:
        s->wr_operations++;
        s->wr_bytes += ret ? 0 : r->len;
    }
    s->failed += ret != 0;
    g_mutex_unlock(&blk->lock);
}

static void run(BlockWork *work)
{
    BlockRequest *r = (BlockRequest *)work;
    BlockBackend *blk = r->blk;
    block_gate_enter(blk->loop);
    int ret = perform(blk, r);
    block_gate_leave(blk->loop);
    account(blk, r, ret);
    block_loop_post(blk->loop, finish, r, ret);
}

static void let_go(BlockRequest *r)
{
    if (r->hold.holder) {
        r->hold.holder->drv->unhold(&r->hold);
        r->hold.holder = NULL;
    }
    block_gate_leave(r->blk->loop);
}

/* In the loop. What did not go through as a whole, a worker does. */
static void aio_done(AioRequest *aio, int64_t ret)
{
    BlockRequest *r = (BlockRequest *)((char *)aio - offsetof(BlockRequest, aio));
    let_go(r);
    if (ret != r->len) {
        block_loop_work(r->blk->loop, &r->work);
        return;
    }
    account(r->blk, r, 0);
    finish(r, 0);
}

/* Down to the file, as long as nothing on the way has to wait or to be changed. */
static BlockNode *find_file(BlockRequest *r, int64_t *off)
{
    BlockNode *node = r->blk->root;
    bool write = r->kind == REQ_WRITE;
    *off = r->off;
    while (node && !node->drv->submit) {
        bool plain =
            !write || (!node->watchers && !node->detect_zeroes && node->flags & BLOCK_RDWR);
        if (!plain || !node->drv->hold || r->hold.holder || *off < 0 ||
            *off > node->size - r->len || !node->drv->hold(node, *off, r->len, write, &r->hold)) {
            return NULL;
        }
        *off = r->hold.off;
        node = r->hold.file;
    }
    return node;
}

static bool start_aio(BlockRequest *r)
{
    BlockBackend *blk = r->blk;
    bool write = r->kind == REQ_WRITE;
    if ((r->kind != REQ_READ && !write) || blk->copy_on_read ||
        (write && (blk->read_only || !blk->write_cache)) || !block_gate_try_enter(blk->loop)) {
        return false;
    }
    int64_t off;
    BlockNode *file = find_file(r, &off);
    r->aio = (AioRequest){
        .done = aio_done, .fd = -1, .write = write, .off = off, .iov = r->iov, .niov = r->niov
    };
    if (file && file->flags & BLOCK_AIO_URING) {
        r->aio.uring = block_loop_aio(blk->loop, true);
    } else if (file && file->flags & BLOCK_AIO_NATIVE) {
        r->aio.native = block_loop_aio(blk->loop, false);
    }
    if (file && file->drv->submit(file, &r->aio)) {
        return true;
    }
    let_go(r);
    return false;
}

static void start(BlockRequest *r)
{
    g_atomic_int_inc(&r->blk->in_flight);
    if (!start_aio(r)) {
        block_loop_work(r->blk->loop, &r->work);
    }
}

static void submit(BlockBackend *blk, Kind kind, int64_t off, int64_t len, const struct iovec *iov,
                   int niov, unsigned flags, BlockDone *done, void *opaque)
{
    BlockRequest *r = g_new(BlockRequest, 1);
    *r = (BlockRequest){ .work = { .run = run },
                         .blk = blk_ref(blk),
                         .kind = kind,
                         .flags = flags,
                         .off = off,
                         .len = len,
                         .niov = niov,
                         .done = done,
                         .opaque = opaque };
    r->iov = niov > INLINE_IOV ? g_new(struct iovec, niov) : r->some;
    for (int i = 0; i < niov; i++) {
        r->iov[i] = iov[i];
        r->len += iov[i].iov_len;
    }
    start(r);
}

void blk_preadv(BlockBackend *blk, int64_t off, const struct iovec *iov, int niov, BlockDone *done,
                void *opaque)
{
    submit(blk, REQ_READ, off, 0, iov, niov, 0, done, opaque);
}

void blk_pwritev(BlockBackend *blk, int64_t off, const struct iovec *iov, int niov, BlockDone *done,
                 void *opaque)
{
    submit(blk, REQ_WRITE, off, 0, iov, niov, 0, done, opaque);
}

void blk_flush(BlockBackend *blk, BlockDone *done, void *opaque)
{
    submit(blk, REQ_FLUSH, 0, 0, NULL, 0, 0, done, opaque);
}

void blk_discard(BlockBackend *blk, int64_t off, int64_t len, BlockDone *done, void *opaque)
{
    submit(blk, REQ_DISCARD, off, len, NULL, 0, 0, done, opaque);
}

void blk_write_zeroes(BlockBackend *blk, int64_t off, int64_t len, unsigned flags, BlockDone *done,
                      void *opaque)
{
    submit(blk, REQ_ZEROES, off, len, NULL, 0, flags, done, opaque);
}

static BlockRequest *take_held(BlockBackend *blk)
{
    g_mutex_lock(&blk->lock);
    BlockRequest *first = blk->held;
    blk->held = NULL;
    blk->held_last = &blk->held;
    g_mutex_unlock(&blk->lock);
    return first;
}

void blk_cancel_held(BlockBackend *blk)
{
    for (BlockRequest *r = take_held(blk), *next; r; r = next) {
        next = r->next;
        r->done(r->opaque, -ECANCELED);
        free_request(r);
        blk_unref(blk);
    }
}

void blk_resume(BlockBackend *blk)
{
    BlockRequest *r = take_held(blk);
    while (r) {
        BlockRequest *next = r->next;
        start(r);
        r = next;
    }
}

void blk_drain(BlockBackend *blk)
{
    while (g_atomic_int_get(&blk->in_flight)) {
        block_loop_wait(blk->loop, 100);
    }
}

static int sync_request(BlockBackend *blk, Kind kind, int64_t off, void *buf, int64_t len)
{
    struct iovec iov = { buf, len };
    BlockRequest r = { .kind = kind, .off = off, .len = len, .iov = &iov, .niov = 1 };
    block_gate_enter(blk->loop);
    int ret = perform(blk, &r);
    block_gate_leave(blk->loop);
    return ret;
}

int blk_pread_sync(BlockBackend *blk, int64_t off, void *buf, int64_t len)
{
    return sync_request(blk, REQ_READ, off, buf, len);
}

int blk_pwrite_sync(BlockBackend *blk, int64_t off, const void *buf, int64_t len)
{
    return sync_request(blk, REQ_WRITE, off, (void *)buf, len);
}

int blk_flush_sync(BlockBackend *blk)
{
    return sync_request(blk, REQ_FLUSH, 0, NULL, 0);
}

int64_t blk_size(BlockBackend *blk)
{
    block_gate_enter(blk->loop);
    int64_t size = blk->root ? blk->root->size : 0;
    block_gate_leave(blk->loop);
    return size;
}

bool blk_has_medium(BlockBackend *blk)
{
    return blk->root != NULL;
}

bool blk_writable(BlockBackend *blk)
{
    return blk->root && !blk->read_only && blk->root->flags & BLOCK_RDWR;
}

bool blk_write_cache(BlockBackend *blk)
{
    return blk->write_cache;
}

void blk_set_write_cache(BlockBackend *blk, bool on)
{
    blk->write_cache = on;
}

bool blk_discards(BlockBackend *blk)
{
    return blk->root && blk->root->flags & BLOCK_UNMAP;
}

const char *blk_name(BlockBackend *blk)
{
    return blk->name ? blk->name : "";
}

BlockNode *blk_node(BlockBackend *blk)
{
    return blk->root;
}

void blk_stats(BlockBackend *blk, BlockStats *out)
{
    g_mutex_lock(&blk->lock);
    *out = blk->stats;
    g_mutex_unlock(&blk->lock);
}

void blk_set_resize_cb(BlockBackend *blk, void (*cb)(void *opaque), void *opaque)
{
    blk->resize_cb = cb;
    blk->resize_opaque = opaque;
}

void blk_set_media_ops(BlockBackend *blk, const BlockMediaOps *ops, void *opaque)
{
    blk->media = ops;
    blk->media_opaque = opaque;
}

static void resized(void *opaque, int ret)
{
    BlockBackend *blk = opaque;
    (void)ret;
    if (blk->resize_cb) {
        blk->resize_cb(blk->resize_opaque);
    }
    blk_unref(blk);
}

void blk_notify_resize(BlockBackend *blk)
{
    block_loop_post(blk->loop, resized, blk_ref(blk), 0);
}

void blk_set_node(BlockBackend *blk, BlockNode *node)
{
    BlockNode *old = blk->root;
    blk->root = node ? block_ref(node) : NULL;
    block_unref(old);
}
