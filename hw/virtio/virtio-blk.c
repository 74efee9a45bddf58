/* SPDX-License-Identifier: MIT */
/* Virtio block device. Virtio 1.2, 5.2. */
#include <errno.h>
#include <string.h>
#include "block/backend.h"
#include "hw/virtio/virtio.h"

/* Feature bits. */
enum {
    F_SIZE_MAX = 1,
    F_SEG_MAX = 2,
    F_GEOMETRY = 4,
    F_RO = 5,
    F_BLK_SIZE = 6,
    F_FLUSH = 9,
    F_TOPOLOGY = 10,
    F_CONFIG_WCE = 11,
    F_MQ = 12,
    F_DISCARD = 13,
    F_WRITE_ZEROES = 14,
};

/* Request types. */
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };
enum {
    SECTOR = 512,
    ID_BYTES = 20,
    MAX_DISCARD_SECTORS = 1 << 22,
    MAX_SEGMENTS = 126, /* the longest chain without its header and status */
    UNMAP_FLAG = 1,
};

typedef struct VirtIOBlk {
    VirtIODevice parent;
    BlockBackend *blk;
    char *serial;
    uint16_t nb_queues, queue_size;
    uint32_t logical, physical;
    bool discard, write_zeroes, config_wce;
    int32_t bootindex;
    void *iothread; /* only held */
    bool cached;    /* the write cache as it was given */
} VirtIOBlk;

/* All little endian. */
typedef struct BlkConfig {
    uint64_t capacity;
    uint32_t size_max, seg_max;
    uint16_t cylinders;
    uint8_t heads, sectors;
    uint32_t blk_size;
    uint8_t physical_exp, alignment_offset;
    uint16_t min_io_size;
    uint32_t opt_io_size;
    uint8_t writeback, unused0;
    uint16_t num_queues;
    uint32_t max_discard_sectors, max_discard_seg, discard_alignment;
    uint32_t max_zero_sectors, max_zero_seg;
    uint8_t zero_may_unmap, unused1[3];
} __attribute__((packed)) BlkConfig;

typedef struct BlkHeader {
    uint32_t type, ioprio;
    uint64_t sector;
} BlkHeader;

typedef struct DiscardRange {
    uint64_t sector;
    uint32_t count, flags;
} DiscardRange;

typedef struct BlkRequest {
    VirtChain chain; /* `in` and `out` without header and status, once parsed */
    VirtIOBlk *dev;
    uint8_t *status;
    uint32_t written; /* bytes of data that a success writes */
} BlkRequest;

static void finish(BlkRequest *r, uint8_t status)
{
    VirtQueue *vq = r->chain.vq;
    VirtIOBlk *s = r->dev;
    /* Without data the status is all that was written; the count is of bytes from the front. */
    uint32_t written = status == S_OK ? r->written + 1 : (uint32_t)r->chain.in_bytes;
    *r->status = status;
    address_space_unmap(s->parent.dma, r->status, 1);
    virtq_push(vq, r, written);
    virtq_notify(vq);
}

static void done(void *opaque, int ret)
{
    BlkRequest *r = opaque;
    finish(r, ret == 0 ? S_OK : ret == -ENOTSUP ? S_UNSUPP : S_IOERR);
}

/* ---- requests ---------------------------------------------------------------------------- */

static bool in_range(const VirtIOBlk *s, uint64_t sector, uint64_t bytes)
{
    uint64_t size = (uint64_t)MAX(blk_size(s->blk), 0);
    return sector <= size / SECTOR && bytes <= size - sector * SECTOR && bytes % SECTOR == 0 &&
           sector * SECTOR % s->logical == 0 && bytes % s->logical == 0;
}

static uint64_t iov_bytes(const struct iovec *iov, unsigned n)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < n; i++) {
        bytes += iov[i].iov_len;
    }
    return bytes;
}

