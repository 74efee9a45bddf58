/* SPDX-License-Identifier: MIT */
/*
 * The TCG intermediate representation: types, ops, temps, exits, and the per-thread TCGContext
 * that a block is built and compiled in. docs/tcg.md is the guide to it.
 */
#ifndef TCG_TCG_H
#define TCG_TCG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t vaddr; /* a guest virtual address, of any guest */

typedef struct CPUState CPUState;
typedef struct TranslationBlock TranslationBlock;
typedef struct TargetOps TargetOps;
typedef struct TCGContext TCGContext;

/* ---- memory operations --------------------------------------------------------------------- */

typedef enum MemOp {
    MO_8 = 0,
    MO_16 = 1,
    MO_32 = 2,
    MO_64 = 3,
    MO_128 = 4,
    MO_SIZE = 7,      /* mask */
    MO_SIGN = 8,      /* ld, ld_env: sign-extend to 64 bits (to 32, zero above, with MO_SEXT32) */
    MO_SEXT32 = 16,   /* with MO_SIGN: stop the sign extension at 32 bits */
    MO_BSWAP = 32,    /* guest and host differ in byte order */
    MO_ACQUIRE = 64,  /* ld: nothing later moves before it (RCsc when paired with MO_RELEASE) */
    MO_RELEASE = 128, /* st: nothing earlier moves after it; ordered before later MO_ACQUIRE */
    MO_PAIR = 256,    /* 8 or 16 bytes, single-copy atomic if aligned; to a device two accesses */
    MO_SHIFT_LSB = 9, /* the index operand is shifted left by these 3 bits' value, 0..4 */
    MO_MODE_LSB = 12, /* system mode: these 4 bits are the MMU mode of the access */
} MemOp;
#define MO_SHIFT(n)     ((unsigned)(n) << MO_SHIFT_LSB)
#define MO_GET_SHIFT(m) (((m) >> MO_SHIFT_LSB) & 7)
#define MO_MODE(n)      ((unsigned)(n) << MO_MODE_LSB)
#define MO_GET_MODE(m)  (((m) >> MO_MODE_LSB) & 15)

typedef enum TCGAtomicOp {
    TCG_ATOMIC_ADD,
    TCG_ATOMIC_AND,
    TCG_ATOMIC_OR,
    TCG_ATOMIC_XOR,
    TCG_ATOMIC_XCHG,
    TCG_ATOMIC_SMAX,
    TCG_ATOMIC_SMIN,
    TCG_ATOMIC_UMAX,
    TCG_ATOMIC_UMIN,
} TCGAtomicOp;

enum { TCG_MB_LD_LD = 1, TCG_MB_LD_ST = 2, TCG_MB_ST_LD = 4, TCG_MB_ST_ST = 8, TCG_MB_ALL = 15 };

/* ---- conditions ---------------------------------------------------------------------------- */

/* On integers (setcond, movcond, brcond, vcmp). The low bit negates. */
typedef enum TCGCond {
    TCG_COND_EQ,
    TCG_COND_NE,
    TCG_COND_LT,
    TCG_COND_GE,
    TCG_COND_LE,
    TCG_COND_GT,
    TCG_COND_LTU,
    TCG_COND_GEU,
    TCG_COND_LEU,
    TCG_COND_GTU,
    TCG_COND_TSTEQ, /* (a & b) == 0 */
    TCG_COND_TSTNE, /* (a & b) != 0 */
} TCGCond;
static inline TCGCond tcg_invert_cond(TCGCond c)
{
    return (TCGCond)(c ^ 1);
}

/*
 * On flags (setcc, movcc, brcc, exit_cc, ccmp, fsel, ccsel). The order is that of the Arm
 * encodings; the low bit negates. There is no "always".
 */
