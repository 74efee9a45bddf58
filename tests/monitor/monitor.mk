# The monitor and the machine protocol of a machine that does not run.
CHECKS += check-monitor

check-monitor: $(BUILD)/latimer-system
	@$(TAP)monitor tests/monitor/run $(BUILD)/latimer-system
