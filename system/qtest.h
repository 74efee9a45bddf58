/* SPDX-License-Identifier: MIT */
/* -qtest and -qtest-log. */
#ifndef SYSTEM_QTEST_H
#define SYSTEM_QTEST_H

#include "hw/memory.h"

/* place: as -serial takes it; log: a file's name, or NULL. */
bool qtest_start(AddressSpace *memory, const char *place, const char *log, GError **err);

#endif
