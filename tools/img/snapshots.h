/* SPDX-License-Identifier: MIT */
/* The table of snapshots that `info` and `snapshot -l` print. */
#ifndef TOOLS_IMG_SNAPSHOTS_H
#define TOOLS_IMG_SNAPSHOTS_H

#include "tools/img/img.h"

void img_print_snapshots(GPtrArray *list); /* of BlockSnapshot */

#endif
