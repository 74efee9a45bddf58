# Tests of op lists share the harness.
$(BUILD)/tests/unit/test-tcg-%: $(BUILD)/tests/unit/test-tcg-%.o $(BUILD)/tests/unit/tcg-harness.o $(BUILD)/tests/unit/tcg-parse.o $(LIB)
	$(CC) $(LDFLAGS_SAN) -pie -o $@ $^ $(TOOL_LIBS) $(PKG_LIBS) -lpthread -lm
