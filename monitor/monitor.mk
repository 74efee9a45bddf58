# The machine protocol is JSON by json-glib.
MONITOR_CFLAGS := $(shell pkg-config --cflags json-glib-1.0 2>/dev/null)
$(foreach f,$(basename $(notdir $(wildcard monitor/*.c))),$(eval CFLAGS_monitor_$(f) += $(MONITOR_CFLAGS)))
CFLAGS_system_start += $(MONITOR_CFLAGS)
CFLAGS_system_gdb += $(MONITOR_CFLAGS)
SYSTEM_LIBS += $(shell pkg-config --libs json-glib-1.0 2>/dev/null)
