/* SPDX-License-Identifier: MIT */
/*
 * Random op lists: temps and globals written over and over, memory, state, inner branches, side
 * exits, helpers. Each engine must leave the same registers, memory and pc as the interpreter.
 */
#include <glib.h>
#include <stdlib.h>

#include "tcg-harness.h"
#include "tcg/middle.h"

enum { POOL = 24, STEPS = 40, LISTS = 1500 };

/* EBB temps that hold something, by class. */
typedef struct Pool {
    TCGContext *s;
    uint16_t temp[4][POOL];
    int count[4];
    int label; /* to be placed in label_in steps, or -1 */
    int label_in;
    bool floating; /* floating ops among them; without, sticky flags stay out of the picture */
} Pool;

static int pick(int first, int last)
{
    return g_test_rand_int_range(first, last + 1);
}

static TCGType class_type(char class)
{
    return class == 'i'   ? TCG_TYPE_I64
           : class == 'c' ? TCG_TYPE_CC
           : class == 'f' ? TCG_TYPE_F64
                          : TCG_TYPE_V128;
}

static uint16_t random_global(char class)
{
    return TCG_GLOBAL_TEMP(class == 'i'   ? TEST_R + pick(0, TEST_INTS - 1)
                           : class == 'c' ? TEST_CC
                                          : TEST_V + pick(0, TEST_VECS - 1));
}

static uint16_t random_const(TCGContext *s, char class)
{
    TCGValue v;

    switch (class) {
    case 'i':
        return tcg_const(s, test_random()).i;
    case 'c':
        return tcg_const_cc(s, pick(0, 15)).i;
    default:
        v = test_random_vec(pick(0, 3), false);
        return pick(0, 1) ? tcg_const_vec(s, 0, 0).i : tcg_const_vec(s, v.u64[0], v.u64[1]).i;
    }
}

static uint16_t random_input(Pool *p, char class)
{
    TCGType type = class_type(class);
    int kind = pick(0, 7);

    if (kind == 0) {
        return random_const(p->s, class);
    }
    if (kind < 4 && p->count[type]) {
        return p->temp[type][pick(0, p->count[type] - 1)];
    }
    return random_global(class);
}

static uint16_t new_temp(TCGContext *s, TCGType type)
{
    switch (type) {
    case TCG_TYPE_I64:
        return tcg_temp_i64(s).i;
    case TCG_TYPE_CC:
        return tcg_temp_cc(s).i;
    case TCG_TYPE_F64:
        return tcg_temp_f64(s).i;
    default:
        return tcg_temp_vec(s).i;
    }
}

static uint16_t random_output(Pool *p, char class)
{
    TCGType type = class_type(class);

    if (class != 'f' && pick(0, 1)) {
        return random_global(class);
    }
    if (p->count[type] && pick(0, 3) == 0) {
        return p->temp[type][pick(0, p->count[type] - 1)];
    }
    uint16_t t = new_temp(p->s, type);
    if (p->count[type] < POOL) {
        p->temp[type][p->count[type]++] = t;
    } else {
        p->temp[type][pick(0, POOL - 1)] = t;
    }
    return t;
}

static void fill(Pool *p, TCGOp *op)
{
    const TCGOpDef *def = &tcg_op_defs[op->opc];

    for (int i = 0; i < def->nb_in; i++) {
        op->arg[def->nb_out + i] = random_input(p, def->in[i]);
    }
    for (int i = 0; i < def->nb_out; i++) {
        op->arg[i] = random_output(p, def->out[i]);
    }
    if (def->nb_out == 2 && op->arg[0] == op->arg[1]) {
        op->arg[1] = new_temp(p->s, class_type(def->out[1]));
    }
}

static bool has_scalar(const TCGOpDef *def)
{
    return strchr(def->in, 'f') || strchr(def->out, 'f');
}

