/* SPDX-License-Identifier: MIT */
/*
 * The interpreter: runs a block's kept ops on the CPU's state. It is the reference meaning of op
 * lists; verify mode and the unit tests compare the host backend with it.
 *
 * Globals are read and written where they are in CPUState, and the pc is stored when an instruction
 * begins: a host fault in a guest access or an exception in a helper finds the exact state.
 */
#include <ffi.h>
#include <glib.h>

#include "exec/exec.h"
#include "tcg/backend.h"
#include "tcg/tci/eval.h"
#include "tcg/tci/memory.h"

static struct {
    uint64_t guest_base;
    gsize cifs_ready;
    ffi_cif cif[2][7]; /* [has a result][number of arguments] */
} tci;

typedef struct Interp {
    CPUState *cpu;
    const TCIMemory *mem;
    const TranslationBlock *tb;
    const TCGGlobalDef *globals;
    unsigned nb_globals;
    TCGValue *temps;    /* [nb_temps] */
    uint16_t *label_at; /* [TCG_MAX_LABELS], filled at the first branch */
    bool labels_known;
} Interp;

void tci_init(uint64_t guest_base)
{
    tci.guest_base = guest_base;
}

/* ---- operands ---- */

static inline TCGValue get(const Interp *in, unsigned temp)
{
    TCGValue v = { 0 };

    if (temp - 1u < in->nb_globals) {
        const TCGGlobalDef *g = &in->globals[temp - 1];
        const char *p = (const char *)in->cpu + g->offset;
        if (g->type == TCG_TYPE_V128) {
            memcpy(&v, p, 16);
        } else if (g->type == TCG_TYPE_CC) {
            memcpy(&v, p, 4);
        } else {
            memcpy(&v, p, 8);
        }
    } else if (in->tb->temps[temp].kind == TEMP_CONST || in->tb->temps[temp].kind == TEMP_PC) {
        v.u64[0] = in->tb->temps[temp].val;
        v.u64[1] = in->tb->temps[temp].val2;
    } else {
        v = in->temps[temp];
    }
    return v;
}

static inline void set(const Interp *in, unsigned temp, const TCGValue *v)
{
    if (temp - 1u < in->nb_globals) {
        const TCGGlobalDef *g = &in->globals[temp - 1];
        char *p = (char *)in->cpu + g->offset;
        memcpy(p, v, g->type == TCG_TYPE_V128 ? 16 : g->type == TCG_TYPE_CC ? 4 : 8);
    } else {
        in->temps[temp] = *v;
    }
}

static uint64_t get_int(const Interp *in, unsigned temp)
{
    return get(in, temp).u64[0];
}

static void compute(const Interp *in, const TCGOp *op)
{
    const TCGOpDef *def = &tcg_op_defs[op->opc];
    TCGValue args[TCG_MAX_ARGS];

    for (int i = def->nb_out; i < def->nb_out + def->nb_in; i++) {
        args[i] = get(in, op->arg[i]);
    }
    tcg_eval_fn[op->opc](op, args, in->cpu);
    for (int i = 0; i < def->nb_out; i++) {
        set(in, op->arg[i], &args[i]);
    }
}

/* ---- memory ---- */

static void *guest(vaddr addr)
{
    return (void *)(uintptr_t)(addr + tci.guest_base);
}

/* arg is the index of the base's operand. */
static vaddr address(const Interp *in, const TCGOp *op, int arg)
{
    vaddr a = get_int(in, op->arg[arg]) + op->imm;

    if (op->arg[arg + 1]) {
        a += get_int(in, op->arg[arg + 1]) << MO_GET_SHIFT(op->memop);
    }
    return a;
}

static void load(const Interp *in, const TCGOp *op)
{
    vaddr addr = address(in, op, 1);
    TCGValue v = { 0 };

    if (in->mem) {
        in->mem->load(in->mem->opaque, addr, op->memop, &v, 1 << op->sz);
        v = tci_extend(tci_bswap(v, op->memop), op->memop);
    } else {
        v = tci_load(guest(addr), op->memop);
    }
    set(in, op->arg[0], &v);
}

