/* SPDX-License-Identifier: MIT */
/* The command language of latimer-io. */
#ifndef TOOLS_IO_H
#define TOOLS_IO_H

#include <stdio.h>
#include "block/backend.h"

typedef struct Io {
    BlockNode *node; /* NULL while nothing is open */
    const char *fmt;
    unsigned flags;
    bool image_opts, quit;
    GThreadPool *pool; /* for aio_…, made when first used */
    GMutex lock;       /* below, and standard output */
    GCond idle;
    int in_flight, aio_failed;
    BlockLoop *loop; /* below: for qmp, made when first used */
    BlockSystem *sys;
    BlockBackend *blk;
} Io;

bool io_open(Io *io, const char *name);
int io_close(Io *io);                 /* 1 if an asynchronous request failed */
int io_run(Io *io, const char *line); /* 0, or 1 when the command failed */
void io_print_commands(void);

/* qmp.c */
int io_cmd_qmp(Io *io, int argc, char **argv);
int io_cmd_job_wait(Io *io, int argc, char **argv);
void io_stop_system(Io *io);

#endif
