/* SPDX-License-Identifier: MIT */
/*
 * Pointer authentication codes: QARMA (R. Avanzi, "The QARMA Block Cipher Family", 2017; in the
 * manual ComputePAC, DDI 0487 J1) and a fast hash in its place, which the architecture lets an
 * implementation choose. A code takes the bits from the address size up to 54, and the top byte too
 * where that is no tag. In user mode they are as Linux sets TCR_EL1: addresses have 48 bits, the
 * top byte is a tag in the lower half, and not in the upper (bit 55).
 */
#include "target/arm/pauth.h"

#define SELECT_BIT 55

static bool is_high(uint64_t ptr)
{
    return ptr >> SELECT_BIT & 1;
}

uint64_t pauth_code_bits(int address_bits, bool tagged)
{
    uint64_t low = (1ull << SELECT_BIT) - (1ull << MIN(address_bits, SELECT_BIT));

    return low | (tagged ? 0 : 0xffull << 56);
}

/* The bits that the code of ptr takes. */
static uint64_t code_mask(const CPUArmState *env, uint64_t ptr, int keyno)
{
    return env->pac_code[keyno < 2][is_high(ptr)];
}

/* --- QARMA: a state of 16 cells of 4 bits, cell 0 being the most significant
 * --------------------------------- */

/* sigma 1 (QARMA3; its own inverse) and sigma 2 (QARMA5) of the paper */
static const uint8_t sigma1[16] = { 10, 13, 14, 6, 15, 7, 3, 5, 9, 8, 0, 12, 11, 1, 2, 4 };
static const uint8_t sigma2[16] = { 11, 6, 8, 15, 12, 0, 9, 14, 3, 7, 4, 5, 13, 2, 1, 10 };
static const uint8_t inv_sigma2[16] = { 5, 14, 13, 8, 10, 11, 1, 9, 2, 6, 15, 0, 4, 12, 7, 3 };
static const uint8_t shuffle[16] = { 0, 11, 6, 13, 10, 1, 12, 7, 5, 14, 3, 8, 15, 4, 9, 2 };
static const uint8_t tweak_shuffle[16] = { 6, 5, 14, 15, 0, 1, 2, 3, 7, 12, 13, 4, 8, 9, 10, 11 };
/* cells 0 1 3 4 8 11 13 of a tweak also step a shift register */
static const uint16_t tweak_steps = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 8 | 1 << 11 | 1 << 13;

static unsigned get_cell(uint64_t v, int i)
{
    return v >> (60 - 4 * i) & 15;
}

static uint64_t put_cell(unsigned cell, int i)
{
    return (uint64_t)cell << (60 - 4 * i);
}

static uint64_t substitute(uint64_t v, const uint8_t box[16])
{
    uint64_t r = 0;
    for (int i = 0; i < 16; i++) {
        r |= put_cell(box[get_cell(v, i)], i);
    }
    return r;
}

static uint64_t permute(uint64_t v, const uint8_t from[16])
{
    uint64_t r = 0;
    for (int i = 0; i < 16; i++) {
        r |= put_cell(get_cell(v, from[i]), i);
    }
    return r;
}

static uint64_t unpermute(uint64_t v, const uint8_t from[16])
{
    uint64_t r = 0;
    for (int i = 0; i < 16; i++) {
        r |= put_cell(get_cell(v, i), from[i]);
    }
    return r;
}

static unsigned rotate_cell(unsigned c, int n)
{
    return (c << n | c >> (4 - n)) & 15;
}

/* Columns times the circulant matrix (0, rot 1, rot 2, rot 1), its own inverse. */
static uint64_t mix_columns(uint64_t v)
{
    uint64_t r = 0;
    for (int i = 0; i < 16; i++) {
        r |= put_cell(rotate_cell(get_cell(v, (i + 4) & 15), 1) ^
                          rotate_cell(get_cell(v, (i + 8) & 15), 2) ^
                          rotate_cell(get_cell(v, (i + 12) & 15), 1),
                      i);
    }
    return r;
}

static uint64_t next_tweak(uint64_t v)
{
    uint64_t shuffled = permute(v, tweak_shuffle), r = 0;
    for (int i = 0; i < 16; i++) {
        unsigned c = get_cell(shuffled, i);
        r |= put_cell(tweak_steps >> i & 1 ? ((c ^ c >> 1) & 1) << 3 | c >> 1 : c, i);
    }
    return r;
}

