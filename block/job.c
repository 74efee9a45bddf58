/* SPDX-License-Identifier: MIT */
/* What all block jobs have in common: their thread, speed, pausing, cancelling, and their end. */
#include "block/job-int.h"
#include <errno.h>

static bool policy(const Value *args, const char *key, BlockOnError def, BlockOnError *out,
                   GError **err)
{
    const char *text = arg_str(args, key);
    *out = def;
    for (unsigned i = 0; text && block_on_error_names[i]; i++) {
        if (!strcmp(block_on_error_names[i], text)) {
            *out = i;
            return true;
        }
    }
    if (text) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Parameter '%s' does not accept value '%s'", key,
                    text);
    }
    return !text;
}

static BlockJob *find(BlockSystem *sys, const char *id)
{
    for (unsigned i = 0; i < sys->jobs->len; i++) {
        BlockJob *job = g_ptr_array_index(sys->jobs, i);
        if (!strcmp(job->id, id)) {
            return job;
        }
    }
    return NULL;
}

BlockJob *block_job_find(BlockSystem *sys, const char *id, GError **err)
{
    BlockJob *job = find(sys, id);
    if (!job) {
        g_set_error(err, BLOCK_ERROR, ENOENT, "Block job '%s' not found", id);
    }
    return job;
}

bool block_job_busy(BlockSystem *sys, BlockNode *node, GError **err)
{
    for (unsigned i = 0; i < sys->jobs->len; i++) {
        BlockJob *job = g_ptr_array_index(sys->jobs, i);
        if (job->node && (block_in_chain(job->node, node) || block_in_chain(node, job->node))) {
            g_set_error(err, BLOCK_ERROR, EBUSY,
                        "Node '%s' is busy: block device is in use by block job: %s",
                        node->node_name ? node->node_name : node->filename, job->type->name);
            return true;
        }
    }
    return false;
}

static const char *const status_names[] = { "created",   "running", "paused",  "ready",
                                            "standby",   "waiting", "pending", "aborting",
                                            "concluded", "null" };

/* Which states allow what: a bit for each state. */
#define ON(state) (1U << JOB_##state)
#define ALIVE     (ON(CREATED) | ON(RUNNING) | ON(PAUSED) | ON(READY) | ON(STANDBY))
static const struct {
    const char *name;
    unsigned states;
} verbs[] = {
    [JOB_VERB_CANCEL] = { "cancel", ALIVE | ON(WAITING) | ON(PENDING) | ON(ABORTING) },
    [JOB_VERB_PAUSE] = { "pause", ALIVE },
    [JOB_VERB_RESUME] = { "resume", ALIVE },
    [JOB_VERB_SET_SPEED] = { "set-speed", ALIVE },
    [JOB_VERB_COMPLETE] = { "complete", ON(READY) | ON(STANDBY) },
    [JOB_VERB_FINALIZE] = { "finalize", ON(PENDING) },
    [JOB_VERB_DISMISS] = { "dismiss", ON(CONCLUDED) },
};

static JobStatus status_of(BlockJob *job)
{
    g_mutex_lock(&job->lock);
    JobStatus s = job->end         ? job->end
                  : !job->thread   ? JOB_CREATED
                  : job->cancelled ? JOB_ABORTING
                  : job->paused    ? (job->ready ? JOB_STANDBY : JOB_PAUSED)
                  : job->ready     ? JOB_READY
                                   : JOB_RUNNING;
    g_mutex_unlock(&job->lock);
    return s;
}

static void tell_status(BlockJob *job, JobStatus status)
{
    if (job->told == status) {
        return;
    }
    Value *data = value_new(VALUE_DICT);
    value_set_string(data, "status", status_names[status]);
    value_set_string(data, "id", job->id);
    job->told = status;
    block_system_event(job->sys, "JOB_STATUS_CHANGE", data);
}

