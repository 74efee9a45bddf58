/* SPDX-License-Identifier: MIT */
/* Intel 6300ESB watchdog timer: two stages, the second of which acts. Intel 6300ESB I/O Controller
 * Hub datasheet, chapter 16. */
#include <string.h>
#include "hw/pci/pci.h"
#include "hw/timer.h"
#include "hw/vcpu.h"

enum {
    VENDOR_INTEL = 0x8086,
    I6300ESB = 0x25ab,
    CLASS_SYSTEM_OTHER = 0x088000,
    BAR_SIZE = 16,

    /* Configuration space. */
    C_CONFIG = 0x60,
    CONFIG_FAST = 1 << 2,      /* counts every 2^5 clocks, not every 2^15 */
    CONFIG_NO_OUTPUT = 1 << 5, /* the second stage does nothing */
    CONFIG_MASK = 0x27,
    C_LOCK = 0x68,
    LOCKED = 1 << 0,
    ENABLED = 1 << 1,
    FREE_RUN = 1 << 2,
    LOCK_MASK = 7,

    /* Registers. */
    R_TIMER1 = 0x00,
    R_TIMER2 = 0x04,
    R_INTERRUPT = 0x08,
    R_RELOAD = 0x0c,
    RELOAD = 1 << 8,
    TIMED_OUT = 1 << 9,
    PRELOAD_MASK = 0xfffff,
    UNLOCK1 = 0x80, /* both to R_RELOAD, before each write */
    UNLOCK2 = 0x86,

    CLOCK_NS = 30, /* of 33 MHz */
};

typedef struct Watchdog {
    PCIDevice parent;
    MemoryRegion region;
    Timer timer;
    uint32_t preload[2];
    uint8_t lock;   /* C_LOCK, which its first bit freezes */
    uint8_t unlock; /* steps of the sequence that were seen */
    uint8_t stage;  /* 0, 1 */
    bool timed_out; /* stays over a reset: it says why */
} Watchdog;

static void start_stage(Watchdog *s, uint8_t stage)
{
    unsigned shift = s->parent.config[C_CONFIG] & CONFIG_FAST ? 5 : 15;
    s->stage = stage;
    if (s->lock & ENABLED) {
        int64_t ns = (int64_t)((uint64_t)s->preload[stage] << shift) * CLOCK_NS;
        timer_mod(&s->timer, clock_get_ns(CLOCK_VIRTUAL) + ns);
    } else {
        timer_del(&s->timer);
    }
}

static void expired(void *opaque)
{
    Watchdog *s = opaque;
    if (s->stage == 0) {
        start_stage(s, 1);
        return;
    }
    if (!(s->parent.config[C_CONFIG] & CONFIG_NO_OUTPUT)) {
        s->timed_out = true;
        system_watchdog_request();
    }
    if (s->lock & FREE_RUN) {
        start_stage(s, 0);
    }
}

static void config_written(PCIDevice *dev, uint32_t offset, uint32_t len)
{
    Watchdog *s = (Watchdog *)dev;
    uint8_t before = s->lock;
    if (offset > C_LOCK || offset + len <= C_LOCK) {
        return;
    }
    if (before & LOCKED) {
        dev->config[C_LOCK] = before;
        return;
    }
    s->lock = dev->config[C_LOCK];
    if ((s->lock ^ before) & ENABLED) {
        start_stage(s, 0);
    }
}

static uint64_t wdt_read(void *opaque, hwaddr offset, unsigned size)
{
    const Watchdog *s = opaque;
    (void)size;
    return offset == R_RELOAD && s->timed_out ? TIMED_OUT : 0;
}

static void wdt_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    Watchdog *s = opaque;
    (void)size;
    if (offset == R_RELOAD && val == UNLOCK1) {
        s->unlock = 1;
        return;
    }
    if (offset == R_RELOAD && val == UNLOCK2 && s->unlock == 1) {
        s->unlock = 2;
        return;
    }
    if (s->unlock == 2 && offset == R_RELOAD) {
        if (val & RELOAD) {
            start_stage(s, 0);
        }
        s->timed_out &= !(val & TIMED_OUT);
    } else if (s->unlock == 2 && (offset == R_TIMER1 || offset == R_TIMER2)) {
        s->preload[offset == R_TIMER2] = (uint32_t)val & PRELOAD_MASK;
    }
    s->unlock = 0;
}

static const MemoryRegionOps ops = {
    .read = wdt_read,
    .write = wdt_write,
    .impl = { .min = 1, .max = 4 },
};

static bool wdt_realize(Device *dev, GError **err)
{
    Watchdog *s = (Watchdog *)dev;
    (void)err;
    pci_set_ids(&s->parent, VENDOR_INTEL, I6300ESB, CLASS_SYSTEM_OTHER, 0x1af4, 0x1100);
    s->parent.wmask[C_CONFIG] = CONFIG_MASK;
    s->parent.wmask[C_LOCK] = LOCK_MASK;
    timer_init(&s->timer, CLOCK_VIRTUAL, expired, s);
    memory_region_init_io(&s->region, "i6300esb", BAR_SIZE, &ops, s);
    pci_add_bar(&s->parent, 0, 0, &s->region);
    return true;
}

static void wdt_unrealize(Device *dev)
{
    Watchdog *s = (Watchdog *)dev;
    timer_del(&s->timer);
    pci_device_cleanup(&s->parent);
    memory_region_cleanup(&s->region);
}

static void wdt_reset(Device *dev)
{
    Watchdog *s = (Watchdog *)dev;
    timer_del(&s->timer);
    pci_device_type.reset(dev);
    s->preload[0] = s->preload[1] = PRELOAD_MASK;
    s->lock = s->unlock = s->stage = 0;
}

static const StateField state[] = {
    STATE_ARRAY(Watchdog, preload), STATE(Watchdog, lock),      STATE(Watchdog, unlock),
    STATE(Watchdog, stage),         STATE(Watchdog, timed_out), { NULL, 0, 0, 0 },
};

static const PCIDeviceOps pci_ops = { .config_written = config_written };

static const DeviceType i6300esb = {
    .name = "i6300esb",
    .category = "misc",
    .desc = "Intel 6300ESB watchdog",
    .parent = &pci_device_type,
    .size = sizeof(Watchdog),
    .user_creatable = true,
    .hotpluggable = true,
    .realize = wdt_realize,
    .unrealize = wdt_unrealize,
    .reset = wdt_reset,
    .state = state,
    .state_version = 1,
    .ops = &pci_ops,
};
DEVICE_TYPE(i6300esb)
