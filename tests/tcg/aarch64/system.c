/* SPDX-License-Identifier: MIT */
/* Clocks, limits, identity, /proc/self, the auxiliary vector, registers user mode sees. */
#include "test.h"
#include <asm/hwcap.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>

static void test_clock(void)
{
    struct timespec a, b, resolution;
    struct timeval tv;
    clock_gettime(CLOCK_MONOTONIC, &a);
    struct timespec nap = { 0, 3000000 };
    EQUAL(nanosleep(&nap, NULL), 0);
    clock_gettime(CLOCK_MONOTONIC, &b);
    int64_t passed = (b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec;
    CHECK(passed >= 3000000 && passed < 5000000000);
    EQUAL(clock_getres(CLOCK_REALTIME, &resolution), 0);
    gettimeofday(&tv, NULL);
    clock_gettime(CLOCK_REALTIME, &b);
    CHECK(b.tv_sec - tv.tv_sec <= 1 && tv.tv_usec < 1000000);
    CHECK(labs(time(NULL) - b.tv_sec) <= 1);
    EQUAL(clock_gettime(12345, &b), -1);
    EQUAL(errno, EINVAL);
    struct tms tms;
    CHECK(times(&tms) != (clock_t)-1);
    EQUAL(sysconf(_SC_CLK_TCK), 100);

    uint64_t count, again, frequency;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(count));
    EQUAL(nanosleep(&nap, NULL), 0);
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(again));
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
    CHECK(frequency >= 1000000);
    CHECK((again - count) * 1000 / frequency >= 2 && (again - count) / frequency < 5);
}

static void test_registers(void)
{
    uint64_t ctr, dczid, tpidr, other;
    __asm__("mrs %0, ctr_el0" : "=r"(ctr));
    EQUAL(ctr >> 31 & 1, 1);
    CHECK((ctr & 15) >= 2 && (ctr >> 16 & 15) >= 2);
    __asm__("mrs %0, dczid_el0" : "=r"(dczid));
    if (!(dczid & 16)) {
        size_t block = 4 << (dczid & 15);
        char *p = aligned_alloc(4096, 4096);
        memset(p, 1, 4096);
        __asm__ volatile("dc zva, %0" : : "r"(p + 2 * block + 5) : "memory");
        for (size_t i = 0; i < 4096 && i < 5 * block; i++) {
            EQUAL(p[i], i / block != 2);
        }
        free(p);
    }
    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(tpidr));
    CHECK(tpidr != 0);
    __asm__ volatile("mov x9, %1\n msr tpidr_el0, %2\n mrs %0, tpidr_el0\n msr tpidr_el0, x9\n"
                     : "=&r"(other)
                     : "r"(tpidr), "r"(0x123456789)
                     : "x9");
    EQUAL(other, 0x123456789);
    __asm__ volatile("mrs %0, fpcr" : "=r"(other));
    EQUAL(other, 0);
    __asm__ volatile("yield; sevl; wfe; wfi; hint #34; dmb ish; dsb sy; isb");
    if (getauxval(AT_HWCAP2) & 1ul << 31) {
        __asm__ volatile("mrs x10, cntvct_el0\n add x10, x10, #100\n"
                         ".inst 0xd503100a\n" /* wfet x10 */
                         ".inst 0xd503102a"   /* wfit x10 */
                         :
                         :
                         : "x10");
    }
}

static void test_auxv(void)
{
    unsigned long hwcap = getauxval(AT_HWCAP);
    CHECK(hwcap & HWCAP_FP);
    CHECK(hwcap & HWCAP_ASIMD);
    EQUAL(getauxval(AT_PAGESZ), 4096);
    EQUAL(getauxval(AT_UID), getuid());
    EQUAL(strcmp((char *)getauxval(AT_PLATFORM), "aarch64"), 0);
    CHECK(getauxval(AT_RANDOM) != 0);
    CHECK(getauxval(AT_PHNUM) > 0 && getauxval(AT_PHDR) != 0);
    CHECK(getauxval(AT_ENTRY) != 0);
    if (hwcap & HWCAP_CPUID) {
        /* What the kernel lets user mode read agrees with the capabilities. */
        uint64_t isar0, pfr0, midr;
        __asm__("mrs %0, id_aa64isar0_el1" : "=r"(isar0));
        __asm__("mrs %0, id_aa64pfr0_el1" : "=r"(pfr0));
        __asm__("mrs %0, midr_el1" : "=r"(midr));
        EQUAL(!!(hwcap & HWCAP_AES), (isar0 >> 4 & 15) >= 1);
        EQUAL(!!(hwcap & HWCAP_PMULL), (isar0 >> 4 & 15) >= 2);
        EQUAL(!!(hwcap & HWCAP_SHA1), (isar0 >> 8 & 15) >= 1);
        EQUAL(!!(hwcap & HWCAP_SHA2), (isar0 >> 12 & 15) >= 1);
        EQUAL(!!(hwcap & HWCAP_CRC32), (isar0 >> 16 & 15) >= 1);
        EQUAL(!!(hwcap & HWCAP_ATOMICS), (isar0 >> 20 & 15) >= 2);
        EQUAL(!!(hwcap & HWCAP_ASIMDRDM), (isar0 >> 28 & 15) >= 1);
        EQUAL(!!(hwcap & HWCAP_ASIMDDP), (isar0 >> 44 & 15) >= 1);
        EQUAL(pfr0 & 0xff, 0x11); /* EL0 and EL1: AArch64 only */
        CHECK(midr != 0);
    }
}

