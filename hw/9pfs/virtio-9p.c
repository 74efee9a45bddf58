/* SPDX-License-Identifier: MIT */
/* Virtio 9P transport: a folder of the host for a guest's v9fs. Virtio 1.2, 5.9. A thread of the
 * device's own does what may wait for the host's file systems. */
#include <string.h>
#include "hw/9pfs/9p.h"
#include "hw/machine.h"
#include "hw/virtio/virtio-pci.h"

enum { F_MOUNT_TAG = 0, QUEUE_SIZE = 128, MAX_TAG = 1024 };

typedef struct Virtio9P {
    VirtIODevice parent;
    char *fsdev, *tag;
    P9Server server;
    GThreadPool *thread;
    BlockLoop *loop; /* where what is done is given back */
    unsigned in_flight;
} Virtio9P;

typedef struct Request {
    VirtChain chain;
    Virtio9P *dev;
    P9Request p9;
} Request;

static void done(void *opaque, int ret)
{
    Request *r = opaque;
    Virtio9P *s = r->dev;
    VirtQueue *vq = r->chain.vq;
    (void)ret;
    s->in_flight--;
    if (!r->p9.answered) {
        virtio_error(&s->parent, "a message without a header or room for its answer");
        virtq_drop(r);
        return;
    }
    virtq_push(vq, r, r->p9.answered);
    virtq_notify(vq);
}

static void work(gpointer data, gpointer opaque)
{
    Request *r = data;
    Virtio9P *s = opaque;
    p9_handle(&s->server, &r->p9);
    block_loop_post(s->loop, done, r, 0);
}

static void kicked(VirtIODevice *vdev, VirtQueue *vq)
{
    Virtio9P *s = (Virtio9P *)vdev;
    for (Request *r; (r = virtq_pop(vq, sizeof(*r)));) {
        r->dev = s;
        r->p9 = (P9Request){
            .out = r->chain.out,
            .out_num = r->chain.out_num,
            .in = r->chain.in,
            .in_num = r->chain.in_num,
            .in_bytes = r->chain.in_bytes,
        };
        s->in_flight++;
        g_thread_pool_push(s->thread, r, NULL);
    }
}

static void drain(Virtio9P *s)
{
    while (s->in_flight) {
        block_loop_wait(s->loop, -1);
    }
}

static void get_features(VirtIODevice *vdev, uint64_t *features)
{
    (void)vdev;
    *features |= 1ull << F_MOUNT_TAG;
}

static void get_config(VirtIODevice *vdev, uint8_t *out)
{
    const Virtio9P *s = (Virtio9P *)vdev;
    uint16_t len = (uint16_t)strlen(s->tag);
    memcpy(out, &len, sizeof(len));
    memcpy(out + sizeof(len), s->tag, len);
}

static void p9_device_reset(VirtIODevice *vdev)
{
    Virtio9P *s = (Virtio9P *)vdev;
    if (s->thread) {
        drain(s);
        p9_reset(&s->server);
    }
}

static bool p9_realize(Device *dev, GError **err)
{
    Virtio9P *s = (Virtio9P *)dev;
    const FsDev *fs = s->fsdev ? fsdev_find(s->fsdev) : NULL;
    if (!fs || !s->tag || !*s->tag || strlen(s->tag) > MAX_TAG) {
        g_set_error(err, HW_ERROR, 0,
                    fs ? "it needs mount_tag="
                       : "fsdev=%s: there is no such "
                         "-fsdev",
                    s->fsdev ? s->fsdev : "");
        return false;
    }
    int ret = p9_init(&s->server, fs);
    if (ret) {
        g_set_error(err, HW_ERROR, 0, "%s: %s", fs->path, g_strerror(-ret));
        return false;
    }
    if (!virtio_device_realize(dev, err)) {
        p9_cleanup(&s->server);
        return false;
    }
    s->loop = block_system_loop(machine_current()->drives);
    s->thread = g_thread_pool_new(work, s, 1, FALSE, NULL);
    virtio_add_queue(&s->parent, QUEUE_SIZE, kicked);
    return true;
}

static void p9_unrealize(Device *dev)
{
    Virtio9P *s = (Virtio9P *)dev;
    drain(s);
    g_thread_pool_free(g_steal_pointer(&s->thread), FALSE, TRUE);
    p9_cleanup(&s->server);
    virtio_device_unrealize(dev);
}

static const VirtIOOps ops = {
    .id = VIRTIO_ID_9P,
    .config_size = 2 + MAX_TAG,
    .get_features = get_features,
    .get_config = get_config,
    .reset = p9_device_reset,
};

static const Property props[] = {
    { .name = "fsdev",
      .kind = PROP_STR,
      .offset = offsetof(Virtio9P, fsdev),
      .doc = "the -fsdev that it exports" },
    { .name = "mount_tag",
      .kind = PROP_STR,
      .offset = offsetof(Virtio9P, tag),
      .doc = "the guest's name for it" },
    { .name = NULL },
};

const DeviceType virtio_9p_type = {
    .name = "virtio-9p-device",
    .category = "storage",
    .desc = "virtio 9p: a folder of the host",
    .parent = &virtio_device_type,
    .size = sizeof(Virtio9P),
    .props = props,
    .user_creatable = true,
    .hotpluggable = true,
    .realize = p9_realize,
    .unrealize = p9_unrealize,
    .ops = &ops,
};
DEVICE_TYPE(virtio_9p_type)

VIRTIO_PCI_TYPE(virtio_9p_pci, "virtio-9p", "storage", "virtio 9p: a folder of the host",
                virtio_9p_type)
