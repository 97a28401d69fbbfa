# uxrec: README.md is the overview, CONTRIBUTING.md the map of the tree.
#
#   make            build everything into build/
#   make run        install missing packages, build, record a demo (or show the moderator's page)
#   make check      all tests that a plain machine can run; installs their packages
#
# Targets of tests, benchmarks and the demo install their packages by .ci/install; those that only build name missing
# ones. Variants build into folders of their own: make VARIANT=asan | tsan | clang

VERSION := 0.1.0

PREFIX  ?= /usr/local
DESTDIR ?=
CFLAGS  ?= -O2 -g
NODE    ?= node
V       ?= 0

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),@:,@printf '  %-8s %s\n' $(1) $(2))

B := build$(if $(VARIANT),/$(VARIANT))
G := build/gen

ifeq ($(VARIANT),asan)
  CFLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
else ifeq ($(VARIANT),tsan)
  CFLAGS := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
else ifeq ($(VARIANT),clang)
  CC := clang
else ifeq ($(VARIANT),fuzz)
  CC := clang
  CFLAGS := -O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
else ifeq ($(VARIANT),coverage)
  CFLAGS := -O0 -g --coverage -fprofile-update=atomic
else ifneq ($(VARIANT),)
  $(error VARIANT is one of asan, tsan, clang, fuzz, coverage)
endif

# ---- packages: groups of .ci/packages, by target ----

# First line of a target that installs; the rest of its work is a make of its own, which then finds the libraries.
install = @.ci/install $(1)
make = +@$(MAKE) --no-print-directory -j$$(nproc)

FOR_TESTS := build demo tests
FOR_BENCH := $(FOR_TESTS) bench

# Goals that only build stop here, before the compiler reports a missing header. DEPS=any: the libraries are there, but
# not as Debian's packages.
DEPS ?= debian
ifeq ($(MAKELEVEL)$(DEPS),0debian)
  BUILDING := $(filter all programs web man install tests fuzz-targets clang-warnings build/%,$(or $(MAKECMDGOALS),all))
  TESTING := $(findstring tests,$(BUILDING))$(filter fuzz-targets,$(BUILDING))
  LACKING := $(if $(BUILDING),$(shell .ci/install --list $(if $(TESTING),$(FOR_TESTS),build)))
  ifneq ($(LACKING),)
    $(error these packages are missing: $(LACKING); 'make $(if $(TESTING),deps-tests,deps)' installs them)
  endif
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wwrite-strings -Wvla -Wformat=2 -Wundef -Wimplicit-fallthrough -Wconversion -Wno-sign-conversion
ifdef CI
  WARNINGS += -Werror
endif

# ---- foreign libraries: their permitted users are in CONTRIBUTING.md ----

LIBS_protocol := libprotobuf-c libdeflate liblz4 libzstd libutf8proc
LIBS_capture  := libevdev libudev xkbcommon xkbcommon-x11 xcb xcb-damage xcb-randr xcb-shm xcb-xfixes xcb-xinput xcb-xkb libavcodec libavutil libpipewire-0.3 libpulse \
	libsystemd libseccomp wayland-client
LIBS_replay   := yaml-0.1 json-c gsl libavformat libavcodec libavutil spng cairo libseccomp
LIBS_daemon   := libwebsockets libsystemd nettle
LIBS_demo     := xcb xcb-xtest
LIBS_tests    := cunit xcb xcb-randr xcb-xkb xcb-xtest libevdev spng wayland-client wayland-server
LIBS_damage   := x264

# two calls: when one library is missing pkg-config prints nothing for the others
pkg_cflags := $(patsubst -I%,-isystem %,$(sort $(shell pkg-config --cflags $(LIBS_protocol) $(LIBS_capture) $(LIBS_replay) \
	$(LIBS_daemon) 2>/dev/null) $(shell pkg-config --cflags $(LIBS_tests) 2>/dev/null)))
pkg = $(shell pkg-config --libs $(1))

ALL_CFLAGS := -std=gnu17 -D_GNU_SOURCE -DUXREC_VERSION='"$(VERSION)"' -I. -I$(G) \
	$(WARNINGS) -fstack-protector-strong -pthread $(pkg_cflags) $(CFLAGS)
