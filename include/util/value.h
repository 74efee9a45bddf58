/* SPDX-License-Identifier: MIT */
/* A small ordered tree of values: what `info`, `check` and `map` report, printable for people
 * and as JSON (RFC 8259), and what a `json:` file name is parsed into. */
#ifndef UTIL_VALUE_H
#define UTIL_VALUE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum ValueType {
    VALUE_NULL,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_STRING,
    VALUE_LIST,
    VALUE_DICT,
} ValueType;

typedef struct Value Value;

struct Value {
    ValueType type;
    char *key;        /* name inside a dict, else NULL; owned */
    char *human;      /* name to print for people where it differs from key; owned */
    int64_t num;      /* VALUE_INT, VALUE_BOOL */
    char *str;        /* VALUE_STRING; owned */
    GPtrArray *items; /* VALUE_LIST, VALUE_DICT: Value *, owned, in order */
};

Value *value_new(ValueType type);
Value *value_new_string(const char *str);
void value_free(Value *v);

/* Adds `item` to a dict under `key` and takes it over; returns it. */
Value *value_set(Value *dict, const char *key, Value *item);
void value_set_int(Value *dict, const char *key, int64_t num);
void value_set_bool(Value *dict, const char *key, bool on);
void value_set_string(Value *dict, const char *key, const char *str);
/* Adds `item` to a list and takes it over; returns it. */
Value *value_append(Value *list, Value *item);
/* The item under `key`, or NULL; still owned by the dict. */
Value *value_get(const Value *dict, const char *key);

/* JSON text, four spaces an indent when `pretty`; free with g_free. */
char *value_to_json(const Value *v, bool pretty);
/* "key: value" lines for people, indented by `indent` times four spaces; free with g_free. */
char *value_to_human(const Value *v, int indent);
/* Parses one JSON value; nested at most 64 deep. NULL and an error when it is not JSON. */
Value *value_parse_json(const char *text, GError **err);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Value, value_free)

#endif
