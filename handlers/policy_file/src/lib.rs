//! Reads policy.json, which holds the admin's rules, the paths of files and the routes to hosts.
//! Fills in every default and refuses unknown keys.

mod file;
mod icinga2;
mod ledger;
mod repairs;
mod routes;
mod span;
mod unique;

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use safe_file::{Directory, Input};

pub use file::{Config, WatchService};
pub use icinga2::Icinga2Api;
pub use ledger::{LedgerConfig, PostgresConfig, PostgresHost, PostgresTls};
pub use routes::{Backend, HostRoute, HostRoutes};
pub use span::{BadSpan, Span};

/// Why the policy cannot be used. Without a policy, nothing is repaired.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the error messages explain the fields")]
pub enum BadPolicy {
    /// The policy is missing or not readable.
    #[error("cannot read the policy {path}: {why}")]
    Unreadable { path: PathBuf, why: io::Error },
    /// Every account can write to the policy file, and could therefore choose which programs run.
    #[error("the policy {0} is writable by every user; {fix}", fix = policy::see_doctor!())]
    WritableByAll(PathBuf),
    /// The policy file's group can write to it, and could therefore choose which programs root
    /// runs.
    #[error(
        "the policy {0} is writable by its group, so root does not use it; {fix}",
        fix = policy::see_doctor!()
    )]
    WritableByGroup(PathBuf),
    /// The policy names a relative path. Programs are started from any directory, so a relative
    /// path has no fixed meaning.
    #[error("{path}: '{}' is not an absolute path", printable(&.place.display().to_string()))]
    Relative {
        path: PathBuf,
        /// The relative path in the policy.
        place: PathBuf,
    },
    /// The policy has the key `icinga2` and also a key that names a file of Nagios.
    #[error(
        "{path}: icinga2: the policy also has \"{key}\", a file of Nagios; remove the key of the \
         engine that this server does not run"
    )]
    TwoEngines {
        path: PathBuf,
        /// The key in the policy that names a file of Nagios.
        key: &'static str,
    },
    /// The policy file belongs to another account, which could choose which programs run.
    #[error(
        "the policy {path} belongs to uid {owner}, not to root or the current user; run this \
         program as uid {owner}, or {}",
        policy::see_doctor!()
    )]
    Owner { path: PathBuf, owner: u32 },
    /// The file is not valid JSON or not a valid policy.
    #[error("{path}:{line}:{column}: {key}{what}")]
    Malformed {
        path: PathBuf,
        /// Line of the error, counted from 1.
        line: usize,
        /// Column of the error, counted from 1.
        column: usize,
        /// Path of the key followed by a colon, for example `repairs.httpd.cooldown: `, or empty.
        key: String,
        /// What is wrong with the key or the file.
        what: String,
    },
}

impl BadPolicy {
    /// Whether the problem is the file's owner or mode rather than its content.
    pub fn is_about_its_owner(&self) -> bool {
        use BadPolicy::{Owner, WritableByAll, WritableByGroup};
        matches!(self, WritableByAll(_) | WritableByGroup(_) | Owner { .. })
    }
}

/// Reads and checks a policy file.
///
/// # Errors
/// Fails if the file cannot be read, another account can change it, or its content is not a valid
/// policy.
pub fn read(path: &Path) -> Result<Config, BadPolicy> {
    let unreadable = |why| BadPolicy::Unreadable { path: path.to_owned(), why };
    let file = Input::open(path, LONGEST, Some(Instant::now() + PATIENCE))
        .map_err(|why| unreadable(why.into()))?;
    let found = file.metadata().map_err(unreadable)?;
    if found.mode() & 0o002 != 0 {
        return Err(BadPolicy::WritableByAll(path.to_owned()));
    }
    let us = rustix::process::geteuid();
    if found.uid() != 0 && found.uid() != us.as_raw() {
        return Err(BadPolicy::Owner { path: path.to_owned(), owner: found.uid() });
    }
    if us.is_root() && safe_file::own_descriptor(path).is_none() {
        if found.mode() & 0o020 != 0 {
            return Err(BadPolicy::WritableByGroup(path.to_owned()));
        }
        unchangeable(path).map_err(|why| unreadable(why.into()))?;
    }
    parse(&file.read_all().map_err(|why| unreadable(why.into()))?, path)
}

/// Checks that no other account can replace the policy file.
fn unchangeable(path: &Path) -> Result<(), safe_file::Error> {
    let path = safe_file::resolve(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))?;
    Directory::open(path.parent().unwrap_or(&path)).map(drop)
}

/// Maximum size of a policy, in bytes. A policy with a thousand hosts is about 100 KB.
pub const LONGEST: u64 = 16 << 20;
/// How long to wait for the content if the policy is read from a pipe.
const PATIENCE: Duration = Duration::from_secs(5);

/// Parses and checks the content of a policy file. `path` is used only in error messages. This
/// function does not check who owns the file.
///
/// # Errors
/// Fails if the content is not a valid policy.
pub fn parse(text: &[u8], path: &Path) -> Result<Config, BadPolicy> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let config: Config = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        // Remove the '?' that serde_path_to_error appends if the JSON is invalid between two keys.
        let key = error.path().to_string().trim_end_matches(['.', '?']).to_owned();
        let key = Some(key).filter(|key| !key.is_empty());
        malformed(path, key, error.inner())
    })?;
    json.end().map_err(|error| malformed(path, None, &error))?;
    let relative = config.paths().find(|place| !place.is_absolute()).map(Path::to_owned);
    match (relative, config.conflicting_key()) {
        (Some(place), _) => Err(BadPolicy::Relative { path: path.to_owned(), place }),
        (None, Some(key)) => Err(BadPolicy::TwoEngines { path: path.to_owned(), key }),
        (None, None) => Ok(config),
    }
}

fn malformed(path: &Path, key: Option<String>, error: &serde_json::Error) -> BadPolicy {
    let (line, column) = (error.line(), error.column());
    // Remove the position from the text, because the message already begins with it.
    let what =
        printable(&error.to_string().replace(&format!(" at line {line} column {column}"), ""));
    let key = key.map(|key| format!("{}: ", printable(&key))).unwrap_or_default();
    BadPolicy::Malformed { path: path.to_owned(), line, column, key, what }
}

/// Escapes line breaks and control characters in text from the file.
fn printable(text: &str) -> String {
    let kept = |c: &char| matches!(c, '\'' | '"' | '\\');
    text.chars()
        .map(|c| if kept(&c) { c.to_string() } else { c.escape_debug().to_string() })
        .collect()
}

#[cfg(test)]
mod tests;
