/* SPDX-License-Identifier: MIT */
/*
 * Inside a system CPU: what the files on exceptions, system registers, page walks, timers and PSCI
 * offer each other and the translator. The arrays of ARMSystemState are by exception level; EL0 and
 * EL1 are there, what is said of EL2 and EL3 makes room for them.
 */
#ifndef TARGET_ARM_SYSTEM_INTERNAL_H
#define TARGET_ARM_SYSTEM_INTERNAL_H

#include <glib.h>

#include "exec/softmmu.h"
#include "hw/timer.h"
#include "target/arm-system.h"
#include "target/arm/cpu.h"
#include "target/arm/syndrome.h"

enum {
    EXCP_ARM_SYNC = EXCP_TARGET, /* env->sys.exc says what and to which level */
};

/* MMU modes: regime and privilege of an access (MO_MODE). */
enum { ARM_MODE_EL0, ARM_MODE_EL1, ARM_MODE_EL1_PAN, ARM_NB_MODES };
enum { ARM_MODES_EL10 = (1 << ARM_NB_MODES) - 1 }; /* of the EL1&0 regime */

/* SCTLR_EL1 */
#define SCTLR_M     (1ull << 0)
#define SCTLR_A     (1ull << 1)
#define SCTLR_SA    (1ull << 3)
#define SCTLR_SA0   (1ull << 4)
#define SCTLR_nAA   (1ull << 6)
#define SCTLR_UMA   (1ull << 9)
#define SCTLR_EnDB  (1ull << 13)
#define SCTLR_DZE   (1ull << 14)
#define SCTLR_UCT   (1ull << 15)
#define SCTLR_nTWI  (1ull << 16)
#define SCTLR_nTWE  (1ull << 18)
#define SCTLR_WXN   (1ull << 19)
#define SCTLR_SPAN  (1ull << 23)
#define SCTLR_UCI   (1ull << 26)
#define SCTLR_EnDA  (1ull << 27)
#define SCTLR_EnIB  (1ull << 30)
#define SCTLR_EnIA  (1ull << 31)
#define SCTLR_MSCEn (1ull << 33)
#define SCTLR_BT0   (1ull << 35)
#define SCTLR_BT1   (1ull << 36)
#define SCTLR_DSSBS (1ull << 44)
#define SCTLR_EPAN  (1ull << 57)

#define MDSCR_SS   (1u << 0)
#define MDSCR_TDCC (1u << 12)
#define MDSCR_KDE  (1u << 13)
#define MDSCR_MDE  (1u << 15)

typedef struct ARMTimer {
    Timer timer; /* fires when the condition is met */
    int output;  /* ARM_TIMER_* */
    CPUArmState *env;
    uint64_t cval;
    uint32_t ctl;
} ARMTimer;
enum { ARM_NB_TIMERS = 2 }; /* physical, virtual */

enum { ARM_PMU_COUNTERS = 6 };
typedef struct ARMPMU {
    uint64_t pmcr, enabled, int_enabled, overflow, userenr, selr;
    uint64_t ccfiltr, evtyper[ARM_PMU_COUNTERS];
    /* Counts: value = the stored one, plus what the clock has made since `since` while it counts.
     */
    uint64_t cycles, counters[ARM_PMU_COUNTERS];
    int64_t since;
    uint64_t insns_since; /* the same in instructions */
    bool counts_insns;    /* some counter does, at this exception level */
    bool filtered;        /* some counter counts at one exception level only */
    Timer timer;          /* the next overflow of cycles */
} ARMPMU;

typedef struct ARMPlugin {
    const ARMSysReg *regs;
    int count;
    void *opaque;
} ARMPlugin;
enum { ARM_MAX_PLUGINS = 4 };

