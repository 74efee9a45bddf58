/* SPDX-License-Identifier: MIT */
#include "hw/intc/gic-word.h"

uint32_t gic_word_read(const GICWord *w, unsigned what)
{
    switch (what) {
    case GIC_BIT_GROUP:
        return w->group;
    case GIC_BIT_SET_ENABLE:
    case GIC_BIT_CLEAR_ENABLE:
        return w->enabled;
    case GIC_BIT_SET_PENDING:
    case GIC_BIT_CLEAR_PENDING:
        return gic_word_pending(w);
    default:
        return w->active;
    }
}

void gic_word_write(GICWord *w, unsigned what, uint32_t val, uint32_t free)
{
    switch (what) {
    case GIC_BIT_GROUP:
        w->group = val;
        break;
    case GIC_BIT_SET_ENABLE:
        w->enabled |= val;
        break;
    case GIC_BIT_CLEAR_ENABLE:
        w->enabled &= ~(val & free);
        break;
    case GIC_BIT_SET_PENDING:
        w->pending |= val & free;
        break;
    case GIC_BIT_CLEAR_PENDING:
        w->pending &= ~(val & free);
        break;
    case GIC_BIT_SET_ACTIVE:
        w->active |= val;
        break;
    default:
        w->active &= ~val;
        break;
    }
}
