/* SPDX-License-Identifier: MIT */
/* SCSI disks, and what CD drives share with them. SCSI Block Commands 3, Primary Commands 4. */
#include <errno.h>
#include <string.h>
#include "hw/scsi/scsi-disk.h"
#include "hw/virtio/virtio.h"

enum {
    MAX_WRITE_SAME = 1 << 16, /* blocks of one command */
    MAX_UNMAP_RANGES = 255,
    MAX_PARAMETERS = 4096,
    ZERO_CHUNK = 64 << 10, /* bytes of a pattern that is written at once */
    LONGEST_MODE = 256,
};

/* ---- transfers --------------------------------------------------------------------------- */

static SCSISense sense_of(int ret)
{
    switch (ret) {
    case -ENOMEDIUM:
        return SENSE_NO_MEDIUM;
    case -ENOSPC:
        return SENSE_NO_SPACE;
    case -EINVAL:
        return SENSE_INVALID_FIELD;
    case -EROFS:
    case -EPERM:
        return SENSE_WRITE_PROTECTED;
    default:
        return SENSE_IO_ERROR;
    }
}

static void good_or_not(void *opaque, int ret)
{
    SCSIRequest *r = opaque;
    if (ret < 0) {
        r->transferred = 0;
        scsi_fail(r, sense_of(ret));
    } else {
        scsi_good(r);
    }
}

static void flush_then_good(void *opaque, int ret)
{
    SCSIRequest *r = opaque;
    if (ret < 0) {
        good_or_not(r, ret);
    } else {
        blk_flush(((SCSIDisk *)r->dev)->blk, good_or_not, r);
    }
}

/* Blocks [lba, lba + count) are on the medium. Otherwise the request has failed. */
static bool in_range(const SCSIDisk *s, SCSIRequest *r, uint64_t lba, uint64_t count)
{
    uint64_t all = scsi_disk_blocks(s);
    if (lba > all || count > all - lba) {
        scsi_fail(r, SENSE_LBA_OUT_OF_RANGE);
        return false;
    }
    return true;
}

/* Copies the first `bytes` of a list of pieces: the request works on its own list. */
static unsigned cut(SCSIRequest *r, const struct iovec *iov, unsigned n, uint64_t bytes)
{
    unsigned out = 0;
    r->iov = g_new(struct iovec, MAX(n, 1));
    for (unsigned i = 0; i < n && bytes; i++) {
        uint64_t len = MIN(iov[i].iov_len, bytes);
        r->iov[out++] = (struct iovec){ iov[i].iov_base, len };
        bytes -= len;
    }
    return out;
}

static void read_blocks(SCSIDisk *s, SCSIRequest *r, uint64_t lba, uint64_t count)
{
    if (!in_range(s, r, lba, count)) {
        return;
    }
    r->wanted = count * s->block;
    r->transferred = MIN(r->wanted, r->in_bytes);
    unsigned n = cut(r, r->in, r->in_num, r->transferred);
    if (r->transferred) {
        blk_preadv(s->blk, (int64_t)(lba * s->block), r->iov, (int)n, good_or_not, r);
    } else {
        scsi_good(r);
    }
}

static void write_blocks(SCSIDisk *s, SCSIRequest *r, uint64_t lba, uint64_t count, bool fua)
{
    if (!blk_writable(s->blk)) {
        scsi_fail(r, SENSE_WRITE_PROTECTED);
        return;
    }
    if (!in_range(s, r, lba, count)) {
        return;
    }
    r->wanted = count * s->block;
    r->transferred = MIN(r->wanted, r->out_bytes);
    unsigned n = cut(r, r->out, r->out_num, r->transferred);
    if (r->transferred) {
        blk_pwritev(s->blk, (int64_t)(lba * s->block), r->iov, (int)n,
                    fua ? flush_then_good : good_or_not, r);
    } else {
        scsi_good(r);
    }
}

/* Where a READ, WRITE, VERIFY or SYNCHRONIZE CACHE has its address and length, by the group of its
 * code. */
typedef struct Extent {
    uint64_t lba, count;
    bool fua;
} Extent;

