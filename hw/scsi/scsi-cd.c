/* SPDX-License-Identifier: MIT */
/* What CD drives have and disks have not: trays, tables of contents, events. Multi-Media Commands
 * 5. */
#include <string.h>
#include "hw/scsi/scsi-disk.h"

enum {
    LEAD_OUT = 0xaa,
    DATA_TRACK = 0x14, /* Q sub-channel: position; a data track that may be copied */
    PROFILE_CD_ROM = 0x0008,
    PROFILE_DVD_ROM = 0x0010,
    CD_BLOCKS = 80 * 60 * 75, /* more than that is a DVD */

    EVENT_EJECT_REQUEST = 1,
    EVENT_NEW_MEDIUM = 2,
    EVENT_REMOVAL = 3,
};

/* ---- the medium comes and goes ------------------------------------------------------------ */

static bool has_medium(const SCSIDisk *s)
{
    return !s->tray_open && blk_has_medium(s->blk);
}

void scsi_cd_medium_changed(void *opaque)
{
    SCSIDisk *s = opaque;
    bool there = blk_has_medium(s->blk);
    s->tray_open = !there; /* what the monitor takes out it takes from an open tray */
    s->event = there ? EVENT_NEW_MEDIUM : EVENT_REMOVAL;
    if (there) {
        scsi_set_attention(&s->parent, SENSE_MEDIUM_CHANGED);
    }
}

static bool media_locked(void *opaque)
{
    const SCSIDisk *s = opaque;
    return s->locked && !s->tray_open;
}

static void media_eject_request(void *opaque)
{
    ((SCSIDisk *)opaque)->event = EVENT_EJECT_REQUEST;
}

static bool media_tray_open(void *opaque)
{
    return ((SCSIDisk *)opaque)->tray_open;
}

const BlockMediaOps scsi_cd_media_ops = { media_locked, media_eject_request, media_tray_open };

void scsi_cd_start_stop(SCSIDisk *s, SCSIRequest *r)
{
    bool start = r->cdb[4] & 1, tray = r->cdb[4] & 2;
    if (r->cdb[4] >> 4 || !tray) { /* power conditions, spinning up: nothing to do */
        scsi_good(r);
    } else if (!start && !s->tray_open && s->locked) {
        scsi_fail(r, SENSE_REMOVAL_PREVENTED);
    } else {
        s->tray_open = !start;
        s->event = !start ? EVENT_REMOVAL : blk_has_medium(s->blk) ? EVENT_NEW_MEDIUM : 0;
        scsi_good(r);
    }
}

void scsi_cd_event_status(SCSIDisk *s, SCSIRequest *r)
{
    enum { MEDIA_CLASS = 4 };
    uint8_t out[8] = { 0 };
    size_t len = 4;
    if (!(r->cdb[1] & 1)) { /* not implemented: telling later */
        scsi_fail(r, SENSE_INVALID_FIELD);
        return;
    }
    out[3] = 1 << MEDIA_CLASS;
    if (r->cdb[4] & 1 << MEDIA_CLASS) {
        out[2] = MEDIA_CLASS;
        out[4] = s->event;
        out[5] = (uint8_t)(s->tray_open | has_medium(s) << 1);
        s->event = 0;
        len = 8;
    } else {
        out[2] = 0x80; /* no event of the classes that were asked for */
    }
    scsi_put_be(out, len - 2, 2);
    scsi_reply(r, out, len, scsi_be(r->cdb + 7, 2));
}

void scsi_cd_mechanism_status(SCSIDisk *s, SCSIRequest *r)
{
    uint8_t out[8] = { 0 };
    out[1] = s->tray_open ? 0x10 : 0;
    scsi_reply(r, out, sizeof(out), scsi_be(r->cdb + 8, 2));
}

/* ---- what is on it ------------------------------------------------------------------------ */

static void put_address(uint8_t *p, uint64_t lba, bool msf)
{
    if (msf) {
        lba += 150; /* two seconds lead the first block */
        p[1] = (uint8_t)MIN(lba / (75 * 60), 255);
        p[2] = (uint8_t)(lba / 75 % 60);
        p[3] = (uint8_t)(lba % 75);
    } else {
        scsi_put_be(p, MIN(lba, UINT32_MAX), 4);
    }
}

static size_t toc_entry(uint8_t *p, uint8_t track, uint64_t lba, bool msf)
{
    p[1] = DATA_TRACK;
    p[2] = track;
    put_address(p + 4, lba, msf);
    return 8;
}

/* Format 2: as in the lead-in; point, and minutes, seconds, frames of what it points at. */
static size_t raw_entry(uint8_t *p, uint8_t point, uint8_t min, uint64_t lba)
{
    uint8_t msf[4] = { 0 };
    p[0] = 1; /* session */
    p[1] = DATA_TRACK;
    p[3] = point;
    put_address(msf, lba, true);
    p[8] = min ? min : msf[1];
    p[9] = min ? 0 : msf[2];
    p[10] = min ? 0 : msf[3];
    return 11;
}

