//! Rewrites a ledger from an older version so that its file can shrink.

use std::path::Path;

use rusqlite::Connection;

use super::retention::{INCREMENTAL, auto_vacuum};
use super::{SqliteLedger, store_error};
use crate::Error;
use crate::locks::{self, DecisionLock};

/// Number of instructions of SQLite's virtual machine after which the rewrite shows waiting
/// processes that it is still making progress. SQLite executes this many in a few milliseconds.
const PROGRESS_EVERY: i32 = 100_000;

impl SqliteLedger {
    /// Rewrites the file with `auto_vacuum = INCREMENTAL`, unless it already has that setting.
    /// Returns whether it was rewritten. The schema and all records stay the same, so an older
    /// version can still use the ledger. No copy is needed, because SQLite undoes an interrupted
    /// rewrite (<https://sqlite.org/lang_vacuum.html>).
    ///
    /// # Errors
    /// Returns [`Error::InUse`] while a worker is repairing, because the worker could not record
    /// its steps during the rewrite.
    pub fn compact(path: &Path) -> Result<bool, Error> {
        let mut store = SqliteLedger::open(path)?.store;
        let of_store = store_error(path);
        // No repair can be reserved while we hold this lock.
        let lock = DecisionLock::acquire(path)?;
        if auto_vacuum(&store).map_err(&of_store)? == INCREMENTAL {
            return Ok(false);
        }
        if let Some(job) = locks::any_alive(path)? {
            return Err(Error::InUse { path: path.to_owned(), job });
        }
        rewrite(&mut store, lock).map(|()| true).map_err(&of_store)
    }
}

fn rewrite(store: &mut Connection, lock: DecisionLock) -> rusqlite::Result<()> {
    let progress = move || {
        lock.show_progress();
        false
    };
    store.progress_handler(PROGRESS_EVERY, Some(progress))?;
    store.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
    store.execute_batch("VACUUM")
}
