/* SPDX-License-Identifier: MIT */
/* Programs that write code: IC IVAU, mprotect, munmap, double mapping, threads. */
#include "test.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

typedef uint64_t Function(uint64_t);

static void *code_pages(size_t size)
{
    void *p =
        mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(p != MAP_FAILED);
    return p;
}

/* mov x9, #value; add x0, x0, x9; ret */
static void emit(uint32_t *code, uint16_t value)
{
    code[0] = 0xd2800009 | (uint32_t)value << 5;
    code[1] = 0x8b090000;
    code[2] = 0xd65f03c0;
}

static void test_rewrite(void)
{
    uint32_t *code = code_pages(4096);
    for (int i = 0; i < 3000; i++) {
        emit(code, i);
        __builtin___clear_cache((char *)code, (char *)(code + 3));
        EQUAL(((Function *)code)(1), i + 1);
    }
}

static void test_protect(void)
{
    uint32_t *code = code_pages(4096);
    for (int i = 0; i < 200; i++) {
        EQUAL(mprotect(code, 4096, PROT_READ | PROT_WRITE), 0);
        emit(code + 16, i * 3);
        EQUAL(mprotect(code, 4096, PROT_READ | PROT_EXEC), 0);
        __builtin___clear_cache((char *)(code + 16), (char *)(code + 19));
        EQUAL(((Function *)(code + 16))(5), i * 3 + 5);
    }
}

/* The same address with other code, by unmapping and mapping alone. */
static void test_remap(void)
{
    uint32_t *code = code_pages(4096);
    for (int i = 0; i < 100; i++) {
        emit(code, i);
        __builtin___clear_cache((char *)code, (char *)(code + 3));
        EQUAL(((Function *)code)(0), i);
        munmap(code, 4096);
        EQUAL(mmap(code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
              code);
    }
}

/* One mapping to write through, one to run from, as hardened just-in-time compilers do. */
static void test_two_mappings(void)
{
    int fd = memfd_create("code", 0);
    NEED(fd >= 0 && ftruncate(fd, 4096) == 0);
    uint32_t *writer = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    uint32_t *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    NEED(writer != MAP_FAILED && code != MAP_FAILED);
    for (int i = 0; i < 500; i++) {
        emit(writer, i ^ 0x55);
        __builtin___clear_cache((char *)code, (char *)(code + 3));
        EQUAL(((Function *)code)(0), i ^ 0x55);
    }
}

/* A patched branch: one instruction that another thread runs all the time. */
static uint32_t *patched;
static atomic_int stop;

static void *run_patched(void *arg)
{
    long wrong = 0;
    while (!stop) {
        uint64_t r = ((Function *)patched)(0);
        wrong += r != 1 && r != 2;
    }
    *(long *)arg = wrong;
    return NULL;
}

static void test_patch(void)
{
    pthread_t thread;
    long wrong = -1;
    patched = code_pages(4096);
    patched[0] = 0x14000002; /* b .+8 */
    patched[1] = 0x14000003; /* b .+12 */
    patched[2] = 0xd2800020; /* mov x0, #1 */
    patched[3] = 0xd65f03c0;
    patched[4] = 0xd2800040; /* mov x0, #2 */
    patched[5] = 0xd65f03c0;
    __builtin___clear_cache((char *)patched, (char *)(patched + 6));
    pthread_create(&thread, NULL, run_patched, &wrong);
    for (int i = 0; i < 2000; i++) {
        *(volatile uint32_t *)patched = i % 2 ? 0x14000002 : 0x14000004; /* to [2] or to [4] */
        __builtin___clear_cache((char *)patched, (char *)(patched + 1));
        EQUAL(((Function *)patched)(0), i % 2 ? 1 : 2);
    }
    stop = 1;
    pthread_join(thread, NULL);
    EQUAL(wrong, 0);
}

/* Code that changes the code after itself, in one page, with the barriers that it needs. */
static void test_self(void)
{
    uint32_t *code = code_pages(4096);
    uint64_t result;
    emit(code, 1);
    __builtin___clear_cache((char *)code, (char *)(code + 3));
    EQUAL(((Function *)code)(0), 1);
    __asm__ volatile("   adr x10, 1f\n" /* not in these pages: only dc, ic and the barriers */
                     "   str %w2, [%1]\n"
                     "   dc cvau, %1\n"
                     "   dsb ish\n"
                     "   ic ivau, %1\n"
                     "   dsb ish\n"
                     "   isb\n"
                     "   mov x0, #100\n"
                     "   blr %1\n"
                     "1: mov %0, x0\n"
                     : "=r"(result)
                     : "r"(code), "r"(0xd2800009 | 77 << 5)
                     : "x0", "x9", "x10", "x30", "memory");
    EQUAL(result, 177);
}

/* Much code, each piece run once or twice: the translations must not outgrow their buffer. */
static void test_much(void)
{
    enum { PIECES = 40000 };
    uint32_t *code = code_pages(PIECES * 16);
    for (int i = 0; i < PIECES; i++) {
        emit(code + 4 * i, i & 0xffff);
    }
    __builtin___clear_cache((char *)code, (char *)(code + 4 * PIECES));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < PIECES; i++) {
            uint64_t got = ((Function *)(code + 4 * i))(7);
            if (got != (uint64_t)(i & 0xffff) + 7) {
                EQUAL(got, (i & 0xffff) + 7);
                return;
            }
        }
    }
}

int main(void)
{
    test_rewrite();
    test_protect();
    test_remap();
    test_two_mappings();
    test_patch();
    test_self();
    test_much();
    return test_end();
}
