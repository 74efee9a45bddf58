/* SPDX-License-Identifier: MIT */
/*
 * Guest memory accesses that compiled code does not do in line: TLB misses, devices, first writes
 * to clean pages, accesses across pages, watchpoints, alignment. The same for helpers, and all of
 * them for the interpreter.
 */
#include <string.h>
#include <xmmintrin.h>

#include "fpu/softfloat.h"
#include "hw/memory.h"
#include "hw/biglock.h"
#include "softmmu.h"
#include "tcg/tci/memory.h"

static const TargetSystemOps *ops(const CPUState *cpu)
{
    return cpu->target->system;
}

/* One access, whole or the part of it that is in one page. */
typedef struct Access {
    vaddr addr;
    unsigned size;
    MMUAccess kind;
    int mode;
    TLBHit hit;
} Access;

/* ---- what the entry's flags ask for ------------------------------------------------------------
 */

static void *host_address(const Access *a)
{
    return (void *)(uintptr_t)(a->addr + a->hit.entry->addend);
}

static uint64_t flags_of(const Access *a)
{
    return a->hit.entry->cmp[a->kind] & TLB_FLAGS;
}

static void clear_notdirty(Access *a)
{
    if (flags_of(a) & TLB_NOTDIRTY) {
        __atomic_fetch_or(a->hit.info->dirty, RAM_DIRTY_VGA | RAM_DIRTY_MIGRATION,
                          __ATOMIC_RELAXED);
        a->hit.entry->cmp[MMU_STORE] &= ~(uint64_t)TLB_NOTDIRTY;
    }
}

/* Finds the page; false: an exception is recorded. whole: bytes of the guest's access. */
static bool resolve(CPUState *cpu, Access *a, vaddr whole_addr, unsigned whole)
{
    if (!tlb_find(cpu, a->addr, a->size, a->kind, a->mode, false, &a->hit)) {
        return false;
    }
    if (a->hit.info->aligned && whole_addr & (whole - 1)) {
        ops(cpu)->unaligned(cpu, whole_addr, whole, a->kind, a->mode);
        return false;
    }
    if (flags_of(a) & TLB_WATCH && !watch_check(cpu, a->addr, a->size, a->kind)) {
        return false;
    }
    if (a->kind == MMU_STORE) {
        clear_notdirty(a);
    }
    return true;
}

/* ---- devices -----------------------------------------------------------------------------------
 */

/* Device code is C with C's floating modes. */
static MemTxResult device_access(CPUState *cpu, const Access *a, uint64_t *val)
{
    const TLBInfo *info = a->hit.info;
    MemTxAttrs attrs = info->attrs;
    hwaddr in_page = a->addr & (TLB_PAGE_SIZE - 1);
    unsigned mxcsr = _mm_getcsr();
    MemTxResult result;

    tcg_backend_sync(cpu);
    _mm_setcsr(0x1f80);
    bool locks = !info->mr && !biglock_held();
    if (locks) {
        biglock_lock();
    }
    if (info->mr && a->kind == MMU_STORE) {
        result = memory_region_write(info->mr, info->mr_offset + in_page, *val, a->size, &attrs);
    } else if (info->mr) {
        result = memory_region_read(info->mr, info->mr_offset + in_page, val, a->size, &attrs);
    } else if (a->kind == MMU_STORE) {
        result = address_space_write(cpu->mmu->as, info->phys + in_page, &attrs, val, a->size);
    } else {
        *val = 0;
        result = address_space_read(cpu->mmu->as, info->phys + in_page, &attrs, val, a->size);
    }
    if (locks) {
        biglock_unlock();
    }
    _mm_setcsr(mxcsr);
    if (result != MEMTX_OK) {
        ops(cpu)->bus_error(cpu, a->addr, a->size, a->kind, a->mode, result);
        return false;
    }
    return true;
}

/* Any size up to 16 bytes, within one page, in pieces that devices take; a pair's halves one by
 * one. buf: bytes in guest order.
 */
static bool device_bytes(CPUState *cpu, const Access *a, uint8_t *buf, bool pair)
{
    Access part = *a;

    for (unsigned at = 0; at < a->size; at += part.size) {
        uint64_t val = 0;

        part.addr = a->addr + at;
        part.size = pair ? a->size / 2 : 8;
        while (part.size > a->size - at || part.addr & (part.size - 1)) {
            part.size /= 2;
        }
        if (!pair && a->size <= 8 && !(a->size & (a->size - 1))) {
            part.size = a->size; /* as the guest says: the device knows what it takes */
        }
        if (a->kind == MMU_STORE) {
            memcpy(&val, buf + at, part.size);
        }
        if (!device_access(cpu, &part, &val)) {
            return false;
        }
        if (a->kind != MMU_STORE) {
            memcpy(buf + at, &val, part.size);
        }
    }
    return true;
}

