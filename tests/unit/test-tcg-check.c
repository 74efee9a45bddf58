/* SPDX-License-Identifier: MIT */
/* The checker: each rule has a list that keeps it and one that breaks it. */
#include <glib.h>
#include <stdlib.h>

#include "tcg-harness.h"
#include "tcg-parse.h"

typedef struct Rule {
    const char *name;
    const char *good, *bad; /* op lists; an exit is appended to both */
    const char *complaint;  /* what the checker says of the bad one, as a pattern */
} Rule;

static const Rule rules[] = {
    { "class", "add.64 r0, r1, r2", "add.64 r0, r1, cc", "*cc is not of class i*" },
    { "float-from-vector", "fadd.32 tf1, v1, v2", "vadd.32 v0, v1, tf1", "*tf*is not of class v*" },
    { "float-to-vector", "fmov tf1, v1", "fmov v0, v1", "*v0 is not of class f*" },
    { "absent", "add.64 r0, r1, r2", "add.64 r0, _, r2", "*temp 0 does not exist*" },
    { "absent-index", "ld.u64 r0, [r1]", "ld.u64 _, [r1]", "*temp 0 does not exist*" },
    { "const-output", "mov.64 r0, $0x1", "mov.64 $0x1, r0", "*constant*is written*" },
    { "same-outputs", "atomic_cas128 r0, r1, r2, r3, r3, r4, r4",
      "atomic_cas128 r0, r0, r2, r3, r3, r4, r4", "*two outputs*" },
    { "int-size", "add.32 r0, r1, r2", "add.8 r0, r1, r2", "*size 0*" },
    { "element-size", "vadd.8 v0, v1, v2", "vadd.128 v0, v1, v2", "*size 4*" },
    { "float-size", "vfadd.16 v0, v1, v2", "vfadd.8 v0, v1, v2", "*size 0*" },
    { "widening", "vsxl.32 v0, v1", "vsxl.64 v0, v1", "*twice as wide*" },
    { "sqdmulh", "vsqdmulh.16 v0, v1, v2", "vsqdmulh.8 v0, v1, v2", "*only 16 and 32*" },
    { "pmull", "vpmull.8 v0, v1, v2", "vpmull.16 v0, v1, v2", "*only 8 and 64*" },
    { "load-size", "ldv.u128 v0, [r1]", "ld.u128 r0, [r1]", "*memop size 4*" },
    { "sign", "ld.s8x32 r0, [r1]", "ldv.s8 v0, [r1]", "*only integer loads*" },
    { "sext32", "ld.s16x32 r0, [r1]", "ld.s32x32 r0, [r1]", "*MO_SEXT32*" },
    { "index-shift", "ld.u8 r0, [r1 + r2 << 4]", "ld.u8 r0, [r1 + r2 << 5]", "*index shift 5*" },
    { "shift-alone", "ld.u8 r0, [r1 + r2 << 1]", "ld.u8 r0, [r1 << 1]", "*without an index*" },
    { "env-shift", "ld_env.u8 r0, #1104", "ld_env.u8 r0, << 1 #1104", "*index shift 1*" },
    { "pair", "ldv.u128.pair v0, [r1]", "ldv.u32.pair v0, [r1]", "*MO_PAIR*" },
    { "acquire", "ld.u8.acq r0, [r1]", "st.u8.acq r0, [r1]", "*cannot acquire*" },
    { "release", "st.u8.rel r0, [r1]", "ld.u8.rel r0, [r1]", "*cannot release*" },
    { "displacement", "ld.u8 r0, [r1 + 0x7fffffff]", "ld.u8 r0, [r1 + 0x80000000]",
      "*displacement*" },
    { "offset", "ld_env.u64 r0, #0", "ld_env.u64 r0, #99999", "*offset 99999*" },
    { "field", "extract.32 r0, r1, 8:24", "extract.32 r0, r1, 8:25", "*field end 33*" },
    { "field-length", "extract.64 r0, r1, 0:1", "extract.64 r0, r1, 0:0", "*field length 0*" },
    { "extr", "extr.32 r0, r1, r2, #31", "extr.32 r0, r1, r2, #32", "*shift 32*" },
    { "vext", "vext v0, v1, v2, #15", "vext v0, v1, v2, #16", "*shift 16*" },
    { "crc", "crc32.8 r0, r1, r2, #1", "crc32.8 r0, r1, r2, #2", "*polynomial 2*" },
    { "ccmp", "ccmp_sub.64.eq cc, cc, r1, r2, #15", "ccmp_sub.64.eq cc, cc, r1, r2, #16",
      "*flags 16*" },
    { "lane", "v_to_i.32 r0, v1, #3", "v_to_i.32 r0, v1, #4", "*lane 4*" },
    { "two-lanes", "vins_v.64 v0, v1, v2, #17", "vins_v.64 v0, v1, v2, #33", "*lane 2*" },
    { "vshli", "vshli.8 v0, v1, #8", "vshli.8 v0, v1, #9", "*shift 9*" },
    { "vrshri", "vrshri.8 v0, v1, #1", "vrshri.8 v0, v1, #0", "*shift 0*" },
    { "vrev", "vrev.8 v0, v1, #1", "vrev.32 v0, v1, #2", "*container*" },
    { "fcvt", "fcvt.64 tf1, v1, #2", "fcvt.64 tf1, v1, #0", "*format 0*" },
    { "fcmp", "fcmp.64 cc, v1, v2, #1", "fcmp.64 cc, v1, v2, #2", "*signalling 2*" },
    { "vcmp", "vcmp.8.tstne v0, v1, v2", "vcmp.8.tsteq v0, v1, v2", "*no TSTEQ*" },
    { "vfcmp", "vfcmp.32.ge v0, v1, v2", "vfcmp.32.lt v0, v1, v2", "*EQ, GE and GT*" },
    { "fence", "mb #15", "mb #0", "*fence 0*" },
    { "unwritten", "mov.64 t1, r1\nadd.64 r0, t1, t1", "add.64 r0, t1, t1", "*read before*" },
    { "unwritten-local", "mov.64 l1, r1\nadd.64 r0, l1, l1", "add.64 r0, l1, l1",
      "*never written*" },
    { "across-label", "mov.64 l1, r1\nlabel #0\nadd.64 r0, l1, l1",
      "mov.64 t1, r1\nlabel #0\nadd.64 r0, t1, t1", "*across a label*" },
    { "label-twice", "label #0\nlabel #1", "label #0\nlabel #0", "*placed twice*" },
    { "label-nowhere", "br #0\nlabel #0", "brcond.64.eq r0, r1, #0", "*nowhere*" },
    { "unreachable", "br #0\nlabel #0\nadd.64 r0, r1, r2", "br #0\nadd.64 r0, r1, r2\nlabel #0",
      "*nothing can reach*" },
    { "exit-kind", "exit_cond.64.eq r0, r1, #0 main 0x3000", "exit_cond.64.eq r0, r1, #0 ret",
      "*operand*" },
    { "discard", "discard r0", "discard $0x1", "*cannot be discarded*" },
    { "write-before-fault", "---- 0x1000\nst.u64 r1, [r2]\nadd.64 r2, r2, $0x8",
      "---- 0x1000\nadd.64 r2, r2, $0x8\nst.u64 r1, [r2]", "*written before*may fault*" },
    { "load-before-fault", "---- 0x1000\nld.u64 r0, [r2]\nld.u64 r1, [r2 + 0x8]",
      "---- 0x1000\nld.u64 r2, [r2]\nld.u64 r1, [r2 + 0x8]", "*overwritten by a load*" },
};

