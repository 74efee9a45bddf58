/* SPDX-License-Identifier: MIT */
/* What GICv2 and GICv3 share: their inputs. */
#include "hw/intc/gic.h"

struct GICInput {
    GICDevice *gic;
    int cpu;
};

static void input(void *opaque, int n, int level)
{
    const struct GICInput *in = opaque;
    in->gic->set_irq(in->gic, in->cpu, n, level);
}

static IRQLine line(GICDevice *gic, int cpu, int irq)
{
    if (!gic->inputs) {
        gic->inputs = g_new(struct GICInput, gic->nb_cpus);
        for (uint32_t i = 0; i < gic->nb_cpus; i++) {
            gic->inputs[i] = (struct GICInput){ gic, (int)i };
        }
    }
    return (IRQLine){ input, &gic->inputs[cpu], irq };
}

IRQLine gic_spi(GICDevice *gic, int n)
{
    g_assert(n >= 0 && (uint32_t)n + GIC_INTERNAL < gic->nb_irqs);
    return line(gic, 0, n + GIC_INTERNAL);
}

IRQLine gic_ppi(GICDevice *gic, int cpu, int n)
{
    g_assert(n >= 16 && n < GIC_INTERNAL && (uint32_t)cpu < gic->nb_cpus);
    return line(gic, cpu, n);
}

void gic_connect_cpu(GICDevice *gic, unsigned i, VCPU *vcpu, IRQLine irq, IRQLine fiq)
{
    if (!gic->cpus) {
        gic->cpus = g_new0(GICCPU, gic->nb_cpus);
    }
    gic->cpus[i] = (GICCPU){ vcpu, irq, fiq };
}

void gic_free(GICDevice *gic)
{
    g_clear_pointer(&gic->inputs, g_free);
    g_clear_pointer(&gic->cpus, g_free);
}

const Property gic_props[] = {
    { .name = "num-cpus",
      .kind = PROP_U32,
      .offset = offsetof(GICDevice, nb_cpus),
      .preset = "1",
      .doc = "CPUs it serves" },
    { .name = "num-irq",
      .kind = PROP_U32,
      .offset = offsetof(GICDevice, nb_irqs),
      .preset = "288",
      .min = 64,
      .max = 1024,
      .doc = "interrupt numbers, private ones included: a multiple of 32" },
    { .name = NULL },
};
