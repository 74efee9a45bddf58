# Host instructions that A64 instructions cost, against a table in the sources.
CODEGEN_COUNT = $(BUILD)/tests/tcg/codegen/count
$(CODEGEN_COUNT): tests/tcg/codegen/count.c tests/diff/machine-latimer.c tests/diff/runner.h $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK)$(CC) $(CFLAGS_ALL) -Itests/diff -o $@ tests/tcg/codegen/count.c tests/diff/machine-latimer.c \
	    $(LIB) $(PKG_LIBS) -lpthread -lm

check-codegen: $(CODEGEN_COUNT)
	@$(TAP)codegen tests/tcg/codegen/codegen check $(BUILD)

update-codegen: $(CODEGEN_COUNT) $(BUILD)/tests/diff/runner-latimer ## write tests/tcg/codegen/aarch64.txt anew
	tests/tcg/codegen/codegen update $(BUILD)

CHECKS += check-codegen
.PHONY: check-codegen update-codegen
