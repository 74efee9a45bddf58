# Real programs from Debian; EMU is the emulator, as for tests/tcg.
FUNCTIONAL_RUN = tests/functional/run --emulator='$(if $(EMU),$(EMU_COMMAND))'

check-functional: $(if $(EMULATOR),all) ## the quick ones of Debian's programs
	@$(TAP)functional $(FUNCTIONAL_RUN) --set=quick

check-functional-slow: $(if $(EMULATOR),all) ## the slow ones
	@$(TAP)functional-slow $(FUNCTIONAL_RUN) --set=slow --timeout=3600

check-debian: $(LINKS) ## a Debian of another architecture is made and used
	@$(TAP)debian tests/functional/debian --emulator=$(abspath $(BUILD)/latimer-aarch64)

check-memory: $(LINKS) ## what emulation costs in memory
	@$(TAP)memory tests/functional/memory --emulator=$(abspath $(BUILD)/latimer-aarch64)

check-python: $(LINKS) ## Python's regression suite, each test beside native
	@$(TAP)python tests/functional/python-suite --emulator=$(abspath $(BUILD)/latimer-aarch64)

check-sanitizers: $(LINKS) ## programs made with the compiler's sanitizers
	@$(TAP)sanitizers tests/functional/sanitizers --emulator=$(abspath $(BUILD)/latimer-aarch64) \
	    --cc='$(AARCH64_CC)'

check-perl: $(LINKS) ## perl's core tests, each beside native
	@$(TAP)perl tests/functional/perl-suite --emulator=$(abspath $(BUILD)/latimer-aarch64)

check-sqlite: $(LINKS) ## SQLite's fuzzcheck beside native
	@$(TAP)sqlite tests/functional/sqlite-fuzz --emulator=$(abspath $(BUILD)/latimer-aarch64)

check-openssl: $(LINKS) ## OpenSSL's self-tests
	@$(TAP)openssl tests/functional/openssl-suite --emulator=$(abspath $(BUILD)/latimer-aarch64)

CHECKS      += check-functional check-memory check-sanitizers
CHECKS_SLOW += check-functional-slow check-debian check-python check-perl check-sqlite check-openssl
.PHONY: check-functional check-functional-slow check-debian check-memory check-sanitizers check-python \
	check-perl check-sqlite check-openssl
