//! The site: its policy, read when a command needs it, its ledger, and the account that owns it.

use std::cell::OnceCell;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use engine::account;
use ledger::Ledger;
use plugin_kit::Problem;
use policy_file::{BadPolicy, Config};
use privsep::{Account, Role};

use crate::paste::{absolute, program, with_sudo};

/// The policy that is used unless another one is named.
pub const DEFAULT_POLICY: &str = "/etc/nagios-selfheal/policy.json";

/// Why the policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusablePolicy {
    /// This user may not read it; others may.
    #[error("{0}; run this as the user of Nagios, or, {sudo}", sudo = with_sudo())]
    Forbidden(BadPolicy),
    /// It is missing or wrong.
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

/// The policy of a site, and what it leads to.
#[derive(Debug)]
pub struct Context {
    /// The policy's file.
    pub policy: PathBuf,
    /// Nagios' main configuration, if the command line names one.
    pub nagios_cfg: Option<PathBuf>,
    /// Which half of this program we are.
    pub role: Role,
    config: OnceCell<Config>,
}

impl Context {
    /// Creates the context of this policy, with Nagios' main configuration if one is named.
    pub fn new(policy: PathBuf, nagios_cfg: Option<PathBuf>, role: Role) -> Context {
        Context { policy, nagios_cfg, role, config: OnceCell::new() }
    }

    /// Returns the policy and the paths in it, read once.
    pub fn config(&self) -> Result<&Config, UnusablePolicy> {
        if let Some(read) = self.config.get() {
            return Ok(read);
        }
        let read = policy_file::read(&self.policy)?;
        Ok(self.config.get_or_init(|| read))
    }

    /// Reads a policy by which nothing is run, so its owner does not matter.
    pub fn draft(&self) -> Result<Config, UnusablePolicy> {
        let unreadable = |why: safe_file::Error| BadPolicy::Unreadable {
            path: self.policy.clone(),
            why: why.into(),
        };
        let text = safe_file::read(&self.policy, policy_file::LONGEST, None).map_err(unreadable)?;
        Ok(policy_file::parse(&text, &self.policy)?)
    }

    /// Returns the account that owns the ledger or Nagios' files, when we are root and it is
    /// another one. Before there is a ledger, it is the one that Nagios runs as.
    pub fn other_owner(&self) -> Result<Option<Account>, Problem> {
        let config = self.config()?;
        match privsep::other_owner(config.directories()) {
            // More than one account can change it: it is not root's alone.
            Err(privsep::Error::Owner { .. }) => {
                Ok(account::to_become(None, self.nagios_cfg.as_deref())?)
            }
            Ok(None) if !config.directories().all(Path::exists) => {
                Ok(account::to_become(None, self.nagios_cfg.as_deref())?)
            }
            owner => Ok(owner?),
        }
    }

    /// Returns the same for a command that needs no policy. Without a policy that root believes, it
    /// is the account Nagios runs as.
    pub fn any_account(&self) -> Result<Option<Account>, Problem> {
        // A policy that comes through a pipe can be read once, by the half that uses it.
        if safe_file::own_descriptor(&self.policy).is_some() {
            return Ok(account::to_become_if_any(self.nagios_cfg.as_deref())?);
        }
        match self.config() {
            Ok(_) => self.other_owner(),
            Err(_) => Ok(account::to_become_if_any(self.nagios_cfg.as_deref())?),
        }
    }

    /// Returns the command line of this program with `words`, for this policy.
    pub fn repairctl(&self, words: &str) -> String {
        let policy = match self.policy == Path::new(DEFAULT_POLICY) {
            true => String::new(),
            false => format!(" --policy {}", absolute(&self.policy)),
        };
        format!("{}{policy} {words}", program("repairctl"))
    }

    /// Returns the same for a command that reads Nagios' main configuration, where one was named.
    pub fn repairctl_with_nagios(&self, words: &str) -> String {
        let line = self.repairctl(words);
        match &self.nagios_cfg {
            Some(file) => format!("{line} --nagios-cfg {}", absolute(file)),
            None => line,
        }
    }

    /// Opens the ledger read-only; `None` before the first repair.
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
    fn completes_and_quotes_its_commands() {
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
