/* SPDX-License-Identifier: MIT */
/* nbd-server-start and its companions: an NBD server inside a machine's process. */
#ifndef BLOCK_NBD_SERVICE_H
#define BLOCK_NBD_SERVICE_H

#include "block/system.h"

bool nbd_service_start(BlockSystem *sys, const Value *args, GError **err);
bool nbd_service_add(BlockSystem *sys, const Value *args, GError **err);
/* By name, and by id. An export in use goes with "mode": "hard" only. */
bool nbd_service_remove(BlockSystem *sys, const Value *args, GError **err);
bool nbd_service_del(BlockSystem *sys, const Value *args, GError **err);
bool nbd_service_stop_command(BlockSystem *sys, const Value *args, GError **err);
void nbd_service_stop(BlockSystem *sys);
Value *nbd_service_query(BlockSystem *sys);

/* A listening socket, or -1 after setting an error: for the tool, too. */
int nbd_listen_unix(const char *path, GError **err);
int nbd_listen_tcp(const char *host, const char *port, GError **err);

#endif
