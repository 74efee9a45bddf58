/* SPDX-License-Identifier: MIT */
/* Short A64 programs, run to their end by the interpreter, by host code, and by both in verify
 * mode. */
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "exec/exec.h"
#include "target/arm/cpu.h"

#define CODE ((uint32_t *)0x10000000)
#define DATA ((uint8_t *)0x10010000) /* a page; the one behind it is not there */
enum { PAGE = 4096 };

static CPUArmState *env;

static const uint32_t code_fib[] = {
    0xf100081f, /* cmp x0, #0x2 */
    0x540001c3, /* b.cc .+56 */
    0xa9be7bfd, /* stp x29, x30, [sp, #-32]! */
    0x910003fd, /* mov x29, sp */
    0xf9000bf3, /* str x19, [sp, #16] */
    0xaa0003f3, /* mov x19, x0 */
    0xd1000400, /* sub x0, x0, #0x1 */
    0x97fffff9, /* bl .-28 */
    0xd1000a61, /* sub x1, x19, #0x2 */
    0xaa0003f3, /* mov x19, x0 */
    0xaa0103e0, /* mov x0, x1 */
    0x97fffff5, /* bl .-44 */
    0x8b130000, /* add x0, x0, x19 */
    0xf9400bf3, /* ldr x19, [sp, #16] */
    0xa8c27bfd, /* ldp x29, x30, [sp], #32 */
    0xd65f03c0, /* ret */
    0x97fffff0, /* bl .-64 */
    0xd4000001, /* svc #0x0 */
};

static const uint32_t code_collatz[] = {
    0x52800001, /* mov w1, #0x0 */
    0x2a0003e2, /* mov w2, w0 */
    0x7100041f, /* cmp w0, #0x1 */
    0x54000160, /* b.eq .+44 */
    0x37000080, /* tbnz w0, #0, .+16 */
    0x53017c00, /* lsr w0, w0, #1 */
    0x11000421, /* add w1, w1, #0x1 */
    0x17fffffb, /* b .-20 */
    0x0b000400, /* add w0, w0, w0, lsl #1 */
    0x11000400, /* add w0, w0, #0x1 */
    0x6b02001f, /* cmp w0, w2 */
    0x1a828002, /* csel w2, w0, w2, hi */
    0x11000421, /* add w1, w1, #0x1 */
    0x17fffff5, /* b .-44 */
    0xd4000001, /* svc #0x0 */
};

static const uint32_t code_add128[] = {
    0xd2800003, /* mov x3, #0x0 */
    0xd2800004, /* mov x4, #0x0 */
    0xd2800005, /* mov x5, #0x0 */
    0xa8c11c26, /* ldp x6, x7, [x1], #16 */
    0xab060063, /* adds x3, x3, x6 */
    0xba070084, /* adcs x4, x4, x7 */
    0x9a8534a5, /* cinc x5, x5, cs */
    0xf1000400, /* subs x0, x0, #0x1 */
    0x54ffff61, /* b.ne .-20 */
    0xd4000001, /* svc #0x0 */
};

static const uint32_t code_excl[] = {
    0x52800142, /* mov w2, #0xa */
    0x885ffc23, /* ldaxr w3, [x1] */
    0x0b000063, /* add w3, w3, w0 */
    0x8804fc23, /* stlxr w4, w3, [x1] */
    0x35ffffa4, /* cbnz w4, .-12 */
    0x71000442, /* subs w2, w2, #0x1 */
    0x54ffff61, /* b.ne .-20 */
    0xd5033f5f, /* clrex */
    0x885f7c25, /* ldxr w5, [x1] */
    0xd5033f5f, /* clrex */
    0x88067c25, /* stxr w6, w5, [x1] */
    0xd4000001, /* svc #0x0 */
};

static const uint32_t code_smc[] = {
    0xaa1e03f4, /* mov x20, x30 */
    0x5280a802, /* mov w2, #0x540 */
    0x72aa5002, /* movk w2, #0x5280, lsl #16 */
    0xb9000022, /* str w2, [x1] */
    0xd50b7b21, /* dc cvau, x1 */
    0xd5033b9f, /* dsb ish */
    0xd50b7521, /* ic ivau, x1 */
    0xd5033b9f, /* dsb ish */
    0xd5033fdf, /* isb */
    0xd63f0020, /* blr x1 */
    0xaa0003e3, /* mov x3, x0 */
    0x5281dc02, /* mov w2, #0xee0 */
    0x72aa5002, /* movk w2, #0x5280, lsl #16 */
    0xb9000022, /* str w2, [x1] */
    0xd50b7b21, /* dc cvau, x1 */
    0xd5033b9f, /* dsb ish */
    0xd50b7521, /* ic ivau, x1 */
    0xd5033b9f, /* dsb ish */
    0xd5033fdf, /* isb */
    0xd63f0020, /* blr x1 */
    0xd4000001, /* svc #0x0 */
};

