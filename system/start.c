/* SPDX-License-Identifier: MIT */
/* From a command line to a running machine, step by step. */
#include <glib-unix.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "hw/9pfs/fsdev.h"
#include "hw/machine.h"
#include "hw/mainloop.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/rtc.h"
#include "monitor/monitor.h"
#include "net/net.h"
#include "system/config.h"
#include "system/qtest.h"
#include "util/opts.h"

static Machine *machine;

/* fn for each text; the first failure ends it. */
static bool each(GPtrArray *list, const char *option, bool (*fn)(const char *text, GError **err),
                 GError **err)
{
    for (guint i = 0; i < list->len; i++) {
        if (!fn(list->pdata[i], err)) {
            g_prefix_error(err, "-%s %s: ", option, (const char *)list->pdata[i]);
            return false;
        }
    }
    return true;
}

/* ---- the machine ------------------------------------------------------------------------- */

static void print_machine_prop(const DeviceType *owner, const Property *p, void *opaque)
{
    (void)owner, (void)opaque;
    printf("  %-18s %s%s%s%s\n", p->name, p->doc, p->preset ? " (default: " : "",
           p->preset ? p->preset : "", p->preset ? ")" : "");
}

static bool set_machine_prop(const char *text, GError **err)
{
    const char *eq = strchr(text, '=');
    g_autofree char *name = eq ? g_strndup(text, (size_t)(eq - text)) : g_strdup(text);
    if (!strcmp(text, "help")) {
        printf("%s options:\n", machine->parent.type->name);
        device_type_foreach_prop(machine->parent.type, print_machine_prop, NULL);
        exit(0);
    }
    return device_set_prop(&machine->parent, name, eq ? eq + 1 : "on", err);
}

static bool make_machine(const SystemConfig *c, GError **err)
{
    if (!c->machine) {
        g_set_error(err, HW_ERROR, 0, "no machine is named: -M (see -M help)");
        return false;
    }
    const DeviceType *type = machine_type_find(c->machine, err);
    if (!type) {
        return false;
    }
    const MachineOps *ops = type->ops;
    if (c->target && strcmp(c->target, ops->target->name)) {
        g_set_error(err, HW_ERROR, 0, "machine '%s' is for %s guests, not %s", c->machine,
                    ops->target->name, c->target);
        return false;
    }
    machine = (Machine *)device_new(type, NULL);
    machine->ops = ops;
    machine->dimms = g_ptr_array_new();
    machine_set_current(machine);
    return each(c->machine_props, "machine", set_machine_prop, err);
}

static bool set_cpus(const SystemConfig *c, GError **err)
{
    machine->cpu_model = c->cpu ? c->cpu : machine->ops->default_cpu;
    if (!strcmp(machine->cpu_model, "help") || !strcmp(machine->cpu_model, "?")) {
        machine->ops->target->list_models(stdout);
        exit(0);
    }
    if (!smp_parse(c->smp ? c->smp : "1", machine->ops->max_cpus, &machine->smp, err)) {
        g_prefix_error(err, "-smp %s: ", c->smp);
        return false;
    }
    return true;
}

static bool megabytes(const char *text, uint64_t *out, GError **err)
{
    uint64_t unit = g_ascii_isdigit(text[strlen(text) - (*text != 0)]) ? 1 << 20 : 1;
    if (!parse_size(text, out, err)) {
        return false;
    }
    if (*out > UINT64_MAX / unit || *out == 0) {
        g_set_error(err, HW_ERROR, 0, "'%s' is no amount of memory", text);
        return false;
    }
    *out *= unit;
    return true;
}

/* slots= and maxmem= go together: room for memory that is plugged in later. */
static bool check_slots(bool slots, const char *max, GError **err)
{
    const char *wrong = NULL;
    if (slots && machine->ram_slots && !max) {
        wrong = "slots= needs maxmem=";
    } else if (max && machine->max_ram_size < machine->ram_size) {
        wrong = "maxmem= is less than the size";
    } else if (machine->ram_slots && machine->max_ram_size == machine->ram_size) {
        wrong = "slots= without room for them: maxmem= is the size";
    } else if (machine->ram_slots > MACHINE_MAX_RAM_SLOTS) {
        g_set_error(err, HW_ERROR, 0, "slots= is at most %d", MACHINE_MAX_RAM_SLOTS);
        return false;
    }
    if (wrong) {
        g_set_error_literal(err, HW_ERROR, 0, wrong);
    }
    return !wrong;
}

