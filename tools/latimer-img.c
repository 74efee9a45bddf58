/* SPDX-License-Identifier: MIT */
/* latimer-img: creates, converts, checks and changes disk images. One file a subcommand in
 * tools/img/. */
#include "tools/img/img.h"
#include <locale.h>

static const struct {
    const char *name;
    ImgCommand *run;
    const char *syntax;
} commands[] = {
    { "amend", img_amend,
      "[--object objectdef] [--image-opts] [-p] [-q] [-f fmt] [-t cache] [--force] -o options "
      "filename" },
    { "bench", img_bench,
      "[-c count] [-d depth] [-f fmt] [--flush-interval=flush_interval] [-i aio] [-n] "
      "[--no-drain] [-o offset] [--pattern=pattern] [-q] [-s buffer_size] [-S step_size] "
      "[-t cache] [-w] [-U] filename" },
    { "bitmap", img_bitmap,
      "(--merge SOURCE | --add | --remove | --clear | --enable | --disable)... [-b source_file "
      "[-F source_fmt]] [-g granularity] [--object objectdef] [--image-opts | -f fmt] filename "
      "bitmap" },
    { "check", img_check,
      "[--object objectdef] [--image-opts] [-q] [-f fmt] [--output=ofmt] [-r [leaks | all]] "
      "[-T src_cache] [-U] filename" },
    { "commit", img_commit,
      "[--object objectdef] [--image-opts] [-q] [-f fmt] [-t cache] [-b base] [-r rate_limit] "
      "[-d] [-p] filename" },
    { "compare", img_compare,
      "[--object objectdef] [--image-opts] [-f fmt] [-F fmt] [-T src_cache] [-p] [-q] [-s] [-U] "
      "filename1 filename2" },
    { "convert", img_convert,
      "[--object objectdef] [--image-opts] [--target-image-opts] [--target-is-zero] [--bitmaps "
      "[--skip-broken-bitmaps]] [-U] [-C] [-c] [-p] [-q] [-n] [-f fmt] [-t cache] [-T src_cache] "
      "[-O output_fmt] [-B backing_file [-F backing_fmt]] [-o options] [-l snapshot_param] "
      "[-S sparse_size] [-r rate_limit] [-m num_threads] [-W] [--salvage] filename [filename2 "
      "[...]] output_filename" },
    { "create", img_create,
      "[--object objectdef] [-q] [-f fmt] [-b backing_file [-F backing_fmt]] [-u] [-o options] "
      "filename [size]" },
    { "dd", img_dd,
      "[--image-opts] [-U] [-f fmt] [-O output_fmt] [bs=block_size] [count=blocks] [skip=blocks] "
      "if=input of=output" },
    { "info", img_info,
      "[--object objectdef] [--image-opts] [-f fmt] [--output=ofmt] [--backing-chain] [-U] "
      "filename" },
    { "map", img_map,
      "[--object objectdef] [--image-opts] [-f fmt] [--start-offset=offset] [--max-length=len] "
      "[--output=ofmt] [-U] filename" },
    { "measure", img_measure,
      "[--output=ofmt] [-O output_fmt] [-o options] [--size N | [--object objectdef] "
      "[--image-opts] [-f fmt] [-l snapshot_param] filename]" },
    { "rebase", img_rebase,
      "[--object objectdef] [--image-opts] [-U] [-q] [-f fmt] [-t cache] [-T src_cache] [-p] [-u] "
      "-b backing_file [-F backing_fmt] filename" },
    { "resize", img_resize,
      "[--object objectdef] [--image-opts] [-f fmt] [--preallocation=prealloc] [-q] [--shrink] "
      "filename [+ | -]size" },
    { "snapshot", img_snapshot,
      "[--object objectdef] [--image-opts] [-U] [-q] [-l | -a snapshot | -c snapshot | -d "
      "snapshot] filename" },
};

static void help(void)
{
    printf("usage: latimer-img [-h | -V] command [command options]\n"
           "Creates, converts, checks and changes disk images.\n\nCommands:\n");
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        printf("  %s %s\n", commands[i].name, commands[i].syntax);
    }
    printf("\nSizes are in bytes, with an optional suffix k, M, G, T, P or E. '-o help' lists the\n"
           "options of a format; '-p' shows progress; '-q' says nothing but errors.\n"
           "Cache modes: none, writeback, writethrough, directsync, unsafe.\n\nSupported formats:");
    for (unsigned i = 0; block_drivers[i]; i++) {
        printf(" %s", block_drivers[i]->name);
    }
    putchar('\n');
}

int main(int argc, char **argv)
{
    setlocale(LC_TIME, "");
    if (argc < 2) {
        img_error("Not enough arguments\nTry 'latimer-img --help' for more information");
        return 1;
    }
    if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help")) {
        help();
        return 0;
    }
    if (!strcmp(argv[1], "-V") || !strcmp(argv[1], "--version")) {
        puts("latimer-img");
        return 0;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (!strcmp(argv[1], commands[i].name)) {
            if (argc > 2 && (!strcmp(argv[2], "-h") || !strcmp(argv[2], "--help"))) {
                printf("usage: latimer-img %s %s\n", commands[i].name, commands[i].syntax);
                return 0;
            }
            int status = commands[i].run(argc - 1, argv + 1);
            if (fflush(stdout)) {
                img_error("could not write to standard output: %s", g_strerror(errno));
                return 1;
            }
            return status;
        }
    }
    img_error("Command not found: %s\nTry 'latimer-img --help' for more information", argv[1]);
    return 1;
}
