/* SPDX-License-Identifier: MIT */
/* What accel/tcg asks of a host backend (tcg/x86_64) beyond tcg_gen_code. */
#ifndef TCG_BACKEND_H
#define TCG_BACKEND_H

#include <glib.h>

#include "exec/cpu.h"
#include "exec/tb.h"

/* Where code is emitted: bytes go to the writable address, and run at writable + rx_delta. */
typedef struct TCGCodeRegion {
    uint8_t *ptr; /* next byte, writable address; advanced by what emits */
    uint8_t *end;
    ptrdiff_t rx_delta;
} TCGCodeRegion;

typedef struct TCGBackendConfig {
    const TargetOps *target;
    const char *host_features; /* NULL: what CPUID says; else it is narrowed (docs/tcg.md) */
    uint64_t guest_base;
    bool fp_check;     /* check floating results inline instead of trapping */
    bool no_peepholes; /* each op by itself */
    bool softmmu;      /* guest accesses go through the software TLB */
} TCGBackendConfig;

/* Once. False and *err: host_features names an unknown feature, or one that this host lacks. */
bool tcg_backend_init(const TCGBackendConfig *config, GError **err);
/* Features in use, as text for -version and logs. */
const char *tcg_backend_features(void);

/*
 * Emits the entry and exit code into region. Afterwards:
 * tcg_enter(cpu, code) runs compiled code on the thread's return stack (cpu->ret_sp) and returns
 * the TBSlot by which it left when that slot is not chained (the guest pc is then stored too), or
 * NULL: the pc is stored and cpu->exception_index or cpu->exit_request says why, or neither (an
 * indirect branch that the jump cache did not know).
 */
void tcg_backend_prologue(TCGCodeRegion *region);
extern TBSlot *(*tcg_enter)(CPUState *cpu, const void *code);

/* What compiled code wants of the calling host thread before its first block. */
void tcg_backend_thread_init(void);

/* Empties the thread's return stack (at start, after a flush or an invalidation of everything). */
void tcg_backend_reset_ret_stack(CPUState *cpu);

/* Atomically lets slot's jump go to target's entry; NULL: to its own stub. Any thread may be
 * running it. */
void tcg_backend_patch(TBSlot *slot, const TranslationBlock *target, ptrdiff_t rw_minus_rx);

/*
 * What code holds that is not the same at another place or in another process. A TCGMove is the
 * offset of a field in the code, its kind and an index.
 */
typedef uint32_t TCGMove;
typedef enum TCGMoveKind {
    MOVE_PC,    /* 64 bits: a guest address at a fixed distance from the block's pc */
    MOVE_SLOT,  /* 64 bits: tb->slots + index */
    MOVE_OP,    /* 64 bits: op `index` of those kept for evaluators */
    MOVE_HOST,  /* 64 bits: an address in the emulator's own image */
    MOVE_THUNK, /* 32 bits: the distance to a fixed place in the code buffer */
    MOVE_PAGE,  /* 32 bits: displacement of CPUState.code_page's entry for tb->slots[index].pc */
} TCGMoveKind;
enum { MOVE_MAX_OFFSET = 1 << 18, MOVE_MAX_INDEX = 1 << 11 };

static inline TCGMove tcg_move(TCGMoveKind kind, uint32_t offset, unsigned index)
{
    return offset | (uint32_t)kind << 18 | (uint32_t)index << 21;
}
static inline uint32_t tcg_move_offset(TCGMove m)
{
    return m & (MOVE_MAX_OFFSET - 1);
}
static inline TCGMoveKind tcg_move_kind(TCGMove m)
{
    return (TCGMoveKind)(m >> 18 & 7);
}
static inline unsigned tcg_move_index(TCGMove m)
{
    return m >> 21;
}

/* With TCGContext.relocatable tcg_gen_code makes one, unless the block has too much of something.
 */
typedef struct TBMoves {
    /* accel/tcg's: a sum of the guest code that the block was made of; for machines
     * PersistKey.offset */
    uint64_t guest_sum;
    TCGOp *ops; /* those that evaluators get, by index */
    uint16_t nb_ops, nb_moves;
    TCGMove moves[];
} TBMoves;

/* How far things are from where they were when the code was emitted. */
typedef struct TCGMoveDelta {
    int64_t pc, host, code;
    TBSlot *slots;
    TCGOp *ops;
} TCGMoveDelta;
/* code: the writable copy. */
void tcg_backend_move(uint8_t *code, const TCGMove *moves, int nb_moves, const TCGMoveDelta *d);
/* The copy of tb's code as if no way out were chained. */
void tcg_backend_unchain(uint8_t *code, const TBSlot *slots, int nb_slots);
/* Code may be copied to where its address is the same modulo this. */
unsigned tcg_backend_code_align(void);

