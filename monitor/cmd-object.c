/* SPDX-License-Identifier: MIT */
/* Commands about objects (-object) of a running machine: filters, secrets, memory. */
#include "monitor/command.h"
#include "net/filter.h"
#include "system/config.h"

static JsonNode *add_object(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    const char *line = arg_str(args, "line");
    g_autofree char *text = NULL;

    if (!line) {
        g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), args);
        text = json_to_string(node, FALSE);
        line = text;
    }
    if (object_add(line, err)) {
        object_add_late(line, err);
    }
    return NULL;
}

static JsonNode *del_object(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    object_del(arg_str(args, "id"), err);
    return NULL;
}

static const CommandArg add_args[] = { { "line", ARG_REST, true, "TYPE,id=ID,key=value" },
                                       { "qom-type", ARG_ANY, true, "type" },
                                       { "id", ARG_ANY, true, "name" },
                                       { 0 } };
static const CommandArg id_args[] = { { "id", ARG_STR, false, "object" }, { 0 } };

const Command object_commands[] = {
    { "object-add", "object_add", "Makes an object: a filter, a secret, memory", add_args,
      .open = true, .run = add_object },
    { "object-del", "object_del", "Removes an object", id_args, .run = del_object },
    { 0 },
};
