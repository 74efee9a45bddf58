/* SPDX-License-Identifier: MIT */
/* latimer-user: options, and the steps from a file name to running guest code. */
#include "linux-user/gdb.h"
#include "linux-user/seccomp.h"
#include "linux-user/symbols.h"
#include "linux-user/tasks.h"
#include "linux-user/user.h"
#include "util/log.h"
#include "util/version.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* What the command line says beside UserProcess. */
static struct {
    TCGConfig tcg;
    GuestLimit as_limit; /* for the guest, once it is loaded */
    bool has_as_limit, has_seccomp;
    int seccomp_fd;
    const char *argv0;
    const char *gdb, *gdb_fd; /* -g, and what is left of it after execve */
    uint64_t reserved;
    const char *cache;      /* on, off, verify or a folder */
    GPtrArray *env_changes; /* "VAR=VALUE" or "VAR" */
    GArray *passed_on;      /* of PassedOn: what children of ours are to be told */
} opt;

/* ---- messages
 * -------------------------------------------------------------------------------------- */

static G_NORETURN void G_GNUC_PRINTF(2, 3) fatal(int status, const char *fmt, ...)
{
    const char *slash = strrchr(proc.self_name, '/');
    va_list ap;

    va_start(ap, fmt);
    fprintf(stderr, "%s: ", slash ? slash + 1 : proc.self_name);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(status);
}

static uint64_t parse_size(const char *option, const char *text)
{
    char *end;
    uint64_t val;

    errno = 0;
    val = strtoull(text, &end, 0);
    switch (*end) {
    case 'G':
    case 'g':
        val <<= 10;
        /* fall through */
    case 'M':
    case 'm':
        val <<= 10;
        /* fall through */
    case 'K':
    case 'k':
        val <<= 10;
        end++;
    }
    if (end == text || *end || errno || *text == '-') {
        fatal(1, "-%s: '%s' is not a number", option, text);
    }
    return val;
}

/* ---- options
 * ------------------------------------------------------------------------------------------ */

static void check(GError *err)
{
    if (err) {
        fatal(1, "%s", err->message);
    }
}

static void opt_prefix(const char *arg)
{
    char *dir = g_strdup(arg);
    size_t len = strlen(dir);

    while (len && dir[len - 1] == '/') {
        dir[--len] = 0;
    }
    proc.prefix = len ? dir : NULL;
}
static void opt_stack(const char *arg)
{
    proc.stack_size = parse_size("s", arg) & -(uint64_t)GUEST_PAGE_SIZE;
}
static void opt_cpu(const char *arg)
{
    proc.cpu_model = arg;
}
static void opt_argv0(const char *arg)
{
    opt.argv0 = arg;
}
static void opt_uname(const char *arg)
{
    proc.uname_release = arg;
}
static void opt_base(const char *arg)
{
    opt.tcg.guest_base = parse_size("B", arg);
}
static void opt_reserved(const char *arg)
{
    opt.reserved = parse_size("R", arg);
}
static void opt_pagesize(const char *arg)
{
    if (parse_size("p", arg) != GUEST_PAGE_SIZE) {
        fatal(1, "-p %s: not implemented: pages of another size than %d", arg, GUEST_PAGE_SIZE);
    }
}
static void opt_log(const char *arg)
{
    GError *err = NULL;

    log_set_items(arg, &err);
    check(err);
}
static void opt_dfilter(const char *arg)
{
    GError *err = NULL;

    log_set_filter(arg, &err);
    check(err);
}
static void opt_logfile(const char *arg)
{
    GError *err = NULL;

    log_set_file(arg, &err);
    check(err);
}
static void opt_strace(const char *arg)
{
    (void)arg;
    proc.strace = true;
}
static void opt_seed(const char *arg)
{
    proc.seed = parse_size("seed", arg);
    proc.has_seed = true;
}
static void opt_one_insn(const char *arg)
{
    (void)arg;
    opt.tcg.max_insns = 1;
}
static void opt_perfmap(const char *arg)
{
    (void)arg;
    opt.tcg.perfmap = true;
    symbols_enable();
}
static void opt_self_fd(const char *arg)
{
    uint64_t fd = parse_size("self-fd", arg);

    if (fd > INT_MAX || fcntl((int)fd, F_GETFD) < 0) {
        fatal(1, "-self-fd %s: no such descriptor is open", arg);
    }
    own_fd_set(OWN_FD_SELF, (int)fd);
}
static void opt_as_limit(const char *arg)
{
    if (sscanf(arg, "%" SCNu64 ",%" SCNu64, &opt.as_limit.soft, &opt.as_limit.hard) != 2) {
        fatal(1, "-as-limit %s: SOFT,HARD is wanted", arg);
    }
    opt.has_as_limit = true;
}
static void opt_seccomp_fd(const char *arg)
{
    opt.seccomp_fd = (int)parse_size("seccomp-fd", arg);
    opt.has_seccomp = true;
}
static void opt_gdb(const char *arg)
{
    opt.gdb = arg;
}

