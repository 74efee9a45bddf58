/* SPDX-License-Identifier: MIT */
/* A server of 9P2000.L (github.com/chaos/diod, protocol.md; Linux: include/net/9p/9p.h) for an
 * exported folder. One thread at a time. */
#ifndef HW_9PFS_9P_H
#define HW_9PFS_9P_H

#include <sys/uio.h>
#include "hw/9pfs/local.h"

typedef struct P9Server {
    LocalFS fs;
    GHashTable *fids; /* number -> struct Fid * */
    uint32_t msize;   /* bytes of a message, as agreed */
    unsigned open_files, max_open;
} P9Server;

typedef struct P9Request {
    const struct iovec *out, *in; /* the message; room for its answer */
    unsigned out_num, in_num;
    uint64_t in_bytes;
    uint32_t answered; /* bytes of the answer; 0: there is no room for any */
} P9Request;

/* 0 or -errno. */
int p9_init(P9Server *s, const FsDev *dev);
void p9_cleanup(P9Server *s);
/* Forgets all fids. */
void p9_reset(P9Server *s);
void p9_handle(P9Server *s, P9Request *r);

#endif
