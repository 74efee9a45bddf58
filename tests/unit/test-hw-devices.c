/* SPDX-License-Identifier: MIT */
/* Small devices by their registers: UART, clock, GPIO, flash, fw_cfg; device core and timers. */
#include <string.h>
#include "hw/gpio/pl061.h"
#include "hw/mainloop.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/timer.h"
#include "tests/unit/hw-harness.h"

static void spin(void)
{
    while (g_main_context_iteration(NULL, FALSE)) {
    }
}

/* ---- PL011 ------------------------------------------------------------------------------- */

static void test_pl011(void)
{
    g_autoptr(GError) err = NULL;
    Chardev *ring = chardev_add("ringbuf,id=ring,size=64", &err);
    g_assert_no_error(err);
    SysBusDevice *dev = (SysBusDevice *)board_new("pl011", "chardev=ring", NULL);
    dev->irq[0] = board_wire(0);
    board_place(&dev->parent, BOARD_MMIO);
    enum {
        DR = BOARD_MMIO,
        FR = DR + 0x18,
        LCR = DR + 0x2c,
        CR = DR + 0x30,
        IMSC = DR + 0x38,
        RIS = DR + 0x3c,
        MIS = DR + 0x40,
        ICR = DR + 0x44
    };
    g_assert_cmphex(rd(DR + 0xfe0, 4), ==, 0x11);
    g_assert_cmphex(rd(FR, 4) & 0x90, ==, 0x90); /* both FIFOs empty */
    for (const char *p = "hello"; *p; p++) {
        wr(DR, (uint8_t)*p, 4);
    }
    GByteArray *out = chardev_ringbuf_read(ring, 64);
    g_assert_cmpmem(out->data, out->len, "hello", 5);
    g_byte_array_free(out, TRUE);
    /* The transmit interrupt. */
    g_assert_cmphex(rd(RIS, 4) & 0x20, ==, 0x20);
    g_assert_cmpint(board.wires[0], ==, 0);
    wr(IMSC, 0x20, 4);
    g_assert_cmpint(board.wires[0], ==, 1);
    wr(ICR, 0x20, 4);
    g_assert_cmpint(board.wires[0], ==, 0);
    /* Loopback: 16 bytes fit with FIFOs, one without; the next is an overrun. */
    wr(IMSC, 0x50, 4);
    wr(LCR, 0x70, 4);
    wr(CR, 0x381, 4);
    for (unsigned i = 0; i < 17; i++) {
        wr(DR, i, 1);
    }
    g_assert_cmphex(rd(FR, 4) & 0x40, ==, 0x40);
    g_assert_cmphex(rd(MIS, 4), ==, 0x50);
    g_assert_cmphex(rd(RIS, 4) & 0x400, ==, 0x400);
    for (unsigned i = 0; i < 16; i++) {
        g_assert_cmphex(rd(DR, 4), ==, i);
    }
    g_assert_cmphex(rd(FR, 4) & 0x10, ==, 0x10);
    g_assert_cmpint(board.wires[0], ==, 0);
    device_delete(&dev->parent);
    g_assert_true(chardev_remove(ring, &err));
}

/* ---- PL031, PL061 ------------------------------------------------------------------------- */

static void test_pl031(void)
{
    SysBusDevice *dev = (SysBusDevice *)board_new("pl031", NULL);
    dev->irq[0] = board_wire(1);
    board_place(&dev->parent, BOARD_MMIO);
    uint64_t now = rd(BOARD_MMIO, 4);
    g_assert_cmpuint(now - (uint64_t)g_get_real_time() / 1000000 + 1, <=, 2);
    wr(BOARD_MMIO + 0x08, 1000, 4);
    g_assert_cmpuint(rd(BOARD_MMIO, 4) - 1000, <=, 1);
    wr(BOARD_MMIO + 0x10, 1, 4);
    g_assert_cmpint(board.wires[1], ==, 0);
    wr(BOARD_MMIO + 0x04, rd(BOARD_MMIO, 4), 4); /* matches at once */
    g_assert_cmpint(board.wires[1], ==, 1);
    wr(BOARD_MMIO + 0x1c, 1, 4);
    g_assert_cmpint(board.wires[1], ==, 0);
    device_delete(&dev->parent);
}

