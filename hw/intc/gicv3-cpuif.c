/* SPDX-License-Identifier: MIT */
/* GICv3's CPU interface: the ICC_* system registers. ARM IHI 0069H, chapter 12.2. */
#include "hw/intc/gicv3-internal.h"
#include "target/arm-system.h"

enum {
    CTLR_CBPR = 1,
    CTLR_EOIMODE = 2,
    MIN_BPR0 = 7 - GICV3_PRIO_BITS,
    MIN_BPR1 = MIN_BPR0 + 1,
};

/* The part of a priority that preempts. */
static uint32_t group_prio(const GICv3CPU *c, uint32_t prio, unsigned group)
{
    unsigned point = group && !(c->icc_ctlr & CTLR_CBPR) ? c->bpr[1] - 1 : c->bpr[0];
    return prio & (0xffu << (point + 1)) & 0xff;
}

static uint32_t running_prio(const GICv3CPU *c)
{
    uint32_t active = c->apr[0] | c->apr[1];
    return active ? (uint32_t)__builtin_ctz(active) << (8 - GICV3_PRIO_BITS) : GICV3_IDLE_PRIO;
}

bool gicv3_signalled(const GICv3CPU *c)
{
    return c->next.prio < c->pmr && c->enabled[c->next.group] &&
           group_prio(c, c->next.prio, c->next.group) < running_prio(c);
}

static void activate(GICv3CPU *c)
{
    uint32_t irq = c->next.irq;
    c->apr[c->next.group] |=
        1u << (group_prio(c, c->next.prio, c->next.group) >> (8 - GICV3_PRIO_BITS));
    if (irq >= GICV3_LPI_BASE) {
        gicv3_lpi_set(c, irq, false); /* LPIs have no active state */
    } else {
        GICWord *w = gicv3_word(c->gic, c, irq / 32);
        w->active |= 1u << (irq & 31);
        w->pending &= ~(1u << (irq & 31));
    }
    gicv3_update_cpu(c);
}

static void deactivate(GICv3CPU *c, uint32_t irq)
{
    GICv3 *s = c->gic;
    if (irq >= s->parent.nb_irqs) {
        return;
    }
    gicv3_word(s, c, irq / 32)->active &= ~(1u << (irq & 31));
    if (irq < GIC_INTERNAL || s->target[irq] == GICV3_NO_TARGET) {
        gicv3_update_cpu(c);
    } else {
        gicv3_update_cpu(&s->cpus[s->target[irq]]);
    }
}

/* ---- registers; ARMSysReg.offset is the group where there are two -------------------------- */

#define READ(name)                                                                      \
    static uint64_t name(G_GNUC_UNUSED CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, \
                         void *opaque)
#define WRITE(name)                                                                 \
    static void name(G_GNUC_UNUSED CPUState *cpu, G_GNUC_UNUSED const ARMSysReg *r, \
                     G_GNUC_UNUSED uint64_t val, void *opaque)
#define LOCKED(c)         \
    GICv3CPU *c = opaque; \
    pthread_mutex_lock(&c->gic->lock)
#define UNLOCK(c) pthread_mutex_unlock(&c->gic->lock)

READ(iar_read)
{
    LOCKED(c);
    uint64_t irq = GICV3_SPURIOUS;
    if (gicv3_signalled(c) && c->next.group == r->offset) {
        irq = c->next.irq;
        activate(c);
    }
    UNLOCK(c);
    return irq;
}

READ(hppir_read)
{
    LOCKED(c);
    uint64_t irq =
        c->next.prio != GICV3_NO_PRIO && c->next.group == r->offset ? c->next.irq : GICV3_SPURIOUS;
    UNLOCK(c);
    return irq;
}

WRITE(eoir_write)
{
    LOCKED(c);
    uint32_t irq = val & 0xffffff, *apr = &c->apr[r->offset];
    if (irq < 1020 || irq >= GICV3_LPI_BASE) {
        *apr &= *apr - 1; /* the highest active priority is dropped */
        if (!(c->icc_ctlr & CTLR_EOIMODE)) {
            deactivate(c, irq);
        }
        gicv3_update_cpu(c);
    }
    UNLOCK(c);
}

WRITE(dir_write)
{
    LOCKED(c);
    if (c->icc_ctlr & CTLR_EOIMODE) {
        deactivate(c, val & 0xffffff);
    }
    UNLOCK(c);
}

READ(pmr_read)
{
    return ((GICv3CPU *)opaque)->pmr;
}

WRITE(pmr_write)
{
    LOCKED(c);
    c->pmr = val & GICV3_PRIO_MASK;
    gicv3_update_cpu(c);
    UNLOCK(c);
}

READ(bpr_read)
{
    const GICv3CPU *c = opaque;
    if (r->offset == 1 && c->icc_ctlr & CTLR_CBPR) {
        return MIN(c->bpr[0] + 1, 7);
    }
    return c->bpr[r->offset];
}

WRITE(bpr_write)
{
    LOCKED(c);
    unsigned group = r->offset, min = group ? MIN_BPR1 : MIN_BPR0;
    if (!group || !(c->icc_ctlr & CTLR_CBPR)) {
        c->bpr[group] = MAX(val & 7, min);
        gicv3_update_cpu(c);
    }
    UNLOCK(c);
}

READ(apr_read)
{
    return ((GICv3CPU *)opaque)->apr[r->offset];
}

WRITE(apr_write)
{
    LOCKED(c);
    c->apr[r->offset] = (uint32_t)val;
    gicv3_update_cpu(c);
    UNLOCK(c);
}

READ(rpr_read)
{
    LOCKED(c);
    uint64_t prio = running_prio(c);
    UNLOCK(c);
    return prio;
}

