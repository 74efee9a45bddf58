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

typedef struct Todo {
    int action; /* the option's letter, 0: none yet */
    const char *name;
} Todo;

static bool choose(const ImgOption *o, const char *arg)
{
    Todo *todo = o->out;
    if (todo->action) {
        img_usage("snapshot", "Cannot mix '-l', '-a', '-c', '-d'");
        return false;
    }
    *todo = (Todo){ o->letter, arg };
    return true;
}

int img_snapshot(int argc, char **argv)
{
    ImgOpen how = { .flags = BLOCK_RDWR };
    Todo todo = { 0 };
    const ImgOption table[] = {
        IMG_OPT('l', NULL, IMG_CALL, &todo, .call = choose),
        IMG_OPT('a', NULL, IMG_CALL_ARG, &todo, .call = choose),
        IMG_OPT('c', NULL, IMG_CALL_ARG, &todo, .call = choose),
        IMG_OPT('d', NULL, IMG_CALL_ARG, &todo, .call = choose),
        IMG_OPT('f', NULL, IMG_STR, &how.fmt),
        IMG_OPT('q', "quiet", IMG_NOTHING, NULL),
        IMG_OPT('U', "force-share", IMG_BITS, &how.flags, .bits = BLOCK_FORCE_SHARE),
        IMG_OPT(0, "image-opts", IMG_ON, &how.image_opts),
        IMG_OPT(0, "object", IMG_OBJECT, NULL),
        { 0 },
    };
    if (!img_parse("snapshot", table, argc, argv)) {
        return 1;
    }
    if (argc - optind != 1) {
        return img_usage("snapshot", "expecting one image file name");
    }
    todo.action = todo.action ? todo.action : 'l';
    if (todo.action == 'l') {
        how.flags = (how.flags & ~(unsigned)BLOCK_RDWR) | BLOCK_NO_BACKING | BLOCK_NO_IO;
    }
    g_autoptr(BlockNode) node = img_open(&how, argv[optind]);
    return node ? run(node, todo.action, todo.name) : 1;
}