static void emit_op(Pool *p, unsigned opc)
{
    unsigned first, last;
    TCGOp op = { .opc = opc };

    test_sizes(opc, &first, &last);
    do {
        op.sz = pick(first, last);
    } while (!test_size_exists(opc, op.sz));
    op.cond = test_random_cond(opc);
    op.imm = test_random_imm(opc, op.sz);
    if (has_scalar(&tcg_op_defs[opc])) { /* one format only: above the lane is junk */
        op.sz = opc == TCG_OP_ftoi ? op.sz : MO_64;
        op.imm = opc == TCG_OP_ftoi ? (op.imm & ~0x700) | MO_64 << 8 : op.imm;
    }
    fill(p, &op);
    *tcg_emit_op(p->s, opc) = op;
}

/* What a backend may make one instruction of. */
static void shift_and_add(Pool *p)
{
    TCGv_i64 t = tcg_temp_i64(p->s), a = { random_input(p, 'i') }, b = { random_input(p, 'i') };
    unsigned sz = pick(MO_32, MO_64), shift_sz = pick(0, 3) ? sz : MO_64;
    bool first = pick(0, 1);

    tcg_gen(shl, p->s, shift_sz, t, a, tcg_const(p->s, pick(0, 4)));
    tcg_gen(add, p->s, sz, (TCGv_i64){ random_output(p, 'i') },
            first        ? t
            : pick(0, 3) ? b
                         : a,
            first ? b : t);
}

/* A few ops that compilers' output is made of come more often than the others. */
static void compute(Pool *p)
{
    static const uint16_t common[] = {
        TCG_OP_mov,     TCG_OP_mov,      TCG_OP_add,    TCG_OP_sub,    TCG_OP_and,
        TCG_OP_shl,     TCG_OP_shr,      TCG_OP_sub_cc, TCG_OP_and_cc, TCG_OP_setcc,
        TCG_OP_setcond, TCG_OP_movcond,  TCG_OP_movcc,  TCG_OP_vmov,   TCG_OP_vzext,
        TCG_OP_extract, TCG_OP_sextract, TCG_OP_vadd,   TCG_OP_vxor,   TCG_OP_v_to_i,
    };
    unsigned opc;

    if (pick(0, 15) == 0) {
        shift_and_add(p);
        return;
    }
    if (pick(0, 1)) {
        opc = common[pick(0, G_N_ELEMENTS(common) - 1)];
    } else {
        do {
            opc = pick(0, TCG_OP_COUNT - 1);
        } while (!tcg_eval_fn[opc] || opc == TCG_OP_fcvt ||
                 (!p->floating && tcg_op_defs[opc].flags & TCG_OPF_FAULT));
    }
    emit_op(p, opc);
}

/* Somewhere in test_mem with room for 16 bytes and a displacement of up to 64. */
static uint16_t random_address(Pool *p, unsigned align)
{
    TCGv_i64 t = tcg_temp_i64(p->s), a = tcg_temp_i64(p->s);

    tcg_gen(and, p->s, MO_64, t, (TCGv_i64){ random_input(p, 'i') },
            tcg_const(p->s, 0x78 & -(uint64_t)align));
    tcg_gen(add, p->s, MO_64, a, t, tcg_const(p->s, (uintptr_t)test_mem));
    return a.i;
}

static unsigned random_memop(bool vec, bool load)
{
    unsigned memop = pick(MO_8, vec ? MO_128 : MO_64);

    if (!vec && load && pick(0, 1)) {
        memop |= MO_SIGN | (memop <= MO_16 && pick(0, 1) ? MO_SEXT32 : 0);
    }
    return memop | (pick(0, 3) ? 0 : MO_BSWAP) | (pick(0, 7) ? 0 : load ? MO_ACQUIRE : MO_RELEASE);
}

