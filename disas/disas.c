/* SPDX-License-Identifier: MIT */
/* Disassembly of guest and host code through capstone, with undecodable bytes shown as data. */
#include "disas.h"

#include <capstone/capstone.h>

static void disas(FILE *f, int arch, int mode, uint64_t addr, const uint8_t *code, size_t size,
                  size_t unit)
{
    csh handle;

    if (cs_open(arch, mode, &handle) != CS_ERR_OK) {
        fprintf(f, "  (no disassembler for this architecture)\n");
        return;
    }
    cs_insn *insn = cs_malloc(handle);
    while (size) {
        if (cs_disasm_iter(handle, &code, &size, &addr, insn)) {
            fprintf(f, "0x%08" PRIx64 ":  %-8s %s\n", insn->address, insn->mnemonic, insn->op_str);
            continue;
        }
        size_t n = MIN(unit, size);
        fprintf(f, "0x%08" PRIx64 ":  .byte   ", addr);
        for (size_t i = 0; i < n; i++) {
            fprintf(f, "%s0x%02x", i ? ", " : "", code[i]);
        }
        fprintf(f, "\n");
        code += n;
        addr += n;
        size -= n;
    }
    cs_free(insn, 1);
    cs_close(&handle);
}

void disas_guest(FILE *f, const TargetOps *target, vaddr addr, const void *code, size_t size)
{
    disas(f, target->cs_arch, target->cs_mode, addr, code, size, 1 << target->jc_shift);
}

void disas_host(FILE *f, uint64_t addr, const void *code, size_t size)
{
    disas(f, CS_ARCH_X86, CS_MODE_64, addr, code, size, 1);
}
