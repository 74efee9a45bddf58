/* SPDX-License-Identifier: MIT */
/* latimer-io: a command language for doing I/O on images, for tests. Commands come from -c or
 * from standard input. */
#include "tools/io/io.h"
#include "block/secret.h"
#include <getopt.h>
#include <stdlib.h>

static void help(void)
{
    puts("usage: latimer-io [-h] [-V] [-rnsU] [-f fmt] [-t cache] [-d discard] [-c command]... "
         "[--image-opts] [file]\n"
         "  -c, --cmd COMMAND       run the command; several in order\n"
         "  -f, --format FMT        the image's format\n"
         "  -r, --read-only         open read-only\n"
         "  -n, --nocache           as -t none\n"
         "  -t, --cache MODE        none, writeback, writethrough, directsync, unsafe\n"
         "  -d, --discard MODE      unmap or ignore\n"
         "  -U, --force-share       take no image lock\n"
         "      --image-opts        FILE is a list of options\n"
         "\nCommands:");
    io_print_commands();
}

static int usage(const char *what)
{
    fprintf(stderr, "latimer-io: %s\nTry 'latimer-io --help' for more information\n", what);
    return 1;
}

static int run_stdin(Io *io)
{
    char *line = NULL;
    size_t room = 0;
    int status = 0;
    while (!io->quit && getline(&line, &room, stdin) >= 0) {
        line[strcspn(line, "\n")] = 0;
        status |= io_run(io, line);
    }
    free(line);
    return status;
}

int main(int argc, char **argv)
{
    enum { IMAGE_OPTS = 256, OBJECT };
    static const struct option longs[] = {
        { "help", 0, NULL, 'h' },
        { "version", 0, NULL, 'V' },
        { "cmd", 1, NULL, 'c' },
        { "format", 1, NULL, 'f' },
        { "read-only", 0, NULL, 'r' },
        { "nocache", 0, NULL, 'n' },
        { "cache", 1, NULL, 't' },
        { "discard", 1, NULL, 'd' },
        { "aio", 1, NULL, 'i' },
        { "force-share", 0, NULL, 'U' },
        { "image-opts", 0, NULL, IMAGE_OPTS },
        { "object", 1, NULL, OBJECT },
        { 0 },
    };
    Io io = { .flags = BLOCK_RDWR };
    GError *err = NULL;
    g_autoptr(GPtrArray) cmds = g_ptr_array_new();
    int status = 0, c;
    while ((c = getopt_long(argc, argv, "hVc:f:rnt:d:i:U", longs, NULL)) != -1) {
        switch (c) {
        case 'h':
            help();
            return 0;
        case 'V':
            puts("latimer-io");
            return 0;
        case 'c':
            g_ptr_array_add(cmds, optarg);
            break;
        case 'f':
            io.fmt = optarg;
            break;
        case 'r':
            io.flags &= ~(unsigned)BLOCK_RDWR;
            break;
        case 'n':
        case 't':
            if (!block_parse_cache(c == 'n' ? "none" : optarg, &io.flags)) {
                return usage("unknown cache mode");
            }
            break;
        case 'd':
            if (!strcmp(optarg, "unmap") || !strcmp(optarg, "on")) {
                io.flags |= BLOCK_UNMAP;
            } else if (strcmp(optarg, "ignore") && strcmp(optarg, "off")) {
                return usage("-d expects unmap or ignore");
            }
            break;
        case 'i':
            if (!block_parse_aio(optarg, &io.flags)) {
                return usage("unknown aio mode");
            }
            break;
        case 'U':
            io.flags |= BLOCK_FORCE_SHARE;
            break;
        case IMAGE_OPTS:
            io.image_opts = true;
            break;
        case OBJECT:
            if (!block_object_add(optarg, &err)) {
                return usage(err->message);
            }
            break;
        default:
            return usage("unknown option");
        }
    }
    if (argc - optind > 1) {
        return usage("expecting at most one image file name");
    }
    if (optind < argc && !io_open(&io, argv[optind])) {
        return 1;
    }
    for (unsigned i = 0; i < cmds->len && !io.quit; i++) {
        status |= io_run(&io, g_ptr_array_index(cmds, i));
    }
    if (!cmds->len) {
        status |= run_stdin(&io);
    }
    status |= io_close(&io);
    return status;
}
