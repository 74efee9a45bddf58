# Random instructions, here and on another emulator or a real machine:
#   make diff AGAINST='qemu-aarch64 -cpu max' [N=20000] [SEED=1] [SEQ=1] [MATCH=REGEX] [EXCLUDE=REGEX]
DIFF_BUILD   = $(BUILD)/tests/diff
DIFF_RUNNER  = $(DIFF_BUILD)/runner-aarch64
DIFF_CC     ?= $(firstword $(shell command -v aarch64-linux-gnu-gcc-12) aarch64-linux-gnu-gcc)
DIFF_JSON    = $(BUILD)/gen/target/arm/decode-a64.json
N           ?= 20000
SEED        ?= 1
SEQ         ?= 1
MATCH       ?= .
EXCLUDE     ?= ^$$

$(DIFF_RUNNER): tests/diff/runner.c tests/diff/machine-native.c tests/diff/runner.h
	@mkdir -p $(@D)
	$(DIFF_CC) -O1 -static -Wall -Wextra -o $@ tests/diff/runner.c tests/diff/machine-native.c

# The same on the library alone, without linux-user: LATIMER_ACCEL, LATIMER_HOST and LATIMER_CPU choose.
$(DIFF_BUILD)/runner-latimer: tests/diff/runner.c tests/diff/machine-latimer.c tests/diff/runner.h $(LIB)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -Itests/diff -o $@ tests/diff/runner.c tests/diff/machine-latimer.c $(LIB) $(PKG_LIBS) -lpthread -lm

diff: $(BUILD)/latimer-user $(DIFF_RUNNER) ## random instructions compared: AGAINST='qemu-aarch64 -cpu max'
	$(if $(AGAINST),,$(error AGAINST names the other emulator, as in AGAINST='qemu-aarch64 -cpu max'))
	python3 tests/diff/generate.py $(DIFF_JSON) $(DIFF_BUILD)/words -n $(N) -q $(SEQ) -s $(SEED) \
	    -m '$(MATCH)' -x '$(EXCLUDE)' --report
	SEQ=$(SEQ) $(AGAINST) $(DIFF_RUNNER) $(DIFF_BUILD)/words > $(DIFF_BUILD)/reference
	SEQ=$(SEQ) $(BUILD)/latimer-user $(DIFF_RUNNER) $(DIFF_BUILD)/words > $(DIFF_BUILD)/ours
	tests/diff/compare.py $(DIFF_JSON) $(DIFF_BUILD)/reference $(DIFF_BUILD)/ours

# Ten million of each encoding group at each host level: twenty minutes on one processor. KEEP=DIR for
# what the other emulator answered, to go on with or to use again.
diff-long: $(DIFF_BUILD)/runner-latimer $(DIFF_RUNNER) ## … 10 M of each group at each host level: AGAINST=
	tests/diff/long --build=$(BUILD) --against='$(AGAINST)' --keep='$(KEEP)'

# The answers for fixed instructions of every pattern are in the sources; no other emulator is needed.
check-diff: $(DIFF_BUILD)/runner-latimer
	@$(TAP)diff tests/diff/answers.py check $(BUILD)

# Every model has the instructions of its features, and no others.
check-models: $(DIFF_BUILD)/runner-latimer
	@$(TAP)models tests/diff/models.py $(BUILD)

# All values of bits 31:10: what is unallocated or reserved is SIGILL.
$(DIFF_BUILD)/encodings: tests/diff/encodings.c
	@mkdir -p $(@D)
	$(DIFF_CC) -O1 -static -Wall -Wextra -o $@ $<

check-encodings: $(BUILD)/latimer-aarch64 $(DIFF_BUILD)/encodings
	@$(TAP)encodings tests/diff/allocated.py check $(BUILD)/latimer-aarch64 $(DIFF_BUILD)/encodings 0x382

check-encodings-more: $(BUILD)/latimer-aarch64 $(DIFF_BUILD)/encodings
	@$(TAP)encodings-more tests/diff/allocated.py check $(BUILD)/latimer-aarch64 $(DIFF_BUILD)/encodings 0x3ff

record-diff: $(DIFF_BUILD)/runner-latimer $(DIFF_RUNNER) ## write those answers anew: AGAINST='qemu-aarch64 -cpu max'
	tests/diff/answers.py record $(BUILD) '$(AGAINST)'

# A table of patterns and the tests that execute them; fails if there is one without.
coverage-isa: $(DIFF_BUILD)/runner-latimer $(BUILD)/latimer-aarch64 guest-programs ## which test executes which instruction
	@tests/diff/coverage.py $(BUILD) $(BUILD)/latimer-aarch64 $(filter-out %/dynamic-libs,$(TCG_PATH)) \
	    > $(BUILD)/coverage-isa.txt; status=$$?; tail -3 $(BUILD)/coverage-isa.txt; \
	echo "the table: $(BUILD)/coverage-isa.txt"; exit $$status

CHECKS += check-diff check-models check-encodings
CHECKS_SLOW += check-encodings-more
.PHONY: diff diff-long check-diff check-models check-encodings check-encodings-more record-diff coverage-isa