static Extent extent(const uint8_t *cdb)
{
    switch (cdb[0] >> 5) {
    case 0:
        return (Extent){ scsi_be(cdb + 1, 3) & 0x1fffff, cdb[4] ? cdb[4] : 256, false };
    case 4:
        return (Extent){ scsi_be(cdb + 2, 8), scsi_be(cdb + 10, 4), cdb[1] & 8 };
    case 5:
        return (Extent){ scsi_be(cdb + 2, 4), scsi_be(cdb + 6, 4), cdb[1] & 8 };
    default:
        return (Extent){ scsi_be(cdb + 2, 4), scsi_be(cdb + 7, 2), cdb[1] & 8 };
    }
}

static void do_read(SCSIDisk *s, SCSIRequest *r)
{
    Extent e = extent(r->cdb);
    if (r->cdb[0] >> 5 && r->cdb[1] & 0xe0) { /* no protection information here */
        scsi_fail(r, SENSE_INVALID_FIELD);
        return;
    }
    read_blocks(s, r, e.lba, e.count);
}

static void do_write(SCSIDisk *s, SCSIRequest *r)
{
    Extent e = extent(r->cdb);
    bool verify = (r->cdb[0] & 0x1f) == 0x0e;
    if (r->cdb[0] >> 5 && r->cdb[1] & 0xe0) {
        scsi_fail(r, SENSE_INVALID_FIELD);
        return;
    }
    write_blocks(s, r, e.lba, e.count, e.fua || verify || !blk_write_cache(s->blk));
}

static void do_verify(SCSIDisk *s, SCSIRequest *r)
{
    Extent e = extent(r->cdb);
    if (r->cdb[1] & 6) { /* not implemented: comparing with data */
        scsi_fail(r, SENSE_INVALID_FIELD);
    } else if (in_range(s, r, e.lba, e.count)) {
        scsi_good(r);
    }
}

static void do_flush(SCSIDisk *s, SCSIRequest *r)
{
    Extent e = extent(r->cdb);
    if (in_range(s, r, e.lba, e.count)) {
        blk_flush(s->blk, good_or_not, r);
    }
}

/* ---- UNMAP and WRITE SAME ------------------------------------------------------------------- */

static void next_unmap(void *opaque, int ret)
{
    SCSIRequest *r = opaque;
    SCSIDisk *s = (SCSIDisk *)r->dev;
    if (ret < 0 && ret != -ENOTSUP) {
        good_or_not(r, ret);
        return;
    }
    if (r->left < 16) {
        scsi_good(r);
        return;
    }
    uint64_t lba = scsi_be(r->buf + r->offset, 8), count = scsi_be(r->buf + r->offset + 8, 4);
    r->offset += 16;
    r->left -= 16;
    if (in_range(s, r, lba, count)) {
        blk_discard(s->blk, (int64_t)(lba * s->block), (int64_t)(count * s->block), next_unmap, r);
    }
}

static void do_unmap(SCSIDisk *s, SCSIRequest *r)
{
    uint32_t len = (uint32_t)scsi_be(r->cdb + 7, 2);
    if (r->cdb[1] & 1) { /* ANCHOR */
        scsi_fail(r, SENSE_INVALID_FIELD);
        return;
    }
    if (!blk_writable(s->blk)) {
        scsi_fail(r, SENSE_WRITE_PROTECTED);
        return;
    }
    r->buf = g_malloc0(MAX(len, 8));
    uint64_t got = iov_to_buf(r->out, r->out_num, 0, r->buf, len);
    r->wanted = r->transferred = got;
    if (len == 0) {
        scsi_good(r);
        return;
    }
    uint64_t ranges = got >= 8 ? scsi_be(r->buf + 2, 2) : 1;
    if (got < 8 || ranges > got - 8 || ranges > MAX_UNMAP_RANGES * 16) {
        scsi_fail(r, SENSE_PARAMETER_LENGTH);
        return;
    }
    r->offset = 8;
    r->left = ranges & ~15ull;
    next_unmap(r, 0);
}

static void next_same(void *opaque, int ret)
{
    SCSIRequest *r = opaque;
    SCSIDisk *s = (SCSIDisk *)r->dev;
    if (ret < 0 || r->left == 0) {
        good_or_not(r, ret);
        return;
    }
    uint64_t n = MIN(r->left, ZERO_CHUNK), at = r->offset;
    const struct iovec piece = { r->buf, n };
    r->offset += n;
    r->left -= n;
    blk_pwritev(s->blk, (int64_t)at, &piece, 1, next_same, r);
}

