/* SPDX-License-Identifier: MIT */
/* fw_cfg over MMIO, with DMA. Linux: include/uapi/linux/qemu_fw_cfg.h; the register layout:
 * Documentation/devicetree/bindings/firmware/qemu,fw-cfg-mmio.yaml. */
#include <string.h>
#include "hw/machine.h"
#include "hw/nvram/fw_cfg.h"
#include "util/log.h"

enum {
    REG_DATA = 0,
    REG_SELECTOR = 8,
    REG_DMA_HIGH = 16,
    REG_DMA_LOW = 20,
    REGS_SIZE = 24,

    DMA_ERROR = 1,
    DMA_READ = 2,
    DMA_SKIP = 4,
    DMA_SELECT = 8,
    DMA_WRITE = 16,

    ID_TRADITIONAL = 1,
    ID_DMA = 2,

    NB_KEYS = FW_CFG_FILE_FIRST + FW_CFG_FILE_SLOTS,
    KEY_MASK = 0x3fff, /* the upper bits: architecture's own, written to */
    NAME_SIZE = 56,
};

typedef struct Item {
    GByteArray *data; /* NULL: empty */
    FwCfgWritten written;
    void *opaque;
} Item;

typedef struct FwCfg {
    SysBusDevice parent;
    MemoryRegion regs;
    Item items[NB_KEYS];
    char names[FW_CFG_FILE_SLOTS][NAME_SIZE];
    uint32_t nb_files;
    uint16_t selected;
    uint32_t offset; /* of the next byte in the selected item */
    uint64_t dma_addr;
} FwCfg;

/* As it lies in the guest's memory, big endian. */
typedef struct DMAAccess {
    uint32_t control, length;
    uint64_t address;
} DMAAccess;

/* ---- items ------------------------------------------------------------------------------- */

static void set_data(Item *item, const void *data, size_t len)
{
    if (item->data) {
        g_byte_array_free(item->data, TRUE);
    }
    item->data = g_byte_array_sized_new((guint)len);
    g_byte_array_append(item->data, data, (guint)len);
}

void fw_cfg_set_bytes(Device *dev, uint16_t key, const void *data, size_t len)
{
    g_assert(key < NB_KEYS && len <= UINT32_MAX / 2);
    set_data(&((FwCfg *)dev)->items[key], data, len);
}

void fw_cfg_set(Device *dev, uint16_t key, GBytes *data)
{
    gsize len;
    const void *bytes = g_bytes_get_data(data, &len);
    fw_cfg_set_bytes(dev, key, bytes, len);
}

void fw_cfg_set_u16(Device *dev, uint16_t key, uint16_t val)
{
    fw_cfg_set_bytes(dev, key, &val, sizeof(val));
}

void fw_cfg_set_u32(Device *dev, uint16_t key, uint32_t val)
{
    fw_cfg_set_bytes(dev, key, &val, sizeof(val));
}

/* The directory: count, then size, key and name of each. */
static void make_directory(FwCfg *s)
{
    GByteArray *dir = g_byte_array_new();
    uint32_t count = GUINT32_TO_BE(s->nb_files);
    g_byte_array_append(dir, (const guint8 *)&count, sizeof(count));
    for (uint32_t i = 0; i < s->nb_files; i++) {
        struct {
            uint32_t size;
            uint16_t key, reserved;
            char name[NAME_SIZE];
        } entry = { .size = GUINT32_TO_BE(s->items[FW_CFG_FILE_FIRST + i].data->len),
                    .key = GUINT16_TO_BE((uint16_t)(FW_CFG_FILE_FIRST + i)) };
        memcpy(entry.name, s->names[i], NAME_SIZE);
        g_byte_array_append(dir, (const guint8 *)&entry, sizeof(entry));
    }
    fw_cfg_set_bytes(&s->parent.parent, FW_CFG_FILE_DIR, dir->data, dir->len);
    g_byte_array_free(dir, TRUE);
}

bool fw_cfg_add_file(Device *dev, const char *name, GBytes *data, FwCfgWritten written,
                     void *opaque, GError **err)
{
    FwCfg *s = (FwCfg *)dev;
    uint32_t i = 0;
    while (i < s->nb_files && strcmp(s->names[i], name)) {
        i++;
    }
    if (strlen(name) >= NAME_SIZE || i == FW_CFG_FILE_SLOTS) {
        g_set_error(err, HW_ERROR, 0, "fw_cfg file '%s': %s", name,
                    i == FW_CFG_FILE_SLOTS ? "there are too many" : "the name is too long");
        return false;
    }
    strcpy(s->names[i], name);
    s->nb_files = MAX(s->nb_files, i + 1);
    fw_cfg_set(dev, (uint16_t)(FW_CFG_FILE_FIRST + i), data);
    s->items[FW_CFG_FILE_FIRST + i].written = written;
    s->items[FW_CFG_FILE_FIRST + i].opaque = opaque;
    make_directory(s);
    return true;
}

/* ---- access ------------------------------------------------------------------------------ */

static Item *selected(FwCfg *s)
{
    unsigned key = s->selected & KEY_MASK;
    return key < NB_KEYS && s->items[key].data ? &s->items[key] : NULL;
}

static void select_item(FwCfg *s, uint16_t key)
{
    s->selected = key;
    s->offset = 0;
}

/* Behind an item's end there are zeros. */
static void read_bytes(FwCfg *s, uint8_t *to, uint32_t len)
{
    const Item *item = selected(s);
    uint32_t have = item ? item->data->len - MIN(s->offset, item->data->len) : 0;
    uint32_t n = MIN(have, len);
    if (n) {
        memcpy(to, item->data->data + s->offset, n);
    }
    memset(to + n, 0, len - n);
    s->offset += n;
}

