//! Why a sweep does not begin or go on.

use std::io;
use std::path::PathBuf;

use engine::status_file::StatusFileError;
use plugin_kit::Problem;

/// Why a sweep does not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The policy names no status file.
    #[error(
        "a sweep reads Nagios' status file, which {} does not name: give it \"status_file\", as \
         status_file of nagios.cfg says; nothing was done",
        policy.display()
    )]
    NoStatusFile {
        /// The policy's file.
        policy: PathBuf,
    },
    /// The status file cannot be used.
    #[error("{0}; nothing was done")]
    StatusFile(#[from] StatusFileError),
    /// The object cache cannot be read.
    #[error(
        "cannot read Nagios' object cache {}, which has the hosts' addresses: {why}; give \
         --objects, as object_cache_file of nagios.cfg says; nothing was done",
        path.display()
    )]
    ObjectCache {
        /// The file.
        path: PathBuf,
        /// The system's error.
        why: io::Error,
    },
    /// The ledger cannot be used before anything is offered.
    #[error(transparent)]
    NotBegun(ledger::Error),
    /// The ledger cannot be used any more.
    #[error("{0}; what runs goes on to its end")]
    Ledger(#[from] ledger::Error),
    /// The current directory is gone.
    #[error("--policy: {0}")]
    Policy(io::Error),
}

impl From<SweepError> for Problem {
    fn from(error: SweepError) -> Problem {
        Problem::failed(error)
    }
}
