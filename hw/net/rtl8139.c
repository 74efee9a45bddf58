/* SPDX-License-Identifier: MIT */
/* RTL8139C+: registers, EEPROM, PHY, timer, interrupts (rtl8139.h). */
#include "hw/net/rtl8139.h"

enum { VENDOR = 0x10ec, DEVICE = 0x8139, REGS = 256, MAX_NS = 1000000000 };

typedef struct RTLClient {
    NetClient nc;
    RTL8139 *dev;
} RTLClient;

RTL8139 *rtl_of(NetClient *nc)
{
    return ((RTLClient *)nc)->dev;
}

/* ---- interrupts ---------------------------------------------------------------------------- */

static void update_irq(RTL8139 *s)
{
    pci_set_intx(&s->parent, rtl_get16(s, ISR) & rtl_get16(s, IMR));
}

void rtl_interrupt(RTL8139 *s, uint32_t causes)
{
    rtl_put16(s, ISR, rtl_get16(s, ISR) | causes);
    update_irq(s);
}

/* ---- the timer: 33 MHz, wraps; an interrupt when it gets to TimerInt ----------------------- */

static uint32_t timer_count(const RTL8139 *s)
{
    uint64_t ns = (uint64_t)(clock_get_ns(CLOCK_VIRTUAL) - s->counting_since);
    return (uint32_t)(ns / 1000 * 33 + ns % 1000 * 33 / 1000);
}

static void arm_timer(RTL8139 *s)
{
    uint32_t target = rtl_get32(s, TIMER_INT);
    timer_del(&s->timer);
    if (target) {
        uint32_t left = target - timer_count(s);
        timer_mod(&s->timer, clock_get_ns(CLOCK_VIRTUAL) + (int64_t)left * 1000 / 33 + 1);
    }
}

static void timer_fired(void *opaque)
{
    RTL8139 *s = opaque;
    rtl_interrupt(s, INT_TIMEOUT);
    arm_timer(s);
}

/* A packet waits, and descriptors become free without anybody telling us. Or the driver has stopped
 * in the middle of the ring and acknowledged what lies there, as Linux' 8139too does when its time
 * is up: on a busy wire the next packet reminds it, on a quiet one nobody would. */
static void retry(void *opaque)
{
    RTL8139 *s = opaque;
    if (s->starved) {
        s->starved = false;
        net_client_ready(s->nc);
    }
    if (!rtl_ring_empty(s)) {
        rtl_interrupt(s, INT_ROK);
    }
}

static void acknowledged(RTL8139 *s)
{
    if (!rtl_ring_empty(s) && !timer_pending(&s->retry)) {
        timer_mod(&s->retry, clock_get_ns(CLOCK_VIRTUAL) + RETRY_NS);
    }
}

/* ---- reset and link ------------------------------------------------------------------------ */

static void set_link(RTL8139 *s)
{
    bool up = !s->nc->link_down && !(s->nc->peer && s->nc->peer->link_down);
    enum { MSR_LINK_DOWN = 4, BMSR_ALL = 0x7809, BMSR_UP = 0x24, PARTNER = 0x45e1 };
    s->regs[MSR] = (uint8_t)((s->regs[MSR] & ~MSR_LINK_DOWN) | (up ? 0 : MSR_LINK_DOWN));
    rtl_put16(s, BMSR, BMSR_ALL | (up ? BMSR_UP : 0));
    rtl_put16(s, ANLPAR, up ? PARTNER : 0);
    rtl_put16(s, ANER, up);
    rtl_put16(s, CSCR, up ? CSCR_LINK_OK : 0);
}

/* Where the first packet goes: CAPR is 16 behind where software reads. */
static void rewind_ring(RTL8139 *s)
{
    rtl_put16(s, CAPR, 0xfff0);
    rtl_put16(s, CBR, 0);
}

/* CR.RST: what is under way is forgotten; the address stays. */
static void reset_engine(RTL8139 *s)
{
    s->regs[CR] = 0;
    rewind_ring(s);
    rtl_put16(s, IMR, 0);
    rtl_put16(s, ISR, 0);
    rtl_put32(s, TCR, s->cplus ? TCR_VERSION_CPLUS : TCR_VERSION_C);
    rtl_put32(s, RCR, 0);
    rtl_put16(s, CPCR, 0);
    for (unsigned i = 0; i < 4; i++) {
        rtl_put32(s, TSD + 4 * i, s->cplus ? 0 : TSD_OWN);
        rtl_put32(s, TSAD + 4 * i, 0);
    }
    rtl_put32(s, TIMER_INT, 0);
    timer_del(&s->timer);
    timer_del(&s->retry);
    s->counting_since = clock_get_ns(CLOCK_VIRTUAL);
    s->next_tx = s->tx_index[0] = s->tx_index[1] = s->rx_index = 0;
    s->tx_poll[0] = s->tx_poll[1] = false;
    s->tx_len = 0;
    s->tx_open = s->sending = s->starved = false;
    if (s->blocked && s->nc->peer) {
        net_client_purge(s->nc->peer); /* it would tell us that it has sent what is forgotten */
    }
    s->blocked = false;
    update_irq(s);
}

