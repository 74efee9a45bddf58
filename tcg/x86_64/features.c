/* SPDX-License-Identifier: MIT */
/*
 * What the host CPU has (Intel SDM volume 2, CPUID), narrowed by -tcg host-features=: a level
 * (sse4.2, avx, avx2, avx512), then +name and -name, by comma. And the backend's initialisation.
 */
#include <cpuid.h>

#include "tcg/x86_64/asm.h"

X86Config x86_config;

static const struct {
    const char *name;
    unsigned bit;
} names[] = {
    { "popcnt", X86_POPCNT },
    { "lzcnt", X86_LZCNT },
    { "bmi1", X86_BMI1 },
    { "bmi2", X86_BMI2 },
    { "movbe", X86_MOVBE },
    { "avx", X86_AVX },
    { "avx2", X86_AVX2 },
    { "fma", X86_FMA },
    { "f16c", X86_F16C },
    { "aes", X86_AES },
    { "pclmul", X86_PCLMUL },
    { "sha", X86_SHA },
    { "avx512", X86_AVX512 },
    { "avx512vbmi", X86_AVX512VBMI },
    { "avx512vpopcntdq", X86_AVX512VPOPCNTDQ },
    { "avx512bitalg", X86_AVX512BITALG },
    { "avx512vnni", X86_AVX512VNNI },
    { "avx512fp16", X86_AVX512FP16 },
    { "gfni", X86_GFNI },
};

enum {
    LEVEL_SSE42 = X86_POPCNT,
    LEVEL_AVX = LEVEL_SSE42 | X86_AVX | X86_AES | X86_PCLMUL,
    LEVEL_AVX2 =
        LEVEL_AVX | X86_AVX2 | X86_FMA | X86_F16C | X86_BMI1 | X86_BMI2 | X86_LZCNT | X86_MOVBE,
    LEVEL_AVX512 = -1,
    ALL_AVX512 = X86_AVX512 | X86_AVX512VBMI | X86_AVX512VPOPCNTDQ | X86_AVX512BITALG |
                 X86_AVX512VNNI | X86_AVX512FP16,
    NEED_AVX = X86_AVX2 | X86_FMA | X86_F16C | ALL_AVX512,
};
static const struct {
    const char *name;
    unsigned bits;
} levels[] = {
    { "sse4.2", LEVEL_SSE42 },
    { "avx", LEVEL_AVX },
    { "avx2", LEVEL_AVX2 },
    { "avx512", (unsigned)LEVEL_AVX512 },
};

