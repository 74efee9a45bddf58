/* SPDX-License-Identifier: MIT */
/* A small guest CPU, engines and random operands for tests of op lists. */
#include "tcg-harness.h"

#include <glib.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tcg/middle.h"

uint8_t test_mem[TEST_MEM_SIZE] __attribute__((aligned(64)));

#define R(n, p)                                               \
    {                                                         \
        "r" #n, offsetof(TestCPU, r) + 8 * n, TCG_TYPE_I64, p \
    }
#define V(n, p)                                                 \
    {                                                           \
        "v" #n, offsetof(TestCPU, v) + 16 * n, TCG_TYPE_V128, p \
    }

static const TCGGlobalDef globals[] = {
    R(0, 1), R(1, 2), R(2, 3),
    R(3, 4), R(4, 5), R(5, 6),
    R(6, 0), R(7, 0), { "cc", offsetof(TestCPU, cc), TCG_TYPE_CC, 0 },
    V(0, 1), V(1, 2), V(2, 3),
    V(3, 4), V(4, 5), V(5, 6),
    V(6, 0), V(7, 0),
};

const TargetOps test_target = {
    .name = "test",
    .globals = globals,
    .nb_globals = G_N_ELEMENTS(globals),
    .cc_global = TEST_CC,
    .cpu_size = sizeof(TestCPU),
    .env_bias = offsetof(TestCPU, r) + 128,
    .pc_offset = offsetof(TestCPU, pc),
    .jc_shift = 2,
    .max_insn_len = 4,
    .nan_rule = FLOAT_NAN_ARM,
};

const TestEngine test_engines[] = {
    { "interpreter", false, false, NULL, 0 },
    { "liveness", true, false, NULL, 0 },
    { "optimiser", true, true, NULL, 0 },
    { "host", true, false, "", CF_FP_CHECK },
    { "host, sse4.2", true, true, "sse4.2", CF_FP_CHECK },
    { "host, avx", true, true, "avx", CF_FP_CHECK },
    { "host, avx2", true, true, "avx2", CF_FP_CHECK },
    { "host, everything", true, true, "", CF_FP_CHECK },
    { "host, traps", true, true, "", 0 },
    { "host, traps, sse4.2", true, true, "sse4.2", 0 },
    { "host, traps, avx", true, true, "avx", 0 },
    { "host, traps, tiny results compared", true, true, "", CF_FP_TININESS },
    { "host, traps, avx, tiny results compared", true, true, "avx", CF_FP_TININESS },
};
int nb_test_engines = G_N_ELEMENTS(test_engines);

__attribute__((constructor)) static void count_engines(void)
{
    if (!__builtin_cpu_supports("avx2")) { /* the last one */
        nb_test_engines--;
    }
}

/* ---- host code ---- */

enum { CODE_SIZE = 1 << 20, STACK_SIZE = 1 << 20 };
enum { SHORT_LIST = 4 }; /* one op, and what begins and ends a list */

typedef struct TestHost {
    TCGCodeRegion region;
    uint8_t *code; /* writable */
    void *stack;
    const TestEngine *engine;
    GPtrArray *allocs; /* of the loaded block */
    const TranslationBlock *running;
    CPUState *cpu;
    bool trapped; /* the running block left by a floating trap */
    bool tiny;    /* … because of a result that is tiny */
} TestHost;
static TestHost host;

void tb_alloc_trim(G_GNUC_UNUSED TCGContext *s, G_GNUC_UNUSED const void *end,
                   G_GNUC_UNUSED const void *used_end)
{
}

void *tb_alloc(TCGContext *s, size_t size)
{
    void *p = g_aligned_alloc(1, (size + 15) & ~(size_t)15, 16);

    (void)s;
    g_ptr_array_add(host.allocs, p);
    return p;
}

/* What else the engine provides and lists of ops in user mode never ask for. */
bool softmmu_run_op(const TCGOp *op, G_GNUC_UNUSED TCGValue *args, G_GNUC_UNUSED CPUState *cpu)
{
    g_error("%s: no softmmu here", tcg_op_defs[op->opc].name);
}

