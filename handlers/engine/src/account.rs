//! The account that Nagios runs as, and its environment.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use privsep::{Account, Environment};

use crate::configuration::{self, MainFile, MainFileError};

/// The most that is read of a file in /proc, in bytes. Nagios' environment has a few hundred.
const LONGEST_OF_PROC: u64 = 128 << 10;

/// The names that distributions give to Nagios' user.
const USUAL_NAMES: [&str; 3] = ["nagios", "naemon", "icinga"];

/// Why the account of Nagios is not known.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The system cannot say.
    #[error(transparent)]
    Lookup(#[from] privsep::Error),
    /// The main file cannot be read.
    #[error(transparent)]
    MainFile(#[from] MainFileError),
    /// The command line or the main file names an unknown user.
    #[error("there is no user '{0}', as which Nagios would run")]
    NoSuchUser(String),
    /// No user is named, and none has a usual name.
    #[error(
        "no user nagios, naemon or icinga is here: name the one Nagios runs as, with --nagios-user"
    )]
    NoUsualUser,
}

/// Returns the account that is named, or that of the main file, or one of the usual names.
///
/// # Errors
/// There is no such account, or the system cannot say.
pub fn find(named: Option<&str>, main: Option<&MainFile>) -> Result<Account, AccountError> {
    let Some(user) = named.or_else(|| main.and_then(MainFile::user)) else {
        return usual()?.ok_or(AccountError::NoUsualUser);
    };
    let account = Account::named(user)?.ok_or_else(|| AccountError::NoSuchUser(user.to_owned()))?;
    match main.and_then(MainFile::group) {
        Some(group) => Ok(account.with_group(group)?),
        None => Ok(account),
    }
}

/// The first of the usual names that this machine has.
fn usual() -> Result<Option<Account>, AccountError> {
    for name in USUAL_NAMES {
        if let Some(account) = Account::named(name)? {
            return Ok(Some(account));
        }
    }
    Ok(None)
}

/// Does the same with a main file that we may believe: for root, one that no other account can
/// change.
///
/// # Errors
/// Those of [`find`], and a main file that is not readable.
pub fn trusted(named: Option<&str>, nagios_cfg: Option<&Path>) -> Result<Account, AccountError> {
    let main = match rustix::process::geteuid().is_root() {
        true => MainFile::of_root(nagios_cfg),
        false => MainFile::find(nagios_cfg)?,
    };
    find(named, main.as_ref())
}

/// Returns the account that root's other half becomes; `None` if we are not root, or Nagios runs as
/// root.
///
/// # Errors
/// Those of [`trusted`].
pub fn to_become(
    named: Option<&str>,
    nagios_cfg: Option<&Path>,
) -> Result<Option<Account>, AccountError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let account = trusted(named, nagios_cfg)?;
    Ok((account.uid != 0).then_some(account))
}

/// Does the same, but a machine without Nagios' user is not an error: root has no account to beware
/// of.
///
/// # Errors
/// Those of [`trusted`].
pub fn to_become_if_any(nagios_cfg: Option<&Path>) -> Result<Option<Account>, AccountError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let is_named = MainFile::of_root(nagios_cfg).is_some_and(|main| main.user().is_some());
    match is_named || usual()?.is_some() {
        true => to_become(None, nagios_cfg),
        false => Ok(None),
    }
}

/// Returns the environment of Nagios' process; without one, what an init gives a service, with
/// root's HOME, as init scripts leave it.
pub fn environment(account: &Account, nagios_cfg: Option<&Path>) -> Environment {
    let main: Option<PathBuf> = nagios_cfg.map(Path::to_owned).or_else(configuration::find);
    let process = main.and_then(|main| process(&main, account.uid));
    let environment = process.and_then(|pid| proc_file(pid, "environ"));
    Environment::of(account).with_process(&environment.unwrap_or_else(|| b"HOME=/root".to_vec()))
}

/// The oldest process of Nagios that was started with this file. A lock file is written by a daemon
/// only, and some units start it in the foreground. Any account may give a program this name, so
/// only one of `uid` or of root counts.
fn process(main: &Path, uid: u32) -> Option<u32> {
    let is_it = |pid: &u32| {
        let name = proc_file(*pid, "comm").unwrap_or_default();
        let is_named = ["nagios", "naemon"].iter().any(|known| name.starts_with(known.as_bytes()));
        is_named
            && runs_as(*pid).is_some_and(|owner| owner == uid || owner == 0)
            && proc_file(*pid, "cmdline").is_some_and(|words| {
                words.split(|b| *b == 0).any(|word| word == main.as_os_str().as_encoded_bytes())
            })
    };
    let entries = fs::read_dir("/proc").ok()?.flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_it).min()
}

/// The real user of a process: its directory in /proc is root's once it has changed its user
/// (proc(5)).
fn runs_as(pid: u32) -> Option<u32> {
    let status = String::from_utf8(proc_file(pid, "status")?).ok()?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_whitespace().next()?.parse().ok()
}

/// A file of a process in /proc. Its owner can make it of any length (prctl(2), PR_SET_MM).
fn proc_file(pid: u32, name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(format!("/proc/{pid}/{name}")).ok()?;
    file.take(LONGEST_OF_PROC).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
