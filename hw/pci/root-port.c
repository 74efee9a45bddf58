/* SPDX-License-Identifier: MIT */
/* PCI Express ports: root ports, and switches of an upstream and some downstream ports. What is
 * behind a root or downstream port can be plugged and pulled. PCI Express Base Specification 4.0,
 * 6.7 (hotplug), 7.5.3 (capability). */
#include <stdio.h>
#include "hw/pci/pci-internal.h"
#include "hw/vcpu.h"

/* In the PCI Express capability. */
enum {
    E_FLAGS = 0x02,
    E_DEVICE_CAP = 0x04,
    E_DEVICE_CTL = 0x08,
    E_LINK_CAP = 0x0c,
    E_LINK_CTL = 0x10,
    E_LINK_STATUS = 0x12,
    E_SLOT_CAP = 0x14,
    E_SLOT_CTL = 0x18,
    E_SLOT_STATUS = 0x1a,
    E_ROOT_CTL = 0x1c,
    EXPRESS_SIZE = 0x3c,

    FLAG_SLOT = 1 << 8,
    LINK_SPEED_WIDTH = 4 | 1 << 4, /* 16 GT/s, one lane */
    LINK_CAP_ACTIVE = 1 << 20,     /* reports whether the link is active */
    LINK_ACTIVE = 1 << 13,
};

/* Slot capabilities; control; status and what of it is an event. */
enum {
    CAP_BUTTON = 1 << 0,
    CAP_POWER = 1 << 1,
    CAP_ATTENTION_LED = 1 << 3,
    CAP_POWER_LED = 1 << 4,
    CAP_HOTPLUG = 1 << 6,

    CTL_INTERRUPTS = 1 << 5,
    CTL_POWER_LED = 3 << 8,
    CTL_POWER_LED_ON = 1 << 8,
    CTL_POWER_LED_BLINK = 2 << 8,
    CTL_POWER_LED_OFF = 3 << 8,
    CTL_POWER_OFF = 1 << 10,
    CTL_LINK_EVENTS = 1 << 12,

    EV_BUTTON = 1 << 0,
    EV_PRESENCE = 1 << 3,
    EV_COMMAND_DONE = 1 << 4,
    EV_LINK = 1 << 8,
    EV_ALL = 0x1f | EV_LINK,
    PRESENT = 1 << 6,
};

enum { PORT_ROOT = 4, PORT_UPSTREAM = 5, PORT_DOWNSTREAM = 6 };
enum { CLASS_BRIDGE = 0x060400, PORT_VECTORS = 1 };

typedef struct PCIEPort {
    PCIDevice parent;
    PCIBus bus;
    uint8_t chassis, port;
    uint16_t slot;
    bool hotplug;
    uint8_t express;       /* the capability's offset */
    uint16_t last_control; /* of the slot, before the guest's write */
    bool interrupting;
} PCIEPort;

/* What distinguishes one kind of port from another. */
typedef struct PortKind {
    PCIDeviceOps ops; /* first: it is DeviceType.ops */
    uint16_t vendor, device;
    uint8_t type;
    bool msi; /* by plain MSI; else MSI-X */
} PortKind;

static const PortKind *kind(const PCIEPort *s)
{
    return s->parent.parent.type->ops;
}

static uint16_t get(const PCIEPort *s, unsigned reg)
{
    return pci_get16(&s->parent, s->express + reg);
}

static void set_bits(PCIEPort *s, unsigned reg, uint16_t bits, bool on)
{
    uint16_t val = get(s, reg);
    pci_set16(&s->parent, s->express + reg, on ? val | bits : val & (uint16_t)~bits);
}

/* ---- events ------------------------------------------------------------------------------ */

static bool wants_interrupt(const PCIEPort *s)
{
    uint16_t ctl = get(s, E_SLOT_CTL), status = get(s, E_SLOT_STATUS);
    /* The first five enables are where their events are. */
    uint16_t enabled = (uint16_t)((ctl & 0x1f) | (ctl & CTL_LINK_EVENTS ? EV_LINK : 0));
    return ctl & CTL_INTERRUPTS && status & enabled;
}

