# modserver - make, make run, make test; `make help` lists the rest.
#
# GNU make (gmake on the BSDs).  Objects go to $(BUILD), the server to
# ./modserver, modules to module/*.so; with another BUILD all of it goes there,
# which is how the sanitized variants stand beside the plain one.

CC      = cc
CXX     = c++
CFLAGS  = -O2 -g
LDFLAGS =
PREFIX  = /usr/local
DESTDIR =
PYTHON  = /usr/bin/python3
RUBY    = /usr/bin/ruby
GO      = /usr/bin/go
RUSTC   = /usr/bin/rustc
GDC     = gdc
NIM     = nim
GHC     = ghc
BUILD   = build
OUT     = $(if $(filter build,$(BUILD)),.,$(BUILD))
# Seconds for each target of `make fuzz`; requests in each language of `make soak`.
FUZZ_SECONDS = 60
REQUESTS = 1000000
# One of src/poller_*.c: epoll, kqueue, poll.
SYSTEM := $(shell uname -s)
POLLER = $(or $(POLLER_$(SYSTEM)),poll)
POLLER_Linux   = epoll
POLLER_FreeBSD = kqueue
POLLER_OpenBSD = kqueue
POLLER_NetBSD  = kqueue
POLLER_Darwin  = kqueue

# What may be overridden stands above, what must be there below.
FLAGS     = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -Isrc -I. -I$(BUILD) -I$(DEP) -pthread \
	-Wall -Wextra $(if $(WERROR),-Werror) -fvisibility=hidden -fPIE $(HARDEN)
HARDEN    = -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
LINK      = -pie -rdynamic -pthread $(LINK_$(SYSTEM))
LINK_Linux = -Wl,-z,relro,-z,now
LIBS      = $(LUA_LIBS) -lm $(LIBS_$(SYSTEM))
LIBS_Linux = -ldl
LUA       = lua5.4
LUA_FLAGS := $(shell pkg-config --cflags $(LUA) 2>/dev/null)
LUA_LIBS  := $(shell pkg-config --libs $(LUA) 2>/dev/null)
# kqueue is in libc where it is native.  On Linux it is a stand-in, for tests,
# and what is written for other systems than Linux is compiled with it.
STAND_IN     = $(if $(filter Linux-kqueue,$(SYSTEM)-$(POLLER)),kqueue)
FLAGS_kqueue = $(if $(STAND_IN),-Itest/kqueue -U__linux__)

DEP      = build/dep
SOURCES  = $(filter-out src/poller_%,$(wildcard src/*.c)) src/poller_$(POLLER).c
# Where those are that do not know the poller: over poll(2) the plain build's.
ALIKE    = $(BUILD:build/poll=build)
OBJECTS  = $(patsubst src/%.c,$(ALIKE)/%.o,$(filter-out src/poller_%,$(SOURCES))) \
	$(BUILD)/poller_$(POLLER).o $(ALIKE)/http_parser.o $(STAND_IN:%=$(BUILD)/%.o)
MODULES  = $(patsubst module/%.c,$(OUT)/module/%.so,$(wildcard module/*.c))
EXAMPLES = $(patsubst %.c,%.so,$(wildcard examples/c/*.c)) \
	$(patsubst %.cc,%.so,$(wildcard examples/c++/*.cc)) \
	$(patsubst %.rs,%.so,$(wildcard examples/rust/*.rs)) \
	$(patsubst %.d,%.so,$(wildcard examples/d/*.d)) \
	$(patsubst %.nim,%.so,$(wildcard examples/nim/*.nim)) \
	$(patsubst %.hs,%.so,$(wildcard examples/haskell/*.hs)) \
	$(patsubst %/,%.go.so,$(dir $(wildcard examples/go/*/*.go)))
UNIT_OBJECTS = $(patsubst build/kqueue,build,$(ALIKE))/test/unit
UNITS    = $(patsubst %.c,$(BUILD)/%,$(wildcard test/unit/test_*.c))
SERVLETS = $(patsubst %.c,build/%.so,$(wildcard test/servlets/*.c))
GOTESTS  = $(patsubst test/go/%/,build/test/go/%.go.so,$(dir $(wildcard test/go/*/*.go))) \
	build/test/go/frameworks.server
