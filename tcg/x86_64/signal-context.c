/* SPDX-License-Identifier: MIT */
/*
 * Guest state out of a host signal's context (x86-64 psABI; Linux
 * arch/x86/include/uapi/asm/sigcontext.h; Intel SDM volume 1, chapter 13 for the XSAVE area).
 */
#include <cpuid.h>
#include <ucontext.h>

#include "tcg/x86_64/asm.h"

static const int greg[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                              REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                              REG_R12, REG_R13, REG_R14, REG_R15 };

enum {
    XSAVE_MAGIC = 0x46505853, /* FP_XSTATE_MAGIC1 */
    XSAVE_SW_RESERVED = 464,
    XSAVE_XMM = 160,
    XSAVE_HEADER = 512,
    XSTATE_HI16_ZMM = 7,
};

/* Of ZMM16 in the area. Asked once: a CPUID under a hypervisor takes more than all the rest. */
static unsigned zmm16_offset(void)
{
    static unsigned offset;
    unsigned size, at, c, d;

    if (!offset) {
        __cpuid_count(0xd, XSTATE_HI16_ZMM, size, at, c, d);
        offset = at;
    }
    return offset;
}

/* The low 128 bits of XMMn as they were; zero if the state component was in its initial state. */
static void get_vector(const mcontext_t *mc, int n, uint64_t out[2])
{
    const uint8_t *area = (const uint8_t *)mc->fpregs;
    uint64_t xstate_bv;
    uint32_t magic;

    if (n < 16) {
        memcpy(out, area + XSAVE_XMM + 16 * n, 16);
        return;
    }
    memset(out, 0, 16);
    memcpy(&magic, area + XSAVE_SW_RESERVED, 4);
    memcpy(&xstate_bv, area + XSAVE_HEADER, 8);
    if (magic == XSAVE_MAGIC && xstate_bv >> XSTATE_HI16_ZMM & 1) {
        memcpy(out, area + zmm16_offset() + 64 * (n - 16), 16);
    }
}

static uint32_t pack_flags(uint64_t eflags, X86FlagsForm form)
{
    bool cf = eflags & 1, pf = eflags & 4, zf = eflags & 0x40, sf = eflags & 0x80,
         of = eflags & 0x800;

    if (form <= X86_FL_BORROW) {
        return tcg_cc_pack(sf * 8u + zf * 4u + (cf != (form == X86_FL_BORROW)) * 2u + of);
    }
    if (pf) {
        return tcg_cc_pack(3);
    }
    if (zf) {
        return tcg_cc_pack(6);
    }
    return tcg_cc_pack(cf == (form == X86_FL_FCMP) ? 8 : 2);
}

/* The host's registers: in a signal's context, or where the slow path of memory accesses saves them
 * (softmmu.c), which is when no flags are in EFLAGS. */
typedef struct HostRegs {
    const mcontext_t *mc;
    const X86SlowFrame *frame;
} HostRegs;

static void restore_global(const HostRegs *r, CPUState *cpu, int temp, int loc)
{
    const TCGGlobalDef *d = &x86_config.target->globals[temp - 1];
    uint64_t v[2];

    if (loc >= X86_LOC_FLAGS) {
        uint32_t ccr =
            pack_flags((uint64_t)r->mc->gregs[REG_EFL], (X86FlagsForm)(loc - X86_LOC_FLAGS));

        memcpy(cpu_field(cpu, d->offset), &ccr, 4);
        return;
    }
    if (loc < X86_VREG0) {
        v[0] = r->mc ? (uint64_t)r->mc->gregs[greg[loc]] : r->frame->gpr[loc];
    } else if (r->mc) {
        get_vector(r->mc, loc - X86_VREG0, v);
    } else {
        memcpy(v, r->frame->vec[loc - X86_VREG0], 16);
    }
    memcpy(cpu_field(cpu, d->offset), v,
           d->type == TCG_TYPE_V128 ? 16
           : d->type == TCG_TYPE_CC ? 4
                                    : 8);
}

static bool restore(const TranslationBlock *tb, uintptr_t host_pc, const HostRegs *r, CPUState *cpu)
{
    X86SideEntry e;

    if (!x86_side_find(tb, (uint32_t)(host_pc - (uintptr_t)tb->tc), &e)) {
        return false;
    }
    for (int reg = 0; reg < X86_NB_REGS; reg++) {
        if (x86_layout.pinned[reg] != TCG_NONE) {
            restore_global(r, cpu, x86_layout.pinned[reg], reg);
        }
    }
    for (int i = 0; i < e.nb_dirty; i++) {
        restore_global(r, cpu, e.dirty[i].temp, e.dirty[i].loc);
    }
    cpu_set_pc(cpu, e.pc);
    return true;
}

bool tcg_backend_restore(const TranslationBlock *tb, const void *ucontext, CPUState *cpu)
{
    HostRegs r = { .mc = &((const ucontext_t *)ucontext)->uc_mcontext };

    return restore(tb, (uintptr_t)r.mc->gregs[REG_RIP], &r, cpu);
}

bool x86_restore_frame(const TranslationBlock *tb, const X86SlowFrame *frame, CPUState *cpu)
{
    HostRegs r = { .frame = frame };

    return restore(tb, frame->ret - 1, &r, cpu);
}

bool tcg_backend_restore_pc(const TranslationBlock *tb, uintptr_t host_pc, CPUState *cpu)
{
    X86SideEntry e;

    if (!x86_side_find(tb, (uint32_t)(host_pc - 1 - (uintptr_t)tb->tc), &e)) {
        return false;
    }
    cpu_set_pc(cpu, e.pc);
    return true;
}

void tcg_backend_leave(void *ucontext, CPUState *cpu)
{
    mcontext_t *mc = &((ucontext_t *)ucontext)->uc_mcontext;

    mc->gregs[REG_RIP] = (greg_t)(uintptr_t)x86_layout.exit_restored;
    mc->gregs[REG_RBP] = (greg_t)((uintptr_t)cpu + x86_config.target->env_bias);
    mc->gregs[REG_EFL] &= ~(greg_t)0x400; /* DF */
    /* A trap that was taken has set its sticky flag as well; whether the guest's is set the careful
       block decides. */
    mc->fpregs->mxcsr &= ~x86_trap_flags(mc->fpregs->mxcsr);
}
