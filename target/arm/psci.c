/* SPDX-License-Identifier: MIT */
/*
 * Firmware calls that the machine answers itself: PSCI 1.1 (DEN 0022), SMCCC 1.1 (DEN 0028) and the
 * random number interface (DEN 0098).
 */
#include <stdatomic.h>
#include <sys/random.h>

#include "exec/exec.h"
#include "target/arm/system.h"

enum {
    PSCI_SUCCESS = 0,
    PSCI_NOT_SUPPORTED = -1,
    PSCI_INVALID_PARAMETERS = -2,
    PSCI_DENIED = -3,
    PSCI_ALREADY_ON = -4,
    PSCI_ON_PENDING = -5,
    PSCI_INVALID_ADDRESS = -9,
};
enum { AFFINITY_ON, AFFINITY_OFF, AFFINITY_ON_PENDING };

#define AFFINITY_MASK 0xff00ffffffull

typedef int64_t PSCICall(CPUArmState *env);

static uint64_t arg(const CPUArmState *env, int n)
{
    return env->x[n];
}

/* ---- power
 * -------------------------------------------------------------------------------------- */

static VCPU *find_cpu(uint64_t mpidr)
{
    VCPU *v = vcpu_first();

    while (v && arm_env(v->cpu)->board->config.affinity != (mpidr & AFFINITY_MASK)) {
        v = v->next;
    }
    return v;
}

typedef struct CPUOn {
    uint64_t entry, context;
} CPUOn;

/* On the thread of the CPU that is switched on. */
static void switch_on(VCPU *v, void *data)
{
    CPUArmState *env = arm_env(v->cpu);
    CPUOn *on = data;

    arm_cpu_set_boot(v, on->entry, on->context);
    v->cpu->target->cpu_reset(v->cpu);
    v->powered_off = false;
    v->cpu->halted = false;
    env->board->cpu_on_pending = false;
    g_free(on);
}

static int64_t cpu_on(CPUArmState *env)
{
    VCPU *v = find_cpu(arg(env, 1));

    if (!v || arg(env, 1) & ~(AFFINITY_MASK | 1u << 31)) {
        return PSCI_INVALID_PARAMETERS;
    }
    if (!v->powered_off) {
        return PSCI_ALREADY_ON;
    }
    if (atomic_exchange(&arm_env(v->cpu)->board->cpu_on_pending, true)) {
        return PSCI_ON_PENDING;
    }
    CPUOn *on = g_new(CPUOn, 1);
    *on = (CPUOn){ arg(env, 2), arg(env, 3) };
    async_run_on_cpu(v, switch_on, on);
    return PSCI_SUCCESS;
}

static int64_t cpu_off(CPUArmState *env)
{
    arm_vcpu(env)->powered_off = true;
    env->parent.halted = true;
    return PSCI_DENIED; /* what a CPU would see that came back */
}

/* Standby: what a power-down state would lose is kept, and the call returns when woken. */
static int64_t cpu_suspend(CPUArmState *env)
{
    env->parent.halted = true;
    return PSCI_SUCCESS;
}

static int64_t affinity_info(CPUArmState *env)
{
    VCPU *v = find_cpu(arg(env, 1));

    if (arg(env, 2) != 0 || !v) {
        return PSCI_INVALID_PARAMETERS;
    }
    return arm_env(v->cpu)->board->cpu_on_pending ? AFFINITY_ON_PENDING
           : v->powered_off                       ? AFFINITY_OFF
                                                  : AFFINITY_ON;
}

static int64_t system_off(CPUArmState *env)
{
    system_shutdown_request("guest-shutdown", 0);
    return cpu_off(env);
}

static int64_t system_reset(CPUArmState *env)
{
    system_reset_request("guest-reset");
    return cpu_off(env);
}

/* SYSTEM_RESET2: architectural warm reset (type 0) only. */
static int64_t system_reset2(CPUArmState *env)
{
    return (uint32_t)arg(env, 1) ? PSCI_INVALID_PARAMETERS : system_reset(env);
}

static int64_t migrate_info_type(G_GNUC_UNUSED CPUArmState *env)
{
    return 2; /* no trusted OS that would have to migrate */
}

