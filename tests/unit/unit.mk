# Tests of op lists share the harness.
TCG_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test-tcg-*.c))
$(TCG_TESTS): %: %.o $(BUILD)/tests/unit/tcg-harness.o $(BUILD)/tests/unit/tcg-parse.o $(BUILD)/liblatimer.a
	$(CC) $(LDFLAGS_SAN) -pie -o $@ $^ $(TOOL_LIBS) $(PKG_LIBS) -lpthread -lm

# fpu/ with TestFloat's level 2 and a hundred times the random cases, half-precision pairs fifty times and more.
FPU_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test-fpu*.c) tests/unit/test-arm-half.c)
check-fpu-slow: $(FPU_TESTS)
	@failed=0; for test in $(FPU_TESTS); do \
	    G_TEST_SRCDIR=$(CURDIR)/tests/unit $(TAP)fpu-slow-$${test##*/} $$test --tap -m slow || failed=1; \
	done; exit $$failed

CHECKS_SLOW += check-fpu-slow
.PHONY: check-fpu-slow

# Tests of devices find them as the machine does, by name: everything that registers itself.
HW_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test-hw-*.c))
$(HW_TESTS): %: %.o $(BUILD)/tests/unit/hw-harness.o $(BUILD)/tests/fuzz/hw-poke.o $(SYSTEM_OBJS) $(BUILD)/liblatimer.a
	$(CC) $(LDFLAGS_SAN) -pie -o $@ $^ $(SYSTEM_LIBS) $(TOOL_LIBS) $(NET_LIBS) $(PKG_LIBS) -lpthread -lutil -lm
