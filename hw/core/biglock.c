/* SPDX-License-Identifier: MIT */
/* The big lock. */
#include <glib.h>
#include <pthread.h>
#include "hw/biglock.h"

static pthread_mutex_t biglock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool held;

void biglock_lock(void)
{
    g_assert(!held);
    pthread_mutex_lock(&biglock);
    held = true;
}

void biglock_unlock(void)
{
    g_assert(held);
    held = false;
    pthread_mutex_unlock(&biglock);
}

bool biglock_held(void)
{
    return held;
}
