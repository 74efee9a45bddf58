/* SPDX-License-Identifier: MIT */
/* Buses: who sits on what. */
#include <string.h>
#include "hw/core/device-internal.h"

static GPtrArray *all_buses;

void bus_init(Bus *bus, const BusType *type, Device *parent, const char *name)
{
    *bus = (Bus){ .type = type, .name = g_strdup(name), .parent = parent };
    bus->devices = g_ptr_array_new();
    if (parent) {
        if (!parent->buses) {
            parent->buses = g_ptr_array_new();
        }
        g_ptr_array_add(parent->buses, bus);
    }
    if (!all_buses) {
        all_buses = g_ptr_array_new();
    }
    g_ptr_array_add(all_buses, bus);
}

void bus_cleanup(Bus *bus)
{
    while (bus->devices->len) {
        device_delete(bus->devices->pdata[bus->devices->len - 1]);
    }
    g_ptr_array_free(bus->devices, TRUE);
    if (bus->parent) {
        g_ptr_array_remove(bus->parent->buses, bus);
    }
    g_ptr_array_remove(all_buses, bus);
    g_free(bus->name);
    memset(bus, 0, sizeof(*bus));
}

static bool has_room(const Bus *bus)
{
    return !bus->type->max || bus->devices->len < bus->type->max;
}

Bus *bus_find(const char *name, const char *type)
{
    for (guint i = 0; all_buses && i < all_buses->len; i++) {
        Bus *bus = all_buses->pdata[i];
        if ((!type || !strcmp(bus->type->name, type)) &&
            (name ? !strcmp(bus->name, name) : has_room(bus))) {
            return bus;
        }
    }
    return NULL;
}

void bus_foreach(void (*fn)(Bus *bus, void *opaque), void *opaque)
{
    for (guint i = 0; all_buses && i < all_buses->len; i++) {
        fn(all_buses->pdata[i], opaque);
    }
}

bool bus_attach(Bus *bus, Device *dev, GError **err)
{
    if (!has_room(bus)) {
        g_set_error(err, HW_ERROR, 0, "bus '%s' has no room for another device", bus->name);
        return false;
    }
    if (bus->type->attach && !bus->type->attach(bus, dev, err)) {
        return false;
    }
    dev->bus = bus;
    g_ptr_array_add(bus->devices, dev);
    return true;
}

void bus_detach(Device *dev)
{
    Bus *bus = dev->bus;
    if (bus) {
        g_ptr_array_remove(bus->devices, dev);
        if (bus->type->detach) {
            bus->type->detach(bus, dev);
        }
        dev->bus = NULL;
    }
}
