/* SPDX-License-Identifier: MIT */
/* The CPU of a whole machine: making and resetting one, its wires, its target table. */
#include <capstone/capstone.h>
#include <string.h>

#include "exec/exec.h"
#include "hw/biglock.h"
#include "target/arm/system.h"
#include "target/arm/translate.h"

/* ---- life
 * ------------------------------------------------------------------------------------------- */

static void set_event(VCPU *v, G_GNUC_UNUSED void *data)
{
    arm_env(v->cpu)->sys.event = 1;
}

static void wfit_is_over(void *opaque)
{
    async_run_on_cpu(arm_vcpu(opaque), set_event, NULL);
}

static CPUState *cpu_new(const char *spec, GError **err)
{
    CPUState *cpu = arm_cpu_new_model(spec, &arm_system_target, err);

    if (!cpu) {
        return NULL;
    }
    CPUArmState *env = arm_env(cpu);
    env->sys_ops = &arm_system_ops;
    env->board = g_new0(ARMBoard, 1);
    env->cntfrq = arm_feature(env, ARM_FEAT_ECV) ? 1000000000 : 62500000;
    arm_sysregs_init(env);
    arm_timers_init(env);
    arm_pmu_init(env);
    timer_init(&env->board->wfx_timer, CLOCK_VIRTUAL, wfit_is_over, env);
    return cpu;
}

static void cpu_free(CPUState *cpu)
{
    CPUArmState *env = arm_env(cpu);

    g_hash_table_destroy(env->board->regs);
    g_free(env->board);
    arm_cpu_free(cpu);
}

/* Timers and lines are devices: under the big lock, whoever resets. */
static void reset_devices(CPUArmState *env)
{
    bool lock = !biglock_held();

    if (lock) {
        biglock_lock();
    }
    arm_timers_reset(env);
    arm_pmu_reset(env);
    if (lock) {
        biglock_unlock();
    }
}

/* Warm reset to the highest level there is, EL1 (D1.2.2, ResetControlRegisters). */
static void cpu_reset(CPUState *cpu)
{
    CPUArmState *env = arm_env(cpu);
    ARMBoard *b = env->board;

    arm_cpu_reset(cpu);
    memset(&env->sys, 0, sizeof(env->sys));
    env->guarded = false;
    env->sys.os_lock = true;
    env->pstate = ARM_PSTATE_DAIF | ARM_PSTATE_SP | 1 << ARM_PSTATE_EL_SHIFT;
    arm_sysregs_reset(env);
    arm_update_pac_code(env);
    env->pc = b->config.reset_pc;
    if (b->has_boot) {
        env->pc = b->boot_pc;
        env->x[0] = b->boot_x0;
    }
    cpu->interrupts &= ~(CPU_INT_RESET | CPU_INT_TARGET0);
    cpu->exception_index = EXCP_NONE;
    if (b->vcpu) {
        b->vcpu->powered_off = b->config.start_powered_off;
        cpu->halted = b->config.start_powered_off;
        reset_devices(env);
    }
    if (cpu->mmu) {
        tlb_flush(cpu, ARM_MODES_EL10);
        tlb_set_address_space(cpu, ARM_MODES_EL10, 0);
    }
}

/* ---- the board's side
 * ------------------------------------------------------------------------------------- */

void arm_cpu_configure(VCPU *v, const ARMBoardConfig *config)
{
    ARMBoard *b = arm_env(v->cpu)->board;

    b->vcpu = v;
    b->config = *config;
    arm_env(v->cpu)->pc = config->reset_pc;
    v->powered_off = config->start_powered_off;
    v->cpu->halted = config->start_powered_off;
}

uint64_t arm_cpu_affinity(const VCPU *v)
{
    return arm_env(v->cpu)->board->config.affinity;
}

const char *arm_cpu_dt_compatible(const VCPU *v)
{
    return arm_env(v->cpu)->model->ids->dt_compatible;
}

unsigned arm_cpu_pa_bits(const VCPU *v)
{
    return (unsigned)arm_pa_bits(arm_env(v->cpu));
}

bool arm_cpu_has_pmu(const VCPU *v)
{
    return arm_feature(arm_env(v->cpu), ARM_FEAT_PMU);
}

void arm_cpu_set_boot(VCPU *v, uint64_t pc, uint64_t x0)
{
    ARMBoard *b = arm_env(v->cpu)->board;

    b->has_boot = true;
    b->boot_pc = pc;
    b->boot_x0 = x0;
}

void arm_cpu_connect(VCPU *v, int output, IRQLine line)
{
    arm_env(v->cpu)->board->outputs[output] = line;
}