typedef enum TCGCC {
    TCG_CC_EQ, /* Z */
    TCG_CC_NE,
    TCG_CC_CS, /* C */
    TCG_CC_CC,
    TCG_CC_MI, /* N */
    TCG_CC_PL,
    TCG_CC_VS, /* V */
    TCG_CC_VC,
    TCG_CC_HI, /* C && !Z */
    TCG_CC_LS,
    TCG_CC_GE, /* N == V */
    TCG_CC_LT,
    TCG_CC_GT, /* !Z && N == V */
    TCG_CC_LE,
} TCGCC;

/*
 * Flags as they lie in memory and in integer registers: four bits at the places where an x86-64
 * host can gather them (LAHF, SETO). The other bits mean nothing and may be anything.
 */
#define TCG_CCR_N    (1u << 15)
#define TCG_CCR_Z    (1u << 14)
#define TCG_CCR_C    (1u << 8)
#define TCG_CCR_V    (1u << 0)
#define TCG_CCR_MASK (TCG_CCR_N | TCG_CCR_Z | TCG_CCR_C | TCG_CCR_V)

/* N Z C V in bits 3..0 <-> the packed form */
static inline uint32_t tcg_cc_pack(unsigned nzcv)
{
    return (nzcv & 8 ? TCG_CCR_N : 0) | (nzcv & 4 ? TCG_CCR_Z : 0) | (nzcv & 2 ? TCG_CCR_C : 0) |
           (nzcv & 1 ? TCG_CCR_V : 0);
}
static inline unsigned tcg_cc_unpack(uint32_t ccr)
{
    return (ccr & TCG_CCR_N ? 8 : 0) | (ccr & TCG_CCR_Z ? 4 : 0) | (ccr & TCG_CCR_C ? 2 : 0) |
           (ccr & TCG_CCR_V ? 1 : 0);
}
bool tcg_cc_holds(TCGCC cond, unsigned nzcv);

/* ---- packed immediates ---------------------------------------------------------------------- */

#define TCG_FIELD(pos, len) ((pos) | (len) << 8)
#define TCG_FIELD_POS(imm)  ((int)(imm)&0xff)
#define TCG_FIELD_LEN(imm)  ((int)((imm) >> 8) & 0xff)

/* Rounding modes are FloatRoundMode (fpu/softfloat.h) or TCG_ROUND_CURRENT, that of FloatStatus. */
#define TCG_ROUND_CURRENT      15
#define TCG_ROUND(mode, exact) ((mode) | (exact) << 4)
#define TCG_ROUND_MODE(imm)    ((int)(imm)&15)
#define TCG_ROUND_EXACT(imm)   ((int)(imm) >> 4 & 1)
#define TCG_FTOI(fmt, mode, uns, fbits) \
    ((int64_t)(fmt) << 8 | (int64_t)(mode) | (int64_t)(uns) << 4 | (int64_t)(fbits) << 16)
#define TCG_FTOI_FMT(imm)         ((int)((imm) >> 8) & 7) /* MO_16, MO_32, MO_64 */
#define TCG_FTOI_MODE(imm)        ((int)(imm)&15)
#define TCG_FTOI_UNSIGNED(imm)    ((int)(imm) >> 4 & 1)
#define TCG_FTOI_FBITS(imm)       ((int)((imm) >> 16) & 0x7f) /* a is multiplied by 2^fbits first */
#define TCG_ITOF(isz, uns, fbits) ((int64_t)(isz) | (int64_t)(uns) << 4 | (int64_t)(fbits) << 16)
#define TCG_ITOF_SIZE(imm)        ((int)(imm)&7) /* MO_32 or MO_64; ignored by vitof */
#define TCG_ITOF_UNSIGNED(imm)    ((int)(imm) >> 4 & 1)
#define TCG_ITOF_FBITS(imm)       ((int)((imm) >> 16) & 0x7f) /* the result is divided by 2^fbits */

/* ---- ops ------------------------------------------------------------------------------------ */

typedef enum TCGOpcode {
#define DEF(name, sig, flags, doc) TCG_OP_##name,
#include "tcg/ops.h.inc"
#undef DEF
    TCG_OP_COUNT
} TCGOpcode;

