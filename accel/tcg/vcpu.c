/* SPDX-License-Identifier: MIT */
/*
 * The accelerator tcg: a host thread for each vCPU, or one that runs them in turn (thread=single),
 * and what one vCPU asks of the others' TLBs.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "hw/timer.h"
#include "hw/vcpu.h"
#include "icount.h"
#include "softmmu.h"

enum { SLICE_US = 10000, NO_ICOUNT = -2 };

static struct {
    bool single;
    bool started; /* the one thread */
    VCPU *_Atomic turn;
} tcg;

/* VCPU.accel */
typedef struct TCGVCPU {
    uint64_t *await; /* by index: tickets of work that others have to do first; 0: none */
    bool awaits;
} TCGVCPU;

/* ---- options ---- */

typedef struct Options {
    TCGConfig config;
    bool single;
    IcountConfig icount; /* shift: -2: there is none */
    const char *cache;   /* on, off, verify or a folder; NULL: on */
} Options;

/* What -icount became: icount=N|auto, icount-sleep, icount-align. */
static bool icount_option(Options *o, const char *name, const char *val, GError **err)
{
    bool on = !strcmp(val, "on");
    char *end;
    guint64 shift = g_ascii_strtoull(val, &end, 10);

    if (!strcmp(name, "icount-sleep") && (on || !strcmp(val, "off"))) {
        o->icount.sleep = on;
    } else if (!strcmp(name, "icount-align") && (on || !strcmp(val, "off"))) {
        o->icount.align = on;
    } else if (!strcmp(name, "icount") && !strcmp(val, "auto")) {
        o->icount.shift = ICOUNT_AUTO;
    } else if (!strcmp(name, "icount") && *val && !*end && shift <= ICOUNT_MAX_SHIFT) {
        o->icount.shift = (int)shift;
    } else {
        g_set_error(err, g_quark_from_static_string("accel"), 0,
                    "-icount: shift=0…%d or auto, sleep=on|off, align=on|off, not %s=%s",
                    ICOUNT_MAX_SHIFT, name, val);
        return false;
    }
    return true;
}

static bool option(Options *o, const char *name, const char *val, GError **err)
{
    const struct {
        const char *name;
        bool *flag, when_on;
    } switches[] = {
        { "interp", &o->config.interp, true },      { "verify", &o->config.verify, true },
        { "nochain", &o->config.no_chain, true },   { "optimize", &o->config.no_optimize, false },
        { "fp-traps", &o->config.fp_check, false }, { "peepholes", &o->config.no_peepholes, false },
        { "perfmap", &o->config.perfmap, true },
    };
    bool on = !strcmp(val, "on");

    if (!strcmp(name, "thread")) {
        o->single = !strcmp(val, "single");
        if (o->single || !strcmp(val, "multi")) {
            return true;
        }
        g_set_error(err, g_quark_from_static_string("accel"), 0,
                    "tcg,thread=%s: it is single or multi", val);
        return false;
    }
    if (!strcmp(name, "cache")) {
        if (!on && strcmp(val, "off") && strcmp(val, "verify") && *val != '/') {
            g_set_error(err, g_quark_from_static_string("accel"), 0,
                        "tcg,cache=%s: it is on, off, verify or a folder's absolute name", val);
            return false;
        }
        o->cache = g_intern_string(val);
        o->config.cache_verify = !strcmp(val, "verify");
        return true;
    }
    if (g_str_has_prefix(name, "icount")) {
        return icount_option(o, name, val, err);
    }
    if (!strcmp(name, "host-features")) {
        o->config.host_features = *val ? g_intern_string(val) : NULL;
        return true;
    }
    if (!strcmp(name, "tb-size")) {
        char *end;
        guint64 mib = g_ascii_strtoull(val, &end, 0);

        if (*end || !*val || mib > 1 << 20) {
            g_set_error(err, g_quark_from_static_string("accel"), 0,
                        "tcg,tb-size=%s: a number of MiB is wanted", val);
            return false;
        }
        o->config.buffer_size = mib << 20;
        return true;
    }
    if (!on && strcmp(val, "off")) {
        g_set_error(err, g_quark_from_static_string("accel"), 0, "tcg: %s=%s: it is on or off",
                    name, val);
        return false;
    }
    if (!strcmp(name, "one-insn-per-tb")) {
        o->config.max_insns = on;
        return true;
    }
    for (size_t n = 0; n < G_N_ELEMENTS(switches); n++) {
        if (!strcmp(name, switches[n].name)) {
            *switches[n].flag = on == switches[n].when_on;
            return true;
        }
    }
    g_set_error(err, g_quark_from_static_string("accel"), 0, "tcg: unknown property '%s'", name);
    return false;
}

