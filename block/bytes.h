/* SPDX-License-Identifier: MIT */
/* Numbers in image headers, at any alignment, big and little endian; bit-map helpers. */
#ifndef BLOCK_BYTES_H
#define BLOCK_BYTES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "util/round.h"

#define BYTES_ACCESS(bits, order, swap)                            \
    static inline uint##bits##_t ld_##order##bits(const void *p)   \
    {                                                              \
        uint##bits##_t v;                                          \
        memcpy(&v, p, sizeof(v));                                  \
        return swap(v);                                            \
    }                                                              \
    static inline void st_##order##bits(void *p, uint##bits##_t v) \
    {                                                              \
        v = swap(v);                                               \
        memcpy(p, &v, sizeof(v));                                  \
    }

BYTES_ACCESS(16, be, GUINT16_FROM_BE)
BYTES_ACCESS(32, be, GUINT32_FROM_BE)
BYTES_ACCESS(64, be, GUINT64_FROM_BE)
BYTES_ACCESS(16, le, GUINT16_FROM_LE)
BYTES_ACCESS(32, le, GUINT32_FROM_LE)
BYTES_ACCESS(64, le, GUINT64_FROM_LE)

#define LONG_BITS (8 * sizeof(unsigned long))

static inline bool bit_test(const unsigned long *map, uint64_t i)
{
    return map[i / LONG_BITS] >> (i % LONG_BITS) & 1;
}

static inline void bit_set(unsigned long *map, uint64_t i)
{
    map[i / LONG_BITS] |= 1UL << (i % LONG_BITS);
}

static inline void bit_clear(unsigned long *map, uint64_t i)
{
    map[i / LONG_BITS] &= ~(1UL << (i % LONG_BITS));
}

#endif