VARIANTS = asan tsan poll kqueue
REPLAYS  = $(patsubst %.c,$(BUILD)/%,$(wildcard test/fuzz/fuzz_*.c))
FUZZERS  = $(patsubst %.c,$(BUILD)/%.fuzz,$(wildcard test/fuzz/fuzz_*.c))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all help server modules examples run bench bench-quick test $(VARIANTS:%=test-%) \
	programs soak check $(VARIANTS) fuzz fuzzers fuzz-coverage replays http-table coverage \
	install uninstall clean FORCE

all: server modules examples
server: $(OUT)/modserver
modules: $(MODULES)
examples: $(EXAMPLES)

help:
	@echo 'make            the server, its modules and the examples that can be built here'
	@echo 'make run        install what is missing, build, serve config.conf on port 8080'
	@echo 'make test       unit and end-to-end tests, also under ASan and UBSan, over poll(2) and kqueue(2)'
	@echo 'make check      clang-tidy and cppcheck'
	@echo 'make asan tsan poll kqueue      a variant in build/asan, build/tsan ...'
	@echo 'make test-asan test-tsan ...    its tests alone'
	@echo 'make soak       each language for REQUESTS=$(REQUESTS) requests'
	@echo 'make fuzz       each fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS)'
	@echo 'make fuzz-coverage      how much of the server each executes'
	@echo 'make http-table how other servers read the cases of test/http: test/http/RESULTS.md'
	@echo 'make coverage   lines of the code that reads requests which the tests reach'
	@echo 'make bench-quick bench   compare with other servers: 5 minutes, 25 minutes'
	@echo 'make install uninstall  under DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)'
	@echo 'make clean'
	@echo 'Variables: CC CFLAGS LDFLAGS BUILD POLLER=$(POLLER) WERROR=1 PYTHON RUBY GO RUSTC GDC NIM GHC'

# As many compilers at once as there are processors, unless -j says otherwise.
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-O -j$(shell getconf _NPROCESSORS_ONLN))

# dep/install may bring the very compiler, so the build is a make of its own.
run:
	dep/install run
	$(MAKE) $(JOBS) all
	exec ./modserver config.conf

test:
	dep/install test
	$(MAKE) $(JOBS) WERROR=1 all programs
	$(MAKE) $(JOBS) WERROR=1 asan
	PYTHON=$(PYTHON) $(PYTHON) test/run --meanwhile '$(MEANWHILE)' \
	    build/asan build build/poll:$(SERVER) build/kqueue:$(BRIEF)

# Where its tests wait for time to pass.
MEANWHILE = $(MAKE) -O -j$(shell getconf _NPROCESSORS_ONLN) WERROR=1 poll kqueue

# No language knows the poller.
SERVER     = test_0,test_1,test_2,test_3,test_4,test_5,test_8
BRIEF      = test_04,test_13,test_14,test_16,test_17,test_22,test_30,test_40,test_55,test_82
# One variant alone: everything, but for ThreadSanitizer, which is slow, what
# has the loop change hands most often.
TESTS_tsan = :test_20,test_21,test_31,test_82
$(VARIANTS:%=test-%): test-%:
	dep/install test
	$(MAKE) $(JOBS) WERROR=1 all programs
	$(MAKE) $(JOBS) WERROR=1 $*
	PYTHON=$(PYTHON) $(PYTHON) test/run build/$*$(TESTS_$*)

soak: all programs
	for f in test/soak/soak_*.py; do REQUESTS=$(REQUESTS) $(PYTHON) $$f || exit 1; done

programs: $(UNITS) $(SERVLETS) $(GOTESTS)

# --------------------------------------------------------------- variants
asan:
	$(MAKE) BUILD=build/asan HARDEN= CFLAGS='-O1 -g -fno-omit-frame-pointer \
	    -fsanitize=address,undefined -fno-sanitize-recover=undefined' server modules programs replays

tsan:
	$(MAKE) BUILD=build/tsan HARDEN= CFLAGS='-O1 -g -fno-omit-frame-pointer \
	    -fsanitize=thread' server modules programs

# Modules and unit tests do not know the poller: they are those of the plain build.
poll kqueue: server modules programs
	$(MAKE) BUILD=build/$@ POLLER=$@ server programs
	@test -L build/$@/module || { rm -rf build/$@/module; ln -s ../../module build/$@/module; }

