/* SPDX-License-Identifier: MIT */
/*
 * Intel 82574L: 82574 GbE Controller Family Datasheet (317694). Two queues each way, hashes, five
 * MSI-X vectors which IVAR gives to causes, EITR throttles and EIAC clears (7.4, 10.2.4); without
 * MSI-X, INTA as the 82540 has it. The delay timers RDTR, RADV, TIDV are as if they were 0.
 */
#include "hw/net/e1000.h"

enum {
    DEVICE_ID = 0x10d3,
    IO_SIZE = 32,
    FLASH_SIZE = 0x10000,
    NB_CAUSES = 5, /* RXQ0, RXQ1, TXQ0, TXQ1, OTHER: bits 20 to 24 */
    IVAR_VALID = 8,
    /* what OTHER stands for: LSC, RXO, MDAC, TXD_LOW, SRPD, ACK, MNG */
    OTHER_CAUSES = INT_LSC | INT_RXO | INT_MDAC | INT_TXD_LOW | 7 << 16,
};

static bool throttled(E1000 *s, unsigned vector, uint32_t interval)
{
    int64_t now = clock_get_ns(CLOCK_VIRTUAL);
    if (now < s->quiet_until[vector]) {
        timer_mod(&s->throttle[vector], s->quiet_until[vector]);
        return true;
    }
    s->quiet_until[vector] = now + interval * 256ll;
    return false;
}

static void update_intx(E1000 *s)
{
    bool wanted = *e1000_reg(s, ICR) & *e1000_reg(s, IMS);
    if (wanted && !s->parent.intx && throttled(s, 0, *e1000_reg(s, ITR))) {
        return;
    }
    pci_set_intx(&s->parent, wanted);
}

/* A message for each cause that is new, has a vector, and is not throttled. */
static void send_messages(E1000 *s)
{
    uint32_t ivar = *e1000_reg(s, IVAR), pending = *e1000_reg(s, ICR) & *e1000_reg(s, IMS);
    s->icr_signalled &= pending;
    for (unsigned i = 0; i < NB_CAUSES; i++) {
        uint32_t cause = (uint32_t)INT_RXQ0 << i;
        unsigned entry = ivar >> 4 * i & 15, vector = entry & 7;
        if (!(pending & ~s->icr_signalled & cause) || !(entry & IVAR_VALID) ||
            vector >= E1000_VECTORS || throttled(s, vector, *e1000_reg(s, EITR + 4 * vector))) {
            continue;
        }
        s->icr_signalled |= cause;
        if (*e1000_reg(s, EIAC) & cause) {
            *e1000_reg(s, ICR) &= ~cause;
            s->icr_signalled &= ~cause;
        }
        if (*e1000_reg(s, CTRL_EXT) & CTRL_EXT_EIAME) {
            *e1000_reg(s, IMS) &= ~(*e1000_reg(s, IAM) & cause);
        }
        msix_notify(&s->parent, (uint16_t)vector);
    }
}

static void update_irq(E1000 *s)
{
    uint32_t *icr = e1000_reg(s, ICR);
    if (*icr & OTHER_CAUSES & ~s->icr_signalled) {
        *icr |= INT_OTHER;
    }
    if (msix_enabled(&s->parent)) {
        pci_set_intx(&s->parent, false);
        send_messages(s);
    } else {
        update_intx(s);
    }
}

/* Clears when there is an interrupt, or none is wanted (10.2.4). */
static uint32_t read_icr(E1000 *s)
{
    uint32_t val = *e1000_reg(s, ICR), ims = *e1000_reg(s, IMS);
    bool asserted = val & ims;
    if (asserted || !ims) {
        *e1000_reg(s, ICR) = 0;
    }
    if (asserted && *e1000_reg(s, CTRL_EXT) & CTRL_EXT_IAME) {
        *e1000_reg(s, IMS) &= ~*e1000_reg(s, IAM);
    }
    update_irq(s);
    return val | (asserted ? INT_ASSERTED : 0);
}

static const E1000Model model = {
    .phy_id1 = 0x0141, /* BM1000 */
    .phy_id2 = 0x0cb1,
    .queues = 2,
    .is_82574 = true,
    .update_irq = update_irq,
    .read_icr = read_icr,
};

/* Nothing is in it: reads as an erased part does. */
static uint64_t flash_read(void *opaque, hwaddr offset, unsigned size)
{
    (void)opaque, (void)offset, (void)size;
    return ~0ull;
}

static void flash_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    (void)opaque, (void)offset, (void)val, (void)size;
}

static const MemoryRegionOps flash_ops = { .read = flash_read, .write = flash_write };

static void add_express_capability(PCIDevice *pci)
{
    enum { ENDPOINT = 2, INTEGRATED = 9, LINK_2_5_GT_X1 = 0x11 };
    bool root = !pci->bus->bridge;
    uint8_t cap = pci_add_capability(pci, PCI_CAP_EXPRESS, 0x3c);
    pci_set16(pci, cap + 2, (uint16_t)(2 | (root ? INTEGRATED : ENDPOINT) << 4));
    if (!root) {
        pci_set32(pci, cap + 0x0c, LINK_2_5_GT_X1);
        pci_set16(pci, cap + 0x12, LINK_2_5_GT_X1);
    }
}

static bool realize(Device *dev, GError **err)
{
    E1000 *s = (E1000 *)dev;
    if (!e1000_realize(s, &model, "e1000e", err)) {
        return false;
    }
    pci_set_ids(&s->parent, 0x8086, DEVICE_ID, 0x020000, 0x8086, 0x0000);
    s->parent.config[PCI_INTERRUPT_PIN] = 1;
    add_express_capability(&s->parent);
    pci_add_bar(&s->parent, 0, 0, &s->mmio);
    memory_region_init_io(&s->flash, "e1000e-flash", FLASH_SIZE, &flash_ops, s);
    pci_add_bar(&s->parent, 1, 0, &s->flash);
    memory_region_init_io(&s->io, "e1000e-io", IO_SIZE, &e1000_io_ops, s);
    pci_add_bar(&s->parent, 2, PCI_BAR_IO, &s->io);
    msix_init(&s->parent, E1000_VECTORS, 3);
    e1000_eeprom_init(s, DEVICE_ID);
    e1000_phy_reset(s);
    return true;
}

static void unrealize(Device *dev)
{
    E1000 *s = (E1000 *)dev;
    e1000_unrealize(s);
    memory_region_cleanup(&s->flash);
}

static void reset(Device *dev)
{
    E1000 *s = (E1000 *)dev;
    pci_device_type.reset(dev);
    e1000_phy_reset(s);
    e1000_reset(s);
}

static const DeviceType e1000e_type = {
    .name = "e1000e",
    .category = "network",
    .desc = "Intel 82574L gigabit Ethernet",
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
DEVICE_TYPE(e1000e_type)