static void transfer(VirtIOBlk *s, BlkRequest *r, const BlkHeader *h, bool write)
{
    VirtChain *c = &r->chain;
    const struct iovec *iov = write ? c->out : c->in;
    unsigned n = write ? c->out_num : c->in_num;
    uint64_t bytes = iov_bytes(iov, n);
    if (!in_range(s, h->sector, bytes) || (write && !blk_writable(s->blk))) {
        finish(r, S_IOERR);
    } else if (write) {
        blk_pwritev(s->blk, (int64_t)h->sector * SECTOR, iov, (int)n, done, r);
    } else {
        r->written = (uint32_t)bytes;
        blk_preadv(s->blk, (int64_t)h->sector * SECTOR, iov, (int)n, done, r);
    }
}

static void get_id(VirtIOBlk *s, BlkRequest *r)
{
    char id[ID_BYTES] = { 0 };
    if (s->serial) {
        memcpy(id, s->serial, MIN(strlen(s->serial), sizeof(id)));
    }
    r->written = (uint32_t)iov_from_buf(r->chain.in, r->chain.in_num, 0, id, sizeof(id));
    finish(r, S_OK);
}

static void discard(VirtIOBlk *s, BlkRequest *r, bool zeroes)
{
    DiscardRange range;
    VirtChain *c = &r->chain;
    if (iov_bytes(c->out, c->out_num) != sizeof(range)) {
        finish(r, S_UNSUPP); /* one range at a time is what the configuration says */
        return;
    }
    iov_to_buf(c->out, c->out_num, 0, &range, sizeof(range));
    if (range.flags & ~(zeroes ? UNMAP_FLAG : 0u)) {
        finish(r, S_UNSUPP);
        return;
    }
    uint64_t bytes = (uint64_t)range.count * SECTOR;
    if (range.count > MAX_DISCARD_SECTORS || !in_range(s, range.sector, bytes) ||
        !blk_writable(s->blk)) {
        finish(r, S_IOERR);
    } else if (zeroes) {
        blk_write_zeroes(s->blk, (int64_t)range.sector * SECTOR, (int64_t)bytes,
                         range.flags & UNMAP_FLAG ? BLOCK_ZERO_MAY_UNMAP : 0, done, r);
    } else {
        blk_discard(s->blk, (int64_t)range.sector * SECTOR, (int64_t)bytes, done, r);
    }
}

/* Header and status come off the chain; false: the driver has broken the rules. */
static bool parse(VirtIOBlk *s, BlkRequest *r, BlkHeader *h)
{
    VirtChain *c = &r->chain;
    r->dev = s;
    if (c->in_num == 0 || iov_to_buf(c->out, c->out_num, 0, h, sizeof(*h)) != sizeof(*h)) {
        virtio_error(&s->parent, "a request without header or status");
        return false;
    }
    struct iovec *last = &c->in[c->in_num - 1];
    r->status = (uint8_t *)last->iov_base + last->iov_len - 1;
    iov_discard_front(&c->out, &c->out_num, sizeof(*h));
    iov_discard_back(c->in, &c->in_num, 1);
    return true;
}

static void handle(VirtIOBlk *s, BlkRequest *r)
{
    BlkHeader h;
    if (!parse(s, r, &h)) {
        virtq_drop(r);
        return;
    }
    switch (h.type) {
    case T_IN:
    case T_OUT:
        transfer(s, r, &h, h.type == T_OUT);
        break;
    case T_FLUSH:
        blk_flush(s->blk, done, r);
        break;
    case T_GET_ID:
        get_id(s, r);
        break;
    case T_DISCARD:
    case T_WRITE_ZEROES:
        if (virtio_has(&s->parent, h.type == T_DISCARD ? F_DISCARD : F_WRITE_ZEROES)) {
            discard(s, r, h.type == T_WRITE_ZEROES);
            break;
        }
        /* fall through */
    default:
        finish(r, S_UNSUPP);
        break;
    }
}

