/* SPDX-License-Identifier: MIT */
/*
 * GICv3: what the distributor, the redistributors, the CPU interfaces and the ITS share. One
 * security state (GICD_CTLR.DS = 1), affinity routing always on. ARM IHI 0069H.
 */
#ifndef HW_INTC_GICV3_INTERNAL_H
#define HW_INTC_GICV3_INTERNAL_H

#include <pthread.h>
#include "hw/intc/gic-word.h"
#include "hw/intc/gic.h"

enum {
    GICV3_SPURIOUS = 1023,
    GICV3_LPI_BASE = 8192,
    GICV3_PRIO_BITS = 5,
    GICV3_PRIO_MASK = 0xf8,
    GICV3_IDLE_PRIO = 0xff,
    GICV3_NO_PRIO = 256, /* nothing pending */
    GICV3_ID_BITS = 16,  /* of INTIDs, LPIs included */
    GICV3_MAX_LPIS = (1 << GICV3_ID_BITS) - GICV3_LPI_BASE,
    GICV3_REDIST_SIZE = 0x20000,
};

/* GICD_CTLR */
enum { GICD_EN0 = 1, GICD_EN1 = 2, GICD_ARE = 1 << 4, GICD_DS = 1 << 6 };
/* GICR_CTLR */
enum { GICR_ENABLE_LPIS = 1 };

typedef struct GICv3 GICv3;

typedef struct GICCandidate {
    uint32_t irq, prio, group;
} GICCandidate;

typedef struct GICv3CPU {
    GICv3 *gic;
    unsigned index;
    uint64_t affinity; /* as in MPIDR */
    /* Redistributor. */
    GICWord word0;
    uint8_t prio0[GIC_INTERNAL];
    uint32_t ctlr, waker;
    uint64_t propbaser, pendbaser;
    uint8_t *lpi_pending; /* a bit an LPI; NULL: LPIs are off */
    GICCandidate lpi;     /* the best pending and enabled LPI */
    /* CPU interface. */
    uint32_t icc_ctlr, pmr, bpr[2], enabled[2];
    uint32_t apr[2];   /* active priorities by group: a bit for each of 32 levels */
    GICCandidate next; /* the best of all */
} GICv3CPU;

struct GICv3 {
    GICDevice parent;
    MemoryRegion dist, redists;
    pthread_mutex_t lock;
    uint32_t ctlr;
    bool has_lpis;
    AddressSpace *memory;         /* for LPI tables */
    GICWord words[GIC_MAX_WORDS]; /* [0] is not used */
    uint8_t prio[1024];
    uint64_t route[1024];  /* GICD_IROUTER */
    uint16_t target[1024]; /* the CPU of route; GICV3_NO_TARGET: none has this affinity */
    GICv3CPU *cpus;
};
enum { GICV3_NO_TARGET = 0xffff };

/* ---- with the lock held ------------------------------------------------------------------- */

GICWord *gicv3_word(GICv3 *s, GICv3CPU *c, unsigned n);
/* Finds again what comes next for a CPU, and drives its lines. */
void gicv3_update_cpu(GICv3CPU *c);
void gicv3_update_all(GICv3 *s);
/* Whether `next` is to interrupt the CPU. */
bool gicv3_signalled(const GICv3CPU *c);
/* Looks again which LPI comes first: the table of priorities may have changed. */
void gicv3_lpi_update(GICv3CPU *c);
void gicv3_lpi_enable(GICv3CPU *c);
void gicv3_lpi_disable(GICv3CPU *c);
/* From RAM only, as the lock is held: a table elsewhere reads as zeros. */
void gicv3_read_table(GICv3 *s, hwaddr addr, void *buf, uint64_t len);
/* An LPI becomes pending, or is not any more. */
void gicv3_lpi_set(GICv3CPU *c, uint32_t irq, bool pending);
bool gicv3_lpi_is_pending(const GICv3CPU *c, uint32_t irq);
void gicv3_lpi_move_all(GICv3CPU *from, GICv3CPU *to);
/* The CPU with this affinity (as in MPIDR_EL1); NULL: none. */
GICv3CPU *gicv3_find_cpu(GICv3 *s, uint64_t affinity);

extern const MemoryRegionOps gicv3_dist_ops, gicv3_redist_ops;
void gicv3_redist_reset(GICv3CPU *c);
void gicv3_cpuif_reset(GICv3CPU *c);
/* Adds ICC_* to the CPU's system registers. */
void gicv3_cpuif_register(GICv3CPU *c, VCPU *v);
/* An SGI to c. */
void gicv3_send_sgi(GICv3CPU *c, unsigned sgi, unsigned group);

#endif
