/* SPDX-License-Identifier: MIT */
/* Completions, worker threads and the gate. Drivers block, so each request in flight has a thread
 * of its own while it runs; threads are made as they are needed and kept. */
#include "block/loop.h"
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { MAX_WORKERS = 64 };

typedef struct Completion {
    BlockDone *fn;
    void *opaque;
    int ret;
} Completion;

struct BlockLoop {
    int fd;
    GMutex lock;     /* of the two below */
    GArray *done;    /* Completion */
    GArray *running; /* the one that block_loop_run works on, kept for its memory */

    BlockAio *aio[2]; /* native, io_uring; made under the lock */
    bool no_aio[2];

    GMutex work_lock; /* of the four below */
    GCond work_there;
    BlockWork *first, **last;
    unsigned idle;
    bool quit;
    GPtrArray *workers; /* GThread */

    GMutex gate_lock; /* of the two below */
    GCond gate_change;
    unsigned inside, closed;
};

BlockLoop *block_loop_new(void)
{
    BlockLoop *loop = g_new0(BlockLoop, 1);
    loop->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_assert(loop->fd >= 0);
    g_mutex_init(&loop->lock);
    g_mutex_init(&loop->work_lock);
    g_mutex_init(&loop->gate_lock);
    g_cond_init(&loop->work_there);
    g_cond_init(&loop->gate_change);
    loop->done = g_array_new(false, false, sizeof(Completion));
    loop->running = g_array_new(false, false, sizeof(Completion));
    loop->workers = g_ptr_array_new();
    loop->last = &loop->first;
    return loop;
}

void block_loop_free(BlockLoop *loop)
{
    g_mutex_lock(&loop->work_lock);
    loop->quit = true;
    g_cond_broadcast(&loop->work_there);
    g_mutex_unlock(&loop->work_lock);
    for (unsigned i = 0; i < loop->workers->len; i++) {
        g_thread_join(g_ptr_array_index(loop->workers, i));
    }
    block_aio_free(loop->aio[0]);
    block_aio_free(loop->aio[1]);
    g_ptr_array_free(loop->workers, true);
    g_array_free(loop->done, true);
    g_array_free(loop->running, true);
    g_mutex_clear(&loop->lock);
    g_mutex_clear(&loop->work_lock);
    g_mutex_clear(&loop->gate_lock);
    g_cond_clear(&loop->work_there);
    g_cond_clear(&loop->gate_change);
    close(loop->fd);
    g_free(loop);
}

int block_loop_fd(const BlockLoop *loop)
{
    return loop->fd;
}

void block_loop_post(BlockLoop *loop, BlockDone *fn, void *opaque, int ret)
{
    Completion c = { fn, opaque, ret };
    uint64_t one = 1;
    g_mutex_lock(&loop->lock);
    bool first = !loop->done->len;
    g_array_append_val(loop->done, c);
    /* Under the lock: after it the loop may be gone. */
    if (first && write(loop->fd, &one, sizeof(one)) != sizeof(one)) {
        g_assert(errno == EAGAIN); /* it is readable already */
    }
    g_mutex_unlock(&loop->lock);
}

BlockAio *block_loop_aio(BlockLoop *loop, bool uring)
{
    BlockAio *aio = __atomic_load_n(&loop->aio[uring], __ATOMIC_ACQUIRE);
    if (aio || loop->no_aio[uring]) {
        return aio;
    }
    g_mutex_lock(&loop->lock);
    if (!loop->aio[uring]) {
        __atomic_store_n(&loop->aio[uring], block_aio_new(uring, loop->fd, NULL), __ATOMIC_RELEASE);
        loop->no_aio[uring] = !loop->aio[uring];
    }
    g_mutex_unlock(&loop->lock);
    return loop->aio[uring];
}

