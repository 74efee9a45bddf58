/* SPDX-License-Identifier: MIT */
/* Split virtqueues. Virtio 1.2, 2.7. The avail area: flags, idx, ring[], used_event; the used area:
 * flags, idx, ring[] of (id, len), avail_event. */
#include <stdatomic.h>
#include <string.h>
#include "hw/virtio/virtqueue.h"

enum { AVAIL_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1, RING = 4 };

static uint16_t read16(const VRingArea *area, uint64_t off)
{
    return __atomic_load_n((uint16_t *)(void *)(area->host + off), __ATOMIC_ACQUIRE);
}

static void write16(VirtQueue *vq, const VRingArea *area, uint64_t off, uint16_t val)
{
    __atomic_store_n((uint16_t *)(void *)(area->host + off), val, __ATOMIC_RELEASE);
    vring_written(vq, area, off, 2);
}

/* How far ahead of us the driver is; more than the ring holds is a lie. */
static bool more(VirtQueue *vq)
{
    uint16_t ahead = (uint16_t)(read16(&vq->avail, 2) - vq->last_avail);
    if (ahead > vq->regs.size) {
        virtio_error(vq->vdev, "queue %u: %u buffers available at once", vq->index, ahead);
        return false;
    }
    return ahead != 0;
}

static uint64_t avail_event_at(const VirtQueue *vq)
{
    return RING + 8ull * vq->regs.size;
}

static bool take_chain(VirtQueue *vq, VirtChainBuilder *b)
{
    unsigned size = vq->regs.size, at = b->head;
    /* As many steps as there are descriptors: more would be a loop. */
    for (unsigned visited = 0; visited < size; visited++) {
        VRingDesc d;
        if (at >= size) {
            break;
        }
        memcpy(&d, vq->desc.host + 16 * at, sizeof(d));
        if (d.split.flags & VRING_INDIRECT) {
            if (d.split.flags & VRING_NEXT || !virtio_has(vq->vdev, VIRTIO_F_INDIRECT_DESC)) {
                virtio_error(vq->vdev, "an indirect descriptor where none may be");
                return false;
            }
            return virt_chain_add_indirect(b, d.addr, d.len, false);
        }
        if (!virt_chain_add(b, d.addr, d.len, d.split.flags & VRING_WRITE)) {
            return false;
        }
        if (!(d.split.flags & VRING_NEXT)) {
            return true;
        }
        at = d.split.next;
    }
    virtio_error(vq->vdev, "queue %u: a chain that leaves the table, or loops", vq->index);
    return false;
}

static bool take(VirtQueue *vq, VirtChainBuilder *b)
{
    b->head = read16(&vq->avail, RING + 2ull * (vq->last_avail % vq->regs.size));
    b->count = 1;
    if (!take_chain(vq, b)) {
        return false;
    }
    vq->last_avail++;
    if (virtio_has(vq->vdev, VIRTIO_F_EVENT_IDX) && vq->notification) {
        write16(vq, &vq->used, avail_event_at(vq), vq->last_avail);
    }
    return true;
}

static void untake(VirtQueue *vq, const VirtChain *c)
{
    (void)c;
    vq->last_avail--;
}

static void use(VirtQueue *vq, const VirtDone *done, unsigned n)
{
    for (unsigned i = 0; i < n; i++, vq->used_idx++) {
        const uint32_t elem[2] = { done[i].head, done[i].written };
        uint64_t off = RING + 8ull * (vq->used_idx % vq->regs.size);
        memcpy(vq->used.host + off, elem, sizeof(elem));
        vring_written(vq, &vq->used, off, sizeof(elem));
    }
    vq->untold = MIN(vq->untold + n, VRING_NEVER);
    write16(vq, &vq->used, 2, vq->used_idx);
}

static bool wants_interrupt(VirtQueue *vq)
{
    uint32_t untold = vq->untold;
    vq->untold = 0;
    if (!virtio_has(vq->vdev, VIRTIO_F_EVENT_IDX)) {
        return !(read16(&vq->avail, 0) & AVAIL_NO_INTERRUPT);
    }
    uint16_t event = read16(&vq->avail, RING + 2ull * vq->regs.size);
    return (uint16_t)(vq->used_idx - event - 1) < untold;
}

static void notification(VirtQueue *vq, bool on)
{
    if (!virtio_has(vq->vdev, VIRTIO_F_EVENT_IDX)) {
        write16(vq, &vq->used, 0, on ? 0 : USED_NO_NOTIFY);
    } else if (on) {
        write16(vq, &vq->used, avail_event_at(vq), read16(&vq->avail, 2));
    }
}

const VRingOps vring_split = { more, take, untake, use, wants_interrupt, notification };
