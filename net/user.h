/* SPDX-License-Identifier: MIT */
/* What the monitor does to user networks. netdev NULL: the first one. */
#ifndef NET_USER_H
#define NET_USER_H

#include <glib.h>
#include <stdbool.h>

bool net_hostfwd_add(const char *netdev, const char *rule, GError **err);
bool net_hostfwd_remove(const char *netdev, const char *rule, GError **err);
/* `info usernet`; NULL: there is none. Freed with g_free. */
char *net_user_connections(const char *netdev);

#endif