static void access_memory(Pool *p)
{
    static const uint16_t opcs[] = { TCG_OP_ld, TCG_OP_st, TCG_OP_ldv, TCG_OP_stv };
    unsigned opc = opcs[pick(0, 3)];
    bool vec = opc == TCG_OP_ldv || opc == TCG_OP_stv, load = opc == TCG_OP_ld || opc == TCG_OP_ldv;
    unsigned memop = random_memop(vec, load);
    TCGOp op = { .opc = opc, .memop = memop, .sz = memop & MO_SIZE, .imm = pick(0, 64) };

    op.arg[1] = random_address(p, 8);
    if (pick(0, 2) == 0) {
        TCGv_i64 index = tcg_temp_i64(p->s);
        tcg_gen_imm(extract, p->s, MO_64, TCG_FIELD(0, 2), index,
                    (TCGv_i64){ random_input(p, 'i') });
        op.arg[2] = index.i;
        op.memop |= MO_SHIFT(pick(0, 3));
    }
    op.arg[0] = load ? random_output(p, vec ? 'v' : 'i') : random_input(p, vec ? 'v' : 'i');
    *tcg_emit_op(p->s, opc) = op;
}

static void access_atomically(Pool *p)
{
    unsigned memop = pick(MO_8, MO_64) | (pick(0, 3) ? 0 : MO_BSWAP);
    uint16_t addr = random_address(p, 16);
    TCGOp op = { .memop = memop, .sz = memop & MO_SIZE };

    switch (pick(0, 2)) {
    case 0:
        op.opc = TCG_OP_atomic_rmw;
        op.imm = pick(0, TCG_ATOMIC_UMIN);
        fill(p, &op);
        op.arg[1] = addr;
        break;
    case 1:
        op.opc = TCG_OP_atomic_cas;
        fill(p, &op);
        op.arg[1] = addr;
        break;
    default:
        op = (TCGOp){ .opc = TCG_OP_atomic_cas128 };
        fill(p, &op);
        op.arg[2] = addr;
    }
    *tcg_emit_op(p->s, op.opc) = op;
}

static void access_state(Pool *p)
{
    static const uint16_t opcs[] = { TCG_OP_ld_env, TCG_OP_st_env, TCG_OP_ldv_env, TCG_OP_stv_env };
    unsigned opc = opcs[pick(0, 3)];
    bool vec = opc == TCG_OP_ldv_env || opc == TCG_OP_stv_env;
    bool load = opc == TCG_OP_ld_env || opc == TCG_OP_ldv_env;
    unsigned memop = random_memop(vec, load) & (MO_SIZE | MO_SIGN | MO_SEXT32);
    TCGOp op = { .opc = opc, .memop = memop, .sz = memop & MO_SIZE };

    op.imm = offsetof(TestCPU, field) + pick(0, 2) * 8;
    op.arg[0] = load ? random_output(p, vec ? 'v' : 'i') : random_input(p, vec ? 'v' : 'i');
    *tcg_emit_op(p->s, opc) = op;
}

/* ---- helpers ---- */

static uint64_t help_anything(uint64_t env, uint64_t a)
{
    TestCPU *cpu = (TestCPU *)(uintptr_t)env;
    uint64_t r = cpu->r[0] + a;

    cpu->r[1] ^= r;
    cpu->field[0] += cpu->r[6];
    cpu->v[2].u64[1] = tcg_cc_unpack(cpu->cc);
    return r;
}

static uint64_t help_pure(uint64_t a, uint64_t b, uint64_t c)
{
    return a * 3 + b * 5 + c;
}

static void help_read(uint64_t env, uint64_t a)
{
    TestCPU *cpu = (TestCPU *)(uintptr_t)env;

    cpu->field[1] = cpu->r[3] ^ cpu->v[7].u64[0] ^ a;
}

static uint64_t help_six(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    return a + b * 3 + c * 5 + d * 7 + e * 11 + f * 13;
}

static uint64_t help_six_anything(uint64_t env, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                                  uint64_t f)
{
    TestCPU *cpu = (TestCPU *)(uintptr_t)env;

    cpu->r[5] += cpu->r[4];
    return help_six(cpu->r[2], b, c, d, e, f);
}

