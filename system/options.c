/* SPDX-License-Identifier: MIT */
/* The options of latimer-system: one table for parsing, -help and the manual page. */
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include "hw/device.h"
#include "hw/machine.h"
#include "system/config.h"
#include "util/log.h"
#include "util/version.h"

typedef struct Option {
    const char *name;
    const char *arg; /* what its argument is; NULL: it has none */
    bool (*set)(SystemConfig *c, const char *arg, GError **err);
    size_t field; /* instead of set: a const char * or GPtrArray * of SystemConfig, or a bool */
    enum { FIELD_NONE, FIELD_TEXT, FIELD_LIST, FIELD_FLAG } kind;
    const char *prefix; /* put before a list's element */
    const char *doc;    /* NULL: another name of the option before it */
} Option;

static bool missing(const char *what, GError **err)
{
    g_set_error(err, HW_ERROR, 0, "not implemented: %s", what);
    return false;
}

/* ---- those that are more than a field ----------------------------------------------------- */

static bool opt_help(SystemConfig *c, const char *arg, GError **err)
{
    (void)arg, (void)err;
    options_help(c, stdout);
    exit(0);
}

static bool opt_man_page(SystemConfig *c, const char *arg, GError **err)
{
    (void)c, (void)arg, (void)err;
    options_man_page(stdout);
    exit(0);
}

static bool opt_version(SystemConfig *c, const char *arg, GError **err)
{
    (void)c, (void)arg, (void)err;
    printf("latimer-system version " LATIMER_VERSION "\n");
    exit(0);
}

static bool opt_machine(SystemConfig *c, const char *arg, GError **err)
{
    (void)err;
    if (!strcmp(arg, "help") || !strcmp(arg, "?")) {
        machine_list_help(stdout);
        exit(0);
    }
    char **parts = g_strsplit(arg, ",", -1);
    for (int i = 0; parts[i]; i++) {
        if (g_str_has_prefix(parts[i], "type=")) {
            c->machine = g_strdup(parts[i] + 5);
        } else if (i == 0 && !strchr(parts[i], '=') && strcmp(parts[i], "help")) {
            c->machine = g_strdup(parts[i]);
        } else if (*parts[i]) {
            g_ptr_array_add(c->machine_props, g_strdup(parts[i]));
        }
    }
    g_strfreev(parts);
    return true;
}

static bool opt_accel(SystemConfig *c, const char *arg, GError **err)
{
    (void)err;
    if (!strcmp(arg, "help") || !strcmp(arg, "?")) {
        accel_list_help(stdout);
        exit(0);
    }
    g_ptr_array_add(c->accels, (gpointer)arg);
    return true;
}

static bool opt_kvm(SystemConfig *c, const char *arg, GError **err)
{
    (void)arg, (void)err;
    c->enable_kvm = true;
    g_ptr_array_add(c->accels, "kvm");
    return true;
}

static bool opt_device(SystemConfig *c, const char *arg, GError **err)
{
    size_t len = strcspn(arg, ",");
    if (!strcmp(arg, "help") || !strcmp(arg, "?")) {
        device_list_help(stdout);
        exit(0);
    }
    if (!strcmp(arg + len, ",help") || !strcmp(arg + len, ",?")) {
        g_autofree char *name = g_strndup(arg, len);
        const DeviceType *type = device_type_find(name);
        if (!type) {
            g_set_error(err, HW_ERROR, 0, "there is no device '%s' (see -device help)", name);
            return false;
        }
        device_type_help(type, stdout);
        exit(0);
    }
    g_ptr_array_add(c->devices, (gpointer)arg);
    return true;
}

static bool opt_chardev(SystemConfig *c, const char *arg, GError **err)
{
    (void)err;
    if (!strcmp(arg, "help") || !strcmp(arg, "?")) {
        chardev_help(stdout);
        exit(0);
    }
    g_ptr_array_add(c->chardevs, (gpointer)arg);
    return true;
}

static bool opt_object(SystemConfig *c, const char *arg, GError **err)
{
    (void)err;
    if (object_help(arg)) {
        exit(0);
    }
    g_ptr_array_add(c->objects, (gpointer)arg);
    return true;
}

static bool opt_display(SystemConfig *c, const char *arg, GError **err)
{
    if (strcmp(arg, "none")) {
        g_autofree char *what = g_strdup_printf("-display %s (there is: none)", arg);
        return missing(what, err);
    }
    c->display = arg;
    return true;
}

static bool opt_vga(SystemConfig *c, const char *arg, GError **err)
{
    (void)c;
    return !strcmp(arg, "none") || missing("-vga other than none", err);
}