static void opt_gdb_fd(const char *arg)
{
    opt.gdb_fd = arg;
}

static void opt_cache(const char *arg)
{
    if (*arg != '/' && strcmp(arg, "on") && strcmp(arg, "off") && strcmp(arg, "verify")) {
        fatal(1, "-cache %s: it is on, off, verify or a folder's absolute name", arg);
    }
    opt.cache = arg;
    opt.tcg.cache_verify = !strcmp(arg, "verify");
}

static void opt_tcg(const char *arg)
{
    if (!g_str_has_prefix(arg, "host-features=")) {
        fatal(1, "-tcg %s: the only property is host-features=", arg);
    }
    opt.tcg.host_features = arg + strlen("host-features=");
}

static void opt_accel(const char *arg)
{
    static const struct {
        const char *name;
        bool *flag, when_on;
    } switches[] = {
        { "interp", &opt.tcg.interp, true },      { "verify", &opt.tcg.verify, true },
        { "nochain", &opt.tcg.no_chain, true },   { "optimize", &opt.tcg.no_optimize, false },
        { "fp-traps", &opt.tcg.fp_check, false }, { "peepholes", &opt.tcg.no_peepholes, false },
    };
    g_auto(GStrv) words = g_strsplit(arg, ",", -1);

    if (strcmp(words[0] ? words[0] : "", "tcg")) {
        fatal(1, "-accel %s: the only accelerator for programs is tcg", arg);
    }
    for (char **w = words + 1; *w; w++) {
        char *val = strchr(*w, '=');
        size_t n;
        bool on;

        if (!val) {
            fatal(1, "-accel: '%s': a property is NAME=VALUE", *w);
        }
        *val++ = 0;
        if (!strcmp(*w, "tb-size")) {
            opt.tcg.buffer_size = parse_size("accel tcg,tb-size", val) << 20;
            continue;
        }
        if (!strcmp(*w, "cache")) {
            opt_cache(g_strdup(val));
            continue;
        }
        on = !strcmp(val, "on");
        if (!on && strcmp(val, "off")) {
            fatal(1, "-accel: %s=%s: it is on or off", *w, val);
        }
        if (!strcmp(*w, "one-insn-per-tb")) {
            opt.tcg.max_insns = on;
            continue;
        }
        for (n = 0; n < G_N_ELEMENTS(switches) && strcmp(*w, switches[n].name); n++) {
        }
        if (n == G_N_ELEMENTS(switches)) {
            fatal(1, "-accel tcg: unknown property '%s' (see -help)", *w);
        }
        *switches[n].flag = on == switches[n].when_on;
    }
}

/* QEMU's variable holds several, by comma; the option one. */
static void change_env(const char *arg)
{
    g_ptr_array_add(opt.env_changes, g_strdup(arg));
}
static void opt_setenv(const char *arg)
{
    if (!strchr(arg, '=')) {
        fatal(1, "-E %s: VAR=VALUE is wanted", arg);
    }
    change_env(arg);
}
static void opt_unsetenv(const char *arg)
{
    change_env(arg);
}

