/* SPDX-License-Identifier: MIT */
/* A bare program for -M virt: says what it found, by the UART, then powers off by PSCI. x0: the
 * device tree. */
    .text
    .global _start
_start:
    mov     x20, x0
    adr     x2, hello
    bl      print
    ldr     w3, [x20]           /* the tree's magic, big endian */
    rev     w3, w3
    ldr     w4, =0xd00dfeed
    cmp     w3, w4
    adr     x2, no_tree
    adr     x5, tree
    csel    x2, x5, x2, eq
    bl      print
    mrs     x3, CurrentEL
    cmp     x3, #4
    adr     x2, other_level
    adr     x5, level1
    csel    x2, x5, x2, eq
    bl      print
    ldr     x0, =0x84000008     /* SYSTEM_OFF */
    hvc     #0
    b       .
print:
    ldr     x1, =0x09000000
1:  ldrb    w3, [x2], #1
    cbz     w3, 2f
    strb    w3, [x1]
    b       1b
2:  ret
hello:       .asciz "hello\n"
tree:        .asciz "device tree found\n"
no_tree:     .asciz "no device tree\n"
level1:      .asciz "at EL1\n"
other_level: .asciz "not at EL1\n"
    .ltorg
