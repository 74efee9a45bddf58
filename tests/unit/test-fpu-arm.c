/* SPDX-License-Identifier: MIT */
/*
 * fpu/ under Arm's rules against recorded answers: results and FPSR, for every operation of
 * fpu-arm-ops.h.inc under 24 settings of FPCR. data/fpu-arm.txt was made by data/fpu-arm-record.c
 * under qemu-aarch64 7.2.22 (-cpu max), another implementation of the same manual; where that is
 * known to differ from the manual, fpu-arm-ops.h.inc says so. The file holds a line an operation
 * and in it a hash a setting, each of 2,000 cases.
 *
 * To see what is behind a difference, or to compare more: FPU_ARM_CASES=FILE names what the
 * recorder printed case by case.
 */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fpu/softfloat.h"
#include "fpu-arm-cases.h"

typedef struct ArmOp {
    const char *name, *kinds;
    uint64_t (*run)(const uint64_t v[3], FloatStatus *s);
} ArmOp;

static uint64_t nzcv(FloatRelation relation)
{
    switch (relation) {
    case FLOAT_RELATION_LESS:
        return 8;
    case FLOAT_RELATION_EQUAL:
        return 6;
    case FLOAT_RELATION_GREATER:
        return 2;
    case FLOAT_RELATION_UNORDERED:
        return 3;
    }
    g_assert_not_reached();
}

static uint64_t fjcvtzs(float64 a, FloatStatus *s)
{
    bool z;
    uint32_t r = float64_to_int32_js(a, &z, s);

    return r | (uint64_t)z << 32;
}

#define OP(id, kinds, code, expr)                                               \
    static uint64_t run_##id(const uint64_t v[3], G_GNUC_UNUSED FloatStatus *s) \
    {                                                                           \
        return expr;                                                            \
    }
#include "fpu-arm-ops.h.inc"
#undef OP

static const ArmOp ops[] = {
#define OP(id, kinds, code, expr) { #id, kinds, run_##id },
#include "fpu-arm-ops.h.inc"
#undef OP
};

static FloatStatus status_of_fpcr(uint32_t fpcr)
{
    return (FloatStatus){ .round_mode = fpcr >> FPCR_RMODE_SHIFT & 3,
                          .nan_rule = FLOAT_NAN_ARM,
                          .default_nan = fpcr & FPCR_DN,
                          .flush_to_zero = fpcr & FPCR_FZ,
                          .flush_inputs_to_zero = fpcr & FPCR_FZ,
                          .flush_fp16 = fpcr & FPCR_FZ16,
                          .tininess_before_rounding = true,
                          .ahp = fpcr & FPCR_AHP };
}

static uint32_t hash_of(const ArmOp *op, int config)
{
    Random r = { .state = config };
    uint32_t hash = 0;

    for (int i = 0; i < ARM_CASES; i++) {
        FloatStatus s = status_of_fpcr(arm_fpcr(config));
        uint64_t v[3], result;
        arm_operands(&r, op->kinds, v);
        result = op->run(v, &s);
        hash = arm_hash(hash, result, s.flags);
    }
    return hash;
}

static void test_recorded(const void *opaque)
{
    const ArmOp *op = opaque;
    char *path = g_test_build_filename(G_TEST_DIST, "data", "fpu-arm.txt", NULL);
    FILE *file = fopen(path, "r");
    char name[64];
    bool found = false;

    if (!file) {
        g_error("%s: %s (G_TEST_SRCDIR is to be the folder of this test's source)", path,
                g_strerror(errno));
    }
    while (!found && fscanf(file, "%63s", name) == 1) {
        found = strcmp(name, op->name) == 0;
        for (int config = 0; config < ARM_CONFIGS; config++) {
            uint32_t want;
            g_assert_cmpint(fscanf(file, "%" SCNx32, &want), ==, 1);
            if (found && want != hash_of(op, config)) {
                g_test_message("%s differs with FPCR %#010" PRIx32, name, arm_fpcr(config));
                g_test_fail();
            }
        }
    }
    g_assert_true(found);
    fclose(file);
    g_free(path);
}

/* FJCVTZS of a denormal that FPCR.FZ makes zero: Z is clear though the result is exact. */
static void test_fjcvtzs_flushed(void)
{
    FloatStatus keep = { .tininess_before_rounding = true };
    FloatStatus flush = { .flush_to_zero = true, .flush_inputs_to_zero = true };
    bool z = true;

    g_assert_cmpint(float64_to_int32_js(1, &z, &flush), ==, 0);
    g_assert_false(z);
    g_assert_cmpint(flush.flags, ==, FLOAT_FLAG_INPUT_DENORMAL);
    z = true;
    g_assert_cmpint(float64_to_int32_js(1, &z, &keep), ==, 0);
    g_assert_false(z);
    g_assert_cmpint(keep.flags, ==, FLOAT_FLAG_INEXACT);
}

static const ArmOp *find_op(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ops); i++) {
        if (strcmp(ops[i].name, name) == 0) {
            return &ops[i];
        }
    }
    g_error("FPU_ARM_CASES: no operation is called %s", name);
}

static void test_cases(void)
{
    const char *path = g_getenv("FPU_ARM_CASES");
    FILE *file = fopen(path, "r");
    uint64_t v[3], want, compared = 0, different = 0;
    uint32_t fpcr, flags;
    char name[64];

    if (!file) {
        g_error("FPU_ARM_CASES: %s: %s", path, g_strerror(errno));
    }
    while (fscanf(file, "%63s %" SCNx32 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx32,
                  name, &fpcr, &v[0], &v[1], &v[2], &want, &flags) == 7) {
        FloatStatus s = status_of_fpcr(fpcr);
        uint64_t got = find_op(name)->run(v, &s);
        compared++;
        if (got != want || s.flags != flags) {
            g_test_message("%s(%#" PRIx64 ", %#" PRIx64 ", %#" PRIx64 ") FPCR %#010" PRIx32
                           ": recorded %#" PRIx64 " %#04" PRIx32 ", fpu %#" PRIx64 " %#04x",
                           name, v[0], v[1], v[2], fpcr, want, flags, got, s.flags);
            different++;
        }
    }
    g_assert_true(feof(file));
    fclose(file);
    g_assert_cmpuint(compared, >, 0);
    g_assert_cmpuint(different, ==, 0);
    g_test_message("%" PRIu64 " cases", compared);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(ops); i++) {
        char *path = g_strdup_printf("/fpu/arm/%s", ops[i].name);
        g_test_add_data_func(path, &ops[i], test_recorded);
        g_free(path);
    }
    g_test_add_func("/fpu/arm/fjcvtzs-flushed", test_fjcvtzs_flushed);
    if (g_getenv("FPU_ARM_CASES")) {
        g_test_add_func("/fpu/arm-cases", test_cases);
    }
    return g_test_run();
}
