/* SPDX-License-Identifier: MIT */
/* Commands about character devices. */
#include <string.h>

#include "chardev/chardev.h"
#include "monitor/command.h"

static void add_one(Chardev *c, void *opaque)
{
    JsonObject *o = json_object_new();

    json_object_set_string_member(o, "label", chardev_id(c));
    json_object_set_string_member(o, "filename", chardev_where(c));
    json_object_set_boolean_member(o, "frontend-open", chardev_in_use(c));
    json_array_add_object_element(opaque, o);
}

static JsonNode *query_chardev(G_GNUC_UNUSED const Command *self, G_GNUC_UNUSED JsonObject *args,
                               G_GNUC_UNUSED GError **err)
{
    JsonArray *list;
    JsonNode *node = node_array(&list);

    chardev_foreach(add_one, list);
    return node;
}

static void print_one(G_GNUC_UNUSED JsonArray *list, G_GNUC_UNUSED guint i, JsonNode *node,
                      gpointer opaque)
{
    JsonObject *o = json_node_get_object(node);

    g_string_append_printf(opaque, "%s: filename=%s\n", arg_str(o, "label"),
                           arg_str(o, "filename"));
}

static void print_chardevs(GString *out, JsonNode *result)
{
    json_array_foreach_element(json_node_get_array(result), print_one, out);
}

static Chardev *find(JsonObject *args, const char *key, GError **err)
{
    Chardev *c = chardev_find(arg_str(args, key));

    if (!c) {
        g_set_error(err, MONITOR_ERROR, MONITOR_ERROR_DEVICE_NOT_FOUND, "Chardev '%s' not found",
                    arg_str(args, key));
    }
    return c;
}

static JsonNode *add(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    chardev_add(arg_str(args, "args"), err);
    return NULL;
}

static JsonNode *remove_chardev(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    Chardev *c = find(args, "id", err);

    if (c) {
        chardev_remove(c, err);
    }
    return NULL;
}

static JsonNode *ringbuf_write(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    Chardev *c = find(args, "device", err);
    const char *data = arg_str(args, "data"), *format = arg_str(args, "format");
    gsize len = strlen(data);
    g_autofree guchar *decoded = NULL;

    if (c && format && !strcmp(format, "base64")) {
        decoded = g_base64_decode(data, &len);
    }
    if (c && !chardev_ringbuf_write(c, decoded ? (const char *)decoded : data, len)) {
        g_set_error(err, MONITOR_ERROR, 0, "%s is not a ringbuf device", chardev_id(c));
    }
    return NULL;
}

static JsonNode *ringbuf_read(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    Chardev *c = find(args, "device", err);
    const char *format = arg_str(args, "format");
    GByteArray *bytes =
        c ? chardev_ringbuf_read(c, (size_t)MAX(arg_int(args, "size", 0), 0)) : NULL;
    g_autofree char *text = NULL;

    if (!bytes) {
        if (c) {
            g_set_error(err, MONITOR_ERROR, 0, "%s is not a ringbuf device", chardev_id(c));
        }
        return NULL;
    }
    if (format && !strcmp(format, "base64")) {
        text = g_base64_encode(bytes->data, bytes->len);
    } else {
        text = g_utf8_make_valid(bytes->len ? (char *)bytes->data : "", bytes->len);
    }
    g_byte_array_free(bytes, TRUE);
    return node_string(text);
}

static const CommandArg add_args[] = { { "args", ARG_REST, false, "as -chardev takes them" },
                                       { 0 } };
static const CommandArg id_args[] = { { "id", ARG_STR, false, "chardev" }, { 0 } };
static const CommandArg write_args[] = { { "device", ARG_STR, false, "ringbuf" },
                                         { "data", ARG_STR, false, "text" },
                                         { "format", ARG_STR, true, "utf8 or base64" },
                                         { 0 } };
static const CommandArg read_args[] = { { "device", ARG_STR, false, "ringbuf" },
                                        { "size", ARG_INT, false, "bytes at most" },
                                        { "format", ARG_STR, true, "utf8 or base64" },
                                        { 0 } };

const Command chardev_commands[] = {
    { "query-chardev", "info chardev", "Character devices", .run = query_chardev,
      .print = print_chardevs },
    { NULL, "chardev-add", "Makes a character device", add_args, .run = add },
    { "chardev-remove", "chardev-remove", "Removes a character device", id_args,
      .run = remove_chardev },
    { "ringbuf-write", "ringbuf_write", "Writes to a ringbuf", write_args, .run = ringbuf_write },
    { "ringbuf-read", "ringbuf_read", "Reads from a ringbuf", read_args, .run = ringbuf_read },
    { 0 },
};
