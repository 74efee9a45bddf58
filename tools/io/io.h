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
    bool snapshot, copy_on_read, misalign;
    GThreadPool *pool; /* for aio_…, made when first used */
    GMutex lock;       /* below, and standard output */
    GCond idle;
    int in_flight, aio_failed;
    BlockLoop *loop; /* below: for qmp, made when first used */
    BlockSystem *sys;
    BlockBackend *blk;
} Io;

/* commands.c */
int io_run(Io *io, const char *line); /* 0, or 1 when the command failed */
void io_print_commands(void);
/* How the command argv[0] is used, on standard output; 1. */
int io_usage(char **argv);
/* Prints a line on standard output, or, after the program's name, on standard error; 1. */
int io_fail(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
int io_error(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
/* A size such as 64k; false after a message. */
bool io_parse_num(const char *text, int64_t *out);
/* "1.500 MiB", "12 bytes". Free with g_free. */
char *io_size(double bytes);

/* image.c */
bool io_open(Io *io, const char *name, const Opts *opts);
int io_close(Io *io); /* 1 if an asynchronous request failed */
/* -t, -d, -i in the flags; false after a message. */
bool io_take_mode(Io *io, int option, const char *value);
int io_cmd_open(Io *io, int argc, char **argv);
int io_cmd_reopen(Io *io, int argc, char **argv);

/* request.c */
void io_wait_idle(Io *io);
int io_cmd_read(Io *io, int argc, char **argv);
int io_cmd_readv(Io *io, int argc, char **argv);
int io_cmd_write(Io *io, int argc, char **argv);
int io_cmd_writev(Io *io, int argc, char **argv);
int io_cmd_aio_read(Io *io, int argc, char **argv);
int io_cmd_aio_write(Io *io, int argc, char **argv);
int io_cmd_aio_flush(Io *io, int argc, char **argv);
int io_cmd_discard(Io *io, int argc, char **argv);

/* debug.c */
int io_cmd_break(Io *io, int argc, char **argv);
int io_cmd_remove_break(Io *io, int argc, char **argv);
int io_cmd_resume(Io *io, int argc, char **argv);
int io_cmd_wait_break(Io *io, int argc, char **argv);
int io_cmd_sigraise(Io *io, int argc, char **argv);
int io_cmd_abort(Io *io, int argc, char **argv);
int io_cmd_sleep(Io *io, int argc, char **argv);

/* qmp.c */
int io_cmd_qmp(Io *io, int argc, char **argv);
int io_cmd_job_wait(Io *io, int argc, char **argv);
void io_stop_system(Io *io);

#endif
