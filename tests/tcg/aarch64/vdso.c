/* SPDX-License-Identifier: MIT */
/* The vDSO: found and used by the C library, right clocks, unwinding through its signal return. */
#include "test.h"
#include <elf.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unwind.h>

static const char *image;

static const Elf64_Dyn *dynamic(void)
{
    const Elf64_Ehdr *e = (const void *)image;
    const Elf64_Phdr *ph = (const void *)(image + e->e_phoff);

    for (int i = 0; i < e->e_phnum; i++) {
        if (ph[i].p_type == PT_DYNAMIC) {
            return (const void *)(image + ph[i].p_vaddr);
        }
    }
    return NULL;
}

static uint64_t tag(int64_t which)
{
    for (const Elf64_Dyn *d = dynamic(); d->d_tag; d++) {
        if (d->d_tag == which) {
            return d->d_un.d_val;
        }
    }
    return 0;
}

static void *symbol(const char *name)
{
    const Elf64_Sym *sym = (const void *)(image + tag(DT_SYMTAB));
    const uint32_t *hash = (const void *)(image + tag(DT_HASH));
    const char *str = image + tag(DT_STRTAB);

    for (uint32_t i = 1; i < hash[1]; i++) {
        if (!strcmp(str + sym[i].st_name, name)) {
            return (void *)(image + sym[i].st_value);
        }
    }
    return NULL;
}

static int64_t nanoseconds(const struct timespec *t)
{
    return t->tv_sec * 1000000000ll + t->tv_nsec;
}

static void test_clocks(void)
{
    int (*gettime)(clockid_t, struct timespec *) = symbol("__kernel_clock_gettime");
    int (*getres)(clockid_t, struct timespec *) = symbol("__kernel_clock_getres");
    int (*timeofday)(struct timeval *, void *) = symbol("__kernel_gettimeofday");
    static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME,
                                        CLOCK_MONOTONIC_COARSE, CLOCK_PROCESS_CPUTIME_ID };

    NEED(gettime && getres && timeofday);
    for (unsigned i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        struct timespec before, now, after;
        EQUAL(syscall(SYS_clock_gettime, clocks[i], &before), 0);
        EQUAL(gettime(clocks[i], &now), 0);
        EQUAL(syscall(SYS_clock_gettime, clocks[i], &after), 0);
        CHECK(nanoseconds(&before) <= nanoseconds(&now));
        CHECK(nanoseconds(&now) <= nanoseconds(&after));
    }
    struct timespec res = { 1, 1 };
    struct timeval tv;
    EQUAL(getres(CLOCK_MONOTONIC, &res), 0);
    CHECK(res.tv_sec == 0 && res.tv_nsec < 10000000);
    EQUAL(timeofday(&tv, NULL), 0);
    CHECK(llabs(tv.tv_sec - (long long)time(NULL)) <= 1);
    EQUAL(gettime(77, &res), -EINVAL);
    EQUAL(clock_gettime(77, &res), -1);
    EQUAL(errno, EINVAL);
}

/* Outside of the vDSO the immediate means nothing. */
static void test_immediate(void)
{
    register long x8 __asm__("x8") = SYS_getpid;
    register long x0 __asm__("x0") = 0;
    __asm__ volatile("svc #113" : "+r"(x0) : "r"(x8) : "memory");
    EQUAL(x0, getpid());
}

static volatile int frames, of_test;
static void test_unwind(void);

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *opaque)
{
    (void)opaque;
    frames++;
    of_test += _Unwind_FindEnclosingFunction((void *)_Unwind_GetIP(context)) == test_unwind;
    return frames < 50 ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void handler(int signal)
{
    (void)signal;
    _Unwind_Backtrace(visit, NULL);
}

/* From a handler through the trampoline, which has no CFI: unwinders know its instructions. */
__attribute__((noinline)) static void test_unwind(void)
{
    signal(SIGUSR1, handler);
    raise(SIGUSR1);
    CHECK(frames >= 3);
    EQUAL(of_test, 1);
}

static void test_maps(void)
{
    char line[300];
    unsigned long long start = 0;
    FILE *f = fopen("/proc/self/maps", "r");

    while (fgets(line, sizeof(line), f)) {
        if (strstr(line, "[vdso]")) {
            sscanf(line, "%llx", &start);
        }
    }
    fclose(f);
    EQUAL(start, (uintptr_t)image);
}

int main(void)
{
    image = (const char *)getauxval(AT_SYSINFO_EHDR);
    NEED(image && !memcmp(image, ELFMAG, SELFMAG));
    NEED(dynamic());
    CHECK(!strcmp(image + tag(DT_STRTAB) + tag(DT_SONAME), "linux-vdso.so.1"));
    CHECK(tag(DT_VERSYM) && tag(DT_VERDEF));
    test_clocks();
    test_immediate();
    test_unwind();
    test_maps();
    return test_end();
}
