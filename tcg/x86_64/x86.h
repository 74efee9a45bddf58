/* SPDX-License-Identifier: MIT */
/*
 * Inside the x86-64 backend: features, the generator's state while a block is compiled, and the
 * rule table that joins the register allocator (regalloc.c) to the code emitters (int.c, vec.c,
 * fp.c …).
 */
#ifndef TCG_X86_64_X86_H
#define TCG_X86_64_X86_H

#include "tcg/backend.h"
#include "tcg/tcg.h"

/* Chosen once by CPUID and -tcg host-features=. SSE4.2 and CMPXCHG16B, LAHF are required. */
typedef enum X86Feature {
    X86_POPCNT = 1 << 0,
    X86_LZCNT = 1 << 1,
    X86_BMI1 = 1 << 2,
    X86_BMI2 = 1 << 3,
    X86_MOVBE = 1 << 4,
    X86_AVX = 1 << 5,
    X86_AVX2 = 1 << 6,
    X86_FMA = 1 << 7,
    X86_F16C = 1 << 8,
    X86_AES = 1 << 9,
    X86_PCLMUL = 1 << 10,
    X86_SHA = 1 << 11,
    X86_AVX512 = 1 << 12, /* F, VL, BW, DQ, CD together: EVEX forms and 32 vector registers */
    X86_AVX512VBMI = 1 << 13,
    X86_AVX512VPOPCNTDQ = 1 << 14,
    X86_AVX512BITALG = 1 << 15,
    X86_AVX512VNNI = 1 << 16,
    X86_AVX512FP16 = 1 << 17,
    X86_GFNI = 1 << 18,
} X86Feature;

enum {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
    X86_NO_REG = 0xff
};
enum { X86_ENV = RBP };
/* Vector registers are numbered 0..31, 16 and up only with X86_AVX512. */

typedef struct X86Config {
    unsigned features;
    uint64_t guest_base; /* not 0: guest accesses take a GS prefix */
    bool fp_check, no_peepholes;
    bool softmmu; /* guest accesses go through the software TLB (softmmu.c) */
    const TargetOps *target;
    unsigned
        patch_span; /* an aligned block of so many bytes is written atomically, if in one store */
} X86Config;
extern X86Config x86_config;
static inline bool x86_has(unsigned features)
{
    return (x86_config.features & features) == features;
}

/* One operand as the allocator hands it to an emitter. */
typedef struct X86Operand {
    enum { X86_REG, X86_IMM, X86_MEM } kind;
    uint8_t reg;  /* GPR or vector register */
    int64_t imm;  /* X86_IMM: the constant */
    int32_t disp; /* X86_MEM: at [RBP + disp] (a guest register in CPUState or a spill slot) */
} X86Operand;

typedef struct X86Gen
    X86Gen; /* gen.h: code pointer, pending out-of-line code, side table, allocator */

/*
 * Emits one op. o[]: outputs, then inputs, in the op's order, then the scratch registers asked for
 * (vector ones first). Output registers may equal input registers unless the rule says EARLY; an
 * output that is dead has a register all the same. Operands of class c are not filled in: flags.h.
 */
typedef void X86EmitFn(X86Gen *g, const TCGOp *op, const X86Operand *o);

typedef struct X86OpRule {
    X86EmitFn *emit;  /* NULL: evaluated out of line by tcg_eval_fn (spill, call, reload) */
    uint32_t flags;   /* X86R_* */
    uint8_t vscratch; /* vector registers wanted besides */
    uint8_t iscratch; /* integer registers wanted besides */
    uint8_t
        fix_in[2]; /* inputs 0 and 1 (unless X86_IMM) must be in this register; X86R_IN(reg) or 0 */
    uint8_t fix_out; /* output 0 comes in this register; X86R_IN(reg) or 0 */
    uint8_t clobber; /* mask of RAX RCX RDX RSI RDI that the code destroys */
} X86OpRule;
#define X86R_IN(reg) ((reg) + 1)

