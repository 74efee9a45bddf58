/* SPDX-License-Identifier: MIT */
/*
 * GICv3: message interrupts (LPIs) of a redistributor. Their configuration is a table in guest
 * memory, a byte each; what is pending is kept here, as GICR_PENDBASER's table need hold it only
 * while LPIs are off. ARM IHI 0069H, chapter 5.
 */
#include <string.h>
#include "hw/intc/gicv3-internal.h"

enum { CONFIG_ENABLE = 1, CONFIG_PRIO = 0xfc };

void gicv3_read_table(GICv3 *s, hwaddr addr, void *buf, uint64_t len)
{
    for (uint64_t done = 0; done < len;) {
        uint64_t n = len - done;
        const void *ram = address_space_map(s->memory, addr + done, &n, false);
        n = ram ? n : len - done;
        if (ram) {
            memcpy((char *)buf + done, ram, n);
        } else {
            memset((char *)buf + done, 0, n);
        }
        done += n;
    }
}

static uint32_t lpi_count(const GICv3CPU *c)
{
    unsigned bits = (c->propbaser & 0x1f) + 1;
    bits = MIN(bits, GICV3_ID_BITS);
    return bits > 13 ? (1u << bits) - GICV3_LPI_BASE : 0;
}

static uint8_t config_of(const GICv3CPU *c, uint32_t lpi)
{
    hwaddr table = c->propbaser & 0xffffffffff000ull;
    uint8_t config = 0;
    gicv3_read_table(c->gic, table + lpi, &config, 1);
    return config;
}

void gicv3_lpi_update(GICv3CPU *c)
{
    GICCandidate best = { GICV3_SPURIOUS, GICV3_NO_PRIO, 1 };
    uint32_t count = c->lpi_pending ? lpi_count(c) : 0;
    for (uint32_t at = 0; at < count; at += 64) {
        uint64_t bits;
        memcpy(&bits, c->lpi_pending + at / 8, 8);
        for (; bits; bits &= bits - 1) {
            uint32_t lpi = at + (uint32_t)__builtin_ctzll(bits);
            uint8_t config = config_of(c, lpi);
            uint32_t prio = config & CONFIG_PRIO;
            if (config & CONFIG_ENABLE && prio < best.prio) {
                best = (GICCandidate){ GICV3_LPI_BASE + lpi, prio, 1 };
            }
        }
    }
    c->lpi = best;
}

void gicv3_lpi_set(GICv3CPU *c, uint32_t irq, bool pending)
{
    uint32_t lpi = irq - GICV3_LPI_BASE;
    if (!c->lpi_pending || irq < GICV3_LPI_BASE || lpi >= lpi_count(c)) {
        return;
    }
    uint8_t bit = (uint8_t)(1u << (lpi & 7));
    c->lpi_pending[lpi / 8] =
        pending ? c->lpi_pending[lpi / 8] | bit : c->lpi_pending[lpi / 8] & (uint8_t)~bit;
    gicv3_lpi_update(c);
}

bool gicv3_lpi_is_pending(const GICv3CPU *c, uint32_t irq)
{
    uint32_t lpi = irq - GICV3_LPI_BASE;
    return c->lpi_pending && irq >= GICV3_LPI_BASE && lpi < lpi_count(c) &&
           c->lpi_pending[lpi / 8] >> (lpi & 7) & 1;
}

void gicv3_lpi_move_all(GICv3CPU *from, GICv3CPU *to)
{
    for (uint32_t i = 0; from->lpi_pending && to->lpi_pending && i < GICV3_MAX_LPIS / 8; i++) {
        to->lpi_pending[i] |= from->lpi_pending[i];
        from->lpi_pending[i] = 0;
    }
    gicv3_lpi_update(from);
    gicv3_lpi_update(to);
}

void gicv3_lpi_enable(GICv3CPU *c)
{
    hwaddr table = c->pendbaser & 0xfffffffff0000ull;
    uint32_t bytes = lpi_count(c) / 8;
    c->lpi_pending = g_malloc0(GICV3_MAX_LPIS / 8);
    if (!(c->pendbaser >> 62 & 1)) { /* PTZ: the table is all zeros */
        gicv3_read_table(c->gic, table + GICV3_LPI_BASE / 8, c->lpi_pending, bytes);
    }
    gicv3_lpi_update(c);
}

void gicv3_lpi_disable(GICv3CPU *c)
{
    g_clear_pointer(&c->lpi_pending, g_free);
    c->lpi = (GICCandidate){ GICV3_SPURIOUS, GICV3_NO_PRIO, 1 };
}
