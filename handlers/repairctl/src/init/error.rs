//! The errors of `repairctl init`.

use std::io;
use std::path::{Path, PathBuf};

use plugin_kit::{Problem, clean};

use super::merge::MergeError;
use crate::gate_setup::GATE;
use crate::paste::{Paste, path, with_sudo};

/// Why `init` stops. The files that it has already created are kept.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The effective user is not root.
    #[error(
        "init must run as root, because it creates files for root and for Nagios' user; nothing \
         was done; run it with sudo, {sudo}",
        sudo = with_sudo()
    )]
    NotRoot,
    /// Accounts other than root can change the file that names Nagios' user.
    #[error(
        "Nagios' main configuration names the user '{0}', but accounts other than root can change \
         this file: if the name is right, pass it with --nagios-user; nothing was done"
    )]
    UnprovenUser(String),
    /// A file or directory could not be created or changed.
    #[error("cannot create or change {path}: {why}")]
    Make { path: PathBuf, why: io::Error },
    /// A file or directory could not be opened or read.
    #[error("cannot open or read {path}: {why}")]
    Read { path: PathBuf, why: io::Error },
    /// There is a public key without its private key. Init does not overwrite the public key.
    #[error(
        "the public key {public} exists, but its private key {private} does not: restore the \
         private key, or remove the public key to get a new pair, {remove}",
        remove = Paste::here(format!("rm {}", path(.public)))
    )]
    NoPrivateKey { public: PathBuf, private: PathBuf },
    /// ssh-keygen(1) could not be run.
    #[error(
        "cannot run /usr/bin/ssh-keygen: {0}; install the OpenSSH client of your distribution, and \
         run init again"
    )]
    NoKeygen(io::Error),
    /// ssh-keygen(1) failed and printed this text.
    #[error("ssh-keygen created no key at {path}: {text}")]
    Keygen { path: PathBuf, text: String },
    /// The public key next to the private key is missing or invalid.
    #[error(
        "the public key {0}.pub is missing or invalid; derive it from the private key, {make}",
        make = public_half(.0)
    )]
    NoPublicKey(PathBuf),
    /// The gate program, which init would copy to the host, is missing on this server.
    #[error("there is no repair_gate on this server to copy to the host: install it as {GATE}")]
    NoGate,
    /// The gate program on this server could not be read.
    #[error("cannot read {path}: {why}")]
    ReadGate { path: PathBuf, why: io::Error },
    /// The host's name contains characters that are unsafe on a command line.
    #[error(
        "ssh cannot use '{name}' as a host name: with --address, pass the name that you type after \
         ssh; nothing was done on the host",
        name = clean(.0)
    )]
    BadTarget(String),
    /// The user's name contains characters that are unsafe on a command line.
    #[error(
        "--sudo-user: '{name}' is not an account name; nothing was done on the host",
        name = clean(.0)
    )]
    BadLogin(String),
    /// Repairs cannot be added to an existing policy.json or repairs.json.
    #[error("{place}: {why}; nothing was added")]
    Merge { place: String, why: MergeError },
    /// The ssh program could not be run.
    #[error("cannot run ssh: {0}")]
    Ssh(io::Error),
}

/// Returns the command that derives the public key from the private key.
fn public_half(key: &Path) -> Paste {
    let key = path(key);
    Paste::here(format!("ssh-keygen -y -f {key} > {key}.pub"))
}

impl From<InitError> for Problem {
    fn from(error: InitError) -> Problem {
        Problem::failed(error)
    }
}