/* ---- what there is
 * -------------------------------------------------------------------------------------- */

static int64_t psci_version(G_GNUC_UNUSED CPUArmState *env)
{
    return 1 << 16 | 1;
}

static int64_t smccc_version(G_GNUC_UNUSED CPUArmState *env)
{
    return 1 << 16 | 1;
}

static int64_t trng_version(G_GNUC_UNUSED CPUArmState *env)
{
    return 1 << 16;
}

static int64_t trng_uuid(CPUArmState *env)
{
    static const uint32_t uuid[] = { 0x6c74726e, 0x4d690a67, 0x9c1e4f2a, 0x5b7d30e1 };

    for (int i = 1; i < 4; i++) {
        env->x[i] = uuid[i];
    }
    return uuid[0];
}

/* Up to 96 bits in W1…W3 or 192 in X1…X3, the highest in X1. */
static int64_t trng_rnd(CPUArmState *env)
{
    bool wide = env->x[0] >> 30 & 1;
    unsigned size = wide ? 8 : 4;
    uint64_t bits = arg(env, 1), val[3] = { 0 };

    if (!bits || bits > size * 24) {
        return PSCI_INVALID_PARAMETERS;
    }
    if (getrandom(val, sizeof(val), 0) != sizeof(val)) {
        return -3; /* no entropy */
    }
    for (unsigned i = 0; i < 3; i++) { /* word i is X(3 - i) */
        unsigned have = bits > i * size * 8 ? MIN(bits - i * size * 8, size * 8) : 0;
        env->x[3 - i] = have == 64 ? val[i] : val[i] & ((1ull << have) - 1);
    }
    return PSCI_SUCCESS;
}

static PSCICall psci_features, smccc_arch_features, trng_features;

static const struct {
    uint32_t id;
    PSCICall *call;
} calls[] = {
    { 0x84000000, psci_version },
    { 0x84000001, cpu_suspend },
    { 0xc4000001, cpu_suspend },
    { 0x84000002, cpu_off },
    { 0x84000003, cpu_on },
    { 0xc4000003, cpu_on },
    { 0x84000004, affinity_info },
    { 0xc4000004, affinity_info },
    { 0x84000006, migrate_info_type },
    { 0x84000008, system_off },
    { 0x84000009, system_reset },
    { 0x8400000a, psci_features },
    { 0x84000012, system_reset2 },
    { 0xc4000012, system_reset2 },
    { 0x80000000, smccc_version },
    { 0x80000001, smccc_arch_features },
    { 0x84000050, trng_version },
    { 0x84000051, trng_features },
    { 0x84000052, trng_uuid },
    { 0x84000053, trng_rnd },
    { 0xc4000053, trng_rnd },
};

static PSCICall *find_call(uint32_t id)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(calls); i++) {
        if (calls[i].id == id) {
            return calls[i].call;
        }
    }
    return NULL;
}

static int64_t psci_features(CPUArmState *env)
{
    uint32_t id = arg(env, 1);
    bool psci = (id & 0xbfffffe0) == 0x84000000 || id == 0x80000000;

    return psci && find_call(id) ? PSCI_SUCCESS : PSCI_NOT_SUPPORTED;
}

static int64_t smccc_arch_features(CPUArmState *env)
{
    uint32_t id = arg(env, 1);

    return id == 0x80000000 || id == 0x80000001 ? PSCI_SUCCESS : PSCI_NOT_SUPPORTED;
}

static int64_t trng_features(CPUArmState *env)
{
    uint32_t id = arg(env, 1);

    return (id & 0xbffffff0) == 0x84000050 && find_call(id) ? PSCI_SUCCESS : PSCI_NOT_SUPPORTED;
}

bool arm_psci_call(CPUArmState *env)
{
    PSCICall *call = find_call(env->x[0]);
    bool narrow = !(env->x[0] >> 30 & 1);

    if (narrow) {
        for (int i = 1; i < 4; i++) {
            env->x[i] = (uint32_t)env->x[i];
        }
    }
    int64_t ret = call ? call(env) : PSCI_NOT_SUPPORTED;
    env->x[0] = (uint64_t)ret;
    return true;
}
