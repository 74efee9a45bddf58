/* SPDX-License-Identifier: MIT */
/* The accelerator for tests of devices. */
#ifndef ACCEL_QTEST_H
#define ACCEL_QTEST_H

#include "hw/vcpu.h"

extern const AccelOps qtest_accel;
/* CLOCK_VIRTUAL goes on to this time, ns; what is due on the way fires at its time. The big lock is
 * held. Back it does not go. */
void qtest_clock_set(int64_t to);

#endif
