/* SPDX-License-Identifier: MIT */
/*
 * The guest's address space: where mappings go, and the system calls that change them. Guest code
 * is data for the host, so nothing here is ever executable there; PROT_EXEC lives in the page map.
 */
#include "linux-user/symbols.h"
#include "linux-user/user.h"
#include "util/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

enum { GUEST_PROT_GROWSDOWN = 0x01000000 };
/* The lowest place that we choose; and that the guest may (NULL stays unmapped for certain; the
 * host may want more). */
#define GUEST_LOWEST       UINT64_C(0x10000)
#define GUEST_LOWEST_FIXED UINT64_C(0x1000)
#define GUEST_END_MAX      UINT64_C(0x555000000000)
#define HUGE_PAGE_SIZE     UINT64_C(0x200000)

typedef struct ShmSegment {
    uint64_t addr, len;
} ShmSegment;

/* The guest's memory map, beside the page flags; all under the lock. */
static struct {
    pthread_mutex_t lock;
    uint64_t search_top[2]; /* no hole above this, as far as is known; of [1], no aligned one */
    uint64_t brk_start, brk;
    uint64_t mapped;  /* bytes the guest has mapped */
    GuestLimit limit; /* RLIMIT_AS: kept here, because the host's would count what is ours */
    ShmSegment *shm;
    int nb_shm;
} mm = { .lock = PTHREAD_MUTEX_INITIALIZER, .limit = { ~UINT64_C(0), ~UINT64_C(0) } };

static inline uint64_t page_up(uint64_t addr)
{
    return (addr + GUEST_PAGE_SIZE - 1) & -(uint64_t)GUEST_PAGE_SIZE;
}
static inline bool page_aligned(uint64_t addr)
{
    return !(addr & (GUEST_PAGE_SIZE - 1));
}

/* ---- the host's calls, by guest address
 * -------------------------------------------------------------------------------------------- */

static int64_t host_mmap(uint64_t addr, uint64_t len, int prot, int flags, int fd, uint64_t offset)
{
    int64_t res = raw_syscall(__NR_mmap, addr + guest_base, len, prot, flags, fd, offset);

    return res < 0 ? res : (int64_t)h2g((void *)res);
}

static int64_t host_munmap(uint64_t addr, uint64_t len)
{
    return raw_syscall(__NR_munmap, addr + guest_base, len, 0, 0, 0, 0);
}

static int64_t host_mremap(uint64_t old, uint64_t old_len, uint64_t new_len, uint64_t flags,
                           uint64_t new_addr)
{
    int64_t res = raw_syscall(__NR_mremap, old + guest_base, old_len, new_len, flags,
                              new_addr + guest_base, 0);

    return res < 0 ? res : (int64_t)h2g((void *)res);
}

/* ---- what there is
 * -------------------------------------------------------------------------------------------- */

#define INVALID(...) g_set_error(err, G_FILE_ERROR, G_FILE_ERROR_INVAL, __VA_ARGS__)

