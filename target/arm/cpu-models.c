/* SPDX-License-Identifier: MIT */
/* CPU models: what identifies them and which features they have (their Technical Reference
 * Manuals). */
#include "target/arm/cpu.h"

#define F(id) ARM_FEAT_##id

/* Armv8.0 with the cryptographic extension */
static const uint8_t armv8_0[] = {
    F(CRC32), F(AES), F(PMULL), F(SHA1), F(SHA256), ARM_FEAT_COUNT,
};
/* Armv8.2 */
static const uint8_t armv8_2_ssbs1[] = {
    F(CRC32), F(AES),     F(PMULL), F(SHA1), F(SHA256), F(LSE),         F(RDM),
    F(FP16),  F(DOTPROD), F(LRCPC), F(DPB),  F(SSBS1),  ARM_FEAT_COUNT,
};
static const uint8_t armv8_2_ssbs[] = {
    F(CRC32), F(AES),     F(PMULL), F(SHA1), F(SHA256), F(LSE),         F(RDM),
    F(FP16),  F(DOTPROD), F(LRCPC), F(DPB),  F(SSBS),   ARM_FEAT_COUNT,
};

/* CTR_EL0: lines of 64 bytes, instruction caches by virtual index or by physical address alone. */
enum { CTR_VIPT = 0x84448004, CTR_PIPT = 0x8444c004, CTR_IDC = 1 << 28 };

const ARMCPUModel arm_cpu_models[] = {
    { "cortex-a35", NULL, 0x411fd040, CTR_VIPT, armv8_0, "Armv8.0" },
    { "cortex-a53", NULL, 0x410fd034, CTR_VIPT, armv8_0, "Armv8.0" },
    { "cortex-a55", NULL, 0x412fd050, CTR_VIPT, armv8_2_ssbs1, "Armv8.2" },
    { "cortex-a57", NULL, 0x411fd070, CTR_PIPT, armv8_0, "Armv8.0" },
    { "cortex-a72", NULL, 0x410fd083, CTR_PIPT, armv8_0, "Armv8.0" },
    { "cortex-a76", NULL, 0x414fd0b1, CTR_PIPT, armv8_2_ssbs1, "Armv8.2" },
    { "neoverse-n1", NULL, 0x414fd0c1, CTR_PIPT, armv8_2_ssbs, "Armv8.2" },
    { "max", "any", 0x000f0510, CTR_PIPT | CTR_IDC, NULL,
      "every feature that is implemented (the default)" },
    { NULL, NULL, 0, 0, NULL, NULL },
};
