# The debugger's stub, driven by Debian's gdb-multiarch.
GDB_TARGET = $(BUILD)/tests/gdb/target

$(GDB_TARGET): tests/gdb/target.c
	@mkdir -p $(@D)
	$(call say,GUEST)$(AARCH64_CC) -O1 -g -static -Wall -Wextra -o $@ $< -lpthread

check-gdb: $(GDB_TARGET) $(LINKS) ## -g with gdb-multiarch
	@$(TAP)gdb tests/gdb/run --emulator=$(abspath $(BUILD)/latimer-aarch64) \
	    --target=$(abspath $(GDB_TARGET))

CHECKS += check-gdb
.PHONY: check-gdb
