/* SPDX-License-Identifier: MIT */
/* Virtio entropy device. Virtio 1.2, 5.4. */
#include <errno.h>
#include <sys/random.h>
#include "hw/timer.h"
#include "hw/virtio/virtio.h"

typedef struct VirtIORng {
    VirtIODevice parent;
    VirtQueue *vq;
    uint64_t max_bytes; /* in each period */
    uint32_t period;    /* ms */
    uint64_t left;
    bool period_runs;
    Timer timer;
} VirtIORng;

static bool fill(const struct iovec *iov, unsigned n, uint64_t len)
{
    for (unsigned i = 0; i < n && len; i++) {
        uint8_t *at = iov[i].iov_base;
        uint64_t part = MIN(len, iov[i].iov_len);
        for (uint64_t done = 0; done < part;) {
            ssize_t got = getrandom(at + done, part - done, 0);
            if (got < 0 && errno != EINTR) {
                return false;
            }
            done += got > 0 ? (uint64_t)got : 0;
        }
        len -= part;
    }
    return true;
}

static void work(VirtIORng *s)
{
    bool any = false;
    while (s->left) {
        VirtChain *c = virtq_pop(s->vq, sizeof(*c));
        if (!c) {
            break;
        }
        uint64_t n = MIN(MIN(s->left, c->in_bytes), 1u << 20);
        s->left -= n;
        virtq_push(s->vq, c, fill(c->in, c->in_num, n) ? (uint32_t)n : 0);
        any = true;
    }
    if (any) {
        virtq_notify(s->vq);
        if (!s->period_runs) {
            s->period_runs = true;
            timer_mod(&s->timer, clock_get_ns(CLOCK_VIRTUAL) + s->period * 1000000ll);
        }
    }
}

static void new_period(void *opaque)
{
    VirtIORng *s = opaque;
    s->left = s->max_bytes;
    s->period_runs = false;
    if (virtio_running(&s->parent)) {
        work(s);
    }
}

static void kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    (void)vq;
    work((VirtIORng *)vdev);
}

static void get_features(VirtIODevice *vdev, uint64_t *features)
{
    (void)vdev, (void)features; /* it has none of its own */
}

static void rng_reset(VirtIODevice *vdev)
{
    VirtIORng *s = (VirtIORng *)vdev;
    timer_del(&s->timer);
    s->left = s->max_bytes;
    s->period_runs = false;
}

static bool rng_realize(Device *dev, GError **err)
{
    VirtIORng *s = (VirtIORng *)dev;
    if (!virtio_device_realize(dev, err)) {
        return false;
    }
    s->vq = virtio_add_queue(&s->parent, 8, kicked);
    timer_init(&s->timer, CLOCK_VIRTUAL, new_period, s);
    s->left = s->max_bytes;
    return true;
}

static void rng_unrealize(Device *dev)
{
    timer_del(&((VirtIORng *)dev)->timer);
    virtio_device_unrealize(dev);
}

static const VirtIOOps ops = {
    .id = VIRTIO_ID_RNG,
    .get_features = get_features,
    .reset = rng_reset,
};

static const Property props[] = {
    { .name = "max-bytes",
      .kind = PROP_U64,
      .offset = offsetof(VirtIORng, max_bytes),
      .preset = "9223372036854775807",
      .min = 1,
      .max = INT64_MAX,
      .doc = "bytes in each period at most" },
    { .name = "period",
      .kind = PROP_U32,
      .offset = offsetof(VirtIORng, period),
      .preset = "65536",
      .min = 1,
      .max = UINT32_MAX,
      .doc = "length of a period in ms" },
    { .name = NULL },
};

const DeviceType virtio_rng_type = {
    .name = "virtio-rng-device",
    .category = "misc",
    .desc = "virtio entropy",
    .parent = &virtio_device_type,
    .size = sizeof(VirtIORng),
    .props = props,
    .user_creatable = true,
    .hotpluggable = true,
    .realize = rng_realize,
    .unrealize = rng_unrealize,
    .ops = &ops,
};
DEVICE_TYPE(virtio_rng_type)
