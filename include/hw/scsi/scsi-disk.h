/* SPDX-License-Identifier: MIT */
/* A SCSI disk or CD drive: what scsi-disk.c and scsi-cd.c share. */
#ifndef HW_SCSI_SCSI_DISK_H
#define HW_SCSI_SCSI_DISK_H

#include "block/backend.h"
#include "hw/scsi/scsi.h"

enum { CD_BLOCK = 2048 };

typedef struct SCSIDisk {
    SCSIDevice parent;
    BlockBackend *blk;
    char *serial, *device_id, *vendor, *product, *version;
    uint64_t wwn;
    uint32_t block, physical; /* bytes */
    uint16_t rotation_rate;
    int32_t bootindex;
    bool removable;
    bool cd, discard;
    bool cached; /* the write cache as it was given */
    bool locked, tray_open;
    uint8_t event; /* of a CD's medium, for GET EVENT STATUS */
} SCSIDisk;

uint64_t scsi_disk_blocks(const SCSIDisk *s);

/* scsi-cd.c: commands of the Multi-Media Command Set. */
extern const BlockMediaOps scsi_cd_media_ops;
void scsi_cd_medium_changed(void *opaque);
size_t scsi_cd_capabilities(const SCSIDisk *s, bool changeable, uint8_t *out);
void scsi_cd_start_stop(SCSIDisk *s, SCSIRequest *r);
void scsi_cd_read_toc(SCSIDisk *s, SCSIRequest *r);
void scsi_cd_configuration(SCSIDisk *s, SCSIRequest *r);
void scsi_cd_event_status(SCSIDisk *s, SCSIRequest *r);
void scsi_cd_disc_information(SCSIDisk *s, SCSIRequest *r);
void scsi_cd_mechanism_status(SCSIDisk *s, SCSIRequest *r);

#endif
