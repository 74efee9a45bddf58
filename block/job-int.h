/* SPDX-License-Identifier: MIT */
/* Block jobs from inside: a job has a thread that copies; whatever changes the graph happens in the
 * loop, while the gate is closed. A kind of job is a file in block/jobs/ and a BlockJobType. */
#ifndef BLOCK_JOB_INT_H
#define BLOCK_JOB_INT_H

#include "block/dirty.h"
#include "block/system.h"

typedef struct BlockJobType {
    const char *name; /* as QMP calls it */
    size_t size;      /* of the struct that begins with a BlockJob */
    /* In the job's thread; 0 or -errno. -ECANCELED when job_pause_point says so. */
    int (*run)(BlockJob *job);
    /* In the loop with the gate closed, after run; may fail still. */
    int (*finish)(BlockJob *job, int ret, GError **err);
    /* Last: frees what the type holds. In the loop. */
    void (*clean)(BlockJob *job);
    bool completes; /* becomes ready, and waits for block-job-complete */
} BlockJobType;

/* As QMP's JobStatus has them. */
typedef enum JobStatus {
    JOB_CREATED,
    JOB_RUNNING,
    JOB_PAUSED,
    JOB_READY,
    JOB_STANDBY,  /* paused when ready */
    JOB_WAITING,  /* done, but others of its group are not */
    JOB_PENDING,  /* done, waits for job-finalize */
    JOB_ABORTING, /* failed or cancelled, not yet gone */
    JOB_CONCLUDED,
    JOB_NULL,
} JobStatus;

/* What can be asked of a job; each state allows some of them. */
typedef enum JobVerb {
    JOB_VERB_CANCEL,
    JOB_VERB_PAUSE,
    JOB_VERB_RESUME,
    JOB_VERB_SET_SPEED,
    JOB_VERB_COMPLETE,
    JOB_VERB_FINALIZE,
    JOB_VERB_DISMISS,
} JobVerb;

/* Jobs that take effect together or not at all. */
typedef struct JobGroup {
    int refs;
    GPtrArray *jobs; /* not owned */
} JobGroup;

struct BlockJob {
    const BlockJobType *type;
    BlockSystem *sys;
    char *id;
    BlockNode *node; /* what it works on; a reference */
    GThread *thread;
    GMutex lock; /* of all below */
    GCond change;
    bool cancelled, forced, completing, paused, ready, over, io_error;
    int64_t done, total, speed; /* bytes, bytes, bytes a second (0: no limit) */
    gint64 paid;                /* monotonic microseconds: until then the rate is used up */
    BlockOnError on_source_error, on_target_error;
    /* In the loop only: */
    JobStatus told; /* of what JOB_STATUS_CHANGE told last */
    JobStatus end;  /* once the thread is over: WAITING, PENDING, ABORTING, CONCLUDED */
    bool auto_finalize, auto_dismiss;
    int ret;
    char *error;     /* why it failed, or NULL */
    JobGroup *group; /* or NULL */
};

/* Common arguments: "job-id", "speed", "on-error", "on-source-error", "on-target-error",
 * "auto-finalize", "auto-dismiss". NULL and an error when the node has a job already. Then fill in
 * the rest, and start. */
void *block_job_new(BlockSystem *sys, const BlockJobType *type, const char *device, BlockNode *node,
                    const Value *args, GError **err);
/* Drops what block_job_new made. */
void block_job_abandon(BlockJob *job);
void block_job_start(BlockJob *job);
void block_jobs_cancel_all(BlockSystem *sys);
/* Does none go on before somebody says something to it? */
bool block_jobs_idle(BlockSystem *sys);
BlockJob *block_job_find(BlockSystem *sys, const char *id, GError **err);
/* Does the job's state allow it? */
bool block_job_allows(BlockJob *job, JobVerb verb, GError **err);
void block_job_cancel(BlockJob *job, bool force);
bool block_job_complete(BlockJob *job, GError **err);
void block_job_pause(BlockJob *job, bool pause);
void block_job_set_speed(BlockJob *job, int64_t speed);
void block_job_finalize(BlockJob *job);
void block_job_dismiss(BlockJob *job);
/* `modern`: as query-jobs answers, else as query-block-jobs. */
Value *block_jobs_query(BlockSystem *sys, bool modern);
bool block_job_busy(BlockSystem *sys, BlockNode *node, GError **err);

