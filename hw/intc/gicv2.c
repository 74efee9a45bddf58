/* SPDX-License-Identifier: MIT */
/*
 * Generic Interrupt Controller version 2, without the security extensions: distributor and CPU
 * interfaces. ARM IHI 0048B.b.
 */
#include <pthread.h>
#include <string.h>
#include "hw/intc/gic-word.h"
#include "hw/intc/gic.h"
#include "util/log.h"

enum {
    MAX_CPUS = 8,
    SGIS = 16,
    SPURIOUS = 1023,
    SPURIOUS_GROUP1 = 1022, /* the highest pending one is of group 1 and AckCtl is 0 */
    PRIO_MASK = 0xf8,       /* 32 levels */
    IDLE_PRIO = 0xff,

    GICC_EN0 = 1,
    GICC_EN1 = 2,
    GICC_ACKCTL = 4,
    GICC_FIQEN = 8,
    GICC_CBPR = 16,
    GICC_EOIMODE = 1 << 9,
    GICC_CTLR_MASK = 0x1e | GICC_EN0 | GICC_EOIMODE | 0x1e0,
};

/* 32 interrupts; those below 32 are there once for each CPU. */
typedef struct CPUInterface {
    GICWord word0;
    uint8_t prio0[GIC_INTERNAL];
    uint8_t sgi_from[SGIS]; /* pending SGIs: the CPUs that sent them */
    uint32_t ctlr, pmr, bpr, abpr;
    uint32_t apr[2]; /* active priorities, group 0 and 1: a bit for each of the 32 levels */
} CPUInterface;

typedef struct GICv2 {
    GICDevice parent;
    MemoryRegion dist, cpu_regs;
    pthread_mutex_t lock;
    uint32_t ctlr;
    GICWord words[GIC_MAX_WORDS]; /* [0] is not used */
    uint8_t prio[1024], targets[1024];
    CPUInterface cpu[MAX_CPUS];
} GICv2;

static GICWord *word_of(GICv2 *s, unsigned cpu, unsigned n)
{
    return n ? &s->words[n] : &s->cpu[cpu].word0;
}

static uint8_t *prio_of(GICv2 *s, unsigned cpu, unsigned irq)
{
    return irq < GIC_INTERNAL ? &s->cpu[cpu].prio0[irq] : &s->prio[irq];
}

static uint32_t all_cpus(const GICv2 *s)
{
    return (1u << s->parent.nb_cpus) - 1;
}

static unsigned nb_words(const GICv2 *s)
{
    return s->parent.nb_irqs / 32;
}

/* ---- which interrupt comes next ---------------------------------------------------------- */

typedef struct Candidate {
    unsigned irq, prio, group;
} Candidate;

static Candidate highest_pending(GICv2 *s, unsigned cpu)
{
    Candidate best = { SPURIOUS, 256, 0 };
    for (unsigned n = 0; n < nb_words(s); n++) {
        const GICWord *w = word_of(s, cpu, n);
        uint32_t groups = (s->ctlr & 1 ? ~w->group : 0) | (s->ctlr & 2 ? w->group : 0);
        uint32_t bits = gic_word_pending(w) & w->enabled & ~w->active & groups;
        for (; bits; bits &= bits - 1) {
            unsigned irq = n * 32 + (unsigned)__builtin_ctz(bits);
            unsigned prio = *prio_of(s, cpu, irq);
            if (prio < best.prio && (n == 0 || s->targets[irq] & 1u << cpu)) {
                best = (Candidate){ irq, prio, w->group >> (irq & 31) & 1 };
            }
        }
    }
    return best;
}

/* The part of a priority that preempts, by the binary point of its group. */
static unsigned group_prio(const CPUInterface *c, unsigned prio, unsigned group)
{
    unsigned point = group && !(c->ctlr & GICC_CBPR) ? c->abpr - 1 : c->bpr;
    return prio & (0xffu << (point + 1)) & 0xff;
}

static unsigned running_prio(const CPUInterface *c)
{
    uint32_t active = c->apr[0] | c->apr[1];
    return active ? (unsigned)__builtin_ctz(active) << 3 : IDLE_PRIO;
}

static bool signalled(const CPUInterface *c, const Candidate *next)
{
    return next->irq != SPURIOUS && next->prio < c->pmr &&
           c->ctlr & (next->group ? GICC_EN1 : GICC_EN0) &&
           group_prio(c, next->prio, next->group) < running_prio(c);
}

