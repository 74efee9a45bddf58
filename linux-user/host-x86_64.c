/* SPDX-License-Identifier: MIT */
/*
 * What linux-user needs of an x86-64 host: system calls that a signal can stop at exactly the right
 * moment, and copies from and to guest memory that survive a fault.
 */
#include "linux-user/user.h"

#include <string.h>
#include <ucontext.h>

/*
 * safe_syscall_asm(pending, nr, args). Between _start and _insn (inclusive) the system call has not
 * begun or is about to be restarted by the kernel; the signal handler then moves the pc to one of
 * the two labels that give up. In the second case RCX holds what SYSCALL put there, _end.
 */
__asm__(".pushsection .text\n"
        ".globl safe_syscall_asm\n"
        ".hidden safe_syscall_asm\n"
        ".type safe_syscall_asm, @function\n"
        "safe_syscall_asm:\n"
        "    mov %rsi, %rax\n"
        "    mov %rdi, %r11\n"
        "    mov %rdx, %rcx\n"
        "    mov (%rcx), %rdi\n"
        "    mov 8(%rcx), %rsi\n"
        "    mov 16(%rcx), %rdx\n"
        "    mov 24(%rcx), %r10\n"
        "    mov 32(%rcx), %r8\n"
        "    mov 40(%rcx), %r9\n"
        "    xor %ecx, %ecx\n"
        "safe_syscall_start:\n"
        "    cmpl $0, (%r11)\n"
        "    jne safe_syscall_not_begun\n"
        "safe_syscall_insn:\n"
        "    syscall\n"
        "safe_syscall_end:\n"
        "    ret\n"
        "safe_syscall_not_begun:\n"
        "    mov $-513, %rax\n"
        "    ret\n"
        "safe_syscall_interrupted:\n"
        "    mov $-512, %rax\n"
        "    ret\n"
        ".size safe_syscall_asm, . - safe_syscall_asm\n"
        ".globl guest_copy\n"
        ".hidden guest_copy\n"
        ".type guest_copy, @function\n"
        "guest_copy:\n" /* rdi = dst, rsi = src, rdx = n */
        "    mov %rdx, %rcx\n"
        "guest_copy_insn:\n"
        "    rep movsb\n"
        "guest_copy_end:\n"
        "    mov %rcx, %rax\n"
        "    ret\n"
        ".size guest_copy, . - guest_copy\n"
        ".globl guest_string_copy\n"
        ".hidden guest_string_copy\n"
        ".type guest_string_copy, @function\n"
        "guest_string_copy:\n" /* rdi = dst, rsi = src, rdx = size: 0 found: length, else -1; fault:
                                  -2 */
        "    xor %eax, %eax\n"
        "1:  cmp %rdx, %rax\n"
        "    jae 2f\n"
        "guest_string_insn:\n"
        "    mov (%rsi,%rax), %cl\n"
        "    mov %cl, (%rdi,%rax)\n"
        "    test %cl, %cl\n"
        "    je 3f\n"
        "    inc %rax\n"
        "    jmp 1b\n"
        "2:  mov $-1, %rax\n"
        "3:  ret\n"
        "guest_string_fault:\n"
        "    mov $-2, %rax\n"
        "    ret\n"
        ".size guest_string_copy, . - guest_string_copy\n"
        ".globl guest_cmpxchg\n"
        ".hidden guest_cmpxchg\n"
        ".type guest_cmpxchg, @function\n"
        "guest_cmpxchg:\n" /* rdi = p, esi = old, edx = val */
        "    mov %esi, %eax\n"
        "guest_cmpxchg_insn:\n"
        "    lock cmpxchg %edx, (%rdi)\n"
        "    ret\n"
        "guest_cmpxchg_fault:\n"
        "    mov $-1, %rax\n"
        "    ret\n"
        ".size guest_cmpxchg, . - guest_cmpxchg\n"
        ".popsection\n");

#define HIDDEN __attribute__((visibility("hidden")))
extern const char safe_syscall_start[] HIDDEN, safe_syscall_insn[] HIDDEN,
    safe_syscall_end[] HIDDEN;
extern const char safe_syscall_not_begun[] HIDDEN, safe_syscall_interrupted[] HIDDEN;
extern const char guest_copy_insn[] HIDDEN, guest_copy_end[] HIDDEN;
extern const char guest_string_insn[] HIDDEN, guest_string_fault[] HIDDEN;
extern const char guest_cmpxchg_insn[] HIDDEN, guest_cmpxchg_fault[] HIDDEN;
long guest_string_copy(char *dst, const char *src, size_t size) HIDDEN;

long raw_syscall(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    long ret;

    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}

long copy_string_from_guest(char *dst, uint64_t src, size_t size)
{
    long len;

    if (!guest_ptr_ok(src)) {
        return -EFAULT;
    }
    len = guest_string_copy(dst, g2h(src), size);
    return len == -2 ? -EFAULT : len == -1 ? -ENAMETOOLONG : len;
}

static greg_t *context_pc(void *ucontext)
{
    return &((ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RIP];
}

uint64_t host_context_pc(void *ucontext)
{
    return (uint64_t)*context_pc(ucontext);
}

bool host_fixup_fault(void *ucontext)
{
    greg_t *pc = context_pc(ucontext);

    if (*pc == (greg_t)guest_copy_insn) {
        *pc = (greg_t)guest_copy_end;
        return true;
    }
    if (*pc == (greg_t)guest_string_insn) {
        *pc = (greg_t)guest_string_fault;
        return true;
    }
    if (*pc == (greg_t)guest_cmpxchg_insn) {
        *pc = (greg_t)guest_cmpxchg_fault;
        return true;
    }
    return false;
}

void host_fixup_syscall(void *ucontext)
{
    ucontext_t *uc = ucontext;
    greg_t *pc = context_pc(ucontext);

    if (*pc == (greg_t)safe_syscall_insn &&
        uc->uc_mcontext.gregs[REG_RCX] == (greg_t)safe_syscall_end) {
        *pc = (greg_t)safe_syscall_interrupted;
    } else if (*pc >= (greg_t)safe_syscall_start && *pc <= (greg_t)safe_syscall_insn) {
        *pc = (greg_t)safe_syscall_not_begun;
    }
}
