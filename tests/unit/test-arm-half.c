/* SPDX-License-Identifier: MIT */
/*
 * Half-precision vector instructions on host code of each level against fpu/, result for result and
 * flag for flag: those of one operand with every operand, those of two with every first operand and
 * some second ones (`-m slow`: 512 of them), in each mode.
 */
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec/exec.h"
#include "target/arm/cpu.h"

enum { HALVES = 1 << 16, MAX_SECONDS = 512, HALF_FLAGS = 0x9f };
#define CODE ((uint32_t *)0x10000000)

typedef uint16_t Reference(uint16_t a, uint16_t b, FloatStatus *s);

typedef struct HalfOp {
    const char *name;
    uint32_t insn; /* with V0 = op(V1, V2) or op(V1) */
    bool two;
    Reference *run;
} HalfOp;

#define OP2(id, expr)                                                \
    static uint16_t run_##id(uint16_t a, uint16_t b, FloatStatus *s) \
    {                                                                \
        return expr;                                                 \
    }
#define OP1(id, expr)                                                              \
    static uint16_t run_##id(uint16_t a, G_GNUC_UNUSED uint16_t b, FloatStatus *s) \
    {                                                                              \
        return expr;                                                               \
    }
OP2(fadd, float16_add(a, b, s))
OP2(fsub, float16_sub(a, b, s))
OP2(fmul, float16_mul(a, b, s))
OP2(fdiv, float16_div(a, b, s))
OP2(fmax, float16_max(a, b, s))
OP2(fmin, float16_min(a, b, s))
OP2(fmaxnm, float16_maxnum(a, b, s))
OP2(fminnm, float16_minnum(a, b, s))
OP2(fmulx, float16_mulx(a, b, s))
OP2(frecps, float16_recps(a, b, s))
OP2(frsqrts, float16_rsqrts(a, b, s))
OP2(fcmeq, float16_compare_quiet(a, b, s) == FLOAT_RELATION_EQUAL ? 0xffff : 0)
OP1(fsqrt, float16_sqrt(a, s))
OP1(frintn, float16_round_to_int(a, FLOAT_ROUND_NEAREST_EVEN, false, s))
OP1(frintm, float16_round_to_int(a, FLOAT_ROUND_DOWN, false, s))
OP1(frintp, float16_round_to_int(a, FLOAT_ROUND_UP, false, s))
OP1(frintz, float16_round_to_int(a, FLOAT_ROUND_TO_ZERO, false, s))
OP1(frinta, float16_round_to_int(a, FLOAT_ROUND_TIES_AWAY, false, s))
OP1(frintx, float16_round_to_int(a, s->round_mode, true, s))
OP1(frinti, float16_round_to_int(a, s->round_mode, false, s))
OP1(frecpe, float16_recpe(a, s))
OP1(frsqrte, float16_rsqrte(a, s))
OP1(fcvtzs, (uint16_t)float16_to_int16(a, FLOAT_ROUND_TO_ZERO, s))
OP1(fcvtzu, float16_to_uint16(a, FLOAT_ROUND_TO_ZERO, s))
OP1(fcvtns, (uint16_t)float16_to_int16(a, FLOAT_ROUND_NEAREST_EVEN, s))
OP1(fcvtas, (uint16_t)float16_to_int16(a, FLOAT_ROUND_TIES_AWAY, s))
OP1(scvtf, int64_to_float16((int16_t)a, 0, s))
OP1(ucvtf, uint64_to_float16(a, 0, s))

#define ROW2(id, insn)                                 \
    {                                                  \
#id, (insn) | 2 << 16 | 1 << 5, true, run_##id \
    }
#define ROW1(id, insn)                        \
    {                                         \
#id, (insn) | 1 << 5, false, run_##id \
    }
