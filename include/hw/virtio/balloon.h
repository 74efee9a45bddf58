/* SPDX-License-Identifier: MIT */
/* The balloon as the monitor sees it. Main-loop thread, big lock. */
#ifndef HW_VIRTIO_BALLOON_H
#define HW_VIRTIO_BALLOON_H

#include "hw/device.h"

/* Memory statistics (virtio 1.2, 5.5.6.3) by tag; UINT64_MAX: the guest has not said. */
enum { BALLOON_NB_STATS = 10 };

/* Asks the guest to have this much memory (bytes; at most what the machine has). False: there is no
 * balloon. */
bool balloon_set_target(uint64_t bytes);
/* What it has now. False: there is no balloon. */
bool balloon_actual(uint64_t *bytes);
/* The last statistics, and asks for newer ones. False: there is no balloon. */
bool balloon_stats(uint64_t stats[BALLOON_NB_STATS]);
/* When they came, in seconds since the epoch; 0: never. */
int64_t balloon_stats_time(void);
/* Asks for them every so many seconds; 0: only when they are looked at. */
void balloon_set_polling(unsigned seconds);
/* dev, or what it carries, is the balloon. */
bool balloon_is(const Device *dev);
/* fn hears of the guest's size in bytes whenever it has changed. */
void balloon_set_changed_hook(void (*fn)(uint64_t actual));

#endif
