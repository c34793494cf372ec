//! Checks the account that doctor runs as. A check that succeeds for root, with root's HOME, groups
//! and agent, proves nothing about a repair.

use std::fs;

use privsep::Account;

use super::finding::{DoctorFinding, ok, wrong};
use super::fix::ServerFix;

/// Checks the account, and reports its HOME.
pub fn check(account: &Account) -> DoctorFinding {
    let uid = rustix::process::geteuid().as_raw();
    if uid != account.uid {
        let text = format!(
            "this runs as uid {uid}, but Nagios runs as {} (uid {}): what follows is not what it \
             meets",
            account.name, account.uid
        );
        return wrong("user", text, ServerFix::RunAsRoot);
    }
    let home = std::env::var_os("HOME");
    let home = match &home {
        Some(home) if fs::read_dir(home).is_err() => {
            format!("with HOME={}, which it cannot read and repairs do not use", home.display())
        }
        Some(home) => format!("with HOME={}", home.display()),
        None => "without a HOME, which repairs do not use".to_owned(),
    };
    ok("user", format!("{}, {home}", account.name))
}