enum {
    TCG_OPF_SZ_INT = 1,
    TCG_OPF_SZ_EL = 2,
    TCG_OPF_SZ_FP = 4,
    TCG_OPF_SZ_MEM = 8,
    TCG_OPF_IMM = 16,
    TCG_OPF_COND = 32,
    TCG_OPF_FX = 64,
    TCG_OPF_FAULT = 128,
    TCG_OPF_END = 256,
    TCG_OPF_EXIT = 512,
    TCG_OPF_COMM = 1024,
};

typedef struct TCGOpDef {
    const char *name;
    const char *out; /* operand classes, "" to "ic" */
    const char *in;
    uint8_t nb_out, nb_in;
    uint16_t flags; /* TCG_OPF_* */
    const char *doc;
} TCGOpDef;
extern const TCGOpDef tcg_op_defs[TCG_OP_COUNT];
/* Its condition is a TCGCC, of its first input, instead of a TCGCond. */
static inline bool tcg_op_cond_on_flags(unsigned opc)
{
    return tcg_op_defs[opc].in[0] == 'c';
}

#define TCG_MAX_ARGS 8
#define TCG_NONE     0 /* temp 0 is no temp: an absent index, a helper without a result */

/*
 * Outputs come first in arg[], then inputs; each is a temp's index. Constants are temps too.
 * `call`: arg[0] is the result or TCG_NONE, arg[1..] the inputs. `discard`: arg[0].
 */
typedef struct TCGOp {
    uint16_t opc;   /* TCGOpcode */
    uint8_t sz;     /* MemOp size, see the op's flags */
    uint8_t cond;   /* TCGCond or TCGCC */
    uint16_t life;  /* by tcg_liveness: bit n: arg n dies here (input) or is dead (output) */
    uint16_t memop; /* MemOp, for SZ_MEM ops */
    int64_t imm;
    uint16_t arg[TCG_MAX_ARGS];
} TCGOp;

/* ---- temps ---------------------------------------------------------------------------------- */

typedef enum TCGType { TCG_TYPE_I64, TCG_TYPE_CC, TCG_TYPE_F64, TCG_TYPE_V128 } TCGType;

typedef enum TCGTempKind {
    TEMP_GLOBAL, /* a field of CPUState; keeps its value everywhere */
    TEMP_CONST,  /* val (integers, flags) or val, val2 (vectors); never written */
    TEMP_PC,     /* val, a guest address at a fixed distance from the block; never written */
    TEMP_EBB,    /* written once or more, but not live across a label */
    TEMP_LOCAL,  /* lives across labels; written any number of times */
} TCGTempKind;

typedef struct TCGTemp {
    uint8_t kind; /* TCGTempKind */
    uint8_t type; /* TCGType */
    uint64_t val, val2;
} TCGTemp;

/* Typed handles, so that the C compiler checks the classes. */
typedef struct {
    uint16_t i;
} TCGv_i64;
typedef struct {
    uint16_t i;
} TCGv_cc;
typedef struct {
    uint16_t i;
} TCGv_f64;
typedef struct {
    uint16_t i;
} TCGv_vec;

/* A target's guest registers that the optimiser and the register allocator know. */
typedef struct TCGGlobalDef {
    const char *name;
    uint32_t offset; /* bytes from the start of CPUState */
    uint8_t type;    /* TCGType: I64 (8 bytes), CC (4 bytes), V128 (16 bytes, 16-aligned) */
    uint8_t pin;     /* 1: first to get a host register of its own, 2: next, …; 0: never */
} TCGGlobalDef;
/* Global n of a target is temp n + 1. */
#define TCG_GLOBAL_TEMP(n) ((uint16_t)((n) + 1))

/* ---- exits ---------------------------------------------------------------------------------- */

