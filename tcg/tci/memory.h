/* SPDX-License-Identifier: MIT */
/* How the interpreter touches memory: one access as an op's memop describes it. */
#ifndef TCG_TCI_MEMORY_H
#define TCG_TCI_MEMORY_H

#include "tcg/backend.h"

/* Loads 1..16 bytes; zeros above, or signs as memop says. */
TCGValue tci_load(const void *p, unsigned memop);
/* Stores the low 1..16 bytes. */
void tci_store(void *p, unsigned memop, TCGValue v);
/* atomic_rmw, atomic_cas, atomic_cas128 with args as the op has them. */
void tci_atomic(void *p, const TCGOp *op, TCGValue *args);

/* What comes between a value in memory's bytes and in a register. */
TCGValue tci_extend(TCGValue raw, unsigned memop);
TCGValue tci_bswap(TCGValue v, unsigned memop);

#endif
