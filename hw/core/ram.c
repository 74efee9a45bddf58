/* SPDX-License-Identifier: MIT */
/* RAM blocks: host memory under guest RAM, and the dirty byte of each of its pages. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hw/core/memory-internal.h"
#include "util/round.h"

enum { PAGE_BITS = 12, PAGE = 1 << PAGE_BITS, HUGE_PAGE = 2 << 20 };
/* No host has more address space for one process. */
static const uint64_t max_ram = 1ull << 47;

/* Readers take no lock: an array that has been published is never changed. */
typedef struct BlockList {
    int nb;
    RAMBlock *blocks[]; /* sorted by offset */
} BlockList;
static BlockList *_Atomic ram_blocks;

static void publish(RAMBlock *add, RAMBlock *del)
{
    BlockList *old = ram_blocks;
    int nb = old ? old->nb : 0, to = 0;
    BlockList *list = g_malloc(sizeof(BlockList) + (size_t)(nb + 1) * sizeof(RAMBlock *));
    for (int i = 0; i < nb; i++) {
        if (add && add->offset < old->blocks[i]->offset) {
            list->blocks[to++] = g_steal_pointer(&add);
        }
        if (old->blocks[i] != del) {
            list->blocks[to++] = old->blocks[i];
        }
    }
    if (add) {
        list->blocks[to++] = add;
    }
    list->nb = to;
    atomic_store(&ram_blocks, list);
    /* Blocks come and go with machines and hotplug, a few in a process's life: the old list may
     * have readers, so it stays. */
    static GSList *old_lists;
    old_lists = old ? g_slist_prepend(old_lists, old) : old_lists;
}

/* The lowest gap of ram addresses that is large enough. */
static uint64_t find_offset(uint64_t size)
{
    const BlockList *list = ram_blocks;
    uint64_t at = 0;
    for (int i = 0; list && i < list->nb; i++) {
        const RAMBlock *b = list->blocks[i];
        if (b->offset - at >= size && b->offset >= at) {
            break;
        }
        at = ROUND_UP(b->offset + b->size, HUGE_PAGE);
    }
    return at;
}