static void update_cpu(GICv2 *s, unsigned cpu)
{
    const CPUInterface *c = &s->cpu[cpu];
    Candidate next = highest_pending(s, cpu);
    bool any = signalled(c, &next), fiq = any && !next.group && c->ctlr & GICC_FIQEN;
    if (s->parent.cpus) {
        irq_set(&s->parent.cpus[cpu].irq, any && !fiq);
        irq_set(&s->parent.cpus[cpu].fiq, fiq);
    }
}

static void update_all(GICv2 *s)
{
    for (unsigned cpu = 0; cpu < s->parent.nb_cpus; cpu++) {
        update_cpu(s, cpu);
    }
}

static void set_irq(GICDevice *gic, int cpu, int irq, int level)
{
    GICv2 *s = (GICv2 *)gic;
    pthread_mutex_lock(&s->lock);
    GICWord *w = word_of(s, (unsigned)cpu, (unsigned)irq / 32);
    uint32_t bit = 1u << (irq & 31);
    if (!(w->level & bit) != !level) {
        w->level ^= bit;
        if (level && w->edge & bit) {
            w->pending |= bit;
        }
        if (irq < GIC_INTERNAL) {
            update_cpu(s, (unsigned)cpu);
        } else {
            update_all(s);
        }
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- CPU interface ----------------------------------------------------------------------- */

static void activate(GICv2 *s, unsigned cpu, const Candidate *next)
{
    CPUInterface *c = &s->cpu[cpu];
    GICWord *w = word_of(s, cpu, next->irq / 32);
    uint32_t bit = 1u << (next->irq & 31);
    w->active |= bit;
    w->pending &= ~bit;
    c->apr[next->group] |= 1u << (group_prio(c, next->prio, next->group) >> 3);
}

/* From `group`'s side: GICC_IAR takes group 0, and group 1 with AckCtl; GICC_AIAR group 1. */
static uint32_t acknowledge(GICv2 *s, unsigned cpu, unsigned group)
{
    CPUInterface *c = &s->cpu[cpu];
    Candidate next = highest_pending(s, cpu);
    uint32_t answer;
    if (!signalled(c, &next)) {
        return SPURIOUS;
    }
    if (group != next.group && !(group == 0 && c->ctlr & GICC_ACKCTL)) {
        return group ? SPURIOUS : SPURIOUS_GROUP1;
    }
    answer = next.irq;
    activate(s, cpu, &next);
    if (next.irq < SGIS) {
        unsigned from = (unsigned)__builtin_ctz(c->sgi_from[next.irq] | 0x100) & 7;
        answer |= from << 10;
        c->sgi_from[next.irq] &= (uint8_t) ~(1u << from);
        if (c->sgi_from[next.irq]) {
            c->word0.pending |= 1u << next.irq;
        }
    }
    update_cpu(s, cpu);
    return answer;
}

static void deactivate(GICv2 *s, unsigned cpu, unsigned irq)
{
    if (irq < s->parent.nb_irqs) {
        word_of(s, cpu, irq / 32)->active &= ~(1u << (irq & 31));
        if (irq < GIC_INTERNAL) {
            update_cpu(s, cpu);
        } else {
            update_all(s);
        }
    }
}

static void end_of_interrupt(GICv2 *s, unsigned cpu, uint32_t val)
{
    CPUInterface *c = &s->cpu[cpu];
    unsigned irq = val & 0x3ff;
    if (irq >= s->parent.nb_irqs) {
        return;
    }
    /* The highest active priority is dropped, of whichever group has it. */
    uint32_t all = c->apr[0] | c->apr[1];
    if (all) {
        uint32_t bit = all & -all;
        c->apr[c->apr[0] & bit ? 0 : 1] &= ~bit;
    }
    if (c->ctlr & GICC_EOIMODE) {
        update_cpu(s, cpu);
    } else {
        deactivate(s, cpu, irq);
    }
}

static unsigned accessing_cpu(const GICv2 *s)
{
    const VCPU *v = vcpu_current();
    unsigned cpu = v ? (unsigned)v->index : 0;
    return cpu < s->parent.nb_cpus ? cpu : 0;
}

static uint32_t highest_for_reading(GICv2 *s, unsigned cpu, unsigned group)
{
    Candidate next = highest_pending(s, cpu);
    if (next.irq != SPURIOUS && next.group != group && !(s->cpu[cpu].ctlr & GICC_ACKCTL)) {
        return group ? SPURIOUS : SPURIOUS_GROUP1;
    }
    return next.irq;
}

static uint32_t cpu_reg_read(GICv2 *s, unsigned cpu, hwaddr offset)
{
    CPUInterface *c = &s->cpu[cpu];
    switch (offset) {
    case 0x00:
        return c->ctlr;
    case 0x04:
        return c->pmr;
    case 0x08:
        return c->bpr;
    case 0x0c:
        return acknowledge(s, cpu, 0);
    case 0x14:
        return running_prio(c);
    case 0x18:
        return highest_for_reading(s, cpu, 0);
    case 0x1c:
        return c->abpr;
    case 0x20:
        return acknowledge(s, cpu, 1);
    case 0x28:
        return highest_for_reading(s, cpu, 1);
    case 0xd0:
        return c->apr[0];
    case 0xe0:
        return c->apr[1];
    case 0xfc:
        return 0x0002043b; /* GICv2, Arm */
    default:
        log_printf(LOG_GUEST_ERROR, "gicv2: read of GICC register %#x\n", (unsigned)offset);
        return 0;
    }
}

static void cpu_reg_write(GICv2 *s, unsigned cpu, hwaddr offset, uint32_t val)
{
    CPUInterface *c = &s->cpu[cpu];
    switch (offset) {
    case 0x00:
        c->ctlr = val & GICC_CTLR_MASK;
        break;
    case 0x04:
        c->pmr = val & PRIO_MASK;
        break;
    case 0x08:
        c->bpr = MAX(val & 7, 2);
        break;
    case 0x1c:
        c->abpr = MAX(val & 7, 3);
        break;
    case 0x10:
    case 0x24:
        end_of_interrupt(s, cpu, val);
        break;
    case 0xd0:
        c->apr[0] = val;
        break;
    case 0xe0:
        c->apr[1] = val;
        break;
    case 0x1000:
        deactivate(s, cpu, val & 0x3ff);
        break;
    default:
        log_printf(LOG_GUEST_ERROR, "gicv2: write to GICC register %#x\n", (unsigned)offset);
        break;
    }
    update_cpu(s, cpu);
}

static uint64_t cpu_read(void *opaque, hwaddr offset, unsigned size)
{
    GICv2 *s = opaque;
    (void)size;
    pthread_mutex_lock(&s->lock);
    uint32_t val = cpu_reg_read(s, accessing_cpu(s), offset);
    pthread_mutex_unlock(&s->lock);
    return val;
}

static void cpu_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    GICv2 *s = opaque;
    (void)size;
    pthread_mutex_lock(&s->lock);
    cpu_reg_write(s, accessing_cpu(s), offset, (uint32_t)val);
    pthread_mutex_unlock(&s->lock);
}

/* ---- distributor ------------------------------------------------------------------------- */

static void send_sgi(GICv2 *s, unsigned from, uint32_t val)
{
    unsigned sgi = val & 15, filter = val >> 24 & 3;
    uint32_t to = filter == 0   ? val >> 16 & 0xff
                  : filter == 1 ? ~(1u << from)
                  : filter == 2 ? 1u << from
                                : 0;
    to &= all_cpus(s);
    for (; to; to &= to - 1) {
        CPUInterface *c = &s->cpu[__builtin_ctz(to)];
        c->sgi_from[sgi] |= (uint8_t)(1u << from);
        c->word0.pending |= 1u << sgi;
    }
}

static uint32_t bits_read(GICv2 *s, unsigned cpu, unsigned what, unsigned n)
{
    return n < nb_words(s) ? gic_word_read(word_of(s, cpu, n), what) : 0;
}

static void bits_write(GICv2 *s, unsigned cpu, unsigned what, unsigned n, uint32_t val)
{
    if (n < nb_words(s)) {
        /* SGIs are always enabled, and pend by their own registers. */
        gic_word_write(word_of(s, cpu, n), what, val, n ? ~0u : 0xffff0000);
    }
}

static uint8_t byte_read(GICv2 *s, unsigned cpu, hwaddr offset)
{
    unsigned irq = offset & 0x3ff;
    if (offset >= 0xf10 && offset < 0xf30) {
        return s->cpu[cpu].sgi_from[offset & 15];
    }
    if (irq >= s->parent.nb_irqs) {
        return 0;
    }
    if (offset < 0x800) {
        return *prio_of(s, cpu, irq);
    }
    if (s->parent.nb_cpus == 1) {
        return 0;
    }
    return irq < GIC_INTERNAL ? (uint8_t)(1u << cpu) : s->targets[irq];
}

static void byte_write(GICv2 *s, unsigned cpu, hwaddr offset, uint8_t val)
{
    unsigned irq = offset & 0x3ff;
    CPUInterface *c = &s->cpu[cpu];
    if (offset >= 0xf10 && offset < 0xf30) {
        unsigned sgi = offset & 15;
        val &= (uint8_t)all_cpus(s);
        c->sgi_from[sgi] =
            offset < 0xf20 ? c->sgi_from[sgi] & (uint8_t)~val : c->sgi_from[sgi] | val;
        c->word0.pending &= ~(1u << sgi);
        c->word0.pending |= (uint32_t)(c->sgi_from[sgi] != 0) << sgi;
    } else if (irq >= s->parent.nb_irqs) {
        return;
    } else if (offset < 0x800) {
        *prio_of(s, cpu, irq) = val & PRIO_MASK;
    } else if (irq >= GIC_INTERNAL && s->parent.nb_cpus > 1) {
        s->targets[irq] = val & (uint8_t)all_cpus(s);
    }
}

/* Two bits an interrupt, of which the upper says edge. */
static uint32_t config_read(GICv2 *s, unsigned cpu, unsigned reg)
{
    uint32_t half, val = 0;
    if (reg / 2 >= nb_words(s)) {
        return 0;
    }
    half = word_of(s, cpu, reg / 2)->edge >> (reg & 1) * 16;
    for (unsigned i = 0; i < 16; i++) {
        val |= (half >> i & 1) << (2 * i + 1);
    }
    return val;
}

static void config_write(GICv2 *s, unsigned cpu, unsigned reg, uint32_t val)
{
    uint32_t half = 0, shift = (reg & 1) * 16;
    if (reg == 0 || reg / 2 >= nb_words(s)) {
        return; /* SGIs are edges */
    }
    for (unsigned i = 0; i < 16; i++) {
        half |= (val >> (2 * i + 1) & 1) << i;
    }
    GICWord *w = word_of(s, cpu, reg / 2);
    w->edge = (w->edge & ~(0xffffu << shift)) | half << shift;
}

static bool is_bytes(hwaddr offset)
{
    return (offset >= 0x400 && offset < 0xc00) || (offset >= 0xf10 && offset < 0xf30);
}

static uint32_t dist_reg_read(GICv2 *s, unsigned cpu, hwaddr offset)
{
    if (offset >= 0x80 && offset < 0x400) {
        return bits_read(s, cpu, (unsigned)offset >> 7, (offset & 0x7f) >> 2);
    }
    if (offset >= 0xc00 && offset < 0xd00) {
        return config_read(s, cpu, (offset & 0xff) >> 2);
    }
    switch (offset) {
    case 0x000:
        return s->ctlr;
    case 0x004:
        return nb_words(s) - 1 + ((s->parent.nb_cpus - 1) << 5);
    case 0x008:
        return 0x0000043b; /* Arm */
    case 0xfe0:
        return 0x90;
    case 0xfe4:
        return 0xb4;
    case 0xfe8:
        return 0x2b; /* ArchRev 2 */
    case 0xff0:
        return 0x0d;
    case 0xff4:
        return 0xf0;
    case 0xff8:
        return 0x05;
    case 0xffc:
        return 0xb1;
    default:
        return 0;
    }
}

static void dist_reg_write(GICv2 *s, unsigned cpu, hwaddr offset, uint32_t val)
{
    if (offset >= 0x80 && offset < 0x400) {
        bits_write(s, cpu, (unsigned)offset >> 7, (offset & 0x7f) >> 2, val);
    } else if (offset >= 0xc00 && offset < 0xd00) {
        config_write(s, cpu, (offset & 0xff) >> 2, val);
    } else if (offset == 0) {
        s->ctlr = val & 3;
    } else if (offset == 0xf00) {
        send_sgi(s, cpu, val);
    } else {
        log_printf(LOG_GUEST_ERROR, "gicv2: write to GICD register %#x\n", (unsigned)offset);
    }
}

static uint64_t dist_read(void *opaque, hwaddr offset, unsigned size)
{
    GICv2 *s = opaque;
    uint64_t val = 0;
    pthread_mutex_lock(&s->lock);
    unsigned cpu = accessing_cpu(s);
    if (is_bytes(offset)) {
        for (unsigned i = 0; i < size; i++) {
            val |= (uint64_t)byte_read(s, cpu, offset + i) << i * 8;
        }
    } else {
        val = dist_reg_read(s, cpu, offset & ~3ull) >> (offset & 3) * 8;
    }
    pthread_mutex_unlock(&s->lock);
    return val;
}

static void dist_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    GICv2 *s = opaque;
    pthread_mutex_lock(&s->lock);
    unsigned cpu = accessing_cpu(s);
    if (is_bytes(offset)) {
        for (unsigned i = 0; i < size; i++) {
            byte_write(s, cpu, offset + i, (uint8_t)(val >> i * 8));
        }
    } else if (size == 4) {
        dist_reg_write(s, cpu, offset, (uint32_t)val);
    }
    update_all(s);
    pthread_mutex_unlock(&s->lock);
}

