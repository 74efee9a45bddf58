/* SPDX-License-Identifier: MIT */
/*
 * What the x86-64 backend emits, read back by capstone: the encoders over all registers and forms
 * of addresses, and the code of short op lists, so that it does not grow unseen.
 */
#include <capstone/capstone.h>
#include <glib.h>

#include "tcg-harness.h"
#include "tcg/x86_64/asm.h"

static csh cs;

/* Instructions in [code, code + size) as text, `; ` between them; at most max. */
static char *disassemble(const uint8_t *code, size_t size, unsigned max)
{
    GString *text = g_string_new(NULL);
    cs_insn *insn;
    size_t n = cs_disasm(cs, code, size, 0, max, &insn);

    for (size_t i = 0; i < n; i++) {
        g_string_append_printf(text, "%s%s%s%s", i ? "; " : "", insn[i].mnemonic,
                               *insn[i].op_str ? " " : "", insn[i].op_str);
    }
    if (n) {
        cs_free(insn, n);
    }
    return g_string_free(text, FALSE);
}

/* ---- encoders ---- */

static const char *const r64[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                   "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15" };
static const char *const r32[] = { "eax", "ecx", "edx",  "ebx",  "esp",  "ebp",  "esi",  "edi",
                                   "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d" };
static const char *const r8[] = { "al",  "cl",  "dl",   "bl",   "spl",  "bpl",  "sil",  "dil",
                                  "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b" };

static uint8_t buf[64];
static X86Gen *gen(void)
{
    static X86Gen *g;

    if (!g) {
        g = g_new0(X86Gen, 1);
    }
    g->p = buf;
    return g;
}

