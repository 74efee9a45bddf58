/* SPDX-License-Identifier: MIT */
/* latimer-img check */
#include "tools/img/img.h"

/* Exit status, as scripts know it. */
enum { CLEAN = 0, FAILED = 1, CORRUPT = 2, LEAKS = 3, NO_CHECK = 63 };

static void print_human(const BlockCheckResult *r)
{
    if (!(r->corruptions || r->leaks || r->check_errors)) {
        puts("No errors were found on the image.");
    } else {
        if (r->corruptions) {
            printf("\n%" G_GINT64_FORMAT " errors were found on the image.\n"
                   "Data may be corrupted, or further writes to the image may corrupt it.\n",
                   r->corruptions);
        }
        if (r->leaks) {
            printf("\n%" G_GINT64_FORMAT " leaked clusters were found on the image.\n"
                   "This means waste of disk space, but no harm to data.\n",
                   r->leaks);
        }
        if (r->check_errors) {
            printf("\n%" G_GINT64_FORMAT " internal errors have occurred during the check.\n",
                   r->check_errors);
        }
    }
    if (r->total_clusters && r->allocated_clusters) {
        printf("%" G_GINT64_FORMAT "/%" G_GINT64_FORMAT " = %0.2f%% allocated, %0.2f%% fragmented, "
               "%0.2f%% compressed clusters\n",
               r->allocated_clusters, r->total_clusters,
               r->allocated_clusters * 100.0 / r->total_clusters,
               r->fragmented * 100.0 / r->allocated_clusters,
               r->compressed * 100.0 / r->allocated_clusters);
    }
    if (r->image_end) {
        printf("Image end offset: %" G_GINT64_FORMAT "\n", r->image_end);
    }
}

static void print_json(const BlockNode *node, const BlockCheckResult *r)
{
    const struct {
        const char *key;
        int64_t num;
    } rows[] = {
        { "image-end-offset", r->image_end },
        { "total-clusters", r->total_clusters },
        { "allocated-clusters", r->allocated_clusters },
        { "fragmented-clusters", r->fragmented },
        { "compressed-clusters", r->compressed },
        { "corruptions", r->corruptions },
        { "leaks", r->leaks },
        { "corruptions-fixed", r->corruptions_fixed },
        { "leaks-fixed", r->leaks_fixed },
    };
    g_autoptr(Value) v = value_new(VALUE_DICT);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].num) {
            value_set_int(v, rows[i].key, rows[i].num);
        }
    }
    value_set_int(v, "check-errors", r->check_errors);
    value_set_string(v, "filename", node->filename);
    value_set_string(v, "format", node->drv->name);
    g_autofree char *text = value_to_json(v, true);
    puts(text);
}

static int run_check(BlockNode *node, unsigned fix, BlockCheckResult *r)
{
    *r = (BlockCheckResult){ 0 };
    int ret = node->drv->check(node, fix, r);
    if (ret) {
        img_error("Check failed: %s", g_strerror(-ret));
    }
    return ret;
}

static int check_image(BlockNode *node, unsigned fix, bool json, bool quiet)
{
    BlockCheckResult r, first;
    if (!node->drv->check) {
        img_error("This image format does not support checks");
        return NO_CHECK;
    }
    if (run_check(node, fix, &r)) {
        return FAILED;
    }
    first = r;
    if (r.corruptions_fixed || r.leaks_fixed) {
        if (!json && !quiet) {
            printf("The following inconsistencies were found and repaired:\n\n"
                   "    %" G_GINT64_FORMAT " leaked clusters\n    %" G_GINT64_FORMAT
                   " corruptions\n\nDouble checking the fixed image now...\n",
                   r.leaks_fixed, r.corruptions_fixed);
        }
        if (run_check(node, 0, &r)) {
            return FAILED;
        }
        r.leaks_fixed = first.leaks_fixed;
        r.corruptions_fixed = first.corruptions_fixed;
    }
    if (json) {
        print_json(node, &r);
    } else if (!quiet) {
        print_human(&r);
    }
    return r.corruptions ? CORRUPT : r.check_errors ? FAILED : r.leaks ? LEAKS : CLEAN;
}

static bool parse_repair(const ImgOption *o, const char *arg)
{
    unsigned *fix = o->out;
    *fix = BLOCK_FIX_LEAKS | (strcmp(arg, "all") ? 0 : BLOCK_FIX_ERRORS);
    if (strcmp(arg, "leaks") && strcmp(arg, "all")) {
        img_usage("check", "-r expects 'leaks' or 'all', not '%s'", arg);
        return false;
    }
    return true;
}

int img_check(int argc, char **argv)
{
    ImgOpen how = { .flags = BLOCK_NO_BACKING | BLOCK_CHECK };
    bool json = false, quiet = false;
    unsigned fix = 0;
    const ImgOption table[] = {
        IMG_OPT('f', "format", IMG_STR, &how.fmt),
        IMG_OPT('r', "repair", IMG_CALL_ARG, &fix, .call = parse_repair),
        IMG_OPT('T', NULL, IMG_STR, &how.cache),
        IMG_OPT('q', "quiet", IMG_ON, &quiet),
        IMG_OPT('U', "force-share", IMG_BITS, &how.flags, .bits = BLOCK_FORCE_SHARE),
        IMG_OPT(0, "output", IMG_OUTPUT, &json),
        IMG_OPT(0, "image-opts", IMG_ON, &how.image_opts),
        IMG_OPT(0, "object", IMG_OBJECT, NULL),
        { 0 },
    };
    if (!img_parse("check", table, argc, argv)) {
        return FAILED;
    }
    how.flags |= fix ? BLOCK_RDWR : 0;
    if (argc - optind != 1) {
        return img_usage("check", "expecting one image file name");
    }
    g_autoptr(BlockNode) node = img_open(&how, argv[optind]);
    return node ? check_image(node, fix, json, quiet) : FAILED;
}
