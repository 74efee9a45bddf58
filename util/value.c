/* SPDX-License-Identifier: MIT */
/* The value tree: building it, printing it for people and as JSON, parsing JSON. */
#include "util/value.h"
#include "util/opts.h"
#include <errno.h>
#include <string.h>

#define JSON_MAX_DEPTH 64

Value *value_new(ValueType type)
{
    Value *v = g_new0(Value, 1);
    v->type = type;
    if (type == VALUE_LIST || type == VALUE_DICT) {
        v->items = g_ptr_array_new_with_free_func((GDestroyNotify)value_free);
    }
    return v;
}

Value *value_new_string(const char *str)
{
    Value *v = value_new(VALUE_STRING);
    v->str = g_strdup(str);
    return v;
}

void value_free(Value *v)
{
    if (!v) {
        return;
    }
    g_free(v->key);
    g_free(v->human);
    g_free(v->str);
    if (v->items) {
        g_ptr_array_free(v->items, true);
    }
    g_free(v);
}

Value *value_set(Value *dict, const char *key, Value *item)
{
    item->key = g_strdup(key);
    g_ptr_array_add(dict->items, item);
    return item;
}

void value_set_int(Value *dict, const char *key, int64_t num)
{
    value_set(dict, key, value_new(VALUE_INT))->num = num;
}

void value_set_bool(Value *dict, const char *key, bool on)
{
    value_set(dict, key, value_new(VALUE_BOOL))->num = on;
}

void value_set_string(Value *dict, const char *key, const char *str)
{
    value_set(dict, key, value_new_string(str));
}

Value *value_append(Value *list, Value *item)
{
    g_ptr_array_add(list->items, item);
    return item;
}

Value *value_get(const Value *dict, const char *key)
{
    for (unsigned i = 0; dict->items && i < dict->items->len; i++) {
        Value *v = g_ptr_array_index(dict->items, i);
        if (v->key && !strcmp(v->key, key)) {
            return v;
        }
    }
    return NULL;
}

static void json_string(GString *out, const char *str)
{
    g_string_append_c(out, '"');
    for (const unsigned char *p = (const unsigned char *)str; *p; p++) {
        const char *short_form = strchr("\"\"\\\\\nn\tt\rr\bb\ff", *p);
        if (*p == '"' || *p == '\\') {
            g_string_append_printf(out, "\\%c", *p);
        } else if (*p < 0x20) {
            if (short_form) {
                g_string_append_printf(out, "\\%c", short_form[1]);
            } else {
                g_string_append_printf(out, "\\u%04x", *p);
            }
        } else {
            g_string_append_c(out, *p);
        }
    }
    g_string_append_c(out, '"');
}

static void json_break(GString *out, bool pretty, int depth)
{
    if (pretty) {
        g_string_append_printf(out, "\n%*s", depth * 4, "");
    }
}

static void json_print(GString *out, const Value *v, bool pretty, int depth)
{
    bool dict = v->type == VALUE_DICT;
    switch (v->type) {
    case VALUE_NULL:
        g_string_append(out, "null");
        break;
    case VALUE_BOOL:
        g_string_append(out, v->num ? "true" : "false");
        break;
    case VALUE_INT:
        g_string_append_printf(out, "%" G_GINT64_FORMAT, v->num);
        break;
    case VALUE_STRING:
        json_string(out, v->str);
        break;
    case VALUE_LIST:
    case VALUE_DICT:
        g_string_append_c(out, dict ? '{' : '[');
        for (unsigned i = 0; i < v->items->len; i++) {
            const Value *item = g_ptr_array_index(v->items, i);
            if (i) {
                g_string_append(out, pretty ? "," : ", ");
            }
            json_break(out, pretty, depth + 1);
            if (dict) {
                json_string(out, item->key);
                g_string_append(out, ": ");
            }
            json_print(out, item, pretty, depth + 1);
        }
        if (v->items->len || dict) {
            json_break(out, pretty, depth);
        }
        g_string_append_c(out, dict ? '}' : ']');
        break;
    }
}

char *value_to_json(const Value *v, bool pretty)
{
    GString *out = g_string_new(NULL);
    json_print(out, v, pretty, 0);
    return g_string_free(out, false);
}

static void human_print(GString *out, const Value *v, int indent)
{
    for (unsigned i = 0; v->items && i < v->items->len; i++) {
        const Value *item = g_ptr_array_index(v->items, i);
        g_autofree char *name =
            item->key ? g_strdelimit(g_strdup(item->key), "-", ' ') : g_strdup_printf("[%u]", i);
        g_string_append_printf(out, "%*s%s:", indent * 4, "", item->human ? item->human : name);
        if (item->items) {
            g_string_append_c(out, '\n');
            human_print(out, item, indent + 1);
        } else if (item->type == VALUE_STRING) {
            g_string_append_printf(out, " %s\n", item->str);
        } else {
            g_autofree char *text = value_to_json(item, false);
            g_string_append_printf(out, " %s\n", text);
        }
    }
}

char *value_to_human(const Value *v, int indent)
{
    GString *out = g_string_new(NULL);
    human_print(out, v, indent);
    return g_string_free(out, false);
}

typedef struct JsonParser {
    const char *p;
    const char *start;
    int depth;
    GError **err;
} JsonParser;

