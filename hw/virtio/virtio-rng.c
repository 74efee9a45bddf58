/* SPDX-License-Identifier: MIT */
/* Virtio entropy device. Virtio 1.2, 5.4. */
#include "hw/backend-objects.h"
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
    RNGBackend *rng; /* NULL: the host kernel's generator */
    guint wait;      /* for the rng to have bytes */
} VirtIORng;

/* Bytes filled, at least one; 0 and -1 as rng_backend_read. */
static int64_t fill(VirtIORng *s, const VirtChain *c, uint64_t len)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < c->in_num && sum < len; i++) {
        uint64_t part = MIN(len - sum, c->in[i].iov_len);
        for (uint64_t done = 0; done < part;) {
            ssize_t got =
                rng_backend_read(s->rng, (uint8_t *)c->in[i].iov_base + done, part - done);
            if (got <= 0) {
                return sum ? (int64_t)sum : got;
            }
            done += (uint64_t)got;
            sum += (uint64_t)got;
        }
    }
    return (int64_t)sum;
}

static gboolean again(gint fd, GIOCondition condition, gpointer opaque);

/* One buffer; false: no buffer, or no bytes for it. */
static bool serve(VirtIORng *s)
{
    VirtChain *c = virtq_pop(s->vq, sizeof(*c));
    if (!c) {
        return false;
    }
    uint64_t wanted = MIN(MIN(s->left, c->in_bytes), 1u << 20);
    int64_t n = wanted ? fill(s, c, wanted) : 0;
    if (wanted && n <= 0) {
        virtq_unpop(s->vq, c);
        s->wait = n == 0 ? rng_backend_wait(s->rng, again, s) : 0;
        return false;
    }
    s->left -= (uint64_t)n;
    virtq_push(s->vq, c, (uint32_t)n);
    return true;
}

static void work(VirtIORng *s)
{
    bool any = false;
    while (s->left && !s->wait && serve(s)) {
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

static void stop_waiting(VirtIORng *s)
{
    if (s->wait) {
        g_source_remove(s->wait);
        s->wait = 0;
    }
}

static gboolean again(gint fd, GIOCondition condition, gpointer opaque)
{
    VirtIORng *s = opaque;
    (void)fd, (void)condition;
    s->wait = 0;
    if (virtio_running(&s->parent)) {
        work(s);
    }
    return G_SOURCE_REMOVE;
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
    stop_waiting(s);
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
    stop_waiting((VirtIORng *)dev);
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
    { .name = "rng",
      .kind = PROP_RNG,
      .offset = offsetof(VirtIORng, rng),
      .doc = "-object rng-random or rng-builtin; without: the host kernel's generator" },
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
