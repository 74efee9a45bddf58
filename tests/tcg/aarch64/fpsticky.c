/* SPDX-License-Identifier: MIT */
/*
 * FPSR of programs that read it without ever having written it: each case is a process of its own,
 * some after what makes an emulator change its ways (many NaNs, many denormals).
 */
#include "test.h"
#include <float.h>
#include <sys/wait.h>

enum { FZ = 1 << 24, IOC = 1, DZC = 2, UFC = 8, IXC = 16, IDC = 128 };

typedef struct Operands {
    double a, b, denormal, normal, minus, zero, least, three;
    float fa, fb;
    double halved; /* what becomes the least normal single */
    float to_half; /* and half-precision number */
} Operands;

/* Products of a and b, fa and fb are just too small for a normal number, and rounded up to one. */
static volatile const Operands values = {
    .a = 0x1.0000000000001p-511,
    .b = 0x1.ffffffffffffep-512,
    .denormal = 0x3p-1074,
    .normal = 1,
    .minus = -0x1p-1074,
    .least = DBL_MIN,
    .three = 3,
    .fa = 0x1.000002p-63f,
    .fb = 0x1.fffffcp-64f,
    .halved = 0x1.fffffffffp-127,
    .to_half = 0x1.fffffep-15f,
};

static uint64_t get_fpsr(void)
{
    uint64_t flags;
    __asm__ volatile("mrs %0, fpsr" : "=r"(flags) : : "memory");
    return flags;
}

static void set_fpcr(uint64_t mode)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(mode) : "memory");
}

/* v0..v7: a b denormal 1 -denormal 0 least 3, v16 and v17: fa fb, v18, v19: halved, to_half */
static void load(void)
{
    __asm__ volatile("ldp d0, d1, [%0]\n ldp d2, d3, [%0, #16]\n ldp d4, d5, [%0, #32]\n"
                     "ldp d6, d7, [%0, #48]\n ldp s16, s17, [%0, #64]\n"
                     "ldr d18, [%0, #72]\n ldr s19, [%0, #80]\n dup v20.2d, v0.d[0]\n"
                     "dup v21.2d, v1.d[0]\n dup v22.4s, v16.s[0]\n dup v23.4s, v17.s[0]\n"
                     "movi v24.2d, #0\n"
                     :
                     : "r"(&values)
                     : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18", "v19",
                       "v20", "v21", "v22", "v23", "v24", "memory");
}

#define V31 "v26", "v27", "v28", "v29", "v30", "v31"

/* The instruction n times, from a block of its own. */
#define CASE(name, insn)                                             \
    static void name(int n)                                          \
    {                                                                \
        load();                                                      \
        __asm__ volatile("1: " insn "\n subs %w0, %w0, #1\n b.ne 1b" \
                         : "+r"(n)                                   \
                         :                                           \
                         : V31, "x9", "cc", "memory");               \
    }

CASE(mul_d, "fmul d31, d0, d1")
CASE(mul_s, "fmul s31, s16, s17")
CASE(nmul_d, "fnmul d31, d0, d1")
CASE(mul_in_place, "fmov d31, d0\n fmul d31, d31, d1")
CASE(madd_d, "fmadd d31, d0, d1, d5")
CASE(madd_s, "fmadd s31, s16, s17, s5")
CASE(nmadd_d, "fnmadd d31, d0, d1, d5")
CASE(mul_2d, "fmul v31.2d, v20.2d, v21.2d")
CASE(mul_4s, "fmul v31.4s, v22.4s, v23.4s")
CASE(mul_2s, "fmul v31.2s, v22.2s, v23.2s")
CASE(mul_element, "fmul v31.4s, v22.4s, v23.s[3]")
CASE(mulx_d, "fmulx d31, d0, d1")
CASE(mla_2d, "movi v31.2d, #0\n fmla v31.2d, v20.2d, v21.2d")
CASE(mls_4s, "movi v31.2d, #0\n fmls v31.4s, v22.4s, v23.4s")
CASE(narrow, "fcvt s31, d18")
CASE(narrow_half, "fcvt h31, s19")
CASE(narrow_2d, "mov v30.16b, v24.16b\n mov v30.d[1], v18.d[0]\n fcvtn v31.2s, v30.2d")
CASE(narrow_4s, "mov v30.16b, v24.16b\n mov v30.s[1], v19.s[0]\n fcvtn v31.4h, v30.4s")
CASE(exactly_least, "fmul d31, d6, d3\n fmadd d30, d6, d3, d5\n fnmul d29, d6, d3")
CASE(nothing, "fmul d31, d3, d7\n fmadd d30, d3, d7, d7\n fadd d29, d2, d2\n fmul d28, d2, d3")

CASE(new_nan, "fdiv d31, d5, d5")
CASE(exact_denormal, "fadd d31, d2, d2\n fmul d30, d2, d3\n fmul d29, d2, d7")
CASE(inexact, "fdiv d31, d3, d7")
CASE(too_small, "fmul d31, d6, d6")
CASE(denormal_operand, "fadd d31, d2, d3")
CASE(denormal_compared, "fcmp d2, d3")
CASE(denormal_rounded, "frintp d31, d2")
CASE(denormal_converted, "fcvtps x9, d2")
CASE(denormal_dividend, "fdiv d31, d2, d5")
CASE(denormal_root, "fsqrt d31, d4")
CASE(denormal_vector, "fmax v31.2d, v3.2d, v2.2d")
CASE(zero_divisor, "fdiv d31, d3, d5")

