/* SPDX-License-Identifier: MIT */
/* The registry of system registers: finding a row, who may access it, reading and writing it. */
#include <string.h>

#include "hw/biglock.h"
#include "target/arm/system.h"

static const ARMSysRegTable *const tables[] = {
    &arm_regs_el1,   &arm_regs_id,  &arm_regs_maintenance, &arm_regs_tlb,
    &arm_regs_timer, &arm_regs_pmu, &arm_regs_debug,
};

uint64_t arm_sysreg_id(const ARMSysReg *r)
{
    return (uintptr_t)r - (uintptr_t)tables;
}

const ARMSysReg *arm_sysreg_by_id(uint64_t id)
{
    return (const ARMSysReg *)((uintptr_t)tables + id);
}

/* FNV-1a over what compiled code may hold of a row; the sum does not depend on their order. */
static uint64_t row_key(const ARMSysReg *r)
{
    uint64_t parts[] = { r->key, r->flags & ARM_REG_CONST ? r->reset : 0 };
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < sizeof(parts); i++) {
        h = (h ^ ((uint8_t *)parts)[i]) * UINT64_C(0x100000001b3);
    }
    return h ^ h >> 32;
}

uint64_t arm_code_key(const CPUState *cpu)
{
    const CPUArmState *env = (const CPUArmState *)cpu;
    uint64_t sum = 0;
    GHashTableIter it;
    gpointer row;

    g_hash_table_iter_init(&it, env->board->regs);
    while (g_hash_table_iter_next(&it, NULL, &row)) {
        sum += row_key(row);
    }
    for (size_t i = 0; i < sizeof(env->features); i++) {
        sum = (sum ^ ((const uint8_t *)&env->features)[i]) * UINT64_C(0x100000001b3);
    }
    return sum;
}

void arm_add_sysregs(CPUArmState *env, const ARMSysReg *regs, int count)
{
    for (int i = 0; i < count; i++) {
        const ARMSysReg *r = &regs[i];
        if (!(r->flags & ARM_REG_FEAT) || arm_feature(env, r->feature)) {
            gpointer key = GUINT_TO_POINTER(r->key);
            if (g_hash_table_contains(env->board->regs, key)) {
                g_error("two system registers %s have the encoding %#x", r->name, r->key);
            }
            g_hash_table_insert(env->board->regs, key, (gpointer)r);
        }
    }
}

void arm_sysregs_init(CPUArmState *env)
{
    env->board->regs = g_hash_table_new(NULL, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(tables); i++) {
        arm_add_sysregs(env, tables[i]->regs, tables[i]->count);
    }
}

void arm_sysregs_reset(CPUArmState *env)
{
    GHashTableIter it;
    gpointer row;

    g_hash_table_iter_init(&it, env->board->regs);
    while (g_hash_table_iter_next(&it, NULL, &row)) {
        const ARMSysReg *r = row;
        if (r->reset && r->offset && !(r->flags & ARM_REG_CONST)) {
            *(uint64_t *)cpu_field(&env->parent, r->offset) = r->reset;
        }
    }
}

/* ID registers' space (op0 3, op1 0, CRn 0, CRm 1…7): what is not allocated reads as zero. */
static bool is_id_space(unsigned key)
{
    return (key & ~(7 << 3 | 7)) == ARM_SYSREG(3, 0, 0, 0, 0) && key & 7 << 3;
}

const ARMSysReg *arm_find_sysreg(const CPUArmState *env, unsigned key)
{
    static const ARMSysReg reserved_id = { .name = "ID_RESERVED",
                                           .access = ARM_R1,
                                           .flags = ARM_REG_CONST };
    const ARMSysReg *r = g_hash_table_lookup(env->board->regs, GUINT_TO_POINTER(key));

    return !r && is_id_space(key) ? &reserved_id : r;
}

/* ---- access
 * ------------------------------------------------------------------------------------------ */

ARMTrap arm_check_sysreg(CPUArmState *env, const ARMSysReg *r, bool read)
{
    int el = arm_el(env);
    unsigned allowed = (read ? r->access : r->access >> 4) & ((2u << el) - 1);

    if (!allowed) {
        /* FEAT_IDST: EL0 reading an ID register is trapped rather than undefined */
        bool id = el == 0 && read && (r->key & ~0x7fu) == ARM_SYSREG(3, 0, 0, 0, 0);
        return id && arm_feature(env, ARM_FEAT_IDST) ? ARM_TRAP_SYSREG : ARM_TRAP_UNDEF;
    }
    bool ask = r->trap && (el == 0 || r->flags & ARM_REG_TRAP1);
    return ask ? r->trap(&env->parent, r, read) : ARM_TRAP_NONE;
}

static void *opaque_of(const CPUArmState *env, const ARMSysReg *r)
{
    const ARMBoard *b = env->board;

    for (int i = 0; i < b->nb_plugins; i++) {
        if (r >= b->plugins[i].regs && r < b->plugins[i].regs + b->plugins[i].count) {
            return b->plugins[i].opaque;
        }
    }
    return NULL;
}

uint64_t arm_read_sysreg(CPUArmState *env, const ARMSysReg *r)
{
    if (r->flags & ARM_REG_CONST) {
        return r->reset;
    }
    if (r->flags & ARM_REG_PSTATE) {
        return env->pstate & r->mask;
    }
    if (!r->read) {
        return *(uint64_t *)cpu_field(&env->parent, r->offset);
    }
    bool lock = r->flags & ARM_REG_IO && !biglock_held();
    if (lock) {
        biglock_lock();
    }
    uint64_t val = r->read(&env->parent, r, opaque_of(env, r));
    if (lock) {
        biglock_unlock();
    }
    return val;
}

void arm_write_sysreg(CPUArmState *env, const ARMSysReg *r, uint64_t val)
{
    if (r->flags & ARM_REG_CONST) {
        return;
    }
    if (r->flags & ARM_REG_PSTATE && !r->write) {
        env->pstate = (env->pstate & ~r->mask) | (val & r->mask);
        return;
    }
    if (!r->write) {
        uint64_t *field = cpu_field(&env->parent, r->offset);
        uint64_t mask = r->flags & ARM_REG_MASKED ? r->mask : ~0ull;
        *field = (*field & ~mask) | (val & mask);
        return;
    }
    bool lock = r->flags & ARM_REG_IO && !biglock_held();
    if (lock) {
        biglock_lock();
    }
    r->write(&env->parent, r, val, opaque_of(env, r));
    if (lock) {
        biglock_unlock();
    }
}

void arm_cpu_register_sysregs(VCPU *v, const ARMSysReg *regs, int count, void *opaque)
{
    CPUArmState *env = arm_env(v->cpu);
    ARMBoard *b = env->board;

    g_assert(b->nb_plugins < ARM_MAX_PLUGINS);
    b->plugins[b->nb_plugins++] = (ARMPlugin){ regs, count, opaque };
    arm_add_sysregs(env, regs, count);
}
