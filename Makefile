# make build           build the release programs in target/release
# make demo            start a lab on this machine, kill Apache three times and watch three repairs
#                      (KEEP=1 leaves the lab running)
# make test            run all tests, including the package tests, with the real Nagios, Apache,
#                      sshd and CFEngine (needs root or sudo)
# make test-cluster    test three servers on a Patroni cluster whose leaders fail (needs root or
#                      sudo; takes minutes)
# make test-all        run make test and make test-cluster
# make test-installed  run the end-to-end tests on the installed programs, or on those in DESTDIR
# make fuzz            run each fuzz target for FUZZ_SECONDS=60 (needs nightly Rust and cargo-fuzz)
# make compat          run RUNS=50000 random command lines with check_http and the original, and print
#                      how often each quirk occurs (SELFHEAL_SEED=n repeats a run)
# make bench           measure our programs and the originals in one run, and print the ratios
# make scale           measure how the cost of each program grows up to a site of 100,000 services
#                      with a year of history (takes minutes and 5 GB in /var/lib; SCALE=0.1 for a
#                      smaller one)
# make lint            check formatting, clippy and the documentation
# make draw            print random texts for readers to rate (SELFHEAL_SEED=n repeats a draw)
# make deny            check licences, bans, sources and advisories of all dependencies (needs
#                      cargo-deny)
# make docs            write manual pages, completions and bills of materials to target/docs
# make install         install to DESTDIR= with PREFIX=/usr (see packaging/install.mk)
# make packages        put the built programs into rpms and debs in target/packages
# make dist            write the source archive and the archive of vendored crates
# make srpm            build a source package that mock and COPR can build without a network
# make reproducible    build the packages twice and compare them
# make release         check that the versions in all files and the tag are the same

CARGO ?= cargo
CARGO_TARGET_DIR ?= target
OUT = $(CARGO_TARGET_DIR)/release
DOCS = $(CARGO_TARGET_DIR)/docs
.PHONY: all
all: build

include packaging/install.mk

# The programs look for each other in their own directory first, and then in LIBEXECDIR.
export SELFHEAL_LIBEXECDIR = $(LIBEXECDIR)

# Programs are linked statically if they run often, or if they must run on repaired hosts of any
# age. Static programs start much faster and need no library. rustup provides the musl target.
# Without rustup, the gate is linked statically against glibc, and the others dynamically.
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
MUSL := $(subst -gnu,-musl,$(HOST))
RELEASE = $(CARGO) build --release --locked

# HIDE_PATHS removes the build machine's paths from the programs, so that builds on different
# machines are identical. Set it for packages that you distribute. Two paths remain, because OpenSSL
# looks for modules below the build directory. So always build in the same directory, as mock does.
# HIDE_PATHS is off by default because changing the flags recompiles everything.
ifdef HIDE_PATHS
HIDDEN = $(CURDIR)=/nagios-selfheal $(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo
export RUSTFLAGS := $(RUSTFLAGS) $(addprefix --remap-path-prefix=,$(HIDDEN))
export CFLAGS := $(CFLAGS) $(addprefix -ffile-prefix-map=,$(HIDDEN))
endif

# Many tests need root, because they start sshd or use a directory that belongs to root. They are
# marked as ignored. `make test` builds the tests as the calling user and runs all of them as root.
# The feature check_http/openssl builds check_http_openssl, which the tests for legacy TLS need.
AS_ROOT = $(CURDIR)/packaging/as-root
export SELFHEAL_PROGRAMS ?= $(abspath $(OUT))
export SELFHEAL_PACKAGES ?= $(PACKAGES)

.PHONY: build static docs demo test test-installed compat fuzz bench scale lint draw deny dist srpm packages reproducible release clean

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
		echo "no musl target: linking the gate statically against glibc, the others dynamically"; \
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

.PHONY: test-cluster test-all
test-cluster: build
	packaging/prerequisites test cluster
	$(CARGO) test --locked -p e2e --features cluster --test cluster --config 'target."cfg(all())".runner = "$(AS_ROOT)"' -- --include-ignored

test-all: test
	$(MAKE) test-cluster

# Run the programs from where packages install them. If DESTDIR is set, DESTDIR/usr is mounted over
# /usr. Only the tests see this mount.
INSTALLED = $(BINDIR):$(LIBEXECDIR):$(LIBEXECDIR)/plugins
AS_INSTALLED = $(AS_ROOT) $(CURDIR)/packaging/as-installed $(or $(abspath $(DESTDIR)),/)
TEST_INSTALLED ?= cfengine chain faults growth icinga2 names nrpe portable privileges replay report scale several_servers storm \
	sweep watch
test-installed:
	packaging/prerequisites test
	SELFHEAL_PROGRAMS=$(INSTALLED) $(CARGO) test --locked --no-fail-fast -p e2e $(TEST_INSTALLED:%=--test %) \
		--config 'target."cfg(all())".runner = "$(AS_INSTALLED)"' -- --include-ignored
	$(CARGO) build -q --locked -p e2e --bins
	SELFHEAL_PROGRAMS=$(INSTALLED) $(AS_INSTALLED) $(CARGO_TARGET_DIR)/debug/demo

RUNS ?= 50000
compat: build
	packaging/prerequisites test
	SELFHEAL_RUNS=$(RUNS) $(CARGO) test --locked -p compat --test random_lines -- --nocapture

bench: build
	packaging/prerequisites test
	$(CARGO) build -q --locked -p e2e --bins
	$(CARGO) build -q --release --locked -p transport --example dispatch
	$(CARGO) build -q --release --locked -p ledger --example reservations
	$(AS_ROOT) $(CARGO_TARGET_DIR)/debug/bench
	$(AS_ROOT) $(OUT)/examples/dispatch
	$(AS_ROOT) $(OUT)/examples/reservations

SCALE ?= 1
scale: build
	packaging/prerequisites test
	$(CARGO) build -q --locked -p e2e --bins
	$(CARGO) build -q --release --locked -p e2e --bin site
	$(AS_ROOT) $(CARGO_TARGET_DIR)/debug/bench scale $(OUT)/site $(SCALE)

# check_http exits after one check and never frees its tables, so each fuzz run leaks 0.1 MB.
# Therefore leak detection and the limit on resident memory are off. libFuzzer stores new inputs in
# tests/fuzz/target, and inputs that cause a failure in tests/fuzz/artifacts.
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
	$(CARGO) clippy --locked --workspace --features check_http/openssl,e2e/cluster --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items

draw:
	@$(CARGO) run -q --locked -p e2e --bin draw

# Without a network, use the advisory database that was fetched last. If there is none, print a
# note. Only an advisory is an error. cargo-deny exits with 1 for an advisory and also for a missing
# database, so check first whether there is a database.
ADVISORIES = $(or $(CARGO_HOME),$(HOME)/.cargo)/advisory-dbs
deny:
	$(CARGO) deny --locked check licenses bans sources
	@if $(CARGO) deny --locked fetch db || ls -d $(ADVISORIES)/*/.git >/dev/null 2>&1; then \
		$(CARGO) deny --locked --offline check advisories; \
	else \
		echo "NOTE: advisories were NOT checked: no database in $(ADVISORIES), and fetching one failed"; \
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
