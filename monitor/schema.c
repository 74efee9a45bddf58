/* SPDX-License-Identifier: MIT */
/* query-qmp-schema: made of the command tables. Types of results are "any": they are not checked.
 */
#include "monitor/command.h"

static const struct {
    const char *name, *json;
} builtins[] = {
    { "str", "string" },   { "int", "int" },   { "size", "int" },
    { "bool", "boolean" }, { "any", "value" },
};
static const char *const kind_types[] = {
    [ARG_STR] = "str", [ARG_INT] = "int",  [ARG_SIZE] = "size", [ARG_BOOL] = "bool",
    [ARG_ANY] = "any", [ARG_REST] = "str", [ARG_FLAG] = "bool",
};

static JsonObject *entry(JsonArray *list, const char *name, const char *meta)
{
    JsonObject *o = json_object_new();

    json_object_set_string_member(o, "name", name);
    json_object_set_string_member(o, "meta-type", meta);
    json_array_add_object_element(list, o);
    return o;
}

static void add_command(const Command *c, void *opaque)
{
    JsonArray *list = opaque, *members = json_array_new();

    if (!c->qmp) {
        json_array_unref(members);
        return;
    }
    g_autofree char *type = g_strconcat("q_obj_", c->qmp, "-arg", NULL);
    JsonObject *command = entry(list, c->qmp, "command");
    json_object_set_string_member(command, "arg-type", type);
    json_object_set_string_member(command, "ret-type", "any");
    json_object_set_boolean_member(command, "allow-oob", FALSE);
    for (const CommandArg *a = c->args; a && a->name; a++) {
        JsonObject *member = json_object_new();

        json_object_set_string_member(member, "name", a->name);
        json_object_set_string_member(member, "type", kind_types[a->kind]);
        if (a->optional) {
            json_object_set_null_member(member, "default");
        }
        json_array_add_object_element(members, member);
    }
    json_object_set_array_member(entry(list, type, "object"), "members", members);
}

JsonNode *schema_query(G_GNUC_UNUSED const Command *self, G_GNUC_UNUSED JsonObject *args,
                       G_GNUC_UNUSED GError **err)
{
    JsonArray *list;
    JsonNode *node = node_array(&list);

    for (size_t i = 0; i < G_N_ELEMENTS(builtins); i++) {
        json_object_set_string_member(entry(list, builtins[i].name, "builtin"), "json-type",
                                      builtins[i].json);
    }
    command_foreach(add_command, list);
    return node;
}
