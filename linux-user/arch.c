/* SPDX-License-Identifier: MIT */
/* The guest architectures of user mode, and what the process is. */
#include "linux-user/user.h"

UserProcess proc;

static const UserArch *const archs[] = { &aarch64_user_arch };

const UserArch *user_arch_by_machine(int elf_machine, bool big_endian)
{
    for (size_t n = 0; n < G_N_ELEMENTS(archs); n++) {
        if (archs[n]->elf_machine == elf_machine && !big_endian) {
            return archs[n];
        }
    }
    return NULL;
}
