/* SPDX-License-Identifier: MIT */
/* Options as key=value lists and the tables that describe them. One table gives parsing,
 * defaults, checks and `-o help`. Nested options are flat: "file.filename". */
#ifndef UTIL_OPTS_H
#define UTIL_OPTS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Domain of the errors here; the code is an errno. */
#define OPTS_ERROR opts_error_quark()
GQuark opts_error_quark(void);

typedef enum OptType {
    OPT_STR,
    OPT_BOOL, /* on/off, yes/no, true/false */
    OPT_NUM,  /* decimal or 0x number */
    OPT_SIZE, /* bytes, with a suffix of k K M G T P E or b */
} OptType;

typedef struct OptDef {
    const char *name; /* NULL ends a table */
    OptType type;
    const char *def; /* default as text, or NULL for "not given" */
    const char *help;
} OptDef;

/* An ordered list of key=value; a later value of a key replaces an earlier one. */
typedef struct Opts Opts;

Opts *opts_new(void);
Opts *opts_copy(const Opts *opts); /* of NULL: an empty list */
void opts_free(Opts *opts);
/* Adds "a=b,c=d"; ",," is a comma inside a value; a bare word is word=on, or, when `implied` is
 * given and it comes first, implied=word. */
bool opts_parse(Opts *opts, const char *text, const char *implied, GError **err);
/* Adds a JSON object, flattened: {"file":{"filename":"x"}} gives file.filename=x. */
bool opts_parse_json(Opts *opts, const char *text, GError **err);
void opts_set(Opts *opts, const char *key, const char *value);
void opts_setf(Opts *opts, const char *key, const char *fmt, ...) G_GNUC_PRINTF(3, 4);
void opts_remove(Opts *opts, const char *key);
/* The value of `key`, or NULL; owned by opts. */
const char *opts_get(const Opts *opts, const char *key);
/* All values that text gave for the key, in order; NULL-ended, free with g_strfreev. */
char **opts_get_all(const Opts *opts, const char *key);
bool opts_has(const Opts *opts, const char *key);
/* Number of keys; key and value by index. */
unsigned opts_count(const Opts *opts);
const char *opts_key(const Opts *opts, unsigned i);
/* Moves out every key that starts with `prefix` ("file."), the prefix cut off; never NULL. */
Opts *opts_take_prefix(Opts *opts, const char *prefix);
/* Adds every option of `from` that `opts` does not have yet. */
void opts_merge(Opts *opts, const Opts *from);

/* Are all keys in `table` and their values well formed? */
bool opts_check(const Opts *opts, const OptDef *table, GError **err);
/* Values by the table's type and default, for options that opts_check has accepted.
 * A key that is not given and has no default is NULL, false or 0. */
const char *opt_str(const Opts *opts, const OptDef *table, const char *key);
bool opt_bool(const Opts *opts, const OptDef *table, const char *key);
uint64_t opt_num(const Opts *opts, const OptDef *table, const char *key);
/* Index of the value in `names` (NULL-terminated), 0 when not given; an error that lists them when
 * not there. */
bool opt_enum(const Opts *opts, const OptDef *table, const char *key, const char *const *names,
              int *out, GError **err);
/* The table as `-o help` prints it, sorted. Free with g_free. */
char *opt_table_help(const OptDef *table);

/* "10G", "1.5k", "0x1000" to bytes; the default unit is bytes. */
bool parse_size(const char *text, uint64_t *out, GError **err);
bool parse_bool(const char *text, bool *out);
/* 1536 -> "1.5 KiB", three significant digits; free with g_free. */
char *size_to_str(uint64_t bytes);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Opts, opts_free)

#endif
