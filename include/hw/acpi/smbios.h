/* SPDX-License-Identifier: MIT */
/* SMBIOS tables for firmware: what the machine calls itself, its processors and memory. */
#ifndef HW_ACPI_SMBIOS_H
#define HW_ACPI_SMBIOS_H

#include "hw/machine.h"

/* Offers them by fw_cfg. product: the machine's name; ram_start: of RAM in one piece. */
bool smbios_offer(const Machine *m, const char *product, hwaddr ram_start, Device *fw_cfg,
                  GError **err);

#endif