/* ---- loads and stores --------------------------------------------------------------------------
 */

/* Across two pages: both must be accessible before anything is done. */
static bool split_access(CPUState *cpu, vaddr addr, unsigned size, unsigned whole, MMUAccess kind,
                         int mode, uint8_t *buf)
{
    unsigned first = (unsigned)(TLB_PAGE_SIZE - (addr & (TLB_PAGE_SIZE - 1)));
    Access a[2] = {
        { .addr = addr, .size = first, .kind = kind, .mode = mode },
        { .addr = addr + first, .size = size - first, .kind = kind, .mode = mode },
    };

    for (int n = 0; n < 2; n++) {
        if (!resolve(cpu, &a[n], addr, whole)) {
            return false;
        }
    }
    for (int n = 0; n < 2; n++) {
        uint8_t *part = buf + (n ? first : 0);

        if (!resolve(cpu, &a[n], addr, whole)) { /* the second may have displaced the first */
            return false;
        }
        if (flags_of(&a[n]) & TLB_MMIO) {
            if (!device_bytes(cpu, &a[n], part, false)) {
                return false;
            }
        } else if (kind == MMU_STORE) {
            memcpy(host_address(&a[n]), part, a[n].size);
        } else {
            memcpy(part, host_address(&a[n]), a[n].size);
        }
    }
    return true;
}

static bool crosses(vaddr addr, unsigned size)
{
    return (addr & (TLB_PAGE_SIZE - 1)) + size > TLB_PAGE_SIZE;
}

/* A pair needs the alignment of its halves. */
static unsigned aligned_size(unsigned memop)
{
    return (1u << (memop & MO_SIZE)) >> (memop & MO_PAIR ? 1 : 0);
}

static bool load(CPUState *cpu, vaddr addr, unsigned memop, TCGValue *val)
{
    Access a = { addr, 1u << (memop & MO_SIZE), MMU_LOAD, MO_GET_MODE(memop), { 0 } };
    TCGValue v = { 0 };

    if (crosses(addr, a.size)) {
        if (!split_access(cpu, addr, a.size, aligned_size(memop), MMU_LOAD, a.mode, v.u8)) {
            return false;
        }
    } else if (!resolve(cpu, &a, addr, aligned_size(memop))) {
        return false;
    } else if (!(flags_of(&a) & TLB_MMIO)) {
        *val = tci_load(host_address(&a), memop);
        return true;
    } else if (!device_bytes(cpu, &a, v.u8, memop & MO_PAIR)) {
        return false;
    }
    *val = tci_extend(tci_bswap(v, memop), memop);
    return true;
}

static bool store(CPUState *cpu, vaddr addr, unsigned memop, TCGValue val)
{
    Access a = { addr, 1u << (memop & MO_SIZE), MMU_STORE, MO_GET_MODE(memop), { 0 } };

    if (crosses(addr, a.size)) {
        val = tci_bswap(val, memop);
        return split_access(cpu, addr, a.size, aligned_size(memop), MMU_STORE, a.mode, val.u8);
    }
    if (!resolve(cpu, &a, addr, aligned_size(memop))) {
        return false;
    }
    if (flags_of(&a) & TLB_MMIO) {
        val = tci_bswap(val, memop);
        return device_bytes(cpu, &a, val.u8, memop & MO_PAIR);
    }
    tci_store(host_address(&a), memop, val);
    return true;
}

/*
 * Atomics need memory that both may be read and written. Within 16 bytes they are atomic on the
 * host even when misaligned (FEAT_LSE2); otherwise they are the guest's alignment fault, and what
 * is no memory answers with a bus error.
 */
static bool atomic_op(CPUState *cpu, const TCGOp *op, TCGValue *args)
{
    bool wide = op->opc == TCG_OP_atomic_cas128;
    vaddr addr = args[wide ? 2 : 1].u64[0];
    Access a = {
        addr, wide ? 16 : 1u << (op->memop & MO_SIZE), MMU_LOAD, MO_GET_MODE(op->memop), { 0 }
    };
    bool aligned = !(addr & (a.size - 1));

    if (!aligned && (wide || (addr & 15) + a.size > 16)) {
        ops(cpu)->unaligned(cpu, addr, a.size, MMU_STORE, a.mode);
        return false;
    }
    if (!resolve(cpu, &a, addr, a.size)) {
        return false;
    }
    a.kind = MMU_STORE;
    if (!resolve(cpu, &a, addr, a.size)) {
        return false;
    }
    if (flags_of(&a) & TLB_MMIO) {
        ops(cpu)->bus_error(cpu, addr, a.size, MMU_STORE, a.mode, MEMTX_ERROR);
        return false;
    }
    tci_atomic(host_address(&a), op, args);
    return true;
}

