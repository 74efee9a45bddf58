/* SPDX-License-Identifier: MIT */
/* Memory modules (-device pc-dimm), at the machine's start: guests find them as memory of its own.
 */
#include "hw/mem/pc-dimm.h"
#include "hw/machine.h"
#include "util/round.h"

static bool wrong(const char *text, GError **err)
{
    g_set_error_literal(err, HW_ERROR, 0, text);
    return false;
}

static bool slot_taken(const Machine *m, int32_t slot)
{
    for (guint i = 0; i < m->dimms->len; i++) {
        if (((const PCDimm *)m->dimms->pdata[i])->slot == slot) {
            return true;
        }
    }
    return false;
}

static bool choose_slot(PCDimm *d, const Machine *m, GError **err)
{
    if (d->slot < 0) {
        for (d->slot = 0; slot_taken(m, d->slot); d->slot++) {
        }
    } else if (slot_taken(m, d->slot)) {
        return wrong("the slot is taken", err);
    }
    return (unsigned)d->slot < m->ram_slots || wrong("there is no such slot (-m slots=)", err);
}

/* Behind all others, or where the user wants it. */
static bool choose_place(PCDimm *d, const Machine *m, GError **err)
{
    hwaddr end = m->dimm_base;
    uint64_t sum = d->memory->size;
    for (guint i = 0; i < m->dimms->len; i++) {
        const PCDimm *other = m->dimms->pdata[i];
        end = MAX(end, other->addr + other->memory->size);
        sum += other->memory->size;
        if (d->addr && d->addr < other->addr + other->memory->size &&
            other->addr < d->addr + d->memory->size) {
            return wrong("another module is at this address", err);
        }
    }
    if (sum > m->max_ram_size - m->ram_size) {
        return wrong("it is more memory than -m maxmem= has room for", err);
    }
    d->addr = d->addr ? d->addr : ROUND_UP(end, (hwaddr)PC_DIMM_ALIGN);
    return (d->addr % PC_DIMM_ALIGN == 0 && d->addr >= m->dimm_base &&
            d->addr - m->dimm_base <= m->dimm_room - d->memory->size) ||
           wrong("the address is not in the room for modules, or no multiple of 128 MiB", err);
}

static bool dimm_realize(Device *dev, GError **err)
{
    PCDimm *d = (PCDimm *)dev;
    Machine *m = machine_current();
    if (!d->memory) {
        return wrong("it needs memdev=", err);
    }
    if (!m->dimm_room) {
        return wrong("there is no room for it: -m slots=,maxmem= (and not highmem=off)", err);
    }
    if (d->node >= MAX(m->nb_nodes, 1)) {
        return wrong("there is no such node (-numa)", err);
    }
    if (d->memory->size % (2 << 20)) {
        return wrong("the size of its memory is no multiple of 2 MiB", err);
    }
    if (!choose_slot(d, m, err) || !choose_place(d, m, err)) {
        return false;
    }
    memory_region_init_ram_block(&d->region, d->memory->name, d->memory);
    memory_region_add(m->system, d->addr, &d->region, 0);
    g_ptr_array_add(m->dimms, d);
    return true;
}

static const Property props[] = {
    { .name = "memdev",
      .kind = PROP_MEMDEV,
      .offset = offsetof(PCDimm, memory),
      .doc = "-object memory-backend-…, for this module alone" },
    { .name = "addr",
      .kind = PROP_U64,
      .offset = offsetof(PCDimm, addr),
      .preset = "0",
      .doc = "where; 0: the next free place" },
    { .name = "slot",
      .kind = PROP_I32,
      .offset = offsetof(PCDimm, slot),
      .preset = "-1",
      .doc = "its number; -1: the next free one" },
    { .name = "node",
      .kind = PROP_U32,
      .offset = offsetof(PCDimm, node),
      .preset = "0",
      .doc = "the -numa node that it belongs to" },
    { .name = NULL },
};

static const DeviceType pc_dimm = {
    .name = "pc-dimm",
    .bus = "sysbus",
    .category = "misc",
    .desc = "memory module",
    .size = sizeof(PCDimm),
    .props = props,
    .user_creatable = true,
    .realize = dimm_realize,
};
DEVICE_TYPE(pc_dimm)
