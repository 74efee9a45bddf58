/* SPDX-License-Identifier: MIT */
/* Building and taking down the signal frame of arm64 Linux. */
#include "linux-user/aarch64/frame.h"
#include "target/arm/cpu.h"

#include <string.h>

enum {
    FPSIMD_MAGIC = 0x46508001,
    ESR_MAGIC = 0x45535201,
    EXTRA_MAGIC = 0x45585401,
    GUEST_SA_RESTORER = 0x04000000,
    PSTATE_BTYPE_MASK = 3 << 10,
    PSTATE_BTYPE_C = 2 << 10,
};

typedef struct ContextHead {
    uint32_t magic, size;
} ContextHead;

typedef struct FpsimdContext {
    ContextHead head;
    uint32_t fpsr, fpcr;
    ARMVReg v[32];
} FpsimdContext;

typedef struct EsrContext {
    ContextHead head;
    uint64_t esr;
} EsrContext;

typedef struct SigFrame {
    uint8_t info[128];
    uint64_t uc_flags, uc_link;
    stack_t stack;
    uint64_t sigmask;
    uint8_t unused[120];
    uint64_t pad; /* the machine context is 16-aligned */
    uint64_t fault_address, regs[31], sp, pc, pstate, pad2;
    uint8_t reserved[4096] __attribute__((aligned(16)));
} SigFrame;

G_STATIC_ASSERT(offsetof(SigFrame, fault_address) == 128 + 176);
G_STATIC_ASSERT(sizeof(SigFrame) == 4688);

/* Above the frame: a frame record, so that unwinding by x29 works. */
typedef struct FrameRecord {
    uint64_t fp, lr;
} FrameRecord;

/* ESR_EL1 as the kernel shows it for an abort (DDI 0487, D19.2.40). */
static uint64_t fault_esr(const CPUState *cpu)
{
    uint64_t ec = cpu->fault_fetch ? 0x20 : 0x24;
    uint64_t status = cpu->fault_si_code == SEGV_ACCERR ? 0x0f : 0x07;

    return ec << 26 | 1 << 25 | (cpu->fault_write ? 1 << 6 : 0) | status;
}

static void save_contexts(SigFrame *frame, CPUArmState *env, const siginfo_t *info)
{
    FpsimdContext *fp = (void *)frame->reserved;
    EsrContext *esr = (void *)(fp + 1);

    fp->head = (ContextHead){ FPSIMD_MAGIC, sizeof(*fp) };
    fp->fpsr = arm_get_fpsr(env);
    fp->fpcr = arm_get_fpcr(env);
    memcpy(fp->v, env->v, sizeof(fp->v));
    if ((info->si_signo == SIGSEGV || info->si_signo == SIGBUS) && info->si_code > 0 &&
        (uintptr_t)info->si_addr == env->parent.fault_addr) {
        frame->fault_address = env->parent.fault_addr;
        esr->head = (ContextHead){ ESR_MAGIC, sizeof(*esr) };
        esr->esr = fault_esr(&env->parent);
    }
}

bool aarch64_setup_frame(TaskState *ts, int sig, const siginfo_t *info, const GuestSigaction *act,
                         uint64_t oldmask, uint64_t sp, uint64_t trampoline)
{
    CPUArmState *env = (CPUArmState *)ts->cpu;
    SigFrame frame = { 0 };
    FrameRecord record = { env->x[29], env->x[30] };
    uint64_t record_at = (sp - sizeof(record)) & ~UINT64_C(15);
    uint64_t frame_at = record_at - sizeof(frame);
    uint32_t pstate = arm_get_pstate(env);

    arm_exclusive_let_go(env);
    frame.stack = ts->altstack;
    frame.sigmask = oldmask;
    memcpy(frame.regs, env->x, sizeof(frame.regs));
    frame.sp = env->x[31];
    frame.pc = env->pc;
    frame.pstate = pstate;
    save_contexts(&frame, env, info);
    if (act->flags & SA_SIGINFO) {
        memcpy(frame.info, info, sizeof(frame.info));
    }
    if (!copy_to_guest(frame_at, &frame, sizeof(frame)) ||
        !copy_to_guest(record_at, &record, sizeof(record))) {
        return false;
    }
    env->x[0] = sig;
    if (act->flags & SA_SIGINFO) {
        env->x[1] = frame_at;
        env->x[2] = frame_at + sizeof(frame.info);
    }
    env->x[29] = record_at;
    env->x[30] = act->flags & GUEST_SA_RESTORER ? act->restorer : trampoline;
    env->x[31] = frame_at;
    env->pc = act->handler;
    pstate &= ~PSTATE_BTYPE_MASK;
    if (arm_feature(env, ARM_FEAT_BTI)) {
        pstate |= PSTATE_BTYPE_C; /* a handler is called, so it has to be a landing pad */
    }
    arm_set_pstate(env, pstate);
    return true;
}

/* The floating-point record, or NULL if the records are not well-formed. */
static const FpsimdContext *find_fpsimd(const SigFrame *frame)
{
    const FpsimdContext *fp = NULL;

    for (size_t at = 0; at + sizeof(ContextHead) <= sizeof(frame->reserved);) {
        const ContextHead *head = (const void *)(frame->reserved + at);

        if (!head->magic) {
            return head->size ? NULL : fp;
        }
        if (head->size < sizeof(*head) || head->size % 16 ||
            head->size > sizeof(frame->reserved) - at) {
            return NULL;
        }
        if (head->magic == FPSIMD_MAGIC) {
            if (fp || head->size != sizeof(*fp)) {
                return NULL;
            }
            fp = (const void *)head;
        } else if (head->magic != ESR_MAGIC) {
            return NULL;
        }
        at += head->size;
    }
    return fp;
}

bool aarch64_sigreturn(TaskState *ts, uint64_t *mask, stack_t *altstack)
{
    CPUArmState *env = (CPUArmState *)ts->cpu;
    const FpsimdContext *fp;
    SigFrame frame;

    if (env->x[31] & 15 || !copy_from_guest(&frame, env->x[31], sizeof(frame))) {
        return false;
    }
    fp = find_fpsimd(&frame);
    if (!fp) {
        return false;
    }
    memcpy(env->x, frame.regs, sizeof(frame.regs));
    env->x[31] = frame.sp;
    env->pc = frame.pc;
    arm_set_pstate(env, frame.pstate);
    memcpy(env->v, fp->v, sizeof(env->v));
    arm_set_fpsr(env, fp->fpsr);
    arm_set_fpcr(env, fp->fpcr);
    env->excl_addr = ~UINT64_C(0);
    *mask = frame.sigmask;
    *altstack = frame.stack;
    return true;
}
