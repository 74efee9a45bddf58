/* SPDX-License-Identifier: MIT */
/* Virtqueues, whichever kind of ring: chains of buffers, and the areas that rings lie in. */
#include <stdatomic.h>
#include <string.h>
#include "hw/virtio/virtqueue.h"

/* ---- areas ------------------------------------------------------------------------------- */

/* Counts changes of the memory map: mapped areas are good for one number. */
static _Atomic unsigned map_number;

static void map_changed(MemoryListener *l, AddressSpace *as, const FlatView *old_view,
                        const FlatView *new_view)
{
    (void)l, (void)as, (void)old_view, (void)new_view;
    atomic_fetch_add(&map_number, 1);
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

static bool map_area(VirtQueue *vq, VRingArea *area, hwaddr addr, uint64_t len)
{
    uint64_t got = len;
    area->host = address_space_map(vq->vdev->dma, addr, &got, true);
    area->len = len;
    return area->host && got == len && !(addr & 1);
}

bool virtq_map(VirtQueue *vq)
{
    const VirtQueueRegs *r = &vq->regs;
    unsigned now = atomic_load(&map_number);
    if (!r->enabled || vq->vdev->broken) {
        return false;
    }
    if (vq->desc.host && vq->mapping == now) {
        return true;
    }
    listen_to_map();
    vq->mapping = now;
    bool packed = virtio_has(vq->vdev, VIRTIO_F_RING_PACKED);
    uint64_t n = r->size, event = virtio_has(vq->vdev, VIRTIO_F_EVENT_IDX) ? 2 : 0;
    if (n == 0 || n > r->max || (!packed && n & (n - 1))) {
        virtio_error(vq->vdev, "queue %u of %u buffers", vq->index, r->size);
        return false;
    }
    bool ok = map_area(vq, &vq->desc, r->desc, 16 * n) &&
              map_area(vq, &vq->avail, r->driver, packed ? 4 : 4 + 2 * n + event) &&
              map_area(vq, &vq->used, r->device, packed ? 4 : 4 + 8 * n + event);
    if (!ok) {
        vq->desc.host = NULL;
        virtio_error(vq->vdev, "queue %u is not in RAM", vq->index);
    }
    return ok;
}

void vring_written(VirtQueue *vq, const VRingArea *area, uint64_t off, uint64_t len)
{
    address_space_unmap(vq->vdev->dma, area->host + off, len);
}

/* ---- chains ------------------------------------------------------------------------------ */

bool virt_chain_add(VirtChainBuilder *b, hwaddr addr, uint32_t len, bool write)
{
    uint64_t left = len;
    if (b->in_num && !write) {
        virtio_error(b->vdev, "a buffer to read is behind one to write");
        return false;
    }
    if (len == 0) {
        virtio_error(b->vdev, "an empty buffer");
        return false;
    }
    while (left) {
        uint64_t n = left;
        void *host = address_space_map(b->vdev->dma, addr, &n, write);
        if (!host || b->out_num + b->in_num == VIRTIO_MAX_QUEUE_SIZE) {
            virtio_error(b->vdev,
                         host ? "too many buffers in a chain"
                              : "a buffer at %#" G_GINT64_MODIFIER "x is not in RAM",
                         addr);
            return false;
        }
        b->iov[b->out_num + b->in_num] = (struct iovec){ host, n };
        *(write ? &b->in_num : &b->out_num) += 1;
        *(write ? &b->in_bytes : &b->out_bytes) += n;
        addr += n;
        left -= n;
    }
    return true;
}

bool virt_chain_add_indirect(VirtChainBuilder *b, hwaddr addr, uint32_t len, bool packed)
{
    uint32_t n = len / sizeof(VRingDesc), at = 0;
    if (len == 0 || len % sizeof(VRingDesc) || n > VIRTIO_MAX_QUEUE_SIZE * 32) {
        virtio_error(b->vdev, "an indirect table of %u bytes", len);
        return false;
    }
    /* Each descriptor is visited at most once, or it is a loop. */
    for (uint32_t visited = 0; visited < n; visited++) {
        VRingDesc d;
        if (address_space_read(b->vdev->dma, addr + (uint64_t)at * sizeof(d), NULL, &d,
                               sizeof(d)) != MEMTX_OK) {
            virtio_error(b->vdev, "an indirect table is not in RAM");
            return false;
        }
        uint16_t flags = packed ? d.packed.flags : d.split.flags;
        if (flags & VRING_INDIRECT) {
            virtio_error(b->vdev, "an indirect table inside of another");
            return false;
        }
        if (!virt_chain_add(b, d.addr, d.len, flags & VRING_WRITE)) {
            return false;
        }
        if (packed) {
            at++;
        } else if (!(flags & VRING_NEXT)) {
            return true;
        } else {
            at = d.split.next;
        }
        if (!packed && at >= n) {
            virtio_error(b->vdev, "an indirect descriptor %u of %u", at, n);
            return false;
        }
    }
    if (!packed) {
        virtio_error(b->vdev, "an indirect table with a loop");
    }
    return packed;
}

static const VRingOps *ring(const VirtQueue *vq)
{
    return virtio_has(vq->vdev, VIRTIO_F_RING_PACKED) ? &vring_packed : &vring_split;
}

bool virtq_empty(VirtQueue *vq)
{
    return !virtq_map(vq) || !ring(vq)->more(vq);
}

static VirtChain *chain_new(VirtQueue *vq, const VirtChainBuilder *b, size_t size)
{
    size_t iovs = b->out_num + b->in_num, at = (size + 15) & ~(size_t)15;
    VirtChain *c = g_malloc(at + iovs * sizeof(struct iovec));
    memset(c, 0, at);
    c->vq = vq;
    c->head = b->head;
    c->count = b->count;
    c->seq = vq->pop_seq++;
    c->out_num = b->out_num;
    c->in_num = b->in_num;
    c->out_bytes = b->out_bytes;
    c->in_bytes = b->in_bytes;
    c->out = (struct iovec *)(void *)((char *)c + at);
    c->in = c->out + b->out_num;
    memcpy(c->out, b->iov, iovs * sizeof(struct iovec));
    return c;
}

void *virtq_pop(VirtQueue *vq, size_t size)
{
    VirtChainBuilder b;
    if (virtq_empty(vq)) {
        return NULL;
    }
    if (vq->in_flight >= vq->regs.size) {
        virtio_error(vq->vdev, "more buffers than queue %u has room for", vq->index);
        return NULL;
    }
    b.vdev = vq->vdev;
    b.out_num = b.in_num = 0;
    b.out_bytes = b.in_bytes = 0;
    if (!ring(vq)->take(vq, &b)) {
        return NULL;
    }
    vq->in_flight++;
    return chain_new(vq, &b, size);
}

/* Buffers that were written to are dirty now. */
static void mark_written(const VirtChain *c, uint64_t written)
{
    for (unsigned i = 0; i < c->in_num && written; i++) {
        uint64_t n = MIN(written, c->in[i].iov_len);
        address_space_unmap(c->vq->vdev->dma, c->in[i].iov_base, n);
        written -= n;
    }
}

/* `done` are n that follow each other from `seq` on. */
static void push_in_order(VirtQueue *vq, uint32_t seq, const VirtDone *done, unsigned n)
{
    unsigned size = vq->regs.size;
    if (!vq->waiting) {
        vq->waiting = g_new0(VirtDone, size);
    }
    if (seq != vq->push_seq) {
        for (unsigned i = 0; i < n; i++) {
            vq->waiting[(seq + i) % size] = done[i];
        }
        return;
    }
    ring(vq)->use(vq, done, n);
    vq->push_seq += n;
    for (VirtDone *d; (d = &vq->waiting[vq->push_seq % size])->done; vq->push_seq++) {
        ring(vq)->use(vq, d, 1);
        d->done = false;
    }
}

void virtq_push_together(VirtQueue *vq, VirtChain **chains, const uint32_t *written, unsigned n)
{
    g_autofree VirtDone *many = n > 1 ? g_new(VirtDone, n) : NULL;
    VirtDone single, *done = many ? many : &single;
    uint32_t seq = chains[0]->seq;
    for (unsigned i = 0; i < n; i++) {
        uint32_t len = (uint32_t)MIN(written[i], chains[i]->in_bytes);
        mark_written(chains[i], len);
        done[i] = (VirtDone){ true, chains[i]->head, chains[i]->count, len };
        g_free(chains[i]);
    }
    if (vq->in_flight >= n && virtq_map(vq)) {
        vq->in_flight -= n;
        if (virtio_has(vq->vdev, VIRTIO_F_IN_ORDER)) {
            push_in_order(vq, seq, done, n);
        } else {
            ring(vq)->use(vq, done, n);
        }
    }
}

void virtq_push(VirtQueue *vq, void *chain, uint32_t written)
{
    VirtChain *c = chain;
    virtq_push_together(vq, &c, &written, 1);
}

void virtq_unpop(VirtQueue *vq, void *chain)
{
    if (vq->in_flight) {
        vq->in_flight--;
        vq->pop_seq--;
        ring(vq)->untake(vq, chain);
    }
    g_free(chain);
}

void virtq_drop(void *chain)
{
    g_free(chain);
}

void virtq_interrupt(VirtQueue *vq)
{
    vq->vdev->isr |= 1;
    vq->vdev->transport_ops->notify_queue(vq->vdev->transport, vq);
}

void virtq_take_back(VirtQueue *vq, uint16_t last_avail)
{
    vq->last_avail = last_avail;
    if (virtq_map(vq)) {
        memcpy(&vq->used_idx, vq->used.host + 2, sizeof(vq->used_idx));
    }
    vq->untold = VRING_NEVER;
}

void virtq_notify(VirtQueue *vq)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (virtq_map(vq) && ring(vq)->wants_interrupt(vq)) {
        virtq_interrupt(vq);
    }
}

