/* SPDX-License-Identifier: MIT */
/* Packed virtqueues. Virtio 1.2, 2.8: one ring of descriptors that both sides write; a descriptor
 * is available when its AVAIL bit is the driver's wrap counter and its USED bit is not. */
#include <stdatomic.h>
#include <string.h>
#include "hw/virtio/virtqueue.h"

/* Event suppression areas: off_wrap, flags. */
enum { EVENT_ENABLE = 0, EVENT_DISABLE = 1, EVENT_DESC = 2 };

static uint16_t read16(const VRingArea *area, uint64_t off)
{
    return __atomic_load_n((uint16_t *)(void *)(area->host + off), __ATOMIC_ACQUIRE);
}

static void write16(VirtQueue *vq, const VRingArea *area, uint64_t off, uint16_t val)
{
    __atomic_store_n((uint16_t *)(void *)(area->host + off), val, __ATOMIC_RELEASE);
    vring_written(vq, area, off, 2);
}

static uint16_t flags_at(const VirtQueue *vq, unsigned at)
{
    return read16(&vq->desc, 16ull * at + 14);
}

static bool more(VirtQueue *vq)
{
    uint16_t flags = flags_at(vq, vq->last_avail);
    return !(flags & VRING_AVAIL) != vq->avail_wrap && !(flags & VRING_USED) == vq->avail_wrap;
}

static void step(const VirtQueue *vq, uint16_t *at, bool *wrap, uint32_t by)
{
    uint32_t to = *at + by;
    if (to >= vq->regs.size) {
        to -= vq->regs.size;
        *wrap = !*wrap;
    }
    *at = (uint16_t)to;
}

static bool take(VirtQueue *vq, VirtChainBuilder *b)
{
    unsigned at = vq->last_avail;
    for (b->count = 1; b->count <= vq->regs.size; b->count++) {
        VRingDesc d;
        bool last;
        memcpy(&d, vq->desc.host + 16 * at, sizeof(d));
        b->head = d.packed.id;
        if (d.packed.flags & VRING_INDIRECT) {
            if (b->count > 1 || d.packed.flags & VRING_NEXT ||
                !virtio_has(vq->vdev, VIRTIO_F_INDIRECT_DESC)) {
                virtio_error(vq->vdev, "an indirect descriptor where none may be");
                return false;
            }
            last = true;
            if (!virt_chain_add_indirect(b, d.addr, d.len, true)) {
                return false;
            }
        } else {
            last = !(d.packed.flags & VRING_NEXT);
            if (!virt_chain_add(b, d.addr, d.len, d.packed.flags & VRING_WRITE)) {
                return false;
            }
        }
        if (last) {
            step(vq, &vq->last_avail, &vq->avail_wrap, b->count);
            return true;
        }
        at = (at + 1) % vq->regs.size;
    }
    virtio_error(vq->vdev, "queue %u: a chain without an end", vq->index);
    return false;
}

static void untake(VirtQueue *vq, const VirtChain *c)
{
    if (vq->last_avail < c->count) {
        vq->last_avail = (uint16_t)(vq->last_avail + vq->regs.size);
        vq->avail_wrap = !vq->avail_wrap;
    }
    vq->last_avail = (uint16_t)(vq->last_avail - c->count);
}

/* The first one's flags are written last: they hand all of them over. */
static void use(VirtQueue *vq, const VirtDone *done, unsigned n)
{
    uint64_t first = 0;
    uint16_t first_flags = 0;
    for (unsigned i = 0; i < n; i++) {
        uint64_t off = 16ull * vq->used_idx;
        uint16_t id = (uint16_t)done[i].head;
        uint16_t flags = (uint16_t)((vq->used_wrap ? VRING_AVAIL | VRING_USED : 0) |
                                    (done[i].written ? VRING_WRITE : 0));
        memcpy(vq->desc.host + off + 8, &done[i].written, 4);
        memcpy(vq->desc.host + off + 12, &id, 2);
        vring_written(vq, &vq->desc, off + 8, 6);
        if (i == 0) {
            first = off;
            first_flags = flags;
        } else {
            write16(vq, &vq->desc, off + 14, flags);
        }
        step(vq, &vq->used_idx, &vq->used_wrap, done[i].count);
        vq->untold = MIN(vq->untold + done[i].count, VRING_NEVER);
    }
    write16(vq, &vq->desc, first + 14, first_flags);
}

/* Whether the driver's event place, with its lap in bit 15, lies in what was used since we looked
 * last. That may be more than a lap, for a driver that polls refills the ring meanwhile: then it
 * does. */
static bool passed(const VirtQueue *vq, uint16_t event, uint32_t untold)
{
    int32_t size = vq->regs.size, behind = vq->used_idx - (event & 0x7fff);
    if (event >> 15 != vq->used_wrap) {
        behind += size;
    }
    return untold >= (uint32_t)size || (behind > 0 && (uint32_t)behind <= untold);
}

static bool wants_interrupt(VirtQueue *vq)
{
    uint16_t off_wrap = read16(&vq->avail, 0), flags = read16(&vq->avail, 2);
    uint32_t untold = vq->untold;
    vq->untold = 0;
    switch (flags & 3) {
    case EVENT_DISABLE:
        return false;
    case EVENT_DESC:
        return !virtio_has(vq->vdev, VIRTIO_F_EVENT_IDX) || passed(vq, off_wrap, untold);
    default:
        return true;
    }
}

/* Of whatever comes, also with VIRTIO_F_EVENT_IDX: where a request wants more buffers than there
 * are, the driver is past any place that we could name. */
static void notification(VirtQueue *vq, bool on)
{
    write16(vq, &vq->used, 2, on ? EVENT_ENABLE : EVENT_DISABLE);
}

const VRingOps vring_packed = { more, take, untake, use, wants_interrupt, notification };
