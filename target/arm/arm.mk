# The A64 decoder, from its pattern files. The stamp keeps unchanged output's time.
A64_DECODE = $(wildcard target/arm/a64*.decode)
A64_STAMP  = $(BUILD)/gen/target/arm/decode-a64.stamp
A64_GEN    = $(addprefix $(BUILD)/gen/target/arm/decode-a64., h inc json)
GENERATED += $(A64_GEN)

$(A64_STAMP): scripts/decodegen.py $(A64_DECODE)
	python3 scripts/decodegen.py --name a64 --feature-prefix ARM_FEAT_ --out-dir $(@D) $(A64_DECODE)
	@touch $@

$(A64_GEN): $(A64_STAMP) ;
