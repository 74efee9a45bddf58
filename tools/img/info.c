/* SPDX-License-Identifier: MIT */
/* latimer-img info, and the snapshot table that `snapshot -l` prints, too. */
#include "tools/img/snapshots.h"
#include <time.h>

void img_print_snapshots(GPtrArray *list)
{
    printf("Snapshot list:\n%-9s %-16s %8s%20s%13s%11s\n", "ID", "TAG", "VM SIZE", "DATE",
           "VM CLOCK", "ICOUNT");
    for (unsigned i = 0; i < list->len; i++) {
        BlockSnapshot *sn = g_ptr_array_index(list, i);
        g_autofree char *size = size_to_str(sn->vm_state_size);
        char date[32], clock[32], icount[24] = "";
        time_t t = sn->date_sec;
        struct tm tm;
        uint64_t ms = sn->vm_clock_nsec / 1000000;
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", localtime_r(&t, &tm));
        snprintf(clock, sizeof(clock), "%02u:%02u:%02u.%03u", (unsigned)(ms / 3600000),
                 (unsigned)(ms / 60000 % 60), (unsigned)(ms / 1000 % 60), (unsigned)(ms % 1000));
        if (sn->icount != UINT64_MAX) {
            snprintf(icount, sizeof(icount), "%" G_GUINT64_FORMAT, sn->icount);
        }
        printf("%-9s %-16s %8s%20s%13s%11s\n", sn->id, sn->name, size, date, clock, icount);
    }
}

static void add_snapshots(Value *info, GPtrArray *list)
{
    Value *out = value_set(info, "snapshots", value_new(VALUE_LIST));
    for (unsigned i = 0; i < list->len; i++) {
        BlockSnapshot *sn = g_ptr_array_index(list, i);
        Value *v = value_append(out, value_new(VALUE_DICT));
        if (sn->icount != UINT64_MAX) {
            value_set_int(v, "icount", sn->icount);
        }
        value_set_int(v, "vm-clock-nsec", sn->vm_clock_nsec % 1000000000);
        value_set_string(v, "name", sn->name);
        value_set_int(v, "date-sec", sn->date_sec);
        value_set_int(v, "date-nsec", sn->date_nsec);
        value_set_int(v, "vm-clock-sec", sn->vm_clock_nsec / 1000000000);
        value_set_string(v, "id", sn->id);
        value_set_int(v, "vm-state-size", sn->vm_state_size);
    }
}

static Value *specific(BlockNode *node)
{
    if (!node->drv->info) {
        return NULL;
    }
    Value *data = value_new(VALUE_DICT);
    node->drv->info(node, data);
    if (!data->items->len) {
        value_free(data);
        return NULL;
    }
    return data;
}

static Value *json_info(BlockNode *node)
{
    Value *v = value_new(VALUE_DICT);
    g_autoptr(GPtrArray) list = node->drv->snapshot_list ? node->drv->snapshot_list(node) : NULL;
    if (list && list->len) {
        add_snapshots(v, list);
    }
    if (node->backing_fmt && node->backing_file) {
        value_set_string(v, "backing-filename-format", node->backing_fmt);
    }
    value_set_int(v, "virtual-size", node->size);
    value_set_string(v, "filename", node->filename);
    if (block_cluster_size(node) > 0) {
        value_set_int(v, "cluster-size", block_cluster_size(node));
    }
    value_set_string(v, "format", node->drv->name);
    if (block_allocated_size(node) >= 0) {
        value_set_int(v, "actual-size", block_allocated_size(node));
    }
    Value *data = specific(node);
    if (data) {
        Value *s = value_set(v, "format-specific", value_new(VALUE_DICT));
        value_set_string(s, "type", node->drv->name);
        value_set(s, "data", data);
    }
    if (node->backing_file) {
        value_set_string(v, "full-backing-filename", node->auto_backing_file);
        value_set_string(v, "backing-filename", node->backing_file);
    }
    if (node->encrypted) {
        value_set_bool(v, "encrypted", true);
    }
    value_set_bool(v, "dirty-flag", false);
    return v;
}

static void human_info(BlockNode *node)
{
    g_autofree char *size = size_to_str(node->size);
    int64_t used = block_allocated_size(node);
    g_autofree char *disk = used < 0 ? g_strdup("unavailable") : size_to_str(used);
    g_autoptr(GPtrArray) list = node->drv->snapshot_list ? node->drv->snapshot_list(node) : NULL;
    g_autoptr(Value) data = specific(node);
    printf("image: %s\nfile format: %s\nvirtual size: %s (%" G_GINT64_FORMAT " bytes)\n"
           "disk size: %s\n",
           node->filename, node->drv->name, size, node->size, disk);
    if (node->encrypted) {
        puts("encrypted: yes");
    }
    if (block_cluster_size(node) > 0) {
        printf("cluster_size: %" G_GINT64_FORMAT "\n", block_cluster_size(node));
    }
    if (node->backing_file) {
        bool differs =
            node->auto_backing_file && strcmp(node->auto_backing_file, node->backing_file);
        printf("backing file: %s", node->backing_file);
        printf(differs ? " (actual path: %s)\n" : "\n", node->auto_backing_file);
        if (node->backing_fmt) {
            printf("backing file format: %s\n", node->backing_fmt);
        }
    }
    if (list && list->len) {
        img_print_snapshots(list);
    }
    if (data) {
        g_autofree char *text = value_to_human(data, 1);
        printf("Format specific information:\n%s", text);
    }
}

int img_info(int argc, char **argv)
{
    ImgOpen how = { .flags = BLOCK_NO_BACKING | BLOCK_NO_IO };
    bool json = false, chain = false;
    const ImgOption table[] = {
        IMG_OPT('f', NULL, IMG_STR, &how.fmt),
        IMG_OPT('U', "force-share", IMG_BITS, &how.flags, .bits = BLOCK_FORCE_SHARE),
        IMG_OPT(0, "output", IMG_OUTPUT, &json),
        IMG_OPT(0, "backing-chain", IMG_ON, &chain),
        IMG_OPT(0, "image-opts", IMG_ON, &how.image_opts),
        IMG_OPT(0, "object", IMG_OBJECT, NULL),
        { 0 },
    };
    if (!img_parse("info", table, argc, argv)) {
        return 1;
    }
    if (argc - optind != 1) {
        return img_usage("info", "expecting one image file name");
    }
    g_autoptr(Value) all = value_new(VALUE_LIST);
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree char *name = g_strdup(argv[optind]), *fmt = g_strdup(how.fmt);
    for (unsigned n = 0; name; n++) {
        if (!g_hash_table_add(seen, g_strdup(name))) {
            img_error("Backing file '%s' creates an infinite loop.", name);
            return 1;
        }
        how.fmt = fmt;
        g_autoptr(BlockNode) node = img_open(&how, name);
        if (!node) {
            return 1;
        }
        if (json) {
            value_append(all, json_info(node));
        } else {
            fputs(n ? "\n" : "", stdout);
            human_info(node);
        }
        g_free(name);
        g_free(fmt);
        name = chain ? g_strdup(node->auto_backing_file) : NULL;
        fmt = g_strdup(node->backing_fmt);
        how.image_opts = false;
    }
    if (json) {
        g_autofree char *text = value_to_json(chain ? all : g_ptr_array_index(all->items, 0), true);
        puts(text);
    }
    return 0;
}
