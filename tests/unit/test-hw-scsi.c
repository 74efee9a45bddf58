/* SPDX-License-Identifier: MIT */
/* SCSI disks and CD drives, command by command, without an adapter around them. */
#include <stdlib.h>
#include <string.h>
#include "hw/scsi/scsi-disk.h"
#include "tests/unit/hw-harness.h"

enum { ROOM = 1 << 20, BLOCKS = 2048 };

static SCSIBus bus;
static uint8_t in_buf[ROOM], out_buf[ROOM];
static SCSIRequest last;
static bool finished;

static void done(SCSIRequest *r)
{
    (void)r;
    finished = true;
}

/* A command for scsi-id 0, with data of the out buffer or room in the in buffer. Its status. */
static uint8_t send(uint32_t lun, size_t out, size_t in, const uint8_t *cdb, size_t len)
{
    const struct iovec outs[2] = { { out_buf, out / 2 }, { out_buf + out / 2, out - out / 2 } };
    const struct iovec ins[1] = { { in_buf, in } };
    memset(&last, 0, sizeof(last));
    memset(in_buf, 0xee, sizeof(in_buf));
    memcpy(last.cdb, cdb, len);
    last.out = outs;
    last.out_num = out ? 2 : 0;
    last.out_bytes = out;
    last.in = ins;
    last.in_num = in ? 1 : 0;
    last.in_bytes = in;
    last.done = done;
    finished = false;
    scsi_execute(&bus, 0, 0, lun, &last);
    for (int i = 0; !finished && i < 500; i++) {
        board_settle(10);
    }
    g_assert_true(finished);
    return last.status;
}

#define SEND(lun, out, in, ...) \
    send(lun, out, in, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))
#define GOOD(out, in, ...) g_assert_cmphex(SEND(0, out, in, __VA_ARGS__), ==, SCSI_GOOD)

#define FAILS(sense_key, code, out, in, ...)                                      \
    do {                                                                          \
        g_assert_cmphex(SEND(0, out, in, __VA_ARGS__), ==, SCSI_CHECK_CONDITION); \
        g_assert_cmphex(last.sense.key, ==, sense_key);                           \
        g_assert_cmphex(last.sense.asc, ==, code);                                \
    } while (0)

static Device *add(const char *text)
{
    g_autoptr(GError) err = NULL;
    Device *dev = device_add_from_text(text, &err);
    g_assert_no_error(err);
    return dev;
}

static void test_identity(void)
{
    Device *hd = add("scsi-hd,bus=test.0,drive=hd,serial=SERIAL,lun=0,wwn=0x5000c50015ea71ad");
    Device *other = add("scsi-hd,bus=test.0,drive=hd2,scsi-id=0,lun=300");
    /* Power-on is told once; INQUIRY and REPORT LUNS do not wait for that. */
    GOOD(0, 96, 0x12, 0, 0, 0, 96, 0);
    g_assert_cmpmem(in_buf + 8, 16, "LATIMER HARDDISK", 16);
    g_assert_cmphex(in_buf[0], ==, 0);
    FAILS(6, 0x29, 0, 0, 0x00, 0, 0, 0, 0, 0);
    GOOD(0, 0, 0x00, 0, 0, 0, 0, 0);
    GOOD(0, 64, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0);
    g_assert_cmpuint(scsi_be(in_buf, 4), ==, 16);
    g_assert_cmphex(scsi_be(in_buf + 16, 2), ==, 0x4000 | 300);
    /* The answer is cut to what there is room for. */
    GOOD(0, 96, 0x12, 0, 0, 0, 5, 0);
    g_assert_cmpuint(last.transferred, ==, 5);
    g_assert_cmphex(in_buf[5], ==, 0xee);
    GOOD(0, 255, 0x12, 1, 0x00, 0, 255, 0);
    g_assert_cmpmem(in_buf + 4, 6, "\0\x80\x83\xb0\xb1\xb2", 6);
    GOOD(0, 255, 0x12, 1, 0x80, 0, 255, 0);
    g_assert_cmpmem(in_buf + 4, 6, "SERIAL", 6);
    GOOD(0, 255, 0x12, 1, 0x83, 0, 255, 0);
    g_assert_cmphex(scsi_be(in_buf + 4 + 4 + 6 + 4, 8), ==, 0x5000c50015ea71ad);
    GOOD(0, 255, 0x12, 1, 0xb0, 0, 255, 0);
    g_assert_cmpuint(scsi_be(in_buf + 36, 8), ==, 65536);
    FAILS(5, 0x24, 0, 255, 0x12, 1, 0x99, 0, 255, 0);
    FAILS(5, 0x24, 0, 255, 0x12, 0, 0x80, 0, 255, 0);
    GOOD(0, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    g_assert_cmpuint(scsi_be(in_buf, 4), ==, BLOCKS - 1);
    GOOD(0, 32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0);
    g_assert_cmpuint(scsi_be(in_buf, 8), ==, BLOCKS - 1);
    g_assert_cmpuint(scsi_be(in_buf + 8, 4), ==, 512);
    FAILS(5, 0x20, 0, 0, 0xc0, 0, 0, 0, 0, 0);
    /* What was wrong is kept for those who ask. */
    GOOD(0, 18, 0x03, 0, 0, 0, 18, 0);
    g_assert_cmphex(in_buf[2] | in_buf[12] << 8, ==, 0x2005);
    /* A unit that is not there. */
    g_assert_cmphex(SEND(7, 0, 36, 0x12, 0, 0, 0, 36, 0), ==, SCSI_GOOD);
    g_assert_cmphex(in_buf[0], ==, 0x7f);
    g_assert_cmphex(SEND(7, 0, 0, 0x00, 0, 0, 0, 0, 0), ==, SCSI_CHECK_CONDITION);
    g_assert_cmphex(last.sense.asc, ==, 0x25);
    device_delete(hd);
    device_delete(other);
}

static void pattern(unsigned seed, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        out_buf[i] = (uint8_t)(seed + i * 7 + i / 512);
    }
}