/* For run: */
/* Has copied so many bytes: keeps the speed, waits while paused; false when cancelled. */
bool job_pause_point(BlockJob *job, int64_t bytes);
void job_set_total(BlockJob *job, int64_t total);
void job_add_total(BlockJob *job, int64_t bytes);
/* Nothing more to copy: says so once. */
void job_set_ready(BlockJob *job);
bool job_is_completing(BlockJob *job);
/* Sleeps until something may have changed, at most `ms`. */
void job_wait(BlockJob *job, int ms);
typedef enum JobErrorAction { JOB_FAIL, JOB_RETRY, JOB_IGNORE } JobErrorAction;
/* What to do after an error, by policy; waits if it is to stop. */
JobErrorAction job_error(BlockJob *job, bool source, int ret);

/* ---- kinds of jobs, by their QMP arguments */
bool job_stream(BlockSystem *sys, const Value *args, GError **err);
bool job_commit(BlockSystem *sys, const Value *args, GError **err);
bool job_mirror(BlockSystem *sys, const Value *args, bool blockdev, GError **err);
bool job_backup(BlockSystem *sys, const Value *args, bool blockdev, GError **err);
/* Mirror into `target`; `base`: an active commit. Takes a reference of both. */
bool job_mirror_start(BlockSystem *sys, const Value *args, const char *device, BlockNode *source,
                      BlockNode *target, bool commit, GError **err);

/* transaction.c: the QMP command. */
bool block_transaction(BlockSystem *sys, const Value *args, GError **err);

/* ---- what jobs and commands share */
const char *arg_str(const Value *args, const char *key);
int64_t arg_int(const Value *args, const char *key, int64_t def);
bool arg_bool(const Value *args, const char *key, bool def);
bool arg_missing(GError **err, const char *key);
/* The image of "device" or "node-name" in the arguments, below filters. */
BlockNode *arg_node(BlockSystem *sys, const Value *args, GError **err);
/* The image right above `node` in the chain of `top`, or NULL. */
BlockNode *block_overlay_of(BlockNode *top, const BlockNode *node);
bool block_in_chain(BlockNode *top, const BlockNode *node);
BlockNode *block_find_in_chain(BlockNode *top, const char *filename);
/* What to record in the image `image` so that `node` is found from there. Free with g_free. */
char *block_backing_name(const char *image, const BlockNode *node);
/* Opens overlay->backing again, writable or not. The gate is closed. */
bool block_reopen_backing(BlockNode *overlay, bool writable, GError **err);
/* The target of a mirror or backup, a reference: the node "target" of blockdev-…, or the file of
 * drive-…, created unless mode=existing. */
BlockNode *job_target(BlockNode *source, const Value *args, bool blockdev, GError **err);
/* Copies a range through `buf`, zeroes as such; *source tells whose error it was. */
int job_copy(BlockNode *from, BlockNode *to, int64_t off, int64_t len, bool unmap, uint8_t *buf,
             bool *source);

/* bitmaps.c: a node's named bitmaps, its format's own and those in memory. */
DirtyBitmap *block_bitmap_find(BlockSystem *sys, BlockNode *node, const char *name);
bool block_bitmap_command(BlockSystem *sys, const char *what, const Value *args, GError **err);
/* Marks in `map` what the bitmap has, and empties it if `clear`. The gate is closed. */
bool block_bitmap_copy(BlockSystem *sys, BlockNode *node, const char *name, DirtyMap *map,
                       bool clear, GError **err);
/* Puts back what was not copied. The gate is closed. */
void block_bitmap_restore(BlockSystem *sys, BlockNode *node, const char *name, const DirtyMap *map);
void block_bitmaps_free(BlockSystem *sys);
void block_watch(BlockNode *node, BlockWatcher *w);
void block_unwatch(BlockNode *node, BlockWatcher *w);

#endif
