/* SPDX-License-Identifier: MIT */
/* The state of a machine lies behind the end of the disk ("Snapshots": "VM state is stored … after
 * the end of the guest disk"), from the first L1 entry on that no byte of the disk needs. */
#include "block/qcow2/qcow2.h"

static uint64_t start_of(const Qcow2 *s)
{
    return qcow2_l1_entries_for(s, s->size) * qcow2_l2_span(s);
}

static int make_room(Qcow2 *s, uint64_t end)
{
    uint64_t need = qcow2_l1_entries_for(s, end);
    g_mutex_lock(&s->lock);
    int ret = need > s->l1_size ? qcow2_grow_l1(s, need, s->size) : 0;
    g_mutex_unlock(&s->lock);
    return ret;
}

int qcow2_vmstate(BlockNode *node, int64_t off, void *buf, int64_t len, bool write)
{
    Qcow2 *s = node->state;
    uint64_t start = start_of(s);
    if (off < 0 || len < 0 || (uint64_t)off > QCOW2_OFFSET || (uint64_t)len > QCOW2_OFFSET) {
        return -EINVAL;
    }
    qcow2_event(s, write ? BLOCK_EV_VMSTATE_SAVE : BLOCK_EV_VMSTATE_LOAD);
    int ret = write ? make_room(s, start + off + len) : 0;
    if (ret) {
        return ret;
    }
    return write ? qcow2_pwrite(node, start + off, buf, len)
                 : qcow2_pread(node, start + off, buf, len);
}

int qcow2_drop_vmstate(Qcow2 *s)
{
    uint64_t start = start_of(s), end = s->l1_size * qcow2_l2_span(s);
    return end > start ? qcow2_drop(s, start, end - start) : 0;
}