static void do_write_same(SCSIDisk *s, SCSIRequest *r)
{
    Extent e = extent(r->cdb);
    enum { UNMAP = 8, NO_DATA = 1, ANCHOR = 16 };
    uint8_t flags = r->cdb[1];
    bool unmap = flags & UNMAP;
    if (!blk_writable(s->blk)) {
        scsi_fail(r, SENSE_WRITE_PROTECTED);
        return;
    }
    /* A count of 0 is all the rest, which the limits say is too much. */
    if (flags & 0xe0 || flags & ANCHOR || e.count == 0 || e.count > MAX_WRITE_SAME) {
        scsi_fail(r, SENSE_INVALID_FIELD);
        return;
    }
    if (!in_range(s, r, e.lba, e.count)) {
        return;
    }
    r->buf = g_malloc0(ZERO_CHUNK);
    if (!(flags & NO_DATA)) {
        r->wanted = s->block;
        r->transferred = iov_to_buf(r->out, r->out_num, 0, r->buf, s->block);
        if (r->transferred < s->block) {
            scsi_fail(r, SENSE_INVALID_FIELD);
            return;
        }
    }
    r->offset = e.lba * s->block;
    r->left = e.count * s->block;
    if (r->buf[0] == 0 && !memcmp(r->buf, r->buf + 1, s->block - 1)) {
        blk_write_zeroes(s->blk, (int64_t)r->offset, (int64_t)r->left,
                         unmap ? BLOCK_ZERO_MAY_UNMAP : 0, good_or_not, r);
        return;
    }
    for (uint32_t at = s->block; at < ZERO_CHUNK; at += s->block) {
        memcpy(r->buf + at, r->buf, s->block);
    }
    next_same(r, 0);
}

/* ---- INQUIRY ----------------------------------------------------------------------------- */

static void put_text(uint8_t *to, const char *text, size_t len)
{
    size_t n = text ? MIN(strlen(text), len) : 0;
    memset(to, ' ', len);
    memcpy(to, text, n);
}

/* SPC-4, 7.8.6: designators. */
static size_t identification(const SCSIDisk *s, uint8_t *out)
{
    size_t at = 0;
    const char *name = s->device_id ? s->device_id : s->serial ? s->serial : blk_name(s->blk);
    size_t len = MIN(strlen(name), 100);
    if (len) {
        out[at] = 2; /* ASCII, vendor specific, of the unit */
        out[at + 3] = (uint8_t)len;
        memcpy(out + at + 4, name, len);
        at += 4 + len;
    }
    if (s->wwn) {
        out[at] = 1;
        out[at + 1] = 3; /* NAA */
        out[at + 3] = 8;
        scsi_put_be(out + at + 4, s->wwn, 8);
        at += 12;
    }
    return at;
}

static size_t block_limits(const SCSIDisk *s, uint8_t *out)
{
    uint64_t most = s->discard ? UINT32_MAX : 0;
    out[0] = 1; /* WRITE SAME of zero blocks is refused */
    scsi_put_be(out + 2, s->physical / s->block, 2);
    scsi_put_be(out + 4, (1 << 30) / s->block, 4); /* the longest transfer */
    scsi_put_be(out + 16, most, 4);
    scsi_put_be(out + 20, s->discard ? MAX_UNMAP_RANGES : 0, 4);
    scsi_put_be(out + 24, s->physical / s->block, 4);
    scsi_put_be(out + 32, MAX_WRITE_SAME, 8);
    return 60;
}

/* A page of vital product data behind its header; 0: there is no such page. */
static size_t vital_page(const SCSIDisk *s, uint8_t page, uint8_t *out)
{
    static const uint8_t disk_pages[] = { 0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2 };
    size_t n = s->cd ? 3 : sizeof(disk_pages);
    if (page >= 0xb0 && s->cd) {
        return 0;
    }
    switch (page) {
    case 0x00:
        memcpy(out, disk_pages, n);
        return n;
    case 0x80:
        n = s->serial ? MIN(strlen(s->serial), 36) : 0;
        memcpy(out, s->serial, n);
        return n;
    case 0x83:
        return identification(s, out);
    case 0xb0:
        return block_limits(s, out);
    case 0xb1:
        scsi_put_be(out, s->rotation_rate, 2);
        return 60;
    case 0xb2:
        out[1] = (uint8_t)(s->discard ? 0xe0 : 0); /* UNMAP, WRITE SAME (16) and (10) */
        out[2] = s->discard ? 2 : 0;               /* thin */
        return 4;
    default:
        return 0;
    }
}

