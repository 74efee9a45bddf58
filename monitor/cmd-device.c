/* SPDX-License-Identifier: MIT */
/* Commands about devices: adding, removing, types, properties; the tree as qom-* shows it. */
#include <string.h>

#include "hw/device.h"
#include "hw/machine.h"
#include "hw/virtio/balloon.h"
#include "monitor/command.h"

/* ---- device_add, device_del ---------------------------------------------------------------------
 */

static JsonNode *device_add(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    /* a person's line is one string, "TYPE,key=value"; a program's members are the same as JSON */
    const char *line = arg_str(args, "line");
    g_autofree char *text = NULL;

    if (!line) {
        g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), args);
        text = json_to_string(node, FALSE);
        line = text;
    }
    device_add_from_text(line, err);
    return NULL;
}

/* By id, or by the path that qom-list gives. */
static Device *find_device(const char *id, GError **err)
{
    const char *slash = strrchr(id, '/');
    Device *dev = device_find(slash ? slash + 1 : id);

    if (!dev) {
        g_set_error(err, MONITOR_ERROR, MONITOR_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found",
                    id);
    }
    return dev;
}

static JsonNode *device_del(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    Device *dev = find_device(arg_str(args, "id"), err);

    if (dev) {
        device_unplug(dev, err);
    }
    return NULL;
}

/* ---- types
 * ------------------------------------------------------------------------------------------ */

typedef struct TypeQuery {
    JsonArray *list;
    const DeviceType *below; /* NULL: all */
} TypeQuery;

static void add_type(const DeviceType *type, void *opaque)
{
    TypeQuery *q = opaque;
    JsonObject *o;

    if (q->below && !device_type_is_a(type, q->below)) {
        return;
    }
    o = json_object_new();
    json_object_set_string_member(o, "name", type->name);
    json_object_set_boolean_member(o, "abstract", FALSE);
    if (type->parent) {
        json_object_set_string_member(o, "parent", type->parent->name);
    }
    json_array_add_object_element(q->list, o);
}

static JsonNode *list_types(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    const char *implements = arg_str(args, "implements");
    TypeQuery q = { NULL, NULL };

    if (implements && strcmp(implements, "device") && !(q.below = device_type_find(implements))) {
        g_set_error(err, MONITOR_ERROR, 0, "there is no type '%s'", implements);
        return NULL;
    }
    JsonNode *node = node_array(&q.list);
    device_type_foreach(add_type, &q);
    return node;
}

static const char *kind_name(PropKind kind)
{
    static const char *const names[] = {
        [PROP_BOOL] = "bool",   [PROP_U8] = "uint8",   [PROP_U16] = "uint16",
        [PROP_U32] = "uint32",  [PROP_U64] = "uint64", [PROP_I32] = "int32",
        [PROP_SIZE] = "size",   [PROP_STR] = "str",    [PROP_MAC] = "str",
        [PROP_DEVFN] = "int32", [PROP_ENUM] = "str",   [PROP_CHARDEV] = "str",
        [PROP_NETDEV] = "str",  [PROP_DRIVE] = "str",  [PROP_LINK] = "str",
        [PROP_MEMDEV] = "str",  [PROP_RNG] = "str",    [PROP_IOTHREAD] = "str",
    };
    return names[kind];
}

static void add_prop(G_GNUC_UNUSED const DeviceType *owner, const Property *p, void *opaque)
{
    JsonObject *o = json_object_new();

    json_object_set_string_member(o, "name", p->name);
    json_object_set_string_member(o, "type", kind_name(p->kind));
    if (p->doc) {
        json_object_set_string_member(o, "description", p->doc);
    }
    if (p->preset) {
        json_object_set_string_member(o, "default-value", p->preset);
    }
    json_array_add_object_element(opaque, o);
}

static JsonNode *list_properties(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    const char *name = arg_str(args, "typename");
    const DeviceType *type = device_type_find(name);
    JsonArray *list;

    if (!type) {
        g_set_error(err, MONITOR_ERROR, MONITOR_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found",
                    name);
        return NULL;
    }
    JsonNode *node = node_array(&list);
    device_type_foreach_prop(type, add_prop, list);
    return node;
}

/* ---- the tree
 * -------------------------------------------------------------------------------------------- */

static void add_member(JsonArray *list, const char *name, const char *type)
{
    JsonObject *o = json_object_new();

    json_object_set_string_member(o, "name", name);
    json_object_set_string_member(o, "type", type);
    json_array_add_object_element(list, o);
}

