/* SPDX-License-Identifier: MIT */
/* The floating point environment: modes per thread, over signals, fenv, lazy flags. */
#include "test.h"
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

static volatile double one = 1, three = 3, zero = 0, huge = DBL_MAX, tiny = DBL_MIN;
static volatile double sink;

static void test_rounding(void)
{
    static const int modes[] = { FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO };
    static const uint64_t third[] = { 0x3fd5555555555555, 0x3fd5555555555556, 0x3fd5555555555555,
                                      0x3fd5555555555555 };
    for (int i = 0; i < 4; i++) {
        EQUAL(fesetround(modes[i]), 0);
        EQUAL(fegetround(), modes[i]);
        double d = one / three;
        uint64_t bits;
        memcpy(&bits, &d, 8);
        EQUAL(bits, third[i]);
        volatile double half = 2.5;
        EQUAL(lrint(half), i == 1 ? 3 : 2);
        EQUAL(lrint(-half), i == 2 ? -3 : -2);
    }
    fesetround(FE_TONEAREST);
}

static void test_flags(void)
{
    feclearexcept(FE_ALL_EXCEPT);
    EQUAL(fetestexcept(FE_ALL_EXCEPT), 0);
    sink = one + one;
    EQUAL(fetestexcept(FE_ALL_EXCEPT), 0);
    sink = one / three;
    EQUAL(fetestexcept(FE_ALL_EXCEPT), FE_INEXACT);
    sink = one / zero;
    EQUAL(fetestexcept(FE_ALL_EXCEPT), FE_INEXACT | FE_DIVBYZERO);
    feclearexcept(FE_INEXACT);
    EQUAL(fetestexcept(FE_ALL_EXCEPT), FE_DIVBYZERO);
    feclearexcept(FE_ALL_EXCEPT);
    sink = huge * huge;
    EQUAL(fetestexcept(FE_ALL_EXCEPT), FE_OVERFLOW | FE_INEXACT);
    feclearexcept(FE_ALL_EXCEPT);
    sink = tiny * tiny;
    EQUAL(fetestexcept(FE_ALL_EXCEPT), FE_UNDERFLOW | FE_INEXACT);
    feclearexcept(FE_ALL_EXCEPT);
    sink = zero / zero;
    EQUAL(fetestexcept(FE_ALL_EXCEPT), FE_INVALID);
    feclearexcept(FE_ALL_EXCEPT);
    volatile int64_t i = (int64_t)huge;
    EQUAL(i, INT64_MAX);
    EQUAL(fetestexcept(FE_ALL_EXCEPT), FE_INVALID);
    feclearexcept(FE_ALL_EXCEPT);
    EQUAL(isgreater(sink, one), 0); /* a quiet comparison with NaN */
    EQUAL(fetestexcept(FE_INVALID), 0);
    EQUAL(sink > one, 0); /* a signalling one */
    EQUAL(fetestexcept(FE_INVALID), FE_INVALID);
    feraiseexcept(FE_DIVBYZERO);
    EQUAL(fetestexcept(FE_ALL_EXCEPT), FE_DIVBYZERO | FE_INVALID);
    fenv_t saved;
    feholdexcept(&saved);
    EQUAL(fetestexcept(FE_ALL_EXCEPT), 0);
    sink = one / three;
    feupdateenv(&saved);
    EQUAL(fetestexcept(FE_ALL_EXCEPT), FE_DIVBYZERO | FE_INVALID | FE_INEXACT);
    feclearexcept(FE_ALL_EXCEPT);
}

/* Arm has no traps: the enable bits read as zero, and nothing is signalled. */
static void test_no_traps(void)
{
    uint64_t fpcr;
    __asm__ volatile("mov x9, #0x1f00\n msr fpcr, x9\n mrs %0, fpcr\n" : "=r"(fpcr) : : "x9");
    EQUAL(fpcr, 0);
    sink = one / zero;
    volatile int n = 0;
    volatile int q = 5 / (n ? n : 1);
    EQUAL(q, 5);
    uint64_t result;
    __asm__("sdiv %0, %1, xzr" : "=r"(result) : "r"(7)); /* no SIGFPE */
    EQUAL(result, 0);
    __asm__("sdiv %0, %1, %2" : "=r"(result) : "r"(INT64_MIN), "r"(-1l));
    EQUAL(result, INT64_MIN);
}

static volatile int in_handler = -1;

static void handler(int signal)
{
    (void)signal;
    in_handler = fegetround();
    fesetround(FE_DOWNWARD);
    sink = one / zero;
}

static void test_signal(void)
{
    struct sigaction action = { .sa_handler = handler };
    sigaction(SIGUSR1, &action, NULL);
    fesetround(FE_UPWARD);
    feclearexcept(FE_ALL_EXCEPT);
    raise(SIGUSR1);
    EQUAL(fegetround(), FE_UPWARD); /* the frame restores FPCR and FPSR */
    EQUAL(fetestexcept(FE_ALL_EXCEPT), 0);
    EQUAL(in_handler, FE_UPWARD);
    fesetround(FE_TONEAREST);
}

static void *thread_mode(void *arg)
{
    int first = fegetround();
    fesetround((int)(long)arg);
    for (int i = 0; i < 10000; i++) {
        sink = one / three;
    }
    return (void *)(long)(fegetround() == (int)(long)arg ? first : -1);
}

static void test_threads(void)
{
    pthread_t a, b;
    void *first;
    pthread_create(&a, NULL, thread_mode, (void *)FE_UPWARD);
    pthread_create(&b, NULL, thread_mode, (void *)FE_DOWNWARD);
    pthread_join(a, &first);
    EQUAL(first, FE_TONEAREST);
    pthread_join(b, &first);
    EQUAL(first, FE_TONEAREST);
    EQUAL(fegetround(), FE_TONEAREST);
}

static void test_flush(void)
{
    volatile double denormal = tiny / 2;
    uint64_t bits;
    double d;
    __asm__ volatile("mov x9, #0x1000000\n msr fpcr, x9\n fadd %d0, %d1, %d1\n msr fpcr, xzr\n"
                     : "=w"(d)
                     : "w"(denormal)
                     : "x9");
    memcpy(&bits, &d, 8);
    EQUAL(bits, 0);
    d = denormal + denormal;
    CHECK(d == tiny);
}

int main(void)
{
    test_rounding();
    test_flags();
    test_no_traps();
    test_signal();
    test_threads();
    test_flush();
    return test_end();
}
