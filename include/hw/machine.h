/* SPDX-License-Identifier: MIT */
/*
 * Machines: what a command line asks for, and the types that build it. A machine is the root of all
 * devices, and is itself one (its properties are -machine's).
 */
#ifndef HW_MACHINE_H
#define HW_MACHINE_H

#include "block/backend.h"
#include "chardev/chardev.h"
#include "hw/device.h"
#include "hw/vcpu.h"

enum { MACHINE_MAX_SERIALS = 8 };

typedef struct Machine Machine;

/* DeviceType.ops of a machine's type (category "machine"). */
typedef struct MachineOps {
    const TargetOps *target;
    const char *default_cpu;
    uint64_t default_ram; /* bytes */
    unsigned max_cpus;
    BlockInterface default_if; /* of -drive without if= */
    /* Builds everything but what -device adds: under the big lock, nothing runs yet. */
    bool (*init)(Machine *m, GError **err);
    /* After -device: boot images, tables of what is there. */
    bool (*finish)(Machine *m, GError **err);
} MachineOps;

/* -smp */
typedef struct CPUTopology {
    unsigned cpus, max_cpus, sockets, clusters, cores, threads;
} CPUTopology;

/* -numa: memory and CPUs that are near each other. */
enum { MACHINE_MAX_NODES = 128, NUMA_LOCAL = 10, NUMA_REMOTE = 20, MACHINE_MAX_RAM_SLOTS = 256 };
typedef struct NumaNode {
    uint64_t size;    /* bytes; nodes follow each other in RAM */
    RAMBlock *memory; /* memdev=; NULL: a part of the machine's RAM */
    uint8_t distance[MACHINE_MAX_NODES];
} NumaNode;

struct Machine {
    Device parent;
    const MachineOps *ops;

    /* What was asked for. Strings NULL: not given. */
    const char *cpu_model;
    CPUTopology smp;
    uint64_t ram_size, max_ram_size;
    unsigned ram_slots;
    hwaddr dimm_base;   /* room behind RAM, which the machine gives */
    uint64_t dimm_room; /* bytes; 0: none */
    GPtrArray *dimms;   /* PCDimm * in it, none twice */
    unsigned nb_nodes;  /* 0: memory is all the same */
    NumaNode *nodes;
    unsigned *cpu_node;                          /* by CPU; NULL without nodes */
    RAMBlock *ram;                               /* memory-backend=; else made by machine_ram */
    char *kernel, *initrd, *append, *dtb, *bios; /* of the command line or -machine's */
    char *dumpdtb, *memory_backend, *accel;      /* -machine's */
    bool usb, graphics;
    bool boot_menu, boot_strict; /* -boot's */
    uint32_t boot_wait;          /* ms that the menu waits */
    uint8_t uuid[16];
    bool has_uuid;
    const char *name;
    Chardev *serials[MACHINE_MAX_SERIALS]; /* NULL: none or unused */
    bool defaults;                         /* not -nodefaults */
    BlockSystem *drives;

    /* What it is. */
    MemoryRegion *system; /* physical memory */
    AddressSpace *memory;
};

/* Properties that every machine has. */
extern const DeviceType machine_type;
Machine *machine_current(void); /* NULL: none yet */
void machine_set_current(Machine *m);
/* "-machine help". */
void machine_list_help(FILE *f);
/* The type of a name: NULL, or not a machine's: NULL and *err. */
const DeviceType *machine_type_find(const char *name, GError **err);

/* -numa's texts; after -smp and -m. memory: finds a memory-backend object. False: *err. */
typedef RAMBlock *NumaMemory(const char *id, GError **err);
bool numa_set_up(Machine *m, const GPtrArray *texts, NumaMemory *memory, GError **err);
/* The RAM of -m as one region, made on the first call. */
MemoryRegion *machine_ram(Machine *m, GError **err);
/* "cpus=4,cores=2,…": fills in what is not given; false: *err. */
bool smp_parse(const char *text, unsigned max, CPUTopology *out, GError **err);

/* ---- what is loaded before the CPUs start (hw/core/loader.c) ------------------------------ */

/*
 * Puts bytes into memory at every reset. Takes a reference of data. False: *err, when there is no
 * RAM or ROM in all of the place, or other data is there.
 */
bool loader_add(const char *name, GBytes *data, hwaddr addr, GError **err);
/* A file's contents (or a pipe's, to its end); *err does not name it. */
GBytes *loader_map_file(const char *path, GError **err);
/* The same, unpacked if gzip; *err names it. */
GBytes *loader_read_file(const char *path, GError **err);
/* Unpacks gzip data, up to 1 GiB. */
GBytes *loader_inflate(const void *data, size_t len, GError **err);
/* Writes them all. */
void loader_reset(AddressSpace *as);
void loader_foreach(void (*fn)(const char *name, hwaddr addr, uint64_t size, void *opaque),
                    void *opaque);
/* A file of the emulator's own or of -L's folders ("bios" images): its path, or NULL. g_free. */
char *data_file_find(const char *name);
void data_dir_add(const char *dir);
void data_dirs_print(FILE *f);

#endif
