/* SPDX-License-Identifier: MIT */
/* What inputs the instructions of a list want; shared by insn.c and the lists. */
#define KIND_INTEGER 0 /* random and extreme integers in all registers */
#define KIND_FLOAT   1 /* random and extreme floats in v0-v3, and all FPCR modes in turn */
#define KIND_MEMORY  2 /* addresses, see insn.inc */
