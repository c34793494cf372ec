//! Commands for an admin to paste into a shell. Each command is complete, quotes its arguments, and
//! names the machine and the account that it is for.

use std::fmt;
use std::path::Path;

use privsep::quoted;

/// A command line, with the machine and the account that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paste {
    /// Name of the host, quoted for a shell, or `None` for this server.
    host: Option<String>,
    account: &'static str,
    line: String,
}

impl Paste {
    /// Creates a command for root on this server.
    pub fn here(line: impl Into<String>) -> Paste {
        Paste { host: None, account: "root", line: line.into() }
    }

    /// Creates a command for root on `host`. The caller must already have quoted the host's name.
    pub fn on(host: &str, line: impl Into<String>) -> Paste {
        Paste { host: Some(host.to_owned()), ..Paste::here(line) }
    }

    /// Creates a command for the admin's own account. That account can use sudo and has the SSH
    /// keys for logging in to hosts.
    pub fn as_yourself(line: impl Into<String>) -> Paste {
        Paste { account: "yourself", ..Paste::here(line) }
    }
}

impl fmt::Display for Paste {
    /// Writes `on web1, as root: COMMAND`. The command comes last, so that an admin can select it
    /// up to the end of the line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "on {host}, ")?;
        }
        write!(f, "as {}: {}", self.account, self.line)
    }
}

/// Returns the command line of this process with sudo in front.
pub fn with_sudo() -> Paste {
    let words = std::env::args_os().skip(1).map(|word| quoted(&word.to_string_lossy()));
    let words: Vec<String> = [program("repairctl")].into_iter().chain(words).collect();
    Paste::as_yourself(format!("sudo {}", words.join(" ")))
}

/// Quotes a path for a shell.
pub fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// Returns the absolute form of a path, quoted for a shell.
pub fn absolute(relative: &Path) -> String {
    path(&std::path::absolute(relative).unwrap_or_else(|_| relative.to_owned()))
}

/// The directories in which sudo(8) and root's shells look for programs.
const PATH: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Returns the name of a program that is installed in the same directory as repairctl. Includes the
/// directory unless root's shells find the program by its name.
pub fn program(name: &str) -> String {
    let us = std::env::current_exe().unwrap_or_default();
    let is_known = us.parent().is_none_or(|parent| PATH.iter().any(|known| parent == *known));
    if is_known { name.to_owned() } else { path(&us.with_file_name(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_machine_and_account_for_a_command() {
        assert_eq!(Paste::on("web1", "id").to_string(), "on web1, as root: id");
        assert_eq!(Paste::here("id").to_string(), "as root: id");
        assert_eq!(Paste::as_yourself("sudo id").to_string(), "as yourself: sudo id");
        // The test program's directory is not in PATH, so `program` must return an absolute path.
        assert!(program("repairctl").starts_with('/'));
        assert_eq!(absolute(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
