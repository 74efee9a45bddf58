/* SPDX-License-Identifier: MIT */
/* Accesses to address spaces: RAM by copying, devices by calls of the sizes that they take. */
#include <string.h>
#include "hw/biglock.h"
#include "hw/core/memory-internal.h"
#include "util/round.h"

static const MemTxAttrs attrs_default;

static MemTxResult worse(MemTxResult a, MemTxResult b)
{
    return MAX(a, b);
}

static uint64_t low_bytes(uint64_t val, unsigned size)
{
    return size < 8 ? val & ((1ull << size * 8) - 1) : val;
}

static uint64_t swap_bytes(uint64_t val, unsigned size)
{
    return __builtin_bswap64(val) >> (8 - size) * 8;
}

/* ---- one register access ----------------------------------------------------------------- */

static bool access_valid(const MemoryRegion *mr, hwaddr offset, unsigned size)
{
    const MemoryRegionOps *ops = mr->ops;
    return size >= MAX(ops->valid.min, 1) && size <= (ops->valid.max ? ops->valid.max : 8) &&
           (ops->valid.unaligned || !(offset & (size - 1))) && offset < mr->size &&
           size <= mr->size - offset;
}

/* The size of the aligned words that an access is made of. */
static unsigned word_size(const MemoryRegionOps *ops, hwaddr offset, unsigned size)
{
    unsigned min = MAX(ops->impl.min, 1), max = ops->impl.max ? ops->impl.max : 4;
    unsigned aligned = offset ? 1u << MIN(__builtin_ctzll(offset), 3) : 8;
    return MAX(MIN(MIN(size, max), aligned), min);
}

static MemTxResult read_word(MemoryRegion *mr, hwaddr offset, uint64_t *val, unsigned size,
                             const MemTxAttrs *attrs)
{
    const MemoryRegionOps *ops = mr->ops;
    MemTxResult res = MEMTX_OK;
    *val = 0;
    if (ops->read_tx) {
        res = ops->read_tx(mr->opaque, offset, val, size, attrs);
    } else if (ops->read) {
        *val = ops->read(mr->opaque, offset, size);
    } else {
        return MEMTX_ERROR;
    }
    *val = ops->big_endian ? swap_bytes(*val, size) : low_bytes(*val, size);
    return res;
}

static MemTxResult write_word(MemoryRegion *mr, hwaddr offset, uint64_t val, unsigned size,
                              const MemTxAttrs *attrs)
{
    const MemoryRegionOps *ops = mr->ops;
    val = ops->big_endian ? swap_bytes(val, size) : low_bytes(val, size);
    if (ops->write_tx) {
        return ops->write_tx(mr->opaque, offset, val, size, attrs);
    }
    if (!ops->write) {
        return MEMTX_ERROR;
    }
    ops->write(mr->opaque, offset, val, size);
    return MEMTX_OK;
}

/* False: the region is inside of an access already, whose DMA (or message) leads back to it. */
static bool enter(MemoryRegion *mr, bool *taken)
{
    *taken = false;
    if (mr->ops->lockless) {
        return true;
    }
    if (!biglock_held()) {
        biglock_lock();
        *taken = true;
    }
    if (mr->in_access && *taken) {
        biglock_unlock();
    }
    if (mr->in_access) {
        return false;
    }
    mr->in_access = true;
    return true;
}

static void leave(MemoryRegion *mr, bool taken)
{
    if (!mr->ops->lockless) {
        mr->in_access = false;
    }
    if (taken) {
        biglock_unlock();
    }
}

MemTxResult memory_region_read(MemoryRegion *mr, hwaddr offset, uint64_t *val, unsigned size,
                               const MemTxAttrs *attrs)
{
    *val = 0;
    if (mr->ram && (!mr->ops || mr->romd)) {
        memcpy(val, mr->ram->host + offset, size);
        return MEMTX_OK;
    }
    if (!access_valid(mr, offset, size)) {
        return MEMTX_ERROR;
    }
    unsigned word = word_size(mr->ops, offset, size);
    MemTxResult res = MEMTX_OK;
    uint64_t all = 0;
    bool taken;
    if (!enter(mr, &taken)) {
        return MEMTX_ERROR;
    }
    for (hwaddr at = ROUND_DOWN(offset, word); at < offset + size; at += word) {
        uint64_t v;
        res = worse(res, read_word(mr, at, &v, word, attrs ? attrs : &attrs_default));
        all |= at < offset ? v >> (offset - at) * 8 : v << (at - offset) * 8;
    }
    leave(mr, taken);
    *val = low_bytes(all, size);
    return res;
}

MemTxResult memory_region_write(MemoryRegion *mr, hwaddr offset, uint64_t val, unsigned size,
                                const MemTxAttrs *attrs)
{
    if (mr->kind == MR_RAM && !mr->readonly) {
        memcpy(mr->ram->host + offset, &val, size);
        ram_block_written(mr->ram, offset, size);
        return MEMTX_OK;
    }
    if (!mr->ops || !access_valid(mr, offset, size)) {
        return MEMTX_ERROR;
    }
    unsigned word = word_size(mr->ops, offset, size);
    MemTxResult res = MEMTX_OK;
    bool taken;
    if (!enter(mr, &taken)) {
        return MEMTX_ERROR;
    }
    val = low_bytes(val, size);
    for (hwaddr at = ROUND_DOWN(offset, word); at < offset + size; at += word) {
        uint64_t v = at < offset ? val << (offset - at) * 8 : val >> (at - offset) * 8;
        res = worse(res, write_word(mr, at, v, word, attrs ? attrs : &attrs_default));
    }
    leave(mr, taken);
    return res;
}

/* ---- any length -------------------------------------------------------------------------- */

