/* SPDX-License-Identifier: MIT */
/* Every driver there is. A new one is a file, or a folder, and one line here. */
#include "block/block.h"

#define DRIVERS(X) \
    X(raw)         \
    X(qcow2)       \
    X(luks)        \
    X(vdi)         \
    X(vpc)         \
    X(vhdx)        \
    X(vmdk)        \
    X(file)        \
    X(host_device) \
    X(null_co)     \
    X(blkdebug)    \
    X(nbd)         \
    X(http)        \
    X(https)       \
    X(throttle)

#define DECLARE(name) extern const BlockDriver block_driver_##name;
DRIVERS(DECLARE)

#define ENTRY(name) &block_driver_##name,
const BlockDriver *const block_drivers[] = { DRIVERS(ENTRY) NULL };
