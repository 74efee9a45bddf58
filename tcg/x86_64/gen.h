/* SPDX-License-Identifier: MIT */
/*
 * The generator's state while one block is compiled, and what its files offer each other.
 * Registers have one numbering in the allocator: 0..15 are the GPRs, 16..47 the vector registers.
 */
#ifndef TCG_X86_64_GEN_H
#define TCG_X86_64_GEN_H

#include <string.h>

#include "exec/cpu.h"
#include "exec/tb.h"
#include "tcg/x86_64/x86.h"

enum {
    X86_NB_REGS = 48,
    X86_VREG0 = 16,
    X86_MAX_OOL = 1024,
    X86_MAX_LOCALS = 512,
    X86_MAX_CONSTS = 256,
    X86_MAX_SLOTS = 2 * TCG_MAX_EXITS,
    X86_NB_SPILLS = 44, /* 8-byte slots in cpu->scratch, after the evaluator's arguments */
    X86_OP_ROOM = 1024, /* bytes that the code of one op and its out-of-line part may take */
    X86_SIDE_SIZE = 1 << 16,
    X86_MAX_MOVES = 1024,
    X86_MAX_GLOBALS = 256,
    X86_MAX_KEPT_OPS = 64,
    X86_NEXT_NONE = 0xffff,
    X86_NO_DISP = INT32_MIN,
    X86_K_ONE = 2, /* mask register that holds 1 */
};

typedef uint64_t X86RegMask;
#define X86_MASK(reg) (UINT64_C(1) << (reg))
#define X86_INT_MASK  UINT64_C(0xffff)
#define X86_VEC_MASK  UINT64_C(0xffffffff0000)

/* Where the value of a temp is. It may be in both places; a constant counts as in memory. */
typedef struct X86Temp {
    uint8_t reg; /* allocator's number or X86_NO_REG */
    bool in_mem; /* the copy at disp is current (or nobody needs the value) */
    uint16_t
        next; /* index of the op that uses it next, X86_NEXT_NONE: none before the end or a label */
    int32_t
        disp; /* of its home from RBP: the guest register's field or a spill slot; X86_NO_DISP */
} X86Temp;

/* What EFLAGS says about the flags temp that it holds. */
typedef enum X86FlagsForm {
    X86_FL_CARRY,     /* CF = C (additions, logic, unpacked flags) */
    X86_FL_BORROW,    /* CF = !C (subtractions) */
    X86_FL_FCMP,      /* (V)UCOMISx a, b */
    X86_FL_FCMP_SWAP, /* (V)UCOMISx b, a */
} X86FlagsForm;

/* A condition of EFLAGS: cc, and with second >= 0 `cc && second` if both, else `cc || second`. */
typedef struct X86Cond {
    int cc, second;
    bool both;
} X86Cond;

/* A place where a dirty global is at an exit or a fault. loc: register number or X86_LOC_FLAGS +
 * form. */
typedef struct X86Dirty {
    uint16_t temp;
    uint16_t loc; /* 16 bits: lists are compared byte by byte, padding would be seen */
} X86Dirty;
enum { X86_LOC_FLAGS = 0xf0 };
enum { X86_FLAGS_BUSY = 0xffff }; /* EFLAGS hold a test for the current op, no temp */

/* Code to be emitted behind the block. */
typedef struct X86Ool X86Ool;
typedef void X86OolFn(X86Gen *g, X86Ool *ool);
struct X86Ool {
    X86OolFn *fn;
    uint8_t *from[4]; /* rel32 fields to point at the code */
    int nb_from;
    uint8_t *back; /* where it comes back to */
    const TCGOp *op;
    int arg;
    uint16_t dirty, nb_dirty; /* range of g->dirty_pool */
    const X86Operand *o;      /* operands in g->o_pool */
    int local;                /* where a slow path comes back to */
    vaddr pc;                 /* of the guest instruction */
    bool zero_above;          /* as X86Gen's */
};