static void test_transfers(void)
{
    Device *hd = add("scsi-hd,bus=test.0,drive=hd,lun=0");
    FAILS(6, 0x29, 0, 0, 0x00, 0, 0, 0, 0, 0);
    pattern(1, 1024);
    GOOD(1024, 0, 0x0a, 0, 0, 4, 2, 0); /* WRITE (6), and every READ */
    GOOD(0, 1024, 0x08, 0, 0, 4, 2, 0);
    g_assert_cmpmem(in_buf, 1024, out_buf, 1024);
    GOOD(0, 1024, 0x28, 0, 0, 0, 0, 4, 0, 0, 2, 0);
    g_assert_cmpmem(in_buf, 1024, out_buf, 1024);
    GOOD(0, 1024, 0xa8, 0, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0);
    g_assert_cmpmem(in_buf, 1024, out_buf, 1024);
    GOOD(0, 1024, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0);
    g_assert_cmpmem(in_buf, 1024, out_buf, 1024);
    /* Every WRITE, one with FUA, one that verifies. */
    pattern(2, 512);
    GOOD(512, 0, 0x2a, 8, 0, 0, 0, 5, 0, 0, 1, 0);
    GOOD(0, 512, 0x08, 0, 0, 5, 1, 0);
    g_assert_cmpmem(in_buf, 512, out_buf, 512);
    GOOD(512, 0, 0xaa, 0, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0);
    GOOD(512, 0, 0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0);
    GOOD(512, 0, 0x2e, 0, 0, 0, 0, 8, 0, 0, 1, 0);
    GOOD(0, 512, 0x08, 0, 0, 7, 1, 0);
    g_assert_cmpmem(in_buf, 512, out_buf, 512);
    /* READ (6) of 0 blocks is 256, of others nothing. */
    GOOD(0, 256 * 512, 0x08, 0, 0, 0, 0, 0);
    g_assert_cmpuint(last.transferred, ==, 256 * 512);
    GOOD(0, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    g_assert_cmpuint(last.transferred, ==, 0);
    /* Less room than asked for. */
    GOOD(0, 600, 0x28, 0, 0, 0, 0, 4, 0, 0, 2, 0);
    g_assert_true(last.transferred == 600 && last.wanted == 1024);
    g_assert_cmphex(in_buf[600], ==, 0xee);
    /* The end, and far beyond. */
    GOOD(0, 512, 0x28, 0, 0, 0, (BLOCKS - 1) >> 8, (BLOCKS - 1) & 0xff, 0, 0, 1, 0);
    FAILS(5, 0x21, 0, 1024, 0x28, 0, 0, 0, (BLOCKS - 1) >> 8, (BLOCKS - 1) & 0xff, 0, 0, 2, 0);
    FAILS(5, 0x21, 0, 512, 0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0,
          0);
    FAILS(5, 0x21, 512, 0, 0x8a, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0,
          0);
    FAILS(5, 0x24, 0, 512, 0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0); /* RDPROTECT */
    GOOD(0, 0, 0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    GOOD(0, 0, 0x2f, 0, 0, 0, 0, 0, 0, 0, 1, 0);
    FAILS(5, 0x24, 512, 0, 0x2f, 2, 0, 0, 0, 0, 0, 0, 1, 0); /* VERIFY with data */
    device_delete(hd);
}

static void test_discarding(void)
{
    Device *hd = add("scsi-hd,bus=test.0,drive=hd,lun=0");
    static const uint8_t zeros[2048];
    FAILS(6, 0x29, 0, 0, 0x00, 0, 0, 0, 0, 0);
    pattern(3, 4096);
    GOOD(4096, 0, 0x2a, 0, 0, 0, 0, 100, 0, 0, 8, 0);
    memset(out_buf, 0, 40);
    out_buf[1] = 38;
    out_buf[3] = 32;
    out_buf[15] = 100; /* 100: 2 blocks; 104: 2 blocks */
    out_buf[19] = 2;
    out_buf[31] = 104;
    out_buf[35] = 2;
    GOOD(40, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0);
    GOOD(0, 1024, 0x28, 0, 0, 0, 0, 104, 0, 0, 2, 0);
    out_buf[8] = 0xff; /* beyond the end */
    FAILS(5, 0x21, 40, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 40, 0);
    FAILS(5, 0x1a, 40, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 20, 0); /* ranges that are not there */
    GOOD(0, 0, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    /* WRITE SAME of a pattern, of zeros, of nothing given. */
    pattern(4, 512);
    GOOD(512, 0, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 1, 0, 0, 0);
    GOOD(0, 512, 0x28, 0, 0, 0, 0, 255, 0, 0, 1, 0);
    g_assert_cmpmem(in_buf, 512, out_buf, 512);
    GOOD(0, 0, 0x93, 9, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 4, 0, 0);
    GOOD(0, 2048, 0x28, 0, 0, 0, 0, 100, 0, 0, 4, 0);
    g_assert_cmpmem(in_buf, 2048, zeros, 2048);
    memset(out_buf, 0, 512);
    GOOD(512, 0, 0x41, 0, 0, 0, 0, 200, 0, 0, 4, 0);
    GOOD(0, 2048, 0x28, 0, 0, 0, 0, 200, 0, 0, 4, 0);
    g_assert_cmpmem(in_buf, 2048, zeros, 2048);
    FAILS(5, 0x24, 512, 0, 0x41, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    FAILS(5, 0x24, 512, 0, 0x93, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0);
    device_delete(hd);
}

static void test_modes(void)
{
    Device *hd = add("scsi-hd,bus=test.0,drive=hd,lun=0");
    FAILS(6, 0x29, 0, 0, 0x00, 0, 0, 0, 0, 0);
    GOOD(0, 255, 0x1a, 0, 0x08, 0, 255, 0);
    g_assert_true(in_buf[3] == 8 && in_buf[12] == 8 && in_buf[13] == 18 && in_buf[14] == 4);
    /* The cache off, and on again with MODE SELECT (10). */
    static const uint8_t off[24] = { [4] = 0x08, [5] = 18 };
    memcpy(out_buf, off, sizeof(off));
    GOOD(24, 0, 0x15, 0x10, 0, 0, 24, 0);
    GOOD(0, 255, 0x1a, 8, 0x08, 0, 255, 0);
    g_assert_cmphex(in_buf[6], ==, 0);
    memset(out_buf, 0, 28);
    out_buf[8] = 0x08;
    out_buf[9] = 18;
    out_buf[10] = 4;
    GOOD(28, 0, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 28, 0);
    out_buf[11] = 1; /* what cannot be changed */
    FAILS(5, 0x26, 28, 0, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 28, 0);
    FAILS(5, 0x1a, 10, 0, 0x55, 0x10, 0, 0, 0, 0, 0, 0, 28, 0);
    GOOD(0, 255, 0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 255, 0);
    FAILS(5, 0x24, 0, 255, 0x1a, 0, 0x2a, 0, 255, 0); /* a CD's page */
    FAILS(5, 0x39, 0, 255, 0x1a, 0, 0xc8, 0, 255, 0); /* saved values */
    device_delete(hd);
    /* A disk that cannot be written to says so, and is not. */
    hd = add("scsi-hd,bus=test.0,drive=ro,lun=0");
    FAILS(6, 0x29, 0, 0, 0x00, 0, 0, 0, 0, 0);
    GOOD(0, 255, 0x1a, 0, 0x08, 0, 255, 0);
    g_assert_cmphex(in_buf[2] & 0x80, ==, 0x80);
    FAILS(7, 0x27, 512, 0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0);
    device_delete(hd);
}

static void test_cd(void)
{
    Device *cd = add("scsi-cd,bus=test.0,drive=ro,lun=0");
    FAILS(6, 0x29, 0, 0, 0x00, 0, 0, 0, 0, 0);
    GOOD(0, 96, 0x12, 0, 0, 0, 96, 0);
    g_assert_true(in_buf[0] == 5 && in_buf[1] == 0x80);
    GOOD(0, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    g_assert_true(scsi_be(in_buf, 4) == BLOCKS / 4 - 1 && scsi_be(in_buf + 4, 4) == 2048);
    GOOD(0, 2048, 0x28, 0, 0, 0, 0, 1, 0, 0, 1, 0);
    GOOD(0, 100, 0x43, 0, 0, 0, 0, 0, 0, 0, 100, 0);
    g_assert_true(in_buf[6] == 1 && in_buf[14] == 0xaa && scsi_be(in_buf + 16, 4) == BLOCKS / 4);
    GOOD(0, 100, 0x43, 2, 0, 0, 0, 0, 0, 0, 100, 0); /* minutes, seconds, frames */
    g_assert_cmphex(scsi_be(in_buf + 8, 4), ==, 0x000200);
    GOOD(0, 100, 0x43, 2, 2, 0, 0, 0, 0, 0, 100, 0);
    FAILS(5, 0x24, 0, 100, 0x43, 0, 5, 0, 0, 0, 0, 0, 100, 0);
    GOOD(0, 100, 0x46, 0, 0, 0, 0, 0, 0, 0, 100, 0);
    g_assert_cmphex(scsi_be(in_buf + 6, 2), ==, 8);
    GOOD(0, 34, 0x51, 0, 0, 0, 0, 0, 0, 0, 34, 0);
    GOOD(0, 8, 0xbd, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0);
    FAILS(5, 0x20, 512, 0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0); /* there is no WRITE */
    /* Kept, let go, out, in. */
    GOOD(0, 0, 0x1e, 0, 0, 0, 1, 0);
    FAILS(5, 0x53, 0, 0, 0x1b, 0, 0, 0, 2, 0);
    GOOD(0, 0, 0x1e, 0, 0, 0, 0, 0);
    GOOD(0, 0, 0x1b, 0, 0, 0, 2, 0);
    FAILS(2, 0x3a, 0, 0, 0x00, 0, 0, 0, 0, 0);
    GOOD(0, 8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0);
    g_assert_true(in_buf[4] == 3 && in_buf[5] == 1);
    GOOD(0, 8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8, 0);
    g_assert_cmphex(in_buf[4], ==, 0); /* told once */
    GOOD(0, 0, 0x1b, 0, 0, 0, 3, 0);
    GOOD(0, 0, 0x00, 0, 0, 0, 0, 0);
    device_delete(cd);
}

static void test_refused(void)
{
    static const char *const bad[][2] = {
        { "scsi-block,bus=test.0,drive=hd", "not implemented" },
        { "scsi-hd,bus=test.0", "drive" },
        { "scsi-hd,bus=test.0,drive=hd,scsi-id=9", "scsi-ids to 7" },
        { "scsi-hd,bus=test.0,drive=hd,logical_block_size=100", "powers of 2" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) err = NULL;
        g_assert_null(device_add_from_text(bad[i][0], &err));
        g_assert_nonnull(strstr(err->message, bad[i][1]));
    }
}

int main(int argc, char **argv)
{
    static const SCSIBusOps ops = { 0, 7, SCSI_MAX_LUN, NULL, NULL };
    static const DeviceType type = { .name = "test-adapter" };
    static Device adapter = { .type = &type };
    g_autofree char *folder = g_dir_make_tmp("latimer-scsi-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "disk", NULL);
    g_test_init(&argc, &argv, NULL);
    board_init();
    static const char *const ids[] = { "hd", "hd2", "ro" };
    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_autofree char *file = g_strconcat(path, ids[i], NULL);
        g_autofree char *zeros = g_malloc0(BLOCKS * 512);
        g_assert_true(g_file_set_contents(file, zeros, BLOCKS * 512, NULL));
        g_autofree char *options = g_strdup_printf("file=%s,format=raw,discard=unmap%s", file,
                                                   i == 2 ? ",readonly=on" : "");
        board_add_drive(ids[i], options);
    }
    scsi_bus_init(&bus, &adapter, "test.0", &ops);
    g_test_add_func("/scsi/identity", test_identity);
    g_test_add_func("/scsi/transfers", test_transfers);
    g_test_add_func("/scsi/discarding", test_discarding);
    g_test_add_func("/scsi/modes", test_modes);
    g_test_add_func("/scsi/cd", test_cd);
    g_test_add_func("/scsi/refused", test_refused);
    int ret = g_test_run();
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", folder);
    return system(command) ? 1 : ret;
}
