//! Runs the commands in README.md's "Ten minutes" on two clean machines, until Nagios has repaired
//! Apache. Other tests make mistakes on the way. `repairctl doctor` must find each mistake, and the
//! fix that it prints must work.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod configuration_mistakes;
mod errors;
mod errors_table;
mod host_mistakes;
mod mistake;
mod printed;
mod second_repair;
mod server_mistakes;
mod turns;

use std::fs;
use std::path::Path;
use std::process::Command;

use e2e::{Place, Plan, Site, quick_start, run, shipped};

/// Script that installs the same files as `make install` on a copy of this system. Nagios, sshd and
/// Apache are already on it.
const SERVER: &str = "install -D -m 755 -t /usr/bin /parts/handle_repair /parts/repairctl
install -D -m 755 -t /usr/libexec/nagios-selfheal /parts/repair_worker /parts/repair_gate
install -D -m 755 -t /usr/libexec/nagios-selfheal/plugins /parts/check_http /parts/check_repairs
install -d /usr/share/nagios-selfheal
cp -a /parts/nagios-config /usr/share/nagios-selfheal/
install -m 644 -t /usr/lib/systemd/system /parts/systemd/repairctl-sweep.*
# The tests restart Nagios more often than an admin would.
install -d /etc/systemd/system/nagios4.service.d
printf '[Unit]\\nStartLimitIntervalSec=0\\n' > /etc/systemd/system/nagios4.service.d/often.conf
";

/// Boots two machines in the state that README.md starts from.
pub fn boot() -> Site {
    let place = Place::new();
    let parts = place.directory("programs", None);
    for program in [
        "handle_repair",
        "repairctl",
        "repair_worker",
        "repair_gate",
        "check_http",
        "check_repairs",
    ] {
        fs::copy(place.program(program), parts.join(program)).unwrap();
    }
    for directory in ["nagios-config", "packaging/systemd", "packaging/cron/repairctl-sweep"] {
        run(Command::new("cp").arg("-a").arg(shipped(directory)).arg(&parts));
    }
    Site::boot(place, &Plan { base: Path::new("/"), parts: &parts, server: SERVER, web1: "" })
}

#[test]
fn quick_start_of_readme_heals_apache() {
    let site = boot();
    let screen = site.follow_readme();
    // init must have described each change in advance, and trust must have asked before it recorded
    // a key.
    assert!(
        screen.contains("Run this script on web1?") && screen.contains("Is the key the same?"),
        "{screen}"
    );
    assert!(screen.contains(": all is well"), "{screen}");
    assert!(screen.contains("WOULD REPAIR web1/HTTP"), "{screen}");
    site.wait_until_nagios_has_healed_apache();
    // A second run must keep all files as they are.
    let (done, shown) = site.server.typed(&quick_start()[0]);
    let made = shown.lines().any(|line| line.starts_with("made "));
    assert!(done && shown.contains("kept  /etc/nagios-selfheal/policy.json") && !made, "{shown}");
    let keys = site.web1.must("cat ~repair/.ssh/authorized_keys");
    assert!(keys.lines().count() == 1, "{keys}");
    // Root must not follow a link that the gate's account has planted.
    let shadow = "sha256sum /etc/shadow && stat --format '%U %a' /etc/shadow";
    let before = site.web1.must(shadow);
    site.web1.must("runuser -u repair -- ln -sf /etc/shadow ~repair/.ssh/authorized_keys");
    let (done, shown) = site.server.typed(&quick_start()[0]);
    assert!(!done && site.web1.must(shadow) == before, "{shown}");
}