/* -1: errno says why. */
static int open_backend(const RAMBackend *backend, const char *name, uint64_t size)
{
    int fd;
    struct stat st;
    if (!backend->path) {
        fd = memfd_create(name, MFD_CLOEXEC);
    } else if (stat(backend->path, &st) == 0 && S_ISDIR(st.st_mode)) {
        fd = open(backend->path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    } else {
        fd = open(backend->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    }
    if (fd >= 0 &&
        (fstat(fd, &st) || ((uint64_t)st.st_size < size && ftruncate(fd, (off_t)size)))) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

/* Aligned so that huge pages fit. */
static void *map_aligned(uint64_t size, int fd, const RAMBackend *backend)
{
    uint8_t *area =
        mmap(NULL, size + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) {
        return NULL;
    }
    uint8_t *start = (uint8_t *)ROUND_UP((uintptr_t)area, HUGE_PAGE);
    if (start > area) {
        munmap(area, (size_t)(start - area));
    }
    if (area + HUGE_PAGE > start) {
        munmap(start + size, (size_t)(area + HUGE_PAGE - start));
    }
    int flags = MAP_FIXED | (backend->share ? MAP_SHARED : MAP_PRIVATE) |
                (backend->reserve ? 0 : MAP_NORESERVE) | (fd < 0 ? MAP_ANONYMOUS : 0);
    if (mmap(start, size, PROT_READ | PROT_WRITE, flags, fd, 0) == MAP_FAILED) {
        int e = errno;
        munmap(start, size);
        errno = e;
        return NULL;
    }
    madvise(start, size, MADV_HUGEPAGE);
    if (backend->merge) {
        madvise(start, size, MADV_MERGEABLE);
    }
    if (!backend->dump) {
        madvise(start, size, MADV_DONTDUMP);
    }
    return start;
}

/* NULL: errno says why. */
static uint8_t *get_memory(const char *name, uint64_t size, const RAMBackend *backend, int *fd)
{
    bool with_fd = backend->path || backend->share;
    *fd = with_fd ? open_backend(backend, name, size) : -1;
    uint8_t *host = with_fd && *fd < 0 ? NULL : map_aligned(size, *fd, backend);
    if (host && backend->prealloc && madvise(host, size, MADV_POPULATE_WRITE)) {
        int e = errno;
        munmap(host, size);
        errno = e;
        return NULL;
    }
    return host;
}

RAMBlock *ram_block_new(const char *name, uint64_t size, const RAMBackend *backend, GError **err)
{
    static const RAMBackend plain = { .reserve = true };
    int fd = -1;
    uint8_t *host = NULL, *dirty = NULL;
    backend = backend ? backend : &plain;
    if (size == 0 || size > max_ram) {
        errno = size ? ENOMEM : EINVAL;
    } else {
        size = ROUND_UP(size, PAGE);
        host = get_memory(name, size, backend, &fd);
        dirty = host ? g_try_malloc(size >> PAGE_BITS) : NULL;
    }
    if (!dirty) {
        g_set_error(err, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "cannot get %" PRIu64 " MiB of memory for '%s'%s%s: %s", size >> 20, name,
                    backend->path ? " from " : "", backend->path ? backend->path : "",
                    g_strerror(errno));
        if (host) {
            munmap(host, size);
        }
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    RAMBlock *b = g_new0(RAMBlock, 1);
    b->name = g_strdup(name);
    b->host = host;
    b->size = size;
    b->fd = fd;
    b->offset = find_offset(size);
    b->dirty = dirty;
    memset(b->dirty, 0xff, size >> PAGE_BITS);
    publish(b, NULL);
    return b;
}

void ram_block_free(RAMBlock *b)
{
    if (!b) {
        return;
    }
    publish(NULL, b);
    munmap(b->host, b->size);
    if (b->fd >= 0) {
        close(b->fd);
    }
    g_free(b->dirty);
    g_free(b->name);
    g_free(b);
}

RAMBlock *ram_block_from_host(const void *host, uint64_t *offset_in_block)
{
    const BlockList *list = ram_blocks;
    for (int i = 0; list && i < list->nb; i++) {
        RAMBlock *b = list->blocks[i];
        uint64_t off = (uintptr_t)host - (uintptr_t)b->host;
        if (off < b->size) {
            *offset_in_block = off;
            return b;
        }
    }
    return NULL;
}

RAMBlock *ram_block_from_offset(uint64_t ram_addr, uint64_t *offset_in_block)
{
    const BlockList *list = ram_blocks;
    for (int i = 0; list && i < list->nb; i++) {
        RAMBlock *b = list->blocks[i];
        if (ram_addr - b->offset < b->size) {
            *offset_in_block = ram_addr - b->offset;
            return b;
        }
    }
    return NULL;
}

RAMBlock *ram_block_next(RAMBlock *block)
{
    const BlockList *list = ram_blocks;
    int i = 0;
    while (block && list && i < list->nb && list->blocks[i] != block) {
        i++;
    }
    i += block != NULL;
    return list && i < list->nb ? list->blocks[i] : NULL;
}

void ram_block_written(RAMBlock *b, uint64_t offset, uint64_t len)
{
    if (len == 0) {
        return;
    }
    bool code = false;
    for (uint64_t p = offset >> PAGE_BITS; p <= (offset + len - 1) >> PAGE_BITS; p++) {
        uint8_t old = __atomic_load_n(&b->dirty[p], __ATOMIC_RELAXED);
        code |= !(old & RAM_DIRTY_CODE);
        uint8_t want = (uint8_t)~RAM_DIRTY_CODE;
        if ((old & want) != want) {
            __atomic_fetch_or(&b->dirty[p], want, __ATOMIC_RELAXED);
        }
    }
    if (code) {
        memory_listeners_ram_written(b->offset + offset, len);
    }
}
