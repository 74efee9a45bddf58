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

/* What an option does with the place that `out` points to. Those from IMG_STR on have an argument.
 */
typedef enum ImgOptionKind {
    IMG_ON,       /* bool */
    IMG_OFF,      /* bool */
    IMG_BITS,     /* unsigned: adds `bits` */
    IMG_NOTHING,  /* accepted, without effect */
    IMG_CALL,     /* `call`; false after a message */
    IMG_STR,      /* const char * */
    IMG_SIZE,     /* uint64_t; `what` is for the message */
    IMG_OPTIONS,  /* char *: "-o a,b", added to what came before */
    IMG_OUTPUT,   /* bool: --output=json? */
    IMG_OBJECT,   /* --object */
    IMG_CALL_ARG, /* `call`, with an argument */
} ImgOptionKind;

typedef struct ImgOption ImgOption;
struct ImgOption {
    char letter;      /* or 0 */
    const char *name; /* long, or NULL; a row with neither ends the table */
    ImgOptionKind kind;
    void *out;
    unsigned bits;
    const char *what;
    bool (*call)(const ImgOption *option, const char *arg);
};
#define IMG_OPT(letter_, name_, kind_, out_, ...)                                 \
    {                                                                             \
        .letter = letter_, .name = name_, .kind = kind_, .out = out_, __VA_ARGS__ \
    }
/* Options by a table; false after a message. Then optind is at the first operand. */
bool img_parse(const char *command, const ImgOption *table, int argc, char **argv);

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