static void store(const Interp *in, const TCGOp *op)
{
    vaddr addr = address(in, op, 1);
    TCGValue v = get(in, op->arg[0]);

    if (in->mem) {
        v = tci_bswap(v, op->memop);
        in->mem->store(in->mem->opaque, addr, op->memop, &v, 1 << op->sz);
    } else {
        tci_store(guest(addr), op->memop, v);
    }
}

static void atomic(const Interp *in, const TCGOp *op)
{
    const TCGOpDef *def = &tcg_op_defs[op->opc];
    TCGValue args[TCG_MAX_ARGS];

    for (int i = def->nb_out; i < def->nb_out + def->nb_in; i++) {
        args[i] = get(in, op->arg[i]);
    }
    vaddr addr = args[def->nb_out].u64[0];
    if (in->mem) {
        in->mem->atomic(in->mem->opaque, op, addr, args);
    } else {
        tci_atomic(guest(addr), op, args);
    }
    for (int i = 0; i < def->nb_out; i++) {
        set(in, op->arg[i], &args[i]);
    }
}

/* The same for all, in system mode: accel/tcg translates the address. */
static void soft_access(const Interp *in, const TCGOp *op)
{
    const TCGOpDef *def = &tcg_op_defs[op->opc];
    TCGValue args[TCG_MAX_ARGS];

    for (int i = def->nb_out; i < def->nb_out + def->nb_in; i++) {
        args[i] = get(in, op->arg[i]);
    }
    if (!softmmu_run_op(op, args, in->cpu)) {
        cpu_loop_exit(in->cpu, in->cpu->exception_index);
    }
    for (int i = 0; i < def->nb_out; i++) {
        set(in, op->arg[i], &args[i]);
    }
}

static void env_access(const Interp *in, const TCGOp *op)
{
    void *field = cpu_field(in->cpu, op->imm);
    TCGValue v = { 0 };

    switch (op->opc) {
    case TCG_OP_ld_env:
    case TCG_OP_ldv_env:
        v = tci_load(field, op->memop);
        set(in, op->arg[0], &v);
        break;
    case TCG_OP_st_env:
    case TCG_OP_stv_env:
        tci_store(field, op->memop, get(in, op->arg[0]));
        break;
    default:
        v.u64[0] = (uintptr_t)field;
        set(in, op->arg[0], &v);
    }
}

static void access_memory(const Interp *in, const TCGOp *op)
{
    if (in->cpu->mmu && !in->mem) {
        soft_access(in, op);
    } else if (op->opc == TCG_OP_ld || op->opc == TCG_OP_ldv) {
        load(in, op);
    } else if (op->opc == TCG_OP_st || op->opc == TCG_OP_stv) {
        store(in, op);
    } else {
        atomic(in, op);
    }
}

/* ---- helpers ---- */

static void prepare_cifs(void)
{
    static ffi_type *uint64[6] = { &ffi_type_uint64, &ffi_type_uint64, &ffi_type_uint64,
                                   &ffi_type_uint64, &ffi_type_uint64, &ffi_type_uint64 };

    if (g_once_init_enter(&tci.cifs_ready)) {
        for (int ret = 0; ret < 2; ret++) {
            for (int n = 0; n <= 6; n++) {
                ffi_status ok =
                    ffi_prep_cif(&tci.cif[ret][n], FFI_DEFAULT_ABI, n,
                                 ret ? &ffi_type_uint64 : &ffi_type_void, n ? uint64 : NULL);
                g_assert(ok == FFI_OK);
            }
        }
        g_once_init_leave(&tci.cifs_ready, 1);
    }
}

