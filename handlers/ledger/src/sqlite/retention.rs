//! Deletes expired records, in batches, and returns unused space to the file system.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, params};

use super::locks::DecisionLock;
use super::row::{millis, span_millis};
use super::{REFUSALS_KEPT, SqliteLedger, unflushed};
use crate::Error;

/// Number of refusals or repairs that one batch deletes, which takes a few milliseconds.
const BATCH: u32 = 500;

/// Number of pages, of 4 KiB, that one batch returns to the file system.
const PAGES: u32 = 500;

/// One page in this number may be unused. New records fill it again, so the file does not shrink
/// and grow all the time.
const SPARE: u32 = 10;

impl SqliteLedger {
    /// Deletes one batch. Holds the decision lock meanwhile, because decisions wait for that lock
    /// in the order of their arrival, whereas SQLite would make them sleep and try again.
    pub(super) fn expire_batch(
        &mut self,
        keep: Option<Duration>,
        now: SystemTime,
    ) -> Result<bool, Error> {
        let _decision_lock = DecisionLock::acquire(&self.path)?;
        let expired = unflushed(&mut self.store, |store| {
            let refusals = delete_refusals(store, now, BATCH)?;
            let repairs = keep.map_or(Ok(0), |keep| delete_repairs(store, keep, now))?;
            let shrunk = shrink(store)?;
            Ok(refusals == BATCH as usize || repairs == BATCH as usize || shrunk)
        });
        self.named(expired)
    }
}

/// Deletes the oldest expired refusals, at most `limit`. Returns their number.
pub(super) fn delete_refusals(
    store: &Connection,
    now: SystemTime,
    limit: u32,
) -> rusqlite::Result<usize> {
    let expired = millis(now).saturating_sub(span_millis(REFUSALS_KEPT));
    let sql = "DELETE FROM refusal WHERE id IN \
               (SELECT id FROM refusal WHERE at < ?1 ORDER BY at LIMIT ?2)";
    store.execute(sql, params![expired, limit])
}

/// Deletes the repairs that ended first, with their steps, if they ended longer ago than `keep`.
/// Returns the number of repairs.
fn delete_repairs(
    store: &mut Connection,
    keep: Duration,
    now: SystemTime,
) -> rusqlite::Result<usize> {
    let transaction = store.transaction()?;
    let jobs = "SELECT job FROM repair WHERE ended < ?1 ORDER BY ended LIMIT ?2";
    let mut deleted = 0;
    for table in ["step", "repair_group", "repair"] {
        let sql = format!("DELETE FROM {table} WHERE job IN ({jobs})");
        let expired = millis(now).saturating_sub(span_millis(keep));
        deleted = transaction.execute(&sql, params![expired, BATCH])?;
    }
    transaction.commit()?;
    Ok(deleted)
}

/// Returns some unused pages to the file system, if there are many. Returns whether it did. A
/// ledger of an older version keeps its pages until `repairctl ledger migrate` has rewritten it.
fn shrink(store: &Connection) -> rusqlite::Result<bool> {
    let pragma = |name| store.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let unused = pragma("freelist_count")?.saturating_sub(pragma("page_count")? / SPARE);
    if unused == 0 || auto_vacuum(store)? != INCREMENTAL {
        return Ok(false);
    }
    let mut vacuum = store.prepare(&format!("PRAGMA incremental_vacuum({})", unused.min(PAGES)))?;
    // SQLite returns a row for each page.
    let mut pages = vacuum.query(())?;
    while pages.next()?.is_some() {}
    Ok(true)
}

/// Returns SQLite's `PRAGMA auto_vacuum`, which is stored in the file.
pub(super) fn auto_vacuum(store: &Connection) -> rusqlite::Result<u32> {
    store.pragma_query_value(None, "auto_vacuum", |row| row.get(0))
}

/// Value of SQLite's `PRAGMA auto_vacuum` with which a file can shrink step by step.
pub(super) const INCREMENTAL: u32 = 2;
