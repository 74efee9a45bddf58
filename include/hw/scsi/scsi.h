/* SPDX-License-Identifier: MIT */
/*
 * SCSI: buses, devices, and the commands between them. SCSI Architecture Model 5, Primary Commands
 * 4. A host adapter owns a SCSIBus and sends requests; each ends with one call of its `done`, at
 * once or later on the main loop. Under the big lock.
 */
#ifndef HW_SCSI_SCSI_H
#define HW_SCSI_SCSI_H

#include <sys/uio.h>
#include "hw/device.h"

enum {
    SCSI_CDB_MAX = 32,
    SCSI_SENSE_SIZE = 18, /* fixed format */
    SCSI_MAX_TARGET = 255,
    SCSI_MAX_LUN = 16383,

    SCSI_GOOD = 0x00,
    SCSI_CHECK_CONDITION = 0x02,
    SCSI_RESERVATION_CONFLICT = 0x18,
};

/* Key, additional code, qualifier. */
typedef struct SCSISense {
    uint8_t key, asc, ascq;
} SCSISense;
extern const SCSISense SENSE_NONE, SENSE_NO_MEDIUM, SENSE_TRAY_OPEN, SENSE_TARGET_FAILURE,
    SENSE_IO_ERROR, SENSE_NO_SPACE, SENSE_INVALID_OPCODE, SENSE_INVALID_FIELD,
    SENSE_INVALID_PARAMETER, SENSE_PARAMETER_LENGTH, SENSE_LBA_OUT_OF_RANGE,
    SENSE_LUN_NOT_SUPPORTED, SENSE_WRITE_PROTECTED, SENSE_REMOVAL_PREVENTED, SENSE_POWER_ON,
    SENSE_MEDIUM_CHANGED, SENSE_CAPACITY_CHANGED;

typedef struct SCSIDevice SCSIDevice;
typedef struct SCSIBus SCSIBus;
typedef struct SCSIRequest SCSIRequest;

/* The adapter fills in what is above the line; a request's own struct may begin with one. */
struct SCSIRequest {
    uint64_t tag;
    uint8_t cdb[SCSI_CDB_MAX];
    const struct iovec *out, *in; /* data from and to the initiator */
    unsigned out_num, in_num;
    uint64_t out_bytes, in_bytes;
    void (*done)(SCSIRequest *r);
    /* ---- the answer ---- */
    SCSIDevice *dev;
    uint8_t status;
    SCSISense sense;      /* of CHECK CONDITION */
    uint64_t transferred; /* bytes of data */
    uint64_t wanted;      /* bytes that the command would have taken or given */
    /* ---- the device's ---- */
    struct iovec *iov; /* the part of out or in that it works on, g_malloc */
    uint64_t offset, left;
    uint8_t *buf;
    void *more;
};

/* DeviceType.ops of devices. */
typedef struct SCSIDeviceOps {
    void (*execute)(SCSIDevice *dev, SCSIRequest *r);
    /* Waits until nothing is under way. */
    void (*drain)(SCSIDevice *dev);
} SCSIDeviceOps;

struct SCSIDevice {
    Device parent;
    uint32_t channel, id, lun; /* the properties; id AUTO: the first that is free */
    const SCSIDeviceOps *ops;
    SCSISense unit_attention; /* reported before the next command */
    SCSISense last_sense;     /* for REQUEST SENSE */
};
#define SCSI_AUTO UINT32_MAX
extern const DeviceType scsi_device_type; /* the parent of all */

typedef struct SCSIBusOps {
    unsigned max_channel, max_target, max_lun;
    void (*plugged)(SCSIBus *bus, SCSIDevice *dev, bool in);     /* on a running machine */
    void (*changed)(SCSIBus *bus, SCSIDevice *dev, SCSISense s); /* it has a unit attention */
} SCSIBusOps;
struct SCSIBus {
    Bus bus;
    const SCSIBusOps *ops;
};
void scsi_bus_init(SCSIBus *bus, Device *adapter, const char *name, const SCSIBusOps *ops);
/* NULL: there is none. */
SCSIDevice *scsi_find(SCSIBus *bus, uint32_t channel, uint32_t id, uint32_t lun);
/* Whether there is any unit of this target. */
bool scsi_target_exists(SCSIBus *bus, uint32_t channel, uint32_t id);
/* Does it: to a unit, or what a target answers for units that it has not. */
void scsi_execute(SCSIBus *bus, uint32_t channel, uint32_t id, uint32_t lun, SCSIRequest *r);
void scsi_device_reset(SCSIDevice *dev); /* drained; power-on attention */

/* ---- for devices ---- */
void scsi_good(SCSIRequest *r);
void scsi_fail(SCSIRequest *r, SCSISense sense);
/* GOOD with data, cut to what the initiator has room for and to the command's `alloc`. */
void scsi_reply(SCSIRequest *r, const void *data, size_t len, size_t alloc);
void scsi_set_attention(SCSIDevice *dev, SCSISense sense);
/* Sense data as it is sent: fixed format. */
void scsi_sense_bytes(SCSISense s, uint8_t out[SCSI_SENSE_SIZE]);
static inline uint64_t scsi_be(const uint8_t *p, unsigned bytes)
{
    uint64_t n = 0;
    while (bytes--) {
        n = n << 8 | *p++;
    }
    return n;
}
static inline void scsi_put_be(uint8_t *p, uint64_t n, unsigned bytes)
{
    while (bytes--) {
        p[bytes] = (uint8_t)n;
        n >>= 8;
    }
}

#endif