static bool parse_memory(const char *text, GError **err)
{
    static const OptDef rows[] = { { "size", OPT_STR, NULL, "" },
                                   { "slots", OPT_NUM, "0", "" },
                                   { "maxmem", OPT_STR, NULL, "" },
                                   { NULL, 0, NULL, NULL } };
    g_autoptr(Opts) opts = opts_new();
    if (!opts_parse(opts, text, "size", err) || !opts_check(opts, rows, err)) {
        return false;
    }
    const char *size = opts_get(opts, "size"), *max = opts_get(opts, "maxmem");
    if ((size && !megabytes(size, &machine->ram_size, err)) ||
        (max && !megabytes(max, &machine->max_ram_size, err))) {
        return false;
    }
    machine->ram_slots = (unsigned)MIN(opt_num(opts, rows, "slots"), UINT_MAX);
    return check_slots(opts_has(opts, "slots"), max, err);
}

static bool set_memory(const SystemConfig *c, GError **err)
{
    machine->ram_size = machine->ops->default_ram;
    if (c->memory && !parse_memory(c->memory, err)) {
        g_prefix_error(err, "-m %s: ", c->memory);
        return false;
    }
    if (machine->memory_backend) {
        machine->ram = object_memory(machine->memory_backend, err);
        if (!machine->ram) {
            g_prefix_error(err, "-machine memory-backend=%s: ", machine->memory_backend);
            return false;
        }
        if (c->memory && machine->ram->size != machine->ram_size) {
            g_set_error(err, HW_ERROR, 0, "-m %s: memory-backend '%s' is of another size",
                        c->memory, machine->memory_backend);
            return false;
        }
        machine->ram_size = machine->ram->size;
    }
    machine->ram_size = (machine->ram_size + 4095) & ~4095ull;
    machine->max_ram_size = MAX(machine->max_ram_size, machine->ram_size);
    return true;
}

static bool set_uuid(const char *text, GError **err)
{
    uint8_t *u = machine->uuid;
    char tail;
    if (strlen(text) != 36 ||
        sscanf(text,
               "%2hhx%2hhx%2hhx%2hhx-%2hhx%2hhx-%2hhx%2hhx-%2hhx%2hhx-%2hhx%2hhx%2hhx%2hhx%2hhx%"
               "2hhx%c",
               &u[0], &u[1], &u[2], &u[3], &u[4], &u[5], &u[6], &u[7], &u[8], &u[9], &u[10], &u[11],
               &u[12], &u[13], &u[14], &u[15], &tail) != 16) {
        g_set_error(err, HW_ERROR, 0, "-uuid %s: not a UUID", text);
        return false;
    }
    machine->has_uuid = true;
    return true;
}

static void set_text(char **field, const char *value)
{
    if (value) {
        g_free(*field);
        *field = g_strdup(value);
    }
}

/* The order of letters is for firmware of PCs: here bootindex= says it. */
static bool set_boot(const char *text, GError **err)
{
    static const OptDef rows[] = {
        { "order", OPT_STR, NULL, "" },      { "once", OPT_STR, NULL, "" },
        { "menu", OPT_BOOL, "off", "" },     { "strict", OPT_BOOL, "off", "" },
        { "splash-time", OPT_NUM, "0", "" }, { NULL, 0, NULL, NULL }
    };
    g_autoptr(Opts) opts = opts_new();
    if (!opts_parse(opts, text, "order", err) || !opts_check(opts, rows, err)) {
        return false;
    }
    const char *order = opts_has(opts, "order") ? opt_str(opts, rows, "order") : "";
    const char *once = opts_has(opts, "once") ? opt_str(opts, rows, "once") : "";
    if (strspn(order, "abcdnp") != strlen(order) || strspn(once, "abcdnp") != strlen(once)) {
        g_set_error(err, HW_ERROR, 0, "order is of the letters a, b, c, d, n");
        return false;
    }
    if (opt_num(opts, rows, "splash-time") > UINT16_MAX) {
        g_set_error(err, HW_ERROR, 0, "splash-time is at most %d ms", UINT16_MAX);
        return false;
    }
    machine->boot_menu = opt_bool(opts, rows, "menu");
    machine->boot_strict = opt_bool(opts, rows, "strict");
    machine->boot_wait = (uint32_t)opt_num(opts, rows, "splash-time");
    return true;
}

