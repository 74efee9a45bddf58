/* SPDX-License-Identifier: MIT */
/*
 * A64 floating point, SIMD and crypto: translated, run by the interpreter, and compared with what
 * tests/diff/simd-cases.py recorded; and the shapes of the ops that speed depends on.
 * With --decode it reads instruction words and says of each whether it is one (1) or not (0).
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "arm-simd-cases.h"
#include "exec/exec.h"
#include "target/arm/cpu.h"
#include "target/arm/decode-a64.h"
#include "tcg/backend.h"

static const struct {
    uint32_t insn, digest;
    const char *text;
} recorded[] = {
#include "arm-simd-cases.h.inc"
};

static CPUArmState *env;
static TCGContext *tcg;
static TranslationBlock tb;

static void setup(void)
{
    GError *err = NULL;
    CPUState *cpu = arm_target.cpu_new("max", &err);

    g_assert_no_error(err);
    env = (CPUArmState *)cpu;
    tcg = tcg_context_new(&arm_target);
    tcg->cpu = cpu;
    cpu->tcg = tcg;
    tci_init(0);
    for (uintptr_t addr = SIMD_CODE_ADDR; addr; addr = addr == SIMD_MEM_ADDR ? 0 : SIMD_MEM_ADDR) {
        void *p = mmap((void *)addr, 4096, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        g_assert_true(p == (void *)addr);
    }
}

/* The ops of one instruction, in tcg. False: it is none. */
static bool translate(uint32_t insn)
{
    const uint32_t code[] = { insn, 0xd4000001 /* svc */ };

    memcpy((void *)SIMD_CODE_ADDR, code, sizeof(code));
    tb = (TranslationBlock){ .pc = SIMD_CODE_ADDR,
                             .flags = arm_target.tb_flags(&env->parent),
                             .cflags = CF_INTERP };
    tcg_context_start(tcg, &tb);
    arm_target.translate(tcg, &tb, 1);
    tcg_check(tcg, "test");
    for (int i = 0; i < tcg->nb_ops; i++) {
        const TCGOp *op = &tcg->ops[i];
        if (op->opc == TCG_OP_st_env && tcg->temps[op->arg[0]].kind == TEMP_CONST &&
            tcg->temps[op->arg[0]].val == EXCP_UDEF) {
            return false;
        }
    }
    return true;
}

static void run(uint32_t insn, int n, bool optimize, SimdResult *r)
{
    SimdCase c;

    simd_case(&c, insn, n);
    memcpy(env->x, c.x, sizeof(c.x));
    for (int i = 0; i < 32; i++) {
        memcpy(&env->v[i], c.v[i & 7], 16);
    }
    memset(&env->qc, 0, sizeof(env->qc));
    arm_set_fpcr(env, c.fpcr);
    arm_set_fpsr(env, 0);
    arm_set_pstate(env, c.nzcv);
    memcpy((void *)SIMD_MEM_ADDR, c.mem, sizeof(c.mem));

    g_assert_true(translate(insn));
    if (optimize) {
        tcg_optimize(tcg);
        tcg_check(tcg, "optimize");
    }
    tcg_liveness(tcg);
    tb.ops = tcg->ops;
    tb.temps = tcg->temps;
    tb.exits = tcg->exits;
    tb.nb_ops = tcg->nb_ops;
    tb.nb_temps = tcg->nb_temps;
    tb.nb_exits = tcg->nb_exits;
    tci_run(&env->parent, &tb, NULL);
    g_assert_cmphex(env->pc, ==, SIMD_CODE_ADDR + 4);

    memcpy(r->x, env->x, sizeof(r->x));
    memcpy(r->v, env->v, sizeof(r->v));
    memcpy(r->mem, (void *)SIMD_MEM_ADDR, sizeof(r->mem));
    r->fpsr = arm_get_fpsr(env);
    r->nzcv = arm_get_pstate(env) & 0xf0000000;
}

static void check_recorded(bool optimize)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(recorded); i++) {
        uint32_t digest = SIMD_DIGEST_START;

        for (int n = 0; n < SIMD_CASES; n++) {
            SimdResult r;
            run(recorded[i].insn, n, optimize, &r);
            digest = simd_digest(digest, &r);
        }
        if (digest != recorded[i].digest) {
            g_test_message("%08x %s: wrong; arm-simd-oracle -v shows the right results",
                           recorded[i].insn, recorded[i].text);
            g_test_fail();
        }
    }
}

