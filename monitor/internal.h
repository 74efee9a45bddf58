/* SPDX-License-Identifier: MIT */
/* One monitor, and what monitor.c, hmp.c and qmp.c call of each other. */
#ifndef MONITOR_INTERNAL_H
#define MONITOR_INTERNAL_H

#include "monitor/monitor.h"

typedef struct Monitor {
    CharFrontend fe;
    MonitorKind kind;
    GString *out; /* what the chardev did not take yet */
    /* --- QMP --- */
    GByteArray *input;
    bool negotiated; /* qmp_capabilities was called: events are sent */
    /* --- HMP --- */
    GString *line;
    size_t cursor;      /* bytes before it */
    GPtrArray *history; /* char *, oldest first */
    guint history_at;   /* where the arrows are in it; its length: at the new line */
    unsigned escape;    /* state of an ESC sequence, hmp.c */
    char escape_arg;
} Monitor;

void monitor_print(Monitor *m, const char *text);

void qmp_greet(Monitor *m);
void qmp_input(Monitor *m, const uint8_t *buf, size_t len);
/* data stays the caller's. */
void monitor_init_net(void); /* cmd-net.c: its events */
void qmp_event(Monitor *m, const char *name, JsonObject *data);

void hmp_greet(Monitor *m);
void hmp_input(Monitor *m, const uint8_t *buf, size_t len);

#endif
