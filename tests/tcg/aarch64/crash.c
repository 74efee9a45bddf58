/* SPDX-License-Identifier: MIT */
/* Ends badly in the way that its argument names; tests/tcg/bad-input looks at the status. */
#include <signal.h>
#include <sys/mman.h>
#include "test.h"

static void do_exit(void)
{
    exit(42);
}

static void do_null(void)
{
    volatile int *volatile p = NULL;
    *p = 1;
}

static void do_jump(void)
{
    void (*volatile p)(void) = (void (*)(void))0x123450000000;
    p();
}

static void do_data(void)
{
    static uint32_t data[4] = { 0xd65f03c0 };
    void (*volatile p)(void) = (void (*)(void))data;
    p();
}

static void do_undefined(void)
{
    __asm__ volatile("udf #77");
}

static volatile int always = 1;

__attribute__((noinline)) static int down(int n)
{
    volatile char space[1000];
    space[n % 1000] = n;
    return always ? down(n + 1) + space[0] : 0;
}

static void do_stack(void)
{
    down(0);
}

static void do_term(void)
{
    raise(SIGTERM);
}

static void do_signal_stack(void)
{
    __asm__ volatile("mov sp, %0\n ldr x0, [sp]\n" : : "r"(0x7000l) : "memory");
}

static void do_unmap(void)
{
    munmap(NULL, 0x7ffffffff000);
    munmap(NULL, 0xfffffffff000);
    do_null();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*end)(void);
    } ends[] = {
        { "exit", do_exit },   { "abort", abort },  { "null", do_null },
        { "jump", do_jump },   { "data", do_data }, { "undefined", do_undefined },
        { "stack", do_stack }, { "term", do_term }, { "signal-stack", do_signal_stack },
        { "unmap", do_unmap },
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (argc > 1 && strcmp(argv[1], ends[i].name) == 0) {
            ends[i].end();
        }
    }
    return test_end(); /* with no argument, as the runner of all programs calls it */
}