static void do_inquiry(SCSIDisk *s, SCSIRequest *r)
{
    uint8_t out[256] = { (uint8_t)(s->cd ? 5 : 0) };
    size_t alloc = scsi_be(r->cdb + 3, 2), len = 36;
    uint8_t page = r->cdb[2];
    if (r->cdb[1] & 1) {
        len = vital_page(s, page, out + 4);
        if (!len && page != 0x80 && page != 0x83) {
            scsi_fail(r, SENSE_INVALID_FIELD);
            return;
        }
        out[1] = page;
        scsi_put_be(out + 2, len, 2);
        scsi_reply(r, out, len + 4, alloc);
        return;
    }
    if (page || r->cdb[1] & 2) {
        scsi_fail(r, SENSE_INVALID_FIELD);
        return;
    }
    out[1] = (uint8_t)(s->removable || s->cd ? 0x80 : 0);
    out[2] = 5;    /* SPC-3 */
    out[3] = 0x12; /* hierarchical addresses; format of this answer */
    out[4] = 36 - 5;
    out[7] = 0x12; /* commands are queued */
    put_text(out + 8, s->vendor, 8);
    put_text(out + 16, s->product ? s->product : s->cd ? "CD-ROM" : "HARDDISK", 16);
    put_text(out + 32, s->version, 4);
    scsi_reply(r, out, len, alloc);
}

/* ---- MODE SENSE and SELECT ------------------------------------------------------------------ */

/* A page behind its two bytes of header; 0: there is no such page. changeable: what of it can be
 * changed. */
static size_t mode_page(const SCSIDisk *s, uint8_t page, bool changeable, uint8_t *out)
{
    uint64_t cylinders = scsi_disk_blocks(s) / (16 * 63);
    switch (page) {
    case 0x01: /* errors */
        out[0] = changeable ? 0 : 0x80;
        out[1] = changeable || s->cd ? 0 : 0x20;
        return 10;
    case 0x04: /* geometry */
        if (s->cd) {
            return 0;
        }
        if (!changeable) {
            scsi_put_be(out, MIN(cylinders, 0xffffff), 3);
            out[3] = 16;
            scsi_put_be(out + 18, 5400, 2);
        }
        return 22;
    case 0x08: /* caching */
        out[0] = changeable ? 4 : blk_write_cache(s->blk) ? 4 : 0;
        return 18;
    case 0x2a:
        return s->cd ? scsi_cd_capabilities(s, changeable, out) : 0;
    default:
        return 0;
    }
}

static size_t mode_pages(const SCSIDisk *s, uint8_t wanted, bool changeable, uint8_t *out)
{
    static const uint8_t pages[] = { 0x01, 0x04, 0x08, 0x2a };
    size_t at = 0;
    for (size_t i = 0; i < sizeof(pages); i++) {
        if (wanted == 0x3f || wanted == pages[i]) {
            size_t n = mode_page(s, pages[i], changeable, out + at + 2);
            if (n) {
                out[at] = pages[i];
                out[at + 1] = (uint8_t)n;
                at += n + 2;
            }
        }
    }
    return at;
}

static void do_mode_sense(SCSIDisk *s, SCSIRequest *r)
{
    bool ten = r->cdb[0] == 0x5a;
    uint8_t out[LONGEST_MODE] = { 0 }, control = r->cdb[2] >> 6, page = r->cdb[2] & 0x3f;
    size_t header = ten ? 8 : 4, at = header, alloc = ten ? scsi_be(r->cdb + 7, 2) : r->cdb[4];
    bool descriptor = !(r->cdb[1] & 8) && !s->cd;
    uint8_t specific = s->cd ? 0 : (uint8_t)(0x10 | (blk_writable(s->blk) ? 0 : 0x80));
    if (control == 3) { /* no values are saved */
        scsi_fail(r, (SCSISense){ 5, 0x39, 0 });
        return;
    }
    if (descriptor) {
        uint64_t blocks = scsi_disk_blocks(s);
        scsi_put_be(out + at, blocks > 0xffffffff ? 0 : blocks, 4);
        scsi_put_be(out + at + 5, s->block, 3);
        at += 8;
    }
    size_t n = r->cdb[3] ? 0 : mode_pages(s, page, control == 1, out + at);
    if (!n) {
        scsi_fail(r, SENSE_INVALID_FIELD);
        return;
    }
    at += n;
    if (ten) {
        scsi_put_be(out, at - 2, 2);
        out[3] = specific;
        out[7] = descriptor ? 8 : 0;
    } else {
        out[0] = (uint8_t)(at - 1);
        out[2] = specific;
        out[3] = descriptor ? 8 : 0;
    }
    scsi_reply(r, out, at, alloc);
}