void cpu_loop_exit(G_GNUC_UNUSED CPUState *cpu, int excp)
{
    g_error("cpu_loop_exit %d", excp);
}

TranslationBlock *tb_find_by_host_pc(G_GNUC_UNUSED uintptr_t pc)
{
    g_assert_not_reached();
}

/* As the engine does: the state as it was before the guest instruction, and out of the block. */
static void on_fpe(int sig, siginfo_t *info, void *uc)
{
    if (!host.running || !tcg_backend_restore(host.running, uc, host.cpu)) {
        signal(sig, SIG_DFL);
        return;
    }
    host.trapped = true;
    host.tiny = info->si_code == FPE_FLTUND;
    tcg_backend_leave(uc, host.cpu);
}

/* Code is written at one address and run at another, as in the engine. */
static void host_init(void)
{
    int fd = memfd_create("test-code", 0);
    uint8_t *rx;

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, CODE_SIZE), ==, 0);
    host.code = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    rx = mmap(NULL, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    g_assert_true(host.code != MAP_FAILED && rx != MAP_FAILED);
    close(fd);
    host.region.rx_delta = rx - host.code;
    host.stack = g_malloc(STACK_SIZE);
    host.allocs = g_ptr_array_new_with_free_func(g_aligned_free);

    /* the stack of compiled code is no place for a signal's frame */
    stack_t alt = { .ss_sp = g_malloc(STACK_SIZE), .ss_size = STACK_SIZE };
    struct sigaction sa = { .sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    g_assert_cmpint(sigaltstack(&alt, NULL), ==, 0);
    g_assert_cmpint(sigaction(SIGFPE, &sa, NULL), ==, 0);
}

static bool set_up_backend(const TestEngine *e, GError **err)
{
    TCGBackendConfig config = { .target = &test_target,
                                .host_features = e->host,
                                .fp_check = e->fp_cflags & CF_FP_CHECK,
                                .no_peepholes = !e->optimize };

    host.engine = e;
    return tcg_backend_init(&config, err);
}

bool test_engine_works(const TestEngine *e)
{
    static int8_t known[G_N_ELEMENTS(test_engines)]; /* 1: yes, -1: no */
    int8_t *works = &known[e - test_engines];

    if (!*works) {
        g_autoptr(GError) err = NULL;
        *works = !e->host || set_up_backend(e, &err) ? 1 : -1;
        if (err) {
            printf("# not tested: %s: %s\n", e->name, err->message);
        }
    }
    return *works > 0;
}

void test_host_start(const TestEngine *e)
{
    GError *err = NULL;

    if (!host.code) {
        host_init();
    }
    if (host.engine != e) {
        set_up_backend(e, &err);
        g_assert_no_error(err);
    }
    g_ptr_array_set_size(host.allocs, 0);
    host.region.ptr = host.code;
    host.region.end = host.code + CODE_SIZE;
    tcg_backend_prologue(&host.region);
}

void test_host_add(TCGContext *s, TranslationBlock *tb)
{
    s->code = &host.region;
    if (!s->backend) {
        s->backend = tcg_backend_context_new(s);
    }
    tb->cflags |= host.engine->fp_cflags;
    g_assert_cmpint(tcg_gen_code(s, tb), ==, TCG_GEN_OK);
    if (g_getenv("TCG_TEST_CODE")) { /* the last block, for objdump -D -b binary -m i386:x86-64 */
        g_file_set_contents(g_getenv("TCG_TEST_CODE"), (const char *)tb->tc, tb->tc_size, NULL);
    }
}

void test_host_patch(TBSlot *slot, const TranslationBlock *target)
{
    tcg_backend_patch(slot, target, -host.region.rx_delta);
}

TBSlot *test_host_enter(const TranslationBlock *tb, TestCPU *cpu)
{
    CPUState *c = &cpu->parent;
    TBSlot *slot;

    c->target = &test_target;
    c->ret_stack = host.stack;
    c->ret_stack_size = STACK_SIZE;
    if (!c->ret_sp) {
        tcg_backend_reset_ret_stack(c);
        c->ret_sp_limit = (uintptr_t)host.stack + STACK_SIZE / 2;
    }
    c->fp_cflags = tb->cflags & (CF_FP_CHECK | CF_FP_TININESS);
    tcg_backend_set_fp_mode(c);
    host.running = tb;
    host.cpu = c;
    host.trapped = false;
    slot = tcg_enter(c, tb->tc);
    host.running = NULL;
    c->fp_status.flags |= tcg_backend_take_fp_flags(c);
    return slot;
}

/* ---- faults ---- */

static sigjmp_buf fault_jmp;
static CPUState *fault_cpu;
static const TranslationBlock *fault_tb;

static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
    (void)info;
    if (!fault_cpu) {
        signal(sig, SIG_DFL);
    } else if (!fault_tb->tc) {
        siglongjmp(fault_jmp, 1); /* the interpreter keeps every global in the state */
    } else if (!tcg_backend_restore(fault_tb, ucontext, fault_cpu)) {
        signal(sig, SIG_DFL);
    } else {
        tcg_backend_leave(ucontext, fault_cpu);
    }
}