static void test_recorded(void)
{
    check_recorded(false);
}

static void test_recorded_optimized(void)
{
    check_recorded(true);
}

/* Every pattern of data processing on SIMD&FP registers, and of structures, is among the cases. */
static void test_every_pattern(void)
{
    bool seen[A64_PATTERN_COUNT] = { false };

    for (unsigned i = 0; i < G_N_ELEMENTS(recorded); i++) {
        int n = a64_pattern_index(recorded[i].insn);
        g_assert_cmpint(n, >=, 0);
        seen[n] = true;
    }
    for (int n = 0; n < A64_PATTERN_COUNT; n++) {
        uint32_t mask = a64_patterns[n].mask & a64_patterns[n].value;
        bool structure = (a64_patterns[n].value >> 24 & 0xbe) == 0x0c &&
                         (a64_patterns[n].mask >> 24 & 0xbe) == 0xbe;
        if (((mask >> 25 & 7) == 7 || structure) && !seen[n]) {
            g_test_message("no case for %s", a64_patterns[n].name);
            g_test_fail();
        }
    }
}

/* --- shapes
 * ------------------------------------------------------------------------------------------ */

/* The instruction's ops, `; ` between them. */
static char *ops_text(uint32_t insn)
{
    char *text = NULL, *rest, *line;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    GString *out = g_string_new(NULL);

    g_assert_true(translate(insn));
    tcg_dump_ops(tcg, f, false);
    fclose(f);
    rest = text;
    while ((line = strsep(&rest, "\n"))) {
        line += strspn(line, " ");
        if (*line && strncmp(line, "----", 4) && strncmp(line, "exit ", 5)) {
            g_string_append_printf(out, "%s%s", out->len ? "; " : "", line);
        }
    }
    free(text);
    return g_string_free(out, FALSE);
}

static void test_shapes(void)
{
    static const struct {
        uint32_t insn;
        const char *text, *ops;
    } shapes[] = {
#include "arm-simd-shapes.h.inc"
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(shapes); i++) {
        g_autofree char *text = ops_text(shapes[i].insn);
        g_test_message("%s", shapes[i].text);
        g_assert_cmpstr(text, ==, shapes[i].ops);
    }
}

static void test_features(void)
{
    GError *err = NULL;
    CPUState *max = &env->parent, *a53 = arm_target.cpu_new("cortex-a53", &err);

    g_assert_no_error(err);
    env = (CPUArmState *)a53;
    tcg->cpu = a53;
    g_assert_true(translate(0x1e622820));  /* fadd d0, d1, d2 */
    g_assert_true(translate(0x4e284820));  /* aese v0.16b, v1.16b */
    g_assert_false(translate(0x1ee22820)); /* fadd h0, h1, h2 */
    g_assert_false(translate(0x4e421420)); /* fadd v0.8h, v1.8h, v2.8h */
    g_assert_false(translate(0x4f10e420)); /* scvtf v0.8h, v1.8h, #16 */
    g_assert_false(translate(0x4e829420)); /* sdot v0.4s, v1.16b, v2.16b */
    g_assert_false(translate(0x2e828420)); /* sqrdmlah v0.2s, v1.2s, v2.2s */
    g_assert_false(translate(0x6e82c420)); /* fcmla v0.4s, v1.4s, v2.4s, #0 */
    g_assert_false(translate(0xce628020)); /* sha512h q0, q1, v2.2d */
    env = (CPUArmState *)max;
    tcg->cpu = max;
    arm_target.cpu_free(a53);
}

int main(int argc, char **argv)
{
    uint32_t insn;

    if (argc == 2 && !strcmp(argv[1], "--decode")) {
        setup();
        while (scanf("%x", &insn) == 1) {
            printf("%d\n", translate(insn));
        }
        return 0;
    }
    g_test_init(&argc, &argv, NULL);
    setup();
    g_test_add_func("/arm/simd/recorded", test_recorded);
    g_test_add_func("/arm/simd/recorded-optimized", test_recorded_optimized);
    g_test_add_func("/arm/simd/every-pattern", test_every_pattern);
    g_test_add_func("/arm/simd/shapes", test_shapes);
    g_test_add_func("/arm/simd/features", test_features);
    return g_test_run();
}
