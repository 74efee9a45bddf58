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
        if (block_in_chain(job->node, node) || block_in_chain(node, job->node)) {
            g_set_error(err, BLOCK_ERROR, EBUSY,
                        "Node '%s' is busy: block device is in use by block job: %s",
                        node->node_name ? node->node_name : node->filename, job->type->name);
            return true;
        }
    }
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
    if (block_job_busy(sys, node, err) ||
        !policy(args, "on-error", BLOCK_ON_ERROR_REPORT, &both, err) ||
        !policy(args, "on-source-error", both, &source, err) ||
        !policy(args, "on-target-error", both, &target, err)) {
        return NULL;
    }
    BlockJob *job = g_malloc0(type->size);
    job->type = type;
    job->sys = sys;
    job->id = g_strdup(id);
    job->node = block_ref(node);
    job->speed = arg_int(args, "speed", 0);
    job->on_source_error = source;
    job->on_target_error = target;
    g_mutex_init(&job->lock);
    g_cond_init(&job->change);
    return job;
}

static void job_free(BlockJob *job)
{
    block_unref(job->node);
    g_mutex_clear(&job->lock);
    g_cond_clear(&job->change);
    g_clear_error(&job->err);
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

/* In the loop: changes the graph as the job's kind wants, and tells. */
static void job_end(void *opaque, int ret)
{
    BlockJob *job = opaque;
    BlockSystem *sys = job->sys;
    GError *err = NULL;
    g_thread_join(job->thread);
    block_gate_close(sys->loop);
    ret = job->type->finish ? job->type->finish(job, ret, &err) : ret;
    block_gate_open(sys->loop);
    bool cancelled = job->cancelled && !job->completing;
    Value *data = event_data(job);
    if (ret && !cancelled) {
        value_set_string(data, "error", err ? err->message : g_strerror(-ret));
    }
    g_clear_error(&err);
    job->type->clean(job);
    g_ptr_array_remove(sys->jobs, job);
    block_system_event(sys, cancelled ? "BLOCK_JOB_CANCELLED" : "BLOCK_JOB_COMPLETED", data);
    job_free(job);
}

static gpointer job_thread(gpointer opaque)
{
    BlockJob *job = opaque;
    int ret = job->type->run(job);
    block_loop_post(job->sys->loop, job_end, job, ret);
    return NULL;
}

void block_job_start(BlockJob *job)
{
    g_ptr_array_add(job->sys->jobs, job);
    job->thread = g_thread_new(job->type->name, job_thread, job);
}

void block_job_cancel(BlockJob *job, bool force)
{
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
        block_job_cancel(g_ptr_array_index(sys->jobs, 0), true);
        block_loop_wait(sys->loop, 100);
    }
}

bool block_job_complete(BlockJob *job, GError **err)
{
    g_mutex_lock(&job->lock);
    bool ok = job->ready && !job->cancelled;
    job->completing |= ok;
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
}

void block_job_set_speed(BlockJob *job, int64_t speed)
{
    g_mutex_lock(&job->lock);
    job->speed = speed;
    job->paid = 0;
    g_cond_broadcast(&job->change);
    g_mutex_unlock(&job->lock);
}

Value *block_jobs_query(BlockSystem *sys)
{
    Value *list = value_new(VALUE_LIST);
    for (unsigned i = 0; i < sys->jobs->len; i++) {
        BlockJob *job = g_ptr_array_index(sys->jobs, i);
        g_mutex_lock(&job->lock);
        Value *v = value_append(list, event_data(job));
        value_set_bool(v, "busy", !job->paused);
        value_set_bool(v, "paused", job->paused);
        value_set_bool(v, "ready", job->ready);
        value_set_string(v, "io-status", job->io_error ? "failed" : "ok");
        value_set_string(v, "status",
                         job->cancelled    ? "aborting"
                         : job->completing ? "waiting"
                         : job->paused     ? "paused"
                         : job->ready      ? "ready"
                                           : "running");
        g_mutex_unlock(&job->lock);
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

/* In the loop: an event, its name in the place of a number. */
typedef struct Later {
    BlockSystem *sys;
    const char *name;
    Value *data;
} Later;

static void send_later(void *opaque, int ret)
{
    Later *l = opaque;
    (void)ret;
    block_system_event(l->sys, l->name, l->data);
    g_free(l);
}

static void event_from_thread(BlockJob *job, const char *name, Value *data)
{
    Later *l = g_new(Later, 1);
    *l = (Later){ job->sys, name, data };
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