/* Aligned words whole, as rings that guests read concurrently want it. */
static void copy_ram(void *to, const void *from, uint64_t len)
{
    uintptr_t both = (uintptr_t)to | (uintptr_t)from;
    if (len == 8 && !(both & 7)) {
        __atomic_store_n((uint64_t *)to, *(const uint64_t *)from, __ATOMIC_RELAXED);
    } else if (len == 4 && !(both & 3)) {
        __atomic_store_n((uint32_t *)to, *(const uint32_t *)from, __ATOMIC_RELAXED);
    } else if (len == 2 && !(both & 1)) {
        __atomic_store_n((uint16_t *)to, *(const uint16_t *)from, __ATOMIC_RELAXED);
    } else {
        memcpy(to, from, len);
    }
}

/* How much of `len` bytes at addr one register access can do. */
static unsigned piece_size(const MemoryRegion *mr, hwaddr offset, uint64_t len)
{
    unsigned max = mr->ops && mr->ops->valid.max ? mr->ops->valid.max : 8;
    unsigned aligned = offset ? 1u << MIN(__builtin_ctzll(offset), 3) : 8;
    unsigned size = MIN(max, aligned);
    while (size > len) {
        size /= 2;
    }
    return size;
}

/* Bytes of [addr, addr + len) before the next range, for a hole. */
static uint64_t hole_size(AddressSpace *as, hwaddr addr, uint64_t len)
{
    const FlatView *view = as->view;
    for (int i = 0; i < view->nb; i++) {
        if (view->ranges[i].start > addr) {
            return MIN(len, view->ranges[i].start - addr);
        }
    }
    return len;
}

MemTxResult address_space_read(AddressSpace *as, hwaddr addr, const MemTxAttrs *attrs, void *buf,
                               uint64_t len)
{
    MemTxResult res = MEMTX_OK;
    uint8_t *to = buf;
    while (len) {
        const FlatRange *r = address_space_lookup(as, addr);
        uint64_t n;
        if (!r) {
            n = hole_size(as, addr, len);
            memset(to, 0xff, n);
            res = worse(res, MEMTX_DECODE_ERROR);
        } else if (r->ram) {
            n = MIN(len, r->size - (addr - r->start));
            copy_ram(to, r->ram + (addr - r->start), n);
        } else {
            hwaddr offset = r->offset + (addr - r->start);
            uint64_t val;
            n = piece_size(r->mr, offset, len);
            MemTxResult one = memory_region_read(r->mr, offset, &val, (unsigned)n, attrs);
            val = one == MEMTX_OK ? val : ~0ull;
            res = worse(res, one);
            memcpy(to, &val, n);
        }
        to += n;
        addr += n;
        len -= n;
    }
    return res;
}

MemTxResult address_space_write(AddressSpace *as, hwaddr addr, const MemTxAttrs *attrs,
                                const void *buf, uint64_t len)
{
    MemTxResult res = MEMTX_OK;
    const uint8_t *from = buf;
    while (len) {
        const FlatRange *r = address_space_lookup(as, addr);
        uint64_t n;
        if (!r) {
            n = hole_size(as, addr, len);
            res = worse(res, MEMTX_DECODE_ERROR);
        } else if (r->ram && !r->readonly) {
            hwaddr offset = r->offset + (addr - r->start);
            n = MIN(len, r->size - (addr - r->start));
            copy_ram(r->ram + (addr - r->start), from, n);
            ram_block_written(r->mr->ram, offset, n);
        } else {
            hwaddr offset = r->offset + (addr - r->start);
            uint64_t val = 0;
            bool rom = !r->mr->ops || r->mr->kind == MR_RAM;
            n = rom ? MIN(len, r->size - (addr - r->start)) : piece_size(r->mr, offset, len);
            memcpy(&val, from, rom ? 0 : n);
            res = worse(res, rom ? MEMTX_ERROR
                                 : memory_region_write(r->mr, offset, val, (unsigned)n, attrs));
        }
        from += n;
        addr += n;
        len -= n;
    }
    return res;
}

MemTxResult address_space_write_rom(AddressSpace *as, hwaddr addr, const void *buf, uint64_t len)
{
    const uint8_t *from = buf;
    while (len) {
        const FlatRange *r = address_space_lookup(as, addr);
        if (!r || !r->mr->ram) {
            return r ? MEMTX_ERROR : MEMTX_DECODE_ERROR;
        }
        hwaddr offset = r->offset + (addr - r->start);
        uint64_t n = MIN(len, r->size - (addr - r->start));
        memcpy(r->mr->ram->host + offset, from, n);
        ram_block_written(r->mr->ram, offset, n);
        from += n;
        addr += n;
        len -= n;
    }
    return MEMTX_OK;
}

void *address_space_map(AddressSpace *as, hwaddr addr, uint64_t *len, bool write)
{
    const FlatRange *r = address_space_lookup(as, addr);
    if (!r || !r->ram || (write && r->readonly)) {
        *len = 0;
        return NULL;
    }
    *len = MIN(*len, r->size - (addr - r->start));
    return r->ram + (addr - r->start);
}

void address_space_unmap(AddressSpace *as, void *host, uint64_t written)
{
    (void)as;
    uint64_t offset;
    RAMBlock *block = written ? ram_block_from_host(host, &offset) : NULL;
    if (block) {
        ram_block_written(block, offset, MIN(written, block->size - offset));
    }
}

uint64_t address_space_ldle(AddressSpace *as, hwaddr addr, unsigned size)
{
    uint64_t val = 0;
    MemTxResult res = address_space_read(as, addr, NULL, &val, size);
    return res == MEMTX_OK ? val : low_bytes(~0ull, size);
}

void address_space_stle(AddressSpace *as, hwaddr addr, uint64_t val, unsigned size)
{
    address_space_write(as, addr, NULL, &val, size);
}
