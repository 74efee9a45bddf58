/* SPDX-License-Identifier: MIT */
/*
 * Memory accesses of the interpreter. Aligned ones of up to 8 bytes are single-copy atomic, and so
 * are aligned ones of 16 on hosts whose aligned vector accesses are (x86-64 with AVX).
 */
#include "tcg/tci/memory.h"

/* The host takes any address; its compilers' checkers need to be told. */
#define ANY_ALIGNMENT __attribute__((no_sanitize("alignment")))

typedef long long Vec16 __attribute__((vector_size(16), may_alias));
typedef struct {
    uint64_t lo, hi;
} __attribute__((packed, may_alias)) Loose16;

TCGValue tci_bswap(TCGValue v, unsigned memop)
{
    unsigned size = memop & MO_SIZE;

    if (!(memop & MO_BSWAP)) {
        return v;
    }
    if (size == MO_128) {
        uint64_t high = __builtin_bswap64(v.u64[0]);
        v.u64[0] = __builtin_bswap64(v.u64[1]);
        v.u64[1] = high;
    } else {
        v.u64[0] = __builtin_bswap64(v.u64[0]) >> (64 - (8 << size));
    }
    return v;
}

TCGValue tci_extend(TCGValue v, unsigned memop)
{
    int unused = 64 - (8 << (memop & MO_SIZE));

    if (memop & MO_SIGN) {
        v.s64[0] = (int64_t)(v.u64[0] << unused) >> unused;
        if (memop & MO_SEXT32) {
            v.u64[0] = v.u32[0];
        }
    }
    return v;
}

ANY_ALIGNMENT static TCGValue load_raw(const void *p, unsigned memop)
{
    TCGValue v = { 0 };

    switch (memop & MO_SIZE) {
    case MO_8:
        v.u64[0] = *(const volatile uint8_t *)p;
        break;
    case MO_16:
        v.u64[0] = *(const volatile uint16_t *)p;
        break;
    case MO_32:
        v.u64[0] = *(const volatile uint32_t *)p;
        break;
    case MO_64:
        v.u64[0] = *(const volatile uint64_t *)p;
        break;
    default:
        if ((uintptr_t)p % 16 == 0) {
            *(Vec16 *)&v = *(const volatile Vec16 *)p;
        } else {
            v.u64[0] = ((const volatile Loose16 *)p)->lo;
            v.u64[1] = ((const volatile Loose16 *)p)->hi;
        }
    }
    return v;
}

ANY_ALIGNMENT static void store_raw(void *p, unsigned memop, TCGValue v)
{
    switch (memop & MO_SIZE) {
    case MO_8:
        *(volatile uint8_t *)p = v.u8[0];
        break;
    case MO_16:
        *(volatile uint16_t *)p = v.u16[0];
        break;
    case MO_32:
        *(volatile uint32_t *)p = v.u32[0];
        break;
    case MO_64:
        *(volatile uint64_t *)p = v.u64[0];
        break;
    default:
        if ((uintptr_t)p % 16 == 0) {
            *(volatile Vec16 *)p = *(Vec16 *)&v;
        } else {
            ((volatile Loose16 *)p)->lo = v.u64[0];
            ((volatile Loose16 *)p)->hi = v.u64[1];
        }
    }
}

TCGValue tci_load(const void *p, unsigned memop)
{
    TCGValue v = load_raw(p, memop);

    if (memop & MO_ACQUIRE) {
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    }
    return tci_extend(tci_bswap(v, memop), memop);
}

void tci_store(void *p, unsigned memop, TCGValue v)
{
    if (memop & MO_RELEASE) {
        __atomic_thread_fence(__ATOMIC_RELEASE);
    }
    store_raw(p, memop, tci_bswap(v, memop));
    if (memop & MO_RELEASE) { /* before a later MO_ACQUIRE load */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
}

/* ---- atomics ---- */

/* *p == *expected: *p = desired; else *expected = *p. All of memop's size, in memory's byte order.
 */
ANY_ALIGNMENT static bool compare_exchange(void *p, unsigned memop, uint64_t *expected,
                                           uint64_t desired)
{
#define CAS(T)                                                                                   \
    {                                                                                            \
        T e = *expected;                                                                         \
        bool done = __atomic_compare_exchange_n((T *)p, &e, (T)desired, false, __ATOMIC_SEQ_CST, \
                                                __ATOMIC_SEQ_CST);                               \
        *expected = e;                                                                           \
        return done;                                                                             \
    }
    switch (memop & MO_SIZE) {
    case MO_8:
        CAS(uint8_t);
    case MO_16:
        CAS(uint16_t);
    case MO_32:
        CAS(uint32_t);
    default:
        CAS(uint64_t);
    }
#undef CAS
}

static uint64_t combine(TCGAtomicOp how, unsigned memop, uint64_t a, uint64_t b)
{
    int unused = 64 - (8 << (memop & MO_SIZE));
    /* at the top of the word, where all sizes compare alike */
    uint64_t ua = a << unused, ub = b << unused;

    switch (how) {
    case TCG_ATOMIC_ADD:
        return a + b;
    case TCG_ATOMIC_AND:
        return a & b;
    case TCG_ATOMIC_OR:
        return a | b;
    case TCG_ATOMIC_XOR:
        return a ^ b;
    case TCG_ATOMIC_SMAX:
        return (int64_t)ua > (int64_t)ub ? a : b;
    case TCG_ATOMIC_SMIN:
        return (int64_t)ua < (int64_t)ub ? a : b;
    case TCG_ATOMIC_UMAX:
        return ua > ub ? a : b;
    case TCG_ATOMIC_UMIN:
        return ua < ub ? a : b;
    default:
        return b;
    }
}

static uint64_t swap_word(uint64_t x, unsigned memop)
{
    return tci_bswap((TCGValue){ .u64 = { x } }, memop).u64[0];
}

static uint64_t low_bits(uint64_t x, unsigned memop)
{
    int unused = 64 - (8 << (memop & MO_SIZE));

    return x << unused >> unused;
}

static void rmw(void *p, const TCGOp *op, TCGValue *args)
{
    unsigned m = op->memop;
    uint64_t raw = load_raw(p, m).u64[0], old;

    do {
        old = swap_word(raw, m);
    } while (!compare_exchange(p, m, &raw, swap_word(combine(op->imm, m, old, args[2].u64[0]), m)));
    args[0].u64[0] = old;
}

static void cas(void *p, const TCGOp *op, TCGValue *args)
{
    unsigned m = op->memop;
    uint64_t raw = swap_word(low_bits(args[2].u64[0], m), m);

    compare_exchange(p, m, &raw, swap_word(args[3].u64[0], m));
    args[0].u64[0] = swap_word(raw, m);
}

ANY_ALIGNMENT static void cas128(void *p, TCGValue *args)
{
    unsigned __int128 expected = (unsigned __int128)args[4].u64[0] << 64 | args[3].u64[0];
    unsigned __int128 desired = (unsigned __int128)args[6].u64[0] << 64 | args[5].u64[0];
    unsigned __int128 old =
        __sync_val_compare_and_swap((volatile unsigned __int128 *)p, expected, desired);

    args[0].u64[0] = old;
    args[1].u64[0] = old >> 64;
}

void tci_atomic(void *p, const TCGOp *op, TCGValue *args)
{
    if (op->opc == TCG_OP_atomic_rmw) {
        rmw(p, op, args);
    } else if (op->opc == TCG_OP_atomic_cas) {
        cas(p, op, args);
    } else {
        cas128(p, args);
    }
}
