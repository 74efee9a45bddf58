/* SPDX-License-Identifier: MIT */
/* Host I/O that the kernel does by itself: io_uring, and the older native AIO, which is
 * asynchronous with O_DIRECT only. A BlockLoop has one of each, once they are used; completions
 * make the loop's eventfd readable. */
#ifndef BLOCK_AIO_H
#define BLOCK_AIO_H

#include "block/block.h"

typedef struct BlockAio BlockAio;

typedef struct AioRequest {
    /* From block_aio_reap; `ret` is bytes, which may be fewer than asked for, or -errno. */
    void (*done)(struct AioRequest *r, int64_t ret);
    int fd;
    bool write;
    int64_t off;
    const struct iovec *iov; /* stays until done */
    int niov;
    BlockAio *uring, *native; /* where it can be submitted; NULL: not there */
} AioRequest;

/* `eventfd` is written to when something is done. */
BlockAio *block_aio_new(bool uring, int eventfd, GError **err);
/* Nothing may be in flight. NULL is fine. */
void block_aio_free(BlockAio *aio);
/* False when the queue is full: then do it in another way. Any thread. */
bool block_aio_submit(BlockAio *aio, AioRequest *r);
/* Between the two, requests of io_uring are collected; the second submits them in one call. */
void block_aio_collect(BlockAio *aio);
void block_aio_kick(BlockAio *aio);
/* Ends what is done; how many. One thread. */
unsigned block_aio_reap(BlockAio *aio);

#endif
