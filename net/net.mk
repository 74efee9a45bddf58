# User networking is libslirp's; the bridge helper, which may be set-uid, links nothing.
CFLAGS_net_user += $(shell pkg-config --cflags slirp 2>/dev/null)
NET_LIBS = $(shell pkg-config --libs slirp 2>/dev/null)

$(BUILD)/latimer-bridge-helper: $(BUILD)/tools/latimer-bridge-helper.o
	$(call say,LINK)$(CC) $(LDFLAGS_SAN) -pie -o $@ $<
