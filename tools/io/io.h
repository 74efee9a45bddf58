/* SPDX-License-Identifier: MIT */
/* The command language of latimer-io. */
#ifndef TOOLS_IO_H
#define TOOLS_IO_H

#include <stdio.h>
#include "block/block.h"

typedef struct Io {
    BlockNode *node; /* NULL while nothing is open */
    const char *fmt;
    unsigned flags;
    bool image_opts, quit;
    GThreadPool *pool; /* for aio_…, made when first used */
    GMutex lock;       /* below, and standard output */
    GCond idle;
    int in_flight, aio_failed;
} Io;

bool io_open(Io *io, const char *name);
int io_close(Io *io);                 /* 1 if an asynchronous request failed */
int io_run(Io *io, const char *line); /* 0, or 1 when the command failed */
void io_print_commands(void);

#endif
