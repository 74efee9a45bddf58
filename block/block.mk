# The libraries of the image tools, and their checks.
TOOL_LIBS   += $(shell pkg-config --libs libzstd libcurl nettle gnutls liburing 2>/dev/null)
CHECKS      += check-block check-crypt check-jobs check-qmp check-io check-nbd check-http check-tool-help
CHECKS_SLOW += check-block-slow

check-block: $(BUILD)/latimer-img $(BUILD)/latimer-io
	@$(TAP)block tests/block/matrix.sh $(BUILD)

check-nbd: $(BUILD)/latimer-img $(BUILD)/latimer-io $(BUILD)/latimer-nbd
	@$(TAP)nbd tests/block/nbd.sh $(BUILD)

check-crypt: $(BUILD)/latimer-img $(BUILD)/latimer-io
	@$(TAP)crypt tests/block/crypt.sh $(BUILD)

check-jobs: $(BUILD)/latimer-img $(BUILD)/latimer-io
	@$(TAP)jobs tests/block/jobs.sh $(BUILD)

check-qmp: $(BUILD)/latimer-img $(BUILD)/latimer-io
	@$(TAP)qmp tests/block/qmp.sh $(BUILD)

check-io: $(BUILD)/latimer-img $(BUILD)/latimer-io
	@$(TAP)io tests/block/io.sh $(BUILD)

check-tool-help: $(BUILD)/latimer-img $(BUILD)/latimer-io $(BUILD)/latimer-nbd
	@$(TAP)tool-help tests/block/man.sh $(BUILD)

check-http: $(BUILD)/latimer-img
	@$(TAP)http tests/block/http.sh $(BUILD)

# The unit tests of the same names do a little of this every day. The damaged images go through a
# build with AddressSanitizer.
check-block-slow: $(BUILD)/tests/unit/test-block-crash $(BUILD)/latimer-img $(BUILD)/latimer-io
	@./configure --build-dir=$(BUILD)-sanitize --enable-sanitizers --enable-debug --cc='$(CC)' > /dev/null
	@$(MAKE) --no-print-directory BUILD=$(BUILD)-sanitize $(BUILD)-sanitize/tests/unit/test-block-fuzz
	@failed=0; \
	BLOCK_CRASH_ROUNDS=20 $(TAP)block-crash $(BUILD)/tests/unit/test-block-crash --tap || failed=1; \
	BLOCK_FUZZ_ROUNDS=10000 ASAN_OPTIONS=detect_leaks=0:max_allocation_size_mb=256 \
	    $(TAP)block-fuzz $(BUILD)-sanitize/tests/unit/test-block-fuzz --tap || failed=1; \
	BLOCK_ALL_CIPHERS=1 $(TAP)crypt-all tests/block/crypt.sh $(BUILD) || failed=1; \
	exit $$failed

bench-block: $(BUILD)/latimer-img $(BUILD)/latimer-io ## the image tools beside qemu-img's, timed
	@tests/block/bench $(BUILD) $(ROUNDS)

.PHONY: check-tool-help bench-block check-block check-qmp check-io check-crypt check-jobs check-nbd check-http check-block-slow
