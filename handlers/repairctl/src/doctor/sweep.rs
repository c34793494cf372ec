//! Checks that a sweep runs regularly. Without sweeps, an object that missed its repair stays
//! broken.

use std::path::Path;
use std::process::{Command, Stdio};

use policy_file::Config;

use super::finding::{DoctorFinding, note, ok};
use super::fix::{CRON_FILE, SWEEP_TIMER, ServerFix};

/// Checks the systemd timer or the cron job. Returns `None` if the policy names no source for the
/// state of objects, because a sweep cannot run without such a source.
pub fn check(config: &Config) -> Option<DoctorFinding> {
    if !config.has_engine_state() {
        return None;
    }
    if Path::new(CRON_FILE).exists() {
        return Some(ok("sweep", CRON_FILE));
    }
    let off = |why: &str, fix| {
        Some(note("sweep", format!("{why}, so objects that miss their repair stay broken"), fix))
    };
    // This directory exists only if systemd is running; see sd_booted(3).
    if !Path::new("/run/systemd/system").exists() {
        return off("no cron job runs repairctl sweep", ServerFix::AddSweepJob);
    }
    match (systemctl("is-enabled").as_str(), systemctl("is-active").as_str()) {
        // On a minimal system without D-Bus, only root can query whether the timer is active, and
        // other users get an empty answer. Do not report this as a problem.
        ("enabled", "active" | "") => Some(ok("sweep", SWEEP_TIMER)),
        ("disabled", "active") => {
            off(&format!("{SWEEP_TIMER} will not start at boot"), ServerFix::EnableSweep)
        }
        ("" | "not-found", _) => {
            off(&format!("there is no {SWEEP_TIMER}"), ServerFix::AddSweepTimer)
        }
        _ => off(&format!("{SWEEP_TIMER} is off"), ServerFix::EnableSweep),
    }
}

/// Returns the timer's state as systemctl(1) prints it, or an empty string if systemctl fails.
fn systemctl(verb: &str) -> String {
    let mut command = Command::new("/usr/bin/systemctl");
    let done = command.args([verb, SWEEP_TIMER]).stdin(Stdio::null()).output();
    done.map(|done| String::from_utf8_lossy(&done.stdout).trim().to_owned()).unwrap_or_default()
}
