/* SPDX-License-Identifier: MIT */
/* A bytecode interpreter built on one switch: a jump table in a loop. */
#include "bench.h"
#include "vm.h"

int main(int argc, char **argv)
{
    uint64_t r[8] = { [6] = bench_count(argc, argv, 500000) };
    for (const VmInsn *pc = vm_program;; pc++) {
        switch ((VmOp)pc->op) {
        case LOADI:
            r[pc->a] = pc->imm;
            break;
        case ADDI:
            r[pc->a] = r[pc->b] + pc->imm;
            break;
        case MUL:
            r[pc->a] = r[pc->b] * r[pc->c];
            break;
        case MOD:
            r[pc->a] = (uint32_t)r[pc->b] % (uint32_t)r[pc->c];
            break;
        case XOR:
            r[pc->a] = r[pc->b] ^ r[pc->c];
            break;
        case SHL:
            r[pc->a] = r[pc->b] << pc->imm;
            break;
        case JUMP:
            pc = vm_program + pc->imm - 1;
            break;
        case JZERO:
            pc = r[pc->a] == 0 ? vm_program + pc->imm - 1 : pc;
            break;
        case JGREATER:
            pc = r[pc->a] > r[pc->b] ? vm_program + pc->imm - 1 : pc;
            break;
        case JLESS:
            pc = r[pc->a] < r[pc->b] ? vm_program + pc->imm - 1 : pc;
            break;
        case HALT:
            return bench_result(r[7] * 1000 + r[5]);
        }
    }
}
