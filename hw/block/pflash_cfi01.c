/* SPDX-License-Identifier: MIT */
/*
 * A bank of NOR flash with the Intel command set: two 16-bit chips side by side on a 32-bit bus.
 * JEDEC JESD68.01 (CFI) and JEP137; Intel StrataFlash J3 data sheet for the commands.
 */
#include <string.h>
#include "block/backend.h"
#include "hw/machine.h"
#include "util/log.h"

enum {
    BLOCK = 256 * 1024,  /* erased at once: 128 KiB of each chip */
    WRITE_BUFFER = 4096, /* of both chips */

    CMD_PROGRAM = 0x40,
    CMD_PROGRAM2 = 0x10,
    CMD_ERASE = 0x20,
    CMD_CLEAR_STATUS = 0x50,
    CMD_LOCK = 0x60,
    CMD_STATUS = 0x70,
    CMD_ID = 0x90,
    CMD_CFI = 0x98,
    CMD_SUSPEND = 0xb0,
    CMD_CONFIRM = 0xd0,
    CMD_BUFFER = 0xe8,
    CMD_ARRAY = 0xff,

    STATUS_READY = 0x80,
    STATUS_ERASE_ERROR = 0x20,
    STATUS_PROGRAM_ERROR = 0x10,
};

/* What the next write is. */
typedef enum FlashState {
    FLASH_COMMAND,
    FLASH_PROGRAM,
    FLASH_ERASE_CONFIRM,
    FLASH_LOCK_CONFIRM,
    FLASH_BUFFER_COUNT,
    FLASH_BUFFER_DATA,
    FLASH_BUFFER_CONFIRM,
} FlashState;

typedef struct PFlash {
    SysBusDevice parent;
    MemoryRegion mem;
    BlockBackend *blk;
    uint64_t size;
    char *label;
    uint8_t mode; /* CMD_ARRAY, STATUS, ID, CFI: what reads give */
    uint8_t status;
    uint32_t state;
    uint32_t words_left; /* FLASH_BUFFER_DATA */
    uint32_t buffer_base;
    uint8_t buffer[WRITE_BUFFER], written[WRITE_BUFFER]; /* data, and which bytes of it */
} PFlash;

static void set_mode(PFlash *s, uint8_t mode)
{
    s->mode = mode;
    memory_region_rom_device_set_romd(&s->mem, mode == CMD_ARRAY);
}

static uint8_t *content(PFlash *s)
{
    return memory_region_ram_ptr(&s->mem);
}

/* [at, at + len) was changed. */
static void changed(PFlash *s, uint64_t at, uint64_t len)
{
    ram_block_written(s->mem.ram, at, len);
    if (s->blk && blk_writable(s->blk) &&
        blk_pwrite_sync(s->blk, (int64_t)at, content(s) + at, (int64_t)len)) {
        s->status |= STATUS_PROGRAM_ERROR;
    }
}

/* ---- reading ----------------------------------------------------------------------------- */

/* Bytes of one chip, by its word address. */
static uint8_t cfi_byte(const PFlash *s, uint64_t word)
{
    uint64_t chip = s->size / 2, block = BLOCK / 2, count = chip / block;
    const uint8_t table[] = {
        [0x10] = 'Q',
        'R',
        'Y',
        0x01,
        0x00,
        0x31,
        0x00,
        0,
        0,
        0,
        0,
        [0x1b] = 0x45,
        0x55,
        0,
        0, /* supply voltages */
        [0x1f] = 7,
        7,
        10,
        0,
        4,
        4,
        4,
        0, /* times, as powers of 2 */
        [0x27] = (uint8_t)__builtin_ctzll(chip),
        [0x28] = 2,
        0, /* x8 and x16 */
        [0x2a] = (uint8_t)__builtin_ctz(WRITE_BUFFER / 2),
        0,
        [0x2c] = 1, /* regions */
        [0x2d] = (uint8_t)(count - 1),
        (uint8_t)((count - 1) >> 8),
        (uint8_t)(block >> 8),
        (uint8_t)(block >> 16),
        [0x31] = 'P',
        'R',
        'I',
        '1',
        '0',
    };
    return word < sizeof(table) ? table[word] : 0;
}

