/* SPDX-License-Identifier: MIT */
/*
 * GICv3's interrupt translation service: (device, event) of a message to an LPI at a
 * redistributor, by tables in guest memory that commands from a ring fill. ARM IHI 0069H, chapters
 * 5.2, 5.3 and 12.19.
 *
 * The tables' formats are ours to choose; they are kept so: a device entry is the address and size
 * of its interrupt table, an interrupt entry the LPI and collection, a collection entry the CPU.
 * Whatever a guest puts there, it only ever names its own CPUs and LPIs.
 */
#include <string.h>
#include "hw/intc/gicv3-internal.h"
#include "hw/machine.h"
#include "util/log.h"

enum {
    CTLR = 0x0000,
    TYPER = 0x0008,
    CBASER = 0x0080,
    CWRITER = 0x0088,
    CREADR = 0x0090,
    BASER0 = 0x0100, /* devices */
    BASER1 = 0x0108, /* collections */
    PIDR2 = 0xffe8,
    TRANSLATER = 0x10040,
    REGS_SIZE = 0x20000,

    CTLR_ENABLED = 1,
    ENTRY = 8, /* bytes of an entry of each table */
    ITT_ENTRY = 8,
    DEVICE_BITS = 16,
    EVENT_BITS = 16,
    COLLECTION_BITS = 16,
    COMMAND = 32,
};

/* Command numbers. */
enum {
    CMD_MOVI = 0x01,
    CMD_INT = 0x03,
    CMD_CLEAR = 0x04,
    CMD_SYNC = 0x05,
    CMD_MAPD = 0x08,
    CMD_MAPC = 0x09,
    CMD_MAPTI = 0x0a,
    CMD_MAPI = 0x0b,
    CMD_INV = 0x0c,
    CMD_INVALL = 0x0d,
    CMD_MOVALL = 0x0e,
    CMD_DISCARD = 0x0f,
};

#define VALID          (1ull << 63)
#define CTLR_QUIESCENT (1u << 31)

typedef struct ITS {
    SysBusDevice parent;
    MemoryRegion regs;
    GICv3 *gic;
    uint32_t ctlr;
    uint64_t cbaser, cwriter, creadr;
    uint64_t baser[2];
} ITS;

/* ---- tables in RAM ----------------------------------------------------------------------- */

/* Where entry n of a flat or two-level table (GITS_BASER) lies; 0: nowhere. */
static hwaddr entry_address(ITS *s, uint64_t baser, uint64_t n)
{
    static const uint32_t page_sizes[4] = { 4096, 16384, 65536, 65536 };
    uint32_t page = page_sizes[baser >> 8 & 3];
    uint64_t pages = (baser & 0xff) + 1, offset = n * ENTRY;
    hwaddr base = baser & 0xfffffffff000ull;
    if (page == 65536) { /* bits 51:48 of the address are in 15:12 */
        base = (baser & 0xffffffff0000ull) | (baser >> 12 & 15) << 48;
    }
    if (!(baser & VALID)) {
        return 0;
    }
    if (!(baser >> 62 & 1)) {
        return offset < pages * page ? base + offset : 0;
    }
    uint64_t first = offset / page, level1 = 0;
    if (first * 8 < pages * page) {
        gicv3_read_table(s->gic, base + first * 8, &level1, sizeof(level1));
    }
    return level1 & VALID ? (level1 & 0xffffffffff000ull) + offset % page : 0;
}

static uint64_t read_entry(ITS *s, hwaddr at)
{
    uint64_t val = 0;
    if (at) {
        gicv3_read_table(s->gic, at, &val, sizeof(val));
    }
    return val;
}

/* RAM only, as in reading. */
static void write_entry(ITS *s, hwaddr at, uint64_t val)
{
    uint64_t len = sizeof(val);
    void *ram = at ? address_space_map(s->gic->memory, at, &len, true) : NULL;
    if (ram && len == sizeof(val)) {
        memcpy(ram, &val, len);
        address_space_unmap(s->gic->memory, ram, len);
    }
}