static bool opt_no_reboot(SystemConfig *c, const char *arg, GError **err)
{
    (void)arg, (void)err;
    c->actions.shutdown_on_reset = true;
    return true;
}

static bool opt_no_shutdown(SystemConfig *c, const char *arg, GError **err)
{
    (void)arg, (void)err;
    c->actions.pause_on_shutdown = true;
    return true;
}

static bool opt_action(SystemConfig *c, const char *arg, GError **err)
{
    g_auto(GStrv) parts = g_strsplit(arg, ",", -1);
    for (int i = 0; parts[i]; i++) {
        char *eq = strchr(parts[i], '=');
        if (eq) {
            *eq = 0;
        }
        if (!eq || !run_action_parse(&c->actions, parts[i], eq + 1)) {
            g_set_error(err, HW_ERROR, 0,
                        "it is not reboot=reset|shutdown, "
                        "shutdown=poweroff|pause, "
                        "panic=shutdown|exit-failure|pause|none or "
                        "watchdog=reset|shutdown|poweroff|pause|debug|none");
            return false;
        }
    }
    return true;
}

static bool opt_gdb_default(SystemConfig *c, const char *arg, GError **err)
{
    (void)arg, (void)err;
    g_ptr_array_add(c->gdbs, "tcp::1234");
    return true;
}

static bool opt_log_items(SystemConfig *c, const char *arg, GError **err)
{
    (void)c;
    return log_set_items(arg, err);
}

static bool opt_log_file(SystemConfig *c, const char *arg, GError **err)
{
    (void)c;
    return log_set_file(arg, err);
}

static bool opt_log_filter(SystemConfig *c, const char *arg, GError **err)
{
    (void)c;
    return log_set_filter(arg, err);
}

static bool opt_data_dir(SystemConfig *c, const char *arg, GError **err)
{
    (void)c, (void)err;
    if (!strcmp(arg, "help")) {
        data_dirs_print(stdout);
        exit(0);
    }
    data_dir_add(arg);
    return true;
}

static bool opt_name(SystemConfig *c, const char *arg, GError **err)
{
    static const OptDef rows[] = { { "guest", OPT_STR, NULL, "the machine's name" },
                                   { "process", OPT_STR, NULL, "the emulator's, as ps shows it" },
                                   { "debug-threads", OPT_BOOL, "on", "threads have names" },
                                   { NULL, 0, NULL, NULL } };
    g_autoptr(Opts) opts = opts_new();
    if (!opts_parse(opts, arg, "guest", err) || !opts_check(opts, rows, err)) {
        return false;
    }
    if (opts_has(opts, "guest")) {
        c->name = g_strdup(opts_get(opts, "guest"));
    }
    if (opts_has(opts, "process")) {
        prctl(PR_SET_NAME, opts_get(opts, "process"));
    }
    return true;
}

static bool opt_readconfig(SystemConfig *c, const char *arg, GError **err);

/* ---- the table --------------------------------------------------------------------------- */

#define TEXT(f)     .field = offsetof(SystemConfig, f), .kind = FIELD_TEXT
#define LIST(f)     .field = offsetof(SystemConfig, f), .kind = FIELD_LIST
#define FLAG(f)     .field = offsetof(SystemConfig, f), .kind = FIELD_FLAG
#define DRIVE(name) .field = offsetof(SystemConfig, drives), .kind = FIELD_LIST, .prefix = name ":"
#define GROUP(text) \
    {               \
        .doc = text \
    }

