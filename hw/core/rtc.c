/* SPDX-License-Identifier: MIT */
/* The guest's wall clock. */
#include <string.h>
#include <time.h>
#include "util/opts.h"
#include "hw/device.h"
#include "hw/rtc.h"

enum { NS_PER_S = 1000000000 };

static struct {
    ClockType clock;
    int64_t offset; /* ns that it is ahead of its clock */
} rtc = { CLOCK_HOST, 0 };

static const OptDef rtc_opts[] = {
    { "base", OPT_STR, "utc", "utc, localtime, or a date" },
    { "clock", OPT_STR, "host", "host, rt, or vm: stops with the machine" },
    { "driftfix", OPT_STR, "none", "none or slew: no clock here has ticks to lose" },
    { NULL, 0, NULL, NULL }
};

static bool parse_base(const char *base, int64_t *ns, GError **err)
{
    time_t now = time(NULL);
    struct tm tm = { 0 };
    if (!strcmp(base, "utc")) {
        *ns = clock_get_ns(CLOCK_HOST);
        return true;
    }
    if (!strcmp(base, "localtime")) {
        localtime_r(&now, &tm);
        *ns = clock_get_ns(CLOCK_HOST) + tm.tm_gmtoff * NS_PER_S;
        return true;
    }
    const char *end = strptime(base, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!end) {
        memset(&tm, 0, sizeof(tm));
        end = strptime(base, "%Y-%m-%d", &tm);
    }
    if (!end || *end) {
        g_set_error(err, HW_ERROR, 0,
                    "base=%s is not utc, localtime or a date such as "
                    "2024-01-31T12:00:00",
                    base);
        return false;
    }
    *ns = (int64_t)timegm(&tm) * NS_PER_S;
    return true;
}

static bool apply(const Opts *opts, GError **err)
{
    static const char *const clocks[] = { "host", "rt", "vm", NULL };
    static const ClockType types[] = { CLOCK_HOST, CLOCK_HOST_MONO, CLOCK_VIRTUAL };
    int clock, drift;
    static const char *const fixes[] = { "none", "slew", NULL };
    int64_t ns;
    if (!opts_check(opts, rtc_opts, err) ||
        !opt_enum(opts, rtc_opts, "clock", clocks, &clock, err) ||
        !opt_enum(opts, rtc_opts, "driftfix", fixes, &drift, err) ||
        !parse_base(opt_str(opts, rtc_opts, "base"), &ns, err)) {
        return false;
    }
    rtc.clock = types[clock];
    rtc.offset = ns - clock_get_ns(rtc.clock);
    return true;
}

bool rtc_configure(const char *text, GError **err)
{
    Opts *opts = opts_new();
    bool ok = opts_parse(opts, text, "base", err) && apply(opts, err);
    opts_free(opts);
    g_prefix_error(err, "-rtc %s: ", text);
    return ok;
}

int64_t rtc_now_ns(void)
{
    return clock_get_ns(rtc.clock) + rtc.offset;
}

ClockType rtc_clock(void)
{
    return rtc.clock;
}
