/* SPDX-License-Identifier: MIT */
/* Host signals that compiled code raises: the guest's faults, tagged addresses, floating traps. */
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "internal.h"
#include "util/log.h"

/* The instruction is to be run again alone: masked addresses, floating point by fpu/. */
static void retry_carefully(CPUState *cpu)
{
    cpu->cflags_next |= CF_CAREFUL;
}

static void report_fault(CPUState *cpu, const siginfo_t *info, bool write)
{
    cpu->fault_addr = (uintptr_t)info->si_addr - engine.config.guest_base;
    cpu->fault_si_signo = info->si_signo;
    cpu->fault_si_code = info->si_code;
    cpu->fault_write = write;
    cpu->fault_fetch = false;
    cpu->exception_index = EXCP_FAULT;
    engine.stats.faults++;
}

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/*
 * What is done instead of traps: comparisons with the smallest normal number where only tiny
 * results trapped; comparisons of all results; fpu/, where denormals are flushed and even that
 * leaves traps.
 */
static uint32_t without_traps(const CPUState *cpu, const siginfo_t *info)
{
    return info->si_code == FPE_FLTUND && !cpu->fp_status.flush_to_zero ? CF_FP_TININESS
           : engine.wanted_cflags & CF_FP_CHECK                         ? CF_FP_EXACT
                                                                        : CF_FP_CHECK;
}

/* Too many traps in a short time cost more than checks do: all blocks are made anew (cpu-exec.c).
 */
static void count_fp_trap(const CPUState *cpu, const siginfo_t *info)
{
    uint64_t n = engine.stats.fp_traps++ % FP_TRAP_LIMIT;

    if (n == 0) {
        engine.fp_window = now_ms();
    } else if (n == FP_TRAP_LIMIT - 1 && now_ms() - engine.fp_window < FP_TRAP_WINDOW_MS) {
        atomic_fetch_or(&engine.wanted_cflags, without_traps(cpu, info));
    }
}

/*
 * An address that is not canonical on the host raises SIGSEGV without an address (SI_KERNEL): a
 * tagged pointer, most likely. The careful block masks it; if that faults likewise the address is
 * really bad.
 */
static void memory_fault(CPUState *cpu, bool careful, const siginfo_t *info, const ucontext_t *uc)
{
    if (info->si_signo == SIGSEGV && info->si_code == SI_KERNEL) {
        if (!careful) {
            retry_carefully(cpu);
            return;
        }
        siginfo_t plain = *info;
        plain.si_code = SEGV_MAPERR;
        plain.si_addr = (void *)(uintptr_t)(cpu->careful_addr + engine.config.guest_base);
        report_fault(cpu, &plain, false);
        return;
    }
    report_fault(cpu, info, uc->uc_mcontext.gregs[REG_ERR] & 2);
}

__thread sigjmp_buf *code_read_guard;

/*
 * The guest code that a translation reads is not there any more. What is far from the pc is not
 * that.
 */
static bool code_read_fault(CPUState *cpu, const siginfo_t *info, const ucontext_t *uc)
{
    enum { NEAR = 1 << 20 };
    ThreadCode *tc = thread_code(cpu);
    sigjmp_buf *guard = code_read_guard;
    vaddr addr = (uintptr_t)info->si_addr - engine.config.guest_base;

    if (guard) {
        code_read_guard = NULL;
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &uc->uc_sigmask, NULL, _NSIG / 8);
        siglongjmp(*guard, 1);
    }
    if (!tc->reading || addr - cpu_get_pc(cpu) + NEAR >= 2 * NEAR) {
        return false;
    }
    report_fault(cpu, info, false);
    cpu->exception_index = EXCP_NONE;
    tc->reading = false;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &uc->uc_sigmask, NULL, _NSIG / 8);
    siglongjmp(tc->read_failed, 1);
}

/* In a helper or the interpreter: the pc is in the state already, and the stack is C's to unwind.
 */
static void leave_c_code(CPUState *cpu, const ucontext_t *uc)
{
    /* not libc's: that would leave out its own two signals, which here are the guest's */
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &uc->uc_sigmask, NULL, _NSIG / 8);
    siglongjmp(cpu->jmp_env, 1);
}

bool tcg_handle_host_signal(CPUState *cpu, siginfo_t *info, void *ucontext)
{
    ucontext_t *uc = ucontext;
    uintptr_t pc = uc->uc_mcontext.gregs[REG_RIP];
    bool memory = info->si_signo == SIGSEGV || info->si_signo == SIGBUS;

    if (!cpu || !cpu->tcg || info->si_code <= 0) {
        return false;
    }
    if (memory && code_read_fault(cpu, info, uc)) {
        return true;
    }
    if (!thread_code(cpu)->running) {
        return false;
    }
    if (!code_buffer_contains(pc)) {
        if (!memory) {
            return false;
        }
        /* SI_KERNEL is also an address misaligned for CMPXCHG16B */
        memory_fault(cpu, thread_code(cpu)->careful, info, uc);
        leave_c_code(cpu, uc);
    }
    const TranslationBlock *tb = tb_find_by_host_pc(pc);
    if (!tb || !tcg_backend_restore(tb, uc, cpu)) {
        return false;
    }
    if (memory) {
        memory_fault(cpu, tb->cflags & CF_CAREFUL, info, uc);
    } else if (info->si_signo == SIGFPE && !(tb->cflags & CF_CAREFUL)) {
        count_fp_trap(cpu, info);
        retry_carefully(cpu);
    } else {
        return false;
    }
    tcg_backend_leave(uc, cpu);
    return true;
}
