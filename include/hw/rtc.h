/* SPDX-License-Identifier: MIT */
/* What the guest's wall clock says (-rtc). */
#ifndef HW_RTC_H
#define HW_RTC_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include "hw/timer.h"

/* "base=utc|localtime|2024-01-31T12:00:00[,clock=host|vm|rt]". False: *err. */
bool rtc_configure(const char *text, GError **err);
/* ns since 1970 as the guest is to see it, and which clock it follows. */
int64_t rtc_now_ns(void);
ClockType rtc_clock(void);

#endif
