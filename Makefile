# make build    release programs, in target/release
# make demo     a lab on this machine: Apache killed three times, healed three times (KEEP=1 leaves it running)
# make test     all tests, of the packages too, against real Nagios, Apache, sshd and CFEngine; needs root or sudo
# make test-installed   the tests of the whole loop, on the installed programs, or on those that were installed into DESTDIR
# make fuzz     fuzz targets, FUZZ_SECONDS=60 each (needs nightly Rust and cargo-fuzz)
# make bench    ratios to the originals, measured in the same run
# make lint     formatting, clippy, documentation
# make deny     licences, bans, sources and, where a database can be had, advisories of all dependencies (needs cargo-deny)
# make docs     manual pages, completions and bills of materials, in target/docs
# make install  DESTDIR= PREFIX=/usr; packaging/install.mk says what goes where
# make packages  rpms and debs of what was built, in target/packages
# make srpm     a source package with all it depends on, which mock and COPR build without a network; make dist: its sources
# make reproducible   builds the packages twice and compares them
# make release  refuses unless version, change logs and tag are the same everywhere

CARGO ?= cargo
CARGO_TARGET_DIR ?= target
OUT = $(CARGO_TARGET_DIR)/release
DOCS = $(CARGO_TARGET_DIR)/docs
.PHONY: all
all: build

include packaging/install.mk

# Our programs look for each other beside themselves, then here.
export SELFHEAL_LIBEXECDIR = $(LIBEXECDIR)

# Everything that runs often, or on a repaired host of any age, is static: it starts in a fraction of the time and needs
# no library. rustup brings the musl target; where there is no rustup the gate is linked statically against glibc, and
# the others dynamically.
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
MUSL := $(subst -gnu,-musl,$(HOST))
RELEASE = $(CARGO) build --release --locked

