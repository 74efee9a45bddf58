/* SPDX-License-Identifier: MIT */
/* What the files of the memory API share. */
#ifndef HW_CORE_MEMORY_INTERNAL_H
#define HW_CORE_MEMORY_INTERNAL_H

#include <inttypes.h>
#include "hw/memory.h"

AddressSpace *address_space_first(void);
/* Tells every listener that has asked. */
void memory_listeners_ram_written(uint64_t offset, uint64_t len);

#endif
