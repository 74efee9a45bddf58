/* SPDX-License-Identifier: MIT */
/* SCSI buses: who is where, what a target says for units that it has not, sense data. SPC-4. */
#include <inttypes.h>
#include <string.h>
#include "hw/scsi/scsi.h"
#include "hw/virtio/virtio.h"

enum { REQUEST_SENSE = 0x03, INQUIRY = 0x12, REPORT_LUNS = 0xa0 };

const SCSISense SENSE_NONE = { 0, 0, 0 };
const SCSISense SENSE_NO_MEDIUM = { 2, 0x3a, 0 };
const SCSISense SENSE_TRAY_OPEN = { 2, 0x3a, 2 };
const SCSISense SENSE_IO_ERROR = { 0xb, 0, 6 };
const SCSISense SENSE_TARGET_FAILURE = { 4, 0x44, 0 };
const SCSISense SENSE_NO_SPACE = { 7, 0x27, 7 };
const SCSISense SENSE_INVALID_OPCODE = { 5, 0x20, 0 };
const SCSISense SENSE_LBA_OUT_OF_RANGE = { 5, 0x21, 0 };
const SCSISense SENSE_INVALID_FIELD = { 5, 0x24, 0 };
const SCSISense SENSE_LUN_NOT_SUPPORTED = { 5, 0x25, 0 };
const SCSISense SENSE_INVALID_PARAMETER = { 5, 0x26, 0 };
const SCSISense SENSE_PARAMETER_LENGTH = { 5, 0x1a, 0 };
const SCSISense SENSE_REMOVAL_PREVENTED = { 5, 0x53, 2 };
const SCSISense SENSE_WRITE_PROTECTED = { 7, 0x27, 0 };
const SCSISense SENSE_POWER_ON = { 6, 0x29, 0 };
const SCSISense SENSE_MEDIUM_CHANGED = { 6, 0x28, 0 };
const SCSISense SENSE_CAPACITY_CHANGED = { 6, 0x2a, 9 };

/* ---- answers ----------------------------------------------------------------------------- */

static void finish(SCSIRequest *r, uint8_t status, SCSISense sense)
{
    r->status = status;
    r->sense = sense;
    if (r->dev) {
        r->dev->last_sense = sense;
    }
    g_clear_pointer(&r->iov, g_free);
    g_clear_pointer(&r->buf, g_free);
    r->done(r);
}

void scsi_good(SCSIRequest *r)
{
    finish(r, SCSI_GOOD, SENSE_NONE);
}

void scsi_fail(SCSIRequest *r, SCSISense sense)
{
    finish(r, SCSI_CHECK_CONDITION, sense);
}

void scsi_reply(SCSIRequest *r, const void *data, size_t len, size_t alloc)
{
    r->wanted = MIN(len, alloc);
    r->transferred = iov_from_buf(r->in, r->in_num, 0, data, r->wanted);
    scsi_good(r);
}

void scsi_sense_bytes(SCSISense s, uint8_t out[SCSI_SENSE_SIZE])
{
    memset(out, 0, SCSI_SENSE_SIZE);
    out[0] = 0x70; /* current, fixed format */
    out[2] = s.key;
    out[7] = SCSI_SENSE_SIZE - 8;
    out[12] = s.asc;
    out[13] = s.ascq;
}

/* ---- who is where ------------------------------------------------------------------------- */

SCSIDevice *scsi_find(SCSIBus *bus, uint32_t channel, uint32_t id, uint32_t lun)
{
    for (guint i = 0; i < bus->bus.devices->len; i++) {
        SCSIDevice *dev = bus->bus.devices->pdata[i];
        if (dev->channel == channel && dev->id == id && dev->lun == lun && dev->parent.realized) {
            return dev;
        }
    }
    return NULL;
}

bool scsi_target_exists(SCSIBus *bus, uint32_t channel, uint32_t id)
{
    for (guint i = 0; i < bus->bus.devices->len; i++) {
        const SCSIDevice *dev = bus->bus.devices->pdata[i];
        if (dev->channel == channel && dev->id == id && dev->parent.realized) {
            return true;
        }
    }
    return false;
}

static void report_luns(SCSIBus *bus, uint32_t channel, uint32_t id, SCSIRequest *r)
{
    uint32_t alloc = (uint32_t)scsi_be(r->cdb + 6, 4);
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_byte_array_set_size(out, 8);
    memset(out->data, 0, 8);
    if (alloc < 16 || r->cdb[2] > 2) {
        scsi_fail(r, SENSE_INVALID_FIELD);
        return;
    }
    for (guint i = 0; i < bus->bus.devices->len && r->cdb[2] != 1; i++) {
        const SCSIDevice *dev = bus->bus.devices->pdata[i];
        uint8_t lun[8] = { 0 };
        if (dev->channel == channel && dev->id == id && dev->parent.realized) {
            lun[0] = (uint8_t)(dev->lun < 256 ? 0 : 0x40 | dev->lun >> 8);
            lun[1] = (uint8_t)dev->lun;
            g_byte_array_append(out, lun, sizeof(lun));
        }
    }
    scsi_put_be(out->data, out->len - 8, 4);
    scsi_reply(r, out->data, out->len, alloc);
}

/* A unit that is not there, of a target that is. */
static void no_unit(SCSIRequest *r)
{
    uint8_t answer[36] = { 0x7f, 0, 5, 2, 31 };
    if (r->cdb[0] == INQUIRY && !(r->cdb[1] & 1)) {
        scsi_reply(r, answer, sizeof(answer), scsi_be(r->cdb + 3, 2));
    } else if (r->cdb[0] == REQUEST_SENSE) {
        scsi_sense_bytes(SENSE_LUN_NOT_SUPPORTED, answer);
        scsi_reply(r, answer, SCSI_SENSE_SIZE, r->cdb[4]);
    } else {
        scsi_fail(r, SENSE_LUN_NOT_SUPPORTED);
    }
}

