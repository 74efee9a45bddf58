/* SPDX-License-Identifier: MIT */
/* GICv3: the distributor's registers (GICD_*), and those of the redistributors (GICR_*). ARM IHI
 * 0069H, chapters 12.9 to 12.11. */
#include <string.h>
#include "hw/intc/gicv3-internal.h"
#include "util/log.h"

enum { PIDR2 = 0xffe8, PIDR2_GICV3 = 0x3b, IIDR_ARM = 0x43b };

/* Two bits an interrupt, of which the upper says edge; reg: which half of the word. */
static uint32_t config_read(const GICWord *w, unsigned half)
{
    uint32_t bits = w->edge >> half * 16, val = 0;
    for (unsigned i = 0; i < 16; i++) {
        val |= (bits >> i & 1) << (2 * i + 1);
    }
    return val;
}

static void config_write(GICWord *w, unsigned half, uint32_t val)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < 16; i++) {
        bits |= (val >> (2 * i + 1) & 1) << i;
    }
    w->edge = (w->edge & ~(0xffffu << half * 16)) | bits << half * 16;
}

static uint64_t bytes_read(const uint8_t *from, unsigned size)
{
    uint64_t val = 0;
    memcpy(&val, from, size);
    return val;
}

static void prios_write(uint8_t *to, uint64_t val, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        to[i] = (uint8_t)(val >> i * 8) & GICV3_PRIO_MASK;
    }
}

static uint64_t id_read(hwaddr offset)
{
    /* PIDR4 to 7, PIDR0 to 3, CIDR0 to 3 */
    static const uint8_t ids[] = {
        0x44, 0, 0, 0, 0x92, 0xb4, PIDR2_GICV3, 0, 0x0d, 0xf0, 0x05, 0xb1
    };
    unsigned i = (unsigned)(offset - 0xffd0) / 4;
    return offset >= 0xffd0 && i < sizeof(ids) ? ids[i] : 0;
}

/* ---- distributor ------------------------------------------------------------------------- */

/* What lies behind the last interrupt reads as zero and takes no writes; so do SGIs and PPIs. */
static GICWord *dist_word(GICv3 *s, unsigned n)
{
    return n >= 1 && n < s->parent.nb_irqs / 32 ? &s->words[n] : NULL;
}

static void route_write(GICv3 *s, unsigned irq, uint64_t val)
{
    s->route[irq] = val & 0xff80ffffffull;
    bool any = val >> 31 & 1; /* 1 of N: the first will do */
    const GICv3CPU *c = any ? &s->cpus[0] : gicv3_find_cpu(s, s->route[irq] & 0xff00ffffffull);
    s->target[irq] = c ? (uint16_t)c->index : GICV3_NO_TARGET;
}

static uint64_t route_access(GICv3 *s, hwaddr offset, bool write, uint64_t val, unsigned size)
{
    unsigned irq = (unsigned)(offset - 0x6000) / 8, shift = (offset & 4) * 8;
    if (irq < GIC_INTERNAL || irq >= s->parent.nb_irqs) {
        return 0;
    }
    if (write && size == 4) {
        uint64_t other = s->route[irq] & ~(0xffffffffull << shift);
        val = other | (val & 0xffffffff) << shift;
    }
    if (write) {
        route_write(s, irq, val);
    }
    return s->route[irq] >> shift;
}

static uint64_t dist_reg_read(GICv3 *s, hwaddr offset, unsigned size)
{
    const GICWord *w;
    switch (offset) {
    case 0x0000:
        return s->ctlr;
    case 0x0004: /* one security state; No1N; IDbits; LPIS; lines */
        return (s->parent.nb_irqs / 32 - 1) | 1 << 25 | (GICV3_ID_BITS - 1) << 19 |
               (uint32_t)s->has_lpis << 17;
    case 0x0008:
        return IIDR_ARM;
    default:
        break;
    }
    if (offset >= 0x80 && offset < 0x400) {
        w = dist_word(s, (offset & 0x7f) >> 2);
        return w ? gic_word_read(w, (unsigned)offset >> 7) : 0;
    }
    if (offset >= 0x400 && offset < 0x800) {
        unsigned irq = (unsigned)offset - 0x400;
        return irq >= GIC_INTERNAL && irq < s->parent.nb_irqs ? bytes_read(&s->prio[irq], size) : 0;
    }
    if (offset >= 0xc00 && offset < 0xd00) {
        w = dist_word(s, (offset & 0xff) >> 3);
        return w ? config_read(w, offset >> 2 & 1) : 0;
    }
    if (offset >= 0x6000 && offset < 0x8000) {
        return route_access(s, offset, false, 0, size);
    }
    return id_read(offset);
}

