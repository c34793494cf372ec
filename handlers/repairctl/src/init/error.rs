//! Why `init` stops.

use std::io;
use std::path::{Path, PathBuf};

use plugin_kit::{Problem, clean};

use super::merge::MergeError;
use crate::gate_setup::GATE;
use crate::paste::{Paste, path, with_sudo};

/// Why `init` stops. Everything it made before stays.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Another account than root called it.
    #[error(
        "init gives files to root and to Nagios' user, so it needs root; nothing was done; {}",
        with_sudo()
    )]
    NotRoot,
    /// Another account than root can change the file that names Nagios' user.
    #[error(
        "Nagios' main configuration, which others than root can change, says that it runs as \
         '{0}': if that is right, give --nagios-user; nothing was done"
    )]
    UnprovenUser(String),
    /// A file or a directory could not be made.
    #[error("cannot make {path}: {why}")]
    Make { path: PathBuf, why: io::Error },
    /// One half of the key is missing, and the other one is not replaced.
    #[error(
        "{public} is there without its private key {private}: put that back, or, for a new pair, {}",
        Paste::here(format!("rm {}", path(.public)))
    )]
    NoPrivateKey { public: PathBuf, private: PathBuf },
    /// ssh-keygen(1) could not be run.
    #[error("/usr/bin/ssh-keygen: {0}; install your distribution's openssh-client, then come back")]
    NoKeygen(io::Error),
    /// ssh-keygen(1) failed with this text.
    #[error("ssh-keygen made no key at {path}: {text}")]
    Keygen { path: PathBuf, text: String },
    /// The file beside the private key is missing or not valid.
    #[error("there is no public key at {0}.pub; {make}", make = public_half(.0))]
    NoPublicKey(PathBuf),
    /// The package's gate is not on this server.
    #[error("no repair_gate is here to be copied: install it as {GATE}")]
    NoGate,
    /// The gate on this server could not be read.
    #[error("{path}: {why}")]
    ReadGate { path: PathBuf, why: io::Error },
    /// The name could pass for something else on a command line.
    #[error(
        "ssh takes no host named '{}': give the name that you type after ssh, with --address; \
         nothing was done there",
        clean(.0)
    )]
    BadTarget(String),
    /// The user's name could pass for something else on a command line.
    #[error("--sudo-user: '{}' is not the name of an account; nothing was done there", clean(.0))]
    BadLogin(String),
    /// Repairs cannot be added to a file.
    #[error("{place}: {why}; nothing was added there")]
    Merge { place: String, why: MergeError },
    /// The ssh program could not be run.
    #[error("ssh: {0}")]
    Ssh(io::Error),
}

/// The command that makes the public key of a private one.
fn public_half(key: &Path) -> Paste {
    let key = path(key);
    Paste::here(format!("ssh-keygen -y -f {key} > {key}.pub"))
}

impl From<InitError> for Problem {
    fn from(error: InitError) -> Problem {
        Problem::failed(error)
    }
}
