/* SPDX-License-Identifier: MIT */
/* The kernel's NBD devices, /dev/nbdX. */
#ifndef TOOLS_NBD_KERNEL_H
#define TOOLS_NBD_KERNEL_H

#include "block/nbd/proto.h"

/* Attaches the first export to a device and serves it until it is detached. 0, or -1 and an error.
 */
int nbd_kernel_serve(NbdServer *server, const char *device, GError **err);
int nbd_kernel_disconnect(const char *device, GError **err);

#endif
