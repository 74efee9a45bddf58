/* SPDX-License-Identifier: MIT */
/*
 * The accelerator qtest: no CPU runs and CLOCK_VIRTUAL stands still until it is told to go on, so
 * that devices can be driven by their registers over a socket (system/qtest.c).
 */
#include <stdatomic.h>

#include "accel/qtest.h"
#include "hw/timer.h"

static _Atomic int64_t now;

static int64_t read_clock(void)
{
    return atomic_load(&now);
}

void qtest_clock_set(int64_t to)
{
    int64_t left;

    while ((left = clock_virtual_deadline()) >= 0 && left <= to - now) {
        atomic_store(&now, now + left);
        timers_run_virtual();
    }
    atomic_store(&now, MAX(now, to));
}

static bool qtest_available(const TargetOps *target, GError **err)
{
    (void)target, (void)err;
    return true;
}

static bool qtest_init(const TargetOps *target, const char *guest, const char *options,
                       GError **err)
{
    (void)target, (void)guest;
    if (*options) {
        g_set_error(err, g_quark_from_static_string("accel"), 0, "qtest: unknown property '%s'",
                    options);
        return false;
    }
    clock_set_virtual_source(read_clock, NULL);
    return true;
}

static bool qtest_vcpu_start(VCPU *v, GError **err)
{
    (void)v, (void)err;
    return true;
}

static void nothing(VCPU *v)
{
    (void)v;
}

static void qtest_exit(void)
{
}

const AccelOps qtest_accel = {
    .name = "qtest",
    .desc = "no CPU runs; for tests of devices (-qtest)",
    .available = qtest_available,
    .init = qtest_init,
    .vcpu_start = qtest_vcpu_start,
    .kick = nothing,
    .synchronize = nothing,
    .exit = qtest_exit,
};
