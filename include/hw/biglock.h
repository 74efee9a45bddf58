/* SPDX-License-Identifier: MIT */
/*
 * The big lock: guards devices (their state, IRQ lines, timers) and changes of the memory tree.
 * vCPUs run guest code without it; MMIO takes it around one access. Never held by a system-register
 * access (but those which reach a device, such as GIC CPU interfaces, which lock their own) or by
 * guest memory access. Recursive use is a bug and asserts in debug builds.
 */
#ifndef HW_BIGLOCK_H
#define HW_BIGLOCK_H

#include <stdbool.h>

void biglock_lock(void);
void biglock_unlock(void);
bool biglock_held(void); /* by the calling thread */

#endif
