/* SPDX-License-Identifier: MIT */
/* GICv2m: a frame whose writes are shared interrupts, for PCI's messages. ARM DEN 0029 (Server
 * Base System Architecture), appendix E. */
#include "hw/intc/gic.h"
#include "util/log.h"

enum { TYPER = 0x008, SETSPI_NS = 0x040, IIDR = 0xfcc, MAX_SPIS = SYSBUS_MAX_IRQ };

typedef struct GICv2m {
    SysBusDevice parent; /* irq[i]: SPI base + i */
    MemoryRegion regs;
    uint32_t base, count;
} GICv2m;

static uint64_t v2m_read(void *opaque, hwaddr offset, unsigned size)
{
    GICv2m *s = opaque;
    (void)size;
    switch (offset) {
    case TYPER:
        return (s->base + GIC_INTERNAL) << 16 | s->count;
    case IIDR:
        return 'L' << 20;
    default:
        return 0;
    }
}

static void v2m_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    GICv2m *s = opaque;
    (void)size;
    uint64_t n = (val & 0x3ff) - GIC_INTERNAL - s->base;
    if (offset == SETSPI_NS && n < s->count) {
        irq_pulse(&s->parent.irq[n]);
    } else {
        log_printf(LOG_GUEST_ERROR, "gicv2m: write of %#x to register %#x\n", (unsigned)val,
                   (unsigned)offset);
    }
}

static const MemoryRegionOps ops = {
    .read = v2m_read,
    .write = v2m_write,
    .impl = { .min = 4, .max = 4 },
    .lockless = true, /* the GIC locks itself */
};

static bool v2m_realize(Device *dev, GError **err)
{
    GICv2m *s = (GICv2m *)dev;
    if (s->count > MAX_SPIS) {
        g_set_error(err, HW_ERROR, 0, "num-spi=%u is more than %d", s->count, MAX_SPIS);
        return false;
    }
    memory_region_init_io(&s->regs, "gicv2m", 0x1000, &ops, s);
    s->parent.mmio[0] = &s->regs;
    return true;
}

static void v2m_unrealize(Device *dev)
{
    memory_region_cleanup(&((GICv2m *)dev)->regs);
}

static const Property props[] = {
    { .name = "base-spi",
      .kind = PROP_U32,
      .offset = offsetof(GICv2m, base),
      .preset = "48",
      .doc = "first SPI" },
    { .name = "num-spi",
      .kind = PROP_U32,
      .offset = offsetof(GICv2m, count),
      .preset = "64",
      .doc = "how many SPIs" },
    { .name = NULL },
};

static const DeviceType gicv2m = {
    .name = "arm-gicv2m",
    .bus = "sysbus",
    .category = "misc",
    .desc = "Arm GICv2m message interrupts",
    .size = sizeof(GICv2m),
    .props = props,
    .realize = v2m_realize,
    .unrealize = v2m_unrealize,
};
DEVICE_TYPE(gicv2m)