/* GICD_SETSPI_NSR and CLRSPI_NSR. */
static void message_spi(GICv3 *s, uint32_t irq, bool set)
{
    if (irq >= GIC_INTERNAL && irq < s->parent.nb_irqs) {
        GICWord *w = &s->words[irq / 32];
        gic_word_write(w, set ? GIC_BIT_SET_PENDING : GIC_BIT_CLEAR_PENDING, 1u << (irq & 31), ~0u);
    }
}

static void dist_reg_write(GICv3 *s, hwaddr offset, uint64_t val, unsigned size)
{
    GICWord *w;
    if (offset == 0) {
        s->ctlr = (val & (GICD_EN0 | GICD_EN1)) | GICD_DS | GICD_ARE;
    } else if (offset == 0x40 || offset == 0x48) {
        message_spi(s, val & 0x3ff, offset == 0x40);
    } else if (offset >= 0x80 && offset < 0x400) {
        w = dist_word(s, (offset & 0x7f) >> 2);
        if (w) {
            gic_word_write(w, (unsigned)offset >> 7, (uint32_t)val, ~0u);
        }
    } else if (offset >= 0x400 && offset < 0x800) {
        unsigned irq = (unsigned)offset - 0x400;
        if (irq >= GIC_INTERNAL && irq < s->parent.nb_irqs) {
            prios_write(&s->prio[irq], val, size);
        }
    } else if (offset >= 0xc00 && offset < 0xd00) {
        w = dist_word(s, (offset & 0xff) >> 3);
        if (w) {
            config_write(w, offset >> 2 & 1, (uint32_t)val);
        }
    } else if (offset >= 0x6000 && offset < 0x8000) {
        route_access(s, offset, true, val, size);
    } else {
        log_printf(LOG_GUEST_ERROR, "gicv3: write to GICD register %#x\n", (unsigned)offset);
    }
}

static uint64_t dist_read(void *opaque, hwaddr offset, unsigned size)
{
    GICv3 *s = opaque;
    pthread_mutex_lock(&s->lock);
    uint64_t val = dist_reg_read(s, offset, size);
    pthread_mutex_unlock(&s->lock);
    return val;
}

static void dist_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    GICv3 *s = opaque;
    pthread_mutex_lock(&s->lock);
    dist_reg_write(s, offset, val, size);
    gicv3_update_all(s);
    pthread_mutex_unlock(&s->lock);
}

/* Words, and bytes of what has bytes: those are told apart by the offset. */
const MemoryRegionOps gicv3_dist_ops = {
    .read = dist_read,
    .write = dist_write,
    .impl = { .min = 1, .max = 8 },
    .lockless = true,
};

/* ---- redistributors: for each CPU a frame for control and LPIs, and one for SGIs and PPIs ---- */

enum { SGI_FRAME = 0x10000 };

static uint64_t typer(const GICv3CPU *c)
{
    const GICv3 *s = c->gic;
    uint64_t affinity = (c->affinity >> 32 & 0xff) << 24 | (c->affinity & 0xffffff);
    bool last = c->index + 1 == s->parent.nb_cpus;
    return affinity << 32 | (uint64_t)c->index << 8 | (uint64_t)last << 4 | s->has_lpis;
}

static uint64_t half(uint64_t val, hwaddr offset, unsigned size)
{
    return size == 8 ? val : (uint32_t)(val >> (offset & 4) * 8);
}

static void merge(uint64_t *reg, hwaddr offset, uint64_t val, unsigned size)
{
    unsigned shift = (offset & 4) * 8;
    *reg = size == 8 ? val : (*reg & ~(0xffffffffull << shift)) | (val & 0xffffffff) << shift;
}