static void update_interrupt(PCIEPort *s)
{
    bool before = s->interrupting;
    PCIDevice *dev = &s->parent;
    s->interrupting = wants_interrupt(s);
    if (msix_enabled(dev) || msi_enabled(dev)) {
        pci_set_intx(dev, false);
        if (s->interrupting && !before) {
            msix_enabled(dev) ? msix_notify(dev, 0) : msi_notify(dev, 0);
        }
    } else {
        pci_set_intx(dev, s->interrupting);
    }
}

static void happened(PCIEPort *s, uint16_t events)
{
    set_bits(s, E_SLOT_STATUS, events, true);
    update_interrupt(s);
}

static bool occupied(const PCIEPort *s)
{
    return s->bus.bus.devices->len != 0;
}

/* The link is up when there is something with power at its other end. */
static uint16_t update_link(PCIEPort *s)
{
    bool was = get(s, E_LINK_STATUS) & LINK_ACTIVE, is = occupied(s) && !s->bus.off;
    set_bits(s, E_LINK_STATUS, LINK_ACTIVE, is);
    return is != was ? EV_LINK : 0;
}

/* ---- plugging and pulling ------------------------------------------------------------------- */

static void port_plugged(PCIBus *bus, PCIDevice *dev)
{
    PCIEPort *s = (PCIEPort *)bus->bridge;
    /* Function 0 is the last to come: then the guest looks for all of them. */
    if (!(dev->devfn & 7)) {
        set_bits(s, E_SLOT_STATUS, PRESENT, true);
        happened(s, EV_PRESENCE | EV_BUTTON | update_link(s));
    }
}

static void let_go(PCIEPort *s)
{
    for (unsigned i = 0; i < 8; i++) {
        PCIDevice *dev = s->bus.devices[i];
        if (dev && dev->parent.unplugging) {
            device_unplugged(&dev->parent);
        }
    }
    set_bits(s, E_SLOT_STATUS, PRESENT, false);
    happened(s, EV_PRESENCE | update_link(s));
}

static bool port_unplug(PCIBus *bus, PCIDevice *dev, GError **err)
{
    PCIEPort *s = (PCIEPort *)bus->bridge;
    uint16_t led = get(s, E_SLOT_CTL) & CTL_POWER_LED;
    (void)dev;
    if (led == CTL_POWER_LED_BLINK) {
        g_set_error(err, HW_ERROR, 0,
                    "Hot-unplug failed: guest is busy (power indicator blinking)");
        return false;
    }
    for (unsigned i = 0; i < 8; i++) {
        if (bus->devices[i]) {
            bus->devices[i]->parent.unplugging = true;
        }
    }
    if (bus->off || run_state_get() == RUN_STATE_PRELAUNCH) {
        let_go(s);
    } else {
        happened(s, EV_BUTTON);
    }
    return true;
}

static const PCISlotOps slot_ops = { port_plugged, port_unplug };

static void slot_controlled(PCIEPort *s)
{
    uint16_t now = get(s, E_SLOT_CTL), before = s->last_control;
    uint16_t events = EV_COMMAND_DONE;
    s->last_control = now;
    if ((now ^ before) & CTL_POWER_OFF) {
        pci_bus_set_power(&s->bus, !(now & CTL_POWER_OFF));
        events |= update_link(s);
    }
    bool asked = occupied(s) && ((Device *)s->bus.bus.devices->pdata[0])->unplugging;
    bool off = now & CTL_POWER_OFF && (now & CTL_POWER_LED) == CTL_POWER_LED_OFF;
    happened(s, events);
    if (asked && off && get(s, E_SLOT_STATUS) & PRESENT) {
        let_go(s);
    }
}

