//! The ledger of one monitoring server: a SQLite file, one immediate transaction per reservation.

mod history;
mod locks;
mod migrate;
mod open;
mod row;
mod schema;
mod search;
mod store;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use policy::JobId;
use rusqlite::{Connection, Params, Row};

use crate::Error;
use locks::WorkerLock;

/// With a write-ahead log readers never hold up a reservation. Set once, it stays with the file.
const WAL: &str = "PRAGMA journal_mode = WAL";

/// How long refusals are kept; repairs are kept for ever.
const REFUSALS_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// Clocks of one machine are corrected by less than this.
const TOLERATED: Duration = Duration::from_secs(5);

/// A ledger in a SQLite file.
pub struct SqliteLedger {
    store: Connection,
    path: PathBuf,
    /// The name of this server, for the record.
    server: String,
    /// Locks of our own running jobs.
    held: HashMap<JobId, WorkerLock>,
}

/// Names the file in an error of SQLite.
fn store_error(path: &Path) -> impl Fn(rusqlite::Error) -> Error + '_ {
    |why| Error::Store { path: path.to_owned(), why }
}

impl SqliteLedger {
    /// Names the ledger in an error of SQLite.
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
