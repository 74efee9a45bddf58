/* SPDX-License-Identifier: MIT */
/* Registers, their side effects, interrupt causes (e1000.h). */
#include <string.h>

#include "hw/net/e1000.h"

/* ---- statistics ---------------------------------------------------------------------------- */

void e1000_count(E1000 *s, uint32_t offset, uint32_t by)
{
    uint32_t *r = e1000_reg(s, offset);
    *r = *r > UINT32_MAX - by ? UINT32_MAX : *r + by;
}

void e1000_count64(E1000 *s, uint32_t offset, uint64_t by)
{
    uint64_t val = e1000_reg64(s, offset) + by;
    *e1000_reg(s, offset) = (uint32_t)val;
    *e1000_reg(s, offset + 4) = (uint32_t)(val >> 32);
}

void e1000_count_size(E1000 *s, uint32_t first, size_t len)
{
    static const uint16_t limits[] = { 64, 127, 255, 511, 1023 };
    unsigned i = 0;
    while (i < G_N_ELEMENTS(limits) && len > limits[i]) {
        i++;
    }
    e1000_count(s, first + 4 * i, 1);
}

/* ---- interrupts ---------------------------------------------------------------------------- */

void e1000_cause(E1000 *s, uint32_t causes)
{
    *e1000_reg(s, ICR) |= causes;
    s->icr_signalled &= ~causes; /* it has happened again */
    s->model->update_irq(s);
}

static void throttle_over(void *opaque)
{
    E1000 *s = opaque;
    s->model->update_irq(s);
}

/* ---- rings --------------------------------------------------------------------------------- */

E1000Ring e1000_ring(E1000 *s, uint32_t base, unsigned n)
{
    enum { LEN = RDLEN - RDBAL, HEAD = RDH - RDBAL, TAIL = RDT - RDBAL };
    base += RING_STEP * n;
    E1000Ring r = { .base = e1000_reg64(s, base),
                    .count = *e1000_reg(s, base + LEN) / 16,
                    .head = e1000_reg(s, base + HEAD),
                    .tail = *e1000_reg(s, base + TAIL) };
    if (*r.head >= r.count || r.tail >= r.count) {
        r.count = 0;
    }
    return r;
}

/* ---- reading ------------------------------------------------------------------------------- */

static uint32_t read_reg(E1000 *s, uint32_t offset)
{
    uint32_t val = *e1000_reg(s, offset);
    switch (offset) {
    case ICR:
        return s->model->read_icr(s);
    case ICS:
        return *e1000_reg(s, ICR);
    case IMC:
        return *e1000_reg(s, IMS);
    case EECD:
        return (val & ~(uint32_t)EECD_DO) | (s->eeprom.out ? EECD_DO : 0);
    case SWSM:
        if (s->model->is_82574) { /* a semaphore: who reads 0 has it */
            *e1000_reg(s, SWSM) |= SWSM_SMBI;
        }
        return val;
    }
    if (offset >= STATS && offset < STATS_END) {
        *e1000_reg(s, offset) = 0;
    }
    return val;
}

/* ---- writing ------------------------------------------------------------------------------- */

/* What software may change of registers that have other bits too; those not named here are plain.
 */
static const struct {
    uint16_t offset;
    uint32_t mask;
} writable[] = {
    { STATUS, 0 },        { EERD, 0 },           { MDIC, 0 },           { ICR, 0 },
    { RDLEN, 0xfff80 },   { TDLEN, 0xfff80 },    { RDH, 0xffff },       { TDH, 0xffff },
    { RDT, 0xffff },      { TDT, 0xffff },       { RDBAL, ~15u },       { TDBAL, ~15u },
    { FCAL, ~0u },        { FCAH, 0xffff },      { FCT, 0xffff },       { VET, 0xffff },
    { ITR, 0xffff },      { FWSM, 0 },           { EITR, 0xffff },      { EITR + 4, 0xffff },
    { EITR + 8, 0xffff }, { EITR + 12, 0xffff }, { EITR + 16, 0xffff },
};