/* Only the write cache can be changed; all else must be as it is. */
static bool select_page(SCSIDisk *s, const uint8_t *p, size_t len, bool apply)
{
    uint8_t now[LONGEST_MODE] = { 0 }, mask[LONGEST_MODE] = { 0 };
    size_t n = mode_page(s, p[0] & 0x3f, false, now);
    mode_page(s, p[0] & 0x3f, true, mask);
    if (n == 0 || p[0] & 0x40 || n != len) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if ((p[2 + i] ^ now[i]) & ~mask[i]) {
            return false;
        }
    }
    if (apply && (p[0] & 0x3f) == 0x08) {
        blk_set_write_cache(s->blk, p[2] & 4);
    }
    return true;
}

static void do_mode_select(SCSIDisk *s, SCSIRequest *r)
{
    bool ten = r->cdb[0] == 0x55;
    uint8_t in[MAX_PARAMETERS];
    size_t header = ten ? 8 : 4, len = ten ? scsi_be(r->cdb + 7, 2) : r->cdb[4];
    if ((r->cdb[1] & 0x11) != 0x10 || len > sizeof(in)) {
        scsi_fail(r, SENSE_INVALID_FIELD);
        return;
    }
    r->wanted = r->transferred = iov_to_buf(r->out, r->out_num, 0, in, len);
    if (len == 0) {
        scsi_good(r);
        return;
    }
    size_t skip = r->transferred < header ? 0 : ten ? scsi_be(in + 6, 2) : in[3];
    if (r->transferred < len || len < header || (skip && skip != 8) || header + skip > len) {
        scsi_fail(r, SENSE_PARAMETER_LENGTH);
        return;
    }
    if (skip && scsi_be(in + header + 5, 3) != s->block) {
        scsi_fail(r, SENSE_INVALID_PARAMETER);
        return;
    }
    for (unsigned apply = 0; apply < 2; apply++) {
        for (size_t at = header + skip; at < len;) {
            if (len - at < 2 || len - at - 2 < in[at + 1] ||
                !select_page(s, in + at, in[at + 1], apply)) {
                scsi_fail(r, SENSE_INVALID_PARAMETER);
                return;
            }
            at += 2u + in[at + 1];
        }
    }
    blk_write_cache(s->blk) ? scsi_good(r) : blk_flush(s->blk, good_or_not, r);
}

/* ---- the rest ---------------------------------------------------------------------------- */

static void do_nothing(SCSIDisk *s, SCSIRequest *r)
{
    (void)s;
    scsi_good(r);
}

static void do_seek(SCSIDisk *s, SCSIRequest *r)
{
    if (in_range(s, r, scsi_be(r->cdb + 2, 4), 0)) {
        scsi_good(r);
    }
}

static void do_self_test(SCSIDisk *s, SCSIRequest *r)
{
    (void)s;
    if (r->cdb[1] & 4) { /* the default one; there are no others */
        scsi_good(r);
    } else {
        scsi_fail(r, SENSE_INVALID_FIELD);
    }
}

static void do_start_stop(SCSIDisk *s, SCSIRequest *r)
{
    if (s->cd) {
        scsi_cd_start_stop(s, r);
    } else {
        blk_flush(s->blk, good_or_not, r);
    }
}

static void do_prevent(SCSIDisk *s, SCSIRequest *r)
{
    s->locked = r->cdb[4] & 1;
    scsi_good(r);
}

static void do_capacity_10(SCSIDisk *s, SCSIRequest *r)
{
    uint8_t out[8];
    uint64_t last = scsi_disk_blocks(s) - 1;
    if (!(r->cdb[8] & 1) && scsi_be(r->cdb + 2, 4)) {
        scsi_fail(r, SENSE_INVALID_FIELD);
        return;
    }
    scsi_put_be(out, MIN(last, UINT32_MAX), 4);
    scsi_put_be(out + 4, s->block, 4);
    scsi_reply(r, out, sizeof(out), sizeof(out));
}