struct X86Gen {
    uint8_t *p; /* where the next byte goes (writable address) */
    uint8_t *start, *limit;
    ptrdiff_t rx_delta;
    TCGContext *s;
    TranslationBlock *tb;
    int index; /* of the current op */
    int error; /* TCG_GEN_* */
    vaddr pc;  /* of the current guest instruction */

    /* --- the allocator --- */
    X86RegMask free;   /* allocatable registers that hold nothing */
    X86RegMask locked; /* registers of the current op */
    uint64_t spills;   /* free spill slots */
    uint16_t holder[X86_NB_REGS];
    uint16_t flags_temp; /* whose value EFLAGS holds; TCG_NONE, or X86_FLAGS_BUSY */
    X86FlagsForm flags_form;
    bool trap_next; /* the next vector instruction may trap: mark it (asm-vec.c) */
    int zero_above; /* 0, or 1 + the size of the lane above which the current op's output is zero */
    bool broadcast; /* the current ldv fills every lane of its destination (mem.c) */
    bool mix;       /* the current AES op does the MixColumns after it too (crypto.c) */
    int flags_new;  /* form of the flags that the current op makes; -1 */
    X86Cond cond;   /* of an X86R_CC_IN op */
    int slow_local; /* where slow paths of the current op come back to; -1: it has none */
    int movi_reg;   /* pinned register that was last set to a constant, or -1 */
    uint64_t movi_val;
    int probe_tmp; /* a register free after the TLB was probed (softmmu.c) */
    bool movi_pc;  /* it is the block's pc plus something */

    /* --- pending --- */
    int nb_ool, nb_locals, nb_fixups, nb_consts, nb_slots, nb_dirty_pool, nb_o_pool;
    X86Ool ool[X86_MAX_OOL];
    X86Dirty dirty_pool[4096];
    X86Operand o_pool[1024];
    uint8_t *local_at[X86_MAX_LOCALS]; /* NULL: not yet bound */
    uint8_t *label_at[TCG_MAX_LABELS];
    struct {
        uint8_t *at;
        int target;
    } fixups[1024]; /* target: label, or TCG_MAX_LABELS + local */
    struct {
        uint64_t lo, hi;
    } consts[X86_MAX_CONSTS];
    struct {
        uint8_t *at;
        int id;
    } const_refs[1024];
    int nb_const_refs;
    TBSlot slots[X86_MAX_SLOTS];
    TBSlot *tb_slots; /* where they will live; nb_slots_max of them */
    int nb_slots_max;

    /* --- what a copy has to change --- */
    int nb_moves, nb_kept, max_kept;
    bool fixed; /* it cannot be copied */
    TCGOp *kept;
    TCGMove moves[X86_MAX_MOVES];

    /* --- the side table as it grows --- */
    int side_len;
    uint32_t side_host;
    vaddr side_pc;
    int side_nb_dirty;
    X86Dirty side_dirty[X86_NB_REGS + 1];
    uint8_t side[X86_SIDE_SIZE];

    X86Temp t[TCG_MAX_TEMPS];
    /* From the backward pass: for each op's arguments the op that uses the temp next after it. */
    uint16_t next[TCG_MAX_OPS][TCG_MAX_ARGS];
    uint8_t redef[TCG_MAX_OPS]; /* bit n: output n, a global, is written again before it must be in
                                   memory */
};

