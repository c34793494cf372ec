//! Checks the account that doctor runs as. Repairs run as Nagios' user, so a check that succeeds
//! with root's HOME, groups and SSH agent proves nothing about repairs.

use std::fs;

use privsep::Account;

use super::finding::{DoctorFinding, ok, wrong};
use super::fix::ServerFix;

/// Checks that this process runs as Nagios' user, and reports its HOME.
pub fn check(account: &Account) -> DoctorFinding {
    let uid = rustix::process::geteuid().as_raw();
    if uid != account.uid {
        let text = format!(
            "doctor runs as uid {uid}, but Nagios runs as {name} (uid {nagios_uid}); the results \
             below do not apply to Nagios",
            name = account.name,
            nagios_uid = account.uid
        );
        return wrong("user", text, ServerFix::RunAsRoot);
    }
    let home = std::env::var_os("HOME");
    let home = match &home {
        Some(home) if fs::read_dir(home).is_err() => {
            format!(
                "with HOME={home}, which this account cannot read; repairs do not use HOME",
                home = home.display()
            )
        }
        Some(home) => format!("with HOME={}", home.display()),
        None => "with HOME unset; repairs do not use HOME".to_owned(),
    };
    ok("user", format!("{}, {home}", account.name))
}
