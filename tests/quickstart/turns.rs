//! Makes mistakes during setup. doctor must find each mistake, and the fix must work as printed.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use e2e::{shipped, until};

use crate::boot;
use crate::configuration_mistakes::IN_THE_CONFIGURATION;
use crate::host_mistakes::ON_THE_HOST;
use crate::mistake::{Deed, Mistake};
use crate::printed::{Printed, command, doctor, is_gone, unwell};
use crate::server_mistakes::ON_THE_SERVER;

/// Fixes that doctor never prints in these tests, each with the reason.
const NOT_PROVOKED: &[(&str, &str)] = &[
    ("ForcedCommand", "needs an sshd that accepts the key and refuses every channel"),
    ("ReadLog", "needs a gate that fails between two answers"),
    ("ManyRequests", "the fix is to wait"),
    ("OwnApiPassword", "tests/icinga2 provokes it"),
    ("CorrectApi", "tests/icinga2 provokes it"),
    ("GrantApiUser", "tests/icinga2 provokes it"),
    ("OwnSecrets", "handlers/repairctl/tests/postgres.rs provokes it"),
    ("StartDatabase", "handlers/repairctl/tests/postgres.rs provokes it"),
    ("PrepareDatabase", "handlers/repairctl/tests/postgres.rs provokes it"),
    ("SynchronizeReplicas", "handlers/repairctl/tests/postgres.rs provokes it"),
    ("CommitSynchronously", "handlers/repairctl/tests/postgres.rs provokes it"),
    ("StartStandby", "handlers/repairctl/tests/postgres.rs provokes it"),
    ("StopOldPrimary", "handlers/repairctl/tests/postgres.rs provokes it"),
    ("KeepServerTime", "needs a database on a machine with another clock"),
    ("MigrateLedger", "handlers/repairctl/tests/ledger.rs runs the command"),
];

/// Fixes that doctor prints only if it is called with other options or by another user.
const BY_OPTIONS: &[&str] = &["RunAsRoot", "NameNagiosCfg", "CorrectHost"];

/// Parses doctor's source and returns the variants of the two enums that define fixes.
fn variants() -> BTreeSet<String> {
    let source = fs::read_to_string(shipped("handlers/repairctl/src/doctor/fix.rs")).unwrap();
    let file = syn::parse_file(&source).unwrap();
    let enums = file.items.iter().filter_map(|item| match item {
        syn::Item::Enum(found) if found.ident == "ServerFix" || found.ident == "HostFix" => {
            Some(found)
        }
        _ => None,
    });
    enums.flat_map(|found| found.variants.iter().map(|one| one.ident.to_string())).collect()
}

fn all() -> impl Iterator<Item = &'static Mistake> {
    IN_THE_CONFIGURATION.iter().chain(ON_THE_SERVER).chain(ON_THE_HOST)
}

/// A new fix needs a mistake that makes doctor print it, or a reason why there is none.
#[test]
fn every_fix_in_source_has_a_test_or_reason() {
    let provoked = all().flat_map(|mistake| mistake.fixes).chain(BY_OPTIONS).copied();
    let named: Vec<&str> = provoked.chain(NOT_PROVOKED.iter().map(|(fix, _)| *fix)).collect();
    let set: BTreeSet<String> = named.iter().map(|fix| (*fix).to_owned()).collect();
    assert_eq!(set, variants());
    for (fix, _) in NOT_PROVOKED {
        assert_eq!(named.iter().filter(|other| *other == fix).count(), 1, "{fix}");
    }
}

#[test]
fn doctor_finds_every_mistake_and_its_fix_works() {
    let site = boot();
    site.follow_readme();
    site.web1.must("systemctl start apache2");
    // If Nagios has just repaired Apache, doctor reports the repair's cooldown, which is a minute.
    until("no finding of doctor", Duration::from_secs(90), || {
        unwell(&site).is_empty().then_some(())
    });
    let mut missed = Vec::new();
    for mistake in all() {
        println!("{}", mistake.name);
        missed.extend(mistake.is_fixed(&site).err());
        assert_eq!(unwell(&site), [], "after '{}'; {missed:#?}", mistake.name);
    }
    assert!(missed.is_empty(), "{}", missed.join("\n\n"));
    let pasted = all().filter(|mistake| !matches!(mistake.deed, Deed::Words(..))).count();
    println!(
        "{} fixes in the source; {} mistakes fixed as printed: {pasted} by pasting, {} by hand; {} \
         fixes not tested",
        variants().len(),
        all().count(),
        all().count() - pasted,
        NOT_PROVOKED.len()
    );
}

/// Makes mistakes on the command line of doctor. doctor must name the missing option.
#[test]
fn doctor_names_missing_options() {
    let site = boot();
    site.follow_readme();
    let found = |findings: Vec<Printed>, check: &str| {
        let all = format!("{findings:#?}");
        findings.into_iter().find(|found| found.check == check).unwrap_or_else(|| panic!("{all}"))
    };
    // Run doctor as a user other than Nagios' user.
    let done = site.server.root("runuser -u admin -- repairctl doctor --nagios-user nagios");
    let shown = String::from_utf8_lossy(&done.stdout).into_owned();
    let line = shown.lines().find(|line| line.contains("fix: as root: ")).unwrap();
    let (done, screen) = command(line).unwrap().paste(&site, &site.server);
    assert!(done && !screen.contains("but Nagios runs as"), "{screen}");
    // Name an unknown host.
    let unknown = found(doctor(&site.server, "web9").1, "host");
    assert_eq!(unknown.fix, "correct the host's name");
    assert!(is_gone(&site, "web1", &unknown));
    // Move the main configuration to an unusual path.
    site.server.must("mv /etc/nagios4/nagios.cfg /etc/nagios4/own.cfg");
    let missing = found(doctor(&site.server, "").1, "nagios.cfg");
    assert_eq!(missing.fix, "pass the path of nagios.cfg with --nagios-cfg");
    assert!(is_gone(&site, "--nagios-cfg /etc/nagios4/own.cfg", &missing));
}