static void config_written(PCIDevice *dev, uint32_t offset, uint32_t len)
{
    PCIEPort *s = (PCIEPort *)dev;
    uint32_t ctl = s->express + E_SLOT_CTL;
    if (!s->bus.slots) {
        return;
    }
    if (offset < ctl + 2 && offset + len > ctl) {
        slot_controlled(s);
    } else {
        update_interrupt(s); /* an event acknowledged, or the way of interrupts changed */
    }
}

/* ---- the ports --------------------------------------------------------------------------- */

static void add_slot(PCIEPort *s)
{
    PCIDevice *dev = &s->parent;
    uint8_t at = s->express;
    uint32_t caps =
        s->hotplug ? CAP_BUTTON | CAP_POWER | CAP_ATTENTION_LED | CAP_POWER_LED | CAP_HOTPLUG : 0;
    pci_set16(dev, at + E_FLAGS, pci_get16(dev, at + E_FLAGS) | FLAG_SLOT);
    pci_set32(dev, at + E_SLOT_CAP, caps | (uint32_t)s->slot << 19);
    dev->wmask[at + E_SLOT_CTL] = 0xff;
    dev->wmask[at + E_SLOT_CTL + 1] = 0x17;
    dev->w1cmask[at + E_SLOT_STATUS] = EV_ALL & 0xff;
    dev->w1cmask[at + E_SLOT_STATUS + 1] = EV_ALL >> 8;
    if (s->hotplug) {
        pci_bus_set_slots(&s->bus, &slot_ops);
    }
}

static void add_express(PCIEPort *s)
{
    PCIDevice *dev = &s->parent;
    uint8_t at = pci_add_capability(dev, PCI_CAP_EXPRESS, EXPRESS_SIZE);
    uint32_t active = kind(s)->type == PORT_UPSTREAM ? 0 : LINK_CAP_ACTIVE;
    s->express = at;
    pci_set16(dev, at + E_FLAGS, (uint16_t)(2 | kind(s)->type << 4)); /* version 2 */
    pci_set32(dev, at + E_DEVICE_CAP, 1 << 15);                       /* role-based errors */
    pci_set32(dev, at + E_LINK_CAP, LINK_SPEED_WIDTH | active | (uint32_t)s->port << 24);
    pci_set16(dev, at + E_LINK_STATUS, LINK_SPEED_WIDTH);
    dev->wmask[at + E_DEVICE_CTL] = 0xff;
    dev->wmask[at + E_DEVICE_CTL + 1] = 0x7f;
    dev->wmask[at + E_LINK_CTL] = 0xf8;
    if (kind(s)->type == PORT_ROOT) {
        dev->wmask[at + E_ROOT_CTL] = 0x1f;
    }
}

/* Whether this kind of port may be where it is. */
static bool place_ok(const PCIEPort *s, GError **err)
{
    const PCIDevice *bridge = s->parent.bus->bridge;
    const PCIDeviceOps *above = bridge ? bridge->parent.type->ops : NULL;
    switch (kind(s)->type) {
    case PORT_ROOT:
        if (bridge) {
            g_set_error(err, HW_ERROR, 0, "a root port goes on the root bus only");
        }
        return !bridge;
    case PORT_UPSTREAM:
        if (!s->parent.bus->only_slot0) {
            g_set_error(err, HW_ERROR, 0, "an upstream port goes below a root or downstream port");
        }
        return s->parent.bus->only_slot0;
    default:
        if (!above || above->config_written != config_written || s->parent.bus->only_slot0) {
            g_set_error(err, HW_ERROR, 0, "a downstream port goes below an upstream port");
            return false;
        }
        return true;
    }
}

