/* SPDX-License-Identifier: MIT */
/* Options as key=value lists and the tables that describe them. One table gives parsing,
 * defaults, checks and `-o help`. Nested options are flat: "file.filename". */
#ifndef BLOCK_OPTS_H
#define BLOCK_OPTS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum BlockOptType {
    BLOCK_OPT_STR,
    BLOCK_OPT_BOOL, /* on/off, yes/no, true/false */
    BLOCK_OPT_NUM,  /* decimal or 0x number */
    BLOCK_OPT_SIZE, /* bytes, with a suffix of k K M G T P E or b */
} BlockOptType;

typedef struct BlockOpt {
    const char *name; /* NULL ends a table */
    BlockOptType type;
    const char *def; /* default as text, or NULL for "not given" */
    const char *help;
} BlockOpt;

/* An ordered list of key=value; a later value of a key replaces an earlier one. */
typedef struct BlockOpts BlockOpts;

BlockOpts *block_opts_new(void);
BlockOpts *block_opts_copy(const BlockOpts *opts); /* of NULL: an empty list */
void block_opts_free(BlockOpts *opts);
/* Adds "a=b,c=d"; ",," is a comma inside a value; a bare word is word=on, or, when `implied` is
 * given and it comes first, implied=word. */
bool block_opts_parse(BlockOpts *opts, const char *text, const char *implied, GError **err);
/* Adds a JSON object, flattened: {"file":{"filename":"x"}} gives file.filename=x. */
bool block_opts_parse_json(BlockOpts *opts, const char *text, GError **err);
void block_opts_set(BlockOpts *opts, const char *key, const char *value);
void block_opts_setf(BlockOpts *opts, const char *key, const char *fmt, ...) G_GNUC_PRINTF(3, 4);
void block_opts_remove(BlockOpts *opts, const char *key);
/* The value of `key`, or NULL; owned by opts. */
const char *block_opts_get(const BlockOpts *opts, const char *key);
bool block_opts_has(const BlockOpts *opts, const char *key);
/* Number of keys; key and value by index. */
unsigned block_opts_count(const BlockOpts *opts);
const char *block_opts_key(const BlockOpts *opts, unsigned i);
/* Moves out every key that starts with `prefix` ("file."), the prefix cut off; never NULL. */
BlockOpts *block_opts_take_prefix(BlockOpts *opts, const char *prefix);
/* Adds every option of `from` that `opts` does not have yet. */
void block_opts_merge(BlockOpts *opts, const BlockOpts *from);

/* Are all keys in `table` and their values well formed? */
bool block_opts_check(const BlockOpts *opts, const BlockOpt *table, GError **err);
/* Values by the table's type and default, for options that block_opts_check has accepted.
 * A key that is not given and has no default is NULL, false or 0. */
const char *block_opt_str(const BlockOpts *opts, const BlockOpt *table, const char *key);
bool block_opt_bool(const BlockOpts *opts, const BlockOpt *table, const char *key);
uint64_t block_opt_num(const BlockOpts *opts, const BlockOpt *table, const char *key);
/* Index of the value in `names` (NULL-terminated), 0 when not given; an error that lists them when
 * not there. */
bool block_opt_enum(const BlockOpts *opts, const BlockOpt *table, const char *key,
                    const char *const *names, int *out, GError **err);
/* The table as `-o help` prints it, sorted. Free with g_free. */
char *block_opt_table_help(const BlockOpt *table);

/* "10G", "1.5k", "0x1000" to bytes; the default unit is bytes. */
bool block_parse_size(const char *text, uint64_t *out, GError **err);
bool block_parse_bool(const char *text, bool *out);
/* 1536 -> "1.5 KiB", three significant digits; free with g_free. */
char *block_size_to_str(uint64_t bytes);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BlockOpts, block_opts_free)

#endif
