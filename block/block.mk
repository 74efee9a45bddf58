# The libraries of the image tools, and their checks.
TOOL_LIBS += $(shell pkg-config --libs libzstd 2>/dev/null)
