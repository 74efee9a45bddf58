# SPDX-License-Identifier: MIT
# Debian's Arm64 kernel on the machine `virt`.
MACHINE_GUEST = $(or $(LATIMER_SYSROOTS),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/latimer/sysroots)/arm64-machine
MACHINE_RUN   = tests/system/run $(abspath $(BUILD)/latimer-system-aarch64) $(MACHINE_GUEST)

$(BUILD)/machine-guest: tests/system/guest tests/system/guest-init tests/system/make-initrd
	tests/system/guest $(MACHINE_GUEST) && touch $@

check-system: all $(BUILD)/machine-guest
	@$(TAP)system $(MACHINE_RUN)

check-system-slow: all $(BUILD)/machine-guest
	@$(TAP)system-slow $(MACHINE_RUN) --slow

# Starting machines, bare programs on them, and refusing what cannot be.
check-system-start: $(BUILD)/latimer-system
	@$(TAP)system-start tests/system/start $(BUILD)/latimer-system

# Devices by their registers (-accel qtest): no guest.
check-system-registers: $(BUILD)/latimer-system
	@$(TAP)system-registers tests/system/registers $(abspath $(BUILD)/latimer-system-aarch64)

CHECKS      += check-system-start check-system-registers check-system
CHECKS_SLOW += check-system-slow
.PHONY: check-system check-system-slow check-system-start check-system-registers

bench-system: all $(BUILD)/machine-guest ## a machine's speed, beside qemu-system-aarch64 where it is installed
	@tests/system/bench $(abspath $(BUILD)/latimer-system-aarch64) $(MACHINE_GUEST)
.PHONY: bench-system
