/* SPDX-License-Identifier: MIT */
/* AArch64 in user mode: registers at system calls and clone, faults as siginfo. */
#include "linux-user/user.h"
#include "linux-user/syscalls.h"
#include "linux-user/aarch64/frame.h"
#include "target/arm/cpu.h"

#include <elf.h>
#include <linux/audit.h>
#include <string.h>

static const uint16_t syscall_table[] = {
#define NR(number, name) [number] = CALL_##name,
#include "linux-user/aarch64/syscall-nr.h.inc"
#undef NR
};

static inline CPUArmState *arm(CPUState *cpu)
{
    return (CPUArmState *)cpu;
}

static void aarch64_init_cpu(CPUState *cpu, uint64_t pc, uint64_t sp)
{
    arm(cpu)->pc = pc;
    arm(cpu)->x[31] = sp;
}

static int aarch64_syscall_args(CPUState *cpu, uint64_t args[6])
{
    memcpy(args, arm(cpu)->x, 6 * sizeof(args[0]));
    return (int)arm(cpu)->x[8];
}

static void aarch64_syscall_result(CPUState *cpu, int64_t res)
{
    arm(cpu)->x[0] = (uint64_t)res;
    arm(cpu)->excl_addr = ~UINT64_C(0); /* as the return from an exception does (B2.12.3) */
}

static void aarch64_rewind_syscall(CPUState *cpu)
{
    arm(cpu)->pc -= 4;
}

static uint64_t aarch64_get_sp(CPUState *cpu)
{
    return arm(cpu)->x[31];
}

static void aarch64_clone_regs(CPUState *child, uint64_t sp, bool set_tls, uint64_t tls)
{
    CPUArmState *env = arm(child);

    env->x[0] = 0;
    if (sp) {
        env->x[31] = sp;
    }
    if (set_tls) {
        env->tpidr = tls;
    }
    env->tpidr2 = 0;
    env->excl_addr = ~UINT64_C(0);
}

static uint64_t aarch64_hwcap(CPUState *cpu, int which)
{
    return which == 1 ? arm_hwcap(arm(cpu)) : arm_hwcap2(arm(cpu));
}

/* struct user_pt_regs and user_fpsimd_state of the kernel's uapi asm/ptrace.h. */
static size_t aarch64_core_registers(CPUState *cpu, uint8_t *general, uint8_t *fp, size_t *fp_size)
{
    CPUArmState *env = arm(cpu);
    uint64_t tail[2] = { env->pc, arm_get_pstate(env) };
    uint32_t control[4] = { arm_get_fpsr(env), arm_get_fpcr(env), 0, 0 };

    memcpy(general, env->x, sizeof(env->x));
    memcpy(general + sizeof(env->x), tail, sizeof(tail));
    memcpy(fp, env->v, sizeof(env->v));
    memcpy(fp + sizeof(env->v), control, sizeof(control));
    *fp_size = sizeof(env->v) + sizeof(control);
    return sizeof(env->x) + sizeof(tail);
}

static bool aarch64_fault_siginfo(CPUState *cpu, int excp, siginfo_t *info)
{
    memset(info, 0, sizeof(*info));
    info->si_addr = (void *)cpu_get_pc(cpu);
    switch (excp) {
    case EXCP_FAULT:
        info->si_signo = cpu->fault_si_signo;
        info->si_code = cpu->fault_si_code;
        info->si_addr = (void *)cpu->fault_addr;
        return true;
    case EXCP_UDEF:
        info->si_signo = SIGILL;
        info->si_code = ILL_ILLOPC;
        return true;
    case EXCP_BTI:
        info->si_signo = SIGILL;
        info->si_code = ILL_ILLOPC;
        return true;
    case EXCP_BREAKPOINT:
        info->si_signo = SIGTRAP;
        info->si_code = TRAP_BRKPT;
        return true;
    case EXCP_DEBUG:
        info->si_signo = SIGTRAP;
        info->si_code = TRAP_TRACE;
        return true;
    case EXCP_ALIGN:
        info->si_signo = SIGBUS;
        info->si_code = BUS_ADRALN;
        info->si_addr = (void *)cpu->fault_addr;
        return true;
    default:
        return false;
    }
}

const UserArch aarch64_user_arch = {
    .target = &arm_target,
    .uname_machine = "aarch64",
    .elf_machine = EM_AARCH64,
    .audit_arch = AUDIT_ARCH_AARCH64,
    .syscall_table = syscall_table,
    .nb_syscalls = G_N_ELEMENTS(syscall_table),
    .vdso = &aarch64_vdso,
    .minsigstksz = AARCH64_MINSIGSTKSZ,
    .init_cpu = aarch64_init_cpu,
    .syscall_args = aarch64_syscall_args,
    .syscall_result = aarch64_syscall_result,
    .rewind_syscall = aarch64_rewind_syscall,
    .get_sp = aarch64_get_sp,
    .clone_regs = aarch64_clone_regs,
    .hwcap = aarch64_hwcap,
    .setup_frame = aarch64_setup_frame,
    .sigreturn = aarch64_sigreturn,
    .core_registers = aarch64_core_registers,
    .fault_siginfo = aarch64_fault_siginfo,
};