static void test_pl061(void)
{
    SysBusDevice *dev = (SysBusDevice *)board_new("pl061", NULL);
    dev->irq[0] = board_wire(2);
    board_place(&dev->parent, BOARD_MMIO);
    pl061_connect(&dev->parent, 7, board_wire(3));
    IRQLine key = pl061_input(&dev->parent, 3);
    wr(BOARD_MMIO + 0x408, 8, 4); /* both edges */
    wr(BOARD_MMIO + 0x410, 8, 4);
    irq_set(&key, 1);
    g_assert_cmphex(rd(BOARD_MMIO + 0x3fc, 4), ==, 8);
    g_assert_cmphex(rd(BOARD_MMIO + 0x3fc - 0x20, 4), ==, 0); /* masked by the address */
    g_assert_cmpint(board.wires[2], ==, 1);
    wr(BOARD_MMIO + 0x41c, 8, 4);
    g_assert_cmpint(board.wires[2], ==, 0);
    irq_set(&key, 0);
    g_assert_cmpint(board.wires[2], ==, 1);
    wr(BOARD_MMIO + 0x400, 0x80, 4);
    wr(BOARD_MMIO + 0x3fc, 0xff, 4);
    g_assert_cmpint(board.wires[3], ==, 1);
    device_delete(&dev->parent);
}

/* ---- flash ------------------------------------------------------------------------------- */

static void test_pflash(void)
{
    enum { A = BOARD_MMIO };
    Device *dev = board_new("cfi.pflash01", "size=1M", NULL);
    board_place(dev, A);
    g_assert_cmphex(rd(A, 4), ==, 0); /* without an image, and not erased yet */
    for (unsigned at = 0; at < 0x100000; at += 0x40000) {
        wr(A + at, 0x00200020, 4);
        wr(A + at, 0x00d000d0, 4);
    }
    wr(A, 0x00ff00ff, 4);
    g_assert_cmphex(rd(A, 4), ==, 0xffffffff);
    wr(A, 0x00980098, 4);
    g_assert_cmphex(rd(A + 0x40, 4), ==, 0x00510051); /* Q */
    g_assert_cmphex(rd(A + 0x44, 4), ==, 0x00520052);
    wr(A, 0x00ff00ff, 4);
    /* Programming clears bits only. */
    wr(A + 16, 0x00400040, 4);
    wr(A + 16, 0x12345678, 4);
    g_assert_cmphex(rd(A + 16, 4), ==, 0x00800080);
    wr(A, 0x00ff00ff, 4);
    g_assert_cmphex(rd(A + 16, 4), ==, 0x12345678);
    wr(A + 16, 0x00400040, 4);
    wr(A + 16, 0xff00ff00, 4);
    wr(A, 0x00ff00ff, 4);
    g_assert_cmphex(rd(A + 16, 4), ==, 0x12005600);
    /* A buffered write of three words. */
    wr(A + 0x40000, 0x00e800e8, 4);
    wr(A + 0x40000, 0x00020002, 4);
    for (unsigned i = 0; i < 3; i++) {
        wr(A + 0x40010 + 4 * i, i + 1, 4);
    }
    wr(A + 0x40000, 0x00d000d0, 4);
    wr(A, 0x00ff00ff, 4);
    g_assert_cmphex(rd(A + 0x40018, 4), ==, 3);
    g_assert_cmphex(rd(A + 0x4001c, 4), ==, 0xffffffff);
    /* One that leaves its buffer is an error, and writes nothing. */
    wr(A + 0x40000, 0x00e800e8, 4);
    wr(A + 0x40000, 0x00020002, 4);
    wr(A + 0x80000, 0, 4);
    g_assert_cmphex(rd(A, 4) & 0x10, ==, 0x10);
    wr(A, 0x00500050, 4);
    g_assert_cmphex(rd(A + 0x80000, 4), ==, 0xffffffff);
    /* Erasing a block. */
    wr(A + 0x40000, 0x00200020, 4);
    wr(A + 0x40000, 0x00d000d0, 4);
    wr(A, 0x00ff00ff, 4);
    g_assert_cmphex(rd(A + 0x40010, 4), ==, 0xffffffff);
    g_assert_cmphex(rd(A + 16, 4), ==, 0x12005600);
    device_delete(dev);
}

