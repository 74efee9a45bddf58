/* SPDX-License-Identifier: MIT */
/* -d ITEM,… -D FILE -dfilter RANGE…: what is logged, and where to. */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    LOG_IN_ASM = 1 << 0,  /* guest code of each block */
    LOG_OP = 1 << 1,      /* ops as the front end made them */
    LOG_OP_OPT = 1 << 2,  /* ops after the optimiser and liveness */
    LOG_OUT_ASM = 1 << 3, /* host code */
    LOG_INT = 1 << 4,     /* exceptions and signals */
    LOG_EXEC = 1 << 5,    /* each block as it is entered (turns chaining off) */
    LOG_CPU = 1 << 6,     /* registers at each block */
    LOG_STRACE = 1 << 7,  /* system calls */
    LOG_UNIMP = 1 << 8,   /* what is not implemented */
    LOG_GUEST_ERROR = 1 << 9,
    LOG_PAGE = 1 << 10,  /* the guest's memory map as it changes */
    LOG_CACHE = 1 << 11, /* what came from the persistent cache and went there */
};

extern int log_mask;

static inline bool log_enabled(int item)
{
    return G_UNLIKELY(log_mask & item);
}
/* Parses "in_asm,op"; false and *err for an unknown item. "help" lists them on stdout and exits. */
bool log_set_items(const char *items, GError **err);
/* %d in name becomes the process id. */
bool log_set_file(const char *name, GError **err);
/* Ranges START..END, START+LEN, START-LEN by comma: block logs only inside them. */
bool log_set_filter(const char *ranges, GError **err);
bool log_in_range(uint64_t pc);
/* One writer at a time; the FILE is line-buffered. */
FILE *log_lock(void);
void log_unlock(FILE *f);
void log_printf(int item, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* Names of the items with their meanings. */
void log_list_items(FILE *f);

#endif