/* Fixed for the process: which globals have a register of their own, and the code of prologue.c. */
typedef struct X86Layout {
    X86RegMask alloc;                 /* what the allocator may use */
    uint16_t pinned[X86_NB_REGS];     /* temp in each pinned register; TCG_NONE */
    X86Temp globals[X86_MAX_GLOBALS]; /* initial state; entry n is temp n */
    int nb_globals;
    int cc_temp;                  /* the flags global, or TCG_NONE */
    const uint8_t *exit_slot;     /* RAX: TBSlot; stores its pc, returns it */
    const uint8_t *exit_poll;     /* RAX: TBSlot; stores its pc, returns NULL */
    const uint8_t *exit_null;     /* pc is stored; returns NULL */
    const uint8_t *exit_restored; /* all state is stored already; returns NULL */
    const uint8_t *call_full[2];  /* RAX: function; [1]: R8 and R9 are stored and hold arguments */
    const uint8_t *call_read[2];  /* the same for helpers that write no global */
    const uint8_t *call_pure[2];  /* neither read nor write */
    const uint8_t *call_novec[2]; /* neither, vector registers survive */
    const uint8_t *call_mmu;      /* [RSP + 8] after the call: op; keeps all, or leaves the block */
    const uint8_t *call_slow; /* RAX: evaluator, [RSP + 8] after the call: op; keeps all but RAX */
} X86Layout;
extern X86Layout x86_layout;

/* ---- offsets from RBP ---- */

static inline int32_t x86_env_disp(int64_t offset)
{
    return (int32_t)(offset - x86_config.target->env_bias);
}
#define X86_CPU(field) x86_env_disp(offsetof(CPUState, field))
/* TCGValue n of the evaluator's argument array; 16-aligned within the state. */
static inline int32_t x86_arg_disp(int n)
{
    return x86_env_disp(((offsetof(CPUState, scratch) + 15) & ~(size_t)15) + 16 * (size_t)n);
}
static inline int32_t x86_spill_disp(int slot)
{
    return x86_arg_disp(TCG_MAX_ARGS) + 8 * slot;
}

/* ---- prologue.c ---- */
void x86_layout_init(const TargetOps *target);

/* ---- gen.c ---- */
static inline void x86_put8(X86Gen *g, unsigned v)
{
    *g->p++ = (uint8_t)v;
}
static inline void x86_put32(X86Gen *g, uint32_t v)
{
    memcpy(g->p, &v, 4);
    g->p += 4;
}
static inline void x86_put64(X86Gen *g, uint64_t v)
{
    memcpy(g->p, &v, 8);
    g->p += 8;
}
static inline const uint8_t *x86_rx(const X86Gen *g, const uint8_t *p)
{
    return p + g->rx_delta;
}
/* A new piece of out-of-line code; its fields but fn and from are zero. */
X86Ool *x86_new_ool(X86Gen *g, X86OolFn *fn, uint8_t *from);
/* jcc, or jmp with cc -1, to something not yet known; returns the rel32 field. */
uint8_t *x86_jump_later(X86Gen *g, int cc);
void x86_patch_rel32(uint8_t *field, const uint8_t *to);
/* jmp or call to code of the prologue, or anywhere within 2 GiB (an executable address). */
void x86_jump_to(X86Gen *g, unsigned opcode, const uint8_t *rx);
static inline TCGTemp *x86_temp(X86Gen *g, int temp)
{
    return &g->s->temps[temp];
}
static inline bool x86_arg_dies(const TCGOp *op, int arg)
{
    return op->life >> arg & 1;
}
/* mov reg, a guest address; uses the mov that a copy can change if it has to. */
void x86_mov_pc(X86Gen *g, int reg, vaddr pc);
/* mov [pc of the state], pc; uses RAX. */
void x86_store_pc(X86Gen *g, vaddr pc);
/* push of a guest address; uses RAX unless it is short. */
void x86_push_pc(X86Gen *g, vaddr pc);
/* mov reg, address of something of the emulator's: tb->slots[index], kept op `index`, or code. */
void x86_mov_ptr(X86Gen *g, int reg, const void *p, TCGMoveKind kind, int index);
/* A copy of the op that lives as long as the block, for evaluators; its index among them. */
const TCGOp *x86_keep_op(X86Gen *g, const TCGOp *op, int *index);
/* A jump to a label of the op list, with the state already in memory. */
void x86_jcc_label(X86Gen *g, int cc, int label);