ALL_LDFLAGS := -Wl,--as-needed -Wl,-z,relro,-z,now -pthread $(CFLAGS) $(LDFLAGS)

# ---- sources ----

PROTOS := $(wildcard protocol/*.proto protocol/foxglove/*.proto)
GEN_C := $(PROTOS:%.proto=$(G)/%.pb-c.c) $(G)/google/protobuf/timestamp.pb-c.c
DESCRIPTORS := $(filter-out %/wire.desc %/feed.desc,$(PROTOS:protocol/%.proto=$(G)/descriptors/%.desc))

PROGRAM_MAINS := daemon/uxrecd.c daemon/play.c daemon/serve/serve_main.c daemon/worker/worker_main.c daemon/demo/robot.c capture/inputd/inputd.c \
	capture/doctor/doctor_main.c capture/doctor/bench_main.c replay/command/uxrec.c
LIB_SOURCES = $(filter-out $(PROGRAM_MAINS),$(wildcard $(1)/*.c $(1)/*/*.c))

protocol_OBJECTS := $(patsubst %.c,$(B)/%.o,$(call LIB_SOURCES,protocol)) \
	$(B)/protocol/schema_data.o $(GEN_C:$(G)/%.c=$(B)/gen/%.o)
capture_OBJECTS := $(patsubst %.c,$(B)/%.o,$(call LIB_SOURCES,capture)) $(B)/gen/capture/wayland/wlr-screencopy.o
replay_OBJECTS := $(patsubst %.c,$(B)/%.o,$(call LIB_SOURCES,replay))
daemon_OBJECTS := $(patsubst %.c,$(B)/%.o,$(call LIB_SOURCES,daemon))

PROGRAMS := uxrecd uxrec uxrec-inputd uxrec-doctor uxrec-bench uxrec-play uxrec-server uxrec-worker uxrec-robot
INSTALLED := uxrecd uxrec
HELPERS := uxrec-inputd uxrec-doctor uxrec-bench uxrec-play uxrec-server uxrec-worker

# the only user of libx264; its headers are not needed for the rest
DAMAGE := $(B)/tests/bench/damage
C_TESTS := $(filter-out $(DAMAGE),$(patsubst %.c,$(B)/%,$(wildcard tests/unit/*/*.c tests/integration/*/*.c tests/bench/*.c tests/vm/*.c tests/tools/*.c)))
HARNESS := $(patsubst %.c,$(B)/%.o,$(wildcard tests/harness/*.c tests/harness/*/*.c)) $(B)/gen/tests/xdg-shell.o

.PHONY: all programs web man run deps deps-tests check check-static check-unit check-integration check-browser \
	check-vm check-asan check-tsan check-coverage bench bench-damage bench-file bench-input bench-screen bench-sound bench-wall install clean format
.DELETE_ON_ERROR:
.SECONDARY:

all: programs web man
	@:
programs: $(PROGRAMS:%=$(B)/%)

# ---- generated code ----

# All headers must exist before the C compiler starts.
HEADERS := $(GEN_C:.c=.h) $(G)/capture/wayland/wlr-screencopy.h
$(protocol_OBJECTS) $(capture_OBJECTS) $(replay_OBJECTS) $(daemon_OBJECTS): | $(HEADERS)

$(G)/%.pb-c.c $(G)/%.pb-c.h: %.proto
	$(call say,PROTO,$<)
	$(Q)mkdir -p $(G)
	$(Q)protoc-c -I. -I/usr/include --c_out=$(G) $<

$(G)/google/protobuf/timestamp.pb-c.c $(G)/google/protobuf/timestamp.pb-c.h:
	$(call say,PROTO,$@)
	$(Q)mkdir -p $(G)
	$(Q)protoc-c -I/usr/include --c_out=$(G) /usr/include/google/protobuf/timestamp.proto

$(G)/descriptors/%.desc: protocol/%.proto
	$(Q)mkdir -p $(@D)
	$(Q)protoc -I. -I/usr/include --include_imports --descriptor_set_out=$@ $<

$(G)/capture/%.h: capture/%.xml
	$(call say,WAYLAND,$<)
	$(Q)mkdir -p $(@D)
	$(Q)wayland-scanner client-header $< $@

$(G)/capture/%.c: capture/%.xml
	$(Q)mkdir -p $(@D)
	$(Q)wayland-scanner private-code $< $@

$(B)/protocol/schema_data.o: protocol/schema_data.S $(DESCRIPTORS)
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -Wa,-I$(G) -c -o $@ $<

# ---- objects and programs ----

# vectorizes a loop over the samples of a row: a third of the time
$(B)/capture/screen/png.o: ALL_CFLAGS += $(if $(filter -O2,$(CFLAGS)),-O3)

$(B)/gen/%.o: $(G)/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -W%,$(ALL_CFLAGS)) -MMD -MP -c -o $@ $<

