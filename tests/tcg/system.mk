# Test programs that run on the bare machine: tests/tcg/aarch64-system/NAME.c is one; start.S and
# system.c are what they share. Each prints TAP on the serial port and switches the machine off.
SYSTEM_SRC      := tests/tcg/aarch64-system
SYSTEM_BUILD     = $(BUILD)/tests/tcg/aarch64-system
SYSTEM_PROGRAMS := $(patsubst $(SYSTEM_SRC)/%.c,$(SYSTEM_BUILD)/%,$(filter-out %/system.c,$(wildcard $(SYSTEM_SRC)/*.c)))
SYSTEM_CFLAGS    = -O2 -g -Wall -Wextra -ffreestanding -nostdlib -static -fno-pie -no-pie -mcmodel=large \
                   -march=armv8.2-a+nosve -mstrict-align -mgeneral-regs-only -mno-outline-atomics -fno-stack-protector

$(SYSTEM_PROGRAMS): $(SYSTEM_BUILD)/%: $(SYSTEM_SRC)/%.c $(SYSTEM_SRC)/start.S $(SYSTEM_SRC)/system.c \
		$(SYSTEM_SRC)/system.h $(SYSTEM_SRC)/system.ld
	@mkdir -p $(@D)
	$(call say,GUEST)$(AARCH64_CC) $(SYSTEM_CFLAGS) -Wl,-T,$(SYSTEM_SRC)/system.ld,--build-id=none,-z,noexecstack \
	    -o $@ $(SYSTEM_SRC)/start.S $(SYSTEM_SRC)/system.c $<

SYSTEM_EMU ?= $(BUILD)/latimer-system-aarch64
check-tcg-system: $(SYSTEM_PROGRAMS) $(if $(SYSTEM),all)
	@$(TAP)tcg-system tests/tcg/run-system --emulator='$(SYSTEM_EMU)' $(SYSTEM_PROGRAMS)

# The same, each block compared with what the interpreter makes of it, and with counted blocks
# (there WFE only ends the CPU's turn).
check-tcg-system-modes: $(SYSTEM_PROGRAMS) $(if $(SYSTEM),all)
	@$(TAP)tcg-system-verify tests/tcg/run-system --emulator='$(SYSTEM_EMU) -accel tcg,verify=on' $(SYSTEM_PROGRAMS)
	@$(TAP)tcg-system-icount tests/tcg/run-system --emulator='$(SYSTEM_EMU) -icount shift=2' $(filter-out %/wfe,$(SYSTEM_PROGRAMS))

CHECKS += check-tcg-system check-tcg-system-modes
.PHONY: check-tcg-system check-tcg-system-modes