/* The guest's first pages can be where -B says. */
static bool check_base(uint64_t base, uint64_t lowest, GError **err)
{
    int64_t res;

    if (!page_aligned(base)) {
        INVALID("-B 0x%" PRIx64 ": it has to be a multiple of the page size, %d", base,
                GUEST_PAGE_SIZE);
        return false;
    }
    if (base >= lowest || lowest - base < 4 * GUEST_GAP) {
        INVALID("-B 0x%" PRIx64
                ": no room for the guest from there to the emulator itself, at 0x%" PRIx64,
                base, lowest);
        return false;
    }
    res = raw_syscall(__NR_mmap, base, GUEST_PAGE_SIZE, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (res < 0 || (uint64_t)res != base) {
        INVALID("-B 0x%" PRIx64 ": the host maps nothing there: %s", base,
                g_strerror(res < 0 ? (int)-res : EEXIST));
        return false;
    }
    raw_syscall(__NR_munmap, base, GUEST_PAGE_SIZE, 0, 0, 0, 0);
    return true;
}

/*
 * An address below which nothing of ours is or will be: the program's, its heap's, or of the place
 * where the kernel puts our mappings, one below the other. That is high up but for `ulimit -s
 * unlimited`.
 */
static uint64_t lowest_of_ours(void)
{
    const uint64_t room = 16 * GUEST_GAP;
    void *probe = mmap(NULL, GUEST_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t lowest = MIN((uintptr_t)&proc, (uintptr_t)sbrk(0));

    if (probe != MAP_FAILED) {
        munmap(probe, GUEST_PAGE_SIZE);
        lowest = MIN(lowest, MAX((uintptr_t)probe, room) - room);
    }
    return lowest;
}

bool mm_init(uint64_t base, uint64_t reserved, GError **err)
{
    uint64_t lowest = lowest_of_ours();

    lowest = MIN(GUEST_END_MAX, lowest & ~(GUEST_GAP - 1));
    if (base && !check_base(base, lowest, err)) {
        return false;
    }
    guest_base = base;
    proc.guest_end = lowest - base;
    if (proc.guest_end < 4 * GUEST_GAP) {
        g_set_error(err, G_FILE_ERROR, G_FILE_ERROR_NOMEM,
                    "no room for the guest below the emulator itself, which is at 0x%" PRIx64,
                    lowest);
        return false;
    }
    proc.guest_limit = proc.guest_end - GUEST_GAP;
    if (reserved) {
        if (reserved < 16 * HUGE_PAGE_SIZE || reserved > proc.guest_limit) {
            INVALID("-R: the size must be between 0x%" PRIx64 " and 0x%" PRIx64,
                    16 * HUGE_PAGE_SIZE, proc.guest_limit);
            return false;
        }
        proc.guest_limit = reserved & -(uint64_t)GUEST_PAGE_SIZE;
    }
    mm.search_top[0] = mm.search_top[1] = proc.guest_limit;
    guest_page_flags = pagemap_get;
    return true;
}

static int host_prot(int prot)
{
    return (prot & (PROT_READ | PROT_WRITE)) | (prot & PROT_EXEC ? PROT_READ : 0);
}

static int page_flags_of_prot(int prot)
{
    return GUEST_PAGE_VALID | (prot & PROT_READ ? GUEST_PAGE_READ : 0) |
           (prot & PROT_WRITE ? GUEST_PAGE_WRITE : 0) |
           (prot & PROT_EXEC ? GUEST_PAGE_EXEC | GUEST_PAGE_READ : 0) |
           (prot & GUEST_PROT_BTI && prot & PROT_EXEC ? GUEST_PAGE_BTI : 0);
}

/* The flags of [start, end) change: translations of code there go. */
static void set_flags(uint64_t start, uint64_t end, int flags)
{
    bool had_code = pagemap_any(start, end, GUEST_PAGE_EXEC);

    pagemap_set(start, end, flags);
    if (had_code) {
        tb_invalidate_range(start, end);
    }
    if (log_enabled(LOG_PAGE)) {
        log_printf(LOG_PAGE, "page: 0x%" PRIx64 "-0x%" PRIx64 " %c%c%c%s\n", start, end,
                   flags & GUEST_PAGE_READ ? 'r' : '-', flags & GUEST_PAGE_WRITE ? 'w' : '-',
                   flags & GUEST_PAGE_EXEC ? 'x' : '-', flags ? "" : " unmapped");
    }
}

static uint64_t mapped_bytes(uint64_t start, uint64_t end)
{
    uint64_t sum = 0;

    for (uint64_t next; start < end; start = next) {
        next = pagemap_run_end(start, end);
        sum += pagemap_get(start) & GUEST_PAGE_VALID ? next - start : 0;
    }
    return sum;
}

/* What is mapped at [start, end) changes. */
static void set_pages(uint64_t start, uint64_t end, int flags)
{
    mm.mapped += (flags & GUEST_PAGE_VALID ? end - start : 0) - mapped_bytes(start, end);
    persist_forget(start, end);
    set_flags(start, end, flags);
}

/* len more bytes would be too many. */
static bool over_limit(uint64_t len)
{
    return len > mm.limit.soft || mm.mapped > mm.limit.soft - len;
}

void guest_get_as_limit(GuestLimit *limit)
{
    *limit = mm.limit;
}

int guest_set_as_limit(const GuestLimit *limit)
{
    if (limit->soft > limit->hard) {
        return -EINVAL;
    }
    if (limit->hard > mm.limit.hard) {
        return -EPERM;
    }
    mm.limit = *limit;
    return 0;
}

uint64_t guest_mapped_bytes(void)
{
    return mm.mapped;
}

static bool range_free(uint64_t addr, uint64_t len)
{
    return addr >= GUEST_LOWEST && addr < proc.guest_limit && len <= proc.guest_limit - addr &&
           !pagemap_any(addr, addr + len, GUEST_PAGE_VALID);
}

static void hole_below(uint64_t end)
{
    mm.search_top[0] = MAX(mm.search_top[0], end);
    mm.search_top[1] = MAX(mm.search_top[1], end);
}

static void no_hole_above(uint64_t top)
{
    mm.search_top[0] = MIN(mm.search_top[0], top);
    mm.search_top[1] = MIN(mm.search_top[1], top);
}

/* A free place of len bytes; below the given top, to try again after a surprise of the host's. */
static uint64_t find_place(uint64_t len, uint64_t align, uint64_t top)
{
    uint64_t addr = 0, *search_top = &mm.search_top[align > GUEST_PAGE_SIZE];

    if (top > *search_top) {
        addr = pagemap_find_free(GUEST_LOWEST, *search_top, len, align);
        *search_top = addr ? addr : *search_top;
    }
    return addr ? addr : pagemap_find_free(GUEST_LOWEST, top, len, align);
}

/* Maps at a place that is free in the page map; the host may still know better. */
static int64_t map_new(uint64_t addr, uint64_t len, int prot, int flags, int fd, uint64_t offset)
{
    int64_t res;

    flags = (flags & ~MAP_FIXED) | MAP_FIXED_NOREPLACE;
    res = host_mmap(addr, len, host_prot(prot), flags, fd, offset);
    if (res >= 0 && (uint64_t)res != addr) { /* a kernel before 4.17 took it as a hint */
        host_munmap(res, len);
        res = -EEXIST;
    }
    return res;
}

static int64_t map_anywhere(uint64_t hint, uint64_t len, int prot, int flags, int fd,
                            uint64_t offset)
{
    uint64_t align = flags & MAP_HUGETLB || (flags & MAP_ANONYMOUS && len >= HUGE_PAGE_SIZE)
                         ? HUGE_PAGE_SIZE
                         : GUEST_PAGE_SIZE;
    uint64_t top = proc.guest_limit;
    int64_t res;

    hint &= -(uint64_t)GUEST_PAGE_SIZE;
    if (hint && range_free(hint, len)) {
        res = map_new(hint, len, prot, flags, fd, offset);
        if (res != -EEXIST) {
            return res;
        }
    }
    for (;;) {
        uint64_t addr = find_place(len, align, top);

        if (!addr) {
            return -ENOMEM;
        }
        res = map_new(addr, len, prot, flags, fd, offset);
        if (res != -EEXIST) {
            return res;
        }
        /* Something that is not the guest's is there. */
        top = addr + len - GUEST_PAGE_SIZE;
        no_hole_above(top);
    }
}

static int64_t map_fixed(uint64_t addr, uint64_t len, int prot, int flags, int fd, uint64_t offset)
{
    if (!page_aligned(addr)) {
        return -EINVAL;
    }
    if (addr < GUEST_LOWEST_FIXED) {
        return -EPERM;
    }
    if (addr >= proc.guest_limit || len > proc.guest_limit - addr) {
        return -ENOMEM;
    }
    if (!pagemap_any(addr, addr + len, GUEST_PAGE_VALID)) {
        int64_t res = map_new(addr, len, prot, flags, fd, offset);

        return res == -EEXIST && !(flags & MAP_FIXED_NOREPLACE) ? -ENOMEM : res;
    }
    if (flags & MAP_FIXED_NOREPLACE) {
        return -EEXIST;
    }
    return host_mmap(addr, len, host_prot(prot), flags | MAP_FIXED, fd, offset);
}

/* Whether another process may write what is mapped. A file opened for reading stays read-only. */
static bool shares_writes(int flags, int fd)
{
    bool shared = (flags & MAP_TYPE) == MAP_SHARED || (flags & MAP_TYPE) == MAP_SHARED_VALIDATE;

    return shared && (flags & MAP_ANONYMOUS || (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY);
}

int64_t guest_mmap(uint64_t addr, uint64_t len, int prot, int flags, int fd, uint64_t offset)
{
    int64_t res;

    if (!len || !page_aligned(offset)) {
        bool no_file = !(flags & MAP_ANONYMOUS) && fcntl(fd, F_GETFD) < 0;

        return page_aligned(offset) && no_file ? -EBADF : -EINVAL;
    }
    len = page_up(len);
    if (!len || len > proc.guest_limit) {
        return -ENOMEM;
    }
    /* 0x40 is x86's MAP_32BIT; a stack that grows by itself would be unknown to the page map. */
    flags &= ~(0x40 | MAP_GROWSDOWN);
    if (shares_writes(flags, fd)) {
        tcg_memory_is_shared();
    }
    pthread_mutex_lock(&mm.lock);
    if (G_UNLIKELY(over_limit(len))) {
        res = -ENOMEM;
    } else if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
        res = map_fixed(addr, len, prot, flags, fd, offset);
    } else {
        res = map_anywhere(addr, len, prot, flags, fd, offset);
    }
    if (res >= 0) {
        set_pages(res, res + len, page_flags_of_prot(prot));
    }
    pthread_mutex_unlock(&mm.lock);
    if (res >= 0 && prot & PROT_EXEC && !(flags & MAP_ANONYMOUS)) {
        symbols_add_mapping(fd, res, offset);
        persist_add(fd, res, res + len, offset);
    }
    return res;
}

static int64_t unmap_locked(uint64_t addr, uint64_t len)
{
    int64_t res = 0;

    for (uint64_t start = addr, end; start < addr + len && res == 0; start = end) {
        end = pagemap_run_end(start, addr + len);
        if (pagemap_get(start) & GUEST_PAGE_VALID) {
            res = host_munmap(start, end - start);
            if (res == 0) {
                set_pages(start, end, 0);
            }
        }
    }
    hole_below(addr + len);
    return res;
}

int64_t guest_munmap(uint64_t addr, uint64_t len)
{
    int64_t res;

    len = page_up(len);
    if (!page_aligned(addr) || !len || addr >= proc.guest_limit || len > proc.guest_limit - addr) {
        return -EINVAL;
    }
    pthread_mutex_lock(&mm.lock);
    res = unmap_locked(addr, len);
    pthread_mutex_unlock(&mm.lock);
    return res;
}

/* The end of the mapped pages from start on, at most limit. */
static uint64_t mapped_end(uint64_t start, uint64_t limit)
{
    while (start < limit && pagemap_get(start) & GUEST_PAGE_VALID) {
        start = pagemap_run_end(start, limit);
    }
    return start;
}

int64_t guest_mprotect(uint64_t addr, uint64_t len, int prot)
{
    int known = PROT_READ | PROT_WRITE | PROT_EXEC | GUEST_PROT_BTI | GUEST_PROT_GROWSDOWN;
    uint64_t end;
    int64_t res = 0;

    len = page_up(len);
    if (!page_aligned(addr) || prot & ~known) {
        return -EINVAL;
    }
    if (!len) {
        return 0;
    }
    if (addr >= proc.guest_limit || len > proc.guest_limit - addr) {
        return -ENOMEM;
    }
    pthread_mutex_lock(&mm.lock);
    if (prot & GUEST_PROT_GROWSDOWN) {
        int flags = pagemap_get(addr);

        while (flags && pagemap_get(addr - GUEST_PAGE_SIZE) == flags) {
            addr -= GUEST_PAGE_SIZE;
            len += GUEST_PAGE_SIZE;
        }
    }
    end = mapped_end(addr, addr + len);
    if (end > addr) {
        res = raw_syscall(__NR_mprotect, addr + guest_base, end - addr, host_prot(prot), 0, 0, 0);
        if (res == 0) {
            set_flags(addr, end, page_flags_of_prot(prot));
        }
    }
    if (res == 0 && end < addr + len) {
        res = -ENOMEM;
    }
    pthread_mutex_unlock(&mm.lock);
    return res;
}

/* mremap to new_addr, a place that is free or may be replaced. */
static int64_t move_mapping(uint64_t old, uint64_t old_len, uint64_t new_len, uint64_t flags,
                            uint64_t new_addr, int page_flags)
{
    int64_t res = host_mremap(old, old_len, new_len,
                              (flags & MREMAP_DONTUNMAP) | MREMAP_MAYMOVE | MREMAP_FIXED, new_addr);

    if (res < 0) {
        return res;
    }
    if (!(flags & MREMAP_DONTUNMAP) && old_len) {
        set_pages(old, old + old_len, 0);
        hole_below(old + old_len);
    }
    set_pages(res, res + new_len, page_flags);
    return res;
}

static int64_t remap_locked(uint64_t old, uint64_t old_len, uint64_t new_len, uint64_t flags,
                            uint64_t new_addr)
{
    int page_flags = pagemap_get(old);
    uint64_t place;

    if (!pagemap_all_valid(old, old + MAX(old_len, 1))) {
        return -EFAULT;
    }
    if (flags & MREMAP_FIXED) {
        if (!page_aligned(new_addr) || new_addr < GUEST_LOWEST_FIXED ||
            new_addr >= proc.guest_limit || new_len > proc.guest_limit - new_addr) {
            return -EINVAL;
        }
        return move_mapping(old, old_len, new_len, flags, new_addr, page_flags);
    }
    if (old_len && !(flags & MREMAP_DONTUNMAP)) {
        if (new_len <= old_len) {
            return new_len == old_len ? (int64_t) old
                   : unmap_locked(old + new_len, old_len - new_len) ?: (int64_t) old;
        }
        if (range_free(old + old_len, new_len - old_len) && !over_limit(new_len - old_len)) {
            int64_t res = host_mremap(old, old_len, new_len, 0, 0);

            if (res >= 0) {
                set_pages(old + old_len, old + new_len, page_flags);
                return res;
            }
        }
    }
    if (!(flags & MREMAP_MAYMOVE) || over_limit(new_len - MIN(old_len, new_len))) {
        return -ENOMEM;
    }
    place = find_place(new_len, new_len >= HUGE_PAGE_SIZE ? HUGE_PAGE_SIZE : GUEST_PAGE_SIZE,
                       proc.guest_limit);
    return place ? move_mapping(old, old_len, new_len, flags, place, page_flags) : -ENOMEM;
}

int64_t guest_mremap(uint64_t addr, uint64_t old_len, uint64_t new_len, uint64_t flags,
                     uint64_t new_addr)
{
    int64_t res;

    if (!page_aligned(addr) || flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP) ||
        (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) && !(flags & MREMAP_MAYMOVE))) {
        return -EINVAL;
    }
    old_len = page_up(old_len);
    new_len = page_up(new_len);
    if (!new_len) {
        return -EINVAL;
    }
    if (addr >= proc.guest_limit || old_len > proc.guest_limit - addr) {
        return -EFAULT;
    }
    if (new_len > proc.guest_limit) {
        return -ENOMEM;
    }
    pthread_mutex_lock(&mm.lock);
    res = remap_locked(addr, old_len, new_len, flags, new_addr);
    pthread_mutex_unlock(&mm.lock);
    return res;
}

