/* SPDX-License-Identifier: MIT */
/* PrimeCell GPIO: eight lines. ARM DDI 0190B. */
#include "hw/gpio/pl061.h"
#include "util/log.h"

enum {
    GPIO_DATA_END = 0x400, /* below: bits 9:2 of the address choose the lines */
    GPIO_DIR = 0x400,
    GPIO_IS = 0x404,
    GPIO_IBE = 0x408,
    GPIO_IEV = 0x40c,
    GPIO_IE = 0x410,
    GPIO_RIS = 0x414,
    GPIO_MIS = 0x418,
    GPIO_IC = 0x41c,
    GPIO_AFSEL = 0x420,
    GPIO_PERIPH_ID = 0xfe0,
};

typedef struct PL061 {
    SysBusDevice parent;
    MemoryRegion regs;
    IRQLine out[8];
    uint8_t data; /* output latch */
    uint8_t in;   /* levels at the inputs */
    uint8_t dir, is, ibe, iev, ie, edges, afsel;
    uint8_t driven; /* outputs as last told */
} PL061;

static uint8_t levels(const PL061 *s)
{
    return (s->data & s->dir) | (s->in & ~s->dir);
}

static uint8_t raw_status(const PL061 *s)
{
    uint8_t by_level = s->is & (uint8_t) ~(levels(s) ^ s->iev);
    return by_level | (s->edges & (uint8_t)~s->is);
}

/* After `before` were the levels. */
static void update(PL061 *s, uint8_t before)
{
    uint8_t now = levels(s), changed = now ^ before, out = s->data & s->dir;
    s->edges |= changed & (uint8_t)~s->is & (s->ibe | (uint8_t) ~(now ^ s->iev));
    irq_set(&s->parent.irq[0], (raw_status(s) & s->ie) != 0);
    for (int i = 0; i < 8; i++) {
        if ((out ^ s->driven) >> i & 1) {
            irq_set(&s->out[i], out >> i & 1);
        }
    }
    s->driven = out;
}

static void input(void *opaque, int n, int level)
{
    PL061 *s = opaque;
    uint8_t before = levels(s);
    s->in = (uint8_t)((s->in & ~(1u << n)) | (unsigned)(level != 0) << n);
    update(s, before);
}

IRQLine pl061_input(Device *dev, int n)
{
    return (IRQLine){ input, dev, n };
}

void pl061_connect(Device *dev, int n, IRQLine line)
{
    ((PL061 *)dev)->out[n] = line;
}

static uint64_t pl061_read(void *opaque, hwaddr offset, unsigned size)
{
    static const uint8_t id[8] = { 0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };
    PL061 *s = opaque;
    (void)size;
    if (offset < GPIO_DATA_END) {
        return levels(s) & offset >> 2;
    }
    switch (offset) {
    case GPIO_DIR:
        return s->dir;
    case GPIO_IS:
        return s->is;
    case GPIO_IBE:
        return s->ibe;
    case GPIO_IEV:
        return s->iev;
    case GPIO_IE:
        return s->ie;
    case GPIO_RIS:
        return raw_status(s);
    case GPIO_MIS:
        return raw_status(s) & s->ie;
    case GPIO_AFSEL:
        return s->afsel;
    default:
        return offset >= GPIO_PERIPH_ID ? id[(offset - GPIO_PERIPH_ID) >> 2] : 0;
    }
}

static void pl061_write(void *opaque, hwaddr offset, uint64_t val64, unsigned size)
{
    PL061 *s = opaque;
    uint8_t val = (uint8_t)val64, before = levels(s);
    (void)size;
    if (offset < GPIO_DATA_END) {
        uint8_t mask = (uint8_t)(offset >> 2) & s->dir;
        s->data = (uint8_t)((s->data & ~mask) | (val & mask));
    } else {
        switch (offset) {
        case GPIO_DIR:
            s->dir = val;
            break;
        case GPIO_IS:
            s->is = val;
            break;
        case GPIO_IBE:
            s->ibe = val;
            break;
        case GPIO_IEV:
            s->iev = val;
            break;
        case GPIO_IE:
            s->ie = val;
            break;
        case GPIO_IC:
            s->edges &= (uint8_t)~val;
            break;
        case GPIO_AFSEL:
            s->afsel = val;
            break;
        default:
            log_printf(LOG_GUEST_ERROR, "pl061: write to register %#x\n", (unsigned)offset);
            break;
        }
    }
    update(s, before);
}

static const MemoryRegionOps ops = {
    .read = pl061_read,
    .write = pl061_write,
    .impl = { .min = 4, .max = 4 },
};

static void pl061_reset(Device *dev)
{
    PL061 *s = (PL061 *)dev;
    s->data = s->dir = s->is = s->ibe = s->iev = s->ie = s->edges = s->afsel = 0;
    update(s, levels(s));
}

static bool pl061_realize(Device *dev, GError **err)
{
    PL061 *s = (PL061 *)dev;
    (void)err;
    memory_region_init_io(&s->regs, "pl061", 0x1000, &ops, s);
    s->parent.mmio[0] = &s->regs;
    return true;
}

static void pl061_unrealize(Device *dev)
{
    memory_region_cleanup(&((PL061 *)dev)->regs);
}

static const StateField state[] = {
    STATE(PL061, data),  STATE(PL061, in),  STATE(PL061, dir), STATE(PL061, is),
    STATE(PL061, ibe),   STATE(PL061, iev), STATE(PL061, ie),  STATE(PL061, edges),
    STATE(PL061, afsel), { .name = NULL },
};

static const DeviceType pl061 = {
    .name = "pl061",
    .bus = "sysbus",
    .category = "misc",
    .desc = "PrimeCell GPIO",
    .size = sizeof(PL061),
    .realize = pl061_realize,
    .unrealize = pl061_unrealize,
    .reset = pl061_reset,
    .state = state,
    .state_version = 1,
};
DEVICE_TYPE(pl061)
