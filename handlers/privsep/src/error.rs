//! Errors from splitting a program into two processes.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a program could not be split into two processes. After any of these errors, the program does
/// nothing as root.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the error messages explain the fields")]
pub enum Error {
    /// The account could not be looked up, because the system has run out of a resource or a
    /// directory service does not answer.
    #[error("cannot look up account {account}: {why}; try again, or check the directory service")]
    Lookup { account: String, why: io::Error },
    /// The account does not exist. A statically linked program sees only the accounts in
    /// /etc/passwd.
    #[error("there is no account with user ID {0}; run this program as the owner of the ledger")]
    NoAccount(String),
    /// Root must not run repairs that belong to another account.
    #[error(
        "{account}'s repairs never run as root, so nothing was run; to run this repair as \
         {account}, use this command as root: {line}"
    )]
    AsRoot { account: String, line: String },
    /// An account other than root passed the internal option `--step-down`.
    #[error("--step-down is for internal use only; leave it out")]
    NotRoot,
    /// A system call failed while the process switched to the other account.
    #[error("cannot run as {account}: {step} failed: {why}")]
    StepDown { account: String, step: &'static str, why: io::Error },
    /// The child process could not be started, or its answer could not be read.
    #[error("cannot start the child process that runs as {account}: {why}")]
    Start { account: String, why: io::Error },
    /// The child process did not answer within the timeout and was killed.
    #[error(
        "the child process that runs as {account} did not answer within {} s; try again, or run \
         this program as {account}",
        timeout.as_secs()
    )]
    Late { account: String, timeout: Duration },
    /// The child process's answer is larger than the limit.
    #[error(
        "the child process that runs as {account} answered with more than {limit} bytes or {values} \
         values; narrow the query"
    )]
    TooLarge { account: String, limit: usize, values: usize },
    /// The child process reported an error.
    #[error("as {account}: {text}")]
    Reported { account: String, text: String },
    /// The child process's answer is missing or has an unexpected form.
    #[error(
        "invalid answer from the child process that runs as {account}: {why}; check that \
         all programs of nagios-selfheal have the same version"
    )]
    Answer { account: String, why: String },
    /// It is not clear which account owns the directory, for example because several accounts can
    /// change it.
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
