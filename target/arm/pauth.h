/* SPDX-License-Identifier: MIT */
/* Pointer authentication codes (DDI 0487 D8.10). */
#ifndef TARGET_ARM_PAUTH_H
#define TARGET_ARM_PAUTH_H

#include "target/arm/cpu.h"

/*
 * QARMA-64 with up to five rounds and the paper's S-box sigma 1 or 2, of data under a modifier;
 * key[0] is the low half of the key. FEAT_PACQARMA5 is (5, 2), FEAT_PACQARMA3 (3, 1).
 */
uint64_t pauth_qarma(int rounds, int sigma, uint64_t data, uint64_t modifier,
                     const uint64_t key[2]);

/* The bits of a pointer that a code takes, with addresses of that size. tagged: TBI. */
uint64_t pauth_code_bits(int address_bits, bool tagged);
/* keyno: 0 IA, 1 IB, 2 DA, 3 DB. */
uint64_t pauth_add(const CPUArmState *env, uint64_t ptr, uint64_t modifier, int keyno);
/* The pointer without its code, or made invalid if the code is wrong. */
uint64_t pauth_auth(const CPUArmState *env, uint64_t ptr, uint64_t modifier, int keyno);
/* PACGA: a code of any two values, in the high half. */
uint64_t pauth_generic(const CPUArmState *env, uint64_t x, uint64_t y);

#endif
