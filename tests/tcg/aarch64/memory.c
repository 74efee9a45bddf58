/* SPDX-License-Identifier: MIT */
/* mmap, mprotect, munmap, mremap, brk: what the guest may see and what it gets back. */
#include "test.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static sigjmp_buf escape;

static void handler(int signal)
{
    siglongjmp(escape, signal);
}

static int try_read(const volatile char *p)
{
    int signal = sigsetjmp(escape, 1);
    if (signal == 0) {
        (void)*p;
    }
    return signal;
}

static int try_write(volatile char *p)
{
    int signal = sigsetjmp(escape, 1);
    if (signal == 0) {
        *p = 1;
    }
    return signal;
}

static char *map(size_t size, int prot)
{
    char *p = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(p != MAP_FAILED);
    return p;
}

static void test_protection(void)
{
    char *p = map(8 * 4096, PROT_READ | PROT_WRITE);
    EQUAL(try_write(p), 0);
    EQUAL(mprotect(p + 4096, 4096, PROT_READ), 0);
    EQUAL(try_read(p + 4096), 0);
    EQUAL(try_write(p + 4096), SIGSEGV);
    EQUAL(try_write(p + 4095), 0);
    EQUAL(try_write(p + 8192), 0);
    EQUAL(mprotect(p + 4096, 4096, PROT_NONE), 0);
    EQUAL(try_read(p + 4096), SIGSEGV);
    EQUAL(mprotect(p + 4096, 4096, PROT_READ | PROT_WRITE), 0);
    EQUAL(try_write(p + 4096), 0);
    EQUAL(munmap(p + 8192, 4096), 0);
    EQUAL(try_read(p + 8192), SIGSEGV);
    EQUAL(try_read(p + 3 * 4096), 0);
    EQUAL(mprotect(p, 5 * 4096, PROT_READ), -1); /* a hole in between */
    EQUAL(errno, ENOMEM);
    EQUAL(mprotect(p + 1, 4096, PROT_READ), -1);
    EQUAL(errno, EINVAL);
    EQUAL(munmap(p + 1, 4096), -1);
    EQUAL(munmap(p, 8 * 4096), 0);
}

static void test_fixed(void)
{
    char *p = map(4 * 4096, PROT_READ | PROT_WRITE);
    memset(p, 'a', 4 * 4096);
    EQUAL(mmap(p + 4096, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
               0),
          p + 4096);
    EQUAL(p[4096], 0);
    EQUAL(p[4095], 'a');
    EQUAL(p[8192], 'a');
    EQUAL(mmap(p, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
          MAP_FAILED);
    EQUAL(errno, EEXIST);
    munmap(p + 4096, 4096);
    CHECK(mmap(p + 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
          p + 4096); /* a hint */
    EQUAL(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), MAP_FAILED);
    EQUAL(errno, EINVAL);
    /* Guest addresses have 48 bits; beyond them there is nothing. */
    EQUAL(
        mmap((void *)(1ul << 50), 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
        MAP_FAILED);
    EQUAL(errno, ENOMEM);
}

static void test_file(void)
{
    char name[] = "/tmp/latimer-memory-XXXXXX", read_back[4];
    int fd = mkstemp(name);
    NEED(fd >= 0 && unlink(name) == 0 && write(fd, "hello", 5) == 5);
    char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    NEED(shared != MAP_FAILED && private != MAP_FAILED);
    EQUAL(memcmp(private, "hello\0\0", 7), 0);
    private[0] = 'J';
    EQUAL(shared[0], 'h');
    shared[1] = 'E';
    EQUAL(private[1], 'e' == private[1] ? 'e' : 'E'); /* either is allowed */
    EQUAL(msync(shared, 4096, MS_SYNC), 0);
    EQUAL(pread(fd, read_back, 4, 0), 4);
    EQUAL(memcmp(read_back, "hEll", 4), 0);
    EQUAL(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 100), MAP_FAILED);
    EQUAL(errno, EINVAL);
    EQUAL(ftruncate(fd, 3 * 4096), 0);
    char *third = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 2 * 4096);
    NEED(third != MAP_FAILED);
    third[0] = 'x';
    EQUAL(pread(fd, read_back, 1, 2 * 4096), 1);
    EQUAL(read_back[0], 'x');
    EQUAL(mmap(NULL, 4096, PROT_READ, MAP_SHARED, 9999, 0), MAP_FAILED);
    EQUAL(errno, EBADF);
    close(fd);
}

