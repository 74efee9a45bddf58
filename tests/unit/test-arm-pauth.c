/* SPDX-License-Identifier: MIT */
/* QARMA against its paper's test vector; codes are added, checked and stripped. */
#include <glib.h>

#include "target/arm/pauth.h"

/* R. Avanzi, "The QARMA Block Cipher Family", table of test vectors: five rounds */
static void test_qarma(void)
{
    static const uint64_t key[2] = { 0xec2802d4e0a488e9, 0x84be85ce9804e94b };

    g_assert_cmphex(pauth_qarma(5, 1, 0xfb623599da6e8127, 0x477d469dec0b8762, key), ==,
                    0x544b0ab95bda7c3a);
    g_assert_cmphex(pauth_qarma(5, 2, 0xfb623599da6e8127, 0x477d469dec0b8762, key), ==,
                    0xc003b93999b33765);
}

static void check_codes(const char *model)
{
    CPUState *cpu = arm_target.cpu_new(model, NULL);
    CPUArmState *env = (CPUArmState *)cpu;
    const uint64_t ptr = 0x00007f1234567890, mod = 0x7ffffff0;
    int wrong = 0;

    for (int key = 0; key < 4; key++) {
        for (int i = 0; i < 64; i++) {
            uint64_t p = ptr + i * 0x1010, signed_ptr = pauth_add(env, p, mod + i, key);
            g_assert_cmphex(signed_ptr & ~0x007f000000000000ull, ==, p);
            g_assert_cmphex(pauth_auth(env, signed_ptr, mod + i, key), ==, p);
            uint64_t bad = pauth_auth(env, signed_ptr ^ 1ull << 50, mod + i, key);
            g_assert_cmphex(bad, ==, p | (key & 1 ? 2ull : 1ull) << 53);
            wrong += pauth_auth(env, signed_ptr, mod + i + 1, key) != p;
        }
    }
    const uint64_t high = 0xffff7f1234567890, signed_high = pauth_add(env, high, mod, 2);
    g_assert_cmphex(signed_high & ~0xff7f000000000000ull, ==, high & ~0xff7f000000000000ull);
    g_assert_cmphex(pauth_auth(env, signed_high, mod, 2), ==, high);
    g_assert_cmphex(pauth_auth(env, signed_high ^ 1ull << 58, mod, 2), ==, 0xbfff7f1234567890);
    g_assert_cmpint(wrong, >, 4 * 64 * 9 / 10); /* a code of seven bits may be right by chance */
    g_assert_cmphex(pauth_generic(env, 1, 2) & 0xffffffff, ==, 0);
    arm_target.cpu_free(cpu);
}

/* Chosen by a property, kept by a reset (cpu_new ends with one), told by the ID registers. */
static void test_choice(void)
{
    static const struct {
        const char *model;
        int algorithm;
        uint64_t isar1, isar2; /* of the fields for addresses and generic codes */
    } choices[] = {
        { "max", ARM_PAUTH_IMPDEF, 0x10000100, 0 },
        { "max,pauth-impdef=on", ARM_PAUTH_IMPDEF, 0x10000100, 0 },
        { "max,pauth-impdef=off", ARM_PAUTH_QARMA5, 0x01000010, 0 },
        { "max,pauth-qarma5=on", ARM_PAUTH_QARMA5, 0x01000010, 0 },
        { "max,pauth-qarma3=on", ARM_PAUTH_QARMA3, 0, 0x1100 },
        { "max,pauth=off", ARM_PAUTH_IMPDEF, 0, 0 },
        { "neoverse-n1", ARM_PAUTH_IMPDEF, 0, 0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(choices); i++) {
        CPUState *cpu = arm_target.cpu_new(choices[i].model, NULL);
        CPUArmState *env = (CPUArmState *)cpu;
        g_assert_cmpint(env->pauth_algorithm, ==, choices[i].algorithm);
        g_assert_cmphex(arm_id_register(env, 6, 1) & 0xff000ff0, ==, choices[i].isar1);
        g_assert_cmphex(arm_id_register(env, 6, 2) & 0xff00, ==, choices[i].isar2);
        arm_target.cpu_free(cpu);
    }
}

static void test_bad_choice(void)
{
    static const char *const models[] = { "max,pauth-impdef=on,pauth-qarma3=on",
                                          "max,pauth=off,pauth-qarma5=on",
                                          "cortex-a76,pauth-impdef=on", "max,pauth-qarma4=on" };

    for (unsigned i = 0; i < G_N_ELEMENTS(models); i++) {
        g_autoptr(GError) err = NULL;
        g_assert_null(arm_target.cpu_new(models[i], &err));
        g_assert_nonnull(err);
    }
}

static void test_codes(void)
{
    check_codes("max");
    check_codes("max,pauth-impdef=off");
    check_codes("max,pauth-qarma3=on");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/arm/pauth/qarma", test_qarma);
    g_test_add_func("/arm/pauth/codes", test_codes);
    g_test_add_func("/arm/pauth/choice", test_choice);
    g_test_add_func("/arm/pauth/bad-choice", test_bad_choice);
    return g_test_run();
}
