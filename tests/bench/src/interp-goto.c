/* SPDX-License-Identifier: MIT */
/* A bytecode interpreter with threaded dispatch: an indirect jump after each op. */
#include "bench.h"
#include "vm.h"

#define NEXT goto *labels[(++pc)->op]
#define BRANCH(condition)              \
    do {                               \
        if (condition) {               \
            pc = vm_program + pc->imm; \
            goto *labels[pc->op];      \
        }                              \
        NEXT;                          \
    } while (0)

int main(int argc, char **argv)
{
    static const void *const labels[] = {
        [LOADI] = &&loadi, [ADDI] = &&addi,   [MUL] = &&mul,           [MOD] = &&mod,
        [XOR] = &&xor,     [SHL] = &&shl,     [JUMP] = &&jump,         [JZERO] = &&jzero,
        [JLESS] = &&jless, [HALT] = &&halted, [JGREATER] = &&jgreater,
    };
    uint64_t r[8] = { [6] = bench_count(argc, argv, 500000) };
    const VmInsn *pc = vm_program;
    goto *labels[pc->op];
loadi:
    r[pc->a] = pc->imm;
    NEXT;
addi:
    r[pc->a] = r[pc->b] + pc->imm;
    NEXT;
mul:
    r[pc->a] = r[pc->b] * r[pc->c];
    NEXT;
mod:
    r[pc->a] = (uint32_t)r[pc->b] % (uint32_t)r[pc->c];
    NEXT;
    xor : r[pc->a] = r[pc->b] ^ r[pc->c];
    NEXT;
shl:
    r[pc->a] = r[pc->b] << pc->imm;
    NEXT;
jump:
    BRANCH(1);
jzero:
    BRANCH(r[pc->a] == 0);
jgreater:
    BRANCH(r[pc->a] > r[pc->b]);
jless:
    BRANCH(r[pc->a] < r[pc->b]);
halted:
    return bench_result(r[7] * 1000 + r[5]);
}
