/* SPDX-License-Identifier: MIT */
/* GICv3: the device, and which interrupt comes next. ARM IHI 0069H. */
#include <string.h>
#include "hw/intc/gicv3-internal.h"
#include "hw/machine.h"
#include "target/arm-system.h"

GICWord *gicv3_word(GICv3 *s, GICv3CPU *c, unsigned n)
{
    return n ? &s->words[n] : &c->word0;
}

GICv3CPU *gicv3_find_cpu(GICv3 *s, uint64_t affinity)
{
    for (unsigned i = 0; i < s->parent.nb_cpus; i++) {
        if (s->cpus[i].affinity == affinity) {
            return &s->cpus[i];
        }
    }
    return NULL;
}

/* ---- which interrupt comes next ---------------------------------------------------------- */

static void consider(GICCandidate *best, uint32_t irq, uint32_t prio, uint32_t group)
{
    if (prio < best->prio) {
        *best = (GICCandidate){ irq, prio, group };
    }
}

static uint32_t deliverable(const GICv3 *s, const GICWord *w)
{
    uint32_t groups = (s->ctlr & GICD_EN0 ? ~w->group : 0) | (s->ctlr & GICD_EN1 ? w->group : 0);
    return gic_word_pending(w) & w->enabled & ~w->active & groups;
}

static GICCandidate highest_pending(GICv3CPU *c)
{
    GICv3 *s = c->gic;
    GICCandidate best = { GICV3_SPURIOUS, GICV3_NO_PRIO, 0 };
    for (uint32_t bits = deliverable(s, &c->word0); bits; bits &= bits - 1) {
        unsigned irq = (unsigned)__builtin_ctz(bits);
        consider(&best, irq, c->prio0[irq], c->word0.group >> irq & 1);
    }
    for (unsigned n = 1; n < s->parent.nb_irqs / 32; n++) {
        for (uint32_t bits = deliverable(s, &s->words[n]); bits; bits &= bits - 1) {
            unsigned irq = n * 32 + (unsigned)__builtin_ctz(bits);
            if (s->target[irq] == c->index) {
                consider(&best, irq, s->prio[irq], s->words[n].group >> (irq & 31) & 1);
            }
        }
    }
    if (c->lpi.prio != GICV3_NO_PRIO && s->ctlr & GICD_EN1) {
        consider(&best, c->lpi.irq, c->lpi.prio, 1);
    }
    return best;
}

/* Group 0 comes as FIQ, group 1 as IRQ. */
static void drive_lines(GICv3CPU *c, bool signalled)
{
    GICCPU *out = c->gic->parent.cpus ? &c->gic->parent.cpus[c->index] : NULL;
    if (out) {
        irq_set(&out->irq, signalled && c->next.group);
        irq_set(&out->fiq, signalled && !c->next.group);
    }
}

void gicv3_update_cpu(GICv3CPU *c)
{
    c->next = highest_pending(c);
    drive_lines(c, gicv3_signalled(c));
}

void gicv3_update_all(GICv3 *s)
{
    for (unsigned i = 0; i < s->parent.nb_cpus; i++) {
        gicv3_update_cpu(&s->cpus[i]);
    }
}

static void set_irq(GICDevice *gic, int cpu, int irq, int level)
{
    GICv3 *s = (GICv3 *)gic;
    pthread_mutex_lock(&s->lock);
    GICv3CPU *c = &s->cpus[cpu];
    GICWord *w = gicv3_word(s, c, (unsigned)irq / 32);
    uint32_t bit = 1u << (irq & 31);
    if (!(w->level & bit) != !level) {
        w->level ^= bit;
        if (level && w->edge & bit) {
            w->pending |= bit;
        }
        if (irq < GIC_INTERNAL) {
            gicv3_update_cpu(c);
        } else if (s->target[irq] != GICV3_NO_TARGET) {
            gicv3_update_cpu(&s->cpus[s->target[irq]]);
        }
    }
    pthread_mutex_unlock(&s->lock);
}

void gicv3_send_sgi(GICv3CPU *c, unsigned sgi, unsigned group)
{
    if ((c->word0.group >> sgi & 1) == group) {
        c->word0.pending |= 1u << sgi;
        gicv3_update_cpu(c);
    }
}