static void rtl8139_reset(Device *dev)
{
    RTL8139 *s = (RTL8139 *)dev;
    pci_device_type.reset(dev);
    memset(s->regs, 0, sizeof(s->regs));
    memcpy(s->regs + IDR, s->eeprom.words + 7, 6);
    s->regs[CONFIG1] = 0x0c; /* memory and I/O mapped */
    s->regs[CONFIG3] = 1;
    s->regs[RERID] = s->parent.config[PCI_REVISION];
    rtl_put16(s, BMCR, 0x3100); /* 100 Mb/s, autonegotiation, full duplex */
    rtl_put16(s, ANAR, 0x05e1);
    s->tx_ok = s->rx_ok = s->tx_err = s->rx_phys = s->rx_broadcast = 0;
    s->rx_err = s->rx_multicast = 0;
    s->missed = 0;
    set_link(s);
    reset_engine(s);
}

/* ---- registers ----------------------------------------------------------------------------- */

static uint8_t read_byte(RTL8139 *s, unsigned at)
{
    enum { EEDO = 1, TSD_TABT = 30, TSD_TUN = 14 };
    uint32_t word;
    switch (at) {
    case CR:
        return (uint8_t)((s->regs[CR] & ~CR_BUFE) | (rtl_ring_empty(s) ? CR_BUFE : 0));
    case CR9346:
        return (uint8_t)((s->regs[CR9346] & ~EEDO) | (s->eeprom.out ? EEDO : 0));
    case TCTR:
    case TCTR + 1:
    case TCTR + 2:
    case TCTR + 3:
        word = timer_count(s);
        return (uint8_t)(word >> (at & 3) * 8);
    case TSAD_SUMMARY:
    case TSAD_SUMMARY + 1:
        word = 0;
        for (unsigned i = 0; i < 4; i++) {
            uint32_t tsd = rtl_get32(s, TSD + 4 * i);
            word |= (tsd >> 13 & 1) << i | (tsd >> TSD_TABT & 1) << (4 + i) |
                    (tsd >> TSD_TUN & 1) << (8 + i) | (tsd >> 15 & 1) << (12 + i);
        }
        return (uint8_t)(word >> (at & 1) * 8);
    }
    return s->regs[at];
}

static uint64_t rtl_read(void *opaque, hwaddr offset, unsigned size)
{
    RTL8139 *s = opaque;
    uint64_t val = 0;
    for (unsigned i = 0; i < size; i++) {
        val |= (uint64_t)read_byte(s, ((unsigned)offset + i) % REGS) << i * 8;
    }
    if (offset <= CSCR + 1 && offset + size > CSCR + 1) {
        rtl_put16(s, CSCR, rtl_get16(s, CSCR) & ~(unsigned)CSCR_LINK_CHANGED);
    }
    return val;
}

static bool read_only(const RTL8139 *s, unsigned at)
{
    bool config =
        (at >= CONFIG0 && at <= CONFIG1) || at == CONFIG3 || at == CONFIG4 || at < IDR + 6;
    if (config) { /* 9346CR must be in its mode "config register write enable" */
        return s->regs[CR9346] >> 6 != 3;
    }
    return (at >= 0x34 && at <= 0x36) || at == CBR || at == CBR + 1 || at == MSR || at == RERID ||
           at == TSAD_SUMMARY || at == TSAD_SUMMARY + 1 || at == BMSR || at == BMSR + 1 ||
           (at >= ANLPAR && at <= ANER + 1) || at == CSCR || at == CSCR + 1 ||
           (at >= CPCR && at < CPCR + 16 && !s->cplus);
}

static void write_eeprom_lines(RTL8139 *s, uint8_t val)
{
    enum { EEDI = 2, EESK = 4, EECS = 8, MODE_PROGRAM = 2, MODE_AUTOLOAD = 1 };
    bool on = val >> 6 == MODE_PROGRAM;
    eeprom93c46_lines(&s->eeprom, on && val & EECS, on && val & EESK, on && val & EEDI);
    if (val >> 6 == MODE_AUTOLOAD) {
        memcpy(s->regs + IDR, s->eeprom.words + 7, 6);
        val &= 0x3f;
    }
    s->regs[CR9346] = val;
}

/* Linux' 8139too gets rid of a packet that it cannot stand by turning the receiver off and on, and
 * then reads from the ring's start. */
