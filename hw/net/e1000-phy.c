/* SPDX-License-Identifier: MIT */
/*
 * What is behind MDIC and EECD: the PHY (IEEE 802.3, clause 22; from register 16 on as the 88E1000
 * family has them, SDM 13.4.7.1), the link, and the EEPROM's words (SDM 5.6; 82574 datasheet, 6.1).
 */
#include <string.h>

#include "hw/net/e1000.h"

enum {
    ID_CHECKSUM = 0xbaba, /* what the first 64 words add up to */
    CHECKSUM_WORD = 0x3f,
    /* of PHY_SPECIFIC_STATUS: 1000 Mb/s, full duplex, resolved, link */
    SPECIFIC_UP = 2 << 14 | 1 << 13 | 1 << 11 | 1 << 10,
    SPECIFIC_DOWN = 2 << 14 | 1 << 13,
};

/* ---- the link ------------------------------------------------------------------------------ */

static bool cable_up(const E1000 *s)
{
    return s->nc && !s->nc->link_down && !(s->nc->peer && s->nc->peer->link_down);
}

static void set_bits(uint16_t *reg, uint16_t bits, bool on)
{
    *reg = on ? *reg | bits : *reg & (uint16_t)~bits;
}

void e1000_phy_link(E1000 *s)
{
    bool loop = s->phy[PHY_CONTROL] & PHY_CONTROL_LOOPBACK, cable = cable_up(s) || loop;
    bool autoneg = s->phy[PHY_CONTROL] & PHY_CONTROL_AUTONEG;
    uint32_t *status = e1000_reg(s, STATUS), old = *status;
    bool up = cable && *e1000_reg(s, CTRL) & CTRL_SLU;
    set_bits(&s->phy[PHY_STATUS], PHY_STATUS_LINK, cable);
    set_bits(&s->phy[PHY_STATUS], PHY_STATUS_AUTONEG_DONE, cable && autoneg);
    s->phy[PHY_SPECIFIC_STATUS] = cable ? SPECIFIC_UP : SPECIFIC_DOWN;
    s->phy[PHY_PARTNER] = cable && autoneg ? 0x45e1 : 0; /* 10 and 100 Mb/s, pause, acknowledge */
    s->phy[PHY_EXPANSION] = cable && autoneg ? 0x0001 : 0;
    s->phy[PHY_GIGABIT_STATUS] = cable && autoneg ? 0x7c00 : 0;
    *status = up ? old | STATUS_LU : old & ~(uint32_t)STATUS_LU;
    if ((*status ^ old) & STATUS_LU) {
        e1000_cause(s, INT_LSC);
    }
}

/* ---- the PHY ------------------------------------------------------------------------------- */

void e1000_phy_reset(E1000 *s)
{
    memset(s->phy, 0, sizeof(s->phy));
    s->phy[PHY_CONTROL] = 0x1140; /* autonegotiation, full duplex, 1000 Mb/s */
    s->phy[PHY_STATUS] = 0x7949;  /* able to do all of 10 and 100 Mb/s; extended status */
    s->phy[PHY_ID1] = s->model->phy_id1;
    s->phy[PHY_ID2] = s->model->phy_id2;
    s->phy[PHY_ADVERTISE] = 0x0de1;
    s->phy[PHY_GIGABIT_CONTROL] = 0x0e00;
    s->phy[PHY_EXT_STATUS] = 0x3000; /* 1000BASE-T */
    s->phy[PHY_SPECIFIC_CONTROL] = 0x0068;
    if (s->model->is_82574) {
        *e1000_reg(s, STATUS) |= STATUS_PHYRA;
    }
    e1000_phy_link(s);
}

/* Pages other than 0 exist, and have nothing in them. */
static bool paged(const E1000 *s, unsigned reg)
{
    return s->model->is_82574 && s->phy[PHY_PAGE] && reg >= 16 && reg != PHY_PAGE;
}

uint16_t e1000_phy_read(E1000 *s, unsigned reg)
{
    uint16_t val = paged(s, reg) ? 0 : s->phy[reg];
    if (reg == PHY_INTERRUPT_STATUS) {
        s->phy[reg] = 0;
    }
    return val;
}

void e1000_phy_write(E1000 *s, unsigned reg, uint16_t val)
{
    static const uint32_t read_only = 1 << PHY_STATUS | 1 << PHY_ID1 | 1 << PHY_ID2 |
                                      1 << PHY_PARTNER | 1 << PHY_EXPANSION |
                                      1 << PHY_GIGABIT_STATUS | 1 << PHY_EXT_STATUS |
                                      1 << PHY_SPECIFIC_STATUS | 1 << PHY_INTERRUPT_STATUS;
    if (paged(s, reg) || read_only >> reg & 1) {
        return;
    }
    s->phy[reg] = val;
    if (reg == PHY_CONTROL) {
        s->phy[reg] &= (uint16_t) ~(PHY_CONTROL_RESET | PHY_CONTROL_RESTART);
        if (val & (PHY_CONTROL_RESET | PHY_CONTROL_RESTART)) {
            e1000_cause(s, INT_LSC); /* down and up again, in no time */
        }
        e1000_phy_link(s);
    }
}

/* ---- EEPROM -------------------------------------------------------------------------------- */

void e1000_eeprom_init(E1000 *s, uint16_t device_id)
{
    uint16_t *w = s->eeprom.words, sum = 0;
    memset(w, 0xff, sizeof(s->eeprom.words));
    for (int i = 0; i < 3; i++) {
        w[i] = (uint16_t)(s->preset_mac[2 * i] | s->preset_mac[2 * i + 1] << 8);
    }
    w[0x03] = 0;
    w[0x0a] = 0x408b; /* initialization control 1 */
    w[0x0b] = pci_get16(&s->parent, PCI_SUBSYSTEM_ID);
    w[0x0c] = pci_get16(&s->parent, PCI_SUBSYSTEM_VENDOR);
    w[0x0d] = device_id;
    w[0x0e] = 0x8086;
    w[0x0f] = 0x3040; /* initialization control 2 */
    w[0x23] = 0;      /* no management */
    w[0x24] = 0;      /* initialization control 3 */
    for (int i = 0; i < CHECKSUM_WORD; i++) {
        sum = (uint16_t)(sum + w[i]);
    }
    w[CHECKSUM_WORD] = (uint16_t)(ID_CHECKSUM - sum);
    s->eeprom.out = true;
}
