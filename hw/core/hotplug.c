/* SPDX-License-Identifier: MIT */
/* Devices that come to, and leave, a machine that is complete. */
#include "hw/biglock.h"
#include "hw/device.h"
#include "hw/vcpu.h"

static bool complete;
static void (*deleted)(const char *id);

void devices_complete(void)
{
    complete = true;
}

void device_set_deleted_hook(void (*fn)(const char *id))
{
    deleted = fn;
}

bool device_may_plug(const DeviceType *type, const Bus *bus, GError **err)
{
    if (complete && (!bus || !bus->hotplug)) {
        g_set_error(err, HW_ERROR, 0, "Bus '%s' does not support hotplugging",
                    bus ? bus->name : "none");
        return false;
    }
    if (complete && !type->hotpluggable) {
        g_set_error(err, HW_ERROR, 0, "Device '%s' does not support hotplugging", type->name);
        return false;
    }
    return true;
}

void device_plugged(Device *dev)
{
    if (complete) {
        device_reset_tree(dev);
        if (dev->bus && dev->bus->type->plugged) {
            dev->bus->type->plugged(dev->bus, dev);
        }
    }
}

/* A CPU may hold a region of the device that it found before; when all have stopped none does. */
static gboolean remove_device(gpointer opaque)
{
    Device *dev = opaque;
    g_autofree char *id = g_strdup(dev->id);
    bool running = run_state_get() == RUN_STATE_RUNNING;
    if (running) {
        vcpus_stop();
    }
    device_delete(dev);
    if (running) {
        vcpus_resume();
    }
    if (deleted && id) {
        deleted(id);
    }
    return G_SOURCE_REMOVE;
}

void device_unplugged(Device *dev)
{
    dev->unplugging = true;
    g_idle_add_full(G_PRIORITY_HIGH, remove_device, dev, NULL);
}

bool device_unplug(Device *dev, GError **err)
{
    Bus *bus = dev->bus;
    if (!dev->type->hotpluggable || !bus || !bus->hotplug) {
        g_set_error(err, HW_ERROR, 0, "Bus '%s' does not support hotplugging",
                    bus ? bus->name : "none");
        return false;
    }
    if (dev->unplugging) {
        g_set_error(err, HW_ERROR, 0, "Device %s is already in the process of unplug", dev->id);
        return false;
    }
    if (bus->type->unplug) {
        return bus->type->unplug(bus, dev, err);
    }
    device_unplugged(dev);
    return true;
}