static void kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOBlk *s = (VirtIOBlk *)vdev;
    /* The driver need not kick again for what it adds meanwhile. */
    do {
        virtq_set_notification(vq, false);
        for (BlkRequest *r; (r = virtq_pop(vq, sizeof(*r)));) {
            handle(s, r);
        }
        virtq_set_notification(vq, true);
    } while (!virtq_empty(vq));
}

/* ---- the device -------------------------------------------------------------------------- */

static void get_features(VirtIODevice *vdev, uint64_t *features)
{
    VirtIOBlk *s = (VirtIOBlk *)vdev;
    bool writable = blk_writable(s->blk);
    *features |= 1ull << F_SEG_MAX | 1ull << F_GEOMETRY | 1ull << F_BLK_SIZE | 1ull << F_FLUSH |
                 1ull << F_TOPOLOGY | (uint64_t)!writable << F_RO |
                 (uint64_t)(s->nb_queues > 1) << F_MQ | (uint64_t)s->config_wce << F_CONFIG_WCE |
                 (uint64_t)(s->discard && writable) << F_DISCARD |
                 (uint64_t)(s->write_zeroes && writable) << F_WRITE_ZEROES;
}

static void get_config(VirtIODevice *vdev, uint8_t *out)
{
    VirtIOBlk *s = (VirtIOBlk *)vdev;
    uint64_t sectors = (uint64_t)MAX(blk_size(s->blk), 0) / SECTOR;
    uint64_t cylinders = MIN(sectors / (16 * 63), 16383);
    BlkConfig c = {
        .capacity = sectors,
        .seg_max = MIN(MAX_SEGMENTS, s->queue_size - 2u),
        .cylinders = (uint16_t)cylinders,
        .heads = 16,
        .sectors = 63,
        .blk_size = s->logical,
        .physical_exp = (uint8_t)__builtin_ctz(s->physical / s->logical),
        .writeback = blk_write_cache(s->blk),
        .num_queues = s->nb_queues,
        .max_discard_sectors = MAX_DISCARD_SECTORS,
        .max_discard_seg = 1,
        .discard_alignment = s->logical / SECTOR,
        .max_zero_sectors = MAX_DISCARD_SECTORS,
        .max_zero_seg = 1,
        .zero_may_unmap = 1,
    };
    memcpy(out, &c, sizeof(c));
}

static void set_config(VirtIODevice *vdev, const uint8_t *config, uint32_t offset, uint32_t len)
{
    VirtIOBlk *s = (VirtIOBlk *)vdev;
    const uint32_t at = offsetof(BlkConfig, writeback);
    if (offset <= at && at - offset < len && virtio_has(vdev, F_CONFIG_WCE)) {
        blk_set_write_cache(s->blk, config[at] != 0);
    }
}

/* What is in flight may still write to the guest's memory: wait for it. */
static void blk_device_reset(VirtIODevice *vdev)
{
    VirtIOBlk *s = (VirtIOBlk *)vdev;
    if (s->blk) {
        blk_drain(s->blk);
        blk_set_write_cache(s->blk, s->cached);
    }
}

static void set_status(VirtIODevice *vdev, uint8_t status)
{
    VirtIOBlk *s = (VirtIOBlk *)vdev;
    /* A driver that cannot flush gets a disk that needs no flushing. */
    if (status & VIRTIO_STATUS_DRIVER_OK && !virtio_has(vdev, F_CONFIG_WCE)) {
        blk_set_write_cache(s->blk, virtio_has(vdev, F_FLUSH) && s->cached);
    }
}

static void resized(void *opaque)
{
    virtio_config_changed(opaque);
}

static bool power_of_2(uint32_t n, uint32_t min, uint32_t max)
{
    return n >= min && n <= max && !(n & (n - 1));
}

