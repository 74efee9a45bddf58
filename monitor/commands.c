/* SPDX-License-Identifier: MIT */
/* The set of commands: tables, look-up, checks of arguments. */
#include "monitor/command.h"

#include <string.h>

extern const Command machine_commands[], device_commands[], memory_commands[], cpu_commands[],
    chardev_commands[], block_commands[], net_commands[], monitor_commands[], balloon_commands[],
    object_commands[];
const Command *const command_tables[] = {
    machine_commands,
    device_commands,
    memory_commands,
    cpu_commands,
    chardev_commands,
    block_commands,
    net_commands,
    monitor_commands,
    balloon_commands,
    object_commands,
    NULL,
};

void command_foreach(void (*fn)(const Command *c, void *opaque), void *opaque)
{
    for (int t = 0; command_tables[t]; t++) {
        for (const Command *c = command_tables[t]; c->run; c++) {
            fn(c, opaque);
        }
    }
}

const Command *command_find_qmp(const char *name)
{
    for (int t = 0; command_tables[t]; t++) {
        for (const Command *c = command_tables[t]; c->run; c++) {
            if (c->qmp && !strcmp(c->qmp, name)) {
                return c;
            }
        }
    }
    return NULL;
}

const char *command_error_class(const GError *err)
{
    static const char *const names[] = { "GenericError", "CommandNotFound", "DeviceNotFound",
                                         "DeviceNotActive" };

    return err->domain == MONITOR_ERROR && (unsigned)err->code < G_N_ELEMENTS(names)
               ? names[err->code]
               : names[0];
}

/* ---- arguments ----------------------------------------------------------------------------------
 */

static bool fits(ArgKind kind, JsonNode *node)
{
    GType type = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_value_type(node) : G_TYPE_NONE;

    switch (kind) {
    case ARG_STR:
    case ARG_REST:
        return type == G_TYPE_STRING;
    case ARG_INT:
    case ARG_SIZE:
        return type == G_TYPE_INT64;
    case ARG_BOOL:
    case ARG_FLAG:
        return type == G_TYPE_BOOLEAN;
    case ARG_ANY:
        return true;
    }
    return false;
}

static const CommandArg *find_arg(const Command *c, const char *name)
{
    for (const CommandArg *a = c->args; a && a->name; a++) {
        if (!strcmp(a->name, name)) {
            return a;
        }
    }
    return NULL;
}

bool command_check(const Command *c, JsonObject *args, GError **err)
{
    static const char *const kinds[] = {
        [ARG_STR] = "string", [ARG_INT] = "integer", [ARG_SIZE] = "integer", [ARG_BOOL] = "boolean",
        [ARG_ANY] = "value",  [ARG_REST] = "string", [ARG_FLAG] = "boolean"
    };
    g_autoptr(GList) names = json_object_get_members(args);

    for (GList *l = names; l; l = l->next) {
        const CommandArg *a = find_arg(c, l->data);

        if (!a && !c->open) {
            g_set_error(err, MONITOR_ERROR, 0, "Parameter '%s' is unexpected", (char *)l->data);
            return false;
        }
        if (a && !fits(a->kind, json_object_get_member(args, l->data))) {
            g_set_error(err, MONITOR_ERROR, 0, "Invalid parameter type for '%s', expected: %s",
                        a->name, kinds[a->kind]);
            return false;
        }
    }
    for (const CommandArg *a = c->args; a && a->name; a++) {
        if (!a->optional && !json_object_has_member(args, a->name)) {
            g_set_error(err, MONITOR_ERROR, 0, "Parameter '%s' is missing", a->name);
            return false;
        }
    }
    return true;
}

/* ---- results
 * ---------------------------------------------------------------------------------------- */

JsonNode *node_object(JsonObject **out)
{
    *out = json_object_new();
    return json_node_init_object(json_node_alloc(), *out);
}

JsonNode *node_array(JsonArray **out)
{
    *out = json_array_new();
    return json_node_init_array(json_node_alloc(), *out);
}

JsonNode *node_string(const char *text)
{
    return json_node_init_string(json_node_alloc(), text);
}