static const HalfOp ops[] = {
    ROW2(fadd, 0x4e401400),    ROW2(fsub, 0x4ec01400),    ROW2(fmul, 0x6e401c00),
    ROW2(fdiv, 0x6e403c00),    ROW2(fmax, 0x4e403400),    ROW2(fmin, 0x4ec03400),
    ROW2(fmaxnm, 0x4e400400),  ROW2(fminnm, 0x4ec00400),  ROW2(fmulx, 0x4e401c00),
    ROW2(frecps, 0x4e403c00),  ROW2(frsqrts, 0x4ec03c00), ROW2(fcmeq, 0x4e402400),
    ROW1(fsqrt, 0x6ef9f800),   ROW1(frintn, 0x4e798800),  ROW1(frintm, 0x4e799800),
    ROW1(frintp, 0x4ef98800),  ROW1(frintz, 0x4ef99800),  ROW1(frinta, 0x6e798800),
    ROW1(frintx, 0x6e799800),  ROW1(frinti, 0x6ef99800),  ROW1(frecpe, 0x4ef9d800),
    ROW1(frsqrte, 0x6ef9d800), ROW1(fcvtzs, 0x4ef9b800),  ROW1(fcvtzu, 0x6ef9b800),
    ROW1(fcvtns, 0x4e79a800),  ROW1(fcvtas, 0x4e79c800),  ROW1(scvtf, 0x4e79d800),
    ROW1(ucvtf, 0x6e79d800),
};

/* Rounding modes, FZ16, DN, FZ (which does not concern halves). */
static const uint32_t modes[] = { 0, 1 << 22, 2 << 22, 3 << 22, 1 << 19, 1 << 25, 1 << 24 };

static const uint16_t special[] = {
    0x3c01, 0x0001, 0xfbff, 0x7e01, 0x8000, 0x7c00, 0x03ff, 0xb7ff
};

typedef struct Answer {
    uint64_t hash;
    uint32_t flags;
} Answer;
/* Of fpu/, computed once and shared with the processes of the host levels. */
static Answer (*answers)[G_N_ELEMENTS(modes)][MAX_SECONDS];

static int seconds_of(const HalfOp *op)
{
    return !op->two ? 1 : g_test_slow() ? MAX_SECONDS : 4;
}

static uint16_t second(int i)
{
    return i < (int)G_N_ELEMENTS(special) ? special[i] : (uint16_t)(i * 40503);
}

static uint64_t hash_of(const uint16_t *results)
{
    uint64_t h = 0;
    for (int i = 0; i < HALVES; i++) {
        h = (h ^ results[i]) * 0x9e3779b97f4a7c15;
    }
    return h;
}

static FloatStatus status_of(uint32_t fpcr)
{
    return (FloatStatus){ .round_mode = fpcr >> 22 & 3,
                          .nan_rule = FLOAT_NAN_ARM,
                          .default_nan = fpcr >> 25 & 1,
                          .flush_to_zero = fpcr >> 24 & 1,
                          .flush_inputs_to_zero = fpcr >> 24 & 1,
                          .flush_fp16 = fpcr >> 19 & 1,
                          .tininess_before_rounding = true };
}

static void compute_answers(void)
{
    static uint16_t results[HALVES];

    for (unsigned n = 0; n < G_N_ELEMENTS(ops); n++) {
        for (unsigned m = 0; m < G_N_ELEMENTS(modes); m++) {
            for (int i = 0; i < seconds_of(&ops[n]); i++) {
                FloatStatus s = status_of(modes[m]);
                for (int a = 0; a < HALVES; a++) {
                    results[a] = ops[n].run((uint16_t)a, second(i), &s);
                }
                answers[n][m][i] = (Answer){ hash_of(results), s.flags & HALF_FLAGS };
            }
        }
    }
}

/* ---- a host level, in a process of its own ------------------------------------------- */

static CPUArmState *env;

static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
    if (!tcg_handle_host_signal(&env->parent, info, ucontext)) {
        signal(sig, SIG_DFL);
    }
}