static const TCGHelperInfo helpers[] = {
    { "anything", help_anything, 2, true, 0 },
    { "pure", help_pure, 3, true, TCG_CALL_NO_RG | TCG_CALL_NO_WG | TCG_CALL_NO_SE },
    { "read", help_read, 2, false, TCG_CALL_NO_WG },
    { "six", help_six, 6, true, TCG_CALL_NO_RG | TCG_CALL_NO_WG },
    { "six_anything", help_six_anything, 6, true, 0 },
};

static void call(Pool *p)
{
    const TCGHelperInfo *info = &helpers[pick(0, G_N_ELEMENTS(helpers) - 1)];
    TCGv_i64 args[6];

    for (int i = 0; i < info->nargs; i++) {
        args[i].i = random_input(p, 'i');
    }
    if (info->func != help_pure && info->func != help_six) {
        args[0] = tcg_env(p->s);
    }
    tcg_gen_call(p->s, info, info->has_ret ? (TCGv_i64){ random_output(p, 'i') } : TCG_NO_INDEX,
                 args);
}

/* ---- control ---- */

static void place_label(Pool *p)
{
    tcg_gen_label(p->s, p->label);
    p->label = -1;
    memset(p->count, 0, sizeof(p->count));
}

/* A comparison, one that depends on it, and a side exit by that. */
static void compare_chain(Pool *p)
{
    TCGContext *s = p->s;
    TCGv_cc first = tcg_temp_cc(s), second = tcg_temp_cc(s);
    TCGv_i64 t = tcg_temp_i64(s), a = { random_input(p, 'i') }, b = { random_input(p, 'i') };
    unsigned sz = pick(MO_32, MO_64);
    int exit = tcg_new_exit(s, (TCGExit){ .kind = TCG_EXIT_MAIN, .pc = 0x4000 + s->nb_ops });

    tcg_gen(sub_cc, s, sz, t, first, a, b);
    if (pick(0, 1)) {
        tcg_gen_cond_imm(ccmp_sub, s, sz, pick(0, 13), pick(0, 15), second, first, b, a);
    } else {
        tcg_gen_cond_imm(ccmp_add, s, sz, pick(0, 13), pick(0, 15), second, first, b, a);
    }
    tcg_gen_insn_start(s, 0x1fff);
    tcg_gen_cond_imm(exit_cc, s, 0, pick(0, 13), exit, second);
}

static void branch(Pool *p)
{
    if (pick(0, 3) == 0) {
        compare_chain(p);
        return;
    }

    bool out = pick(0, 2) == 0;

    if (!out && p->label < 0) {
        p->label = tcg_new_label(p->s);
        p->label_in = pick(1, 6);
    }
    unsigned opc = pick(0, 1) ? (out ? TCG_OP_exit_cond : TCG_OP_brcond)
                              : (out ? TCG_OP_exit_cc : TCG_OP_brcc);
    emit_op(p, opc);
    p->s->ops[p->s->nb_ops - 1].imm =
        out ? tcg_new_exit(p->s, (TCGExit){ .kind = TCG_EXIT_MAIN, .pc = 0x3000 + p->s->nb_ops })
            : p->label;
}

static void step(Pool *p, int n)
{
    tcg_gen_insn_start(p->s, 0x1000 + 4 * n);
    if (p->label >= 0 && p->label_in-- == 0) {
        place_label(p);
    }
    switch (pick(0, 15)) {
    case 0:
    case 1:
        access_memory(p);
        break;
    case 2:
        access_state(p);
        break;
    case 3:
        pick(0, 1) ? access_atomically(p) : call(p);
        break;
    case 4:
        if (pick(0, 2) == 0) {
            branch(p);
            break;
        }
        /* fall through */
    default:
        compute(p);
    }
}

