/* SPDX-License-Identifier: MIT */
/*
 * AArch64's registers as GDB numbers them: org.gnu.gdb.aarch64.core and .fpu of the GDB manual,
 * "Standard Target Features"; and what a load or store touches (DDI 0487, C4.1, "Loads and
 * Stores").
 */
#include "gdbstub/gdbstub.h"

#include <string.h>

#include "target/arm/cpu.h"

enum { REG_SP = 31, REG_PC, REG_CPSR, REG_V0, REG_FPSR = REG_V0 + 32, REG_FPCR, NB_REGISTERS };

#define X(n)                "<reg name=\"x" #n "\" bitsize=\"64\"/>"
#define V(n)                "<reg name=\"v" #n "\" bitsize=\"128\" type=\"aarch64v\"/>"
#define TEN(R, a)           R(a##0) R(a##1) R(a##2) R(a##3) R(a##4) R(a##5) R(a##6) R(a##7) R(a##8) R(a##9)
#define FIRST_TEN(R)        R(0) R(1) R(2) R(3) R(4) R(5) R(6) R(7) R(8) R(9)
#define VECTOR(id, type, n) "<vector id=\"" id "\" type=\"" type "\" count=\"" #n "\"/>"
#define FIELD(name, type)   "<field name=\"" name "\" type=\"" type "\"/>"

static const char target_xml[] =
    "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
    "<architecture>aarch64</architecture><osabi>GNU/Linux</osabi>"
    "<feature name=\"org.gnu.gdb.aarch64.core\">"
    "<flags id=\"cpsr_flags\" size=\"4\">"
    "<field name=\"BTYPE\" start=\"10\" end=\"11\"/><field name=\"SSBS\" start=\"12\" end=\"12\"/>"
    "<field name=\"DIT\" start=\"24\" end=\"24\"/><field name=\"V\" start=\"28\" end=\"28\"/>"
    "<field name=\"C\" start=\"29\" end=\"29\"/><field name=\"Z\" start=\"30\" end=\"30\"/>"
    "<field name=\"N\" start=\"31\" end=\"31\"/></flags>" FIRST_TEN(X) TEN(X, 1) TEN(X, 2) X(30)
"<reg name=\"sp\" bitsize=\"64\" type=\"data_ptr\"/>"
    "<reg name=\"pc\" bitsize=\"64\" type=\"code_ptr\"/>"
    "<reg name=\"cpsr\" bitsize=\"32\" type=\"cpsr_flags\"/>"
    "</feature><feature name=\"org.gnu.gdb.aarch64.fpu\">" VECTOR("v2d", "ieee_double", 2) VECTOR(
        "v2u", "uint64", 2) VECTOR("v4f", "ieee_single", 4) VECTOR("v4u", "uint32",
                                                                   4) VECTOR("v8u", "uint16", 8)
        VECTOR("v16u", "uint8", 16) "<union id=\"vnd\">" FIELD("f", "v2d") FIELD(
            "u",
            "v2u") "</union>"
                   "<union id=\"vns\">" FIELD("f", "v4f") FIELD(
                       "u",
                       "v4u") "</union>"
                              "<union id=\"vnh\">" FIELD(
                                  "u",
                                  "v8u") "</union>"
                                         "<union id=\"vnb\">" FIELD(
                                             "u",
                                             "v16u") "</union>"
                                                     "<union id=\"aarch64v\">" FIELD("d", "vnd")
                                                         FIELD("s", "vns") FIELD("h", "vnh")
                                                             FIELD("b", "vnb") FIELD(
                                                                 "q",
                                                                 "uint128") "</union>" FIRST_TEN(V)
                                                                 TEN(V, 1) TEN(V, 2) V(30)
                                                                     V(31) "<reg name=\"fpsr\" "
                                                                           "bitsize=\"32\"/><reg "
                                                                           "name=\"fpcr\" "
                                                                           "bitsize=\"32\"/>"
                                                                           "</feature></target>";

static int put(uint8_t *buf, const void *from, int size)
{
    memcpy(buf, from, size);
    return size;
}

static int read_register(CPUState *cpu, int n, uint8_t *buf)
{
    CPUArmState *env = (CPUArmState *)cpu;
    uint32_t word;

    if (n >= 0 && n <= REG_SP) {
        return put(buf, &env->x[n], 8);
    }
    if (n >= REG_V0 && n < REG_FPSR) {
        return put(buf, &env->v[n - REG_V0], 16);
    }
    switch (n) {
    case REG_PC:
        return put(buf, &env->pc, 8);
    case REG_CPSR:
        word = arm_get_pstate(env);
        return put(buf, &word, 4);
    case REG_FPSR:
        word = arm_get_fpsr(env);
        return put(buf, &word, 4);
    case REG_FPCR:
        word = arm_get_fpcr(env);
        return put(buf, &word, 4);
    default:
        return 0;
    }
}