$(B)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# clang's warnings, without code generation
CHECKED := $(patsubst %.c,build/warnings/%.checked,$(foreach d,protocol capture replay daemon,$(wildcard $(d)/*.c $(d)/*/*.c)))
.PHONY: clang-warnings
clang-warnings: $(CHECKED)
	@:
$(CHECKED): build/warnings/%.checked: %.c | $(HEADERS)
	$(Q)mkdir -p $(@D)
	$(Q)clang $(ALL_CFLAGS) -fsyntax-only -MMD -MP -MF $(@:.checked=.d) -MT $@ $<
	$(Q)touch $@

define archive
$(B)/lib$(1).a: $$($(1)_OBJECTS)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar qcs $$@ $$^
endef
$(foreach l,protocol capture replay daemon,$(eval $(call archive,$(l))))

link = $(Q)$(CC) -o $@ $(filter %.o %.a,$^) $(ALL_LDFLAGS)

$(B)/uxrecd: $(B)/daemon/uxrecd.o $(B)/libdaemon.a $(B)/libcapture.a $(B)/libreplay.a $(B)/libprotocol.a
	$(call say,LD,$@)
	$(link) $(call pkg,$(LIBS_daemon) $(LIBS_capture) $(LIBS_replay) $(LIBS_protocol)) -lyuv -lm

$(B)/uxrec-play: $(B)/daemon/play.o $(B)/libdaemon.a $(B)/libcapture.a $(B)/libreplay.a $(B)/libprotocol.a
	$(call say,LD,$@)
	$(link) $(call pkg,$(LIBS_daemon) $(LIBS_capture) $(LIBS_replay) $(LIBS_protocol)) -lyuv -lm

$(B)/uxrec-server: $(B)/daemon/serve/serve_main.o $(B)/libdaemon.a $(B)/libreplay.a $(B)/libprotocol.a
	$(call say,LD,$@)
	$(link) $(call pkg,$(LIBS_daemon) $(LIBS_replay) $(LIBS_protocol)) -lyuv -lm

$(B)/uxrec: $(B)/replay/command/uxrec.o $(B)/libreplay.a $(B)/libprotocol.a
	$(call say,LD,$@)
	$(link) $(call pkg,$(LIBS_replay) $(LIBS_protocol)) -lyuv -lm

$(B)/uxrec-worker: $(B)/daemon/worker/worker_main.o $(B)/daemon/worker/metrics.o $(B)/daemon/worker/export.o $(B)/libreplay.a $(B)/libprotocol.a
	$(call say,LD,$@)
	$(link) $(call pkg,$(LIBS_replay) $(LIBS_protocol)) -lyuv -lm

$(B)/uxrec-inputd: $(B)/capture/inputd/inputd.o $(B)/libcapture.a $(B)/libprotocol.a
	$(call say,LD,$@)
	$(link) $(call pkg,libevdev libudev xcb xcb-xinput xcb-xkb xkbcommon xkbcommon-x11 libsystemd libseccomp $(LIBS_protocol))

$(B)/uxrec-doctor $(B)/uxrec-bench: $(B)/uxrec-%: $(B)/capture/doctor/%_main.o $(B)/libcapture.a $(B)/libprotocol.a
	$(call say,LD,$@)
	$(link) $(call pkg,$(LIBS_capture) $(LIBS_protocol) json-c) -lyuv -lm

$(B)/uxrec-robot: $(B)/daemon/demo/robot.o $(B)/libprotocol.a
	$(call say,LD,$@)
	$(link) $(call pkg,$(LIBS_demo) $(LIBS_protocol))