/* clang-format off */
static const Option options[] = {
    GROUP("Information"),
    { "h", NULL, opt_help, .doc = "this text" },
    { "help", NULL, opt_help, .doc = NULL },
    { "version", NULL, opt_version, .doc = "the version" },
    { "man-page", NULL, opt_man_page, .doc = "the manual page, as troff" },

    GROUP("The machine"),
    { "M", "TYPE[,KEY=VALUE…]", opt_machine,
      .doc = "the machine and its properties; 'help' lists machines, 'TYPE,help' properties" },
    { "machine", "TYPE[,KEY=VALUE…]", opt_machine, .doc = NULL },
    { "target", "ARCH", TEXT(target), .doc = "the guest, if the program's name does not tell" },
    { "cpu", "MODEL[,FEATURE=on|off…]", TEXT(cpu), .doc = "the CPU's model; 'help' lists them" },
    { "accel", "NAME[:NAME…][,KEY=VALUE…]", opt_accel, .doc = "who runs the guest's code; of several "
      "names, and of several of these options, the first that can be had is taken; 'help' lists them" },
    { "enable-kvm", NULL, opt_kvm, .doc = "-accel kvm" },
    { "smp", "[cpus=]N[,maxcpus=N,sockets=N,clusters=N,cores=N,threads=N]", TEXT(smp),
      .doc = "CPUs and how they are arranged" },
    { "m", "[size=]N[M|G][,slots=N,maxmem=N]", TEXT(memory), .doc = "RAM, in MiB if no unit is given" },
    { "numa", "node[,cpus=N[-M]][,mem=SIZE|memdev=ID]|dist,src=N,dst=N,val=N", LIST(numas),
      .doc = "which memory and CPUs are near each other" },
    { "object", "KIND,id=ID[,KEY=VALUE…]", opt_object,
      .doc = "what devices and options refer to: memory, entropy, secrets, credentials, filters; 'help' lists "
      "kinds, 'KIND,help' their options" },
    { "rtc", "[base=utc|localtime|DATE][,clock=host|rt|vm][,driftfix=none|slew]", TEXT(rtc), .doc = "what the clock says" },
    { "uuid", "UUID", TEXT(uuid), .doc = "the machine's UUID" },
    { "name", "[guest=]TEXT[,process=TEXT][,debug-threads=on|off]", opt_name, .doc = "the machine's name" },
    { "boot", "[order=…][,menu=on|off][,strict=on|off]", TEXT(boot), .doc = "boot order for firmware" },
    { "nodefaults", NULL, FLAG(nodefaults), .doc = "no devices that were not asked for" },
    { "global", "TYPE.PROPERTY=VALUE", LIST(globals), .doc = "another default of devices of this type" },
    { "readconfig", "FILE", opt_readconfig, .doc = "more options from a file" },

    GROUP("Booting"),
    { "kernel", "FILE", TEXT(kernel), .doc = "a kernel: Linux image or ELF program" },
    { "initrd", "FILE", TEXT(initrd), .doc = "its initial RAM disk" },
    { "append", "TEXT", TEXT(append), .doc = "its command line" },
    { "dtb", "FILE", TEXT(dtb), .doc = "a device tree instead of the machine's own" },
    { "bios", "FILE", TEXT(bios), .doc = "firmware" },
    { "fw_cfg", "[name=]NAME,file=FILE|string=TEXT", LIST(fw_cfgs), .doc = "a file for the firmware" },
    { "L", "FOLDER", opt_data_dir, .doc = "where firmware images are looked for" },

    GROUP("Devices"),
    { "device", "TYPE[,KEY=VALUE…]", opt_device,
      .doc = "a device; 'help' lists types, 'TYPE,help' properties" },
    { "drive", "[file=FILE][,if=…,format=…,id=…,…]", DRIVE("drive"), .doc = "a disk" },
    { "blockdev", "driver=…,node-name=…,…", DRIVE("blockdev"), .doc = "a node of the block layer" },
    { "hda", "FILE", DRIVE("hda"), .doc = "a disk; also -hdb, -hdc, -hdd" },
    { "hdb", "FILE", DRIVE("hdb") },
    { "hdc", "FILE", DRIVE("hdc") },
    { "hdd", "FILE", DRIVE("hdd") },
    { "cdrom", "FILE", DRIVE("cdrom"), .doc = "a CD-ROM" },
    { "pflash", "FILE", DRIVE("pflash"), .doc = "a flash chip's content" },
    { "snapshot", NULL, FLAG(snapshot), .doc = "writes to disks go to temporary files" },
    { "fsdev", "local,id=ID,path=DIR,security_model=none|passthrough|mapped-xattr[,readonly=on]",
      LIST(fsdevs), .doc = "a folder of the host for a 9p device" },
    { "virtfs", "local,path=DIR,mount_tag=TAG,security_model=…[,readonly=on]", LIST(virtfs),
      .doc = "such a folder and the device" },
    { "netdev", "KIND,id=ID[,…]", LIST(netdevs), .doc = "a network back end" },
    { "nic", "none|KIND[,…]", LIST(nics), .doc = "a network back end and a NIC on it" },
    { "net", "nic|KIND[,…]", LIST(nets), .doc = "a NIC or a back end on hub 0, as of old" },

    GROUP("Character devices"),
    { "chardev", "KIND,id=ID[,…]", opt_chardev, .doc = "a character back end; 'help' lists kinds" },
    { "serial", "DEV", LIST(serials), .doc = "where a serial port leads: stdio, mon:stdio, file:NAME, "
      "pipe:NAME, pty, tcp:HOST:PORT[,server=on], telnet:…, unix:NAME[,server=on], null, none, "
      "or a chardev's id" },
    { "monitor", "DEV", LIST(monitors), .doc = "where the monitor listens" },
    { "mon", "chardev=ID[,mode=readline|control]", LIST(mons), .doc = "a monitor at a chardev" },
    { "qmp", "DEV", LIST(qmps), .doc = "where the machine protocol listens" },
    { "nographic", NULL, FLAG(nographic), .doc = "no window: the first serial port is on the terminal" },
    { "display", "none", opt_display, .doc = "no window" },
    { "vga", "none", opt_vga, .doc = "no graphics card" },

    GROUP("Running"),
    { "S", NULL, FLAG(stopped), .doc = "do not start the CPUs" },
    { "no-reboot", NULL, opt_no_reboot, .doc = "exit when the guest reboots" },
    { "no-shutdown", NULL, opt_no_shutdown, .doc = "stop, do not exit, when the guest powers off" },
    { "action", "EVENT=ACTION[,…]", opt_action, .doc = "what to do when the guest does so: reboot=reset|shutdown, "
      "shutdown=poweroff|pause, panic=shutdown|exit-failure|pause|none, "
      "watchdog=reset|shutdown|poweroff|pause|debug|none" },
    { "icount", "[shift=]N|auto[,sleep=on|off][,align=on|off]", TEXT(icount),
      .doc = "time by instructions, 2^N ns each" },
    { "pidfile", "FILE", TEXT(pidfile), .doc = "write the process id there" },
    { "daemonize", NULL, FLAG(daemonize), .doc = "go to the background once the machine is there" },

    GROUP("Debugging"),
    { "s", NULL, opt_gdb_default, .doc = "-gdb tcp::1234" },
    { "gdb", "DEV", LIST(gdbs), .doc = "wait for a debugger there" },
    { "qtest", "DEV", TEXT(qtest), .doc = "where a test drives devices' registers (-accel qtest)" },
    { "qtest-log", "FILE", TEXT(qtest_log), .doc = "what it said and was told" },
    { "d", "ITEM[,…]", opt_log_items, .doc = "what to log; 'help' lists items" },
    { "D", "FILE", opt_log_file, .doc = "where to" },
    { "dfilter", "RANGE[,…]", opt_log_filter, .doc = "log blocks in these ranges of addresses only" },
};
/* clang-format on */