/* Differs when the same op list would give other code. */
uint64_t tcg_backend_code_key(void);

/*
 * At a host signal in tb's code: writes every global that lives in a host register back to *cpu,
 * and the guest pc of the instruction. True if the side table knows the place. ucontext is
 * ucontext_t *.
 */
bool tcg_backend_restore(const TranslationBlock *tb, const void *ucontext, CPUState *cpu);
/* The same for a helper called from tb, by its host return address: pc only (globals were synced).
 */
bool tcg_backend_restore_pc(const TranslationBlock *tb, uintptr_t host_pc, CPUState *cpu);
/* Makes ucontext continue at the exit code as if the block had left with NULL; the state is in
 * *cpu. */
void tcg_backend_leave(void *ucontext, CPUState *cpu);
/* Before cpu_loop_exit's jump out of compiled code: the host's floating modes are C's again. */
void tcg_backend_unwind(CPUState *cpu);
/* Host floating flags raised since the last call -> FLOAT_FLAG_*; the calling thread's, outside
 * code. */
uint8_t tcg_backend_take_fp_flags(CPUState *cpu);
/* Host rounding mode and traps from cpu->fp_status, for the next entry. */
void tcg_backend_set_fp_mode(CPUState *cpu);

/*
 * Memory that lives exactly as long as the block being compiled (slots, side table, ops that
 * evaluators need); 16-aligned, not executable. accel/tcg provides it; never fails (aborts when
 * memory is out).
 */
void *tb_alloc(TCGContext *s, size_t size);
/* The last piece, if it ends at `end`, is to end at used_end. */
void tb_alloc_trim(TCGContext *s, const void *end, const void *used_end);

/* Per-context data (register allocator's arrays). */
void *tcg_backend_context_new(TCGContext *s);
void tcg_backend_context_free(void *backend);

/* ---- the interpreter (tcg/tci) ------------------------------------------------------------------
 */

typedef union TCGValue {
    uint64_t u64[2];
    uint32_t u32[4];
    uint16_t u16[8];
    uint8_t u8[16];
    int64_t s64[2];
    int32_t s32[4];
    int16_t s16[8];
    int8_t s8[16];
} TCGValue __attribute__((aligned(16)));

/*
 * The meaning of an op without control, memory or env access: args as in op->arg (outputs first).
 * Floating ops use cpu->fp_status. A backend may call this for any op it has no code for.
 */
typedef void TCGEvalFn(const TCGOp *op, TCGValue *args, CPUState *cpu);
extern TCGEvalFn *const tcg_eval_fn[TCG_OP_COUNT]; /* NULL: control, memory, env */

/* How the interpreter touches guest memory; verify mode puts a journal between. */
typedef struct TCIMemory {
    void (*load)(void *opaque, vaddr addr, unsigned memop, void *buf, unsigned size);
    void (*store)(void *opaque, vaddr addr, unsigned memop, const void *buf, unsigned size);
    /* old = *addr; may store by desired(); atomic against other threads where the journal is none
     */
    void (*atomic)(void *opaque, const TCGOp *op, vaddr addr, TCGValue *args);
    void *opaque;
} TCIMemory;

/*
 * System mode: a memory op's slow path, called by compiled code on a TLB miss and the like;
 * accel/tcg provides it. args as the op has them (outputs first). False: an exception is recorded;
 * the state has been made exact, and the block is left. In between tcg_backend_sync makes *cpu
 * exact.
 */
bool softmmu_run_op(const TCGOp *op, TCGValue *args, CPUState *cpu);
/* The block whose host code holds pc, or NULL; accel/tcg. Async-signal-safe. */
TranslationBlock *tb_find_by_host_pc(uintptr_t pc);
/* Within softmmu_run_op: writes all globals and the pc of the instruction back to *cpu. */
void tcg_backend_sync(CPUState *cpu);

/* Once, before tci_run: host address = guest address + guest_base. */
void tci_init(uint64_t guest_base);
/* Runs the kept ops of tb on *cpu; returns as tcg_enter does. mem NULL: guest memory directly. */
TBSlot *tci_run(CPUState *cpu, const TranslationBlock *tb, const TCIMemory *mem);

#endif
