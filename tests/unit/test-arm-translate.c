/* SPDX-License-Identifier: MIT */
/* A64 instruction sequences and the ops they become: the shapes that speed depends on. */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "exec/exec.h"
#include "target/arm/cpu.h"

#define CODE_ADDR 0x10000000ull /* where the code is put, so that the texts are fixed */

static CPUState *cpu;
static TCGContext *tcg;
static TranslationBlock tb;

/* The ops of the block at code, `; ` between them and without insn_start. */
static char *ops_text(const uint32_t *code, size_t size, uint32_t cflags)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    memset((void *)CODE_ADDR, 0, 8192); /* UDF */
    memcpy((void *)CODE_ADDR, code, size);
    tb = (TranslationBlock){ .pc = CODE_ADDR, .flags = arm_target.tb_flags(cpu), .cflags = cflags };
    tcg_context_start(tcg, &tb);
    arm_target.translate(tcg, &tb, 64);
    tcg_check(tcg, "test");
    g_assert_false(tcg->overflow);
    tcg_dump_ops(tcg, f, false);
    fclose(f);
    GString *out = g_string_new(NULL);
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n"))) {
        line += strspn(line, " ");
        if (*line && strncmp(line, "----", 4)) {
            g_string_append_printf(out, "%s%s", out->len ? "; " : "", line);
        }
    }
    free(text);
    return g_string_free(out, FALSE);
}

static void check(const uint32_t *code, size_t size, const char *expected)
{
    g_autofree char *text = ops_text(code, size, 0);
    g_assert_cmpstr(text, ==, expected);
}
#define CHECK(expected, ...)                     \
    do {                                         \
        const uint32_t code[] = { __VA_ARGS__ }; \
        check(code, sizeof(code), expected);     \
    } while (0)

#define SVC 0xd4000001