static bool set_rest(const SystemConfig *c, GError **err)
{
    set_text(&machine->kernel, c->kernel);
    set_text(&machine->initrd, c->initrd);
    set_text(&machine->append, c->append);
    set_text(&machine->dtb, c->dtb);
    set_text(&machine->bios, c->bios);
    machine->name = c->name;
    machine->defaults = !c->nodefaults;
    if (machine->append && !machine->kernel) {
        g_set_error(err, HW_ERROR, 0, "-append needs -kernel");
        return false;
    }
    if (c->boot && !set_boot(c->boot, err)) {
        g_prefix_error(err, "-boot %s: ", c->boot);
        return false;
    }
    if (machine->initrd && !machine->kernel) {
        g_set_error(err, HW_ERROR, 0, "-initrd needs -kernel");
        return false;
    }
    return (!c->uuid || set_uuid(c->uuid, err)) && (!c->rtc || rtc_configure(c->rtc, err));
}

/* What is booted, as the command line names it. */
static const char *guest(const SystemConfig *c)
{
    return c->kernel ? c->kernel : c->bios ? c->bios : c->drives->len ? c->drives->pdata[0] : "";
}

/* -icount becomes properties of tcg; nothing else counts instructions. */
static bool add_icount(GPtrArray *requests, const char *text, GError **err)
{
    static const OptDef rows[] = { { "shift", OPT_STR, NULL, "" },
                                   { "sleep", OPT_STR, NULL, "" },
                                   { "align", OPT_STR, NULL, "" },
                                   { NULL, 0, NULL, NULL } };
    g_autoptr(Opts) opts = opts_new();
    const char *tcg = requests->pdata[0];
    if (!opts_parse(opts, text, "shift", err) || !opts_check(opts, rows, err)) {
        g_prefix_error(err, "-icount %s: ", text);
        return false;
    }
    if (requests->len != 2 || !g_str_has_prefix(tcg, "tcg")) {
        g_set_error(err, HW_ERROR, 0, "-icount %s: it is for -accel tcg alone", text);
        return false;
    }
    g_autoptr(GString) with = g_string_new(tcg);
    g_string_append_printf(with, ",icount=%s", opts_get(opts, "shift") ?: "auto");
    for (int i = 1; i < 3; i++) {
        if (opts_has(opts, rows[i].name)) {
            g_string_append_printf(with, ",icount-%s=%s", rows[i].name,
                                   opts_get(opts, rows[i].name));
        }
    }
    requests->pdata[0] = g_string_free(g_steal_pointer(&with), FALSE);
    return true;
}

static bool set_accel(const SystemConfig *c, GError **err)
{
    g_autoptr(GPtrArray) requests = g_ptr_array_new();
    for (guint i = 0; i < c->accels->len; i++) {
        g_ptr_array_add(requests, c->accels->pdata[i]);
    }
    if (c->accels->len && machine->accel) {
        g_set_error(err, HW_ERROR, 0, "-accel and -machine accel= exclude each other");
        return false;
    }
    if (!c->accels->len) {
        g_ptr_array_add(requests, machine->accel ? machine->accel : "tcg");
    }
    g_ptr_array_add(requests, NULL);
    if (c->icount && !add_icount(requests, c->icount, err)) {
        return false;
    }
    g_autoptr(GError) e = NULL;
    if (accel_configure((const char *const *)requests->pdata, machine->ops->target, guest(c), &e)) {
        return true;
    }
    if (!g_str_has_prefix(e->message, "-")) {
        g_prefix_error(&e, "%s",
                       c->enable_kvm    ? "-enable-kvm: "
                       : c->accels->len ? "-accel "
                                        : "-machine accel=");
    }
    g_propagate_error(err, g_steal_pointer(&e));
    return false;
}

/* ---- back ends --------------------------------------------------------------------------- */

static bool add_chardev(const char *text, GError **err)
{
    return chardev_add(text, err) != NULL;
}

static bool all_snapshots; /* -snapshot */

