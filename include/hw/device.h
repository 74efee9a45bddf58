/* SPDX-License-Identifier: MIT */
/*
 * Devices: a `const DeviceType` each, from which -device, -device NAME,help, QMP's qom-* and
 * device-list-properties, reset order and saved state come. A device's own struct begins with a
 * Device.
 *
 * A file in hw/ that defines a type says so with DEVICE_TYPE(my_type): the types find
 * themselves, no central list.
 */
#ifndef HW_DEVICE_H
#define HW_DEVICE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "hw/irq.h"
#include "hw/memory.h"
#include "util/opts.h"

typedef struct Device Device;
typedef struct DeviceType DeviceType;
typedef struct Bus Bus;

typedef enum PropKind {
    PROP_BOOL, /* on off yes no true false */
    PROP_U8,
    PROP_U16,
    PROP_U32,
    PROP_U64,
    PROP_I32,
    PROP_SIZE,     /* bytes with suffix K M G T */
    PROP_STR,      /* char *, owned by the device */
    PROP_MAC,      /* uint8_t[6] */
    PROP_DEVFN,    /* int32_t; "slot[.fn]"; -1: any */
    PROP_ENUM,     /* int; choices: names, NULL-ended */
    PROP_CHARDEV,  /* struct Chardev *, by id */
    PROP_NETDEV,   /* struct NetClient *: the peer, by id (queues: the device asks net/) */
    PROP_DRIVE,    /* struct BlockBackend *, by -drive id or node-name */
    PROP_RNG,      /* RNGBackend *, by -object id (hw/backend-objects.h) */
    PROP_IOTHREAD, /* an opaque pointer, by -object id */
    PROP_MEMDEV,   /* RAMBlock *, by -object id, for one device */
    PROP_LINK,     /* Device *, by id */
} PropKind;

typedef struct Property {
    const char *name;
    PropKind kind;
    uint32_t offset;    /* in the device's struct */
    const char *preset; /* default, spelt as a user would; NULL: zeros (MAC: made up) */
    const char *const *choices;
    const char *doc;   /* one line */
    uint64_t min, max; /* for numbers; both 0: all that fit */
} Property;

/* What is saved of a device, and checked for by tests: (name, offset, size, count) rows. */
typedef struct StateField {
    const char *name;
    uint32_t offset, size; /* bytes of one element: 1, 2, 4, 8; else an opaque byte array */
    uint32_t count;        /* elements; 0 means 1 */
} StateField;

/* Rows for a field, and for all elements of an array. */
#define STATE(type, field)                                           \
    {                                                                \
#field, offsetof(type, field), sizeof(((type *)0)->field), 1 \
    }
#define STATE_ARRAY(type, field)                                     \
    {                                                                \
#field, offsetof(type, field), sizeof(*((type *)0)->field),  \
            sizeof(((type *)0)->field) / sizeof(*((type *)0)->field) \
    }

struct DeviceType {
    const char *name;           /* "virtio-net-pci" */
    const char *const *aliases; /* NULL-ended, or NULL */
    const char *bus; /* parent bus type: "sysbus", "pci", "virtio", "usb"…; NULL: none */
    const char
        *category; /* "network", "storage", "display", "input", "misc": -device help groups */
    const char *desc;
    size_t size;              /* of the device's struct */
    const Property *props;    /* ended by a NULL name; may be NULL */
    const DeviceType *parent; /* its properties and state come first; hooks NULL here are its */
    /* A transport's: the device behind it, which device_new makes with it as Device.inner. It takes
     * the properties that the transport has not; the transport's realize realizes it. */
    const DeviceType *inner;
    bool user_creatable; /* -device takes it */
    bool hotpluggable;
    /* Makes it real on dev->bus. False: *err, and nothing is left behind. */
    bool (*realize)(Device *dev, GError **err);
    void (*unrealize)(Device *dev);
    void (*reset)(Device *dev); /* to power-on state; children after their parents */
    const StateField *state;
    int state_version;
    bool (*post_load)(Device *dev, GError **err);
    const void *ops; /* of the bus's kind: PCIDeviceOps… */
};

struct Device {
    const DeviceType *type;
    char *id; /* -device id=; or made up by the machine; NULL: anonymous */
    Bus *bus; /* its parent's; NULL only for a machine's root */
    bool realized;
    bool unplugging;  /* asked for, and the guest has not let go yet */
    GPtrArray *buses; /* of its own (Bus *); NULL: none */
    Device *inner;
};

/* A bus type's rules for placing devices. */
typedef struct BusType {
    const char *name;
    /* Whether dev (its properties set) fits; it chooses the address. May be NULL: everything fits.
     */
    bool (*attach)(Bus *bus, Device *dev, GError **err);
    void (*detach)(Bus *bus, Device *dev);
    unsigned max; /* devices; 0: no limit */
    /* Of buses with Bus.hotplug; may be NULL. dev was added to a machine that is there already. */
    void (*plugged)(Bus *bus, Device *dev);
    /* Asks the guest to let go of dev: device_unplugged says that it has, now or later. NULL: the
     * guest is not asked. False: *err, it cannot be asked. */
    bool (*unplug)(Bus *bus, Device *dev, GError **err);
    /* Adds dev's part of its path as firmware writes it, "/scsi@3". NULL: it has none. */
    void (*firmware_name)(const Bus *bus, const Device *dev, GString *path);
} BusType;
struct Bus {
    const BusType *type;
    char *name;         /* "pcie.0": -device bus= */
    Device *parent;     /* NULL: the machine */
    GPtrArray *devices; /* in order of arrival */
    bool hotplug;
};

