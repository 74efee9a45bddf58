/* SPDX-License-Identifier: MIT */
/* latimer-system: options -> machine -> devices -> accelerator -> main loop. */
#include <glib-unix.h>
#include <signal.h>
#include <stdlib.h>
#include "hw/mainloop.h"
#include "system/config.h"

static gboolean on_signal(gpointer opaque)
{
    (void)opaque;
    system_shutdown_request("host-signal", 0);
    return G_SOURCE_CONTINUE;
}

static G_NORETURN void fail(const SystemConfig *c, const GError *err)
{
    fprintf(stderr, "%s: %s\n", c->program, err->message);
    exit(1);
}

int main(int argc, char **argv)
{
    SystemConfig config;
    GError *err = NULL;
    int exit_status = 0;
    signal(SIGPIPE, SIG_IGN);
    if (!options_parse(&config, argc, argv, &err) || (config.daemonize && !daemon_start(&err))) {
        fail(&config, err);
    }
    main_loop_init();
    g_unix_signal_add(SIGINT, on_signal, NULL);
    g_unix_signal_add(SIGTERM, on_signal, NULL);
    g_unix_signal_add(SIGHUP, on_signal, NULL);
    if (!system_start(&config, &err)) {
        fail(&config, err);
    }
    daemon_ready();
    while (!run_requests(&exit_status)) {
        main_loop_iterate(true);
    }
    system_stop();
    return exit_status;
}