static const MemoryRegionOps dist_ops = {
    .read = dist_read,
    .write = dist_write,
    .valid = { .max = 4 },
    .lockless = true,
};
static const MemoryRegionOps cpu_ops = {
    .read = cpu_read,
    .write = cpu_write,
    .valid = { .min = 4, .max = 4 },
    .lockless = true,
};

/* ---- the device -------------------------------------------------------------------------- */

static void gicv2_reset(Device *dev)
{
    GICv2 *s = (GICv2 *)dev;
    pthread_mutex_lock(&s->lock);
    s->ctlr = 0;
    memset(s->prio, 0, sizeof(s->prio));
    /* With one CPU there is nothing to choose. */
    memset(s->targets, s->parent.nb_cpus == 1, sizeof(s->targets));
    for (unsigned n = 0; n < GIC_MAX_WORDS; n++) {
        uint32_t level = s->words[n].level; /* wires stay as they are */
        s->words[n] = (GICWord){ .level = level };
    }
    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
        uint32_t level = s->cpu[cpu].word0.level;
        s->cpu[cpu] = (CPUInterface){ .bpr = 2, .abpr = 3 };
        s->cpu[cpu].word0 = (GICWord){ .level = level, .enabled = 0xffff, .edge = 0xffff };
    }
    update_all(s);
    pthread_mutex_unlock(&s->lock);
}

