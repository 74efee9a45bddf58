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

enum { FPCR_FZ = 1 << 24, FPCR_DN = 1 << 25, FPSR_UFC = 8, FPSR_IXC = 16, FPSR_IDC = 128 };

static void set_fpcr(uint64_t mode)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(mode) : "memory");
}

static void set_fpsr(uint64_t flags)
{
    __asm__ volatile("msr fpsr, %0" : : "r"(flags) : "memory");
}

static uint64_t get_fpsr(void)
{
    uint64_t flags;
    __asm__ volatile("mrs %0, fpsr" : "=r"(flags) : : "memory");
    return flags;
}

/* A scalar operation on d1, d2 with clear flags; the result's bits. */
#define OPERATE(insn, a, b)                                                    \
    ({                                                                         \
        double x_ = (a), y_ = (b), r_;                                         \
        uint64_t bits_;                                                        \
        set_fpsr(0);                                                           \
        __asm__ volatile(insn " %d0, %d1, %d2" : "=w"(r_) : "w"(x_), "w"(y_)); \
        memcpy(&bits_, &r_, 8);                                                \
        bits_;                                                                 \
    })

static void test_flush_flags(void)
{
    volatile double denormal = tiny / 2, below_one = 1 - DBL_EPSILON / 2, nan = NAN;
    double odd = 0x1.0000000000001p-511, even = 0x1.ffffffffffffep-512; /* product just < tiny */
    uint64_t bits;

    set_fpcr(FPCR_FZ);
    EQUAL(OPERATE("fadd", one, one), 0x4000000000000000);
    EQUAL(get_fpsr(), 0);
    EQUAL(OPERATE("fdiv", one, three), 0x3fd5555555555555);
    EQUAL(get_fpsr(), FPSR_IXC);
    EQUAL(OPERATE("fmul", -denormal, one), 1ull << 63);
    EQUAL(get_fpsr(), FPSR_IDC);
    EQUAL(OPERATE("fmul", tiny, below_one), 0); /* flushed, and not inexact */
    EQUAL(get_fpsr(), FPSR_UFC);
    EQUAL(OPERATE("fmul", odd, even), 0); /* tiny before rounding */
    EQUAL(get_fpsr(), FPSR_UFC);
    EQUAL(OPERATE("fmul", tiny, one), 0x10000000000000);
    EQUAL(get_fpsr(), 0);
    bits = OPERATE("fdiv", denormal, zero);
    EQUAL(bits, 0x7ff8000000000000);
    EQUAL(get_fpsr(), FPSR_IDC | 1);
    set_fpsr(0);
    __asm__ volatile("frintp d7, %d1\n fmov %0, d7" : "=r"(bits) : "w"(denormal) : "v7");
    EQUAL(bits, 0);
    EQUAL(get_fpsr(), FPSR_IDC);
    set_fpsr(0);
    __asm__ volatile("fcvtpu %0, %d1" : "=r"(bits) : "w"(denormal));
    EQUAL(bits, 0);
    EQUAL(get_fpsr(), FPSR_IDC);
    set_fpcr(FPCR_DN);
    EQUAL(OPERATE("fadd", -nan, one), 0x7ff8000000000000);
    EQUAL(get_fpsr(), 0);
    set_fpcr(0);
}

/* The flags of text, whose operands are in v1 to v3. */
#define FLAGS(text, a, b, c)                                               \
    ({                                                                     \
        register double a_ __asm__("v1") = (a), b_ __asm__("v2") = (b);    \
        register double c_ __asm__("v3") = (c);                            \
        set_fpsr(0);                                                       \
        __asm__ volatile(text : : "w"(a_), "w"(b_), "w"(c_) : "v0", "cc"); \
        get_fpsr();                                                        \
    })

static double singles(float low, float high)
{
    float f[2] = { low, high };
    double d;
    memcpy(&d, f, 8);
    return d;
}

