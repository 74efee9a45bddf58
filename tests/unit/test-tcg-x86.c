/* SPDX-License-Identifier: MIT */
/* The x86-64 backend between blocks: chaining, polls, calls and returns, indirect branches. */
#include <glib.h>

#include "tcg-harness.h"

enum { LINK = 5 }; /* r5 is the link register of the blocks here */

static const TestEngine *engine(void)
{
    for (int i = 0; i < nb_test_engines; i++) {
        if (test_engines[i].host) {
            return &test_engines[i];
        }
    }
    g_assert_not_reached();
}

static TCGv_i64 r(int n)
{
    return tcg_global_i64(TEST_R + n);
}

/* r[reg] += n, then the exit */
static TranslationBlock *block(vaddr pc, int reg, int n, TCGExit exit)
{
    TCGContext *s = test_start();
    TranslationBlock *tb = g_new0(TranslationBlock, 1);

    tcg_gen_addi(s, MO_64, r(reg), r(reg), n);
    if (exit.kind == TCG_EXIT_CALL || exit.kind == TCG_EXIT_CALL_IND) {
        tcg_gen_movi(s, r(LINK), exit.ret_pc);
    }
    if (exit.kind <= TCG_EXIT_CALL || exit.kind == TCG_EXIT_MAIN) {
        tcg_gen_exit(s, tcg_new_exit(s, exit));
    } else {
        tcg_gen_imm(exit_ind, s, 0, tcg_new_exit(s, exit),
                    r(exit.kind == TCG_EXIT_CALL_IND ? 1 : LINK));
    }
    tcg_check(s, "test");
    tcg_liveness(s);
    tb->pc = pc;
    test_host_add(s, tb);
    return tb;
}

static JumpCacheEntry jump_cache[JUMP_CACHE_SIZE];

static void cpu_init(TestCPU *cpu)
{
    memset(cpu, 0, sizeof(*cpu));
    for (int i = 0; i < JUMP_CACHE_SIZE; i++) {
        jump_cache[i].pc = ~UINT64_C(0);
    }
    cpu->parent.jump_cache = jump_cache;
    test_host_start(engine());
}

static void know(const TranslationBlock *tb)
{
    jump_cache[jump_cache_index(tb->pc, 2)] = (JumpCacheEntry){ tb->pc, tb->tc };
}

static TBSlot *slot_to(const TranslationBlock *tb, vaddr pc)
{
    for (int i = 0; i < tb->nb_slots; i++) {
        if (tb->slots[i].pc == pc) {
            return &tb->slots[i];
        }
    }
    g_assert_not_reached();
}

static void test_chain(void)
{
    TestCPU cpu;
    TranslationBlock *a, *b;
    TBSlot *slot;

    cpu_init(&cpu);
    a = block(0x1000, 0, 1, (TCGExit){ .kind = TCG_EXIT_JUMP, .pc = 0x7fff12345678 });
    b = block(0x7fff12345678, 6, 2, (TCGExit){ .kind = TCG_EXIT_MAIN, .pc = 0x3000 });
    slot = test_host_enter(a, &cpu);
    g_assert_true(slot == slot_to(a, 0x7fff12345678) && slot->tb == a);
    g_assert_cmphex(cpu.pc, ==, 0x7fff12345678);
    g_assert_cmpint(cpu.r[0], ==, 1);
    test_host_patch(slot, b);
    g_assert_null(test_host_enter(a, &cpu));
    g_assert_cmphex(cpu.pc, ==, 0x3000);
    g_assert_cmpint(cpu.r[0], ==, 2);
    g_assert_cmpint(cpu.r[6], ==, 2);
    test_host_patch(slot, NULL);
    g_assert_true(test_host_enter(a, &cpu) == slot);
    g_assert_cmpint(cpu.r[0], ==, 3);
}

/* r6 -= 1; loop while it is not 0, with a poll */
static void test_loop(void)
{
    TestCPU cpu;
    TCGContext *s;
    TranslationBlock tb = { .pc = 0x1000 };

    cpu_init(&cpu);
    s = test_start();
    tcg_gen(sub_cc, s, MO_64, r(6), tcg_global_cc(TEST_CC), r(6), tcg_const(s, 1));
    tcg_gen_cond_imm(
        exit_cc, s, 0, TCG_CC_NE,
        tcg_new_exit(s, (TCGExit){ .kind = TCG_EXIT_JUMP, .pc = 0x1000, .poll = true }),
        tcg_global_cc(TEST_CC));
    tcg_gen_exit(s, tcg_new_exit(s, (TCGExit){ .kind = TCG_EXIT_MAIN, .pc = 0x2000 }));
    tcg_check(s, "test");
    tcg_liveness(s);
    test_host_add(s, &tb);
    test_host_patch(slot_to(&tb, 0x1000), &tb);
    cpu.r[6] = 1000;
    g_assert_null(test_host_enter(&tb, &cpu));
    g_assert_cmphex(cpu.pc, ==, 0x2000);
    g_assert_cmpint(cpu.r[6], ==, 0);
    g_assert_cmpint(tcg_cc_unpack(cpu.cc), ==, 6);
    cpu.r[6] = 1000;
    cpu.parent.exit_request = 1;
    g_assert_null(test_host_enter(&tb, &cpu));
    g_assert_cmphex(cpu.pc, ==, 0x1000);
    g_assert_cmpint(cpu.r[6], ==, 999);
    g_assert_cmpint(tcg_cc_unpack(cpu.cc), ==, 2);
}