static void request_sense(SCSIDevice *dev, SCSIRequest *r)
{
    uint8_t answer[SCSI_SENSE_SIZE];
    SCSISense s = dev->unit_attention.key ? dev->unit_attention : dev->last_sense;
    dev->unit_attention = SENSE_NONE;
    scsi_sense_bytes(s, answer);
    scsi_reply(r, answer, sizeof(answer), r->cdb[4]);
}

void scsi_execute(SCSIBus *bus, uint32_t channel, uint32_t id, uint32_t lun, SCSIRequest *r)
{
    SCSIDevice *dev = scsi_find(bus, channel, id, lun);
    r->dev = dev;
    if (r->cdb[0] == REPORT_LUNS) {
        report_luns(bus, channel, id, r);
    } else if (!dev) {
        no_unit(r);
    } else if (r->cdb[0] == REQUEST_SENSE) {
        request_sense(dev, r);
    } else if (dev->unit_attention.key && r->cdb[0] != INQUIRY) {
        SCSISense s = dev->unit_attention;
        dev->unit_attention = SENSE_NONE;
        scsi_fail(r, s);
    } else {
        dev->ops->execute(dev, r);
    }
}

void scsi_set_attention(SCSIDevice *dev, SCSISense sense)
{
    SCSIBus *bus = (SCSIBus *)dev->parent.bus;
    dev->unit_attention = sense;
    if (bus && bus->ops->changed) {
        bus->ops->changed(bus, dev, sense);
    }
}

void scsi_device_reset(SCSIDevice *dev)
{
    dev->ops->drain(dev);
    dev->unit_attention = SENSE_POWER_ON;
    dev->last_sense = SENSE_NONE;
}

/* ---- the bus ----------------------------------------------------------------------------- */

static bool place_taken(const SCSIBus *bus, const SCSIDevice *dev)
{
    for (guint i = 0; i < bus->bus.devices->len; i++) {
        const SCSIDevice *other = bus->bus.devices->pdata[i];
        if (other != dev && other->channel == dev->channel && other->id == dev->id &&
            other->lun == dev->lun) {
            return true;
        }
    }
    return false;
}

static bool attach(Bus *b, Device *d, GError **err)
{
    SCSIBus *bus = (SCSIBus *)b;
    SCSIDevice *dev = (SCSIDevice *)d;
    bool any = dev->id == SCSI_AUTO;
    dev->lun = dev->lun == SCSI_AUTO ? 0 : dev->lun;
    dev->id = any ? 0 : dev->id;
    while (any && dev->id < bus->ops->max_target && place_taken(bus, dev)) {
        dev->id++;
    }
    if (dev->channel > bus->ops->max_channel || dev->id > bus->ops->max_target ||
        dev->lun > bus->ops->max_lun) {
        g_set_error(err, HW_ERROR, 0, "bus '%s' has channels to %u, scsi-ids to %u, luns to %u",
                    b->name, bus->ops->max_channel, bus->ops->max_target, bus->ops->max_lun);
        return false;
    }
    if (place_taken(bus, dev)) {
        g_set_error(err, HW_ERROR, 0, "scsi-id=%u, lun=%u of bus '%s' is taken", dev->id, dev->lun,
                    b->name);
        return false;
    }
    return true;
}

static void plugged(Bus *b, Device *dev)
{
    SCSIBus *bus = (SCSIBus *)b;
    if (bus->ops->plugged) {
        bus->ops->plugged(bus, (SCSIDevice *)dev, true);
    }
}

static bool unplug(Bus *b, Device *dev, GError **err)
{
    SCSIBus *bus = (SCSIBus *)b;
    (void)err;
    if (bus->ops->plugged) {
        bus->ops->plugged(bus, (SCSIDevice *)dev, false);
    }
    device_unplugged(dev);
    return true;
}

static void firmware_name(const Bus *bus, const Device *d, GString *path)
{
    const SCSIDevice *dev = (const SCSIDevice *)d;
    (void)bus;
    g_string_append_printf(path, "/channel@%x/disk@%x,%x", dev->channel, dev->id, dev->lun);
}

void scsi_bus_init(SCSIBus *bus, Device *adapter, const char *name, const SCSIBusOps *ops)
{
    static const BusType type = { .name = "SCSI",
                                  .attach = attach,
                                  .plugged = plugged,
                                  .unplug = unplug,
                                  .firmware_name = firmware_name };
    bus_init(&bus->bus, &type, adapter, name);
    bus->bus.hotplug = true;
    bus->ops = ops;
}

static void device_reset(Device *dev)
{
    scsi_device_reset((SCSIDevice *)dev);
}

static const Property props[] = {
    { .name = "channel",
      .kind = PROP_U32,
      .offset = offsetof(SCSIDevice, channel),
      .preset = "0",
      .doc = "channel" },
    { .name = "scsi-id",
      .kind = PROP_U32,
      .offset = offsetof(SCSIDevice, id),
      .preset = "4294967295",
      .doc = "target number; else the first that is free" },
    { .name = "lun",
      .kind = PROP_U32,
      .offset = offsetof(SCSIDevice, lun),
      .preset = "4294967295",
      .doc = "unit number; else 0" },
    { .name = NULL },
};

const DeviceType scsi_device_type = {
    .name = "scsi-device",
    .bus = "SCSI",
    .size = sizeof(SCSIDevice),
    .props = props,
    .reset = device_reset,
};