/* Arm decides before rounding what is tiny: what is rounded up to the least normal number was. */
static void test_least_normal(void)
{
    double odd = 0x1.0000000000001p-511, even = 0x1.ffffffffffffep-512;
    double a = singles(1, 0x1.000002p-63f), b = singles(1, 0x1.fffffcp-64f);

    EQUAL(FLAGS("fmul d0, d1, d2", odd, even, 0), FPSR_UFC | FPSR_IXC);
    EQUAL(FLAGS("fmul d0, d1, d2", -odd, even, 0), FPSR_UFC | FPSR_IXC);
    EQUAL(FLAGS("fmadd d0, d1, d2, d3", odd, even, 0), FPSR_UFC | FPSR_IXC);
    EQUAL(FLAGS("fnmsub d0, d1, d2, d3", odd, even, 0), FPSR_UFC | FPSR_IXC);
    EQUAL(FLAGS("fmul v0.2s, v1.2s, v2.2s", a, b, 0), FPSR_UFC | FPSR_IXC);
    EQUAL(FLAGS("fmla v3.2s, v1.2s, v2.2s", a, b, 0), FPSR_UFC | FPSR_IXC);
    EQUAL(FLAGS("fcvt s0, d1", 0x1.fffffffp-127, 0, 0), FPSR_UFC | FPSR_IXC);
    EQUAL(FLAGS("fcvtn v0.2s, v1.2d", 0x1.fffffffp-127, 0, 0), FPSR_UFC | FPSR_IXC);
    EQUAL(FLAGS("fcvt h0, s1", singles(0x1.fffep-15f, 0), 0, 0), FPSR_UFC | FPSR_IXC);
    EQUAL(FLAGS("fcvtn v0.4h, v1.4s", singles(1, 0x1.fffep-15f), 0, 0), FPSR_UFC | FPSR_IXC);
    /* exact, or well above */
    EQUAL(FLAGS("fmul d0, d1, d2", DBL_MIN, 1, 0), 0);
    EQUAL(FLAGS("fmul d0, d1, d2", 0x1.0000000000001p-500, even, 0), FPSR_IXC);
    EQUAL(FLAGS("fcvt s0, d1", FLT_MIN, 0, 0), 0);
}

/* A denormal is one beside a NaN, too. */
static void test_beside_nan(void)
{
    double nan = __builtin_nan("1"), denormal = 0x1p-1060;

    set_fpcr(FPCR_FZ);
    EQUAL(FLAGS("fadd d0, d1, d2", denormal, nan, 0), FPSR_IDC);
    EQUAL(FLAGS("fmul d0, d1, d2", nan, denormal, 0), FPSR_IDC);
    EQUAL(FLAGS("fdiv v0.2d, v1.2d, v2.2d", nan, denormal, 0) & FPSR_IDC, FPSR_IDC);
    EQUAL(FLAGS("fmadd d0, d1, d2, d3", 1, denormal, nan), FPSR_IDC);
    EQUAL(FLAGS("fcmp d1, d2", denormal, nan, 0), FPSR_IDC);
    EQUAL(FLAGS("fcmp d1, d2", nan, denormal, 0), FPSR_IDC);
    EQUAL(FLAGS("fcmeq d0, d1, d2", nan, denormal, 0), FPSR_IDC);
    EQUAL(FLAGS("fmax d0, d1, d2", nan, denormal, 0), FPSR_IDC);
    EQUAL(FLAGS("fmaxnm d0, d1, d2", denormal, nan, 0), FPSR_IDC);
    EQUAL(FLAGS("fadd d0, d1, d2", 1, nan, 0), 0);
    EQUAL(FLAGS("fcmp d1, d2", 1, nan, 0), 0);
    set_fpcr(0);
}

int main(void)
{
    test_rounding();
    test_flags();
    test_no_traps();
    test_signal();
    test_threads();
    test_flush();
    test_flush_flags();
    test_least_normal();
    test_beside_nan();
    return test_end();
}
