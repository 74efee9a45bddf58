/* SPDX-License-Identifier: MIT */
/*
 * A64 floating point, SIMD and crypto: translated, run by the interpreter and as host code of each
 * level, and compared with what tests/diff/simd-cases.py recorded; and the shapes of the ops that
 * speed depends on.
 * With --decode it reads instruction words and says of each whether it is one (1) or not (0).
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arm-simd-cases.h"
#include "exec/exec.h"
#include "accel/tcg/internal.h"
#include "target/arm/cpu.h"
#include "target/arm/decode-a64.h"
#include "tcg/backend.h"

static const struct {
    uint32_t insn, digest;
    const char *text;
} recorded[] = {
#include "arm-simd-cases.h.inc"
};

/* Several in one block: registers live on from one to the next, and a trap comes behind others. */
static const struct {
    uint32_t insns[SIMD_SEQUENCE];
    uint32_t digest;
} sequences[] = {
#include "arm-simd-sequences.h.inc"
};

enum { MAP_SIZE = 0x10000 }; /* of code, and of data */

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
        void *p = mmap((void *)addr, MAP_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        g_assert_true(p == (void *)addr);
    }
}

static void put_code(vaddr addr, const uint32_t *insns, int count)
{
    const uint32_t svc = 0xd4000001;

    memcpy((void *)addr, insns, 4 * count);
    memcpy((void *)(addr + 4 * count), &svc, 4);
}

/* The ops of count instructions, in tcg. */
static void translate_at(vaddr addr, int count)
{
    tb = (TranslationBlock){ .pc = addr,
                             .flags = arm_target.tb_flags(&env->parent),
                             .cflags = CF_INTERP };
    tcg_context_start(tcg, &tb);
    arm_target.translate(tcg, &tb, count);
    tcg_check(tcg, "test");
}

/* The same of one. False: it is none. */
static bool translate(uint32_t insn)
{
    put_code(SIMD_CODE_ADDR, &insn, 1);
    translate_at(SIMD_CODE_ADDR, 1);
    for (int i = 0; i < tcg->nb_ops; i++) {
        const TCGOp *op = &tcg->ops[i];
        if (op->opc == TCG_OP_st_env && tcg->temps[op->arg[0]].kind == TEMP_CONST &&
            tcg->temps[op->arg[0]].val == EXCP_UDEF) {
            return false;
        }
    }
    return true;
}

static void set_inputs(uint32_t insn, int n)
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
}

static void get_results(SimdResult *r)
{
    memcpy(r->x, env->x, sizeof(r->x));
    memcpy(r->v, env->v, sizeof(r->v));
    memcpy(r->mem, (void *)SIMD_MEM_ADDR, sizeof(r->mem));
    r->fpsr = arm_get_fpsr(env);
    r->nzcv = arm_get_pstate(env) & 0xf0000000;
}

/* What is run with its inputs set: one instruction or a sequence. */
typedef struct Item {
    const uint32_t *insns;
    int count;
    int cases; /* so many inputs */
    uint32_t digest;
    const char *text;
} Item;

enum { NB_ITEMS = G_N_ELEMENTS(recorded) + G_N_ELEMENTS(sequences) };

static Item get_item(unsigned i)
{
    if (i < G_N_ELEMENTS(recorded)) {
        return (Item){ &recorded[i].insn, 1, SIMD_CASES, recorded[i].digest, recorded[i].text };
    }
    i -= G_N_ELEMENTS(recorded);
    return (Item){ sequences[i].insns, SIMD_SEQUENCE, SIMD_SEQUENCE_CASES, sequences[i].digest,
                   "and the following" };
}

typedef void RunFn(const Item *item);

static void run_ops(const Item *item)
{
    put_code(SIMD_CODE_ADDR, item->insns, item->count);
    translate_at(SIMD_CODE_ADDR, item->count);
    tcg_liveness(tcg);
    tb.ops = tcg->ops;
    tb.temps = tcg->temps;
    tb.exits = tcg->exits;
    tb.nb_ops = tcg->nb_ops;
    tb.nb_temps = tcg->nb_temps;
    tb.nb_exits = tcg->nb_exits;
    tci_run(&env->parent, &tb, NULL);
    g_assert_cmphex(env->pc, ==, SIMD_CODE_ADDR + 4 * item->count);
}

