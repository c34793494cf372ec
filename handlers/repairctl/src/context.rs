//! What a command works with: the policy, the ledger, and the account that owns them.

use std::cell::OnceCell;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::account;
use ledger::Ledger;
use plugin_kit::Problem;
use policy_file::{BadPolicy, Config};
use privsep::{Account, Role};

use crate::paste::{absolute, program, with_sudo};

/// Path of the policy if `--policy` does not name another one.
pub const DEFAULT_POLICY: &str = "/etc/nagios-selfheal/policy.json";

/// Time limit for an answer from the engine. It is shorter than the time that the root process
/// waits for the process that collects the data, so that a timeout can still be reported.
pub const ENGINE_TIMEOUT: Duration = Duration::from_secs(60);

/// Why the policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusablePolicy {
    /// This user is not allowed to read the policy, but Nagios' user or root is.
    #[error("{0}; run the command as Nagios' user, or with sudo, {sudo}", sudo = with_sudo())]
    Forbidden(BadPolicy),
    /// The policy is missing or invalid.
    #[error(transparent)]
    Bad(BadPolicy),
}

impl From<BadPolicy> for UnusablePolicy {
    fn from(bad: BadPolicy) -> UnusablePolicy {
        match &bad {
            BadPolicy::Unreadable { why, .. } if why.kind() == ErrorKind::PermissionDenied => {
                UnusablePolicy::Forbidden(bad)
            }
            _ => UnusablePolicy::Bad(bad),
        }
    }
}

impl From<UnusablePolicy> for Problem {
    fn from(error: UnusablePolicy) -> Problem {
        Problem::failed(error)
    }
}

/// The files that a command works on. The policy is not read until the command first needs it.
#[derive(Debug)]
pub struct Context {
    /// Path of the policy, as given on the command line, or [`DEFAULT_POLICY`].
    pub policy: PathBuf,
    /// Path of Nagios' main configuration, if the command line names one.
    pub nagios_cfg: Option<PathBuf>,
    /// Whether this process was started by the admin or is the second process, which runs as
    /// Nagios' user; see `privsep`.
    pub role: Role,
    config: OnceCell<Config>,
}

impl Context {
    /// Creates a context without reading any file.
    pub fn new(policy: PathBuf, nagios_cfg: Option<PathBuf>, role: Role) -> Context {
        Context { policy, nagios_cfg, role, config: OnceCell::new() }
    }

    /// Returns the policy and the paths in it. Only the first call reads the file.
    pub fn config(&self) -> Result<&Config, UnusablePolicy> {
        if let Some(read) = self.config.get() {
            return Ok(read);
        }
        let read = policy_file::read(&self.policy)?;
        Ok(self.config.get_or_init(|| read))
    }

    /// Reads the policy without checking its owner, for commands that never start a repair.
    pub fn draft(&self) -> Result<Config, UnusablePolicy> {
        let unreadable = |why: safe_file::Error| BadPolicy::Unreadable {
            path: self.policy.clone(),
            why: why.into(),
        };
        let text = safe_file::read(&self.policy, policy_file::LONGEST, None).map_err(unreadable)?;
        Ok(policy_file::parse(&text, &self.policy)?)
    }

    /// Returns the account to which a process that runs as root must switch, or `None` if it can
    /// stay root. This is the account that owns the ledger and Nagios' files. If these files do not
    /// exist yet or have several owners, it is the account that Nagios runs as.
    pub fn other_owner(&self) -> Result<Option<Account>, Problem> {
        let config = self.config()?;
        match privsep::other_owner(config.directories()) {
            // If several accounts can write to a directory, the directory has no single owner. Use
            // the account that Nagios runs as instead.
            Err(privsep::Error::Owner { .. }) => {
                Ok(account::to_become(None, self.nagios_cfg.as_deref())?)
            }
            Ok(None) if !config.directories().all(Path::exists) => {
                Ok(account::to_become(None, self.nagios_cfg.as_deref())?)
            }
            owner => Ok(owner?),
        }
    }

    /// Like [`Context::other_owner`], for a command that needs no policy. If there is no policy
    /// that root trusts, returns the account that Nagios runs as.
    pub fn any_account(&self) -> Result<Option<Account>, Problem> {
        // A policy that comes through a pipe can be read only once. Leave it to the process that
        // uses the policy.
        if safe_file::own_descriptor(&self.policy).is_some() {
            return Ok(account::to_become_if_any(self.nagios_cfg.as_deref())?);
        }
        match self.config() {
            Ok(_) => self.other_owner(),
            Err(_) => Ok(account::to_become_if_any(self.nagios_cfg.as_deref())?),
        }
    }

    /// Returns a command line that runs repairctl with the arguments `words` and this policy.
    pub fn repairctl(&self, words: &str) -> String {
        let policy = match self.policy == Path::new(DEFAULT_POLICY) {
            true => String::new(),
            false => format!(" --policy {}", absolute(&self.policy)),
        };
        format!("{}{policy} {words}", program("repairctl"))
    }

    /// Like [`Context::repairctl`], but adds `--nagios-cfg` if it was given.
    pub fn repairctl_with_nagios(&self, words: &str) -> String {
        let line = self.repairctl(words);
        match &self.nagios_cfg {
            Some(file) => format!("{line} --nagios-cfg {}", absolute(file)),
            None => line,
        }
    }

    /// Opens the ledger read-only. Returns `None` if it does not exist yet.
    pub fn ledger(&self, config: &Config) -> Result<Option<Box<dyn Ledger>>, Problem> {
        match ledger::open_read_only(&config.ledger) {
            Ok(ledger) => Ok(Some(ledger)),
            Err(ledger::Error::Missing(_)) => Ok(None),
            Err(why) => Err(Problem::failed(why)),
        }
    }

    /// Opens the ledger for writing, and creates it if it does not exist.
    pub fn ledger_to_write(&self, config: &Config) -> Result<Box<dyn Ledger>, Problem> {
        ledger::open(&config.ledger).map_err(Problem::failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_options_to_commands_and_quotes_paths() {
        let usual = Context::new(DEFAULT_POLICY.into(), None, Role::Started);
        let line = usual.repairctl_with_nagios("trust web1");
        assert!(line.ends_with(" trust web1") && !line.contains("--policy"), "{line}");
        let other =
            Context::new("/a b/policy.json".into(), Some("/c'd/n.cfg".into()), Role::Started);
        let line = other.repairctl_with_nagios("doctor");
        assert!(
            line.ends_with(" --policy '/a b/policy.json' doctor --nagios-cfg '/c'\\''d/n.cfg'"),
            "{line}"
        );
    }
}