static void opt_version(const char *arg)
{
    (void)arg;
    printf("latimer-user version %s\n", LATIMER_VERSION);
    exit(0);
}
static void opt_help(const char *arg);

static const struct Option {
    void (*fn)(const char *arg);
    const char *name, *arg, *env, *help;
} options[] = {
#define OPT(fn, name, arg, env, help) { fn, name, arg, env, help },
#include "linux-user/options.h.inc"
#undef OPT
};

static void opt_help(const char *arg)
{
    (void)arg;
    printf("usage: %s [options] program [arguments...]\n"
           "Runs a Linux program of another architecture on this machine.\n\n",
           proc.self_name);
    for (size_t n = 0; n < G_N_ELEMENTS(options); n++) {
        const struct Option *o = &options[n];
        int len = printf("  -%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");

        printf("%*s%s\n", len < 26 ? 26 - len : 1, "", o->help);
        if (o->env) {
            printf("%26s(LATIMER_%s, QEMU_%s)\n", "", o->env, o->env);
        }
    }
    exit(0);
}

/* The environment given to the guest is what a child of it gets: these are not passed on. */
static bool is_passed_on(const struct Option *o)
{
    return o->fn != opt_setenv && o->fn != opt_unsetenv && o->fn != opt_argv0 &&
           o->fn != opt_self_fd && o->fn != opt_as_limit && o->fn != opt_seccomp_fd &&
           o->fn != opt_gdb && o->fn != opt_gdb_fd;
}

typedef struct PassedOn {
    const struct Option *o;
    const char *arg;
} PassedOn;

/* The same again is passed on once: a variable comes to a child as an option, and as itself. */
static void pass_on(const struct Option *o, const char *arg)
{
    PassedOn new = { o, arg };

    for (guint n = 0; n < opt.passed_on->len; n++) {
        const PassedOn *old = &g_array_index(opt.passed_on, PassedOn, n);

        if (old->o == o && !strcmp(old->arg, arg)) {
            g_array_remove_index(opt.passed_on, n);
            break;
        }
    }
    g_array_append_val(opt.passed_on, new);
}

static char **passed_on_args(void)
{
    GPtrArray *args = g_ptr_array_new();

    for (guint n = 0; n < opt.passed_on->len; n++) {
        const PassedOn *p = &g_array_index(opt.passed_on, PassedOn, n);

        g_ptr_array_add(args, g_strconcat("-", p->o->name, NULL));
        if (p->o->arg) {
            g_ptr_array_add(args, g_strdup(p->arg));
        }
    }
    g_ptr_array_add(args, NULL);
    return (char **)g_ptr_array_free(args, FALSE);
}

static void apply_option(const struct Option *o, const char *arg)
{
    if (is_passed_on(o)) {
        pass_on(o, g_strdup(arg));
    }
    o->fn(arg);
}

static void apply_env_option(const struct Option *o, const char *value)
{
    if (o->fn == opt_setenv || o->fn == opt_unsetenv) {
        g_auto(GStrv) words = g_strsplit(value, ",", -1);

        for (char **w = words; *w; w++) {
            apply_option(o, *w);
        }
    } else {
        apply_option(o, value);
    }
}

/* Variables with this prefix. */
static void parse_env(const char *prefix)
{
    size_t len = strlen(prefix);

    for (char **e = environ; *e; e++) {
        const char *eq = strchr(*e, '=');

        if (strncmp(*e, prefix, len) || !eq) {
            continue;
        }
        for (size_t n = 0; n < G_N_ELEMENTS(options); n++) {
            size_t name_len = options[n].env ? strlen(options[n].env) : 0;

            if (name_len && name_len == (size_t)(eq - *e) - len &&
                !strncmp(*e + len, options[n].env, name_len)) {
                apply_env_option(&options[n], eq + 1);
            }
        }
    }
}