static void test_proc(void)
{
    char buffer[8192], exe[PATH_MAX], name[64];
    ssize_t size = readlink("/proc/self/exe", exe, sizeof exe - 1);
    CHECK(size > 0);
    exe[size > 0 ? size : 0] = 0;
    CHECK(strcmp(strrchr(exe, '/'), "/system") == 0 || strstr(exe, "system"));
    int fd = open("/proc/self/cmdline", O_RDONLY);
    size = read(fd, buffer, sizeof buffer);
    CHECK(size > 0 && strstr(buffer, "system") && strlen(buffer) + 1 == (size_t)size);
    close(fd);

    FILE *maps = fopen("/proc/self/maps", "r");
    uintptr_t low, high, here = (uintptr_t)test_proc, stack = (uintptr_t)buffer;
    int code_seen = 0, stack_seen = 0;
    char prot[8], line[PATH_MAX + 100];
    NEED(maps);
    while (fgets(line, sizeof line, maps)) {
        NEED(sscanf(line, "%lx-%lx %4s", &low, &high, prot) == 3);
        if (here >= low && here < high) {
            code_seen++;
            EQUAL(strcmp(prot, "r-xp"), 0);
        }
        if (stack >= low && stack < high) {
            stack_seen++;
            CHECK(prot[0] == 'r' && prot[1] == 'w');
            CHECK(strstr(line, "[stack]"));
        }
    }
    fclose(maps);
    EQUAL(code_seen, 1);
    EQUAL(stack_seen, 1);

    unsigned long pair[2], pagesz = 0;
    fd = open("/proc/self/auxv", O_RDONLY);
    while (read(fd, pair, sizeof pair) == sizeof pair && pair[0]) {
        pagesz = pair[0] == AT_PAGESZ ? pair[1] : pagesz;
    }
    close(fd);
    EQUAL(pagesz, 4096);
    snprintf(name, sizeof name, "/proc/%d/stat", getpid());
    FILE *stat = fopen(name, "r");
    int pid = 0;
    NEED(stat && fscanf(stat, "%d (%63[^)])", &pid, name) == 2);
    fclose(stat);
    EQUAL(pid, getpid());
    CHECK(strstr(name, "system"));
}

static void test_identity(void)
{
    struct utsname u;
    char name[17] = "";
    cpu_set_t set;
    EQUAL(uname(&u), 0);
    EQUAL(strcmp(u.machine, "aarch64"), 0);
    EQUAL(strcmp(u.sysname, "Linux"), 0);
    EQUAL(prctl(PR_SET_NAME, "sixteen-letters-and-more"), 0);
    EQUAL(prctl(PR_GET_NAME, name), 0);
    EQUAL(strcmp(name, "sixteen-letters"), 0);
    EQUAL(prctl(PR_SET_NAME, "system"), 0);
    EQUAL(prctl(PR_GET_DUMPABLE) >= 0, 1);
    EQUAL(prctl(99999), -1);
    EQUAL(errno, EINVAL);
    EQUAL(sched_getaffinity(0, sizeof set, &set), 0);
    CHECK(CPU_COUNT(&set) >= 1);
    CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
    struct sysinfo info;
    EQUAL(sysinfo(&info), 0);
    CHECK(info.totalram > 0 && info.procs > 0);
    EQUAL(syscall(9999), -1);
    EQUAL(errno, ENOSYS);
    EQUAL(syscall(425, 1, NULL), -1); /* io_uring_setup */
    CHECK(errno == ENOSYS || errno == EPERM);
}

static void test_limits(void)
{
    struct rlimit limit, set;
    struct rusage use;
    EQUAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK(limit.rlim_cur > 10);
    set = limit;
    set.rlim_cur = 64;
    EQUAL(setrlimit(RLIMIT_NOFILE, &set), 0);
    EQUAL(prlimit(0, RLIMIT_NOFILE, &limit, &set), 0);
    EQUAL(set.rlim_cur, 64);
    EQUAL(getrlimit(RLIMIT_STACK, &limit), 0);
    CHECK(limit.rlim_cur >= 1 << 20);
    EQUAL(getrusage(RUSAGE_SELF, &use), 0);
    CHECK(use.ru_maxrss > 0);
    unsigned char random[32] = { 0 }, zero[32] = { 0 };
    EQUAL(getrandom(random, sizeof random, 0), sizeof random);
    CHECK(memcmp(random, zero, sizeof zero) != 0);
    EQUAL(getpriority(PRIO_PROCESS, 0) >= -20, 1);
    EQUAL(syscall(SYS_membarrier, 0, 0, 0) >= 0 || errno == ENOSYS, 1);
}

int main(void)
{
    test_clock();
    test_registers();
    test_auxv();
    test_proc();
    test_identity();
    test_limits();
    return test_end();
}
