# SPDX-License-Identifier: MIT
# Debian's Arm64 kernel on the machine `virt`.
MACHINE_GUEST = $(or $(LATIMER_SYSROOTS),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/latimer/sysroots)/arm64-machine
MACHINE_RUN   = tests/system/run $(abspath $(BUILD)/latimer-system-aarch64) $(MACHINE_GUEST)

$(BUILD)/machine-guest: tests/system/guest tests/system/guest-init tests/system/make-initrd
	tests/system/guest $(MACHINE_GUEST)
	tests/functional/sysroot arm64 $(dir $(MACHINE_GUEST))arm64-qemu-efi-aarch64 qemu-efi-aarch64
	touch $@

check-system: all $(BUILD)/machine-guest
	@$(TAP)system $(MACHINE_RUN)

check-system-slow: all $(BUILD)/machine-guest
	@$(TAP)system-slow $(MACHINE_RUN) --slow

# Starting machines, bare programs on them, and refusing what cannot be.
check-system-start: $(BUILD)/latimer-system
	@$(TAP)system-start tests/system/start $(BUILD)/latimer-system

# What is about the emulator itself.
check-system-options: $(BUILD)/latimer-system
	@$(TAP)system-options tests/system/options $(BUILD)/latimer-system-aarch64

# Devices by their registers (-accel qtest): no guest.
check-system-registers: $(BUILD)/latimer-system
	@$(TAP)system-registers tests/system/registers $(abspath $(BUILD)/latimer-system-aarch64)

# Newer kernels, the installer, a Debian with systemd, firmware, load: three hours at most.
check-system-real: all
	@$(TAP)system-real timeout -s KILL 10800 tests/system/real --verbose $(BUILD) $(dir $(MACHINE_GUEST))

# KVM_UNIT_TESTS=DIR is a built tree of kvm-unit-tests for arm64.
check-kvm-unit-tests: all
	@$(TAP)kvm-unit-tests $(if $(KVM_UNIT_TESTS),timeout -s KILL 3600 tests/system/kvm-unit-tests \
	    $(BUILD)/latimer-system-aarch64 $(KVM_UNIT_TESTS),echo '1..0 # SKIP KVM_UNIT_TESTS= names no folder')

CHECKS      += check-system-start check-system-options check-system-registers check-system
CHECKS_SLOW += check-system-slow check-system-real check-kvm-unit-tests
.PHONY: check-system check-system-slow check-system-start check-system-options check-system-registers check-system-real \
        check-kvm-unit-tests

bench-system: all bench-programs $(BUILD)/machine-guest ## a machine's speed, beside qemu-system-aarch64 where it is installed
	@tests/system/bench $(abspath $(BUILD)/latimer-system-aarch64) $(MACHINE_GUEST) $(BUILD)/bench/aarch64
.PHONY: bench-system