/* ---- regalloc.c ---- */
void x86_alloc_start(X86Gen *g);
/* A free register out of mask; evicts the one whose value is needed last if there is none. */
int x86_reg_alloc(X86Gen *g, X86RegMask mask, X86RegMask prefer);
/* Empties reg: its value moves to another register or to memory. */
void x86_reg_claim(X86Gen *g, int reg);
/* Writes reg's value to memory if only the register has it. */
void x86_reg_sync(X86Gen *g, int reg);
/* The temp's value in a register out of mask. */
int x86_temp_reg(X86Gen *g, int temp, X86RegMask mask);
/* Loads or copies the temp's value into reg, which is no temp's; the allocator does not notice. */
void x86_temp_copy(X86Gen *g, int temp, int reg);
/* The temp's value is now in reg (and nowhere else). */
void x86_temp_set(X86Gen *g, int temp, int reg);
void x86_temp_dead(X86Gen *g, int temp);
/* Gives the temp a home in memory. */
void x86_temp_home(X86Gen *g, int temp);
/* After an op: commits output n to register reg; writes it through if it is not written again. */
void x86_output(X86Gen *g, const TCGOp *op, int n, int reg);
/* After the inputs of an op have been used: frees what dies, notes next uses. */
void x86_inputs_done(X86Gen *g, const TCGOp *op, int first, int count);
/* Everything that may be live at a label or in a helper goes to memory; drop: and out of registers.
 */
void x86_sync_all(X86Gen *g, bool drop);
/* Takes all values out of the allocatable registers. */
void x86_drop_all(X86Gen *g);
/* The op by its rule, or by the given one. */
void x86_gen_rule(X86Gen *g, const TCGOp *op);
void x86_gen_by_rule(X86Gen *g, const TCGOp *op, const X86OpRule *rule);
/* Globals whose field in memory is stale, for exits and the side table; returns how many. */
int x86_dirty_list(X86Gen *g, X86Dirty *out, bool cc_dead);
void x86_load(X86Gen *g, int reg, int type, int32_t disp);
void x86_store(X86Gen *g, int reg, int type, int32_t disp);
void x86_move(X86Gen *g, int dst, int src);
/* Loads a constant; keeps EFLAGS if they hold something. */
void x86_movi(X86Gen *g, int reg, uint64_t val);

/* ---- flags.c ---- */
/* For emitters: EFLAGS hold the op's class c output in this form. */
static inline void x86_flags_set(X86Gen *g, X86FlagsForm form)
{
    g->flags_new = form;
}
/* EFLAGS are about to be destroyed: saves them if somebody needs them. */
void x86_flags_clobber(X86Gen *g);
/* The same, by op: not for what dies in it or is its output. Does not yet forget what they hold. */
void x86_flags_clobber_by(X86Gen *g, const TCGOp *op);
/* After op, whose flags output (if any) is argument n: EFLAGS hold what x86_flags_set said. */
void x86_flags_output(X86Gen *g, const TCGOp *op, int n);
/* Packs what EFLAGS hold into a register, for its temp; EFLAGS keep it too. */
void x86_flags_pack(X86Gen *g);
/* In RAX: packs EFLAGS of that form. Keeps CF of X86_FL_BORROW only in inverted form. */
void x86_emit_pack(X86Gen *g, X86FlagsForm form);
/* Makes EFLAGS tell whether cond holds of temp, and how. To be called before operands are placed.
 */
X86Cond x86_flags_test(X86Gen *g, int temp, TCGCC cond);
/* Makes CF equal C of temp, or its inverse. */
void x86_flags_carry(X86Gen *g, int temp, bool inverse);
/* The x86 condition of cond when the flags are in EFLAGS in that form; not HI, LS of X86_FL_CARRY.
 */
X86Cond x86_form_cond(X86FlagsForm form, TCGCC cond);
static inline X86Cond x86_cond1(int cc)
{
    return (X86Cond){ cc, -1, false };
}
static inline X86Cond x86_cond_not(X86Cond c)
{
    return (X86Cond){ c.cc ^ 1, c.second < 0 ? -1 : c.second ^ 1, !c.both };
}
/* jcc to somewhere later for a condition; returns how many rel32 fields (1 or 2) there are. */
int x86_jump_cond(X86Gen *g, X86Cond c, uint8_t *fields[2]);
/* Points such fields at the current place. */
void x86_bind_fields(X86Gen *g, uint8_t *fields[], int nb);
void x86_gen_ccmp(X86Gen *g, const TCGOp *op);
void x86_gen_ccsel(X86Gen *g, const TCGOp *op);