/* A device's entry: valid, event bits less 1 in 4:0, address of its table in 51:8. */
static hwaddr event_entry(ITS *s, uint32_t device, uint32_t event)
{
    uint64_t d = device >> DEVICE_BITS ? 0 : read_entry(s, entry_address(s, s->baser[0], device));
    if (!(d & VALID) || event >> ((d & 0x1f) + 1)) {
        return 0;
    }
    return (d & 0xfffffffffff00ull) + (uint64_t)event * ITT_ENTRY;
}

/* An event's entry: valid, collection in 47:32, LPI in 31:0. */
static GICv3CPU *collection_cpu(ITS *s, uint32_t collection)
{
    uint64_t c = read_entry(s, entry_address(s, s->baser[1], collection));
    uint64_t cpu = c & 0xffff;
    return c & VALID && cpu < s->gic->parent.nb_cpus ? &s->gic->cpus[cpu] : NULL;
}

static GICv3CPU *translate(ITS *s, uint32_t device, uint32_t event, uint32_t *lpi)
{
    uint64_t e = read_entry(s, event_entry(s, device, event));
    *lpi = (uint32_t)e;
    return e & VALID ? collection_cpu(s, e >> 32 & 0xffff) : NULL;
}

static void set_lpi(ITS *s, uint32_t device, uint32_t event, bool pending)
{
    uint32_t lpi;
    GICv3CPU *c = translate(s, device, event, &lpi);
    if (c) {
        gicv3_lpi_set(c, lpi, pending);
        gicv3_update_cpu(c);
    } else {
        log_printf(LOG_GUEST_ERROR, "its: no interrupt for event %u of device %#x\n", event,
                   device);
    }
}

/* ---- commands ---------------------------------------------------------------------------- */

static void map_device(ITS *s, const uint64_t *cmd)
{
    uint32_t device = (uint32_t)(cmd[0] >> 32);
    uint64_t size = cmd[1] & 0x1f;
    if (device >> DEVICE_BITS || size >= EVENT_BITS) {
        return;
    }
    uint64_t entry = cmd[2] & VALID ? VALID | (cmd[2] & 0xfffffffffff00ull) | size : 0;
    write_entry(s, entry_address(s, s->baser[0], device), entry);
}

static void map_collection(ITS *s, const uint64_t *cmd)
{
    uint32_t collection = cmd[2] & 0xffff;
    uint64_t cpu = cmd[2] >> 16 & 0xffffffff; /* by number: GITS_TYPER.PTA is 0 */
    if (!(cmd[2] & VALID) || cpu < s->gic->parent.nb_cpus) {
        write_entry(s, entry_address(s, s->baser[1], collection), cmd[2] & VALID ? VALID | cpu : 0);
    }
}

static void map_event(ITS *s, const uint64_t *cmd, bool same_number)
{
    uint32_t device = (uint32_t)(cmd[0] >> 32), event = (uint32_t)cmd[1];
    uint64_t lpi = same_number ? event : cmd[1] >> 32;
    if (lpi >= GICV3_LPI_BASE && lpi < 1u << GICV3_ID_BITS) {
        write_entry(s, event_entry(s, device, event), VALID | (cmd[2] & 0xffff) << 32 | lpi);
    }
}

/* To another collection: what is pending goes along. */
static void move_event(ITS *s, const uint64_t *cmd)
{
    uint32_t device = (uint32_t)(cmd[0] >> 32), event = (uint32_t)cmd[1], lpi;
    hwaddr at = event_entry(s, device, event);
    uint64_t e = read_entry(s, at);
    GICv3CPU *from = translate(s, device, event, &lpi), *to = collection_cpu(s, cmd[2] & 0xffff);
    if (!(e & VALID)) {
        return;
    }
    write_entry(s, at, VALID | (cmd[2] & 0xffff) << 32 | lpi);
    if (from && to && from != to && gicv3_lpi_is_pending(from, lpi)) {
        gicv3_lpi_set(from, lpi, false);
        gicv3_lpi_set(to, lpi, true);
        gicv3_update_cpu(from);
        gicv3_update_cpu(to);
    }
}

static void move_all(ITS *s, const uint64_t *cmd)
{
    uint64_t a = cmd[2] >> 16 & 0xffffffff, b = cmd[3] >> 16 & 0xffffffff;
    if (a < s->gic->parent.nb_cpus && b < s->gic->parent.nb_cpus && a != b) {
        gicv3_lpi_move_all(&s->gic->cpus[a], &s->gic->cpus[b]);
        gicv3_update_cpu(&s->gic->cpus[a]);
        gicv3_update_cpu(&s->gic->cpus[b]);
    }
}