/* ---- fw_cfg ------------------------------------------------------------------------------ */

static size_t seen_offset, seen_len;

static void file_written(void *opaque, const uint8_t *data, size_t offset, size_t len)
{
    g_assert_true(opaque == &board);
    g_assert_cmpint(data[offset], ==, 0x77);
    seen_offset = offset;
    seen_len = len;
}

static uint32_t fw_dma(uint32_t control, uint32_t len, uint64_t addr)
{
    uint32_t desc[2] = { GUINT32_TO_BE(control), GUINT32_TO_BE(len) };
    uint64_t be = GUINT64_TO_BE(addr);
    address_space_write(&board.as, BOARD_RAM, NULL, desc, 8);
    address_space_write(&board.as, BOARD_RAM + 8, NULL, &be, 8);
    wr(BOARD_MMIO + 16, GUINT64_TO_BE((uint64_t)BOARD_RAM), 8);
    return GUINT32_FROM_BE((uint32_t)rd(BOARD_RAM, 4));
}

static void test_fw_cfg(void)
{
    Device *dev = board_new("fw_cfg_mem", NULL);
    board_place(dev, BOARD_MMIO);
    g_autoptr(GBytes) ro = g_bytes_new("abcdef", 6), rw = g_bytes_new("12345678", 8);
    g_assert_true(fw_cfg_add_file(dev, "etc/ro", ro, NULL, NULL, NULL));
    g_assert_true(fw_cfg_add_file(dev, "etc/rw", rw, file_written, &board, NULL));
    wr(BOARD_MMIO + 8, 0, 2);
    g_assert_cmphex(rd(BOARD_MMIO, 4), ==, 0x554d4551); /* QEMU */
    g_assert_cmphex(rd(BOARD_MMIO, 1), ==, 0);
    g_assert_cmphex(rd(BOARD_MMIO + 16, 8), ==, 0x4746432055 << 24 | 0x4d4551);
    /* The directory by DMA: two files. */
    g_assert_cmphex(fw_dma(FW_CFG_FILE_DIR << 16 | 8 | 2, 4 + 2 * 64, BOARD_RAM + 0x100), ==, 0);
    g_assert_cmphex(rd(BOARD_RAM + 0x100, 4), ==, 2u << 24);
    g_assert_cmphex(rd(BOARD_RAM + 0x104 + 64, 4), ==, 8u << 24);
    /* Skip, then read past the end. */
    g_assert_cmphex(fw_dma(0x20 << 16 | 8 | 4, 4, 0), ==, 0);
    g_assert_cmphex(fw_dma(2, 4, BOARD_RAM + 0x200), ==, 0);
    g_assert_cmphex(rd(BOARD_RAM + 0x200, 4), ==, 0x6665);
    /* Writing: to the one that takes it only, and only inside. */
    wr(BOARD_RAM + 0x300, 0x7777, 2);
    g_assert_cmphex(fw_dma(0x20 << 16 | 8 | 16, 2, BOARD_RAM + 0x300), ==, 1);
    g_assert_cmphex(fw_dma(0x21 << 16 | 8 | 4, 4, 0), ==, 0);
    g_assert_cmphex(fw_dma(16, 2, BOARD_RAM + 0x300), ==, 0);
    g_assert_cmpuint(seen_offset, ==, 4);
    g_assert_cmpuint(seen_len, ==, 2);
    g_assert_cmphex(fw_dma(16, 9, BOARD_RAM + 0x300), ==, 1);
    /* To where no memory is, of any length. */
    g_assert_cmphex(fw_dma(0x20 << 16 | 8 | 2, 0xffffffff, 0x8000000000), ==, 1);
    device_delete(dev);
}

/* ---- the core ---------------------------------------------------------------------------- */