static uint32_t write_mask(uint32_t offset)
{
    uint32_t first = offset;
    if ((offset & ~0xfffu) == 0x2000 || (offset & ~0xfffu) == 0x3000) {
        first &= ~(uint32_t)RING_STEP; /* the second queue's are like the first's */
    }
    for (size_t i = 0; i < G_N_ELEMENTS(writable); i++) {
        if (writable[i].offset == first) {
            return writable[i].mask;
        }
    }
    return offset >= STATS && offset < STATS_END ? 0 : ~0u;
}

static void write_ctrl(E1000 *s, uint32_t val)
{
    if (val & CTRL_RST) {
        e1000_reset(s);
        return;
    }
    if (val & CTRL_PHY_RST) {
        e1000_phy_reset(s);
    }
    *e1000_reg(s, CTRL) = val & ~(uint32_t)CTRL_PHY_RST;
    if (s->model->is_82574) { /* nothing is ever outstanding */
        uint32_t *status = e1000_reg(s, STATUS);
        *status = val & CTRL_MASTER_DISABLE ? *status & ~(uint32_t)STATUS_MASTER_ENABLE
                                            : *status | STATUS_MASTER_ENABLE;
    }
    e1000_phy_link(s);
}

static void write_eecd(E1000 *s, uint32_t val)
{
    uint32_t keep = EECD_DO | EECD_PRES | EECD_AUTO_RD, *r = e1000_reg(s, EECD);
    if (!s->model->is_82574) {
        eeprom93c46_lines(&s->eeprom, val & EECD_CS, val & EECD_SK, val & EECD_DI);
    }
    *r = (*r & keep) | (val & ~(keep | EECD_GNT)) | (val & EECD_REQ ? EECD_GNT : 0);
}

/* SDM 13.4.4; the 82574's fields lie elsewhere (DS 10.2.2). */
static void read_eeprom(E1000 *s, uint32_t val)
{
    bool new = s->model->is_82574;
    unsigned addr = new ? val >> 2 & 0x3fff : val >> 8 & 0xff;
    uint32_t word = addr < G_N_ELEMENTS(s->eeprom.words) ? s->eeprom.words[addr] : 0xffff;
    if (val & 1) {
        *e1000_reg(s, EERD) = word << 16 | addr << (new ? 2 : 8) | (new ? 1 << 1 : 1 << 4);
    }
}

static void write_nvm(E1000 *s, uint32_t val)
{
    unsigned addr = val >> 2 & 0x3fff;
    if (val & 1 && addr < G_N_ELEMENTS(s->eeprom.words)) {
        s->eeprom.words[addr] = (uint16_t)(val >> 16);
    }
    *e1000_reg(s, EEWR) = (val & ~1u) | 1 << 1;
}

static void write_mdic(E1000 *s, uint32_t val)
{
    unsigned reg = val >> 16 & 31, phy = val >> 21 & 31, op = val >> 26 & 3;
    uint32_t out = (val & ~(uint32_t)MDIC_ERROR) | MDIC_READY;
    if (phy != 1 || (op != MDIC_READ && op != MDIC_WRITE)) {
        out |= MDIC_ERROR;
    } else if (op == MDIC_READ) {
        out = (out & ~0xffffu) | e1000_phy_read(s, reg);
    } else {
        e1000_phy_write(s, reg, (uint16_t)val);
    }
    *e1000_reg(s, MDIC) = out;
    if (val & MDIC_INTERRUPT) {
        e1000_cause(s, INT_MDAC);
    }
}