static void expect(const X86Gen *g, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
static void expect(const X86Gen *g, const char *fmt, ...)
{
    va_list ap;
    g_autofree char *want = NULL, *got = disassemble(buf, (size_t)(g->p - buf), 9);

    va_start(ap, fmt);
    want = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_assert_cmpstr(got, ==, want);
}

static void test_registers(void)
{
    for (int a = 0; a < 16; a++) {
        for (int b = 0; b < 16; b++) {
            X86Gen *g = gen();

            x86_mov_rr(g, X_W, a, b);
            expect(g, "mov %s, %s", r64[a], r64[b]);
            x86_alu_rr(g = gen(), X_SUB, 0, a, b);
            expect(g, "sub %s, %s", r32[a], r32[b]);
            x86_rr(g = gen(), X_MOVZX8 | X_MB, a, b);
            expect(g, "movzx %s, %s", r32[a], r8[b]);
            x86_rr(g = gen(), X_SETCC + X_G, 0, b);
            expect(g, "setg %s", r8[b]);
            x86_vex_rr(g = gen(), X_ANDN | X_W, a, b, a);
            expect(g, "andn %s, %s, %s", r64[a], r64[b], r64[a]);
            x86_vex_rr(g = gen(), X_SHLX, a, b, 9);
            expect(g, "shlx %s, r9d, %s", r32[a], r32[b]);
        }
    }
}

static void expect_mem(const X86Gen *g, const char *insn, X86Mem m)
{
    GString *t = g_string_new(insn);
    bool first = true;

    g_string_append(t, "qword ptr [");
    if (m.base != X86_NO_REG) {
        g_string_append(t, r64[m.base]);
        first = false;
    }
    if (m.index != X86_NO_REG) {
        g_string_append_printf(t, "%s%s", first ? "" : " + ", r64[m.index]);
        if (m.shift) {
            g_string_append_printf(t, "*%d", 1 << m.shift);
        }
    }
    if (m.disp) {
        int64_t d = m.disp;
        g_string_append_printf(t, d < 0 ? " - " : " + ");
        g_string_append_printf(t, labs(d) > 9 ? "0x%lx" : "%ld", labs(d));
    }
    g_string_append_c(t, ']');
    expect(g, "%s", t->str);
    g_string_free(t, TRUE);
}

static void test_addresses(void)
{
    static const int32_t disps[] = { 0, 1, 127, 128, -128, -129, 0x12345678 };

    for (int base = 0; base < 16; base++) {
        for (int index = -1; index < 16; index++) {
            for (unsigned d = 0; d < G_N_ELEMENTS(disps); d++) {
                X86Mem m = { .base = (uint8_t)base,
                             .index = index < 0 ? X86_NO_REG : (uint8_t)index,
                             .shift = index < 0 ? 0 : 3,
                             .disp = disps[d] };
                X86Gen *g = gen();

                if (index == RSP) {
                    continue;
                }
                x86_rm(g, X_MOV_LOAD | X_W, R10, m);
                expect_mem(g, "mov r10, ", m);
                x86_rm(g = gen(), X_LEA | X_W, RAX, m);
                g_assert_cmpint(buf[1], ==, 0x8d);
            }
        }
    }
}

static void test_immediates(void)
{
    X86Gen *g = gen();

    x86_alu_ri(g, X_ADD, X_W, RAX, 127);
    x86_alu_ri(g, X_ADD, X_W, RAX, 128);
    x86_alu_ri(g, X_AND, 0, R9, -128);
    x86_alu_ri(g, X_CMP, X_W, R9, -129);
    expect(g, "add rax, 0x7f; add rax, 0x80; and r9d, 0xffffff80; cmp r9, -0x81");
    g_assert_cmpint(g->p - buf, ==, 4 + 6 + 4 + 7);
    g = gen();
    x86_mov_ri(g, RCX, UINT32_MAX);
    x86_mov_ri(g, R15, (uint64_t)-2);
    x86_mov_ri(g, R8, UINT64_C(0x123456789a));
    expect(g, "mov ecx, 0xffffffff; mov r15, -2; movabs r8, 0x123456789a");
    for (unsigned n = 1; n < 8; n++) {
        x86_nops(g = gen(), n);
        g_assert_cmpint(g->p - buf, ==, n);
        g_assert_true(strstr(disassemble(buf, n, 2), "; ") == NULL);
    }
}

/* ---- op lists; r0..r5 are RBX R12 R13 R14 R15 R8, r6 and r7 live in memory ---- */

static TCGv_i64 r(int n)
{
    return tcg_global_i64(TEST_R + n);
}

static const TestEngine everything = { .name = "host", .optimize = true, .host = "" };
static const TestEngine no_peepholes = { .name = "host, no peepholes", .host = "" };

/* The code of the list up to its exit to cpu_exec. NULL: the host lacks a feature. */
static char *list_code(TCGContext *s, const TestEngine *engine, unsigned features)
{
    TranslationBlock tb = { .pc = 0x1000 };
    char *got, *end;

    test_end(s);
    tcg_optimize(s);
    tcg_liveness(s);
    test_host_start(engine);
    if (!x86_has(features)) {
        g_test_skip("the expected code needs features that this host lacks");
        return NULL;
    }
    test_host_add(s, &tb);
    got = disassemble(tb.tc, tb.tc_size, 40);
    end = strstr(got, "; mov qword ptr [rbp - 0x40], 0x2000");
    g_assert_nonnull(end);
    *end = 0;
    return got;
}

static void expect_list(TCGContext *s, const char *want)
{
    g_autofree char *got = list_code(s, &everything, X86_BMI2);

    if (got) {
        g_assert_cmpstr(got, ==, want);
    }
}

static void test_three_addresses(void)
{
    TCGContext *s = test_start();
    TCGv_i64 t = tcg_temp_i64(s);

    tcg_gen(add, s, MO_64, r(0), r(1), r(2));
    tcg_gen(add, s, MO_32, r(0), r(0), tcg_const(s, 5));
    tcg_gen(sub, s, MO_64, r(1), r(2), r(1));
    tcg_gen(and, s, MO_64, r(3), r(3), r(6));
    tcg_gen(shl, s, MO_64, r(4), r(5), tcg_const(s, 3));
    tcg_gen_imm(extract, s, MO_64, TCG_FIELD(8, 4), r(5), r(4));
    tcg_gen(shl, s, MO_64, t, r(2), tcg_const(s, 2));
    tcg_gen(add, s, MO_64, r(2), t, r(3));
    expect_list(s, "lea rbx, [r12 + r13]; add ebx, 5; neg r12; add r12, r13; "
                   "and r14, qword ptr [rbp - 0x50]; lea r15, [r8*8]; "
                   "rorx r8d, r15d, 8; and r8d, 0xf; lea r13, [r14 + r13*4]");
}

static void test_memory(void)
{
    TCGContext *s = test_start();

    tcg_gen_ld(s, MO_32 | MO_SIGN | MO_SHIFT(2), r(0), r(1), r(2), 16);
    tcg_gen_insn_start(s, 0x1004);
    tcg_gen_st(s, MO_64, r(3), r(0), TCG_NO_INDEX, -8);
    tcg_gen_insn_start(s, 0x1008);
    tcg_gen_st(s, MO_8, tcg_const(s, 7), r(4), TCG_NO_INDEX, 0);
    tcg_gen_mov(s, r(6), r(0));
    expect_list(s, "movsxd rbx, dword ptr [r12 + r13*4 + 0x10]; mov qword ptr [rbx - 8], r14; "
                   "mov byte ptr [r15], 7; mov qword ptr [rbp - 0x50], rbx");
}

static void test_flags(void)
{
    TCGContext *s = test_start();
    TCGv_i64 t = tcg_temp_i64(s);
    TCGv_cc cc = tcg_temp_cc(s);

    tcg_gen(sub_cc, s, MO_32, t, cc, r(0), tcg_const(s, 3));
    tcg_gen_cond(setcc, s, 0, TCG_CC_HI, r(1), cc);
    tcg_gen_cond(movcc, s, 0, TCG_CC_LT, r(2), cc, r(3), r(2));
    tcg_gen_cond(setcond, s, MO_64, TCG_COND_TSTNE, r(4), r(5), tcg_const(s, 1ull << 40));
    expect_list(s, "cmp ebx, 3; seta r12b; movzx r12d, r12b; cmovl r13, r14; bt r8, 0x28; "
                   "setb r15b; movzx r15d, r15b");
}

/* ---- pairs of ops that are one instruction ---- */

static TCGv_vec v(int n)
{
    return tcg_global_vec(TEST_V + n);
}

static void encrypt(TCGContext *s)
{
    tcg_gen(aese, s, 0, v(0), v(0), v(1));
    tcg_gen_insn_start(s, 0x1004);
    tcg_gen(aesmc, s, 0, v(0), v(0));
}

static void decrypt(TCGContext *s)
{
    tcg_gen(aesd, s, 0, v(2), v(1), v(3));
    tcg_gen_insn_start(s, 0x1004);
    tcg_gen(aesimc, s, 0, v(2), v(2));
}

/* What is between them is wanted too. */
static void encrypt_kept(TCGContext *s)
{
    tcg_gen(aese, s, 0, v(0), v(0), v(1));
    tcg_gen_insn_start(s, 0x1004);
    tcg_gen(aesmc, s, 0, v(2), v(0));
}

static void trailing_zeros(TCGContext *s)
{
    tcg_gen(rbit, s, MO_64, r(0), r(1));
    tcg_gen_insn_start(s, 0x1004);
    tcg_gen(clz, s, MO_64, r(0), r(0));
}

static void trailing_zeros_32(TCGContext *s)
{
    tcg_gen(rbit, s, MO_32, r(0), r(1));
    tcg_gen_insn_start(s, 0x1004);
    tcg_gen(clz, s, MO_32, r(0), r(0));
}

static void trailing_zeros_kept(TCGContext *s)
{
    tcg_gen(rbit, s, MO_64, r(0), r(1));
    tcg_gen_insn_start(s, 0x1004);
    tcg_gen(clz, s, MO_64, r(2), r(0));
}

/* Sizes that differ are no pair. */
static void trailing_zeros_mixed(TCGContext *s)
{
    tcg_gen(rbit, s, MO_64, r(0), r(1));
    tcg_gen_insn_start(s, 0x1004);
    tcg_gen(clz, s, MO_32, r(0), r(0));
}

static void broadcast(TCGContext *s)
{
    TCGv_vec t = tcg_temp_vec(s);

    tcg_gen_ldv(s, MO_32, t, tcg_const(s, (uint64_t)(uintptr_t)test_mem), TCG_NO_INDEX, 16);
    tcg_gen_imm(vdup_v, s, MO_32, 0, v(0), t);
}

static void shifted_sum(TCGContext *s)
{
    TCGv_i64 t = tcg_temp_i64(s);

    tcg_gen(shl, s, MO_64, t, r(2), tcg_const(s, 2));
    tcg_gen(add, s, MO_64, r(2), t, r(3));
}

static void zero_extended(TCGContext *s)
{
    TCGv_f64 t = tcg_temp_f64(s);

    tcg_gen(fabs, s, MO_64, t, (TCGv_f64){ v(1).i });
    tcg_gen(vzext, s, MO_64, v(0), t);
}

static const struct Pair {
    const char *name;
    void (*make)(TCGContext *s);
    unsigned features;
    int count; /* of host instructions less where they are a pair; 0: they are none */
} pairs[] = {
    { "encrypt", encrypt, X86_AES | X86_AVX, 1 },
    { "decrypt", decrypt, X86_AES | X86_AVX, 1 },
    { "encrypt-kept", encrypt_kept, X86_AES | X86_AVX, 0 },
    { "trailing-zeros", trailing_zeros, X86_BMI1 | X86_BMI2 | X86_LZCNT, 1 },
    { "trailing-zeros-32", trailing_zeros_32, X86_BMI1 | X86_BMI2 | X86_LZCNT, 1 },
    { "trailing-zeros-kept", trailing_zeros_kept, X86_BMI1 | X86_BMI2 | X86_LZCNT, 0 },
    { "trailing-zeros-mixed", trailing_zeros_mixed, X86_BMI1 | X86_BMI2 | X86_LZCNT, 0 },
    { "broadcast", broadcast, X86_AVX2, 1 },
    { "shifted-sum", shifted_sum, 0, 1 },
    { "zero-extended", zero_extended, X86_AVX512, 1 },
};

static TCGContext *make_pair(const struct Pair *pair)
{
    TCGContext *s = test_start();

    pair->make(s);
    return s;
}

static int count_insns(const char *code)
{
    int n = 1;

    for (const char *p = code; (p = strstr(p, "; ")); p += 2) {
        n++;
    }
    return n;
}

/* A pair is shorter, the same ops without the other or with the switch off are not. */
static void test_pair_code(gconstpointer opaque)
{
    const struct Pair *pair = opaque;
    g_autofree char *fused = list_code(make_pair(pair), &everything, pair->features);
    g_autofree char *plain = list_code(make_pair(pair), &no_peepholes, pair->features);

    if (!fused || !plain) {
        return;
    }
    g_test_message("%s\nagainst %s", fused, plain);
    if (pair->count) {
        g_assert_cmpint(count_insns(fused), <=, count_insns(plain) - pair->count);
    } else {
        g_assert_cmpstr(fused, ==, plain);
    }
}

/* All engines, of which some fuse and some do not, come to the same. */
static void test_pair_results(gconstpointer opaque)
{
    const struct Pair *pair = opaque;

    for (int round = 0; round < 20; round++) {
        TCGContext *s = make_pair(pair);
        TestCPU cpu[TEST_MAX_STATES];

        test_end(s);
        for (int i = 0; i < TEST_MAX_STATES; i++) {
            test_randomize(&cpu[i], MO_64, round & 1);
        }
        test_run_all(s, cpu, TEST_MAX_STATES, pair->name);
    }
}

static void add_pairs(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autofree char *code = g_strdup_printf("/tcg/x86/code/pairs/%s", pairs[i].name);
        g_autofree char *results = g_strdup_printf("/tcg/x86/results/pairs/%s", pairs[i].name);

        g_test_add_data_func(code, &pairs[i], test_pair_code);
        g_test_add_data_func(results, &pairs[i], test_pair_results);
    }
}

int main(int argc, char **argv)
{
    int rc;

    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(cs_open(CS_ARCH_X86, CS_MODE_64, &cs), ==, CS_ERR_OK);
    g_test_add_func("/tcg/x86/code/registers", test_registers);
    g_test_add_func("/tcg/x86/code/addresses", test_addresses);
    g_test_add_func("/tcg/x86/code/immediates", test_immediates);
    g_test_add_func("/tcg/x86/code/three-addresses", test_three_addresses);
    g_test_add_func("/tcg/x86/code/memory", test_memory);
    g_test_add_func("/tcg/x86/code/flags", test_flags);
    add_pairs();
    rc = g_test_run();
    cs_close(&cs);
    return rc;
}
