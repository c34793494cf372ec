//! Checks that a sweep runs regularly: without one, an object that missed its repair stays broken.

use std::path::Path;
use std::process::{Command, Stdio};

use policy_file::Config;

use super::finding::{DoctorFinding, note, ok};
use super::fix::{CRON_FILE, SWEEP_TIMER, ServerFix};

/// Checks the timer or the job; `None` for a policy with which nothing can be swept.
pub fn check(config: &Config) -> Option<DoctorFinding> {
    config.status_file.as_ref()?;
    if Path::new(CRON_FILE).exists() {
        return Some(ok("sweep", CRON_FILE));
    }
    let off = |why: &str, fix| {
        Some(note("sweep", format!("{why}: what missed its repair stays broken"), fix))
    };
    // sd_booted(3)
    if !Path::new("/run/systemd/system").exists() {
        return off("no job runs repairctl sweep", ServerFix::AddSweepJob);
    }
    match (systemctl("is-enabled").as_str(), systemctl("is-active").as_str()) {
        // Without a bus, which a minimal system lacks, only root is told whether it is active.
        ("enabled", "active" | "") => Some(ok("sweep", SWEEP_TIMER)),
        ("disabled", "active") => {
            off(&format!("{SWEEP_TIMER} ends with the next boot"), ServerFix::EnableSweep)
        }
        ("" | "not-found", _) => {
            off(&format!("there is no {SWEEP_TIMER}"), ServerFix::AddSweepTimer)
        }
        _ => off(&format!("{SWEEP_TIMER} is off"), ServerFix::EnableSweep),
    }
}

/// Returns the word that systemctl(1) prints about the timer; nothing if it cannot tell.
fn systemctl(verb: &str) -> String {
    let mut command = Command::new("/usr/bin/systemctl");
    let done = command.args([verb, SWEEP_TIMER]).stdin(Stdio::null()).output();
    done.map(|done| String::from_utf8_lossy(&done.stdout).trim().to_owned()).unwrap_or_default()
}
