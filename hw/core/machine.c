/* SPDX-License-Identifier: MIT */
/* What all machines have in common. */
#include <inttypes.h>
#include <string.h>
#include "util/opts.h"
#include "hw/machine.h"

static Machine *current;

Machine *machine_current(void)
{
    return current;
}

void machine_set_current(Machine *m)
{
    current = m;
}

static const Property props[] = {
    { .name = "accel",
      .kind = PROP_STR,
      .offset = offsetof(Machine, accel),
      .doc = "accelerators by colon, the first that works is taken" },
    { .name = "kernel",
      .kind = PROP_STR,
      .offset = offsetof(Machine, kernel),
      .doc = "kernel image, as -kernel" },
    { .name = "initrd",
      .kind = PROP_STR,
      .offset = offsetof(Machine, initrd),
      .doc = "initial RAM disk, as -initrd" },
    { .name = "append",
      .kind = PROP_STR,
      .offset = offsetof(Machine, append),
      .doc = "kernel command line, as -append" },
    { .name = "dtb",
      .kind = PROP_STR,
      .offset = offsetof(Machine, dtb),
      .doc = "device tree to use, as -dtb" },
    { .name = "firmware",
      .kind = PROP_STR,
      .offset = offsetof(Machine, bios),
      .doc = "firmware image, as -bios" },
    { .name = "dumpdtb",
      .kind = PROP_STR,
      .offset = offsetof(Machine, dumpdtb),
      .doc = "write the device tree to this file and exit" },
    { .name = "memory-backend",
      .kind = PROP_STR,
      .offset = offsetof(Machine, memory_backend),
      .doc = "id of the -object that is the machine's RAM" },
    { .name = "usb",
      .kind = PROP_BOOL,
      .offset = offsetof(Machine, usb),
      .preset = "off",
      .doc = "a USB host controller" },
    { .name = "graphics",
      .kind = PROP_BOOL,
      .offset = offsetof(Machine, graphics),
      .preset = "on",
      .doc = "a display" },
    { .name = NULL },
};

const DeviceType machine_type = {
    .name = "machine",
    .size = sizeof(Machine),
    .props = props,
};

static void print_machine(const DeviceType *type, void *opaque)
{
    if (type->category && !strcmp(type->category, "machine")) {
        fprintf(opaque, "%-20s %s\n", type->name, type->desc);
        for (const char *const *a = type->aliases; a && *a; a++) {
            fprintf(opaque, "%-20s (alias of %s)\n", *a, type->name);
        }
    }
}

void machine_list_help(FILE *f)
{
    fprintf(f, "Supported machines are:\n");
    device_type_foreach(print_machine, f);
    fprintf(f, "%-20s %s\n", "none", "no machine at all");
}

const DeviceType *machine_type_find(const char *name, GError **err)
{
    const DeviceType *type = device_type_find(name);
    if (!type || !type->category || strcmp(type->category, "machine")) {
        g_set_error(err, HW_ERROR, 0, "there is no machine '%s' (see -machine help)", name);
        return NULL;
    }
    return type;
}

/* One after the other. */
static void add_node_memory(MemoryRegion *ram, const Machine *m)
{
    hwaddr at = 0;
    memory_region_init(ram, "mach-virt.ram", m->ram_size);
    for (unsigned i = 0; i < m->nb_nodes; i++) {
        const NumaNode *n = &m->nodes[i];
        if (n->memory) {
            MemoryRegion *part = g_new0(MemoryRegion, 1);
            memory_region_init_ram_block(part, n->memory->name, n->memory);
            memory_region_add(ram, at, part, 0);
        }
        at += n->size;
    }
}

MemoryRegion *machine_ram(Machine *m, GError **err)
{
    static MemoryRegion region;
    if (region.name) {
        return &region;
    }
    if (m->nb_nodes && m->nodes[0].memory) {
        add_node_memory(&region, m);
        return &region;
    }
    if (!m->ram) {
        m->ram = ram_block_new("mach-virt.ram", m->ram_size, NULL, err);
    }
    if (!m->ram) {
        g_prefix_error(err, "-m: ");
        return NULL;
    }
    memory_region_init_ram_block(&region, m->ram->name, m->ram);
    return &region;
}

/* ---- -smp -------------------------------------------------------------------------------- */

static const OptDef smp_opts[] = { { "cpus", OPT_NUM, NULL, "CPUs at the start" },
                                   { "maxcpus", OPT_NUM, NULL, "CPUs that there can be" },
                                   { "sockets", OPT_NUM, NULL, "sockets" },
                                   { "clusters", OPT_NUM, NULL, "clusters in a socket" },
                                   { "cores", OPT_NUM, NULL, "cores in a cluster" },
                                   { "threads", OPT_NUM, NULL, "threads in a core" },
                                   { NULL, 0, NULL, NULL } };

static bool smp_number(const Opts *opts, const char *key, unsigned *out, GError **err)
{
    uint64_t n = opt_num(opts, smp_opts, key);
    if (opts_has(opts, key) && (n == 0 || n > 4096)) {
        g_set_error(err, HW_ERROR, 0, "%s=%" PRIu64 " is not in 1…4096", key, n);
        return false;
    }
    *out = (unsigned)n;
    return true;
}

/* Cores are preferred to sockets; what was not given is 1, or follows from the others. */
static bool smp_complete(CPUTopology *t, GError **err)
{
    unsigned most = t->max_cpus ? t->max_cpus : t->cpus;
    t->clusters = MAX(t->clusters, 1);
    t->threads = MAX(t->threads, 1);
    if (!most) {
        t->sockets = MAX(t->sockets, 1);
        t->cores = MAX(t->cores, 1);
        most = t->sockets * t->clusters * t->cores * t->threads;
    } else if (!t->cores) {
        t->sockets = MAX(t->sockets, 1);
        t->cores = MAX(most / (t->sockets * t->clusters * t->threads), 1);
    } else if (!t->sockets) {
        t->sockets = MAX(most / (t->clusters * t->cores * t->threads), 1);
    }
    t->max_cpus = most;
    t->cpus = t->cpus ? t->cpus : most;
    uint64_t product = (uint64_t)t->sockets * t->clusters * t->cores * t->threads;
    if (product != t->max_cpus || t->cpus > t->max_cpus) {
        g_set_error(err, HW_ERROR, 0,
                    "sockets (%u) * clusters (%u) * cores (%u) * threads (%u) is not maxcpus (%u), "
                    "or less than cpus (%u)",
                    t->sockets, t->clusters, t->cores, t->threads, t->max_cpus, t->cpus);
        return false;
    }
    return true;
}

bool smp_parse(const char *text, unsigned max, CPUTopology *out, GError **err)
{
    Opts *opts = opts_new();
    *out = (CPUTopology){ 0 };
    bool ok = opts_parse(opts, text, "cpus", err) && opts_check(opts, smp_opts, err) &&
              smp_number(opts, "cpus", &out->cpus, err) &&
              smp_number(opts, "maxcpus", &out->max_cpus, err) &&
              smp_number(opts, "sockets", &out->sockets, err) &&
              smp_number(opts, "clusters", &out->clusters, err) &&
              smp_number(opts, "cores", &out->cores, err) &&
              smp_number(opts, "threads", &out->threads, err) && smp_complete(out, err);
    opts_free(opts);
    if (ok && out->max_cpus > max) {
        g_set_error(err, HW_ERROR, 0, "this machine has at most %u CPUs, not %u", max,
                    out->max_cpus);
        ok = false;
    }
    return ok;
}
