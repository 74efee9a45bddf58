/* SPDX-License-Identifier: MIT */
/*
 * Denormals flushed to zero as often as makes an emulator change its ways: first by a program that
 * never looks at its flags, then by one that does.
 */
#include "test.h"
#include <float.h>

static volatile double huge = DBL_MAX, tiny = DBL_MIN, zero = 0, one = 1;

enum { FPCR_FZ = 1 << 24, FPSR_UFC = 8, FPSR_IXC = 16, FPSR_IDC = 128 };

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

static void test_often(void)
{
    double denormal = tiny / 4, odd = 0x1.0000000000001p-511, even = 0x1.ffffffffffffep-512;
    uint64_t lost = 0;

    set_fpcr(FPCR_FZ);
    for (int i = 0; i < 20000; i++) {
        double sum, product, edge, fused, max, integral;
        uint64_t n;
        __asm__ volatile("fadd %d0, %d7, %d7\n fmul %d1, %d7, %d8\n fmul %d2, %d9, %d10\n"
                         "fmadd %d3, %d9, %d10, %d11\n fmax %d4, %d7, %d11\n"
                         "frintp %d5, %d7\n fcvtps %6, %d7"
                         : "=&w"(sum), "=&w"(product), "=&w"(edge), "=&w"(fused), "=&w"(max),
                           "=&w"(integral), "=&r"(n)
                         : "w"(denormal), "w"(huge), "w"(odd), "w"(even), "w"(zero));
        lost += sum != 0 || product != 0 || edge != 0 || fused != 0 || max != 0 || integral != 0 ||
                n != 0;
    }
    set_fpcr(0);
    EQUAL(lost, 0);
    CHECK(tiny / 4 + tiny / 4 == tiny / 2);
}

/* Each operation's flags, and no other's. */
static void test_flags(void)
{
    double r, denormal = tiny / 4;
    uint64_t wrong = 0;

    CHECK(get_fpsr() & FPSR_IDC);
    CHECK(get_fpsr() & FPSR_UFC);
    set_fpcr(FPCR_FZ);
    for (int i = 0; i < 5000; i++) {
        set_fpsr(0);
        __asm__ volatile("fadd %d0, %d1, %d2" : "=w"(r) : "w"(denormal), "w"(one));
        wrong += get_fpsr() != FPSR_IDC;
        set_fpsr(0);
        __asm__ volatile("fmul %d0, %d1, %d1" : "=w"(r) : "w"(tiny));
        wrong += get_fpsr() != FPSR_UFC;
        set_fpsr(0);
        __asm__ volatile("fdiv %d0, %d1, %d2" : "=w"(r) : "w"(one), "w"(huge));
        wrong += get_fpsr() != FPSR_UFC;
    }
    set_fpcr(0);
    EQUAL(wrong, 0);
}

int main(void)
{
    test_often();
    test_flags();
    return test_end();
}
