/* SPDX-License-Identifier: MIT */
/* The order in which firmware tries devices: their bootindex, and their paths in its way of writing
 * (IEEE 1275, Open Firmware). */
#include <stdlib.h>
#include "hw/device.h"

typedef struct Entry {
    long index;
    char *path;
} Entry;

static void add_path(const Device *dev, GString *path)
{
    const Bus *bus = dev ? dev->bus : NULL;
    if (bus) {
        add_path(bus->parent, path);
        if (bus->type->firmware_name) {
            bus->type->firmware_name(bus, dev, path);
        }
    }
}

/* What a transport carries has the property, too: it is the one that is asked. */
static void add_devices(Bus *bus, void *opaque)
{
    for (guint i = 0; i < bus->devices->len; i++) {
        const Device *dev = bus->devices->pdata[i];
        g_autofree char *index = dev->inner ? NULL : device_get_prop(dev, "bootindex");
        Entry e = { index ? strtol(index, NULL, 10) : -1, NULL };
        if (e.index >= 0) {
            GString *path = g_string_new("");
            add_path(dev, path);
            e.path = g_string_free(path, FALSE);
            g_array_append_val((GArray *)opaque, e);
        }
    }
}

static gint by_index(gconstpointer a, gconstpointer b)
{
    long x = ((const Entry *)a)->index, y = ((const Entry *)b)->index;
    return x < y ? -1 : x > y;
}

GString *boot_order(bool strict)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(Entry));
    GString *out = g_string_new("");
    bus_foreach(add_devices, entries);
    g_array_sort(entries, by_index);
    for (guint i = 0; i < entries->len; i++) {
        Entry *e = &g_array_index(entries, Entry, i);
        g_string_append_printf(out, "%s%s", i ? "\n" : "", e->path);
        g_free(e->path);
    }
    if (strict) {
        g_string_append_printf(out, "%sHALT", out->len ? "\n" : "");
    }
    return out;
}