/* ---- int.c ---- */
/* cmp or test for cond of operands a, b; returns the x86 condition. Destroys EFLAGS. */
int x86_emit_compare(X86Gen *g, int sz, TCGCond cond, const X86Operand *a, const X86Operand *b);
/* The inputs first, first + 1 of op as operands of a comparison. */
void x86_compare_operands(X86Gen *g, const TCGOp *op, int first, X86Operand o[2]);

void x86_gen_mul(X86Gen *g, const TCGOp *op);
/* With an addition behind it, which then is part of it. */
void x86_gen_shl(X86Gen *g, const TCGOp *op);

/* ---- calls.c ---- */
void x86_gen_call(X86Gen *g, const TCGOp *op);
void x86_gen_eval(X86Gen *g, const TCGOp *op);

/*
 * Brings n inputs of op, from argument first on, into dst[], and empties all allocatable registers
 * but those; what lives on goes to memory. For calls and the like.
 */
void x86_place_args(X86Gen *g, const TCGOp *op, int first, const uint8_t *dst, int n);

/* ---- mem.c ---- */
void x86_gen_cas128(X86Gen *g, const TCGOp *op);
void x86_gen_mb(X86Gen *g, const TCGOp *op);
void x86_gen_atomic_rmw(X86Gen *g, const TCGOp *op);

/* ---- moves.c ---- */
/* The field that is emitted next is one that a copy has to change. */
void x86_note_move(X86Gen *g, TCGMoveKind kind, int index);
/* Displacement from RBP of CPUState.code_page's entry for this address. */
int32_t x86_code_page_disp(vaddr pc);
void x86_moves_start(X86Gen *g);
void x86_moves_trim(X86Gen *g); /* before anything else is allocated: room that is not needed */
void x86_moves_finish(X86Gen *g);

/* ---- exits.c ---- */
void x86_gen_exit(X86Gen *g, const TCGOp *op);
void x86_gen_exit_cond(X86Gen *g, const TCGOp *op);
void x86_gen_exit_ind(X86Gen *g, const TCGOp *op);
/* Leaves by e if c; early: further jumps to the same exit, from places with the same state. */
void x86_side_exit(X86Gen *g, X86Cond c, const TCGExit *e, uint8_t *const early[], int nb_early);

/* ---- fp-mode.c ---- */
/* Flags of MXCSR that only a trap can have set: the exceptions that are not masked. */
uint32_t x86_trap_flags(uint32_t mxcsr);

/* ---- side-table.c ---- */
void x86_side_start(X86Gen *g);
/* The guest register temp was moved to loc for the next mark only (it is in a pinned register
 * otherwise). */
void x86_mark_fault_moved(X86Gen *g, int temp, int loc);
/* Just behind a call in out-of-line code: the state is that of an earlier place. */
void x86_mark_ool_call(X86Gen *g, vaddr pc, const X86Dirty *dirty, int n);
typedef struct X86SideEntry {
    vaddr pc;
    int nb_dirty;
    X86Dirty dirty[X86_NB_REGS + 1];
} X86SideEntry;
/* What the slow path of a memory access saves: all registers, by the allocator's numbers. */
typedef struct X86SlowFrame {
    uint64_t (*vec)[2];
    uint64_t gpr[16];
    uintptr_t ret; /* in the block's out-of-line code */
    const TCGOp *op;
} X86SlowFrame;
bool x86_restore_frame(const TranslationBlock *tb, const X86SlowFrame *frame, CPUState *cpu);
bool x86_side_find(const TranslationBlock *tb, uint32_t host_offset, X86SideEntry *e);

#endif