static void call(const Interp *in, const TCGOp *op)
{
    const TCGHelperInfo *info = (const TCGHelperInfo *)(uintptr_t)op->imm;
    uint64_t value[6];
    void *arg[6];
    TCGValue result = { 0 };

    for (int i = 0; i < op->sz; i++) {
        value[i] = get_int(in, op->arg[i + 1]);
        arg[i] = &value[i];
    }
    prepare_cifs();
    ffi_call(&tci.cif[info->has_ret][op->sz], FFI_FN(info->func), &result, arg);
    if (op->arg[0]) {
        set(in, op->arg[0], &result);
    }
}

/* ---- control ---- */

static int label_place(Interp *in, int64_t label)
{
    if (!in->labels_known) {
        for (int i = 0; i < in->tb->nb_ops; i++) {
            if (in->tb->ops[i].opc == TCG_OP_label) {
                in->label_at[in->tb->ops[i].imm] = i;
            }
        }
        in->labels_known = true;
    }
    return in->label_at[label];
}

static bool cond_holds(const Interp *in, const TCGOp *op)
{
    if (op->opc == TCG_OP_brcc || op->opc == TCG_OP_exit_cc) {
        return tcg_cc_holds(op->cond, tcg_cc_unpack(get(in, op->arg[0]).u32[0]));
    }
    return tcg_eval_cond(op->cond, op->sz, get_int(in, op->arg[0]), get_int(in, op->arg[1]));
}

static TBSlot *leave(const Interp *in, const TCGOp *op)
{
    const TCGExit *e = &in->tb->exits[op->imm];
    bool indirect = op->opc == TCG_OP_exit_ind;

    cpu_set_pc(in->cpu, indirect ? get_int(in, op->arg[0]) : e->pc);
    if (e->careful) {
        in->cpu->cflags_next |= CF_CAREFUL;
    }
    if (indirect || e->kind == TCG_EXIT_MAIN || (e->poll && in->cpu->exit_request)) {
        return NULL;
    }
    for (int i = 0; i < in->tb->nb_slots; i++) {
        if (in->tb->slots[i].pc == e->pc) {
            return &in->tb->slots[i];
        }
    }
    return NULL;
}

static TBSlot *run(Interp *in)
{
    const TCGOp *ops = in->tb->ops;

    for (int i = 0;; i++) {
        const TCGOp *op = &ops[i];

        switch (op->opc) {
        case TCG_OP_nop:
        case TCG_OP_discard:
        case TCG_OP_label:
            break;
        case TCG_OP_insn_start:
            cpu_set_pc(in->cpu, op->imm);
            break;
        case TCG_OP_call:
            call(in, op);
            break;
        case TCG_OP_brcond:
        case TCG_OP_brcc:
            if (!cond_holds(in, op)) {
                break;
            }
            /* fall through */
        case TCG_OP_br:
            i = label_place(in, op->imm);
            break;
        case TCG_OP_exit_cond:
        case TCG_OP_exit_cc:
            if (!cond_holds(in, op)) {
                break;
            }
            /* fall through */
        case TCG_OP_exit:
        case TCG_OP_exit_ind:
            return leave(in, op);
        case TCG_OP_ld:
        case TCG_OP_ldv:
        case TCG_OP_st:
        case TCG_OP_stv:
        case TCG_OP_atomic_rmw:
        case TCG_OP_atomic_cas:
        case TCG_OP_atomic_cas128:
            access_memory(in, op);
            break;
        case TCG_OP_mb:
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
            break;
        case TCG_OP_ld_env:
        case TCG_OP_st_env:
        case TCG_OP_ldv_env:
        case TCG_OP_stv_env:
        case TCG_OP_env_addr:
            env_access(in, op);
            break;
        default:
            compute(in, op);
        }
    }
}

TBSlot *tci_run(CPUState *cpu, const TranslationBlock *tb, const TCIMemory *mem)
{
    TCGValue temps[tb->nb_temps];
    uint16_t label_at[TCG_MAX_LABELS];
    Interp in = {
        .mem = mem,
        .cpu = cpu,
        .tb = tb,
        .globals = cpu->target->globals,
        .nb_globals = cpu->target->nb_globals,
        .temps = temps,
        .label_at = label_at,
    };

    return run(&in);
}
