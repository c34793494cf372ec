//! Why a program that root runs could not split.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Nothing was done as root in place of what failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system could not say whether there is such an account; it may be out of descriptors, or a directory service down.
    #[error("cannot look up the account {account}: {why}")]
    Lookup {
        /// Its name or number.
        account: String,
        /// What the system said.
        why: io::Error,
    },
    /// No such account.
    #[error("there is no account {0}")]
    NoAccount(String),
    /// The program does nothing as root.
    #[error("these repairs are {account}'s, so root does not run them; use: {line}")]
    AsRoot {
        /// Whose the site is.
        account: String,
        /// The same call as that account.
        line: String,
    },
    /// The option that makes a half was given by somebody else than root's half.
    #[error("only root's own half of this program starts the other one")]
    NotRoot,
    /// A system call on the way failed.
    #[error("cannot run as {account}: {step}: {why}")]
    StepDown {
        /// The account.
        account: String,
        /// What was tried.
        step: &'static str,
        /// What the system said.
        why: io::Error,
    },
    /// The half could not be started or read.
    #[error("cannot start the half that runs as {account}: {why}")]
    Start {
        /// The account.
        account: String,
        /// What the system said.
        why: io::Error,
    },
    /// The half was ended.
    #[error("the half that runs as {account} did not answer within {} s", within.as_secs())]
    Late {
        /// The account.
        account: String,
        /// How long root's half waited.
        within: Duration,
    },
    /// More than root's half takes.
    #[error("the half that runs as {account} answers with more than {limit} bytes: ask for less")]
    TooLarge {
        /// The account.
        account: String,
        /// The limit.
        limit: usize,
    },
    /// No answer, or one of another form.
    #[error("the half that runs as {account} gave no valid answer: {why}")]
    Answer {
        /// The account.
        account: String,
        /// What is wrong with it.
        why: String,
    },
    /// Root can say nothing of a directory that others can change under its hands.
    #[error("cannot tell who owns {path}: {why}")]
    Owner {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        why: safe_file::Error,
    },
}