/* By the whole engine, as it has been set up. Each item has a place of its own. */
static void run_engine(const Item *item)
{
    static vaddr start, end = SIMD_CODE_ADDR;
    static const uint32_t *last;

    if (item->insns != last) {
        start = end;
        put_code(start, item->insns, item->count);
        end = start + 4 * item->count + 4;
        last = item->insns;
    }
    env->pc = start;
    engine.stats.fp_traps = 0; /* checks instead of traps would not give all flags */
    g_assert_cmphex(cpu_exec(&env->parent), ==, EXCP_SYSCALL);
    g_assert_cmphex(env->pc, ==, end);
}

static Item running;

/* The number of items that give something else than was recorded. */
static int check_items(RunFn *run, int from, int to)
{
    int wrong = 0;

    for (int i = from; i < to; i++) {
        uint32_t digest = SIMD_DIGEST_START;

        running = get_item(i);
        for (int n = 0; n < running.cases; n++) {
            SimdResult r;
            set_inputs(running.insns[0], n);
            run(&running);
            get_results(&r);
            digest = simd_digest(digest, &r);
        }
        if (digest != running.digest) {
            printf("# %08x %s: wrong; arm-simd-oracle shows the right results\n", running.insns[0],
                   running.text);
            wrong++;
        }
    }
    return wrong;
}

static void test_ops(void)
{
    g_assert_cmpint(check_items(run_ops, 0, NB_ITEMS), ==, 0);
}

/* --- host code ------------------------------------------------------------------------- */

enum { ITEMS_PER_PROCESS = 200 };

static void on_signal(int sig, siginfo_t *info, void *ucontext)
{
    if (!tcg_handle_host_signal(&env->parent, info, ucontext)) {
        printf("# %08x %s: a signal that the engine does not know\n", running.insns[0],
               running.text);
        fflush(stdout);
        signal(sig, SIG_DFL);
        raise(sig);
    }
}

/*
 * An engine can be set up but once in a process.
 */
static int engine_process(const TCGConfig *config, int from)
{
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
    GError *err = NULL;

    if (!tcg_exec_init(&arm_target, config, &err)) {
        printf("# %s\n", err->message);
        return 77;
    }
    tcg_cpu_attach(&env->parent);
    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    return check_items(run_engine, from, MIN(from + ITEMS_PER_PROCESS, NB_ITEMS)) != 0;
}

static void test_engine(const void *opaque)
{
    for (int from = 0; from < NB_ITEMS; from += ITEMS_PER_PROCESS) {
        pid_t pid = fork();
        int status;

        if (!pid) {
            status = engine_process(opaque, from);
            fflush(stdout);
            _exit(status);
        }
        g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
            g_test_skip("this host lacks the features");
            return;
        }
        g_assert_cmpint(status, ==, 0);
    }
}

static const struct {
    const char *path;
    TCGConfig config;
} engines[] = {
    { "/arm/simd/engine/interp", { .interp = true } },
    { "/arm/simd/engine/host", { .host_features = NULL } },
    { "/arm/simd/engine/host-unoptimized", { .no_optimize = true } },
    { "/arm/simd/engine/host-fp-check", { .fp_check = true } },
    { "/arm/simd/engine/sse4.2", { .host_features = "sse4.2" } },
    { "/arm/simd/engine/sse4.2-fp-check", { .host_features = "sse4.2", .fp_check = true } },
    { "/arm/simd/engine/avx2", { .host_features = "avx2" } },
    { "/arm/simd/engine/avx512", { .host_features = "avx512" } },
};

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

/* --- shapes ---------------------------------------------------------------------------- */

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
    g_test_add_func("/arm/simd/ops", test_ops);
    for (unsigned i = 0; i < G_N_ELEMENTS(engines); i++) {
        g_test_add_data_func(engines[i].path, &engines[i].config, test_engine);
    }
    g_test_add_func("/arm/simd/every-pattern", test_every_pattern);
    g_test_add_func("/arm/simd/shapes", test_shapes);
    g_test_add_func("/arm/simd/features", test_features);
    return g_test_run();
}
