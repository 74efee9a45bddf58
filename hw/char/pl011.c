/* SPDX-License-Identifier: MIT */
/* PrimeCell UART. ARM DDI 0183G. */
#include <string.h>
#include "chardev/chardev.h"
#include "hw/device.h"
#include "util/log.h"

enum {
    DR = 0x00,
    RSR = 0x04, /* written: ECR */
    FR = 0x18,
    ILPR = 0x20,
    IBRD = 0x24,
    FBRD = 0x28,
    LCR_H = 0x2c,
    CR = 0x30,
    IFLS = 0x34,
    IMSC = 0x38,
    RIS = 0x3c,
    MIS = 0x40,
    ICR = 0x44,
    DMACR = 0x48,
    PERIPH_ID = 0xfe0,

    DR_BREAK = 1 << 10,
    FR_CTS = 1 << 0,
    FR_DSR = 1 << 1,
    FR_DCD = 1 << 2,
    FR_BUSY = 1 << 3,
    FR_RXFE = 1 << 4,
    FR_TXFF = 1 << 5,
    FR_RXFF = 1 << 6,
    FR_TXFE = 1 << 7,
    LCR_FEN = 1 << 4,
    CR_LBE = 1 << 7,
    CR_TXE = 1 << 8,
    CR_RXE = 1 << 9,

    INT_RX = 1 << 4,
    INT_TX = 1 << 5,
    INT_RT = 1 << 6,
    INT_BE = 1 << 9,
    INT_OE = 1 << 10,
    INT_ALL = 0x7ff,

    FIFO = 16,
};

typedef struct PL011 {
    SysBusDevice parent;
    MemoryRegion regs;
    Chardev *chardev;
    CharFrontend fe;
    uint32_t rx[FIFO]; /* data and error bits, oldest first */
    uint8_t tx[FIFO];
    uint32_t rx_count, tx_count;
    uint32_t rsr, ilpr, ibrd, fbrd, lcr, cr, ifls, imsc, ris, dmacr;
} PL011;

static void update_irq(PL011 *s)
{
    irq_set(&s->parent.irq[0], (s->ris & s->imsc) != 0);
}

static unsigned fifo_depth(const PL011 *s)
{
    return s->lcr & LCR_FEN ? FIFO : 1;
}

/* IFLS' steps of the FIFO's depth. */
static unsigned rx_trigger(const PL011 *s)
{
    static const uint8_t eighths[8] = { 1, 2, 4, 6, 7, 7, 7, 7 };
    return s->lcr & LCR_FEN ? eighths[s->ifls >> 3 & 7] * FIFO / 8 : 1;
}

/* ---- receiving --------------------------------------------------------------------------- */

static void rx_push(PL011 *s, uint32_t data)
{
    if (s->rx_count == fifo_depth(s)) {
        s->ris |= INT_OE;
        s->rsr |= 8;
    } else {
        s->rx[s->rx_count++] = data;
        s->ris |= s->rx_count >= rx_trigger(s) ? INT_RX : 0;
        /* Below the trigger it is the timeout that tells; what comes here comes after a pause. */
        s->ris |= INT_RT;
    }
    update_irq(s);
}

static uint32_t rx_pop(PL011 *s)
{
    uint32_t data = s->rx[0];
    if (s->rx_count) {
        s->rx_count--;
        memmove(s->rx, s->rx + 1, s->rx_count * sizeof(s->rx[0]));
    }
    if (s->rx_count < rx_trigger(s)) {
        s->ris &= ~(uint32_t)INT_RX;
    }
    if (s->rx_count == 0) {
        s->ris &= ~(uint32_t)INT_RT;
    }
    s->rsr = data >> 8 & 15;
    update_irq(s);
    char_accept_input(&s->fe);
    return data;
}

static size_t can_read(void *opaque)
{
    PL011 *s = opaque;
    return fifo_depth(s) - MIN(s->rx_count, fifo_depth(s));
}

static void receive(void *opaque, const uint8_t *buf, size_t len)
{
    PL011 *s = opaque;
    for (size_t i = 0; i < len && !(s->cr & CR_LBE); i++) {
        rx_push(s, buf[i]);
    }
}

static void line_event(void *opaque, CharEvent event)
{
    PL011 *s = opaque;
    if (event == CHAR_EVENT_BREAK && !(s->cr & CR_LBE)) {
        s->ris |= INT_BE;
        rx_push(s, DR_BREAK);
    }
}

/* ---- sending ----------------------------------------------------------------------------- */

static void send(PL011 *s)
{
    if (s->tx_count) {
        size_t n = char_write(&s->fe, s->tx, s->tx_count);
        s->tx_count -= (uint32_t)n;
        memmove(s->tx, s->tx + n, s->tx_count);
    }
    if (s->tx_count <= fifo_depth(s) / 2) {
        s->ris |= INT_TX;
    }
    update_irq(s);
}

static void writable(void *opaque)
{
    send(opaque);
}

static void write_data(PL011 *s, uint8_t data)
{
    if (s->cr & CR_LBE) {
        rx_push(s, data);
    } else if (s->tx_count < FIFO) {
        s->tx[s->tx_count++] = data;
    }
    send(s);
}

/* ---- registers --------------------------------------------------------------------------- */

