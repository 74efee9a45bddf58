# Translated code calls in with its own MXCSR and live vector registers.
FPU_CFLAGS := $(shell $(CC) -mgeneral-regs-only -E -xc /dev/null >/dev/null 2>&1 && \
                      echo -mgeneral-regs-only)
$(foreach f,$(basename $(wildcard fpu/*.c)),$(eval CFLAGS_$(subst /,_,$f) = $(FPU_CFLAGS)))
