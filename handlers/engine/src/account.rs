//! Finds the account that Nagios runs as, and the environment of the Nagios process.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use privsep::{Account, Environment};

use crate::configuration::{self, MainFile, MainFileError};

/// Maximum number of bytes to read from a file in /proc. Nagios' environment is only a few hundred
/// bytes.
const LONGEST_OF_PROC: u64 = 128 << 10;

/// Names that distributions give to Nagios' user.
const USUAL_NAMES: [&str; 3] = ["nagios", "naemon", "icinga"];

/// Why the account that Nagios runs as cannot be determined.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The system could not look up an account.
    #[error(transparent)]
    Lookup(#[from] privsep::Error),
    /// Nagios' main configuration file cannot be read.
    #[error(transparent)]
    MainFile(#[from] MainFileError),
    /// The user from the command line or the main file does not exist.
    #[error("the user '{0}' does not exist; check --nagios-user, and nagios_user in nagios.cfg")]
    NoSuchUser(String),
    /// No user is configured, and no user has one of the usual names.
    #[error(
        "there is no user nagios, naemon or icinga: use --nagios-user to name the user that Nagios \
         runs as"
    )]
    NoUsualUser,
}

/// Returns the account that Nagios runs as: the user `named`, otherwise the user in Nagios' main
/// configuration file, otherwise the first user that exists among the usual names.
///
/// # Errors
/// Fails if there is no such account or if it cannot be looked up.
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

/// Returns the first existing account with one of the usual names.
fn usual() -> Result<Option<Account>, AccountError> {
    for name in USUAL_NAMES {
        if let Some(account) = Account::named(name)? {
            return Ok(Some(account));
        }
    }
    Ok(None)
}

/// Returns the account that Nagios runs as, like [`find`], but reads the main file itself. If this
/// process runs as root, it ignores a main file that another account can change.
///
/// # Errors
/// Returns the same errors as [`find`]. Also fails if the main file is not readable.
pub fn trusted(named: Option<&str>, nagios_cfg: Option<&Path>) -> Result<Account, AccountError> {
    let main = match rustix::process::geteuid().is_root() {
        true => MainFile::of_root(nagios_cfg),
        false => MainFile::find(nagios_cfg)?,
    };
    find(named, main.as_ref())
}

/// Returns the account that this program's unprivileged process has to switch to. Returns `None` if
/// this process does not run as root, or if Nagios runs as root.
///
/// # Errors
/// Returns the same errors as [`trusted`].
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

/// Returns the same account as [`to_become`], or `None` if the machine has no Nagios user. On such
/// a machine, there is no account that root must be protected from.
///
/// # Errors
/// Returns the same errors as [`trusted`].
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

/// Returns the environment of the running Nagios process. If Nagios is not running, returns the
/// environment that an init system gives to a service. In that case, HOME is root's home directory,
/// because init scripts do not change it.
pub fn environment(account: &Account, nagios_cfg: Option<&Path>) -> Environment {
    let main: Option<PathBuf> = nagios_cfg.map(Path::to_owned).or_else(configuration::find);
    let process = main.and_then(|main| process(&main, account.uid));
    let environment = process.and_then(|pid| proc_file(pid, "environ"));
    Environment::of(account).with_process(&environment.unwrap_or_else(|| b"HOME=/root".to_vec()))
}

/// Returns the oldest Nagios process that was started with the main configuration file `main`.
/// Nagios' lock file cannot be used for this, because only a daemon writes one and some units start
/// Nagios in the foreground. Any account can start a program under the same name, so only processes
/// of `uid` and of root count.
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

/// Returns the real user ID of a process. The owner of /proc/PID does not show this ID, because the
/// directory belongs to root once the process has changed its user (proc(5)).
fn runs_as(pid: u32) -> Option<u32> {
    let status = String::from_utf8(proc_file(pid, "status")?).ok()?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_whitespace().next()?.parse().ok()
}

/// Reads a file from a process's directory in /proc. Limits the length, because the owner of the
/// process can make the file any length (prctl(2), PR_SET_MM).
fn proc_file(pid: u32, name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(format!("/proc/{pid}/{name}")).ok()?;
    file.take(LONGEST_OF_PROC).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
