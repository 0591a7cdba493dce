# `make help` lists what there is to do.

# Where things are installed: for yourself (~/.local, where PREFIX is not set), for all (/usr/local), or below DESTDIR for a
# package (/usr). The scripts take both from their environment, since a path may hold what a shell or make would read.
export PREFIX DESTDIR

CARGO = cargo
RUSTC = rustc
# Where cargo puts what it builds.
TARGET = $(or $(CARGO_TARGET_DIR),target)
# One build for the tests and all that measures: crates of others are compiled again where the features of the tests are left out.
BUILD = $(CARGO) build --workspace --all-targets --locked
# Three programs of that build. The example has cargo count in the features of the tests, so that `make test` after it does not
# compile the crates of others again.
BUILD_DEMO = $(CARGO) build --workspace --locked --bin imgurd --bin imgurctl --bin demo --example blocking
# The programs to install.
BUILT = $(TARGET)/release
# A client that is linked statically starts in half the time. `make install STATIC=` installs the one of plain cargo.
STATIC = $(TARGET)/client
CLIENT = $(or $(STATIC),$(BUILT))/imgurctl
BUILD_CLIENT = $(if $(STATIC),CARGO='$(CARGO)' RUSTC='$(RUSTC)' CARGO_TARGET_DIR='$(TARGET)' systemd/packaging/client '$(STATIC)')
# What a package has in it, and what is given out.
STAGE = $(TARGET)/release/stage
DIST  = $(TARGET)/dist
# What prints the licences of all that is linked in.
NOTICES = systemd/packaging/notices
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

PROGRAMS = imgurd imgurctl

# The programs as users get them, and what measures them.
BENCH  = $(TARGET)/release/bench
# Instructions of a token from the cache, as they are recorded.
RECORD = tests/src/bench/instructions.json

.PHONY: help demo test pictures simulate chaos soak fuzz programs bench counted guard record lint install uninstall stage deb dist clean

help: ## List these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r target does; do \
		printf '  make %-10s %s\n' "$$target" "$$does"; done

demo: ## Show imgurd at work with a fake Imgur, in a temporary directory
	$(BUILD_DEMO)
	$(TARGET)/debug/demo

test: ## Run all tests; says first which Debian packages it installs
	tests/packages test
	@# What is fetched is fetched while cargo builds.
	export CARGO_TARGET_DIR='$(abspath $(TARGET))'; \
	tests/strangers/setup & strangers=$$!; tests/debian-13 & debian=$$!; \
	$(BUILD) && wait $$strangers && wait $$debian
	@test "$$(id -u)" = 0 || echo 'Not root: tests that take another user, cgroups or a machine of their own say so, and are left out.'
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		set -x; $(CARGO) nextest run --config-file tests/nextest.toml --test-threads $$(( $$(nproc) * 2 )) --workspace --all-targets --locked --no-fail-fast; \
	else \
		set -x; $(CARGO) test --workspace --all-targets --locked --no-fail-fast; \
	fi
	$(CARGO) test --workspace --doc --locked --no-fail-fast

pictures: ## Make the pictures of the documents again
	tests/packages pictures
	$(BUILD)
	$(TARGET)/debug/pictures

simulate: ## Try the keeper with new seeds for MINUTES (60)
	IMGURD_SIMULATION_MINUTES='$(or $(MINUTES),60)' $(CARGO) test --package imgurd --lib --locked simulation -- --nocapture

chaos: ## Run random operations on the daemon for MINUTES (60), and check it against the servers' records
	tests/packages chaos
	$(BUILD)
	$(TARGET)/debug/chaos --minutes '$(or $(MINUTES),60)'

soak: ## Kill, time and load the daemon many times, for half an hour
	tests/packages soak
	$(CARGO) build --release --locked $(PROGRAMS:%=--package %) --package imgurd-tests $(PROGRAMS:%=--bin %) --bin soak
	$(TARGET)/release/soak

fuzz: ## Fuzz every parser, ten minutes a target
	tests/packages fuzz
	CARGO_TARGET_DIR='$(abspath $(TARGET))' tests/fuzz/run 600

bench: programs ## Measure the programs against what the machine can do, for a quarter of an hour (ARGUMENTS=--help)
	tests/packages bench
	$(CARGO) build --profile bench --locked --package imgurd-tests --bin bench
	$(BENCH) $(ARGUMENTS)

