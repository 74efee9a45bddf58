# Litmus tests of the memory model; a million runs each in check-slow.
LITMUS = $(BUILD)/tests/litmus/litmus

$(LITMUS): tests/litmus/litmus.c
	@mkdir -p $(@D)
	$(call say,GUEST)$(AARCH64_CC) -O2 -static -Wall -Wextra -o $@ $< -lpthread

run-litmus = failed=0; \
	$(TAP)litmus$(2) $(EMU_COMMAND) $(LITMUS) $(1) || failed=1; \
	$(TAP)litmus-interp$(2) $(EMU_COMMAND) -accel tcg,interp=on $(LITMUS) $(1) || failed=1; \
	exit $$failed

check-litmus: $(LITMUS) $(if $(EMULATOR),all)
	@$(call run-litmus,20000,)

check-litmus-long: $(LITMUS) $(if $(EMULATOR),all)
	@$(call run-litmus,1000000,-long)

CHECKS      += check-litmus
CHECKS_SLOW += check-litmus-long
.PHONY: check-litmus check-litmus-long
