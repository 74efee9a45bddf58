/* SPDX-License-Identifier: MIT */
/* latimer-io's commands that hold requests at an event (the image must lie on blkdebug), wait, and
 * end the program in hard ways. */
#include "tools/io/io.h"
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

int io_cmd_break(Io *io, int argc, char **argv)
{
    int ret = block_debug(io->node, BLOCK_DEBUG_BREAK, argv[1], argv[2]);
    (void)argc;
    return ret ? io_fail("Could not set breakpoint: %s", g_strerror(-ret)) : 0;
}

int io_cmd_remove_break(Io *io, int argc, char **argv)
{
    int ret = block_debug(io->node, BLOCK_DEBUG_REMOVE, NULL, argv[1]);
    (void)argc;
    return ret ? io_fail("Could not remove breakpoint %s: %s", argv[1], g_strerror(-ret)) : 0;
}

int io_cmd_resume(Io *io, int argc, char **argv)
{
    int ret = block_debug(io->node, BLOCK_DEBUG_RESUME, NULL, argv[1]);
    (void)argc;
    return ret ? io_fail("Could not resume request: %s", g_strerror(-ret)) : 0;
}

int io_cmd_wait_break(Io *io, int argc, char **argv)
{
    int ret;
    (void)argc;
    while (!(ret = block_debug(io->node, BLOCK_DEBUG_IS_SUSPENDED, NULL, argv[1]))) {
        g_usleep(1000);
    }
    return ret < 0 ? io_fail("Could not wait for breakpoint %s: %s", argv[1], g_strerror(-ret)) : 0;
}

static bool parse_int(const char *text, int *out)
{
    char *end;
    long n = strtol(text, &end, 0);
    bool ok = *text && !*end && n >= 0 && n <= INT32_MAX;
    *out = ok ? n : 0;
    return ok || !io_fail("%s is not a valid number", text);
}

int io_cmd_sigraise(Io *io, int argc, char **argv)
{
    int sig;
    (void)io;
    (void)argc;
    if (!parse_int(argv[1], &sig)) {
        return 1;
    }
    fflush(stdout);
    return raise(sig) ? io_fail("could not raise signal %d", sig) : 0;
}

/* As if by a crash: nothing is written back. */
int io_cmd_abort(Io *io, int argc, char **argv)
{
    (void)io;
    (void)argc;
    (void)argv;
    fflush(stdout);
    abort();
}

int io_cmd_sleep(Io *io, int argc, char **argv)
{
    int ms;
    (void)io;
    (void)argc;
    if (!parse_int(argv[1], &ms)) {
        return 1;
    }
    g_usleep((gulong)ms * 1000);
    return 0;
}
