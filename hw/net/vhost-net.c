/* SPDX-License-Identifier: MIT */
/* vhost-net (vhost-net.h): what the kernel is told, by ioctls of linux/vhost.h, and what it tells.
 */
#include "hw/net/vhost-net.h"

#include <errno.h>
#include <linux/vhost.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hw/memory.h"
#include "hw/net/virtio-net.h"
#include "hw/virtio/virtqueue.h"
#include "net/fdwatch.h"

enum { RX, TX, RINGS, MAX_REGIONS = 64 };

/* A queue that is with the kernel: kick is written by us, call by the kernel. */
typedef struct VhostRing {
    VirtQueue *vq;
    int kick, call;
    FdWatch watch; /* of call */
} VhostRing;

struct VhostNet {
    const VhostKernel *kernel;
    VirtIODevice *vdev;
    int fd, tap;
    uint64_t can; /* features of the kernel */
    bool running;
    VhostRing rings[RINGS];
    VhostNet *next;
};

static VhostNet *all; /* the memory map is told to each that runs */

/* ---- the kernel ---------------------------------------------------------------------------- */

static int real_call(int fd, unsigned long request, void *arg)
{
    return ioctl(fd, request, arg);
}

static const VhostKernel real = { real_call };
static const VhostKernel *kernel = &real;

void vhost_net_set_kernel(const VhostKernel *k)
{
    kernel = k ? k : &real;
}

static bool ask(VhostNet *v, unsigned long request, void *arg, const char *what, GError **err)
{
    if (v->kernel->call(v->fd, request, arg) < 0) {
        g_set_error(err, HW_ERROR, errno, "vhost-net: %s: %s", what, g_strerror(errno));
        return false;
    }
    return true;
}
#define ASK(v, request, arg, err) ask(v, request, arg, #request, err)

/* ---- memory -------------------------------------------------------------------------------- */

/* What of the guest's memory is RAM, and where it is in ours. */
static bool tell_memory(VhostNet *v, GError **err)
{
    const FlatView *view = atomic_load(&v->vdev->dma->view);
    g_autofree struct vhost_memory *m =
        g_malloc0(sizeof(*m) + MAX_REGIONS * sizeof(struct vhost_memory_region));
    for (int i = 0; i < view->nb; i++) {
        const FlatRange *r = &view->ranges[i];
        struct vhost_memory_region *last = m->nregions ? &m->regions[m->nregions - 1] : NULL;
        uint64_t host = (uintptr_t)r->ram;
        if (!r->ram || r->readonly) {
            continue;
        }
        if (last && last->guest_phys_addr + last->memory_size == r->start &&
            last->userspace_addr + last->memory_size == host) {
            last->memory_size += r->size;
            continue;
        }
        if (m->nregions == MAX_REGIONS) {
            g_set_error(err, HW_ERROR, 0, "vhost-net: memory in more than %d pieces", MAX_REGIONS);
            return false;
        }
        m->regions[m->nregions++] = (struct vhost_memory_region){ .guest_phys_addr = r->start,
                                                                  .memory_size = r->size,
                                                                  .userspace_addr = host };
    }
    return ASK(v, VHOST_SET_MEM_TABLE, m, err);
}

static void map_changed(MemoryListener *l, AddressSpace *as, const FlatView *old_view,
                        const FlatView *new_view)
{
    (void)l, (void)old_view, (void)new_view;
    for (VhostNet *v = all; v; v = v->next) {
        g_autoptr(GError) err = NULL;
        if (v->running && v->vdev->dma == as && !tell_memory(v, &err)) {
            g_printerr("%s\n", err->message);
        }
    }
}

static void listen_to_map(void)
{
    static MemoryListener listener = { .commit = map_changed };
    static bool listening;
    if (!listening) {
        listening = true;
        memory_listener_register(&listener);
    }
}

/* ---- rings --------------------------------------------------------------------------------- */

static void called(void *opaque)
{
    VhostRing *r = opaque;
    uint64_t times;
    if (read(r->call, &times, sizeof(times)) == sizeof(times)) {
        virtq_interrupt(r->vq);
    }
}

static bool give_ring(VhostNet *v, unsigned index, VirtQueue *vq, GError **err)
{
    VhostRing *r = &v->rings[index];
    struct vhost_vring_addr addr = { .index = index };
    r->vq = vq;
    r->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->kick < 0 || r->call < 0) {
        g_set_error(err, HW_ERROR, errno, "vhost-net: eventfd: %s", g_strerror(errno));
        return false;
    }
    if (!virtq_map(vq)) {
        g_set_error(err, HW_ERROR, 0, "vhost-net: queue %u is not set up", virtq_index(vq));
        return false;
    }
    addr.desc_user_addr = (uintptr_t)vq->desc.host;
    addr.avail_user_addr = (uintptr_t)vq->avail.host;
    addr.used_user_addr = (uintptr_t)vq->used.host;
    struct vhost_vring_state num = { index, vq->regs.size }, base = { index, vq->last_avail };
    struct vhost_vring_file kick = { index, r->kick }, call = { index, r->call };
    if (!ASK(v, VHOST_SET_VRING_NUM, &num, err) || !ASK(v, VHOST_SET_VRING_BASE, &base, err) ||
        !ASK(v, VHOST_SET_VRING_ADDR, &addr, err) || !ASK(v, VHOST_SET_VRING_KICK, &kick, err) ||
        !ASK(v, VHOST_SET_VRING_CALL, &call, err)) {
        return false;
    }
    r->watch = (FdWatch){ .fd = r->call, .can_read = called, .opaque = r };
    fdwatch_set(&r->watch, true, false);
    return true;
}

