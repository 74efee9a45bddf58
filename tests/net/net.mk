# SPDX-License-Identifier: MIT
# Networks with real parties: guests, taps, namespaces.
NET_GUEST = $(or $(LATIMER_SYSROOTS),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/latimer/sysroots)/arm64-net
NET_RUN   = tests/net/run $(abspath $(BUILD)/latimer-system-aarch64) $(NET_GUEST)

$(BUILD)/net-guest: tests/net/guest tests/net/make-initrd $(BUILD)/machine-guest
	tests/net/guest $(MACHINE_GUEST) $(NET_GUEST) && touch $@

check-net: all $(BUILD)/net-guest
	@$(TAP)net $(NET_RUN)

check-net-slow: all $(BUILD)/net-guest
	@$(TAP)net-slow $(NET_RUN) --slow

CHECKS      += check-net
CHECKS_SLOW += check-net-slow

bench-net: all $(BUILD)/net-guest ## a machine's network, beside qemu-system-aarch64 where it is installed
	@tests/net/bench $(abspath $(BUILD)/latimer-system-aarch64) $(NET_GUEST)
.PHONY: check-net check-net-slow bench-net
