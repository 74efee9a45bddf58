/* SPDX-License-Identifier: MIT */
/* Virtio traditional memory balloon, with statistics and free page reporting. Virtio 1.2, 5.5. */
#include <string.h>
#include <sys/mman.h>
#include "hw/machine.h"
#include "hw/timer.h"
#include "hw/virtio/balloon.h"
#include "hw/virtio/virtio-pci.h"

enum {
    F_STATS_VQ = 1,
    F_DEFLATE_ON_OOM = 2,
    F_REPORTING = 5,
    PAGE_SHIFT = 12,
    PAGE = 1 << PAGE_SHIFT,
    NS_PER_S = 1000000000,
};

typedef struct BalloonConfig {
    uint32_t num_pages, actual;
} BalloonConfig;

typedef struct BalloonStat {
    uint16_t tag;
    uint64_t value;
} __attribute__((packed)) BalloonStat;

typedef struct VirtIOBalloon {
    VirtIODevice parent;
    bool deflate_on_oom, reporting;
    VirtQueue *stats_vq;
    VirtChain *stats_chain; /* held until newer statistics are wanted */
    uint32_t num_pages, actual;
    uint64_t stats[BALLOON_NB_STATS];
    int64_t stats_time; /* seconds since the epoch; 0: none came yet */
    uint32_t polling;   /* seconds; 0: not */
    Timer poll_timer;
} VirtIOBalloon;

static VirtIOBalloon *the_balloon; /* the first */
static void (*changed)(uint64_t actual);

/* ---- pages that the guest does not need ---------------------------------------------------- */

/* Whole pages of [host, host + len): they read as zeros from now on, and take no memory. */
static void give_back(VirtIOBalloon *s, uint8_t *host, uint64_t len)
{
    uintptr_t start = ((uintptr_t)host + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    uintptr_t end = ((uintptr_t)host + len) & ~(uintptr_t)(PAGE - 1);
    uint64_t offset;
    RAMBlock *block = end > start ? ram_block_from_host((void *)start, &offset) : NULL;
    if (!block || block->size - offset < end - start) {
        return;
    }
    /* Of shared memory a mapping alone frees nothing. */
    if (!madvise((void *)start, end - start, block->fd < 0 ? MADV_DONTNEED : MADV_REMOVE)) {
        address_space_unmap(s->parent.dma, (void *)start, end - start);
    }
}

static void inflate(VirtIOBalloon *s, const VirtChain *c)
{
    uint32_t pfn;
    for (uint64_t at = 0; iov_to_buf(c->out, c->out_num, at, &pfn, sizeof(pfn)) == sizeof(pfn);
         at += sizeof(pfn)) {
        uint64_t len = PAGE;
        uint8_t *host = address_space_map(s->parent.dma, (hwaddr)pfn << PAGE_SHIFT, &len, true);
        if (host && len == PAGE) {
            give_back(s, host, len);
        }
    }
}

static void inflate_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    for (VirtChain *c; (c = virtq_pop(vq, sizeof(*c)));) {
        inflate((VirtIOBalloon *)vdev, c);
        virtq_push(vq, c, 0);
    }
    virtq_notify(vq);
}

/* Pages come back by being touched. */
static void deflate_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    (void)vdev;
    for (VirtChain *c; (c = virtq_pop(vq, sizeof(*c)));) {
        virtq_push(vq, c, 0);
    }
    virtq_notify(vq);
}

static void report_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    for (VirtChain *c; (c = virtq_pop(vq, sizeof(*c)));) {
        for (unsigned i = 0; i < c->in_num; i++) {
            give_back((VirtIOBalloon *)vdev, c->in[i].iov_base, c->in[i].iov_len);
        }
        virtq_push(vq, c, 0);
    }
    virtq_notify(vq);
}

/* ---- statistics -------------------------------------------------------------------------- */

static void stats_kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    VirtChain *c = virtq_pop(vq, sizeof(*c));
    BalloonStat stat;
    if (!c) {
        return;
    }
    for (uint64_t at = 0; iov_to_buf(c->out, c->out_num, at, &stat, sizeof(stat)) == sizeof(stat);
         at += sizeof(stat)) {
        if (stat.tag < BALLOON_NB_STATS) {
            s->stats[stat.tag] = stat.value;
        }
    }
    s->stats_time = clock_get_ns(CLOCK_HOST) / NS_PER_S;
    if (s->stats_chain) { /* there is to be one buffer only */
        virtq_push(vq, s->stats_chain, 0);
    }
    s->stats_chain = c;
}

static void ask_for_stats(VirtIOBalloon *s)
{
    if (s->stats_chain && virtio_running(&s->parent)) {
        virtq_push(s->stats_vq, g_steal_pointer(&s->stats_chain), 0);
        virtq_notify(s->stats_vq);
    }
}

bool balloon_stats(uint64_t stats[BALLOON_NB_STATS])
{
    VirtIOBalloon *s = the_balloon;
    if (!s) {
        return false;
    }
    memcpy(stats, s->stats, sizeof(s->stats));
    ask_for_stats(s);
    return true;
}

int64_t balloon_stats_time(void)
{
    return the_balloon ? the_balloon->stats_time : 0;
}

static void poll_stats(void *opaque)
{
    VirtIOBalloon *s = opaque;
    ask_for_stats(s);
    timer_mod(&s->poll_timer, clock_get_ns(CLOCK_VIRTUAL) + s->polling * (int64_t)NS_PER_S);
}