typedef enum TCGExitKind {
    TCG_EXIT_JUMP,     /* to the block at `pc`, chained */
    TCG_EXIT_CALL,     /* the same, and the guest will probably come back to `ret_pc` */
    TCG_EXIT_JUMP_IND, /* to the pc in the op's operand: inline look-up */
    TCG_EXIT_CALL_IND, /* the same as a call that will come back to `ret_pc` */
    TCG_EXIT_RET,      /* to the pc in the operand, probably the newest `ret_pc` not yet used */
    TCG_EXIT_MAIN,     /* to cpu_exec with the guest pc = `pc`; cpu->exception_index says why */
    TCG_EXIT_MAIN_IND, /* to cpu_exec with the guest pc from the operand */
} TCGExitKind;

typedef struct TCGExit {
    uint8_t kind; /* TCGExitKind */
    bool poll;    /* ask for interrupts on the way (backward jumps) */
    bool cc_dead; /* where this goes, the flags are written before they are read */
    bool careful; /* MAIN: the next block is a CF_CAREFUL one */
    vaddr pc;     /* JUMP, CALL, MAIN */
    vaddr ret_pc; /* CALL, CALL_IND */
} TCGExit;

/* ---- helpers -------------------------------------------------------------------------------- */

enum {
    TCG_CALL_NO_RG = 1,  /* reads no global */
    TCG_CALL_NO_WG = 2,  /* writes no global */
    TCG_CALL_NO_SE = 4,  /* may be dropped if its result is not used; implies NO_WG */
    TCG_CALL_NO_VEC = 8, /* compiled with general registers only: host vector registers survive */
    TCG_CALL_NO_RETURN = 16, /* leaves by cpu_loop_exit: nothing after it is reached */
};

/*
 * A C function that compiled code may call: up to 6 integer arguments (guest values, addresses
 * of state, constants), an integer result or none. Bit n of ret/arg `typemask` is not needed: all
 * are uint64_t. A helper that takes CPUState * gets it by tcg_env(s).
 */
typedef struct TCGHelperInfo {
    const char *name;
    void *func;
    uint8_t nargs;
    bool has_ret;
    uint8_t flags; /* TCG_CALL_* */
} TCGHelperInfo;

/* Calls with env, address and size (bytes) before, with env behind each op that stores. */
typedef struct TCGStoreGuard {
    const TCGHelperInfo *begin, *end;
} TCGStoreGuard;

/* ---- the context ---------------------------------------------------------------------------- */

enum {
    TCG_MAX_OPS = 8192,
    TCG_MAX_TEMPS = 4096,
    TCG_MAX_LABELS = 256,
    TCG_MAX_EXITS = 128,
};

/* Everything that building and compiling one block needs; one for each translating thread. */
struct TCGContext {
    const TargetOps *target;
    CPUState *cpu;       /* whose block is translated; for fetching guest code */
    bool fp_soft;        /* floating point through fpu/ only (a rare mode, or a careful block) */
    bool fp_flush;       /* denormal operands and results of MO_32 and MO_64 are zeros */
    bool fp_default_nan; /* every NaN result is the default one */
    /* Set by the backend: zeros above a floating scalar cost it nothing, so the guest's register is
     * as good an input as the scalar that went into it. */
    bool scalars_extend;
    uint16_t mem_flags; /* ORed to the memop of every guest memory op: the front end's MO_MODE */
    const TCGStoreGuard *store_guard; /* of the front end; NULL: none */
    bool overflow; /* ops, temps, labels or exits ran out: translate fewer instructions */
    /*
     * System mode: host address of the page that holds tb->pc. The front end reads code there only,
     * and ends the block (a JUMP exit) at the page's end; memops carry MO_MODE. NULL: user mode.
     */
    const uint8_t *code_page;
    bool pc_relative; /* tcg_const_pc makes TEMP_PCs */
    bool relocatable; /* the backend lists what a copy of the code has to change */

    int nb_ops, nb_temps, nb_globals, nb_labels, nb_exits;
    TCGOp ops[TCG_MAX_OPS];
    TCGTemp temps[TCG_MAX_TEMPS];
    TCGExit exits[TCG_MAX_EXITS];
    uint16_t const_hash[256]; /* chains through const_next */
    uint16_t const_next[TCG_MAX_TEMPS];