static void test_mremap(void)
{
    char *p = map(4 * 4096, PROT_READ | PROT_WRITE);
    memset(p, 'm', 4 * 4096);
    char *bigger = mremap(p, 4 * 4096, 64 * 4096, MREMAP_MAYMOVE);
    NEED(bigger != MAP_FAILED);
    EQUAL(bigger[4 * 4096 - 1], 'm');
    EQUAL(bigger[64 * 4096 - 1], 0);
    EQUAL(mremap(bigger, 64 * 4096, 2 * 4096, 0), bigger);
    EQUAL(try_read(bigger + 2 * 4096), SIGSEGV);
    char *target = map(2 * 4096, PROT_READ);
    EQUAL(mremap(bigger, 2 * 4096, 2 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, target), target);
    EQUAL(target[0], 'm');
    EQUAL(try_read(bigger), SIGSEGV);
}

static void test_brk(void)
{
    char *start = sbrk(0);
    EQUAL(sbrk(100000), start);
    memset(start, 'b', 100000);
    EQUAL(sbrk(-100000), start + 100000);
    EQUAL(sbrk(0), start);
    EQUAL(sbrk(8192), start);
    EQUAL(start[5000], 0); /* memory that comes again comes zeroed */
    sbrk(-8192);
    EQUAL(syscall(SYS_brk, 0), (uintptr_t)start);
}

static void test_others(void)
{
    unsigned char core[4];
    char *p = map(4 * 4096, PROT_READ | PROT_WRITE);
    p[0] = p[8192] = 1;
    EQUAL(mincore(p, 4 * 4096, core), 0);
    EQUAL(core[0] & 1, 1);
    EQUAL(madvise(p, 4096, MADV_DONTNEED), 0);
    EQUAL(p[0], 0);
    EQUAL(mlock(p, 4096) == 0 || errno == ENOMEM || errno == EPERM, 1);
    EQUAL(sysconf(_SC_PAGESIZE), 4096);
    int fd = memfd_create("latimer", MFD_CLOEXEC);
    NEED(fd >= 0 && ftruncate(fd, 4096) == 0);
    char *a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *b = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    a[7] = 42;
    EQUAL(b[7], 42);
    /* Far more than there is memory may be reserved. */
    char *huge =
        mmap(NULL, 1ul << 38, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(huge != MAP_FAILED);
    EQUAL(mprotect(huge + (1ul << 37), 4096, PROT_READ | PROT_WRITE), 0);
    EQUAL(try_write(huge + (1ul << 37)), 0);
    EQUAL(munmap(huge, 1ul << 38), 0);
    /* A bad pointer in a system call is an error, not a signal. */
    EQUAL(write(1, huge, 10), -1);
    EQUAL(errno, EFAULT);
    char *volatile nowhere = (char *)1;
    EQUAL(read(fd, nowhere, 10), -1);
    EQUAL(errno, EFAULT);
}

int main(void)
{
    struct sigaction action = { .sa_handler = handler };
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    test_protection();
    test_fixed();
    test_file();
    test_mremap();
    test_brk();
    test_others();
    /* what is wrong with the file comes before what is wrong with the length */
    EQUAL(mmap(NULL, 0, PROT_READ, MAP_SHARED, -1, 0), MAP_FAILED);
    EQUAL(errno, EBADF);
    return test_end();
}