fuzz:
	dep/install fuzz
	$(MAKE) BUILD=build/fuzz CC=clang HARDEN= CFLAGS='-O1 -g -fno-omit-frame-pointer \
	    -fsanitize=fuzzer-no-link,address,undefined' fuzzers
	for f in $(basename $(notdir $(wildcard test/fuzz/fuzz_*.c))); do \
	    mkdir -p build/fuzz/corpus/$$f test/fuzz/corpus/$$f && \
	    build/fuzz/test/fuzz/$$f.fuzz -max_total_time=$(FUZZ_SECONDS) -timeout=25 \
	        -dict=test/fuzz/$$(test $$f = fuzz_config && echo config || echo http).dict \
	        -artifact_prefix=build/fuzz/ build/fuzz/corpus/$$f test/fuzz/corpus/$$f || exit 1; \
	done

fuzzers: $(FUZZERS)

# How much of the server each target executes over the committed corpus.
fuzz-coverage:
	dep/install fuzz
	$(MAKE) BUILD=build/fuzz-coverage CC=clang HARDEN= CFLAGS='-O1 -g -fprofile-instr-generate \
	    -fcoverage-mapping' replays
	$(PYTHON) test/fuzz/coverage

replays: $(REPLAYS)

http-table:
	$(MAKE) server modules programs
	$(PYTHON) test/http/compare

coverage:
	$(MAKE) BUILD=build/coverage HARDEN= CFLAGS='-O0 -g --coverage -fprofile-update=atomic' \
	    server modules programs replays
	PYTHON=$(PYTHON) test/coverage build/coverage

# -------------------------------------------------------------- benchmark
bench bench-quick:
	dep/install bench
	$(MAKE) all
	bench/run $(if $(filter bench-quick,$@),--quick)

# ----------------------------------------------------------------- server
$(OUT)/modserver: $(OBJECTS)
	$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) -o $@ $(OBJECTS) $(LIBS)

$(BUILD)/libmodserver.a: $(filter-out %/main.o,$(OBJECTS))
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/%.o: src/%.c $(BUILD)/flags
	$(CC) $(FLAGS) $(FLAGS_$(POLLER)) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/kqueue.o: test/kqueue/kqueue.c test/kqueue/sys/event.h $(BUILD)/flags
	$(CC) $(FLAGS) $(FLAGS_kqueue) $(CFLAGS) -c -o $@ $<

$(BUILD)/main.o $(BUILD)/config.o $(BUILD)/config_host.o $(BUILD)/config_take.o: FLAGS += $(LUA_FLAGS)
CONFIG_LUA = $(BUILD)/config_lua.h $(BUILD)/config_values_lua.h $(BUILD)/config_files_lua.h
$(BUILD)/config.o: $(CONFIG_LUA)
$(BUILD)/parser.o: $(DEP)/http_parser.h
$(BUILD)/program.o: FLAGS += -DMODULE_DIRECTORY='"$(PREFIX)/lib/modserver"'
$(BUILD)/program.o: $(BUILD)/prefix

$(BUILD)/config_lua.h: config.lua
$(BUILD)/config_values_lua.h: src/config_values.lua
$(BUILD)/config_files_lua.h: src/config_files.lua
$(CONFIG_LUA): src/embed.sh $(BUILD)/flags
	sh src/embed.sh $(filter %.lua,$^) $(basename $(@F)) > $@

# http-parser comes from Debian's source package, built strict.
$(BUILD)/http_parser.o: $(DEP)/http_parser.h $(BUILD)/flags
	$(CC) -fPIE $(HARDEN) -DHTTP_PARSER_STRICT=1 $(CFLAGS) -c -o $@ $(DEP)/http_parser.c

$(DEP)/http_parser.h: dep/http-parser
	mkdir -p $(DEP)
	CC='$(CC)' dep/http-parser $(DEP)
	touch $@

# Changes when the compiler or its flags do, so that everything is built anew.
# All that is compiled needs it, so here is also said, once, what is missing.
$(BUILD)/flags: FORCE
	@command -v $(firstword $(CC)) >/dev/null || \
	    { echo '$(firstword $(CC)) not found: run dep/install build' >&2; exit 1; }
	@$(call has_header,lua.h,$(LUA_FLAGS)) || \
	    { echo 'lua.h of Lua 5.4 not found: run dep/install build' >&2; exit 1; }
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS) $(HARDEN) $(POLLER)' | cmp -s - $@ || \
	    echo '$(CC) $(CFLAGS) $(HARDEN) $(POLLER)' > $@

$(BUILD)/prefix: FORCE
	@mkdir -p $(@D)
	@echo '$(PREFIX)' | cmp -s - $@ || echo '$(PREFIX)' > $@