static void test_props(void)
{
    g_autoptr(GError) err = NULL;
    Device *dev = board_new("virtio-blk-device", NULL);
    g_assert_false(device_set_prop(dev, "num-queues", "65", &err));
    g_assert_nonnull(strstr(err->message, "virtio-blk-device: num-queues=65: 65 is not in 1…64"));
    g_clear_error(&err);
    g_assert_false(device_set_prop(dev, "nothing", "1", &err));
    g_clear_error(&err);
    g_assert_true(device_set_prop(dev, "serial", "abc", &err));
    g_autofree char *text = device_get_prop(dev, "serial");
    g_assert_cmpstr(text, ==, "abc");
    g_autofree char *preset = device_get_prop(dev, "queue-size");
    g_assert_cmpstr(preset, ==, "256");
    device_delete(dev);
    const char *const bad[] = { "nothing", "pl011", "virtio-rng-pci", "virtio-rng-device,bus=x" };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_null(device_add_from_text(bad[i], &err));
        g_assert_nonnull(err);
        g_clear_error(&err);
    }
}

static int fired[3];

static void fire(void *opaque)
{
    int *n = opaque;
    static int order;
    *n = ++order;
}

static void test_timers(void)
{
    Timer t[3];
    for (int i = 0; i < 3; i++) {
        timer_init(&t[i], i == 2 ? CLOCK_VIRTUAL : CLOCK_HOST_MONO, fire, &fired[i]);
    }
    int64_t now = clock_get_ns(CLOCK_HOST_MONO);
    timer_mod(&t[0], now + 2000000);
    timer_mod(&t[1], now + 1000000);
    timer_mod(&t[2], 0); /* its clock stands still */
    while (timer_pending(&t[0])) {
        main_loop_iterate(true);
    }
    g_assert_cmpint(fired[1], ==, 1);
    g_assert_cmpint(fired[0], ==, 2);
    g_assert_cmpint(fired[2], ==, 0);
    int64_t stopped = clock_get_ns(CLOCK_VIRTUAL);
    g_usleep(2000);
    g_assert_cmpint(clock_get_ns(CLOCK_VIRTUAL), ==, stopped);
    clock_enable_virtual(true);
    while (timer_pending(&t[2])) {
        main_loop_iterate(true);
    }
    g_assert_cmpint(fired[2], ==, 3);
    g_assert_cmpint(clock_get_ns(CLOCK_VIRTUAL), >=, stopped);
    clock_enable_virtual(false);
    timer_mod(&t[0], INT64_MAX);
    timer_del(&t[0]);
    g_assert_false(timer_pending(&t[0]));
    spin();
}

static void test_smp(void)
{
    static const struct {
        const char *text;
        unsigned cpus, sockets, cores, threads;
    } good[] = {
        { "4", 4, 1, 4, 1 },
        { "cpus=2,maxcpus=8,sockets=2", 2, 2, 4, 1 },
        { "8,cores=2,threads=2", 8, 2, 2, 2 },
        { "sockets=2,cores=2", 4, 2, 2, 1 },
    };
    static const char *const bad[] = {
        "0", "x", "9", "4,cores=3", "cpus=4,maxcpus=2", "4,boats=1"
    };
    g_autoptr(GError) err = NULL;
    CPUTopology t;
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_true(smp_parse(good[i].text, 8, &t, &err));
        g_assert_cmpuint(t.cpus, ==, good[i].cpus);
        g_assert_cmpuint(t.sockets, ==, good[i].sockets);
        g_assert_cmpuint(t.cores, ==, good[i].cores);
        g_assert_cmpuint(t.threads, ==, good[i].threads);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(smp_parse(bad[i], 8, &t, &err));
        g_clear_error(&err);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    board_init();
    g_test_add_func("/hw/pl011", test_pl011);
    g_test_add_func("/hw/pl031", test_pl031);
    g_test_add_func("/hw/pl061", test_pl061);
    g_test_add_func("/hw/pflash", test_pflash);
    g_test_add_func("/hw/fw_cfg", test_fw_cfg);
    g_test_add_func("/hw/props", test_props);
    g_test_add_func("/hw/timers", test_timers);
    g_test_add_func("/hw/smp", test_smp);
    return g_test_run();
}