static void do_capacity_16(SCSIDisk *s, SCSIRequest *r)
{
    uint8_t out[32] = { 0 };
    enum { READ_CAPACITY = 0x10 };
    if ((r->cdb[1] & 0x1f) != READ_CAPACITY) {
        scsi_fail(r, SENSE_INVALID_FIELD);
        return;
    }
    scsi_put_be(out, scsi_disk_blocks(s) - 1, 8);
    scsi_put_be(out + 8, s->block, 4);
    out[13] = (uint8_t)__builtin_ctz(s->physical / s->block);
    out[14] = s->discard ? 0xc0 : 0; /* blocks are provisioned, and read as zeros without */
    scsi_reply(r, out, sizeof(out), scsi_be(r->cdb + 10, 4));
}

/* ---- the table --------------------------------------------------------------------------- */

enum { DISK = 1, CD = 2, BOTH = 3, MEDIUM = 4 /* only with one in the drive */ };

typedef struct Command {
    uint8_t code, flags;
    void (*run)(SCSIDisk *s, SCSIRequest *r);
} Command;

static const Command commands[] = {
    { 0x00, BOTH | MEDIUM, do_nothing },             /* TEST UNIT READY */
    { 0x01, BOTH, do_nothing },                      /* REZERO UNIT */
    { 0x08, BOTH | MEDIUM, do_read },                /* READ (6) */
    { 0x0a, DISK | MEDIUM, do_write },               /* WRITE (6) */
    { 0x12, BOTH, do_inquiry },                      /* INQUIRY */
    { 0x15, BOTH, do_mode_select },                  /* MODE SELECT (6) */
    { 0x16, BOTH, do_nothing },                      /* RESERVE (6): there is one initiator */
    { 0x17, BOTH, do_nothing },                      /* RELEASE (6) */
    { 0x1a, BOTH, do_mode_sense },                   /* MODE SENSE (6) */
    { 0x1b, BOTH, do_start_stop },                   /* START STOP UNIT */
    { 0x1d, BOTH, do_self_test },                    /* SEND DIAGNOSTIC */
    { 0x1e, BOTH, do_prevent },                      /* PREVENT ALLOW MEDIUM REMOVAL */
    { 0x25, BOTH | MEDIUM, do_capacity_10 },         /* READ CAPACITY (10) */
    { 0x28, BOTH | MEDIUM, do_read },                /* READ (10) */
    { 0x2a, DISK | MEDIUM, do_write },               /* WRITE (10) */
    { 0x2b, BOTH | MEDIUM, do_seek },                /* SEEK (10) */
    { 0x2e, DISK | MEDIUM, do_write },               /* WRITE AND VERIFY (10) */
    { 0x2f, DISK | MEDIUM, do_verify },              /* VERIFY (10) */
    { 0x34, DISK | MEDIUM, do_nothing },             /* PRE-FETCH (10) */
    { 0x35, BOTH | MEDIUM, do_flush },               /* SYNCHRONIZE CACHE (10) */
    { 0x41, DISK | MEDIUM, do_write_same },          /* WRITE SAME (10) */
    { 0x42, DISK | MEDIUM, do_unmap },               /* UNMAP */
    { 0x43, CD | MEDIUM, scsi_cd_read_toc },         /* READ TOC/PMA/ATIP */
    { 0x46, CD, scsi_cd_configuration },             /* GET CONFIGURATION */
    { 0x4a, CD, scsi_cd_event_status },              /* GET EVENT STATUS NOTIFICATION */
    { 0x51, CD | MEDIUM, scsi_cd_disc_information }, /* READ DISC INFORMATION */
    { 0x55, BOTH, do_mode_select },                  /* MODE SELECT (10) */
    { 0x5a, BOTH, do_mode_sense },                   /* MODE SENSE (10) */
    { 0x88, BOTH | MEDIUM, do_read },                /* READ (16) */
    { 0x8a, DISK | MEDIUM, do_write },               /* WRITE (16) */
    { 0x8e, DISK | MEDIUM, do_write },               /* WRITE AND VERIFY (16) */
    { 0x8f, DISK | MEDIUM, do_verify },              /* VERIFY (16) */
    { 0x90, DISK | MEDIUM, do_nothing },             /* PRE-FETCH (16) */
    { 0x91, DISK | MEDIUM, do_flush },               /* SYNCHRONIZE CACHE (16) */
    { 0x93, DISK | MEDIUM, do_write_same },          /* WRITE SAME (16) */
    { 0x9e, BOTH | MEDIUM, do_capacity_16 },         /* SERVICE ACTION IN (16) */
    { 0xa8, BOTH | MEDIUM, do_read },                /* READ (12) */
    { 0xaa, DISK | MEDIUM, do_write },               /* WRITE (12) */
    { 0xae, DISK | MEDIUM, do_write },               /* WRITE AND VERIFY (12) */
    { 0xaf, DISK | MEDIUM, do_verify },              /* VERIFY (12) */
    { 0xbb, CD, do_nothing },                        /* SET CD SPEED */
    { 0xbd, CD, scsi_cd_mechanism_status },          /* MECHANISM STATUS */
};

