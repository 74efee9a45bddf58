/* SPDX-License-Identifier: MIT */
/* Objects that options refer to by id: `--object secret,…`, TLS credentials, lists of who may
 * connect. They are known to the whole process, as drivers look them up while an image is opened.
 */
#ifndef BLOCK_SECRET_H
#define BLOCK_SECRET_H

#include <glib.h>
#include <stdbool.h>
#include "util/opts.h"

/* "secret,id=…,data=…|file=…[,format=raw|base64][,keyid=…,iv=…]" or "tls-creds-…,id=…,…",
 * "authz-…", or the same as JSON ("qom-type" or "driver" names the kind). */
bool block_object_add(const char *text, GError **err);
bool block_object_del(const char *id, GError **err);
/* Is it a kind of object that block_object_add knows? For programs with other objects, too. */
bool block_object_is_kind(const char *kind);
/* All of them with their options. */
void block_object_foreach_kind(void (*fn)(const char *kind, const OptDef *opts, void *opaque),
                               void *opaque);
/* A copy of the options of an object that is no secret; its kind starts with `family`, and is
 * "kind" among them. NULL and an error when there is none. */
Opts *block_object_opts(const char *id, const char *family, GError **err);

/* The bytes of a secret, with a NUL byte after them that is not counted in *len; free with
 * block_secret_free, which wipes them. NULL and an error when there is none of that id. */
char *block_secret_get(const char *id, size_t *len, GError **err);
/* The same, when it has to be text (passwords): UTF-8 without NULs. */
char *block_secret_text(const char *id, GError **err);
void block_secret_free(char *secret);

#endif
