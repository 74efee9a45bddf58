# The libraries of the image tools, and their checks.
TOOL_LIBS += $(shell pkg-config --libs libzstd 2>/dev/null)
CHECKS    += check-block

check-block: $(BUILD)/latimer-img $(BUILD)/latimer-io $(BUILD)/latimer-nbd ## images against Debian's qemu-img
	tests/block/matrix.sh $(BUILD)
	tests/block/nbd.sh $(BUILD)

.PHONY: check-block