void test_expect_fault(TestCPU *cpu, const TranslationBlock *tb)
{
    static bool installed;
    static uint8_t stack[65536];

    if (!installed) {
        struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
        stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };

        g_assert_cmpint(sigaltstack(&ss, NULL), ==, 0);
        g_assert_cmpint(sigaction(SIGSEGV, &sa, NULL), ==, 0);
        installed = true;
    }
    fault_cpu = cpu ? &cpu->parent : NULL;
    fault_tb = tb;
}

/* ---- lists ---- */

TCGContext *test_start(void)
{
    static TCGContext *s;

    if (!s) {
        s = tcg_context_new(&test_target);
    }
    tcg_context_start(s, NULL);
    s->fp_flush = s->fp_default_nan = false;
    tcg_gen_insn_start(s, 0x1000);
    return s;
}

void test_end(TCGContext *s)
{
    tcg_gen_exit(s, tcg_new_exit(s, (TCGExit){ .kind = TCG_EXIT_MAIN, .pc = 0x2000 }));
    g_assert_false(s->overflow);
    tcg_check(s, "test");
}

/* The used parts of a context's list. */
typedef struct Saved {
    int nb_ops, nb_temps;
    TCGOp *ops;
    TCGTemp *temps;
    uint16_t hash[256];
} Saved;

static Saved save(const TCGContext *s)
{
    Saved saved = {
        .nb_ops = s->nb_ops,
        .nb_temps = s->nb_temps,
        .ops = g_memdup2(s->ops, s->nb_ops * sizeof(*s->ops)),
        .temps = g_memdup2(s->temps, s->nb_temps * sizeof(*s->temps)),
    };

    memcpy(saved.hash, s->const_hash, sizeof(saved.hash));
    return saved;
}

static void restore(TCGContext *s, Saved *saved)
{
    s->nb_ops = saved->nb_ops;
    s->nb_temps = saved->nb_temps;
    memcpy(s->ops, saved->ops, s->nb_ops * sizeof(*s->ops));
    memcpy(s->temps, saved->temps, s->nb_temps * sizeof(*s->temps));
    memcpy(s->const_hash, saved->hash, sizeof(saved->hash));
    g_free(saved->ops);
    g_free(saved->temps);
}

static void keep(TranslationBlock *tb, const TCGContext *s)
{
    tb->ops = g_memdup2(s->ops, s->nb_ops * sizeof(*s->ops));
    tb->temps = g_memdup2(s->temps, s->nb_temps * sizeof(*s->temps));
    tb->exits = g_memdup2(s->exits, s->nb_exits * sizeof(*s->exits));
    tb->nb_ops = s->nb_ops;
    tb->nb_temps = s->nb_temps;
    tb->nb_exits = s->nb_exits;
    tb->nb_labels = s->nb_labels;
}

