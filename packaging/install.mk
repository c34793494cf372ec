# Defines where each file is installed. `make install`, the rpms and the debs all use these targets,
# one per package. The targets create no accounts and start nothing. That is up to the packages'
# scripts, or to systemd-sysusers and systemd-tmpfiles.
#
#   install-selfheal  nagios-selfheal          handler, worker, repairctl, the sweep's timer
#   install-plugins   nagios-plugins-selfheal  check_http and check_repairs
#   install-config    nagios-selfheal-config   objects for Nagios, and the examples
#   install-gate      repair-gate              the gate and its helper, for repaired hosts

PREFIX ?= /usr
SYSCONFDIR ?= /etc
DESTDIR ?=
BINDIR = $(PREFIX)/bin
LIBEXECDIR = $(PREFIX)/libexec/nagios-selfheal
DATADIR = $(PREFIX)/share/nagios-selfheal
# Initial configuration files, which define no repairs.
DEFAULTS = $(DATADIR)/defaults
DOCDIR = $(PREFIX)/share/doc
MANDIR = $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
LOGINDDIR ?= $(PREFIX)/lib/systemd/logind.conf.d
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
# The distribution's directories for plugins and for Nagios objects.
PLUGINDIR ?= $(firstword $(wildcard /usr/lib64/nagios/plugins) $(PREFIX)/lib/nagios/plugins)
NAGIOSCONFDIR ?= $(firstword $(wildcard /etc/nagios4/conf.d) /etc/nagios/conf.d)

# The output of `make build` and of `make docs`.
OUT ?= target/release
DOCS ?= target/docs

# $(call put,MODE,FILES,DIRECTORY): install FILES into DIRECTORY.
put = install -d $(DESTDIR)$(3) && install -p -m $(1) $(2) $(DESTDIR)$(3)
# $(call fill,FILE,DESTINATION): install a text file, with this project's paths adapted to the
# variables above.
fill = sed -e 's!/usr/libexec/nagios-selfheal!$(LIBEXECDIR)!g' -e 's!/usr/share/nagios-selfheal!$(DATADIR)!g' -e 's!/usr/bin/\(handle_repair\|repairctl\)!$(BINDIR)/\1!g' \
	$(1) | install -D -m 644 /dev/stdin $(DESTDIR)$(2)
# $(call keep,FILE,DESTINATION): like fill, but never overwrite an existing configuration file.
keep = [ -e $(DESTDIR)$(2) ] || { $(call fill,$(1),$(2)); }
# $(call complete,PROGRAM): install the shell completions of PROGRAM.
complete = $(call put,644,$(DOCS)/completions/bash/$(1),$(PREFIX)/share/bash-completion/completions) && \
	$(call put,644,$(DOCS)/completions/zsh/_$(1),$(ZSHDIR)) && \
	$(call put,644,$(DOCS)/completions/fish/$(1).fish,$(PREFIX)/share/fish/vendor_completions.d)
# $(call papers,PACKAGE): install the licences, the change log and the bill of materials.
papers = $(call put,644,README.md SECURITY.md CHANGELOG.md LICENSE LICENSE-APACHE LICENSE-MIT $(DOCS)/sbom/$(1).cdx.json,$(DOCDIR)/$(1))

.PHONY: install install-ready install-selfheal install-plugins install-config install-gate
# `make install` is for installing without a package. Like the packages' scripts, it installs the
# two files below only if they are missing, because `repairctl init` and the admin write to them.
install: install-selfheal install-plugins install-config install-gate
	$(call keep,packaging/policy.json,$(SYSCONFDIR)/nagios-selfheal/policy.json)
	$(call keep,packaging/gate/repairs.json,$(SYSCONFDIR)/nagios-selfheal/repairs.json)

install-ready:
	@[ -x $(OUT)/handle_repair ] && [ -d $(DOCS)/man ] || { echo "nothing to install: run 'make build docs' first" >&2; exit 1; }

