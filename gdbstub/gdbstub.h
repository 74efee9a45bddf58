/* SPDX-License-Identifier: MIT */
/*
 * A debugger's stub: GDB's remote serial protocol (the GDB manual, appendix "Remote Protocol") on
 * a descriptor. What is debugged is behind GDBTargetOps, its registers behind GDBArch, so that the
 * protocol knows neither programs nor machines. All of it runs on one thread, the server's.
 */
#ifndef GDBSTUB_H
#define GDBSTUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exec/cpu.h"

enum { GDB_MAX_REGISTER = 16, GDB_MAX_ACTIONS = 64, GDB_MAX_SYSCALLS = 64 };

/* The registers of one architecture, by GDB's numbers, in the guest's byte order. */
typedef struct GDBArch {
    const char *target_xml; /* the target description */
    int nb_registers;       /* those of the packet `g` */
    int pc_register;
    /* Bytes read into or written from buf; 0: there is no such register. */
    int (*read_register)(CPUState *cpu, int n, uint8_t *buf);
    int (*write_register)(CPUState *cpu, int n, const uint8_t *buf);
    /*
     * What the instruction `insn` at pc is about to do: bytes accessed from *addr on (0: it is no
     * load or store), *load and *store.
     */
    int (*memory_access)(CPUState *cpu, uint32_t insn, uint64_t *addr, bool *load, bool *store);
} GDBArch;
extern const GDBArch gdb_arch_aarch64;

typedef enum GDBStopKind {
    GDB_STOP_NONE,
    GDB_STOP_SIGNAL, /* number: the host's signal number */
    GDB_STOP_STEP,
    GDB_STOP_BREAKPOINT,
    GDB_STOP_WATCH, /* address; number: GDB_WATCH_* that was hit */
    GDB_STOP_SYSCALL_ENTRY,
    GDB_STOP_SYSCALL_RETURN, /* number: the call's */
    GDB_STOP_FORK,           /* number: the child's process id */
    GDB_STOP_EXEC,           /* text: the program's name */
    GDB_STOP_EXITED,         /* number: exit status */
    GDB_STOP_KILLED,         /* number: signal */
} GDBStopKind;

typedef struct GDBStop {
    GDBStopKind kind;
    int tid;
    int number;
    uint64_t address;
    const char *text;
} GDBStop;

/* Z and z packets: the type's number is the protocol's. */
enum { GDB_BREAK_SOFT, GDB_BREAK_HARD, GDB_WATCH_WRITE, GDB_WATCH_READ, GDB_WATCH_ACCESS };

/* What a thread is to do when the debugger lets go. */
typedef struct GDBAction {
    int tid; /* -1: every thread that no earlier action names */
    bool step;
    int signal; /* the host's number, to be delivered; 0: none */
} GDBAction;

typedef struct GDBServer GDBServer;

/* What is debugged; everything is called on the server's thread, and all but interrupt while the
 * target is stopped. */
typedef struct GDBTargetOps {
    int (*pid)(void);
    /* The thread after tid (0: the first); 0 at the end. */
    int (*next_thread)(int tid);
    CPUState *(*thread_cpu)(int tid); /* NULL: gone */
    void (*thread_name)(int tid, char *buf, size_t size);
    bool (*read_memory)(uint64_t addr, void *buf, size_t len);
    bool (*write_memory)(uint64_t addr, const void *buf, size_t len);
    /* One of GDB_BREAK_*, GDB_WATCH_*; false: not possible there. */
    bool (*set_break)(int type, uint64_t addr, uint64_t len, bool insert);
    /* The document `object` (auxv, exec-file, siginfo), to be g_free'd; NULL: not known. */
    char *(*read_object)(const char *object, int tid, size_t *len);
    void (*resume)(const GDBAction *actions, int nb_actions);
    void (*interrupt)(void); /* stop all threads and report SIGINT */
    /* The debugger lets go for good; of a forked child or parent when pid is the other's. */
    void (*detach)(int pid);
    void (*kill)(void);
    /* Waits for a stop; until then returns false when `fd` (the connection) can be read, or when
     * the server is paused. */
    bool (*wait)(int fd, GDBStop *stop);
    /* Machines; NULL: no such thing. A line of the monitor (gdb's `monitor`): what it printed,
     * g_free. */
    char *(*command)(const char *line);
    /* Memory by physical addresses from now on, or by virtual ones. */
    void (*set_physical)(bool on);
    bool (*physical)(void);
} GDBTargetOps;

struct GDBServer {
    const GDBTargetOps *ops;
    const GDBArch *arch;
    int fd;
    /* agreed with the debugger */
    bool no_ack, multiprocess, fork_events, exec_events, swbreak;
    uint64_t pass_signals; /* bit n-1: signal n goes to the guest without a stop */
    bool catch_syscalls;
    int nb_syscalls; /* with catch_syscalls: these; 0: all */
    int syscalls[GDB_MAX_SYSCALLS];
    /* in progress */
    int tid, other_pid; /* Hg: thread; and the process if it is a fork's other half */
    GDBStop stop;
    bool running, gone;
    volatile bool paused; /* set by another thread, which then makes wait return: gdb_serve returns,
                             to be called again */
    /* incoming bytes */
    uint8_t in[4096];
    size_t in_at, in_len;
};

/* Serves until the debugger goes or the target ends. stopped: the first stop, known to both. */
void gdb_serve(GDBServer *s);
/* The target ended or becomes another program: says so, if a debugger is there. */
void gdb_send_stop(GDBServer *s, const GDBStop *stop);
/* The state that a successor of this process needs to go on with the connection, and back. */
unsigned gdb_state(const GDBServer *s);
void gdb_set_state(GDBServer *s, unsigned state);

/* ---- packet.c ---- */
/* Reads one packet into buf (a 0 behind it); its length, -1: the connection is gone, 0x03: -2. */
long gdb_read_packet(GDBServer *s, char *buf, size_t size);
void gdb_write_packet(GDBServer *s, const void *data, size_t len);
/* Bytes are there that were read already. */
bool gdb_has_input(const GDBServer *s);

/* Signals as the protocol numbers them (GDB's include/gdb/signals.def) and the host's. */
int gdb_signal_from_host(int sig);
int gdb_signal_to_host(int gdb_sig);

/*
 * A descriptor to listen on: a TCP port of the loopback interface ("1234", "host:1234") or the path
 * of a Unix socket. -1 and *err.
 */
int gdb_listen(const char *where, GError **err);

#endif