# For what is given away: no path of this machine stays in our programs, so every machine builds the same. OpenSSL alone
# keeps two, of where it would look for modules below the build directory: build in the same directory, as mock does. It is
# a switch, for with it everything is compiled anew.
ifdef HIDE_PATHS
HIDDEN = $(CURDIR)=/nagios-selfheal $(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo
export RUSTFLAGS := $(RUSTFLAGS) $(addprefix --remap-path-prefix=,$(HIDDEN))
export CFLAGS := $(CFLAGS) $(addprefix -ffile-prefix-map=,$(HIDDEN))
endif

# The tests start sshd and use a directory of root's own. They are built as you and run as root, so what is ignored
# elsewhere because it needs root runs here. The feature builds check_http_openssl as well, which legacy TLS is tested with.
AS_ROOT = $(CURDIR)/packaging/as-root
export SELFHEAL_PROGRAMS ?= $(abspath $(OUT))
export SELFHEAL_PACKAGES ?= $(PACKAGES)

.PHONY: build static docs demo test test-installed fuzz bench lint deny dist srpm packages reproducible release clean

build:
	packaging/prerequisites build
	$(RELEASE) -p handle_repair -p repairctl -p check_repairs --bin repair_worker --bin repairctl --bin check_repairs
	$(RELEASE) -p check_http --no-default-features --features openssl --bin check_http_openssl
	$(MAKE) static
	@echo "The programs are in $(OUT)."

static:
	@if rustup target add $(MUSL) >/dev/null 2>&1 || [ -d "$$(rustc --print target-libdir --target $(MUSL))" ]; then \
		set -ex; \
		$(RELEASE) --target $(MUSL) -p check_http -p repair_gate; \
		$(RELEASE) --target $(MUSL) -p handle_repair --no-default-features --bin handle_repair; \
		install -m 755 $(CARGO_TARGET_DIR)/$(MUSL)/release/check_http $(CARGO_TARGET_DIR)/$(MUSL)/release/repair_gate \
			$(CARGO_TARGET_DIR)/$(MUSL)/release/handle_repair $(OUT); \
	else \
		echo "no musl target here: the gate is linked statically against glibc, the others dynamically"; \
		set -ex; \
		$(RELEASE) -p check_http --bin check_http; \
		$(RELEASE) -p handle_repair --no-default-features --bin handle_repair; \
		RUSTFLAGS="$$RUSTFLAGS -C target-feature=+crt-static" $(RELEASE) --target $(HOST) -p repair_gate; \
		install -m 755 $(CARGO_TARGET_DIR)/$(HOST)/release/repair_gate $(OUT); \
	fi

demo: build
	packaging/prerequisites demo
	$(CARGO) build -q --locked -p e2e --bins
	$(AS_ROOT) $(CARGO_TARGET_DIR)/debug/demo $(if $(KEEP),--keep)

test: build
	$(MAKE) docs packages
	packaging/prerequisites test
	$(CARGO) test --locked --no-fail-fast --workspace --features check_http/openssl --config 'target."cfg(all())".runner = "$(AS_ROOT)"' -- --include-ignored

# The programs are run where packages put them, and find each other there. With DESTDIR, DESTDIR/usr is laid over /usr for
# the tests alone.
INSTALLED = $(BINDIR):$(LIBEXECDIR):$(LIBEXECDIR)/plugins
AS_INSTALLED = $(AS_ROOT) $(CURDIR)/packaging/as-installed $(or $(abspath $(DESTDIR)),/)
TEST_INSTALLED ?= cfengine chain faults names portable privileges replay report scale sweep watch
test-installed:
	packaging/prerequisites test
	SELFHEAL_PROGRAMS=$(INSTALLED) $(CARGO) test --locked --no-fail-fast -p e2e $(TEST_INSTALLED:%=--test %) \
		--config 'target."cfg(all())".runner = "$(AS_INSTALLED)"' -- --include-ignored
	$(CARGO) build -q --locked -p e2e --bins
	SELFHEAL_PROGRAMS=$(INSTALLED) $(AS_INSTALLED) $(CARGO_TARGET_DIR)/debug/demo

bench: build
	packaging/prerequisites test
	$(CARGO) build -q --locked -p e2e --bins
	$(CARGO) build -q --release --locked -p transport --example dispatch
	$(AS_ROOT) $(CARGO_TARGET_DIR)/debug/bench
	$(AS_ROOT) $(OUT)/examples/dispatch

# check_http, which ends with its only run, does not take its tables apart: no leaks are looked for, and its memory grows by 0.1 MB a run.
# What is found besides the committed corpus stays in tests/fuzz/target; an input that breaks something, in tests/fuzz/artifacts.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= $(basename $(notdir $(wildcard tests/fuzz/fuzz_targets/*.rs)))
FUZZ_TARGET_DIR ?= tests/fuzz/target
fuzz:
	packaging/prerequisites fuzz
	$(CARGO) +nightly fuzz build --fuzz-dir tests/fuzz --target-dir $(FUZZ_TARGET_DIR)
	@set -e; for target in $(FUZZ_TARGETS); do \
		mkdir -p $(FUZZ_TARGET_DIR)/found/$$target; \
		ASAN_OPTIONS=detect_leaks=0 $(CARGO) +nightly fuzz run --fuzz-dir tests/fuzz --target-dir $(FUZZ_TARGET_DIR) $$target \
			$(FUZZ_TARGET_DIR)/found/$$target tests/fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=30 -rss_limit_mb=0 -malloc_limit_mb=1024 -print_final_stats=1; \
	done

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --features check_http/openssl --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items

# Without a network the database fetched last is used. A missing database is a note, an advisory an error: cargo-deny exits 1
# for both, so the database is looked for first.
ADVISORIES = $(or $(CARGO_HOME),$(HOME)/.cargo)/advisory-dbs
deny:
	$(CARGO) deny --locked check licenses bans sources
	@if $(CARGO) deny --locked fetch db || ls -d $(ADVISORIES)/*/.git >/dev/null 2>&1; then \
		$(CARGO) deny --locked --offline check advisories; \
	else \
		echo "NOTE: advisories were NOT checked: there is no database in $(ADVISORIES), and none could be fetched"; \
	fi

docs:
	$(RELEASE) -p docs
	$(OUT)/docs $(DOCS)

PACKAGES = $(abspath $(CARGO_TARGET_DIR))/packages
dist:
	packaging/dist $(PACKAGES)

srpm: dist
	rpmbuild -bs --define "_sourcedir $(PACKAGES)" --define "_srcrpmdir $(PACKAGES)" packaging/rpm/nagios-selfheal.spec

packages:
	packaging/prerequisites packages
	packaging/packages $(OUT) $(DOCS) $(PACKAGES)
	rpmlint --config packaging/rpm/rpmlint.toml packaging/rpm/nagios-selfheal.spec $(PACKAGES)/*.rpm
	lintian --allow-root --fail-on error,warning $(PACKAGES)/*.deb

reproducible:
	packaging/prerequisites packages
	packaging/reproducible $(OUT) $(DOCS)

release:
	packaging/release

clean:
	$(CARGO) clean