TranslationBlock *test_load(TCGContext *s, const TestEngine *engine)
{
    TranslationBlock *tb = g_new0(TranslationBlock, 1);
    Saved saved = save(s);

    s->tb = tb;
    if (engine->optimize) {
        tcg_optimize(s);
        tcg_check(s, "optimiser");
    }
    if (engine->liveness) {
        tcg_liveness(s);
        tcg_check(s, "liveness");
    }
    keep(tb, s);
    if (engine->host) {
        tb->pc = 0x1000;
        test_host_start(engine);
        test_host_add(s, tb);
    }
    restore(s, &saved);
    return tb;
}

void test_run(const TranslationBlock *tb, TestCPU *cpu)
{
    cpu->parent.target = &test_target;
    cpu->parent.exception_index = EXCP_NONE;
    if (tb->tc) {
        g_assert_null(test_host_enter(tb, cpu));
    } else if (!sigsetjmp(fault_jmp, 1)) {
        g_assert_null(tci_run(&cpu->parent, tb, NULL));
    }
}

void test_unload(TranslationBlock *tb)
{
    g_free(tb->ops);
    g_free(tb->temps);
    g_free(tb->exits);
    g_free(tb);
}

/* ---- comparison ---- */

static void differ(TCGContext *s, const TestEngine *e, const char *what, const TestCPU *in,
                   const char *where, const void *got, const void *expected, size_t size)
{
    const uint8_t *x = got, *y = expected, *regs = (const uint8_t *)in->v;

    printf("# %s, engine %s: %s differs\n#   got      ", what, e->name, where);
    for (size_t i = size; i-- > 0;) {
        printf("%02x", x[i]);
    }
    printf("\n#   expected ");
    for (size_t i = size; i-- > 0;) {
        printf("%02x", y[i]);
    }
    printf("\n# state before: cc %d\n", tcg_cc_unpack(in->cc));
    for (int i = 0; i < TEST_INTS; i++) {
        printf("#   r%d %016" PRIx64 "  v%d ", i, in->r[i], i);
        for (int b = 15; b >= 0; b--) {
            printf("%02x", regs[16 * i + b]);
        }
        printf("\n");
    }
    fflush(stdout);
    tcg_dump_ops(s, stdout, false);
    if (e->optimize || e->liveness) {
        TranslationBlock *tb = test_load(s, e);
        printf("as %s leaves it:\n", e->name);
        memcpy(s->ops, tb->ops, tb->nb_ops * sizeof(*s->ops));
        memcpy(s->temps, tb->temps, tb->nb_temps * sizeof(*s->temps));
        s->nb_ops = tb->nb_ops;
        s->nb_temps = tb->nb_temps;
        tcg_dump_ops(s, stdout, true);
    }
    fflush(stdout);
    g_assert_not_reached();
}

void test_compare(TCGContext *s, const TestEngine *e, const char *what, const TestCPU *in,
                  const TestCPU *got, const TestCPU *expected)
{
    for (int i = 0; i < test_target.nb_globals; i++) {
        const TCGGlobalDef *g = &globals[i];
        const char *x = (const char *)got + g->offset, *y = (const char *)expected + g->offset;
        if (g->type == TCG_TYPE_CC) {
            unsigned a = tcg_cc_unpack(got->cc), b = tcg_cc_unpack(expected->cc);
            if (a != b) {
                differ(s, e, what, in, g->name, &a, &b, sizeof(a));
            }
        } else if (memcmp(x, y, g->type == TCG_TYPE_V128 ? 16 : 8)) {
            differ(s, e, what, in, g->name, x, y, g->type == TCG_TYPE_V128 ? 16 : 8);
        }
    }
    if (memcmp(got->field, expected->field, sizeof(got->field))) {
        differ(s, e, what, in, "state outside the globals", got->field, expected->field,
               sizeof(got->field));
    }
    if (got->pc != expected->pc) {
        differ(s, e, what, in, "pc", &got->pc, &expected->pc, 8);
    }
    if (got->parent.fp_status.flags != expected->parent.fp_status.flags) {
        differ(s, e, what, in, "floating flags", &got->parent.fp_status.flags,
               &expected->parent.fp_status.flags, 1);
    }
}

