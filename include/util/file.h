/* SPDX-License-Identifier: MIT */
/* Files that the user names to be written. */
#ifndef UTIL_FILE_H
#define UTIL_FILE_H

#include <glib.h>
#include <stdbool.h>

/*
 * Makes `path` hold these bytes, by writing to what is there: a device, a pipe or what a link leads
 * to stays what it is (g_file_set_contents puts a new file in its place). On failure false, *err
 * says which file and why, and a part may have been written.
 */
bool file_write(const char *path, const void *data, size_t len, GError **err);

#endif
