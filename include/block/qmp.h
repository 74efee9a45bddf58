/* SPDX-License-Identifier: MIT */
/* The QMP commands about block devices, for a monitor to pass on. */
#ifndef BLOCK_QMP_H
#define BLOCK_QMP_H

#include "block/backend.h"

/* Is `command` one of ours? */
bool block_qmp_knows(const char *command);
/* Runs it in the loop's thread. `args` may be NULL. What "return" holds (an empty object when there
 * is nothing to tell), or NULL and an error. */
Value *block_qmp(BlockSystem *sys, const char *command, const Value *args, GError **err);

#endif
