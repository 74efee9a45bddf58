/* SPDX-License-Identifier: MIT */
/*
 * The guest's address space: where it ends, its lowest pages, MAP_FIXED_NOREPLACE, giant
 * reservations and RLIMIT_AS. VA_BITS in the environment says that the space was made smaller (-R),
 * GUEST_BASE that there is a guest base (-B).
 */
#include "test.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>

#define RESERVE (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
#define GIB     (UINT64_C(1) << 30)

static int va_bits = 47;
static uint64_t end;

static void *at(uint64_t addr)
{
    return (void *)(uintptr_t)addr;
}

static bool inside(const void *p, uint64_t len)
{
    return p != MAP_FAILED && (uintptr_t)p < end && len <= end - (uintptr_t)p;
}

/* ---- the end */

static void test_end_of_space(void)
{
    static const uint64_t hints[] = { 1,
                                      0x1000,
                                      UINT64_C(1) << 47,
                                      (UINT64_C(1) << 48) - 4096,
                                      UINT64_C(1) << 52,
                                      UINT64_MAX & -UINT64_C(4096) };
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int id = shmget(IPC_PRIVATE, 4096, 0600);

    CHECK(inside(page, 4096));
    for (size_t n = 0; n < sizeof(hints) / sizeof(hints[0]); n++) {
        void *p = mmap(at(hints[n]), 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        CHECK(inside(p, 8192));
        munmap(p, 8192);
    }
    EQUAL(mmap(at(end), 4096, PROT_READ, RESERVE | MAP_FIXED, -1, 0), MAP_FAILED);
    EQUAL(errno, ENOMEM);
    EQUAL(mmap(at(end - 4096), 8192, PROT_READ, RESERVE | MAP_FIXED, -1, 0), MAP_FAILED);
    EQUAL(errno, ENOMEM);
    EQUAL(mmap(at(end), 4096, PROT_READ, RESERVE | MAP_FIXED_NOREPLACE, -1, 0), MAP_FAILED);
    EQUAL(errno, ENOMEM);
    EQUAL(mmap(at(-UINT64_C(4096)), 4096, PROT_READ, RESERVE | MAP_FIXED, -1, 0), MAP_FAILED);
    EQUAL(errno, ENOMEM);
    EQUAL(mmap(NULL, end, PROT_NONE, RESERVE, -1, 0), MAP_FAILED);
    EQUAL(errno, ENOMEM);
    EQUAL(mremap(page, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, at(end)), MAP_FAILED);
    EQUAL(errno, EINVAL);
    EQUAL(munmap(at(end), 4096), -1);
    EQUAL(mprotect(at(end), 4096, PROT_READ), -1);
    EQUAL(madvise(at(end), 4096, MADV_DONTNEED), -1);
    EQUAL(msync(at(end), 4096, MS_ASYNC), -1);
    NEED(id >= 0);
    EQUAL(shmat(id, at(end), 0), (void *)-1);
    shmctl(id, IPC_RMID, NULL);
    munmap(page, 4096);
}

/* Whatever place it asks for, the program gets that very place, which works, or none. */
static void test_every_place(void)
{
    uint64_t step = end >> 10;
    int mapped = 0;

    for (uint64_t addr = step; addr < UINT64_C(1) << 48; addr += addr < end ? step : step * 64) {
        volatile char *p = mmap(at(addr), 4096, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

        if (p == MAP_FAILED) {
            CHECK(errno == EEXIST || errno == ENOMEM);
            continue;
        }
        EQUAL(p, addr);
        CHECK(inside(at(addr), 4096));
        EQUAL(*p, 0);
        *p = 1;
        mapped++;
        EQUAL(munmap(at(addr), 4096), 0);
    }
    CHECK(mapped > 600);
}

/* ---- faults, and the lowest pages */

static sigjmp_buf escape;
static void *fault_addr;

static void on_segv(int sig, siginfo_t *info, void *context)
{
    (void)context;
    fault_addr = info->si_addr;
    siglongjmp(escape, sig);
}

static void test_fault_addresses(void)
{
    static char stack[64 << 10];
    const uint64_t bad[] = { 0,
                             0x18,
                             0xff8,
                             0x5000,
                             UINT64_C(1) << 47,
                             (UINT64_C(1) << 48) - 16,
                             UINT64_C(0xffffffffffff0000),
                             -UINT64_C(8),
                             UINT64_C(0xffff000000000000) };
    struct sigaction act = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };

    EQUAL(sigaltstack(&alt, NULL), 0);
    EQUAL(sigaction(SIGSEGV, &act, NULL), 0);
    for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
        for (int write = 0; write < 2; write++) {
            fault_addr = (void *)1;
            if (sigsetjmp(escape, 1) == 0) {
                if (write) {
                    *(volatile uint64_t *)bad[n] = 1;
                } else {
                    (void)*(volatile uint64_t *)bad[n];
                }
                CHECK(!"a fault");
            }
            EQUAL(fault_addr, bad[n]);
        }
    }
    signal(SIGSEGV, SIG_DFL);
}

/* Pages that the host's kernel may refuse below its mmap_min_addr; page 0 stays what it is. */
static void test_low_pages(void)
{
    static const uint32_t code[] = { 0x52800540, 0xd65f03c0 }; /* mov w0, #42; ret */
    int (*function)(void) = (int (*)(void))at(0x3000);
    char *p = mmap(at(0x1000), 0x3000, PROT_READ | PROT_WRITE, RESERVE | MAP_FIXED, -1, 0);

    EQUAL(p, 0x1000);
    memset(p, 'x', 0x3000);
    memcpy(at(0x3000), code, sizeof(code));
    EQUAL(mprotect(at(0x3000), 0x1000, PROT_READ | PROT_EXEC), 0);
    __builtin___clear_cache((char *)at(0x3000), (char *)at(0x3000 + sizeof(code)));
    EQUAL(function(), 42);
    EQUAL(write(-1, p, 16), -1);
    EQUAL(errno, EBADF);
    EQUAL(mmap(at(0), 4096, PROT_READ, RESERVE | MAP_FIXED, -1, 0), MAP_FAILED);
    EQUAL(errno, EPERM);
    p = mremap(p, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, at(0x7000));
    EQUAL(p, 0x7000);
    EQUAL(p[4095], 'x');
    EQUAL(munmap(at(0x1000), 0x7000), 0);
}