/* What is not the architecture's state: wires, the board's decisions, timers. */
typedef struct ARMBoard {
    VCPU *vcpu;
    ARMBoardConfig config;
    IRQLine outputs[ARM_CPU_NB_OUTPUTS];
    GHashTable *regs; /* key -> const ARMSysReg * */
    ARMPlugin plugins[ARM_MAX_PLUGINS];
    int nb_plugins;
    ARMTimer timers[ARM_NB_TIMERS];
    ARMPMU pmu;
    bool has_boot; /* boot_pc, boot_x0 are of the next reset */
    uint64_t boot_pc, boot_x0;
    Timer wfx_timer;             /* of WFIT */
    _Atomic bool cpu_on_pending; /* PSCI: between CPU_ON and its being on */
} ARMBoard;

/*
 * What the translator calls and asks in a whole machine. It goes through a pointer so that the user
 * mode program does not hold it.
 */
typedef struct ARMSystemOps {
    const ARMSysReg *(*find_reg)(const CPUArmState *env, unsigned key);
    uint64_t (*reg_id)(const ARMSysReg *r); /* arm_sysreg_id */
    bool (*page_guarded)(CPUArmState *env, vaddr pc);
    void *(*probe)(CPUState *cpu, vaddr addr, unsigned size, MMUAccess access, int mode);
    uint64_t (*load)(CPUState *cpu, vaddr addr, unsigned size, int mode);
    void (*store)(CPUState *cpu, vaddr addr, uint64_t val, unsigned size, int mode);
    TCGHelperInfo mrs, msr;   /* (env, row, insn), (env, row, insn, value) */
    TCGHelperInfo breakpoint; /* (env): at each instruction while breakpoints are enabled */
    TCGHelperInfo eret;       /* (env, target) */
    TCGHelperInfo go;         /* (env, target): on with the next instruction there, by cpu_exec */
    TCGHelperInfo firmware;   /* (env): HVC or SMC that the machine answers */
    TCGHelperInfo wait;       /* (env, WFX_*, register's number, its value) */
    TCGHelperInfo sev;        /* (env, whether all CPUs) */
} ARMSystemOps;
extern const ARMSystemOps arm_system_ops;

static inline CPUArmState *arm_env(const CPUState *cpu)
{
    return (CPUArmState *)cpu;
}
static inline int arm_el(const CPUArmState *env)
{
    return env->pstate >> ARM_PSTATE_EL_SHIFT & 3;
}
static inline VCPU *arm_vcpu(const CPUArmState *env)
{
    return env->board->vcpu;
}

/* ---- exception.c ---- */
/* Records a synchronous exception for do_interrupt; it is taken to EL1 (later: where it routes). */
void arm_record_exception(CPUArmState *env, uint64_t esr);
void arm_record_abort(CPUArmState *env, uint64_t esr, vaddr far);
/* From helpers with exact state: does not return. */
G_NORETURN void arm_raise(CPUArmState *env, uint64_t esr);
G_NORETURN void arm_raise_abort(CPUArmState *env, uint64_t esr, vaddr far);
void arm_do_interrupt(CPUState *cpu);
bool arm_exec_interrupt(CPUState *cpu, uint32_t interrupts);
bool arm_has_work(const CPUState *cpu);
/* The whole of PSTATE, as SPSR_ELx has it. */
uint64_t arm_get_spsr(const CPUArmState *env);
/* ERET's: PSTATE from an SPSR value, with the checks for illegal returns. */
void arm_exception_return(CPUArmState *env, vaddr pc);
void arm_set_spsel(CPUArmState *env, bool own);

/* ---- mmu.c ---- */
/* Bits of physical addresses. */
int arm_pa_bits(const CPUArmState *env);
typedef struct ARMWalk {
    hwaddr phys; /* of the address asked for */
    hwaddr base; /* of the mapping */
    uint8_t page_bits, prot, attr /* MAIR's byte */, sh;
    bool global, device, guarded;
    uint8_t fsc; /* of a failed walk */
    bool s1ptw;
} ARMWalk;
/* Stage 1 of the EL1&0 regime. probe: sets no access or dirty flags. False: w->fsc says why. */
bool arm_walk(CPUArmState *env, vaddr addr, MMUAccess access, int mode, bool probe, ARMWalk *w);
bool arm_tlb_fill(CPUState *cpu, vaddr addr, unsigned size, MMUAccess access, int mode, bool probe,
                  TLBFill *out);