static bool check_props(const VirtIOBlk *s, GError **err)
{
    if (!s->blk) {
        g_set_error(err, HW_ERROR, 0, "it needs drive=");
    } else if (!power_of_2(s->logical, 512, 32768) ||
               !power_of_2(s->physical, s->logical, 1 << 21)) {
        g_set_error(err, HW_ERROR, 0,
                    "logical_block_size and physical_block_size must be powers "
                    "of 2, from 512 on, the second not smaller");
    } else if (!power_of_2(s->queue_size, 4, VIRTIO_MAX_QUEUE_SIZE)) {
        g_set_error(err, HW_ERROR, 0, "queue-size=%u is not a power of 2 in 4…%d", s->queue_size,
                    VIRTIO_MAX_QUEUE_SIZE);
    } else {
        return true;
    }
    return false;
}

static bool blk_realize(Device *dev, GError **err)
{
    VirtIOBlk *s = (VirtIOBlk *)dev;
    if (!check_props(s, err) || !virtio_device_realize(dev, err)) {
        return false;
    }
    for (unsigned i = 0; i < s->nb_queues; i++) {
        virtio_add_queue(&s->parent, s->queue_size, kicked);
    }
    s->cached = blk_write_cache(s->blk);
    blk_set_resize_cb(s->blk, resized, s);
    return true;
}

static void blk_unrealize(Device *dev)
{
    VirtIOBlk *s = (VirtIOBlk *)dev;
    blk_drain(s->blk);
    blk_set_resize_cb(s->blk, NULL, NULL);
    virtio_device_unrealize(dev);
}

static const VirtIOOps ops = {
    .id = VIRTIO_ID_BLOCK,
    .config_size = sizeof(BlkConfig),
    .get_features = get_features,
    .get_config = get_config,
    .set_config = set_config,
    .reset = blk_device_reset,
    .set_status = set_status,
};

static const Property props[] = {
    { .name = "iothread",
      .kind = PROP_IOTHREAD,
      .offset = offsetof(VirtIOBlk, iothread),
      .doc = "an -object iothread; the requests are done by the main loop's thread all the same" },
    { .name = "drive",
      .kind = PROP_DRIVE,
      .offset = offsetof(VirtIOBlk, blk),
      .doc = "the disk's content" },
    { .name = "serial",
      .kind = PROP_STR,
      .offset = offsetof(VirtIOBlk, serial),
      .doc = "serial number, at most 20 characters" },
    { .name = "num-queues",
      .kind = PROP_U16,
      .offset = offsetof(VirtIOBlk, nb_queues),
      .preset = "1",
      .min = 1,
      .max = 64,
      .doc = "queues" },
    { .name = "queue-size",
      .kind = PROP_U16,
      .offset = offsetof(VirtIOBlk, queue_size),
      .preset = "256",
      .doc = "buffers in a queue" },
    { .name = "logical_block_size",
      .kind = PROP_U32,
      .offset = offsetof(VirtIOBlk, logical),
      .preset = "512",
      .doc = "bytes of the smallest transfer" },
    { .name = "physical_block_size",
      .kind = PROP_U32,
      .offset = offsetof(VirtIOBlk, physical),
      .preset = "512",
      .doc = "bytes of the smallest efficient transfer" },
    { .name = "discard",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtIOBlk, discard),
      .preset = "on",
      .doc = "the guest may discard" },
    { .name = "write-zeroes",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtIOBlk, write_zeroes),
      .preset = "on",
      .doc = "the guest may write zeroes without sending them" },
    { .name = "config-wce",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtIOBlk, config_wce),
      .preset = "on",
      .doc = "the guest may turn the write cache off and on" },
    { .name = "bootindex",
      .kind = PROP_I32,
      .offset = offsetof(VirtIOBlk, bootindex),
      .preset = "-1",
      .doc = "its place in the boot order" },
    { .name = NULL },
};

const DeviceType virtio_blk_type = {
    .name = "virtio-blk-device",
    .category = "storage",
    .desc = "virtio disk",
    .parent = &virtio_device_type,
    .size = sizeof(VirtIOBlk),
    .props = props,
    .user_creatable = true,
    .hotpluggable = true,
    .realize = blk_realize,
    .unrealize = blk_unrealize,
    .ops = &ops,
};
DEVICE_TYPE(virtio_blk_type)
