/* SPDX-License-Identifier: MIT */
/* Commands about objects (-object) of a running machine: filters, secrets, memory. */
#include <unistd.h>
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

/* All share the main loop's thread. */
static void add_iothread(const char *id, unsigned users, void *made, void *opaque)
{
    JsonObject *o = json_object_new();
    (void)users, (void)made;
    json_object_set_string_member(o, "id", id);
    json_object_set_int_member(o, "thread-id", getpid());
    json_object_set_int_member(o, "poll-max-ns", 0);
    json_object_set_int_member(o, "poll-grow", 0);
    json_object_set_int_member(o, "poll-shrink", 0);
    json_object_set_int_member(o, "aio-max-batch", 0);
    json_array_add_object_element(opaque, o);
}

static void add_memdev(const char *id, unsigned users, void *made, void *opaque)
{
    const RAMBlock *block = made;
    JsonObject *o = json_object_new();
    (void)users;
    json_object_set_string_member(o, "id", id);
    json_object_set_int_member(o, "size", (gint64)block->size);
    json_object_set_boolean_member(o, "share", block->fd >= 0);
    json_array_add_object_element(opaque, o);
}

static JsonNode *list(const char *family, void (*fn)(const char *, unsigned, void *, void *))
{
    JsonArray *all = json_array_new();
    JsonNode *node = json_node_new(JSON_NODE_ARRAY);
    object_foreach(family, fn, all);
    json_node_take_array(node, all);
    return node;
}

static JsonNode *query_iothreads(G_GNUC_UNUSED const Command *self, G_GNUC_UNUSED JsonObject *args,
                                 G_GNUC_UNUSED GError **err)
{
    return list("iothread", add_iothread);
}

static JsonNode *query_memdev(G_GNUC_UNUSED const Command *self, G_GNUC_UNUSED JsonObject *args,
                              G_GNUC_UNUSED GError **err)
{
    return list("memory-backend", add_memdev);
}

static const CommandArg add_args[] = { { "line", ARG_REST, true, "TYPE,id=ID,key=value" },
                                       { "qom-type", ARG_ANY, true, "type" },
                                       { "id", ARG_ANY, true, "name" },
                                       { 0 } };
static const CommandArg id_args[] = { { "id", ARG_STR, false, "object" }, { 0 } };

const Command object_commands[] = {
    { "object-add", "object_add", "Makes an object: a filter, a secret, memory", add_args,
      .open = true, .run = add_object },
    { "query-iothreads", "info iothreads", "I/O threads (-object iothread)",
      .run = query_iothreads },
    { "query-memdev", "info memdev", "Memory objects (-object memory-backend-…)",
      .run = query_memdev },
    { "object-del", "object_del", "Removes an object", id_args, .run = del_object },
    { 0 },
};
