/* SPDX-License-Identifier: MIT */
/* The balloon as the monitor sees it. Main-loop thread, big lock. */
#ifndef HW_VIRTIO_BALLOON_H
#define HW_VIRTIO_BALLOON_H

#include <stdbool.h>
#include <stdint.h>

/* Memory statistics (virtio 1.2, 5.5.6.3) by tag; UINT64_MAX: the guest has not said. */
enum { BALLOON_NB_STATS = 10 };

/* Asks the guest to have this much memory (bytes; at most what the machine has). False: there is no
 * balloon. */
bool balloon_set_target(uint64_t bytes);
/* What it has now. False: there is no balloon. */
bool balloon_actual(uint64_t *bytes);
/* The last statistics, and asks for newer ones. False: there is no balloon. */
bool balloon_stats(uint64_t stats[BALLOON_NB_STATS]);

#endif
