/* SPDX-License-Identifier: MIT */
/* Programs that are run for a tap, and descriptors that come from elsewhere. */
#ifndef NET_HELPER_H
#define NET_HELPER_H

#include <glib.h>
#include <stdbool.h>

/* SCRIPT IFNAME, waited for; false when it cannot be run or fails. */
bool net_run_script(const char *script, const char *ifname, GError **err);
/*
 * A tap descriptor from `helper --use-vnet --br=BRIDGE --fd=N`, which passes it over the Unix
 * socket N. helper NULL: latimer-bridge-helper where we are installed. -1: *err.
 */
int net_tap_from_helper(const char *helper, const char *bridge, GError **err);
/* "7": an inherited descriptor; "name": one that the monitor got by getfd. */
bool net_parse_fd(const char *text, int *fd, GError **err);

#endif
