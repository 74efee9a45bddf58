/* SPDX-License-Identifier: MIT */
/*
 * Physical memory: regions (RAM, ROM, device registers, containers, aliases) composed into address
 * spaces. A region tree is changed under the big lock between memory_transaction_begin and commit;
 * what vCPUs read is a flat, sorted, immutable FlatView which the commit publishes (readers never
 * lock).
 */
#ifndef HW_MEMORY_H
#define HW_MEMORY_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t hwaddr; /* a guest physical address */

typedef struct MemTxAttrs {
    bool secure, user;
    uint32_t requester; /* PCI requester id (bus << 8 | devfn), for ITS and IOMMUs; 0: a CPU */
} MemTxAttrs;

/* What an access came to; a device or a hole answers other than OK with a bus error (Arm: external
 * abort). */
typedef enum MemTxResult { MEMTX_OK, MEMTX_ERROR, MEMTX_DECODE_ERROR } MemTxResult;

/*
 * A device's registers. Offsets are from the region's start; size 1, 2, 4, 8, naturally aligned and
 * within [min, max] of impl (0: 1 and 4): the core splits or widens what the guest does. A narrower
 * read is cut out of the whole word, a narrower write has zeros in the other bytes. What lies
 * outside of `valid` (0: 1 and 8), or is unaligned without valid.unaligned, is answered with
 * MEMTX_ERROR before the device sees it. Values are little endian unless big_endian. Called with
 * the big lock held, unless lockless.
 */
typedef struct MemoryRegionOps {
    uint64_t (*read)(void *opaque, hwaddr offset, unsigned size);
    void (*write)(void *opaque, hwaddr offset, uint64_t val, unsigned size);
    /* Instead of those two, when errors or the requester matter. */
    MemTxResult (*read_tx)(void *opaque, hwaddr offset, uint64_t *val, unsigned size,
                           const MemTxAttrs *attrs);
    MemTxResult (*write_tx)(void *opaque, hwaddr offset, uint64_t val, unsigned size,
                            const MemTxAttrs *attrs);
    struct {
        uint8_t min, max; /* bytes */
        bool unaligned;   /* of valid only */
    } valid, impl;
    bool big_endian;
    bool lockless; /* does its own locking */
} MemoryRegionOps;

typedef struct RAMBlock RAMBlock; /* host memory; named, for migration */
typedef struct MemoryRegion MemoryRegion;
struct MemoryRegion {
    char *name;
    enum { MR_CONTAINER, MR_RAM, MR_ROM, MR_ROM_DEVICE, MR_IO, MR_ALIAS } kind;
    uint64_t size;
    const MemoryRegionOps *ops; /* IO; ROM_DEVICE: writes, and reads while !romd */
    void *opaque;
    RAMBlock *ram; /* RAM, ROM, ROM_DEVICE */
    bool owns_ram; /* made by this region, freed with it */
    bool romd;     /* ROM_DEVICE: reads are plain memory */
    bool enabled, readonly;
    bool in_access;      /* a device that reaches itself by DMA gets an error instead */
    MemoryRegion *alias; /* ALIAS */
    hwaddr alias_offset;
    MemoryRegion *container; /* NULL: a root, or not in any */
    hwaddr addr;             /* in the container */
    int priority;            /* higher wins; equal: the one added later */
    GPtrArray *subregions;
};

/* The owner frees the struct (usually it is inside a device's). Names are copied; they appear in
 * mtree. */
void memory_region_init(MemoryRegion *mr, const char *name, uint64_t size);
void memory_region_init_io(MemoryRegion *mr, const char *name, uint64_t size,
                           const MemoryRegionOps *ops, void *opaque);
/* New RAM, in whole pages; false and *err when the host has not got it. */
bool memory_region_init_ram(MemoryRegion *mr, const char *name, uint64_t size, GError **err);
bool memory_region_init_rom(MemoryRegion *mr, const char *name, uint64_t size, GError **err);
bool memory_region_init_rom_device(MemoryRegion *mr, const char *name, uint64_t size,
                                   const MemoryRegionOps *ops, void *opaque, GError **err);
void memory_region_init_ram_block(MemoryRegion *mr, const char *name, RAMBlock *block);
void memory_region_init_alias(MemoryRegion *mr, const char *name, MemoryRegion *of, hwaddr offset,
                              uint64_t size);
void memory_region_cleanup(MemoryRegion *mr);
void memory_region_add(MemoryRegion *container, hwaddr addr, MemoryRegion *mr, int priority);
void memory_region_del(MemoryRegion *container, MemoryRegion *mr);
void memory_region_set_enabled(MemoryRegion *mr, bool enabled);
void memory_region_set_address(MemoryRegion *mr, hwaddr addr);
void memory_region_rom_device_set_romd(MemoryRegion *mr, bool romd);
/* Host memory of RAM, ROM, ROM_DEVICE. */
void *memory_region_ram_ptr(MemoryRegion *mr);
/* Changes in between are published together, at the outermost commit. */
void memory_transaction_begin(void);
void memory_transaction_commit(void);

/* ---- RAM blocks and their dirty bits
 * -------------------------------------------------------------- */

struct RAMBlock {
    char *name;
    uint8_t *host;
    uint64_t size;   /* bytes, a multiple of 4096 */
    uint64_t offset; /* of its first byte among all blocks ("ram address"): a page's identity */
    int fd;          /* memfd or file; -1: anonymous */
    uint8_t *dirty;  /* one byte for each page: RAM_DIRTY_* */
};
/*
 * A set bit: the page has changed since clients of this kind last looked (or nobody looks), so that
 * the next write has nobody to tell. New RAM has all of them set.
 */