static uint32_t flags(const PL011 *s)
{
    return FR_CTS | FR_DSR | FR_DCD | (s->rx_count ? 0 : FR_RXFE) | (s->tx_count ? FR_BUSY : 0) |
           (s->rx_count >= fifo_depth(s) ? FR_RXFF : 0) |
           (s->tx_count >= fifo_depth(s) ? FR_TXFF : 0) | (s->tx_count ? 0 : FR_TXFE);
}

static uint64_t pl011_read(void *opaque, hwaddr offset, unsigned size)
{
    static const uint8_t id[8] = { 0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };
    PL011 *s = opaque;
    (void)size;
    switch (offset) {
    case DR:
        return rx_pop(s);
    case RSR:
        return s->rsr;
    case FR:
        return flags(s);
    case ILPR:
        return s->ilpr;
    case IBRD:
        return s->ibrd;
    case FBRD:
        return s->fbrd;
    case LCR_H:
        return s->lcr;
    case CR:
        return s->cr;
    case IFLS:
        return s->ifls;
    case IMSC:
        return s->imsc;
    case RIS:
        return s->ris;
    case MIS:
        return s->ris & s->imsc;
    case DMACR:
        return s->dmacr;
    default:
        if (offset >= PERIPH_ID) {
            return id[(offset - PERIPH_ID) >> 2];
        }
        log_printf(LOG_GUEST_ERROR, "pl011: read of register %#x\n", (unsigned)offset);
        return 0;
    }
}

static void write_lcr(PL011 *s, uint32_t val)
{
    if ((s->lcr ^ val) & LCR_FEN) { /* turning the FIFOs on or off empties them */
        s->rx_count = s->tx_count = 0;
    }
    s->lcr = val & 0xff;
    char_accept_input(&s->fe);
}

static void pl011_write(void *opaque, hwaddr offset, uint64_t val64, unsigned size)
{
    PL011 *s = opaque;
    uint32_t val = (uint32_t)val64;
    (void)size;
    switch (offset) {
    case DR:
        write_data(s, (uint8_t)val);
        break;
    case RSR:
        s->rsr = 0;
        break;
    case ILPR:
        s->ilpr = val & 0xff;
        break;
    case IBRD:
        s->ibrd = val & 0xffff;
        break;
    case FBRD:
        s->fbrd = val & 0x3f;
        break;
    case LCR_H:
        write_lcr(s, val);
        break;
    case CR:
        s->cr = val & 0xff87;
        break;
    case IFLS:
        s->ifls = val & 0x3f;
        break;
    case IMSC:
        s->imsc = val & INT_ALL;
        break;
    case ICR:
        s->ris &= ~val;
        break;
    case DMACR:
        s->dmacr = val & 7; /* no DMA controller is wired to it */
        break;
    default:
        log_printf(LOG_GUEST_ERROR, "pl011: write to register %#x\n", (unsigned)offset);
        break;
    }
    update_irq(s);
}

static const MemoryRegionOps ops = {
    .read = pl011_read,
    .write = pl011_write,
    .impl = { .min = 4, .max = 4 },
};

static void pl011_reset(Device *dev)
{
    PL011 *s = (PL011 *)dev;
    s->rx_count = s->tx_count = 0;
    s->rsr = s->ilpr = s->ibrd = s->fbrd = s->lcr = s->imsc = s->ris = s->dmacr = 0;
    s->cr = CR_TXE | CR_RXE;
    s->ifls = 0x12;
    update_irq(s);
}

static bool pl011_realize(Device *dev, GError **err)
{
    static const CharUser user = { can_read, receive, line_event, writable };
    PL011 *s = (PL011 *)dev;
    memory_region_init_io(&s->regs, "pl011", 0x1000, &ops, s);
    s->parent.mmio[0] = &s->regs;
    return char_connect(&s->fe, s->chardev, &user, s, err);
}

static void pl011_unrealize(Device *dev)
{
    PL011 *s = (PL011 *)dev;
    char_disconnect(&s->fe);
    memory_region_cleanup(&s->regs);
}

static const Property props[] = {
    { .name = "chardev",
      .kind = PROP_CHARDEV,
      .offset = offsetof(PL011, chardev),
      .doc = "where the line leads" },
    { .name = NULL },
};

static const StateField state[] = {
    STATE_ARRAY(PL011, rx), STATE_ARRAY(PL011, tx), STATE(PL011, rx_count), STATE(PL011, tx_count),
    STATE(PL011, rsr),      STATE(PL011, ilpr),     STATE(PL011, ibrd),     STATE(PL011, fbrd),
    STATE(PL011, lcr),      STATE(PL011, cr),       STATE(PL011, ifls),     STATE(PL011, imsc),
    STATE(PL011, ris),      STATE(PL011, dmacr),    { .name = NULL },
};

static bool pl011_post_load(Device *dev, GError **err)
{
    PL011 *s = (PL011 *)dev;
    if (s->rx_count > FIFO || s->tx_count > FIFO) {
        g_set_error(err, HW_ERROR, 0, "pl011: more in a FIFO than it holds");
        return false;
    }
    return true;
}

static const DeviceType pl011 = {
    .name = "pl011",
    .bus = "sysbus",
    .category = "misc",
    .desc = "PrimeCell UART",
    .size = sizeof(PL011),
    .props = props,
    .realize = pl011_realize,
    .unrealize = pl011_unrealize,
    .reset = pl011_reset,
    .state = state,
    .state_version = 1,
    .post_load = pl011_post_load,
};
DEVICE_TYPE(pl011)
