/* SPDX-License-Identifier: MIT */
/* What the subcommands of latimer-img share. */
#ifndef TOOLS_IMG_H
#define TOOLS_IMG_H

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include "block/block.h"

typedef int ImgCommand(int argc, char **argv);
ImgCommand img_amend, img_bench, img_bitmap, img_check, img_commit, img_compare, img_convert,
    img_create, img_dd, img_info, img_map, img_measure, img_rebase, img_resize, img_snapshot;

/* Long options that have no letter. */
enum {
    IMG_OPT_OUTPUT = 256,
    IMG_OPT_OBJECT,
    IMG_OPT_IMAGE_OPTS,
    IMG_OPT_TARGET_IMAGE_OPTS,
    IMG_OPT_BACKING_CHAIN,
    IMG_OPT_SIZE,
    IMG_OPT_PREALLOCATION,
    IMG_OPT_SHRINK,
    IMG_OPT_FORCE,
    IMG_OPT_SALVAGE,
    IMG_OPT_TARGET_IS_ZERO,
    IMG_OPT_BITMAPS,
    IMG_OPT_SKIP_BROKEN,
    IMG_OPT_START_OFFSET,
    IMG_OPT_MAX_LENGTH,
    IMG_OPT_ADD,
    IMG_OPT_REMOVE,
    IMG_OPT_CLEAR,
    IMG_OPT_ENABLE,
    IMG_OPT_DISABLE,
    IMG_OPT_MERGE,
    IMG_OPT_FLUSH_INTERVAL,
    IMG_OPT_NO_DRAIN,
    IMG_OPT_PATTERN,
};

/* How the images on a command line are to be opened. */
typedef struct ImgOpen {
    const char *fmt;
    bool image_opts;
    const char *cache; /* NULL: writeback */
    unsigned flags;
    const char *create_opts; /* of an image just created: its key-secret options, or NULL */
} ImgOpen;

void img_error(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
/* Prints "latimer-img: …" and frees the error; returns 1, for `return img_fail(err)`. */
int img_fail(GError *err);
/* The word is not an option of this subcommand. */
int img_usage(const char *command, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* Opens, or prints why not and returns NULL. */
BlockNode *img_open(const ImgOpen *how, const char *name);
/* "human" or "json"; false and a message for anything else. */
bool img_parse_output(const char *value, bool *json);
/* A size argument, or false after a message. */
bool img_parse_size(const char *what, const char *text, uint64_t *out);
bool img_parse_cache(const char *mode, unsigned *flags);
/* Appends "-o a,b" to what came before. */
void img_add_options(char **options, const char *more);
/* "-o help" for a format (and the protocol of filename), if asked: true when printed. */
bool img_options_help(const char *options, const char *fmt, const char *filename, bool amend);
/* --object: false after a message. */
bool img_add_object(const char *text);
/* Copies the bits of one bitmap into another, across granularities. */
void img_merge_bitmap(BlockBitmap *dst, const BlockBitmap *src, int64_t size);

typedef struct ImgProgress {
    bool on;
    double shown;
} ImgProgress;
void img_progress(ImgProgress *p, double fraction);
void img_progress_end(ImgProgress *p);

#endif
