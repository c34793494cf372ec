//! Tests the packages from `make packages` on machines with systemd. The debs are installed on a
//! minimal Debian; the rpms are installed from a local repository. On Debian, the quick start must
//! end with a repaired Apache. An upgrade must keep files that an admin or a program has written,
//! and removing a package must delete all of its programs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod debian;
mod debs;
mod lifecycle;
mod rpms;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use e2e::Machine;

/// Returns the four packages whose file names end with `end`. They are in the directory named by
/// SELFHEAL_PACKAGES or, by default, in the output of `make packages`.
fn packages(end: &str) -> Vec<PathBuf> {
    let made = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/packages");
    let named = env::var_os("SELFHEAL_PACKAGES").filter(|name| !name.is_empty());
    let directory = named.map_or_else(made, PathBuf::from);
    let entries = fs::read_dir(&directory)
        .unwrap_or_else(|why| panic!("{}: {why}; run `make packages`", directory.display()));
    let found: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(end))
        .collect();
    assert_eq!(
        found.len(),
        4,
        "{end} in {}: {found:?}; `make packages` creates four",
        directory.display()
    );
    found
}

/// Owner, mode and path of each file that is in both the debs and the rpms.
const FILES: [&str; 15] = [
    "root:root 755 /usr/bin/handle_repair",
    "root:root 755 /usr/bin/repairctl",
    "root:root 755 /usr/libexec/nagios-selfheal/repair_worker",
    "root:root 755 /usr/libexec/nagios-selfheal/repair_gate",
    "root:root 755 /usr/libexec/nagios-selfheal/plugins/check_http",
    "root:root 755 /usr/libexec/nagios-selfheal/plugins/check_repairs",
    "root:root 644 /usr/lib/systemd/logind.conf.d/repair-gate.conf",
    "root:root 644 /usr/share/doc/nagios-selfheal/examples/repairctl-sweep",
    "root:nagios 640 /etc/nagios-selfheal/policy.json",
    "root:root 644 /etc/nagios-selfheal/repairs.json",
    "root:root 755 /var/lib/nagios-selfheal",
    "nagios:nagios 750 /var/lib/nagios-selfheal/ledger",
    "repair:repair 700 /var/lib/nagios-selfheal/gate",
    "root:root 755 /var/lib/nagios-selfheal/home",
    "root:repair 750 /var/lib/nagios-selfheal/home/.ssh",
];

/// Checks the files on a machine. Each line in `wanted` has the form `OWNER:GROUP MODE PATH`.
fn assert_files(machine: &Machine, wanted: &[&str]) {
    let paths: Vec<&str> = wanted.iter().map(|line| line.rsplit_once(' ').unwrap().1).collect();
    let found = machine.root(&format!("stat --format '%U:%G %a %n' {}", paths.join(" ")));
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    let missing: Vec<&&str> =
        wanted.iter().filter(|line| !found.lines().any(|found| found == **line)).collect();
    assert!(missing.is_empty(), "missing or different: {missing:#?}\nfound:\n{found}");
}

/// Checks that the machine has the common files and `more`.
fn assert_installed(machine: &Machine, more: &[&str]) {
    assert_files(machine, &[&FILES, more].concat());
}

/// Checks that the packages have neither enabled nor started a unit, because this is up to the
/// admin.
fn assert_no_unit_is_on(machine: &Machine) {
    for unit in ["repairctl-sweep.timer", "repair-gate-sudoers.path"] {
        let told =
            machine.root(&format!("systemctl is-enabled {unit}; systemctl is-active {unit}"));
        assert_eq!(String::from_utf8_lossy(&told.stdout), "disabled\ninactive\n", "{unit}");
    }
}

/// Lists this project's programs, units, manual pages and other files below /usr, and its units
/// that systemd has loaded.
fn programs(machine: &Machine) -> String {
    machine.must(
        r"find /usr /lib/systemd -path /usr/share/doc -prune -o \( -name '*selfheal*' \
            -o -name '*repairctl*' -o -name '*repair_gate*' -o -name 'repair-gate*' \
            -o -name 'handle_repair*' -o -name 'check_repairs*' -o -name repair_worker \) -print | sort
        systemctl list-unit-files --no-legend 'repair*' || true",
    )
}

/// Script that edits files as an admin would, and runs the programs so that they write their own
/// files.
const WRITTEN: &str = "
echo '{\"repairs\": {\"httpd\": {\"ladder\": [{\"ssh\": \"httpd\"}], \"verify\": \
    [\"check_http\", \"-H\", \"{address}\"]}}}' > /etc/nagios-selfheal/policy.json
chown nagios:root /etc/nagios-selfheal/policy.json; chmod 600 /etc/nagios-selfheal/policy.json
echo '{\"repairs\": {\"httpd\": {\"run\": [\"/bin/true\"], \"as\": \"root\"}}}' > \
    /etc/nagios-selfheal/repairs.json
for file in /etc/nagios*/conf.d/selfheal-commands.cfg; do echo '# ours' >> $file; done
/usr/libexec/nagios-selfheal/repair-gate-sudoers
echo key > /var/lib/nagios-selfheal/home/.ssh/authorized_keys
runuser -u nagios -- repairctl pause --reason upgrade
runuser -u repair -- env SSH_ORIGINAL_COMMAND='repair httpd 20261123-00000001' \
/usr/libexec/nagios-selfheal/repair_gate
systemctl enable repairctl-sweep.timer
usermod --lock repair
";

/// Returns the state of the files that [`WRITTEN`] changes, and of the units.
fn kept(machine: &Machine) -> String {
    assert_programs_files_exist(machine);
    machine.must(
        "cd /; for file in etc/nagios-selfheal/*.json etc/nagios*/conf.d/selfheal-*.cfg \
         etc/sudoers.d/nagios-selfheal \
         $(find var/lib/nagios-selfheal -type f | sort); do stat --format '%U:%G %a' $file; \
         sha256sum $file; done
         systemctl is-enabled repairctl-sweep.timer; getent shadow repair",
    )
}

/// Checks that the ledger, the gate's records and the keys exist.
fn assert_programs_files_exist(machine: &Machine) {
    machine.must(
        "cd /var/lib/nagios-selfheal; test -s ledger/ledger.sqlite; test -s \
         gate/jobs/20261123-00000001.json; test -s home/.ssh/authorized_keys",
    );
}

/// Checks that the new programs read the pause from the old ledger.
fn assert_still_paused(machine: &Machine) {
    let told = machine.root("runuser -u nagios -- repairctl status");
    assert!(String::from_utf8_lossy(&told.stdout).contains("upgrade"), "{told:?}");
}
