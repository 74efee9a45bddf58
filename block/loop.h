/* SPDX-License-Identifier: MIT */
/* Inside the block layer: worker threads, and the gate that stands between requests and changes of
 * the graph. */
#ifndef BLOCK_LOOP_H
#define BLOCK_LOOP_H

#include "block/aio.h"
#include "block/backend.h"

typedef struct BlockWork {
    void (*run)(struct BlockWork *work); /* in a worker thread */
    struct BlockWork *next;
} BlockWork;

/* Runs `work` in a worker thread, soon. It stays the caller's. */
void block_loop_work(BlockLoop *loop, BlockWork *work);

/* The loop's queue to the kernel, made when first asked for; NULL when there is none. */
BlockAio *block_loop_aio(BlockLoop *loop, bool uring);

/* Whoever uses nodes that a job may replace does so between enter and leave. close waits until
 * nobody is inside and keeps all out until open; it nests. */
void block_gate_enter(BlockLoop *loop);
/* False when it is closed. */
bool block_gate_try_enter(BlockLoop *loop);
void block_gate_leave(BlockLoop *loop);
void block_gate_close(BlockLoop *loop);
void block_gate_open(BlockLoop *loop);

#endif