static void build(TCGContext *s, const char *list)
{
    TCGParser p;
    g_auto(GStrv) lines = g_strsplit(list, "\n", -1);

    tcg_parser_init(&p, s);
    for (char **line = lines; *line; line++) {
        const char *err = tcg_parse_line(&p, *line);
        if (err) {
            g_error("%s? in: %s", err, *line);
        }
    }
    tcg_parser_clear(&p);
}

static void test_rule(gconstpointer data)
{
    const Rule *rule = data;
    bool broken = g_test_subprocess();
    TCGContext *s = test_start();

    build(s, broken ? rule->bad : rule->good);
    test_end(s);
    if (!broken) {
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr(rule->complaint);
    }
}

static void test_no_end(void)
{
    TCGContext *s = test_start();

    if (g_test_subprocess()) {
        tcg_check(s, "test");
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*does not end*");
}

/* Too much of anything is absorbed, and said. */
static void test_overflow(void)
{
    TCGContext *s = test_start();

    for (int i = 0; i < TCG_MAX_OPS + 10; i++) {
        tcg_gen(add, s, MO_64, tcg_global_i64(0), tcg_global_i64(1), tcg_global_i64(2));
    }
    g_assert_true(s->overflow);
    s = test_start();
    g_assert_false(s->overflow);
    for (int i = 0; i < TCG_MAX_TEMPS + 10; i++) {
        tcg_gen_mov(s, tcg_temp_i64(s), tcg_const(s, i));
    }
    g_assert_true(s->overflow);
    s = test_start();
    for (int i = 0; i < TCG_MAX_EXITS + 10; i++) {
        tcg_new_exit(s, (TCGExit){ .kind = TCG_EXIT_JUMP });
    }
    g_assert_true(s->overflow);
    s = test_start();
    for (int i = 0; i < TCG_MAX_LABELS + 10; i++) {
        tcg_new_label(s);
    }
    g_assert_true(s->overflow);
    s = test_start();
    g_assert_cmpint(tcg_const(s, 5).i, ==, tcg_const(s, 5).i);
    g_assert_cmpint(tcg_const(s, 5).i, !=, tcg_const(s, 6).i);
    g_assert_cmpint(tcg_const_vec(s, 5, 0).i, !=, tcg_const(s, 5).i);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(rules); i++) {
        g_autofree char *path = g_strdup_printf("/tcg/check/%s", rules[i].name);
        g_test_add_data_func(path, &rules[i], test_rule);
    }
    g_test_add_func("/tcg/check/no-end", test_no_end);
    g_test_add_func("/tcg/overflow", test_overflow);
    return g_test_run();
}