static void write_command(RTL8139 *s, uint8_t val)
{
    if (val & CR_RST) {
        reset_engine(s);
        return;
    }
    if (s->regs[CR] & ~val & CR_RE) {
        rewind_ring(s);
    }
    s->regs[CR] = val & (CR_TE | CR_RE);
}

/* One byte, with what must happen byte by byte. */
static void write_byte(RTL8139 *s, unsigned at, uint8_t val)
{
    switch (at) {
    case CR:
        write_command(s, val);
        return;
    case ISR:
    case ISR + 1: /* write 1 to clear */
        s->regs[at] &= (uint8_t)~val;
        return;
    case TCR:
    case TCR + 1:
    case TCR + 2:
    case TCR + 3: {
        uint8_t mask = (uint8_t)(TCR_WRITABLE >> (at & 3) * 8);
        s->regs[at] = (uint8_t)((s->regs[at] & ~mask) | (val & mask));
        return;
    }
    case MPC:
    case MPC + 1:
    case MPC + 2:
        s->regs[at] = 0;
        return;
    case CR9346:
        write_eeprom_lines(s, val);
        return;
    case BMCR + 1: /* reset and restart are over at once */
        val &= (uint8_t)~0x82;
        break;
    case TPPOLL:
        s->tx_poll[0] |= val >> 6 & 1;
        s->tx_poll[1] |= val >> 7;
        if (val & 1) {
            rtl_interrupt(s, INT_SW);
        }
        return;
    }
    if (!read_only(s, at)) {
        s->regs[at] = val;
    }
}

static bool touches(unsigned offset, unsigned size, unsigned first, unsigned len)
{
    return offset < first + len && offset + size > first;
}

static void rtl_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    RTL8139 *s = opaque;
    unsigned offset = (unsigned)addr;
    bool cplus = rtl_get16(s, CPCR) & (CPCR_TX | CPCR_RX);
    for (unsigned i = 0; i < size && offset + i < REGS; i++) {
        write_byte(s, offset + i, (uint8_t)(val >> i * 8));
    }
    if (touches(offset, size, IMR, 4)) {
        update_irq(s);
    }
    if (touches(offset, size, ISR, 2)) {
        acknowledged(s);
    }
    if (touches(offset, size, TCTR, 4)) {
        s->counting_since = clock_get_ns(CLOCK_VIRTUAL);
    }
    if (touches(offset, size, TIMER_INT, 4) || touches(offset, size, TCTR, 4)) {
        arm_timer(s);
    }
    if (cplus && touches(offset, size, DTCCR, 4)) {
        rtl_dump_counters(s);
    }
    if (cplus && touches(offset, size, TNPDS, 16)) {
        s->tx_index[touches(offset, size, THPDS, 8)] = 0;
    }
    if (touches(offset, size, RDSAR, 8)) {
        s->rx_index = 0;
    }
    if (touches(offset, size, TSD, 16) || touches(offset, size, TPPOLL, 1) ||
        touches(offset, size, CR, 1)) {
        rtl_transmit(s);
    }
    if (s->starved || touches(offset, size, CR, 3) || touches(offset, size, RCR, 4)) {
        s->starved = false;
        net_client_ready(s->nc);
    }
}

static const MemoryRegionOps ops = {
    .read = rtl_read,
    .write = rtl_write,
    .valid = { .unaligned = true },
    .impl = { .min = 1, .max = 4 },
};

/* ---- the device ---------------------------------------------------------------------------- */

static void link_changed(NetClient *nc)
{
    RTL8139 *s = rtl_of(nc);
    set_link(s);
    rtl_put16(s, CSCR, rtl_get16(s, CSCR) | CSCR_LINK_CHANGED);
    rtl_interrupt(s, INT_LINK);
}

static void cleanup(NetClient *nc)
{
    rtl_of(nc)->nc = NULL;
}

static const uint8_t *own_mac(NetClient *nc)
{
    return rtl_of(nc)->regs + IDR;
}

static const NetClientInfo nic_info = {
    .type = "nic",
    .desc = "Realtek Fast Ethernet",
    .size = sizeof(RTLClient),
    .receive = rtl_receive,
    .can_receive = rtl_can_receive,
    .link_changed = link_changed,
    .mac = own_mac,
    .cleanup = cleanup,
};

static void fill_eeprom(RTL8139 *s)
{
    uint16_t *w = s->eeprom.words;
    w[0] = 0x8129;
    w[1] = w[3] = VENDOR;
    w[2] = w[4] = DEVICE;
    memcpy(w + 7, s->preset_mac, 6);
    s->eeprom.out = true;
}