# ---------------------------------------------------------------- modules
# A module may need a header, which says the flags to find it and the package
# that has it; without it the module is left out, with one line.
lua_header     = lua.h
lua_flags      = $(LUA_FLAGS)
lua_libs       = $(LUA_LIBS)
lua_package    = liblua5.4-dev
python_header  = Python.h
python_flags   = $(shell $(PYTHON)-config --includes 2>/dev/null)
python_libs    = $(shell $(PYTHON)-config --libs --embed 2>/dev/null)
python_package = python3-dev
# Ruby's exceptions leave stack frames without AddressSanitizer's noticing.
ruby_header    = ruby.h
ruby_flags     = $(shell $(RUBY) -rrbconfig -e 'c = RbConfig::CONFIG; \
	puts "-isystem #{c["rubyhdrdir"]} -isystem #{c["rubyarchhdrdir"]}"' 2>/dev/null) -I$(BUILD) \
	$(if $(findstring fsanitize=address,$(CFLAGS)),--param=asan-stack=0)
ruby_libs      = $(shell $(RUBY) -rrbconfig -e 'puts RbConfig::CONFIG["LIBRUBYARG_SHARED"]' 2>/dev/null)
ruby_package   = ruby-dev
guile_header   = libguile.h
guile_flags    = $(shell pkg-config --cflags guile-3.0 2>/dev/null) -I$(BUILD)
guile_libs     = $(shell pkg-config --libs guile-3.0 2>/dev/null)
guile_package  = guile-3.0-dev

MODULE_FLAGS = -std=gnu11 -D_GNU_SOURCE -I. -pthread -Wall -Wextra $(if $(WERROR),-Werror) \
	-fvisibility=hidden -fPIC -shared $(HARDEN) $(LINK_$(SYSTEM))
has_header = $(if $(1),printf '\043include <%s>\n' $(1) | $(CC) $(2) -E - >/dev/null 2>&1,true)

# Ruby's module has a part in Ruby built in, Guile's one in Scheme, compiled.
$(OUT)/module/ruby.so: $(BUILD)/ruby_prelude.h
$(BUILD)/ruby_prelude.h: module/ruby/prelude.rb src/embed.sh $(BUILD)/flags
	sh src/embed.sh $< ruby_prelude > $@

$(OUT)/module/guile.so: $(BUILD)/guile_prelude.h
$(BUILD)/guile_prelude.h: module/guile/prelude.scm src/embed.sh $(BUILD)/flags
	$(if $(guile_libs),GUILE_AUTO_COMPILE=0 $$(pkg-config --variable=guild guile-3.0) compile -W0 -o $(@:.h=.go) $< && \
	sh src/embed.sh $(@:.h=.go) guile_prelude) > $@