typedef void Insns(int n);

typedef struct Case {
    const char *what;
    int fpcr, often;
    Insns *first; /* `often` times, and then flags are … */
    int flags_then;
    Insns *then; /* once, and then they are … */
    int flags;
} Case;

enum { FLOOD = 20000 };

static const Case cases[] = {
#define ROUNDED_UP(insn)                                          \
    { #insn, 0, 1, nothing, 0, insn, UFC | IXC },                 \
        { #insn, 0, FLOOD, new_nan, IOC, insn, IOC | UFC | IXC }, \
    {                                                             \
#insn, 0, FLOOD, exact_denormal, 0, insn, UFC | IXC       \
    }
    ROUNDED_UP(mul_d),
    ROUNDED_UP(mul_s),
    ROUNDED_UP(nmul_d),
    ROUNDED_UP(mul_in_place),
    ROUNDED_UP(madd_d),
    ROUNDED_UP(madd_s),
    ROUNDED_UP(nmadd_d),
    ROUNDED_UP(mul_2d),
    ROUNDED_UP(mul_4s),
    ROUNDED_UP(mul_2s),
    ROUNDED_UP(mul_element),
    ROUNDED_UP(mulx_d),
    ROUNDED_UP(mla_2d),
    ROUNDED_UP(mls_4s),
    ROUNDED_UP(narrow),
    ROUNDED_UP(narrow_half),
    ROUNDED_UP(narrow_2d),
    ROUNDED_UP(narrow_4s),
    { "the least, exactly", 0, FLOOD, exactly_least, 0, nothing, 0 },
    { "small, then inexact", 0, FLOOD, exact_denormal, 0, inexact, IXC },

    { "flushed result only", FZ, FLOOD, too_small, UFC, nothing, UFC | IDC },
    { "then inexact", FZ, FLOOD, too_small, UFC, inexact, UFC | IXC },
    { "inexact, then flushed", FZ, FLOOD, inexact, IXC, too_small, IXC | UFC },
    { "operand only", FZ, FLOOD, denormal_operand, IDC, too_small, IDC | UFC },
    { "operand, then inexact", FZ, FLOOD, denormal_operand, IDC, inexact, IDC | IXC },
    { "rounded up", FZ, FLOOD, denormal_operand, IDC, mul_d, IDC | UFC },
    { "zero divisor", FZ, FLOOD, zero_divisor, DZC, denormal_dividend, DZC | IDC | IOC },
    { "NaNs, then an operand", FZ, FLOOD, new_nan, IOC, denormal_operand, IOC | IDC },
    { "NaNs, then a result", FZ, FLOOD, new_nan, IOC, too_small, IOC | UFC },
    { "NaNs, then a root", FZ, FLOOD, new_nan, IOC, denormal_root, IOC | IDC },
    { "root", FZ, FLOOD, denormal_root, IDC, too_small, IDC | UFC },
};

/* Flushed and inexact results many times, and then the first denormal operand. */
static Insns *const operands[] = {
    denormal_operand, denormal_compared, denormal_rounded, denormal_converted, denormal_vector,
};

static void in_child(const char *what, void (*run)(const void *), const void *arg)
{
    int status;
    fflush(stdout);
    pid_t pid = fork();

    if (!pid) {
        test_failures = 0;
        run(arg);
        set_fpcr(0);
        fflush(stdout);
        _exit(test_failures != 0);
    }
    NEED(pid > 0 && waitpid(pid, &status, 0) == pid);
    if (status) {
        printf("in case: %s\n", what);
        test_failed();
    }
}

static void run_case(const void *arg)
{
    const Case *c = arg;

    set_fpcr(c->fpcr);
    c->first(c->often);
    EQUAL(get_fpsr(), c->flags_then);
    c->then(1);
    EQUAL(get_fpsr(), c->flags);
}

/* Without a look before the last one. */
static void run_blind(const void *arg)
{
    const Case *c = arg;

    set_fpcr(c->fpcr);
    c->first(c->often);
    c->then(1);
    EQUAL(get_fpsr(), c->flags);
}

static void run_operand(const void *arg)
{
    set_fpcr(FZ);
    for (int i = 0; i < 50; i++) {
        too_small(400);
        inexact(400);
        zero_divisor(400);
    }
    (*(Insns *const *)arg)(1);
    EQUAL(get_fpsr(), UFC | IXC | DZC | IDC);
}

static void run_root(const void *arg)
{
    (void)arg;
    set_fpcr(FZ);
    for (int i = 0; i < 50; i++) {
        too_small(400);
        inexact(400);
        new_nan(400);
    }
    denormal_root(1);
    EQUAL(get_fpsr(), UFC | IXC | IOC | IDC);
}

int main(void)
{
    EQUAL(get_fpsr(), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        in_child(cases[i].what, run_case, &cases[i]);
        in_child(cases[i].what, run_blind, &cases[i]);
    }
    for (size_t i = 0; i < sizeof(operands) / sizeof(*operands); i++) {
        in_child("first denormal operand", run_operand, &operands[i]);
    }
    in_child("first denormal root", run_root, NULL);
    return test_end();
}
