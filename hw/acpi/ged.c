/* SPDX-License-Identifier: MIT */
/* The register behind an ACPI Generic Event Device (ACPI Specification 6.3, 5.6.9): a bit for each
 * event that has happened, cleared by reading, and an interrupt. What the bits mean, and that this
 * is so, the DSDT says. */
#include "hw/acpi/ged.h"

enum { SIZE = 4 };

typedef struct GED {
    SysBusDevice parent;
    MemoryRegion region;
    uint32_t events;
} GED;

void ged_event(Device *dev, uint32_t event)
{
    GED *s = (GED *)dev;
    s->events |= event;
    irq_set(&s->parent.irq[0], 1);
}

static uint64_t ged_read(void *opaque, hwaddr offset, unsigned size)
{
    GED *s = opaque;
    uint32_t events = s->events;
    (void)offset, (void)size;
    s->events = 0;
    irq_set(&s->parent.irq[0], 0);
    return events;
}

static void ged_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    (void)opaque, (void)offset, (void)val, (void)size; /* read-only */
}

static const MemoryRegionOps ops = {
    .read = ged_read,
    .write = ged_write,
    .valid = { .min = 4, .max = 4 },
    .impl = { .min = 4, .max = 4 },
};

static bool ged_realize(Device *dev, GError **err)
{
    GED *s = (GED *)dev;
    (void)err;
    memory_region_init_io(&s->region, "acpi-ged", SIZE, &ops, s);
    s->parent.mmio[0] = &s->region;
    return true;
}

static void ged_unrealize(Device *dev)
{
    memory_region_cleanup(&((GED *)dev)->region);
}

static void ged_reset(Device *dev)
{
    GED *s = (GED *)dev;
    s->events = 0;
    irq_set(&s->parent.irq[0], 0);
}

static const StateField state[] = { STATE(GED, events), { NULL, 0, 0, 0 } };

static const DeviceType ged = {
    .name = "acpi-ged",
    .bus = "sysbus",
    .category = "misc",
    .desc = "ACPI generic event device",
    .size = sizeof(GED),
    .realize = ged_realize,
    .unrealize = ged_unrealize,
    .reset = ged_reset,
    .state = state,
    .state_version = 1,
};
DEVICE_TYPE(ged)