static void execute(SCSIDevice *dev, SCSIRequest *r)
{
    SCSIDisk *s = (SCSIDisk *)dev;
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        const Command *c = &commands[i];
        if (c->code != r->cdb[0] || !(c->flags & (s->cd ? CD : DISK))) {
            continue;
        }
        if (c->flags & MEDIUM && (s->tray_open || !blk_has_medium(s->blk))) {
            scsi_fail(r, s->tray_open ? SENSE_TRAY_OPEN : SENSE_NO_MEDIUM);
        } else {
            c->run(s, r);
        }
        return;
    }
    scsi_fail(r, SENSE_INVALID_OPCODE);
}

/* ---- the device -------------------------------------------------------------------------- */

uint64_t scsi_disk_blocks(const SCSIDisk *s)
{
    return (uint64_t)MAX(blk_size(s->blk), 0) / s->block;
}

static void drain(SCSIDevice *dev)
{
    SCSIDisk *s = (SCSIDisk *)dev;
    if (s->blk) {
        blk_drain(s->blk);
    }
}

static void resized(void *opaque)
{
    SCSIDisk *s = opaque;
    scsi_set_attention(&s->parent, SENSE_CAPACITY_CHANGED);
}

static bool power_of_2(uint32_t n, uint32_t min, uint32_t max)
{
    return n >= min && n <= max && !(n & (n - 1));
}

static bool disk_realize(Device *dev, GError **err)
{
    static const SCSIDeviceOps ops = { execute, drain };
    SCSIDisk *s = (SCSIDisk *)dev;
    if (!s->blk) {
        g_set_error(err, HW_ERROR, 0, "it needs drive=");
        return false;
    }
    if (!power_of_2(s->block, 512, 32768) || !power_of_2(s->physical, s->block, 1 << 21)) {
        g_set_error(err, HW_ERROR, 0,
                    "logical_block_size and physical_block_size must be powers "
                    "of 2, from 512 on, the second not smaller");
        return false;
    }
    s->parent.ops = &ops;
    s->discard = blk_writable(s->blk) && !s->cd;
    s->cached = blk_write_cache(s->blk);
    s->parent.unit_attention = SENSE_POWER_ON;
    blk_set_resize_cb(s->blk, s->cd ? scsi_cd_medium_changed : resized, s);
    return true;
}

static bool cd_realize(Device *dev, GError **err)
{
    SCSIDisk *s = (SCSIDisk *)dev;
    s->cd = true;
    s->block = s->physical = CD_BLOCK;
    if (!disk_realize(dev, err)) {
        return false;
    }
    blk_set_media_ops(s->blk, &scsi_cd_media_ops, s);
    return true;
}

static void disk_unrealize(Device *dev)
{
    SCSIDisk *s = (SCSIDisk *)dev;
    blk_drain(s->blk);
    blk_set_resize_cb(s->blk, NULL, NULL);
    blk_set_media_ops(s->blk, NULL, NULL);
}

static void disk_reset(Device *dev)
{
    SCSIDisk *s = (SCSIDisk *)dev;
    scsi_device_reset(&s->parent);
    blk_set_write_cache(s->blk, s->cached);
    s->locked = s->tray_open = false;
    s->event = 0;
}

