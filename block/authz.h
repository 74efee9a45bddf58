/* SPDX-License-Identifier: MIT */
/* Who may connect: `--object authz-simple`, `authz-list` and `authz-list-file`. */
#ifndef BLOCK_AUTHZ_H
#define BLOCK_AUTHZ_H

#include "block/block.h"

bool authz_is_kind(const char *kind);
void authz_foreach_kind(void (*fn)(const char *kind, const OptDef *opts, void *opaque),
                        void *opaque);
/* The options of such an object, checked, with "kind" among them; or NULL. */
Opts *authz_check_opts(const char *kind, const Opts *opts, GError **err);
/* Is there such an object? */
bool authz_exists(const char *id, GError **err);
/* May `identity` (a distinguished name; NULL: nobody) come in? False and an error if not. */
bool authz_allows(const char *id, const char *identity, GError **err);

#endif