/* Returns the index of the program's name. */
static int parse_args(int argc, char **argv)
{
    int at = 1;

    while (at < argc && argv[at][0] == '-' && argv[at][1]) {
        const char *name = argv[at] + 1;
        size_t n;

        if (!strcmp(name, "-")) {
            at++;
            break;
        }
        name += *name == '-';
        for (n = 0; n < G_N_ELEMENTS(options) && strcmp(name, options[n].name); n++) {
        }
        if (n == G_N_ELEMENTS(options)) {
            fatal(1, "unknown option '%s' (see -help)", argv[at]);
        }
        if (options[n].arg && at + 1 >= argc) {
            fatal(1, "%s: it needs an argument: %s", argv[at], options[n].arg);
        }
        apply_option(&options[n], options[n].arg ? argv[at + 1] : "");
        at += options[n].arg ? 2 : 1;
    }
    return at;
}

/* ---- the start
 * -------------------------------------------------------------------------------------------- */

static char **guest_environment(void)
{
    char **env = environ;

    for (guint n = 0; n < opt.env_changes->len; n++) {
        const char *change = opt.env_changes->pdata[n];
        g_autofree char *name = g_strndup(change, strcspn(change, "="));

        if (env == environ) {
            env = g_strdupv(environ);
        }
        env = strchr(change, '=') ? g_environ_setenv(env, name, strchr(change, '=') + 1, TRUE)
                                  : g_environ_unsetenv(env, name);
    }
    return env;
}

/* latimer-aarch64, qemu-aarch64-static, …: the guest by our own name. NULL for latimer-user. */
static void check_own_name(void)
{
    const char *slash = strrchr(proc.self_name, '/');
    const char *name = strchr(slash ? slash : proc.self_name, '-');

    if (name && g_str_has_prefix(name + 1, aarch64_user_arch.target->name)) {
        proc.arch = &aarch64_user_arch;
    }
}

static void map_vdso(void)
{
    const UserVdso *vdso = proc.arch->vdso;
    int64_t page =
        guest_mmap(0, GUEST_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page < 0) {
        fatal(126, "no memory for the guest: %s (see ulimit -v)", g_strerror(-page));
    }
    memcpy(g2h(page), vdso->image, vdso->size);
    guest_mprotect(page, GUEST_PAGE_SIZE, PROT_READ | PROT_EXEC);
    proc.vdso = page;
}

static void load(LinuxProgram *prog)
{
    g_autoptr(GError) err = NULL;
    const char *slash;
    int status;

    if (!mm_init(opt.tcg.guest_base, opt.reserved, &err)) {
        fatal(g_error_matches(err, G_FILE_ERROR, G_FILE_ERROR_INVAL) ? 1 : 126, "%s", err->message);
    }
    proc.exec_path = prog->path;
    status = load_program(prog, &err);
    if (status) {
        fatal(status, "%s", err->message);
    }
    slash = strrchr(proc.exec_path, '/');
    prctl(PR_SET_NAME, slash ? slash + 1 : proc.exec_path);
    proc.start_code = prog->image.start_code;
    proc.end_code = prog->image.end_code;
    proc.start_data = prog->image.start_data;
    proc.end_data = prog->image.end_data;
    proc.start_brk = guest_brk(0);
}

/* The guest's own limit, or what is left of the one that we were started with. */
static void set_as_limit(void)
{
    struct rlimit host;

    if (!opt.has_as_limit) {
        getrlimit(RLIMIT_AS, &host);
        opt.as_limit = (GuestLimit){ host.rlim_cur, host.rlim_max };
    }
    guest_set_as_limit(&opt.as_limit);
}

