/* SPDX-License-Identifier: MIT */
/* TLS on a connected socket, by credentials that `--object tls-creds-…` made. */
#ifndef BLOCK_TLS_H
#define BLOCK_TLS_H

#include <sys/types.h>
#include "block/block.h"

bool tls_is_kind(const char *kind);
void tls_foreach_kind(void (*fn)(const char *kind, const OptDef *opts, void *opaque), void *opaque);
/* Checks the options of a kind of credentials and, but for what needs a connection, that their
 * files can be used. A list that includes "kind", or NULL. */
Opts *tls_check_opts(const char *kind, const Opts *opts, GError **err);

typedef struct TlsSession TlsSession;
/* The distinguished name in the peer's certificate, or NULL; free with g_free. */
char *tls_peer_name(TlsSession *s);
/* Does the handshake on `fd`, which stays the caller's. A client checks the server's certificate
 * against `hostname`, or the name in the credentials. */
TlsSession *tls_start(const char *creds_id, int fd, bool server, const char *hostname,
                      GError **err);
/* May credentials of that id be used at this end? Checked early, for a message at start. */
bool tls_check_endpoint(const char *creds_id, bool server, GError **err);
/* As read(2) and write(2): bytes, 0 at the end, or -errno. One reader and one writer at a time. */
ssize_t tls_read(TlsSession *s, void *buf, size_t len);
ssize_t tls_write(TlsSession *s, const void *buf, size_t len);
/* Is there decrypted data that poll() on the socket does not show? */
bool tls_pending(TlsSession *s);
void tls_free(TlsSession *s);

#endif