enum { RAM_DIRTY_VGA = 1, RAM_DIRTY_MIGRATION = 2, RAM_DIRTY_CODE = 4 };
typedef struct RAMBackend { /* -object memory-backend-{ram,memfd,file} */
    const char *path;       /* a file's name, or of a folder to make one in; NULL: memory only */
    bool share;             /* other processes may map it: memfd, or the file itself */
    bool prealloc;
    bool reserve; /* the host refuses at once what it will never have */
    bool merge;   /* the host may keep equal pages once (KSM) */
    bool dump;    /* goes into core dumps */
} RAMBackend;
/* backend NULL: private memory, reserved, which is what gets huge pages everywhere. */
RAMBlock *ram_block_new(const char *name, uint64_t size, const RAMBackend *backend, GError **err);
void ram_block_free(RAMBlock *block);
/* The block that holds a host address; NULL: none. Any thread. */
RAMBlock *ram_block_from_host(const void *host, uint64_t *offset_in_block);
/* The block that holds a ram address; NULL: none. Any thread. */
RAMBlock *ram_block_from_offset(uint64_t ram_addr, uint64_t *offset_in_block);
/* All blocks, in order of their ram addresses; NULL: no more. */
RAMBlock *ram_block_next(RAMBlock *block);
/* Bytes were written by other than compiled code: sets dirty bits, tells listeners. Any thread. */
void ram_block_written(RAMBlock *block, uint64_t offset, uint64_t len);

/* ---- address spaces
 * --------------------------------------------------------------------------------- */

/* One piece of an address space: no holes inside, one region. */
typedef struct FlatRange {
    hwaddr start;
    uint64_t size;
    MemoryRegion *mr; /* a leaf */
    hwaddr offset;    /* in mr, of start */
    uint8_t *ram;     /* host address of start if reads are plain memory, else NULL */
    bool readonly;    /* writes are not plain memory */
} FlatRange;
typedef struct FlatView {
    int nb;
    FlatRange ranges[]; /* sorted by start */
} FlatView;

typedef struct AddressSpace {
    const char *name;
    MemoryRegion *root;
    FlatView *_Atomic view;
    struct AddressSpace *next;
} AddressSpace;

/*
 * A thread that reads views without the big lock. An old view is freed when every reader has been
 * quiet (holds no FlatRange) since it was replaced, or is offline (asleep).
 */
typedef struct MemoryReader {
    _Atomic uint64_t seen;
    struct MemoryReader *next;
} MemoryReader;
void memory_reader_register(MemoryReader *r); /* and online */
void memory_reader_unregister(MemoryReader *r);
void memory_reader_quiet(MemoryReader *r); /* also: online again */
void memory_reader_offline(MemoryReader *r);

void address_space_init(AddressSpace *as, MemoryRegion *root, const char *name);
void address_space_destroy(AddressSpace *as);
/* NULL: nothing is there. Valid until the caller's next quiet point (MemoryReader), or for holders
 * of the big lock until they call a device or change the tree. */
const FlatRange *address_space_lookup(AddressSpace *as, hwaddr addr);
/*
 * Any size, any alignment, across ranges; RAM by memcpy, devices by their ops. The result is the
 * worst of all parts. `buf` may be guest-chosen in size only as far as the caller has allocated it.
 */
MemTxResult address_space_read(AddressSpace *as, hwaddr addr, const MemTxAttrs *attrs, void *buf,
                               uint64_t len);
MemTxResult address_space_write(AddressSpace *as, hwaddr addr, const MemTxAttrs *attrs,
                                const void *buf, uint64_t len);
/* The same for loaders and debuggers: ROM is written, too; devices are not. */
MemTxResult address_space_write_rom(AddressSpace *as, hwaddr addr, const void *buf, uint64_t len);
/*
 * Host pointer to at most *len bytes of RAM at addr (*len is cut to what is contiguous); NULL when
 * addr is not plain RAM (ROM for writing included). After writing, unmap says how much, for dirty
 * bits and translations made of those bytes.
 */
void *address_space_map(AddressSpace *as, hwaddr addr, uint64_t *len, bool write);
void address_space_unmap(AddressSpace *as, void *host, uint64_t written);
/* One register-sized access, as a CPU does it. Takes the big lock if the region wants it and the
 * caller does not hold it. */
MemTxResult memory_region_read(MemoryRegion *mr, hwaddr offset, uint64_t *val, unsigned size,
                               const MemTxAttrs *attrs);
MemTxResult memory_region_write(MemoryRegion *mr, hwaddr offset, uint64_t val, unsigned size,
                                const MemTxAttrs *attrs);
/* Plain loads and stores of devices' DMA, little endian; errors read as ~0 and are dropped. */
uint64_t address_space_ldle(AddressSpace *as, hwaddr addr, unsigned size);
void address_space_stle(AddressSpace *as, hwaddr addr, uint64_t val, unsigned size);

/* Called after each published change of any view, under the big lock: TLBs forget. KVM maps slots.
 */
typedef struct MemoryListener {
    void (*commit)(struct MemoryListener *l, AddressSpace *as, const FlatView *old_view,
                   const FlatView *new_view);
    /* RAM was written by other than compiled code: [offset, offset + len) of ram addresses, within
     * one block; some page of it had RAM_DIRTY_CODE clear. Any thread, with or without the lock. */
    void (*ram_written)(struct MemoryListener *l, uint64_t offset, uint64_t len);
    struct MemoryListener *next;
} MemoryListener;
void memory_listener_register(MemoryListener *l);

/* `info mtree`: the tree, or what it comes to. */
void memory_print_tree(FILE *f);
void memory_print_flat(FILE *f);

#endif