static bool parse(Options *o, const char *text, GError **err)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);

    for (char **w = words; *w && **w; w++) {
        char *val = strchr(*w, '=');

        if (!val) {
            g_set_error(err, g_quark_from_static_string("accel"), 0,
                        "tcg: '%s': a property is NAME=VALUE", *w);
            return false;
        }
        *val++ = 0;
        if (!option(o, *w, val, err)) {
            return false;
        }
    }
    return true;
}

/* ---- start ---- */

static bool tcg_available(const TargetOps *target, GError **err)
{
    if (!target->system) {
        g_set_error(err, g_quark_from_static_string("accel"), 0,
                    "not implemented: whole machines of %s", target->name);
        return false;
    }
    return true;
}

/* Floating traps of compiled code; whatever else is a bug, and ends as one. */
static void on_fp_trap(int sig, siginfo_t *info, void *context)
{
    VCPU *v = vcpu_current();

    if (!v || !tcg_handle_host_signal(v->cpu, info, context)) {
        signal(sig, SIG_DFL);
    }
}

/* The memory tree changed: what the TLBs know of it is old. */
static void flush_work(VCPU *v, G_GNUC_UNUSED void *data)
{
    tlb_flush(v->cpu, ~0u);
}

static void memory_changed(G_GNUC_UNUSED MemoryListener *l, AddressSpace *as,
                           G_GNUC_UNUSED const FlatView *old_view,
                           G_GNUC_UNUSED const FlatView *new_view)
{
    for (VCPU *v = vcpu_first(); v; v = v->next) {
        if (v->as != as || !v->created) {
            continue;
        }
        if (v == vcpu_current()) {
            tlb_flush(v->cpu, ~0u);
        } else {
            async_run_on_cpu(v, flush_work, NULL);
        }
    }
}

static void ram_written(G_GNUC_UNUSED MemoryListener *l, uint64_t offset, uint64_t len)
{
    tb_invalidate_range(offset, offset + len);
}

static bool tcg_init(const TargetOps *target, const char *guest, const char *text, GError **err)
{
    static MemoryListener listener = { .commit = memory_changed, .ram_written = ram_written };
    struct sigaction sa = { .sa_sigaction = on_fp_trap, .sa_flags = SA_SIGINFO };
    Options o = { .config = { .softmmu = true, .guest = g_intern_string(guest) },
                  .icount = { .shift = NO_ICOUNT, .sleep = true } };

    if (!parse(&o, text, err)) {
        return false;
    }
    o.config.icount = o.icount.shift != NO_ICOUNT;
    o.config.cache_dir = tcg_cache_dir(o.cache);
    if (!tcg_exec_init(target, &o.config, err)) {
        return false;
    }
    tcg.single = o.single || o.config.icount;
    if (o.config.icount) {
        icount_init(&o.icount);
    }
    sigaction(SIGFPE, &sa, NULL);
    memory_listener_register(&listener);
    return true;
}

/* ---- TLBs of the others ---- */

static void remote_flush(VCPU *v, void *data)
{
    tlb_flush_local(v->cpu, data);
    g_free(data);
}

void tlb_flush_all_cpus_synced(CPUState *cpu, const TLBFlush *what)
{
    VCPU *self = cpu->opaque;
    TCGVCPU *t = self->accel;

    tlb_flush_local(cpu, what);
    for (VCPU *v = vcpu_first(); v; v = v->next) {
        if (v != self && v->created) {
            t->await[v->index] = vcpu_queue(v, remote_flush, g_memdup2(what, sizeof(*what)));
            t->awaits = true;
        }
    }
    if (t->awaits) {
        cpu_request_exit(cpu); /* the block ends behind this instruction; then we wait */
    }
}