typedef struct Walk {
    JsonArray *list;
    const char *container; /* "peripheral": devices with an id */
} Walk;

static void add_bus_devices(Bus *bus, void *opaque)
{
    Walk *w = opaque;

    for (guint i = 0; i < bus->devices->len; i++) {
        Device *dev = bus->devices->pdata[i];

        if (dev->id) {
            g_autofree char *type = g_strdup_printf("child<%s>", dev->type->name);
            add_member(w->list, dev->id, type);
        }
    }
}

/* The nodes above devices; what is in each. */
static bool list_node(const char *path, JsonArray *list)
{
    static const struct {
        const char *path, *children[6];
    } nodes[] = {
        { "", { "machine", "objects", "chardevs" } },
        { "/machine", { "peripheral", "unattached" } },
        { "/objects", { NULL } },
        { "/chardevs", { NULL } },
        { "/machine/unattached", { NULL } },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++) {
        if (strcmp(nodes[i].path, path)) {
            continue;
        }
        for (int c = 0; nodes[i].children[c]; c++) {
            add_member(list, nodes[i].children[c], "child<container>");
        }
        if (!strcmp(path, "/machine") && machine_current()) {
            device_type_foreach_prop(machine_current()->parent.type, add_prop, list);
        }
        return true;
    }
    return false;
}

static JsonNode *qom_list(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    g_autofree char *path = g_strdup(arg_str(args, "path"));
    size_t len = strlen(path);
    JsonArray *list;
    JsonNode *node = node_array(&list);

    while (len && path[len - 1] == '/') {
        path[--len] = 0;
    }
    if (!strcmp(path, "/machine/peripheral")) {
        Walk w = { list, path };
        bus_foreach(add_bus_devices, &w);
        return node;
    }
    if (list_node(path, list)) {
        return node;
    }
    Device *dev = find_device(path, err);
    if (!dev) {
        json_node_unref(node);
        return NULL;
    }
    add_member(list, "type", "string");
    add_member(list, "realized", "bool");
    device_type_foreach_prop(dev->type, add_prop, list);
    return node;
}

static Device *object_at(const char *path, GError **err)
{
    if (!strcmp(path, "/machine") && machine_current()) {
        return &machine_current()->parent;
    }
    return find_device(path, err);
}

static PropKind kind_of(const Device *dev, const char *name)
{
    for (const DeviceType *t = dev->type; t; t = t->parent) {
        for (const Property *p = t->props; p && p->name; p++) {
            if (!strcmp(p->name, name)) {
                return p->kind;
            }
        }
    }
    return dev->inner ? kind_of(dev->inner, name) : PROP_STR;
}

static JsonNode *qom_get(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    const char *name = arg_str(args, "property");
    Device *dev = object_at(arg_str(args, "path"), err);
    g_autofree char *value = NULL;

    if (!dev) {
        return NULL;
    }
    if (!strcmp(name, "type")) {
        return node_string(dev->type->name);
    }
    if (!strcmp(name, "realized")) {
        return json_node_init_boolean(json_node_alloc(), dev->realized);
    }
    if (!strcmp(name, "guest-stats") && balloon_is(dev)) {
        return balloon_guest_stats();
    }
    value = device_get_prop(dev, name);
    if (!value) {
        g_set_error(err, MONITOR_ERROR, 0, "Property '%s.%s' not found", dev->type->name, name);
        return NULL;
    }
    switch (kind_of(dev, name)) {
    case PROP_BOOL:
        return json_node_init_boolean(json_node_alloc(), !strcmp(value, "on"));
    case PROP_U8:
    case PROP_U16:
    case PROP_U32:
    case PROP_U64:
    case PROP_SIZE:
    case PROP_I32:
        return json_node_init_int(json_node_alloc(), g_ascii_strtoll(value, NULL, 0));
    default:
        return node_string(value);
    }
}