# A module is one file, or one and a directory of the same name.
.SECONDEXPANSION:
$(OUT)/module/%.so: module/%.c $$(wildcard module/$$*/*.[ch]) $(wildcard module/*.h) modserver.h \
    $(BUILD)/flags
	@mkdir -p $(@D)
	@if $(call has_header,$($*_header),$($*_flags)); then set -x; \
	    $(CC) $(MODULE_FLAGS) $($*_flags) $(CFLAGS) -o $@ $(filter %.c,$^) $($*_libs); \
	else rm -f $@; \
	    echo 'skipped: $* ($($*_header) not found: apt-get install $($*_package))'; fi

# module.go is module.so under another name.
$(OUT)/module/go.so: $(wildcard module/so/*.[ch])

# --------------------------------------------------------------- examples
EXAMPLE_FLAGS = -I. -Wall -Wextra -O2 -g -shared -fPIC $(HARDEN) $(LINK_$(SYSTEM))

examples/c/%.so: examples/c/%.c $(wildcard examples/c/*.h) modserver.h $(BUILD)/flags
	$(CC) $(EXAMPLE_FLAGS) -o $@ $<

# $(call compile,COMPILER,PACKAGE,ARGUMENTS): $@, where there is that compiler.
define compile
	@if command -v $(1) >/dev/null; then set -x; $(1) $(3); \
	else rm -f $@; echo 'skipped: $@ ($(1) not found: apt-get install $(2))'; fi
endef

examples/c++/%.so: examples/c++/%.cc modserver.h $(BUILD)/flags
	$(call compile,$(CXX),g++,$(EXAMPLE_FLAGS) -o $@ $<)

examples/rust/%.so: examples/rust/%.rs
	$(call compile,$(RUSTC),rustc,--edition 2021 -O -C strip=symbols --crate-type cdylib -o $@ $<)

examples/d/%.so: examples/d/%.d $(BUILD)/flags
	$(call compile,$(GDC),gdc,-Wall -O2 -shared -fPIC $(LINK_$(SYSTEM)) -o $@ $<)

examples/nim/%.so: examples/nim/%.nim modserver.h $(BUILD)/flags
	$(call compile,$(NIM),nim,c --hints:off --app:lib --noMain --mm:arc -d:release -d:noSignalHandler \
	    --passC:'-I. $(HARDEN)' --passL:'$(LINK_$(SYSTEM))' --nimcache:build/nim/$* -o:$@ $<)

examples/haskell/%.so: examples/haskell/%.hs examples/haskell/runtime.c modserver.h $(BUILD)/flags
	$(call compile,$(GHC),ghc,-v0 -O -Wall -dynamic -shared -fPIC -I. -outputdir build/haskell -o $@ \
	    $(filter %.hs %.c,$^) $(HARDEN:%=-optc%) $(LINK_$(SYSTEM):%=-optl%) \
	    -lHSrts-ghc$$($(GHC) --numeric-version))

# Go keeps what it has compiled, its standard library first of all, in build/go
# (about half a minute for two processors), and asks no network.  The flags for C
# are its own, so that what is kept there serves a test that builds by hand, too.
GO_BUILD = env GOCACHE='$(CURDIR)/build/go/cache' GOPATH='$(CURDIR)/build/go/path:/usr/share/gocode' \
	GOFLAGS= GOPROXY=off GOSUMDB=off GOWORK=off CGO_ENABLED=1 CGO_CFLAGS= \
	$(GO) build -ldflags='-w -extldflags "$(LINK_$(SYSTEM))"'
GO_API   = $(wildcard api/go/*) modserver.h
GOCODE   = /usr/share/gocode/src/github.com
# What NAME.go.so needs beyond Go, and the package that has it.
notes_needs        = $(GOCODE)/go-chi/chi
notes_package      = golang-github-go-chi-chi-dev
frameworks_needs   = $(GOCODE)/go-chi/chi $(GOCODE)/gorilla/mux $(GOCODE)/gin-gonic/gin
frameworks_package = golang-github-go-chi-chi-dev golang-github-gorilla-mux-dev \
	golang-github-gin-gonic-gin-dev
# $(call go_build,GO111MODULE,buildmode): the commands for $@.  It is moved into
# place, for a server may have the old one in its memory.
define go_build
	@mkdir -p build/go $(@D)
	@if ! command -v $(GO) >/dev/null; then rm -f $@; \
	    echo 'skipped: $@ ($(GO) not found: apt-get install golang-go)'; \
	elif ! ls -d $($*_needs) >/dev/null 2>&1; then rm -f $@; \
	    echo 'skipped: $@ (apt-get install $($*_package))'; \
	else set -x; cd $(<D) && GO111MODULE=$(1) \
	    $(GO_BUILD) -buildmode=$(2) -o '$(CURDIR)/build/go/$(@F)' . && \
	    mv '$(CURDIR)/build/go/$(@F)' '$(CURDIR)/$@'; fi
endef

examples/go/%.go.so: $$(wildcard examples/go/$$*/*.go) \
    $$(wildcard examples/go/go.mod examples/go/$$*/go.mod) $(GO_API)
	$(call go_build,on,c-shared)

# The others need what this one needs, or a part of it; compiled at the same
# time, that would be compiled for each.
examples/go/hello.go.so examples/go/test.go.so $(GOTESTS): | examples/go/notes.go.so
build/test/go/frameworks.server: | build/test/go/frameworks.go.so

# ------------------------------------------------------------------ tests
$(BUILD)/test/unit/%.o: test/unit/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/test/unit/%: $(UNIT_OBJECTS)/%.o $(BUILD)/libmodserver.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LINK) $(LDFLAGS) -o $@ $< $(BUILD)/libmodserver.a -lcmocka $(LIBS)

build/test/servlets/%.so: test/servlets/%.c modserver.h
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -I. -Wall -Wextra -O1 -g -shared -fPIC -pthread -o $@ $<

