/* SPDX-License-Identifier: MIT */
/* What front ends and the engine know of guest memory in user mode; a file of its own for tests. */
#include "exec/exec.h"

int (*guest_page_flags)(vaddr addr);
uint64_t guest_base;
