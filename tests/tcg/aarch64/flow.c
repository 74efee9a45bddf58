/* SPDX-License-Identifier: MIT */
/* Control flow: indirect branches, deep recursion, non-local jumps, contexts. */
#include "test.h"
#include <setjmp.h>
#include <ucontext.h>

__attribute__((noinline)) static long recurse(long n)
{
    long below = n ? recurse(n - 1) : 0;
    __asm__ volatile("" : "+r"(below));
    return below + n;
}

/* A jump out of many calls: their returns never happen. */
static jmp_buf outer;
static volatile int bottom;
__attribute__((noinline)) static void dive(int n)
{
    if (n == bottom) {
        longjmp(outer, 77);
    }
    if (n < 0) {
        return;
    }
    dive(n - 1);
    __asm__ volatile("");
}

static void test_longjmp(void)
{
    volatile int round = 0;
    for (round = 0; round < 1000; round++) {
        int value = setjmp(outer);
        if (value == 0) {
            dive(round % 50);
        }
        EQUAL(value, 77);
        EQUAL(recurse(20), 210);
    }
}

static ucontext_t main_context, side_context;
static int side_steps;

static void side(int a, int b)
{
    EQUAL(a, 11);
    EQUAL(b, 22);
    for (int i = 0; i < 100; i++) {
        side_steps++;
        swapcontext(&side_context, &main_context);
    }
}

static void test_contexts(void)
{
    static char stack[65536];
    getcontext(&side_context);
    side_context.uc_stack.ss_sp = stack;
    side_context.uc_stack.ss_size = sizeof stack;
    side_context.uc_link = &main_context;
    makecontext(&side_context, (void (*)(void))side, 2, 11, 22);
    for (int i = 1; i <= 101; i++) {
        swapcontext(&main_context, &side_context);
        EQUAL(side_steps, i <= 100 ? i : 100);
    }
}

static void test_computed(void)
{
    static const void *const table[] = { &&one, &&two, &&three, &&end };
    uint64_t state = 12345, sum = 0;
    for (int i = 0; i < 100000; i++) {
        state = state * 6364136223846793005 + 1442695040888963407;
        goto *table[state >> 62 == 3 ? i & 1 : state >> 62];
    one:
        sum += 1;
        continue;
    two:
        sum += 100;
        continue;
    three:
        sum += 10000;
        continue;
    end:
        sum += 1;
    }
    EQUAL(sum % 100 > 0, 1);
}

/* A return address that a function replaces: ret must follow the register, not a shadow. */
static void test_return_elsewhere(void)
{
    uint64_t result;
    __asm__ volatile("   mov %0, #0\n"
                     "   bl 1f\n"
                     "   add %0, %0, #100\n" /* skipped: the callee returns past it */
                     "   b 2f\n"
                     "1: add x30, x30, #4\n"
                     "   add %0, %0, #1\n"
                     "   ret\n"
                     "2: mov x9, x30\n"
                     "   adr x10, 3f\n"
                     "   br x10\n"
                     "   add %0, %0, #200\n"
                     "3: adr x10, 4f\n"
                     "   blr x10\n"
                     "   b 5f\n"
                     "4: ret x30\n"
                     "5: add %0, %0, #2\n"
                     : "=&r"(result)
                     :
                     : "x9", "x10", "x30", "cc");
    EQUAL(result, 3);
    /* blr x30 reads its target before it writes the link. */
    __asm__ volatile("   adr x30, 1f\n"
                     "   blr x30\n"
                     "   b 2f\n"
                     "1: mov %0, #5\n"
                     "   ret\n"
                     "2:\n"
                     : "=&r"(result)
                     :
                     : "x30");
    EQUAL(result, 5);
}

int main(void)
{
    EQUAL(recurse(50000), 1250025000);
    test_longjmp();
    test_contexts();
    test_computed();
    test_return_elsewhere();
    return test_end();
}