install-selfheal: install-ready
	$(call put,755,$(OUT)/handle_repair $(OUT)/repairctl,$(BINDIR))
	$(call put,755,$(OUT)/repair_worker,$(LIBEXECDIR))
	# `repairctl init --target` copies this gate to hosts on which the package is not installed.
	$(call put,755,$(OUT)/repair_gate,$(LIBEXECDIR)/for-hosts)
	$(call put,644,$(DOCS)/man/handle_repair.1 $(wildcard $(DOCS)/man/repairctl*.1),$(MANDIR)/man1)
	$(call put,644,$(DOCS)/man/nagios-selfheal-policy.5,$(MANDIR)/man5)
	$(call put,644,$(DOCS)/man/nagios-selfheal.7,$(MANDIR)/man7)
	$(call complete,handle_repair)
	$(call complete,repairctl)
	$(call put,644,packaging/policy.json,$(DEFAULTS))
	install -d $(DESTDIR)$(SYSCONFDIR)/nagios-selfheal
	$(call fill,packaging/systemd/repairctl-sweep.service,$(UNITDIR)/repairctl-sweep.service)
	$(call fill,packaging/systemd/repairctl-sweep.timer,$(UNITDIR)/repairctl-sweep.timer)
	$(call fill,packaging/sysusers.d/nagios-selfheal.conf,$(SYSUSERSDIR)/nagios-selfheal.conf)
	$(call fill,packaging/tmpfiles.d/nagios-selfheal.conf,$(TMPFILESDIR)/nagios-selfheal.conf)
	$(call keep,packaging/logrotate/nagios-selfheal,$(SYSCONFDIR)/logrotate.d/nagios-selfheal)
	$(call put,644,packaging/rsyslog/nagios-selfheal.conf,$(DOCDIR)/nagios-selfheal/examples)
	$(call fill,packaging/cron/repairctl-sweep,$(DOCDIR)/nagios-selfheal/examples/repairctl-sweep)
	$(call put,644,packaging/selinux/README.md packaging/selinux/selfheal.te packaging/selinux/selfheal.fc,$(DOCDIR)/nagios-selfheal/selinux)
	$(call papers,nagios-selfheal)

# The plugins have their own directory. Links with unique names make them available in the
# distribution's plugin directory.
install-plugins: install-ready
	$(call put,755,$(OUT)/check_http $(OUT)/check_http_openssl $(OUT)/check_repairs,$(LIBEXECDIR)/plugins)
	install -d $(DESTDIR)$(PLUGINDIR)
	ln -srf $(DESTDIR)$(LIBEXECDIR)/plugins/check_http $(DESTDIR)$(PLUGINDIR)/selfheal_check_http
	ln -srf $(DESTDIR)$(LIBEXECDIR)/plugins/check_repairs $(DESTDIR)$(PLUGINDIR)/check_repairs
	$(call put,644,$(DOCS)/man/selfheal_check_http.1 $(DOCS)/man/check_repairs.1,$(MANDIR)/man1)
	$(call complete,check_repairs)
	$(call complete,selfheal_check_http)
	$(call papers,nagios-plugins-selfheal)

install-config: install-ready
	$(call keep,nagios-config/commands.cfg,$(NAGIOSCONFDIR)/selfheal-commands.cfg)
	$(call keep,nagios-config/templates.cfg,$(NAGIOSCONFDIR)/selfheal-templates.cfg)
	set -e; for file in $$(cd nagios-config && find * -type f | sort); do \
		$(call fill,nagios-config/$$file,$(DATADIR)/nagios-config/$$file); done
	$(call papers,nagios-selfheal-config)

install-gate: install-ready
	$(call put,755,$(OUT)/repair_gate packaging/gate/repair-gate-sudoers,$(LIBEXECDIR))
	$(call put,644,$(DOCS)/man/repair_gate.8,$(MANDIR)/man8)
	$(call put,644,packaging/gate/repairs.json,$(DEFAULTS))
	install -d $(DESTDIR)$(SYSCONFDIR)/nagios-selfheal
	$(call fill,packaging/systemd/repair-gate-sudoers.service,$(UNITDIR)/repair-gate-sudoers.service)
	$(call fill,packaging/systemd/repair-gate-sudoers.path,$(UNITDIR)/repair-gate-sudoers.path)
	$(call fill,packaging/systemd/repair-gate.conf,$(LOGINDDIR)/repair-gate.conf)
	$(call fill,packaging/sysusers.d/repair-gate.conf,$(SYSUSERSDIR)/repair-gate.conf)
	$(call fill,packaging/tmpfiles.d/repair-gate.conf,$(TMPFILESDIR)/repair-gate.conf)
	$(call put,644,nagios-config/repairs.json $(wildcard nagios-config/cfengine/*.cf),$(DOCDIR)/repair-gate/examples)
	$(call fill,nagios-config/nrpe/nrpe-repairs.cfg,$(DOCDIR)/repair-gate/examples/nrpe-repairs.cfg)
	$(call fill,nagios-config/nrpe/nrpe-sudoers,$(DOCDIR)/repair-gate/examples/nrpe-sudoers)
	$(call papers,repair-gate)
