# Tests of op lists share the harness.
TCG_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test-tcg-*.c))
$(TCG_TESTS): %: %.o $(BUILD)/tests/unit/tcg-harness.o $(BUILD)/tests/unit/tcg-parse.o $(BUILD)/liblatimer.a
	$(CC) $(LDFLAGS_SAN) -pie -o $@ $^ $(TOOL_LIBS) $(PKG_LIBS) -lpthread -lm