static void write_reg(E1000 *s, uint32_t offset, uint32_t val)
{
    switch (offset) {
    case CTRL:
        write_ctrl(s, val);
        return;
    case EECD:
        write_eecd(s, val);
        return;
    case EERD:
        read_eeprom(s, val);
        return;
    case EEWR:
        write_nvm(s, val);
        return;
    case MDIC:
        write_mdic(s, val);
        return;
    case ICR: /* write 1 to clear */
        *e1000_reg(s, ICR) &= ~val;
        s->model->update_irq(s);
        return;
    case ICS:
        e1000_cause(s, val & ~INT_ASSERTED);
        return;
    case IMS:
        *e1000_reg(s, IMS) |= val;
        s->model->update_irq(s);
        return;
    case IMC:
        *e1000_reg(s, IMS) &= ~val;
        s->model->update_irq(s);
        return;
    }
    uint32_t mask = write_mask(offset), *r = e1000_reg(s, offset);
    *r = (*r & ~mask) | (val & mask);
    switch (offset) {
    case RCTL:
    case RDT:
    case RDT + RING_STEP:
        net_client_ready(s->nc);
        break;
    case TCTL:
    case TDT:
    case TDT + RING_STEP:
        e1000_transmit(s);
        break;
    }
}

/* Not the 82540's: it has one queue, no MSI-X, no hashes. */
static bool exists(const E1000 *s, uint32_t offset)
{
    if (offset >= REGS_END) {
        return false;
    }
    if (s->model->is_82574) {
        return true;
    }
    return !(offset >= EIAC && offset < RCTL) && offset != EXTCNF_CTRL && offset != EEWR &&
           !(offset >= RDBAL + RING_STEP && offset < RDBAL + 2 * RING_STEP) &&
           !(offset >= TDBAL + RING_STEP && offset < TDBAL + 2 * RING_STEP) && offset != RFCTL &&
           offset != MRQC && offset < GCR;
}

static uint64_t mmio_read(void *opaque, hwaddr offset, unsigned size)
{
    (void)size;
    return exists(opaque, (uint32_t)offset) ? read_reg(opaque, (uint32_t)offset) : 0;
}

static void mmio_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    (void)size;
    if (exists(opaque, (uint32_t)offset)) {
        write_reg(opaque, (uint32_t)offset, (uint32_t)val);
    }
}

const MemoryRegionOps e1000_mmio_ops = {
    .read = mmio_read,
    .write = mmio_write,
    .impl = { .min = 4, .max = 4 },
};

/* I/O space, SDM 13.2.2: an address, then its data. */
static uint64_t io_read(void *opaque, hwaddr offset, unsigned size)
{
    E1000 *s = opaque;
    return offset == 0 ? s->io_addr : offset == 4 ? mmio_read(s, s->io_addr & ~3u, size) : 0;
}

static void io_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    E1000 *s = opaque;
    if (offset == 0) {
        s->io_addr = (uint32_t)val & (E1000_MMIO - 1);
    } else if (offset == 4) {
        mmio_write(s, s->io_addr & ~3u, val, size);
    }
}

const MemoryRegionOps e1000_io_ops = {
    .read = io_read,
    .write = io_write,
    .impl = { .min = 4, .max = 4 },
};

/* ---- the device ---------------------------------------------------------------------------- */

static void load_address(E1000 *s)
{
    const uint16_t *w = s->eeprom.words;
    *e1000_reg(s, RAL) = w[0] | (uint32_t)w[1] << 16;
    *e1000_reg(s, RAL + 4) = w[2] | RAH_AV;
}

/* Power-on, and CTRL.RST: all but the PHY and the EEPROM. */
void e1000_reset(E1000 *s)
{
    for (unsigned i = 0; i < E1000_VECTORS; i++) {
        timer_del(&s->throttle[i]);
        s->quiet_until[i] = 0;
    }
    for (unsigned q = 0; q < E1000_QUEUES; q++) {
        memset(&s->tx[q], 0, offsetof(E1000Tx, data));
    }
    memset(s->regs, 0, sizeof(s->regs));
    s->icr_signalled = 0;
    *e1000_reg(s, CTRL) = 1; /* full duplex */
    *e1000_reg(s, STATUS) =
        STATUS_SPEED_1000 | STATUS_FD | (s->model->is_82574 ? STATUS_MASTER_ENABLE : 0);
    *e1000_reg(s, EECD) = EECD_PRES | (s->model->is_82574 ? EECD_AUTO_RD : 0);
    *e1000_reg(s, PBA) = s->model->is_82574 ? 0x00140014 : 0x00100030;
    *e1000_reg(s, LEDCTL) = 0x07068302;
    load_address(s);
    e1000_phy_link(s);
    s->model->update_irq(s);
    if (s->blocked && s->nc->peer) {
        net_client_purge(s->nc->peer); /* it would tell us that it has sent what is forgotten */
    }
    s->blocked = false;
}