static const Option *find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        if (options[i].name && !strcmp(options[i].name, name)) {
            return &options[i];
        }
    }
    return NULL;
}

static bool apply(SystemConfig *c, const Option *o, const char *arg, GError **err)
{
    char *field = (char *)c + o->field;
    switch (o->kind) {
    case FIELD_TEXT:
        *(const char **)field = arg;
        return true;
    case FIELD_LIST:
        g_ptr_array_add(*(GPtrArray **)field,
                        o->prefix ? g_strconcat(o->prefix, arg, NULL) : (char *)arg);
        return true;
    case FIELD_FLAG:
        *(bool *)field = true;
        return true;
    default:
        if (!o->set(c, arg, err)) {
            g_prefix_error(err, "-%s%s%s: ", o->name, arg ? " " : "", arg ? arg : "");
            return false;
        }
        return true;
    }
}

static void init_lists(SystemConfig *c)
{
    GPtrArray **const lists[] = { &c->machine_props, &c->accels,   &c->objects, &c->chardevs,
                                  &c->drives,        &c->devices,  &c->netdevs, &c->nics,
                                  &c->serials,       &c->monitors, &c->qmps,    &c->gdbs,
                                  &c->globals,       &c->numas,    &c->fsdevs,  &c->virtfs,
                                  &c->fw_cfgs,       &c->nets,     &c->mons };
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        *lists[i] = g_ptr_array_new();
    }
}

bool options_parse(SystemConfig *c, int argc, char **argv, GError **err)
{
    const char *slash = strrchr(argv[0], '/');
    *c = (SystemConfig){ .program = slash ? slash + 1 : argv[0] };
    init_lists(c);
    if (g_str_has_prefix(c->program, "latimer-system-")) {
        c->target = c->program + strlen("latimer-system-");
    }
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (*name != '-' || !name[1]) {
            g_ptr_array_add(c->drives, g_strconcat("hda:", name, NULL)); /* a bare file is a disk */
            continue;
        }
        name += name[1] == '-' ? 2 : 1;
        const Option *o = find(name);
        if (!o) {
            g_set_error(err, HW_ERROR, 0, "%s: there is no such option (see -help)", argv[i]);
            return false;
        }
        if (o->arg && i + 1 == argc) {
            g_set_error(err, HW_ERROR, 0, "-%s needs an argument: %s", name, o->arg);
            return false;
        }
        if (!apply(c, o, o->arg ? argv[++i] : NULL, err)) {
            return false;
        }
    }
    return true;
}