static unsigned run_posted(BlockLoop *loop)
{
    g_mutex_lock(&loop->lock);
    if (!loop->done->len) {
        g_mutex_unlock(&loop->lock);
        return 0;
    }
    /* Completions may run the loop again (a drain in one): then they make an array of their own. */
    GArray *batch = loop->done;
    loop->done = loop->running ? loop->running : g_array_new(false, false, sizeof(Completion));
    loop->running = NULL;
    g_mutex_unlock(&loop->lock);
    unsigned n = batch->len;
    for (unsigned i = 0; i < n; i++) {
        Completion *c = &g_array_index(batch, Completion, i);
        c->fn(c->opaque, c->ret);
    }
    g_array_set_size(batch, 0);
    g_mutex_lock(&loop->lock);
    if (loop->running) {
        g_array_free(batch, true);
    } else {
        loop->running = batch;
    }
    g_mutex_unlock(&loop->lock);
    return n;
}

unsigned block_loop_run(BlockLoop *loop)
{
    uint64_t count;
    unsigned n = 0;
    /* First, so that what comes from now on is seen the next time. */
    if (read(loop->fd, &count, sizeof(count)) < 0) {
        g_assert(errno == EAGAIN || errno == EINTR);
    }
    for (int i = 0; i < 2; i++) {
        BlockAio *aio = __atomic_load_n(&loop->aio[i], __ATOMIC_ACQUIRE);
        if (aio) {
            block_aio_collect(aio);
            n += block_aio_reap(aio);
            n += run_posted(loop);
            block_aio_kick(aio);
        }
    }
    return n + run_posted(loop);
}

unsigned block_loop_wait(BlockLoop *loop, int ms)
{
    struct pollfd p = { .fd = loop->fd, .events = POLLIN };
    poll(&p, 1, ms); /* interrupted is as good as too early */
    return block_loop_run(loop);
}

static gpointer worker(gpointer opaque)
{
    BlockLoop *loop = opaque;
    g_mutex_lock(&loop->work_lock);
    for (;;) {
        BlockWork *w = loop->first;
        if (w) {
            loop->first = w->next;
            loop->last = loop->first ? loop->last : &loop->first;
            g_mutex_unlock(&loop->work_lock);
            w->run(w);
            g_mutex_lock(&loop->work_lock);
        } else if (loop->quit) {
            break;
        } else {
            loop->idle++;
            g_cond_wait(&loop->work_there, &loop->work_lock);
            loop->idle--;
        }
    }
    g_mutex_unlock(&loop->work_lock);
    return NULL;
}

void block_loop_work(BlockLoop *loop, BlockWork *work)
{
    work->next = NULL;
    g_mutex_lock(&loop->work_lock);
    *loop->last = work;
    loop->last = &work->next;
    if (loop->idle) {
        g_cond_signal(&loop->work_there);
    } else if (loop->workers->len < MAX_WORKERS) {
        g_ptr_array_add(loop->workers, g_thread_new("block", worker, loop));
    }
    g_mutex_unlock(&loop->work_lock);
}

void block_gate_enter(BlockLoop *loop)
{
    g_mutex_lock(&loop->gate_lock);
    while (loop->closed) {
        g_cond_wait(&loop->gate_change, &loop->gate_lock);
    }
    loop->inside++;
    g_mutex_unlock(&loop->gate_lock);
}

bool block_gate_try_enter(BlockLoop *loop)
{
    g_mutex_lock(&loop->gate_lock);
    bool open = !loop->closed;
    loop->inside += open;
    g_mutex_unlock(&loop->gate_lock);
    return open;
}

void block_gate_leave(BlockLoop *loop)
{
    g_mutex_lock(&loop->gate_lock);
    if (!--loop->inside && loop->closed) {
        g_cond_broadcast(&loop->gate_change);
    }
    g_mutex_unlock(&loop->gate_lock);
}

void block_gate_close(BlockLoop *loop)
{
    g_mutex_lock(&loop->gate_lock);
    loop->closed++;
    while (loop->inside) {
        g_cond_wait(&loop->gate_change, &loop->gate_lock);
    }
    g_mutex_unlock(&loop->gate_lock);
}

void block_gate_open(BlockLoop *loop)
{
    g_mutex_lock(&loop->gate_lock);
    loop->closed--;
    g_cond_broadcast(&loop->gate_change);
    g_mutex_unlock(&loop->gate_lock);
}