static int write_register(CPUState *cpu, int n, const uint8_t *buf)
{
    CPUArmState *env = (CPUArmState *)cpu;
    uint32_t word;

    if (n >= 0 && n <= REG_SP) {
        memcpy(&env->x[n], buf, 8);
        return 8;
    }
    if (n >= REG_V0 && n < REG_FPSR) {
        memcpy(&env->v[n - REG_V0], buf, 16);
        return 16;
    }
    memcpy(&word, buf, sizeof(word));
    switch (n) {
    case REG_PC:
        memcpy(&env->pc, buf, 8);
        return 8;
    case REG_CPSR:
        arm_set_pstate(env, word);
        return 4;
    case REG_FPSR:
        arm_set_fpsr(env, word);
        return 4;
    case REG_FPCR:
        arm_set_fpcr(env, word);
        return 4;
    default:
        return 0;
    }
}

/* ---- loads and stores
 * ---------------------------------------------------------------------------------------------- */

static int64_t field(uint32_t insn, int pos, int bits)
{
    return (int64_t)((uint64_t)insn << (64 - pos - bits)) >> (64 - bits);
}

/* Base register plus the extended and shifted index register. */
static uint64_t indexed(const CPUArmState *env, uint64_t base, uint32_t insn, int scale)
{
    int rm = insn >> 16 & 31, option = insn >> 13 & 7;
    uint64_t index = rm == 31 ? 0 : env->x[rm];

    index = option == 2 ? (uint32_t)index : option == 6 ? (uint64_t)(int32_t)index : index;
    return base + (insn & 1u << 12 ? index << scale : index);
}

/* The classes of loads and stores, one after the other. */
static int classify(const CPUArmState *env, uint32_t insn, uint64_t *addr, bool *load, bool *store)
{
    int size = insn >> 30, opc = insn >> 22 & 3;
    bool vector = insn >> 26 & 1;

    *load = insn >> 22 & 1;
    *store = !*load;
    *addr = env->x[insn >> 5 & 31];
    if ((insn & 0xbe000000) == 0x0c000000) { /* LD1-4, ST1-4: at most four registers */
        return 64;
    }
    if ((insn & 0x3f000000) == 0x08000000) { /* exclusive, ordered; CAS and CASP do both */
        bool pair = !(insn & 1u << 23) && insn & 1u << 21;
        bool cas = (insn >> 21 & 5) == 5 || (pair && !(size & 2));

        *load |= cas;
        *store |= cas;
        return pair ? 16 : 1 << size;
    }
    if ((insn & 0x3b000000) == 0x18000000) { /* literal */
        *load = true;
        *store = false;
        *addr = env->pc + field(insn, 5, 19) * 4;
        return vector ? 4 << size : size == 1 ? 8 : size == 3 ? 0 : 4;
    }
    if ((insn & 0x3a000000) == 0x28000000) { /* pair; offset but for post-index */
        int len = vector ? 4 << size : size == 2 ? 8 : 4;

        *addr += (insn >> 23 & 3) == 1 ? 0 : field(insn, 15, 7) * len;
        return 2 * len;
    }
    if ((insn & 0x3f200c00) == 0x19000000) { /* ordered, unscaled */
        *load = opc != 0;
        *store = !*load;
        *addr += field(insn, 12, 9);
        return 1 << size;
    }
    if ((insn & 0x3b200c00) == 0x38200000) { /* atomic */
        *load = *store = true;
        return 1 << size;
    }
    if ((insn & 0x3a000000) == 0x38000000) { /* one register */
        int scale = vector && opc & 2 ? 4 : size, mode = insn >> 10 & 3;

        *load = vector ? opc & 1 : opc != 0;
        *store = !*load;
        if (!vector && size == 3 && opc == 2) { /* prefetch */
            return 0;
        }
        if (insn & 1u << 24) {
            *addr += (uint64_t)(insn >> 10 & 0xfff) << scale;
        } else if (insn & 1u << 21) {
            *addr = indexed(env, *addr, insn, scale);
        } else if (mode != 1) { /* not post-index */
            *addr += field(insn, 12, 9);
        }
        return 1 << scale;
    }
    return 0;
}

static int memory_access(CPUState *cpu, uint32_t insn, uint64_t *addr, bool *load, bool *store)
{
    int len;

    if ((insn & 0x0a000000) != 0x08000000) {
        return 0;
    }
    len = classify((const CPUArmState *)cpu, insn, addr, load, store);
    *addr = (uint64_t)((int64_t)(*addr << 8) >> 8); /* the top byte is no part of it */
    return len;
}

const GDBArch gdb_arch_aarch64 = {
    .target_xml = target_xml,
    .nb_registers = NB_REGISTERS,
    .pc_register = REG_PC,
    .read_register = read_register,
    .write_register = write_register,
    .memory_access = memory_access,
};