void scsi_cd_read_toc(SCSIDisk *s, SCSIRequest *r)
{
    uint8_t out[64] = { 0 }, format = r->cdb[2] & 0xf, start = r->cdb[6];
    bool msf = r->cdb[1] & 2;
    size_t len = 4;
    uint64_t end = scsi_disk_blocks(s);
    format = format ? format : r->cdb[9] >> 6; /* where older drivers put it */
    out[2] = out[3] = 1;                       /* first and last track or session */
    if (format == 0 && (start <= 1 || start == LEAD_OUT)) {
        len += start <= 1 ? toc_entry(out + len, 1, 0, msf) : 0;
        len += toc_entry(out + len, LEAD_OUT, end, msf);
    } else if (format == 1) {
        len += toc_entry(out + len, 1, 0, msf);
    } else if (format == 2) {
        len += raw_entry(out + len, 0xa0, 1, 0);
        len += raw_entry(out + len, 0xa1, 1, 0);
        len += raw_entry(out + len, 0xa2, 0, end);
        len += raw_entry(out + len, 1, 0, 0);
    } else {
        scsi_fail(r, SENSE_INVALID_FIELD);
        return;
    }
    scsi_put_be(out, len - 2, 2);
    scsi_reply(r, out, len, scsi_be(r->cdb + 7, 2));
}

void scsi_cd_disc_information(SCSIDisk *s, SCSIRequest *r)
{
    uint8_t out[34] = { 0 };
    (void)s;
    if (r->cdb[1] & 7) {
        scsi_fail(r, SENSE_INVALID_FIELD);
        return;
    }
    out[1] = sizeof(out) - 2;
    out[2] = 0x0e; /* the last session is complete, the disc finished */
    out[3] = out[4] = out[5] = out[6] = 1;
    out[7] = 0x20; /* unrestricted use */
    scsi_reply(r, out, sizeof(out), scsi_be(r->cdb + 7, 2));
}

static uint16_t profile(const SCSIDisk *s)
{
    return !has_medium(s) ? 0 : scsi_disk_blocks(s) > CD_BLOCKS ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
}

/* Feature number, version and flags (1: current, 2: persistent), bytes that follow. */
static size_t feature(uint8_t *p, uint16_t number, uint8_t flags, uint8_t len)
{
    scsi_put_be(p, number, 2);
    p[2] = flags;
    p[3] = len;
    return 4u + len;
}

void scsi_cd_configuration(SCSIDisk *s, SCSIRequest *r)
{
    enum { PROFILES = 0, CORE = 1, REMOVABLE = 3, CURRENT = 1, PERSISTENT = 2, VERSION = 4 };
    uint8_t out[64] = { 0 };
    uint16_t now = profile(s);
    size_t at = 8;
    scsi_put_be(out + 6, now, 2);
    if ((r->cdb[1] & 3) == 3) {
        scsi_fail(r, SENSE_INVALID_FIELD);
        return;
    }
    at += feature(out + at, PROFILES, PERSISTENT | CURRENT, 8);
    scsi_put_be(out + at - 8, PROFILE_DVD_ROM, 2);
    out[at - 6] = now == PROFILE_DVD_ROM;
    scsi_put_be(out + at - 4, PROFILE_CD_ROM, 2);
    out[at - 2] = now == PROFILE_CD_ROM;
    at += feature(out + at, CORE, 2 * VERSION | PERSISTENT | CURRENT, 8);
    scsi_put_be(out + at - 8, 1, 4); /* by SCSI */
    out[at - 4] = 1;
    at += feature(out + at, REMOVABLE, PERSISTENT | CURRENT, 4);
    out[at - 4] = 0x29; /* a tray that can be locked, and ejected */
    scsi_put_be(out, at - 4, 4);
    scsi_reply(r, out, at, scsi_be(r->cdb + 7, 2));
}

/* MODE SENSE's page 0x2a. */
size_t scsi_cd_capabilities(const SCSIDisk *s, bool changeable, uint8_t *out)
{
    enum { SPEED = 50 * 176 };
    if (changeable) {
        return 20;
    }
    out[0] = 0x3b; /* reads CD-R, CD-RW, method 2, DVD-ROM, DVD-R */
    out[2] = 0x7f; /* audio, mode 2, multisession */
    out[3] = 0xff;
    out[4] = (uint8_t)(0x2d | (s->locked ? 2 : 0)); /* a tray; locks and ejects */
    scsi_put_be(out + 6, SPEED, 2);
    scsi_put_be(out + 8, 2, 2);
    scsi_put_be(out + 10, 2048, 2);
    scsi_put_be(out + 12, SPEED, 2);
    return 20;
}
