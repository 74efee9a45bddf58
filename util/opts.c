/* SPDX-License-Identifier: MIT */
/* Options as key=value lists, and the tables that describe them. */
#include "util/opts.h"
#include <errno.h>
#include <math.h>
#include <string.h>

#include "util/value.h"

GQuark opts_error_quark(void)
{
    return g_quark_from_static_string("opts-error");
}

typedef struct KeyValue {
    char *key;
    char *value;
    GPtrArray *before; /* values of the same key that were given earlier; or NULL */
} KeyValue;

struct Opts {
    GArray *list; /* of KeyValue */
};

static void key_value_clear(void *p)
{
    KeyValue *kv = p;
    g_free(kv->key);
    g_free(kv->value);
    if (kv->before) {
        g_ptr_array_unref(kv->before);
    }
}

Opts *opts_new(void)
{
    Opts *opts = g_new0(Opts, 1);
    opts->list = g_array_new(false, false, sizeof(KeyValue));
    g_array_set_clear_func(opts->list, key_value_clear);
    return opts;
}

Opts *opts_copy(const Opts *opts)
{
    Opts *copy = opts_new();
    if (opts) {
        opts_merge(copy, opts);
    }
    return copy;
}

void opts_free(Opts *opts)
{
    if (opts) {
        g_array_free(opts->list, true);
        g_free(opts);
    }
}

static KeyValue *find(const Opts *opts, const char *key)
{
    for (unsigned i = 0; opts && i < opts->list->len; i++) {
        KeyValue *kv = &g_array_index(opts->list, KeyValue, i);
        if (!strcmp(kv->key, key)) {
            return kv;
        }
    }
    return NULL;
}

void opts_set(Opts *opts, const char *key, const char *value)
{
    KeyValue *old = find(opts, key);
    if (old) {
        char *copy = g_strdup(value);
        g_free(old->value);
        old->value = copy;
    } else {
        KeyValue kv = { g_strdup(key), g_strdup(value), NULL };
        g_array_append_val(opts->list, kv);
    }
}

/* As opts_set; an earlier value is remembered for opts_get_all. */
static void add(Opts *opts, const char *key, const char *value)
{
    KeyValue *old = find(opts, key);
    if (old) {
        if (!old->before) {
            old->before = g_ptr_array_new_with_free_func(g_free);
        }
        g_ptr_array_add(old->before, g_strdup(old->value));
    }
    opts_set(opts, key, value);
}

char **opts_get_all(const Opts *opts, const char *key)
{
    GPtrArray *all = g_ptr_array_new();
    KeyValue *kv = find(opts, key);
    for (unsigned i = 0; kv && kv->before && i < kv->before->len; i++) {
        g_ptr_array_add(all, g_strdup(kv->before->pdata[i]));
    }
    if (kv) {
        g_ptr_array_add(all, g_strdup(kv->value));
    }
    for (unsigned i = 0; !kv; i++) { /* a JSON list, perhaps of {"str": value} */
        g_autofree char *plain = g_strdup_printf("%s.%u", key, i);
        g_autofree char *str = g_strconcat(plain, ".str", NULL);
        const char *value = opts_get(opts, plain);
        if (!value && !(value = opts_get(opts, str))) {
            break;
        }
        g_ptr_array_add(all, g_strdup(value));
    }
    g_ptr_array_add(all, NULL);
    return (char **)g_ptr_array_free(all, false);
}

void opts_setf(Opts *opts, const char *key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *value = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    opts_set(opts, key, value);
}

void opts_remove(Opts *opts, const char *key)
{
    KeyValue *kv = find(opts, key);
    if (kv) {
        g_array_remove_index(opts->list, kv - &g_array_index(opts->list, KeyValue, 0));
    }
}

const char *opts_get(const Opts *opts, const char *key)
{
    KeyValue *kv = find(opts, key);
    return kv ? kv->value : NULL;
}

bool opts_has(const Opts *opts, const char *key)
{
    return find(opts, key) != NULL;
}

