//! The ledger: what is known of repairs, and the right to start one.
//!
//! A repair is reserved in one transaction before anything is done: the history is read, the rules
//! decide, and the reservation is written, or nothing is. A crash cannot give a reservation back. A
//! ledger that cannot be read is an error and never "empty": then nothing is repaired.

mod error;
mod filter;
mod held_back;
mod interface;
mod record;
mod relapse;
mod rung_session;
mod sqlite;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use policy::{Event, History, Horizon, Observation, RecordedHistory};

pub use error::Error;
pub use filter::{Filter, RefusalCount, Which};
pub use held_back::{HeldBack, held_back};
pub use interface::{Ledger, SweepLock};
pub use record::{
    Claim, Paused, Record, RecordedReason, Refusal, RepairOutcome, RepairState, Reset, RungStart,
    Running, Step, StepKind,
};
pub use relapse::relapsed;
pub use rung_session::RungSession;

/// Opens the ledger for writing; the first repair creates it. A ledger of an older version is
/// brought to this one's schema, and a copy is kept beside it.
///
/// # Errors
/// When the ledger cannot be trusted or used, or a worker of the older version is still at work.
pub fn open(path: &Path) -> Result<Box<dyn Ledger>, Error> {
    Ok(Box::new(sqlite::SqliteLedger::open(path)?))
}

/// Opens an existing ledger for reading only.
///
/// # Errors
/// [`Error::Missing`] before the first repair; [`Error::Older`] until the ledger has been brought
/// to this version's schema; otherwise as [`open`].
pub fn open_read_only(path: &Path) -> Result<Box<dyn Ledger>, Error> {
    Ok(Box::new(sqlite::SqliteLedger::open_read_only(path)?))
}

/// Returns what keeps this user from writing a ledger that it may read: its directory, or a file
/// beside it. Then nothing is repaired.
pub fn unwritable(path: &Path) -> Option<PathBuf> {
    sqlite::SqliteLedger::unwritable(path)
}

/// Gathers everything that a decision needs to know: what is on record, and what the monitoring
/// engine shows. Without a ledger nothing is on record yet.
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
