/* SPDX-License-Identifier: MIT */
/* The guests that this program knows. */
#include <string.h>

#include "target/arm/cpu.h"

const TargetOps *const target_table[] = {
    &arm_target,
    NULL,
};

const TargetOps *target_by_name(const char *name)
{
    for (const TargetOps *const *t = target_table; *t; t++) {
        if (!strcmp((*t)->name, name)) {
            return *t;
        }
    }
    return NULL;
}
