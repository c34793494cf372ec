//! Becoming the user Nagios runs as, in the environment Nagios has. What works for root, with root's HOME, groups and
//! agent, proves nothing about a repair at night.

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::unistd::{Gid, Uid, initgroups, setgid, setuid};
use plugin_kit::Problem;

use super::finding::Finding;
use crate::nagios::{Account, MainFile};

/// As root: starts this program anew as that user, and does not come back. As anybody else: stays who it is. The
/// environment comes last: it is that user's to write, and what it makes a program load must not be loaded by root.
pub fn become_nagios(account: &Account, main: Option<&MainFile>) -> Result<(), Problem> {
    if !rustix::process::geteuid().is_root() || account.uid == 0 {
        return Ok(());
    }
    let us = std::env::current_exe().map_err(|why| Problem::Internal(format!("where is this program? {why}")))?;
    let environment = environment(account, main);
    let failed = |why: std::io::Error| {
        Problem::Internal(format!("cannot become {}: {why}; try `sudo -u {0} repairctl doctor`", account.name))
    };
    step_down(account).map_err(|why| failed(why.into()))?;
    Err(failed(Command::new(us).args(std::env::args_os().skip(1)).env_clear().envs(environment).exec()))
}

/// For good, with the supplementary groups that Nagios has (initgroups(3)).
fn step_down(account: &Account) -> nix::Result<()> {
    let group = Gid::from_raw(account.gid);
    initgroups(&CString::new(account.name.as_str()).map_err(|_| nix::Error::EINVAL)?, group)?;
    setgid(group)?;
    setuid(Uid::from_raw(account.uid))
}

/// Nagios' own, as its process has it; without one, what an init gives a service, with root's HOME, as init scripts leave
/// it. What is for our own output stays.
fn environment(account: &Account, main: Option<&MainFile>) -> BTreeMap<OsString, OsString> {
    let process = main.and_then(|main| main.process(account.uid)).and_then(|pid| fs::read(format!("/proc/{pid}/environ")).ok());
    let mut kept: BTreeMap<OsString, OsString> = match process {
        Some(bytes) => bytes.split(|b| *b == 0).filter_map(variable).collect(),
        None => [("HOME", "/root"), ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")].map(|(n, v)| (n.into(), v.into())).into(),
    };
    for ours in ["NO_COLOR", "TERM", "TZ"] {
        kept.remove(std::ffi::OsStr::new(ours));
        kept.extend(std::env::var_os(ours).map(|value| (ours.into(), value)));
    }
    kept
}

fn variable(bytes: &[u8]) -> Option<(OsString, OsString)> {
    let equals = bytes.iter().position(|b| *b == b'=')?;
    let (name, value) = bytes.split_at_checked(equals)?;
    Some((OsString::from_vec(name.to_owned()), OsString::from_vec(value.get(1..)?.to_owned())))
}

/// As whom, and with which HOME.
pub fn look(account: &Account) -> Finding {
    let uid = rustix::process::geteuid().as_raw();
    if uid != account.uid {
        let text = format!(
            "this runs as uid {uid}, but Nagios runs as {} (uid {}): what follows is not what it meets",
            account.name, account.uid
        );
        return Finding::wrong("user", text, "run it as root: sudo repairctl doctor");
    }
    let home = std::env::var_os("HOME");
    let text = match &home {
        Some(home) if fs::read_dir(home).is_err() => {
            format!("{}, with HOME={}, which it cannot read and repairs do not use", account.name, home.display())
        }
        Some(home) => format!("{}, with HOME={}", account.name, home.display()),
        None => format!("{}, without a HOME, which repairs do not use", account.name),
    };
    Finding::ok("user", text)
}
