/* SPDX-License-Identifier: MIT */
/* The generic event device "acpi-ged" as boards see it: one register, irq 0 (level). */
#ifndef HW_ACPI_GED_H
#define HW_ACPI_GED_H

#include "hw/device.h"

enum { GED_EVENT_POWER_BUTTON = 2 };

/* Has happened: under the big lock. */
void ged_event(Device *dev, uint32_t event);

#endif
