/* SPDX-License-Identifier: MIT */
/*
 * What each CPU model tells of itself, as Linux shows it to EL0: identification registers, cache
 * type, hwcaps. The values are those of the Technical Reference Manuals, masked as
 * Documentation/arch/arm64/cpu-feature-registers.rst says.
 */
#include <glib.h>

#include "target/arm/cpu.h"

typedef struct Model {
    const char *name;
    uint64_t midr, ctr, pfr0, pfr1, isar0, isar1, isar2, mmfr2, hwcap, hwcap2;
} Model;

/* clang-format off */
static const Model models[] = {
    { "cortex-a35", 0x411fd040, 0x84448004, 0x11, 0, 0x11120, 0, 0, 0, 0x8fb, 0 },
    { "cortex-a53", 0x410fd034, 0x84448004, 0x11, 0, 0x11120, 0, 0, 0, 0x8fb, 0 },
    { "cortex-a57", 0x411fd070, 0x8444c004, 0x11, 0, 0x11120, 0, 0, 0, 0x8fb, 0 },
    { "cortex-a72", 0x410fd083, 0x8444c004, 0x11, 0, 0x11120, 0, 0, 0, 0x8fb, 0 },
    { "cortex-a55", 0x412fd050, 0x84448004, 0x110011, 0x10, 0x100010211120, 0x100001, 0, 0, 0x119ffb, 0 },
    { "cortex-a76", 0x414fd0b1, 0x8444c004, 0x110011, 0x10, 0x100010211120, 0x100001, 0, 0, 0x119ffb, 0 },
    { "neoverse-n1", 0x414fd0c1, 0x8444c004, 0x110011, 0x20, 0x100010211120, 0x100001, 0, 0, 0x10119ffb, 0 },
    { "max", 0x000f0510, 0x9444c004, 0x1000000110011, 0x21, 0x1021111110312120, 0x10101110311102, 0x10000000110002,
      0x100000000, 0xffbffffb, 0xd80480036181 },
};
/* clang-format on */

static void test_model(const void *data)
{
    const Model *m = data;
    CPUState *cpu = arm_target.cpu_new(m->name, NULL);
    CPUArmState *env = (CPUArmState *)cpu;

    g_assert_cmphex(env->midr, ==, m->midr);
    g_assert_cmphex(env->ctr, ==, m->ctr);
    g_assert_cmphex(env->dczid, ==, 4);
    g_assert_cmphex(arm_id_register(env, 4, 0), ==, m->pfr0);
    g_assert_cmphex(arm_id_register(env, 4, 1), ==, m->pfr1);
    g_assert_cmphex(arm_id_register(env, 5, 0), ==, 6);
    g_assert_cmphex(arm_id_register(env, 6, 0), ==, m->isar0);
    g_assert_cmphex(arm_id_register(env, 6, 1), ==, m->isar1);
    g_assert_cmphex(arm_id_register(env, 6, 2), ==, m->isar2);
    g_assert_cmphex(arm_id_register(env, 7, 0), ==, 0xff000000);
    g_assert_cmphex(arm_id_register(env, 7, 1), ==, 0);
    g_assert_cmphex(arm_id_register(env, 7, 2), ==, m->mmfr2);
    g_assert_cmphex(arm_hwcap(env), ==, m->hwcap);
    g_assert_cmphex(arm_hwcap2(env), ==, m->hwcap2);
    arm_target.cpu_free(cpu);
}

/* FPCR's bits that the model lacks are RES0: of traps, and of FEAT_AFP (FIZ, AH, NEP) everywhere.
 */
static void test_fpcr(const void *data)
{
    const Model *m = data;
    CPUState *cpu = arm_target.cpu_new(m->name, NULL);
    CPUArmState *env = (CPUArmState *)cpu;
    bool fp16 = (m->pfr0 >> 16 & 15) == 1;

    arm_set_fpcr(env, ~0u);
    g_assert_cmphex(arm_get_fpcr(env), ==, fp16 ? 0x07ff0000 : 0x07f70000);
    arm_set_fpcr(env, 0);
    g_assert_cmphex(arm_get_fpcr(env), ==, 0);
    arm_target.cpu_free(cpu);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(models); i++) {
        g_autofree char *path = g_strdup_printf("/arm/models/%s", models[i].name);
        g_autofree char *fpcr = g_strdup_printf("%s/fpcr", path);
        g_test_add_data_func(path, &models[i], test_model);
        g_test_add_data_func(fpcr, &models[i], test_fpcr);
    }
    return g_test_run();
}
