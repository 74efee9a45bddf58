/* SPDX-License-Identifier: MIT */
#include "net/fdwatch.h"

#include <glib-unix.h>

static gboolean ready(G_GNUC_UNUSED gint fd, GIOCondition condition, gpointer opaque)
{
    FdWatch *w = opaque;
    guint source = w->source;

    /* an error or hang-up is found by whoever reads or, reading nothing, writes */
    if (w->reading && condition & (G_IO_IN | G_IO_HUP | G_IO_ERR)) {
        w->can_read(w->opaque);
    }
    if (w->source == source && w->writing && condition & (G_IO_OUT | G_IO_HUP | G_IO_ERR)) {
        w->can_write(w->opaque);
    }
    return G_SOURCE_CONTINUE;
}

void fdwatch_set(FdWatch *w, bool reading, bool writing)
{
    if (w->reading == reading && w->writing == writing) {
        return;
    }
    if (w->source) {
        g_source_remove(w->source);
        w->source = 0;
    }
    w->reading = reading;
    w->writing = writing;
    if (reading || writing) {
        w->source =
            g_unix_fd_add(w->fd, (reading ? G_IO_IN : 0) | (writing ? G_IO_OUT : 0), ready, w);
    }
}

void fdwatch_stop(FdWatch *w)
{
    fdwatch_set(w, false, false);
}
