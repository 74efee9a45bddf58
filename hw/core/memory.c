/* SPDX-License-Identifier: MIT */
/* The tree of memory regions: making, placing and changing them. flatview.c makes views of it. */
#include <string.h>
#include "hw/core/memory-internal.h"

static void region_init(MemoryRegion *mr, int kind, const char *name, uint64_t size)
{
    memset(mr, 0, sizeof(*mr));
    mr->name = g_strdup(name);
    mr->kind = kind;
    mr->size = size;
    mr->enabled = true;
}

void memory_region_init(MemoryRegion *mr, const char *name, uint64_t size)
{
    region_init(mr, MR_CONTAINER, name, size);
}

void memory_region_init_io(MemoryRegion *mr, const char *name, uint64_t size,
                           const MemoryRegionOps *ops, void *opaque)
{
    region_init(mr, MR_IO, name, size);
    mr->ops = ops;
    mr->opaque = opaque;
}

void memory_region_init_ram_block(MemoryRegion *mr, const char *name, RAMBlock *block)
{
    region_init(mr, MR_RAM, name, block->size);
    mr->ram = block;
}

static bool init_new_ram(MemoryRegion *mr, int kind, const char *name, uint64_t size, GError **err)
{
    RAMBlock *block = ram_block_new(name, size, NULL, err);
    if (!block) {
        return false;
    }
    region_init(mr, kind, name, size);
    mr->ram = block;
    mr->owns_ram = true;
    return true;
}

bool memory_region_init_ram(MemoryRegion *mr, const char *name, uint64_t size, GError **err)
{
    return init_new_ram(mr, MR_RAM, name, size, err);
}

bool memory_region_init_rom(MemoryRegion *mr, const char *name, uint64_t size, GError **err)
{
    bool ok = init_new_ram(mr, MR_ROM, name, size, err);
    if (ok) {
        mr->readonly = true;
    }
    return ok;
}

bool memory_region_init_rom_device(MemoryRegion *mr, const char *name, uint64_t size,
                                   const MemoryRegionOps *ops, void *opaque, GError **err)
{
    bool ok = init_new_ram(mr, MR_ROM_DEVICE, name, size, err);
    if (ok) {
        mr->ops = ops;
        mr->opaque = opaque;
        mr->romd = true;
    }
    return ok;
}

void memory_region_init_alias(MemoryRegion *mr, const char *name, MemoryRegion *of, hwaddr offset,
                              uint64_t size)
{
    region_init(mr, MR_ALIAS, name, size);
    mr->alias = of;
    mr->alias_offset = offset;
}

void memory_region_cleanup(MemoryRegion *mr)
{
    if (mr->container) {
        memory_region_del(mr->container, mr);
    }
    if (mr->subregions) {
        for (guint i = 0; i < mr->subregions->len; i++) {
            ((MemoryRegion *)mr->subregions->pdata[i])->container = NULL;
        }
        g_ptr_array_free(mr->subregions, TRUE);
    }
    if (mr->owns_ram) {
        ram_block_free(mr->ram);
    }
    g_free(mr->name);
    memset(mr, 0, sizeof(*mr));
}

/* Sorted by priority, highest first; among equals the newest first: the order of rendering. */
static void insert_sorted(MemoryRegion *container, MemoryRegion *mr)
{
    guint i = 0;
    while (i < container->subregions->len &&
           ((MemoryRegion *)container->subregions->pdata[i])->priority > mr->priority) {
        i++;
    }
    g_ptr_array_insert(container->subregions, (gint)i, mr);
}

void memory_region_add(MemoryRegion *container, hwaddr addr, MemoryRegion *mr, int priority)
{
    g_assert(!mr->container && mr != container);
    memory_transaction_begin();
    if (!container->subregions) {
        container->subregions = g_ptr_array_new();
    }
    mr->container = container;
    mr->addr = addr;
    mr->priority = priority;
    insert_sorted(container, mr);
    memory_transaction_commit();
}

void memory_region_del(MemoryRegion *container, MemoryRegion *mr)
{
    g_assert(mr->container == container);
    memory_transaction_begin();
    g_ptr_array_remove(container->subregions, mr);
    mr->container = NULL;
    memory_transaction_commit();
}

void memory_region_set_enabled(MemoryRegion *mr, bool enabled)
{
    if (mr->enabled != enabled) {
        memory_transaction_begin();
        mr->enabled = enabled;
        memory_transaction_commit();
    }
}

/* As if it were taken out and added again. */
void memory_region_set_address(MemoryRegion *mr, hwaddr addr)
{
    if (mr->addr != addr) {
        memory_transaction_begin();
        mr->addr = addr;
        if (mr->container) {
            g_ptr_array_remove(mr->container->subregions, mr);
            insert_sorted(mr->container, mr);
        }
        memory_transaction_commit();
    }
}

void memory_region_rom_device_set_romd(MemoryRegion *mr, bool romd)
{
    if (mr->romd != romd) {
        memory_transaction_begin();
        mr->romd = romd;
        memory_transaction_commit();
    }
}

void *memory_region_ram_ptr(MemoryRegion *mr)
{
    return mr->ram->host;
}

static const char *kind_name(const MemoryRegion *mr)
{
    static const char *const names[] = {
        [MR_CONTAINER] = "container", [MR_RAM] = "ram", [MR_ROM] = "rom",
        [MR_ROM_DEVICE] = "romd",     [MR_IO] = "i/o",  [MR_ALIAS] = "alias",
    };
    return names[mr->kind];
}

static void print_region(FILE *f, const MemoryRegion *mr, hwaddr base, int depth)
{
    fprintf(f, "%*s%016" PRIx64 "-%016" PRIx64 " (prio %d, %s): ", depth * 2, "", base,
            base + (mr->size ? mr->size - 1 : 0), mr->priority, kind_name(mr));
    if (mr->kind == MR_ALIAS) {
        fprintf(f, "%s @%s %016" PRIx64 "-%016" PRIx64, mr->name, mr->alias->name, mr->alias_offset,
                mr->alias_offset + (mr->size ? mr->size - 1 : 0));
    } else {
        fputs(mr->name, f);
    }
    fputs(mr->enabled ? "\n" : " [disabled]\n", f);
    for (guint i = 0; mr->subregions && i < mr->subregions->len; i++) {
        const MemoryRegion *sub = mr->subregions->pdata[i];
        print_region(f, sub, base + sub->addr, depth + 1);
    }
}

void memory_print_tree(FILE *f)
{
    for (const AddressSpace *as = address_space_first(); as; as = as->next) {
        fprintf(f, "address-space: %s\n", as->name);
        print_region(f, as->root, as->root->addr, 1);
        fputc('\n', f);
    }
}

void memory_print_flat(FILE *f)
{
    for (const AddressSpace *as = address_space_first(); as; as = as->next) {
        const FlatView *view = as->view;
        fprintf(f, "address-space: %s\n", as->name);
        for (int i = 0; i < view->nb; i++) {
            const FlatRange *r = &view->ranges[i];
            fprintf(f, "  %016" PRIx64 "-%016" PRIx64 " (%s%s): %s @%016" PRIx64 "\n", r->start,
                    r->start + (r->size - 1), kind_name(r->mr),
                    r->readonly && r->mr->kind == MR_RAM ? ", read-only" : "", r->mr->name,
                    r->offset);
        }
        fputc('\n', f);
    }
}
