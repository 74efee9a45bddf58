/* SPDX-License-Identifier: MIT */
#ifndef UTIL_UNIX_SOCKET_H
#define UTIL_UNIX_SOCKET_H

/* A socket of the domain AF_UNIX and of `type` (with flags) bound to path. What an earlier run has
 * left there is replaced; a socket that somebody still serves, and any other file, is not: -1 and
 * errno EADDRINUSE. */
int unix_socket_bind(const char *path, int type);

#endif