/* A3V, IDbits 24, PRIbits. */
READ(ctlr_read)
{
    const GICv3CPU *c = opaque;
    return 1 << 15 | 1 << 11 | (GICV3_PRIO_BITS - 1) << 8 | c->icc_ctlr;
}

WRITE(ctlr_write)
{
    LOCKED(c);
    c->icc_ctlr = val & (CTLR_CBPR | CTLR_EOIMODE);
    gicv3_update_cpu(c);
    UNLOCK(c);
}

READ(igrpen_read)
{
    return ((GICv3CPU *)opaque)->enabled[r->offset];
}

WRITE(igrpen_write)
{
    LOCKED(c);
    c->enabled[r->offset] = val & 1;
    gicv3_update_cpu(c);
    UNLOCK(c);
}

/* The CPUs Aff0 = 16 * RS + (bits of the list) in the cluster Aff3.Aff2.Aff1, or all others. */
WRITE(sgi_write)
{
    LOCKED(c);
    GICv3 *s = c->gic;
    unsigned sgi = val >> 24 & 15, group = r->offset;
    bool all_others = val >> 40 & 1;
    uint64_t cluster =
        (val >> 48 & 0xff) << 32 | (val >> 32 & 0xff) << 16 | (val >> 16 & 0xff) << 8;
    unsigned base = (unsigned)(val >> 44 & 15) * 16;
    for (unsigned i = 0; i < s->parent.nb_cpus; i++) {
        GICv3CPU *to = &s->cpus[i];
        unsigned aff0 = (to->affinity & 0xff) - base;
        bool listed = (to->affinity & ~0xffull) == cluster && aff0 < 16 && val >> aff0 & 1;
        if (all_others ? to != c : listed) {
            gicv3_send_sgi(to, sgi, group);
        }
    }
    UNLOCK(c);
}

/* System registers only: SRE, DFB, DIB. */
READ(sre_read)
{
    (void)opaque;
    return 7;
}

WRITE(sre_write)
{
    (void)opaque;
}

#define ROW(n, op1, crm, op2, acc, group, rd, wr)                                                 \
    {                                                                                             \
        .name = n, .key = ARM_SYSREG(3, op1, 12, crm, op2), .access = acc, .flags = ARM_REG_ENDS, \
        .offset = group, .read = rd, .write = wr                                                  \
    }
#define PMR_ROW                                                                     \
    {                                                                               \
        .name = "ICC_PMR_EL1", .key = ARM_SYSREG(3, 0, 4, 6, 0), .access = ARM_RW1, \
        .flags = ARM_REG_ENDS, .read = pmr_read, .write = pmr_write                 \
    }

static const ARMSysReg regs[] = {
    PMR_ROW,
    ROW("ICC_IAR0_EL1", 0, 8, 0, ARM_R1 | ARM_R2 | ARM_R3, 0, iar_read, NULL),
    ROW("ICC_EOIR0_EL1", 0, 8, 1, ARM_W1 | ARM_W2 | ARM_W3, 0, NULL, eoir_write),
    ROW("ICC_HPPIR0_EL1", 0, 8, 2, ARM_R1, 0, hppir_read, NULL),
    ROW("ICC_BPR0_EL1", 0, 8, 3, ARM_RW1, 0, bpr_read, bpr_write),
    ROW("ICC_AP0R0_EL1", 0, 8, 4, ARM_RW1, 0, apr_read, apr_write),
    ROW("ICC_AP1R0_EL1", 0, 9, 0, ARM_RW1, 1, apr_read, apr_write),
    ROW("ICC_DIR_EL1", 0, 11, 1, ARM_W1, 0, NULL, dir_write),
    ROW("ICC_RPR_EL1", 0, 11, 3, ARM_R1, 0, rpr_read, NULL),
    ROW("ICC_SGI1R_EL1", 0, 11, 5, ARM_W1, 1, NULL, sgi_write),
    ROW("ICC_ASGI1R_EL1", 0, 11, 6, ARM_W1, 1, NULL, sgi_write),
    ROW("ICC_SGI0R_EL1", 0, 11, 7, ARM_W1, 0, NULL, sgi_write),
    ROW("ICC_IAR1_EL1", 0, 12, 0, ARM_R1, 1, iar_read, NULL),
    ROW("ICC_EOIR1_EL1", 0, 12, 1, ARM_W1, 1, NULL, eoir_write),
    ROW("ICC_HPPIR1_EL1", 0, 12, 2, ARM_R1, 1, hppir_read, NULL),
    ROW("ICC_BPR1_EL1", 0, 12, 3, ARM_RW1, 1, bpr_read, bpr_write),
    ROW("ICC_CTLR_EL1", 0, 12, 4, ARM_RW1, 0, ctlr_read, ctlr_write),
    ROW("ICC_SRE_EL1", 0, 12, 5, ARM_RW1, 0, sre_read, sre_write),
    ROW("ICC_IGRPEN0_EL1", 0, 12, 6, ARM_RW1, 0, igrpen_read, igrpen_write),
    ROW("ICC_IGRPEN1_EL1", 0, 12, 7, ARM_RW1, 1, igrpen_read, igrpen_write),
};

void gicv3_cpuif_register(GICv3CPU *c, VCPU *v)
{
    arm_cpu_register_sysregs(v, regs, G_N_ELEMENTS(regs), c);
}

void gicv3_cpuif_reset(GICv3CPU *c)
{
    c->icc_ctlr = c->pmr = 0;
    c->bpr[0] = MIN_BPR0;
    c->bpr[1] = MIN_BPR1;
    c->enabled[0] = c->enabled[1] = 0;
    c->apr[0] = c->apr[1] = 0;
}
