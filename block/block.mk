# The libraries of the image tools, and their checks.
TOOL_LIBS   += $(shell pkg-config --libs libzstd libcurl nettle gnutls liburing 2>/dev/null)
CHECKS      += check-block check-nbd check-http
CHECKS_SLOW += check-block-slow

check-block: $(BUILD)/latimer-img $(BUILD)/latimer-io
	@$(TAP)block tests/block/matrix.sh $(BUILD)

check-nbd: $(BUILD)/latimer-img $(BUILD)/latimer-io $(BUILD)/latimer-nbd
	@$(TAP)nbd tests/block/nbd.sh $(BUILD)

check-http: $(BUILD)/latimer-img
	@$(TAP)http tests/block/http.sh $(BUILD)

# The unit tests of the same names do a little of this every day.
check-block-slow: $(BUILD)/tests/unit/test-block-crash $(BUILD)/tests/unit/test-block-fuzz
	@failed=0; \
	BLOCK_CRASH_ROUNDS=20 $(TAP)block-crash $(BUILD)/tests/unit/test-block-crash --tap || failed=1; \
	BLOCK_FUZZ_ROUNDS=20000 $(TAP)block-fuzz $(BUILD)/tests/unit/test-block-fuzz --tap || failed=1; \
	exit $$failed

.PHONY: check-block check-nbd check-http check-block-slow