#define TEXT_PROP(n, field, value, text)                                                   \
    {                                                                                      \
        .name = n, .kind = PROP_STR, .offset = offsetof(SCSIDisk, field), .preset = value, \
        .doc = text                                                                        \
    }

#define COMMON_PROPS                                                                    \
    { .name = "drive",                                                                  \
      .kind = PROP_DRIVE,                                                               \
      .offset = offsetof(SCSIDisk, blk),                                                \
      .doc = "the medium" },                                                            \
        TEXT_PROP("serial", serial, NULL, "serial number"),                             \
        TEXT_PROP("device_id", device_id, NULL, "name of the unit, on page 0x83"),      \
        TEXT_PROP("vendor", vendor, "LATIMER", "vendor"),                               \
        TEXT_PROP("product", product, NULL, "product"),                                 \
        TEXT_PROP("ver", version, "1.0", "version"),                                    \
        { .name = "wwn",                                                                \
          .kind = PROP_U64,                                                             \
          .offset = offsetof(SCSIDisk, wwn),                                            \
          .preset = "0",                                                                \
          .doc = "world wide name" },                                                   \
    {                                                                                   \
        .name = "bootindex", .kind = PROP_I32, .offset = offsetof(SCSIDisk, bootindex), \
        .preset = "-1", .doc = "its place in the boot order"                            \
    }

static const Property cd_props[] = { COMMON_PROPS, { .name = NULL } };

static const Property disk_props[] = {
    COMMON_PROPS,
    { .name = "logical_block_size",
      .kind = PROP_U32,
      .offset = offsetof(SCSIDisk, block),
      .preset = "512",
      .doc = "bytes of a block" },
    { .name = "physical_block_size",
      .kind = PROP_U32,
      .offset = offsetof(SCSIDisk, physical),
      .preset = "512",
      .doc = "bytes of the smallest efficient transfer" },
    { .name = "removable",
      .kind = PROP_BOOL,
      .offset = offsetof(SCSIDisk, removable),
      .preset = "off",
      .doc = "a medium that can be taken out" },
    { .name = "rotation_rate",
      .kind = PROP_U16,
      .offset = offsetof(SCSIDisk, rotation_rate),
      .preset = "0",
      .doc = "1: no rotating medium; else revolutions a minute" },
    { .name = NULL },
};

/* Of a DeviceType's ops nothing is looked up: realize has set SCSIDevice.ops. */
static const DeviceType scsi_hd = {
    .name = "scsi-hd",
    .category = "storage",
    .desc = "SCSI disk",
    .parent = &scsi_device_type,
    .size = sizeof(SCSIDisk),
    .props = disk_props,
    .user_creatable = true,
    .hotpluggable = true,
    .realize = disk_realize,
    .unrealize = disk_unrealize,
    .reset = disk_reset,
};
DEVICE_TYPE(scsi_hd)

static const DeviceType scsi_cd = {
    .name = "scsi-cd",
    .category = "storage",
    .desc = "SCSI CD-ROM drive",
    .parent = &scsi_device_type,
    .size = sizeof(SCSIDisk),
    .props = cd_props,
    .user_creatable = true,
    .hotpluggable = true,
    .realize = cd_realize,
    .unrealize = disk_unrealize,
    .reset = disk_reset,
};
DEVICE_TYPE(scsi_cd)

/* ---- what is not there -------------------------------------------------------------------- */

static bool pass_through_realize(Device *dev, GError **err)
{
    (void)dev;
    g_set_error(err, HW_ERROR, 0,
                "not implemented: commands are not passed to the host's devices (scsi-hd and "
                "scsi-cd take drive=)");
    return false;
}

static const DeviceType scsi_block = {
    .name = "scsi-block",
    .category = "storage",
    .desc = "a SCSI disk of the host (not implemented)",
    .parent = &scsi_device_type,
    .size = sizeof(SCSIDisk),
    .props = cd_props,
    .user_creatable = true,
    .realize = pass_through_realize,
};
DEVICE_TYPE(scsi_block)

static const DeviceType scsi_generic = {
    .name = "scsi-generic",
    .category = "storage",
    .desc = "a SCSI device of the host (not implemented)",
    .parent = &scsi_device_type,
    .size = sizeof(SCSIDisk),
    .props = cd_props,
    .user_creatable = true,
    .realize = pass_through_realize,
};
DEVICE_TYPE(scsi_generic)
