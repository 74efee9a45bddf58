/* SPDX-License-Identifier: MIT */
/* Booting Arm64 machines directly: where kernel, initial RAM disk and device tree go. */
#ifndef HW_ARM_BOOT_H
#define HW_ARM_BOOT_H

#include "hw/machine.h"

typedef struct ArmBoot {
    hwaddr ram_start;
    uint64_t ram_size;
    hwaddr entry;                    /* set by arm_boot_load: where the first CPU starts */
    hwaddr initrd_start, initrd_end; /* both 0: none */
    hwaddr dtb_addr;
    bool is_linux;
} ArmBoot;

/*
 * Places m->kernel (an Image, plain, gzip'd or zboot; or an ELF file) and m->initrd, and
 * chooses dtb_addr. False: *err.
 */
bool arm_boot_load(Machine *m, ArmBoot *boot, GError **err);
/* Adds chosen (command line, initrd) and memory to a device tree, which has room to spare, and
 * places it. */
bool arm_boot_finish_dtb(Machine *m, const ArmBoot *boot, void *dtb, GError **err);

#endif
