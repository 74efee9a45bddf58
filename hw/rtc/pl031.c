/* SPDX-License-Identifier: MIT */
/* PrimeCell real time clock. ARM DDI 0224C. */
#include "hw/device.h"
#include "hw/rtc.h"
#include "util/log.h"

enum {
    DR = 0x00,
    MR = 0x04,
    LR = 0x08,
    CR = 0x0c,
    IMSC = 0x10,
    RIS = 0x14,
    MIS = 0x18,
    ICR = 0x1c,
    PERIPH_ID = 0xfe0,
    NS_PER_S = 1000000000
};

typedef struct PL031 {
    SysBusDevice parent;
    MemoryRegion regs;
    Timer timer;
    uint32_t offset; /* seconds that the counter is ahead of the wall clock, modulo 2^32 */
    uint32_t mr, lr, imsc, ris;
} PL031;

static void update_irq(PL031 *s)
{
    irq_set(&s->parent.irq[0], (s->ris & s->imsc) != 0);
}

static uint32_t count(const PL031 *s)
{
    return (uint32_t)(rtc_now_ns() / NS_PER_S) + s->offset;
}

/* The match comes when the counter has gone the whole way to it. */
static void set_alarm(PL031 *s)
{
    uint32_t left = s->mr - count(s);
    if (left == 0) {
        s->ris = 1;
        update_irq(s);
    } else {
        timer_mod(&s->timer,
                  clock_get_ns(rtc_clock()) + (int64_t)left * NS_PER_S - rtc_now_ns() % NS_PER_S);
    }
}

static void matched(void *opaque)
{
    PL031 *s = opaque;
    s->ris = 1;
    update_irq(s);
}

static uint64_t pl031_read(void *opaque, hwaddr offset, unsigned size)
{
    static const uint8_t id[8] = { 0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };
    PL031 *s = opaque;
    (void)size;
    switch (offset) {
    case DR:
        return count(s);
    case MR:
        return s->mr;
    case LR:
        return s->lr;
    case CR:
        return 1; /* it always runs */
    case IMSC:
        return s->imsc;
    case RIS:
        return s->ris;
    case MIS:
        return s->ris & s->imsc;
    default:
        return offset >= PERIPH_ID ? id[(offset - PERIPH_ID) >> 2] : 0;
    }
}

static void pl031_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    PL031 *s = opaque;
    (void)size;
    switch (offset) {
    case MR:
        s->mr = (uint32_t)val;
        set_alarm(s);
        break;
    case LR:
        s->lr = (uint32_t)val;
        s->offset += (uint32_t)val - count(s);
        set_alarm(s);
        break;
    case IMSC:
        s->imsc = val & 1;
        break;
    case ICR:
        s->ris &= ~(uint32_t)val;
        break;
    case CR:
        break;
    default:
        log_printf(LOG_GUEST_ERROR, "pl031: write to register %#x\n", (unsigned)offset);
        break;
    }
    update_irq(s);
}

static const MemoryRegionOps ops = {
    .read = pl031_read,
    .write = pl031_write,
    .impl = { .min = 4, .max = 4 },
};

/* The counter runs on, as a battery's does. */
static void pl031_reset(Device *dev)
{
    PL031 *s = (PL031 *)dev;
    timer_del(&s->timer);
    s->mr = s->lr = s->imsc = s->ris = 0;
    update_irq(s);
}

static bool pl031_realize(Device *dev, GError **err)
{
    PL031 *s = (PL031 *)dev;
    (void)err;
    timer_init(&s->timer, rtc_clock(), matched, s);
    memory_region_init_io(&s->regs, "pl031", 0x1000, &ops, s);
    s->parent.mmio[0] = &s->regs;
    return true;
}

static void pl031_unrealize(Device *dev)
{
    PL031 *s = (PL031 *)dev;
    timer_del(&s->timer);
    memory_region_cleanup(&s->regs);
}

static bool pl031_post_load(Device *dev, GError **err)
{
    (void)err;
    set_alarm((PL031 *)dev);
    return true;
}

static const StateField state[] = {
    STATE(PL031, offset), STATE(PL031, mr),  STATE(PL031, lr),
    STATE(PL031, imsc),   STATE(PL031, ris), { .name = NULL },
};

static const DeviceType pl031 = {
    .name = "pl031",
    .bus = "sysbus",
    .category = "misc",
    .desc = "PrimeCell real time clock",
    .size = sizeof(PL031),
    .realize = pl031_realize,
    .unrealize = pl031_unrealize,
    .reset = pl031_reset,
    .state = state,
    .state_version = 1,
    .post_load = pl031_post_load,
};
DEVICE_TYPE(pl031)