static void random_list(bool floating)
{
    TCGContext *s = test_start();
    Pool p = { .s = s, .label = -1, .floating = floating };
    TestCPU cpu[2];

    for (int i = 0; i < STEPS; i++) {
        step(&p, i);
    }
    if (p.label >= 0) {
        place_label(&p);
    }
    test_end(s);
    test_randomize(&cpu[0], pick(1, 3), floating);
    test_randomize(&cpu[1], pick(1, 3), floating);
    test_run_all(s, cpu, 2, "random list");
}

/* An access to nowhere; t is written. */
static void fault(Pool *p, TCGv_i64 t)
{
    TCGv_i64 nowhere = tcg_const(p->s, 0x10), v = { random_input(p, 'i') };
    TCGOp op = { .opc = TCG_OP_atomic_cas128 };

    tcg_gen_mov(p->s, t, v);
    switch (pick(0, 5)) {
    case 0:
        tcg_gen_st(p->s, random_memop(false, false), v, nowhere, TCG_NO_INDEX, 0);
        break;
    case 1:
        tcg_gen_atomic_rmw(p->s, MO_32, pick(0, TCG_ATOMIC_UMIN), t, nowhere, v);
        break;
    case 2:
        tcg_gen_atomic_cas(p->s, MO_64, t, nowhere, v, t);
        break;
    case 3:
        fill(p, &op);
        op.arg[2] = nowhere.i;
        *tcg_emit_op(p->s, op.opc) = op;
        break;
    default:
        tcg_gen_ld(p->s, random_memop(false, true), t, nowhere, TCG_NO_INDEX, 0);
        break;
    }
}

/*
 * A load from nowhere in the middle: the state at the fault, as the side table gives it, must be
 * the interpreter's, and nothing behind it may have happened.
 */
static void faulting_list(void)
{
    TCGContext *s = test_start();
    Pool p = { .s = s, .label = -1 };
    TestCPU in, expected;
    TCGv_i64 t = tcg_temp_i64(s);
    int steps = pick(1, STEPS);

    for (int i = 0; i < steps; i++) {
        step(&p, i);
    }
    if (p.label >= 0) {
        place_label(&p);
    }
    tcg_gen_insn_start(s, 0x1800);
    fault(&p, t);
    for (int i = 0; i < TEST_INTS;
         i++) { /* so that values before are not stored yet; flags live on */
        tcg_gen(add, s, MO_64, tcg_global_i64(TEST_R + i), tcg_global_i64(TEST_R + i), t);
        tcg_gen(vadd, s, MO_8, tcg_global_vec(TEST_V + i), tcg_global_vec(TEST_V + i),
                tcg_global_vec(TEST_V + i));
    }
    test_end(s);
    test_randomize(&in, pick(1, 3), false);
    for (int i = 0; i < nb_test_engines; i++) {
        TestCPU cpu = in;
        TranslationBlock *tb;
        uint8_t mem[TEST_MEM_SIZE];

        if ((i && !test_engines[i].host) || !test_engine_works(&test_engines[i])) {
            continue;
        }
        memcpy(mem, test_mem, sizeof(mem));
        tb = test_load(s, &test_engines[i]);
        test_expect_fault(&cpu, tb);
        test_run(tb, &cpu);
        test_expect_fault(NULL, NULL);
        test_unload(tb);
        memcpy(test_mem, mem, sizeof(mem));
        if (i == 0) {
            expected = cpu;
            continue;
        }
        test_compare(s, &test_engines[i], "fault", &in, &cpu, &expected);
    }
}

static void test_faults(void)
{
    for (int i = 0; i < LISTS; i++) {
        faulting_list();
    }
}

static void test_integer(void)
{
    for (int i = 0; i < LISTS; i++) {
        random_list(false);
    }
}

static void test_floating(void)
{
    for (int i = 0; i < LISTS; i++) {
        random_list(true);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg/random/integer", test_integer);
    g_test_add_func("/tcg/random/faults", test_faults);
    g_test_add_func("/tcg/random/floating", test_floating);
    return g_test_run();
}