bool block_job_allows(BlockJob *job, JobVerb verb, GError **err)
{
    JobStatus s = status_of(job);
    if (verbs[verb].states >> s & 1) {
        return true;
    }
    g_set_error(err, BLOCK_ERROR, EPERM, "Job '%s' in state '%s' cannot accept command verb '%s'",
                job->id, status_names[s], verbs[verb].name);
    return false;
}

void *block_job_new(BlockSystem *sys, const BlockJobType *type, const char *device, BlockNode *node,
                    const Value *args, GError **err)
{
    const char *id = arg_str(args, "job-id");
    BlockOnError both, source, target;
    id = id ? id : device;
    if (!id || !*id) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "An explicit job ID is required for this node");
        return NULL;
    }
    if (find(sys, id)) {
        g_set_error(err, BLOCK_ERROR, EEXIST, "Job ID '%s' already in use", id);
        return NULL;
    }
    if ((node && block_job_busy(sys, node, err)) ||
        !policy(args, "on-error", BLOCK_ON_ERROR_REPORT, &both, err) ||
        !policy(args, "on-source-error", both, &source, err) ||
        !policy(args, "on-target-error", both, &target, err)) {
        return NULL;
    }
    BlockJob *job = g_malloc0(type->size);
    job->type = type;
    job->sys = sys;
    job->id = g_strdup(id);
    job->node = node ? block_ref(node) : NULL;
    job->speed = arg_int(args, "speed", 0);
    job->on_source_error = source;
    job->on_target_error = target;
    job->auto_finalize = arg_bool(args, "auto-finalize", true);
    job->auto_dismiss = arg_bool(args, "auto-dismiss", true);
    job->told = JOB_NULL;
    g_mutex_init(&job->lock);
    g_cond_init(&job->change);
    return job;
}

static void leave_group(BlockJob *job)
{
    JobGroup *g = g_steal_pointer(&job->group);
    if (g) {
        g_ptr_array_remove(g->jobs, job);
    }
    if (g && !--g->refs) {
        g_ptr_array_free(g->jobs, true);
        g_free(g);
    }
}

static void job_free(BlockJob *job)
{
    leave_group(job);
    block_unref(job->node);
    g_mutex_clear(&job->lock);
    g_cond_clear(&job->change);
    g_free(job->error);
    g_free(job->id);
    g_free(job);
}

void block_job_abandon(BlockJob *job)
{
    job->type->clean(job);
    job_free(job);
}

static Value *event_data(BlockJob *job)
{
    Value *d = value_new(VALUE_DICT);
    value_set_string(d, "device", job->id);
    value_set_int(d, "len", job->total);
    value_set_int(d, "offset", job->done);
    value_set_int(d, "speed", job->speed);
    value_set_string(d, "type", job->type->name);
    return d;
}

void block_job_dismiss(BlockJob *job)
{
    tell_status(job, JOB_NULL);
    g_ptr_array_remove(job->sys->jobs, job);
    job_free(job);
}

/* Changes the graph as the job's kind wants, with what has come of it, and tells. */
static void conclude(BlockJob *job)
{
    BlockSystem *sys = job->sys;
    GError *err = NULL;
    if (job->ret) {
        job->end = JOB_ABORTING;
        tell_status(job, JOB_ABORTING);
    }
    block_gate_close(sys->loop);
    job->ret = job->type->finish ? job->type->finish(job, job->ret, &err) : job->ret;
    block_gate_open(sys->loop);
    bool cancelled = job->cancelled && !job->completing;
    Value *data = event_data(job);
    if (job->ret && !cancelled) {
        job->error = g_strdup(err ? err->message : g_strerror(-job->ret));
        value_set_string(data, "error", job->error);
    }
    g_clear_error(&err);
    leave_group(job);
    job->type->clean(job);
    block_unref(g_steal_pointer(&job->node)); /* nobody need wait for it any more */
    block_system_event(sys, cancelled ? "BLOCK_JOB_CANCELLED" : "BLOCK_JOB_COMPLETED", data);
    job->end = JOB_CONCLUDED;
    tell_status(job, JOB_CONCLUDED);
    if (job->auto_dismiss) {
        block_job_dismiss(job);
    }
}