enum {
    X86R_EARLY = 1, /* outputs must not share a register with inputs that are still read */
    X86R_ALIAS =
        2, /* output 0 is to be the register of input 0 (allocator copies if it lives on) */
    X86R_MEM_LAST = 4, /* the last input may be X86_MEM */
    X86R_MEM_ANY = 8,  /* any one input may be X86_MEM (moves, extensions) */
    X86R_IMM_LAST =
        16, /* the last input may be X86_IMM, sign-extended 32 bits for MO_64, any for less */
    X86R_IMM_ANY = 32, /* any input may be X86_IMM, any 64-bit constant */
    X86R_FLAGS = 64,   /* destroys EFLAGS (the allocator keeps condition flags elsewhere) */
    X86R_COMM = 128,   /* the two last inputs may be swapped to suit */
    X86R_CC_OUT =
        256, /* leaves its class c output in EFLAGS and says so with x86_flags_set; with FLAGS */
    X86R_IMM_FIRST = 512, /* input 0 may be X86_IMM, as IMM_LAST */
    X86R_OUT_OPT = 1024,  /* a dead output 0 (op->life & 1) gets no register */
    X86R_CC_IN =
        2048, /* EFLAGS tell op->cond of the first class c input: as g->cond (gen.h) says */
    X86R_CC_ADC = 4096,   /* CF is C of the first class c input */
    X86R_CC_SBB = 8192,   /* CF is its inverse */
    X86R_IMM_1 = 1 << 14, /* input 1 may be X86_IMM, as IMM_LAST */
    X86R_IMM_BIT =
        1 << 15, /* the last input may also be a constant that BTS, BTR, BTC can express */
    X86R_NOT_IN1 =
        1 << 16, /* output 0 is not the register of input 1, unless that is input 0's too */
    X86R_MEM_1 = 1 << 17, /* input 1 may be X86_MEM */
};

/* rules[opc]; filled at init from the host's features: int.c, then vec.c and fp.c for their ops. */
extern X86OpRule x86_rules[TCG_OP_COUNT];
void x86_int_rules_init(void);
void x86_flags_rules_init(void);
void x86_mem_rules_init(void);
void x86_vec_rules_init(void);
void x86_vec_arith_rules_init(void); /* vec-arith.c: after vec.c */
void x86_fp_rules_init(void);
void x86_crypto_rules_init(void);

/* ---- what vec.c and fp.c may call in the generator ---- */

/* This block compares floating results: CF_FP_CHECK, or each NaN is to be the default one. */
bool x86_fp_check(const X86Gen *g);
/* Floating ops; their rules, and those of vector ops, hold for some sizes and immediates only. */
bool x86_is_fp_op(const TCGOp *op);
bool x86_fp_rule_applies(const TCGOp *op);
/* The op's rule heeds g->zero_above. */
bool x86_fp_zeroes_above(const X86Gen *g, const TCGOp *op);
/* Here the op's rule does not destroy EFLAGS although it has X86R_FLAGS. */
bool x86_fp_keeps_flags(const X86Gen *g, const TCGOp *op);
bool x86_vec_rule_applies(const TCGOp *op);
/* A 16-byte constant near the code; the returned id is for x86_put_const_disp. */
int x86_const128(X86Gen *g, uint64_t lo, uint64_t hi);
/* Emits the 4-byte RIP-relative displacement to constant id; trailing: bytes of the insn after it.
 */
void x86_put_const_disp(X86Gen *g, int id, int trailing);
/* Forward jumps inside an op's code: jcc rel32 to a place bound later. Returns a label id. */
int x86_new_local(X86Gen *g);
void x86_jcc_local(X86Gen *g, unsigned x86_cc, int local);
void x86_jmp_local(X86Gen *g, int local);
void x86_bind_local(X86Gen *g, int local);
/*
 * "If condition x86_cc holds now, evaluate the op by tcg_eval_fn instead": emits the jcc to
 * out-of-line code that stores the inputs, calls, loads the outputs into o[]'s registers and comes
 * back behind the op. To be emitted when the inputs' registers are still intact (so: outputs must
 * not yet have overwritten them; use a scratch register for the result and move it after).
 */
void x86_slow_path(X86Gen *g, unsigned x86_cc, const TCGOp *op, const X86Operand *o);
/* The next host instruction may trap or fault for the guest: record the state in the side table. */
void x86_mark_fault(X86Gen *g);
void x86_mark_call(X86Gen *g); /* just behind a call */

#endif
