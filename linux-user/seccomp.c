/* SPDX-License-Identifier: MIT */
/*
 * seccomp: filters see the guest's system call numbers and are applied to the guest's calls only,
 * so the emulator runs them itself. Source: seccomp(2), linux/seccomp.h, and for the filter
 * machine linux/filter.h with Documentation/networking/filter.rst.
 */
#include "linux-user/seccomp.h"
#include "linux-user/syscalls.h"
#include "util/log.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newest first; shared between threads, and never freed: there are few. */
struct SeccompFilter {
    const SeccompFilter *older;
    uint32_t len;
    struct sock_filter insns[];
};

enum { MAX_TOTAL_INSNS = 32768, PENALTY = 4, SYS_SECCOMP_CODE = 1 };

bool seccomp_active;
static SeccompFilter *process_filters; /* of SECCOMP_FILTER_FLAG_TSYNC: every thread's */

/* ---- the filter machine
 * ---------------------------------------------------------------------------------------------- */

static bool jumps_inside(const struct sock_filter *f, uint32_t at, uint32_t len)
{
    uint64_t next = (uint64_t)at + 1;

    if (BPF_OP(f->code) == BPF_JA) {
        return next + f->k < len;
    }
    return next + f->jt < len && next + f->jf < len;
}

static bool insn_ok(const struct sock_filter *f, uint32_t at, uint32_t len)
{
    switch (f->code) {
    case BPF_LD | BPF_W | BPF_ABS:
        return f->k < sizeof(struct seccomp_data) && f->k % 4 == 0;
    case BPF_LD | BPF_W | BPF_LEN:
    case BPF_LDX | BPF_W | BPF_LEN:
    case BPF_LD | BPF_IMM:
    case BPF_LDX | BPF_IMM:
    case BPF_MISC | BPF_TAX:
    case BPF_MISC | BPF_TXA:
    case BPF_RET | BPF_K:
    case BPF_RET | BPF_A:
        return true;
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
    case BPF_ST:
    case BPF_STX:
        return f->k < BPF_MEMWORDS;
    case BPF_ALU | BPF_DIV | BPF_K:
    case BPF_ALU | BPF_MOD | BPF_K:
        return f->k;
    }
    if (BPF_CLASS(f->code) == BPF_ALU) {
        return BPF_OP(f->code) <= BPF_XOR;
    }
    return BPF_CLASS(f->code) == BPF_JMP && BPF_OP(f->code) <= BPF_JSET && jumps_inside(f, at, len);
}

static bool filter_ok(const SeccompFilter *filter)
{
    for (uint32_t n = 0; n < filter->len; n++) {
        if (!insn_ok(&filter->insns[n], n, filter->len)) {
            return false;
        }
    }
    return BPF_CLASS(filter->insns[filter->len - 1].code) == BPF_RET;
}

static uint32_t alu(int op, uint32_t a, uint32_t b)
{
    switch (op) {
    case BPF_ADD:
        return a + b;
    case BPF_SUB:
        return a - b;
    case BPF_MUL:
        return a * b;
    case BPF_DIV:
        return b ? a / b : 0;
    case BPF_MOD:
        return b ? a % b : 0;
    case BPF_OR:
        return a | b;
    case BPF_AND:
        return a & b;
    case BPF_XOR:
        return a ^ b;
    case BPF_LSH:
        return b < 32 ? a << b : 0;
    case BPF_RSH:
        return b < 32 ? a >> b : 0;
    default: /* BPF_NEG */
        return -a;
    }
}

static bool condition(int op, uint32_t a, uint32_t b)
{
    return op == BPF_JEQ ? a == b : op == BPF_JGT ? a > b : op == BPF_JGE ? a >= b : (a & b) != 0;
}

/* The filter was checked: it has no loops, and ends with a return. */
static uint32_t run_filter(const SeccompFilter *filter, const struct seccomp_data *data)
{
    uint32_t a = 0, x = 0, mem[BPF_MEMWORDS] = { 0 };

    for (const struct sock_filter *f = filter->insns;; f++) {
        uint32_t operand = BPF_SRC(f->code) == BPF_X ? x : f->k;

        switch (BPF_CLASS(f->code)) {
        case BPF_LD:
        case BPF_LDX: {
            uint32_t val = BPF_MODE(f->code) == BPF_LEN   ? sizeof(*data)
                           : BPF_MODE(f->code) == BPF_IMM ? f->k
                           : BPF_MODE(f->code) == BPF_MEM ? mem[f->k]
                                                          : 0;
            if (BPF_MODE(f->code) == BPF_ABS) {
                memcpy(&val, (const char *)data + f->k, sizeof(val));
            }
            *(BPF_CLASS(f->code) == BPF_LD ? &a : &x) = val;
            break;
        }
        case BPF_ST:
            mem[f->k] = a;
            break;
        case BPF_STX:
            mem[f->k] = x;
            break;
        case BPF_ALU:
            a = alu(BPF_OP(f->code), a, operand);
            break;
        case BPF_JMP:
            f += BPF_OP(f->code) == BPF_JA                ? f->k
                 : condition(BPF_OP(f->code), a, operand) ? f->jt
                                                          : f->jf;
            break;
        case BPF_RET:
            return BPF_RVAL(f->code) == BPF_A ? a : f->k;
        default: /* BPF_MISC */
            if (BPF_MISCOP(f->code) == BPF_TAX) {
                x = a;
            } else {
                a = x;
            }
        }
    }
}