static Value *json_value(JsonParser *j);

static void json_space(JsonParser *j)
{
    j->p += strspn(j->p, " \t\r\n");
}

static void *json_fail(JsonParser *j, const char *what)
{
    if (j->err && !*j->err) {
        g_set_error(j->err, OPTS_ERROR, EINVAL, "JSON: %s at character %td", what,
                    j->p - j->start + 1);
    }
    return NULL;
}

/* \uXXXX, with a second one when the first is a high surrogate (RFC 8259, 7). */
static bool json_unicode(JsonParser *j, GString *out)
{
    unsigned units[2] = { 0, 0 };
    for (int n = 0; n < 2; n++) {
        if (n && (j->p[0] != '\\' || j->p[1] != 'u')) {
            return false;
        }
        j->p += n ? 2 : 0;
        for (int i = 0; i < 4; i++, j->p++) {
            if (!g_ascii_isxdigit(*j->p)) {
                return false;
            }
            units[n] = units[n] << 4 | g_ascii_xdigit_value(*j->p);
        }
        if (units[0] < 0xd800 || units[0] > 0xdbff) {
            break;
        }
    }
    if (units[0] >= 0xd800 && units[0] <= 0xdbff) {
        if (units[1] < 0xdc00 || units[1] > 0xdfff) {
            return false;
        }
        units[0] = 0x10000 + ((units[0] & 0x3ff) << 10) + (units[1] & 0x3ff);
    }
    if (!units[0] || (units[0] >= 0xdc00 && units[0] <= 0xdfff)) {
        return false;
    }
    g_string_append_unichar(out, units[0]);
    return true;
}

static char *json_text(JsonParser *j)
{
    static const char escapes[] = "\"\"\\\\//n\nt\tr\rb\bf\f";
    GString *out = g_string_new(NULL);
    for (j->p++; *j->p != '"';) {
        const char *esc;
        if ((unsigned char)*j->p < 0x20) {
            g_string_free(out, true);
            return json_fail(j, "unfinished string");
        }
        if (*j->p != '\\') {
            g_string_append_c(out, *j->p++);
            continue;
        }
        j->p++;
        if (*j->p == 'u') {
            j->p++;
            if (json_unicode(j, out)) {
                continue;
            }
        } else {
            for (esc = escapes; *esc && *esc != *j->p; esc += 2) {
            }
            if (*esc) {
                g_string_append_c(out, esc[1]);
                j->p++;
                continue;
            }
        }
        g_string_free(out, true);
        return json_fail(j, "bad escape");
    }
    j->p++;
    return g_string_free(out, false);
}

static Value *json_members(JsonParser *j, ValueType type)
{
    g_autoptr(Value) v = value_new(type);
    char close = type == VALUE_DICT ? '}' : ']';
    j->p++;
    json_space(j);
    while (*j->p != close) {
        g_autofree char *key = NULL;
        if (v->items->len) {
            if (*j->p != ',') {
                return json_fail(j, "',' expected");
            }
            j->p++;
            json_space(j);
        }
        if (type == VALUE_DICT) {
            if (*j->p != '"' || !(key = json_text(j))) {
                return json_fail(j, "name in quotes expected");
            }
            json_space(j);
            if (*j->p++ != ':') {
                return json_fail(j, "':' expected");
            }
        }
        Value *item = json_value(j);
        if (!item) {
            return NULL;
        }
        item->key = g_steal_pointer(&key);
        value_append(v, item);
        json_space(j);
    }
    j->p++;
    return g_steal_pointer(&v);
}

static Value *json_value(JsonParser *j)
{
    static const struct {
        const char *word;
        ValueType type;
        int num;
    } words[] = { { "null", VALUE_NULL, 0 },
                  { "true", VALUE_BOOL, 1 },
                  { "false", VALUE_BOOL, 0 } };
    Value *v = NULL;

    if (++j->depth > JSON_MAX_DEPTH) {
        return json_fail(j, "nested too deep");
    }
    json_space(j);
    if (*j->p == '{' || *j->p == '[') {
        v = json_members(j, *j->p == '{' ? VALUE_DICT : VALUE_LIST);
    } else if (*j->p == '"') {
        char *text = json_text(j);
        if (text) {
            v = value_new(VALUE_STRING);
            v->str = text;
        }
    } else if (*j->p == '-' || g_ascii_isdigit(*j->p)) {
        char *end;
        v = value_new(VALUE_INT);
        v->num = g_ascii_strtoll(j->p, &end, 10);
        j->p = end;
    } else {
        for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
            if (g_str_has_prefix(j->p, words[i].word)) {
                v = value_new(words[i].type);
                v->num = words[i].num;
                j->p += strlen(words[i].word);
                break;
            }
        }
        if (!v) {
            json_fail(j, "value expected");
        }
    }
    j->depth--;
    return v;
}

Value *value_parse_json(const char *text, GError **err)
{
    GError *local = NULL;
    JsonParser j = { .p = text, .start = text, .err = &local };
    Value *v = json_value(&j);
    json_space(&j);
    if (v && *j.p) {
        json_fail(&j, "something follows the value");
        value_free(v);
        v = NULL;
    }
    if (local) {
        g_propagate_error(err, local);
    }
    return v;
}