# ---- the pages ----

W := replay/web
WEB_SOURCES := $(wildcard $(W)/src/*.tsx $(W)/src/*/*.ts $(W)/src/*/*.tsx $(W)/src/*/*.css $(W)/*.html $(W)/*.mjs $(W)/*.json)

web: build/web/app.js

$(W)/node_modules/.stamp: $(W)/package-lock.json
	$(call say,NPM,$(W))
	$(Q)cd $(W) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	$(Q)touch $@

build/web/app.js: $(WEB_SOURCES) $(PROTOS) protocol/constants.h $(W)/node_modules/.stamp
	$(call say,WEB,$@)
	$(Q)cd $(W) && $(NODE) build.mjs

# ---- man pages ----

MAN_SOURCES := $(wildcard daemon/*.scd replay/*/*.scd protocol/*.scd capture/*/*.scd)
MAN_PAGES := $(addprefix build/man/,$(notdir $(MAN_SOURCES:.scd=)))

man: $(MAN_PAGES)

define man_page
build/man/$(notdir $(1:.scd=)): $(1)
	$$(call say,MAN,$$@)
	$$(Q)mkdir -p build/man
	$$(Q)scdoc < $$< > $$@
endef
$(foreach m,$(MAN_SOURCES),$(eval $(call man_page,$(m))))

# ---- the two commands ----

deps:
	$(call install,build)

deps-tests:
	$(call install,$(FOR_TESTS))

run:
	$(call install,build demo)
	$(make) -s all
	@daemon/demo/run $(ARGS)

check:
	$(call install,$(FOR_TESTS))
	$(make) all tests
	$(make) VARIANT=fuzz fuzz-targets
	@UXREC_FUZZ_SECONDS=$${UXREC_FUZZ_SECONDS:-7} tests/run $(TESTS)

# ---- tests ----

T := tests

.PHONY: tests
tests: $(C_TESTS) programs $(T)/node_modules/.stamp
	@:

$(T)/node_modules/.stamp: $(T)/package-lock.json
	$(call say,NPM,$(T))
	$(Q)cd $(T) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	$(Q)touch $@

# server side of Wayland's protocols, and the protocol of windows
TEST_HEADERS := $(G)/capture/wayland/wlr-screencopy-server.h $(G)/tests/xdg-shell.h
XDG_SHELL = $(shell pkg-config --variable=pkgdatadir wayland-protocols)/stable/xdg-shell/xdg-shell.xml
$(HARNESS): | $(HEADERS) $(TEST_HEADERS)

$(G)/capture/%-server.h: capture/%.xml
	$(Q)mkdir -p $(@D)
	$(Q)wayland-scanner server-header $< $@

$(G)/tests/xdg-shell.h:
	$(Q)mkdir -p $(@D)
	$(Q)wayland-scanner client-header $(XDG_SHELL) $@

$(G)/tests/xdg-shell.c:
	$(Q)mkdir -p $(@D)
	$(Q)wayland-scanner private-code $(XDG_SHELL) $@

$(DAMAGE): LIBS_tests += $(LIBS_damage)
$(C_TESTS) $(DAMAGE): $(B)/%: $(B)/%.o $(HARNESS) $(B)/libdaemon.a $(B)/libcapture.a $(B)/libreplay.a $(B)/libprotocol.a
	$(call say,LD,$@)
	$(link) $(call pkg,$(LIBS_tests) $(LIBS_daemon) $(LIBS_capture) $(LIBS_replay) $(LIBS_protocol)) -lyuv -lm

# Calls that tests/unit/protocol/faults.c makes fail; with 64-bit offsets these are the names in the objects.
FAULT_CALLS := malloc calloc realloc strdup strndup asprintf openat write pwrite pwritev pread fstat ftruncate renameat \
	unlinkat posix_fallocate fdatasync fsync clock_gettime pthread_cond_timedwait
