/* SPDX-License-Identifier: MIT */
/* Callbacks of the main loop when a descriptor can be read or written; each can be turned off. */
#ifndef NET_FDWATCH_H
#define NET_FDWATCH_H

#include <glib.h>
#include <stdbool.h>

typedef struct FdWatch {
    int fd;
    guint source; /* 0: none */
    bool reading, writing;
    void (*can_read)(void *opaque);
    void (*can_write)(void *opaque);
    void *opaque;
} FdWatch;

void fdwatch_set(FdWatch *w, bool reading, bool writing);
/* The descriptor stays open. */
void fdwatch_stop(FdWatch *w);

#endif