void arm_bus_error(CPUState *cpu, vaddr addr, unsigned size, MMUAccess access, int mode,
                   MemTxResult result);
void arm_unaligned(CPUState *cpu, vaddr addr, unsigned size, MMUAccess access, int mode);
bool arm_debug_translate(CPUState *cpu, vaddr addr, hwaddr *phys, MemTxAttrs *attrs);
int arm_mmu_mode(const CPUState *cpu, bool fetch);
/* Where pointer authentication codes are, by TCR. */
void arm_update_pac_code(CPUArmState *env);
/* TTBRx or TCR changed: the address space of the CPU is another. */
void arm_update_address_space(CPUArmState *env);
bool arm_page_guarded(CPUArmState *env, vaddr pc);

/* ---- sysregs.c ---- */
void arm_sysregs_init(CPUArmState *env);
void arm_sysregs_reset(CPUArmState *env);
const ARMSysReg *arm_find_sysreg(const CPUArmState *env, unsigned key);
uint64_t arm_read_sysreg(CPUArmState *env, const ARMSysReg *r);
void arm_write_sysreg(CPUArmState *env, const ARMSysReg *r, uint64_t val);
ARMTrap arm_check_sysreg(CPUArmState *env, const ARMSysReg *r, bool read);
void arm_add_sysregs(CPUArmState *env, const ARMSysReg *regs, int count);

/* The tables, by topic; each adds its rows. */
typedef struct ARMSysRegTable {
    const ARMSysReg *regs;
    int count;
} ARMSysRegTable;
extern const ARMSysRegTable arm_regs_el1, arm_regs_id, arm_regs_maintenance, arm_regs_tlb,
    arm_regs_timer, arm_regs_pmu, arm_regs_debug;
#define ARM_SYSREG_TABLE(name, rows) \
    const ARMSysRegTable name = { rows, sizeof(rows) / sizeof(*(rows)) }

/* ---- timer.c ---- */
void arm_timers_init(CPUArmState *env);
void arm_timers_reset(CPUArmState *env);
uint64_t arm_counter(const CPUArmState *env);
int64_t arm_counter_to_ns(const CPUArmState *env, uint64_t count);

/* ---- pmu.c ---- */
void arm_pmu_init(CPUArmState *env);
void arm_pmu_reset(CPUArmState *env);
void arm_pmu_overflow(CPUState *cpu); /* TargetSystemOps.insns_event */
/* Around a change of the exception level, if ARMPMU.filtered. */
void arm_pmu_leave_el(CPUArmState *env);
void arm_pmu_enter_el(CPUArmState *env);

/* ---- debug.c ---- */
/* Whether debug exceptions of this EL reach EL1 (D2.9, AArch64.GenerateDebugExceptions). */
bool arm_debug_enabled(const CPUArmState *env);
bool arm_debug_hit(CPUState *cpu, vaddr addr, MMUAccess access);
/*
 * A row as translated code names it: its distance from a fixed place in the program, which is the
 * same wherever the program is loaded.
 */
uint64_t arm_sysreg_id(const ARMSysReg *r);
const ARMSysReg *arm_sysreg_by_id(uint64_t id);
/* TargetSystemOps.code_key */
uint64_t arm_code_key(const CPUState *cpu);
bool arm_interrupt_due(const CPUState *cpu);
bool arm_breakpoint_at(const CPUArmState *env, vaddr pc);
bool arm_breakpoints_enabled(const CPUArmState *env);

/* ---- psci.c ---- */
/* True: the call was PSCI's or SMCCC's, and X0… hold its answer. */
bool arm_psci_call(CPUArmState *env);

#endif