typedef struct Calls {
    TestCPU cpu;
    TranslationBlock *caller, *callee, *back;
} Calls;

static void calls_init(Calls *c, bool indirect)
{
    cpu_init(&c->cpu);
    c->caller = block(0x1000, 0, 1,
                      (TCGExit){ .kind = indirect ? TCG_EXIT_CALL_IND : TCG_EXIT_CALL,
                                 .pc = 0x2000,
                                 .ret_pc = 0x1004 });
    c->callee = block(0x2000, 6, 10, (TCGExit){ .kind = TCG_EXIT_RET });
    c->back = block(0x1004, 2, 100, (TCGExit){ .kind = TCG_EXIT_MAIN, .pc = 0x1008 });
    c->cpu.r[1] = 0x2000;
}

static void check_called(Calls *c, uintptr_t sp)
{
    g_assert_null(test_host_enter(c->caller, &c->cpu));
    g_assert_cmphex(c->cpu.pc, ==, 0x1008);
    g_assert_cmpint(c->cpu.r[0], ==, 1);
    g_assert_cmpint(c->cpu.r[6], ==, 10);
    g_assert_cmpint(c->cpu.r[2], ==, 100);
    g_assert_cmphex(c->cpu.r[LINK], ==, 0x1004);
    g_assert_cmphex(c->cpu.parent.ret_sp, ==, sp);
}

static void test_call(void)
{
    Calls c;
    uintptr_t sp;
    TBSlot *slot;

    calls_init(&c, false);
    /* nothing chained: by way of the loop, with the return address on the stack meanwhile */
    slot = test_host_enter(c.caller, &c.cpu);
    g_assert_true(slot == slot_to(c.caller, 0x2000));
    sp = c.cpu.parent.ret_sp + 16;
    g_assert_cmphex(c.cpu.pc, ==, 0x2000);
    slot = test_host_enter(c.callee, &c.cpu);
    g_assert_true(slot == slot_to(c.caller, 0x1004));
    g_assert_cmphex(c.cpu.parent.ret_sp, ==, sp);
    test_host_patch(slot, c.back);
    test_host_patch(slot_to(c.caller, 0x2000), c.callee);
    c.cpu.r[0] = c.cpu.r[6] = 0;
    check_called(&c, sp);
}

static void test_call_indirect(void)
{
    Calls c;
    uintptr_t sp;

    calls_init(&c, true);
    g_assert_null(test_host_enter(c.caller, &c.cpu)); /* not known */
    g_assert_cmphex(c.cpu.pc, ==, 0x2000);
    sp = c.cpu.parent.ret_sp;
    know(c.callee);
    test_host_patch(slot_to(c.caller, 0x1004), c.back);
    c.cpu.r[0] = 0;
    check_called(&c, sp);
}

/* A return that the stack does not expect goes by the jump cache and leaves the stack alone. */
static void test_return_elsewhere(void)
{
    Calls c;
    uintptr_t sp;

    calls_init(&c, false);
    c.cpu.r[LINK] = 0x1004;
    g_assert_null(test_host_enter(c.callee, &c.cpu));
    g_assert_cmphex(c.cpu.pc, ==, 0x1004);
    sp = c.cpu.parent.ret_sp;
    know(c.back);
    g_assert_null(test_host_enter(c.callee, &c.cpu));
    g_assert_cmphex(c.cpu.pc, ==, 0x1008);
    g_assert_cmpint(c.cpu.r[2], ==, 100);
    g_assert_cmphex(c.cpu.parent.ret_sp, ==, sp);
}

/* A full stack, or one that somebody made look full, sends calls to the loop. */
static void test_stack_full(void)
{
    Calls c;
    uintptr_t sp;

    calls_init(&c, false);
    test_host_patch(slot_to(c.caller, 0x2000), c.callee);
    test_host_patch(slot_to(c.caller, 0x1004), c.back);
    g_assert_null(test_host_enter(c.back, &c.cpu));
    c.cpu.r[2] = 0;
    check_called(&c, c.cpu.parent.ret_sp);
    sp = c.cpu.parent.ret_sp;
    c.cpu.parent.ret_sp_limit = ~(uintptr_t)0;
    g_assert_null(test_host_enter(c.caller, &c.cpu));
    g_assert_cmphex(c.cpu.pc, ==, 0x2000);
    g_assert_cmphex(c.cpu.parent.ret_sp, ==, sp);
}

static void test_features(void)
{
    GError *err = NULL;
    TCGBackendConfig config = { .target = &test_target, .host_features = "sse4.2,-popcnt" };

    g_assert_true(tcg_backend_init(&config, &err));
    g_assert_cmpstr(tcg_backend_features(), ==, "sse4.2");
    config.host_features = "+sse9";
    g_assert_false(tcg_backend_init(&config, &err));
    g_assert_nonnull(strstr(err->message, "+sse9"));
    g_clear_error(&err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg/x86/chain", test_chain);
    g_test_add_func("/tcg/x86/loop", test_loop);
    g_test_add_func("/tcg/x86/call", test_call);
    g_test_add_func("/tcg/x86/call-indirect", test_call_indirect);
    g_test_add_func("/tcg/x86/return-elsewhere", test_return_elsewhere);
    g_test_add_func("/tcg/x86/stack-full", test_stack_full);
    g_test_add_func("/tcg/x86/features", test_features);
    return g_test_run();
}
