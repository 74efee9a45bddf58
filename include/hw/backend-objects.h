/* SPDX-License-Identifier: MIT */
/*
 * Objects (-object) that devices refer to by id: sources of entropy, and I/O threads. A device's
 * property of kind PROP_RNG or PROP_IOTHREAD holds one and keeps it from being removed.
 */
#ifndef HW_BACKEND_OBJECTS_H
#define HW_BACKEND_OBJECTS_H

#include <glib-unix.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct RNGBackend RNGBackend;

/* rng-builtin (filename NULL): the host kernel's generator; rng-random: a file or device. NULL:
 * *err. */
RNGBackend *rng_backend_new(const char *filename, GError **err);
void rng_backend_free(RNGBackend *rng);
/* 1 to len bytes; 0: none now, rng_backend_wait tells when; -1: there will never be more (said once
 * on stderr). `rng` NULL: the host kernel's. */
ssize_t rng_backend_read(RNGBackend *rng, void *buf, size_t len);
/* fn once there may be bytes: a source of the main loop that is to return G_SOURCE_REMOVE. */
guint rng_backend_wait(RNGBackend *rng, GUnixFDSourceFunc fn, void *opaque);

#endif
