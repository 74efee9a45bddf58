# Guest test programs: tests/tcg/ARCH/NAME.c is one program; insn-NAME.S is a list of
# instructions that insn.c runs; dynamic-*.c is linked dynamically, all others statically.
AARCH64_CC ?= $(firstword $(shell command -v aarch64-linux-gnu-gcc-12) aarch64-linux-gnu-gcc)
AARCH64_CFLAGS = -O2 -g -D_GNU_SOURCE -Wall -Wextra $(if $(filter dynamic-%,$*),,-static) \
                 $(if $(filter %-asan,$*),-fsanitize=address) $(if $(filter %-tsan,$*),-fsanitize=thread)

TCG_SRC      := tests/tcg/aarch64
TCG_BUILD     = $(BUILD)/tests/tcg/aarch64
TCG_LISTS    := $(patsubst $(TCG_SRC)/%.S,$(TCG_BUILD)/%,$(wildcard $(TCG_SRC)/insn-*.S))
TCG_PROGRAMS := $(patsubst $(TCG_SRC)/%.c,$(TCG_BUILD)/%,$(filter-out %/insn.c,$(wildcard $(TCG_SRC)/*.c)))

$(TCG_LISTS): $(TCG_BUILD)/%: $(TCG_SRC)/%.S $(TCG_SRC)/insn.c $(TCG_SRC)/insn.inc $(TCG_SRC)/insn-kind.h
	@mkdir -p $(@D)
	$(call say,GUEST)$(AARCH64_CC) $(AARCH64_CFLAGS) -o $@ $(TCG_SRC)/insn.c $<

$(TCG_PROGRAMS): $(TCG_BUILD)/%: $(TCG_SRC)/%.c $(TCG_SRC)/test.h
	@mkdir -p $(@D)
	$(call say,GUEST)$(AARCH64_CC) $(AARCH64_CFLAGS) -o $@ $< -lm -lpthread -ldl -lrt

guest-programs: $(TCG_LISTS) $(TCG_PROGRAMS) ## the guest test programs

# Another emulator takes the same tests with EMU='qemu-aarch64-static -cpu max'.
EMU ?= $(if $(EMULATOR),$(BUILD)/latimer-aarch64)
EMU_COMMAND = $(if $(filter-out /%,$(wildcard $(firstword $(EMU)))),$(CURDIR)/)$(EMU)
TCG_RUN     = tests/tcg/run --emulator='$(if $(EMU),$(EMU_COMMAND))'
# -perfmap is Latimer's own, whatever EMU is
EMU_PERFMAP = $(abspath $(BUILD)/latimer-aarch64)
TCG_PATH    = $(abspath $(TCG_LISTS) $(filter-out %-tsan,$(TCG_PROGRAMS)))

# Every program on the host's best code; the instruction lists on the other engines too.
check-tcg: guest-programs $(if $(EMULATOR),all)
	@failed=0; $(TAP)tcg $(TCG_RUN) $(TCG_PATH) || failed=1; \
	$(TAP)tcg-engines $(TCG_RUN) --modes='sse4.2 avx2 interp' $(abspath $(TCG_LISTS)) || failed=1; \
	$(TAP)tcg-models $(TCG_RUN) --emulator='$(if $(EMU),$(EMU_COMMAND) -cpu cortex-a76)' \
	    --modes='host interp' $(abspath $(TCG_BUILD)/alignment) || failed=1; \
	$(TAP)perfmap tests/tcg/perfmap $(EMU_PERFMAP) $(abspath $(TCG_BUILD)/flow) || failed=1; \
	exit $$failed

# A guest base and a small address space; check-tcg-modes runs every program so.
check-base: guest-programs $(if $(EMULATOR),all)
	@failed=0; in_build() { for name; do echo $(abspath $(TCG_BUILD))/$$name; done; }; \
	$(TAP)base $(TCG_RUN) --modes=base \
	    $$(in_build address pointers memory signal thread process proc fault dynamic-libs) || failed=1; \
	$(TAP)base-engines $(TCG_RUN) --modes='base-interp base-verify base-low' \
	    $$(in_build address pointers) || failed=1; \
	$(TAP)va39 $(TCG_RUN) --modes='va39 base-low' $$(in_build address dynamic-asan dynamic-tsan) || failed=1; \
	exit $$failed

# Debian's programs and the debugger with a guest base, the former in a 39-bit address space too.
check-base-slow: guest-programs $(GDB_TARGET) $(if $(EMULATOR),all)
	@failed=0; emulator='$(if $(EMU),$(EMU_COMMAND) -B 0x10000000000)'; \
	$(TAP)functional-base tests/functional/run --emulator="$$emulator" --set=quick || failed=1; \
	$(TAP)functional-va39 tests/functional/run --emulator='$(if $(EMU),$(EMU_COMMAND) -R 512G)' --set=quick || failed=1; \
	$(TAP)gdb-base tests/gdb/run --emulator="$$emulator" --target=$(abspath $(GDB_TARGET)) || failed=1; \
	exit $$failed

check-bad-input: guest-programs $(if $(EMULATOR),all)
	@$(TAP)bad-input tests/tcg/bad-input --emulator='$(if $(EMU),$(EMU_COMMAND))' \
	    --programs=$(abspath $(TCG_BUILD))

check-binfmt: guest-programs $(LINKS) ## scripts/binfmt, in a namespace of its own
	@$(TAP)binfmt tests/tcg/binfmt $(abspath $(BUILD)/latimer-aarch64) $(abspath $(TCG_BUILD)/flow)

check-syscall-table: guest-programs $(LINKS) ## the table of system calls against the kernel's
	@$(TAP)syscall-table tests/tcg/syscall-table --emulator=$(abspath $(BUILD)/latimer-aarch64) \
	    --program=$(abspath $(TCG_BUILD)/refused) --cc='$(AARCH64_CC)'

# Ten minutes of signals, a million bad calls.
check-stress: guest-programs $(LINKS)
	@failed=0; \
	STRESS_SECONDS=600 $(TAP)stress-signals $(TCG_RUN) --timeout=900 \
	    $(abspath $(TCG_BUILD)/stress) || failed=1; \
	FUZZ_CALLS=1000000 FUZZ_SEED=$$$$ $(TAP)stress-efault $(TCG_RUN) --timeout=900 \
	    $(abspath $(TCG_BUILD)/efault) || failed=1; \
	exit $$failed

check-tcg-modes: guest-programs $(if $(EMULATOR),all)
	@$(TAP)tcg-modes $(TCG_RUN) --modes=all --timeout=600 $(TCG_PATH)

# The persistent cache; then some of Debian's programs fill one, and run again with each block of it
# compared with a fresh translation.
check-cache: guest-programs $(if $(EMULATOR),all)
	@failed=0; $(TAP)cache tests/tcg/cache --emulator='$(if $(EMU),$(EMU_COMMAND))' \
	    --programs=$(abspath $(TCG_BUILD)) || failed=1; \
	export LATIMER_CACHE_DIR=$(abspath $(BUILD))/code-cache-verify; rm -rf $$LATIMER_CACHE_DIR; \
	for cache in on verify; do \
	    $(TAP)cache-$$cache $(FUNCTIONAL_RUN) --only='^(bash-|gawk|perl$$|python3$$|sqlite3$$|openssl$$)' || failed=1; \
	    export LATIMER_CACHE=verify; \
	done; exit $$failed

# The lock-free stack and queue for a minute each.
check-lockfree: guest-programs $(if $(EMULATOR),all)
	@$(TAP)lockfree sh -c 'echo 1..1; $(EMU_COMMAND) $(TCG_BUILD)/lockfree 60 && \
	    echo "ok 1 - lock-free stack and queue, a minute each" || echo "not ok 1 - an element was lost"'

# Records the answers of the instruction lists; only with an emulator that is known to be right.
record-insn: guest-programs
	for list in $(TCG_LISTS); do $(EMU) $$list > $(TCG_SRC)/$${list##*/}.out || exit 1; done

CHECKS      += check-tcg check-base check-bad-input check-cache check-binfmt check-syscall-table
CHECKS_SLOW += check-tcg-modes check-base-slow check-lockfree check-stress
.PHONY: guest-programs check-tcg check-base check-base-slow check-bad-input check-cache check-tcg-modes check-lockfree check-binfmt check-syscall-table \
        check-stress record-insn
