# 16-byte compare-and-swap is an instruction of its own on this host; clang wants to hear of it for the whole file.
CFLAGS_tcg_tci_memory += $(if $(filter x86_64%,$(shell $(CC) -dumpmachine)),-mcx16)
