/* SPDX-License-Identifier: MIT */
/* A bare program for -M virt: what the counter says before and after 100,000 instructions, and after
 * waiting for a timer of 625,000 counts; then it powers off. */
    .text
    .global _start
_start:
    bl      show
    ldr     x0, =50000
1:  subs    x0, x0, #1
    b.ne    1b
    bl      show
    ldr     x0, =625000
    msr     cntv_tval_el0, x0
    mov     x0, #1
    msr     cntv_ctl_el0, x0
    isb
    /* the interrupt reaches the CPU, which wakes up and does not take it */
    ldr     x1, =0x08000000
    mov     w0, #1
    str     w0, [x1]                /* distributor on */
    mov     w0, #1 << 27
    str     w0, [x1, #0x100]        /* the virtual timer's interrupt */
    ldr     x1, =0x08010000
    mov     w0, #0xff
    str     w0, [x1, #4]            /* all priorities */
    mov     w0, #1
    str     w0, [x1]
    wfi
    bl      show
    ldr     x0, =0x84000008         /* SYSTEM_OFF */
    hvc     #0
    b       .
show:                               /* the counter in hexadecimal */
    isb
    mrs     x2, cntvct_el0
    ldr     x1, =0x09000000
    mov     x3, #60
2:  lsr     x4, x2, x3
    and     x4, x4, #15
    add     w5, w4, #'0'
    add     w6, w4, #'a' - 10
    cmp     w4, #10
    csel    w5, w5, w6, lo
    strb    w5, [x1]
    subs    x3, x3, #4
    b.ge    2b
    mov     w5, #'\n'
    strb    w5, [x1]
    ret
    .ltorg