static void test_one_op_each(void)
{
    static const struct {
        uint32_t insn;
        const char *op;
    } cases[] = {
        { 0x8b020020, "add.64 x0, x1, x2" },
        { 0x11001420, "add.32 x0, x1, $0x5" },
        { 0xd10043ff, "add.64 sp, sp, $0xfffffffffffffff0" },
        { 0xf8627820, "ld.u64 x0, [x1 + x2 << 3]" },
        { 0xb9800420, "ld.s32 x0, [x1 + 0x4]" },
        { 0x9a82b020, "movcc.64.lt x0, nzcv, x1, x2" },
        { 0x1a9f07e0, "setcc.ne x0, nzcv" },
        { 0xd3431c20, "extract.64 x0, x1, 3:5" },
        { 0xd37cec20, "shl.64 x0, x1, $0x4" },
        { 0x53047c20, "shr.32 x0, x1, $0x4" },
        { 0x93407c20, "sextract.64 x0, x1, 0:32" },
        { 0xb3781c20, "deposit.64 x0, x0, x1, 8:8" },
        { 0x9b027c20, "mul.64 x0, x1, x2" },
        { 0x2a0103e0, "mov.32 x0, x1" },
        { 0x910003e0, "mov.64 x0, sp" },
        { 0xd2a24680, "mov.64 x0, $0x12340000" },
        { 0x38e00041, "atomic_rmw.u8 x1, x2, x0, add" },
        { 0x089ffc20, "st.u8.rel x0, [x1]" },
        { 0x3dc00420, "ldv.u128 v0, [x1 + 0x10]" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        const uint32_t code[] = { cases[i].insn, SVC };
        g_autofree char *expected =
            g_strdup_printf("%s; st_env.u32 $0x10001, #20; exit #0 main 0x10000008", cases[i].op);
        check(code, sizeof(code), expected);
    }
}

/* What a misaligned address or stack pointer may need leaves the block. */
static void test_alignment(void)
{
    CHECK("exit_cond.64.tstne x2, $0x7, #0 main 0x10000000 careful; "
          "atomic_rmw.u64 x1, x2, x0, add; st_env.u32 $0x10001, #20; exit #1 main 0x10000008",
          0xf8e00041, SVC); /* ldaddal x0, x1, [x2] */
    CHECK("exit_cond.64.tstne x1, $0x7, #0 main 0x10000000 careful; "
          "st.u64.rel x0, [x1]; st_env.u32 $0x10001, #20; exit #1 main 0x10000008",
          0xc89ffc20, SVC); /* stlr x0, [x1] */
    CHECK("mov.64 sp, x29; exit_cond.64.tstne sp, $0xf, #0 main 0x10000004; "
          "st_env.u32 $0x10001, #20; exit #1 main 0x10000008",
          0x910003bf, SVC); /* mov sp, x29 */
}

static void test_branches(void)
{
    /* cmp x0, #1; b.ne .+12; svc; …; cmp: the flags are dead where the branch goes */
    CHECK("sub_cc.64 t67, nzcv, x0, $0x1; exit_cc.ne nzcv, #0 jump 0x10000010 cc_dead; "
          "st_env.u32 $0x10001, #20; exit #1 main 0x1000000c",
          0xf100041f, 0x54000061, SVC, SVC, 0xf100041f);
    /* 1: subs x0, x0, #1; b.ne 1b: a loop polls; cc is dead at its top */
    CHECK("sub_cc.64 x0, nzcv, x0, $0x1; exit_cc.ne nzcv, #0 jump 0x10000000 poll cc_dead; "
          "exit #1 jump 0x10000008",
          0xf1000400, 0x54ffffe1, SVC);
    CHECK("exit_cond.32.eq x3, $0x0, #0 jump 0x10000010; st_env.u32 $0x10001, #20; "
          "exit #1 main 0x10000008",
          0x34000083, SVC);
    CHECK("exit_cond.64.tstne x3, $0x10000000000, #0 jump 0x10000010; st_env.u32 $0x10001, #20; "
          "exit #1 main 0x10000008",
          0xb7400083, SVC);
    CHECK("mov.64 x30, $0x10000004; exit #0 call 0x10000020 ret 0x10000004", 0x94000008);
    CHECK("exit_ind x30, #0 ret", 0xd65f03c0);
    /* b .+8 is followed: the middle is not translated */
    CHECK("mov.64 x0, $0x1; st_env.u32 $0x10001, #20; exit #0 main 0x10000010", 0x14000002, SVC,
          0xd2800020, SVC);
    g_assert_cmpint(tb.nb_insns, ==, 3);
    /* blr x30 */
    CHECK("mov.64 t67, x30; mov.64 x30, $0x10000004; exit_ind t67, #0 call_ind ret 0x10000004",
          0xd63f03c0);
}

static void test_faults(void)
{
    /* ldp x1, x2, [x1]: the base is not overwritten before the second load */
    CHECK("ld.u64 t67, [x1]; ld.u64 x2, [x1 + 0x8]; mov.64 x1, t67; st_env.u32 $0x10001, #20; "
          "exit #0 main 0x10000008",
          0xa9400821, SVC);
    /* stp x29, x30, [sp, #-32]!: sp is written last */
    CHECK("st.u64 x29, [sp - 0x20]; st.u64 x30, [sp - 0x18]; "
          "add.64 sp, sp, $0xffffffffffffffe0; st_env.u32 $0x10001, #20; exit #0 main 0x10000008",
          0xa9be7bfd, SVC);
    CHECK("st_env.u32 $0x10003, #20; exit #0 main 0x10000000", 0); /* UDF */
}

static void test_careful(void)
{
    /* ldr x0, [x1, #8] alone, its address masked and recorded */
    const uint32_t code[] = { 0xf9400420, SVC };
    g_autofree char *text = ops_text(code, sizeof(code), CF_CAREFUL);

    g_assert_nonnull(
        strstr(text, "add.64 t67, x1, $0x8; sextract.64 t69, t67, 0:56; st_env.u64 t69"));
    g_assert_nonnull(strstr(text, "ld.u64 x0, [t69]; exit #0 jump 0x10000004"));
    g_assert_cmpint(tb.nb_insns, ==, 1);
    g_assert_true(tcg->fp_soft);
}

static int no_pages(G_GNUC_UNUSED vaddr addr)
{
    return 0;
}

static void test_fetch_fault(void)
{
    const uint32_t code[] = { SVC };

    guest_page_flags = no_pages;
    g_autofree char *text = ops_text(code, sizeof(code), 0);
    guest_page_flags = NULL;
    g_assert_nonnull(strstr(text, "st_env.u32 $0x10002, #20; exit #0 main 0x10000000"));
}

/* Features that the model lacks are undefined instructions. */
static void test_features(void)
{
    g_autoptr(GError) err = NULL;
    CPUState *max = cpu, *a53 = arm_target.cpu_new("cortex-a53", &err);
    g_assert_no_error(err);

    cpu = tcg->cpu = a53;
    CHECK("st_env.u32 $0x10003, #20; exit #0 main 0x10000000", 0xf8e00041);      /* ldaddal */
    CHECK("st_env.u32 $0x10001, #20; exit #0 main 0x10000008", 0xd503233f, SVC); /* paciasp */
    cpu = tcg->cpu = max;
    arm_target.cpu_free(a53);
    g_assert_null(arm_target.cpu_new("cortex-z1", &err));
    g_assert_nonnull(strstr(err->message, "unknown model 'cortex-z1'; models are cortex-a35"));
    g_clear_error(&err);
    g_assert_null(arm_target.cpu_new("max,speed=on", &err));
    g_assert_nonnull(strstr(err->message, "unknown property 'speed=on'"));
    g_clear_error(&err);
    a53 = arm_target.cpu_new("cortex-a53,lse=on", &err);
    g_assert_true(arm_feature((CPUArmState *)a53, ARM_FEAT_LSE));
    g_assert_cmphex(arm_id_register((CPUArmState *)a53, 6, 0), ==, 0x211120);
    g_assert_cmphex(arm_hwcap((CPUArmState *)a53), ==, 0x9fb);
    arm_target.cpu_free(a53);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (mmap((void *)CODE_ADDR, 8192, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (void *)CODE_ADDR) {
        g_error("no memory at %llx", CODE_ADDR);
    }
    cpu = arm_target.cpu_new("max", NULL);
    tcg = tcg_context_new(&arm_target);
    tcg->cpu = cpu;
    g_test_add_func("/arm/translate/one-op-each", test_one_op_each);
    g_test_add_func("/arm/translate/alignment", test_alignment);
    g_test_add_func("/arm/translate/branches", test_branches);
    g_test_add_func("/arm/translate/faults", test_faults);
    g_test_add_func("/arm/translate/careful", test_careful);
    g_test_add_func("/arm/translate/fetch-fault", test_fetch_fault);
    g_test_add_func("/arm/translate/features", test_features);
    return g_test_run();
}
