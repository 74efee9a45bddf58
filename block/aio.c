/* SPDX-License-Identifier: MIT */
/* io_uring by liburing; native AIO by its system calls (io_setup(2) and its companions). */
#include "block/aio.h"
#include <errno.h>
#include <liburing.h>
#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DEPTH = 256 };

struct BlockAio {
    bool uring;
    int eventfd;
    struct io_uring ring;
    aio_context_t context;
    GMutex lock; /* of the submission side, and of the two below */
    int collecting;
    unsigned collected;
    gint in_flight;
};

BlockAio *block_aio_new(bool uring, int eventfd, GError **err)
{
    BlockAio *aio = g_new0(BlockAio, 1);
    aio->uring = uring;
    aio->eventfd = eventfd;
    int ret = uring ? io_uring_queue_init(DEPTH, &aio->ring, 0)
                    : (syscall(SYS_io_setup, DEPTH, &aio->context) < 0 ? -errno : 0);
    if (!ret && uring && (ret = io_uring_register_eventfd(&aio->ring, eventfd)) < 0) {
        io_uring_queue_exit(&aio->ring);
    }
    if (ret) {
        g_set_error(err, BLOCK_ERROR, -ret, "Unable to use aio=%s: %s",
                    uring ? "io_uring" : "native", g_strerror(-ret));
        g_free(aio);
        return NULL;
    }
    g_mutex_init(&aio->lock);
    return aio;
}

void block_aio_free(BlockAio *aio)
{
    if (!aio) {
        return;
    }
    g_assert(!g_atomic_int_get(&aio->in_flight));
    if (aio->uring) {
        io_uring_queue_exit(&aio->ring);
    } else {
        syscall(SYS_io_destroy, aio->context);
    }
    g_mutex_clear(&aio->lock);
    g_free(aio);
}

static bool submit_native(BlockAio *aio, AioRequest *r)
{
    struct iocb cb = { .aio_data = (uintptr_t)r,
                       .aio_lio_opcode = r->write ? IOCB_CMD_PWRITEV : IOCB_CMD_PREADV,
                       .aio_fildes = r->fd,
                       .aio_buf = (uintptr_t)r->iov,
                       .aio_nbytes = r->niov,
                       .aio_offset = r->off,
                       .aio_flags = IOCB_FLAG_RESFD,
                       .aio_resfd = aio->eventfd };
    struct iocb *list = &cb;
    return syscall(SYS_io_submit, aio->context, 1, &list) == 1;
}

/* Entries stay in the ring if the kernel is short of memory: they go with the next. */
static void submit_ring(BlockAio *aio)
{
    int ret;
    do {
        ret = io_uring_submit(&aio->ring);
    } while (ret == -EINTR || ret == -EAGAIN || ret == -EBUSY);
    aio->collected = 0;
}

static bool submit_uring(BlockAio *aio, AioRequest *r)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&aio->ring);
    if (!sqe) {
        return false;
    }
    if (r->write) {
        io_uring_prep_writev(sqe, r->fd, r->iov, r->niov, r->off);
    } else {
        io_uring_prep_readv(sqe, r->fd, r->iov, r->niov, r->off);
    }
    io_uring_sqe_set_data(sqe, r);
    aio->collected++;
    if (!aio->collecting) {
        submit_ring(aio);
    }
    return true;
}

bool block_aio_submit(BlockAio *aio, AioRequest *r)
{
    /* As many as there is room for completions: none is ever lost. */
    if (g_atomic_int_add(&aio->in_flight, 1) >= DEPTH - 1) {
        g_atomic_int_add(&aio->in_flight, -1);
        return false;
    }
    g_mutex_lock(&aio->lock);
    bool ok = aio->uring ? submit_uring(aio, r) : submit_native(aio, r);
    g_mutex_unlock(&aio->lock);
    if (!ok) {
        g_atomic_int_add(&aio->in_flight, -1);
    }
    return ok;
}

void block_aio_collect(BlockAio *aio)
{
    g_mutex_lock(&aio->lock);
    aio->collecting++;
    g_mutex_unlock(&aio->lock);
}

void block_aio_kick(BlockAio *aio)
{
    g_mutex_lock(&aio->lock);
    if (!--aio->collecting && aio->collected) {
        submit_ring(aio);
    }
    g_mutex_unlock(&aio->lock);
}

static void end(BlockAio *aio, AioRequest *r, int64_t ret)
{
    g_atomic_int_add(&aio->in_flight, -1);
    r->done(r, ret);
}

static unsigned reap_uring(BlockAio *aio)
{
    struct io_uring_cqe *cqe;
    unsigned n = 0;
    while (io_uring_peek_cqe(&aio->ring, &cqe) == 0) {
        AioRequest *r = io_uring_cqe_get_data(cqe);
        int ret = cqe->res;
        io_uring_cqe_seen(&aio->ring, cqe);
        end(aio, r, ret);
        n++;
    }
    return n;
}

static unsigned reap_native(BlockAio *aio)
{
    struct io_event events[64];
    struct timespec now = { 0 };
    long n = syscall(SYS_io_getevents, aio->context, 0, G_N_ELEMENTS(events), events, &now);
    for (long i = 0; i < n; i++) {
        end(aio, (AioRequest *)(uintptr_t)events[i].data, events[i].res);
    }
    return MAX(n, 0);
}

unsigned block_aio_reap(BlockAio *aio)
{
    if (!g_atomic_int_get(&aio->in_flight)) {
        return 0;
    }
    unsigned n, total = 0;
    do {
        n = aio->uring ? reap_uring(aio) : reap_native(aio);
        total += n;
    } while (n);
    return total;
}
