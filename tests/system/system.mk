# Machines: starting, booting bare programs, and refusing what cannot be.
CHECKS += check-system

check-system: $(BUILD)/latimer-system
	@$(TAP)system tests/system/run $(BUILD)/latimer-system

.PHONY: check-system
