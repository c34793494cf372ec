//! Reads policy.json: the admin's rules, the places of things, and every default. Refuses unknown
//! keys.

mod file;
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
pub use routes::{Backend, HostRoute, HostRoutes};
pub use span::{BadSpan, Span};

/// Why the policy cannot be used. Nothing is run then.
#[derive(Debug, thiserror::Error)]
pub enum BadPolicy {
    /// Not there, or not for us.
    #[error("cannot read the policy {path}: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// Everybody could tell us what to run.
    #[error("the policy {0} can be written by everybody; `repairctl doctor` as root names the fix")]
    WritableByAll(PathBuf),
    /// Its group could tell root what to run.
    #[error(
        "the policy {0} can be written by its group, so root does not use it; `repairctl doctor` \
         as root names the fix"
    )]
    WritableByGroup(PathBuf),
    /// Programs are started from any directory.
    #[error("{path}: '{}' is not an absolute path", printable(&.place.display().to_string()))]
    Relative {
        /// The file.
        path: PathBuf,
        /// The place it names.
        place: PathBuf,
    },
    /// Somebody else could tell us what to run.
    #[error(
        "the policy {path} belongs to uid {owner}, not to root or us: run this as that user, or \
         see `repairctl doctor`, which names the fix to root"
    )]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Not JSON, or not a policy.
    #[error("{path}:{line}:{column}: {key}{what}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// The key it is about, like `repairs.httpd.cooldown: `, or empty.
        key: String,
        /// What is wrong there.
        what: String,
    },
}

impl BadPolicy {
    /// Whether the text may be right, but its owner or mode lets others change it.
    pub fn is_about_its_owner(&self) -> bool {
        use BadPolicy::{Owner, WritableByAll, WritableByGroup};
        matches!(self, WritableByAll(_) | WritableByGroup(_) | Owner { .. })
    }
}

/// Reads and checks a policy file.
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

/// Checks that no other account can replace the policy.
fn unchangeable(path: &Path) -> Result<(), safe_file::Error> {
    let path = safe_file::resolve(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))?;
    Directory::open(path.parent().unwrap_or(&path)).map(drop)
}

/// The longest policy, in bytes; one with a thousand hosts has 100 KB.
pub const LONGEST: u64 = 16 << 20;
/// How long a policy that comes through a pipe is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads and checks the text of a policy. `path` is only told in errors; whose file it is, is not
/// looked at here.
pub fn parse(text: &[u8], path: &Path) -> Result<Config, BadPolicy> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let config: Config = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        // It ends with '?' where the text itself is broken, between keys.
        let key = error.path().to_string().trim_end_matches(['.', '?']).to_owned();
        let key = Some(key).filter(|key| !key.is_empty());
        malformed(path, key, error.inner())
    })?;
    json.end().map_err(|error| malformed(path, None, &error))?;
    let relative = config.paths().find(|place| !place.is_absolute()).map(Path::to_owned);
    match relative {
        Some(place) => Err(BadPolicy::Relative { path: path.to_owned(), place }),
        None => Ok(config),
    }
}

fn malformed(path: &Path, key: Option<String>, error: &serde_json::Error) -> BadPolicy {
    let (line, column) = (error.line(), error.column());
    // The place stands in front of the message, the way compilers do.
    let what =
        printable(&error.to_string().replace(&format!(" at line {line} column {column}"), ""));
    let key = key.map(|key| format!("{}: ", printable(&key))).unwrap_or_default();
    BadPolicy::Malformed { path: path.to_owned(), line, column, key, what }
}

/// What the file says comes back in a message, of one line that a terminal shows as it is.
fn printable(text: &str) -> String {
    let kept = |c: &char| matches!(c, '\'' | '"' | '\\');
    text.chars()
        .map(|c| if kept(&c) { c.to_string() } else { c.escape_debug().to_string() })
        .collect()
}

#[cfg(test)]
mod tests;
