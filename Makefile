# SPDX-License-Identifier: MIT
# Non-recursive; everything is built under $(BUILD). A new .c file in a folder of MODULES is
# picked up by itself. The objects of all modules go into one archive, so that each program
# and unit test links just what it uses.
#
# A module that needs more than that (generated files, a test suite) says so in a NAME.mk in
# its own folder, which may use:
#   GENERATED += FILE     a header to exist before anything is compiled
#   CFLAGS_path_to_file   flags for the one object path/to/file.o
#   CHECKS += check-NAME  a suite of `make check` (CHECKS_SLOW: of `make check-slow` only); its
#                         recipe is $(TAP)NAME COMMAND, where COMMAND prints TAP
BUILD ?= build
ifneq ($(filter-out help clean distclean,$(or $(MAKECMDGOALS),all)),)
-include $(BUILD)/config.mk
endif

SUBDIRS = $(patsubst %/,%,$(wildcard $(1)/*/))
MODULES = util fpu disas tcg $(call SUBDIRS,tcg) accel accel/tcg gdbstub target $(call SUBDIRS,target) \
          linux-user $(call SUBDIRS,linux-user) block $(call SUBDIRS,block) $(call SUBDIRS,tools) \
          net chardev monitor system $(call SUBDIRS,hw)
MAINS   = linux-user/main.c system/main.c $(wildcard tools/latimer-*.c)

# ---- flags

PKGS       = glib-2.0 capstone libffi zlib
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
PKG_STATIC := $(shell pkg-config --static --libs $(PKGS) 2>/dev/null)
CFLAGS_ALL = -std=gnu11 -g -Wall -Wextra -fno-strict-aliasing -fPIE -D_GNU_SOURCE \
             -I. -Iinclude -I$(BUILD)/gen $(CFLAGS_OPT) $(PKG_CFLAGS) $(CFLAGS)
CFLAGS_OPT = $(if $(filter yes,$(DEBUG)),-O0 -DCONFIG_DEBUG,-O2)
ifeq ($(WERROR),yes)
CFLAGS_OPT += -Werror
endif
ifeq ($(SANITIZERS),yes)
LDFLAGS_SAN = -fsanitize=address,undefined
CFLAGS_OPT += $(LDFLAGS_SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined
endif
SYSTEM_LIBS  = -lfdt -lz

# The static latimer-user is linked to a fixed address, above all that the guest may have: 80,000
# relocations less at each start. The C runtime's objects are named because those of plain -static
# are for the lowest 2 GiB.
crt = $(shell $(CC) -print-file-name=$(1))
STATIC_FLAGS = -static -nostartfiles -Wl,-Ttext-segment=0x555555400000,--no-relax \
               -Wl,--undefined=latimer_libc_hooks
STATIC_BEGIN = $(foreach o,crt1.o crti.o crtbeginS.o,$(call crt,$(o)))
STATIC_END   = $(foreach o,crtendS.o crtn.o,$(call crt,$(o)))
ifeq ($(STATIC_USER),yes)
USER_BEGIN = $(STATIC_FLAGS) $(STATIC_BEGIN)
USER_END   = $(PKG_STATIC) -lpthread -lm $(STATIC_END)
else
USER_BEGIN = $(LDFLAGS_SAN) -pie
USER_END   = $(PKG_LIBS) -lpthread -lm
endif

# ---- what there is

SRCS  := $(filter-out $(MAINS),$(wildcard $(addsuffix /*.c,$(MODULES))))
OBJS  := $(SRCS:%.c=$(BUILD)/%.o)
LIB    = $(BUILD)/liblatimer.a
TOOLS := $(patsubst tools/%.c,$(BUILD)/%,$(wildcard tools/latimer-*.c))
EMULATOR := $(if $(wildcard linux-user/main.c),$(BUILD)/latimer-user)
LINKS := $(if $(EMULATOR),$(TARGETS:%=$(BUILD)/latimer-%))
# Device types register themselves, so that these objects are linked whole.
SYSTEM_OBJS  := $(filter $(addprefix $(BUILD)/,hw/% chardev/% net/% monitor/% system/%),$(OBJS))
SYSTEM       := $(if $(wildcard system/main.c),$(BUILD)/latimer-system)
SYSTEM_LINKS := $(if $(SYSTEM),$(TARGETS:%=$(BUILD)/latimer-system-%))
UNIT  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test-*.c))

all: $(EMULATOR) $(LINKS) $(SYSTEM) $(SYSTEM_LINKS) $(TOOLS) ## build everything

include $(wildcard $(addsuffix /*.mk,$(MODULES) tests/*))

# ---- set-up

# The goals that promise to work on a fresh machine may install what is missing.
SETUP_GOALS = demo check check-% bench
$(BUILD)/config.mk: configure
	./configure --build-dir=$(BUILD) $(CONFIGURE_ARGS) \
	    $(if $(filter $(SETUP_GOALS),$(MAKECMDGOALS)),--install-deps --with-tests)

# Without root this says what to install and stops.
$(BUILD)/tests-ready: configure
	@mkdir -p $(@D)
	@./configure --deps-only --with-tests --install-deps > $@.log || { cat $@.log; exit 1; }
	@mv $@.log $@

# ---- build

# One short line a step; V=1 shows the commands.
say = $(if $(filter 1,$(V)),,@echo "  $(1)	$(patsubst $(BUILD)/%,%,$@)"; )

$(BUILD)/%.o: %.c $(BUILD)/config.mk | $(GENERATED)
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CFLAGS_ALL) $(CFLAGS_$(subst /,_,$*)) -MMD -MP -c -o $@ $<

$(LIB): $(OBJS)
	@rm -f $@
	$(call say,AR)ar rcs $@ $(OBJS)

$(BUILD)/latimer-user: $(BUILD)/linux-user/main.o $(LIB)
	$(call say,LINK)$(CC) $(USER_BEGIN) -o $@ $^ $(USER_END)

$(LINKS): $(BUILD)/latimer-user
	$(call say,LN)ln -sf latimer-user $@

$(BUILD)/latimer-system: $(BUILD)/system/main.o $(SYSTEM_OBJS) $(LIB)
	$(call say,LINK)$(CC) $(LDFLAGS_SAN) -pie -o $@ $^ $(SYSTEM_LIBS) $(TOOL_LIBS) $(NET_LIBS) $(PKG_LIBS) \
	    -lpthread -lutil -lm

$(SYSTEM_LINKS): $(BUILD)/latimer-system
	$(call say,LN)ln -sf latimer-system $@

$(BUILD)/latimer-%: $(BUILD)/tools/latimer-%.o $(LIB)
	$(call say,LINK)$(CC) $(LDFLAGS_SAN) -pie -o $@ $^ $(TOOL_LIBS) $(PKG_LIBS) -lpthread -lm

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(LIB)
	$(call say,LINK)$(CC) $(LDFLAGS_SAN) -pie -o $@ $^ $(SYSTEM_LIBS) $(TOOL_LIBS) $(NET_LIBS) $(PKG_LIBS) -lpthread -lutil -lm

unit: $(UNIT)

# ---- tests

# What is run from here keeps its translations here.
export LATIMER_CACHE_DIR ?= $(abspath $(BUILD))/code-cache

RESULTS = $(BUILD)/results
TAP     = scripts/tap-count $(RESULTS)/

# Runs every suite even when an early one fails, then adds up.
define run-suites
	@rm -rf $(RESULTS) $(BUILD)/code-cache; mkdir -p $(RESULTS)
	@failed=; for suite in $(1); do \
	    echo "== $$suite"; \
	    $(MAKE) --no-print-directory BUILD=$(BUILD) $$suite || failed="$$failed $$suite"; \
	done; scripts/check-summary $(RESULTS) $$failed
endef

check: $(BUILD)/tests-ready all unit ## every everyday test; prepares a fresh machine itself
	$(call run-suites,check-unit $(CHECKS))

check-slow: $(BUILD)/tests-ready all unit ## the everyday tests and those that take long
	$(call run-suites,check-unit $(CHECKS) $(CHECKS_SLOW))

check-unit: $(UNIT) ## the unit tests only
	@mkdir -p $(RESULTS)
	@$(if $(UNIT),G_TEST_SRCDIR=$(CURDIR)/tests/unit \
	    prove --directives --merge -e '$(TAP)unit' $(UNIT) :: --tap,echo "no unit tests yet")

# In a build folder of its own. Leaks are not looked for: a test program may just end.
check-sanitize: $(BUILD)/tests-ready ## the unit tests under ASan and UBSan
	@./configure --build-dir=$(BUILD)-sanitize --enable-sanitizers --enable-debug --cc='$(CC)' > /dev/null
	@$(MAKE) --no-print-directory BUILD=$(BUILD)-sanitize unit
	@ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	    $(MAKE) --no-print-directory BUILD=$(BUILD)-sanitize check-sanitized

check-sanitized: unit
	$(call run-suites,check-unit)

demo: $(BUILD)/tests-ready all ## an Arm64 Linux boots; an Arm64 program runs; a picture of speed
	@$(MAKE) --no-print-directory BUILD=$(BUILD) bench-programs > /dev/null
	@scripts/demo $(BUILD)

# ---- the rest

BINDIR = $(DESTDIR)$(PREFIX)/bin
MANDIR = $(DESTDIR)$(PREFIX)/share/man/man1

install: all ## install under PREFIX, or under DESTDIR/PREFIX
	install -d $(BINDIR) $(MANDIR)
	install -m 755 $(EMULATOR) $(SYSTEM) $(TOOLS) $(BINDIR)
	$(foreach link,$(notdir $(LINKS)),ln -sf latimer-user $(BINDIR)/$(link) &&) true
	$(foreach link,$(notdir $(SYSTEM_LINKS)),ln -sf latimer-system $(BINDIR)/$(link) &&) true
	install -m 644 $(wildcard docs/man/*.1) $(MANDIR)
	$(foreach link,$(notdir $(LINKS)),ln -sf latimer-user.1 $(MANDIR)/$(link).1 &&) true
	$(SYSTEM) -man-page > $(MANDIR)/latimer-system.1
	$(foreach link,$(notdir $(SYSTEM_LINKS)),ln -sf latimer-system.1 $(MANDIR)/$(link).1 &&) true

compile_commands.json: Makefile $(BUILD)/config.mk ## for editors and analysers
	@{ echo '['; \
	   for file in $(SRCS) $(wildcard $(MAINS) tests/unit/*.c); do \
	       printf '{"directory":"%s","file":"%s","command":"%s"}\n' \
	           '$(CURDIR)' $$file "$(CC) $(CFLAGS_ALL) -c $$file"; \
	   done | sed '$$!s/$$/,/'; echo ']'; } > $@

help: ## this list
	@echo "Run ./configure first (./configure --help). Then:"
	@grep -hE '^[a-z_.-]+:.*##' $(MAKEFILE_LIST) | \
	    sed 's/^\([^:]*\):.*## */\1|/' | awk -F'|' '{ printf "  make %-22s %s\n", $$1, $$2 }'

clean: ## remove what was built, keep the configuration
	@test ! -d $(BUILD) || find $(BUILD) -mindepth 1 -maxdepth 1 ! -name config.mk ! -name Makefile \
	    -exec rm -rf {} +
	rm -f compile_commands.json

distclean: ## remove the build folders
	rm -rf $(BUILD) $(BUILD)-sanitize compile_commands.json

.PHONY: all unit check check-slow check-unit check-sanitize check-sanitized demo install help
.PHONY: clean distclean
.SECONDARY:

-include $(OBJS:.o=.d) $(MAINS:%.c=$(BUILD)/%.d) $(wildcard $(BUILD)/tests/unit/*.d $(BUILD)/tests/fuzz/*.d)
