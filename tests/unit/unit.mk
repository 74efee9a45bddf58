# Tests of op lists share the harness.
TCG_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test-tcg-*.c))
$(TCG_TESTS): %: %.o $(BUILD)/tests/unit/tcg-harness.o $(BUILD)/tests/unit/tcg-parse.o $(BUILD)/liblatimer.a
	$(CC) $(LDFLAGS_SAN) -pie -o $@ $^ $(TOOL_LIBS) $(PKG_LIBS) -lpthread -lm

# Tests of devices find them as the machine does, by name: everything that registers itself.
HW_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test-hw-*.c))
$(HW_TESTS): %: %.o $(BUILD)/tests/unit/hw-harness.o $(SYSTEM_OBJS) $(BUILD)/liblatimer.a
	$(CC) $(LDFLAGS_SAN) -pie -o $@ $^ $(SYSTEM_LIBS) $(TOOL_LIBS) $(NET_LIBS) $(PKG_LIBS) -lpthread -lutil -lm