static uint8_t chip_byte(const PFlash *s, uint64_t word)
{
    static const uint8_t id[2] = { 0x89, 0x18 };
    switch (s->mode) {
    case CMD_ID:
        return (word & 0xff) < 2 ? id[word & 1] : 0;
    case CMD_CFI:
        return cfi_byte(s, word & 0xff);
    default:
        return s->status;
    }
}

/* Each 16-bit lane shows its own chip, whose upper byte is 0. */
static uint64_t flash_read(void *opaque, hwaddr offset, unsigned size)
{
    PFlash *s = opaque;
    uint64_t val = 0;
    for (unsigned i = 0; i < size; i++) {
        hwaddr at = offset + i;
        uint8_t byte = s->mode == CMD_ARRAY ? content(s)[at] : at & 1 ? 0 : chip_byte(s, at >> 2);
        val |= (uint64_t)byte << i * 8;
    }
    return val;
}

/* ---- writing ----------------------------------------------------------------------------- */

/* Programming clears bits, and sets none. */
static void program(PFlash *s, uint64_t at, uint64_t val, unsigned size)
{
    uint8_t *to = content(s) + at;
    for (unsigned i = 0; i < size; i++) {
        to[i] &= (uint8_t)(val >> i * 8);
    }
    changed(s, at, size);
}

static void erase(PFlash *s, uint64_t at)
{
    at &= ~(uint64_t)(BLOCK - 1);
    memset(content(s) + at, 0xff, BLOCK);
    changed(s, at, BLOCK);
}

static void command(PFlash *s, uint8_t cmd)
{
    static const uint8_t follow[256] = {
        [CMD_PROGRAM] = FLASH_PROGRAM,     [CMD_PROGRAM2] = FLASH_PROGRAM,
        [CMD_ERASE] = FLASH_ERASE_CONFIRM, [CMD_LOCK] = FLASH_LOCK_CONFIRM,
        [CMD_BUFFER] = FLASH_BUFFER_COUNT,
    };
    s->state = follow[cmd];
    switch (cmd) {
    case CMD_ARRAY:
    case CMD_ID:
    case CMD_CFI:
        set_mode(s, cmd);
        break;
    case CMD_CLEAR_STATUS:
        s->status = STATUS_READY;
        set_mode(s, CMD_ARRAY);
        break;
    case 0:
    case 0xf0: /* another command set's reset: drivers send both */
        set_mode(s, CMD_ARRAY);
        break;
    case CMD_PROGRAM:
    case CMD_PROGRAM2:
    case CMD_ERASE:
    case CMD_LOCK:
    case CMD_STATUS:
    case CMD_SUSPEND:
    case CMD_CONFIRM:
    case CMD_BUFFER:
        set_mode(s, CMD_STATUS);
        break;
    default:
        log_printf(LOG_GUEST_ERROR, "pflash: unknown command %#x\n", cmd);
        set_mode(s, CMD_ARRAY);
        break;
    }
}

static void buffer_write(PFlash *s, uint64_t at, uint64_t val, unsigned size)
{
    uint64_t off = at - s->buffer_base;
    if (off >= WRITE_BUFFER || size > WRITE_BUFFER - off) {
        s->status |= STATUS_PROGRAM_ERROR;
        s->state = FLASH_COMMAND;
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        s->buffer[off + i] = (uint8_t)(val >> i * 8);
        s->written[off + i] = 1;
    }
    if (s->words_left-- == 0) {
        s->state = FLASH_BUFFER_CONFIRM;
    }
}

static void buffer_commit(PFlash *s)
{
    uint8_t *to = content(s) + s->buffer_base;
    for (unsigned i = 0; i < WRITE_BUFFER; i++) {
        to[i] &= s->written[i] ? s->buffer[i] : 0xff;
    }
    changed(s, s->buffer_base, WRITE_BUFFER);
}

static void flash_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    PFlash *s = opaque;
    uint8_t cmd = (uint8_t)val;
    uint32_t state = s->state;
    s->state = FLASH_COMMAND;
    switch (state) {
    case FLASH_COMMAND:
        command(s, cmd);
        break;
    case FLASH_PROGRAM:
        program(s, offset, val, size);
        break;
    case FLASH_ERASE_CONFIRM:
        if (cmd == CMD_CONFIRM) {
            erase(s, offset);
        } else {
            s->status |= STATUS_ERASE_ERROR;
        }
        break;
    case FLASH_LOCK_CONFIRM:
        break; /* blocks are never locked */
    case FLASH_BUFFER_COUNT:
        s->words_left = (uint32_t)val & 0xffff;
        s->buffer_base = (uint32_t)(offset & ~(hwaddr)(WRITE_BUFFER - 1));
        memset(s->written, 0, sizeof(s->written));
        s->state = FLASH_BUFFER_DATA;
        break;
    case FLASH_BUFFER_DATA:
        s->state = FLASH_BUFFER_DATA;
        buffer_write(s, offset, val, size);
        break;
    default:
        if (cmd == CMD_CONFIRM) {
            buffer_commit(s);
        } else {
            s->status |= STATUS_PROGRAM_ERROR;
        }
        break;
    }
}