static bool add_drive(const char *text, GError **err)
{
    const char *arg = strchr(text, ':') + 1;
    g_autofree char *kind = g_strndup(text, (size_t)(arg - text - 1));
    if (!strcmp(kind, "drive") && all_snapshots && !strstr(arg, "snapshot=")) {
        g_autofree char *with = g_strconcat(arg, ",snapshot=on", NULL);
        return block_system_drive_add(machine->drives, with, err) != NULL;
    }
    if (!strcmp(kind, "drive")) {
        return block_system_drive_add(machine->drives, arg, err) != NULL;
    }
    if (!strcmp(kind, "blockdev")) {
        return block_system_blockdev_add(machine->drives, arg, err);
    }
    return block_system_drive_shortcut(machine->drives, kind, arg, err) != NULL;
}

static gboolean block_ready(gint fd, GIOCondition condition, gpointer opaque)
{
    (void)fd, (void)condition;
    block_loop_run(opaque);
    return G_SOURCE_CONTINUE;
}

static void block_stop(void *opaque)
{
    (void)opaque;
    system_stop_request(RUN_STATE_IO_ERROR);
}

static void *resolve_drive(const char *id, Device *dev, GError **err)
{
    (void)dev;
    return block_system_take(machine->drives, id, err);
}

static const char *drive_name(void *object)
{
    return blk_name(object);
}

static void release_drive(void *object, Device *dev)
{
    (void)dev;
    block_system_give_back(machine->drives, object); /* the reference, too */
}

/* Requests held by werror=stop go again when the machine does. */
static void drives_follow(void *opaque, RunState state)
{
    if (state == RUN_STATE_RUNNING) {
        block_system_resume(opaque);
    }
}

static bool add_drives(const SystemConfig *c, GError **err)
{
    static const BlockSystemOps ops = { .stop = block_stop };
    static const PropResolver resolver = { resolve_drive, drive_name, release_drive };
    BlockLoop *loop = block_loop_new();
    g_unix_fd_add(block_loop_fd(loop), G_IO_IN, block_ready, loop);
    machine->drives = block_system_new(loop, machine->ops->default_if, &ops, machine);
    property_set_resolver(PROP_DRIVE, &resolver);
    run_state_add_listener(drives_follow, machine->drives);
    all_snapshots = c->snapshot;
    for (guint i = 0; i < c->drives->len; i++) {
        const char *text = c->drives->pdata[i];
        if (!add_drive(text, err)) {
            g_prefix_error(err, "-%.*s %s: ", (int)strcspn(text, ":"), text, strchr(text, ':') + 1);
            return false;
        }
    }
    return true;
}

static bool add_serial(const char *text, GError **err)
{
    static unsigned count;
    g_autofree char *id = g_strdup_printf("serial%u", count);
    if (count == MACHINE_MAX_SERIALS) {
        g_set_error(err, HW_ERROR, 0, "there are at most %d serial ports", MACHINE_MAX_SERIALS);
        return false;
    }
    g_autoptr(GError) e = NULL;
    machine->serials[count++] = chardev_add_short(text, id, &e);
    if (e) {
        g_propagate_error(err, g_steal_pointer(&e));
        return false;
    }
    return true;
}

static bool on_terminal(const SystemConfig *c)
{
    return c->nographic || (!c->display && !c->daemonize);
}

static bool add_serials(const SystemConfig *c, GError **err)
{
    if (!c->serials->len && !c->nodefaults) {
        return add_serial(on_terminal(c) ? "mon:stdio" : "null", err);
    }
    return each(c->serials, "serial", add_serial, err);
}

/* ---- monitors and networks ------------------------------------------------------------------- */

static bool add_monitors(GPtrArray *list, const char *option, MonitorKind kind, GError **err)
{
    for (guint i = 0; i < list->len; i++) {
        const char *text = list->pdata[i];
        g_autofree char *id = g_strdup_printf("compat_%s%u", option, i);
        g_autoptr(GError) e = NULL;
        Chardev *c = chardev_add_short(text, id, &e);
        if (e || (c && !monitor_add(c, kind, &e))) {
            g_propagate_prefixed_error(err, g_steal_pointer(&e), "-%s %s: ", option, text);
            return false;
        }
    }
    return true;
}

/* -serial mon:…: a monitor shares it with the port. */
static bool add_shared_monitor(const char *text, unsigned serial, GError **err)
{
    return !g_str_has_prefix(text, "mon:") || !machine->serials[serial] ||
           monitor_add(machine->serials[serial], MONITOR_HMP, err);
}

