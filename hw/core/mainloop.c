/* SPDX-License-Identifier: MIT */
/* The main loop. */
#include <glib.h>
#include <glib-unix.h>
#include "hw/biglock.h"
#include "hw/mainloop.h"
#include "hw/timer.h"

static gint poll_unlocked(GPollFD *fds, guint count, gint timeout)
{
    biglock_unlock();
    gint n = g_poll(fds, count, timeout);
    biglock_lock();
    return n;
}

static gboolean timers_due(gint fd, GIOCondition condition, gpointer opaque)
{
    (void)fd, (void)condition, (void)opaque;
    timers_run();
    return G_SOURCE_CONTINUE;
}

void main_loop_init(void)
{
    biglock_lock();
    g_main_context_set_poll_func(NULL, poll_unlocked);
    g_unix_fd_add_full(G_PRIORITY_HIGH, timers_fd(), G_IO_IN, timers_due, NULL, NULL);
}

void main_loop_iterate(bool wait)
{
    g_main_context_iteration(NULL, wait);
}

void main_loop_notify(void)
{
    g_main_context_wakeup(NULL);
}
