//! The errors of `repairctl sweep`.

use std::io;
use std::path::PathBuf;

use handle_repair::queue::QueueError;
use plugin_kit::Problem;

/// Why a sweep does not start, or stops early.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The policy names no source for the state of objects, so the sweep cannot find out which of
    /// them have a fault.
    #[error(
        "{policy}: there is neither \"status_file\" nor \"icinga2\", and a sweep needs one of \
         them; for Nagios, copy the value of status_file from nagios.cfg; nothing was done"
    )]
    NoSource {
        /// Path of the policy, for the message.
        policy: PathBuf,
    },
    /// The engine did not report its state.
    #[error("{0}; nothing was done")]
    Engine(#[from] engine::Error),
    /// The object cache cannot be read.
    #[error(
        "{path}: cannot read Nagios' object cache, which contains the hosts' addresses: {why}; \
         with --objects, pass the value of object_cache_file in nagios.cfg; nothing was done"
    )]
    ObjectCache {
        /// Path of the object cache, for the message.
        path: PathBuf,
        why: io::Error,
    },
    /// The ledger failed before the sweep started any worker.
    #[error(transparent)]
    NotBegun(ledger::Error),
    /// The queue of handler calls, next to the ledger, cannot be used.
    #[error("{0}; nothing was done")]
    Queue(#[from] QueueError),
    /// The ledger failed while the sweep was running.
    #[error("{0}; repairs that are already running will finish")]
    Ledger(#[from] ledger::Error),
    /// The policy's path is relative, and the current directory does not exist.
    #[error("--policy: {0}")]
    Policy(io::Error),
}

impl From<SweepError> for Problem {
    fn from(error: SweepError) -> Problem {
        Problem::failed(error)
    }
}
