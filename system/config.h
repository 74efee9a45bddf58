/* SPDX-License-Identifier: MIT */
/* What a command line of latimer-system says. */
#ifndef SYSTEM_CONFIG_H
#define SYSTEM_CONFIG_H

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include "hw/runstate.h"

typedef struct SystemConfig {
    const char *program;      /* for messages: argv[0] without its folder */
    const char *target;       /* "aarch64", from the program's name or -target */
    const char *machine;      /* name only */
    GPtrArray *machine_props; /* "key=value" */
    const char *cpu, *smp, *memory;
    const char *kernel, *initrd, *append, *dtb, *bios;
    const char *name, *uuid, *rtc, *icount, *qtest, *qtest_log, *boot;
    const char *pidfile, *display;
    GPtrArray *accels, *objects, *chardevs, *drives, *devices, *netdevs, *nics, *nets, *mons,
        *serials, *monitors, *qmps, *gdbs, *globals, *numas, *fsdevs, *virtfs,
        *fw_cfgs; /* of const char *; NULL is never in them */
    /* drives: "drive:…", "blockdev:…" or "OPTION:FILE" of a shortcut, in the order given. */
    RunActions actions;
    bool nographic, nodefaults, stopped, daemonize, snapshot, enable_kvm;
} SystemConfig;

/* Reads the arguments; false: *err. Options such as -version print and exit. */
bool options_parse(SystemConfig *c, int argc, char **argv, GError **err);
void options_help(const SystemConfig *c, FILE *f);
void options_man_page(FILE *f);

/* Builds the machine and starts it, unless -S; false: *err. */
bool system_start(SystemConfig *c, GError **err);
void system_stop(void);
/* -gdb: a debugger may come there. */
bool machine_gdb_start(const char *text, GError **err);

/* -object; object_memory: the RAM block of a memory-backend object for its one user, NULL and *err.
 */
bool object_add(const char *text, GError **err);
/* "help" or "KIND,help": printed. False: it asks for no help, or there is no such kind. */
bool object_help(const char *text);
/* Devices may refer to objects from now on. */
void objects_init(void);
/* Those whose kind begins so; `made` is a RAMBlock * for "memory-backend". */
void object_foreach(const char *family,
                    void (*fn)(const char *id, unsigned users, void *made, void *opaque),
                    void *opaque);
/* Those that need netdevs (filters); nothing for others. */
bool object_add_late(const char *text, GError **err);
/* False: it is in use, or there is none. */
bool object_del(const char *id, GError **err);
RAMBlock *object_memory(const char *id, GError **err);

/* -daemonize: the process that goes on is another; the first waits for daemon_ready, or for the
 * other's end. */
bool daemon_start(GError **err);
void daemon_ready(void);
bool pidfile_write(const char *path, GError **err);

#endif