static const uint32_t code_fault[] = {
    0xd28000a2, /* mov x2, #0x5 */
    0x91000443, /* add x3, x2, #0x1 */
    0xf100187f, /* cmp x3, #0x6 */
    0xf9400004, /* ldr x4, [x0] */
    0xd28000e2, /* mov x2, #0x7 */
    0xd4000001, /* svc #0x0 */
};

static const uint32_t code_pair[] = {
    0x91000405, /* add x5, x0, #0x1 */
    0xa97f8400, /* ldp x0, x1, [x0, #-8] */
    0xd4000001, /* svc #0x0 */
};

static const uint32_t code_zva[] = {
    0xd50b7420, /* dc zva, x0 */
    0xd4000001, /* svc #0x0 */
};

static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
    if (!tcg_handle_host_signal(&env->parent, info, ucontext)) {
        signal(sig, SIG_DFL);
    }
}

/* Runs the program from its word `entry`; EXCP_*. */
static int run(const uint32_t *code, size_t size, int entry)
{
    memcpy(CODE, code, size);
    tb_invalidate_range((uintptr_t)CODE, (uintptr_t)CODE + PAGE);
    env->x[31] = (uintptr_t)CODE + PAGE;
    cpu_set_pc(&env->parent, (uintptr_t)(CODE + entry));
    return cpu_exec(&env->parent);
}
#define RUN(name, entry) run(code_##name, sizeof(code_##name), entry)

static void test_calls(void)
{
    env->x[0] = 17;
    env->x[19] = 77;
    g_assert_cmphex(RUN(fib, G_N_ELEMENTS(code_fib) - 2), ==, EXCP_SYSCALL);
    g_assert_cmpint(env->x[0], ==, 1597);
    g_assert_cmpint(env->x[19], ==, 77);
    g_assert_cmphex(env->x[31], ==, (uintptr_t)CODE + PAGE);
    g_assert_cmphex(env->pc, ==, (uintptr_t)(CODE + G_N_ELEMENTS(code_fib)));
}

static void test_loop(void)
{
    env->x[0] = 0xffffffff0000001bull; /* W0 = 27 */
    g_assert_cmphex(RUN(collatz, 0), ==, EXCP_SYSCALL);
    g_assert_cmpint(env->x[0], ==, 1);
    g_assert_cmpint(env->x[1], ==, 111);
    g_assert_cmpint(env->x[2], ==, 9232);
}

static void test_carries(void)
{
    uint64_t *n = (uint64_t *)DATA;
    unsigned __int128 sum = 0;
    unsigned carries = 0;

    for (int i = 0; i < 100; i++) {
        n[2 * i] = 0x9e3779b97f4a7c15 * (i + 1);
        n[2 * i + 1] = 0xd6e8feb86659fd93 * (i + 1);
        unsigned __int128 v = (unsigned __int128)n[2 * i + 1] << 64 | n[2 * i];
        sum += v;
        carries += sum < v;
    }
    env->x[0] = 100;
    env->x[1] = (uintptr_t)DATA;
    g_assert_cmphex(RUN(add128, 0), ==, EXCP_SYSCALL);
    g_assert_cmphex(env->x[3], ==, (uint64_t)sum);
    g_assert_cmphex(env->x[4], ==, (uint64_t)(sum >> 64));
    g_assert_cmpint(env->x[5], ==, carries);
    g_assert_cmphex(env->x[1], ==, (uintptr_t)DATA + 1600);
    g_assert_cmphex(arm_get_pstate(env) >> 28, ==, 6); /* Z C of subs */
}

static void test_exclusives(void)
{
    *(uint32_t *)DATA = 5;
    env->x[0] = 0xfffffffffffffffeull;
    env->x[1] = (uintptr_t)DATA;
    g_assert_cmphex(RUN(excl, 0), ==, EXCP_SYSCALL);
    g_assert_cmphex(*(uint32_t *)DATA, ==, (uint32_t)(5 - 20));
    g_assert_cmpint(env->x[4], ==, 0);
    g_assert_cmpint(env->x[6], ==, 1);
}