$(B)/tests/unit/protocol/faults: ALL_LDFLAGS += $(FAULT_CALLS:%=-Wl,--wrap=%)
$(B)/tests/unit/daemon/slow_disk: ALL_LDFLAGS += -Wl,--wrap=pwritev
$(B)/tests/unit/daemon/connections $(B)/tests/unit/daemon/pages: ALL_LDFLAGS += -Wl,--wrap=clock_gettime
$(B)/tests/unit/capture/accessible: ALL_LDFLAGS += -Wl,--wrap=a11y_query,--wrap=a11y_timer

check-static check-unit check-integration check-browser check-vm:
	$(call install,$(FOR_TESTS))
	$(make) -s all tests
	@tests/run $(@:check-%=%)

FUZZ_TARGETS := $(patsubst %,$(B)/tests/fuzz/%,reader recover fold messages transcript patches study)

.PHONY: fuzz-targets check-fuzz check-crash
fuzz-targets: $(FUZZ_TARGETS)
	@:
$(FUZZ_TARGETS): $(B)/%: $(B)/%.o $(B)/tests/fuzz/target.o $(B)/libreplay.a $(B)/libprotocol.a
	$(call say,LD,$@)
	$(link) -fsanitize=fuzzer $(call pkg,$(LIBS_replay) $(LIBS_protocol)) -lm

# libFuzzer under ASan and UBSan, and exports of hostile sessions: make check-fuzz SECONDS=3600
check-fuzz:
	$(call install,$(FOR_TESTS))
	$(make) -s all tests
	$(make) VARIANT=fuzz fuzz-targets
	@UXREC_FUZZ_SECONDS=$(or $(SECONDS),30) tests/run fuzz

# full length of tests that check shortens
check-all: export UXREC_LONG := 1

# kill -9 and power cuts, a hundred times as often as in check
check-crash:
	$(call install,$(FOR_TESTS))
	$(make) -s tests
	@UXREC_CRASH_ROUNDS=100 UXREC_TEST_SECONDS=7200 tests/run tests/unit/protocol/crash.c

# suppressed: libpulse passes memory between threads by atomics that the sanitizer does not see; PipeWire asks for the
# user's name with getpwuid() in each connecting thread; fontconfig keeps its results up to the end of the program
check-asan check-tsan:
	$(call install,$(FOR_TESTS))
	$(make) VARIANT=$(@:check-%=%) tests
	$(make) web
	@printf 'race:libpulse\nrace:pw_get_user_name\n' >build/$(@:check-%=%)/suppressions
	@echo 'leak:libfontconfig' >build/$(@:check-%=%)/leaks
	@TSAN_OPTIONS=suppressions=$(CURDIR)/build/$(@:check-%=%)/suppressions \
		LSAN_OPTIONS=print_suppressions=0:suppressions=$(CURDIR)/build/$(@:check-%=%)/leaks \
		UXREC_BUILD=build/$(@:check-%=%) tests/run unit integration tests/browser/wire.test.mjs

# tests of the network, and conversations broken at random, against an uxrecd and a libwebsockets both under ASan:
# SECONDS=3600. The library is built from this Debian's source package. ASan keeps little of what is freed: a test has a
# bound of memory.
.PHONY: check-network-asan check-all
check-network-asan:
	$(call install,$(FOR_TESTS) network)
	$(make) VARIANT=asan programs build/asan/tests/unit/daemon/network
	$(make) web $(T)/node_modules/.stamp
	@echo 'leak:libfontconfig' >build/asan/leaks
	@library=$$(tests/fuzz/libwebsockets build/network-asan | tail -n 1) && [ -n "$$library" ] && \
		LD_LIBRARY_PATH=$$library LSAN_OPTIONS=print_suppressions=0:suppressions=$(CURDIR)/build/asan/leaks \
		ASAN_OPTIONS=quarantine_size_mb=32 UXREC_FUZZ_SECONDS=$(or $(SECONDS),120) UXREC_BUILD=build/asan tests/run tests/unit/daemon/network.c \
		tests/integration/session/network.test.mjs tests/browser/wire.test.mjs tests/fuzz/network.mjs

# check and all longer tests
check-all:
	$(make) check
	$(make) check-asan
	$(make) check-tsan
	$(make) check-network-asan
	$(make) check-fuzz
	$(make) check-crash
	$(make) check-coverage
	@UXREC_VM_LONG=1 UXREC_TEST_SECONDS=3600 tests/run vm

