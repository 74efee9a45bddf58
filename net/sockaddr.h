/* SPDX-License-Identifier: MIT */
/* Addresses of sockets as options give them. */
#ifndef NET_SOCKADDR_H
#define NET_SOCKADDR_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/opts.h"

typedef struct NetAddr {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    };
    socklen_t len; /* 0: none */
} NetAddr;

/* "host:port", "[v6]:port", ":port" (any address). type: SOCK_STREAM or SOCK_DGRAM. */
bool net_addr_parse(const char *text, int type, NetAddr *out, GError **err);
/* prefix "addr" reads addr.type=inet|unix|fd, addr.host=, addr.port=, addr.path=, addr.str=. *fd is
 * the descriptor of type fd, else -1. */
bool net_addr_from_opts(const Opts *opts, const char *prefix, int type, NetAddr *out, int *fd,
                        GError **err);
char *net_addr_to_str(const NetAddr *a);
/* Non-blocking, close-on-exec; bound (and listening) or connected (perhaps EINPROGRESS). -1: errno.
 */
int net_addr_listen(const NetAddr *a, int type);
int net_addr_connect(const NetAddr *a, int type);

#endif