# Instructions are counted in the programs that the tests use: no other build, and the same figure each time.
guard record: counted
counted:
	tests/packages guard
	$(BUILD)

guard: ## Fail if a token from the cache takes a tenth more instructions than recorded
	$(TARGET)/debug/bench instructions --compare $(RECORD) --within 10

record: ## Record the instructions of now; say in the commit why there are more
	$(TARGET)/debug/bench instructions --save $(RECORD)

lint: ## Check format, code, documentation and dependencies
	$(CARGO) fmt --check
	$(CARGO) clippy --workspace --all-targets --locked --features imgurd-fuzz/libfuzzer -- -D warnings --cfg fuzzing
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
		set -x; $(CARGO) deny --locked check licenses bans sources; \
	else \
		echo 'The dependencies were not checked: that needs `cargo install --locked cargo-deny`.'; \
		test -z "$$CI"; \
	fi

# The programs as plain cargo builds them, and the client that is installed.
programs:
	$(CARGO) build --release --locked $(PROGRAMS:%=--package %)
	$(BUILD_CLIENT)

install: ## Install below PREFIX (~/.local) and start; for packages below DESTDIR
	$(CARGO) build --release --locked $(if $(STATIC),--package imgurd,$(PROGRAMS:%=--package %))
	$(BUILD_CLIENT)
	DAEMON='$(BUILT)/imgurd' CLIENT='$(CLIENT)' systemd/packaging/install

uninstall: ## Stop and remove what install put there; settings and tokens stay
	systemd/packaging/uninstall

# Nothing in them depends on the directory of the sources or on the time: RUSTFLAGS and CFLAGS keep directories out of the
# programs, and all dates are the last commit's. A path that holds a blank cannot be kept out.
CARGO_HOME ?= $(HOME)/.cargo
stage deb dist: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
stage: export RUSTFLAGS += --remap-path-prefix=$(CURDIR)=imgurd --remap-path-prefix=$(CARGO_HOME)=cargo
stage: export CFLAGS += -ffile-prefix-map=$(CURDIR)=imgurd -ffile-prefix-map=$(CARGO_HOME)=cargo

stage:
	rm -rf '$(STAGE)' '$(DIST)'
	$(MAKE) install PREFIX=/usr DESTDIR='$(abspath $(STAGE))'
	$(if $(STATIC),LIBC="$$(cat '$(STATIC)/libc')") $(NOTICES) >'$(STAGE)/usr/share/doc/imgurd/THIRD-PARTY-NOTICES'
	chmod 644 '$(STAGE)/usr/share/doc/imgurd/THIRD-PARTY-NOTICES'

deb: stage ## Build a Debian package
	systemd/packaging/debian/build '$(STAGE)' '$(VERSION)' '$(DIST)'

# An archive that is the same wherever and whenever it is made.
ARCHIVE = tar --sort=name --format=gnu --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$$SOURCE_DATE_EPOCH"
# The clients for Python and JavaScript, with their licences and without what pip and npm leave there.
CLIENTS = $(ARCHIVE) --exclude=build --exclude='*.egg-info' --exclude=__pycache__ --exclude=node_modules -cf -

dist: deb ## Build what is given out: the package, the programs, the clients, what is in them, checksums
	$(ARCHIVE) -C '$(STAGE)' -cJf '$(DIST)/imgurd.tar.xz' usr
	$(CLIENTS) --transform='s,^\(proto/python\)*/*,imgurd-$(VERSION)/,' proto/python LICENSE-MIT LICENSE-APACHE | \
		gzip -9n >'$(DIST)/imgurd-python-$(VERSION).tar.gz'
	$(CLIENTS) --transform='s,^\(proto/js\)*/*,package/,' proto/js LICENSE-MIT LICENSE-APACHE | \
		gzip -9n >'$(DIST)/imgurd-js-$(VERSION).tgz'
	systemd/packaging/sbom >'$(DIST)/imgurd.cdx.json'
	cd '$(DIST)' && sha256sum *.deb *.tar.xz *.tar.gz *.tgz *.json >SHA256SUMS

clean: ## Remove what was built
	$(CARGO) clean