/* ---- before each call
 * ------------------------------------------------------------------------------------------------
 */

static uint32_t strictest(const SeccompFilter *filter, const struct seccomp_data *data,
                          uint32_t verdict)
{
    for (; filter; filter = filter->older) {
        uint32_t val = run_filter(filter, data);

        /* actions are ordered as signed numbers, the strictest being the least */
        if ((int32_t)(val & SECCOMP_RET_ACTION_FULL) <
            (int32_t)(verdict & SECCOMP_RET_ACTION_FULL)) {
            verdict = val;
        }
    }
    return verdict;
}

static void trap(TaskState *ts, int nr, uint32_t data)
{
    siginfo_t info = { .si_signo = SIGSYS, .si_code = SYS_SECCOMP_CODE, .si_errno = (int)data };

    info.si_call_addr = (void *)cpu_get_pc(ts->cpu);
    info.si_syscall = nr;
    info.si_arch = ts->arch->audit_arch;
    force_signal(ts, &info);
}

bool seccomp_allows(TaskState *ts, int nr, int call, const uint64_t args[6], int64_t *res)
{
    struct seccomp_data data = { .nr = nr,
                                 .arch = ts->arch->audit_arch,
                                 .instruction_pointer = cpu_get_pc(ts->cpu) };
    uint32_t verdict = SECCOMP_RET_ALLOW;
    uint64_t none[6] = { 0 };

    if (ts->seccomp_strict) {
        if (call == CALL_read || call == CALL_write || call == CALL_exit ||
            call == CALL_rt_sigreturn) {
            return true;
        }
        die_by_signal(SIGKILL);
    }
    memcpy(data.args, args, sizeof(data.args));
    verdict = strictest(ts->seccomp, &data, verdict);
    verdict = strictest(process_filters, &data, verdict);
    *res = -RES_SIGRETURN; /* the registers stay as they are */
    switch (verdict & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
    case SECCOMP_RET_LOG:
        return true;
    case SECCOMP_RET_ERRNO:
        *res = -(int64_t)MIN(verdict & SECCOMP_RET_DATA, 4095);
        return false;
    case SECCOMP_RET_TRACE: /* nobody traces */
    case SECCOMP_RET_USER_NOTIF:
        *res = -ENOSYS;
        return false;
    case SECCOMP_RET_TRAP:
        trap(ts, nr, verdict & SECCOMP_RET_DATA);
        return false;
    case SECCOMP_RET_KILL_THREAD:
        if (ts->thread_end) {
            sys_exit(ts, none);
        }
        /* fall through */
    default:
        die_by_signal(SIGSYS);
    }
}

/* ---- the calls
 * ------------------------------------------------------------------------------------------- */

static uint32_t total_insns(const SeccompFilter *filter)
{
    uint32_t sum = 0;

    for (; filter; filter = filter->older) {
        sum += filter->len + PENALTY;
    }
    return sum;
}

/* CAP_SYS_ADMIN, or a promise to gain no rights. Source: capabilities(7). */
static bool may_filter(void)
{
    enum { CAP_SYS_ADMIN_BIT = 21, VERSION_3 = 0x20080522 };
    struct {
        uint32_t version;
        int pid;
    } head = { VERSION_3, 0 };
    uint32_t data[6] = { 0 };

    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ||
           (raw_syscall(__NR_capget, (uintptr_t)&head, (uintptr_t)data, 0, 0, 0, 0) == 0 &&
            data[0] >> CAP_SYS_ADMIN_BIT & 1);
}

