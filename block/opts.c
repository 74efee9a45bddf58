/* SPDX-License-Identifier: MIT */
/* Options as key=value lists, and the tables that describe them. */
#include "block/block.h"
#include <errno.h>
#include <math.h>
#include <string.h>

typedef struct KeyValue {
    char *key;
    char *value;
} KeyValue;

struct BlockOpts {
    GArray *list; /* of KeyValue */
};

static void key_value_clear(void *p)
{
    KeyValue *kv = p;
    g_free(kv->key);
    g_free(kv->value);
}

BlockOpts *block_opts_new(void)
{
    BlockOpts *opts = g_new0(BlockOpts, 1);
    opts->list = g_array_new(false, false, sizeof(KeyValue));
    g_array_set_clear_func(opts->list, key_value_clear);
    return opts;
}

BlockOpts *block_opts_copy(const BlockOpts *opts)
{
    BlockOpts *copy = block_opts_new();
    if (opts) {
        block_opts_merge(copy, opts);
    }
    return copy;
}

void block_opts_free(BlockOpts *opts)
{
    if (opts) {
        g_array_free(opts->list, true);
        g_free(opts);
    }
}

static KeyValue *find(const BlockOpts *opts, const char *key)
{
    for (unsigned i = 0; opts && i < opts->list->len; i++) {
        KeyValue *kv = &g_array_index(opts->list, KeyValue, i);
        if (!strcmp(kv->key, key)) {
            return kv;
        }
    }
    return NULL;
}

void block_opts_set(BlockOpts *opts, const char *key, const char *value)
{
    KeyValue *old = find(opts, key);
    if (old) {
        char *copy = g_strdup(value);
        g_free(old->value);
        old->value = copy;
    } else {
        KeyValue kv = { g_strdup(key), g_strdup(value) };
        g_array_append_val(opts->list, kv);
    }
}

void block_opts_setf(BlockOpts *opts, const char *key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *value = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    block_opts_set(opts, key, value);
}

void block_opts_remove(BlockOpts *opts, const char *key)
{
    KeyValue *kv = find(opts, key);
    if (kv) {
        g_array_remove_index(opts->list, kv - &g_array_index(opts->list, KeyValue, 0));
    }
}

const char *block_opts_get(const BlockOpts *opts, const char *key)
{
    KeyValue *kv = find(opts, key);
    return kv ? kv->value : NULL;
}

bool block_opts_has(const BlockOpts *opts, const char *key)
{
    return find(opts, key) != NULL;
}

unsigned block_opts_count(const BlockOpts *opts)
{
    return opts ? opts->list->len : 0;
}

const char *block_opts_key(const BlockOpts *opts, unsigned i)
{
    return g_array_index(opts->list, KeyValue, i).key;
}

BlockOpts *block_opts_take_prefix(BlockOpts *opts, const char *prefix)
{
    BlockOpts *taken = block_opts_new();
    for (unsigned i = 0; i < opts->list->len;) {
        KeyValue *kv = &g_array_index(opts->list, KeyValue, i);
        if (g_str_has_prefix(kv->key, prefix)) {
            block_opts_set(taken, kv->key + strlen(prefix), kv->value);
            g_array_remove_index(opts->list, i);
        } else {
            i++;
        }
    }
    return taken;
}

void block_opts_merge(BlockOpts *opts, const BlockOpts *from)
{
    for (unsigned i = 0; i < from->list->len; i++) {
        KeyValue *kv = &g_array_index(from->list, KeyValue, i);
        if (!find(opts, kv->key)) {
            block_opts_set(opts, kv->key, kv->value);
        }
    }
}

/* Reads up to a single comma; ",," stands for one. Returns what follows. */
static const char *take_value(const char *p, GString *out)
{
    g_string_truncate(out, 0);
    while (*p) {
        if (*p == ',' && *++p != ',') {
            break;
        }
        g_string_append_c(out, *p++);
    }
    return p;
}

