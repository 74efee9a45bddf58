/* SPDX-License-Identifier: MIT */
/*
 * Arm's interrupt controllers as boards wire them. INTIDs: 0–15 software (SGI), 16–31 private to a
 * CPU (PPI), from 32 on shared (SPI), from 8192 on messages (LPI, GICv3 with ITS).
 *
 * Each locks itself: its registers are lockless, and its inputs may be driven by any thread.
 */
#ifndef HW_INTC_GIC_H
#define HW_INTC_GIC_H

#include "hw/device.h"
#include "hw/vcpu.h"

enum {
    GIC_INTERNAL = 32, /* SGIs and PPIs */
    GIC_MAX_SPI = 960,
    GIC_MAX_WORDS = 32, /* of 32 INTIDs */
};

/* Common to both: begins with what boards use. Properties: num-cpus, num-irq (INTIDs, 32 + SPIs).
 */
typedef struct GICDevice {
    SysBusDevice parent;
    uint32_t nb_cpus, nb_irqs;
    /* What the inputs do; set by realize. irq: an INTID from 16 on; cpu: for PPIs. */
    void (*set_irq)(struct GICDevice *gic, int cpu, int irq, int level);
    struct GICInput *inputs;
    struct GICCPU *cpus; /* nb_cpus, as connected */
} GICDevice;

typedef struct GICCPU {
    VCPU *vcpu; /* NULL in tests of registers */
    IRQLine irq, fiq;
} GICCPU;
/* Before realize, for each CPU. */
void gic_connect_cpu(GICDevice *gic, unsigned i, VCPU *vcpu, IRQLine irq, IRQLine fiq);

/* Lines into a realized controller: SPI n is INTID 32 + n, PPI n is INTID n (16…31). */
IRQLine gic_spi(GICDevice *gic, int n);
IRQLine gic_ppi(GICDevice *gic, int cpu, int n);
/* The GICv3 that an arm-gicv3-its feeds: before it is realized. */
void gicv3_its_connect(Device *its, GICDevice *gic);
void gic_free(GICDevice *gic); /* for their unrealize */
extern const Property gic_props[];

/*
 * Types, by device_type_find: "arm_gic" (GICv2; regions: distributor, CPU interface),
 * "arm_gicv2m" (messages to SPIs), "arm-gicv3" (distributor, redistributors, …),
 * "arm-gicv3-its".
 */

#endif