void bus_init(Bus *bus, const BusType *type, Device *parent, const char *name);
/* Deletes the devices on it; the struct is the owner's. */
void bus_cleanup(Bus *bus);
/* By name, or the first of the type with room when name is NULL. */
Bus *bus_find(const char *name, const char *type);
/* All, in order of creation. */
void bus_foreach(void (*fn)(Bus *bus, void *opaque), void *opaque);

/* By name or alias; NULL when there is none of that name. */
const DeviceType *device_type_find(const char *name);
void device_type_foreach(void (*fn)(const DeviceType *type, void *opaque), void *opaque);
bool device_type_is_a(const DeviceType *type, const DeviceType *ancestor);
void device_type_register(const DeviceType *type);
/* -device help; -device NAME,help. */
void device_list_help(FILE *f);
void device_type_help(const DeviceType *type, FILE *f);
/* Every property with its type's: parents' first, then its own, then those of what is behind it. */
void device_type_foreach_prop(const DeviceType *type,
                              void (*fn)(const DeviceType *owner, const Property *prop,
                                         void *opaque),
                              void *opaque);

#define DEVICE_TYPE(t)                                               \
    static void __attribute__((constructor)) t##_register_type(void) \
    {                                                                \
        device_type_register(&(t));                                  \
    }

/* -global: a preset of devices of this type and those made of it, for all that are made from now
 * on.
 */
void device_add_global(const char *type, const char *prop, const char *value);
/* Allocated, properties at their presets. Freed by device_unref/unrealize paths only. */
Device *device_new(const DeviceType *type, const char *id);
/* From text, as -device and machines give it; false: *err names property and value. */
bool device_set_prop(Device *dev, const char *name, const char *value, GError **err);
/* To text (g_free). NULL: no such property. */
char *device_get_prop(const Device *dev, const char *name);
bool device_realize(Device *dev, Bus *bus, GError **err);
void device_delete(Device *dev); /* unrealize, off its bus, freed */
Device *device_find(const char *id);
/* What to boot from, by the devices' bootindex: a path a line (hw/core/bootorder.c). Empty: nobody
 * has said. strict: nothing else. g_string_free. */
GString *boot_order(bool strict);
/* ---- hotplug (hw/core/hotplug.c) ---- */
/* The machine is complete: what is added from now on is plugged in by its bus. */
void devices_complete(void);
/* Whether dev, of a complete machine, may be put on bus. */
bool device_may_plug(const DeviceType *type, const Bus *bus, GError **err);
/* Realized on a complete machine: reset, and its bus told. On others nothing. */
void device_plugged(Device *dev);
/* device_del: as its bus does it, at once or when the guest has let go. False: *err. */
bool device_unplug(Device *dev, GError **err);
/* The guest has let go: the device goes as soon as no CPU can be in the middle of an access. */
void device_unplugged(Device *dev);
/* fn hears of devices that have gone so. */
void device_set_deleted_hook(void (*fn)(const char *id));

/* "-device TYPE,key=value,…", or a JSON object: all of it. */
Device *device_add_from_text(const char *text, GError **err);
/* The device that a transport carries, or dev itself. */
static inline Device *device_inner(Device *dev)
{
    return dev->inner ? dev->inner : dev;
}
/* How ids of these kinds (CHARDEV, NETDEV, DRIVE, RNG, IOTHREAD, MEMDEV) become pointers, and
 * pointers ids. `find` may refuse (in use): NULL and *err. `release`: the device is gone. */
typedef struct PropResolver {
    void *(*find)(const char *id, Device *dev, GError **err);
    const char *(*name)(void *object);
    void (*release)(void *object, Device *dev);
} PropResolver;
void property_set_resolver(PropKind kind, const PropResolver *resolver);
/* "on", "yes", "true", …; "10", "0x10". False: *err says what is wrong. */
bool property_parse_bool(const char *text, bool *out, GError **err);
bool parse_u64(const char *text, uint64_t *out, GError **err);
/* All messages of this layer: code 0. */
#define HW_ERROR g_quark_from_static_string("latimer-hw")
/* Of everything below the machine, in order of creation. */
void devices_reset(void);
/* Of dev and all that is behind it. */
void device_reset_tree(Device *dev);

/* sysbus: devices at fixed places that machines wire themselves. */
enum { SYSBUS_MAX_MMIO = 8, SYSBUS_MAX_IRQ = 64 };
typedef struct SysBusDevice {
    Device parent;
    MemoryRegion *mmio[SYSBUS_MAX_MMIO]; /* set by realize */
    IRQLine irq[SYSBUS_MAX_IRQ];         /* outputs: set by the machine */
} SysBusDevice;
/* The machine's root bus, which begins with nothing on it. */
Bus *sysbus_get(void);
/* Realizes dev there with its regions at these addresses (as many as it has) of `memory`. */
bool sysbus_realize(SysBusDevice *dev, MemoryRegion *memory, const hwaddr *at, GError **err);

#endif
