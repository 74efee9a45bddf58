/* SPDX-License-Identifier: MIT */
/* -icount: time by instructions. All but icount_enabled on the one thread that runs all vCPUs. */
#ifndef ACCEL_TCG_ICOUNT_H
#define ACCEL_TCG_ICOUNT_H

#include "exec/exec.h"
#include "hw/vcpu.h"

enum { ICOUNT_AUTO = -1, ICOUNT_MAX_SHIFT = 10 };
typedef struct IcountConfig {
    int shift;  /* 2^shift ns an instruction, 0…10, or ICOUNT_AUTO: as fast as the host's time */
    bool sleep; /* idle CPUs sleep until their timers are due; else time jumps there */
    bool align; /* the guest does not run ahead of the host's time */
} IcountConfig;

void icount_init(const IcountConfig *config);
bool icount_enabled(void);
/* Fires what is due and sets the end of this CPU's turn, which begins. */
void icount_begin_turn(CPUState *cpu);
/* No vCPU has anything to do. */
void icount_idle(void);

#endif