/* ---- the device -------------------------------------------------------------------------- */

static void gicv3_reset(Device *dev)
{
    GICv3 *s = (GICv3 *)dev;
    pthread_mutex_lock(&s->lock);
    s->ctlr = GICD_DS | GICD_ARE;
    memset(s->prio, 0, sizeof(s->prio));
    memset(s->route, 0, sizeof(s->route));
    memset(s->target, 0, sizeof(s->target)); /* affinity 0 is the first CPU */
    for (unsigned n = 0; n < GIC_MAX_WORDS; n++) {
        s->words[n] = (GICWord){ .level = s->words[n].level }; /* wires stay */
    }
    for (unsigned i = 0; i < s->parent.nb_cpus; i++) {
        gicv3_redist_reset(&s->cpus[i]);
        gicv3_cpuif_reset(&s->cpus[i]);
    }
    gicv3_update_all(s);
    pthread_mutex_unlock(&s->lock);
}

static void make_cpu(GICv3 *s, unsigned i)
{
    GICv3CPU *c = &s->cpus[i];
    VCPU *v = s->parent.cpus ? s->parent.cpus[i].vcpu : NULL;
    c->gic = s;
    c->index = i;
    c->affinity = v ? arm_cpu_affinity(v) : i;
    if (v) {
        gicv3_cpuif_register(c, v);
    }
}

static bool gicv3_realize(Device *dev, GError **err)
{
    GICv3 *s = (GICv3 *)dev;
    if (s->parent.nb_irqs % 32 || s->parent.nb_irqs > 1020 || s->parent.nb_cpus < 1 ||
        s->parent.nb_cpus > 512) {
        g_set_error(err, HW_ERROR, 0,
                    "num-irq=%u is not a multiple of 32, at most 992, or "
                    "num-cpus=%u not in 1…512",
                    s->parent.nb_irqs, s->parent.nb_cpus);
        return false;
    }
    pthread_mutex_init(&s->lock, NULL);
    s->parent.set_irq = set_irq;
    s->memory = machine_current() ? machine_current()->memory : NULL;
    s->has_lpis &= s->memory != NULL;
    s->cpus = g_new0(GICv3CPU, s->parent.nb_cpus);
    for (unsigned i = 0; i < s->parent.nb_cpus; i++) {
        make_cpu(s, i);
    }
    memory_region_init_io(&s->dist, "gicv3_dist", 0x10000, &gicv3_dist_ops, s);
    memory_region_init_io(&s->redists, "gicv3_redist",
                          (uint64_t)GICV3_REDIST_SIZE * s->parent.nb_cpus, &gicv3_redist_ops, s);
    s->parent.parent.mmio[0] = &s->dist;
    s->parent.parent.mmio[1] = &s->redists;
    gicv3_reset(dev);
    return true;
}

static void gicv3_unrealize(Device *dev)
{
    GICv3 *s = (GICv3 *)dev;
    memory_region_cleanup(&s->dist);
    memory_region_cleanup(&s->redists);
    for (unsigned i = 0; i < s->parent.nb_cpus; i++) {
        g_free(s->cpus[i].lpi_pending);
    }
    g_free(s->cpus);
    gic_free(&s->parent);
    pthread_mutex_destroy(&s->lock);
}

static const Property props[] = {
    { .name = "has-lpi",
      .kind = PROP_BOOL,
      .offset = offsetof(GICv3, has_lpis),
      .preset = "on",
      .doc = "message interrupts (LPIs)" },
    { .name = NULL },
};

/* Properties num-cpus and num-irq are GICDevice's. */
static const DeviceType gic_type = {
    .name = "arm-gic-common",
    .bus = "sysbus",
    .size = sizeof(GICDevice),
    .props = gic_props,
};

static const DeviceType gicv3 = {
    .name = "arm-gicv3",
    .category = "misc",
    .desc = "Arm GICv3",
    .parent = &gic_type,
    .size = sizeof(GICv3),
    .props = props,
    .realize = gicv3_realize,
    .unrealize = gicv3_unrealize,
    .reset = gicv3_reset,
};
DEVICE_TYPE(gicv3)
