/* SPDX-License-Identifier: MIT */
/* Devices: made from types, set up by properties, realized on buses, reset in order. */
#include <string.h>
#include "util/opts.h"
#include "hw/core/device-internal.h"

static GPtrArray *all_types;
static GPtrArray *all_devices; /* realized, in order */

/* ---- types ------------------------------------------------------------------------------- */

void device_type_register(const DeviceType *type)
{
    if (!all_types) {
        all_types = g_ptr_array_new();
    }
    g_ptr_array_add(all_types, (gpointer)type);
}

const DeviceType *device_type_find(const char *name)
{
    for (guint i = 0; all_types && i < all_types->len; i++) {
        const DeviceType *type = all_types->pdata[i];
        if (!strcmp(type->name, name) || (type->aliases && g_strv_contains(type->aliases, name))) {
            return type;
        }
    }
    return NULL;
}

void device_type_foreach(void (*fn)(const DeviceType *type, void *opaque), void *opaque)
{
    for (guint i = 0; all_types && i < all_types->len; i++) {
        fn(all_types->pdata[i], opaque);
    }
}

bool device_type_is_a(const DeviceType *type, const DeviceType *ancestor)
{
    while (type && type != ancestor) {
        type = type->parent;
    }
    return type != NULL;
}

void device_type_foreach_prop(const DeviceType *type,
                              void (*fn)(const DeviceType *owner, const Property *prop,
                                         void *opaque),
                              void *opaque)
{
    if (type->parent) {
        device_type_foreach_prop(type->parent, fn, opaque);
    }
    for (const Property *p = type->props; p && p->name; p++) {
        fn(type, p, opaque);
    }
    if (type->inner) {
        device_type_foreach_prop(type->inner, fn, opaque);
    }
}

/* The type's own row before its parents', so that a child may have another preset. */
static const Property *find_prop(const DeviceType *type, const char *name)
{
    for (; type; type = type->parent) {
        for (const Property *p = type->props; p && p->name; p++) {
            if (!strcmp(p->name, name)) {
                return p;
            }
        }
    }
    return NULL;
}

/* A hook that a type or the nearest parent has. */
#define HOOK(type, name)                  \
    ({                                    \
        const DeviceType *t_ = (type);    \
        while (t_->parent && !t_->name) { \
            t_ = t_->parent;              \
        }                                 \
        t_->name;                         \
    })

/* ---- life -------------------------------------------------------------------------------- */

static void set_presets(Device *dev, const DeviceType *type)
{
    if (type->parent) {
        set_presets(dev, type->parent);
    }
    for (const Property *p = type->props; p && p->name; p++) {
        if (p->preset && !property_parse(dev, p, p->preset, NULL)) {
            g_error("%s.%s: bad preset '%s'", type->name, p->name, p->preset);
        }
    }
}

typedef struct Global {
    char *type, *prop, *value;
    struct Global *next;
} Global;
static Global *globals;

void device_add_global(const char *type, const char *prop, const char *value)
{
    Global **p = &globals;
    while (*p) {
        p = &(*p)->next;
    }
    *p = g_new(Global, 1);
    **p = (Global){ g_strdup(type), g_strdup(prop), g_strdup(value), NULL };
}

/* A value that does not fit is no reason to fail: it was given for some other device. */
static void set_globals(Device *dev)
{
    for (const Global *g = globals; g; g = g->next) {
        const DeviceType *t = dev->type;
        while (t && strcmp(t->name, g->type)) {
            t = t->parent;
        }
        g_autoptr(GError) e = NULL;
        if (t && !device_set_prop(dev, g->prop, g->value, &e)) {
            g_printerr("warning: -global %s.%s: %s\n", g->type, g->prop, e->message);
        }
    }
}

Device *device_new(const DeviceType *type, const char *id)
{
    Device *dev = g_malloc0(MAX(type->size, sizeof(Device)));
    dev->type = type;
    dev->id = g_strdup(id);
    set_presets(dev, type);
    const DeviceType *inner = HOOK(type, inner);
    if (inner) {
        dev->inner = device_new(inner, id);
    }
    set_globals(dev);
    return dev;
}

static void device_free(Device *dev)
{
    if (dev->inner) {
        device_free(dev->inner);
    }
    for (const DeviceType *t = dev->type; t; t = t->parent) {
        for (const Property *p = t->props; p && p->name; p++) {
            if (p->kind == PROP_STR || p->kind >= PROP_CHARDEV) {
                property_free(dev, p);
            }
        }
    }
    if (dev->buses) {
        g_ptr_array_free(dev->buses, TRUE);
    }
    g_free(dev->id);
    g_free(dev);
}