static void test_changed_code(void)
{
    uint32_t *stub = CODE + 256;

    stub[1] = 0xd65f03c0; /* ret */
    env->x[1] = (uintptr_t)stub;
    g_assert_cmphex(RUN(smc, 0), ==, EXCP_SYSCALL);
    g_assert_cmpint(env->x[3], ==, 42);
    g_assert_cmpint(env->x[0], ==, 119);
}

static void test_fault_state(void)
{
    vaddr bad = (uintptr_t)DATA + PAGE;

    env->x[0] = bad;
    env->x[4] = 44;
    g_assert_cmphex(RUN(fault, 0), ==, EXCP_FAULT);
    g_assert_cmphex(env->pc, ==, (uintptr_t)(CODE + 3));
    g_assert_cmphex(env->parent.fault_addr, ==, bad);
    g_assert_cmpint(env->parent.fault_si_signo, ==, SIGSEGV);
    g_assert_cmpint(env->parent.fault_si_code, ==, SEGV_MAPERR);
    g_assert_false(env->parent.fault_write);
    g_assert_cmpint(env->x[2], ==, 5);
    g_assert_cmpint(env->x[3], ==, 6);
    g_assert_cmpint(env->x[4], ==, 44);
    g_assert_cmphex(arm_get_pstate(env) >> 28, ==, 6);

    env->x[0] = bad;
    g_assert_cmphex(RUN(pair, 0), ==, EXCP_FAULT);
    g_assert_cmphex(env->x[0], ==, bad);
    g_assert_cmphex(env->x[5], ==, bad + 1);
    g_assert_cmphex(env->parent.fault_addr, ==, bad);
    g_assert_cmphex(env->pc, ==, (uintptr_t)(CODE + 1));
}

static void test_zero_line(void)
{
    memset(DATA, 0xee, 256);
    env->x[0] = (uintptr_t)DATA + 100;
    g_assert_cmphex(RUN(zva, 0), ==, EXCP_SYSCALL);
    for (int i = 0; i < 256; i++) {
        g_assert_cmphex(DATA[i], ==, i / 64 == 1 ? 0 : 0xee);
    }
}

static int page_flags(vaddr addr)
{
    enum { RW = GUEST_PAGE_VALID | GUEST_PAGE_READ | GUEST_PAGE_WRITE };

    if (addr - (uintptr_t)CODE < PAGE) {
        return RW | GUEST_PAGE_EXEC;
    }
    return addr - (uintptr_t)DATA < PAGE ? RW : 0;
}

static void start(const TCGConfig *config)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE };
    static uint8_t alt_stack[65536];
    g_autoptr(GError) err = NULL;

    g_assert_true(mmap(CODE, PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == CODE);
    g_assert_true(mmap(DATA, PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == DATA);
    guest_page_flags = page_flags;
    tcg_exec_init(&arm_target, config, &err);
    g_assert_no_error(err);
    env = (CPUArmState *)arm_target.cpu_new("max", &err);
    g_assert_no_error(err);
    tcg_cpu_attach(&env->parent);
    sigaltstack(&(stack_t){ .ss_sp = alt_stack, .ss_size = sizeof(alt_stack) }, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(signals); i++) {
        sigaction(signals[i],
                  &(struct sigaction){ .sa_sigaction = on_signal,
                                       .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER },
                  NULL);
    }
}

static const TCGConfig configs[] = {
    { .interp = true },
    { .fp_check = false },
    { .verify = true },
    { .no_optimize = true },
};
static const char *const config_names[] = { "interp", "host", "verify", "unoptimized" };

/* The engine is initialised once in a process: each configuration has one of its own. */
static void in_subprocess(gconstpointer data)
{
    g_autofree char *path = g_strdup_printf("/arm/exec/%s/subprocess", (const char *)data);

    g_test_trap_subprocess(path, 0, 0);
    g_test_trap_assert_passed();
}

static void run_all(gconstpointer data)
{
    start(data);
    test_calls();
    test_loop();
    test_carries();
    test_exclusives();
    test_changed_code();
    test_fault_state();
    test_zero_line();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(configs); i++) {
        g_autofree char *parent = g_strdup_printf("/arm/exec/%s", config_names[i]);
        g_autofree char *child = g_strdup_printf("/arm/exec/%s/subprocess", config_names[i]);
        g_test_add_data_func(parent, config_names[i], in_subprocess);
        g_test_add_data_func(child, &configs[i], run_all);
    }
    return g_test_run();
}
