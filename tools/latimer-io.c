/* SPDX-License-Identifier: MIT */
/* latimer-io: a command language for doing I/O on images, for tests. Commands come from -c or
 * from standard input. */
#include "tools/io/io.h"
#include "block/secret.h"
#include <getopt.h>
#include <stdlib.h>

static void help(void)
{
    puts("usage: latimer-io [-h] [-V] [-rsnCmkU] [-f fmt] [-t cache] [-d discard] [-i aio]\n"
         "                  [-c command]... [--object def]... [--image-opts] [file]\n"
         "  -c, --cmd COMMAND       run the command; several in order. Without: standard input\n"
         "  -f, --format FMT        the image's format\n"
         "  -r, --read-only         open read-only\n"
         "  -s, --snapshot          write to a temporary overlay\n"
         "  -n, --nocache           as -t none\n"
         "  -C, --copy-on-read      what is read from a backing image is kept\n"
         "  -m, --misalign          buffers that O_DIRECT does not like\n"
         "  -k, --native-aio        as -i native\n"
         "  -i, --aio MODE          threads, native, io_uring\n"
         "  -t, --cache MODE        none, writeback, writethrough, directsync, unsafe\n"
         "  -d, --discard MODE      unmap or ignore\n"
         "  -U, --force-share       take no image lock\n"
         "      --object DEF        a secret, TLS credentials, …\n"
         "      --image-opts        FILE is a list of options\n"
         "  -h, --help              this text\n"
         "  -V, --version           the version\n"
         "\nCommands ('latimer-io -c \"help COMMAND\"' tells more about one):");
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

enum { IMAGE_OPTS = 256, OBJECT };

/* One option; 0, or 1 after a message. */
static int take_option(Io *io, int c)
{
    GError *err = NULL;
    switch (c) {
    case 'f':
        io->fmt = optarg;
        return 0;
    case 'r':
        io->flags &= ~(unsigned)BLOCK_RDWR;
        return 0;
    case 's':
        io->snapshot = true;
        return 0;
    case 'C':
        io->copy_on_read = true;
        return 0;
    case 'm':
        io->misalign = true;
        return 0;
    case 'n':
        return !io_take_mode(io, 't', "none");
    case 'k':
        return !io_take_mode(io, 'i', "native");
    case 't':
    case 'd':
    case 'i':
        return !io_take_mode(io, c, optarg);
    case 'U':
        io->flags |= BLOCK_FORCE_SHARE;
        return 0;
    case IMAGE_OPTS:
        io->image_opts = true;
        return 0;
    case OBJECT:
        if (!block_object_add(optarg, &err)) {
            usage(err->message);
            g_error_free(err);
            return 1;
        }
        return 0;
    case 'T':
        return usage("not implemented: --trace");
    default:
        return usage("unknown option");
    }
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        { "help", 0, NULL, 'h' },        { "version", 0, NULL, 'V' },
        { "cmd", 1, NULL, 'c' },         { "format", 1, NULL, 'f' },
        { "read-only", 0, NULL, 'r' },   { "snapshot", 0, NULL, 's' },
        { "nocache", 0, NULL, 'n' },     { "copy-on-read", 0, NULL, 'C' },
        { "misalign", 0, NULL, 'm' },    { "native-aio", 0, NULL, 'k' },
        { "cache", 1, NULL, 't' },       { "discard", 1, NULL, 'd' },
        { "aio", 1, NULL, 'i' },         { "trace", 1, NULL, 'T' },
        { "force-share", 0, NULL, 'U' }, { "image-opts", 0, NULL, IMAGE_OPTS },
        { "object", 1, NULL, OBJECT },   { 0 },
    };
    Io io = { .flags = BLOCK_RDWR | BLOCK_WRITETHROUGH }; /* but for -t and -n */
    g_autoptr(GPtrArray) cmds = g_ptr_array_new();
    int status = 0, c;
    while ((c = getopt_long(argc, argv, "hVc:f:rsnCmkt:d:i:T:U", longs, NULL)) != -1) {
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
        default:
            if (take_option(&io, c)) {
                return 1;
            }
        }
    }
    if (argc - optind > 1) {
        return usage("expecting at most one image file name");
    }
    if (optind < argc && !io_open(&io, argv[optind], NULL)) {
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
