//! Commands that an admin can paste: complete, for a named account on a named machine, with each
//! word quoted for a shell.

use std::fmt;
use std::path::Path;

use privsep::quoted;

/// A command line, and where it is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paste {
    /// The host, quoted; absent for this server.
    host: Option<String>,
    account: &'static str,
    line: String,
}

impl Paste {
    /// A command for root on this server.
    pub fn here(line: impl Into<String>) -> Paste {
        Paste { host: None, account: "root", line: line.into() }
    }

    /// A command for root on `host`, whose name is quoted already.
    pub fn on(host: &str, line: impl Into<String>) -> Paste {
        Paste { host: Some(host.to_owned()), ..Paste::here(line) }
    }

    /// A command that logs in elsewhere as the admin, who has the keys for that and may use sudo.
    pub fn as_yourself(line: impl Into<String>) -> Paste {
        Paste { account: "yourself", ..Paste::here(line) }
    }
}

impl fmt::Display for Paste {
    /// `on web1, as root: COMMAND`. The command ends the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "on {host}, ")?;
        }
        write!(f, "as {}: {}", self.account, self.line)
    }
}

/// Returns this very command, for an admin who has called it without sudo.
pub fn with_sudo() -> Paste {
    let words = std::env::args_os().skip(1).map(|word| quoted(&word.to_string_lossy()));
    let words: Vec<String> = [program("repairctl")].into_iter().chain(words).collect();
    Paste::as_yourself(format!("sudo {}", words.join(" ")))
}

/// Quotes a path.
pub fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// Quotes a path that is true in every directory.
pub fn absolute(relative: &Path) -> String {
    path(&std::path::absolute(relative).unwrap_or_else(|_| relative.to_owned()))
}

/// Where sudo(8) and root's shells look for programs.
const PATH: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Returns the name of a program beside this one, with its directory unless every root has that in
/// PATH.
pub fn program(name: &str) -> String {
    let us = std::env::current_exe().unwrap_or_default();
    let is_known = us.parent().is_none_or(|parent| PATH.iter().any(|known| parent == *known));
    if is_known { name.to_owned() } else { path(&us.with_file_name(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_machine_and_account() {
        assert_eq!(Paste::on("web1", "id").to_string(), "on web1, as root: id");
        assert_eq!(Paste::here("id").to_string(), "as root: id");
        assert_eq!(Paste::as_yourself("sudo id").to_string(), "as yourself: sudo id");
        // The test program stands in for repairctl, outside of PATH.
        assert!(program("repairctl").starts_with('/'));
        assert_eq!(absolute(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