int64_t guest_madvise(uint64_t addr, uint64_t len, int advice)
{
    if (!page_aligned(addr)) {
        return -EINVAL;
    }
    if (!guest_range_ok(addr, len)) {
        return -ENOMEM;
    }
    /* What drops or replaces contents also drops code made of them. */
    if ((advice == MADV_DONTNEED || advice == MADV_REMOVE || advice == MADV_FREE) &&
        pagemap_any(addr, addr + page_up(len), GUEST_PAGE_EXEC)) {
        tb_invalidate_range(addr, addr + page_up(len));
    }
    return raw_syscall(__NR_madvise, addr + guest_base, len, advice, 0, 0, 0);
}

/* ---- the program break
 * ---------------------------------------------------------------------------- */

void guest_set_brk(uint64_t start)
{
    mm.brk_start = mm.brk = start;
}

int64_t guest_brk(uint64_t addr)
{
    uint64_t old_end, new_end;

    pthread_mutex_lock(&mm.lock);
    old_end = page_up(mm.brk);
    new_end = page_up(addr);
    if (addr >= mm.brk_start && new_end >= addr && new_end < proc.guest_limit) {
        if (new_end <= old_end) {
            if (new_end < old_end) {
                unmap_locked(new_end, old_end - new_end);
            }
            mm.brk = addr;
        } else if (range_free(old_end, new_end - old_end) && !over_limit(new_end - old_end)) {
            int64_t res = map_new(old_end, new_end - old_end, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

            if (res >= 0) {
                set_pages(old_end, new_end, page_flags_of_prot(PROT_READ | PROT_WRITE));
                mm.brk = addr;
            }
        }
    }
    addr = mm.brk;
    pthread_mutex_unlock(&mm.lock);
    return (int64_t)addr;
}

/* ---- System V shared memory
 * ------------------------------------------------------------------------ */

static int64_t shmat_locked(int id, uint64_t addr, int flags)
{
    struct shmid_ds ds;
    uint64_t len;
    int64_t res;
    int prot =
        (flags & SHM_RDONLY ? 0 : PROT_WRITE) | PROT_READ | (flags & SHM_EXEC ? PROT_EXEC : 0);

    res = raw_syscall(__NR_shmctl, id, IPC_STAT, (uintptr_t)&ds, 0, 0, 0);
    if (res < 0) {
        return res;
    }
    len = page_up(ds.shm_segsz);
    if (addr) {
        if (flags & SHM_RND) {
            addr &= -(uint64_t)GUEST_PAGE_SIZE;
        }
        if (!page_aligned(addr) || addr < GUEST_LOWEST_FIXED || addr >= proc.guest_limit ||
            len > proc.guest_limit - addr ||
            (!(flags & SHM_REMAP) && pagemap_any(addr, addr + len, GUEST_PAGE_VALID))) {
            return -EINVAL;
        }
    } else {
        addr = find_place(len, GUEST_PAGE_SIZE, proc.guest_limit);
        if (!addr) {
            return -ENOMEM;
        }
    }
    tcg_memory_is_shared();
    res = raw_syscall(__NR_shmat, id, addr + guest_base, flags & ~SHM_EXEC, 0, 0, 0);
    if (res >= 0) {
        res = (int64_t)h2g((void *)res);
        mm.shm = g_renew(ShmSegment, mm.shm, mm.nb_shm + 1);
        mm.shm[mm.nb_shm++] = (ShmSegment){ res, len };
        set_pages(res, res + len, page_flags_of_prot(prot));
    }
    return res;
}

int64_t guest_shmat(int id, uint64_t addr, int flags)
{
    int64_t res;

    pthread_mutex_lock(&mm.lock);
    res = shmat_locked(id, addr, flags);
    pthread_mutex_unlock(&mm.lock);
    return res;
}

int64_t guest_shmdt(uint64_t addr)
{
    int64_t res = -EINVAL;

    pthread_mutex_lock(&mm.lock);
    for (int n = 0; n < mm.nb_shm; n++) {
        if (mm.shm[n].addr == addr) {
            res = raw_syscall(__NR_shmdt, addr + guest_base, 0, 0, 0, 0, 0);
            if (res == 0) {
                set_pages(addr, addr + mm.shm[n].len, 0);
                hole_below(addr + mm.shm[n].len);
                mm.shm[n] = mm.shm[--mm.nb_shm];
            }
            break;
        }
    }
    pthread_mutex_unlock(&mm.lock);
    return res;
}

void mm_fork_prepare(void)
{
    pthread_mutex_lock(&mm.lock);
}

void mm_fork_done(void)
{
    pthread_mutex_unlock(&mm.lock);
}
