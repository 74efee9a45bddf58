/* SPDX-License-Identifier: MIT */
/* Memory copy and set instructions (FEAT_MOPS): what they do, over faults and under signals. */
#include "test.h"
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

enum { SIZE = 3 * 65536, HALF = SIZE / 2 };
#define HWCAP2_MOPS_ (1ul << 43)

static uint8_t *memory, *model; /* a hole follows the memory */

typedef struct Registers {
    uintptr_t dest, source, size, nzcv;
} Registers;

#define MOPS(name, p, m, e)                                                                      \
    static Registers name(void *dest, const void *source, size_t size)                           \
    {                                                                                            \
        Registers r = { (uintptr_t)dest, (uintptr_t)source, size, 0 };                           \
        __asm__ volatile(".arch armv8.8-a+mops\n cmp sp, #1\n" p "\n" m "\n" e "\n mrs %3, nzcv" \
                         : "+r"(r.dest), "+r"(r.source), "+r"(r.size), "=&r"(r.nzcv)             \
                         :                                                                       \
                         : "memory", "cc");                                                      \
        return r;                                                                                \
    }
MOPS(copy, "cpyp [%0]!, [%1]!, %2!", "cpym [%0]!, [%1]!, %2!", "cpye [%0]!, [%1]!, %2!")
MOPS(copy_nt, "cpyprtwn [%0]!, [%1]!, %2!", "cpymrtwn [%0]!, [%1]!, %2!",
     "cpyertwn [%0]!, [%1]!, %2!")
MOPS(copy_forward, "cpyfp [%0]!, [%1]!, %2!", "cpyfm [%0]!, [%1]!, %2!", "cpyfe [%0]!, [%1]!, %2!")
MOPS(copy_no_main, "cpyfp [%0]!, [%1]!, %2!", "", "cpyfe [%0]!, [%1]!, %2!")
MOPS(set, "setp [%0]!, %2!, %1", "setm [%0]!, %2!, %1", "sete [%0]!, %2!, %1")
MOPS(set_t, "setptn [%0]!, %2!, %1", "setmtn [%0]!, %2!, %1", "setetn [%0]!, %2!, %1")

static void fill(void)
{
    for (int i = 0; i < SIZE; i++) {
        memory[i] = model[i] = (uint8_t)(i * 7 + (i >> 8) * 13);
    }
}

static void check_memory(const char *what, long size)
{
    if (memcmp(memory, model, SIZE) != 0) {
        printf("%s of %ld bytes: memory differs\n", what, size);
        test_failed();
    }
}

static const long sizes[] = { 0, 1, 7, 16, 100, 4095, 4096, 5000, 40000 };
static const long places[] = { 0, 1, 4090, 8191, 20000 };
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Is it a backward copy that left the addresses alone, or one that moved them? */
static void check_end(Registers r, uintptr_t dest, uintptr_t source, long size)
{
    EQUAL(r.size, 0);
    EQUAL(r.nzcv, 0);
    EQUAL(r.dest - dest, r.source - source);
    CHECK(r.dest == dest + size || r.dest == dest);
}

static void test_copy(Registers (*run)(void *, const void *, size_t), bool overlap)
{
    fill();
    for (unsigned i = 0; i < COUNT(sizes); i++) {
        for (unsigned j = 0; j < COUNT(places) * COUNT(places); j++) {
            long n = sizes[i], to = places[j % COUNT(places)], from = places[j / COUNT(places)];
            if (!overlap) {
                to += HALF;
            }
            Registers r = run(memory + to, memory + from, n);
            memmove(model + to, model + from, n);
            check_end(r, (uintptr_t)memory + to, (uintptr_t)memory + from, n);
            check_memory("copy", n);
        }
    }
}

static void test_set(Registers (*run)(void *, const void *, size_t))
{
    fill();
    for (unsigned i = 0; i < COUNT(sizes) * COUNT(places); i++) {
        long n = sizes[i / COUNT(places)], to = places[i % COUNT(places)];
        Registers r = run(memory + to, (void *)(uintptr_t)(0x1234500 + i), n);
        memset(model + to, i, n);
        EQUAL(r.size, 0);
        EQUAL(r.dest, (uintptr_t)memory + to + n);
        EQUAL(r.source, 0x1234500 + i);
        check_memory("set", n);
    }
    fill();
    /* a tag is ignored */
    run((void *)((uintptr_t)memory | 0x5aull << 56), (void *)9, 100);
    memset(model, 9, 100);
    check_memory("set by a tagged address", 100);
}

/* --- faults: the handler maps what is missing, the instruction goes on where it was ---- */

static int faults;
static uintptr_t fault_address;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    EQUAL(signal, SIGSEGV);
    fault_address = (uintptr_t)info->si_addr;
    faults++;
    NEED(mprotect((void *)(fault_address & -4096ul), 4096, PROT_READ | PROT_WRITE) == 0);
}

static void test_faults(void)
{
    /* forward: the first byte of the page */
    fill();
    faults = 0;
    NEED(mprotect(memory + 8192, 4096, PROT_NONE) == 0);
    set(memory + 100, (void *)0x77, 20000);
    memset(model + 100, 0x77, 20000);
    EQUAL(faults, 1);
    EQUAL(fault_address, (uintptr_t)memory + 8192);
    check_memory("set over a fault", 20000);
    /* backward: the last */
    NEED(mprotect(memory + 8192, 4096, PROT_NONE) == 0);
    copy(memory + 50, memory + 10, 20000);
    EQUAL(fault_address, (uintptr_t)memory + 12287);
    memmove(model + 50, model + 10, 20000);
    NEED(mprotect(memory + 20480, 4096, PROT_READ) == 0);
    copy(memory + 16400, memory + 50, 16000);
    EQUAL(fault_address, (uintptr_t)memory + 20480);
    memmove(model + 16400, model + 50, 16000);
    EQUAL(faults, 3);
    check_memory("copies over faults", 20000);
}

/* --- signals: a long one is interrupted, and goes on ----------------------------------- */

static volatile int ticks;

static void on_tick(int signal)
{
    (void)signal;
    ticks++;
}

static void test_interrupts(void)
{
    enum { LONG = 256 << 20 };
    uint8_t *big = mmap(NULL, LONG, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    NEED(big != MAP_FAILED);
    struct itimerval every_ms = { { 0, 1000 }, { 0, 1000 } }, never = { { 0, 0 }, { 0, 0 } };
    signal(SIGALRM, on_tick);
    setitimer(ITIMER_REAL, &every_ms, NULL);
    Registers r = set(big, (void *)0x3c, LONG);
    setitimer(ITIMER_REAL, &never, NULL);
    EQUAL(r.dest, (uintptr_t)big + LONG);
    for (long i = 0; i < LONG; i += 1021) {
        NEED(big[i] == 0x3c);
    }
    CHECK(ticks > 3);
    munmap(big, LONG);
}

int main(void)
{
    if (!(getauxval(AT_HWCAP2) & HWCAP2_MOPS_)) {
        printf("no MOPS\n");
        return 1;
    }
    memory = mmap(NULL, SIZE + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    model = malloc(SIZE);
    NEED(memory != MAP_FAILED && model && munmap(memory + SIZE, 4096) == 0);
    sigaction(SIGSEGV, &(struct sigaction){ .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO },
              NULL);
    test_copy(copy, true);
    test_copy(copy_nt, true);
    test_copy(copy_forward, false);
    test_copy(copy_no_main, false);
    test_set(set);
    test_set(set_t);
    test_faults();
    test_interrupts();
    return test_end();
}