# Debian's packages lie in a GOPATH, without modules; api/go is put beside them,
# and modserver.h where that looks for it.
GO_PATH  = build/go/path/src/modserver build/go/path/modserver.h
build/test/go/%.go.so: $$(wildcard test/go/$$*/*.go) $(GO_API) | $(GO_PATH)
	$(call go_build,off,c-shared)

# The same as a server of its own, to compare with.  It calls nothing of ours,
# which is not there.
build/test/go/%.server: LINK_Linux = -Wl,-z,relro,-z,lazy
build/test/go/%.server: $$(wildcard test/go/$$*/*.go) $(GO_API) | $(GO_PATH)
	$(call go_build,off,pie)

build/go/path/src/modserver:
	@mkdir -p $(@D)
	ln -s ../../../../api/go $@

build/go/path/modserver.h:
	@mkdir -p $(@D)
	ln -s ../../../modserver.h $@

# Each fuzz target twice: with libFuzzer, and as a program that replays files.
$(BUILD)/test/fuzz/%: test/fuzz/%.c test/fuzz/replay.c test/fuzz/reference.h $(BUILD)/libmodserver.a
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(CFLAGS) $(LINK) $(LDFLAGS) -o $@ $< test/fuzz/replay.c $(BUILD)/libmodserver.a $(LIBS)

$(BUILD)/test/fuzz/%.fuzz: test/fuzz/%.c test/fuzz/reference.h $(BUILD)/libmodserver.a
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(CFLAGS) -fsanitize=fuzzer $(LINK) $(LDFLAGS) -o $@ $< $(BUILD)/libmodserver.a $(LIBS)

# What is checked is .clang-tidy's business.  One file at a time: clang-tidy 14
# takes every va_list for uninitialized in the second one.
CHECKED = $(SOURCES) module/so.c $(wildcard module/cgi.c module/cgi/*.c)
check: $(CONFIG_LUA) $(DEP)/http_parser.h
	@if command -v clang-tidy-14 >/dev/null; then \
	    printf '%s\n' $(CHECKED) | xargs -n 1 -P 2 sh -c 'exec clang-tidy-14 --quiet "$$0" -- \
	        $(FLAGS) $(LUA_FLAGS) -DMODULE_DIRECTORY=\"\" 2>/dev/null' && echo 'clang-tidy: clean'; \
	else echo 'skipped: clang-tidy (apt-get install clang-tidy-14)'; fi
	@if command -v cppcheck >/dev/null; then \
	    cppcheck --quiet --std=c11 --enable=warning,portability --error-exitcode=1 \
	        --inline-suppr --suppress=missingIncludeSystem -D_GNU_SOURCE -Isrc -I. $(CHECKED) && \
	    echo 'cppcheck: clean'; \
	else echo 'skipped: cppcheck (apt-get install cppcheck)'; fi

# ---------------------------------------------------------------- install
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/modserver \
	    $(DESTDIR)$(PREFIX)/include/modserver
	install modserver $(DESTDIR)$(PREFIX)/bin/modserver
	for f in $(wildcard $(MODULES)); do \
	    install -m 644 $$f $(DESTDIR)$(PREFIX)/lib/modserver/ || exit 1; done
	install -m 644 modserver.h $(DESTDIR)$(PREFIX)/include/modserver.h
	install -m 644 $(wildcard module/*.h) $(DESTDIR)$(PREFIX)/include/modserver/
	for f in $(wildcard man/*.[1-8]); do \
	    d=$(DESTDIR)$(PREFIX)/share/man/man$${f##*.} && install -d $$d && \
	    install -m 644 $$f $$d/ || exit 1; done
	for f in $(wildcard api/*/*.*); do \
	    d=$(DESTDIR)$(PREFIX)/share/modserver/$${f%/*} && install -d $$d && \
	    install -m 644 $$f $$d/ || exit 1; done

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/modserver $(DESTDIR)$(PREFIX)/include/modserver.h
	rm -rf $(DESTDIR)$(PREFIX)/lib/modserver $(DESTDIR)$(PREFIX)/include/modserver \
	    $(DESTDIR)$(PREFIX)/share/modserver
	for f in $(wildcard man/*.[1-8]); do \
	    rm -f $(DESTDIR)$(PREFIX)/share/man/man$${f##*.}/$${f##*/}; done

clean:
	rm -rf build modserver module/*.so examples/*/*.so

-include $(wildcard $(BUILD)/*.d $(BUILD)/test/unit/*.d)
