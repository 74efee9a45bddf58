/* SPDX-License-Identifier: MIT */
/* Interrupt lines: one wire from a device's output to somebody's input. */
#ifndef HW_IRQ_H
#define HW_IRQ_H

#include <stddef.h>

typedef void (*IRQHandler)(void *opaque, int n, int level);
/* An input: made by who receives, held by value by who drives it. handler NULL: not connected. */
typedef struct IRQLine {
    IRQHandler handler;
    void *opaque;
    int n;
} IRQLine;

/* Under the big lock. level: 0 or 1 (or a value where the receiver says so). */
static inline void irq_set(const IRQLine *line, int level)
{
    if (line->handler) {
        line->handler(line->opaque, line->n, level);
    }
}
static inline void irq_pulse(const IRQLine *line)
{
    irq_set(line, 1);
    irq_set(line, 0);
}

#endif
