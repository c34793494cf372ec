//! The packages that `make packages` has left, on machines with systemd: debs on a plain Debian,
//! where they lead to a healed Apache; rpms from a repository of our own. An upgrade keeps what an
//! admin and the programs have written, and a removal leaves no program behind.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod debian;
mod debs;
mod lifecycle;
mod rpms;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use e2e::Machine;

/// What `make packages` has left, or what is in SELFHEAL_PACKAGES, that ends so.
fn packages(end: &str) -> Vec<PathBuf> {
    let made = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/packages");
    let named = env::var_os("SELFHEAL_PACKAGES").filter(|name| !name.is_empty());
    let directory = named.map_or_else(made, PathBuf::from);
    let entries = fs::read_dir(&directory)
        .unwrap_or_else(|why| panic!("{}: {why}; `make packages` makes it", directory.display()));
    let found: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(end))
        .collect();
    assert_eq!(
        found.len(),
        4,
        "{end} in {}: {found:?}; `make packages` makes four",
        directory.display()
    );
    found
}

/// Owner, mode and path of the files in packages of every kind.
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

/// What a machine must have: `OWNER:GROUP MODE PATH`, as stat(1) tells.
fn assert_files(machine: &Machine, wanted: &[&str]) {
    let paths: Vec<&str> = wanted.iter().map(|line| line.rsplit_once(' ').unwrap().1).collect();
    let found = machine.root(&format!("stat --format '%U:%G %a %n' {}", paths.join(" ")));
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    let missing: Vec<&&str> =
        wanted.iter().filter(|line| !found.lines().any(|found| found == **line)).collect();
    assert!(missing.is_empty(), "not as they should be: {missing:#?}\nthere is:\n{found}");
}

/// The machine has the files of every kind of package, and these.
fn assert_installed(machine: &Machine, more: &[&str]) {
    assert_files(machine, &[&FILES, more].concat());
}

/// No unit of ours is enabled or active: an admin starts them.
fn assert_no_unit_is_on(machine: &Machine) {
    for unit in ["repairctl-sweep.timer", "repair-gate-sudoers.path"] {
        let told =
            machine.root(&format!("systemctl is-enabled {unit}; systemctl is-active {unit}"));
        assert_eq!(String::from_utf8_lossy(&told.stdout), "disabled\ninactive\n", "{unit}");
    }
}

/// Programs, units, manual pages and all else that is named as ours below /usr, and the units that
/// systemd knows.
fn programs(machine: &Machine) -> String {
    machine.must(
        r"find /usr /lib/systemd -path /usr/share/doc -prune -o \( -name '*selfheal*' \
            -o -name '*repairctl*' -o -name '*repair_gate*' -o -name 'repair-gate*' \
            -o -name 'handle_repair*' -o -name 'check_repairs*' -o -name repair_worker \) -print | sort
        systemctl list-unit-files --no-legend 'repair*' || true",
    )
}

/// What an admin has written, and what the programs have.
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

/// All of that as it is now, in one text.
fn kept(machine: &Machine) -> String {
    assert_kept_what_programs_wrote(machine);
    machine.must(
        "cd /; for file in etc/nagios-selfheal/*.json etc/nagios*/conf.d/selfheal-*.cfg \
         etc/sudoers.d/nagios-selfheal \
         $(find var/lib/nagios-selfheal -type f | sort); do stat --format '%U:%G %a' $file; \
         sha256sum $file; done
         systemctl is-enabled repairctl-sweep.timer; getent shadow repair",
    )
}

/// The ledger, the gate's records and the keys.
fn assert_kept_what_programs_wrote(machine: &Machine) {
    machine.must(
        "cd /var/lib/nagios-selfheal; test -s ledger/ledger.sqlite; test -s \
         gate/jobs/20261123-00000001.json; test -s home/.ssh/authorized_keys",
    );
}

/// The ledger of before is read by the programs of now.
fn assert_still_paused(machine: &Machine) {
    let told = machine.root("runuser -u nagios -- repairctl status");
    assert!(String::from_utf8_lossy(&told.stdout).contains("upgrade"), "{told:?}");
}