static void discard_event(ITS *s, uint32_t device, uint32_t event)
{
    set_lpi(s, device, event, false);
    write_entry(s, event_entry(s, device, event), 0);
}

/* Configuration bytes may have changed: they are not cached, but what comes next is. */
static void refresh(ITS *s)
{
    for (unsigned i = 0; i < s->gic->parent.nb_cpus; i++) {
        gicv3_lpi_update(&s->gic->cpus[i]);
    }
    gicv3_update_all(s->gic);
}

static void run_command(ITS *s, const uint64_t *cmd)
{
    uint32_t device = (uint32_t)(cmd[0] >> 32), event = (uint32_t)cmd[1];
    switch (cmd[0] & 0xff) {
    case CMD_MAPD:
        map_device(s, cmd);
        break;
    case CMD_MAPC:
        map_collection(s, cmd);
        break;
    case CMD_MAPTI:
    case CMD_MAPI:
        map_event(s, cmd, (cmd[0] & 0xff) == CMD_MAPI);
        break;
    case CMD_MOVI:
        move_event(s, cmd);
        break;
    case CMD_MOVALL:
        move_all(s, cmd);
        break;
    case CMD_INT:
    case CMD_CLEAR:
        set_lpi(s, device, event, (cmd[0] & 0xff) == CMD_INT);
        break;
    case CMD_DISCARD:
        discard_event(s, device, event);
        break;
    case CMD_INV:
    case CMD_INVALL:
        refresh(s);
        break;
    case CMD_SYNC:
        break; /* each command is complete when it is done */
    default:
        log_printf(LOG_GUEST_ERROR, "its: unknown command %#x\n", (unsigned)(cmd[0] & 0xff));
        break;
    }
}

/* At most one round of the ring. */
static void run_commands(ITS *s)
{
    hwaddr base = s->cbaser & 0xffffffffff000ull;
    uint64_t size = ((s->cbaser & 0xff) + 1) * 4096;
    if (!(s->cbaser & VALID) || !(s->ctlr & CTLR_ENABLED) || s->cwriter >= size) {
        return;
    }
    for (uint64_t n = size / COMMAND; n && s->creadr != s->cwriter; n--) {
        uint64_t cmd[4];
        gicv3_read_table(s->gic, base + s->creadr, cmd, sizeof(cmd));
        run_command(s, cmd);
        s->creadr = (s->creadr + COMMAND) % size;
    }
}

/* ---- registers --------------------------------------------------------------------------- */

/* Physical LPIs; entry sizes; CCT 0 and PTA 0: collections are in memory, CPUs by number. */
static uint64_t typer(void)
{
    return 1 | (uint64_t)(ITT_ENTRY - 1) << 4 | (uint64_t)(EVENT_BITS - 1) << 8 |
           (uint64_t)(DEVICE_BITS - 1) << 13 | (uint64_t)(COLLECTION_BITS - 1) << 32;
}

/* The page size out of reset is unknown to the architecture, but some take what they find for the
 * only one. */
#define BASER_64K (2ull << 8)

/* What is fixed in them: two-level tables are possible, type, entry size. */
static uint64_t baser_fixed(unsigned n)
{
    return (uint64_t)(n ? 4 : 1) << 56 | (uint64_t)(ENTRY - 1) << 48;
}

static uint64_t *field(ITS *s, hwaddr offset)
{
    switch (offset & ~4ull) {
    case CBASER:
        return &s->cbaser;
    case CWRITER:
        return &s->cwriter;
    case CREADR:
        return &s->creadr;
    case BASER0:
    case BASER1:
        return &s->baser[(offset - BASER0) / 8];
    default:
        return NULL;
    }
}

static uint64_t reg_read(ITS *s, hwaddr offset)
{
    const uint64_t *f = field(s, offset);
    if (f) {
        return *f;
    }
    switch (offset & ~7ull) {
    case CTLR:
        return s->ctlr | CTLR_QUIESCENT | (uint64_t)0x43b << 32; /* and IIDR */
    case TYPER:
        return typer();
    case PIDR2 & ~7:
        return 0x3b;
    default:
        return 0;
    }
}