static void input(void *opaque, int n, int level)
{
    static const uint32_t bits[] = { CPU_INT_HARD, CPU_INT_FAST, CPU_INT_VIRT, CPU_INT_VFAST };

    if (level) {
        cpu_interrupt(opaque, bits[n]);
    } else {
        cpu_clear_interrupt(opaque, bits[n]);
    }
}

IRQLine arm_cpu_input(VCPU *v, int n)
{
    return (IRQLine){ .handler = input, .opaque = v, .n = n };
}

/* ---- TargetOps
 * -----------------------------------------------------------------------------------------------
 */

static bool step_active(const CPUArmState *env)
{
    return env->sys.mdscr & MDSCR_SS && arm_debug_enabled(env);
}

static uint32_t system_tb_flags(const CPUState *cpu)
{
    const CPUArmState *env = (const CPUArmState *)cpu;
    int el = arm_el(env);
    uint64_t sctlr = env->sys.sctlr_el[1];
    uint32_t flags = arm_tb_flags_common(env) | ARM_TBF_SYSTEM | (uint32_t)el << ARM_TBF_EL_SHIFT;
    unsigned fpen = env->sys.cpacr >> 20 & 3;

    if (env->x[31] & 15 && sctlr & (el ? SCTLR_SA : SCTLR_SA0)) {
        flags |= ARM_TBF_SP_ODD;
    }
    flags |= env->pstate & ARM_PSTATE_PAN && el ? ARM_TBF_PAN : 0;
    flags |= env->pstate & ARM_PSTATE_UAO && el ? ARM_TBF_UAO : 0;
    flags |= env->pstate & ARM_PSTATE_SP ? ARM_TBF_SPSEL : 0;
    flags |= env->pstate & ARM_PSTATE_IL ? ARM_TBF_IL : 0;
    flags |= !(fpen & 1) || (fpen == 1 && !el) ? ARM_TBF_FP_TRAP : 0;
    if (env->sys.mdscr & (MDSCR_SS | MDSCR_MDE)) {
        if (step_active(env)) {
            flags |= env->pstate & ARM_PSTATE_SS ? ARM_TBF_STEP : ARM_TBF_STEP | ARM_TBF_STEP_NOW;
        } else if (env->sys.mdscr & MDSCR_SS) {
            flags |= ARM_TBF_STEP_SOON;
        }
        flags |= arm_breakpoints_enabled(env) ? ARM_TBF_BREAKPOINTS : 0;
    }
    flags |= sctlr & (el ? SCTLR_BT1 : SCTLR_BT0) ? ARM_TBF_BT : 0;
    uint32_t pac = (sctlr & SCTLR_EnIA ? 1 : 0) | (sctlr & SCTLR_EnIB ? 2 : 0) |
                   (sctlr & SCTLR_EnDA ? 4 : 0) | (sctlr & SCTLR_EnDB ? 8 : 0);
    flags |= pac << ARM_TBF_PAC_SHIFT;
    flags |= env->board->pmu.counts_insns ? ARM_TBF_COUNT : 0;
    flags |= !el && !(sctlr & SCTLR_DZE) ? ARM_TBF_ZVA_TRAP : 0;
    flags |= !el && !(sctlr & SCTLR_MSCEn) ? ARM_TBF_NO_MOPS : 0;
    return flags;
}

static void dump_state(const CPUState *cpu, FILE *f)
{
    const CPUArmState *env = (const CPUArmState *)cpu;

    fprintf(f,
            " PSTATE=%08" PRIx64 " EL%d%c  ELR=%016" PRIx64 " SPSR=%08" PRIx64 " ESR=%08" PRIx64
            " FAR=%016" PRIx64 "\n",
            arm_get_spsr(env), arm_el(env), env->pstate & ARM_PSTATE_SP ? 'h' : 't',
            env->sys.elr_el[1], env->sys.spsr_el[1], env->sys.esr_el[1], env->sys.far_el[1]);
    arm_dump_state(cpu, f);
}

static const TargetSystemOps system_ops = {
    .nb_mmu_modes = ARM_NB_MODES,
    .mmu_mode = arm_mmu_mode,
    .tlb_fill = arm_tlb_fill,
    .bus_error = arm_bus_error,
    .unaligned = arm_unaligned,
    .do_interrupt = arm_do_interrupt,
    .interrupt_due = arm_interrupt_due,
    .exec_interrupt = arm_exec_interrupt,
    .has_work = arm_has_work,
    .debug_translate = arm_debug_translate,
    .debug_hit = arm_debug_hit,
    .insns_event = arm_pmu_overflow,
    .code_key = arm_code_key,
};

const TargetOps arm_system_target = {
    ARM_TARGET_COMMON,     .cpu_new = cpu_new,          .cpu_reset = cpu_reset,
    .cpu_free = cpu_free,  .tb_flags = system_tb_flags, .dump_state = dump_state,
    .system = &system_ops,
};