/* The device itself or what is behind it. */
static const Property *locate_prop(Device **dev, const char *name)
{
    for (; *dev; *dev = (*dev)->inner) {
        const Property *p = find_prop((*dev)->type, name);
        if (p) {
            return p;
        }
    }
    return NULL;
}

bool device_set_prop(Device *dev, const char *name, const char *value, GError **err)
{
    Device *owner = dev;
    const Property *p = locate_prop(&owner, name);
    if (!p) {
        bool machine = dev->type->category && !strcmp(dev->type->category, "machine");
        g_set_error(err, HW_ERROR, 0, "%s: there is no property '%s' (see -%s %s,help)",
                    dev->type->name, name, machine ? "machine" : "device", dev->type->name);
        return false;
    }
    if (!property_parse(owner, p, value, err)) {
        g_prefix_error(err, "%s: %s=%s: ", dev->type->name, name, value);
        return false;
    }
    return true;
}

char *device_get_prop(const Device *dev, const char *name)
{
    Device *owner = (Device *)dev;
    const Property *p = locate_prop(&owner, name);
    return p ? property_print(owner, p) : NULL;
}

bool device_realize(Device *dev, Bus *bus, GError **err)
{
    g_assert(!dev->realized);
    if (bus && !bus_attach(bus, dev, err)) {
        g_prefix_error(err, "%s: ", dev->type->name);
        return false;
    }
    bool (*realize)(Device *, GError **) = HOOK(dev->type, realize);
    if (realize && !realize(dev, err)) {
        g_prefix_error(err, "%s: ", dev->type->name);
        bus_detach(dev);
        return false;
    }
    dev->realized = true;
    if (!all_devices) {
        all_devices = g_ptr_array_new();
    }
    g_ptr_array_add(all_devices, dev);
    return true;
}

static void device_unrealize(Device *dev)
{
    while (dev->buses && dev->buses->len) {
        bus_cleanup(dev->buses->pdata[dev->buses->len - 1]);
    }
    void (*unrealize)(Device *) = HOOK(dev->type, unrealize);
    g_ptr_array_remove(all_devices, dev);
    dev->realized = false;
    if (unrealize) {
        unrealize(dev);
    }
    Device *carrier = dev->bus ? dev->bus->parent : NULL;
    if (carrier && carrier->inner == dev) {
        carrier->inner = NULL;
    }
    bus_detach(dev);
}

void device_delete(Device *dev)
{
    if (!dev) {
        return;
    }
    if (dev->realized) {
        device_unrealize(dev);
    }
    device_free(dev);
}

Device *device_find(const char *id)
{
    for (guint i = 0; all_devices && i < all_devices->len; i++) {
        Device *dev = all_devices->pdata[i];
        if (dev->id && !strcmp(dev->id, id)) {
            /* What a transport carries has its name, too. */
            Device *carrier = dev->bus ? dev->bus->parent : NULL;
            return carrier && carrier->inner == dev ? carrier : dev;
        }
    }
    return NULL;
}

static void reset_one(Device *dev)
{
    void (*reset)(Device *) = HOOK(dev->type, reset);
    if (reset) {
        reset(dev);
    }
}

void devices_reset(void)
{
    for (guint i = 0; all_devices && i < all_devices->len; i++) {
        reset_one(all_devices->pdata[i]);
    }
}

void device_reset_tree(Device *dev)
{
    reset_one(dev);
    for (guint b = 0; dev->buses && b < dev->buses->len; b++) {
        const Bus *bus = dev->buses->pdata[b];
        for (guint i = 0; i < bus->devices->len; i++) {
            device_reset_tree(bus->devices->pdata[i]);
        }
    }
}

/* ---- -device ----------------------------------------------------------------------------- */

static const DeviceType *creatable_type(const char *name, GError **err)
{
    const DeviceType *type = name ? device_type_find(name) : NULL;
    if (!name) {
        g_set_error(err, HW_ERROR, 0, "no device is named (see -device help)");
    } else if (!type) {
        g_set_error(err, HW_ERROR, 0, "there is no device '%s' (see -device help)", name);
    } else if (!type->user_creatable) {
        g_set_error(err, HW_ERROR, 0, "device '%s' is a part of machines only", name);
        type = NULL;
    }
    return type;
}