static uint64_t redist_reg_read(GICv3CPU *c, hwaddr offset, unsigned size)
{
    switch (offset & ~4ull) {
    case 0x0000:
        return offset & 4 ? IIDR_ARM : c->ctlr;
    case 0x0008:
        return half(typer(c), offset, size);
    case 0x0010:
        return offset & 4 ? c->waker : 0;
    case 0x0070:
        return half(c->propbaser, offset, size);
    case 0x0078:
        return half(c->pendbaser, offset, size);
    default:
        break;
    }
    if (offset >= SGI_FRAME + 0x80 && offset < SGI_FRAME + 0x400) {
        return offset & 0x7c ? 0 : gic_word_read(&c->word0, (unsigned)(offset - SGI_FRAME) >> 7);
    }
    if (offset >= SGI_FRAME + 0x400 && offset < SGI_FRAME + 0x420) {
        return bytes_read(&c->prio0[offset & 0x1f], MIN(size, 32 - (offset & 0x1f)));
    }
    if (offset == SGI_FRAME + 0xc00 || offset == SGI_FRAME + 0xc04) {
        return config_read(&c->word0, offset >> 2 & 1);
    }
    return id_read(offset);
}

static void ctlr_write(GICv3CPU *c, uint32_t val)
{
    bool on = val & GICR_ENABLE_LPIS && c->gic->has_lpis;
    if (on && !(c->ctlr & GICR_ENABLE_LPIS)) {
        c->ctlr |= GICR_ENABLE_LPIS; /* may not be turned off again but by a reset */
        gicv3_lpi_enable(c);
    }
}

static void redist_reg_write(GICv3CPU *c, hwaddr offset, uint64_t val, unsigned size)
{
    if (offset == 0) {
        ctlr_write(c, (uint32_t)val);
    } else if (offset == 0x14) {
        /* ChildrenAsleep follows ProcessorSleep at once. */
        c->waker = val & 2 ? 6 : 0;
    } else if ((offset & ~4ull) == 0x70 && !(c->ctlr & GICR_ENABLE_LPIS)) {
        merge(&c->propbaser, offset, val, size);
    } else if ((offset & ~4ull) == 0x78 && !(c->ctlr & GICR_ENABLE_LPIS)) {
        merge(&c->pendbaser, offset, val, size);
    } else if (offset >= SGI_FRAME + 0x80 && offset < SGI_FRAME + 0x400 && !(offset & 0x7c)) {
        gic_word_write(&c->word0, (unsigned)(offset - SGI_FRAME) >> 7, (uint32_t)val, ~0u);
    } else if (offset >= SGI_FRAME + 0x400 && offset < SGI_FRAME + 0x420) {
        unsigned irq = offset & 0x1f;
        prios_write(&c->prio0[irq], val, MIN(size, GIC_INTERNAL - irq));
    } else if (offset == SGI_FRAME + 0xc04) {
        config_write(&c->word0, 1, (uint32_t)val); /* SGIs are edges */
    } else {
        log_printf(LOG_GUEST_ERROR, "gicv3: write to GICR register %#x\n", (unsigned)offset);
    }
    gicv3_update_cpu(c);
}

static uint64_t redist_read(void *opaque, hwaddr offset, unsigned size)
{
    GICv3 *s = opaque;
    GICv3CPU *c = &s->cpus[offset / GICV3_REDIST_SIZE];
    pthread_mutex_lock(&s->lock);
    uint64_t val = redist_reg_read(c, offset % GICV3_REDIST_SIZE, size);
    pthread_mutex_unlock(&s->lock);
    return val;
}

static void redist_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    GICv3 *s = opaque;
    GICv3CPU *c = &s->cpus[offset / GICV3_REDIST_SIZE];
    pthread_mutex_lock(&s->lock);
    redist_reg_write(c, offset % GICV3_REDIST_SIZE, val, size);
    pthread_mutex_unlock(&s->lock);
}

const MemoryRegionOps gicv3_redist_ops = {
    .read = redist_read,
    .write = redist_write,
    .impl = { .min = 1, .max = 8 },
    .lockless = true,
};

void gicv3_redist_reset(GICv3CPU *c)
{
    c->word0 = (GICWord){ .level = c->word0.level, .edge = 0xffff };
    memset(c->prio0, 0, sizeof(c->prio0));
    c->ctlr = 0;
    c->waker = 6;
    c->propbaser = c->pendbaser = 0;
    gicv3_lpi_disable(c);
}
