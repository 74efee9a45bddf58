/* SPDX-License-Identifier: MIT */
/* -strace: prints a system call from the kinds of its arguments. */
#include "linux-user/syscalls.h"
#include "util/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MAX_SHOWN = 48 };

static void print_bytes(FILE *f, uint64_t addr, uint64_t len, bool is_string)
{
    uint8_t buf[MAX_SHOWN * 4 + 1];
    size_t want = MIN(len, is_string ? sizeof(buf) - 1 : MAX_SHOWN), got;

    if (!addr) {
        fputs("NULL", f);
        return;
    }
    if (!guest_range_ok(addr, want)) {
        fprintf(f, "0x%" PRIx64, addr);
        return;
    }
    got = want - guest_copy(buf, g2h(addr), want);
    if (!got && want) {
        fprintf(f, "0x%" PRIx64, addr);
        return;
    }
    fputc('"', f);
    for (size_t n = 0; n < got && (!is_string || buf[n]); n++) {
        switch (buf[n]) {
        case '\n':
            fputs("\\n", f);
            break;
        case '\t':
            fputs("\\t", f);
            break;
        case '"':
        case '\\':
            fprintf(f, "\\%c", buf[n]);
            break;
        default:
            fprintf(f, buf[n] < ' ' || buf[n] > '~' ? "\\%o" : "%c", buf[n]);
        }
    }
    fputs(!is_string && len > got ? "\"..." : "\"", f);
}

static void print_timespec(FILE *f, uint64_t addr)
{
    struct timespec t;

    if (addr && copy_from_guest(&t, addr, sizeof(t))) {
        fprintf(f, "{%lld.%09ld}", (long long)t.tv_sec, t.tv_nsec);
    } else {
        fprintf(f, addr ? "0x%" PRIx64 : "NULL", addr);
    }
}

static void print_signal(FILE *f, int sig)
{
    const char *name = sigabbrev_np(sig);

    if (name) {
        fprintf(f, "SIG%s", name);
    } else {
        fprintf(f, sig > 31 && sig <= NB_SIGNALS ? "SIGRT_%d" : "%d", sig > 31 ? sig - 32 : sig);
    }
}

static void print_sigset(FILE *f, uint64_t addr)
{
    uint64_t set;
    const char *sep = "[";

    if (!addr || !copy_from_guest(&set, addr, sizeof(set))) {
        fprintf(f, addr ? "0x%" PRIx64 : "NULL", addr);
        return;
    }
    if (set == ~UINT64_C(0)) {
        fputs("~[]", f);
        return;
    }
    for (int sig = 1; sig <= NB_SIGNALS; sig++) {
        if (set & sig_bit(sig)) {
            fputs(sep, f);
            print_signal(f, sig);
            sep = " ";
        }
    }
    fputs(*sep == '[' ? "[]" : "]", f);
}

static void print_arg(FILE *f, const SyscallDesc *desc, int n, const uint64_t a[MAX_ARGS],
                      int64_t res)
{
    const FlagName *names = flag_names(desc->kinds[n]);
    char buf[256];
    uint64_t val = a[n];

    if (names) {
        format_flags(names, desc->kinds[n] == K_OPENFLAGS ? (uint32_t)val : val, buf, sizeof(buf));
        fputs(buf, f);
        return;
    }
    switch (desc->kinds[n]) {
    case K_ATFD:
        if ((int)val == AT_FDCWD) {
            fputs("AT_FDCWD", f);
            break;
        }
        /* fall through */
    case K_FD:
    case K_INT:
        fprintf(f, "%d", (int)val);
        break;
    case K_UINT:
        fprintf(f, "%u", (unsigned)val);
        break;
    case K_LONG:
        fprintf(f, "%" PRId64, (int64_t)val);
        break;
    case K_SIZE:
        fprintf(f, "%" PRIu64, val);
        break;
    case K_OCT:
        fprintf(f, "0%o", (unsigned)val);
        break;
    case K_SIGNAL:
        print_signal(f, (int)val);
        break;
    case K_STR:
    case K_PATH:
        print_bytes(f, val, UINT64_MAX, true);
        break;
    case K_INBUF:
        print_bytes(f, val, a[n + 1], false);
        break;
    case K_OUTBUF:
        if (res >= 0) {
            print_bytes(f, val, MIN((uint64_t)res, a[n + 1]), false);
            break;
        }
        fprintf(f, "0x%" PRIx64, val);
        break;
    case K_TIMESPEC:
        print_timespec(f, val);
        break;
    case K_SIGSET:
        print_sigset(f, val);
        break;
    default:
        fprintf(f, val ? "0x%" PRIx64 : "NULL", val);
        break;
    }
}

static void print_call(FILE *f, const SyscallDesc *desc, int nr, const uint64_t a[MAX_ARGS],
                       int64_t res)
{
    fprintf(f, "%d ", current_task->tid);
    if (desc == &syscall_descs[CALL_unknown]) {
        fprintf(f, "syscall_%d(0x%" PRIx64 ", 0x%" PRIx64 ", 0x%" PRIx64 ")", nr, a[0], a[1], a[2]);
        return;
    }
    fprintf(f, "%s(", desc->name);
    for (int n = 0; n < MAX_ARGS && desc->kinds[n]; n++) {
        fputs(n ? ", " : "", f);
        print_arg(f, desc, n, a, res);
    }
    fputc(')', f);
}

/* Calls that do not come back, or come back somewhere else. */
static bool prints_first(const SyscallDesc *desc)
{
    return desc->fn == sys_exit || desc->fn == sys_exit_group || desc->fn == sys_execve ||
           desc->fn == sys_execveat || desc->fn == sys_rt_sigreturn;
}

void strace_enter(const SyscallDesc *desc, int nr, const uint64_t args[MAX_ARGS])
{
    if (prints_first(desc)) {
        FILE *f = log_lock();

        print_call(f, desc, nr, args, -1);
        fputc('\n', f);
        fflush(f);
        log_unlock(f);
    }
}

void strace_leave(const SyscallDesc *desc, int nr, const uint64_t args[MAX_ARGS], int64_t res)
{
    FILE *f;

    if (desc->fn == sys_rt_sigreturn) {
        return;
    }
    f = log_lock();
    print_call(f, desc, nr, args, res);
    if (res == -RES_RESTART || res == -RES_RESTART_ALWAYS) {
        fputs(" = ? (interrupted, to be restarted)\n", f);
    } else if (res < 0 && res > -4096) {
        const char *name = strerrorname_np(-res);

        fprintf(f, " = -1 %s (%s)\n", name ? name : "errno", strerror(-res));
    } else if (res > 0xffff) {
        fprintf(f, " = 0x%" PRIx64 "\n", res);
    } else {
        fprintf(f, " = %" PRId64 "\n", res);
    }
    log_unlock(f);
}