static MemTxResult its_read(void *opaque, hwaddr offset, uint64_t *val, unsigned size,
                            const MemTxAttrs *attrs)
{
    ITS *s = opaque;
    (void)attrs;
    pthread_mutex_lock(&s->gic->lock);
    uint64_t all = reg_read(s, offset);
    *val = size == 8 ? all : all >> (offset & 4) * 8;
    pthread_mutex_unlock(&s->gic->lock);
    return MEMTX_OK;
}

static void write_field(ITS *s, hwaddr offset, uint64_t val, unsigned size)
{
    uint64_t *f = field(s, offset);
    unsigned shift = (offset & 4) * 8;
    if (!f || f == &s->creadr) {
        return;
    }
    bool off = !(s->ctlr & CTLR_ENABLED);
    val = size == 8 ? val : (*f & ~(0xffffffffull << shift)) | (val & 0xffffffff) << shift;
    if (f == &s->cwriter) {
        *f = val & 0xfffe0;
        run_commands(s);
    } else if (f == &s->cbaser && off) {
        *f = val;
        s->creadr = 0;
    } else if (off) {
        unsigned n = (unsigned)(f - s->baser);
        *f = (val & ~(7ull << 56 | 31ull << 48)) | baser_fixed(n);
    }
}

static MemTxResult its_write(void *opaque, hwaddr offset, uint64_t val, unsigned size,
                             const MemTxAttrs *attrs)
{
    ITS *s = opaque;
    pthread_mutex_lock(&s->gic->lock);
    if (offset == TRANSLATER) {
        if (s->ctlr & CTLR_ENABLED) {
            set_lpi(s, attrs->requester, (uint32_t)val, true);
        }
    } else if (offset == CTLR) {
        s->ctlr = val & CTLR_ENABLED;
        run_commands(s);
    } else {
        write_field(s, offset, val, size);
    }
    pthread_mutex_unlock(&s->gic->lock);
    return MEMTX_OK;
}

static const MemoryRegionOps ops = {
    .read_tx = its_read,
    .write_tx = its_write,
    .valid = { .min = 2, .max = 8 },
    .impl = { .min = 2, .max = 8 },
    .lockless = true,
};

/* ---- the device -------------------------------------------------------------------------- */

static void its_reset(Device *dev)
{
    ITS *s = (ITS *)dev;
    pthread_mutex_lock(&s->gic->lock);
    s->ctlr = 0;
    s->cbaser = s->cwriter = s->creadr = 0;
    s->baser[0] = baser_fixed(0) | BASER_64K;
    s->baser[1] = baser_fixed(1) | BASER_64K;
    pthread_mutex_unlock(&s->gic->lock);
}

static bool its_realize(Device *dev, GError **err)
{
    ITS *s = (ITS *)dev;
    if (!s->gic || !s->gic->memory) {
        g_set_error(err, HW_ERROR, 0, "it needs a GICv3 with LPIs");
        return false;
    }
    memory_region_init_io(&s->regs, "gicv3_its", REGS_SIZE, &ops, s);
    s->parent.mmio[0] = &s->regs;
    its_reset(dev);
    return true;
}

static void its_unrealize(Device *dev)
{
    memory_region_cleanup(&((ITS *)dev)->regs);
}

void gicv3_its_connect(Device *its, GICDevice *gic)
{
    ((ITS *)its)->gic = (GICv3 *)gic;
}

static const StateField state[] = {
    STATE(ITS, ctlr),   STATE(ITS, cbaser),      STATE(ITS, cwriter),
    STATE(ITS, creadr), STATE_ARRAY(ITS, baser), { .name = NULL },
};

static const DeviceType its = {
    .name = "arm-gicv3-its",
    .bus = "sysbus",
    .category = "misc",
    .desc = "Arm GICv3 interrupt translation service",
    .size = sizeof(ITS),
    .realize = its_realize,
    .unrealize = its_unrealize,
    .reset = its_reset,
    .state = state,
    .state_version = 1,
};
DEVICE_TYPE(its)