/*
 * Some traps are only the host's: minimum and maximum of a quiet NaN, an infinity rounded with
 * ties away, and what is small or inexact where denormals are flushed.
 */
static bool may_trap_in_vain(const TCGContext *s)
{
    for (int i = 0; i < s->nb_ops; i++) {
        const TCGOp *op = &s->ops[i];

        if (s->fp_flush && tcg_op_defs[op->opc].flags & TCG_OPF_FAULT) {
            return true;
        }
        switch (op->opc) {
        case TCG_OP_fmin ... TCG_OP_fmaxnm:
        case TCG_OP_vfmin ... TCG_OP_vfmaxnm:
            return true;
        case TCG_OP_fround:
        case TCG_OP_vfround:
            if (TCG_ROUND_MODE(op->imm) == FLOAT_ROUND_TIES_AWAY) {
                return true;
            }
        }
    }
    return false;
}

/*
 * After a trap the state is that before the guest instruction, as far as the list keeps the rule
 * that globals are written last; what trapped raises INVALID, or is tiny.
 */
static void check_trap(TCGContext *s, const TestEngine *e, const char *what, const TestCPU *in,
                       const TestCPU *got, const TestCPU *expected)
{
    TestCPU before = *in;

    if (!(expected->parent.fp_status.flags & FLOAT_FLAG_INVALID) && !host.tiny &&
        !may_trap_in_vain(s)) {
        uint8_t invalid = FLOAT_FLAG_INVALID;
        differ(s, e, what, in, "floating flags", &invalid, &expected->parent.fp_status.flags, 1);
    }
    if (s->nb_ops <= SHORT_LIST) {
        before.pc = 0x1000;
        before.parent.fp_status.flags = got->parent.fp_status.flags;
        test_compare(s, e, what, in, got, &before);
    }
}

/* One engine, all states; the first engine's results are what the others must give. */
static void run_engine(TCGContext *s, const TestEngine *e, const TestCPU *in, int count,
                       const uint8_t *mem_before, TestCPU *expected, uint8_t *mem_expected,
                       const char *what)
{
    TranslationBlock *tb = test_load(s, e);

    for (int i = 0; i < count; i++, mem_expected += TEST_MEM_SIZE) {
        TestCPU cpu = in[i];
        memcpy(test_mem, mem_before, TEST_MEM_SIZE);
        test_run(tb, &cpu);
        if (e == test_engines) {
            expected[i] = cpu;
            memcpy(mem_expected, test_mem, TEST_MEM_SIZE);
            continue;
        }
        if (tb->tc && host.trapped) {
            check_trap(s, e, what, &in[i], &cpu, &expected[i]);
            continue;
        }
        test_compare(s, e, what, &in[i], &cpu, &expected[i]);
        if (memcmp(test_mem, mem_expected, TEST_MEM_SIZE)) {
            differ(s, e, what, &in[i], "memory", test_mem, mem_expected, TEST_MEM_SIZE);
        }
    }
    test_unload(tb);
}

void test_run_all(TCGContext *s, TestCPU *cpu, int count, const char *what)
{
    TestCPU expected[TEST_MAX_STATES];
    uint8_t mem_before[TEST_MEM_SIZE], mem_expected[TEST_MAX_STATES * TEST_MEM_SIZE];

    g_assert_cmpint(count, <=, TEST_MAX_STATES);
    memcpy(mem_before, test_mem, TEST_MEM_SIZE);
    for (int i = 0; i < nb_test_engines; i++) {
        if (!test_engine_works(&test_engines[i])) {
            continue;
        }
        run_engine(s, &test_engines[i], cpu, count, mem_before, expected, mem_expected, what);
    }
    memcpy(cpu, expected, count * sizeof(*cpu));
}

