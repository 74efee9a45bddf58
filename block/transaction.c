/* SPDX-License-Identifier: MIT */
/* QMP's transaction: several commands, all or none, with no request of a guest in between. Each
 * leaves steps behind that undo it, or make it final, once it is clear how all of it ends. */
#include "block/qmp.h"
#include "block/job-int.h"
#include <errno.h>

typedef struct TxnStep {
    void (*commit)(void *opaque);
    void (*undo)(void *opaque);
    void *opaque;
} TxnStep;

void block_txn_push(BlockSystem *sys, void (*commit)(void *opaque), void (*undo)(void *opaque),
                    void *opaque)
{
    TxnStep step = { commit, undo, opaque };
    if (sys->txn) {
        g_array_append_val(sys->txn, step);
    } else if (commit) {
        commit(opaque);
    }
}

/* What can be part of a transaction. All but "abort" are commands by themselves. */
static const char *const actions[] = {
    "abort",
    "block-dirty-bitmap-add",
    "block-dirty-bitmap-remove",
    "block-dirty-bitmap-clear",
    "block-dirty-bitmap-enable",
    "block-dirty-bitmap-disable",
    "block-dirty-bitmap-merge",
    "blockdev-backup",
    "blockdev-snapshot",
    "blockdev-snapshot-internal-sync",
    "blockdev-snapshot-sync",
    "drive-backup",
};

static bool known(const char *type)
{
    for (unsigned i = 0; type && i < G_N_ELEMENTS(actions); i++) {
        if (!strcmp(actions[i], type)) {
            return true;
        }
    }
    return false;
}

static bool run_action(BlockSystem *sys, const Value *action, GError **err)
{
    const char *type = arg_str(action, "type");
    if (!known(type)) {
        g_set_error(err, BLOCK_ERROR, EINVAL, "Invalid parameter '%s'", type ? type : "type");
        return false;
    }
    if (!strcmp(type, "abort")) {
        g_set_error(err, BLOCK_ERROR, ECANCELED, "Transaction aborted using Abort action");
        return false;
    }
    g_autoptr(Value) answer = block_qmp(sys, type, value_get(action, "data"), err);
    return answer != NULL;
}

static void end(GArray *steps, bool ok)
{
    for (unsigned i = 0; i < steps->len; i++) {
        TxnStep *step = &g_array_index(steps, TxnStep, ok ? i : steps->len - 1 - i);
        void (*fn)(void *opaque) = ok ? step->commit : step->undo;
        if (fn) {
            fn(step->opaque);
        }
    }
}

static JobGroup *group_new(void)
{
    JobGroup *g = g_new0(JobGroup, 1);
    g->refs = 1;
    g->jobs = g_ptr_array_new();
    return g;
}

static void group_unref(JobGroup *g)
{
    if (g && !--g->refs) {
        g_ptr_array_free(g->jobs, true);
        g_free(g);
    }
}

bool block_transaction(BlockSystem *sys, const Value *args, GError **err)
{
    const Value *list = value_get(args, "actions");
    const Value *properties = value_get(args, "properties");
    const char *mode = properties ? arg_str(properties, "completion-mode") : NULL;
    bool grouped = !g_strcmp0(mode, "grouped"), ok = true;
    if (!list || list->type != VALUE_LIST) {
        return arg_missing(err, "actions");
    }
    if (mode && !grouped && strcmp(mode, "individual")) {
        g_set_error(err, BLOCK_ERROR, EINVAL,
                    "Parameter 'completion-mode' does not accept value '%s'", mode);
        return false;
    }
    block_gate_close(sys->loop);
    g_autoptr(GArray) steps = g_array_new(false, false, sizeof(TxnStep));
    JobGroup *group = grouped ? group_new() : NULL;
    sys->txn = steps;
    sys->txn_group = group;
    for (unsigned i = 0; i < list->items->len && ok; i++) {
        ok = run_action(sys, g_ptr_array_index(list->items, i), err);
    }
    sys->txn = NULL;
    sys->txn_group = NULL;
    end(steps, ok);
    group_unref(group);
    block_gate_open(sys->loop);
    return ok;
}