static bool add_shared_monitors(const SystemConfig *c, GError **err)
{
    for (guint i = 0; i < c->serials->len; i++) {
        if (!add_shared_monitor(c->serials->pdata[i], i, err)) {
            return false;
        }
    }
    return c->serials->len || c->nodefaults || !on_terminal(c) ||
           add_shared_monitor("mon:stdio", 0, err);
}

static bool add_all_monitors(const SystemConfig *c, GError **err)
{
    monitor_init();
    return add_monitors(c->monitors, "monitor", MONITOR_HMP, err) &&
           add_monitors(c->qmps, "qmp", MONITOR_QMP, err) &&
           each(c->mons, "mon", monitor_add_from_text, err) && add_shared_monitors(c, err);
}

static void *resolve_netdev(const char *id, G_GNUC_UNUSED Device *dev, GError **err)
{
    NetClient *nc = net_client_find(id, 0, false);
    if (!nc) {
        g_set_error(err, HW_ERROR, 0, "there is no netdev '%s'", id);
    } else if (nc->peer) {
        g_set_error(err, HW_ERROR, 0, "netdev '%s' is in use by '%s'", id, nc->peer->name);
        nc = NULL;
    }
    return nc;
}

static const char *netdev_name(void *object)
{
    return ((NetClient *)object)->name;
}

static bool add_networks(const SystemConfig *c, GError **err)
{
    static const PropResolver resolver = { resolve_netdev, netdev_name, NULL };
    property_set_resolver(PROP_NETDEV, &resolver);
    return each(c->netdevs, "netdev", net_add_netdev, err) &&
           each(c->nets, "net", net_add_legacy, err) && each(c->nics, "nic", net_add_nic, err) &&
           each(c->objects, "object", object_add_late, err);
}

static bool check_gdb(const SystemConfig *c, GError **err)
{
    if (c->gdbs->len > 1) {
        g_set_error(err, HW_ERROR, 0, "-gdb may be given once");
        return false;
    }
    return true;
}

/* ---- devices ----------------------------------------------------------------------------- */

static bool add_device(const char *text, GError **err)
{
    return device_add_from_text(text, err) != NULL;
}

/* A host adapter for if=scsi, the first time. */
static bool need_scsi_bus(GError **err)
{
    return bus_find(NULL, "SCSI") || device_add_from_text("virtio-scsi-pci", err);
}

/* Drives that no device was given for. */
static bool add_drive_devices(GError **err)
{
    for (unsigned i = 0; i < block_system_drive_count(machine->drives); i++) {
        BlockDrive *d = block_system_drive(machine->drives, i);
        const char *type = bus_find(NULL, "pci") ? "virtio-blk-pci" : "virtio-blk-device";
        if (d->taken || d->iface == BLOCK_IF_NONE) {
            continue;
        }
        if (d->iface == BLOCK_IF_SCSI) {
            type = d->cdrom ? "scsi-cd" : "scsi-hd";
            if (!need_scsi_bus(err)) {
                return false;
            }
        } else if (d->iface != BLOCK_IF_VIRTIO) {
            g_set_error(err, HW_ERROR, 0, "-drive %s: this machine has no '%s' drives", d->id,
                        block_interface_names[d->iface]);
            return false;
        }
        g_autofree char *text =
            g_strdup_printf("%s,drive=%s%s%s", type, d->id, d->serial ? ",serial=" : "",
                            d->serial ? d->serial : "");
        if (!device_add_from_text(text, err)) {
            return false;
        }
    }
    return true;
}

static bool add_virtfs(const char *text, GError **err)
{
    g_autofree char *device = fsdev_add_virtfs(text, err);
    return device && device_add_from_text(device, err);
}

static bool add_global(const char *text, GError **err)
{
    const char *eq = strchr(text, '='), *dot = strchr(text, '.');
    if (!eq || !dot || dot > eq) {
        g_set_error(err, HW_ERROR, 0, "not TYPE.PROPERTY=VALUE");
        return false;
    }
    g_autofree char *type = g_strndup(text, (size_t)(dot - text));
    g_autofree char *prop = g_strndup(dot + 1, (size_t)(eq - dot - 1));
    device_add_global(type, prop, eq + 1);
    return true;
}

