/* SPDX-License-Identifier: MIT */
/*
 * What a machine sees of its Arm CPUs: their target table, the wires in and out, what a board
 * decides (topology, firmware interface, start address), and how an interrupt controller adds the
 * system registers of its CPU interface.
 */
#ifndef TARGET_ARM_SYSTEM_H
#define TARGET_ARM_SYSTEM_H

#include "exec/cpu.h"
#include "hw/irq.h"
#include "hw/vcpu.h"

/* For vcpu_new: A64 with EL1. (arm_target is that of user mode.) */
extern const TargetOps arm_system_target;

/* ---- system registers ------------------------------------------------------------------------ */

/* As in bits 20:5 of MRS, MSR, SYS: op0 is 1 (instructions), 2 or 3. */
#define ARM_SYSREG(op0, op1, crn, crm, op2) \
    ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

/* ARMSysReg.access */
enum {
    ARM_R0 = 1 << 0, /* readable at EL0 and above … */
    ARM_R1 = 1 << 1,
    ARM_R2 = 1 << 2,
    ARM_R3 = 1 << 3,
    ARM_W0 = 1 << 4, /* writable at EL0 and above … */
    ARM_W1 = 1 << 5,
    ARM_W2 = 1 << 6,
    ARM_W3 = 1 << 7,
    ARM_RW0 = ARM_R0 | ARM_W0,
    ARM_RW1 = ARM_R1 | ARM_W1,
    ARM_RW2 = ARM_R2 | ARM_W2,
    ARM_RW3 = ARM_R3 | ARM_W3,
};

/* ARMSysReg.flags */
enum {
    ARM_REG_CONST = 1,   /* reads as `reset`; writes are ignored */
    ARM_REG_ENDS = 2,    /* a write changes what blocks depend on: the block ends behind it */
    ARM_REG_IO = 4,      /* read and write want the big lock */
    ARM_REG_FEAT = 8,    /* only if the CPU has `feature` */
    ARM_REG_MASKED = 16, /* a plain field of which a write changes only the bits of `mask` */
    ARM_REG_PSTATE = 32, /* the bits `mask` of PSTATE */
    ARM_REG_TRAP1 = 64,  /* `trap` is asked above EL0 too */
};

typedef struct ARMSysReg ARMSysReg;
typedef uint64_t ARMSysRegRead(CPUState *cpu, const ARMSysReg *r, void *opaque);
typedef void ARMSysRegWrite(CPUState *cpu, const ARMSysReg *r, uint64_t val, void *opaque);
typedef enum ARMTrap { ARM_TRAP_NONE, ARM_TRAP_UNDEF, ARM_TRAP_SYSREG, ARM_TRAP_FP } ARMTrap;
/* Whether this access, which `access` allows, is trapped now all the same. */
typedef ARMTrap ARMSysRegTrap(CPUState *cpu, const ARMSysReg *r, bool read);

/*
 * One register. A row without read and write is a 64-bit field of the CPU's state at `offset`
 * (with ARM_REG_CONST: a constant). A CPU that has no row for an encoding takes it as undefined.
 */
struct ARMSysReg {
    const char *name;
    uint16_t key; /* ARM_SYSREG() */
    uint8_t access;
    uint8_t flags;
    uint8_t feature; /* ARM_FEAT_* */
    uint32_t offset; /* or any number that read and write want */
    uint64_t reset;
    uint64_t mask;
    ARMSysRegRead *read;
    ARMSysRegWrite *write;
    ARMSysRegTrap *trap;
};

/*
 * Adds rows to this CPU's registers, before it first runs; regs live as long as the CPU. `opaque`
 * is passed to read and write. All CPUs of a machine get the same tables in the same order.
 */
void arm_cpu_register_sysregs(VCPU *v, const ARMSysReg *regs, int count, void *opaque);

/* ---- wires -------------------------------------------------------------------------------------
 */

enum { ARM_CPU_IRQ, ARM_CPU_FIQ, ARM_CPU_VIRQ, ARM_CPU_VFIQ, ARM_CPU_NB_INPUTS };
/* The CPU's inputs, to be driven by an interrupt controller from any thread. */
IRQLine arm_cpu_input(VCPU *v, int input);

enum {
    ARM_TIMER_PHYS,    /* CNTP: PPI 14 (INTID 30) on most boards */
    ARM_TIMER_VIRT,    /* CNTV: INTID 27 */
    ARM_TIMER_HYP,     /* CNTHP: INTID 26 */
    ARM_TIMER_SEC,     /* CNTPS: INTID 29 */
    ARM_TIMER_HYPVIRT, /* CNTHV: INTID 28 */
    ARM_PMU_OVERFLOW,  /* INTID 23 */
    ARM_CPU_NB_OUTPUTS
};
/* Where an output goes. Before the machine starts. */
void arm_cpu_connect(VCPU *v, int output, IRQLine line);

/* ---- what a board decides, after vcpu_new and before the first reset
 * ----------------------------- */

typedef enum ARMPSCIConduit { ARM_PSCI_NONE, ARM_PSCI_HVC, ARM_PSCI_SMC } ARMPSCIConduit;

typedef struct ARMBoardConfig {
    uint64_t affinity; /* MPIDR_EL1's Aff3 Aff2 Aff1 Aff0, at their places */
    ARMPSCIConduit psci;
    bool start_powered_off; /* a secondary CPU, until PSCI CPU_ON */
    bool gicv3;             /* ID_AA64PFR0_EL1.GIC: there are ICC_* registers */
    uint64_t reset_pc;      /* RVBAR */
} ARMBoardConfig;
void arm_cpu_configure(VCPU *v, const ARMBoardConfig *config);

/* MPIDR_EL1 without its bit 31, as GICR_TYPER, device trees and ACPI want it. */
uint64_t arm_cpu_affinity(const VCPU *v);
/* The `compatible` string of a model in device trees ("arm,cortex-a72"; else "arm,armv8"). */
const char *arm_cpu_dt_compatible(const VCPU *v);
bool arm_cpu_has_pmu(const VCPU *v);
/* How many bits of physical addresses it has. */
unsigned arm_cpu_pa_bits(const VCPU *v);

/*
 * Boot loaders: the CPU starts at pc (EL1, MMU off, interrupts masked) with x0 after each
 * reset, as Linux' Documentation/arch/arm64/booting.rst asks.
 */
void arm_cpu_set_boot(VCPU *v, uint64_t pc, uint64_t x0);

#endif