unsigned opts_count(const Opts *opts)
{
    return opts ? opts->list->len : 0;
}

const char *opts_key(const Opts *opts, unsigned i)
{
    return g_array_index(opts->list, KeyValue, i).key;
}

Opts *opts_take_prefix(Opts *opts, const char *prefix)
{
    Opts *taken = opts_new();
    for (unsigned i = 0; i < opts->list->len;) {
        KeyValue *kv = &g_array_index(opts->list, KeyValue, i);
        if (g_str_has_prefix(kv->key, prefix)) {
            opts_set(taken, kv->key + strlen(prefix), kv->value);
            g_array_remove_index(opts->list, i);
        } else {
            i++;
        }
    }
    return taken;
}

void opts_merge(Opts *opts, const Opts *from)
{
    for (unsigned i = 0; i < from->list->len; i++) {
        KeyValue *kv = &g_array_index(from->list, KeyValue, i);
        if (!find(opts, kv->key)) {
            for (unsigned n = 0; kv->before && n < kv->before->len; n++) {
                add(opts, kv->key, kv->before->pdata[n]);
            }
            add(opts, kv->key, kv->value);
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

bool opts_parse(Opts *opts, const char *text, const char *implied, GError **err)
{
    g_autoptr(GString) value = g_string_new(NULL);
    for (const char *p = text; *p; implied = NULL) {
        size_t n = strcspn(p, "=,");
        if (p[n] == '=') {
            g_autofree char *key = g_strndup(p, n);
            if (!n) {
                g_set_error(err, OPTS_ERROR, EINVAL, "option without a name in '%s'", text);
                return false;
            }
            p = take_value(p + n + 1, value);
            add(opts, key, value->str);
        } else {
            p = take_value(p, value);
            add(opts, implied ? implied : value->str, implied ? value->str : "on");
        }
    }
    return true;
}

static void flatten(Opts *opts, const char *prefix, const Value *v)
{
    for (unsigned i = 0; i < v->items->len; i++) {
        const Value *item = g_ptr_array_index(v->items, i);
        g_autofree char *key =
            item->key ? g_strconcat(prefix, item->key, NULL) : g_strdup_printf("%s%u", prefix, i);
        if (item->items) {
            g_autofree char *deeper = g_strconcat(key, ".", NULL);
            flatten(opts, deeper, item);
        } else if (item->type == VALUE_STRING) {
            opts_set(opts, key, item->str);
        } else if (item->type == VALUE_BOOL) {
            opts_set(opts, key, item->num ? "on" : "off");
        } else if (item->type == VALUE_INT) {
            opts_setf(opts, key, "%" G_GINT64_FORMAT, item->num);
        } else {
            opts_set(opts, key, "");
        }
    }
}

bool opts_parse_json(Opts *opts, const char *text, GError **err)
{
    g_autoptr(Value) v = value_parse_json(text, err);
    if (!v) {
        return false;
    }
    if (v->type != VALUE_DICT) {
        g_set_error(err, OPTS_ERROR, EINVAL, "JSON: an object is expected");
        return false;
    }
    flatten(opts, "", v);
    return true;
}

bool parse_size(const char *text, uint64_t *out, GError **err)
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
    g_set_error(err, OPTS_ERROR, EINVAL,
                "'%s' is not a size: a number from 0 to 8E, with an optional suffix of "
                "k, M, G, T, P or E",
                text);
    return false;
}

bool parse_bool(const char *text, bool *out)
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

char *size_to_str(uint64_t bytes)
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

static const OptDef *find_opt(const OptDef *table, const char *key)
{
    for (; table && table->name; table++) {
        if (!strcmp(table->name, key)) {
            return table;
        }
    }
    return NULL;
}

static bool check_value(const OptDef *opt, const char *value, GError **err)
{
    bool on;
    uint64_t num;
    char *end;
    switch (opt->type) {
    case OPT_STR:
        return true;
    case OPT_BOOL:
        if (parse_bool(value, &on)) {
            return true;
        }
        g_set_error(err, OPTS_ERROR, EINVAL, "Parameter '%s' expects 'on' or 'off', not '%s'",
                    opt->name, value);
        return false;
    case OPT_NUM:
        errno = 0;
        (void)g_ascii_strtoull(value, &end, 0);
        if (g_ascii_isdigit(value[0]) && !*end && !errno) {
            return true;
        }
        g_set_error(err, OPTS_ERROR, EINVAL, "Parameter '%s' expects a number, not '%s'", opt->name,
                    value);
        return false;
    case OPT_SIZE:
        if (parse_size(value, &num, err)) {
            return true;
        }
        g_prefix_error(err, "Parameter '%s': ", opt->name);
        return false;
    }
    g_assert_not_reached();
}

/* "hostfwd" of "hostfwd.3" and "hostfwd.3.str", as JSON lists give them; else NULL. */
static char *list_base(const char *key)
{
    const char *dot = strchr(key, '.');
    size_t digits = dot ? strspn(dot + 1, "0123456789") : 0;
    bool list = digits && (!dot[1 + digits] || !strcmp(dot + 1 + digits, ".str"));
    return list ? g_strndup(key, dot - key) : NULL;
}

bool opts_check(const Opts *opts, const OptDef *table, GError **err)
{
    for (unsigned i = 0; i < opts_count(opts); i++) {
        KeyValue *kv = &g_array_index(opts->list, KeyValue, i);
        g_autofree char *base = list_base(kv->key);
        const OptDef *opt = find_opt(table, kv->key);
        if (!opt && base) {
            opt = find_opt(table, base);
        }
        if (!opt) {
            g_set_error(err, OPTS_ERROR, EINVAL, "Invalid parameter '%s'", kv->key);
            return false;
        }
        if (!check_value(opt, kv->value, err)) {
            return false;
        }
    }
    return true;
}

const char *opt_str(const Opts *opts, const OptDef *table, const char *key)
{
    const OptDef *opt = find_opt(table, key);
    const char *value = opts_get(opts, key);
    g_assert(opt);
    return value ? value : opt->def;
}

bool opt_bool(const Opts *opts, const OptDef *table, const char *key)
{
    const char *value = opt_str(opts, table, key);
    bool on = false;
    return value && parse_bool(value, &on) && on;
}

uint64_t opt_num(const Opts *opts, const OptDef *table, const char *key)
{
    const char *value = opt_str(opts, table, key);
    uint64_t num = 0;
    if (!value) {
        return 0;
    }
    if (find_opt(table, key)->type == OPT_SIZE) {
        return parse_size(value, &num, NULL) ? num : 0;
    }
    return g_ascii_strtoull(value, NULL, 0);
}

bool opt_enum(const Opts *opts, const OptDef *table, const char *key, const char *const *names,
              int *out, GError **err)
{
    const char *value = opt_str(opts, table, key);
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
    g_set_error(err, OPTS_ERROR, EINVAL, "Parameter '%s' does not accept value '%s' (one of: %s)",
                key, value, all);
    return false;
}

static int compare_opts(const void *a, const void *b)
{
    const OptDef *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

char *opt_table_help(const OptDef *table)
{
    static const char *const types[] = {
        [OPT_STR] = "str",
        [OPT_BOOL] = "bool (on/off)",
        [OPT_NUM] = "num",
        [OPT_SIZE] = "size",
    };
    g_autoptr(GPtrArray) rows = g_ptr_array_new();
    GString *out = g_string_new(NULL);
    for (; table && table->name; table++) {
        g_ptr_array_add(rows, (void *)table);
    }
    g_ptr_array_sort(rows, compare_opts);
    for (unsigned i = 0; i < rows->len; i++) {
        const OptDef *opt = g_ptr_array_index(rows, i);
        g_autofree char *name = g_strdup_printf("%s=<%s>", opt->name, types[opt->type]);
        g_string_append_printf(out, "  %-22s - %s\n", name, opt->help);
    }
    return g_string_free(out, false);
}
