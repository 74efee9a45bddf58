/* SPDX-License-Identifier: MIT */
/*
 * The machine's controls: the monitor for people (-monitor) and QMP for programs (-qmp), over
 * character devices. Both run commands of one table (monitor/command.h). Main-loop thread, big lock
 * held.
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>

#include "chardev/chardev.h"

typedef enum MonitorKind { MONITOR_HMP, MONITOR_QMP, MONITOR_QMP_PRETTY } MonitorKind;

/* A new monitor at the chardev; false: *err (somebody else has it). */
bool monitor_add(Chardev *chardev, MonitorKind kind, GError **err);
/* "-mon chardev=ID,mode=readline|control[,pretty=on]". */
bool monitor_add_from_text(const char *text, GError **err);
/* To every QMP client past its greeting. Takes over data, which may be NULL. */
void monitor_event(const char *name, JsonObject *data);
/* Events of run states, resets and the like come by themselves from now on. */
void monitor_init(void);
/* One line as a person would type it; what it prints, g_free. */
char *monitor_run_line(const char *line);

#endif
