/* SPDX-License-Identifier: MIT */
/* Image locks, so that a second writer is refused. */
#ifndef BLOCK_FILELOCK_H
#define BLOCK_FILELOCK_H

#include <glib.h>
#include <stdbool.h>

/* Locks the open file for reading, or for writing too; until the descriptor is closed. */
bool file_lock(int fd, bool writer, const char *path, GError **err);

#endif
