/* SPDX-License-Identifier: MIT */
/* Maps of dirty pieces. */
#include "block/dirty.h"
#include <errno.h>

bool dirty_init(DirtyMap *m, int64_t size, uint64_t granularity, GError **err)
{
    if (granularity < 512 || granularity & (granularity - 1) || granularity > 1U << 31) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Granularity must be power of 2, at least 512");
        return false;
    }
    *m = (DirtyMap){ .bits_shift = __builtin_ctzll(granularity), .size = size };
    m->n = DIV_ROUND_UP(size, (int64_t)granularity);
    m->words = g_try_new0(unsigned long, m->n / LONG_BITS + 1);
    if (!m->words) {
        g_set_error(err, BLOCK_ERROR, ENOMEM, "Not enough memory for a dirty bitmap");
    }
    return m->words != NULL;
}

void dirty_clear(DirtyMap *m)
{
    g_free(m->words);
    m->words = NULL;
}

void dirty_mark(DirtyMap *m, int64_t off, int64_t len)
{
    uint64_t last = MIN((uint64_t)(off + len - 1) >> m->bits_shift, m->n - 1);
    for (uint64_t i = off >> m->bits_shift; len > 0 && m->n && i <= last; i++) {
        unsigned long bit = 1UL << (i % LONG_BITS);
        if (!(__atomic_fetch_or(&m->words[i / LONG_BITS], bit, __ATOMIC_ACQ_REL) & bit)) {
            g_atomic_int_inc(&m->set);
        }
    }
}

bool dirty_take(DirtyMap *m, uint64_t i)
{
    unsigned long bit = 1UL << (i % LONG_BITS);
    bool was = __atomic_fetch_and(&m->words[i / LONG_BITS], ~bit, __ATOMIC_ACQ_REL) & bit;
    if (was) {
        g_atomic_int_add(&m->set, -1);
    }
    return was;
}

uint64_t dirty_next(const DirtyMap *m, uint64_t from)
{
    while (from < m->n) {
        unsigned long word = __atomic_load_n(&m->words[from / LONG_BITS], __ATOMIC_ACQUIRE);
        word >>= from % LONG_BITS;
        if (word) {
            return MIN(from + __builtin_ctzl(word), m->n);
        }
        from = (from / LONG_BITS + 1) * LONG_BITS;
    }
    return m->n;
}