    TranslationBlock *tb;
    struct TCGCodeRegion *code;     /* where the backend emits (tcg/backend.h) */
    void *backend;                  /* the backend's own data (tcg_backend_context_new) */
    struct TCGOptimizer *optimizer; /* tcg_optimize's and tcg_liveness's own data */
};

/* Allocates a context for the target; freed by tcg_context_free. */
TCGContext *tcg_context_new(const TargetOps *target);
void tcg_context_free(TCGContext *s);
/* Forgets the last block: no ops, only the globals as temps. */
void tcg_context_start(TCGContext *s, TranslationBlock *tb);

TCGv_i64 tcg_temp_i64(TCGContext *s);
TCGv_cc tcg_temp_cc(TCGContext *s);
TCGv_f64 tcg_temp_f64(TCGContext *s);
TCGv_vec tcg_temp_vec(TCGContext *s);
/* A temp that lives across labels. */
TCGv_i64 tcg_local_i64(TCGContext *s);
TCGv_vec tcg_local_vec(TCGContext *s);
/* Constants are shared: the same value gives the same temp. */
TCGv_i64 tcg_const(TCGContext *s, uint64_t val);
/* A guest address found from the block's own pc. Front ends use it for every such address, so that
 * a translation can be moved with its code (docs/tcg.md, "Persistent cache"). */
TCGv_i64 tcg_const_pc(TCGContext *s, vaddr addr);
TCGv_vec tcg_const_vec(TCGContext *s, uint64_t lo, uint64_t hi);
TCGv_cc tcg_const_cc(TCGContext *s, unsigned nzcv);

static inline TCGv_i64 tcg_global_i64(int n)
{
    return (TCGv_i64){ TCG_GLOBAL_TEMP(n) };
}
static inline TCGv_cc tcg_global_cc(int n)
{
    return (TCGv_cc){ TCG_GLOBAL_TEMP(n) };
}
static inline TCGv_vec tcg_global_vec(int n)
{
    return (TCGv_vec){ TCG_GLOBAL_TEMP(n) };
}
/* The low lane of a vector as a floating scalar (for inputs only). */
static inline TCGv_f64 tcg_vec_low(TCGv_vec v)
{
    return (TCGv_f64){ v.i };
}
#define TCG_NO_INDEX ((TCGv_i64){ TCG_NONE })

/* Appends an op and returns it with all fields but opc zero; NULL-safe overflow is in s->overflow.
 */
TCGOp *tcg_emit_op(TCGContext *s, TCGOpcode opc);

int tcg_new_label(TCGContext *s);
/* Registers an exit and returns its index for the exit ops. */
int tcg_new_exit(TCGContext *s, TCGExit exit);

/* ---- the pipeline, in order --------------------------------------------------------------------
 */

/* Checks every rule of docs/tcg.md; on a breach prints the op list and what is wrong, and aborts.
 */
void tcg_check(TCGContext *s, const char *when);
/* Constants, copies, identities, loads of what was just stored, dead ends. In place. */
void tcg_optimize(TCGContext *s);
/* Removes ops whose results are dead and sets life. Backward, once. */
void tcg_liveness(TCGContext *s);

enum { TCG_GEN_OK = 0, TCG_GEN_BUFFER_FULL = -1, TCG_GEN_TOO_LARGE = -2 };
/*
 * Compiles the op list for tb at the code buffer's current place and fills tb->tc, tb->slots and
 * the side table. BUFFER_FULL: get another region and call again; TOO_LARGE: translate fewer
 * instructions.
 */
int tcg_gen_code(TCGContext *s, TranslationBlock *tb);

/* Prints ops as text (-d op); the same text everywhere: tests, logs, the checker. */
void tcg_dump_ops(const TCGContext *s, void *file /* FILE * */, bool with_life);
const char *tcg_temp_name(const TCGContext *s, int temp, char buf[32]);

#endif
