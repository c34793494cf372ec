//! The ledger records repairs and refusals, and reserves each repair before it starts.
//!
//! One transaction reads the history, lets the rules decide, and writes the reservation. If the
//! transaction fails, nothing is written and nothing is repaired. A crash or a power failure after
//! the transaction does not undo the reservation. Only the newest refusals may be lost, because
//! they are written without waiting for the disk. If the ledger cannot be read, the caller gets an
//! error and nothing is repaired. An unreadable ledger is never treated as empty.
//!
//! There are two stores: an SQLite file for one monitoring server, and a PostgreSQL database that
//! several servers share.

mod error;
mod expiry;
mod facts;
mod filter;
mod forgotten;
mod held_back;
mod history;
mod interface;
mod locks;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod per_event;
mod postgres;
mod record;
mod relapse;
mod row;
mod rung_session;
mod search;
mod server_fault;
mod sqlite;
mod trouble;
mod value;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use policy::{Event, History, Horizon, Observation, RecordedHistory};
use policy_file::LedgerConfig;

use postgres::PostgresLedger;
use sqlite::SqliteLedger;

pub use error::Error;
pub use filter::{Filter, LimitBounds, RefusalCount, RefusalTotals, Which};
pub use held_back::{HeldBack, held_back};
pub use interface::{Ledger, SweepLock};
pub use postgres::{DatabaseReport, ImportCounts, examine, import, migrate, postgres_schema};
pub use record::{
    Claim, Paused, Record, RecordedReason, Refusal, RepairOutcome, RepairState, Reset, RungStart,
    Running, Step, StepKind,
};
pub use relapse::RelapseFinder;
pub use rung_session::RungSession;
pub use server_fault::ServerFault;

/// Opens the ledger for writing. An SQLite file that does not exist is created. An SQLite file from
/// an older version is migrated to the current schema, and a copy of the older file is kept next to
/// it.
///
/// # Errors
/// Fails if the ledger cannot be trusted or used, or if it must be migrated while a worker of the
/// older version is still running.
pub fn open(config: &LedgerConfig) -> Result<Box<dyn Ledger>, Error> {
    match config {
        LedgerConfig::Sqlite(path) => open_sqlite(path),
        LedgerConfig::Postgres(postgres) => {
            Ok(Box::new(PostgresLedger::open(postgres, config.local())?))
        }
    }
}

/// Opens an existing ledger for reading only.
///
/// # Errors
/// Returns [`Error::Missing`] if the SQLite file does not exist yet, [`Error::Older`] if it has not
/// been migrated to the current schema, or one of the errors of [`open`].
pub fn open_read_only(config: &LedgerConfig) -> Result<Box<dyn Ledger>, Error> {
    match config {
        LedgerConfig::Sqlite(path) => open_sqlite_read_only(path),
        LedgerConfig::Postgres(postgres) => {
            Ok(Box::new(PostgresLedger::open_read_only(postgres, config.local())?))
        }
    }
}

/// Like [`open`], but for an SQLite file.
pub fn open_sqlite(path: &Path) -> Result<Box<dyn Ledger>, Error> {
    Ok(Box::new(SqliteLedger::open(path)?))
}

/// Like [`open_read_only`], but for an SQLite file.
pub fn open_sqlite_read_only(path: &Path) -> Result<Box<dyn Ledger>, Error> {
    Ok(Box::new(SqliteLedger::open_read_only(path)?))
}

/// Rewrites an SQLite file from an older version so that it can shrink when records expire. Returns
/// `false` if the file can already shrink. Decisions wait until the rewrite is done.
///
/// # Errors
/// Returns [`Error::InUse`] while a worker is repairing, or one of the errors of [`open`].
pub fn compact(path: &Path) -> Result<bool, Error> {
    SqliteLedger::compact(path)
}

/// Returns the file or directory that prevents this user from writing the ledger's local files, or
/// `None` if they are writable. Nothing is repaired until they are writable.
pub fn unwritable(config: &LedgerConfig) -> Option<PathBuf> {
    SqliteLedger::unwritable(config.local())
}

/// Tests that records can be written, and leaves none behind. Does nothing for SQLite, because
/// [`unwritable`] is enough there.
///
/// # Errors
/// Returns one of the errors of [`open`], or [`Error::Server`] if the disk of the PostgreSQL server
/// is full or its user lacks a right.
pub fn test_write(config: &LedgerConfig) -> Result<(), Error> {
    match config {
        LedgerConfig::Sqlite(_) => Ok(()),
        LedgerConfig::Postgres(postgres) => postgres::test_write(postgres),
    }
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