static JsonNode *qom_set(G_GNUC_UNUSED const Command *self, JsonObject *args, GError **err)
{
    const char *name = arg_str(args, "property");
    Device *dev = object_at(arg_str(args, "path"), err);
    JsonNode *value = json_object_get_member(args, "value");

    if (!dev) {
        return NULL;
    }
    if (!strcmp(name, "guest-stats-polling-interval") && balloon_is(dev) &&
        json_node_get_value_type(value) == G_TYPE_INT64) {
        balloon_set_polling((unsigned)CLAMP(json_node_get_int(value), 0, UINT32_MAX));
        return NULL;
    }
    if (dev->realized) {
        g_set_error(err, MONITOR_ERROR, 0,
                    "Attempt to set property '%s' on device '%s' (type '%s') after it was realized",
                    name, dev->id ? dev->id : "", dev->type->name);
        return NULL;
    }
    if (!JSON_NODE_HOLDS_VALUE(value)) {
        g_set_error(err, MONITOR_ERROR, 0, "a plain value is expected for '%s'", name);
        return NULL;
    }
    GType type = json_node_get_value_type(value);
    g_autofree char *text = type == G_TYPE_STRING ? g_strdup(json_node_get_string(value))
                            : type == G_TYPE_BOOLEAN
                                ? g_strdup(json_node_get_boolean(value) ? "on" : "off")
                                : g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(value));
    device_set_prop(dev, name, text, err);
    return NULL;
}

/* ---- info qtree
 * -------------------------------------------------------------------------------------------- */

static void print_bus(GString *out, Bus *bus, int indent);

static void print_device(GString *out, Device *dev, int indent)
{
    g_string_append_printf(out, "%*sdev: %s, id \"%s\"\n", indent, "", dev->type->name,
                           dev->id ? dev->id : "");
    for (const DeviceType *t = dev->type; t; t = t->parent) {
        for (const Property *p = t->props; p && p->name; p++) {
            g_autofree char *value = device_get_prop(dev, p->name);
            g_string_append_printf(out, "%*s%s = %s\n", indent + 2, "", p->name,
                                   value ? value : "");
        }
    }
    for (guint i = 0; dev->buses && i < dev->buses->len; i++) {
        print_bus(out, dev->buses->pdata[i], indent + 2);
    }
}

static void print_bus(GString *out, Bus *bus, int indent)
{
    g_string_append_printf(out, "%*sbus: %s\n%*stype %s\n", indent, "", bus->name, indent + 2, "",
                           bus->type->name);
    for (guint i = 0; i < bus->devices->len; i++) {
        print_device(out, bus->devices->pdata[i], indent + 2);
    }
}

static void print_root(Bus *bus, void *opaque)
{
    if (!bus->parent || (machine_current() && bus->parent == &machine_current()->parent)) {
        print_bus(opaque, bus, 0);
    }
}

static JsonNode *info_qtree(G_GNUC_UNUSED const Command *self, G_GNUC_UNUSED JsonObject *args,
                            G_GNUC_UNUSED GError **err)
{
    g_autoptr(GString) out = g_string_new(NULL);

    bus_foreach(print_root, out);
    return node_string(out->str);
}

static const CommandArg add_args[] = { { "line", ARG_REST, true, "TYPE,id=ID,property=value" },
                                       { "driver", ARG_ANY, true, "type" },
                                       { 0 } };
static const CommandArg del_args[] = { { "id", ARG_STR, false, "device" }, { 0 } };
static const CommandArg types_args[] = { { "implements", ARG_STR, true, "only those made of this" },
                                         { "abstract", ARG_BOOL, true, "abstract ones too" },
                                         { 0 } };
static const CommandArg typename_args[] = { { "typename", ARG_STR, false, "type" }, { 0 } };
static const CommandArg path_args[] = { { "path", ARG_STR, false, "place in the tree" }, { 0 } };
static const CommandArg get_args[] = { { "path", ARG_STR, false, "place in the tree" },
                                       { "property", ARG_STR, false, "name" },
                                       { 0 } };
static const CommandArg set_args[] = { { "path", ARG_STR, false, "place in the tree" },
                                       { "property", ARG_STR, false, "name" },
                                       { "value", ARG_ANY, false, "new value" },
                                       { 0 } };

const Command device_commands[] = {
    { "device_add", "device_add", "Plugs a device in", add_args, .open = true, .run = device_add },
    { "device_del", "device_del", "Pulls a device out", del_args, .run = device_del },
    { "qom-list-types", NULL, "Types of devices", types_args, .run = list_types },
    { "device-list-properties", NULL, "Properties of a type", typename_args,
      .run = list_properties },
    { "qom-list-properties", NULL, "Properties of a type", typename_args, .run = list_properties },
    { "qom-list", NULL, "What is at a place of the tree", path_args, .run = qom_list },
    { "qom-get", NULL, "The value of a property", get_args, .run = qom_get },
    { "qom-set", NULL, "Sets a property", set_args, .run = qom_set },
    { NULL, "info qtree", "The tree of devices", .run = info_qtree },
    { 0 },
};
