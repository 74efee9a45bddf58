/* SPDX-License-Identifier: MIT */
/* blkdebug's rules: which event of the driver above makes which request fail, changes the state, or
 * is held until somebody says "resume". */
#ifndef BLOCK_BLKDEBUG_H
#define BLOCK_BLKDEBUG_H

#include "block/block.h"

typedef struct DebugRules DebugRules;

typedef enum DebugIo {
    DEBUG_READ,
    DEBUG_WRITE,
    DEBUG_ZEROES,
    DEBUG_DISCARD,
    DEBUG_FLUSH,
    DEBUG_STATUS,
} DebugIo;

DebugRules *debug_rules_new(void);
void debug_rules_free(DebugRules *rules);
/* Adds the sections of a configuration file. */
bool debug_rules_read(DebugRules *rules, const char *filename, GError **err);
/* Adds "inject-error.N.KEY" and "set-state.N.KEY". */
bool debug_rules_add(DebugRules *rules, const Opts *opts, GError **err);
/* Something happens above; waits while a breakpoint says so. */
void debug_rules_event(DebugRules *rules, BlockEvent event);
/* May a request go on? 0 or -errno. */
int debug_rules_check(DebugRules *rules, DebugIo type, int64_t off, int64_t len);
/* 0 or -errno; for BLOCK_DEBUG_IS_SUSPENDED 1 when so. */
int debug_rules_control(DebugRules *rules, BlockDebugOp op, const char *event, const char *tag);

#endif