/* ---- random operands ---- */

uint64_t test_random(void)
{
    static const uint8_t widths[] = { 1, 7, 8, 15, 16, 31, 32, 63, 64 };
    uint64_t r = (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();
    unsigned width = widths[r % G_N_ELEMENTS(widths)];

    switch (r >> 40 & 7) {
    case 0:
        return tcg_mask(width);
    case 1:
        return tcg_mask(width) + 1;
    case 2:
        return ~tcg_mask(width);
    case 3:
        return r >> 48 & 3;
    case 4:
        return r >> 20 & tcg_mask(width);
    case 5:
        return 1ull << (r >> 50 & 63);
    default:
        return r * 0x9e3779b97f4a7c15ull;
    }
}

static uint64_t random_float(unsigned sz)
{
    static const uint16_t special16[] = { 0,      0x8000, 1,      0x3ff,  0x400,  0x3c00, 0xbc00,
                                          0x7bff, 0x7c00, 0xfc00, 0x7c01, 0x7e00, 0xfe01, 0x4248 };
    static const uint32_t special32[] = { 0,          0x80000000, 1,          0x007fffff,
                                          0x00800000, 0x3f800000, 0xbf800000, 0x7f7fffff,
                                          0x7f800000, 0xff800000, 0x7f800001, 0x7fc00000,
                                          0x20000001, 0x1ffffffe, 0xffc00123, 0x4f000000,
                                          0xcf000000, 0x5f000000 };
    static const uint64_t special64[] = {
        0,
        1ull << 63,
        1,
        0x000fffffffffffffull,
        0x0010000000000000ull,
        0x3ff0000000000000ull,
        0xbff0000000000000ull,
        0x7fefffffffffffffull,
        0x7ff0000000000000ull,
        0xfff0000000000000ull,
        0x7ff0000000000001ull,
        0x7ff8000000000000ull,
        0xfff8000000000123ull,
        0x2000000000000001ull, /* its product with the next is rounded up to the least normal */
        0x1ffffffffffffffeull,
        0x41e0000000000000ull,
        0x43e0000000000000ull,
        0xc3e0000000000000ull,
    };
    unsigned r = g_test_rand_int();

    if (r & 1) {
        return test_random();
    }
    r >>= 1;
    return sz == MO_16   ? special16[r % G_N_ELEMENTS(special16)]
           : sz == MO_32 ? special32[r % G_N_ELEMENTS(special32)]
                         : special64[r % G_N_ELEMENTS(special64)];
}

TCGValue test_random_vec(unsigned sz, bool floating)
{
    TCGValue v;

    for (int i = 0; i < 16 >> sz; i++) {
        uint64_t x = floating ? random_float(sz) : test_random();
        memcpy(&v.u8[i << sz], &x, 1 << sz);
    }
    return v;
}

void test_randomize(TestCPU *cpu, unsigned sz, bool floating)
{
    memset(cpu, 0, sizeof(*cpu));
    for (int i = 0; i < TEST_INTS; i++) {
        cpu->r[i] = test_random();
        cpu->v[i] = test_random_vec(sz, floating);
    }
    cpu->cc = g_test_rand_int(); /* the bits that mean nothing are anything */
    cpu->parent.fp_status.tininess_before_rounding = true;
    for (int i = 0; i < 4; i++) {
        cpu->field[i] = test_random();
    }
    for (int i = 0; i < TEST_MEM_SIZE; i++) {
        test_mem[i] = g_test_rand_int();
    }
}

void test_sizes(unsigned opc, unsigned *first, unsigned *last)
{
    unsigned flags = tcg_op_defs[opc].flags;

    *first = flags & TCG_OPF_SZ_INT ? MO_32 : flags & TCG_OPF_SZ_FP ? MO_16 : MO_8;
    *last = flags & (TCG_OPF_SZ_INT | TCG_OPF_SZ_FP | TCG_OPF_SZ_EL) ? MO_64 : MO_8;
}

bool test_size_exists(unsigned opc, unsigned sz)
{
    switch (opc) {
    case TCG_OP_vsxl ... TCG_OP_vumull2:
    case TCG_OP_vfcvtl:
    case TCG_OP_vfcvtn:
        return sz <= MO_32;
    case TCG_OP_vsqdmulh:
    case TCG_OP_vsqrdmulh:
        return sz == MO_16 || sz == MO_32;
    case TCG_OP_vpmull:
    case TCG_OP_vpmull2:
        return sz == MO_8 || sz == MO_64;
    case TCG_OP_vrev:
        return sz <= MO_32;
    default:
        return true;
    }
}

static int pick(int first, int last)
{
    return g_test_rand_int_range(first, last + 1);
}

int64_t test_random_imm(unsigned opc, unsigned sz)
{
    int bits = 8 << sz, pos;

    switch (opc) {
    case TCG_OP_extract:
    case TCG_OP_sextract:
    case TCG_OP_deposit:
    case TCG_OP_depositz:
    case TCG_OP_sdepositz:
        pos = pick(0, 2) ? pick(0, bits - 1) : 0;
        return TCG_FIELD(pos, pick(0, 2) ? pick(1, bits - pos) : bits - pos);
    case TCG_OP_extr:
        return pick(0, bits - 1);
    case TCG_OP_crc32:
    case TCG_OP_fcmp:
        return pick(0, 1);
    case TCG_OP_ccmp_sub:
    case TCG_OP_ccmp_add:
    case TCG_OP_vext:
        return pick(0, 15);
    case TCG_OP_fmadd:
    case TCG_OP_vfmadd:
        return pick(0, 3);
    case TCG_OP_fround:
    case TCG_OP_vfround:
        return TCG_ROUND(pick(0, 5) == 5 ? TCG_ROUND_CURRENT : pick(0, 4), pick(0, 1));
    case TCG_OP_fcvt:
        return MO_16 + (sz - MO_16 + pick(1, 2)) % 3;
    case TCG_OP_ftoi:
        return TCG_FTOI(pick(MO_16, MO_64), pick(0, 4), pick(0, 1), pick(0, 1) * pick(1, 32));
    case TCG_OP_vftoi:
        return TCG_FTOI(sz, pick(0, 4), pick(0, 1), pick(0, 1) * pick(1, bits));
    case TCG_OP_itof:
        return TCG_ITOF(pick(MO_32, MO_64), pick(0, 1), pick(0, 1) * pick(1, 32));
    case TCG_OP_vitof:
        return TCG_ITOF(0, pick(0, 1), pick(0, 1) * pick(1, bits));
    case TCG_OP_v_to_i:
    case TCG_OP_vins_i:
    case TCG_OP_vdup_v:
        return pick(0, (16 >> sz) - 1);
    case TCG_OP_vins_v:
        return pick(0, (16 >> sz) - 1) | pick(0, (16 >> sz) - 1) << 4;
    case TCG_OP_vshli:
    case TCG_OP_vshri:
    case TCG_OP_vsari:
        return pick(0, bits);
    case TCG_OP_vrshri:
    case TCG_OP_vrsari:
        return pick(1, bits);
    case TCG_OP_vrev:
        return pick(sz + 1, MO_64);
    default:
        return 0;
    }
}

unsigned test_random_cond(unsigned opc)
{
    static const uint8_t float_conds[] = { TCG_COND_EQ, TCG_COND_GE, TCG_COND_GT };
    unsigned cond, flags = tcg_op_defs[opc].flags;

    if (!(flags & TCG_OPF_COND)) {
        return 0;
    }
    if (opc == TCG_OP_vfcmp) {
        return float_conds[pick(0, 2)];
    }
    if (tcg_op_cond_on_flags(opc)) {
        return pick(TCG_CC_EQ, TCG_CC_LE);
    }
    cond = pick(TCG_COND_EQ, TCG_COND_TSTNE);
    return opc == TCG_OP_vcmp && cond == TCG_COND_TSTEQ ? TCG_COND_EQ : cond;
}