static void start_cpu(const char *level)
{
    static uint8_t alt_stack[65536];
    TCGConfig config = { .host_features = level };
    GError *err = NULL;

    g_assert_true(tcg_exec_init(&arm_target, &config, &err));
    env = (CPUArmState *)arm_target.cpu_new("max", &err);
    g_assert_no_error(err);
    tcg_cpu_attach(&env->parent);
    sigaltstack(&(stack_t){ .ss_sp = alt_stack, .ss_size = sizeof(alt_stack) }, NULL);
    sigaction(SIGFPE,
              &(struct sigaction){ .sa_sigaction = on_signal,
                                   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER },
              NULL);
}

/* For all 65536 first operands: results[a] = op(a, V2) */
static void run_guest(const HalfOp *op, uint32_t fpcr, uint16_t b, uint16_t *operands,
                      uint16_t *results)
{
    const uint32_t code[] = {
        0x3cc10401,             /* 1: ldr q1, [x0], #16 */
        op->insn,   0x3c810420, /* str q0, [x1], #16 */
        0xf1000442,             /* subs x2, x2, #1 */
        0x54ffff81,             /* b.ne 1b */
        0xd4000001,             /* svc */
    };
    memcpy(CODE, code, sizeof(code));
    tb_invalidate_range((uintptr_t)CODE, (uintptr_t)CODE + sizeof(code));
    env->x[0] = (uintptr_t)operands;
    env->x[1] = (uintptr_t)results;
    env->x[2] = HALVES / 8;
    for (int i = 0; i < 8; i++) {
        env->v[2].h[i] = b;
    }
    arm_set_fpcr(env, fpcr);
    arm_set_fpsr(env, 0);
    cpu_set_pc(&env->parent, (uintptr_t)CODE);
    g_assert_cmpint(cpu_exec(&env->parent), ==, EXCP_SYSCALL);
}

static int run_level(const char *level)
{
    static uint16_t operands[HALVES], results[HALVES];
    int failures = 0;

    start_cpu(level);
    for (int i = 0; i < HALVES; i++) {
        operands[i] = (uint16_t)i;
    }
    for (unsigned n = 0; n < G_N_ELEMENTS(ops); n++) {
        for (unsigned m = 0; m < G_N_ELEMENTS(modes); m++) {
            for (int i = 0; i < seconds_of(&ops[n]); i++) {
                const Answer *want = &answers[n][m][i];
                run_guest(&ops[n], modes[m], second(i), operands, results);
                uint32_t flags = arm_get_fpsr(env) & HALF_FLAGS;
                if (hash_of(results) != want->hash || flags != want->flags) {
                    g_test_message("%s, FPCR %08x, second operand %04x: %s, flags %02x not %02x",
                                   ops[n].name, modes[m], second(i),
                                   hash_of(results) == want->hash ? "results right"
                                                                  : "results wrong",
                                   flags, want->flags);
                    failures++;
                }
            }
        }
    }
    return failures != 0;
}

static void test_level(const void *level)
{
    const char *cpu_name = !strcmp(level, "avx512") ? "avx512vl" : level;
    bool here = !strcmp(level, "sse4.2") ||
                (!strcmp(cpu_name, "avx2") && __builtin_cpu_supports("avx2")) ||
                (!strcmp(cpu_name, "avx512vl") && __builtin_cpu_supports("avx512vl"));
    int status;

    if (!here) {
        g_test_skip("this machine lacks it");
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        _exit(run_level(level));
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
}

int main(int argc, char **argv)
{
    static const char *const levels[] = { "sse4.2", "avx2", "avx512" };

    g_test_init(&argc, &argv, NULL);
    answers = mmap(NULL, G_N_ELEMENTS(ops) * sizeof(*answers), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    g_assert_true(answers != MAP_FAILED);
    g_assert_true(mmap(CODE, 4096, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == CODE);
    compute_answers();
    for (unsigned i = 0; i < G_N_ELEMENTS(levels); i++) {
        g_autofree char *path = g_strdup_printf("/arm/half/%s", levels[i]);
        g_test_add_data_func(path, levels[i], test_level);
    }
    return g_test_run();
}
