/* SPDX-License-Identifier: MIT */
/* Programs that run, or are being written. */
#ifndef LINUX_USER_TEXT_BUSY_H
#define LINUX_USER_TEXT_BUSY_H

#include <stdbool.h>

/* fd is the program that this process runs: taken over. */
void text_hold(int fd);
/* The file is open for writing somewhere. path: the host's. */
bool text_is_written(const char *path);
/* It is a file of a kind that can be run. path: from the open folder (AT_FDCWD) on. */
bool text_may_run(int folder, const char *path);
/* A guest process runs it. */
bool text_is_running(int fd);

#endif
