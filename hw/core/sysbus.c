/* SPDX-License-Identifier: MIT */
/* Devices at fixed places. */
#include "hw/device.h"

Bus *sysbus_get(void)
{
    static const BusType type = { .name = "sysbus" };
    static Bus bus;
    if (!bus.type) {
        bus_init(&bus, &type, NULL, "main-system-bus");
    }
    return &bus;
}

bool sysbus_realize(SysBusDevice *dev, MemoryRegion *memory, const hwaddr *at, GError **err)
{
    if (!device_realize(&dev->parent, sysbus_get(), err)) {
        return false;
    }
    for (int i = 0; i < SYSBUS_MAX_MMIO && dev->mmio[i]; i++) {
        memory_region_add(memory, at[i], dev->mmio[i], 0);
    }
    return true;
}