/* base: its argument; the index is behind it. */
static vaddr op_address(const TCGOp *op, const TCGValue *args, int base)
{
    vaddr addr = args[base].u64[0] + (uint64_t)op->imm;

    if (op->arg[base + 1] != TCG_NONE) {
        addr += args[base + 1].u64[0] << MO_GET_SHIFT(op->memop);
    }
    return addr;
}

bool softmmu_run_op(const TCGOp *op, TCGValue *args, CPUState *cpu)
{
    unsigned memop = op->memop, size = 1u << (memop & MO_SIZE);
    vaddr addr;
    bool done;

    switch (op->opc) {
    case TCG_OP_ld:
    case TCG_OP_ldv:
        done = load(cpu, op_address(op, args, 1), memop, &args[0]);
        break;
    case TCG_OP_st:
    case TCG_OP_stv:
        done = store(cpu, op_address(op, args, 1), memop, args[0]);
        break;
    case TCG_OP_ld2:
    case TCG_OP_ldv2:
        addr = op_address(op, args, 2);
        done = load(cpu, addr, memop, &args[0]) && load(cpu, addr + size, memop, &args[1]);
        break;
    case TCG_OP_st2:
    case TCG_OP_stv2:
        addr = op_address(op, args, 2);
        done = store(cpu, addr, memop, args[0]) && store(cpu, addr + size, memop, args[1]);
        break;
    default:
        done = atomic_op(cpu, op, args);
    }
    if (!done) {
        tcg_backend_sync(cpu);
    }
    return done;
}

/* ---- for helpers -------------------------------------------------------------------------------
 */

uint64_t cpu_ld(CPUState *cpu, vaddr addr, unsigned size, int mode)
{
    TCGValue val;

    if (!load(cpu, addr, (unsigned)__builtin_ctz(size) | MO_MODE(mode), &val)) {
        cpu_loop_exit(cpu, cpu->exception_index);
    }
    return val.u64[0];
}

void cpu_st(CPUState *cpu, vaddr addr, uint64_t val, unsigned size, int mode)
{
    TCGValue v = { .u64 = { val } };

    if (!store(cpu, addr, (unsigned)__builtin_ctz(size) | MO_MODE(mode), v)) {
        cpu_loop_exit(cpu, cpu->exception_index);
    }
}

void *cpu_probe(CPUState *cpu, vaddr addr, unsigned size, MMUAccess access, int mode)
{
    Access a = { addr, size, access, mode, { 0 } };

    if (!resolve(cpu, &a, addr, 1)) {
        cpu_loop_exit(cpu, cpu->exception_index);
    }
    return flags_of(&a) & TLB_MMIO ? NULL : host_address(&a);
}

const void *cpu_peek(CPUState *cpu, vaddr addr, int mode)
{
    TLBHit hit;

    if (!tlb_find(cpu, addr, 1, MMU_LOAD, mode, true, &hit) || hit.info->ram == NOT_RAM) {
        return NULL;
    }
    return (const void *)(addr + hit.entry->addend);
}

bool cpu_memory_rw_debug(CPUState *cpu, vaddr addr, void *buf, size_t size, bool write)
{
    uint8_t *at = buf;

    while (size) {
        size_t n = TLB_PAGE_SIZE - (addr & (TLB_PAGE_SIZE - 1));
        MemTxAttrs attrs = { 0 };
        hwaddr phys;
        uint64_t len;
        uint8_t *host;

        n = MIN(n, size);
        if (!ops(cpu)->debug_translate(cpu, addr, &phys, &attrs)) {
            return false;
        }
        len = n;
        host = address_space_map(cpu->mmu->as, phys, &len, write);
        if (!host) { /* a device: looking must not change it; ROM: nobody writes it */
            return false;
        }
        n = MIN(n, len);
        if (write) {
            memcpy(host, at, n);
        } else {
            memcpy(at, host, n);
        }
        address_space_unmap(cpu->mmu->as, host, write ? n : 0);
        addr += n;
        at += n;
        size -= n;
    }
    return true;
}
