/* SPDX-License-Identifier: MIT */
/* The signal frame of arm64 Linux. Source: include/uapi/asm/{sigcontext,ucontext}.h of arm64. */
#ifndef LINUX_USER_AARCH64_FRAME_H
#define LINUX_USER_AARCH64_FRAME_H

#include "linux-user/user.h"

extern const UserVdso aarch64_vdso; /* vdso.c */

enum { AARCH64_MINSIGSTKSZ = 4720 };

bool aarch64_setup_frame(TaskState *ts, int sig, const siginfo_t *info, const GuestSigaction *act,
                         uint64_t oldmask, uint64_t sp, uint64_t trampoline);
bool aarch64_sigreturn(TaskState *ts, uint64_t *mask, stack_t *altstack);

#endif