/* All of a group, or the job alone; free with g_ptr_array_unref. */
static GPtrArray *companions(BlockJob *job)
{
    GPtrArray *list = g_ptr_array_new();
    for (unsigned i = 0; job->group && i < job->group->jobs->len; i++) {
        g_ptr_array_add(list, g_ptr_array_index(job->group->jobs, i));
    }
    if (!job->group) {
        g_ptr_array_add(list, job);
    }
    return list;
}

void block_job_finalize(BlockJob *job)
{
    g_autoptr(GPtrArray) list = companions(job);
    for (unsigned i = 0; i < list->len; i++) {
        conclude(g_ptr_array_index(list, i));
    }
}

/* When all of a group have done their work they are pending together. */
static void work_done(BlockJob *job)
{
    g_autoptr(GPtrArray) list = companions(job);
    bool all = true, finalize = true;
    job->end = JOB_WAITING;
    tell_status(job, JOB_WAITING);
    for (unsigned i = 0; i < list->len; i++) {
        all &= ((BlockJob *)g_ptr_array_index(list, i))->end == JOB_WAITING;
    }
    for (unsigned i = 0; i < list->len && all; i++) {
        BlockJob *j = g_ptr_array_index(list, i);
        j->end = JOB_PENDING;
        tell_status(j, JOB_PENDING);
        if (!j->auto_finalize) {
            Value *data = value_new(VALUE_DICT);
            value_set_string(data, "type", j->type->name);
            value_set_string(data, "id", j->id);
            block_system_event(j->sys, "BLOCK_JOB_PENDING", data);
            finalize = false;
        }
    }
    if (all && finalize) {
        block_job_finalize(job);
    }
}

/* One has failed or was cancelled: so are all. Those whose threads run come here again, alone. */
static void work_failed(BlockJob *job)
{
    g_autoptr(GPtrArray) list = companions(job);
    for (unsigned i = 0; i < list->len; i++) {
        leave_group(g_ptr_array_index(list, i));
    }
    for (unsigned i = 0; i < list->len; i++) {
        BlockJob *j = g_ptr_array_index(list, i);
        if (j != job) {
            block_job_cancel(j, true);
        }
    }
    conclude(job);
}

/* In the loop: the thread is over. */
static void job_end(void *opaque, int ret)
{
    BlockJob *job = opaque;
    g_thread_join(job->thread);
    job->over = true;
    job->ret = ret;
    if (ret) {
        work_failed(job);
    } else {
        work_done(job);
    }
}

static gpointer job_thread(gpointer opaque)
{
    BlockJob *job = opaque;
    int ret = job->type->run(job);
    block_loop_post(job->sys->loop, job_end, job, ret);
    return NULL;
}

static void really_start(void *opaque)
{
    BlockJob *job = opaque;
    job->thread = g_thread_new(job->type->name, job_thread, job);
    tell_status(job, JOB_RUNNING);
}

/* A transaction that the job was to begin with has failed. */
static void never_start(void *opaque)
{
    BlockJob *job = opaque;
    GError *err = NULL;
    job->cancelled = job->forced = true;
    if (job->type->finish) {
        job->type->finish(job, -ECANCELED, &err);
        g_clear_error(&err);
    }
    g_ptr_array_remove(job->sys->jobs, job);
    block_job_abandon(job);
}

void block_job_start(BlockJob *job)
{
    JobGroup *group = job->sys->txn_group;
    if (group) {
        group->refs++;
        job->group = group;
        g_ptr_array_add(group->jobs, job);
    }
    g_ptr_array_add(job->sys->jobs, job);
    tell_status(job, JOB_CREATED);
    block_txn_push(job->sys, really_start, never_start, job);
}