static uint64_t previous_tweak(uint64_t v)
{
    uint64_t r = 0;
    for (int i = 0; i < 16; i++) {
        unsigned c = get_cell(v, i);
        r |= put_cell(tweak_steps >> i & 1 ? (c << 1 & 14) | ((c ^ c >> 3) & 1) : c, i);
    }
    return unpermute(r, tweak_shuffle);
}

uint64_t pauth_qarma(int rounds, int sigma, uint64_t data, uint64_t modifier, const uint64_t key[2])
{
    static const uint64_t alpha = 0xc0ac29b7c97c50dd;
    static const uint64_t round_const[] = {
        0, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89, 0x452821e638d01377,
    };
    const uint8_t *sbox = sigma == 1 ? sigma1 : sigma2;
    const uint8_t *inv_sbox = sigma == 1 ? sigma1 : inv_sigma2;
    uint64_t k0 = key[1], k1 = key[0], tweak = modifier, v = data ^ k0;
    uint64_t middle = (k0 >> 1 | k0 << 63) ^ k0 >> 63;

    for (int i = 0; i < rounds; i++) {
        v ^= k1 ^ tweak ^ round_const[i];
        if (i) {
            v = mix_columns(permute(v, shuffle));
        }
        v = substitute(v, sbox);
        tweak = next_tweak(tweak);
    }
    v = substitute(mix_columns(permute(v ^ middle ^ tweak, shuffle)), sbox);
    v = mix_columns(permute(v, shuffle)) ^ k1;
    v = mix_columns(substitute(unpermute(v, shuffle), inv_sbox));
    v = unpermute(v, shuffle) ^ k0 ^ tweak;
    for (int i = rounds - 1; i >= 0; i--) {
        v = substitute(v, inv_sbox);
        if (i) {
            v = unpermute(mix_columns(v), shuffle);
        }
        tweak = previous_tweak(tweak);
        v ^= k1 ^ tweak ^ round_const[i] ^ alpha;
    }
    return v ^ middle;
}

/* --- codes
 * --------------------------------------------------------------------------------------------------------
 */

static uint64_t fast_hash(uint64_t data, uint64_t modifier, const uint64_t key[2])
{
    uint64_t h = (data ^ key[0]) * 0x9e3779b97f4a7c15;

    h = (h ^ h >> 32 ^ modifier ^ key[1]) * 0xd6e8feb86659fd93;
    h = (h ^ h >> 32) * 0xd6e8feb86659fd93;
    return h ^ h >> 32;
}

static uint64_t compute(const CPUArmState *env, uint64_t data, uint64_t modifier, int keyno)
{
    const uint64_t *key = env->pac_key[keyno];

    switch (env->pauth_algorithm) {
    case ARM_PAUTH_QARMA5:
        return pauth_qarma(5, 2, data, modifier, key);
    case ARM_PAUTH_QARMA3:
        return pauth_qarma(3, 1, data, modifier, key);
    default:
        return fast_hash(data, modifier, key);
    }
}

/* With the code's place filled by copies of the bit that selects the half of the address space. */
static uint64_t strip(uint64_t ptr, uint64_t mask)
{
    return is_high(ptr) ? ptr | mask : ptr & ~mask;
}

uint64_t pauth_add(const CPUArmState *env, uint64_t ptr, uint64_t modifier, int keyno)
{
    uint64_t mask = code_mask(env, ptr, keyno), clean = strip(ptr, mask);
    uint64_t code = compute(env, clean, modifier, keyno);

    if (clean != ptr) { /* not an address: its code is wrong on purpose */
        code ^= mask >> 62 & 1 ? 1ull << 62 : 1ull << 54;
    }
    return (ptr & ~mask) | (code & mask);
}

uint64_t pauth_auth(const CPUArmState *env, uint64_t ptr, uint64_t modifier, int keyno)
{
    uint64_t mask = code_mask(env, ptr, keyno), clean = strip(ptr, mask);
    uint64_t code = compute(env, clean, modifier, keyno);

    if (!((ptr ^ code) & mask)) {
        return clean;
    }
    uint64_t error = keyno & 1 ? 2 : 1;
    int pos = mask >> 62 & 1 ? 61 : 53;
    return (clean & ~(3ull << pos)) | error << pos;
}

uint64_t pauth_generic(const CPUArmState *env, uint64_t x, uint64_t y)
{
    return compute(env, x, y, 4) & 0xffffffff00000000;
}