static uint64_t xgetbv(void)
{
    uint32_t lo, hi;

    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static unsigned if_bit(unsigned reg, int bit, unsigned feature)
{
    return reg >> bit & 1 ? feature : 0;
}

/*
 * False: not even what the backend requires. Each CPUID is an exit to the hypervisor where there is
 * one, 15 us or so, hence no more than one for each leaf.
 */
static bool host_features(unsigned *out, bool *intel)
{
    unsigned a, b, c, d, f = 0, b7, c7, d7, c81 = 0, max,
                         m512 = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
    uint64_t xcr0 = 0;

    __cpuid(0, max, b, c, d);
    *intel = b == signature_INTEL_ebx;
    __cpuid(1, a, b, c, d);
    if (!(c >> 20 & 1) || !(c >> 13 & 1)) { /* SSE4.2, CMPXCHG16B */
        return false;
    }
    f |= if_bit(c, 23, X86_POPCNT) | if_bit(c, 22, X86_MOVBE) | if_bit(c, 25, X86_AES) |
         if_bit(c, 1, X86_PCLMUL);
    if (c >> 27 & 1) {
        xcr0 = xgetbv();
    }
    if ((xcr0 & 6) == 6) {
        f |= if_bit(c, 28, X86_AVX) | if_bit(c, 12, X86_FMA) | if_bit(c, 29, X86_F16C);
    }
    __cpuid(0x80000001, a, b, c81, d); /* every 64-bit CPU has it */
    f |= if_bit(c81, 5, X86_LZCNT);
    if (max >= 7) {
        __cpuid_count(7, 0, a, b7, c7, d7);
        f |= if_bit(b7, 3, X86_BMI1) | if_bit(b7, 8, X86_BMI2) | if_bit(b7, 29, X86_SHA) |
             if_bit(c7, 8, X86_GFNI);
        if (f & X86_AVX) {
            f |= if_bit(b7, 5, X86_AVX2);
        }
        if ((xcr0 & 0xe6) == 0xe6 && (b7 & m512) == m512) {
            f |= X86_AVX512 | if_bit(c7, 1, X86_AVX512VBMI) | if_bit(c7, 14, X86_AVX512VPOPCNTDQ) |
                 if_bit(c7, 12, X86_AVX512BITALG) | if_bit(c7, 11, X86_AVX512VNNI) |
                 if_bit(d7, 23, X86_AVX512FP16);
        }
    }
    *out = f;
    return c81 & 1; /* LAHF in 64-bit mode */
}

static bool one_feature(const char *item, unsigned host, unsigned *f, GError **err)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(levels); i++) {
        if (!strcmp(item, levels[i].name)) {
            unsigned lacks = levels[i].bits == (unsigned)LEVEL_AVX512 ? X86_AVX512 & ~host
                                                                      : levels[i].bits & ~host;

            if (lacks) {
                g_set_error(err, g_quark_from_static_string("tcg"), 0,
                            "this host lacks the level '%s'", item);
                return false;
            }
            *f = host & levels[i].bits;
            return true;
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if ((*item == '+' || *item == '-') && !strcmp(item + 1, names[i].name)) {
            if (*item == '+' && !(host & names[i].bit)) {
                g_set_error(err, g_quark_from_static_string("tcg"), 0, "this host lacks '%s'",
                            names[i].name);
                return false;
            }
            *f = *item == '+' ? *f | names[i].bit : *f & ~names[i].bit;
            return true;
        }
    }
    g_set_error(
        err, g_quark_from_static_string("tcg"), 0,
        "unknown host feature '%s': levels are sse4.2, avx, avx2, avx512; else +name or -name",
        item);
    return false;
}

static bool parse_features(const char *text, unsigned host, unsigned *f, GError **err)
{
    g_auto(GStrv) items = g_strsplit(text, ",", -1);

    for (char **p = items; *p; p++) {
        if (**p && !one_feature(*p, host, f, err)) {
            return false;
        }
    }
    return true;
}

static unsigned consistent(unsigned f)
{
    if (!(f & X86_AVX)) {
        f &= ~(unsigned)NEED_AVX;
    }
    if (!(f & X86_AVX2) || !(f & X86_FMA)) {
        f &= ~(unsigned)ALL_AVX512;
    }
    if (!(f & X86_AVX512)) {
        f &= ~(unsigned)ALL_AVX512;
    }
    return f;
}

bool tcg_backend_init(const TCGBackendConfig *config, GError **err)
{
    unsigned host, f;
    bool intel;

    if (!host_features(&host, &intel)) {
        g_set_error(err, g_quark_from_static_string("tcg"), 0,
                    "this host CPU is too old: SSE4.2, CMPXCHG16B and LAHF are required");
        return false;
    }
    f = host;
    if (config->host_features && !parse_features(config->host_features, host, &f, err)) {
        return false;
    }
    x86_config = (X86Config){ .features = consistent(f),
                              .guest_base = config->guest_base,
                              .fp_check = config->fp_check,
                              .no_peepholes = config->no_peepholes,
                              .softmmu = config->softmmu,
                              .patch_span = intel ? 64 : 8,
                              .target = config->target };
    memset(x86_rules, 0, sizeof(x86_rules));
    x86_layout_init(config->target);
    x86_int_rules_init();
    x86_flags_rules_init();
    x86_mem_rules_init();
    x86_vec_rules_init();
    x86_vec_arith_rules_init();
    x86_fp_rules_init();
    x86_crypto_rules_init();
    return true;
}

const char *tcg_backend_features(void)
{
    static char text[256];
    GString *s = g_string_new("sse4.2");

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (x86_has(names[i].bit)) {
            g_string_append_printf(s, " %s", names[i].name);
        }
    }
    g_strlcpy(text, s->str, sizeof(text));
    g_string_free(s, TRUE);
    return text;
}
