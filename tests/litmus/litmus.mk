# Litmus tests of the memory model, and of what is single-copy atomic; a million runs each in
# check-slow.
LITMUS    = $(BUILD)/tests/litmus/litmus
ATOMICITY = $(BUILD)/tests/litmus/atomicity

$(LITMUS) $(ATOMICITY): $(BUILD)/tests/litmus/%: tests/litmus/%.c
	@mkdir -p $(@D)
	$(call say,GUEST)$(AARCH64_CC) -O2 -static -Wall -Wextra -o $@ $< -lpthread

run-litmus = failed=0; \
	$(TAP)litmus$(2) $(EMU_COMMAND) $(LITMUS) $(1) || failed=1; \
	$(TAP)litmus-interp$(2) $(EMU_COMMAND) -accel tcg,interp=on $(LITMUS) $(1) || failed=1; \
	$(TAP)atomicity$(2) $(EMU_COMMAND) $(ATOMICITY) $(3) || failed=1; \
	$(TAP)atomicity-interp$(2) $(EMU_COMMAND) -accel tcg,interp=on $(ATOMICITY) $(3) || failed=1; \
	exit $$failed

check-litmus: $(LITMUS) $(ATOMICITY) $(if $(EMULATOR),all)
	@$(call run-litmus,20000 . 50,,1000 20)

check-litmus-long: $(LITMUS) $(ATOMICITY) $(if $(EMULATOR),all)
	@$(call run-litmus,1000000 . 2000,-long,100000 5000)

CHECKS      += check-litmus
CHECKS_SLOW += check-litmus-long
.PHONY: check-litmus check-litmus-long