/* ---- -readconfig: groups of key = "value" -------------------------------------------------- */

/* [device "net0"] and its lines become "-device id=net0,key=value,…". */
static bool apply_group(SystemConfig *c, const char *group, const char *id, GString *values,
                        GError **err)
{
    const Option *o = find(group);
    if (!o || !o->arg) {
        g_set_error(err, HW_ERROR, 0, "there is no group '%s'", group);
        return false;
    }
    if (id && *id) {
        g_string_prepend(values, values->len ? "," : "");
        g_string_prepend(values, id);
        g_string_prepend(values, "id=");
    }
    return apply(c, o, g_strdup(values->str), err);
}

static bool add_value(GString *values, const char *line)
{
    char key[64], value[1024];
    if (sscanf(line, " %63[^= \t] = \"%1023[^\"]\"", key, value) != 2) {
        return false;
    }
    g_string_append_printf(values, "%s%s=", values->len ? "," : "", key);
    for (const char *p = value; *p; p++) {
        g_string_append(values, *p == ',' ? ",," : (char[]){ *p, 0 });
    }
    return true;
}

static bool opt_readconfig(SystemConfig *c, const char *path, GError **err)
{
    g_autofree char *content = NULL;
    if (!g_file_get_contents(path, &content, NULL, err)) {
        return false;
    }
    g_auto(GStrv) lines = g_strsplit(content, "\n", -1);
    g_autoptr(GString) values = g_string_new("");
    char group[64] = "", id[64] = "";
    bool ok = true;
    for (int i = 0; ok && lines[i]; i++) {
        char *line = g_strstrip(lines[i]);
        char new_group[64], new_id[64] = "";
        if (*line == '[' && sscanf(line, "[%63[^] \"] \"%63[^\"]\"]", new_group, new_id) >= 1) {
            ok = !*group || apply_group(c, group, id, values, err);
            strcpy(group, new_group);
            strcpy(id, new_id);
            g_string_truncate(values, 0);
        } else if (*line && *line != '#' && (!*group || !add_value(values, line))) {
            g_set_error(err, HW_ERROR, 0, "%s:%d: not [group \"id\"] or key = \"value\"", path,
                        i + 1);
            ok = false;
        }
    }
    return ok && (!*group || apply_group(c, group, id, values, err));
}

/* ---- help -------------------------------------------------------------------------------- */

void options_help(const SystemConfig *c, FILE *f)
{
    fprintf(f, "usage: %s [OPTION…] [DISK]\n", c->program);
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        const Option *o = &options[i];
        if (!o->name) {
            fprintf(f, "\n%s:\n", o->doc);
        } else if (o->doc) {
            fprintf(f, "  -%s %s\n", o->name, o->arg ? o->arg : "");
            fprintf(f, "        %s\n", o->doc);
        }
    }
}

/* troff takes '-' for a hyphen, '\' and a dot that begins a line for its own, and ASCII only. */
static void print_roff(FILE *f, const char *text)
{
    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        if (c == '-' || c == '\\') {
            fputs(c == '-' ? "\\-" : "\\e", f);
        } else if (c >= 0x80) {
            fprintf(f, "\\[u%04X]", c);
        } else {
            fprintf(f, p == text && c == '.' ? "\\&%c" : "%c", (char)c);
        }
    }
}

void options_man_page(FILE *f)
{
    fprintf(f, ".TH LATIMER\\-SYSTEM 1\n.SH NAME\nlatimer\\-system \\- run a whole machine\n"
               ".SH SYNOPSIS\n.B latimer\\-system\\-ARCH\n[OPTION...] [DISK]\n"
               ".SH DESCRIPTION\nEmulates a machine with its CPUs, memory and devices.\n");
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        const Option *o = &options[i];
        if (!o->name) {
            fprintf(f, ".SH %s\n", o->doc);
        } else if (o->doc) {
            fputs(".TP\n.B \\-", f);
            print_roff(f, o->name);
            fputc(' ', f);
            print_roff(f, o->arg ? o->arg : "");
            fputc('\n', f);
            print_roff(f, o->doc);
            fputc('\n', f);
        }
    }
}