void virtq_set_notification(VirtQueue *vq, bool on)
{
    vq->notification = on;
    if (virtq_map(vq)) {
        ring(vq)->notification(vq, on);
        atomic_thread_fence(memory_order_seq_cst);
    }
}

/* Takes chains only to see how large they are, and puts them back. */
bool virtq_avail_bytes(VirtQueue *vq, uint64_t in_bytes, uint64_t out_bytes)
{
    g_autoptr(GPtrArray) taken = g_ptr_array_new();
    bool enough = in_bytes == 0 && out_bytes == 0;
    while (!enough) {
        VirtChain *c = virtq_pop(vq, sizeof(VirtChain));
        if (!c) {
            break;
        }
        g_ptr_array_add(taken, c);
        in_bytes -= MIN(in_bytes, c->in_bytes);
        out_bytes -= MIN(out_bytes, c->out_bytes);
        enough = in_bytes == 0 && out_bytes == 0;
    }
    for (guint i = taken->len; i-- > 0;) {
        virtq_unpop(vq, taken->pdata[i]);
    }
    return enough && !vq->vdev->broken;
}

/* ---- iovecs ------------------------------------------------------------------------------ */

static uint64_t iov_copy(const struct iovec *iov, unsigned n, uint64_t offset, uint8_t *buf,
                         uint64_t len, bool to_buf)
{
    uint64_t done = 0;
    for (unsigned i = 0; i < n && done < len; i++) {
        if (offset >= iov[i].iov_len) {
            offset -= iov[i].iov_len;
            continue;
        }
        uint64_t part = MIN(iov[i].iov_len - offset, len - done);
        uint8_t *guest = (uint8_t *)iov[i].iov_base + offset;
        memcpy(to_buf ? buf + done : guest, to_buf ? guest : buf + done, part);
        done += part;
        offset = 0;
    }
    return done;
}

uint64_t iov_to_buf(const struct iovec *iov, unsigned n, uint64_t offset, void *buf, uint64_t len)
{
    return iov_copy(iov, n, offset, buf, len, true);
}

uint64_t iov_from_buf(const struct iovec *iov, unsigned n, uint64_t offset, const void *buf,
                      uint64_t len)
{
    return iov_copy(iov, n, offset, (uint8_t *)buf, len, false);
}

uint64_t iov_discard_front(struct iovec **iov, unsigned *n, uint64_t len)
{
    uint64_t done = 0;
    while (*n && done < len) {
        uint64_t part = MIN((*iov)->iov_len, len - done);
        (*iov)->iov_base = (char *)(*iov)->iov_base + part;
        (*iov)->iov_len -= part;
        done += part;
        if ((*iov)->iov_len == 0) {
            ++*iov;
            --*n;
        }
    }
    return done;
}

uint64_t iov_discard_back(struct iovec *iov, unsigned *n, uint64_t len)
{
    uint64_t done = 0;
    while (*n && done < len) {
        struct iovec *last = &iov[*n - 1];
        uint64_t part = MIN(last->iov_len, len - done);
        last->iov_len -= part;
        done += part;
        *n -= last->iov_len == 0;
    }
    return done;
}