bool block_opts_parse(BlockOpts *opts, const char *text, const char *implied, GError **err)
{
    g_autoptr(GString) value = g_string_new(NULL);
    for (const char *p = text; *p; implied = NULL) {
        size_t n = strcspn(p, "=,");
        if (p[n] == '=') {
            g_autofree char *key = g_strndup(p, n);
            if (!n) {
                g_set_error(err, BLOCK_ERROR, EINVAL, "option without a name in '%s'", text);
                return false;
            }
            p = take_value(p + n + 1, value);
            block_opts_set(opts, key, value->str);
        } else {
            p = take_value(p, value);
            block_opts_set(opts, implied ? implied : value->str, implied ? value->str : "on");
        }
    }
    return true;
}

static void flatten(BlockOpts *opts, const char *prefix, const Value *v)
{
    for (unsigned i = 0; i < v->items->len; i++) {
        const Value *item = g_ptr_array_index(v->items, i);
        g_autofree char *key =
            item->key ? g_strconcat(prefix, item->key, NULL) : g_strdup_printf("%s%u", prefix, i);
        if (item->items) {
            g_autofree char *deeper = g_strconcat(key, ".", NULL);
            flatten(opts, deeper, item);
        } else if (item->type == VALUE_STRING) {
            block_opts_set(opts, key, item->str);
        } else if (item->type == VALUE_BOOL) {
            block_opts_set(opts, key, item->num ? "on" : "off");
        } else if (item->type == VALUE_INT) {
            block_opts_setf(opts, key, "%" G_GINT64_FORMAT, item->num);
        } else {
            block_opts_set(opts, key, "");
        }
    }
}

bool block_opts_parse_json(BlockOpts *opts, const char *text, GError **err)
{
    g_autoptr(Value) v = value_parse_json(text, err);
    if (!v) {
        return false;
    }
    if (v->type != VALUE_DICT) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "JSON: an object is expected");
        return false;
    }
    flatten(opts, "", v);
    return true;
}

bool block_parse_size(const char *text, uint64_t *out, GError **err)
{
    static const char units[] = "BKMGTPE";
    char *end;
    const char *unit;
    bool hex = g_str_has_prefix(text, "0x") || g_str_has_prefix(text, "0X");

    errno = 0;
    uint64_t whole = g_ascii_strtoull(text, &end, hex ? 16 : 10);
    double part = 0;
    if (end == text || !g_ascii_isdigit(text[0]) || errno) {
        goto bad;
    }
    if (*end == '.' && !hex) {
        const char *dot = end;
        part = g_ascii_strtod(dot, &end);
        if (end == dot + 1 || strcspn(dot, "eExX") < (size_t)(end - dot)) {
            goto bad;
        }
    }
    unsigned shift = 0;
    if (*end) {
        unit = strchr(units, g_ascii_toupper(*end));
        if (!unit || end[1]) {
            goto bad;
        }
        shift = 10 * (unit - units);
    }
    if (whole > (uint64_t)INT64_MAX >> shift || (part != 0 && !shift)) {
        goto bad;
    }
    *out = (whole << shift) + (uint64_t)ldexp(part, shift);
    return true;
bad:
    g_set_error(err, BLOCK_ERROR, EINVAL,
                "'%s' is not a size: a number from 0 to 8E, with an optional suffix of "
                "k, M, G, T, P or E",
                text);
    return false;
}

bool block_parse_bool(const char *text, bool *out)
{
    static const char *const words[] = { "off", "on", "no", "yes", "false", "true", "n", "y" };
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        if (!strcmp(text, words[i])) {
            *out = i & 1;
            return true;
        }
    }
    return false;
}

char *block_size_to_str(uint64_t bytes)
{
    static const char *const units[] = { "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei" };
    double v = bytes;
    unsigned u = 0;
    /* 999.5 would already print as 1e+03 with three digits, so step at 1000, not at 1024. */
    while (v >= 1000 && u + 1 < G_N_ELEMENTS(units)) {
        v /= 1024;
        u++;
    }
    return g_strdup_printf("%0.3g %sB", v, units[u]);
}

static const BlockOpt *find_opt(const BlockOpt *table, const char *key)
{
    for (; table && table->name; table++) {
        if (!strcmp(table->name, key)) {
            return table;
        }
    }
    return NULL;
}