static Bus *bus_for(const DeviceType *type, const char *name, GError **err)
{
    const char *kind = HOOK(type, bus);
    Bus *bus = kind ? bus_find(name, kind) : NULL;
    if (kind && !bus && name && bus_find(name, NULL)) {
        g_set_error(err, HW_ERROR, 0, "%s: bus '%s' is not for '%s' devices", type->name, name,
                    kind);
    } else if (kind && !bus && name) {
        g_set_error(err, HW_ERROR, 0, "%s: there is no bus '%s'", type->name, name);
    } else if (kind && !bus) {
        g_set_error(err, HW_ERROR, 0, "%s: this machine has no free '%s' bus", type->name, kind);
    }
    return bus;
}

static bool set_props(Device *dev, const Opts *opts, GError **err)
{
    for (unsigned i = 0; i < opts_count(opts); i++) {
        const char *key = opts_key(opts, i);
        if (strcmp(key, "driver") && strcmp(key, "id") && strcmp(key, "bus") &&
            !device_set_prop(dev, key, opts_get(opts, key), err)) {
            return false;
        }
    }
    return true;
}

static Device *add_from_opts(const Opts *opts, GError **err)
{
    const char *id = opts_get(opts, "id");
    const DeviceType *type = creatable_type(opts_get(opts, "driver"), err);
    if (!type) {
        return NULL;
    }
    if (id && device_find(id)) {
        g_set_error(err, HW_ERROR, 0, "%s: id '%s' is taken", type->name, id);
        return NULL;
    }
    Bus *bus = bus_for(type, opts_get(opts, "bus"), err);
    if ((!bus && HOOK(type, bus)) || !device_may_plug(type, bus, err)) {
        return NULL;
    }
    Device *dev = device_new(type, id);
    if (!set_props(dev, opts, err) || !device_realize(dev, bus, err)) {
        device_delete(dev);
        return NULL;
    }
    device_plugged(dev);
    return dev;
}

Device *device_add_from_text(const char *text, GError **err)
{
    Opts *opts = opts_new();
    bool ok =
        *text == '{' ? opts_parse_json(opts, text, err) : opts_parse(opts, text, "driver", err);
    Device *dev = ok ? add_from_opts(opts, err) : NULL;
    opts_free(opts);
    return dev;
}

/* ---- help -------------------------------------------------------------------------------- */

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const DeviceType *const *)a)->name, (*(const DeviceType *const *)b)->name);
}

void device_list_help(FILE *f)
{
    static const char *const groups[][2] = {
        { "storage", "Storage" }, { "network", "Network" }, { "input", "Input" },
        { "display", "Display" }, { "bridge", "Bridges" },  { "usb", "USB" },
        { "sound", "Sound" },     { "misc", "Other" },
    };
    g_autoptr(GPtrArray) types = g_ptr_array_new();
    for (guint i = 0; all_types && i < all_types->len; i++) {
        g_ptr_array_add(types, all_types->pdata[i]);
    }
    g_ptr_array_sort(types, by_name);
    for (size_t g = 0; g < G_N_ELEMENTS(groups); g++) {
        bool any = false;
        for (guint i = 0; i < types->len; i++) {
            const DeviceType *t = types->pdata[i];
            if (!t->user_creatable || strcmp(t->category ? t->category : "misc", groups[g][0])) {
                continue;
            }
            if (!any) {
                fprintf(f, "%s%s devices:\n", g ? "\n" : "", groups[g][1]);
                any = true;
            }
            const char *bus = HOOK(t, bus);
            fprintf(f, "name \"%s\"%s%s%s", t->name, bus ? ", bus " : "", bus ? bus : "",
                    t->desc ? ", desc \"" : "");
            fprintf(f, "%s%s\n", t->desc ? t->desc : "", t->desc ? "\"" : "");
        }
    }
}

static void print_prop(const DeviceType *owner, const Property *p, void *opaque)
{
    (void)owner;
    FILE *f = opaque;
    int at = fprintf(f, "  %s=<%s>", p->name, property_kind_name(p->kind));
    fprintf(f, "%*s - %s", MAX(1, 30 - at), "", p->doc ? p->doc : "");
    if (p->preset) {
        fprintf(f, " (default: %s)", p->preset);
    }
    fputc('\n', f);
}

void device_type_help(const DeviceType *type, FILE *f)
{
    fprintf(f, "%s options:\n", type->name);
    device_type_foreach_prop(type, print_prop, f);
}