static void await_others(VCPU *self)
{
    TCGVCPU *t = self->accel;

    if (!t->awaits) {
        return;
    }
    t->awaits = false;
    for (VCPU *v = vcpu_first(); v; v = v->next) {
        if (t->await[v->index]) {
            vcpu_await(v, t->await[v->index]);
            t->await[v->index] = 0;
        }
    }
}

/* ---- threads ---- */

/* One stay in guest code. */
static void run(VCPU *v)
{
    int excp = cpu_exec(v->cpu);

    vcpu_leave(v);
    await_others(v);
    if (excp == EXCP_DEBUG) {
        v->stop_requested = true;
        system_stop_request(RUN_STATE_DEBUG);
    }
}

static void *vcpu_thread(void *arg)
{
    VCPU *v = arg;

    g_autofree char *name = g_strdup_printf("CPU %d/TCG", v->index);

    pthread_setname_np(pthread_self(), name);
    vcpu_set_current(v);
    v->thread_id = gettid();
    for (;;) {
        vcpu_enter(v, true);
        run(v);
    }
    return NULL;
}

static void *round_robin_thread(G_GNUC_UNUSED void *arg)
{
    pthread_setname_np(pthread_self(), "ALL CPUs/TCG");
    for (;;) {
        bool any = false;

        for (VCPU *v = vcpu_first(); v; v = v->next) {
            if (!v->created) {
                continue;
            }
            vcpu_set_current(v);
            v->thread_id = gettid();
            if (icount_enabled()) {
                icount_begin_turn(v->cpu);
            }
            if (vcpu_enter(v, false)) {
                atomic_store(&tcg.turn, v);
                run(v);
                atomic_store(&tcg.turn, NULL);
                any = true;
            }
        }
        if (!any && icount_enabled()) {
            icount_idle();
        } else if (!any) {
            vcpu_wait_for_any(0);
        }
    }
    return NULL;
}

/* Ends each turn after a while. */
static void *slice_thread(G_GNUC_UNUSED void *arg)
{
    for (;;) {
        VCPU *v;

        usleep(SLICE_US);
        v = atomic_load(&tcg.turn);
        if (v && vcpu_first()->next) {
            cpu_request_exit(v->cpu);
        }
    }
    return NULL;
}

static bool start_thread(pthread_t *thread, void *(*fn)(void *), void *arg, GError **err)
{
    int e = pthread_create(thread, NULL, fn, arg);

    if (e) {
        g_set_error(err, g_quark_from_static_string("accel"), 0, "no thread for a vCPU: %s",
                    g_strerror(e));
    }
    return !e;
}

static bool tcg_vcpu_start(VCPU *v, GError **err)
{
    TCGVCPU *t = g_new0(TCGVCPU, 1);
    int nb = 0;

    for (VCPU *other = vcpu_first(); other; other = other->next) {
        nb++;
    }
    t->await = g_new0(uint64_t, (gsize)nb);
    v->accel = t;
    softmmu_attach(v->cpu, v->as);
    tcg_cpu_attach(v->cpu);
    v->created = true;
    if (!tcg.single) {
        return start_thread(&v->thread, vcpu_thread, v, err);
    }
    if (!tcg.started) {
        pthread_t slices;

        tcg.started = true;
        return start_thread(&v->thread, round_robin_thread, NULL, err) &&
               (icount_enabled() || start_thread(&slices, slice_thread, NULL, err));
    }
    return true;
}

static void tcg_kick(VCPU *v)
{
    VCPU *turn = atomic_load(&tcg.turn);

    cpu_request_exit(v->cpu);
    if (turn && turn != v) { /* it is v's turn soon */
        cpu_request_exit(turn->cpu);
    }
}

static void tcg_synchronize(G_GNUC_UNUSED VCPU *v)
{
}

static void tcg_exit(void)
{
    persist_save();
}

const AccelOps tcg_accel = {
    .name = "tcg",
    .desc = "translation (any host)",
    .available = tcg_available,
    .init = tcg_init,
    .vcpu_start = tcg_vcpu_start,
    .kick = tcg_kick,
    .synchronize = tcg_synchronize,
    .exit = tcg_exit,
};