/* What the kernel had not come to yet is ours to do, and its last call may not have come through.
 */
static void take_ring(VhostNet *v, unsigned index)
{
    VhostRing *r = &v->rings[index];
    struct vhost_vring_state base = { .index = index };
    if (r->vq && ASK(v, VHOST_GET_VRING_BASE, &base, NULL)) {
        virtq_take_back(r->vq, (uint16_t)base.num);
        if (virtio_running(v->vdev)) {
            virtq_interrupt(r->vq);
        }
    }
    fdwatch_stop(&r->watch);
    if (r->kick >= 0) {
        close(r->kick);
    }
    if (r->call >= 0) {
        close(r->call);
    }
    *r = (VhostRing){ .kick = -1, .call = -1 };
}

/* ---- the whole ----------------------------------------------------------------------------- */

VhostNet *vhost_net_new(VirtIODevice *vdev, int fd, int tap, GError **err)
{
    VhostNet *v = g_new0(VhostNet, 1);
    *v = (VhostNet){ .kernel = kernel, .vdev = vdev, .fd = fd, .tap = tap, .next = all };
    for (unsigned i = 0; i < RINGS; i++) {
        v->rings[i].kick = v->rings[i].call = -1;
    }
    if (!ASK(v, VHOST_SET_OWNER, NULL, err) || !ASK(v, VHOST_GET_FEATURES, &v->can, err)) {
        g_free(v);
        return NULL;
    }
    listen_to_map();
    all = v;
    return v;
}

void vhost_net_free(VhostNet *v)
{
    if (!v) {
        return;
    }
    vhost_net_stop(v);
    VhostNet **at = &all;
    while (*at != v) {
        at = &(*at)->next;
    }
    *at = v->next;
    g_free(v);
}

/* Bits that concern who reads the rings; the others are the tap's business, or the driver's. */
static const uint64_t of_rings = 1ull << VIRTIO_F_INDIRECT_DESC | 1ull << VIRTIO_F_EVENT_IDX |
                                 1ull << VIRTIO_F_RING_PACKED | 1ull << VIRTIO_F_IN_ORDER |
                                 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_ACCESS_PLATFORM |
                                 1ull << F_MRG_RXBUF | 1ull << F_RSS | 1ull << F_HASH_REPORT;

uint64_t vhost_net_features(const VhostNet *v, uint64_t features)
{
    const uint64_t ours = 1ull << VIRTIO_F_ACCESS_PLATFORM; /* would want an IOTLB of us */
    return features & (~of_rings | (v->can & ~ours));
}

static bool set_backend(VhostNet *v, unsigned index, int tap, GError **err)
{
    struct vhost_vring_file file = { index, tap };
    return ASK(v, VHOST_NET_SET_BACKEND, &file, err);
}

bool vhost_net_start(VhostNet *v, VirtQueue *rx, VirtQueue *tx, bool header, GError **err)
{
    uint64_t features = v->vdev->features & of_rings & v->can;
    VirtQueue *queues[RINGS] = { rx, tx };
    if (!header) { /* then the kernel makes the driver's headers itself */
        features |= 1ull << VHOST_NET_F_VIRTIO_NET_HDR;
    }
    bool ok = ASK(v, VHOST_SET_FEATURES, &features, err) && tell_memory(v, err);
    for (unsigned i = 0; ok && i < RINGS; i++) {
        ok = give_ring(v, i, queues[i], err);
    }
    for (unsigned i = 0; ok && i < RINGS; i++) {
        ok = set_backend(v, i, v->tap, err);
    }
    v->running = true;
    if (!ok) {
        vhost_net_stop(v);
        return false;
    }
    vhost_net_kick(v, rx); /* what was there before */
    vhost_net_kick(v, tx);
    return true;
}

void vhost_net_stop(VhostNet *v)
{
    if (!v->running) {
        return;
    }
    v->running = false;
    for (unsigned i = 0; i < RINGS; i++) {
        set_backend(v, i, -1, NULL);
    }
    for (unsigned i = 0; i < RINGS; i++) {
        take_ring(v, i);
    }
}

bool vhost_net_running(const VhostNet *v)
{
    return v && v->running;
}

void vhost_net_kick(VhostNet *v, const VirtQueue *vq)
{
    const uint64_t one = 1;
    for (unsigned i = 0; i < RINGS; i++) {
        if (v->rings[i].vq == vq && write(v->rings[i].kick, &one, sizeof(one)) < 0) {
            continue; /* full: the kernel has yet to see earlier ones */
        }
    }
}