# line coverage of protocol/ by the file's tests
check-coverage:
	$(call install,$(FOR_TESTS))
	$(make) VARIANT=coverage tests
	@find build/coverage -name '*.gcda' -delete
	@UXREC_BUILD=build/coverage tests/run $(wildcard tests/unit/protocol/session_file.c tests/unit/protocol/copy.c tests/unit/protocol/crash.c tests/unit/protocol/faults.c \
		tests/unit/protocol/annotations.c tests/integration/session/mcap.test.mjs)
	@tests/coverage build/coverage protocol

bench:
	$(call install,$(FOR_TESTS))
	$(make) -s all tests
	@UXREC_BUILD=$(B) $(NODE) tests/bench/file.mjs
	@tests/bench/run $(ARGS)

# cost of the session file; needs 5 GB of memory for a while
bench-file:
	$(call install,$(FOR_TESTS))
	$(make) -s tests
	@UXREC_BUILD=$(B) $(NODE) tests/bench/file.mjs

# cost of reading an 8 kHz mouse here; on a kernel's devices, with a hundred thousand events of each, beside
# evemu-record: UXREC_VM_LONG=1 tests/run vm
bench-input:
	$(call install,$(FOR_TESTS))
	$(make) -s tests
	@$(B)/tests/bench/input $(ARGS)

# cost of a small screen change as a whole picture, as patches, as stripes and by libx264 with a map of unchanged areas;
# ARGS="--changes 100"
bench-damage:
	$(call install,$(FOR_BENCH))
	$(make) -s $(DAMAGE)
	@$(DAMAGE) $(ARGS)

# cost of screen recording beside other recorders, in half an hour; ARGS="--seconds 10 --peers x11grab"
bench-screen:
	$(call install,$(FOR_BENCH))
	$(make) -s all tests
	@UXREC_BUILD=$(B) $(NODE) tests/bench/screen.mjs $(ARGS)

# timing accuracy of sound over an hour, and its cost; ARGS="--seconds 60"
bench-sound:
	$(call install,$(FOR_TESTS))
	$(make) -s tests
	@$(B)/tests/bench/sound $(ARGS)

# cost of the wall between recorder and network, beside a build of another commit, and the time to come back after a kill:
# UXREC_BEFORE=FOLDER, its build folder; ARGS="--seconds 10 --kills 30 --observers 100"
bench-wall:
	$(call install,$(FOR_TESTS))
	$(make) -s all tests
	@UXREC_BUILD=$(B) $(NODE) tests/bench/wall.mjs $(ARGS)

# ---- installing ----

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/uxrec \
		$(DESTDIR)$(PREFIX)/share/uxrec/web $(DESTDIR)$(PREFIX)/share/uxrec/studies \
		$(DESTDIR)$(PREFIX)/lib/systemd/user $(DESTDIR)$(PREFIX)/lib/systemd/system \
		$(DESTDIR)$(PREFIX)/lib/sysusers.d
	install -m755 $(INSTALLED:%=$(B)/%) $(DESTDIR)$(PREFIX)/bin
	install -m755 $(HELPERS:%=$(B)/%) $(DESTDIR)$(PREFIX)/libexec/uxrec
	install -m644 build/web/* $(DESTDIR)$(PREFIX)/share/uxrec/web
	install -m644 daemon/demo/*.yaml $(DESTDIR)$(PREFIX)/share/uxrec/studies
	for unit in uxrecd.service uxrec-server.socket uxrec-server@.service; do \
		sed 's|@PREFIX@|$(PREFIX)|g' systemd/$$unit.in > $(DESTDIR)$(PREFIX)/lib/systemd/user/$$unit; done
	for unit in uxrec-inputd.service uxrec-inputd.socket; do \
		sed 's|@PREFIX@|$(PREFIX)|g' systemd/$$unit.in > $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit; done
	install -m644 systemd/uxrec-sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/uxrec.conf
	for page in $(MAN_PAGES); do \
		install -D -m644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done

clean:
	rm -rf build

format:
	$(call install,format)
	clang-format-14 -i $$(git ls-files '*.c' '*.h')

-include $(shell find $(B) -name '*.d' 2>/dev/null)
