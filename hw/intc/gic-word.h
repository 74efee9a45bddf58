/* SPDX-License-Identifier: MIT */
/*
 * The state of 32 interrupts, and the registers with one bit for each (GICD_IGROUPR to
 * GICD_ICACTIVER, and GICR_ alike): the same in GICv2 (ARM IHI 0048B 4.3) and GICv3 (ARM IHI
 * 0069H 12.9).
 */
#ifndef HW_INTC_GIC_WORD_H
#define HW_INTC_GIC_WORD_H

#include <stdint.h>

typedef struct GICWord {
    uint32_t group, enabled, pending, active, level, edge;
} GICWord;

/* The registers come in blocks of 0x80 bytes: offset >> 7. */
enum {
    GIC_BIT_GROUP = 1,
    GIC_BIT_SET_ENABLE,
    GIC_BIT_CLEAR_ENABLE,
    GIC_BIT_SET_PENDING,
    GIC_BIT_CLEAR_PENDING,
    GIC_BIT_SET_ACTIVE,
    GIC_BIT_CLEAR_ACTIVE,
};

static inline uint32_t gic_word_pending(const GICWord *w)
{
    return w->pending | (w->level & ~w->edge);
}
uint32_t gic_word_read(const GICWord *w, unsigned what);
/* free: interrupts that these registers may disable, or make pending or not (in GICv2 not the
 * SGIs). */
void gic_word_write(GICWord *w, unsigned what, uint32_t val, uint32_t free);

#endif
