/* SPDX-License-Identifier: MIT */
/*
 * vhost-net: the host's kernel serves a queue pair of virtio-net itself, between the rings and a
 * tap (linux/vhost.h). One VhostNet for each pair. All under the big lock.
 */
#ifndef HW_NET_VHOST_NET_H
#define HW_NET_VHOST_NET_H

#include "hw/virtio/virtio.h"
#include "net/net.h"

/* What is asked of the kernel; a test may be one. */
typedef struct VhostKernel {
    int (*call)(int fd, unsigned long request, void *arg); /* ioctl(2) */
} VhostKernel;
/* Of those made from now on; NULL: the real one. */
void vhost_net_set_kernel(const VhostKernel *kernel);

typedef struct VhostNet VhostNet;

/* fd: /dev/vhost-net, used by nobody else; tap: what packets go to. Both stay the caller's. NULL:
 * *err, with what the kernel refused. */
VhostNet *vhost_net_new(VirtIODevice *vdev, int fd, int tap, GError **err);
/* Stops it, too. NULL is fine. */
void vhost_net_free(VhostNet *v);
/* Of these virtio features, without those of rings and headers that the kernel does not know. */
uint64_t vhost_net_features(const VhostNet *v, uint64_t features);
/* From here on the rings are the kernel's; header: packets on the tap have a vnet header. False:
 * *err, and they are not. */
bool vhost_net_start(VhostNet *v, VirtQueue *rx, VirtQueue *tx, bool header, GError **err);
/* They are ours again, where the kernel has stopped. */
void vhost_net_stop(VhostNet *v);
bool vhost_net_running(const VhostNet *v); /* NULL: no */
/* The driver has kicked one of its queues. */
void vhost_net_kick(VhostNet *v, const VirtQueue *vq);

#endif