static bool rtl8139_realize(Device *dev, GError **err)
{
    static const uint8_t none[6];
    RTL8139 *s = (RTL8139 *)dev;
    NetClient *nc = net_client_new(&nic_info, dev->id, "rtl8139", 0);
    if (s->peer && !net_connect(nc, s->peer, err)) {
        net_client_delete(nc);
        return false;
    }
    s->nc = nc;
    ((RTLClient *)nc)->dev = s;
    if (!memcmp(s->preset_mac, none, sizeof(none))) {
        net_default_mac(s->preset_mac);
    }
    pci_set_ids(&s->parent, VENDOR, DEVICE, 0x020000, VENDOR, DEVICE);
    s->parent.config[PCI_REVISION] = s->cplus ? 0x20 : 0x10;
    s->parent.config[PCI_INTERRUPT_PIN] = 1;
    s->parent.wmask[PCI_CACHE_LINE] = 0xff;
    s->parent.wmask[PCI_COMMAND] |= PCI_COMMAND_INVALIDATE;
    memory_region_init_io(&s->io, "rtl8139-io", REGS, &ops, s);
    memory_region_init_io(&s->mem, "rtl8139", REGS, &ops, s);
    pci_add_bar(&s->parent, 0, PCI_BAR_IO, &s->io);
    pci_add_bar(&s->parent, 1, 0, &s->mem);
    timer_init(&s->timer, CLOCK_VIRTUAL, timer_fired, s);
    timer_init(&s->retry, CLOCK_VIRTUAL, retry, s);
    fill_eeprom(s);
    return true;
}

static void rtl8139_unrealize(Device *dev)
{
    RTL8139 *s = (RTL8139 *)dev;
    timer_del(&s->timer);
    timer_del(&s->retry);
    if (s->nc) {
        net_client_delete(s->nc);
    }
    pci_device_cleanup(&s->parent);
    memory_region_cleanup(&s->io);
    memory_region_cleanup(&s->mem);
}

static const Property props[] = {
    { .name = "netdev",
      .kind = PROP_NETDEV,
      .offset = offsetof(RTL8139, peer),
      .doc = "the network back end" },
    { .name = "mac",
      .kind = PROP_MAC,
      .offset = offsetof(RTL8139, preset_mac),
      .doc = "its address; made up if not given" },
    { .name = "bootindex",
      .kind = PROP_I32,
      .offset = offsetof(RTL8139, bootindex),
      .preset = "-1",
      .doc = "its place in the boot order" },
    { .name = "cplus",
      .kind = PROP_BOOL,
      .offset = offsetof(RTL8139, cplus),
      .preset = "on",
      .doc = "an RTL8139C+; off: an RTL8139C" },
    { .name = NULL },
};

static const StateField state[] = {
    STATE_ARRAY(RTL8139, regs),     STATE(RTL8139, eeprom),
    STATE(RTL8139, counting_since), STATE(RTL8139, next_tx),
    STATE_ARRAY(RTL8139, tx_index), STATE(RTL8139, rx_index),
    STATE_ARRAY(RTL8139, tx_poll),  STATE(RTL8139, tx_ok),
    STATE(RTL8139, rx_ok),          STATE(RTL8139, tx_err),
    STATE(RTL8139, rx_phys),        STATE(RTL8139, rx_broadcast),
    STATE(RTL8139, rx_err),         STATE(RTL8139, rx_multicast),
    STATE(RTL8139, missed),         STATE(RTL8139, tx_len),
    STATE(RTL8139, tx_word),        STATE(RTL8139, tx_open),
    STATE(RTL8139, sending),        STATE(RTL8139, segments),
    STATE_ARRAY(RTL8139, packet),   { .name = NULL },
};

static bool rtl8139_post_load(Device *dev, GError **err)
{
    RTL8139 *s = (RTL8139 *)dev;
    const EthSegments *g = &s->segments;
    if (s->next_tx > 3 || s->tx_len > sizeof(s->packet) ||
        (g->mss && (g->header > s->tx_len || g->l4 > g->header))) {
        g_set_error(err, HW_ERROR, 0, "rtl8139: a packet of %u bytes", s->tx_len);
        return false;
    }
    set_link(s);
    arm_timer(s);
    acknowledged(s);
    return true;
}

static const DeviceType rtl8139_type = {
    .name = "rtl8139",
    .category = "network",
    .desc = "Realtek RTL8139C+ Fast Ethernet",
    .parent = &pci_device_type,
    .size = sizeof(RTL8139),
    .props = props,
    .user_creatable = true,
    .hotpluggable = true,
    .realize = rtl8139_realize,
    .unrealize = rtl8139_unrealize,
    .reset = rtl8139_reset,
    .state = state,
    .state_version = 1,
    .post_load = rtl8139_post_load,
};
DEVICE_TYPE(rtl8139_type)