void block_job_cancel(BlockJob *job, bool force)
{
    if (job->over) { /* waiting or pending: its work is undone */
        if (job->end == JOB_WAITING || job->end == JOB_PENDING) {
            job->cancelled = true;
            job->completing = false;
            job->forced |= force;
            job->ret = -ECANCELED;
            work_failed(job);
        }
        return;
    }
    g_mutex_lock(&job->lock);
    job->cancelled = true;
    job->forced |= force;
    job->paused = false;
    g_cond_broadcast(&job->change);
    g_mutex_unlock(&job->lock);
}

void block_jobs_cancel_all(BlockSystem *sys)
{
    while (sys->jobs->len) {
        BlockJob *job = g_ptr_array_index(sys->jobs, 0);
        if (job->end == JOB_CONCLUDED) {
            block_job_dismiss(job);
            continue;
        }
        block_job_cancel(job, true);
        if (sys->jobs->len) {
            block_loop_wait(sys->loop, 100);
        }
    }
}

bool block_jobs_idle(BlockSystem *sys)
{
    for (unsigned i = 0; i < sys->jobs->len; i++) {
        BlockJob *job = g_ptr_array_index(sys->jobs, i);
        const unsigned idle =
            ON(READY) | ON(STANDBY) | ON(PAUSED) | ON(WAITING) | ON(PENDING) | ON(CONCLUDED);
        if (!(idle >> status_of(job) & 1) || (job->completing && !job->over)) {
            return false;
        }
    }
    return true;
}

bool block_job_complete(BlockJob *job, GError **err)
{
    if (!block_job_allows(job, JOB_VERB_COMPLETE, err)) {
        return false;
    }
    g_mutex_lock(&job->lock);
    bool ok = job->type->completes && !job->completing;
    job->completing |= ok;
    job->paused &= !ok;
    g_cond_broadcast(&job->change);
    g_mutex_unlock(&job->lock);
    if (!ok) {
        g_set_error(err, BLOCK_ERROR, EBUSY, "The active block job '%s' cannot be completed",
                    job->id);
    }
    return ok;
}

void block_job_pause(BlockJob *job, bool pause)
{
    g_mutex_lock(&job->lock);
    job->paused = pause;
    job->io_error &= pause;
    g_cond_broadcast(&job->change);
    g_mutex_unlock(&job->lock);
    tell_status(job, status_of(job));
}

void block_job_set_speed(BlockJob *job, int64_t speed)
{
    g_mutex_lock(&job->lock);
    job->speed = speed;
    job->paid = 0;
    g_cond_broadcast(&job->change);
    g_mutex_unlock(&job->lock);
}

static Value *describe(BlockJob *job)
{
    JobStatus status = status_of(job);
    g_mutex_lock(&job->lock);
    Value *v = event_data(job);
    value_set_bool(v, "busy", !job->paused && !job->over);
    value_set_bool(v, "paused", job->paused);
    value_set_bool(v, "ready", job->ready);
    value_set_string(v, "io-status", job->io_error ? "failed" : "ok");
    value_set_string(v, "status", status_names[status]);
    value_set_bool(v, "auto-finalize", job->auto_finalize);
    value_set_bool(v, "auto-dismiss", job->auto_dismiss);
    if (job->error) {
        value_set_string(v, "error", job->error);
    }
    g_mutex_unlock(&job->lock);
    return v;
}

static Value *describe_modern(BlockJob *job)
{
    Value *v = value_new(VALUE_DICT);
    value_set_string(v, "id", job->id);
    value_set_string(v, "type", job->type->name);
    value_set_string(v, "status", status_names[status_of(job)]);
    g_mutex_lock(&job->lock);
    value_set_int(v, "current-progress", job->done);
    value_set_int(v, "total-progress", job->total);
    g_mutex_unlock(&job->lock);
    if (job->error) {
        value_set_string(v, "error", job->error);
    }
    return v;
}

Value *block_jobs_query(BlockSystem *sys, bool modern)
{
    Value *list = value_new(VALUE_LIST);
    for (unsigned i = 0; i < sys->jobs->len; i++) {
        BlockJob *job = g_ptr_array_index(sys->jobs, i);
        value_append(list, modern ? describe_modern(job) : describe(job));
    }
    return list;
}

