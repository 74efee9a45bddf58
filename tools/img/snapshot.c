/* SPDX-License-Identifier: MIT */
/* latimer-img snapshot */
#include "tools/img/snapshots.h"

static int run(BlockNode *node, int action, const char *name)
{
    const BlockDriver *d = node->drv;
    GError *err = NULL;
    bool ok = true;
    if (action == 'l') {
        g_autoptr(GPtrArray) list = d->snapshot_list ? d->snapshot_list(node) : NULL;
        if (list && list->len) {
            img_print_snapshots(list);
        }
        return 0;
    }
    if (!d->snapshot_create) {
        img_error("'%s': image format '%s' has no internal snapshots", node->filename, d->name);
        return 1;
    }
    switch (action) {
    case 'c':
        ok = d->snapshot_create(node, name, &err);
        break;
    case 'a':
        ok = d->snapshot_apply(node, name, &err);
        break;
    case 'd':
        ok = d->snapshot_delete(node, name, &err);
        break;
    }
    if (!ok && err->code == ENOENT) {
        img_error("Could not %s snapshot '%s': snapshot not found",
                  action == 'a' ? "apply" : "delete", name);
        g_error_free(err);
        return 1;
    }
    return ok ? 0 : img_fail(err);
}

int img_snapshot(int argc, char **argv)
{
    static const struct option longs[] = {
        { "object", 1, NULL, IMG_OPT_OBJECT },
        { "image-opts", 0, NULL, IMG_OPT_IMAGE_OPTS },
        { "force-share", 0, NULL, 'U' },
        { 0 },
    };
    ImgOpen how = { .flags = BLOCK_RDWR };
    const char *name = NULL;
    int action = 0, c;
    while ((c = getopt_long(argc, argv, ":la:c:d:qUf:", longs, NULL)) != -1) {
        switch (c) {
        case 'l':
        case 'a':
        case 'c':
        case 'd':
            if (action) {
                return img_usage("snapshot", "Cannot mix '-l', '-a', '-c', '-d'");
            }
            action = c;
            name = optarg;
            break;
        case 'f':
            how.fmt = optarg;
            break;
        case 'q':
            break; /* nothing is printed but what was asked for */
        case 'U':
            how.flags |= BLOCK_FORCE_SHARE;
            break;
        case IMG_OPT_IMAGE_OPTS:
            how.image_opts = true;
            break;
        case IMG_OPT_OBJECT:
            if (!img_add_object(optarg)) {
                return 1;
            }
            break;
        default:
            return img_usage("snapshot", "unknown option, or one without its argument: '%s'",
                             argv[optind - 1]);
        }
    }
    if (argc - optind != 1) {
        return img_usage("snapshot", "expecting one image file name");
    }
    action = action ? action : 'l';
    if (action == 'l') {
        how.flags = (how.flags & ~(unsigned)BLOCK_RDWR) | BLOCK_NO_BACKING | BLOCK_NO_IO;
    }
    g_autoptr(BlockNode) node = img_open(&how, argv[optind]);
    return node ? run(node, action, name) : 1;
}