static uint64_t fw_cfg_read(void *opaque, hwaddr offset, unsigned size)
{
    static const uint8_t signature[8] = "QEMU CFG";
    FwCfg *s = opaque;
    uint64_t val = 0;
    if (offset < REG_SELECTOR) {
        read_bytes(s, (uint8_t *)&val, size);
    } else if (offset >= REG_DMA_HIGH) {
        memcpy(&val, signature + (offset - REG_DMA_HIGH), size);
    }
    return val;
}

/* In pieces, so that a guest's length is no allocation of ours. */
static bool dma_transfer(FwCfg *s, AddressSpace *as, hwaddr addr, uint32_t len, bool write)
{
    uint8_t buf[4096];
    Item *item = selected(s);
    if (write && (!item || !item->written || s->offset > item->data->len ||
                  len > item->data->len - s->offset)) {
        return false;
    }
    uint32_t start = s->offset, total = len;
    while (len) {
        uint32_t n = MIN(len, (uint32_t)sizeof(buf));
        MemTxResult res;
        if (write) {
            res = address_space_read(as, addr, NULL, buf, n);
            memcpy(item->data->data + s->offset, buf, n);
            s->offset += n;
        } else {
            read_bytes(s, buf, n);
            res = address_space_write(as, addr, NULL, buf, n);
        }
        if (res != MEMTX_OK) {
            return false;
        }
        addr += n;
        len -= n;
    }
    if (write) {
        item->written(item->opaque, item->data->data, start, total);
    }
    return true;
}

static void dma(FwCfg *s)
{
    AddressSpace *as = machine_current()->memory;
    hwaddr at = s->dma_addr;
    DMAAccess d;
    s->dma_addr = 0;
    if (address_space_read(as, at, NULL, &d, sizeof(d)) != MEMTX_OK) {
        log_printf(LOG_GUEST_ERROR, "fw_cfg: no DMA descriptor is at %#" G_GINT64_MODIFIER "x\n",
                   at);
        return;
    }
    uint32_t control = GUINT32_FROM_BE(d.control), len = GUINT32_FROM_BE(d.length);
    uint64_t addr = GUINT64_FROM_BE(d.address);
    if (control & DMA_SELECT) {
        select_item(s, (uint16_t)(control >> 16));
    }
    const Item *item = selected(s);
    uint32_t left = item ? item->data->len - MIN(s->offset, item->data->len) : 0;
    bool ok = true;
    if (control & (DMA_READ | DMA_WRITE)) {
        ok = dma_transfer(s, as, addr, len, !(control & DMA_READ));
    } else if (control & DMA_SKIP) {
        s->offset += MIN(len, left);
    }
    uint32_t result = ok ? 0 : GUINT32_TO_BE(DMA_ERROR);
    address_space_write(as, at, NULL, &result, sizeof(result));
}

static void fw_cfg_write(void *opaque, hwaddr offset, uint64_t val, unsigned size)
{
    FwCfg *s = opaque;
    if (offset == REG_SELECTOR && size == 2) {
        select_item(s, __builtin_bswap16((uint16_t)val));
    } else if (offset == REG_DMA_HIGH && size == 8) {
        s->dma_addr = __builtin_bswap64(val);
        dma(s);
    } else if (offset == REG_DMA_HIGH && size == 4) {
        s->dma_addr = (uint64_t)__builtin_bswap32((uint32_t)val) << 32;
    } else if (offset == REG_DMA_LOW && size == 4) {
        s->dma_addr |= __builtin_bswap32((uint32_t)val);
        dma(s);
    }
}

static const MemoryRegionOps ops = {
    .read = fw_cfg_read,
    .write = fw_cfg_write,
    .impl = { .min = 1, .max = 8 },
};

/* ---- the device -------------------------------------------------------------------------- */

static Device *the_fw_cfg;

Device *fw_cfg_find(void)
{
    return the_fw_cfg;
}

static void fw_cfg_reset(Device *dev)
{
    FwCfg *s = (FwCfg *)dev;
    select_item(s, 0);
    s->dma_addr = 0;
}

static bool fw_cfg_realize(Device *dev, GError **err)
{
    FwCfg *s = (FwCfg *)dev;
    (void)err;
    memory_region_init_io(&s->regs, "fwcfg", REGS_SIZE, &ops, s);
    s->parent.mmio[0] = &s->regs;
    fw_cfg_set_bytes(dev, FW_CFG_SIGNATURE, "QEMU", 4);
    fw_cfg_set_u32(dev, FW_CFG_ID, ID_TRADITIONAL | ID_DMA);
    make_directory(s);
    the_fw_cfg = dev;
    return true;
}

static void fw_cfg_unrealize(Device *dev)
{
    FwCfg *s = (FwCfg *)dev;
    the_fw_cfg = NULL;
    memory_region_cleanup(&s->regs);
    for (int i = 0; i < NB_KEYS; i++) {
        if (s->items[i].data) {
            g_byte_array_free(s->items[i].data, TRUE);
        }
    }
}

static const StateField state[] = {
    STATE(FwCfg, selected),
    STATE(FwCfg, offset),
    STATE(FwCfg, dma_addr),
    { .name = NULL },
};

static const DeviceType fw_cfg = {
    .name = "fw_cfg_mem",
    .bus = "sysbus",
    .category = "misc",
    .desc = "firmware configuration",
    .size = sizeof(FwCfg),
    .realize = fw_cfg_realize,
    .unrealize = fw_cfg_unrealize,
    .reset = fw_cfg_reset,
    .state = state,
    .state_version = 1,
};
DEVICE_TYPE(fw_cfg)
