# `make help` lists what there is to do.

PREFIX  = $(HOME)/.local
DESTDIR =

# Where things go. Every directory below is one that its reader searches, for a PREFIX of ~/.local, /usr/local and /usr.
BINDIR  = $(PREFIX)/bin
UNITDIR = $(PREFIX)/share/systemd/user
BASHDIR = $(PREFIX)/share/bash-completion/completions
ZSHDIR  = $(PREFIX)/share/zsh/site-functions
FISHDIR = $(PREFIX)/share/fish/vendor_completions.d

CARGO = cargo
# Where cargo puts what it builds.
TARGET = $(or $(CARGO_TARGET_DIR),target)
# The demo and the tests share one build: crates come out differently where the tests' own features are left out.
BUILD = $(CARGO) build --workspace --all-targets --locked

UNITS       = imgurd.service imgurd.socket imgurd-remote.socket
PROGRAMS    = imgurd imgurctl
COMPLETIONS = $(BASHDIR)/imgurctl $(ZSHDIR)/_imgurctl $(FISHDIR)/imgurctl.fish

.PHONY: help demo test simulate soak fuzz lint install uninstall clean

help: ## List these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r target does; do \
		printf '  make %-10s %s\n' "$$target" "$$does"; done

demo: ## Show imgurd at work with a fake Imgur, in a temporary directory
	tests/packages
	CARGO_TARGET_DIR='$(abspath $(TARGET))' tests/strangers/setup
	$(BUILD)
	$(TARGET)/debug/demo

test: ## Run all tests
	tests/packages
	CARGO_TARGET_DIR='$(abspath $(TARGET))' tests/strangers/setup
	$(BUILD)
	@test "$$(id -u)" = 0 || echo 'Not root: tests that take another user, cgroups or a machine of their own say so, and are left out.'
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		set -x; $(CARGO) nextest run --config-file tests/nextest.toml --workspace --all-targets --locked --no-fail-fast; \
	else \
		set -x; $(CARGO) test --workspace --all-targets --locked --no-fail-fast; \
	fi
	$(CARGO) test --workspace --doc --locked --no-fail-fast

simulate: ## Try the keeper with new seeds for MINUTES (60)
	IMGURD_SIMULATION_MINUTES='$(or $(MINUTES),60)' $(CARGO) test --package imgurd --lib --locked simulation -- --nocapture

soak: ## Kill, time and load the daemon many times over, half an hour long
	tests/packages
	$(CARGO) build --release --locked $(PROGRAMS:%=--package %) --package imgurd-tests $(PROGRAMS:%=--bin %) --bin soak
	$(TARGET)/release/soak

fuzz: ## Feed all that is read with what nobody would write, ten minutes a target
	tests/packages
	CARGO_TARGET_DIR='$(abspath $(TARGET))' tests/fuzz/run 600

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

install: ## Install below PREFIX (~/.local), for packages below DESTDIR
	$(CARGO) build --release --locked $(PROGRAMS:%=--package %)
	install -d $(addprefix '$(DESTDIR)',$(BINDIR) $(UNITDIR) $(BASHDIR) $(ZSHDIR) $(FISHDIR))
	install -m 755 $(PROGRAMS:%='$(TARGET)/release/%') '$(DESTDIR)$(BINDIR)'
	for unit in $(UNITS); do \
		sed 's|@BINDIR@|$(BINDIR)|g' "systemd/$$unit.in" >"$(DESTDIR)$(UNITDIR)/$$unit" || exit; done
	'$(TARGET)/release/imgurctl' completions bash >'$(DESTDIR)$(BASHDIR)/imgurctl'
	'$(TARGET)/release/imgurctl' completions zsh >'$(DESTDIR)$(ZSHDIR)/_imgurctl'
	'$(TARGET)/release/imgurctl' completions fish >'$(DESTDIR)$(FISHDIR)/imgurctl.fish'
	@if test -z '$(DESTDIR)'; then \
		command -v imgurctl >/dev/null || echo 'Put $(BINDIR) on your PATH to find imgurctl.'; \
		echo 'Next: systemctl --user enable --now imgurd (on a machine without a keyring, first: imgurctl init --store file)'; \
	fi

uninstall: ## Remove what install put there; settings and tokens stay
	rm -f $(addprefix '$(DESTDIR)',$(PROGRAMS:%=$(BINDIR)/%) $(UNITS:%=$(UNITDIR)/%) $(COMPLETIONS))

clean: ## Remove what was built
	$(CARGO) clean