static bool gicv2_realize(Device *dev, GError **err)
{
    GICv2 *s = (GICv2 *)dev;
    if (s->parent.nb_cpus < 1 || s->parent.nb_cpus > MAX_CPUS) {
        g_set_error(err, HW_ERROR, 0, "GICv2 serves 1 to %d CPUs, not %u (gic-version=3 more)",
                    MAX_CPUS, s->parent.nb_cpus);
        return false;
    }
    if (s->parent.nb_irqs % 32 || s->parent.nb_irqs > 1020) {
        g_set_error(err, HW_ERROR, 0, "num-irq=%u is not a multiple of 32, at most 992",
                    s->parent.nb_irqs);
        return false;
    }
    pthread_mutex_init(&s->lock, NULL);
    s->parent.set_irq = set_irq;
    memory_region_init_io(&s->dist, "gic_dist", 0x1000, &dist_ops, s);
    memory_region_init_io(&s->cpu_regs, "gic_cpu", 0x2000, &cpu_ops, s);
    s->parent.parent.mmio[0] = &s->dist;
    s->parent.parent.mmio[1] = &s->cpu_regs;
    gicv2_reset(dev);
    return true;
}

static void gicv2_unrealize(Device *dev)
{
    GICv2 *s = (GICv2 *)dev;
    memory_region_cleanup(&s->dist);
    memory_region_cleanup(&s->cpu_regs);
    gic_free(&s->parent);
    pthread_mutex_destroy(&s->lock);
}

static const StateField state[] = {
    STATE(GICv2, ctlr),
    { "words", offsetof(GICv2, words), 4, sizeof(((GICv2 *)0)->words) / 4 },
    STATE_ARRAY(GICv2, prio),
    STATE_ARRAY(GICv2, targets),
    { "cpu", offsetof(GICv2, cpu), sizeof(CPUInterface), MAX_CPUS },
    { .name = NULL },
};

static const DeviceType gicv2 = {
    .name = "arm_gic",
    .bus = "sysbus",
    .category = "misc",
    .desc = "Arm GICv2",
    .size = sizeof(GICv2),
    .props = gic_props,
    .realize = gicv2_realize,
    .unrealize = gicv2_unrealize,
    .reset = gicv2_reset,
    .state = state,
    .state_version = 1,
};
DEVICE_TYPE(gicv2)
