//! Stores the ledger of one monitoring server in a SQLite file. Each reservation is one immediate
//! transaction.

mod compact;
#[cfg(test)]
mod event_plans;
mod forgotten;
mod history;
mod insert;
mod migrate;
mod open;
mod overview;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod plans;
mod retention;
mod row;
mod schema;
mod search;
mod store;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use policy::JobId;
use rusqlite::{Connection, Params, Row};

use crate::Error;
use crate::locks::{self, WorkerLock};

/// Turns on the write-ahead log, so that readers never block a reservation. SQLite stores this
/// setting in the file.
const WAL: &str = "PRAGMA journal_mode = WAL";

/// A ledger in a SQLite file.
pub struct SqliteLedger {
    store: Connection,
    path: PathBuf,
    /// Host name of this server, which is stored with each reservation.
    server: String,
    /// Locks of the running jobs that were reserved through this ledger.
    held: HashMap<JobId, WorkerLock>,
}

/// Returns a function that adds `path` to a SQLite error.
fn store_error(path: &Path) -> impl Fn(rusqlite::Error) -> Error + '_ {
    |why| Error::Store { path: path.to_owned(), why }
}

/// Writes without flushing to disk. A power failure may undo the write, but only together with
/// everything that was committed later. The next flush includes all earlier commits.
fn unflushed<T>(
    store: &mut Connection,
    write: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    store.pragma_update(None, "synchronous", "NORMAL")?;
    let written = write(store);
    store.pragma_update(None, "synchronous", "FULL")?;
    written
}

impl SqliteLedger {
    /// Adds the path of the ledger to a SQLite error.
    fn named<T>(&self, result: rusqlite::Result<T>) -> Result<T, Error> {
        result.map_err(store_error(&self.path))
    }

    fn rows<T>(
        &self,
        sql: &str,
        keys: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let collect =
            || self.store.prepare(sql)?.query_map(keys, read)?.collect::<rusqlite::Result<_>>();
        self.named(collect())
    }

    fn is_alive(&self, job: &str) -> bool {
        locks::is_alive(&self.path, job)
    }
}
