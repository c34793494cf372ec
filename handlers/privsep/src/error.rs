//! Why a program could not split.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a program could not split. Root did nothing instead.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are in the messages")]
pub enum Error {
    /// The system is short of something, or a directory service does not answer.
    #[error("cannot look up account {account}: {why}; try again, or check the directory service")]
    Lookup { account: String, why: io::Error },
    /// A statically linked program knows the accounts of /etc/passwd only.
    #[error("no account {0} is known here; run this as the owner of the ledger")]
    NoAccount(String),
    /// Root does not do the work of another account.
    #[error("root does not run {account}'s repairs, so nothing was run; instead, as root: {line}")]
    AsRoot { account: String, line: String },
    /// Another account used the internal option.
    #[error("--step-down is internal; leave it out")]
    NotRoot,
    /// A system call on the way to the other account failed.
    #[error("cannot run as {account}: {step}: {why}")]
    StepDown { account: String, step: &'static str, why: io::Error },
    /// The other half did not start, or its answer could not be read.
    #[error("cannot start the part that runs as {account}: {why}")]
    Start { account: String, why: io::Error },
    /// The other half did not answer in time, and was killed.
    #[error(
        "the part that runs as {account} did not answer within {} s; try again, or run this as \
         that user",
        timeout.as_secs()
    )]
    Late { account: String, timeout: Duration },
    /// The answer is over its limit.
    #[error(
        "the part that runs as {account} answered with more than {limit} bytes; narrow the query"
    )]
    TooLarge { account: String, limit: usize },
    /// The other half reports a problem.
    #[error("as {account}: {text}")]
    Reported { account: String, text: String },
    /// The answer is missing or has another form.
    #[error(
        "invalid answer from the part that runs as {account}: {why}; is another version installed?"
    )]
    Answer { account: String, why: String },
    /// More than one account can change the directory.
    #[error("cannot determine the owner of {path}: {why}")]
    Owner { path: PathBuf, why: safe_file::Error },
}

impl From<Error> for plugin_kit::Problem {
    fn from(error: Error) -> plugin_kit::Problem {
        match error {
            Error::NotRoot => plugin_kit::Problem::Usage(error.to_string()),
            error => plugin_kit::Problem::failed(error),
        }
    }
}