static void link_changed(NetClient *nc)
{
    e1000_phy_link(e1000_of(nc));
}

static void cleanup(NetClient *nc)
{
    e1000_of(nc)->nc = NULL;
}

static const uint8_t *own_mac(NetClient *nc)
{
    return (const uint8_t *)e1000_reg(e1000_of(nc), RAL);
}

static const NetClientInfo nic_info = {
    .type = "nic",
    .desc = "Intel gigabit Ethernet",
    .size = sizeof(E1000Client),
    .receive = e1000_receive,
    .can_receive = e1000_can_receive,
    .link_changed = link_changed,
    .mac = own_mac,
    .cleanup = cleanup,
};

bool e1000_realize(E1000 *s, const E1000Model *model, const char *name, GError **err)
{
    static const uint8_t none[6];
    NetClient *nc = net_client_new(&nic_info, s->parent.parent.id, name, 0);
    if (s->peer && !net_connect(nc, s->peer, err)) {
        net_client_delete(nc);
        return false;
    }
    s->model = model;
    s->nc = nc;
    ((E1000Client *)nc)->dev = s;
    if (!memcmp(s->preset_mac, none, sizeof(none))) {
        net_default_mac(s->preset_mac);
    }
    for (unsigned i = 0; i < E1000_VECTORS; i++) {
        timer_init(&s->throttle[i], CLOCK_VIRTUAL, throttle_over, s);
    }
    memory_region_init_io(&s->mmio, name, E1000_MMIO, &e1000_mmio_ops, s);
    return true;
}

void e1000_unrealize(E1000 *s)
{
    for (unsigned i = 0; i < E1000_VECTORS; i++) {
        timer_del(&s->throttle[i]);
    }
    if (s->nc) {
        net_client_delete(s->nc);
    }
    pci_device_cleanup(&s->parent);
    memory_region_cleanup(&s->mmio);
    memory_region_cleanup(&s->io);
}

const Property e1000_props[] = {
    { .name = "netdev",
      .kind = PROP_NETDEV,
      .offset = offsetof(E1000, peer),
      .doc = "the network back end" },
    { .name = "mac",
      .kind = PROP_MAC,
      .offset = offsetof(E1000, preset_mac),
      .doc = "its address; made up if not given" },
    { .name = "bootindex",
      .kind = PROP_I32,
      .offset = offsetof(E1000, bootindex),
      .preset = "-1",
      .doc = "its place in the boot order" },
    { .name = NULL },
};

const StateField e1000_state[] = {
    STATE_ARRAY(E1000, regs), STATE(E1000, io_addr),       STATE_ARRAY(E1000, phy),
    STATE(E1000, eeprom),     STATE(E1000, icr_signalled), STATE_ARRAY(E1000, tx),
    { .name = NULL },
};

bool e1000_post_load(Device *dev, GError **err)
{
    E1000 *s = (E1000 *)dev;
    for (unsigned q = 0; q < E1000_QUEUES; q++) {
        const E1000Tx *tx = &s->tx[q];
        const EthSegments *g = &tx->segments;
        if (tx->len > sizeof(tx->data) || (g->mss && (g->header > tx->len || g->l4 > g->header))) {
            g_set_error(err, HW_ERROR, 0, "e1000: a packet of %u bytes", tx->len);
            return false;
        }
    }
    e1000_phy_link(s);
    return true;
}
