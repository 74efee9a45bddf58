/* SPDX-License-Identifier: MIT */
/* Names of guest functions for -perfmap. */
#ifndef LINUX_USER_SYMBOLS_H
#define LINUX_USER_SYMBOLS_H

#include <stdint.h>

/* From now on mapped code's symbols are kept, and guest_symbol (exec/exec.h) finds them. */
void symbols_enable(void);
/* The guest mapped fd's bytes from `offset` on at addr, executable. Does nothing unless enabled. */
void symbols_add_mapping(int fd, uint64_t addr, uint64_t offset);

#endif