static const MemoryRegionOps ops = {
    .read = flash_read,
    .write = flash_write,
    .impl = { .min = 1, .max = 4 },
};

/* ---- the device -------------------------------------------------------------------------- */

static void flash_reset(Device *dev)
{
    PFlash *s = (PFlash *)dev;
    s->state = FLASH_COMMAND;
    s->status = STATUS_READY;
    set_mode(s, CMD_ARRAY);
}

static bool load(PFlash *s, GError **err)
{
    if (!s->blk) {
        return true; /* zeros: pages that nobody touches cost nothing */
    }
    int64_t size = blk_size(s->blk);
    if (size < 0 || (uint64_t)size != s->size) {
        g_set_error(err, HW_ERROR, 0,
                    "flash image '%s' has %" G_GINT64_FORMAT " bytes, not the "
                    "%" G_GINT64_MODIFIER "u of the bank",
                    blk_name(s->blk), size, s->size);
        return false;
    }
    int ret = blk_pread_sync(s->blk, 0, content(s), size);
    if (ret) {
        g_set_error(err, HW_ERROR, 0, "flash image '%s': %s", blk_name(s->blk), g_strerror(-ret));
    }
    return ret == 0;
}

static bool flash_realize(Device *dev, GError **err)
{
    PFlash *s = (PFlash *)dev;
    if (!s->size || s->size % BLOCK || s->size & (s->size - 1)) {
        g_set_error(err, HW_ERROR, 0, "size is not a power of 2 of at least 256 KiB");
        return false;
    }
    if (!memory_region_init_rom_device(&s->mem, s->label ? s->label : "flash", s->size, &ops, s,
                                       err)) {
        return false;
    }
    if (!load(s, err)) {
        memory_region_cleanup(&s->mem);
        return false;
    }
    s->parent.mmio[0] = &s->mem;
    flash_reset(dev);
    return true;
}

static void flash_unrealize(Device *dev)
{
    memory_region_cleanup(&((PFlash *)dev)->mem);
}

static const Property props[] = {
    { .name = "drive",
      .kind = PROP_DRIVE,
      .offset = offsetof(PFlash, blk),
      .doc = "the content, and where writes are kept" },
    { .name = "size",
      .kind = PROP_SIZE,
      .offset = offsetof(PFlash, size),
      .preset = "64M",
      .doc = "bytes" },
    { .name = "name",
      .kind = PROP_STR,
      .offset = offsetof(PFlash, label),
      .doc = "name of its memory" },
    { .name = NULL },
};

static const StateField state[] = {
    STATE(PFlash, mode),
    STATE(PFlash, status),
    STATE(PFlash, state),
    STATE(PFlash, words_left),
    STATE(PFlash, buffer_base),
    { "buffer", offsetof(PFlash, buffer), WRITE_BUFFER, 1 },
    { "written", offsetof(PFlash, written), WRITE_BUFFER, 1 },
    { .name = NULL },
};

static bool flash_post_load(Device *dev, GError **err)
{
    PFlash *s = (PFlash *)dev;
    if (s->state > FLASH_BUFFER_CONFIRM || s->buffer_base > s->size - WRITE_BUFFER) {
        g_set_error(err, HW_ERROR, 0, "impossible state of a flash chip");
        return false;
    }
    set_mode(s, s->mode);
    return true;
}

static const DeviceType pflash = {
    .name = "cfi.pflash01",
    .bus = "sysbus",
    .category = "storage",
    .desc = "NOR flash",
    .size = sizeof(PFlash),
    .props = props,
    .realize = flash_realize,
    .unrealize = flash_unrealize,
    .reset = flash_reset,
    .state = state,
    .state_version = 1,
    .post_load = flash_post_load,
};
DEVICE_TYPE(pflash)
