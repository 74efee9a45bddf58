# `make bench`: the C programs for both machines, from one compiler version, and the stop-watch.
BENCH_NATIVE_CC ?= $(firstword $(shell command -v gcc-12) $(CC))
BENCH_GUEST_CC  ?= $(firstword $(shell command -v aarch64-linux-gnu-gcc-12) aarch64-linux-gnu-gcc)
BENCH_NAMES     := $(patsubst tests/bench/src/%.c,%,$(wildcard tests/bench/src/*.c))
BENCH_NATIVE    := $(BENCH_NAMES:%=$(BUILD)/bench/native/%)
BENCH_AARCH64   := $(BENCH_NAMES:%=$(BUILD)/bench/aarch64/%)

# vector-* is what the compiler vectorises. f32-* and f64-* print sums that fused
# multiply-adds, which only one of the two machines has by default, would change.
BENCH_CFLAGS = -static -Wall -Wextra $(if $(filter vector-%,$*),-O3,-O2) \
               $(if $(filter f32-% f64-%,$*),-ffp-contract=off) \
               $(if $(filter %-fastmath,$*),-ffast-math)

$(BENCH_NATIVE): $(BUILD)/bench/native/%: tests/bench/src/%.c tests/bench/src/bench.h tests/bench/src/vm.h
	@mkdir -p $(@D)
	$(call say,CC)$(BENCH_NATIVE_CC) $(BENCH_CFLAGS) -o $@ $< -lm -lpthread

$(BENCH_AARCH64): $(BUILD)/bench/aarch64/%: tests/bench/src/%.c tests/bench/src/bench.h tests/bench/src/vm.h
	@mkdir -p $(@D)
	$(call say,GUEST)$(BENCH_GUEST_CC) $(BENCH_CFLAGS) -o $@ $< -lm -lpthread

$(BUILD)/bench/timeit: tests/bench/timeit.c
	@mkdir -p $(@D)
	$(call say,CC)$(BENCH_NATIVE_CC) -O2 -Wall -Wextra -o $@ $<

bench-programs: $(BENCH_NATIVE) $(BENCH_AARCH64) $(BUILD)/bench/timeit
.PHONY: bench-programs bench

# BENCH='--only float --against qemu-aarch64-static' passes options on; --help lists them.
bench: all bench-programs ## native against emulated, as ratios; options in BENCH='...'
	@tests/bench/bench --build $(BUILD) $(BENCH)