static int64_t add_filter(TaskState *ts, uint64_t flags, uint64_t addr)
{
    enum {
        KNOWN = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW
    };
    struct {
        uint16_t len;
        uint64_t filter;
    } prog;
    SeccompFilter *filter;

    if (flags & ~(uint64_t)KNOWN) {
        log_printf(LOG_UNIMP, "not implemented: seccomp filter flags 0x%" PRIx64 "\n", flags);
        return -EINVAL;
    }
    if (!copy_from_guest(&prog, addr, sizeof(prog))) {
        return -EFAULT;
    }
    if (!prog.len || prog.len > BPF_MAXINSNS) {
        return -EINVAL;
    }
    if (!may_filter()) {
        return -EACCES;
    }
    if (total_insns(ts->seccomp) + prog.len > MAX_TOTAL_INSNS) {
        return -ENOMEM;
    }
    filter = g_malloc(sizeof(*filter) + prog.len * sizeof(filter->insns[0]));
    filter->len = prog.len;
    if (!copy_from_guest(filter->insns, prog.filter, prog.len * sizeof(filter->insns[0])) ||
        !filter_ok(filter)) {
        g_free(filter);
        return guest_range_ok(prog.filter, prog.len * sizeof(filter->insns[0])) ? -EINVAL : -EFAULT;
    }
    if (flags & SECCOMP_FILTER_FLAG_TSYNC) {
        filter->older = process_filters;
        __atomic_store_n(&process_filters, filter, __ATOMIC_RELEASE);
    } else {
        filter->older = ts->seccomp;
        ts->seccomp = filter;
    }
    seccomp_active = true;
    return 0;
}

static int64_t set_strict(TaskState *ts)
{
    if (ts->seccomp || process_filters) {
        return -EINVAL;
    }
    ts->seccomp_strict = true;
    seccomp_active = true;
    return 0;
}

int seccomp_mode(const TaskState *ts)
{
    return ts->seccomp_strict               ? SECCOMP_MODE_STRICT
           : ts->seccomp || process_filters ? SECCOMP_MODE_FILTER
                                            : SECCOMP_MODE_DISABLED;
}

int64_t seccomp_prctl(TaskState *ts, uint64_t mode, uint64_t addr)
{
    return mode == SECCOMP_MODE_STRICT   ? set_strict(ts)
           : mode == SECCOMP_MODE_FILTER ? add_filter(ts, 0, addr)
                                         : -EINVAL;
}

int64_t sys_seccomp(TaskState *ts, uint64_t a[MAX_ARGS])
{
    static const uint32_t actions[] = { SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD,
                                        SECCOMP_RET_TRAP,         SECCOMP_RET_ERRNO,
                                        SECCOMP_RET_TRACE,        SECCOMP_RET_LOG,
                                        SECCOMP_RET_ALLOW };
    uint32_t action;

    switch ((uint32_t)a[0]) {
    case SECCOMP_SET_MODE_STRICT:
        return a[1] || a[2] ? -EINVAL : set_strict(ts);
    case SECCOMP_SET_MODE_FILTER:
        return ts->seccomp_strict ? -EINVAL : add_filter(ts, a[1], a[2]);
    case SECCOMP_GET_ACTION_AVAIL:
        if (a[1] || !copy_from_guest(&action, a[2], sizeof(action))) {
            return a[1] ? -EINVAL : -EFAULT;
        }
        for (size_t n = 0; n < G_N_ELEMENTS(actions); n++) {
            if (actions[n] == action) {
                return 0;
            }
        }
        return -EOPNOTSUPP;
    default:
        return -EINVAL;
    }
}

/* ---- across execve: a file in memory with the filters, oldest first
 * -------------------------------------------------------------------------------------------------
 */

static bool write_filters(int fd, const SeccompFilter *filter)
{
    ssize_t size;

    if (!filter) {
        return true;
    }
    size = sizeof(filter->len) + filter->len * sizeof(filter->insns[0]);
    return write_filters(fd, filter->older) && write(fd, &filter->len, size) == size;
}

int seccomp_save(const TaskState *ts)
{
    int fd;

    if (seccomp_mode(ts) != SECCOMP_MODE_FILTER) {
        return -1;
    }
    fd = memfd_create("seccomp", 0);
    if (fd < 0 || !write_filters(fd, process_filters) || !write_filters(fd, ts->seccomp)) {
        die_by_signal(SIGSYS); /* not without them */
    }
    return fd;
}

bool seccomp_restore(TaskState *ts, int fd)
{
    uint64_t at = 0;
    uint32_t len;

    while (pread(fd, &len, sizeof(len), at) == sizeof(len) && len && len <= BPF_MAXINSNS) {
        SeccompFilter *filter = g_malloc(sizeof(*filter) + len * sizeof(filter->insns[0]));
        ssize_t size = len * sizeof(filter->insns[0]);

        filter->len = len;
        if (pread(fd, filter->insns, size, at + sizeof(len)) != size || !filter_ok(filter)) {
            return false;
        }
        filter->older = ts->seccomp;
        ts->seccomp = filter;
        at += sizeof(len) + size;
    }
    close(fd);
    seccomp_active = ts->seccomp;
    return ts->seccomp;
}