void balloon_set_polling(unsigned seconds)
{
    VirtIOBalloon *s = the_balloon;
    if (s) {
        s->polling = seconds;
        seconds ? poll_stats(s) : timer_del(&s->poll_timer);
    }
}

bool balloon_is(const Device *dev)
{
    const Device *balloon = the_balloon ? &the_balloon->parent.parent : NULL;
    return balloon && (dev == balloon || dev->inner == balloon);
}

void balloon_set_changed_hook(void (*fn)(uint64_t actual))
{
    changed = fn;
}

/* ---- size -------------------------------------------------------------------------------- */

static uint64_t machine_bytes(void)
{
    return machine_current() ? machine_current()->ram_size : 0;
}

bool balloon_set_target(uint64_t bytes)
{
    uint64_t all = machine_bytes();
    if (!the_balloon) {
        return false;
    }
    the_balloon->num_pages = (uint32_t)((all - MIN(bytes, all)) >> PAGE_SHIFT);
    virtio_config_changed(&the_balloon->parent);
    return true;
}

bool balloon_actual(uint64_t *bytes)
{
    uint64_t all = machine_bytes();
    if (the_balloon) {
        *bytes = all - MIN((uint64_t)the_balloon->actual << PAGE_SHIFT, all);
    }
    return the_balloon != NULL;
}

/* ---- the device -------------------------------------------------------------------------- */

static void get_features(VirtIODevice *vdev, uint64_t *features)
{
    const VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    *features |= 1ull << F_STATS_VQ | (uint64_t)s->deflate_on_oom << F_DEFLATE_ON_OOM |
                 (uint64_t)s->reporting << F_REPORTING;
}

static void get_config(VirtIODevice *vdev, uint8_t *out)
{
    const VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    const BalloonConfig c = { s->num_pages, s->actual };
    memcpy(out, &c, sizeof(c));
}

static void set_config(VirtIODevice *vdev, const uint8_t *config, uint32_t offset, uint32_t len)
{
    VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    BalloonConfig c;
    (void)offset, (void)len;
    memcpy(&c, config, sizeof(c));
    bool differs = s->actual != c.actual;
    uint64_t bytes;
    s->actual = c.actual;
    if (differs && changed && s == the_balloon && balloon_actual(&bytes)) {
        changed(bytes);
    }
}

static void forget_stats(VirtIOBalloon *s)
{
    virtq_drop(g_steal_pointer(&s->stats_chain));
    memset(s->stats, 0xff, sizeof(s->stats));
    s->stats_time = 0;
}

static void balloon_reset(VirtIODevice *vdev)
{
    VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    forget_stats(s);
    s->actual = 0;
}

static bool balloon_realize(Device *dev, GError **err)
{
    VirtIOBalloon *s = (VirtIOBalloon *)dev;
    if (the_balloon) {
        g_set_error(err, HW_ERROR, 0, "there is a balloon already");
        return false;
    }
    if (!virtio_device_realize(dev, err)) {
        return false;
    }
    virtio_add_queue(&s->parent, 128, inflate_kicked);
    virtio_add_queue(&s->parent, 128, deflate_kicked);
    s->stats_vq = virtio_add_queue(&s->parent, 128, stats_kicked);
    if (s->reporting) {
        virtio_add_queue(&s->parent, 32, report_kicked);
    }
    forget_stats(s);
    timer_init(&s->poll_timer, CLOCK_VIRTUAL, poll_stats, s);
    the_balloon = s;
    balloon_set_polling(s->polling);
    return true;
}

static void balloon_unrealize(Device *dev)
{
    forget_stats((VirtIOBalloon *)dev);
    timer_del(&((VirtIOBalloon *)dev)->poll_timer);
    the_balloon = NULL;
    virtio_device_unrealize(dev);
}

static const VirtIOOps ops = {
    .id = VIRTIO_ID_BALLOON,
    .config_size = sizeof(BalloonConfig),
    .get_features = get_features,
    .get_config = get_config,
    .set_config = set_config,
    .reset = balloon_reset,
};

static const Property props[] = {
    { .name = "deflate-on-oom",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtIOBalloon, deflate_on_oom),
      .preset = "off",
      .doc = "the guest may take memory back when it has none left" },
    { .name = "free-page-reporting",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtIOBalloon, reporting),
      .preset = "off",
      .doc = "the guest tells of free pages" },
    { .name = "guest-stats-polling-interval",
      .kind = PROP_U32,
      .offset = offsetof(VirtIOBalloon, polling),
      .preset = "0",
      .doc = "seconds between two questions for statistics; 0: none but when they are looked at" },
    { .name = NULL },
};

const DeviceType virtio_balloon_type = {
    .name = "virtio-balloon-device",
    .category = "misc",
    .desc = "virtio memory balloon",
    .parent = &virtio_device_type,
    .size = sizeof(VirtIOBalloon),
    .props = props,
    .user_creatable = true,
    .hotpluggable = true,
    .realize = balloon_realize,
    .unrealize = balloon_unrealize,
    .ops = &ops,
};
DEVICE_TYPE(virtio_balloon_type)

VIRTIO_PCI_TYPE(virtio_balloon_pci, "virtio-balloon", "misc", "virtio memory balloon",
                virtio_balloon_type)