static bool port_realize(Device *d, GError **err)
{
    PCIEPort *s = (PCIEPort *)d;
    PCIDevice *dev = &s->parent;
    char name[32];
    if (!place_ok(s, err)) {
        return false;
    }
    pci_set_ids(dev, kind(s)->vendor, kind(s)->device, CLASS_BRIDGE, 0, 0);
    pci_bridge_init(dev);
    dev->config[PCI_INTERRUPT_PIN] = 1;
    add_express(s);
    if (kind(s)->msi) {
        msi_init(dev, PORT_VECTORS, true);
    } else {
        msix_init(dev, PORT_VECTORS, 0);
    }
    snprintf(name, sizeof(name), "pcie.port%02x%x", dev->devfn >> 3, dev->devfn & 7u);
    pci_bus_init(&s->bus, d, d->id ? d->id : name, dev);
    if (kind(s)->type != PORT_UPSTREAM) {
        s->bus.only_slot0 = true;
        add_slot(s);
    }
    return true;
}

static void port_unrealize(Device *d)
{
    pci_device_cleanup((PCIDevice *)d);
}

/* A slot that has something in it has power. */
static void port_reset(Device *d)
{
    PCIEPort *s = (PCIEPort *)d;
    pci_device_type.reset(d);
    s->interrupting = false;
    if (kind(s)->type == PORT_UPSTREAM) {
        return;
    }
    bool there = occupied(s);
    if (s->hotplug) {
        set_bits(s, E_SLOT_CTL, there ? CTL_POWER_LED_ON : CTL_POWER_LED_OFF | CTL_POWER_OFF, true);
    }
    for (unsigned i = 0; i < 8; i++) { /* it starts anew, and has forgotten what it was asked */
        PCIDevice *dev = s->bus.devices[i];
        if (dev && dev->parent.unplugging) {
            device_unplugged(&dev->parent);
        }
    }
    s->last_control = get(s, E_SLOT_CTL);
    s->bus.off = s->hotplug && !there;
    set_bits(s, E_SLOT_STATUS, PRESENT, there);
    update_link(s);
}

static const Property props[] = {
    { .name = "chassis",
      .kind = PROP_U8,
      .offset = offsetof(PCIEPort, chassis),
      .preset = "0",
      .doc = "chassis number of the slot" },
    { .name = "port",
      .kind = PROP_U8,
      .offset = offsetof(PCIEPort, port),
      .preset = "0",
      .doc = "port number" },
    { .name = "slot",
      .kind = PROP_U16,
      .offset = offsetof(PCIEPort, slot),
      .preset = "0",
      .max = 0x1fff,
      .doc = "physical slot number" },
    { .name = "hotplug",
      .kind = PROP_BOOL,
      .offset = offsetof(PCIEPort, hotplug),
      .preset = "on",
      .doc = "what is in the slot may come and go" },
    { .name = NULL },
};

#define PORT(var, n, text, vendor_id, device_id, port_type, plain_msi) \
    static const PortKind var##_kind = {                               \
        .ops = { .bridge = true, .config_written = config_written },   \
        .vendor = vendor_id,                                           \
        .device = device_id,                                           \
        .type = port_type,                                             \
        .msi = plain_msi,                                              \
    };                                                                 \
    static const DeviceType var = {                                    \
        .name = n,                                                     \
        .category = "bridge",                                          \
        .desc = text,                                                  \
        .parent = &pci_device_type,                                    \
        .size = sizeof(PCIEPort),                                      \
        .props = props,                                                \
        .user_creatable = true,                                        \
        .realize = port_realize,                                       \
        .unrealize = port_unrealize,                                   \
        .reset = port_reset,                                           \
        .ops = &var##_kind,                                            \
    };                                                                 \
    DEVICE_TYPE(var)

PORT(root_port, "pcie-root-port", "PCI Express root port", 0x1b36, 0x000c, PORT_ROOT, false)
PORT(ioh3420, "ioh3420", "Intel IOH root port", 0x8086, 0x3420, PORT_ROOT, true)
PORT(upstream, "x3130-upstream", "TI X3130 switch, upstream port", 0x104c, 0x8232, PORT_UPSTREAM,
     true)
PORT(downstream, "xio3130-downstream", "TI XIO3130 switch, downstream port", 0x104c, 0x8233,
     PORT_DOWNSTREAM, true)
