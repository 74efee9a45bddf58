/* SPDX-License-Identifier: MIT */
/*
 * Intel 82540EM: PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual
 * (317453). Interrupts are INTA, throttled by ITR (13.4.18); the delay timers RDTR, RADV, TIDV are
 * as if they were 0.
 */
#include "hw/net/e1000.h"

enum { DEVICE_ID = 0x100e, IO_SIZE = 64 };

static void update_irq(E1000 *s)
{
    bool wanted = *e1000_reg(s, ICR) & *e1000_reg(s, IMS);
    int64_t now = clock_get_ns(CLOCK_VIRTUAL);
    if (wanted && !s->parent.intx) {
        if (now < s->quiet_until[0]) {
            timer_mod(&s->throttle[0], s->quiet_until[0]);
            return;
        }
        s->quiet_until[0] = now + *e1000_reg(s, ITR) * 256ll;
    }
    pci_set_intx(&s->parent, wanted);
}

static uint32_t read_icr(E1000 *s)
{
    uint32_t val = *e1000_reg(s, ICR);
    *e1000_reg(s, ICR) = 0;
    update_irq(s);
    return val;
}

static const E1000Model model = {
    .phy_id1 = 0x0141, /* 88E1011 */
    .phy_id2 = 0x0c20,
    .queues = 1,
    .update_irq = update_irq,
    .read_icr = read_icr,
};

static bool realize(Device *dev, GError **err)
{
    E1000 *s = (E1000 *)dev;
    if (!e1000_realize(s, &model, "e1000", err)) {
        return false;
    }
    pci_set_ids(&s->parent, 0x8086, DEVICE_ID, 0x020000, 0x8086, 0x001e);
    s->parent.config[PCI_REVISION] = 2;
    s->parent.config[PCI_INTERRUPT_PIN] = 1;
    s->parent.wmask[PCI_CACHE_LINE] = 0xff;
    s->parent.wmask[PCI_COMMAND] |= PCI_COMMAND_INVALIDATE;
    pci_add_bar(&s->parent, 0, 0, &s->mmio);
    memory_region_init_io(&s->io, "e1000-io", IO_SIZE, &e1000_io_ops, s);
    pci_add_bar(&s->parent, 2, PCI_BAR_IO, &s->io);
    e1000_eeprom_init(s, DEVICE_ID);
    e1000_phy_reset(s);
    return true;
}

static void unrealize(Device *dev)
{
    e1000_unrealize((E1000 *)dev);
}

static void reset(Device *dev)
{
    E1000 *s = (E1000 *)dev;
    pci_device_type.reset(dev);
    e1000_phy_reset(s);
    e1000_reset(s);
}

static const char *const aliases[] = { "e1000-82540em", NULL };

static const DeviceType e1000_type = {
    .name = "e1000",
    .aliases = aliases,
    .category = "network",
    .desc = "Intel 82540EM gigabit Ethernet",
    .parent = &pci_device_type,
    .size = sizeof(E1000),
    .props = e1000_props,
    .user_creatable = true,
    .hotpluggable = true,
    .realize = realize,
    .unrealize = unrealize,
    .reset = reset,
    .state = e1000_state,
    .state_version = 1,
    .post_load = e1000_post_load,
};
DEVICE_TYPE(e1000_type)