bool job_pause_point(BlockJob *job, int64_t bytes)
{
    g_mutex_lock(&job->lock);
    job->done += bytes;
    gint64 now = g_get_monotonic_time();
    if (job->speed > 0) {
        job->paid =
            MAX(job->paid, now) + (gint64)((double)bytes * G_USEC_PER_SEC / (double)job->speed);
    }
    while (!job->cancelled && (job->paused || (job->speed > 0 && job->paid > now))) {
        if (job->paused) {
            g_cond_wait(&job->change, &job->lock);
        } else {
            g_cond_wait_until(&job->change, &job->lock, job->paid);
        }
        now = g_get_monotonic_time();
    }
    bool go_on = !job->cancelled;
    g_mutex_unlock(&job->lock);
    return go_on;
}

void job_set_total(BlockJob *job, int64_t total)
{
    g_mutex_lock(&job->lock);
    job->total = total;
    g_mutex_unlock(&job->lock);
}

void job_add_total(BlockJob *job, int64_t bytes)
{
    g_mutex_lock(&job->lock);
    job->total += bytes;
    g_mutex_unlock(&job->lock);
}

/* In the loop, before the job can end. */
typedef struct Later {
    BlockJob *job;
    const char *name;
    Value *data;
} Later;

static void send_later(void *opaque, int ret)
{
    Later *l = opaque;
    (void)ret;
    tell_status(l->job, status_of(l->job));
    block_system_event(l->job->sys, l->name, l->data);
    g_free(l);
}

static void event_from_thread(BlockJob *job, const char *name, Value *data)
{
    Later *l = g_new(Later, 1);
    *l = (Later){ job, name, data };
    block_loop_post(job->sys->loop, send_later, l, 0);
}

void job_set_ready(BlockJob *job)
{
    g_mutex_lock(&job->lock);
    bool first = !job->ready;
    job->ready = true;
    Value *data = first ? event_data(job) : NULL;
    g_mutex_unlock(&job->lock);
    if (first) {
        event_from_thread(job, "BLOCK_JOB_READY", data);
    }
}

bool job_is_completing(BlockJob *job)
{
    g_mutex_lock(&job->lock);
    bool completing = job->completing;
    g_mutex_unlock(&job->lock);
    return completing;
}

void job_wait(BlockJob *job, int ms)
{
    g_mutex_lock(&job->lock);
    if (!job->cancelled && !job->completing) {
        g_cond_wait_until(&job->change, &job->lock, g_get_monotonic_time() + ms * 1000);
    }
    g_mutex_unlock(&job->lock);
}

JobErrorAction job_error(BlockJob *job, bool source, int ret)
{
    BlockOnError on = source ? job->on_source_error : job->on_target_error;
    if (on == BLOCK_ON_ERROR_ENOSPC) {
        on = ret == -ENOSPC ? BLOCK_ON_ERROR_STOP : BLOCK_ON_ERROR_REPORT;
    }
    Value *data = value_new(VALUE_DICT);
    value_set_string(data, "device", job->id);
    value_set_string(data, "operation", source ? "read" : "write");
    value_set_string(data, "action", block_on_error_names[on]);
    /* Paused before anybody hears of it: who hears may resume at once. */
    g_mutex_lock(&job->lock);
    job->paused |= on == BLOCK_ON_ERROR_STOP && !job->cancelled;
    job->io_error = on == BLOCK_ON_ERROR_STOP;
    g_mutex_unlock(&job->lock);
    event_from_thread(job, "BLOCK_JOB_ERROR", data);
    if (on != BLOCK_ON_ERROR_STOP) {
        return on == BLOCK_ON_ERROR_IGNORE ? JOB_IGNORE : JOB_FAIL;
    }
    return job_pause_point(job, 0) ? JOB_RETRY : JOB_FAIL;
}
