//! The ledger records repairs and refusals, and reserves each repair before it starts.
//!
//! One transaction reads the history, lets the rules decide, and writes the reservation. If the
//! transaction fails, nothing is written and nothing is repaired. A crash or a power failure after
//! the transaction does not undo the reservation. Only the last refusals may be lost, because they
//! are written after the transaction. If the ledger cannot be read, the caller gets an error and
//! nothing is repaired. An unreadable ledger is never treated as empty.

mod error;
mod filter;
mod forgotten;
mod held_back;
mod interface;
mod record;
mod relapse;
mod rung_session;
mod sqlite;
mod times;
mod trouble;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use policy::{Event, History, Horizon, Observation, RecordedHistory};

pub use error::Error;
pub use filter::{Filter, LimitBounds, RefusalCount, RefusalTotals, Which};
pub use held_back::{HeldBack, held_back};
pub use interface::{Ledger, SweepLock};
pub use record::{
    Claim, Paused, Record, RecordedReason, Refusal, RepairOutcome, RepairState, Reset, RungStart,
    Running, Step, StepKind,
};
pub use relapse::RelapseFinder;
pub use rung_session::RungSession;

/// Opens the ledger for writing, and creates it if it does not exist. Migrates a ledger from an
/// older version to the current schema and keeps a copy of the older ledger next to the new one.
///
/// # Errors
/// Fails if the ledger cannot be trusted or used, or if a worker of the older version is still
/// running.
pub fn open(path: &Path) -> Result<Box<dyn Ledger>, Error> {
    Ok(Box::new(sqlite::SqliteLedger::open(path)?))
}

/// Rewrites a ledger from an older version so that its file can shrink when records expire. Returns
/// `false` if the ledger does not need this. Decisions wait until the rewrite is done.
///
/// # Errors
/// Returns [`Error::InUse`] while a worker is repairing, or one of the errors of [`open`].
pub fn compact(path: &Path) -> Result<bool, Error> {
    sqlite::SqliteLedger::compact(path)
}

/// Opens an existing ledger for reading only.
///
/// # Errors
/// Returns [`Error::Missing`] if the ledger does not exist yet, [`Error::Older`] if it has not been
/// migrated to the current schema, or one of the errors of [`open`].
pub fn open_read_only(path: &Path) -> Result<Box<dyn Ledger>, Error> {
    Ok(Box::new(sqlite::SqliteLedger::open_read_only(path)?))
}

/// Returns the file or directory that keeps this user from writing the ledger, or `None` if nothing
/// does. As long as the ledger is not writable, nothing is repaired.
pub fn unwritable(path: &Path) -> Option<PathBuf> {
    sqlite::SqliteLedger::unwritable(path)
}

/// Returns everything that a decision depends on: the recorded history, and the state in the
/// monitoring engine. If there is no ledger yet, the recorded history is empty.
pub fn gather(
    ledger: Option<&mut dyn Ledger>,
    event: &Event,
    horizon: &Horizon,
    now: SystemTime,
    observed: Option<Observation>,
) -> Result<History, Error> {
    let recorded = match ledger {
        Some(ledger) => ledger.history(event, horizon, now)?,
        None => RecordedHistory::default(),
    };
    Ok(History { recorded, observed })
}
