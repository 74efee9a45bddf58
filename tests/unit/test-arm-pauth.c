/* SPDX-License-Identifier: MIT */
/* QARMA against its paper's test vector; codes are added, checked and stripped. */
#include <glib.h>

#include "target/arm/pauth.h"

/* R. Avanzi, "The QARMA Block Cipher Family", table of test vectors: QARMA5-64, sigma 2 */
static void test_qarma5(void)
{
    static const uint64_t key[2] = { 0xec2802d4e0a488e9, 0x84be85ce9804e94b };

    g_assert_cmphex(pauth_qarma5(0xfb623599da6e8127, 0x477d469dec0b8762, key), ==,
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
    g_assert_cmpint(wrong, >, 4 * 64 * 9 / 10); /* a code of seven bits may be right by chance */
    g_assert_cmphex(pauth_generic(env, 1, 2) & 0xffffffff, ==, 0);
    arm_target.cpu_free(cpu);
}

/* The fast algorithm is the default, and a reset (cpu_new ends with one) keeps the choice. */
static void test_choice(void)
{
    CPUState *fast = arm_target.cpu_new("max", NULL);
    CPUState *slow = arm_target.cpu_new("max,pauth-impdef=off", NULL);

    g_assert_true(((CPUArmState *)fast)->pauth_fast);
    g_assert_false(((CPUArmState *)slow)->pauth_fast);
    arm_target.cpu_free(fast);
    arm_target.cpu_free(slow);
}

static void test_codes(void)
{
    check_codes("max");
    check_codes("max,pauth-impdef=off");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/arm/pauth/qarma5", test_qarma5);
    g_test_add_func("/arm/pauth/codes", test_codes);
    g_test_add_func("/arm/pauth/choice", test_choice);
    return g_test_run();
}
