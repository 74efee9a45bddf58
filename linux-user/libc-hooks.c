/* SPDX-License-Identifier: MIT */
/*
 * The static C library calls these functions if the program has them, and tests their address
 * first. A call of one that is missing cannot be encoded in a program linked as high as
 * latimer-user is (see the Makefile), so they are here and do nothing.
 */
#define HOOK(name)                        \
    void name(void);                      \
    __attribute__((weak)) void name(void) \
    {                                     \
    }

HOOK(__call_tls_dtors)
HOOK(__cxa_finalize)
HOOK(__glibc_tls_internal_free)
HOOK(__mq_notify_fork_subprocess)
HOOK(__pthread_initialize_minimal)
HOOK(__timer_fork_subprocess)

/* What the linker is told to look for, so that it takes this file. */
HOOK(latimer_libc_hooks)
