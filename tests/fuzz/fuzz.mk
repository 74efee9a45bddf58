# SPDX-License-Identifier: MIT
# Devices poked at random. Everyday: a moment each; check-slow: a minute each, with sanitizers.
FUZZ_SECONDS ?= 60
HW_FUZZ_OBJS = tests/fuzz/hw-fuzz.o tests/fuzz/hw-poke.o tests/unit/hw-harness.o

$(BUILD)/tests/fuzz/hw-fuzz: $(addprefix $(BUILD)/,$(HW_FUZZ_OBJS)) $(SYSTEM_OBJS) $(BUILD)/liblatimer.a
	$(CC) $(LDFLAGS_SAN) -pie -o $@ $^ $(SYSTEM_LIBS) $(TOOL_LIBS) $(NET_LIBS) $(PKG_LIBS) -lpthread -lutil -lm

check-fuzz-hw: $(BUILD)/tests/fuzz/hw-fuzz
	@$(TAP)fuzz-hw tests/fuzz/run $< 1

check-fuzz-hw-slow:
	$(MAKE) BUILD=$(BUILD)/sanitized CONFIGURE_ARGS=--enable-sanitizers $(BUILD)/sanitized/tests/fuzz/hw-fuzz
	@$(TAP)fuzz-hw-slow tests/fuzz/run $(BUILD)/sanitized/tests/fuzz/hw-fuzz $(FUZZ_SECONDS)

CHECKS      += check-fuzz-hw
CHECKS_SLOW += check-fuzz-hw-slow
.PHONY: check-fuzz-hw check-fuzz-hw-slow
