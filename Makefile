# `make help` lists the targets.

# Where to install: for yourself (~/.local, without PREFIX), for all users (/usr/local), or below DESTDIR for a package (/usr). The
# scripts read both from the environment, because a path may have characters that a shell or make would interpret.
export PREFIX DESTDIR

CARGO = cargo
RUSTC = rustc
# Where cargo puts what it builds.
TARGET = $(or $(CARGO_TARGET_DIR),target)
# One build for the tests and the measurements. Without the features of the tests, cargo would compile the dependencies again.
BUILD = $(CARGO) build --workspace --all-targets --locked
# Some programs of that build, with `--bin NAME` for one more. Because of the example, cargo uses the features of the tests, so that
# `make test` does not compile the dependencies again.
BUILD_SOME = $(CARGO) build --workspace --locked --bin imgurd --bin imgurctl --example blocking
# The programs to install.
BUILT = $(TARGET)/release
# A client that is linked statically starts in half the time. `make install STATIC=` installs the one of plain cargo.
STATIC = $(TARGET)/client
CLIENT = $(or $(STATIC),$(BUILT))/imgurctl
BUILD_CLIENT = $(if $(STATIC),CARGO='$(CARGO)' RUSTC='$(RUSTC)' CARGO_TARGET_DIR='$(TARGET)' systemd/packaging/client '$(STATIC)')
# The contents of a package, and the directory of released files.
STAGE = $(TARGET)/release/stage
DIST  = $(TARGET)/dist
# Prints the licences of the dependencies.
NOTICES = systemd/packaging/notices
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

PROGRAMS = imgurd imgurctl

# Measures the programs as users get them.
BENCH  = $(TARGET)/release/bench
# The recorded instructions of a cached token.
RECORD = tests/src/bench/instructions.json

.PHONY: help demo test pictures simulate chaos soak fuzz programs bench counted guard record sentences lint install uninstall stage deb dist clean

help: ## List these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r target does; do \
		printf '  make %-10s %s\n' "$$target" "$$does"; done

demo: ## Show imgurd at work with a fake Imgur, in a temporary directory
	$(BUILD_SOME) --bin demo
	$(TARGET)/debug/demo

test: ## Run all tests; says first which Debian packages it installs
	tests/packages test
	@# Downloads while cargo builds.
	export CARGO_TARGET_DIR='$(abspath $(TARGET))'; \
	tests/strangers/setup & strangers=$$!; tests/debian-13 & debian=$$!; \
	$(BUILD) && wait $$strangers && wait $$debian
	@test "$$(id -u)" = 0 || echo 'Not root: tests that need another user, cgroups or a booted system are left out, and say so.'
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		set -x; $(CARGO) nextest run --config-file tests/nextest.toml --test-threads $$(( $$(nproc) * 2 )) --workspace --all-targets --locked --no-fail-fast; \
	else \
		set -x; $(CARGO) test --workspace --all-targets --locked --no-fail-fast; \
	fi
	$(CARGO) test --workspace --doc --locked --no-fail-fast

pictures: ## Make the pictures of the documents again
	tests/packages pictures
	$(BUILD_SOME) --bin pictures
	$(TARGET)/debug/pictures

simulate: ## Run the keeper in a simulated world with new seeds for MINUTES (60)
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

# Counts instructions of the programs that the tests use: it needs no other build, and gives the same number each time.
guard record: counted
counted:
	tests/packages guard
	$(BUILD)

guard: ## Fail if a token from the cache takes a tenth more instructions than recorded
	$(TARGET)/debug/bench instructions --compare $(RECORD) --within 10

record: ## Record the current instructions; say in the commit why there are more
	$(TARGET)/debug/bench instructions --save $(RECORD)

sentences: ## List every sentence that the programs print, by file
	@$(BUILD)
	@$(TARGET)/debug/sentences

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

# The programs as cargo builds them, and the client as `make install` installs it.
programs:
	$(CARGO) build --release --locked $(PROGRAMS:%=--package %)
	$(BUILD_CLIENT)

install: ## Install below PREFIX (~/.local) and start imgurd; for packages below DESTDIR
	$(CARGO) build --release --locked $(if $(STATIC),--package imgurd,$(PROGRAMS:%=--package %))
	$(BUILD_CLIENT)
	DAEMON='$(BUILT)/imgurd' CLIENT='$(CLIENT)' systemd/packaging/install

uninstall: ## Stop imgurd and remove what install installed; settings and tokens stay
	systemd/packaging/uninstall

# The released files do not depend on the directory of the sources or on the time: RUSTFLAGS and CFLAGS keep directories out of the
# programs, except one with a blank in its path, and all dates are the last commit's.
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

# A reproducible archive.
ARCHIVE = tar --sort=name --format=gnu --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$$SOURCE_DATE_EPOCH"
# The clients for Python and JavaScript with their licences, without the files that pip and npm leave there.
CLIENTS = $(ARCHIVE) --exclude=build --exclude='*.egg-info' --exclude=__pycache__ --exclude=node_modules -cf -

dist: deb ## Build the released files: package, programs, clients, list of contents, checksums
	$(ARCHIVE) -C '$(STAGE)' -cJf '$(DIST)/imgurd.tar.xz' usr
	$(CLIENTS) --transform='s,^\(proto/python\)*/*,imgurd-$(VERSION)/,' proto/python LICENSE-MIT LICENSE-APACHE | \
		gzip -9n >'$(DIST)/imgurd-python-$(VERSION).tar.gz'
	$(CLIENTS) --transform='s,^\(proto/js\)*/*,package/,' proto/js LICENSE-MIT LICENSE-APACHE | \
		gzip -9n >'$(DIST)/imgurd-js-$(VERSION).tgz'
	systemd/packaging/sbom >'$(DIST)/imgurd.cdx.json'
	cd '$(DIST)' && sha256sum *.deb *.tar.xz *.tar.gz *.tgz *.json >SHA256SUMS

clean: ## Remove everything that was built
	$(CARGO) clean
