/* SPDX-License-Identifier: MIT */
/*
 * Commands: each is a row with its arguments, from which come QMP's checks and schema, the
 * monitor's parser and its help. A file of commands exports its table in commands.c.
 */
#ifndef MONITOR_COMMAND_H
#define MONITOR_COMMAND_H

#include "monitor/monitor.h"

typedef enum ArgKind {
    ARG_STR,
    ARG_INT,
    ARG_SIZE, /* the monitor takes suffixes, and megabytes without one */
    ARG_BOOL, /* the monitor: on, off */
    ARG_ANY,  /* QMP only: any JSON value */
    ARG_REST, /* a string; in the monitor the rest of the line */
    ARG_FLAG, /* the monitor: -x, its letter being the first of `doc`; a bool */
} ArgKind;

typedef struct CommandArg {
    const char *name; /* NULL ends the list */
    ArgKind kind;
    bool optional;
    const char *doc;
} CommandArg;

typedef struct Command Command;
struct Command {
    const char *qmp; /* NULL: for people only */
    const char *hmp; /* "info status"; NULL: for programs only */
    const char *doc;
    const CommandArg *args; /* NULL: none */
    bool open;              /* QMP: members beyond args are let through (device_add) */
    /* args has what the table asks for, checked. NULL with *err: failed; NULL without: done, {}. */
    JsonNode *(*run)(const Command *self, JsonObject *args, GError **err);
    /* How the monitor shows the result; NULL: as JSON, and {} as nothing. */
    void (*print)(GString *out, JsonNode *result);
    const char *alias; /* another name in the monitor */
};

extern const Command *const command_tables[]; /* each ended by a row without run; NULL at the end */
const Command *command_find_qmp(const char *name);
/* fn for every row of every table. */
void command_foreach(void (*fn)(const Command *c, void *opaque), void *opaque);

/* QMP's error classes: the code of a GError in the MONITOR_ERROR domain; others are GenericError.
 */
#define MONITOR_ERROR g_quark_from_static_string("latimer-monitor")
enum {
    MONITOR_ERROR_GENERIC,
    MONITOR_ERROR_COMMAND_NOT_FOUND,
    MONITOR_ERROR_DEVICE_NOT_FOUND,
    MONITOR_ERROR_DEVICE_NOT_ACTIVE
};
const char *command_error_class(const GError *err);

/* Whether args fit the row; false: *err names the member. */
bool command_check(const Command *c, JsonObject *args, GError **err);

/* A JSON object node to fill, and short ways to read arguments. */
JsonNode *node_object(JsonObject **out);
JsonNode *node_array(JsonArray **out);
JsonNode *node_string(const char *text);
static inline const char *arg_str(JsonObject *args, const char *name)
{
    return json_object_get_string_member_with_default(args, name, NULL);
}
static inline int64_t arg_int(JsonObject *args, const char *name, int64_t preset)
{
    return json_object_get_int_member_with_default(args, name, preset);
}
static inline bool arg_bool(JsonObject *args, const char *name, bool preset)
{
    return json_object_get_boolean_member_with_default(args, name, preset);
}

/* hmp.c: runs a line, appends what it prints. */
void hmp_run_line(const char *line, GString *out);
/* Possible ends of the word that the line ends with. */
GPtrArray *hmp_complete(const char *line);
/* cmd-balloon.c: what qom-get shows as guest-stats. */
JsonNode *balloon_guest_stats(void);
/* schema.c: query-qmp-schema's answer. */
JsonNode *schema_query(const Command *self, JsonObject *args, GError **err);

#endif
