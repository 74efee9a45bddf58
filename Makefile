# Non-recursive; everything is built under $(BUILD). A new .c file in a folder of MODULES is
# picked up by itself. Objects of all modules go into one archive, so that each program and
# unit test links just what it uses.
BUILD ?= build
ifneq ($(filter-out help clean distclean,$(or $(MAKECMDGOALS),all)),)
-include $(BUILD)/config.mk
endif

MODULES = util fpu disas tcg tcg/tci tcg/x86_64 accel accel/tcg target target/arm \
          linux-user linux-user/aarch64 block block/qcow2 block/nbd tools/img tools/io net chardev hw
MAINS   = linux-user/main.c $(wildcard tools/latimer-*.c)

CFLAGS_ALL = -std=gnu11 -g -Wall -Wextra -fno-strict-aliasing -fPIE -D_GNU_SOURCE \
             -I. -Iinclude -I$(BUILD)/gen $(CFLAGS_OPT) $(PKG_CFLAGS) $(CFLAGS)
PKGS       = glib-2.0 capstone libffi zlib
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
PKG_STATIC := $(shell pkg-config --static --libs $(PKGS) 2>/dev/null)
CFLAGS_OPT = $(if $(filter yes,$(DEBUG)),-O0 -DCONFIG_DEBUG,-O2)
ifeq ($(WERROR),yes)
CFLAGS_OPT += -Werror
endif
ifeq ($(SANITIZERS),yes)
CFLAGS_OPT += -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined
LDFLAGS_SAN = -fsanitize=address,undefined
endif
LDFLAGS_USER = $(if $(filter yes,$(STATIC_USER)),-static-pie,-pie)

SRCS  := $(filter-out $(MAINS),$(wildcard $(addsuffix /*.c,$(MODULES))))
OBJS  := $(SRCS:%.c=$(BUILD)/%.o)
LIB    = $(BUILD)/liblatimer.a
TOOLS := $(patsubst tools/%.c,$(BUILD)/%,$(wildcard tools/latimer-*.c))
USER  := $(if $(wildcard linux-user/main.c),$(BUILD)/latimer-user)
UNIT  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test-*.c))
LINKS := $(if $(USER),$(TARGETS:%=$(BUILD)/latimer-%))

all: $(USER) $(LINKS) $(TOOLS) ## build everything

-include $(wildcard *.mk */*.mk target/*/*.mk tests/*/*.mk)

$(BUILD)/config.mk:
	./configure --build-dir=$(BUILD) --install-deps

$(BUILD)/%.o: %.c $(BUILD)/config.mk $(GENERATED)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(CFLAGS_$(subst /,_,$*)) -MMD -MP -c -o $@ $<

$(LIB): $(OBJS)
	@rm -f $@
	ar rcs $@ $(OBJS)

$(BUILD)/latimer-user: $(BUILD)/linux-user/main.o $(LIB)
	$(CC) $(LDFLAGS_SAN) $(LDFLAGS_USER) -o $@ $^ $(if $(filter yes,$(STATIC_USER)),$(PKG_STATIC),$(PKG_LIBS)) -lpthread -lm

$(LINKS): $(BUILD)/latimer-user
	ln -sf latimer-user $@

$(BUILD)/latimer-%: $(BUILD)/tools/latimer-%.o $(LIB)
	$(CC) $(LDFLAGS_SAN) -pie -o $@ $^ $(TOOL_LIBS) $(PKG_LIBS) -lpthread -lm

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(LIB)
	$(CC) $(LDFLAGS_SAN) -pie -o $@ $^ $(TOOL_LIBS) $(PKG_LIBS) -lpthread -lm

unit: $(UNIT)

check-unit: $(UNIT) ## build and run the unit tests
	G_TEST_SRCDIR=$(CURDIR)/tests/unit prove --merge -e '' $(UNIT) :: --tap

check: all check-unit $(CHECKS) ## build and run every everyday test

help: ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/'

clean: ## remove what was built
	rm -rf $(BUILD)

.PHONY: all unit check check-unit help clean
.SECONDARY:

-include $(OBJS:.o=.d) $(wildcard $(BUILD)/tests/unit/*.d)
