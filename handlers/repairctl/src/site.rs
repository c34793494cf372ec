//! The site: its policy, read when a command needs it, and its ledger.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use handle_repair::config::{self, BadPolicy, Config};
use ledger::SqliteLedger;
use plugin_kit::Problem;

/// The next step of an admin who has logged in as somebody else.
const AS_ANOTHER: &str = "; run it as root, with sudo, or as the user of Nagios";

/// Where everything of a site begins.
#[derive(Debug)]
pub struct Site {
    policy: PathBuf,
}

impl Site {
    /// The site of this policy.
    pub fn new(policy: PathBuf) -> Site {
        Site { policy }
    }

    /// The policy's file.
    pub fn policy(&self) -> &Path {
        &self.policy
    }

    /// The policy and the places it names.
    pub fn config(&self) -> Result<Config, Problem> {
        config::read(&self.policy).map_err(|bad| {
            let step = match &bad {
                BadPolicy::Unreadable { why, .. } if why.kind() == ErrorKind::PermissionDenied => AS_ANOTHER,
                _ => "",
            };
            Problem::Usage(format!("{bad}{step}"))
        })
    }

    /// The ledger, for reading; `None` before the first repair.
    pub fn ledger(&self, config: &Config) -> Result<Option<SqliteLedger>, Problem> {
        match SqliteLedger::open_read_only(&config.ledger) {
            Ok(ledger) => Ok(Some(ledger)),
            Err(ledger::Error::Missing(_)) => Ok(None),
            Err(why) => Err(Problem::Usage(why.to_string())),
        }
    }

    /// The ledger, for writing; it is made if it is not there yet.
    pub fn ledger_to_write(&self, config: &Config) -> Result<SqliteLedger, Problem> {
        SqliteLedger::open(&config.ledger).map_err(|why| Problem::Usage(why.to_string()))
    }
}
