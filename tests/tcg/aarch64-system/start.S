/* SPDX-License-Identifier: MIT */
/*
 * The start of a test program that runs on the bare machine at EL1: stacks, vectors that save all
 * registers for exception() in system.c, and the way to EL0 and back.
 */
        .macro  vector n
        .balign 0x80
        sub     sp, sp, #288
        stp     x0, x1, [sp]
        mov     x0, #\n
        b       common
        .endm

        .section .text.start, "ax"
        .global _start
_start: mrs     x1, mpidr_el1
        and     x1, x1, #0xff
        adrp    x2, stacks + 0x10000
        add     x2, x2, :lo12:stacks
        add     x2, x2, x1, lsl #16             // 64 KiB each
        mov     sp, x2
        adrp    x3, vectors
        add     x3, x3, :lo12:vectors
        msr     vbar_el1, x3
        mov     x3, #3 << 20
        msr     cpacr_el1, x3
        isb
        cbnz    x1, 1f
        bl      start
1:      bl      secondary

        .text
        .balign 0x800
        .global vectors
vectors:
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        vector  \n
        .endr

        .balign 0x80
common: stp     x2, x3, [sp, #16]
        stp     x4, x5, [sp, #32]
        stp     x6, x7, [sp, #48]
        stp     x8, x9, [sp, #64]
        stp     x10, x11, [sp, #80]
        stp     x12, x13, [sp, #96]
        stp     x14, x15, [sp, #112]
        stp     x16, x17, [sp, #128]
        stp     x18, x19, [sp, #144]
        stp     x20, x21, [sp, #160]
        stp     x22, x23, [sp, #176]
        stp     x24, x25, [sp, #192]
        stp     x26, x27, [sp, #208]
        stp     x28, x29, [sp, #224]
        mrs     x1, elr_el1
        stp     x30, x1, [sp, #240]
        mrs     x1, spsr_el1
        mrs     x2, esr_el1
        stp     x1, x2, [sp, #256]
        mrs     x1, far_el1
        stp     x1, x0, [sp, #272]              // far, vector
        mov     x0, sp
        bl      exception
        ldp     x1, x2, [sp, #248]              // elr, spsr
        msr     elr_el1, x1
        msr     spsr_el1, x2
        ldp     x2, x3, [sp, #16]
        ldp     x4, x5, [sp, #32]
        ldp     x6, x7, [sp, #48]
        ldp     x8, x9, [sp, #64]
        ldp     x10, x11, [sp, #80]
        ldp     x12, x13, [sp, #96]
        ldp     x14, x15, [sp, #112]
        ldp     x16, x17, [sp, #128]
        ldp     x18, x19, [sp, #144]
        ldp     x20, x21, [sp, #160]
        ldp     x22, x23, [sp, #176]
        ldp     x24, x25, [sp, #192]
        ldp     x26, x27, [sp, #208]
        ldp     x28, x29, [sp, #224]
        ldr     x30, [sp, #240]
        ldp     x0, x1, [sp]
        add     sp, sp, #288
        eret

/* uint64_t run_el0(uint64_t (*fn)(uint64_t), uint64_t arg, uint64_t spsr): the value that fn returns */
        .global run_el0, back_in_el1
run_el0:
        stp     x29, x30, [sp, #-112]!
        stp     x19, x20, [sp, #16]
        stp     x21, x22, [sp, #32]
        stp     x23, x24, [sp, #48]
        stp     x25, x26, [sp, #64]
        stp     x27, x28, [sp, #80]
        adrp    x3, el0_stack + 0x4000
        add     x3, x3, :lo12:el0_stack
        msr     sp_el0, x3
        msr     elr_el1, x0
        msr     spsr_el1, x2
        mov     x0, x1
        adrp    x30, el0_end
        add     x30, x30, :lo12:el0_end
        eret
        .section .el0.text, "ax"
el0_end:
        svc     #0xe0
        .text
/* exception() returns here from that SVC */
back_in_el1:
        ldp     x27, x28, [sp, #80]
        ldp     x25, x26, [sp, #64]
        ldp     x23, x24, [sp, #48]
        ldp     x21, x22, [sp, #32]
        ldp     x19, x20, [sp, #16]
        ldp     x29, x30, [sp], #112
        ret

        .bss
        .balign 4096
stacks: .skip   0x10000 * 8
        .global el0_stack
el0_stack:
        .skip   0x4000
