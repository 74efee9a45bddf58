/* SPDX-License-Identifier: MIT */
/* CPU models: what identifies them and which features they have (their Technical Reference
 * Manuals). */
#include "target/arm/cpu.h"

#define F(id) ARM_FEAT_##id

/* Armv8.0 with the cryptographic extension */
static const uint8_t armv8_0[] = {
    F(CRC32), F(AES), F(PMULL), F(SHA1), F(SHA256), F(PMU), ARM_FEAT_COUNT,
};
static const uint8_t armv8_0_tgran16[] = {
    F(CRC32), F(AES), F(PMULL), F(SHA1), F(SHA256), F(PMU), F(TGRAN16), ARM_FEAT_COUNT,
};
/* Armv8.2 */
#define ARMV8_2                                                                                    \
    F(CRC32), F(AES), F(PMULL), F(SHA1), F(SHA256), F(LSE), F(RDM), F(FP16), F(DOTPROD), F(LRCPC), \
        F(DPB), F(PMU), F(PMU_8_1), F(DEBUG_8_2), F(PAN), F(PAN2), F(HAF), F(HAFDBS), F(HPDS),     \
        F(CNP), F(UAO), F(TGRAN16), F(RAS)
static const uint8_t armv8_2_ssbs1[] = { ARMV8_2, F(SSBS1), ARM_FEAT_COUNT };
static const uint8_t armv8_2_a76[] = { ARMV8_2, F(SSBS1), F(CSV2), F(CSV3), ARM_FEAT_COUNT };
static const uint8_t armv8_2_ssbs[] = { ARMV8_2, F(SSBS), F(CSV2), F(CSV3), ARM_FEAT_COUNT };

/* Fields of ID_AA64MMFR0_EL1 and ID_AA64DFR0_EL1. Data is little endian only, so BigEnd is 0. */
#define PA(n)            (n) /* 2: 40 bits, 4: 44, 5: 48, 6: 52 */
#define ASID16           (2 << 4)
#define DEBUG(bp, wp, c) (6 | ((bp)-1) << 12 | ((wp)-1) << 20 | ((c)-1) << 28)

static const ARMModelIDs cortex_a35 = {
    PA(2) | ASID16,   DEBUG(6, 4, 2), 0x0a200023, { 0x700fe01a, 0x201fe00a, 0x703fe07a },
    "arm,cortex-a35",
};
static const ARMModelIDs cortex_a53 = {
    PA(2) | ASID16,   DEBUG(6, 4, 2), 0x0a200023, { 0x700fe01a, 0x201fe00a, 0x707fe07a },
    "arm,cortex-a53",
};
static const ARMModelIDs cortex_a55 = {
    PA(2) | ASID16,   DEBUG(6, 4, 2),
    0x82000023,       { 0x700fe01a, 0x200fe01a, 0x703fe07a, 0x707fe07a },
    "arm,cortex-a55",
};
static const ARMModelIDs cortex_a57 = {
    PA(4) | ASID16,   DEBUG(6, 4, 2), 0x0a200023, { 0x701fe00a, 0x201fe012, 0x70ffe07a },
    "arm,cortex-a57",
};
static const ARMModelIDs cortex_a72 = {
    PA(4) | ASID16,   DEBUG(6, 4, 2), 0x0a200023, { 0x701fe00a, 0x201fe012, 0x707fe07a },
    "arm,cortex-a72",
};
static const ARMModelIDs cortex_a76 = {
    PA(2) | ASID16,   DEBUG(6, 4, 2),
    0x82000023,       { 0x701fe01a, 0x201fe01a, 0x707fe03a, 0x70ffe07a },
    "arm,cortex-a76",
};
static const ARMModelIDs neoverse_n1 = {
    PA(5) | ASID16,    DEBUG(6, 4, 2), 0x82000023, { 0x701fe01a, 0x201fe01a, 0x70ffe03a },
    "arm,neoverse-n1",
};
static const ARMModelIDs max = {
    PA(6) | ASID16, DEBUG(16, 16, 2),
    0x82000023,     { 0x701fe01a, 0x201fe01a, 0x70ffe03a, 0x70ffe07a },
    "arm,armv8",
};

/* CTR_EL0: lines of 64 bytes, instruction caches by virtual index or by physical address alone. */
enum { CTR_VIPT = 0x84448004, CTR_PIPT = 0x8444c004, CTR_IDC = 1 << 28 };

const ARMCPUModel arm_cpu_models[] = {
    { "cortex-a35", NULL, 0x411fd040, CTR_VIPT, armv8_0_tgran16, "Armv8.0", &cortex_a35 },
    { "cortex-a53", NULL, 0x410fd034, CTR_VIPT, armv8_0, "Armv8.0", &cortex_a53 },
    { "cortex-a55", NULL, 0x412fd050, CTR_VIPT, armv8_2_ssbs1, "Armv8.2", &cortex_a55 },
    { "cortex-a57", NULL, 0x411fd070, CTR_PIPT, armv8_0, "Armv8.0", &cortex_a57 },
    { "cortex-a72", NULL, 0x410fd083, CTR_PIPT, armv8_0, "Armv8.0", &cortex_a72 },
    { "cortex-a76", NULL, 0x414fd0b1, CTR_PIPT, armv8_2_a76, "Armv8.2", &cortex_a76 },
    { "neoverse-n1", NULL, 0x414fd0c1, CTR_PIPT, armv8_2_ssbs, "Armv8.2", &neoverse_n1 },
    { "max", "any", 0x000f0510, CTR_PIPT | CTR_IDC, NULL,
      "every feature that is implemented (the default)", &max },
    { NULL, NULL, 0, 0, NULL, NULL, NULL },
};
