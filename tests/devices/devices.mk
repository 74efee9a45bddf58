# SPDX-License-Identifier: MIT
# Devices of the machine `virt` as Debian's kernel sees them.
DEVICES_RUN = tests/devices/run $(abspath $(BUILD)/latimer-system-aarch64) $(MACHINE_GUEST)

check-devices: all $(BUILD)/machine-guest
	@$(TAP)devices $(DEVICES_RUN)

check-devices-slow: all $(BUILD)/machine-guest
	@$(TAP)devices-slow $(DEVICES_RUN) --slow

CHECKS      += check-devices
CHECKS_SLOW += check-devices-slow
.PHONY: check-devices check-devices-slow
