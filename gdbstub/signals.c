/* SPDX-License-Identifier: MIT */
/* Signal numbers of the protocol (GDB's include/gdb/signals.def). */
#include "gdbstub/gdbstub.h"

#include <signal.h>

/* Indexed by the host's number; those from 33 to 63 follow in order at 45. */
static const uint8_t to_gdb[] = {
    [SIGHUP] = 1,   [SIGINT] = 2,    [SIGQUIT] = 3,  [SIGILL] = 4,   [SIGTRAP] = 5,
    [SIGABRT] = 6,  [SIGFPE] = 8,    [SIGKILL] = 9,  [SIGBUS] = 10,  [SIGSEGV] = 11,
    [SIGSYS] = 12,  [SIGPIPE] = 13,  [SIGALRM] = 14, [SIGTERM] = 15, [SIGURG] = 16,
    [SIGSTOP] = 17, [SIGTSTP] = 18,  [SIGCONT] = 19, [SIGCHLD] = 20, [SIGTTIN] = 21,
    [SIGTTOU] = 22, [SIGIO] = 23,    [SIGXCPU] = 24, [SIGXFSZ] = 25, [SIGVTALRM] = 26,
    [SIGPROF] = 27, [SIGWINCH] = 28, [SIGUSR1] = 30, [SIGUSR2] = 31, [SIGPWR] = 32,
};
enum { GDB_UNKNOWN = 143, GDB_RT33 = 45, GDB_RT32 = 77, GDB_RT64 = 78 };

int gdb_signal_from_host(int sig)
{
    if (sig == 32 || sig == 64) {
        return sig == 32 ? GDB_RT32 : GDB_RT64;
    }
    if (sig >= 33 && sig <= 63) {
        return GDB_RT33 + sig - 33;
    }
    return sig > 0 && sig < (int)G_N_ELEMENTS(to_gdb) && to_gdb[sig] ? to_gdb[sig] : GDB_UNKNOWN;
}

int gdb_signal_to_host(int gdb_sig)
{
    for (int sig = 1; sig <= 64; sig++) {
        if (gdb_signal_from_host(sig) == gdb_sig) {
            return sig;
        }
    }
    return 0;
}