static bool check_value(const BlockOpt *opt, const char *value, GError **err)
{
    bool on;
    uint64_t num;
    char *end;
    switch (opt->type) {
    case BLOCK_OPT_STR:
        return true;
    case BLOCK_OPT_BOOL:
        if (block_parse_bool(value, &on)) {
            return true;
        }
        g_set_error(err, BLOCK_ERROR, EINVAL, "Parameter '%s' expects 'on' or 'off', not '%s'",
                    opt->name, value);
        return false;
    case BLOCK_OPT_NUM:
        errno = 0;
        (void)g_ascii_strtoull(value, &end, 0);
        if (g_ascii_isdigit(value[0]) && !*end && !errno) {
            return true;
        }
        g_set_error(err, BLOCK_ERROR, EINVAL, "Parameter '%s' expects a number, not '%s'",
                    opt->name, value);
        return false;
    case BLOCK_OPT_SIZE:
        if (block_parse_size(value, &num, err)) {
            return true;
        }
        g_prefix_error(err, "Parameter '%s': ", opt->name);
        return false;
    }
    g_assert_not_reached();
}

bool block_opts_check(const BlockOpts *opts, const BlockOpt *table, GError **err)
{
    for (unsigned i = 0; i < block_opts_count(opts); i++) {
        KeyValue *kv = &g_array_index(opts->list, KeyValue, i);
        const BlockOpt *opt = find_opt(table, kv->key);
        if (!opt) {
            g_set_error(err, BLOCK_ERROR, EINVAL, "Invalid parameter '%s'", kv->key);
            return false;
        }
        if (!check_value(opt, kv->value, err)) {
            return false;
        }
    }
    return true;
}

const char *block_opt_str(const BlockOpts *opts, const BlockOpt *table, const char *key)
{
    const BlockOpt *opt = find_opt(table, key);
    const char *value = block_opts_get(opts, key);
    g_assert(opt);
    return value ? value : opt->def;
}

bool block_opt_bool(const BlockOpts *opts, const BlockOpt *table, const char *key)
{
    const char *value = block_opt_str(opts, table, key);
    bool on = false;
    return value && block_parse_bool(value, &on) && on;
}

uint64_t block_opt_num(const BlockOpts *opts, const BlockOpt *table, const char *key)
{
    const char *value = block_opt_str(opts, table, key);
    uint64_t num = 0;
    if (!value) {
        return 0;
    }
    if (find_opt(table, key)->type == BLOCK_OPT_SIZE) {
        return block_parse_size(value, &num, NULL) ? num : 0;
    }
    return g_ascii_strtoull(value, NULL, 0);
}

bool block_opt_enum(const BlockOpts *opts, const BlockOpt *table, const char *key,
                    const char *const *names, int *out, GError **err)
{
    const char *value = block_opt_str(opts, table, key);
    *out = 0;
    if (!value) {
        return true;
    }
    for (int i = 0; names[i]; i++) {
        if (!strcmp(names[i], value)) {
            *out = i;
            return true;
        }
    }
    g_autofree char *all = g_strjoinv(", ", (char **)names);
    g_set_error(err, BLOCK_ERROR, EINVAL, "Parameter '%s' does not accept value '%s' (one of: %s)",
                key, value, all);
    return false;
}

static int compare_opts(const void *a, const void *b)
{
    const BlockOpt *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

char *block_opt_table_help(const BlockOpt *table)
{
    static const char *const types[] = {
        [BLOCK_OPT_STR] = "str",
        [BLOCK_OPT_BOOL] = "bool (on/off)",
        [BLOCK_OPT_NUM] = "num",
        [BLOCK_OPT_SIZE] = "size",
    };
    g_autoptr(GPtrArray) rows = g_ptr_array_new();
    GString *out = g_string_new(NULL);
    for (; table && table->name; table++) {
        g_ptr_array_add(rows, (void *)table);
    }
    g_ptr_array_sort(rows, compare_opts);
    for (unsigned i = 0; i < rows->len; i++) {
        const BlockOpt *opt = g_ptr_array_index(rows, i);
        g_autofree char *name = g_strdup_printf("%s=<%s>", opt->name, types[opt->type]);
        g_string_append_printf(out, "  %-22s - %s\n", name, opt->help);
    }
    return g_string_free(out, false);
}