/* Under `ulimit -v` the two mappings of translated code together get a quarter of what there is. */
static void limit_code_buffer(void)
{
    struct rlimit host;

    if (!opt.tcg.buffer_size && getrlimit(RLIMIT_AS, &host) == 0 &&
        host.rlim_cur < UINT64_C(4) << 30) {
        opt.tcg.buffer_size = MAX(host.rlim_cur / 8, 8 << 20);
    }
}

static CPUState *create_cpu(void)
{
    g_autoptr(GError) err = NULL;
    CPUState *cpu;

    if (!proc.cpu_model) {
        proc.cpu_model = "max";
    }
    opt.tcg.cpu_model = proc.cpu_model;
    /* a debugger's breakpoints are in no code of an earlier run */
    opt.tcg.cache_dir = opt.gdb || opt.gdb_fd ? NULL : tcg_cache_dir(opt.cache);
    limit_code_buffer();
    if (!tcg_exec_init(proc.arch->target, &opt.tcg, &err)) {
        fatal(126, "%s (ulimit -v tells the limit, -accel tcg,tb-size=MIB asks for less)",
              err->message);
    }
    cpu = proc.arch->target->cpu_new(proc.cpu_model, &err);
    if (!cpu) {
        fatal(1, "%s", err->message);
    }
    cpu->memory_is_private = 1;
    return cpu;
}

static void list_cpus(void)
{
    const UserArch *arch = proc.arch ? proc.arch : &aarch64_user_arch;

    arch->target->list_models(stdout);
    exit(0);
}

int main(int argc, char **argv)
{
    LinuxProgram prog = { .fd = -1 };
    g_autoptr(GError) err = NULL;
    CPUState *cpu;
    TaskState *ts;
    int at = 1;

    proc.self_name = argc ? argv[0] : "latimer-user";
    opt.env_changes = g_ptr_array_new();
    opt.passed_on = g_array_new(FALSE, FALSE, sizeof(PassedOn));
    check_own_name();
    parse_env("QEMU_");
    parse_env("LATIMER_");
    if (getauxval(AT_FLAGS) & 1) { /* binfmt_misc with flag P: path and argv[0], no options */
        opt.argv0 = argc > 2 ? argv[2] : NULL;
        prog.path = argv[1];
        prog.argv = argv + 2;
    } else {
        at = parse_args(argc, argv);
        if (proc.cpu_model && (!strcmp(proc.cpu_model, "help") || !strcmp(proc.cpu_model, "?"))) {
            list_cpus();
        }
        if (at >= argc) {
            fatal(1, "which program? usage: %s [options] program [arguments...] (see -help)",
                  proc.self_name);
        }
        prog.path = argv[at];
        prog.argv = argv + at;
    }
    if (getauxval(AT_EXECFD)) {
        prog.fd = (int)getauxval(AT_EXECFD);
    }
    if (opt.argv0) {
        prog.argv[0] = (char *)opt.argv0;
    }
    prog.envp = guest_environment();
    proc.self_args = passed_on_args();
    proc.strace |= log_enabled(LOG_STRACE);

    load(&prog);
    cpu = create_cpu();
    map_vdso();
    if (!setup_stack(&prog, cpu, &err)) {
        fatal(126, "%s", err->message);
    }
    proc_self_publish();
    ts = task_new(cpu, proc.arch, sighand_copy(NULL));
    ts->tid = getpid();
    tasks_add(ts);
    current_task = ts;
    tcg_cpu_attach(cpu);
    proc.arch->init_cpu(cpu, prog.image.start_pc, prog.sp);
    set_as_limit();
    if (opt.has_seccomp && !seccomp_restore(ts, opt.seccomp_fd)) {
        fatal(1, "-seccomp-fd %d: no filters are there", opt.seccomp_fd);
    }
    signal_init(ts);
    if (opt.gdb_fd ? !gdb_continue_after_exec(ts, opt.gdb_fd)
                   : opt.gdb && !gdb_start(ts, opt.gdb, &err)) {
        fatal(1, "%s", err ? err->message : "the debugger's connection is lost");
    }
    cpu_loop(ts);
}