/* -nic and -net nic, and where nothing was said, one on a user network. */
static bool add_nics(GError **err)
{
    if (machine->defaults && !net_parsed_any() && bus_find(NULL, "pci") &&
        !net_add_nic("user", err)) {
        return false;
    }
    for (guint i = 0; i < net_nic_requests()->len; i++) {
        NICRequest *r = net_nic_requests()->pdata[i];
        if (r->used) {
            continue;
        }
        bool preset = !r->model || !strcmp(r->model, "virtio");
        g_autoptr(GString) text = g_string_new(preset ? "virtio-net-pci" : r->model);
        const char *const pairs[][2] = {
            { "mac", r->macaddr },
            { "id", r->id },
            { "addr", r->addr },
            { "netdev", r->peer ? r->peer->name : NULL },
        };
        for (size_t k = 0; k < G_N_ELEMENTS(pairs); k++) {
            if (pairs[k][1]) {
                g_string_append_printf(text, ",%s=%s", pairs[k][0], pairs[k][1]);
            }
        }
        r->used = true;
        if (!device_add_from_text(text->str, err)) {
            g_prefix_error(err, "-nic: ");
            return false;
        }
    }
    return true;
}

static bool add_fw_cfg(const char *text, GError **err)
{
    static const OptDef rows[] = { { "name", OPT_STR, NULL, "" },
                                   { "file", OPT_STR, NULL, "" },
                                   { "string", OPT_STR, NULL, "" },
                                   { NULL, 0, NULL, NULL } };
    Device *fw_cfg = fw_cfg_find();
    Opts *opts = opts_new();
    bool ok = opts_parse(opts, text, "name", err) && opts_check(opts, rows, err);
    const char *name = ok ? opts_get(opts, "name") : NULL;
    const char *file = ok ? opts_get(opts, "file") : NULL;
    const char *string = ok ? opts_get(opts, "string") : NULL;
    g_autoptr(GBytes) data = NULL;
    if (ok && (!fw_cfg || !name || !file == !string)) {
        g_set_error(err, HW_ERROR, 0,
                    fw_cfg ? "it needs name=, and file= or string=" : "this machine has no fw_cfg");
        ok = false;
    }
    if (ok) {
        data = file ? loader_read_file(file, err) : g_bytes_new(string, strlen(string));
        ok = data && fw_cfg_add_file(fw_cfg, name, data, NULL, NULL, err);
    }
    opts_free(opts);
    return ok;
}

static bool start_vcpus(GError **err)
{
    for (VCPU *v = vcpu_first(); v; v = v->next) {
        if (!accel_current()->vcpu_start(v, err)) {
            return false;
        }
    }
    return true;
}

bool system_start(SystemConfig *c, GError **err)
{
    const MachineOps *ops;
    objects_init();
    if (!each(c->objects, "object", object_add, err) || !make_machine(c, err)) {
        return false;
    }
    ops = machine->ops;
    run_actions_set(&c->actions);
    if (!set_cpus(c, err) || !set_memory(c, err) ||
        !numa_set_up(machine, c->numas, object_memory, err) || !set_rest(c, err) ||
        !set_accel(c, err) || !check_gdb(c, err) || !each(c->globals, "global", add_global, err) ||
        !each(c->chardevs, "chardev", add_chardev, err) || !add_drives(c, err) ||
        !add_serials(c, err) || !add_networks(c, err) || !ops->init(machine, err) ||
        !device_realize(&machine->parent, NULL, err) ||
        !each(c->fw_cfgs, "fw_cfg", add_fw_cfg, err) || !each(c->fsdevs, "fsdev", fsdev_add, err) ||
        !each(c->devices, "device", add_device, err) ||
        !each(c->virtfs, "virtfs", add_virtfs, err) || !add_drive_devices(err) || !add_nics(err) ||
        !ops->finish(machine, err) || !add_all_monitors(c, err)) {
        return false;
    }
    if (c->qtest && !qtest_start(machine->memory, c->qtest, c->qtest_log, err)) {
        return false;
    }
    net_check(stderr);
    devices_complete();
    vm_reset();
    if (!start_vcpus(err) || !each(c->gdbs, "gdb", machine_gdb_start, err) ||
        (c->pidfile && !pidfile_write(c->pidfile, err))) {
        return false;
    }
    if (!c->stopped) {
        vm_start();
    }
    return true;
}

void system_stop(void)
{
    vm_stop(RUN_STATE_SHUTDOWN);
    accel_current()->exit();
    if (machine->drives) {
        block_system_drain(machine->drives);
    }
    net_cleanup();
    chardev_exit();
    if (machine->drives) {
        block_system_free(machine->drives);
    }
}