/* ---- MAP_FIXED_NOREPLACE */

static void test_noreplace(void)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    char *p = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    NEED(p != MAP_FAILED);
    memset(p, 'p', 4 * 4096);
    EQUAL(munmap(p + 4096, 2 * 4096), 0);
    EQUAL(mmap(p, 4096, PROT_READ, flags, -1, 0), MAP_FAILED);
    EQUAL(errno, EEXIST);
    EQUAL(mmap(p, 2 * 4096, PROT_READ, flags, -1, 0), MAP_FAILED);
    EQUAL(errno, EEXIST);
    EQUAL(mmap(p + 4096, 3 * 4096, PROT_READ, flags, -1, 0), MAP_FAILED);
    EQUAL(errno, EEXIST);
    EQUAL(mmap(p + 1, 4096, PROT_READ, flags, -1, 0), MAP_FAILED);
    EQUAL(errno, EINVAL);
    EQUAL(mmap(p + 4096, 2 * 4096, PROT_READ, flags, -1, 0), p + 4096);
    EQUAL(p[0], 'p');
    EQUAL(p[4096], 0);
    EQUAL(p[4 * 4096 - 1], 'p');
    munmap(p, 4 * 4096);
}

/* ---- giant reservations */

/* As ASan's shadow: an eighth of the space at a fixed place, of which a few pages are used. */
static void test_shadow(void)
{
    uint64_t size = UINT64_C(1) << (va_bits - 3), start = UINT64_C(1) << 36;
    char *p = mmap(at(start), size, PROT_READ | PROT_WRITE, RESERVE | MAP_FIXED, -1, 0);

    EQUAL(p, start);
    if (p == MAP_FAILED) {
        return;
    }
    for (int n = 0; n < 64; n++) {
        p[size / 64 * n + 12345] = (char)n;
    }
    for (int n = 0; n < 64; n++) {
        EQUAL(p[size / 64 * n + 12345], n);
        EQUAL(p[size / 64 * n + 12344], 0);
    }
    EQUAL(madvise(p, size, MADV_DONTNEED), 0);
    EQUAL(p[12345], 0);
    EQUAL(mprotect(p + size / 2, size / 2, PROT_NONE), 0);
    EQUAL(munmap(p, size), 0);
}

/* As Go's arenas: reserved without access where the hint says, then made usable by MAP_FIXED. */
static void test_arenas(void)
{
    for (uint64_t hint = UINT64_C(0x4000000000); hint < UINT64_C(0x4400000000); hint += 1 * GIB) {
        char *p = mmap(at(hint), 64 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        EQUAL(p, hint);
        EQUAL(mmap(p, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                   0),
              p);
        p[(4 << 20) - 1] = 1;
        EQUAL(munmap(p, 64 << 20), 0);
    }
    /* and a heap's worth of page summaries, as big as the space allows */
    void *p = mmap(NULL, end / 4, PROT_NONE, RESERVE, -1, 0);
    CHECK(inside(p, end / 4));
    EQUAL(munmap(p, end / 4), 0);
}

/* ---- RLIMIT_AS (ulimit -v) */

static uint64_t mapped_now(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;

    NEED(file && fscanf(file, "%lu", &pages) == 1);
    fclose(file);
    return pages * 4096;
}

static void test_limit(void)
{
    struct rlimit old, now = { 0 };
    void *some = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    NEED(getrlimit(RLIMIT_AS, &old) == 0);
    now = (struct rlimit){ mapped_now() + GIB, old.rlim_max };
    EQUAL(setrlimit(RLIMIT_AS, &now), 0);
    EQUAL(mmap(NULL, 2 * GIB, PROT_NONE, RESERVE, -1, 0), MAP_FAILED);
    EQUAL(errno, ENOMEM);
    EQUAL(mmap(at(0x4000000000), 2 * GIB, PROT_NONE, RESERVE | MAP_FIXED, -1, 0), MAP_FAILED);
    EQUAL(errno, ENOMEM);
    EQUAL(mremap(some, 1 << 20, 2 * GIB, MREMAP_MAYMOVE), MAP_FAILED);
    EQUAL(errno, ENOMEM);
    EQUAL(sbrk(2 * GIB), (void *)-1);
    EQUAL(errno, ENOMEM);
    void *p = mmap(NULL, 100 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    munmap(p, 100 << 20);
    EQUAL(setrlimit(RLIMIT_AS, &old), 0);
    p = mmap(NULL, 2 * GIB, PROT_NONE, RESERVE, -1, 0);
    CHECK(p != MAP_FAILED);
    munmap(p, 2 * GIB);
    munmap(some, 1 << 20);
}

int main(void)
{
    if (getenv("VA_BITS")) {
        va_bits = atoi(getenv("VA_BITS"));
    }
    end = UINT64_C(1) << va_bits;
    test_end_of_space();
    test_every_place();
    test_fault_addresses();
    if (getenv("GUEST_BASE")) {
        test_low_pages();
    }
    test_noreplace();
    test_shadow();
    test_arenas();
    test_limit();
    return test_end();
}
