/* SPDX-License-Identifier: MIT */
/* Disassembly for logs, by capstone. */
#ifndef DISAS_H
#define DISAS_H

#include <stddef.h>
#include <stdio.h>

#include "exec/cpu.h"

/* Prints size bytes at code as guest (or host) instructions that run at addr, a line each. */
void disas_guest(FILE *f, const TargetOps *target, vaddr addr, const void *code, size_t size);
void disas_host(FILE *f, uint64_t addr, const void *code, size_t size);

#endif
