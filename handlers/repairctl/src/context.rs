//! The site: its policy, read when a command needs it, its ledger, and whose it is.

use std::cell::OnceCell;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use engine::account;
use ledger::Ledger;
use plugin_kit::Problem;
use policy_file::{BadPolicy, Config};
use privsep::{Account, Role};

/// The next step of an admin who has logged in as somebody else.
const AS_ANOTHER: &str = "; run it as root, with sudo, or as the user of Nagios";

/// Where everything of a site begins.
#[derive(Debug)]
pub struct Context {
    policy: PathBuf,
    nagios_cfg: Option<PathBuf>,
    role: Role,
    config: OnceCell<Config>,
}

impl Context {
    /// The site of this policy, with Nagios' main configuration if one is named.
    pub fn new(policy: PathBuf, nagios_cfg: Option<PathBuf>, role: Role) -> Context {
        Context { policy, nagios_cfg, role, config: OnceCell::new() }
    }

    /// The policy's file.
    pub fn policy(&self) -> &Path {
        &self.policy
    }

    /// Nagios' main configuration, if the command line names one.
    pub fn nagios_cfg(&self) -> Option<&Path> {
        self.nagios_cfg.as_deref()
    }

    /// Which half of this program we are.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The policy and the places it names, read once.
    pub fn config(&self) -> Result<&Config, Problem> {
        if let Some(read) = self.config.get() {
            return Ok(read);
        }
        let read = policy_file::read(&self.policy).map_err(|bad| unusable(&bad))?;
        Ok(self.config.get_or_init(|| read))
    }

    /// A policy that nothing is run by: whose it is does not matter.
    pub fn draft(&self) -> Result<Config, Problem> {
        let unreadable = |why: safe_file::Error| BadPolicy::Unreadable {
            path: self.policy.clone(),
            why: why.into(),
        };
        let text = safe_file::read(&self.policy, policy_file::LONGEST, None).map_err(unreadable);
        text.and_then(|text| policy_file::parse(&text, &self.policy)).map_err(|bad| unusable(&bad))
    }

    /// The account that owns the ledger or Nagios' files, when we are root and it is another's.
    /// Before there is a ledger, it is the one that Nagios runs as.
    pub fn other_owner(&self) -> Result<Option<Account>, Problem> {
        let config = self.config()?;
        match privsep::other_owner(config.directories()) {
            // More than one account can change it: it is not root's alone.
            Err(privsep::Error::Owner { .. }) => Ok(account::to_become(None, self.nagios_cfg())?),
            Ok(None) if !config.directories().all(Path::exists) => {
                Ok(account::to_become(None, self.nagios_cfg())?)
            }
            owner => Ok(owner?),
        }
    }

    /// The same for a command that needs no policy: without one that root believes, it is the
    /// account Nagios runs as.
    pub fn any_account(&self) -> Result<Option<Account>, Problem> {
        // A policy that comes through a pipe can be read once, by the half that uses it.
        if safe_file::own_descriptor(&self.policy).is_some() {
            return Ok(account::to_become_if_any(self.nagios_cfg())?);
        }
        match self.config() {
            Ok(_) => self.other_owner(),
            Err(_) => Ok(account::to_become_if_any(self.nagios_cfg())?),
        }
    }

    /// The ledger, for reading; `None` before the first repair.
    pub fn ledger(&self, config: &Config) -> Result<Option<Box<dyn Ledger>>, Problem> {
        match ledger::open_read_only(&config.ledger) {
            Ok(ledger) => Ok(Some(ledger)),
            Err(ledger::Error::Missing(_)) => Ok(None),
            Err(why) => Err(Problem::Usage(why.to_string())),
        }
    }

    /// The ledger, for writing; it is made if it is not there yet.
    pub fn ledger_to_write(&self, config: &Config) -> Result<Box<dyn Ledger>, Problem> {
        ledger::open(&config.ledger).map_err(|why| Problem::Usage(why.to_string()))
    }
}

fn unusable(bad: &BadPolicy) -> Problem {
    let step = match bad {
        BadPolicy::Unreadable { why, .. } if why.kind() == ErrorKind::PermissionDenied => {
            AS_ANOTHER
        }
        _ => "",
    };
    Problem::Usage(format!("{bad}{step}"))
}
